"""Columns as pandas data frames, what a table of signals has as columns, and pyarrow, where it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.layout import SAMPLES_DIGEST
from eegarchive.storage.objects import AttributeValue

if TYPE_CHECKING:
    import pandas

#: pandas' types for columns in which something is missing.
_NULLABLE = {int: "Int64", float: "Float64"}


@contextlib.contextmanager
def needing_pandas() -> Iterator[None]:
    """Say what to install where pandas isn't.

    Raises
    ------
    EEGArchiveError
    """
    try:
        yield
    except ModuleNotFoundError:
        raise EEGArchiveError('data frames need pandas: pip install "eegarchive[pandas]"') from None


def arrow() -> Any:
    """The package pyarrow, with its modules for computing and for Parquet.

    Raises
    ------
    EEGArchiveError
        If it isn't installed: what to install.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise EEGArchiveError(
            'Parquet files need pyarrow: pip install "eegarchive[parquet]"; CSV doesn\'t'
        ) from None
    return pyarrow


def frame_of(columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> pandas.DataFrame:
    """Columns as a data frame: texts of pandas' type for texts, even if there are none; None is missing."""
    with needing_pandas():
        import pandas

    return pandas.DataFrame({name: _series(values) for name, values in columns.items()})


def _series(values: Sequence[Any] | npt.NDArray[Any]) -> Any:
    import pandas

    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    types = {type(value) for value in values if value is not None}
    if None in list(values):
        kind = _NULLABLE.get(next(iter(types)), object) if len(types) == 1 else object
        return pandas.Series(values, dtype=kind)
    if types <= {str}:
        return pandas.Series(values, dtype=str)
    return pandas.Series(values)


def signal_columns(
    signals: Mapping[str, tuple[Mapping[str, AttributeValue], np.dtype[Any], int]],
) -> dict[str, list[Any]]:
    """A row for each signal: name, number and type of its samples, and all attributes that any of them has."""
    described = [attributes for attributes, _, _ in signals.values()]
    names = [
        name for name in dict.fromkeys(key for own in described for key in own) if name != SAMPLES_DIGEST
    ]
    return {
        "name": list(signals),
        "samples": [length for _, _, length in signals.values()],
        "dtype": [dtype.name for _, dtype, _ in signals.values()],
        **{
            name: [own.get(name) for own in described]
            for name in names
            if name not in ("name", "samples", "dtype")
        },
    }
