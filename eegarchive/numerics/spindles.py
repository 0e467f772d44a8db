"""Sleep spindles, found in the power of a wavelet transform. With numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Samples transformed at a time.
_BLOCK_SAMPLES = 2**16
#: Of the wavelet's Gaussian, on each side, in standard deviations.
_HALF_LENGTH = 5.0
#: Around a spindle's frequency in Hz: the pass band in which its oscillations are counted and its amplitude is taken.
HALF_BAND = 2.0
#: Of the filter for that, a Kaiser window of 34 dB: length in seconds and shape.
_FILTER_SECONDS = 0.5
_FILTER_SHAPE = 2.65
#: Cycles and frequencies in Hz in which a spindle mustn't stand out more than at its own.
_OTHERS = ((5.0, 6.0), (7.0, 35.0))
_MEASURED = ("amplitude", "duration", "oscillations", "frequency", "spectral_frequency", "symmetry")
#: What the peak of a spindle's spectrum is looked for with, in Hz.
_SPECTRUM_STEP = 0.1


@dataclass(frozen=True)
class SpindleRules:
    """What counts as a spindle.

    Attributes
    ----------
    frequency : float
        Hz, of the wavelet.
    cycles : float
        Of the wavelet: its Gaussian has a standard deviation of ``cycles / (2 pi frequency)`` seconds.
    core, flank : float
        Times the mean power over the whole signal: what a spindle's core is above, and all of it.
    core_seconds, shortest, longest : float
        How long the core has to be at least, and all of it at least and at most.
    merge : float
        Spindles that are nearer are one.
    smooth : float
        Seconds over which power is averaged.
    quality : float or None
        Least value of `Spindles.quality`; None for any.
    """

    frequency: float = 13.5
    cycles: float = 7.0
    core: float = 4.5
    flank: float = 2.0
    core_seconds: float = 0.3
    shortest: float = 0.5
    longest: float = 3.0
    merge: float = 0.5
    smooth: float = 0.1
    quality: float | None = 0.0


@dataclass(frozen=True)
class Spindles:
    """Spindles of one signal, in order: arrays with a value for each.

    Attributes
    ----------
    start, stop : int64
        First sample, and the one behind the last.
    peak : int64
        Where the band-passed signal is farthest from 0.
    amplitude : float64
        Largest difference between two extremes that follow each other of the band-passed signal, in its unit.
    duration : float64
        Seconds.
    oscillations : float64
        Half the number of its zero crossings in the band-passed signal.
    frequency : float64
        Hz, from the distances between these crossings; NaN of fewer than two.
    spectral_frequency : float64
        Hz, where the signal's spectrum is highest within the band.
    symmetry : float64
        Where the peak is: 0 at the start, 1 at the stop.
    quality : float64
        Logarithm to the base 10 of how far power at the spindle's frequency is above its mean, less that of 6 or 35 Hz,
        whichever is more: below 0 for what stands out elsewhere more, as movements do.
    """

    start: Integers
    stop: Integers
    peak: Integers
    amplitude: Floats
    duration: Floats
    oscillations: Floats
    frequency: Floats
    spectral_frequency: Floats
    symmetry: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.start)

    def only(self, kept: npt.NDArray[np.bool_]) -> Spindles:
        """Those of which `kept` holds."""
        return Spindles(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def lowest_rate(frequency: float) -> float:
    """The sampling rate that a signal needs for spindles of a frequency, in Hz."""
    return 2.0 * (frequency + HALF_BAND) + 1.0


def find_spindles(
    samples: npt.ArrayLike,
    rate: float,
    rules: SpindleRules | None = None,
    stretches: Sequence[tuple[int, int]] | None = None,
) -> Spindles:
    """Find sleep spindles by the power of a complex Morlet wavelet.

    Power ``|x * w|**2``, averaged over `smooth` seconds, is compared with its mean over the whole signal. Where it
    is above `core` times the mean for `core_seconds` there is a spindle, as long as it is above `flank` times the
    mean around that; spindles nearer than `merge` are one; too short and too long ones, and those of too low a
    quality, are left out. The rules and their defaults are those that Luna 1.7 names in its log; the count need not
    be the same.

    Parameters
    ----------
    samples : (n,) array
        Physical values.
    rate : float
        Samples per second.
    rules : SpindleRules, optional
    stretches : sequence of (start, stop), optional
        Sample numbers between which no time was left out: nothing is found across their ends. All of it if not given.

    Returns
    -------
    Spindles

    Raises
    ------
    ValueError
        If the frequency is too low, or the rate too low for it (:func:`lowest_rate`).

    References
    ----------
    S. M. Purcell et al., Characterizing sleep spindles in 11,630 individuals from the National Sleep Research
    Resource. Nature Communications 8 (2017), 15930.
    """
    own = rules or SpindleRules()
    if own.frequency <= HALF_BAND or rate < lowest_rate(own.frequency):
        raise ValueError(
            f"spindles of {own.frequency:g} Hz in a signal of {rate:g} Hz: the frequency must be above "
            f"{HALF_BAND:g} Hz, and the rate at least {lowest_rate(own.frequency):g} Hz"
        )
    values = np.asarray(samples, np.float64)
    parts = [(0, len(values))] if stretches is None else list(stretches)
    power = wavelet_power(values, rate, own.frequency, own.cycles, own.smooth, parts)
    mean = float(power.mean(dtype=np.float64)) if len(power) else 0.0
    found = [(a, b) for start, stop in parts for a, b in _events(power[start:stop], start, rate, mean, own)]
    edges = np.array(found, np.int64).reshape(-1, 2)
    if not len(edges):
        return _described(values, rate, own.frequency, parts, edges, np.empty(0))
    gain = _gain(power, edges)
    others = np.full(len(edges), -np.inf)
    for cycles, frequency in _OTHERS:
        if rate / 2 > frequency:
            power = wavelet_power(values, rate, frequency, cycles, own.smooth, parts)
            others = np.maximum(others, _gain(power, edges))
    quality = gain - others
    if own.quality is not None:
        edges, quality = edges[quality >= own.quality], quality[quality >= own.quality]
    return _described(values, rate, own.frequency, parts, edges, quality)


def wavelet_power(
    samples: npt.ArrayLike,
    rate: float,
    frequency: float,
    cycles: float = 7.0,
    smooth: float = 0.0,
    stretches: Sequence[tuple[int, int]] | None = None,
) -> npt.NDArray[np.float32]:
    """Power of a signal at a frequency over time, by a complex Morlet wavelet.

    The wavelet is ``exp(2j pi f t) exp(-t**2 / (2 s**2))`` with ``s = cycles / (2 pi f)``, scaled so that a sine of
    this frequency has the square of its amplitude as its power.

    Parameters
    ----------
    samples : (n,) array
    rate, frequency : float
        Hz.
    cycles : float
    smooth : float
        Seconds over which the power is averaged, 0 for none.
    stretches : sequence of (start, stop), optional
        As those of :func:`find_spindles`.

    Returns
    -------
    (n,) float32
        Squared units.
    """
    values = np.asarray(samples, np.float64)
    spread = cycles / (2 * np.pi * frequency)
    reach = int(np.ceil(_HALF_LENGTH * spread * rate))
    times = np.arange(-reach, reach + 1) / rate
    envelope = np.exp(-np.square(times) / (2 * spread**2))
    kernel = np.exp(2j * np.pi * frequency * times) * envelope * (2.0 / envelope.sum())
    width = max(1, round(smooth * rate)) | 1
    power = np.zeros(len(values), np.float32)
    for start, stop in [(0, len(values))] if stretches is None else stretches:
        margin = reach + width // 2
        for first in range(start, stop, _BLOCK_SAMPLES):
            last = min(first + _BLOCK_SAMPLES, stop)
            low, high = max(start, first - margin), min(stop, last + margin)
            size = 1 << (high - low + len(kernel) - 2).bit_length()
            spectrum = np.fft.fft(values[low:high], size) * np.fft.fft(kernel, size)
            wave = np.fft.ifft(spectrum)[reach : reach + high - low]
            own = np.square(wave.real) + np.square(wave.imag)
            if width > 1:
                own = _moving_mean(own, width)
            power[first:last] = own[first - low : last - low]
    return power


def _moving_mean(values: Floats, width: int) -> Floats:
    """Mean over `width` values around each, over fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _runs(inside: npt.NDArray[np.bool_]) -> Integers:
    """Where runs of True begin and end: rows of (start, stop)."""
    steps = np.diff(inside.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1)


