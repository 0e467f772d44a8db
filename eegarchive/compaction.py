"""Rewrite an archive to the smallest file, or with another codec; checked before it takes the old one's place."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import digest
from eegarchive.detached import needed_by_attached
from eegarchive.errors import EEGArchiveError, InvalidArchive, VerificationFailed
from eegarchive.exporting import Progress
from eegarchive.layout import (
    ARCHIVE_DIGEST,
    DATA,
    FREEZES,
    PIECES,
    SAMPLES_DIGEST,
    SIGNALS,
    STATE_TABLES,
)
from eegarchive.state import Table, pieces_by_signal
from eegarchive.storage import copying, guard, locks, objects, seal, virtual
from eegarchive.storage.codec import CODECS, Codec
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import drop_from_memory, named_failures, new_file
from eegarchive.storage.locks import EDIT_WAIT_SECONDS
from eegarchive.storage.objects import read_attribute, read_attributes
from eegarchive.storage.samples import StoredSamples
from eegarchive.storage.transaction import locked
from eegarchive.storage.workers import pool
from eegarchive.storage.writer import ChunkWriter
from eegarchive.verification import bytes_to_check, check_contents

_BLOCK_SAMPLES = 2**20


@dataclass(frozen=True)
class CompactReport:
    """What a rewrite did.

    Attributes
    ----------
    path : Path
    before, after : int
        The file's bytes.
    left_out : tuple of str
        Names of stored signals that nothing was made of any more.
    """

    path: Path
    before: int
    after: int
    left_out: tuple[str, ...]


def compact(
    path: str | os.PathLike[str],
    *,
    codec: str | None = None,
    timeout: float = EDIT_WAIT_SECONDS,
    progress: Progress | None = None,
) -> CompactReport:
    """Rewrite an archive to the smallest file: what no state is made of any more goes, sharing stays.

    The new file is written beside the archive and takes its name once the check has found nothing wrong in it
    and it was found to hold the same as the old one. Before that the archive isn't touched. An archive without a
    seal, rewritten by another program, is sealed again if its contents are whole. No state changes, so the
    history gets no row, and all digests stay; only the archive's own digest is a new one where stored signals
    were left out.

    Parameters
    ----------
    path : path-like
    codec : {"portable", "fast", "small", "none"}, optional
        Encode all samples anew; they stay as they are stored if not given.
    timeout : float
        Seconds to wait for another writer to end, and at the end for other programs that read the file.
    progress : callable, optional
        Called with the bytes done since the last call; they add up to about :func:`bytes_to_compact`.

    Returns
    -------
    CompactReport

    Raises
    ------
    InvalidArchive
        If the archive is damaged.
    VerificationFailed
        If the new file isn't what it should be.
    Locked
        If another process keeps the archive.

    Notes
    -----
    Whenever it raises, or is killed, the archive is what it was.
    """
    path = Path(os.path.realpath(path))
    if codec is not None and codec not in CODECS:
        raise ValueError(f"codec {codec!r}; there are {', '.join(CODECS)}")
    with locked(path, timeout) as descriptor:
        before = os.fstat(descriptor)
        if not seal.is_intact(path):
            _refuse_damaged(path, progress)
        with new_file(path, overwrite=True) as temporary:
            shutil.copymode(path, temporary)
            with contextlib.closing(ArchiveFile(path)) as file, file.reading():
                check_archive_digest(file)
                with named_failures(path), h5py.File(objects.create_file(temporary)) as h5:
                    left_out = Copy(file, h5, CODECS[codec] if codec else None, progress).run()
                drop_from_memory(temporary)
                sealing = pool().submit(seal.compute, temporary, temporary.stat().st_size)
                with contextlib.closing(ArchiveFile(temporary, locking=False)) as written, written.reading():
                    _compare(file, written, path, left_out)
            _check_new(temporary, path, progress)
            seal.append(temporary, sealing.result())
            after = temporary.stat().st_size
            _wait_for_readers(path, descriptor, before, timeout)
    return CompactReport(path, before.st_size, after, left_out)


def recode(
    path: str | os.PathLike[str],
    codec: str,
    *,
    timeout: float = EDIT_WAIT_SECONDS,
    progress: Progress | None = None,
) -> CompactReport:
    """Encode all samples of an archive by another codec, and compact it; no state or digest changes.

    See :func:`compact` for the parameters.
    """
    return compact(path, codec=codec, timeout=timeout, progress=progress)


def bytes_to_compact(path: str | os.PathLike[str]) -> int:
    """How many bytes `progress` will be told of in all, about: the file, and what the check reads."""
    return os.path.getsize(path) + bytes_to_check(path)


def _attached_paths(path: Path) -> set[str]:
    """Where an archive has attached freezes: whether their files are there doesn't matter to its own."""
    try:
        with contextlib.closing(ArchiveFile(path, locking=False)) as file, file.reading():
            return {f"/{FREEZES}/{tag}" for tag in file.attached_freezes()}
    except EEGArchiveError:  # a damaged one
        return set()


