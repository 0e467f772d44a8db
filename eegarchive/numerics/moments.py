"""Statistics of samples: moments, percentiles, Hjorth's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """What :func:`moments` gives, of each row.

    Attributes
    ----------
    mean, sd, rms : (...) float64
    skewness, kurtosis : (...) float64
    minimum, maximum : (...) float64
    """

    mean: Floats
    sd: Floats
    rms: Floats
    skewness: Floats
    kurtosis: Floats
    minimum: Floats
    maximum: Floats


def moments(samples: npt.ArrayLike) -> Moments:
    """Mean, deviation, root mean square, skewness, kurtosis and range of samples, as Luna 1.7 defines them.

    With ``d = x - mean(x)`` and *n* samples:

    - `sd` is ``sqrt(sum(d**2) / (n - 1))``,
    - `skewness` is ``mean(d**3) / sd**3`` (with that `sd`, so a little nearer to 0 than ``m3 / m2**1.5``),
    - `kurtosis` is ``mean(d**4) / mean(d**2)**2 - 3``: 0 for a normal distribution.

    Parameters
    ----------
    samples : (..., n) array

    Returns
    -------
    Moments
        NaN for skewness and kurtosis of samples that don't differ, and for `sd` of fewer than two.

    Raises
    ------
    ValueError
        If there are no samples.
    """
    values = np.asarray(samples, np.float64)
    count = values.shape[-1]
    if not count:
        raise ValueError("statistics of no samples")
    mean = values.mean(axis=-1)
    minimum, maximum = values.min(axis=-1), values.max(axis=-1)
    apart = values - mean[..., None]
    squares = np.square(apart)
    second = squares.mean(axis=-1)
    third = np.einsum("...i,...i->...", squares, apart) / count
    fourth = np.einsum("...i,...i->...", squares, squares) / count
    rms = np.sqrt(np.einsum("...i,...i->...", values, values) / count)
    flat = minimum == maximum  # rounding of the mean would pass for a distribution
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.where(flat & (count > 1), 0.0, np.sqrt(second * count / (np.float64(count) - 1)))
        skewness = np.where(flat, np.nan, third / sd**3)
        kurtosis = np.where(flat, np.nan, fourth / second**2 - 3.0)
    return Moments(*map(np.asarray, (mean, sd, rms, skewness, kurtosis, minimum, maximum)))


def percentiles(samples: npt.ArrayLike, percents: Sequence[float]) -> Floats:
    """Percentiles as Luna 1.7 takes them: the sample of number ``floor(n * p / 100)`` of the sorted ones, from 0.

    Parameters
    ----------
    samples : (..., n) array
    percents : sequence of float
        Each from 0 on and below 100.

    Returns
    -------
    (percents, ...) float64

    Raises
    ------
    ValueError
        If a percentage isn't between these, or there are no samples.
    """
    values = np.asarray(samples, np.float64)
    count = values.shape[-1]
    if not count or not all(0 <= percent < 100 for percent in percents):
        raise ValueError("percentiles are from 0 on and below 100, of at least one sample")
    ranked = np.sort(values, axis=-1)
    return np.asarray(np.moveaxis(ranked[..., percentile_ranks(count, percents)], -1, 0))


def percentile_ranks(count: int, percents: Sequence[float]) -> list[int]:
    """Which of so many sorted samples are the percentiles, counted from 0."""
    return [int(count * percent // 100) for percent in percents]


def lower_median(samples: npt.ArrayLike) -> Floats:
    """The middle one of sorted samples, of an even number the lower of both: Luna's median.

    Parameters
    ----------
    samples : (..., n) array

    Returns
    -------
    (...) float64

    Raises
    ------
    ValueError
        If there are no samples.
    """
    values = np.asarray(samples, np.float64)
    count = values.shape[-1]
    if not count:
        raise ValueError("the median of no samples")
    middle = (count - 1) // 2
    return np.asarray(np.partition(values, middle, axis=-1)[..., middle])


def hjorth(samples: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Hjorth's parameters of samples, mean taken off first.

    Activity is ``var(x)``, mobility ``sqrt(var(x') / var(x))``, complexity ``mobility(x') / mobility(x)``, where x'
    are the differences of samples that follow each other, and a variance is the mean of squares as in Luna 1.7.

    Parameters
    ----------
    samples : (..., n) array

    Returns
    -------
    activity, mobility, complexity : (...) float64
        The last two are NaN for samples that don't differ.

    Raises
    ------
    ValueError
        If there are fewer than three samples.

    References
    ----------
    B. Hjorth, EEG analysis based on time domain properties. Electroencephalography and Clinical Neurophysiology 29
    (1970), 306-310.
    """
    values = np.asarray(samples, np.float64)
    if values.shape[-1] < 3:
        raise ValueError("Hjorth's parameters need at least three samples")
    centred = values - values.mean(axis=-1, keepdims=True)
    first = np.diff(centred, axis=-1)
    second = np.diff(first, axis=-1)
    flat = values.min(axis=-1) == values.max(axis=-1)
    powers = [np.square(part).mean(axis=-1) for part in (centred, first, second)]
    activity, slope, bend = (np.where(flat, 0.0, power) for power in powers)
    with np.errstate(divide="ignore", invalid="ignore"):
        mobility = np.sqrt(slope / activity)
        complexity = np.sqrt(bend / slope) / mobility
    return np.asarray(activity), np.asarray(mobility), np.asarray(complexity)
