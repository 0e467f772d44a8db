"""What Luna calls annotations: classes and instances of them, and where they are masked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive import layout, stages
from eegarchive.luna.annotated import EDF_CLASS
from eegarchive.luna.labels import sanitised
from eegarchive.luna.run import Run
from eegarchive.recording import ANNOTATION_SET

#: What stands for an instance or a channel that there isn't.
NONE = "."
NANOSECONDS = 1_000_000_000

Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Annotations by columns, in order of onset.

    Attributes
    ----------
    names, instances, channels : list of str
        Class, instance and channel, `.` where there is none.
    starts, stops : (events,) int64
        Nanoseconds on the recording clock; both are equal if the duration is 0 or isn't known.
    rows : (events,) int64
        Which rows of the archive's table they are.
    aliases : list of tuple of str
        All that a script may call each: its class, and kind and text in the archive.
    """

    names: list[str]
    instances: list[str]
    channels: list[str]
    starts: Times
    stops: Times
    rows: npt.NDArray[np.int64]
    aliases: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.names)

    def only(self, which: Flags) -> Events:
        """Those where `which` holds."""
        at = np.flatnonzero(which)

        def taken(values: list[str]) -> list[str]:
            return [values[i] for i in at]

        return Events(
            taken(self.names),
            taken(self.instances),
            taken(self.channels),
            self.starts[at],
            self.stops[at],
            self.rows[at],
            [self.aliases[i] for i in at],
        )

    def called(self, pattern: str) -> Flags:
        """Which of them a script means by a name; `*` stands for any characters."""
        wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        hits = {own: any(map(wanted.fullmatch, own)) for own in set(self.aliases)}
        return np.array([hits[own] for own in self.aliases], bool)


def events_of(run: Run) -> Events:
    """All annotations of the working state.

    A sleep stage is a class of its own; so is the kind of what was imported, and the rest of such a text is the
    instance. Other annotations of an EDF+ file have the class `edf_annot`, and their text as instance.
    """
    columns = run.night.annotations.columns()
    starts = np.rint(columns["onset"] * NANOSECONDS).astype(np.int64)
    stops = starts + np.rint(np.nan_to_num(columns["duration"]) * NANOSECONDS).astype(np.int64)
    named = [
        _named(text, kind, group)
        for text, kind, group in zip(columns["text"], columns["kind"], columns["set"], strict=True)
    ]
    names = [name for name, _ in named]
    return Events(
        names,
        [instance for _, instance in named],
        [sanitised(channel) or NONE for channel in columns["channel"]],
        starts,
        stops,
        np.arange(len(names)),
        list(zip(names, columns["kind"], columns["text"], strict=True)),
    )


def _named(text: str, kind: str, group: str) -> tuple[str, str]:
    """Class and instance of an annotation."""
    plain = text.partition("@@")[0].strip()
    if kind in stages.KINDS:
        return kind, NONE
    if group == ANNOTATION_SET:
        return EDF_CLASS, sanitised(plain) or NONE
    instance = "" if plain == kind else plain.removeprefix(f"{kind}/")
    return sanitised(kind) or NONE, sanitised(instance) or NONE


def overlapping(starts: Times, stops: Times, begin: Times, end: Times) -> Flags:
    """Which events touch one of the stretches [begin, end), which are in order; those of no length begin in it."""
    opened = np.searchsorted(begin, np.maximum(stops, starts + 1), side="left")
    closed = np.searchsorted(end, starts, side="right")
    return np.asarray(opened > closed)


@dataclass(frozen=True)
class Masked:
    """Where events stand to the epochs' mask.

    Attributes
    ----------
    some_masked, some_unmasked, start_masked, start_unmasked : (events,) bool
        Whether they touch a masked epoch, and what isn't masked; what they begin in.
    """

    some_masked: Flags
    some_unmasked: Flags
    start_masked: Flags
    start_unmasked: Flags


