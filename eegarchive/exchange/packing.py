"""Pack: one archive that needs no other file, of a detached freeze, or of an archive with attached ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from eegarchive import freezing, layout
from eegarchive.archive import split_tag
from eegarchive.compaction import Copy, check_archive_digest
from eegarchive.detached import DetachedFile, open_attached, open_file
from eegarchive.draft import described
from eegarchive.errors import EEGArchiveError
from eegarchive.exchange.attaching import take_in
from eegarchive.exchange.copies import FreezeCopy, copy_data, copy_tree
from eegarchive.exchange.finishing import checked_file
from eegarchive.exchange.materializing import materialize as store_whole
from eegarchive.exporting import Progress
from eegarchive.state import Description, State
from eegarchive.storage import guard, objects
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import refuse_existing, refuse_same
from eegarchive.storage.objects import read_attributes

_States = dict[str, Mapping[str, Description]]


@dataclass(frozen=True)
class PackReport:
    """What was packed.

    Attributes
    ----------
    path : Path
        The new archive.
    size : int
        Its bytes.
    taken : tuple of str
        Tags of the freezes that came from detached files.
    materialized : int
        How many signals were stored whole that would be virtual.
    """

    path: Path
    size: int
    taken: tuple[str, ...]
    materialized: int


def pack(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    materialize: bool = False,
    base: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PackReport:
    """Write one archive that needs no other file.

    Of a detached freeze it is an archive with the recording, that freeze, and its state as the working state. Of an
    archive it is a copy, with attached freezes taken in whole. No state's digest changes.

    Parameters
    ----------
    path : path-like
        A detached freeze, or an archive.
    target : path-like
    materialize : bool
        Store whole, as plain datasets, the signals that would be virtual ones, for tools that can't read these.
    base : path-like, optional
        The base of a detached freeze; looked for beside it if not given.
    overwrite : bool
        Replace a target that is there.
    progress : callable, optional
        Called with the bytes copied since the last call.

    Returns
    -------
    PackReport

    Raises
    ------
    MissingBase
        If the base, or the file of an attached freeze, is missing or the wrong one.
    InvalidArchive
        If a file isn't what its digests say.
    TargetExists
        If the target is there and `overwrite` isn't set.
    VerificationFailed
        If the written file isn't what it should be. Nothing is kept then.
    """
    plain, tag = split_tag(path)
    if tag is not None:
        raise EEGArchiveError(f"{path}: name the file alone; all its freezes are packed")
    target = Path(target)
    report = progress or (lambda count: None)
    with contextlib.closing(open_file(plain, base)) as file, file.reading():
        for read in {file.path, file.recording.path}:
            refuse_same(read, target)
        refuse_existing(target, overwrite)
        for link in file.attached_freezes().values():
            refuse_same(file.path.parent / link.file, target)
        check_archive_digest(file)
        with checked_file(target, overwrite) as h5:
            if isinstance(file, DetachedFile):
                check_archive_digest(file.recording)
                states = _pack_detached(file, h5, report)
                taken: tuple[str, ...] = (file.tag,)
            else:
                states, taken = _pack_archive(file, h5, report)
            count = store_whole(h5, states) if materialize else 0
    return PackReport(target, target.stat().st_size, taken, count)


def _pack_detached(file: DetachedFile, h5: h5py.File, progress: Progress) -> _States:
    """Write the recording out of the base, and the freeze, which becomes the working state."""
    base = file.recording
    source = FreezeCopy(base, layout.SOURCE_FREEZE)
    copy_data(base, source.data, objects.create_group(h5, layout.DATA), progress)
    copy_tree(base.group(layout.EDF), objects.create_group(h5, layout.EDF))
    source.show(source.write(objects.create_group(h5, layout.FREEZES)), h5)
    freeze = take_in(h5, file, progress)
    group = guard.group_at(guard.group_at(h5, layout.FREEZES), file.tag)
    freezing.link_members(group, h5)
    freezing.link_cache(group, h5)
    objects.link_again(group, layout.HISTORY, h5, layout.HISTORY)
    attributes = {
        name: value
        for name, value in read_attributes(file.h5).items()
        if name not in layout.DETACHED_ATTRIBUTES
    }
    objects.write_attributes(h5, {**attributes, "format": layout.FORMAT})
    paths = (f"{layout.FREEZES}/{layout.SOURCE_FREEZE}", f"{layout.FREEZES}/{file.tag}", "")
    return dict(zip(paths, (source.signals, freeze.signals, freeze.signals), strict=True))


def _pack_archive(file: ArchiveFile, h5: h5py.File, progress: Progress) -> tuple[_States, tuple[str, ...]]:
    """Copy an archive, and take in what is attached to it."""
    attached = file.attached_freezes()
    with contextlib.ExitStack() as stack:
        opened = {
            tag: stack.enter_context(contextlib.closing(open_attached(file, tag, link)))
            for tag, link in attached.items()
        }
        Copy(file, h5, None, progress).run()
        states: _States = {path: described(State(file, path)) for path in file.states()}
        for tag, detached in opened.items():
            stack.enter_context(detached.reading())
            check_archive_digest(detached)
            freezing.unlink(guard.group_at(h5, layout.FREEZES), tag)
            states[f"{layout.FREEZES}/{tag}"] = take_in(h5, detached, progress).signals
    return states, tuple(attached)
