"""Times, sizes and differences."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.accounting.formats import Format, Opened, read_parquet, write_parquet
from eegarchive.accounting.source import Group, Source

#: How many windows are read at random, and in how many parts of the time the largest difference is told.
NUM_WINDOWS, NUM_PARTS = 30, 200
#: Below this many digital steps a difference is what dividing by 1e-6, for microvolts from volts, leaves.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Residual:
    """What all samples of a format differ by from the EDF's.

    Attributes
    ----------
    samples, different : int
        How many were compared, and how many of them differ.
    signals : int
        How many signals were compared.
    largest_steps : float
        The largest difference in digital steps of the EDF.
    largest, units, signal : float, str, str
        The same difference in the unit of the signal that has it; 0 and empty texts if none differs.
    parts : tuple of float
        Largest difference in steps for each part of the time; NaN where there were no samples.
    """

    samples: int
    different: int
    signals: int
    largest_steps: float
    largest: float
    units: str
    signal: str
    parts: tuple[float, ...]

    @property
    def is_exact(self) -> bool:
        """Whether every sample is the EDF's, to the last bit."""
        return self.different == 0


@dataclass(frozen=True)
class Cost:
    """What one format costs.

    Attributes
    ----------
    format : str
    write_seconds, read_seconds : tuple of float
        One for each repeat: all of it; reading is with opening. Empty if it wasn't measured.
    window_seconds : tuple of float
        One for each random window, from an open file.
    bytes : int
    residual : Residual or None
        None where there are no samples to compare.
    limits : str
        What of this recording the format can't hold.
    """

    format: str
    write_seconds: tuple[float, ...]
    read_seconds: tuple[float, ...]
    window_seconds: tuple[float, ...]
    bytes: int
    residual: Residual | None
    limits: str

    def medians(self) -> dict[str, float | None]:
        """Medians of the times in milliseconds, by write, read and window."""
        times = {"write": self.write_seconds, "read": self.read_seconds, "window": self.window_seconds}
        return {name: 1e3 * median(seconds) if seconds else None for name, seconds in times.items()}


def ms_text(milliseconds: float) -> str:
    """A time for people: `0.254 ms`, `1120 ms`."""
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"


def times_of(function: Callable[[], object], repeats: int, told: Callable[[], None]) -> Iterator[float]:
    """Seconds that each call takes; a first one, which loads and allocates, isn't counted."""
    for i in range(repeats + 1):
        began = time.perf_counter()
        function()
        if i:
            yield time.perf_counter() - began
        told()


def measure(
    form: Format,
    source: Source,
    folder: Path,
    repeats: int,
    window: float,
    told: Callable[[], None],
    is_source: bool = False,
) -> Cost:
    """Write and read one format of samples and, unless it is the source, compare it with that.

    `told` is called 2 * repeats + 3 times, if there is something to read.
    """
    writing = tuple(times_of(lambda: form.write(source, folder), repeats, told))
    opened = form.open
    if opened is None:
        return Cost(form.name, writing, (), (), size_of(folder), None, form.limits)

    def read_all() -> None:
        with opened(source, folder) as file:
            for i, group in enumerate(file.groups):
                for start, stop in group.blocks():
                    file.read(i, start, stop)

    reading = tuple(times_of(read_all, repeats, told))
    with opened(source, folder) as file:
        windows = _windows(file, source.seconds, window)
        residual = None if is_source else compare(file, source)
    told()
    return Cost(form.name, writing, reading, windows, size_of(folder), residual, form.limits)


def measure_features(
    columns: dict[str, npt.NDArray[Any]], folder: Path, repeats: int, told: Callable[[], None]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Times of writing and reading a table of features, and one row of it."""
    writing = tuple(times_of(lambda: write_parquet(columns, folder), repeats, told))
    reading = tuple(times_of(lambda: read_parquet(folder), repeats, told))
    windows = []
    for row in (_random(NUM_WINDOWS + 1) * len(columns["window"])).astype(int).tolist():
        began = time.perf_counter()
        read_parquet(folder, row)
        windows.append(time.perf_counter() - began)
    told()
    return writing, reading, tuple(windows[1:])


def _random(count: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).random(count)


def _windows(file: Opened, seconds: float, window: float) -> tuple[float, ...]:
    """Seconds that each of some windows takes, all signals of it; the first is the warm-up."""
    taken = []
    for begin in (_random(NUM_WINDOWS + 1) * max(0.0, seconds - window)).tolist():
        began = time.perf_counter()
        for i, group in enumerate(file.groups):
            start = min(int(begin * group.rate), group.samples - 1)
            file.read(i, start, min(start + max(1, round(window * group.rate)), group.samples))
        taken.append(time.perf_counter() - began)
    return tuple(taken[1:])


def compare(file: Opened, source: Source) -> Residual | None:
    """Compare every sample with the EDF's, block by block."""
    parts = np.full(NUM_PARTS, np.nan)
    samples = different = signals = 0
    largest = (0.0, 0.0, -1)
    for i, (group, factors) in enumerate(zip(file.groups, file.factors, strict=True)):
        rows = np.flatnonzero(np.isfinite(factors))
        if not len(rows):
            continue
        signals += len(rows)
        numbers = [group.signals[row] for row in rows]
        shown = Group(tuple(numbers), group.rate, group.samples)
        scales = source.scales[numbers]
        tolerance = np.where(factors[rows] == 1, 0.0, _ROUNDING)[:, None]
        for start, stop in shown.blocks():
            wanted = source.read(shown, start, stop)
            found = file.read(i, start, stop)[rows] / factors[rows, None]
            apart = np.abs(np.subtract(found, wanted, dtype=np.float64))
            steps = np.nan_to_num(apart / scales[:, None], nan=np.inf)
            steps[steps <= tolerance] = 0.0
            samples += steps.size
            different += int(np.count_nonzero(steps))
            at = int(np.argmax(steps))
            row, column = np.unravel_index(at, steps.shape)
            if steps[row, column] > largest[0]:
                largest = (float(steps[row, column]), float(apart[row, column]), numbers[int(row)])
            part = np.arange(start, stop) * NUM_PARTS // group.samples
            edges = np.flatnonzero(np.diff(part, prepend=-1))
            highest = np.maximum.reduceat(steps.max(axis=0), edges)
            parts[part[edges]] = np.fmax(parts[part[edges]], highest)
    if not samples:
        return None
    worst = source.signals[largest[2]] if largest[2] >= 0 else None
    return Residual(
        samples,
        different,
        signals,
        largest[0],
        largest[1],
        worst.texts["physical_dimension"] if worst else "",
        worst.label if worst else "",
        tuple(parts.tolist()),
    )


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def emptied(folder: Path) -> Path:
    """The folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
