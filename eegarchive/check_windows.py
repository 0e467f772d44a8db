"""Check the clauses of sets of windows (spec W-1 to W-6), and recompute their digests."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from eegarchive import digest, layout
from eegarchive.findings import DIGEST, FOREIGN, MOMENT, Findings, Progress, json_object
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import read_attribute, read_table
from eegarchive.windowing.sets import WindowSet, columns_of

_MEMBERS = {layout.WINDOW_SAMPLES, layout.WINDOW_ROWS, layout.WINDOW_CHANNELS}


def check_windows(file: ArchiveFile, found: Findings, progress: Progress) -> None:
    """Check every set of windows."""
    if layout.WINDOWS not in guard.names(file.h5):
        return
    for name in guard.names(file.group(layout.WINDOWS)):
        with found.looking_at(f"/{layout.WINDOWS}/{name}"):
            _check_set(file, name, found, progress)


def _check_set(file: ArchiveFile, name: str, found: Findings, progress: Progress) -> None:
    path = f"/{layout.WINDOWS}/{name}"
    before = found.errors
    if not re.fullmatch(layout.TAG_PATTERN, name):
        found.error(path, "isn't a name: 1 to 64 letters, digits, '.', '_', '-'", FOREIGN)
    group = file.group(path[1:])
    for member in guard.names(group):
        if member not in _MEMBERS:
            found.warning(f"{path}/{member}", "isn't part of the format", FOREIGN)
    windows = WindowSet(file, name)
    _check_attributes(windows, path, found)
    _check_rows(windows, path, found)
    _check_channels(windows, path, found)
    sha256 = hashlib.sha256()
    for row in range(windows.shape[0]):
        stored = windows.stored(row)
        sha256.update(stored)
        progress(stored.nbytes)
    samples = windows.samples
    if sha256.hexdigest() != read_attribute(samples, layout.SAMPLES_DIGEST):
        found.error(
            f"{path}/{layout.WINDOW_SAMPLES}", f"its samples aren't what {layout.SAMPLES_DIGEST} says"
        )
    if before == found.errors and digest.part_digest(group) != windows.digest:
        found.error(path, f"what it holds isn't what its {layout.CONTENTS_DIGEST} says")


def _check_attributes(windows: WindowSet, path: str, found: Findings) -> None:
    said = windows.attributes
    if not DIGEST.fullmatch(windows.state):
        found.error(path, "state isn't a digest", FOREIGN)
    if not MOMENT.fullmatch(str(said["time"])):
        found.error(path, "time isn't a time as 2020-01-31T23:59:59Z", FOREIGN)
    if not 0 < float(said["sampling_rate"]) < np.inf:
        found.error(path, "the sampling rate isn't a number above 0", FOREIGN)
    for key in ("parameters", "versions"):
        if json_object(str(said[key])) is None:
            found.error(path, f"{key} isn't a JSON object", FOREIGN)


def _check_rows(windows: WindowSet, path: str, found: Findings) -> None:
    where = f"{path}/{layout.WINDOW_ROWS}"
    dataset = windows.member(layout.WINDOW_ROWS)
    columns = columns_of(dataset)
    found.check_widths(read_table(dataset, columns), columns, where)
    rows = windows.rows()
    if not len(rows["i"]):
        found.error(where, "has no rows", FOREIGN)
    if (rows["start"] < 0).any() or (rows["stop"] - rows["start"] != windows.shape[2]).any():
        found.error(where, "a window has another length than its samples", FOREIGN)
    if not np.isfinite(rows["onset"]).all():
        found.error(where, "an onset isn't a time", FOREIGN)
    if columns[-1].type == "u1" and (read_table(dataset, columns)[layout.WINDOW_TARGET] > 1).any():
        found.error(where, "a target of type u1 isn't 0 or 1", FOREIGN)
    if (np.diff(rows["i"]) <= 0).any() or (np.diff(rows["start"]) < 0).any():
        found.error(where, "its windows aren't in order", FOREIGN)


def _check_channels(windows: WindowSet, path: str, found: Findings) -> None:
    where = f"{path}/{layout.WINDOW_CHANNELS}"
    dataset = windows.member(layout.WINDOW_CHANNELS)
    columns = layout.WINDOW_CHANNEL_COLUMNS
    found.check_widths(read_table(dataset, columns), columns, where)
    names = windows.channels["name"]
    if len(set(names)) != len(names):
        found.error(where, "a channel is there twice", FOREIGN)
