"""Filtering and resampling of a signal, block by block: samples in, samples out, nothing of files.

A signal is a row of *stretches*, [start, stop) in sample numbers, between which time was left out. Nothing here
ever looks across the end of a stretch. Results are those that MNE-Python gives for each whole stretch, computed
in double precision and rounded to float32.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError, OddInput
from eegarchive.numerics.firs import kaiser_fir, kaiser_length

Samples: TypeAlias = npt.NDArray[np.float64]
#: Gives the physical values of samples [start, stop) of the whole signal.
Read: TypeAlias = Callable[[int, int], Samples]
Stretch: TypeAlias = tuple[int, int]

#: Samples computed at a time. Another size may round the last bit of a filtered sample differently.
_BLOCK_SAMPLES = 2**18
#: A longer filter would need more memory than a night's block; 17 minutes at 512 Hz.
_MAX_FILTER_LENGTH = 2**19
#: MNE's figure for the Hamming window: filter length = 3.3 / narrowest transition band.
_HAMMING_LENGTH = 3.3
#: Whole numbers above this in the ratio of two rates make filters of millions of samples.
_MAX_RATIO_TERM = 100_000
_MAX_RATIO = 1000
#: Two rates and their quotient are rounded, each by a relative 1.1e-16.
_RATIO_ROUNDING = 1e-14
#: Zero crossings on each side of the anti-alias filter, and its window: SciPy's and MNE's.
_SINC_HALF_LENGTH = 10
_SINC_WINDOW = ("kaiser", 5.0)
#: Far above any physical value, and far enough below float32's limit for a filter's overshoot.
_MAX_VALUE = 1e30


def lowest_rate(low: float | None, high: float | None) -> float:
    """The sampling rate above which a signal can have these edges."""
    return 2.0 * max(low or 0.0, high or 0.0)


def filter_parameters(
    sampling_rate: float,
    low: float | None,
    high: float | None,
    transition: float | None = None,
    ripple: float | None = None,
) -> dict[str, Any]:
    """Everything a filter is designed from, under the names of `mne.filter.filter_data`'s arguments.

    Parameters
    ----------
    sampling_rate : float
        Samples per second.
    low, high : float or None
        Edges of the pass band in Hz: `low` alone is a high-pass, `high` alone a low-pass, both a band-pass.
    transition, ripple : float, optional
        Of a filter with Kaiser's window, see :func:`eegarchive.numerics.kaiser_fir`, in place of MNE's.

    Returns
    -------
    dict
        Numbers, texts and None; `mne.filter.filter_data(stretch, **parameters)` repeats the filter. The
        transition bands and the length follow MNE's rules for "auto".

    Raises
    ------
    EEGArchiveError
        If the edges aren't between 0 and half the sampling rate, aren't in order, or are so near to one of
        those that the filter would be longer than the package allows.
    """
    rate = _positive("the sampling rate", sampling_rate)
    nyquist = rate / 2
    edges = {
        name: _positive(name, value) for name, value in (("low", low), ("high", high)) if value is not None
    }
    if not edges:
        raise EEGArchiveError("neither low nor high is given; give low, high or both in Hz")
    for name, edge in edges.items():
        if edge >= nyquist:
            raise EEGArchiveError(
                f"{name} = {edge:.10g} Hz must be below half the sampling rate, {nyquist:.10g} Hz"
            )
    low, high = edges.get("low"), edges.get("high")
    if low is not None and high is not None and low >= high:
        band_stop = "; a filter that stops a band isn't offered" if low > high else ""
        raise EEGArchiveError(f"low = {low:.10g} Hz must be below high = {high:.10g} Hz{band_stop}")
    if transition is not None or ripple is not None:
        return _kaiser_parameters(rate, low, high, transition, ripple)
    low_band = None if low is None else min(max(0.25 * low, 2.0), low)
    high_band = None if high is None else min(max(0.25 * high, 2.0), nyquist - high)
    narrowest = min(band for band in (low_band, high_band) if band is not None)
    # a quotient may be infinite, and a zero-phase filter has a middle
    length = math.ceil(min(_HAMMING_LENGTH / narrowest * rate, 1e15)) | 1
    _check_length(length, "raise low, keep high further below half the sampling rate, or resample first")
    return {
        "sfreq": rate,
        "l_freq": low,
        "h_freq": high,
        "filter_length": length,
        "l_trans_bandwidth": low_band,
        "h_trans_bandwidth": high_band,
        "method": "fir",
        "phase": "zero",
        "fir_window": "hamming",
        "fir_design": "firwin",
        "pad": "reflect_limited",
    }


def _kaiser_parameters(
    rate: float, low: float | None, high: float | None, transition: float | None, ripple: float | None
) -> dict[str, Any]:
    """What a filter with Kaiser's window is designed from."""
    if transition is None or ripple is None:
        raise EEGArchiveError("transition and ripple go together; give both or none")
    try:
        length, beta = kaiser_length(rate, transition, ripple)
    except ValueError as error:
        raise EEGArchiveError(str(error)) from None
    _check_length(length, "take a wider transition, or resample first")
    return {
        "sfreq": rate,
        "l_freq": low,
        "h_freq": high,
        "filter_length": length,
        "transition": float(transition),
        "ripple": float(ripple),
        "beta": beta,
        "fir_window": "kaiser",
        "pad": "zeros",
    }


