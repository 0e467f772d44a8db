"""MATRIX: samples as text, line for line as Luna writes them."""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from eegarchive import edf
from eegarchive.luna.annots import (
    NANOSECONDS,
    Events,
    events_of,
    fraction_text,
    names_in,
    nanoseconds,
    overlapping,
    seconds_of_day,
)
from eegarchive.luna.reading import epoch_samples
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.operations import counted
from eegarchive.state import Signal, first_samples
from eegarchive.storage.files import new_file, refuse_same
from eegarchive.storage.guard import printable

#: Lines that are made at a time.
_LINES = 2**16
#: Twelve significant digits.
_TEXT = "%.12g".__mod__
#: What division leaves of rounding in a count of nanoseconds, or of samples.
_ROUNDING = 1e-3
_ON_SAMPLE = 1e-9
_FLAGS = np.array(["0", "1"], object)
Epochs = Mapping[str, npt.NDArray[Any]]
Longs = npt.NDArray[np.int64]


def run_matrix(run: Run, command: Command) -> None:
    """Write samples of the epochs that aren't masked: a line for each, or with `format2` a line for each signal."""
    given = command.parameters
    target = Path(given.need("file"))
    if not target.parent.is_dir():
        raise command.error(
            f"file={printable(str(target))}: there is no folder {printable(str(target.parent))}"
        )
    names = run.signals(command)
    if not names:
        raise command.error("none of these signals is there; nothing was written")
    rates = {name: run.night.signals[name].sampling_rate for name in names}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{run.label(name)} {rate:g}" for name, rate in list(rates.items())[:8])
        raise command.error(
            f"the signals must have one sampling rate (RESAMPLE them, or list some by sig=): {listed} Hz"
        )
    head = given.integer("head")
    if head is not None and head < 1:
        raise command.error(f"head={head}: must be at least 1")
    epochs = {name: column[:head] for name, column in run.kept().items()}
    plan = _plan(run, names, epochs)
    events = events_of(run)
    classes = {name: events.only(hits) for name, hits in names_in(events, given.list("annot")).items()}
    for name, own in classes.items():
        if not len(own):
            run.odd(command, f"there are no annotations {name}")
    refuse_same(Path(run.night.path), target)
    with (
        new_file(target, run.overwrite) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        if given.flag("min") or given.flag("minimal"):
            _write_lines(file, plan, lambda block: block.signals())
        elif given.flag("format2"):
            _write_signals(file, run, plan, classes)
        else:
            clock = "hms2" if given.flag("hms2") else "hms" if given.flag("hms") else ""
            header = ["ID", "E", "S", "SP", "T", *(["HMS"] if clock else []), *classes]
            file.write("\t".join([*header, *map(run.label, names)]) + "\n")
            midnight = seconds_of_day(run)
            _write_lines(file, plan, lambda block: block.described(run.id, clock, midnight, classes))
    run.log(f"wrote {counted(len(names), 'signal')} in {counted(len(epochs['epoch']), 'epoch')} to {target}")


@dataclass
class _Column:
    """A signal whose samples become texts; of integers those that came once are known."""

    signal: Signal
    exact: tuple[float, float] | None
    known: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(2**16, object))
    is_known: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(2**16, bool))

    def texts(self, samples: Longs) -> list[str]:
        """Texts of some samples."""
        breaks = np.flatnonzero(np.diff(samples) != 1) + 1
        firsts, lasts = samples[np.r_[0, breaks]].tolist(), samples[np.r_[breaks, len(samples)] - 1].tolist()
        parts = [self.signal.digital[first : last + 1] for first, last in zip(firsts, lasts, strict=True)]
        stored = np.concatenate(parts)
        if stored.dtype.itemsize > 2:
            return list(map(_TEXT, self._physical(stored).tolist()))
        codes = stored.view(np.uint16)
        new = np.unique(codes[~self.is_known[codes]])
        self.known[new] = list(map(_TEXT, self._physical(new.view(np.int16)).tolist()))
        self.is_known[new] = True
        texts: list[str] = self.known[codes].tolist()
        return texts

    def _physical(self, samples: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Physical values, to the last bit those that Luna computes."""
        if self.exact is not None:
            scale, offset = self.exact
            values: npt.NDArray[np.float64] = scale * (offset + samples.astype(np.float64))
            return values
        values = np.empty(len(samples))
        self.signal.calibrate(samples, values)
        return values


def _exact(signal: Signal) -> tuple[float, float] | None:
    """The two numbers by which Luna scales a recorded signal, if its header still tells how it is scaled.

    A value is scale * (offset + sample). That is our scale * sample + offset, but rounds otherwise, which shows in
    the twelfth digit of values near 0.
    """
    attributes = signal.attributes
    limits = [
        edf.decode_number(str(attributes.get(f"{kind}_{end}", "")).encode("ascii", "replace"))
        for kind in ("physical", "digital")
        for end in ("maximum", "minimum")
    ]
    if signal.dtype.kind == "f" or any(limit is None for limit in limits):
        return None
    high, low, top, bottom = (float(limit) for limit in limits if limit is not None)
    if top == bottom or high == low:
        return None
    scale = (high - low) / (top - bottom)
    offset = high / scale - top
    same = np.isclose(
        [scale, scale * offset], [signal.scale_factor, signal.add_offset], rtol=1e-9, atol=1e-9 * abs(scale)
    )
    return (scale, offset) if same.all() else None


@dataclass(frozen=True)
class _Plan:
    """What is written: signals, and where the epochs lie in them."""

    columns: list[_Column]
    rate: float
    epochs: Epochs
    starts: Longs
    count: int
    #: First sample of each segment, and its time in nanoseconds.
    edges: Longs
    begins: Longs

    def blocks(self) -> Iterator[_Block]:
        """Some lines at a time."""
        total = len(self.starts) * self.count
        for first in range(0, total, _LINES):
            epochs, within = np.divmod(np.arange(first, min(first + _LINES, total)), self.count)
            yield _Block(self, epochs, within)

    def times(self, samples: Longs) -> Longs:
        """Times of samples in whole nanoseconds, as Luna has them."""
        within = np.searchsorted(self.edges, samples, side="right") - 1
        after = (samples - self.edges[within]) * NANOSECONDS / self.rate
        return np.asarray(self.begins[within] + np.floor(after + _ROUNDING).astype(np.int64))


def _plan(run: Run, names: list[str], epochs: Epochs) -> _Plan:
    signals = [run.night.signals[name] for name in names]
    rate = signals[0].sampling_rate
    segments = run.night.segments.columns()
    starts, count = epoch_samples(run.night, epochs, rate)
    return _Plan(
        [_Column(signal, _exact(signal)) for signal in signals],
        rate,
        epochs,
        starts,
        count,
        first_samples(segments["duration"], rate)[:-1],
        nanoseconds(segments["start"]),
    )


@dataclass(frozen=True)
class _Block:
    """Some samples, as columns of texts."""

    plan: _Plan
    #: Which of the epochs each is of, and which sample of it.
    epochs: Longs
    within: Longs

    @property
    def samples(self) -> Longs:
        """Their numbers in the signals."""
        return self.plan.starts[self.epochs] + self.within

    def signals(self) -> list[list[str]]:
        """A column for each signal."""
        return [column.texts(self.samples) for column in self.plan.columns]

    def described(
        self, id: str, clock: str, midnight: int | None, classes: Mapping[str, Events]
    ) -> list[list[str]]:
        """Columns that say where the samples are, and those of the signals."""
        first, last = int(self.epochs[0]), int(self.epochs[-1]) + 1
        named = [f"{id}\t{number}" for number in self.plan.epochs["epoch"][first:last].tolist()]
        times = self.plan.times(self.samples)
        columns = [
            np.array([*named, None], object)[self.epochs - first].tolist(),
            list(map(str, (times // NANOSECONDS).tolist())),
            list(map(_TEXT, _within_seconds(self.within, self.plan.rate).tolist())),
            list(map(_TEXT, (times / NANOSECONDS).tolist())),
        ]
        if clock:
            columns.append(_clock_texts(times, midnight, clock == "hms2"))
        columns += [_FLAGS[_inside(times, own).astype(np.intp)].tolist() for own in classes.values()]
        return columns + self.signals()


def _write_lines(file: TextIO, plan: _Plan, columns: Callable[[_Block], list[list[str]]]) -> None:
    for block in plan.blocks():
        lines = map("\t".join, zip(*columns(block), strict=True))
        file.writelines(map("{}\n".format, lines))


def _write_signals(file: TextIO, run: Run, plan: _Plan, classes: Mapping[str, Events]) -> None:
    """Write lines of all epochs: I what there is, E their numbers, A an annotation, S a signal."""
    numbers = plan.epochs["epoch"]
    length = f"{float(plan.epochs['duration'][0]):g}" if len(numbers) else "0"
    about = [run.id, len(numbers), length, f"{plan.rate:g}", len(classes), len(plan.columns)]
    file.write("\t".join(map(str, ["I", *about])) + "\n")
    file.write("\t".join(["E", *map(str, numbers.tolist())]) + "\n")
    begin = nanoseconds(plan.epochs["start"])
    end = nanoseconds(plan.epochs["start"] + plan.epochs["duration"])
    for name, own in classes.items():
        flags = _touched(begin, end, own)
        file.write("\t".join(["A", name, *_FLAGS[flags.astype(np.intp)].tolist()]) + "\n")
    for column in plan.columns:
        file.write(f"S\t{run.label(column.signal.name)}")
        for block in plan.blocks():
            file.writelines(map("\t{}".format, column.texts(block.samples)))
        file.write("\n")


def _touched(begin: Longs, end: Longs, events: Events) -> npt.NDArray[np.bool_]:
    """Which of some epochs an event touches."""
    order = np.argsort(events.starts, kind="stable")
    starts = events.starts[order]
    stops = np.maximum.accumulate(np.maximum(events.stops[order], starts + 1))
    return overlapping(begin, end, starts, stops)


def _inside(times: Longs, events: Events) -> npt.NDArray[np.bool_]:
    """Which times lie in an event; in one without a length lies its onset."""
    lasting = events.stops > events.starts
    opened = np.searchsorted(np.sort(events.starts[lasting]), times, side="right")
    closed = np.searchsorted(np.sort(events.stops[lasting]), times, side="right")
    return np.asarray((opened > closed) | np.isin(times, events.starts[~lasting]))


def _within_seconds(within: Longs, rate: float) -> npt.NDArray[np.float64]:
    """How many samples an epoch's samples are behind each whole second of it; a fraction, if the rate has one."""
    return np.asarray(within - rate * np.floor(within / rate + _ON_SAMPLE))


def _clock_texts(times: Longs, midnight: int | None, with_fraction: bool) -> list[str]:
    """Times of day: 22.00.05, or with fractions 22:00:05.25."""
    if midnight is None:
        return ["."] * len(times)
    times = times + midnight
    seconds, index = np.unique(times // NANOSECONDS, return_inverse=True)
    point = ":" if with_fraction else "."
    days = [
        str(datetime.timedelta(seconds=second % 86400)).zfill(8).replace(":", point)
        for second in seconds.tolist()
    ]
    whole: list[str] = np.array([*days, None], object)[index].tolist()
    if not with_fraction:
        return whole
    fractions, index = np.unique(times % NANOSECONDS, return_inverse=True)
    shown = [fraction_text(fraction, 5) for fraction in fractions.tolist()]
    return list(map(operator.add, whole, np.array([*shown, None], object)[index].tolist()))
