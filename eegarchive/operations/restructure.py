"""Restructure: take the masked epochs out of a state. No sample is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from eegarchive.draft import Draft, cut
from eegarchive.errors import EEGArchiveError
from eegarchive.operations import counted
from eegarchive.operations.epochs import SAME_TIME
from eegarchive.operations.masks import masked
from eegarchive.state import Description, first_samples

#: A time this close to a sample (in samples) is on it.
_ON_SAMPLE = 1e-6
Stretch = tuple[float, float]


@dataclass(frozen=True)
class RestructureReport:
    """What a restructure left: epochs, seconds of data and segments, before and after."""

    epochs: tuple[int, int]
    duration: tuple[float, float]
    segments: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.epochs[1]} of {self.epochs[0]} epochs are left: {self.duration[1]:.10g} of "
            f"{self.duration[0]:.10g} s in {counted(self.segments[1], 'segment')}"
        )


def restructure(draft: Draft, records: Sequence[Stretch] | None) -> tuple[Draft, RestructureReport]:
    """Drop all time that isn't in an epoch left unmasked; nothing, if no epoch is masked.

    Parameters
    ----------
    records : sequence of (start, stop), optional
        Runs of the recording's whole data records that are touched; with them, records stay whole.

    Raises
    ------
    EEGArchiveError
        If nothing would be left, or an epoch's borders don't fall on whole samples of a signal.
    """
    out = masked(draft)
    old = draft.segments.columns
    if not out.any():
        return draft, _report(draft, draft)
    if out.all():
        raise EEGArchiveError(f"all {len(out)} epochs are masked; nothing would be left")
    epochs = draft.epochs.only(~out)
    kept = epochs.columns
    wanted = (
        list(zip(kept["start"], kept["start"] + kept["duration"], strict=True))
        if records is None
        else records
    )
    runs, homes = runs_within(np.array(wanted), old["start"], old["start"] + old["duration"])
    by_rate: dict[tuple[float, int], list[tuple[int, int]]] = {}
    signals: dict[str, Description] = {}
    for name, signal in draft.signals.items():
        rate, length = float(signal.attributes["sampling_rate"]), len(signal)
        if not length:
            signals[name] = signal
            continue
        if (rate, length) not in by_rate:
            by_rate[rate, length] = _ranges(draft, name, rate, length, runs, homes)
        signals[name] = replace(signal, pieces=cut(signal.pieces, by_rate[rate, length]))
    segments = draft.segments.with_columns(start=runs[:, 0], duration=runs[:, 1] - runs[:, 0])
    new = replace(draft, signals=signals, segments=segments, epochs=epochs)
    return new, _report(draft, new)


def touched_records(
    draft: Draft, starts: npt.NDArray[np.float64], durations: npt.NDArray[np.float64], record: float
) -> list[Stretch]:
    """Runs of data records that an unmasked epoch touches, in a recording of these segments."""
    columns = draft.epochs.columns
    left = ~masked(draft)
    begins = columns["start"][left]
    ends = begins + columns["duration"][left]
    found: list[Stretch] = []
    for start, duration in zip(starts, durations, strict=True):
        count = round(duration / record)
        first = np.clip(np.floor((begins - start) / record + _ON_SAMPLE), 0, count).astype(np.int64)
        last = np.clip(np.ceil((ends - start) / record - _ON_SAMPLE), 0, count).astype(np.int64)
        some = first < last
        edges = np.zeros(count + 1, np.int64)
        np.add.at(edges, first[some], 1)
        np.add.at(edges, last[some], -1)
        inside = np.concatenate([[False], np.cumsum(edges[:-1]) > 0, [False]])
        change = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
        found += [(start + a * record, start + b * record) for a, b in change.tolist()]
    return found


def runs_within(
    wanted: npt.NDArray[np.float64], begins: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Merge stretches that touch or overlap, within each segment; (start, stop) of each, and its segment."""
    found: list[list[float]] = []
    homes: list[int] = []
    for home, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        inside = (wanted[:, 0] < end - SAME_TIME) & (wanted[:, 1] > begin + SAME_TIME)
        here = np.clip(wanted[inside], begin, end)
        here = here[np.argsort(here[:, 0], kind="stable")]
        if not len(here):
            continue
        reach = np.maximum.accumulate(here[:, 1])
        breaks = np.flatnonzero(here[1:, 0] > reach[:-1] + SAME_TIME)
        starts = here[np.concatenate([[0], breaks + 1]), 0]
        stops = reach[np.concatenate([breaks, [len(here) - 1]])]
        found += np.stack([starts, stops], axis=1).tolist()
        homes += [home] * len(starts)
    return np.array(found, float).reshape(-1, 2), homes


def _ranges(
    draft: Draft,
    name: str,
    rate: float,
    length: int,
    runs: npt.NDArray[np.float64],
    homes: list[int],
) -> list[tuple[int, int]]:
    """Sample numbers of each run in signals of one rate."""
    samples, off = sample_ranges(draft, rate, length, runs, homes)
    if off.any():
        run, side = (int(found[0]) for found in np.nonzero(off))
        columns = draft.epochs.columns
        edge = columns["start"] + (columns["duration"] if side else 0)
        number = columns["epoch"][int(np.argmin(np.abs(edge - runs[run, side])))]
        raise EEGArchiveError(
            f"epoch {number} {'ends' if side else 'starts'} at {runs[run, side]:.10g} s, between two samples of "
            f"{name!r} ({rate:.10g} Hz); choose other epochs, or keep whole records (--whole-records)"
        )
    return [(int(a), int(b)) for a, b in samples]


def sample_ranges(
    draft: Draft, rate: float, length: int, runs: npt.NDArray[np.float64], homes: list[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Sample numbers of each run's ends in signals of one rate, and which ends aren't on a sample (spec O-4)."""
    segments = draft.segments.columns
    before = first_samples(segments["duration"], rate).astype(np.float64)
    before[-1] = length
    start, first, behind = segments["start"][homes], before[homes], before[np.array(homes) + 1]
    last = start + segments["duration"][homes]
    exact = first[:, None] + (runs - start[:, None]) * rate
    exact = np.where(np.abs(runs - last[:, None]) <= SAME_TIME, behind[:, None], exact)
    samples = np.rint(exact)
    off: npt.NDArray[np.bool_] = np.abs(samples - exact) > np.maximum(_ON_SAMPLE, 1e-15 * length)
    return samples, off


def _report(before: Draft, after: Draft) -> RestructureReport:
    def both(count: str) -> tuple[int, int]:
        return len(getattr(before, count).rows), len(getattr(after, count).rows)

    old, new = (float(np.sum(draft.segments.columns["duration"])) for draft in (before, after))
    return RestructureReport(both("epochs"), (old, new), both("segments"))
