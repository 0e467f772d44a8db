"""Crop: leave out the time before and after a stretch of the recording clock. No sample is copied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eegarchive.draft import Draft, cut
from eegarchive.errors import EEGArchiveError
from eegarchive.operations.epochs import SAME_TIME
from eegarchive.operations.restructure import runs_within, sample_ranges


def crop(draft: Draft, start: float, stop: float) -> Draft:
    """Keep the time [start, stop) seconds of each segment, and the epochs that lie in it wholly.

    Annotations stay, and all times go on counting from the recording's start.

    Raises
    ------
    EEGArchiveError
        If nothing would be left, or an end falls between two samples of a signal.
    """
    old = draft.segments.columns
    runs, homes = runs_within(np.array([[start, stop]]), old["start"], old["start"] + old["duration"])
    if not len(runs):
        raise EEGArchiveError(f"no samples lie in {start:.10g}-{stop:.10g} s")
    signals = {}
    for name, signal in draft.signals.items():
        rate, length = float(signal.attributes["sampling_rate"]), len(signal)
        if not length:
            signals[name] = signal
            continue
        samples, off = sample_ranges(draft, rate, length, runs, homes)
        if off.any():
            raise EEGArchiveError(
                f"{runs[off][0]:.10g} s lies between two samples of {name!r} ({rate:.10g} Hz); "
                "crop where every signal has a sample, or drop that signal first"
            )
        kept = cut(signal.pieces, [(int(a), int(b)) for a, b in samples])
        signals[name] = replace(signal, pieces=kept)
    begins, ends = runs[:, 0], runs[:, 1]
    epochs = draft.epochs.columns
    home = np.searchsorted(begins, epochs["start"] + SAME_TIME, side="right") - 1
    inside = (home >= 0) & (epochs["start"] + epochs["duration"] <= ends[home] + SAME_TIME)
    segments = draft.segments.with_columns(start=begins, duration=ends - begins)
    return replace(draft, signals=signals, segments=segments, epochs=draft.epochs.only(inside))
