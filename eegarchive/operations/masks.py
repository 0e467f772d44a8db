"""Masks: which epochs are out. Masked means left out; masks add up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from eegarchive.draft import Draft
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.operations import counted
from eegarchive.operations.epochs import SAME_TIME

Flags = npt.NDArray[np.bool_]
#: Epoch numbers as a caller gives them: "200-250", "3,5,7-9", 12, [3, 4].
Numbers = str | int | Iterable[int]
_LISTED_KINDS = 20


@dataclass(frozen=True)
class MaskReport:
    """What a mask changed.

    Attributes
    ----------
    newly_masked, newly_unmasked : int
        Epochs that changed.
    masked, total : int
        Epochs that are masked now, and all.
    """

    newly_masked: int
    newly_unmasked: int
    masked: int
    total: int

    def __str__(self) -> str:
        freed = f", {self.newly_unmasked} unmasked" if self.newly_unmasked else ""
        left = f"{self.total - self.masked} of {self.total} are left"
        return f"{counted(self.newly_masked, 'epoch')} masked{freed}; {left}"


def masked(draft: Draft) -> Flags:
    """Which epochs are masked."""
    flags: Flags = draft.epochs.columns["masked"].astype(bool)
    return flags


def with_mask(draft: Draft, flags: Flags) -> tuple[Draft, MaskReport]:
    """Mask the epochs where `flags` holds, and no others."""
    before = masked(draft)
    report = MaskReport(
        int(np.sum(flags & ~before)), int(np.sum(before & ~flags)), int(np.sum(flags)), len(flags)
    )
    return replace(draft, epochs=draft.epochs.with_columns(masked=flags.astype(np.uint8))), report


def by_annotation(
    draft: Draft, patterns: Sequence[str], all_of: bool, whole_epoch: bool, annotation_set: str | None
) -> Flags:
    """Which epochs have annotations of some kinds.

    Parameters
    ----------
    patterns : sequence of str
        Kinds or texts; `*` stands for any characters.
    all_of : bool
        Whether an epoch needs annotations of each pattern, not of any.
    whole_epoch : bool
        Whether one annotation has to cover the whole epoch; else it has to overlap it.
    annotation_set : str or None
        Only annotations of this set.

    Raises
    ------
    NotInArchive
        If no annotation matches a pattern; the message lists the kinds there are.
    """
    if not patterns:
        raise EEGArchiveError("no kind of annotation is named; name one, or * for any")
    columns = draft.annotations.columns
    sets = sorted(set(columns["set"]))
    if annotation_set is not None and annotation_set not in sets:
        raise NotInArchive(f"no annotation set {annotation_set!r}; there are {', '.join(sets) or 'none'}")
    asked = np.array([annotation_set in (None, name) for name in columns["set"]], bool)
    found = []
    for pattern in patterns:
        match = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
        matches = asked & np.array(
            [
                bool(match(kind) or match(text))
                for kind, text in zip(columns["kind"], columns["text"], strict=True)
            ],
            bool,
        )
        if not matches.any():
            kinds = Counter(kind for kind, wanted in zip(columns["kind"], asked, strict=True) if wanted)
            listed = [kind for kind, _ in kinds.most_common(_LISTED_KINDS)]
            more = f" and {len(kinds) - len(listed)} more" if len(kinds) > len(listed) else ""
            raise NotInArchive(f"no annotation {pattern!r}; there are {', '.join(listed) or 'none'}{more}")
        found.append(touched(draft, columns["onset"][matches], columns["duration"][matches], whole_epoch))
    flags: Flags = np.logical_and.reduce(found) if all_of else np.logical_or.reduce(found)
    return flags


def by_number(draft: Draft, numbers: Numbers) -> Flags:
    """Which epochs have one of some numbers: the original ones, which the table `epochs` has.

    Raises
    ------
    EEGArchiveError
        If a number or range is none, or hits no epoch.
    """
    own = draft.epochs.columns["epoch"]
    flags = np.zeros(len(own), bool)
    for first, last in _ranges(numbers):
        hit = (own >= first) & (own <= last)
        if not hit.any():
            what = f"epoch {first}" if first == last else f"epoch from {first} to {last}"
            there = f"they go from {own.min()} to {own.max()}" if len(own) else "no epochs are set"
            raise NotInArchive(f"there is no {what}; {there}")
        flags |= hit
    return flags


def by_time(draft: Draft, times: tuple[float, float]) -> Flags:
    """Which epochs touch the stretch [start, stop) of the recording clock, in seconds."""
    start, stop = map(float, times)
    if not (start < stop and np.isfinite([start, stop]).all()):
        raise EEGArchiveError(f"times {start:g}-{stop:g} s: two numbers, the first of them the smaller one")
    flags = touched(draft, np.array([start]), np.array([stop - start]), whole_epoch=False)
    if not flags.any():
        raise NotInArchive(f"no epoch lies in {start:g}-{stop:g} s")
    return flags


def chosen(draft: Draft, first: int | None, random: int | None, seed: int | None) -> Flags:
    """The first n, or n random ones, of the epochs that aren't masked."""
    if first is not None and random is not None:
        raise EEGArchiveError("the first epochs, or random ones: choose one of them")
    left = np.flatnonzero(~masked(draft))
    count = first if first is not None else random
    assert count is not None
    if not 0 < count <= len(left):
        raise EEGArchiveError(f"{count} epochs were asked for; {len(left)} aren't masked")
    if random is not None:
        left = np.random.default_rng(seed).permutation(left)
    flags = np.zeros(len(masked(draft)), bool)
    flags[left[:count]] = True
    return flags


