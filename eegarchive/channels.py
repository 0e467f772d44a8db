"""What a label says: the name a signal gets in HDF5, and its kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from eegarchive.storage.guard import printable

#: A place on the scalp or its reference in the 10-20 system and its extensions.
_SITE = (
    "(fp|afp|aff|af|ffc|fft|fcc|ftt|fc|ft|ccp|cpp|ttp|tpp|cp|tp|ppo|poo|po|f|c|p|t|o|i|n|a|m)"
    r"(z|\d{1,2})h?"
)
#: Kinds by the patterns of labels that have them; the first match counts. EDF+ recommends "TYPE sensor"
#: labels (EDF+ standard texts and polarity rules); the rest is what recorders write.
_KINDS: tuple[tuple[str, str], ...] = (
    ("stim", r"^(status|trigger|trig|stim|sti ?\d+|events?|markers?)\b"),
    ("eog", r"\b[hvlr]?eog|^(loc|roc|e1|e2)\b"),
    ("ecg", r"\b(ecg|ekg)"),
    ("emg", r"\bemg|^(chin|[lr]?leg|tib|plm|mentalis|submental)|^(lat|rat)\b|\bleg\b"),
    ("seeg", r"^seeg\b"),
    ("ecog", r"^ecog\b"),
    ("meg", r"^meg\b"),
    ("spo2", r"spo2|sao2|oxygen sat|oximet"),
    ("pulse", r"\b(pulse|ppg|heart ?rate|hr|pr)\b|\bpleth"),
    ("flow", r"flow"),
    ("pressure", r"press|\bepap|\bipap|cpap"),
    ("flow", r"cannula|nasal|therm|\baf\b|airfl"),
    ("effort", r"effort|thor|abdo|chest|\brip\b|^resp(?! ?rate)|\bresp\b(?! ?rate)"),
    ("snore", r"snor"),
    ("temperature", r"\btemp"),
    ("position", r"\bpos(ition)?\b|^body"),
    ("light", r"\b(light|lux)\b"),
    ("sound", r"\b(sound|mic|audio)"),
    ("movement", r"\b(acc|accel|gyro|activity|actig|movement)"),
    ("eeg", r"\beeg"),
    ("eeg", rf"^{_SITE}\.*([-:/ ]*({_SITE}|ref|le|avg|a1a2|m1m2|linked))?\.*$"),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)
OTHER_KIND = "misc"
#: All there are.
KINDS = frozenset([OTHER_KIND, *(kind for kind, _ in _KINDS)])


def kind_of(label: str) -> str:
    """The kind of signal a label speaks of: eeg, eog, emg, ecg, flow …; "misc" if it doesn't say."""
    plain = label.replace("_", " ").strip()
    for kind, pattern in _COMPILED:
        if pattern.search(plain):
            return kind
    return OTHER_KIND


def link_names(labels: Sequence[str]) -> list[str]:
    """HDF5 names for labels: unique, and without what a name can't hold (spec S-7).

    Labels that occur more than once are all numbered (`Flow#1`, `Flow#2`), so that none passes for the
    only one.
    """
    plain = [_escaped(label.strip()) or "unnamed" for label in labels]
    count = Counter(plain)
    taken = set(plain)
    numbers: Counter[str] = Counter()
    names: list[str] = []
    for base in plain:
        name = base
        while count[base] > 1 and name in taken:
            numbers[base] += 1
            name = f"{base}#{numbers[base]}"
        names.append(name)
    return names


def _escaped(label: str) -> str:
    """`/` and characters that don't print as %XX of their UTF-8 bytes; so too names of dots alone."""
    if label in (".", ".."):
        return label.replace(".", "%2E")
    return "".join(
        "".join(f"%{byte:02X}" for byte in c.encode("utf-8")) if c == "/" or printable(c) != c else c
        for c in label
    )