def _refuse_damaged(path: Path, progress: Progress | None) -> None:
    """Let through what has no right seal only if all its contents are what their digests say."""
    for finding in check_contents(path, progress):
        if finding.severity == "error" and finding.path not in _attached_paths(path):
            raise InvalidArchive(
                f"{path}: {finding.path}: {finding.message}; {finding.advice}. It was left as it is"
            )


def check_archive_digest(file: ArchiveFile) -> None:
    """Make sure that nothing is wrong already which a new digest would hide."""
    if digest.archive_digest(file.h5) != read_attribute(file.h5, ARCHIVE_DIGEST):
        raise InvalidArchive(
            f"{file.path}: what it holds isn't what its {ARCHIVE_DIGEST} says; run `eegarchive verify`. "
            "It was left as it is"
        )


def _check_new(temporary: Path, path: Path, progress: Progress | None) -> None:
    attached = _attached_paths(temporary)
    for finding in check_contents(temporary, progress, locking=False):
        if finding.severity == "error" and finding.path not in attached:
            raise VerificationFailed(
                f"{path}: in the rewritten file, {finding.path}: {finding.message}; it was removed and the archive "
                "left as it is. Run `eegarchive verify`"
            )


def _wait_for_readers(path: Path, descriptor: int, before: os.stat_result, timeout: float) -> None:
    """Have the old file for ourselves, unchanged, for the moment in which the new one takes its name."""
    if not locks.acquire(descriptor, True, timeout):
        who = locks.readers(descriptor)
        raise locks.Locked(
            f"{path}: is open for reading in {who}; close it and try again. Nothing was changed"
        )
    now = os.fstat(descriptor)
    same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    if not same or not locks.same_file(descriptor, path):
        raise EEGArchiveError(f"{path}: was changed by another program meanwhile; nothing was done")


