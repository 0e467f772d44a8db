"""The columns that every annotation file is read into, and what can't stand in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive import tal
from eegarchive.errors import EEGArchiveError

#: Kinds that are sleep stages (spec T-9).
STAGES = ("W", "N1", "N2", "N3", "N4", "R", "M", "?")

#: One event: onset, duration, text, kind, channel.
Row = tuple[float, float, str, str, str]


class ScoringError(EEGArchiveError, ValueError):
    """An annotation file can't be understood, or can't be written. Nothing was read or written."""


@dataclass(frozen=True, eq=False)
class Events:
    """Annotations of one recording as columns of equal length, in order of onset.

    Attributes
    ----------
    onset : (events,) float64
        Seconds on the recording clock; 0 is the recording's start.
    duration : (events,) float64
        Seconds; NaN where none is stated.
    text : list of str
        As the file has it.
    kind : list of str
        W, N1, N2, N3, N4, R, M or ? for sleep stages, else as a rule the text itself (spec T-9).
    channel : list of str
        The channel that the annotation is about; empty if it is about all.

    Raises
    ------
    ScoringError
        If the columns differ in length, an onset isn't finite or not in order, a duration is negative
        or infinite, or a text can't be stored.
    """

    onset: npt.NDArray[np.float64]
    duration: npt.NDArray[np.float64]
    text: list[str]
    kind: list[str]
    channel: list[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "onset", np.asarray(self.onset, np.float64))
        object.__setattr__(self, "duration", np.asarray(self.duration, np.float64))
        lengths = {len(column) for column in (self.duration, self.text, self.kind, self.channel)}
        if lengths != {len(self.onset)}:
            raise ScoringError(
                f"columns of {len(self.onset)} and of {sorted(lengths)} events; make them equal"
            )
        if not np.isfinite(self.onset).all() or (np.diff(self.onset) < 0).any():
            raise ScoringError("onsets must be finite numbers in ascending order; sort the events by onset")
        if (self.duration < 0).any() or np.isinf(self.duration).any():
            raise ScoringError("durations must be 0 or more, and finite; NaN says that none is stated")
        for column in (self.text, self.kind, self.channel):
            for i, text in enumerate(column):
                fault = text_fault(text)
                if fault:
                    raise ScoringError(f"event {i}: {fault}")

    def __len__(self) -> int:
        return len(self.text)


def events_of(rows: Iterable[Row]) -> Events:
    """Events from rows in any order; those of equal onset stay in theirs."""
    columns = list(zip(*sorted(rows, key=lambda row: row[0]), strict=True)) or [()] * 5
    onset, duration, text, kind, channel = columns
    return Events(
        np.array(onset, np.float64), np.array(duration, np.float64), list(text), list(kind), list(channel)
    )


def text_fault(text: str) -> str:
    """What keeps a text out of an annotations table; empty if nothing does."""
    if "\0" in text:
        return "a text holds a NUL character; remove it"
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "a text holds half of a surrogate pair, which isn't a character; remove it"
    if size > tal.MAX_TEXT_BYTES:
        return f"a text of {size} bytes; {tal.MAX_TEXT_BYTES} at most, longer ones are no annotations"
    return ""
