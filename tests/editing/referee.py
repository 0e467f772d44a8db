"""What operations must give, worked out slowly from the recording's bytes, second by second."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from readers.programs import DATA, Truth, decode

import eegarchive
from eegarchive.check import Checker
from eegarchive.state import State

Stretch = tuple[float, float]

#: Stages of the PSG's ten epochs of 30 s, in spellings that mean the same and others that don't.
STAGES = (
    "W",
    "Sleep stage N1",
    "Sleep stage 2",
    "N2",
    "Sleep stage N3",
    "N2",
    "R",
    "Sleep stage ?",
    "N2",
    "W",
)


class Recording(NamedTuple):
    """A recording of tests/data: its signals by their name in an archive, and its clock in whole seconds."""

    stem: str
    signals: Mapping[str, Truth]
    #: (start, stop) of each stretch without a gap.
    segments: tuple[tuple[int, int], ...]
    #: Seconds of a data record; every signal has whole samples in so many.
    record: int

    def __repr__(self) -> str:
        return self.stem


def _recording(
    name: str, signals: Sequence[str], segments: Sequence[tuple[int, int]], record: int
) -> Recording:
    truths = {signal: decode(DATA / name, index) for index, signal in enumerate(signals)}
    return Recording(Path(name).stem, truths, tuple(segments), record)


PSG = _recording(
    "edf_sleep_psg_30s_records.edf",
    [
        "EEG Fpz-Cz",
        "EEG Pz-Oz",
        "EOG horizontal",
        "Resp oro-nasal",
        "EMG submental",
        "Temp rectal",
        "Event marker",
    ],
    [(0, 300)],
    30,
)
GAPS = _recording(
    "edfplusd_oximetry_gaps.edf", ["SaO2", "HR", "Move"], [(0, 2724), (5631, 11715), (13656, 15840)], 4
)
MIXED = _recording(
    "bdfplusc_mixed_rates_2s_records.bdf",
    ["sine 2.5Hz", "square 6.5Hz", "ramp 3.5Hz", "pink noise", "white noise"],
    [(0, 30)],
    2,
)
RECORDINGS = (PSG, GAPS, MIXED)


class Epoch(NamedTuple):
    number: int
    start: float
    stop: float
    masked: bool


def epochs(night: State) -> list[Epoch]:
    """The epochs of a state as plain values."""
    columns = night.epochs.columns()
    return [
        Epoch(int(n), float(a), float(a) + float(d), bool(m))
        for n, a, d, m in zip(
            *(columns[name] for name in ("epoch", "start", "duration", "masked")), strict=True
        )
    ]


def segments(night: State) -> list[Stretch]:
    """(start, stop) of the segments of a state."""
    columns = night.segments.columns()
    return [(float(a), float(a + d)) for a, d in zip(columns["start"], columns["duration"], strict=True)]


def masked_numbers(night: State) -> list[int]:
    return [epoch.number for epoch in epochs(night) if epoch.masked]


def grid(stretches: Sequence[Stretch], length: float, step: float, offset: float) -> list[Stretch]:
    """Where whole epochs lie: each stretch has a grid of its own."""
    found = []
    for start, stop in stretches:
        at = start + offset
        while at + length <= stop:
            found.append((at, at + length))
            at += step
    return found


def touches(onset: float, duration: float, epoch: Stretch, whole_epoch: bool = False) -> bool:
    """Whether an annotation overlaps an epoch, or covers it; one without duration is a moment."""
    stop = onset + (0.0 if math.isnan(duration) else duration)
    if whole_epoch:
        return onset <= epoch[0] and epoch[1] <= stop
    if stop == onset:
        return epoch[0] <= onset < epoch[1]
    return onset < epoch[1] and epoch[0] < stop


def seconds_left(
    before: Sequence[Stretch],
    kept: Sequence[Epoch],
    records: tuple[Sequence[tuple[int, int]], int] | None = None,
) -> list[Stretch]:
    """What a restructure leaves of stretches of whole seconds, looked at second by second.

    `records` are the recording's own stretches and the length of a data record: then records stay whole.
    """
    left: list[Stretch] = []
    wanted = [(epoch.start, epoch.stop) for epoch in kept if not epoch.masked]
    if records is not None:
        own = [(at, at + records[1]) for a, b in records[0] for at in range(a, b, records[1])]
        wanted = [(a, b) for a, b in own if any(start < b and a < stop for start, stop in wanted)]
    inside = np.zeros(int(max((b for _, b in before), default=0)) + 1, bool)
    for start, stop in wanted:
        inside[int(start) : int(stop)] = True
    for start, stop in before:
        begin = None
        for second in range(int(start), int(stop) + 1):
            here = second < stop and inside[second]
            if here and begin is None:
                begin = second
            elif not here and begin is not None:
                left.append((float(begin), float(second)))
                begin = None
    return left


def sample_seconds(stretches: Sequence[Stretch], rate: float) -> np.ndarray:
    """The second of the recording clock that each sample of a signal lies in."""
    parts = [np.floor(a + np.arange(round((b - a) * rate)) / rate) for a, b in stretches]
    return np.concatenate([np.empty(0), *parts])


def kept_samples(before: Sequence[Stretch], after: Sequence[Stretch], rate: float) -> np.ndarray:
    """Which samples of a signal a restructure leaves."""
    seconds = sample_seconds(before, rate)
    kept = np.zeros(len(seconds), bool)
    for start, stop in after:
        kept |= (seconds >= start) & (seconds < stop)
    return kept


def assert_samples(night: State, recording: Recording, stretches: Sequence[Stretch]) -> None:
    """Each signal of a state has the recording's samples of these stretches, and nothing else."""
    assert list(night.signals) == list(recording.signals)
    for name, truth in recording.signals.items():
        kept = kept_samples(recording.segments, stretches, truth.sampling_rate)
        np.testing.assert_array_equal(night.signals[name].digital[:], truth.samples[kept], err_msg=name)


class _AbandonedError(Exception):
    pass


@contextlib.contextmanager
def abandoned(path: Path) -> Iterator[eegarchive.EditableArchive]:
    """An edit that comes to nothing."""
    with contextlib.suppress(_AbandonedError), eegarchive.edit(path) as night:
        yield night
        raise _AbandonedError


def findings(path: Path) -> list[str]:
    """What the checker finds wrong with an archive."""
    found: list[str] = []
    Checker(path, lambda f: found.append(f"{f.severity} {f.path}: {f.message}"), lambda _: None).run()
    return found


def operations(night: eegarchive.Archive) -> list[str]:
    """Names of all operations in the history."""
    return list(night.history["operation"])