def _events(
    power: npt.NDArray[np.float32], offset: int, rate: float, mean: float, rules: SpindleRules
) -> list[tuple[int, int]]:
    """Where power is as the rules want it, in one stretch that begins at sample `offset`."""
    cores = _runs(power > rules.core * mean)
    cores = cores[cores[:, 1] - cores[:, 0] >= rules.core_seconds * rate]
    flanks = _runs(power > min(rules.core, rules.flank) * mean)
    holding = np.unique(np.searchsorted(flanks[:, 0], cores[:, 0], side="right") - 1)
    joined: list[list[int]] = []
    for start, stop in flanks[holding].tolist():
        if joined and start - joined[-1][1] < rules.merge * rate:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    return [
        (start + offset, stop + offset)
        for start, stop in joined
        if rules.shortest * rate <= stop - start <= rules.longest * rate
    ]


def _gain(power: npt.NDArray[np.float32], edges: Integers) -> Floats:
    """Logarithm of the mean power in each event over that of the whole signal."""
    mean = float(power.mean(dtype=np.float64))
    own = np.array([power[start:stop].mean(dtype=np.float64) for start, stop in edges.tolist()])
    return np.asarray(np.log10(np.maximum(own, np.finfo(float).tiny) / max(mean, np.finfo(float).tiny)))


