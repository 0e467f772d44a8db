"""Take over what was done to a recording in MNE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eegarchive import stages
from eegarchive.channels import kind_of
from eegarchive.draft import Draft
from eegarchive.editing.session import Session
from eegarchive.errors import EEGArchiveError
from eegarchive.operations import annotating, cropping, signals
from eegarchive.state import Description
from eegarchive.storage.objects import AttributeValue

if TYPE_CHECKING:
    from eegarchive.interop.mne_annotations import Shown
    from eegarchive.interop.mne_changes import Change, Processed

DEFAULT_SET = "mne"
#: Types of channels that are shown in microvolts.
_MICROVOLTS = ("eeg", "eog", "ecg", "emg", "seeg", "ecog", "dbs")


@dataclass(frozen=True)
class AddRawReport:
    """What was taken over from a Raw.

    Attributes
    ----------
    unchanged, changed, added, dropped : list of str
        Names of signals: shared with the state before, stored anew, new, and left out.
    renamed : dict
        New names by old ones, of signals that are unchanged else.
    cropped : (float, float) or None
        The stretch of the recording clock that was kept, if not all was.
    annotations_added, annotations_dropped : int
    """

    unchanged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    cropped: tuple[float, float] | None = None
    annotations_added: int = 0
    annotations_dropped: int = 0


class MNEOperations(Session):
    """Processing that was done in MNE."""

    def add_raw(self, raw: Any, *, annotation_set: str = DEFAULT_SET) -> AddRawReport:
        """Make a Raw that was processed in MNE the working state.

        Signals that the Raw didn't have at first (of another sampling rate, or not picked) stay as they are; of a
        Raw that :meth:`to_raw` didn't make, those of the rates of the channels it has in common with the state
        count as its own.

        Parameters
        ----------
        raw : mne.io.BaseRaw
            What :meth:`to_raw` gave and MNE has changed since; or any other over the same time, whose channels
            go by name. Inside of time without data nothing is taken.
        annotation_set : str
            The set of annotations that were made in MNE.

        Returns
        -------
        AddRawReport

        Raises
        ------
        EEGArchiveError
            If the Raw isn't of this state's time, or a crop falls between two samples of another signal.

        Notes
        -----
        A channel that has the very samples :meth:`to_raw` gives shares them; any other is stored as 64-bit floats, so
        that :meth:`to_raw` gives it back to the last bit. Bad channels get the attribute `bad`, channels whose type
        was changed `mne_type`. If time is left out, the cache is emptied, as :meth:`restructure` does.
        """
        from eegarchive.interop.mne_changes import Processed

        with self._edited.reading():
            found = Processed(self, raw)
            gone, new = found.annotations(self)
            draft, report = self._take_over(found)
            draft = _with_annotations(draft, gone, new, annotation_set)
        report = replace(report, annotations_added=len(new), annotations_dropped=len(gone))
        parameters = {
            "sampling_rate": found.rate,
            "changed": report.changed,
            "added": report.added,
            "dropped": report.dropped,
            "renamed": report.renamed,
            "data": {name: draft.signals[name].pieces[0].data for name in (*report.changed, *report.added)},
            "attributes": _marked(self.draft, draft, report),
            "times": report.cropped,
            "annotations_added": report.annotations_added,
            "annotations_dropped": report.annotations_dropped,
            "annotation_set": annotation_set if new else None,
            "bads": found.bads(),
            "mne": found.described(),
        }
        self._record("add-raw", {key: value or None for key, value in parameters.items()}, draft)
        if report.cropped is not None:
            self._caches.clear()
        return report

    def _take_over(self, found: Processed) -> tuple[Draft, AddRawReport]:
        """The draft that has the Raw's signals, and what became of each."""
        before = self.draft
        stays = {c.own.key for c in found.changes if c.own is not None and c.is_same}
        leaves = {c.own.key for c in found.changes if c.own is not None} - stays | set(found.dropped)
        left = {name: signal for name, signal in before.signals.items() if name not in leaves}
        draft = replace(before, signals=left)
        if found.is_cropped:
            draft = cropping.crop(draft, found.begin, found.end)
        report = AddRawReport(
            dropped=found.dropped, cropped=(found.begin, found.end) if found.is_cropped else None
        )
        prefiltering, bads = found.prefiltering(), set(found.bads())
        order = {name: i for i, name in enumerate(before.signals)}
        for change in found.changes:
            own = change.own
            marks = _marks(change, change.name in bads)
            if own is None:
                name = signals.new_name(draft, change.name)
                new = self._stored(draft, found, change, _applied(_new_attributes(found, change), marks))
                draft = draft.with_signal(name, new)
                report.added.append(name)
                continue
            name = own.key
            if change.is_same:
                draft = _with_attributes(draft, name, marks)
                if change.is_renamed:
                    draft, name = signals.rename(draft, name, change.name)
                    report.renamed[own.key] = name
                    order[name] = order[own.key]
                else:
                    report.unchanged.append(name)
                continue
            attributes = signals.computed_attributes(own.attributes, found.rate)
            attributes["scale_factor"] = float(round(1 / own.gain))
            if prefiltering is not None and not own.is_trigger:
                attributes["prefiltering"] = prefiltering
            draft = draft.with_signal(name, self._stored(draft, found, change, _applied(attributes, marks)))
            report.changed.append(name)
        names = sorted(draft.signals, key=lambda name: order.get(name, len(order)))
        return replace(draft, signals={name: draft.signals[name] for name in names}), report

    def _stored(
        self, draft: Draft, found: Processed, change: Change, attributes: dict[str, AttributeValue]
    ) -> Description:
        """Store a channel's samples as MNE has them."""
        count, expected = found.count(), signals.expected_length(draft, found.rate)
        if count != expected:
            raise EEGArchiveError(
                f"channel {change.name!r}: {count} samples; at {found.rate:g} Hz this state has {expected}"
            )
        dtype = np.dtype("<f8")
        piece = self._store.store(found.blocks(change.row), dtype, count, attributes)
        self._transaction.check()
        return Description(attributes, dtype, (piece,))


