"""Samples of epochs, read in blocks of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.state import Signal, State, first_samples

#: Samples read at a time, of one signal.
_BLOCK_SAMPLES = 2**20
#: Gaps between epochs up to this many samples are read over: they lie in chunks that are decoded anyway.
_READ_OVER = 2**16
#: What decimal times leave of rounding, in samples and in seconds.
_ON_SAMPLE = 1e-6
_SAME_TIME = 1e-6


def epoch_samples(
    state: State, epochs: Mapping[str, npt.NDArray[Any]], rate: float
) -> tuple[npt.NDArray[np.int64], int]:
    """Where epochs of one length lie in a signal.

    Where an epoch begins between two samples, the one before counts as its first, and all epochs have as many
    samples as fit into their length: so does Luna, and so all epochs have equally many.

    Parameters
    ----------
    state : State
    epochs : mapping
        Columns of the table of epochs.
    rate : float
        Samples per second.

    Returns
    -------
    starts : (epochs,) int64
        First sample of each, among those of the signal.
    count : int
        Samples in each.

    Raises
    ------
    EEGArchiveError
        If the epochs differ in length, or one isn't within a segment of the recording.
    """
    starts, lengths = epochs["start"], epochs["duration"]
    if not len(starts):
        return np.empty(0, np.int64), 0
    length = float(lengths[0])
    if np.abs(lengths - length).max() > _SAME_TIME:
        raise EEGArchiveError("epochs of several lengths; set epochs of one length first, as by EPOCH len=30")
    segments = state.segments.columns()
    begins, ends = segments["start"], segments["start"] + segments["duration"]
    within = np.searchsorted(begins, starts + _SAME_TIME, side="right") - 1
    outside = within < 0
    outside |= starts + length > ends[within] + _SAME_TIME
    if outside.any():
        first = int(np.argmax(outside))
        raise EEGArchiveError(
            f"epoch {epochs['epoch'][first]} ({starts[first]:.10g}-{starts[first] + length:.10g} s) isn't within a "
            "segment of the recording; set epochs anew"
        )
    edges = first_samples(segments["duration"], rate)
    offsets = np.floor((starts - begins[within]) * rate + _ON_SAMPLE).astype(np.int64)
    count = int(np.floor(length * rate + _ON_SAMPLE))
    # a segment that ends at half a sample may have one less than its epochs
    return edges[within] + np.minimum(offsets, np.diff(edges)[within] - count), count


def epoch_blocks(
    signal: Signal, starts: npt.NDArray[np.int64], count: int
) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Physical values of epochs, some at a time, in order.

    Parameters
    ----------
    signal : Signal
    starts : (epochs,) int64
        First sample of each epoch, ascending.
    count : int
        Samples in each.

    Yields
    ------
    which : slice
        Which of the epochs.
    values : (epochs, count) float64
        Not to be written to.
    """
    first = 0
    while first < len(starts):
        stop = first + 1
        while (
            stop < len(starts)
            and starts[stop] + count - starts[first] <= _BLOCK_SAMPLES
            and starts[stop] - starts[stop - 1] - count <= _READ_OVER
        ):
            stop += 1
        begin = int(starts[first])
        values = signal[begin : int(starts[stop - 1]) + count]
        rows = np.lib.stride_tricks.sliding_window_view(values, count)
        own = starts[first:stop] - begin
        steps = np.diff(own)
        even = len(own) > 1 and (steps == steps[0]).all() and steps[0] > 0
        yield slice(first, stop), rows[:: steps[0]] if even else rows[own]
        first = stop