def masked(run: Run, events: Events) -> Masked:
    """Where events stand to the mask: what was dropped counts as masked, what no epoch covers doesn't."""
    epochs, segments = run.night.epochs.columns(), run.night.segments.columns()
    hidden = _stretches(epochs["start"][epochs["masked"]], epochs["duration"][epochs["masked"]])
    shown = _without(_stretches(segments["start"], segments["duration"]), hidden)
    starts, stops = events.starts, events.stops
    some_unmasked = overlapping(starts, stops, *shown)
    start_unmasked = overlapping(starts, starts, *shown)
    if len(segments["start"]):
        end = _end(segments)
        if end == _end(run.night.freezes[layout.SOURCE_FREEZE].segments.columns()) and end in shown[1]:
            at_end = (starts == end) & (stops == end)  # what marks the end of the recording
            some_unmasked, start_unmasked = some_unmasked | at_end, start_unmasked | at_end
    else:
        some_unmasked = start_unmasked = np.ones(len(events), bool)  # a file of annotations alone
    return Masked(
        overlapping(starts, stops, *hidden) | ~some_unmasked,
        some_unmasked,
        overlapping(starts, starts, *hidden),
        start_unmasked,
    )


def _end(segments: dict[str, npt.NDArray[np.float64]]) -> int:
    return round(float(segments["start"][-1] + segments["duration"][-1]) * NANOSECONDS)


def nanoseconds(seconds: npt.NDArray[np.float64]) -> Times:
    """Times as whole nanoseconds."""
    return np.rint(seconds * NANOSECONDS).astype(np.int64)


def _stretches(starts: npt.NDArray[np.float64], durations: npt.NDArray[np.float64]) -> tuple[Times, Times]:
    """Begins and ends of stretches, those that touch or overlap made one."""
    begin, end = nanoseconds(starts), nanoseconds(starts + durations)
    if not len(begin):
        return begin, end
    end = np.maximum.accumulate(end)
    first = np.concatenate([[True], begin[1:] > end[:-1]])
    return begin[first], end[np.concatenate([first[1:], [True]])]


def _without(shown: tuple[Times, Times], hidden: tuple[Times, Times]) -> tuple[Times, Times]:
    """What is left of stretches if others are cut out of them."""
    edges = np.unique(np.concatenate([*shown, *hidden]))
    middles = edges[:-1] + np.diff(edges) // 2
    inside = [
        np.searchsorted(b, middles, "right") - np.searchsorted(e, middles, "right")
        for b, e in (shown, hidden)
    ]
    left = (inside[0] > 0) & (inside[1] == 0)
    return edges[:-1][left], edges[1:][left]


def clock(nanoseconds: int, digits: int) -> str:
    """A time as hh:mm:ss, with a fraction of so many digits at most."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + fraction_text(fraction, digits)


def fraction_text(nanoseconds: int, digits: int) -> str:
    """A fraction of a second behind its point, as Luna writes it: what two digits fewer say exactly is cut short."""
    if nanoseconds % 10 ** (11 - digits):
        shown = f"{nanoseconds / NANOSECONDS:.{digits}f}"
        return shown[1:] if shown < "1" else f".{'9' * digits}"
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def seconds_of_day(run: Run) -> int | None:
    """Nanoseconds from midnight to zero of the recording clock, if its start is known."""
    start = run.night.start
    if start is None:
        return None
    seconds = start.hour * 3600 + start.minute * 60 + start.second
    return seconds * NANOSECONDS + start.microsecond * 1000


def names_in(events: Events, patterns: Sequence[str]) -> dict[str, Flags]:
    """Which events are of each class that patterns name, in order of names; a name that is nowhere has none."""
    found: dict[str, Flags] = {}
    for pattern in patterns:
        hits = events.called(pattern)
        if "*" in pattern:
            classes = np.array(events.names, object)
            found |= {name: classes == name for name in {events.names[i] for i in np.flatnonzero(hits)}}
        else:
            found[pattern] = hits
    return dict(sorted(found.items()))