def _band_pass(rate: float, low: float, high: float) -> Floats:
    """A symmetric band-pass filter of odd length."""
    half = int(np.ceil(_FILTER_SECONDS / 2 * rate))
    times = np.arange(-half, half + 1) / rate
    taps = 2 * high * np.sinc(2 * high * times) - 2 * low * np.sinc(2 * low * times)
    return np.asarray(taps * np.kaiser(len(times), _FILTER_SHAPE) / rate)


def _described(
    values: Floats,
    rate: float,
    frequency: float,
    stretches: Sequence[tuple[int, int]],
    edges: Integers,
    quality: Floats,
) -> Spindles:
    """Spindles with all that is measured of them."""
    taps = _band_pass(rate, frequency - HALF_BAND, frequency + HALF_BAND)
    half = len(taps) // 2
    begins = np.array([start for start, _ in stretches], np.int64)
    rows = []
    for start, stop in edges.tolist():
        first, last = stretches[int(np.searchsorted(begins, start, side="right")) - 1]
        low, high = max(first, start - half), min(last, stop + half)
        around = np.convolve(values[low:high], taps)[half : half + high - low]
        band = around[start - low : stop - low]
        crossings = np.flatnonzero(np.signbit(band[1:]) != np.signbit(band[:-1]))
        # between two samples the signal is taken for straight
        at = crossings + band[crossings] / (band[crossings] - band[crossings + 1])
        rise = np.sign(np.diff(band))
        turns = np.flatnonzero(rise[1:] != rise[:-1]) + 1
        peak = start + int(np.argmax(np.abs(band)))
        rows.append(
            {
                "peak": peak,
                "amplitude": np.abs(np.diff(band[turns])).max(initial=0.0),
                "duration": (stop - start) / rate,
                "oscillations": len(crossings) / 2,
                "frequency": (len(at) - 1) / 2 * rate / (at[-1] - at[0]) if len(at) > 1 else np.nan,
                "spectral_frequency": _spectral_peak(values[start:stop], rate, frequency),
                "symmetry": (peak - start) / (stop - start),
            }
        )
    measured = {name: np.array([row[name] for row in rows], np.float64) for name in _MEASURED}
    peaks = np.array([row["peak"] for row in rows], np.int64)
    return Spindles(start=edges[:, 0], stop=edges[:, 1], peak=peaks, quality=quality, **measured)


def _spectral_peak(values: Floats, rate: float, frequency: float) -> float:
    """Where the spectrum is highest within the band."""
    size = max(len(values), int(rate / _SPECTRUM_STEP))
    spectrum = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values) + 2)[1:-1], size))
    bins = np.arange(len(spectrum)) * rate / size
    inside = np.abs(bins - frequency) <= HALF_BAND
    return float(bins[inside][np.argmax(spectrum[inside])])
