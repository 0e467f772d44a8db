"""Parameters of functions as levels of factors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from eegarchive.cache.columns import type_of
from eegarchive.errors import EEGArchiveError


def level_of(name: str, value: Any) -> Any:
    """What a parameter is as a level: itself if it is a text, a number or a boolean, else a text of JSON.

    Raises
    ------
    EEGArchiveError
        If JSON can't hold it.
    """
    plain = plain_of(name, value)
    return plain if type_of(type(plain)) is not None else json.dumps(plain, sort_keys=True)


def plain_of(name: str, value: Any) -> Any:
    """A parameter as JSON has it; arrays with their type, since a function may heed it.

    Raises
    ------
    EEGArchiveError
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type_of(type(value)) is not None:
        return value
    if isinstance(value, list | tuple):
        return [plain_of(name, one) for one in value]
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        return {"array": plain_of(name, value.tolist()), "dtype": value.dtype.name}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain_of(name, one) for key, one in value.items()}
    raise EEGArchiveError(
        f"the parameter {name}: {value!r:.40} ({type(value).__name__}) is none that can be compared: give texts, "
        "numbers, booleans, None, or lists and dictionaries of such"
    )