def _check_length(length: int, advice: str) -> None:
    if length > _MAX_FILTER_LENGTH:
        raise EEGArchiveError(
            f"the filter would be {length:.6g} samples long, at most {_MAX_FILTER_LENGTH} are allowed; {advice}"
        )


def filtered(
    read: Read,
    stretches: Sequence[Stretch],
    sampling_rate: float,
    low: float | None,
    high: float | None,
    transition: float | None = None,
    ripple: float | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Filter a signal with MNE's zero-phase FIR filter, or with one that has Kaiser's window.

    The latter sees zeros beyond the ends of stretches, as in Luna.

    Parameters
    ----------
    read : callable
        `read(start, stop)` gives physical values as float64.
    stretches : sequence of (start, stop)
        Sample numbers between which no time was left out.
    sampling_rate : float
        Samples per second.
    low, high, transition, ripple : float or None
        Edges of the pass band in Hz and so on, as in `filter_parameters`.

    Returns
    -------
    iterator of float32 arrays
        The filtered samples of all stretches, in order.

    Raises
    ------
    EEGArchiveError
        At once if the edges are wrong or MNE is missing; later if a sample isn't a number.

    Warns
    -----
    OddInput
        If stretches are shorter than the filter. They are filtered as MNE does it, which distorts them:
        most of what the filter sees is reflection, and below half its length zeros beyond that.
    """
    parameters = filter_parameters(sampling_rate, low, high, transition, ripple)
    length = parameters["filter_length"]
    short = [(stop - start, start) for start, stop in stretches if 0 < stop - start < length]
    if short:
        samples, start = min(short)
        warnings.warn(
            f"{len(short)} of {len(stretches)} stretches are shorter than the filter ({length} samples, "
            f"{length / sampling_rate:.4g} s) and will be distorted; "
            f"the shortest begins at sample {start} and is {samples} long",
            OddInput,
            stacklevel=2,
        )
    convolve = _extra("scipy.signal").oaconvolve
    pad = _reflect_limited
    if transition is not None and ripple is not None:
        taps, pad = kaiser_fir(sampling_rate, low, high, transition, ripple), _zeros
    else:
        del parameters["pad"]  # `_reflect_limited` does that
        taps = _extra("mne.filter").create_filter(None, **parameters, verbose="warning")
    parts = _extended(read, stretches, sampling_rate, _BLOCK_SAMPLES, length // 2, pad)
    return (convolve(part, taps, mode="valid").astype(np.float32) for part in parts)


def resampled_lengths(stretches: Sequence[Stretch], sampling_rate: float, new_rate: float) -> list[int]:
    """Samples that each stretch has at a new sampling rate.

    Parameters
    ----------
    stretches : sequence of (start, stop)
        Sample numbers between which no time was left out.
    sampling_rate, new_rate : float
        Samples per second, as they are and as they shall be.

    Returns
    -------
    list of int

    Raises
    ------
    EEGArchiveError
        If a stretch wouldn't have a whole number of samples, or the rates have no usable ratio.
    """
    ratio = _ratio(sampling_rate, new_rate)
    for i, (start, stop) in enumerate(stretches):
        over = (stop - start) % ratio.denominator
        if over:
            raise EEGArchiveError(
                f"stretch {i} (samples {start} to {stop}, {(stop - start) / sampling_rate:.10g} s) would have "
                f"{float((stop - start) * ratio):.10g} samples at {new_rate:.10g} Hz, not a whole number; "
                f"leave out its last {over} samples or choose another rate"
            )
    return [(stop - start) // ratio.denominator * ratio.numerator for start, stop in stretches]


def resampled(
    read: Read, stretches: Sequence[Stretch], sampling_rate: float, new_rate: float
) -> Iterator[npt.NDArray[np.float32]]:
    """Resample a signal with an anti-alias filter: MNE's and SciPy's polyphase method.

    The filter is SciPy's default (windowed sinc, Kaiser 5.0, ten zero crossings on each side, half amplitude
    at half the lower rate). Stretches are continued by reflection at their ends, as MNE does it; one of
    a single sample by that sample. The first sample stays where it is on the clock.

    Parameters
    ----------
    read : callable
        `read(start, stop)` gives physical values as float64.
    stretches : sequence of (start, stop)
        Sample numbers between which no time was left out.
    sampling_rate, new_rate : float
        Samples per second, as they are and as they shall be.

    Returns
    -------
    iterator of float32 arrays
        The resampled samples of all stretches, in order; their numbers are `resampled_lengths`.

    Raises
    ------
    EEGArchiveError
        At once if a stretch wouldn't have a whole number of samples, the rates have no usable ratio or
        SciPy is missing; later if a sample isn't a number.
    """
    resampled_lengths(stretches, sampling_rate, new_rate)
    ratio = _ratio(sampling_rate, new_rate)
    up, down = ratio.numerator, ratio.denominator
    signal = _extra("scipy.signal")
    most = max(up, down)
    half = _SINC_HALF_LENGTH * most if most > 1 else 0
    taps = signal.firwin(2 * half + 1, 1 / most, window=_SINC_WINDOW) if half else np.ones(1)
    # blocks and margins are whole groups of `down` samples, which become `up`: each block starts on a sample
    # of both rates
    margin = -(-half // (up * down))
    size = max(1, _BLOCK_SAMPLES // most) * down
    parts = _extended(read, stretches, sampling_rate, size, margin * down, _reflect)

    def resample(part: Samples) -> npt.NDArray[np.float32]:
        whole: Samples = signal.resample_poly(part, up, down, window=taps)
        return whole[margin * up : len(whole) - margin * up].astype(np.float32)

    return map(resample, parts)


def _ratio(sampling_rate: float, new_rate: float) -> Fraction:
    """The ratio of two rates that are known as floating-point numbers, such as 256/3 or 199.8."""
    sampling_rate = _positive("the sampling rate", sampling_rate)
    new_rate = _positive("the new sampling rate", new_rate)
    quotient = new_rate / sampling_rate
    if not 1 / _MAX_RATIO <= quotient <= _MAX_RATIO:
        raise EEGArchiveError(
            f"{sampling_rate:.10g} Hz can't become {new_rate:.10g} Hz: "
            f"choose a rate at most {_MAX_RATIO} times higher or lower"
        )
    ratio = Fraction(quotient).limit_denominator(_MAX_RATIO_TERM)
    exact = abs(float(ratio) - quotient) <= _RATIO_ROUNDING * quotient
    if not exact or max(ratio.numerator, ratio.denominator) > _MAX_RATIO_TERM:
        near = Fraction(quotient).limit_denominator(_MAX_RATIO // math.ceil(quotient)) * Fraction(
            sampling_rate
        )
        raise EEGArchiveError(
            f"{sampling_rate} Hz and {new_rate} Hz aren't in a ratio of whole numbers up to {_MAX_RATIO_TERM}; "
            f"choose another rate, such as {float(near)} Hz"
        )
    return ratio


def _extended(
    read: Read,
    stretches: Sequence[Stretch],
    sampling_rate: float,
    size: int,
    margin: int,
    pad: Callable[[Samples, int, int], Samples],
) -> Iterator[Samples]:
    """Blocks of up to `size` samples of one stretch, with `margin` samples on each side of each.

    Where the stretch ends within the margin, `pad` makes up what is missing. It gets enough for that: a block
    that touches an end comes with at least as many samples as are missing, or with the whole stretch.
    """
    for begin, end in stretches:
        for start in range(begin, end, size):
            stop = min(start + size, end)
            first, last = max(begin, start - margin), min(end, stop + margin)
            samples = read(first, last)
            _check(samples, first, last, sampling_rate)
            yield pad(samples, margin - (start - first), margin - (last - stop))


def _zeros(samples: Samples, left: int, right: int) -> Samples:
    """Put zeros before and behind the samples."""
    return np.pad(samples, (left, right))


def _reflect_limited(samples: Samples, left: int, right: int) -> Samples:
    """Turn the samples around the first and the last one; zeros where there are no more (as in MNE)."""
    before, after = min(left, len(samples) - 1), min(right, len(samples) - 1)
    return np.concatenate(
        [
            np.zeros(left - before),
            2 * samples[0] - samples[before:0:-1],
            samples,
            2 * samples[-1] - samples[-2 : -after - 2 : -1],
            np.zeros(right - after),
        ]
    )


def _reflect(samples: Samples, left: int, right: int) -> Samples:
    """Mirror the samples at the first and the last one, as often as needed; numpy repeats a single one.

    SciPy has this mode too, but a single sample makes it end the process (division by zero, SciPy 1.17).
    """
    return np.pad(samples, (left, right), mode="reflect")


def _check(samples: Samples, start: int, stop: int, sampling_rate: float) -> None:
    """Refuse what would spread over its neighbours: NaN, infinities, absurd values; and missing samples."""
    if len(samples) != stop - start:
        raise EEGArchiveError(
            f"the signal ends at sample {start + len(samples)}, its segments go on; the archive needs `verify`"
        )
    if samples.min() >= -_MAX_VALUE and samples.max() <= _MAX_VALUE:  # false for NaN
        return
    bad = int(np.argmin(np.abs(samples) <= _MAX_VALUE))
    raise EEGArchiveError(
        f"sample {start + bad} ({(start + bad) / sampling_rate:.10g} s of data, gaps left out) is {samples[bad]:g}, "
        "which a filter would spread; leave that stretch out first"
    )


def _positive(name: str, value: float) -> float:
    """A frequency as a float, if it is one."""
    if not 0 < value < math.inf:
        raise EEGArchiveError(f"{name} must be a number above 0 Hz, not {value}")
    return float(value)


def _extra(module: str) -> Any:
    """A module that comes with MNE, imported when it is needed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EEGArchiveError(
            f"filtering and resampling need MNE-Python ({error}); pip install 'eegarchive[mne]'"
        ) from None
