"""Which epochs have the annotations that a script means: names, wildcards, instances, whole epochs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive.draft import Draft
from eegarchive.luna.labels import luna_labels
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.operations.masks import Flags, touched
from eegarchive.recording import ANNOTATION_SET
from eegarchive.scoring.events import STAGES
from eegarchive.stages import kind_of

#: What Luna calls annotations of an EDF+ that aren't sleep stages; their texts are its instances.
EDF_CLASS = "edf_annot"
_PATTERN = re.compile(r"(\+?)([^\[\]]+)(?:\[([^\[\]]+)\])?")


@dataclass(frozen=True)
class Pattern:
    """Annotations that are meant: `N2`, `a*`, `apnea[obs|mixed]`, `+apnea`.

    Attributes
    ----------
    name : str
        Kind or text; `*` stands for any characters.
    instances : tuple of str
        Only these; all if empty.
    whole : bool
        Whether one has to cover the whole epoch.
    """

    name: str
    instances: tuple[str, ...]
    whole: bool

    def shown(self, name: str) -> str:
        """As it is written of one of the names that it stands for."""
        plus, own = "+" if self.whole else "", f"[{'|'.join(self.instances)}]" if self.instances else ""
        return f"{plus}{name}{own}"


def patterns_of(command: Command, texts: Sequence[str]) -> list[Pattern]:
    """What the texts of a list mean.

    Raises
    ------
    ScriptError
        If one means nothing.
    """
    found = []
    for text in texts:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise command.error(f"{text!r} isn't an annotation, as N2, a*, apnea[obs|mixed] or +apnea")
        instances = tuple(match[3].split("|")) if match[3] else ()
        found.append(Pattern(match[2], instances, bool(match[1])))
    return found


def epochs_with(
    run: Run, command: Command, texts: Sequence[str], all_of: bool = False
) -> tuple[Flags, list[str]]:
    """Which epochs have annotations; what none has is told in the log.

    To have one is to overlap it. One without duration is in the epoch in which it is.

    Parameters
    ----------
    run : Run
        It has epochs.
    command : Command
    texts : sequence of str
        What is meant, see :class:`Pattern`.
    all_of : bool
        Whether an epoch has to have one of each, not of any.

    Returns
    -------
    flags : (epochs,) bool
    names : list of str
        What was meant, with all names that wildcards stand for, in order.

    Raises
    ------
    ScriptError
        If a text means nothing.
    """
    draft = run.night.draft
    names = _Names(draft)
    flags: list[Flags] = []
    shown: set[str] = set()
    for pattern in patterns_of(command, texts):
        hits = names.hits(pattern)
        if not hits.any():
            there = ", ".join(names.kinds[:20]) or "none"
            run.odd(command, f"there is no annotation {pattern.shown(pattern.name)}; there are {there}")
        found = [pattern.name] if "*" not in pattern.name else [names.own[i] for i in np.flatnonzero(hits)]
        shown.update(pattern.shown(name) for name in found)
        columns = draft.annotations.columns
        flags.append(touched(draft, columns["onset"][hits], columns["duration"][hits], pattern.whole))
    both: Flags = np.logical_and.reduce(flags) if all_of else np.logical_or.reduce(flags)
    return both, sorted(shown)


class _Names:
    """What annotations may be called."""

    def __init__(self, draft: Draft) -> None:
        columns = draft.annotations.columns
        keys = list(zip(columns["kind"], columns["text"], columns["set"], strict=True))
        self._all = {key: _names_of(*key) for key in dict.fromkeys(keys)}
        self._keys = keys
        self.own = [kind for kind, _, _ in keys]
        self.kinds = sorted(set(self.own))

    def hits(self, pattern: Pattern) -> npt.NDArray[np.bool_]:
        """Which annotations a pattern means."""
        match = re.compile(".*".join(map(re.escape, pattern.name.split("*"))), re.DOTALL).fullmatch
        meant = {
            key
            for key, names in self._all.items()
            if any(
                match(name) and (not pattern.instances or instances & set(pattern.instances))
                for name, instances in names.items()
            )
        }
        return np.array([key in meant for key in self._keys], bool)


def _names_of(kind: str, text: str, own_set: str) -> dict[str, set[str]]:
    """Names of an annotation, and its instances under each; as they are, and as Luna writes them."""
    name, _, instance = text.partition("/")
    found = {kind: {text}, text: {text}}
    if kind == "N4":  # which Luna takes for N3
        found["N3"] = {text}
    if instance and kind == kind_of(name):
        found[kind].add(instance)
        found.setdefault(name, set()).add(instance)
    if own_set == ANNOTATION_SET and kind not in STAGES:
        found[EDF_CLASS] = {text}
    for key in list(found):
        plain = luna_labels([key])[0]
        found.setdefault(plain, set()).update(found[key], luna_labels(sorted(found[key])))
    return found
