"""What differs between two states, in the terms of a recording."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eegarchive import digest
from eegarchive.compare import Aligned, changed_stretches, covered, outside
from eegarchive.layout import CLOCK_START, SAMPLES_DIGEST
from eegarchive.state import Signal, State, Table

#: [start, stop) in seconds on the recording clock.
Stretch = tuple[float, float]
#: What there was before, and what there is now.
Change = tuple[Any, Any]


@dataclass(frozen=True)
class SignalChange:
    """What differs in a signal that both states have.

    Attributes
    ----------
    attributes : dict
        Both values of each attribute that differs, None where there is none; `type` is that of the samples,
        `length` their number if it differs without a difference in the segments.
    samples : list of (start, stop)
        From the first to the last sample that differs, for each run of stored samples that the two states
        don't share. In time that both states have.
    """

    attributes: dict[str, Change] = field(default_factory=dict)
    samples: list[Stretch] = field(default_factory=list)


@dataclass(frozen=True)
class SegmentsChange:
    """What differs in the segments: their number, the time that only one state has, the clock's zero."""

    count: Change
    removed: list[Stretch]
    added: list[Stretch]
    recording_start: Change | None


@dataclass(frozen=True)
class EpochsChange:
    """What differs in the epochs.

    Attributes
    ----------
    count : (int, int)
    removed, added : list of int
        Numbers that only one state has.
    moved : list of int
        Numbers of epochs that start elsewhere or are of another length.
    duration : (float, float) or None
        Lengths of the first epochs, if they differ.
    masked, unmasked : list of int
        Epochs of both states that only the second, or only the first, masks.
    """

    count: Change
    removed: list[int]
    added: list[int]
    moved: list[int]
    duration: Change | None
    masked: list[int]
    unmasked: list[int]


@dataclass(frozen=True)
class AnnotationsChange:
    """How many annotations of a set and kind only one of the states has."""

    set: str
    kind: str
    removed: int
    added: int


