"""Annotations of a state as MNE has them, and which rows of the table each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eegarchive.interop.mne_channels import Channel
from eegarchive.interop.mne_source import Source
from eegarchive.stages import kind_of

#: What MNE calls time without data, and a place where two stretches of data meet.
GAP, EDGE = "BAD_ACQ_SKIP", "EDGE boundary"
#: The set of annotations that stood in the source.
_SOURCE_SET = "edf"


@dataclass
class Shown:
    """An annotation as MNE gets it.

    Attributes
    ----------
    onset, duration : float
        Seconds; the onset from the first sample of the Raw.
    channels : tuple of str
        Names in MNE of the channels that it is about; none if it is about all.
    extras : dict
        What MNE has no place for: the set, if it isn't the source's, and the kind, if the text doesn't tell.
    rows : list of int
        Rows of the table that it stands for.
    """

    onset: float
    duration: float
    text: str
    channels: tuple[str, ...] = ()
    extras: dict[str, str] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)


def shown(
    columns: Mapping[str, Any],
    channels: Sequence[Channel],
    picked: Sequence[Channel],
    begin: float,
    duration: float,
) -> list[Shown]:
    """The annotations that a Raw over a stretch of the recording clock has, in the order of the table.

    Parameters
    ----------
    columns : mapping
        The table's columns.
    channels, picked : sequence of Channel
        All of the state, and those in the Raw.
    begin, duration : float
        Seconds on the recording clock. What lies outside is left out; what reaches out is cut off, which
        is left to MNE.
    """
    names = {channel.name for channel in channels}
    kept = {channel.name for channel in picked}
    by_label = {str(channel.attributes["label"]).strip(): channel.name for channel in channels}
    onsets, lasting = columns["onset"] - begin, np.nan_to_num(columns["duration"])
    inside = np.flatnonzero((onsets <= duration) & (onsets + lasting >= 0))
    found: list[Shown] = []
    of_channels: dict[tuple[float, float, str], Shown] = {}
    for row in inside.tolist():
        onset, last = float(onsets[row]), float(lasting[row])
        text, channel = str(columns["text"][row]), str(columns["channel"][row])
        plain, at, named = text.partition("@@")
        name = named if at and named in names else channel
        name = name if name in names else by_label.get(name, "")
        new = Shown(onset, last, text, rows=[row])
        new.extras = _extras(str(columns["set"][row]), str(columns["kind"][row]), text)
        if name and (not at or named == name or named.strip() == channel):
            if name not in kept:
                continue
            known = of_channels.get((onset, last, plain))
            if known is not None and known.extras == new.extras and name not in known.channels:
                known.channels += (name,)
                known.rows.append(row)
                continue
            new.text, new.channels = plain, (name,)
            of_channels[onset, last, plain] = new
        found.append(new)
    return found


def _extras(group: str, kind: str, text: str) -> dict[str, str]:
    extras = {} if group == _SOURCE_SET else {"set": group}
    return extras if kind == kind_of(text) else {**extras, "kind": kind}


def as_fif_has(text: str) -> str:
    """A text as MNE's FIF files have it: what Latin-1 doesn't have becomes `&#NUMBER;`."""
    return text.encode("latin-1", "xmlcharrefreplace").decode("latin-1")


def marks(source: Source) -> list[Shown]:
    """What says in MNE's words where a source has no data: its filters and epochs know them."""
    rate = source.rate
    return [
        Shown(start / rate, (stop - start) / rate, GAP if stop > start else EDGE)
        for start, stop in source.gaps
    ]
