"""SPINDLES: sleep spindles by wavelet power."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.numerics.spindles import HALF_BAND, SpindleRules, Spindles, find_spindles, lowest_rate
from eegarchive.state import stretches
from eegarchive.storage.workers import spread

#: What is put out of each spindle, by Luna's names.
_MEASURES = {
    "AMP": "amplitude",
    "DUR": "duration",
    "FFT": "spectral_frequency",
    "FRQ": "frequency",
    "NOSC": "oscillations",
    "SYMM": "symmetry",
}
#: What parameters say of spindles.
_RULES = {
    "cycles": "cycles",
    "th": "core",
    "th2": "flank",
    "min0": "core_seconds",
    "min": "shortest",
    "max": "longest",
    "merge": "merge",
    "win": "smooth",
    "q": "quality",
}


def run_spindles(run: Run, command: Command) -> None:
    """Put out how many spindles there are and what they are like, for each signal and frequency.

    Masked epochs count, too: it's the whole state that is looked through.
    """
    given = command.parameters
    frequencies = given.numbers("fc") or [SpindleRules().frequency]
    rules = {frequency: _rules(command, frequency) for frequency in frequencies}
    if twice := [f"{one:g}" for one in frequencies if frequencies.count(one) > 1]:
        raise command.error(f"fc={twice[0]} is given twice")
    if not len(run.night.segments):
        run.log("SPINDLES: the recording has no samples")
        return
    durations = run.night.segments.columns()["duration"]
    minutes = float(durations.sum()) / 60.0
    epochs = run.epochs()
    if epochs["masked"].any():
        run.odd(command, "a mask is set, and looked over: use RE first to drop masked epochs")

    tasks = []
    for name in run.signals(command):
        rate = run.night.signals[name].sampling_rate
        for frequency in frequencies:
            if rate < lowest_rate(frequency):
                run.log(f"SPINDLES: {name} has {rate:g} Hz, too low a rate for spindles of {frequency:g} Hz")
            else:
                tasks.append((name, frequency))

    def find(task: tuple[str, float]) -> Spindles:
        name, frequency = task
        signal = run.night.signals[name]
        own = stretches(durations, signal.sampling_rate, len(signal))
        return find_spindles(signal[:], signal.sampling_rate, rules[frequency], own)

    for (name, frequency), found in zip(tasks, spread(find, tasks), strict=True):
        count = len(found)
        values: dict[str, Any] = {
            "N": [count],
            "DENS": [count / minutes],
            "MINS": [minutes],
            "NE": [len(epochs["epoch"])],
        }
        for variable, attribute in _MEASURES.items():
            measured = getattr(found, attribute)
            values[variable] = [float(np.nanmean(measured)) if np.isfinite(measured).any() else None]
        run.put_columns("SPINDLES", {"CH": [name], "F": [frequency]}, values)
        rate = run.night.signals[name].sampling_rate
        seconds = _seconds(run, found.peak, rate)
        if given.flag("per-spindle") and count:
            _put_each(run, name, frequency, found, seconds, rate)
        for key, held in (("cache-peaks", found.peak), ("cache-peaks-sec", seconds)):
            if key in given:
                _keep(run, command, given.need(key), name, frequency, held)


def _rules(command: Command, frequency: float) -> SpindleRules:
    """What the parameters say of spindles; defaults are Luna's."""
    if frequency <= HALF_BAND:
        raise command.error(f"fc={frequency:g}: must be above {HALF_BAND:g} Hz")
    values = {"frequency": frequency}
    for key, rule in _RULES.items():
        value = command.parameters.number(key)
        if value is None:
            continue
        if key != "q" and (value < 0 or (value == 0 and key in ("cycles", "th"))):
            raise command.error(f"{key}={value:g}: must be above 0")
        values[rule] = value
    return SpindleRules(**values)


def _seconds(run: Run, samples: npt.NDArray[np.int64], rate: float) -> npt.NDArray[np.float64]:
    """Times of samples on the recording clock."""
    segments = run.night.segments.columns()
    firsts = np.array([start for start, _ in stretches(segments["duration"], rate)])
    within = np.searchsorted(firsts, samples, side="right") - 1
    return np.asarray(segments["start"][within] + (samples - firsts[within]) / rate)


def _put_each(
    run: Run,
    name: str,
    frequency: float,
    found: Spindles,
    peaks: npt.NDArray[np.float64],
    rate: float,
) -> None:
    """A row for each spindle."""
    count = len(found)
    factors = {"CH": [name] * count, "F": [frequency] * count, "SPINDLE": np.arange(1, count + 1)}
    last = _seconds(run, found.stop - 1, rate) + 1.0 / rate
    values: dict[str, Any] = {
        "START": _seconds(run, found.start, rate),
        "STOP": last,
        "PEAK": peaks,
        "START_SP": found.start,
        "STOP_SP": found.stop,
        "PEAK_SP": found.peak,
    }
    for variable, attribute in _MEASURES.items():
        column = getattr(found, attribute).tolist()
        values[variable] = [None if value != value else value for value in column]
    run.put_columns("SPINDLES", factors, values)


def _keep(
    run: Run, command: Command, cache: str, name: str, frequency: float, held: npt.NDArray[Any]
) -> None:
    """Keep peaks in a cache as Luna does: samples as `points`, times as `seconds`."""
    if not len(held):
        return
    levels = {**run.tags, "CH": name, "F": frequency}
    samples = held.dtype.kind == "i"
    run.night.cache[cache].put(
        "points" if samples else "seconds",
        held,
        levels,
        basis="samples" if samples else "clock",
        operation=command.name,
        parameters=command.parameters.items(),
    )
