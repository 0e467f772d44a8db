"""Where two states have the same time, and where their samples differ in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.layout import SAMPLES_DIGEST
from eegarchive.state import Signal
from eegarchive.storage.objects import read_attributes
from eegarchive.storage.samples import Piece, copy

Stretch = tuple[float, float]
Segments = Mapping[str, npt.NDArray[Any]]
Integers = npt.NDArray[np.int64]

#: Times this close (in seconds) are the same: what decimal numbers leave of rounding.
_SAME_TIME = 1e-6
_BLOCK_SAMPLES = 2**18


def covered(a: Segments, b: Segments) -> list[Stretch]:
    """Time that both have."""
    starts, stops, in_a, in_b = _shares(a, b)
    both = (in_a >= 0) & (in_b >= 0)
    return _merged(starts[both], stops[both])


def outside(a: Segments, b: Segments) -> list[Stretch]:
    """Time that `a` has and `b` hasn't."""
    starts, stops, in_a, in_b = _shares(a, b)
    alone = (in_a >= 0) & (in_b < 0)
    return _merged(starts[alone], stops[alone])


def _shares(
    a: Segments, b: Segments
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Integers, Integers]:
    """Cut the clock wherever a segment begins or ends: start, stop, and the segment of either (-1: none)."""
    edges = np.sort(
        np.concatenate([side for s in (a, b) for side in (s["start"], s["start"] + s["duration"])])
    )
    starts, stops = edges[:-1], edges[1:]
    real = stops - starts > _SAME_TIME
    starts, stops = starts[real], stops[real]
    middles = (starts + stops) / 2
    return starts, stops, _segment_at(a, middles), _segment_at(b, middles)


def _segment_at(segments: Segments, times: npt.NDArray[np.float64]) -> Integers:
    found = np.searchsorted(segments["start"], times, side="right").astype(np.int64) - 1
    if not len(segments["start"]):
        return found
    inside = (found >= 0) & (times < (segments["start"] + segments["duration"])[found])
    return np.where(inside, found, -1)


