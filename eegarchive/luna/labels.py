"""What Luna calls signals, and which ones a script means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

#: What Luna writes as an underscore.
_REPLACED = re.compile(r"[ !#$%&()*+\-/<=>@\\^]")


def sanitised(text: str) -> str:
    """A text with Luna's underscores in place of special characters."""
    return _REPLACED.sub("_", text.strip())


def luna_labels(labels: Sequence[str]) -> list[str]:
    """Labels as Luna has them: special characters are underscores, and a label that comes again has a number behind.

    Parameters
    ----------
    labels : sequence of str
        Of all signals of a recording, in order.
    """
    counts: Counter[str] = Counter()
    found = []
    for label in labels:
        plain = _REPLACED.sub("_", label.strip()).strip("_") or "_"
        number = counts[plain.lower()]
        counts[plain.lower()] += 1
        found.append(f"{plain}.{number}" if number else plain)
    return found


def matching(pattern: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """The signals that a text of `sig=` means, in their order.

    It may be a name, or have `*` for any characters; `A|B` is the first of both that there is. What is written exactly
    so comes before what has other capitals, and a signal's first name before its second.

    Parameters
    ----------
    pattern : str
    names : mapping
        All that each signal may be called, of each the same number.
    """
    for rank in range(len(next(iter(names.values()), ()))):
        if exact := [key for key, own in names.items() if own[rank] == pattern]:
            return exact
    for alternative in [pattern, *(pattern.split("|") if "|" in pattern else [])]:
        wanted = re.compile(_expression(alternative), re.IGNORECASE)
        if found := [key for key, own in names.items() if any(map(wanted.fullmatch, own))]:
            return found
    return []


def _expression(pattern: str) -> str:
    """A regular expression for a text in which `*` alone is special."""
    return ".*".join(map(re.escape, pattern.split("*")))
