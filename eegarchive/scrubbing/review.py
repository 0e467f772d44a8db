"""What was found in a recording, and what became of it: for a person to look through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Fate = Literal["removed", "changed", "kept"]

#: Where names of people stand; words of these that turn up in what is kept are pointed out.
_NAMING = ("patient", "recording", "description")
#: Words of headers that are no names.
_PLAIN = frozenset(
    ["startdate", "unknown", "patient", "record", "recording", "default", "female", "male", "none", "with"]
)
_WORD = re.compile(r"[^\W_]{3,}")
_SUBSTRING_LETTERS = 4
_NUMBER_DIGITS = 5


@dataclass(frozen=True)
class Item:
    """One text or other thing that was found.

    Attributes
    ----------
    where : str
        What it is: patient, label, annotation and so on.
    value : str
        As it was.
    fate : {"removed", "changed", "kept"}
    becomes : str
        What stands in its place.
    count : int
        How often it was found.
    suspect : str
        A word of it that also stands in what was removed: it may be a name.
    """

    where: str
    value: str
    fate: Fate
    becomes: str = ""
    count: int = 1
    suspect: str = ""


class Review:
    """Collects what was found; equal finds are counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, Fate, str], int] = {}
        self._known: set[tuple[str, str]] = set()

    def removed(self, where: str, value: str) -> None:
        """Something is gone."""
        self._add(where, value, "removed", "")

    def changed(self, where: str, value: str, becomes: str) -> None:
        """Something else stands in its place; the same if that is equal."""
        if value == becomes:
            self.kept(where, value)
        else:
            self._add(where, value, "changed", becomes)

    def kept(self, where: str, value: str) -> None:
        """It is as it was."""
        self._add(where, value, "kept", "")

    def _add(self, where: str, value: str, fate: Fate, becomes: str) -> None:
        if value.strip():
            key = (where, value, fate, becomes)
            self._counts[key] = self._counts.get(key, 0) + 1
            self._known.add((where, value))

    def knows(self, where: str, value: str) -> bool:
        """Whether this was found there before."""
        return (where, value) in self._known

    def items(self) -> list[Item]:
        """Everything, as it was found first."""
        names = self._names()
        return [
            Item(where, value, fate, becomes, count, _suspect(value, names) if fate == "kept" else "")
            for (where, value, fate, becomes), count in self._counts.items()
        ]

    def _names(self) -> set[str]:
        """Words that may be names: of what was removed where names stand."""
        words = {
            word.casefold()
            for where, value, fate, _ in self._counts
            if fate != "kept" and where.startswith(_NAMING)
            for word in _WORD.findall(value.replace("_", " "))
        }
        return {word for word in words if not word.isdigit() or len(word) >= _NUMBER_DIGITS} - _PLAIN


def _suspect(text: str, names: set[str]) -> str:
    plain = text.casefold()
    own = set(_WORD.findall(plain.replace("_", " ")))
    found = [name for name in names if name in own or (len(name) >= _SUBSTRING_LETTERS and name in plain)]
    return min(found, default="")
