"""Which signals are asked for, by name, label or kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.storage.objects import AttributeValue


def chosen(
    where: str,
    signals: Mapping[str, Mapping[str, AttributeValue]],
    picks: str | Sequence[str],
    names: Mapping[str, str] | None = None,
) -> list[str]:
    """Names in the archive of the signals that are asked for, in the order of the picks, each once.

    A pick is the name of a signal; else the label of some; else their kind, or "all".

    Parameters
    ----------
    where : str
        What errors begin with.
    signals : mapping
        The attributes of each signal, by its name in the archive.
    picks : str or sequence of str
    names : mapping, optional
        Other names of the signals, by their names in the archive.

    Raises
    ------
    NotInArchive
        If there is no such signal or kind.
    EEGArchiveError
        If no signal is asked for, or a pick isn't text.
    """
    names = names or {}
    asked = [picks] if isinstance(picks, str) else list(picks) if isinstance(picks, Iterable) else [picks]
    if not all(isinstance(pick, str) for pick in asked):
        raise EEGArchiveError(f"picks={picks!r}: names, labels or kinds of signals, which are texts")
    found: dict[str, None] = {}
    for pick in asked:
        hits = [key for key in signals if pick in (key, names.get(key))]
        hits = hits or [key for key, own in signals.items() if str(own["label"]).strip() == pick.strip()]
        hits = hits or [key for key, own in signals.items() if pick in ("all", own["kind"])]
        if not hits:
            listed = ", ".join(names.get(key, key) for key in signals) or "none"
            raise NotInArchive(f"{where}: no signal or kind of signal {pick!r}; there are {listed}")
        found |= dict.fromkeys(hits)
    if not found:
        raise EEGArchiveError(f"{where}: picks={picks!r}: no signal is asked for")
    return list(found)
