"""What h5py raises for a damaged file, turned into one error with the place in it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from eegarchive.errors import EEGArchiveError, InvalidArchive

#: libhdf5 reports damage through whichever of these h5py maps its code to.
HDF5_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    SystemError,
    MemoryError,
    OverflowError,
)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


def first_line(error: BaseException) -> str:
    """First line of an error's message; h5py's have many."""
    return str(error.args[0] if error.args else error).partition("\n")[0]


def finds_damage(function: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Let a function that reads an HDF5 object raise InvalidArchive where h5py says the file is damaged."""

    @functools.wraps(function)
    def wrapped(obj: _T, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(obj, *args, **kwargs)
        except EEGArchiveError:
            raise
        except HDF5_ERRORS as error:
            raise InvalidArchive(
                f"{_place(obj)}: can't be read, the file is damaged ({first_line(error)})"
            ) from None

    return wrapped  # type: ignore[return-value]  # functools.wraps forgets that obj is positional


def _place(obj: Any) -> str:
    try:
        return f"{obj.file.filename}: {obj.name}"
    except HDF5_ERRORS:
        return "an object"
