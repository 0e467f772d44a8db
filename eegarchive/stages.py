"""Kinds of annotations: sleep stages in their usual spellings, everything else by its text."""

from __future__ import annotations

import re

#: Stage texts (lower case, after the "sleep stage" prefix) and their kinds: AASM 2007 and R&K 1968.
_STAGES = {
    "w": "W", "wake": "W", "awake": "W", "0": "W",
    "n1": "N1", "1": "N1", "s1": "N1",
    "n2": "N2", "2": "N2", "s2": "N2",
    "n3": "N3", "3": "N3", "s3": "N3",
    "n4": "N4", "4": "N4", "s4": "N4",
    "r": "R", "rem": "R", "5": "R",
    "m": "M", "mt": "M", "movement time": "M",
    "?": "?", "unscored": "?", "u": "?",
}  # fmt: skip
#: All kinds that are sleep stages.
KINDS = frozenset(_STAGES.values())
#: Texts that mean a stage also without a prefix; a bare number or letter could be anything.
_BARE = ("w", "wake", "awake", "n1", "n2", "n3", "n4", "rem", "r", "s1", "s2", "s3", "s4")
_PREFIX = re.compile(r"^(sleep[ _]?stage|stage)([ _:.-]+|(?=n?\d))", re.IGNORECASE)
_MOVEMENT = re.compile(r"^movement time$", re.IGNORECASE)


def kind_of(text: str) -> str:
    """The kind of an annotation: W, N1, N2, N3, N4, R, M or ? for sleep stages, else the text itself.

    A suffix `@@channel` (EDF+ for an annotation of one channel) isn't part of the kind.
    """
    plain = text.partition("@@")[0].strip()
    rest, prefixes = _PREFIX.subn("", plain)
    key = rest.strip().lower()
    if prefixes and key in _STAGES:
        return _STAGES[key]
    if key in _BARE:
        return _STAGES[key]
    if _MOVEMENT.match(plain):
        return "M"
    return plain


def channel_of(text: str) -> str:
    """The channel an annotation names by a suffix `@@channel`; empty if it is about all."""
    return text.partition("@@")[2].strip()
