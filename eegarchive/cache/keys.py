"""Rows of codes as keys that can be sorted and looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.parts import Codes

_MOST_KEYS = 2**62


class Radix:
    """Turns rows of codes into keys to sort and look up: an integer each, or bytes where that is too small."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = [max(1, size) for size in sizes]
        product = 1
        for size in self._sizes:
            product *= size
        self._fits = product < _MOST_KEYS

    def keys(self, digits: Sequence[Codes]) -> npt.NDArray[Any]:
        """Keys of rows, given by columns of digits."""
        if self._fits:
            found = np.zeros(len(digits[0]), np.int64)
            for size, column in zip(self._sizes, digits, strict=True):
                found *= size
                found += column
            return found
        packed = np.stack(digits, axis=1).astype(">u4")
        return np.ascontiguousarray(packed).view(f"S{4 * len(digits)}").ravel()

    def places(self, keys: npt.NDArray[Any], digits: Sequence[int]) -> tuple[int, int]:
        """Where, among sorted keys, those lie that begin with these digits, the last one left open."""
        if self._fits:
            low = 0
            for size, digit in zip(self._sizes, digits, strict=False):
                low = low * size + digit
            first, last = keys.searchsorted((low * self._sizes[-1], (low + 1) * self._sizes[-1]))
            return int(first), int(last)
        raw = np.array(digits, ">u4").tobytes()
        first = keys.searchsorted(np.bytes_(raw))
        return int(first), int(keys.searchsorted(np.bytes_(raw + b"\xff\xff\xff\xff"), "right"))
