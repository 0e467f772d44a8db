"""Numbers for the strata of rows: equal where all levels are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import Column

#: Numbers are below this, with room in 64 bits.
_MOST_KEYS = 2**62

_Numbers = npt.NDArray[np.int64]


def strata_of(factors: Sequence[Column], count: int) -> _Numbers:
    """A number for each row; two rows have the same if, of every factor, they have the same level, or none.

    Parameters
    ----------
    factors : sequence of Column
        The levels of one factor for each row; there may be no factor.
    count : int
        How many rows there are.

    Returns
    -------
    (count,) int64 array
    """
    numbers, size = np.zeros(count, np.int64), 1
    for column in factors:
        codes, most = _codes(column)
        if size * most >= _MOST_KEYS:
            numbers, size = np.unique(numbers, return_inverse=True)[1].reshape(-1), count
        numbers, size = numbers * most + codes, size * most
    return numbers


def _codes(column: Column) -> tuple[_Numbers, int]:
    """A code for each level, 0 for none, and how many codes there can be."""
    if column.type == "text":
        levels = column.values.tolist()
        known = {level: code for code, level in enumerate(dict.fromkeys(levels))}
        codes = np.fromiter(map(known.__getitem__, levels), np.int64, len(levels))
        count = len(known)
    else:
        distinct, codes = np.unique(column.values, return_inverse=True)
        codes, count = codes.reshape(-1), len(distinct)
    return np.where(column.missing, 0, codes + 1), count + 1
