"""A state without what names people: other attributes, texts and dates, the same samples, times and masks."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eegarchive import channels, edf, stages
from eegarchive.draft import Draft, Rows
from eegarchive.layout import (
    ANNOTATIONS,
    CLOCK_START,
    EDF_SIGNAL_ATTRIBUTES,
    EPOCHS,
    SAMPLES_DIGEST,
    SEGMENTS,
    SIGNAL_ATTRIBUTES,
)
from eegarchive.recording import ANNOTATION_SET
from eegarchive.scrubbing import Review, TextRule
from eegarchive.state import Description, State
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.samples import Piece

#: Attributes of signals that are free text, and go.
_GONE = ("transducer", "reserved")
#: Attributes that MNE's channels bring, and what they may be.
_BAD, _MNE_TYPE = "bad", "mne_type"
_MNE_TYPES = frozenset(
    ["eeg", "eog", "ecg", "emg", "seeg", "ecog", "dbs", "stim", "misc", "resp", "bio", "temperature", "gsr"]
)


def scrubbed_attributes(
    attributes: Mapping[str, AttributeValue], review: Review
) -> dict[str, AttributeValue]:
    """Attributes of a signal: those of the format, of which label, unit and filters stay texts."""
    kept: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        if name == SAMPLES_DIGEST:
            continue
        if name in _GONE:
            where = "reserved of a signal" if name == "reserved" else name
            if not review.knows(where, str(value)):
                review.removed(where, str(value))
            kept[name] = ""
        elif name == "kind":
            kept[name] = value if value in channels.KINDS else channels.OTHER_KIND
            if kept[name] != value:
                review.changed("kind of a signal", str(value), str(kept[name]))
        elif name in EDF_SIGNAL_ATTRIBUTES and name.startswith(("physical_m", "digital_m")):
            kept[name] = value if edf.decode_number(str(value).encode()) is not None else ""
        elif (
            name in SIGNAL_ATTRIBUTES
            or name in EDF_SIGNAL_ATTRIBUTES
            or (name == _BAD and isinstance(value, int))
            or (name == _MNE_TYPE and value in _MNE_TYPES)
        ):
            kept[name] = value
        else:
            review.removed(f"attribute {name} of a signal", str(value))
    for name, where in (("label", "label"), ("units", "unit"), ("prefiltering", "prefilter")):
        if not review.knows(where, str(kept.get(name, ""))):
            review.kept(where, str(kept.get(name, "")))
    return kept


@dataclass
class Carrier:
    """Makes of each state of an archive the one that the anonymized archive has.

    Attributes
    ----------
    before, after : datetime, optional
        When the recording started, and what is said instead.
    patterns : iterable of str
        Annotation texts to keep.
    labels : iterable of str
        Labels of the recording's signals.
    review : Review
    sets : dict
        New names of annotation sets.
    """

    before: datetime.datetime | None
    after: datetime.datetime
    patterns: Iterable[str]
    labels: Iterable[str]
    review: Review
    sets: dict[str, str] = field(default_factory=lambda: {ANNOTATION_SET: ANNOTATION_SET})

    def signals(self, state: State) -> dict[str, Description]:
        """What a state says of its signals; pieces are those of the old archive."""
        found = {}
        for name in state.signals:
            old = state.signals.describe(name)
            attributes = scrubbed_attributes(old.attributes, self.review)
            found[name] = Description(attributes, old.dtype, old.pieces)
        return found

    def draft(self, state: State, signals: Mapping[str, Description]) -> Draft:
        """The state with these signals."""
        return Draft(signals, self._segments(state), self._annotations(state), self._epochs(state))

    def _segments(self, state: State) -> Rows:
        return Rows(SEGMENTS, state.segments.rows(), {CLOCK_START: self._start(state).isoformat()})

    def _start(self, state: State) -> datetime.datetime:
        start = state.start
        return self.after if start is None or self.before is None else self.after + (start - self.before)

    def _epochs(self, state: State) -> Rows:
        return Rows(EPOCHS, state.epochs.rows())

    def _annotations(self, state: State) -> Rows:
        table = Rows(ANNOTATIONS, state.annotations.rows())
        columns = table.columns
        labels = [*self.labels, *state.signals, *(str(s.attributes["label"]) for s in state.signals.values())]
        rule = TextRule(self.patterns, labels)
        new = {text for text in set(columns["text"]) if not self.review.knows("annotation", text)}
        rows = []
        for text, kind, channel in zip(columns["text"], columns["kind"], columns["channel"], strict=True):
            rows.append(rule.row(text, kind, channel))
            if text in new:
                self.review.changed("annotation", text, rows[-1][0])
            if kind not in (text, stages.kind_of(text)):
                self.review.changed("kind of an annotation", kind, rows[-1][1])
            if channel != stages.channel_of(text):
                self.review.changed("channel of an annotation", channel, rows[-1][2])
        texts, kinds, named = zip(*rows, strict=True) if rows else ((), (), ())
        sets = [self.sets.setdefault(name, f"set-{len(self.sets)}") for name in columns["set"]]
        for old in sorted(set(columns["set"])):
            if old == self.sets[old] or self.review.knows("annotation set", old):
                continue
            self.review.changed("annotation set", old, self.sets[old])
        return table.with_columns(text=texts, kind=kinds, channel=named, set=sets)


def only_pieces(signals: Mapping[str, Description], names: Mapping[str, str]) -> dict[str, Description]:
    """The same signals with pieces of stored signals that have other names."""
    return {
        name: Description(
            signal.attributes,
            signal.dtype,
            tuple(Piece(names[piece.data], piece.start, piece.stop) for piece in signal.pieces),
        )
        for name, signal in signals.items()
    }
