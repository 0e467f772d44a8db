"""STATS: means, deviations and percentiles of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eegarchive.luna.reading import epoch_blocks, epoch_samples
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.numerics.moments import lower_median, moments, percentile_ranks
from eegarchive.state import Signal
from eegarchive.storage.workers import spread

Floats = npt.NDArray[np.float64]

_PERCENTS = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99)
#: Samples of a whole signal that are made physical values at a time.
_BLOCK_SAMPLES = 2**20
#: What variables are called; `moments` gives them in this order.
_MOMENTS = ("MEAN", "SD", "RMS", "SKEW", "KURT", "MIN", "MAX")


class _Statistics(NamedTuple):
    """Of one signal: by variable one value for the whole, and one for each epoch."""

    whole: dict[str, float]
    epochs: dict[str, Floats]


def run_stats(run: Run, command: Command) -> None:
    """Put out statistics of whole signals; with `epoch` those of each epoch that isn't masked, too."""
    given = command.parameters
    least = given.flag("min") or given.flag("minimal")
    percents = () if least or ("pct" in given and not given.flag("pct")) else _PERCENTS
    by_epoch = given.flag("epoch")
    epochs = run.kept() if by_epoch else {}
    names = run.signals(command)

    def compute(name: str) -> _Statistics:
        signal = run.night.signals[name]
        own = _of_epochs(run, signal, epochs, percents, least) if by_epoch else {}
        return _Statistics(_of_whole(signal, percents, least), own)

    for name, found in zip(names, spread(compute, names), strict=True):
        if given.flag("kurt3") and not least:
            found.whole["KURT"] += 3.0
            if found.epochs:
                found.epochs["KURT"] += 3.0
        whole: dict[str, Any] = dict(found.whole)
        if by_epoch:
            numbers = epochs["epoch"]
            if len(numbers):
                _put(run, {"CH": [name] * len(numbers), "E": numbers}, found.epochs)
                whole |= _over_epochs(found.epochs)
                whole |= {"NE": len(run.epochs()["epoch"]), "NE1": len(numbers)}
        _put(run, {"CH": [name]}, {key: [value] for key, value in whole.items()})


def _of_whole(signal: Signal, percents: tuple[int, ...], least: bool) -> dict[str, float]:
    """Statistics of all samples, masked or not: they are sorted as they are stored, which takes little memory."""
    stored = np.sort(signal.digital[:])
    if not len(stored):
        return {}
    if signal.scale_factor < 0:
        stored = stored[::-1]
    parts = [slice(first, first + _BLOCK_SAMPLES) for first in range(0, len(stored), _BLOCK_SAMPLES)]

    def physical(part: npt.NDArray[Any]) -> Floats:
        values = np.empty(len(part))
        signal.calibrate(part, values)
        return values

    count = len(stored)
    mean = sum(float(physical(stored[part]).sum()) for part in parts) / count
    if least:
        return {"MEAN": mean}
    sums = np.zeros(4)
    for part in parts:
        values = physical(stored[part])
        apart = values - mean
        squares = np.square(apart)
        sums += [squares.sum(), squares @ apart, squares @ squares, values @ values]
    low, high = physical(stored[[0, -1]]).tolist()
    found = dict(zip(_MOMENTS, _moments_of(sums, count, mean, low, high), strict=True))
    at = percentile_ranks(count, percents)
    found |= dict(zip(map(_percent_name, percents), physical(stored[at]).tolist(), strict=True))
    return found


def _moments_of(sums: Floats, count: int, mean: float, low: float, high: float) -> list[float]:
    """The moments, from sums of powers: of distances to the mean to the 2nd, 3rd and 4th, of values to the 2nd."""
    second, third, fourth, rms = (sums / count).tolist()
    if low == high:
        return [mean, 0.0 if count > 1 else np.nan, rms**0.5, np.nan, np.nan, low, high]
    sd = float(np.sqrt(sums[0] / (count - 1)))
    return [mean, sd, rms**0.5, third / sd**3, fourth / second**2 - 3.0, low, high]


def _of_epochs(
    run: Run, signal: Signal, epochs: dict[str, npt.NDArray[Any]], percents: tuple[int, ...], least: bool
) -> dict[str, Floats]:
    """Statistics of each epoch."""
    starts, count = epoch_samples(run.night, epochs, signal.sampling_rate)
    if not len(starts) or not count:
        return {}
    names = ["MEAN"] if least else list(_MOMENTS)
    ranked = {"MEDIAN": (count - 1) // 2}
    ranked |= zip(map(_percent_name, percents), percentile_ranks(count, percents), strict=True)
    found = {name: np.empty(len(starts)) for name in (*names, *ranked)}
    for which, values in epoch_blocks(signal, starts, count):
        parts = [values.mean(axis=-1)] if least else moments(values)
        ordered = np.sort(values, axis=-1)
        for name, part in zip(names, parts, strict=True):
            found[name][which] = part
        for name, rank in ranked.items():
            found[name][which] = ordered[:, rank]
    return {"N": np.full(len(starts), count), **found}


def _over_epochs(epochs: dict[str, Floats]) -> dict[str, float]:
    """Means and medians of what epochs have; those where samples don't differ have no skewness or kurtosis."""
    found = {}
    for name in ("KURT", "MEAN", "MEDIAN", "RMS", "SKEW"):
        values = epochs.get(name, np.empty(0))
        values = values[~np.isnan(values)]
        if len(values):
            found[f"{name}_MD"] = float(lower_median(values))
            if name in ("KURT", "RMS", "SKEW"):
                found[f"{name}_MN"] = float(values.mean())
    return found


def _percent_name(percent: int) -> str:
    return f"P{percent:02d}"


def _put(run: Run, factors: dict[str, Any], values: dict[str, Any]) -> None:
    """Put rows out, if there are any; NaN, where samples don't differ, is missing."""
    if not values:
        return
    shown = {
        name: [None if own != own else own for own in np.asarray(column).tolist()]
        for name, column in values.items()
    }
    run.put_columns("STATS", factors, shown)
