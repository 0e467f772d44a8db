"""The epochs of a state as MNE's Epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.interop.mne_annotations import GAP
from eegarchive.interop.mne_raw import mne, source_of, to_raw
from eegarchive.state import State

#: Why an epoch is in the drop log.
MASKED = "MASKED"
_STAGES = ("W", "N1", "N2", "N3", "N4", "R", "M", "?")
_SAME_TIME = 1e-6


def to_epochs(state: State, name: str, *, mask: bool, preload: bool, verbose: Any, **raw_options: Any) -> Any:
    """Make MNE's Epochs of a state: see :meth:`eegarchive.archive.CachedState.to_epochs`."""
    if raw_options.get("gaps", "annotate") != "annotate":
        raise EEGArchiveError("epochs are of one Raw; leave out gaps='split'")
    with state._file.reading():
        epochs, annotations = state.epochs.columns(), state.annotations.columns()
        path = str(state._file.path)
        if not len(epochs["start"]):
            raise EEGArchiveError(f"{path}: no epochs are set; set them first (eegarchive epochs)")
        lengths = np.unique(np.round(epochs["duration"] / _SAME_TIME))
        if len(lengths) > 1:
            raise EEGArchiveError(f"{path}: epochs of {len(lengths)} lengths, which MNE's Epochs can't have")
        raw = to_raw(state, verbose=verbose, **raw_options)
    source = source_of(raw)
    assert source is not None
    first = source.places(epochs["start"])
    if len(np.unique(first)) < len(first):
        raise EEGArchiveError(
            f"{path}: several epochs begin at the same sample of {source.rate:.10g} Hz, which MNE's Epochs can't have"
        )
    count = max(1, round(float(epochs["duration"][0]) * source.rate))
    events = np.stack([first + source.first, np.zeros_like(first), np.ones_like(first)], axis=1)
    import pandas

    out = mne.Epochs(
        raw,
        events,
        {name: 1},
        tmin=0.0,
        tmax=(count - 1) / source.rate,
        baseline=None,
        metadata=pandas.DataFrame({**epochs, **stages(epochs, annotations)}),
        preload=False,
        verbose=verbose,
    )
    without_data = ~_inside(first, count, source.runs)
    masked = epochs["masked"].astype(bool) & mask
    # the numbers of the epochs that are left change with each drop
    for flags, reason in ((without_data, GAP), (masked & ~without_data, MASKED)):
        drop = np.flatnonzero(np.isin(out.selection, np.flatnonzero(flags)))
        if len(drop):
            out.drop(drop, reason=reason, verbose=verbose)
    if preload:
        out.load_data()
    return out


def _inside(first: npt.NDArray[np.int64], count: int, runs: Any) -> npt.NDArray[np.bool_]:
    """Which epochs have all their samples in one segment."""
    starts, stops = (np.array([getattr(run, side) for run in runs]) for side in ("start", "stop"))
    home = np.searchsorted(starts, first, side="right") - 1
    inside: npt.NDArray[np.bool_] = (home >= 0) & (first + count <= stops[home])
    return inside


def stages(epochs: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The sleep stage in the middle of each epoch, by set; None where there is none.

    Of several that are there the last one to begin counts; one without duration counts for the epoch it is in.
    """
    starts, lasting = epochs["start"], epochs["duration"]
    order = np.argsort(starts, kind="stable")
    middles = (starts + lasting / 2)[order]
    is_stage = np.isin(annotations["kind"].astype(str), _STAGES)
    found: dict[str, npt.NDArray[Any]] = {}
    for group in sorted(set(annotations["set"][is_stage])):
        rows = np.flatnonzero(is_stage & (annotations["set"] == group))
        onset = annotations["onset"][rows]
        stop = onset + np.nan_to_num(annotations["duration"][rows])
        moments = stop <= onset
        low = np.searchsorted(middles, onset - _SAME_TIME, side="left")
        high = np.searchsorted(middles, stop - _SAME_TIME, side="left")
        at = np.searchsorted(starts[order], onset + _SAME_TIME, side="right") - 1
        within = (at >= 0) & (onset < (starts + lasting)[order][at])
        low = np.where(moments, at, low)
        high = np.where(moments, np.where(within, at + 1, at), high)
        by_place = np.full(len(starts), None, object)
        for a, b, kind in zip(low.tolist(), high.tolist(), annotations["kind"][rows], strict=True):
            by_place[max(a, 0) : max(b, 0)] = kind
        found[f"stage_{group}"] = np.empty(len(starts), object)
        found[f"stage_{group}"][order] = by_place
    return {"stage": next(iter(found.values()))} if len(found) == 1 else found
