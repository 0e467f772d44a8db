"""What a window is to be learned as: from annotations, epochs, the description, or a function."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.archive import Archive
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.windowing.planning import Plan, covered

#: Values of sleep stages, as the AASM has them; N4 is N3.
STAGES: dict[str, int] = {"W": 0, "N1": 1, "N2": 2, "N3": 3, "N4": 3, "R": 4}
#: The target of every window if none is asked for.
NO_TARGET = -1
_EPOCH, _FIELD = "epoch:", "description:"


@dataclass(frozen=True)
class WindowInfo:
    """What a function that gives targets is told of a window.

    Attributes
    ----------
    archive : Archive
        The archive, at the state that the window is of.
    i, start, stop : int
        Number of the window, and its samples [start, stop).
    onset, duration : float
        Seconds on the recording clock.
    """

    archive: Archive
    i: int
    start: int
    stop: int
    onset: float
    duration: float


Target = str | Mapping[str, Any] | Callable[[WindowInfo], Any]
Values = npt.NDArray[Any]


def targets(
    archive: Archive, windows: Plan, target: Target | None, annotation_set: str | None, where: str
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Value of each window, and which windows have one: None and NaN are no values.

    Raises
    ------
    NotInArchive
        If there is no such thing to take a target from.
    EEGArchiveError
        If annotations of several sets fit, or a function gives no number and no text.
    """
    values, has = _found(archive, windows, target, annotation_set, where)
    return values, has & ~np.isnan(values) if values.dtype.kind == "f" else has


def _found(
    archive: Archive, windows: Plan, target: Target | None, annotation_set: str | None, where: str
) -> tuple[Values, npt.NDArray[np.bool_]]:
    every = np.ones(len(windows), bool)
    if annotation_set is not None and not (target == "stage" or isinstance(target, Mapping)):
        raise EEGArchiveError("annotation_set is for a target that is taken from annotations")
    if target is None:
        return np.full(len(windows), NO_TARGET, np.int64), every
    if target == "stage":
        return _annotated(archive, windows, STAGES, annotation_set, where)
    if isinstance(target, Mapping):
        return _annotated(archive, windows, target, annotation_set, where)
    if callable(target):
        duration = windows.samples / windows.rate
        given = [
            target(WindowInfo(archive, i, start, start + windows.samples, onset, duration))
            for i, start, onset in zip(
                windows.numbers.tolist(), windows.starts.tolist(), windows.onsets.tolist(), strict=True
            )
        ]
        has = np.array([value is not None for value in given], bool)
        values = _array([NO_TARGET if value is None else value for value in given], has, where)
        return values, has
    if isinstance(target, str) and target.startswith(_EPOCH):
        return _of_epochs(archive, windows, target.removeprefix(_EPOCH), where)
    if isinstance(target, str) and target.startswith(_FIELD):
        name, fields = target.removeprefix(_FIELD), archive.description
        if name not in fields:
            raise NotInArchive(
                f"{where}: its description has no field {name!r}; there are {', '.join(fields) or 'none'}"
            )
        value = fields[name]
        if value is None:
            return np.full(len(windows), NO_TARGET, np.int64), ~every
        return _array([str(value) if isinstance(value, str) else value] * len(windows), every, where), every
    raise EEGArchiveError(
        f"no target {target!r}; it is 'stage', 'epoch:COLUMN', 'description:NAME', a mapping of annotations or "
        "a function"
    )


def _annotated(
    archive: Archive, windows: Plan, values: Mapping[str, Any], annotation_set: str | None, where: str
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """The value whose annotations cover more than half of a window."""
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, Hashable):
            raise EEGArchiveError(
                f"{where}: a mapping of annotations has texts for keys and plain values, not {key!r}: {value!r}"
            )
    if not values:
        raise EEGArchiveError(f"{where}: the mapping of annotations is empty")
    columns = archive.annotations.columns()
    kinds, texts, sets = columns["kind"], columns["text"], columns["set"]
    listed = list(dict.fromkeys(values.values()))
    number = {key: listed.index(value) for key, value in values.items()}
    known = list(number)
    by_kind = np.isin(kinds.astype(object), known)
    fits = by_kind | np.isin(texts.astype(object), known)
    if annotation_set is not None:
        fits &= sets == annotation_set
    names = sorted(set(sets[fits].tolist()))
    if not names:
        there = ", ".join(dict.fromkeys(kinds.tolist())) or "none"
        what = f" in the set {annotation_set!r}" if annotation_set is not None else ""
        raise NotInArchive(f"{where}: no annotations {', '.join(known)}{what}; there are {there}")
    if len(names) > 1:
        raise EEGArchiveError(
            f"{where}: the sets {', '.join(map(repr, names))} have such annotations; choose one by annotation_set"
        )
    starts = columns["onset"][fits]
    ends = starts + columns["duration"][fits]
    keys = np.where(by_kind[fits], kinds[fits], texts[fits])
    of = np.array([number[key] for key in keys.tolist()], np.int64)
    seconds = np.stack([covered(windows, starts[of == i], ends[of == i]) for i in range(len(listed))])
    best = np.argmax(seconds, axis=0)
    has = seconds.max(axis=0) > windows.samples / windows.rate / 2
    return _array(listed, np.ones(len(listed), bool), where)[best], has


def _of_epochs(
    archive: Archive, windows: Plan, column: str, where: str
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """A column of the first epoch that holds a window's middle."""
    epochs = archive.epochs.columns()
    if column not in epochs:
        raise NotInArchive(f"{where}: epochs have no column {column!r}; there are {', '.join(epochs)}")
    if not len(epochs["start"]):
        raise NotInArchive(f"{where}: no epochs are set; see set_epochs")
    order = np.argsort(epochs["start"], kind="stable")
    starts = epochs["start"][order]
    ends = np.maximum.accumulate(starts + epochs["duration"][order])
    middles = (windows.onsets + windows.ends) / 2
    at = np.minimum(np.searchsorted(ends, middles, side="right"), len(ends) - 1)
    has = (starts[at] <= middles) & (middles < ends[at])
    values = epochs[column][order][at]
    return values.astype(np.int64) if values.dtype.kind == "i" else values, has


def _array(values: list[Any], real: npt.NDArray[np.bool_], where: str) -> Values:
    """Values of one type: whole numbers, numbers, booleans or texts."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    types = {type(value) for value, is_real in zip(plain, real.tolist(), strict=True) if is_real}
    if types <= {bool} and types:
        return np.array([bool(value) for value in plain], bool)
    if types <= {int}:
        with contextlib.suppress(OverflowError):
            return np.array(plain, np.int64)
        raise EEGArchiveError(f"{where}: a target is a whole number of more than 64 bits")
    if types <= {int, float}:
        return np.array(plain, np.float64)
    if types == {str}:
        return np.array([*map(str, plain), None], object)[:-1]
    listed = ", ".join(sorted(kind.__name__ for kind in types))
    raise EEGArchiveError(
        f"{where}: a target is a number, a boolean or a text, one of them for all; found {listed}"
    )
