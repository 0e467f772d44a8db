"""Luna's epoch annotations: one label a line, one line for each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from eegarchive import stages
from eegarchive.scoring.events import STAGES, Events, events_of
from eegarchive.scoring.text import Problem, checked_row, lines_of, load_text, place


def read(path: Path, epoch_length: float) -> Events:
    """One event for each line."""
    rows = []
    for i, line in enumerate(lines_of(load_text(path).rstrip())):
        with place(path, i + 1):
            label = line.strip()
            if not label:
                raise Problem("an empty line; expected the label of an epoch")
            rows.append(checked_row(i * epoch_length, epoch_length, label, stages.kind_of(label), ""))
    return events_of(rows)


def encode(events: Events, starts: npt.NDArray[np.float64], durations: npt.NDArray[np.float64]) -> bytes:
    """The sleep stage at the middle of each epoch."""
    middles = np.asarray(starts, np.float64) + np.asarray(durations, np.float64) / 2
    order = np.argsort(middles, kind="stable")
    scored = [i for i, kind in enumerate(events.kind) if kind in STAGES]
    onsets = events.onset[scored]
    following = np.append(onsets[1:], np.inf)
    stated = events.duration[scored]
    ends = np.where(np.isnan(stated), following, onsets + stated)
    first = np.searchsorted(middles, onsets, sorter=order)
    last = np.searchsorted(middles, ends, sorter=order)
    labels = np.full(len(middles), "?", "U2")
    for event, a, b in zip(scored, first, last, strict=True):
        labels[order[a:b]] = events.kind[event]
    return "".join(f"{label}\n" for label in labels.tolist()).encode("utf-8")