def touched(
    draft: Draft, onset: npt.NDArray[np.float64], duration: npt.NDArray[np.float64], whole_epoch: bool
) -> Flags:
    """Which epochs some events overlap, or cover; an event without duration is a moment.

    Parameters
    ----------
    onset, duration : (events,) float64
        Seconds on the recording clock.
    whole_epoch : bool
        Whether one event has to cover the whole epoch.
    """
    columns = draft.epochs.columns
    starts, ends = columns["start"], columns["start"] + columns["duration"]
    stop = onset + np.nan_to_num(duration)
    moments = stop <= onset
    by_start, by_end = np.argsort(starts, kind="stable"), np.argsort(ends, kind="stable")
    if not np.array_equal(by_start, by_end):
        return np.array(
            [_touches(onset, stop, a, b, whole_epoch) for a, b in zip(starts, ends, strict=True)], bool
        )
    begins, lasts = starts[by_start], ends[by_end]
    if whole_epoch:
        low = np.searchsorted(begins, onset - SAME_TIME, side="left")
        high = np.searchsorted(lasts, stop + SAME_TIME, side="right")
    else:
        low = np.searchsorted(lasts, np.where(moments, onset, onset + SAME_TIME), side="right")
        high = np.where(
            moments,
            np.searchsorted(begins, onset, side="right"),
            np.searchsorted(begins, stop - SAME_TIME, side="left"),
        )
    edges = np.zeros(len(begins) + 1, np.int64)
    some = low < high
    np.add.at(edges, low[some], 1)
    np.add.at(edges, high[some], -1)
    flags = np.zeros(len(begins), bool)
    flags[by_start] = np.cumsum(edges[:-1]) > 0
    return flags


def _touches(
    onset: npt.NDArray[np.float64], stop: npt.NDArray[np.float64], start: float, end: float, whole_epoch: bool
) -> bool:
    """Whether any event touches one epoch; for epochs of different lengths, which other writers may have."""
    if whole_epoch:
        return bool(((onset <= start + SAME_TIME) & (stop >= end - SAME_TIME)).any())
    moments = stop <= onset
    overlap = (onset < end - SAME_TIME) & (stop > start + SAME_TIME)
    return bool(np.where(moments, (start <= onset) & (onset < end), overlap).any())


def _ranges(numbers: Numbers) -> list[tuple[int, int]]:
    """(first, last) of each range of numbers."""
    if isinstance(numbers, int | np.integer):
        return [(int(numbers), int(numbers))]
    if not isinstance(numbers, str):
        return [(int(number), int(number)) for number in numbers]  # each one has to be there
    found = []
    for part in numbers.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise EEGArchiveError(f"epochs {numbers!r}: {part!r} isn't a number or a range such as 200-250")
        found.append((int(match[1]), int(match[2] or match[1])))
    return found


def ranges_text(numbers: Iterable[int]) -> str:
    """Numbers as text with ranges: 3-7,9."""
    found: list[list[int]] = []
    for number in sorted(set(map(int, numbers))):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)
