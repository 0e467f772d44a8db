"""What is drawn of a signal, read block by block: as many values as a picture can show."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from eegarchive.plotting.clock import Clock
from eegarchive.state import Signal

Values = npt.NDArray[np.float64]

#: Samples read at a time.
_BLOCK_SAMPLES = 2**19
#: So many samples for each column of pixels are still drawn one by one.
_SAMPLES_PER_COLUMN = 4
#: A signal this slow is drawn in steps, each value for as long as it holds.
_SLOW_HZ = 1.0
#: Length of the stretches of which spectra are averaged.
_SPECTRUM_SECONDS = 4.0


def trace(signal: Signal, clock: Clock, begin: float, end: float, columns: int) -> tuple[Values, Values]:
    """Times and values of a line that shows a signal; NaN breaks it between segments.

    Where there are many samples for each of the `columns`, the line goes through the least and the greatest of each.
    """
    rate = signal.sampling_rate
    first, stop = clock.samples(rate, begin, end)
    stop = min(stop, len(signal))
    if stop - first > _SAMPLES_PER_COLUMN * columns:
        low, high = envelope(signal, clock, begin, end, columns)
        centres = begin + (np.arange(columns) + 0.5) * (end - begin) / columns
        return np.repeat(centres, 2), np.stack([low, high], axis=1).reshape(-1)
    if stop <= first:
        return np.empty(0), np.empty(0)
    numbers = np.arange(first, stop)
    times, values = clock.times(numbers, rate), np.asarray(signal[first:stop])
    if rate <= _SLOW_HZ:
        times, values = np.stack([times, times + 1 / rate], axis=1).reshape(-1), np.repeat(values, 2)
        numbers = np.repeat(numbers, 2)
    borders = np.searchsorted(numbers, clock.firsts(rate)[1:-1])
    borders = borders[(borders > 0) & (borders < len(numbers))]
    return np.insert(times, borders, times[borders]), np.insert(values, borders, np.nan)


def envelope(signal: Signal, clock: Clock, begin: float, end: float, columns: int) -> tuple[Values, Values]:
    """Least and greatest value in each of so many equal parts of [begin, end); NaN where there is none."""
    rate = signal.sampling_rate
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    first, stop = clock.samples(rate, begin, end)
    stop = min(stop, len(signal))
    for start in range(first, stop, _BLOCK_SAMPLES):
        numbers = np.arange(start, min(start + _BLOCK_SAMPLES, stop))
        values = signal[start : int(numbers[-1]) + 1]
        column = ((clock.times(numbers, rate) - begin) / (end - begin) * columns).astype(np.int64)
        column = np.clip(column, 0, columns - 1)
        edges = np.flatnonzero(np.diff(column, prepend=-1))
        at = column[edges]
        low[at] = np.fmin(low[at], np.fmin.reduceat(values, edges))
        high[at] = np.fmax(high[at], np.fmax.reduceat(values, edges))
    return low, high


def spectrogram(
    signal: Signal, clock: Clock, begin: float, end: float, columns: int, highest: float
) -> tuple[Values, Values]:
    """Frequencies, and the power density at each in so many equal parts of [begin, end).

    Returns
    -------
    frequencies : (f,) float64
        Up to `highest` Hz.
    power : (f, columns) float64
        In squared units per Hz; NaN where there is no whole stretch of data.
    """
    rate = signal.sampling_rate
    length = max(4, round(min(_SPECTRUM_SECONDS, (end - begin) / 4) * rate))
    frequencies: Values = np.asarray(np.fft.rfftfreq(length, 1 / rate), np.float64)
    frequencies = frequencies[frequencies <= highest + 1e-9]
    total, count = np.zeros((len(frequencies), columns)), np.zeros(columns)
    window = np.hanning(length + 1)[:-1]
    for centres, block in _stretches(signal, clock, begin, end, length):
        spectra = np.fft.rfft((block - block.mean(axis=1, keepdims=True)) * window)[:, : len(frequencies)]
        power = np.abs(spectra) ** 2 * (2 / (rate * np.sum(window**2)))
        column = np.clip(((centres - begin) / (end - begin) * columns).astype(np.int64), 0, columns - 1)
        edges = np.flatnonzero(np.diff(column, prepend=-1))
        total[:, column[edges]] += np.add.reduceat(power, edges, axis=0).T
        count[column[edges]] += np.diff(edges, append=len(column))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Values = total / count
    return frequencies, _spread_over(mean, count, length / rate * columns / (end - begin))


def _stretches(
    signal: Signal, clock: Clock, begin: float, end: float, length: int
) -> Iterator[tuple[Values, Values]]:
    """Blocks of stretches of `length` samples, none across a gap, with the times of their centres."""
    rate = signal.sampling_rate
    first, stop = clock.samples(rate, begin, end)
    stop = min(stop, len(signal))
    borders = np.clip(clock.firsts(rate), first, stop).tolist()
    starts = np.concatenate(
        [np.arange(a, b - length + 1, length) for a, b in itertools.pairwise(borders)]
        or [np.empty(0, np.int64)]
    )
    done = 0
    while done < len(starts):
        base = int(starts[done])
        upto = max(done + 1, int(np.searchsorted(starts, base + _BLOCK_SAMPLES - length, side="right")))
        own = starts[done:upto]
        values = signal[base : int(own[-1]) + length]
        centres: Values = clock.times(own, rate) + length / rate / 2
        yield centres, values[(own - base)[:, None] + np.arange(length)]
        done = upto


def _spread_over(mean: Values, count: Values, width: float) -> Values:
    """Fill the columns between centres that lie further apart than a column is wide, `width` columns each."""
    if width <= 1:
        return mean
    filled = np.flatnonzero(count)
    if not len(filled):
        return mean
    at = np.arange(len(count))
    right = np.clip(np.searchsorted(filled, at), 0, len(filled) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(at - filled[left] <= filled[right] - at, filled[left], filled[right])
    out = mean[:, nearest]
    out[:, np.abs(at - nearest) > width / 2 + 1] = np.nan
    return out
