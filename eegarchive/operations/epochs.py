"""Epochs: the grid of equal stretches that scoring and masks go by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eegarchive.draft import Draft
from eegarchive.errors import EEGArchiveError

DEFAULT_LENGTH = 30.0
#: Times this close (in seconds) are the same: what decimal numbers leave of rounding.
SAME_TIME = 1e-6


def set_epochs(draft: Draft, length: float, step: float, offset: float) -> Draft:
    """Cut every segment into whole epochs, from its own start on; none is masked.

    Epochs are numbered from 1 on. Where all of them were there before (the same grid after a restructure,
    for one) they keep their numbers.
    """
    if not (length > 0 and step > 0 and offset >= 0 and np.isfinite([length, step, offset]).all()):
        raise EEGArchiveError(
            f"epochs of {length:g} s every {step:g} s from {offset:g} s: lengths are above 0, offsets not below"
        )
    segments = draft.segments.columns
    counts = np.floor((segments["duration"] - offset - length + SAME_TIME) / step).astype(np.int64) + 1
    counts = np.maximum(counts, 0)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    within = np.arange(int(counts.sum())) - first
    start = np.repeat(segments["start"] + offset, counts) + within * step
    numbers = _numbers_before(draft, start, length)
    if len(start) == 0:
        raise EEGArchiveError(f"no segment is as long as {offset + length:g} s; choose shorter epochs")
    return replace(
        draft,
        epochs=draft.epochs.with_columns(
            epoch=np.arange(1, len(start) + 1) if numbers is None else numbers,
            start=start,
            duration=np.full(len(start), float(length)),
            masked=np.zeros(len(start), np.uint8),
        ),
    )


def _numbers_before(
    draft: Draft, start: npt.NDArray[np.float64], length: float
) -> npt.NDArray[np.int32] | None:
    """The numbers that these epochs have; None if some are new."""
    known = draft.epochs.columns
    if not len(known["start"]):
        return None
    order = np.argsort(known["start"], kind="stable")
    begins = known["start"][order]
    at = np.clip(np.searchsorted(begins, start - SAME_TIME), 0, len(begins) - 1)
    same = np.abs(begins[at] - start) <= SAME_TIME
    same &= np.abs(known["duration"][order][at] - length) <= SAME_TIME
    return known["epoch"][order][at] if same.all() else None
