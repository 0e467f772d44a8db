"""Power spectra by Welch's method, and power in bands."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Frequency bands in Hz, lowest included, highest not.
BANDS: dict[str, tuple[float, float]] = {
    "SLOW": (0.5, 1.0),
    "DELTA": (1.0, 4.0),
    "THETA": (4.0, 8.0),
    "ALPHA": (8.0, 12.0),
    "SIGMA": (12.0, 15.0),
    "SLOW_SIGMA": (10.0, 13.0),
    "FAST_SIGMA": (13.0, 15.0),
    "BETA": (15.0, 30.0),
    "GAMMA": (30.0, 50.0),
}
#: What relative power is relative to.
TOTAL = (0.5, 50.0)

#: What decimal times leave of rounding, in samples.
_ON_SAMPLE = 1e-6
#: How many samples of segments are transformed at once: they stay in the processor's cache.
_AT_ONCE = 2**17


def _cosines(angles: Floats, level: float, swing: float) -> Floats:
    return np.asarray(level - swing * np.cos(angles))


def window_of(name: str, length: int) -> Floats:
    """A window, as long as a segment, equal from both ends.

    Parameters
    ----------
    name : {"tukey50", "hann", "hamming", "none"}
        Tukey's, flat over its middle half; or Hann's, Hamming's, or ones.
    length : int

    Raises
    ------
    ValueError
        If there is no such window.
    """
    if name not in ("tukey50", "hann", "hamming", "none"):
        raise ValueError(f"no window {name!r}; there are tukey50, hann, hamming, none")
    if name == "none" or length < 3:
        return np.ones(length)
    steps = np.arange(length) / (length - 1)
    if name == "hann":
        return _cosines(2 * np.pi * steps, 0.5, 0.5)
    if name == "hamming":  # Luna's coefficients are those of single precision
        return _cosines(2 * np.pi * steps, float(np.float32(0.54)), float(np.float32(0.46)))
    from_end = np.minimum(steps, steps[::-1])
    return np.where(from_end < 0.25, _cosines(4 * np.pi * from_end, 0.5, 0.5), 1.0)


def segments(count: int, rate: float, segment: float = 4.0, overlap: float = 2.0) -> tuple[int, list[int]]:
    """Into which segments Welch's method cuts an epoch.

    There are as many as fit with the overlap asked for, at least two; they are then spread over the epoch, so that
    they may overlap more than asked. An epoch not longer than a segment and an overlap is one segment.

    Parameters
    ----------
    count : int
        Samples in the epoch.
    rate : float
        Samples per second.
    segment, overlap : float
        Seconds.

    Returns
    -------
    length : int
        Samples in a segment.
    starts : list of int
        First sample of each.

    Raises
    ------
    ValueError
        If a segment isn't longer than a sample, or not longer than the overlap; or the epoch has fewer than two
        samples.
    """
    length = math.floor(segment * rate + 0.5 + _ON_SAMPLE)
    shared = overlap * rate
    if not (0 <= overlap < segment) or length < 2 or shared >= length:
        raise ValueError(
            f"segments of {segment:g} s that overlap by {overlap:g} s, at {rate:g} Hz: a segment must be longer than "
            "the overlap, and at least two samples"
        )
    if count < 2:
        raise ValueError(f"epochs of {count} samples at {rate:g} Hz have no spectrum")
    if count <= length + shared + _ON_SAMPLE:
        return count, [0]
    number = max(2, math.floor((count - shared) / (length - shared) + _ON_SAMPLE))
    step = length - math.ceil((number * length - count) / (number - 1))
    return length, list(range(0, count - length + 1, step))


def welch(
    epochs: npt.ArrayLike,
    rate: float,
    *,
    segment: float = 4.0,
    overlap: float = 2.0,
    window: str = "tukey50",
) -> tuple[Floats, Floats]:
    """Power spectral density of epochs by Welch's method, one-sided, without detrending, as Luna 1.7 computes it.

    Parameters
    ----------
    epochs : (..., samples) array
        Physical values. All epochs have the same number of samples.
    rate : float
        Samples per second.
    segment, overlap : float
        Seconds; where the segments lie is told by :func:`segments`.
    window : {"tukey50", "hann", "hamming", "none"}

    Returns
    -------
    frequencies : (bins,) float64
        Hz.
    density : (..., bins) float64
        Squared units per Hz: the mean over segments of ``|X_k|**2 / (rate * sum(w**2))``, twice that for all bins
        between the first and the last.

    Raises
    ------
    ValueError
        If the segments can't be, or there is no such window.

    Notes
    -----
    The last bin isn't doubled for segments of an odd number of samples either, in which it isn't the Nyquist
    frequency; `scipy.signal.welch` doubles it. All other bins agree with `scipy.signal.welch` where the segments
    are the same (`detrend=False`).

    References
    ----------
    P. D. Welch, The use of fast Fourier transform for the estimation of power spectra. IEEE Transactions on Audio
    and Electroacoustics 15 (1967), 70-73.
    """
    values = np.asarray(epochs, np.float64)
    length, starts = segments(values.shape[-1], rate, segment, overlap)
    weights = window_of(window, length)
    rows = values.reshape(-1, values.shape[-1])
    density = np.empty((len(rows), length // 2 + 1))
    step = starts[1] if len(starts) > 1 else 1
    cut = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)[:, ::step]
    at_once = max(1, _AT_ONCE // (length * len(starts)))
    for first in range(0, len(rows), at_once):
        spectra = np.fft.rfft(cut[first : first + at_once] * weights)
        power = np.square(spectra.real)
        power += np.square(spectra.imag)
        power.sum(axis=1, out=density[first : first + at_once])
    density *= 1.0 / (rate * np.square(weights).sum() * len(starts))
    density[:, 1:-1] *= 2.0
    return np.arange(length // 2 + 1) * rate / length, density.reshape(*values.shape[:-1], -1)


def band_power(frequencies: Floats, density: Floats, low: float, high: float) -> Floats:
    """Power in a band: the sum over bins with ``low <= f < high``, times the distance between bins.

    Parameters
    ----------
    frequencies : (bins,) float64
        As :func:`welch` gives them.
    density : (..., bins) float64
    low, high : float
        Hz.

    Returns
    -------
    (...) float64
        Squared units.
    """
    inside = (frequencies >= low) & (frequencies < high)
    return np.asarray(density[..., inside].sum(axis=-1) * (frequencies[1] - frequencies[0]))


def decibels(power: npt.ArrayLike) -> Floats:
    """Ten times the logarithm to the base 10; minus infinity of no power at all."""
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(np.asarray(power, np.float64)))
