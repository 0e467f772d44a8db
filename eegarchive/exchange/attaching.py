"""Attach: a detached freeze becomes one of an archive, by a link or taken in whole."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import h5py

from eegarchive import freezing, layout
from eegarchive.archive import split_tag
from eegarchive.detached import DetachedFile
from eegarchive.editing import EditableArchive, edit
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.exchange.copies import FreezeCopy, copy_data
from eegarchive.exporting import Progress
from eegarchive.storage import guard, objects
from eegarchive.storage.locks import EDIT_WAIT_SECONDS
from eegarchive.storage.objects import read_attribute
from eegarchive.verification import verify


@dataclass(frozen=True)
class AttachReport:
    """What was attached.

    Attributes
    ----------
    path, detached : Path
        The archive, and the file of the freeze.
    tag : str
    copied : bool
        Whether the freeze was taken in whole, so that the file isn't needed any more.
    base_name : str
        What links in the file call its base: other tools look for that name, whatever the archive is called.
    """

    path: Path
    detached: Path
    tag: str
    copied: bool
    base_name: str


def attach(
    archive: str | os.PathLike[str],
    detached: str | os.PathLike[str],
    *,
    copy: bool = False,
    timeout: float = EDIT_WAIT_SECONDS,
    progress: Progress | None = None,
) -> AttachReport:
    """Make a detached freeze one of an archive. It is checked first, with the archive's samples that it is made of.

    Parameters
    ----------
    archive : path-like
    detached : path-like
        The file of the freeze, beside the archive, where it has to stay; anywhere if it is copied.
    copy : bool
        Take the freeze in whole, instead of a link to the file; data that the archive has are shared.
    timeout : float
        Seconds to wait for another writer to end, and at the end for other programs that read the archive.
    progress : callable, optional
        Called with the bytes checked since the last call.

    Returns
    -------
    AttachReport

    Raises
    ------
    MissingBase
        If the archive isn't of the same recording, or lacks data of the freeze.
    InvalidArchive
        If the file isn't a detached freeze, or anything in it isn't what its digests say.
    TargetExists
        If the archive has a freeze of that tag.
    EEGArchiveError
        If the file isn't beside the archive.
    """
    plain, tag = split_tag(archive)
    if tag is not None:
        raise EEGArchiveError(f"{archive}: name the archive alone; the freeze has its tag in the file")
    path, file = Path(plain), Path(detached)
    with contextlib.closing(DetachedFile(file, path)) as opened:
        _check_place(path, file, copy)
        tag, base_name = opened.tag, opened.base_name
    for finding in verify(file, progress=progress, base=path):
        if finding.severity == "error":
            raise InvalidArchive(f"{file}: {finding.path}: {finding.message}; nothing was attached")
    with edit(path, timeout) as night:
        freezing.check_tag(night._edited, tag, overwrite=False)
        _attach(night, file, tag, copy)
    return AttachReport(path, file, tag, copy, base_name)


def _check_place(path: Path, file: Path, copy: bool) -> None:
    if copy:
        return
    if Path(os.path.realpath(path)).parent != Path(os.path.realpath(file.parent)):
        raise EEGArchiveError(
            f"{file}: lies in another folder than {path}; put it beside the archive, or take it in (copy=True, --copy)"
        )
    if not guard.is_file_name(file.name):
        raise EEGArchiveError(
            f"{file}: a name with '%', ':' or a backslash can't be linked to; rename the file"
        )


def _attach(night: EditableArchive, file: Path, tag: str, copy: bool) -> None:
    freezes = night._edited.group(layout.FREEZES)
    with contextlib.closing(DetachedFile(file, night._edited)) as opened, opened.reading():
        contents = str(read_attribute(opened.group(f"{layout.FREEZES}/{tag}"), layout.CONTENTS_DIGEST))
        if copy:
            take_in(night._edited.h5, opened)
        else:
            objects.link_outside(freezes, tag, file.name, f"/{layout.FREEZES}/{tag}")
            objects.write_attribute(freezes, f"{layout.ATTACHED_PREFIX}{tag}", contents)
    parameters = {"tag": tag, "file": file.name, "contents_digest": contents, "copy": copy or None}
    night._edited.forget()
    night._record("attach", parameters)


def take_in(root: h5py.File, file: DetachedFile, progress: Progress | None = None) -> FreezeCopy:
    """Write a detached freeze into an archive, whole; for use inside `reading`."""
    freeze = FreezeCopy(file, file.tag)
    data = guard.group_at(root, layout.DATA)
    there = set(guard.names(data))
    lacking = [name for name in freeze.data if name not in there]
    copy_data(file, lacking, data, progress or (lambda count: None))
    freeze.show(freeze.write(guard.group_at(root, layout.FREEZES)), root)
    return freeze