def _marks(change: Change, is_bad: bool) -> dict[str, AttributeValue | None]:
    """Attributes that tell what MNE says of a channel; None for one that it is to lose."""
    from eegarchive.interop.mne_info import BAD_ATTRIBUTE, TYPE_ATTRIBUTE, kind_of_type

    marks: dict[str, AttributeValue | None] = {BAD_ATTRIBUTE: 1 if is_bad else None}
    if change.type != change.type_before:
        marks[TYPE_ATTRIBUTE] = change.type
        kind = kind_of_type(change.type)
        if kind is not None and change.own is not None:
            marks["kind"] = kind
    return marks


def _marked(before: Draft, after: Draft, report: AddRawReport) -> dict[str, dict[str, AttributeValue | None]]:
    """What became of the attributes of signals whose samples stay; None for one that was lost."""
    found = {}
    for old, name in [*((name, name) for name in report.unchanged), *report.renamed.items()]:
        was, now = before.signals[old].attributes, after.signals[name].attributes
        found[name] = {key: now.get(key) for key in sorted({*was, *now}) if was.get(key) != now.get(key)}
    return {name: changed for name, changed in found.items() if changed}


def _applied(
    attributes: dict[str, AttributeValue], marks: dict[str, AttributeValue | None]
) -> dict[str, AttributeValue]:
    return {key: value for key, value in {**attributes, **marks}.items() if value is not None}


def _with_attributes(draft: Draft, name: str, marks: dict[str, AttributeValue | None]) -> Draft:
    """A draft whose signal has some attributes; the same one if it has them already."""
    signal = draft.signals[name]
    attributes = _applied(dict(signal.attributes), marks)
    return (
        draft
        if attributes == signal.attributes
        else draft.with_signal(name, replace(signal, attributes=attributes))
    )


def _new_attributes(found: Processed, change: Change) -> dict[str, AttributeValue]:
    """Attributes of a channel that the state doesn't have."""
    from eegarchive.interop.mne_info import kind_of_type

    in_volts = found.units_in_volts(change.row)
    small = in_volts and change.type in _MICROVOLTS
    return {
        "label": change.name,
        "kind": kind_of_type(change.type) or kind_of(change.name),
        "units": "uV" if small else "V" if in_volts else "",
        "sampling_rate": found.rate,
        "scale_factor": 1e6 if small else 1.0,
        "add_offset": 0.0,
    }


def _with_annotations(draft: Draft, gone: Sequence[int], new: Sequence[Shown], annotation_set: str) -> Draft:
    if gone:
        flags = np.zeros(len(draft.annotations.rows), bool)
        flags[list(gone)] = True
        draft = annotating.drop(draft, flags)
    groups: dict[str, list[Shown]] = {}
    for one in new:
        groups.setdefault(str(one.extras.get("set", annotation_set)), []).append(one)
    for group, listed in groups.items():
        rows = [(one, channel) for one in listed for channel in one.channels or ("",)]
        draft = annotating.add(
            draft,
            [one.onset for one, _ in rows],
            [one.duration for one, _ in rows],
            [one.text for one, _ in rows],
            [str(one.extras.get("kind") or stages.kind_of(one.text)) for one, _ in rows],
            [channel for _, channel in rows],
            group,
        )
    return draft
