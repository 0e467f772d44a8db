"""Which annotation texts stay: sleep stages, standard events, and what a person has named; by closed lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from eegarchive import stages

#: Standard events of EDF+ and the AASM manual, and what scorers commonly write: in lower case, with single spaces.
#: None can be a name, a place or a date.
_EVENTS = """
    apnea; apnoea; obstructive apnea; central apnea; mixed apnea; obstructive apnoea; central apnoea; mixed apnoea;
    hypopnea; hypopnoea; obstructive hypopnea; central hypopnea; mixed hypopnea; hypoventilation;
    rera; respiratory effort related arousal; flow limitation; periodic breathing; cheyne stokes respiration;
    csbreathing; snore; snoring;
    arousal; eeg arousal; spontaneous arousal; respiratory arousal; limb movement arousal; plm arousal;
    asda arousal; awakening; microarousal;
    desaturation; spo2 desaturation; oxygen desaturation; o2 desaturation; spo2 artifact; hypoxemia;
    limb movement; leg movement; periodic limb movement; periodic leg movement; isolated limb movement;
    plm; plms; lm; body movement; movement; bruxism; rbd; rmd;
    lights off; lights on; lights out; light off; light on;
    recording starts; recording ends; recording start; recording end; start recording; stop recording;
    sleep onset; final awakening;
    spindle; sleep spindle; k complex; kcomplex; slow wave; sawtooth waves; vertex wave; eye movement;
    rapid eye movement; eye blink; eyes open; eyes closed; alpha;
    qrs; r peak; heartbeat; asystole; atrial fibrillation; bradycardia; sinus tachycardia; tachycardia;
    nc tachycardia; wc tachycardia;
    artifact; artefact; signal loss; bad; bad acq skip; edge boundary; bad boundary; calibration; impedance check;
    spike; sharp wave; seizure; seizure onset; seizure start; seizure end; photic stimulation; hyperventilation
    """
EVENTS = frozenset(event.strip() for event in _EVENTS.split(";"))
#: What stands for a text that was removed: never longer than it was, and no sleep stage.
REMOVED = "removed"
_REMOVED_SHORT = "x"
_STAGES = frozenset(["W", "N1", "N2", "N3", "N4", "R", "M", "?"])
_SPACES = re.compile(r"[\s_\-]+")


class TextRule:
    """What becomes of annotation texts, kinds and channels.

    Parameters
    ----------
    patterns : iterable of str
        Texts to keep beside the standard ones, `*` standing for any characters.
    labels : iterable of str
        Labels and names of signals: the channels that an annotation may name.
    """

    def __init__(self, patterns: Iterable[str] = (), labels: Iterable[str] = ()) -> None:
        self._matches = [
            re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
            for pattern in patterns
        ]
        self._labels = {label.strip() for label in labels}

    def text(self, text: str) -> str:
        """The text that stands in the place of one, of no more characters."""
        plain, at, channel = text.partition("@@")
        if not text:
            return text
        if not plain.strip() or not self._may_stay(plain):
            return REMOVED if len(text) >= len(REMOVED) else _REMOVED_SHORT
        return text if not at or self.channel(channel) else plain

    def row(self, text: str, kind: str, channel: str) -> tuple[str, str, str]:
        """Text, kind and channel of a row of `annotations`.

        A standard kind stays where the text can't, and is the text then.
        """
        new, channel = self.text(text), self.channel(channel)
        plain = text.partition("@@")[0]
        if text and not (plain.strip() and self._may_stay(plain)):
            if kind.strip() and kind != stages.kind_of(text) and self._may_stay(kind):
                return kind, kind, channel
            return new, stages.kind_of(new), ""
        return new, kind if not kind or self._may_stay(kind) else stages.kind_of(new), channel

    def channel(self, channel: str) -> str:
        """The channel, if there is a signal that is called so; else empty."""
        return channel if channel.strip() in self._labels else ""

    def _may_stay(self, plain: str) -> bool:
        plain = plain.strip()
        return (
            stages.kind_of(plain) in _STAGES
            or _SPACES.sub(" ", plain).strip().lower() in EVENTS
            or any(match(plain) for match in self._matches)
        )
