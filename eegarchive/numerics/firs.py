"""Linear-phase FIR filters by the window method, with Kaiser's window."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

#: The attenuation below which Kaiser's formulas have no filter.
_LEAST_DB = 8.0


def kaiser_length(rate: float, transition: float, ripple: float) -> tuple[int, float]:
    """Length and shape of a Kaiser-window filter: taps (an odd number) and beta.

    With A = -20 log10(ripple) decibels and w = transition / (rate / 2), in units of pi per sample, they are
    ceil((A - 7.95) / (2.285 pi w) + 1), and Kaiser's beta for A (J. F. Kaiser, 1974).

    Parameters
    ----------
    rate : float
        Samples per second.
    transition : float
        Width of the transition between pass and stop band, in Hz.
    ripple : float
        Largest deviation from 1 in the pass band, and from 0 in the stop band.

    Raises
    ------
    ValueError
        If one isn't a number above 0, or the ripple is too large for such a filter (0.39 and more).
    """
    if not all(0 < value < math.inf for value in (rate, transition, ripple)):
        raise ValueError(
            f"sampling rate {rate:g}, transition {transition:g} and ripple {ripple:g} must be above 0"
        )
    attenuation = -20.0 * math.log10(ripple)
    if attenuation < _LEAST_DB:
        raise ValueError(
            f"a ripple of {ripple:g} is too large; it must be below {10 ** (-_LEAST_DB / 20):.2g}"
        )
    length = math.ceil(min((attenuation - 7.95) / (2.285 * math.pi * transition * 2 / rate) + 1, 1e15))
    beta = (
        0.1102 * (attenuation - 8.7)
        if attenuation > 50
        else 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
        if attenuation > 21
        else 0.0
    )
    return length | 1, beta


def kaiser_fir(
    rate: float, low: float | None, high: float | None, transition: float, ripple: float
) -> npt.NDArray[np.float64]:
    """Taps of a Kaiser-window FIR: an ideal filter's, cut off by the window.

    The gain is a half at the edges. So does Luna's FILTER with `tw` and `ripple`.

    Parameters
    ----------
    rate : float
        Samples per second.
    low, high : float or None
        Edges of the pass band in Hz: `low` alone is a high-pass, `high` alone a low-pass, both a band-pass.
    transition, ripple : float
        See :func:`kaiser_length`.

    Returns
    -------
    (taps,) float64
        Symmetric, of an odd number.

    Raises
    ------
    ValueError
        If edges aren't in order between 0 and half the sampling rate, or as :func:`kaiser_length`.
    """
    edges = [edge for edge in (low, high) if edge is not None]
    if not edges or not all(0 < edge < rate / 2 for edge in edges) or edges != sorted(set(edges)):
        listed = " and ".join(f"{edge:g}" for edge in edges) or "none"
        raise ValueError(f"edges must be in order between 0 and {rate / 2:g} Hz; they are {listed}")
    length, beta = kaiser_length(rate, transition, ripple)
    at = np.arange(length) - length // 2

    def low_pass(edge: float) -> npt.NDArray[np.float64]:
        return np.asarray(2 * edge / rate * np.sinc(2 * edge / rate * at))

    ideal = low_pass(high) if high is not None else (at == 0).astype(np.float64)
    if low is not None:
        ideal = ideal - low_pass(low)
    return np.asarray(ideal * np.kaiser(length, beta))
