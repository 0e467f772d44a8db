"""Children of braindecode's data sets, from windows and archives."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas

from eegarchive.archive import Archive, open_archive
from eegarchive.bridges import braindecode_saving as saving
from eegarchive.bridges import braindecode_values as exact
from eegarchive.bridges.braindecode_datasets import (
    ArchiveEpochsDataset,
    ArchiveWindowsDataset,
    BaseConcatDataset,
    EEGWindowsDataset,
    RawDataset,
    RestoredWindowsDataset,
    StoredSamples,
)
from eegarchive.errors import EEGArchiveError, StaleValue
from eegarchive.interop.mne_raw import source_of
from eegarchive.windowing import Windows, windows
from eegarchive.windowing.readers import Source

__all__ = ["BaseConcatDataset", "of_archives", "of_windows"]


def of_archives(
    several: Sequence[str | os.PathLike[str] | Archive],
    freeze: str | None,
    picks: str | Sequence[str] | None,
    target_name: str | tuple[str, ...] | None,
) -> list[Any]:
    """A child for each archive: what it was in braindecode, or else its Raw."""
    found: list[Any] = []
    sources: list[Source | None] = []
    for one in several:
        path, tag = (
            (one.path, one.tag if freeze is None else freeze) if isinstance(one, Archive) else (one, freeze)
        )
        with open_archive(path, tag) as archive:
            about = saving.load(archive)
            if about is None:
                raw = archive.to_raw(picks, verbose="error")
                found.append(RawDataset(raw, _description(archive), target_name))
            elif picks is not None:
                raise EEGArchiveError(
                    f"{archive.path}: is as it was in braindecode; picks are for other archives"
                )
            else:
                found.append(_restored(archive, about, target_name))
            sources.append(_stored_source(archive, found[-1]))
    return _read_directly(found, sources)


def _read_directly(children: Sequence[Any], sources: Sequence[Source | None]) -> list[Any]:
    """Have windows of recordings whose samples are stored as MNE has them read from there."""
    store = StoredSamples([source for source in sources if source is not None])
    found, number = [], 0
    for child, source in zip(children, sources, strict=True):
        if source is None:
            found.append(child)
            continue
        direct = RestoredWindowsDataset(
            store, number, child.raw, child.metadata, child.description, child.last_target_only
        )
        for name in saving.KWARGS:
            if hasattr(child, name):
                setattr(direct, name, getattr(child, name))
        found.append(direct)
        number += 1
    return found


def _stored_source(archive: Archive, child: Any) -> Source | None:
    """Where the samples of windows can be read without MNE; None if they can't."""
    read = source_of(child.raw) if type(child) is EEGWindowsDataset else None
    if read is None or child.targets_from != "metadata" or len(read.runs) > 1:
        return None
    for channel in read.channels:
        scale, offset = (float(channel.attributes[name]) for name in ("scale_factor", "add_offset"))
        if channel.dtype.kind != "f" or scale * channel.gain != 1.0 or offset or channel.is_trigger:
            return None
    return Source(read.path, archive.tag, archive.digest, tuple(channel.key for channel in read.channels))


def _description(archive: Archive) -> Any:
    return pandas.Series(dict(archive.description), dtype=object)


def of_windows(given: Windows) -> list[ArchiveWindowsDataset]:
    """A child for each recording of some windows."""
    plain = copy.copy(given)
    plain.transform = None
    table, found, first = given.metadata, [], 0
    for number, source in enumerate(given._sources):
        own = table["recording"] == number
        with Archive(source.path, source.freeze) as archive:
            if archive.digest != source.state:
                raise StaleValue(f"{source.where}: the recording was changed since its windows were counted")
            if source.prepared is not None and source.may_be_stale:
                raise StaleValue(f"{source.where}: windows of a stale set fit no Raw; prepare them anew")
            description = _description(archive)
            shift = _gaps_before(archive, source, table["start"][own], given.sampling_rate)
        metadata = pandas.DataFrame(
            {
                "i_window_in_trial": table["i"][own],
                "i_start_in_trial": table["start"][own] + shift,
                "i_stop_in_trial": table["stop"][own] + shift,
                "target": table["target"][own],
            }
        )
        found.append(ArchiveWindowsDataset(plain, first, source, metadata, description, given.transform))
        first += int(own.sum())
    return found


def _gaps_before(archive: Archive, source: Source, starts: Any, rate: float) -> Any:
    """How many samples later windows lie in a Raw, which has the gaps too."""
    if len(archive.segments) < 2:
        return 0
    read = source_of(archive.to_raw(list(source.signals), verbose="error"))
    if read is None:
        raise EEGArchiveError(f"{source.where}: its Raw isn't one of an archive")
    firsts = np.array([run.first for run in read.runs])
    later = np.array([run.start - run.first for run in read.runs])
    return later[np.searchsorted(firsts, starts, side="right") - 1]


def _restored(archive: Archive, about: dict[str, Any], target_name: Any) -> Any:
    """A child as it was in braindecode."""
    given = about["description"]
    description = None if given is None else exact.decode_series(given)
    if about["kind"] == "epochs":
        tag = archive.tag
        child: Any = ArchiveEpochsDataset(
            windows(archive.path, freeze=tag, prepared=saving.NAME),
            np.argsort(about["order"]),
            saving.info_of(about),
            np.array(about["events"], int).reshape(-1, 3),
            about["event_id"],
            about["tmin"],
            saving.annotations_of(about),
            exact.decode_frame(about["metadata"]),
            description,
            about["targets_from"],
            about["last_target_only"],
        )
    elif about["kind"] == "windows":
        child = EEGWindowsDataset(
            _raw(archive, about),
            exact.decode_frame(about["metadata"]),
            description,
            targets_from=about["targets_from"],
            last_target_only=about["last_target_only"],
        )
    else:
        child = RawDataset(_raw(archive, about), description, target_name or about["target_name"])
    for name, kwargs in about["kwargs"].items():
        setattr(child, name, exact.decode(kwargs))
    return child


def _raw(archive: Archive, about: dict[str, Any]) -> Any:
    raw = archive.to_raw(verbose="error")
    info = saving.info_of(about)
    for channel in info["chs"]:
        channel["cal"] = channel["range"] = 1.0  # the samples are what they are
    read = source_of(raw)
    if read is not None and any(channel["unit_mul"] for channel in info["chs"]):
        read.keep_units()
    raw.info = info
    raw._annotations = saving.annotations_of(about)  # set_annotations would round them to microseconds
    return raw
