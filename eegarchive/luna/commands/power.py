"""PSD: power spectra by Welch's method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eegarchive.luna.reading import epoch_blocks, epoch_samples
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.numerics.spectra import BANDS, TOTAL, band_power, decibels, segments, welch
from eegarchive.storage.workers import spread

Floats = npt.NDArray[np.float64]

#: Signals of lower sampling rates have no spectrum, as in Luna.
_LOWEST_RATE = 50.0
_ON_BIN = 1e-9
_WINDOWS = {"tukey50": "tukey50", "hann": "hann", "hamming": "hamming", "no-window": "none"}


class _Spectra(NamedTuple):
    """Spectra of one signal: a row for each epoch."""

    frequencies: Floats
    density: Floats


class _Options(NamedTuple):
    """How spectra are computed, and what of them is put out."""

    segment: float
    overlap: float
    window: str
    low: float
    high: float
    db: bool

    def shown(self, power: Floats) -> Floats:
        """Power as it is put out."""
        return decibels(power) if self.db else power


def run_psd(run: Run, command: Command) -> None:
    """Put out power of bands and, with `spectrum`, of bins; by epochs too with `epoch` and `epoch-spectrum`."""
    options = _options(command)
    given = command.parameters
    by_epoch = given.flag("epoch") or given.flag("epoch-spectrum")
    epochs = run.kept()
    chosen = []
    for name in run.signals(command):
        rate = run.night.signals[name].sampling_rate
        if rate < _LOWEST_RATE:
            run.log(f"PSD: {name} has {rate:g} Hz, spectra are of signals of at least {_LOWEST_RATE:g} Hz")
        else:
            chosen.append(name)
    for name, found in zip(
        chosen, spread(lambda name: _spectra(run, name, epochs, options, command), chosen), strict=True
    ):
        run.put("PSD", "NE", len(epochs["epoch"]), CH=name)
        if not len(found.density):
            continue
        numbers = epochs["epoch"] if by_epoch else None
        if found.frequencies[-1] >= TOTAL[1]:
            _put_bands(run, name, found, numbers, options)
        else:
            run.log(f"PSD: {name}: no bands, its spectrum ends at {found.frequencies[-1]:g} Hz")
        shown = (found.frequencies >= options.low - _ON_BIN) & (found.frequencies <= options.high + _ON_BIN)
        bins = found.frequencies[shown]
        if given.flag("spectrum") or given.flag("epoch-spectrum"):
            # of decibels Luna takes the mean, not decibels of the mean as for bands
            mean = options.shown(found.density[:, shown]).mean(axis=0)
            run.put_columns("PSD", {"CH": [name] * len(bins), "F": bins}, {"PSD": mean})
        if given.flag("epoch-spectrum"):
            factors = {
                "CH": [name] * len(bins) * len(found.density),
                "E": np.repeat(epochs["epoch"], len(bins)),
                "F": np.tile(bins, len(found.density)),
            }
            run.put_columns("PSD", factors, {"PSD": options.shown(found.density[:, shown]).ravel()})


def _options(command: Command) -> _Options:
    given = command.parameters
    segment, overlap, low, high = (
        _number(command, key, usual)
        for key, usual in (("segment-sec", 4.0), ("segment-overlap", 2.0), ("min", 0.5), ("max", 25.0))
    )
    windows = [own for word, own in _WINDOWS.items() if given.flag(word)]
    if len(windows) > 1:
        raise command.error(f"one window, not {' and '.join(word for word in _WINDOWS if given.flag(word))}")
    if not 0 <= overlap < segment:
        raise command.error(
            f"segment-overlap={overlap:g} must be below segment-sec={segment:g}, and not below 0"
        )
    if not 0 <= low < high:
        raise command.error(f"min={low:g} and max={high:g} Hz: min must be below max, and not below 0")
    return _Options(segment, overlap, (windows or ["tukey50"])[0], low, high, given.flag("dB"))


def _number(command: Command, key: str, usual: float) -> float:
    given = command.parameters.number(key)
    return usual if given is None else given


def _spectra(
    run: Run, name: str, epochs: dict[str, npt.NDArray[Any]], options: _Options, command: Command
) -> _Spectra:
    """Spectra of a signal's epochs."""
    signal = run.night.signals[name]
    rate = signal.sampling_rate
    starts, count = epoch_samples(run.night, epochs, rate)
    if not len(starts):
        return _Spectra(np.empty(0), np.empty((0, 0)))
    try:
        length, _ = segments(count, rate, options.segment, options.overlap)
    except ValueError as error:
        raise command.error(f"{name}: {error}") from None
    frequencies = np.arange(length // 2 + 1) * rate / length
    needed = int(np.searchsorted(frequencies, max(options.high, TOTAL[1]) + 1.0))
    density = np.empty((len(starts), min(needed, len(frequencies))))
    for which, values in epoch_blocks(signal, starts, count):
        _, found = welch(
            values, rate, segment=options.segment, overlap=options.overlap, window=options.window
        )
        density[which] = found[:, : density.shape[1]]
    return _Spectra(frequencies[: density.shape[1]], density)


def _put_bands(
    run: Run, name: str, found: _Spectra, numbers: npt.NDArray[Any] | None, options: _Options
) -> None:
    """Power of bands: of the mean spectrum, and of each epoch's if `numbers` are given."""
    edges = {**BANDS, "TOTAL": TOTAL}

    def put(factors: dict[str, Any], density: Floats) -> None:
        power = np.stack(
            [band_power(found.frequencies, density, low, high) for low, high in edges.values()], axis=-1
        )
        with np.errstate(invalid="ignore"):
            relative = power / power[..., -1:]
        if power.ndim > 1:
            relative[:, -1] = np.nan  # as in Luna
        run.put_columns(
            "PSD", factors, {"PSD": options.shown(power).ravel(), "RELPSD": _or_missing(relative.ravel())}
        )

    put({"B": list(edges), "CH": [name] * len(edges)}, found.density.mean(axis=0))
    if numbers is not None:
        rows = len(edges) * len(numbers)
        factors = {
            "B": list(edges) * len(numbers),
            "CH": [name] * rows,
            "E": np.repeat(numbers, len(edges)),
        }
        put(factors, found.density)


def _or_missing(values: Floats) -> list[float | None]:
    """Values with None in place of NaN: what there is no number for."""
    return [value if np.isfinite(value) else None for value in values.tolist()]