class Copy:
    """One rewrite: each object once, under the names it has."""

    def __init__(
        self, old: ArchiveFile, new: h5py.File, codec: Codec | None, progress: Progress | None
    ) -> None:
        self._old, self._new = old, new
        self._codec = codec
        self._report = progress or (lambda count: None)
        self._groups: dict[str, h5py.Group] = {"": new}
        #: Where the object of an address in the old file lies in the new one.
        self._paths: dict[int, str] = {}

    def run(self) -> tuple[str, ...]:
        """Copy everything; the names in /data that were left out."""
        old = self._old.h5
        data = guard.group_at(old, DATA)
        used = _used_data(self._old)
        attached = self._old.attached_freezes()
        outside = {f"/{FREEZES}/{tag}" for tag in attached}
        self._put(f"/{DATA}", data)
        for name in guard.names(data):
            stored = guard.dataset_at(data, name)
            if name in used:
                self._put(f"/{DATA}/{name}", stored)
        for path, found in guard.walk(old, leave_out=outside):
            if path != f"/{DATA}" and not path.startswith(f"/{DATA}/"):
                self._put(path, found)
        for tag, link in attached.items():
            objects.link_outside(self._groups[f"/{FREEZES}"], tag, link.file, f"/{FREEZES}/{tag}")
        objects.write_attributes(self._new, read_attributes(old))
        objects.write_attribute(self._new, ARCHIVE_DIGEST, digest.archive_digest(self._new))
        return tuple(name for name in guard.names(data) if name not in used)

    def _put(self, path: str, found: h5py.Group | h5py.Dataset) -> None:
        above, _, name = path.rpartition("/")
        parent = self._groups[above]
        if isinstance(found, h5py.Group):
            self._groups[path] = objects.create_group(parent, name)
            objects.write_attributes(self._groups[path], read_attributes(found))
            return
        address = guard.address(found)
        if address in self._paths:
            objects.link(self._new[self._paths[address]], parent, name)
            return
        self._paths[address] = path
        if self._codec is not None and _is_sampled(above) and not found.is_virtual:
            self._recode(parent, name, found, self._codec)
        else:
            copying.copy_dataset(found, parent, name, self._report)

    def _recode(self, parent: h5py.Group, name: str, found: h5py.Dataset, codec: Codec) -> None:
        """Encode the samples of a signal anew."""
        stored = StoredSamples(found)
        attributes = read_attributes(found)
        stated = attributes.pop(SAMPLES_DIGEST, None)
        chunk = max(1, codec.chunk_bytes // stored.dtype.itemsize)
        writer = ChunkWriter(
            parent, name, stored.dtype, stored.length, chunk, codec, attributes, SAMPLES_DIGEST
        )
        size = found.id.get_storage_size()
        for block in _blocks(stored):
            writer.write(writer.append(block))
            self._report(size * len(block) // stored.length)
        if writer.finish() != stated:
            raise InvalidArchive(
                f"{self._old.path}: {found.name}: its samples aren't what {SAMPLES_DIGEST} says; "
                "run `eegarchive verify`. It was left as it is"
            )


def _used_data(file: ArchiveFile) -> set[str]:
    """Names of the stored signals that a state is made of, or an attached freeze; all if that can't be known."""
    needed = needed_by_attached(file)
    if needed is None:
        return set(guard.names(file.group(DATA)))
    used = set(needed)
    for path in file.states():
        table = Table(file, f"{path}/{PIECES}".lstrip("/"), STATE_TABLES[PIECES])
        used.update(piece.data for pieces in pieces_by_signal(table).values() for piece in pieces)
    return used


def _is_sampled(group: str) -> bool:
    """Whether datasets of a group have samples, which the check hashes, and which another codec may encode."""
    return group == f"/{DATA}" or group.endswith(f"/{SIGNALS}")


def _blocks(stored: StoredSamples) -> Iterator[npt.NDArray[Any]]:
    """All samples in blocks; the next one is decoded while the caller encodes this one."""

    def read(start: int) -> npt.NDArray[Any]:
        out = np.empty(min(_BLOCK_SAMPLES, stored.length - start), stored.dtype)
        stored.read(start, start + len(out), out)
        return out

    starts = range(0, stored.length, _BLOCK_SAMPLES)
    reading = pool().submit(read, 0) if starts else None
    for start in starts:
        assert reading is not None
        block = reading.result()
        if start + _BLOCK_SAMPLES < stored.length:
            reading = pool().submit(read, start + _BLOCK_SAMPLES)
        yield block


def _compare(before: ArchiveFile, after: ArchiveFile, path: Path, left_out: tuple[str, ...]) -> None:
    """Make sure that a rewritten file has the same members, sharing, attributes and contents.

    What stored signals hold is left to the check, which hashes them: their bytes may have another codec.

    Raises
    ------
    VerificationFailed
    """

    def fail(where: str, what: str) -> NoReturn:
        raise VerificationFailed(
            f"{path}: {where} was read back from the rewritten file with {what}; it was removed. "
            "Check the disk and memory"
        )

    old, new = before.h5, after.h5
    attached = before.attached_freezes()
    if attached != after.attached_freezes():
        fail(f"/{FREEZES}", "other attached freezes")
    outside = {f"/{FREEZES}/{tag}" for tag in attached}
    attributes = [read_attributes(h5) for h5 in (old, new)]
    if left_out:
        attributes[0][ARCHIVE_DIGEST] = attributes[1][ARCHIVE_DIGEST]
    if attributes[0] != attributes[1]:
        fail("/", "other attributes")
    gone = {f"/{DATA}/{name}" for name in left_out}
    pairs: dict[int, int] = {}
    kept = ((where, found) for where, found in guard.walk(old, leave_out=outside) if where not in gone)
    no_more = ("", old)
    for (where, found), (place, again) in itertools.zip_longest(
        kept, guard.walk(new, leave_out=outside), fillvalue=no_more
    ):
        if where != place:
            fail(where or place, "other members around it")
        here, there = guard.address(found), guard.address(again)
        if here in pairs:
            if pairs[here] != there:
                fail(where, "a copy of its own")
            continue
        pairs[here] = there
        if not _equal(found, again, compare_values=not _is_sampled(where.rpartition("/")[0])):
            fail(where, "other contents")
    if len(set(pairs.values())) != len(pairs):
        fail("/", "objects that have become one")


def _equal(old: h5py.Group | h5py.Dataset, new: h5py.Group | h5py.Dataset, compare_values: bool) -> bool:
    """Whether two objects have the same attributes and, byte for byte, the same contents."""
    if type(old) is not type(new) or read_attributes(old) != read_attributes(new):
        return False
    if isinstance(old, h5py.Group):
        return True
    if old.dtype != new.dtype or old.shape != new.shape or old.is_virtual != new.is_virtual:
        return False
    if old.is_virtual:
        return virtual.mapping(old) == virtual.mapping(new)
    if not compare_values:
        return True
    if old.chunks is None:
        return new.chunks is None and copying.values(old).tobytes() == copying.values(new).tobytes()
    places = copying.places(old)
    return places == copying.places(new) and all(
        copying.chunk(old, place) == copying.chunk(new, place) for place in places
    )