@dataclass(frozen=True)
class Difference:
    """What the second of two states has otherwise than the first.

    Attributes
    ----------
    signals_removed, signals_added : list of str
    signals_changed : dict of SignalChange
    signal_order : (list of str, list of str) or None
        Signals that both states have, where their order differs.
    segments : SegmentsChange or None
    epochs : EpochsChange or None
        Epochs and masks.
    annotations : list of AnnotationsChange
    annotation_order : bool
        Whether the same annotations stand in another order.
    cache : dict
        `added`, `removed` or `changed` by name: values, or where they came from.
    """

    signals_removed: list[str] = field(default_factory=list)
    signals_added: list[str] = field(default_factory=list)
    signals_changed: dict[str, SignalChange] = field(default_factory=dict)
    signal_order: Change | None = None
    segments: SegmentsChange | None = None
    epochs: EpochsChange | None = None
    annotations: list[AnnotationsChange] = field(default_factory=list)
    annotation_order: bool = False
    cache: dict[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self == Difference()


def diff(a: State, b: State) -> Difference:
    """Find what state `b` has otherwise than state `a`, of the same archive or of another one.

    States of equal digest and the same cache aren't read. Else tables are compared, and of samples only those
    that the states don't share: samples are shared if they are the same stored ones, or stored ones
    of equal SHA-256.

    Parameters
    ----------
    a, b : State
        Open archives, or freezes of them.

    Returns
    -------
    Difference
        `equal` tells whether there is any. States of different digests can be equal: their samples may be
        stored in other pieces.
    """
    with contextlib.ExitStack() as both:
        for state in (a, b):
            both.enter_context(state._file.reading())
        cache = _cache(a, b)
        if a.digest and a.digest == b.digest:
            return Difference(cache=cache)
        names_a, names_b = list(a.signals), list(b.signals)
        common = [name for name in names_a if name in set(names_b)]
        order = [name for name in names_b if name in set(common)]
        annotations, annotation_order = _annotations(a.annotations, b.annotations)
        return Difference(
            signals_removed=[name for name in names_a if name not in set(common)],
            signals_added=[name for name in names_b if name not in set(common)],
            signals_changed=_signals(a, b, common),
            signal_order=None if order == common else (common, order),
            segments=_segments(a.segments, b.segments),
            epochs=_epochs(a.epochs, b.epochs),
            annotations=annotations,
            annotation_order=annotation_order,
            cache=cache,
        )


# -- signals ----------------------------------------------------------------------------------------


def _signals(a: State, b: State, names: list[str]) -> dict[str, SignalChange]:
    segments = a.segments.columns(), b.segments.columns()
    same_time = _same(a.segments, b.segments)
    aligned: dict[float, Aligned] = {}
    found = {}
    for name in names:
        one, other = a.signals[name], b.signals[name]
        attributes = _attributes(one, other)
        if same_time and len(one) != len(other) and one.sampling_rate == other.sampling_rate:
            attributes["length"] = (len(one), len(other))
        rate = one.sampling_rate
        if rate != other.sampling_rate:
            samples = covered(*segments)
        else:
            if rate not in aligned:
                aligned[rate] = Aligned(*segments, rate)
            samples = changed_stretches(one, other, aligned[rate])
        if attributes or samples:
            found[name] = SignalChange(attributes, samples)
    return found


def _attributes(a: Signal, b: Signal) -> dict[str, Change]:
    old, new = ({**signal.attributes, "type": signal.dtype.name} for signal in (a, b))
    names = (set(old) | set(new)) - {SAMPLES_DIGEST}
    return {
        name: (old.get(name), new.get(name))
        for name in sorted(names)
        if repr(old.get(name)) != repr(new.get(name))  # NaN is NaN, 0.0 isn't -0.0
    }


# -- tables -----------------------------------------------------------------------------------------


def _same(a: Table, b: Table) -> bool:
    """Whether two tables are equal to the last byte."""
    return digest.table_digest(a.rows(), a.attributes) == digest.table_digest(b.rows(), b.attributes)


def _segments(a: Table, b: Table) -> SegmentsChange | None:
    if _same(a, b):
        return None
    starts = [str(table.attributes.get(CLOCK_START, "")) for table in (a, b)]
    return SegmentsChange(
        count=(len(a), len(b)),
        removed=outside(a.columns(), b.columns()),
        added=outside(b.columns(), a.columns()),
        recording_start=None if starts[0] == starts[1] else (starts[0], starts[1]),
    )


def _epochs(a: Table, b: Table) -> EpochsChange | None:
    if _same(a, b):
        return None
    old, new = a.columns(), b.columns()
    _, at_old, at_new = np.intersect1d(old["epoch"], new["epoch"], return_indices=True)
    numbers = old["epoch"][at_old]
    moved = (old["start"][at_old] != new["start"][at_new]) | (
        old["duration"][at_old] != new["duration"][at_new]
    )
    before, now = old["masked"][at_old], new["masked"][at_new]
    lengths = [float(columns["duration"][0]) if len(columns["duration"]) else None for columns in (old, new)]
    return EpochsChange(
        count=(len(old["epoch"]), len(new["epoch"])),
        removed=np.setdiff1d(old["epoch"], new["epoch"]).tolist(),
        added=np.setdiff1d(new["epoch"], old["epoch"]).tolist(),
        moved=numbers[moved].tolist(),
        duration=None if lengths[0] == lengths[1] else (lengths[0], lengths[1]),
        masked=numbers[~before & now].tolist(),
        unmasked=numbers[before & ~now].tolist(),
    )


def _annotations(a: Table, b: Table) -> tuple[list[AnnotationsChange], bool]:
    """Annotations that only one table has, counted; and whether equal ones stand in another order."""
    if _same(a, b):
        return [], False
    old, new = (_counted(table) for table in (a, b))
    removed, added = _by_kind(old - new), _by_kind(new - old)
    found = [
        AnnotationsChange(group, kind, removed[group, kind], added[group, kind])
        for group, kind in sorted(set(removed) | set(added))
    ]
    return found, not found


def _counted(table: Table) -> Counter[tuple[Any, ...]]:
    columns = table.columns()
    rows = zip(
        columns["set"].tolist(),
        columns["kind"].tolist(),
        columns["onset"].view(np.int64).tolist(),  # NaN equals NaN so
        columns["duration"].view(np.int64).tolist(),
        columns["text"].tolist(),
        columns["channel"].tolist(),
        strict=True,
    )
    return Counter(rows)


def _by_kind(rows: Counter[tuple[Any, ...]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (group, kind, *_), count in rows.items():
        found[group, kind] += count
    return found


# -- cache ------------------------------------------------------------------------------------------


def same_cache(a: State, b: State) -> bool:
    """Whether two states have the same caches."""
    return _cache_digests(a) == _cache_digests(b)


def _cache(a: State, b: State) -> dict[str, str]:
    """What differs in the caches, by name."""
    old, new = _cache_digests(a), _cache_digests(b)
    found = {name: "removed" for name in old if name not in new}
    found |= {name: "added" for name in new if name not in old}
    found |= {name: "changed" for name in old if name in new and old[name] != new[name]}
    return dict(sorted(found.items()))


def _cache_digests(state: State) -> dict[str, str]:
    with state._file.reading():
        return digest.cache_digests(state._file.group(state._path))
