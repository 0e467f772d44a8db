"""Detach: one freeze of an archive as a small file of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt

from eegarchive import digest, layout
from eegarchive.archive import Archive, open_archive
from eegarchive.detached import DetachedFile
from eegarchive.draft import described
from eegarchive.errors import EEGArchiveError
from eegarchive.exchange.copies import FreezeCopy, copy_data, data_of
from eegarchive.exchange.finishing import checked_file
from eegarchive.exporting import Progress
from eegarchive.lineage import history
from eegarchive.state import State
from eegarchive.storage import guard, objects
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import refuse_existing, refuse_same
from eegarchive.storage.objects import read_attribute, read_attributes


@dataclass(frozen=True)
class DetachReport:
    """What was detached.

    Attributes
    ----------
    path : Path
        The new file.
    tag : str
    base_name : str
        The file that it needs beside it.
    size : int
        The new file's bytes.
    own : int
        How many stored signals it has itself, since the base lacks them.
    """

    path: Path
    tag: str
    base_name: str
    size: int
    own: int


def detach(
    archive: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    base: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DetachReport:
    """Write a freeze as a small file: what others have of the recording stays with them.

    Tables, caches, history and provenance are in it, and the stored signals that the base lacks. The base is taken to
    have what came from the source, as any archive of the recording has.

    Parameters
    ----------
    archive : path-like
        `night.h5@N2`; the freeze must be named.
    target : path-like, optional
        `night.N2.h5` beside the archive if not given.
    base : path-like, optional
        The file that it will lie beside, if that has more than what came from the source: all that it has stored is
        left out.
    overwrite : bool
        Replace a target that is there.
    progress : callable, optional
        Called with the bytes copied since the last call.

    Returns
    -------
    DetachReport

    Raises
    ------
    EEGArchiveError
        If no freeze is named, it is `source`, or the base is of another recording.
    NotInArchive
        If there is no such freeze.
    TargetExists
        If the target is there and `overwrite` isn't set.
    VerificationFailed
        If the written file isn't what it should be. Nothing is kept then.
    """
    with open_archive(archive) as opened:
        path, tag = Path(opened.path), opened.tag
        if tag is None:
            raise EEGArchiveError(
                f"{path}: name the freeze to detach: {path.name}@TAG (eegarchive freezes lists them)"
            )
        if isinstance(opened._file, DetachedFile):
            raise EEGArchiveError(f"{path}: the freeze {tag!r} is detached already, as {opened._file.path}")
        if tag == layout.SOURCE_FREEZE:
            raise EEGArchiveError(
                f"{path}: the freeze {tag!r} is in every archive of the recording; choose another"
            )
        if base is None:
            return _detach(opened, tag, opened._file, target, overwrite, progress)
        with _opened(base, opened) as given:
            return _detach(opened, tag, given._file, target, overwrite, progress)


def _opened(base: str | os.PathLike[str], archive: Archive) -> Archive:
    """The base that was named."""
    given = Archive(base)
    if given.provenance.get("source_digest") != archive.provenance["source_digest"]:
        given.close()
        raise EEGArchiveError(
            f"{base}: is of another recording than {archive.path} (source_digest); it can't be its base"
        )
    if isinstance(given._file, DetachedFile):
        given.close()
        raise EEGArchiveError(f"{base}: is a detached freeze itself; a base is an archive")
    return given


def _detach(
    archive: Archive,
    tag: str,
    base: ArchiveFile,
    target: str | os.PathLike[str] | None,
    overwrite: bool,
    progress: Progress | None,
) -> DetachReport:
    source = Path(archive.path)
    path = source.with_name(f"{source.stem}.{tag}{layout.SUFFIX}") if target is None else Path(target)
    for file in {source, base.path}:
        refuse_same(file, path)
    if path.name == base.path.name:
        raise EEGArchiveError(f"{path}: has the name of its base, and is to lie beside it; give another name")
    if not guard.is_file_name(base.path.name):
        raise EEGArchiveError(
            f"{base.path}: a base's name may have no '%', ':' or backslash, which programs expand; rename it"
        )
    refuse_existing(path, overwrite)
    with archive._file.reading(), base.reading():
        freeze = FreezeCopy(archive._file, tag)
        own = [name for name in freeze.data if name not in _left_out(base, base is archive._file)]
        with checked_file(path, overwrite, base.path) as h5:
            copy_data(
                archive._file, own, objects.create_group(h5, layout.DATA), progress or (lambda count: None)
            )
            group = freeze.write(objects.create_group(h5, layout.FREEZES))
            freeze.show(group, h5, base.path.name)
            if not freeze.has_history:
                objects.link(objects.write_table(h5, _history(archive, tag)), group, layout.HISTORY)
            objects.write_attribute(group, layout.CONTENTS_DIGEST, digest.contents_digest(group))
            _write_root(h5, archive, tag, base.path.name, str(read_attribute(group, layout.STATE_DIGEST)))
    return DetachReport(path, tag, base.path.name, path.stat().st_size, len(own))


def _left_out(base: ArchiveFile, is_archive: bool) -> set[str]:
    """Names of the stored signals that the base has."""
    if is_archive:  # any archive of the recording may take its place
        source = State(base, f"{layout.FREEZES}/{layout.SOURCE_FREEZE}")
        return set(data_of(described(source).values()))
    return set(guard.names(base.group(layout.DATA)))


def _history(archive: Archive, tag: str) -> npt.NDArray[Any]:
    """Rows of the operations that led to a freeze."""
    columns = archive.history.columns()
    numbers = [operation.number - 1 for operation in history(archive, tag)]
    values = {name: [column[number] for number in numbers] for name, column in columns.items()}
    return objects.make_rows(layout.HISTORY_COLUMNS, values)


def _write_root(h5: h5py.File, archive: Archive, tag: str, base_name: str, state: str) -> None:
    attributes = read_attributes(archive._file.h5)
    attributes.update(
        {"format": layout.DETACHED_FORMAT, "tag": tag, "base_name": base_name, layout.STATE_DIGEST: state}
    )
    objects.write_attributes(h5, attributes)
