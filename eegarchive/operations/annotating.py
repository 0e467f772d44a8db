"""Annotations: add, drop, rename; several sets stand beside each other by their name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import stages
from eegarchive.draft import Draft
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.storage.objects import check_text


def add(
    draft: Draft,
    onset: Sequence[float] | npt.NDArray[Any],
    duration: Sequence[float] | npt.NDArray[Any],
    text: Sequence[str],
    kind: Sequence[str] | None,
    channel: Sequence[str] | None,
    annotation_set: str,
) -> Draft:
    """Add annotations to a set; the table stays in order of onset.

    Raises
    ------
    EEGArchiveError
        If the columns differ in length, an onset isn't a number, or a duration is below 0.
    """
    count = len(text)
    columns: dict[str, Any] = {
        "onset": np.atleast_1d(np.asarray(onset, np.float64)),
        "duration": np.atleast_1d(np.asarray(duration, np.float64)),
        "text": list(text),
        "kind": [stages.kind_of(t) for t in text] if kind is None else list(kind),
        "channel": [stages.channel_of(t) for t in text] if channel is None else list(channel),
        "set": [annotation_set] * count,
    }
    if any(len(values) != count for values in columns.values()):
        raise EEGArchiveError(
            f"annotations: {', '.join(f'{len(values)} of {name}' for name, values in columns.items())}"
        )
    if not np.isfinite(columns["onset"]).all() or (columns["duration"] < 0).any():
        raise EEGArchiveError("annotations: an onset isn't a number, or a duration is below 0")
    if np.isinf(columns["duration"]).any():
        raise EEGArchiveError("annotations: a duration is infinite; leave it out (NaN) if it isn't known")
    for name in ("text", "kind", "channel", "set"):
        for value in set(columns[name]):
            check_text(f"annotations: a {name}", value)
    old = draft.annotations.columns
    onsets = np.concatenate([old["onset"], columns["onset"]])
    order = np.argsort(onsets, kind="stable")
    return replace(
        draft,
        annotations=draft.annotations.with_columns(
            **{
                name: np.concatenate([old[name], values])[order]
                if isinstance(values, np.ndarray)
                else [(old[name] + values)[i] for i in order]
                for name, values in columns.items()
            }
        ),
    )


def select(draft: Draft, kind: str | None, annotation_set: str | None) -> npt.NDArray[np.bool_]:
    """Which annotations are of a kind (or have it as text) and a set; None stands for all.

    Raises
    ------
    NotInArchive
        If there is none; the message lists what there is.
    """
    columns = draft.annotations.columns
    flags = np.array(
        [
            kind in (None, own, text) and annotation_set in (None, group)
            for own, text, group in zip(columns["kind"], columns["text"], columns["set"], strict=True)
        ],
        bool,
    )
    if not flags.any():
        what = " and ".join(
            f"{name} {value!r}"
            for name, value in (("kind", kind), ("set", annotation_set))
            if value is not None
        )
        pairs = sorted(set(zip(columns["kind"], columns["set"], strict=True)))[:20]
        listed = ", ".join(f"{own} ({group})" for own, group in pairs)
        raise NotInArchive(f"no annotations of {what or 'any kind'}; there are {listed or 'none'}")
    return flags


def drop(draft: Draft, flags: npt.NDArray[np.bool_]) -> Draft:
    """Drop the annotations where `flags` holds."""
    return replace(draft, annotations=draft.annotations.only(~flags))


def rename(draft: Draft, flags: npt.NDArray[np.bool_], text: str | None, annotation_set: str | None) -> Draft:
    """Give some annotations another text (and the kind that follows), or another set."""
    changed: dict[str, str] = {}
    if text is not None:
        changed |= {"text": text, "kind": stages.kind_of(text), "channel": stages.channel_of(text)}
    if annotation_set is not None:
        changed["set"] = annotation_set
    for name, value in changed.items():
        check_text(f"annotations: a {name}", value)
    columns = draft.annotations.columns
    return replace(
        draft,
        annotations=draft.annotations.with_columns(
            **{
                name: [new if hit else old for old, hit in zip(columns[name], flags, strict=True)]
                for name, new in changed.items()
            }
        ),
    )
