"""What the values of a cache are made of in memory: vocabularies, factors, and columns of codes.

A variable's name and every level of a factor stand once, in a vocabulary; an entry has their codes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, FILLERS, TYPES, Column, ValueType
from eegarchive.cache.levels import level_of
from eegarchive.errors import EEGArchiveError

#: Type of values, and whether they are vectors.
Kind = tuple[ValueType, bool]
KINDS: tuple[Kind, ...] = tuple((kind, vector) for vector in (False, True) for kind in TYPES)
Codes = npt.NDArray[np.int32]
_SCALARS = (str, int, float, np.generic)
Rows = npt.NDArray[np.int64]


def kind_name(kind: Kind) -> str:
    """A kind for people: `num`, or `num[]` for vectors."""
    return kind[0] + ("[]" if kind[1] else "")


class Vocabulary:
    """Distinct values, and the code of each."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self.codes: dict[Any, int] = {value: code for code, value in enumerate(values)}

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Any:
        return iter(self.codes)

    def add(self, values: npt.NDArray[Any]) -> Codes:
        """Codes of values; what is new gets one. Runs of equal values are looked up once."""
        if not len(values):
            return np.empty(0, np.int32)
        starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
        if len(starts) <= len(values) // 2:
            lengths = np.diff(starts, append=len(values))
            return np.repeat(self._add(values[starts].tolist()), lengths)
        return self._add(values.tolist())

    def _add(self, values: list[Any]) -> Codes:
        codes = self.codes
        for value in dict.fromkeys(values):
            codes.setdefault(value, len(codes))
        return np.fromiter(map(codes.__getitem__, values), np.int32, len(values))


@dataclass(frozen=True)
class Factor:
    """The levels of one factor."""

    type: ValueType
    levels: Vocabulary

    @functools.cached_property
    def values(self) -> npt.NDArray[Any]:
        """Levels in the order of their codes, and behind them what stands where there is none."""
        found = np.empty(len(self.levels) + 1, DTYPES[self.type])
        found[:-1] = list(self.levels)
        found[-1] = FILLERS[self.type]
        return found

    def code(self, level: Any) -> int:
        """Code of a level, also of one that stands as JSON; -1 if there is none such. True is none of the integers."""
        if isinstance(level, bool | np.bool_) != (self.type == "bool"):
            return -1
        if not isinstance(level, _SCALARS):
            try:
                level = level_of("", level)
            except EEGArchiveError:
                return -1
        return self.levels.codes.get(level, -1)

    def column(self, codes: Codes) -> Column:
        """Levels of some entries; missing where the code is -1."""
        return Column(self.type, self.values[codes], codes < 0)


@dataclass(frozen=True, eq=False)
class Part:
    """The entries of one kind.

    Attributes
    ----------
    variables : (n,) int32 array
    levels : (n, factors) int32 array
        -1 where an entry doesn't have the factor.
    values : Column
    offsets : (n + 1,) int64 array, optional
        As those of a block.
    origins : (n,) int32 array
    """

    variables: Codes
    levels: Codes
    values: Column
    offsets: npt.NDArray[np.int64] | None
    origins: Codes

    def __len__(self) -> int:
        return len(self.variables)

    def take(self, rows: Rows) -> Part:
        """Some of the entries."""
        values, offsets = self.values, self.offsets
        if offsets is None:
            values = values.take(rows)
        else:
            lengths = np.diff(offsets)[rows]
            new = np.concatenate([[0], np.cumsum(lengths)])
            values = values.take(np.repeat(offsets[rows] - new[:-1], lengths) + np.arange(new[-1]))
            offsets = new
        return Part(self.variables[rows], self.levels[rows], values, offsets, self.origins[rows])

    def value(self, row: int) -> Any:
        """One value: Python's own, None if missing; a vector as an array, masked where elements are missing."""
        if self.offsets is None:
            if self.values.missing[row]:
                return None
            found = self.values.values[row]
            return found.item() if isinstance(found, np.generic) else found
        return vector_of(self.values, slice(int(self.offsets[row]), int(self.offsets[row + 1])))


def vector_of(values: Column, part: slice) -> npt.NDArray[Any]:
    """A vector out of a column: an array, masked where elements are missing."""
    found, missing = values.values[part].copy(), values.missing[part]
    return np.ma.MaskedArray(found, missing.copy()) if missing.any() else found


def joined_parts(parts: Sequence[Part]) -> Part:
    """Several parts of one kind as one."""
    if len(parts) == 1:
        return parts[0]
    offsets = None
    if parts[0].offsets is not None:
        lengths = np.concatenate([np.diff(part.offsets) for part in parts if part.offsets is not None])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
    columns = [part.values for part in parts]
    return Part(
        np.concatenate([part.variables for part in parts]),
        np.concatenate([part.levels for part in parts]),
        Column(
            columns[0].type,
            np.concatenate([column.values for column in columns]),
            np.concatenate([column.missing for column in columns]),
        ),
        offsets,
        np.concatenate([part.origins for part in parts]),
    )