def _merged(starts: npt.NDArray[np.float64], stops: npt.NDArray[np.float64]) -> list[Stretch]:
    """Stretches with those that touch made one."""
    if not len(starts):
        return []
    breaks = np.flatnonzero(starts[1:] - stops[:-1] > _SAME_TIME)
    firsts, lasts = starts[np.r_[0, breaks + 1]], stops[np.r_[breaks, len(stops) - 1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


class Aligned:
    """Runs of samples that two states have at the same times, for signals of one sampling rate.

    Attributes
    ----------
    a, b : (runs,) int
        Number of each run's first sample in either state.
    count : (runs,) int
    start : (runs,) float
        Seconds on the recording clock.
    rate : float
    """

    def __init__(self, a: Segments, b: Segments, rate: float) -> None:
        starts, stops, in_a, in_b = _shares(a, b)
        both = (in_a >= 0) & (in_b >= 0)
        starts, stops = starts[both], stops[both]
        self.rate = rate
        self.a, ends_a = _sample_numbers(a, in_a[both], starts, stops, rate)
        self.b, ends_b = _sample_numbers(b, in_b[both], starts, stops, rate)
        self.count = np.minimum(ends_a - self.a, ends_b - self.b)
        self.start = starts


def _sample_numbers(
    segments: Segments,
    own: Integers,
    starts: npt.NDArray[np.float64],
    stops: npt.NDArray[np.float64],
    rate: float,
) -> tuple[Integers, Integers]:
    """Numbers of the samples at some times, each within the segment `own` (spec T-5)."""
    before = np.rint(np.concatenate([[0.0], np.cumsum(segments["duration"])]) * rate)
    numbers = [before[own] + np.rint((times - segments["start"][own]) * rate) for times in (starts, stops)]
    return numbers[0].astype(np.int64), np.minimum(numbers[1], before[own + 1]).astype(np.int64)


def changed_stretches(a: Signal, b: Signal, aligned: Aligned) -> list[Stretch]:
    """Where the samples of two signals differ, in the time that both have."""
    left = np.minimum(len(a) - aligned.a, len(b) - aligned.b)
    count = np.maximum(np.minimum(aligned.count, left), 0)
    length = int(count.sum())
    if not length:
        return []
    offsets = np.cumsum(count) - count
    keys: dict[tuple[str, str], int] = {}
    own, other = _Origins(a, keys), _Origins(b, keys)
    cuts = _cuts(own.ends, aligned.a, count, offsets), _cuts(other.ends, aligned.b, count, offsets)
    edges = np.unique(np.concatenate([offsets, *cuts, [length]]))
    at = edges[:-1]
    run = np.searchsorted(offsets, at, side="right") - 1
    from_a, from_b = aligned.a[run] + at - offsets[run], aligned.b[run] + at - offsets[run]
    differs = ~own.same(from_a, other, from_b)
    # parts of one run that follow each other are one stretch
    follows = np.r_[False, differs[:-1] & (run[1:] == run[:-1])] & differs
    firsts = np.flatnonzero(differs & ~follows)
    lasts = np.flatnonzero(differs & ~np.r_[follows[1:], False])
    found = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        samples = int(edges[last + 1] - edges[first])
        trimmed = _trimmed(a, int(from_a[first]), b, int(from_b[first]), samples)
        if trimmed is not None:
            zero = float(aligned.start[run[first]])
            shift = int(at[first] - offsets[run[first]])
            found.append(tuple(zero + (shift + n) / aligned.rate for n in trimmed))
    return _merged(*(np.array(side) for side in zip(*found, strict=True))) if found else []


class _Origins:
    """Which stored samples a signal is made of."""

    def __init__(self, signal: Signal, keys: dict[tuple[str, str], int]) -> None:
        pieces = [piece for piece in signal.pieces if len(piece)]
        self.ends = np.cumsum([len(piece) for piece in pieces])
        self._keys = np.array([keys.setdefault(_content(signal, piece), len(keys)) for piece in pieces])
        #: Add to a sample's number in the signal to get the one in the stored samples.
        self._shift = np.array([piece.stop for piece in pieces]) - self.ends

    def same(self, numbers: Integers, other: _Origins, others: Integers) -> npt.NDArray[np.bool_]:
        """Whether samples of this signal and of another one are the same stored ones."""
        here = np.searchsorted(self.ends, numbers, side="right")
        there = np.searchsorted(other.ends, others, side="right")
        alike: npt.NDArray[np.bool_] = (self._keys[here] == other._keys[there]) & (
            numbers + self._shift[here] == others + other._shift[there]
        )
        return alike


def _content(signal: Signal, piece: Piece) -> tuple[str, str]:
    """What stored samples of equal content have in common, whatever their attributes and file."""
    stored = signal._file.stored(piece.data)
    return stored.dtype.str, str(read_attributes(stored.dataset).get(SAMPLES_DIGEST, piece.data))


def _cuts(ends: Integers, first: Integers, count: Integers, offsets: Integers) -> Integers:
    """Where pieces end, counted along all runs one after the other."""
    run = np.searchsorted(first, ends, side="right") - 1
    inside = (run >= 0) & (ends - first[run] < count[run])
    return offsets[run][inside] + (ends - first[run])[inside]


def _trimmed(a: Signal, from_a: int, b: Signal, from_b: int, count: int) -> tuple[int, int] | None:
    """First sample that differs, and the one behind the last; None if none does."""
    if a.dtype != b.dtype:
        return 0, count
    starts = range(0, count, _BLOCK_SAMPLES)
    first = _edge(a, from_a, b, from_b, count, starts, 0)
    if first is None:
        return None
    last = _edge(a, from_a, b, from_b, count, starts[::-1], -1)
    assert last is not None
    return first, last + 1


def _edge(
    a: Signal, from_a: int, b: Signal, from_b: int, count: int, starts: Sequence[int], which: int
) -> int | None:
    """The first sample that differs (0) or the last one (-1), searched block by block."""
    for start in starts:
        stop = min(start + _BLOCK_SAMPLES, count)
        blocks = []
        for signal, zero in ((a, from_a), (b, from_b)):
            block = np.empty(stop - start, signal.dtype)
            signal.read_into(block, zero + start, zero + stop, copy)
            blocks.append(block.view(f"i{block.dtype.itemsize}"))  # so that NaN equals NaN
        differing = np.flatnonzero(blocks[0] != blocks[1])
        if len(differing):
            return start + int(differing[which])
    return None
