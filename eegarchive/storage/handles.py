"""One process's views of the files it has open for reading: one for each, opened anew after a commit."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from eegarchive.errors import EEGArchiveError, InvalidArchive, UnsupportedVersion
from eegarchive.layout import DETACHED_FORMAT, FORMAT, FORMAT_MAJOR
from eegarchive.storage import disk, guard, journal, locks, seal
from eegarchive.storage.damage import HDF5_ERRORS, first_line
from eegarchive.storage.objects import read_attribute
from eegarchive.storage.pages import CHUNK_CACHE, Pages
from eegarchive.storage.transaction import recover

#: How long a call waits for a commit, or for another program that writes, to end.
WAIT_SECONDS = 5.0
#: How long a call waits, once, for a commit that waits for readers.
GIVE_WAY_SECONDS = 0.5
_PAUSE_SECONDS = 0.002
#: Whether what an edit that was cut off has left is undone on the disk, where we may write; else in memory alone.
undoes_crashes = True


class Handle:
    """One process's view of one file, shared by all that have it open: HDF5 shares its caches among them too.

    It is opened anew when a commit has changed the file.
    """

    def __init__(self, path: Path, locking: bool) -> None:
        self.path = path
        self.process = os.getpid()
        self.users = 0
        self.kept: dict[tuple[str, ...], Any] = {}
        disk.must_be_file(path)
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  # until close()
        self.lock_file = self._file.fileno()
        self.h5: h5py.File = None
        #: Which of the formats of this package the file has.
        self.format = ""
        self._locking = locking
        self._active = 0
        #: Threads that are reading, and how often nested.
        self._inside: Counter[int] = Counter()
        self._gave_way: tuple[int, int] | None = None
        self._mutex = threading.Lock()
        self._seen: Any = None
        self._is_rolled_back = False

    def enter(self) -> bool:
        """Begin to read; False if the path has become that of another file, or this was closed meanwhile."""
        thread = threading.get_ident()
        if self._locking and not self._inside[thread]:
            self._give_way()
        with self._mutex:
            if self._file.closed:
                return False
            if self._active == 0:
                if self._locking:
                    self._lock()
                try:
                    if not self._is_current():
                        self._unlock()
                        return False
                    self._refresh()
                except BaseException:
                    self._unlock()
                    raise
            self._active += 1
            self._inside[thread] += 1
        return True

    def leave(self) -> None:
        """End to read."""
        with self._mutex:
            self._active -= 1
            self._inside[threading.get_ident()] -= 1
            if self._active == 0:
                self._unlock()

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self.close_files()

    def close_files(self) -> None:
        """Close the file; for a forked child too, where some thread of the parent may have the mutex for ever."""
        self.kept.clear()
        if self.h5 is not None:
            with contextlib.suppress(*HDF5_ERRORS):  # a damaged file's objects may not let go
                self.h5.close()
        self._file.close()

    def _give_way(self) -> None:
        """Let a commit that waits for readers have its turn, if it can have it soon."""
        commit = locks.waiting_commit(self.path)
        until = time.monotonic() + GIVE_WAY_SECONDS
        while commit is not None and commit != self._gave_way:
            if time.monotonic() > until:
                self._gave_way = commit
            time.sleep(_PAUSE_SECONDS)
            commit = locks.waiting_commit(self.path)

    def _lock(self) -> None:
        if not locks.acquire(self.lock_file, False, WAIT_SECONDS):
            raise locks.Locked(
                f"{self.path}: is open for writing in {locks.readers(self.lock_file)}; try again when that is done"
            )

    def _unlock(self) -> None:
        if self._locking:
            locks.release(self.lock_file)

    def _is_current(self) -> bool:
        """Whether the path still leads to this file, or to none at all: then it was moved while it is open."""
        try:
            return os.path.samestat(os.fstat(self.lock_file), os.stat(self.path))
        except OSError:
            return self.h5 is not None

    def descriptor(self) -> int | None:
        """Of the file, unless HDF5 sees it as it was before a commit that was cut off."""
        return None if self._is_rolled_back else self.lock_file

    def generation(self) -> Any:
        """What tells the commit that was read last from others, if it is still the last one; else None.

        Takes no lock, so it is for what was read before alone.
        """
        try:
            current = self.h5 is not None and self._is_current() and seal.stands(self.lock_file, self._seen)
        except OSError:
            return None
        return self._seen if current else None

    def _refresh(self) -> None:
        """Open the file, if it isn't, or has changed since."""
        found = None
        seen: Any = None
        if self._locking:
            seen = self._cut_off()
            if seen is not None and (self.h5 is None or seen != self._seen):
                self._undo_crash()
                seen = self._cut_off()
                found = journal.find(self.path, self.lock_file) if seen is not None else None
            if seen is None:
                seen = seal.find(self.lock_file)
        if self.h5 is not None and seen == self._seen:
            return
        if self.h5 is not None:
            self.kept.clear()
            self.h5.close()
            self.h5 = None
        self.h5 = checked(
            self._rolled_back(found) if found else _open(self.path, self._locking),
            self.path,
            (FORMAT, DETACHED_FORMAT),
        )
        self.format = str(read_attribute(self.h5, "format"))
        self._is_rolled_back = found is not None
        self._seen = seen

    def _cut_off(self) -> tuple[str, int, int] | None:
        """What tells one left-over journal from another; None if there is none."""
        try:
            status = os.stat(journal.place(self.path))
        except OSError:
            return None
        return "journal", status.st_mtime_ns, status.st_size

    def _undo_crash(self) -> None:
        """Put back what a commit that was cut off has overwritten, where we may write."""
        if undoes_crashes and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            locks.release(self.lock_file)
            with contextlib.suppress(OSError):
                recover(self.path, WAIT_SECONDS)
            self._lock()

    def _rolled_back(self, found: journal.Journal) -> h5py.File:
        """The file as it was before the commit that was cut off, without changing it."""
        changed = {number: old for number, (old, _) in found.pages.items()}
        end = found.old_size - seal.SEAL_BYTES
        return Pages(self.lock_file, end, changed, read_only=True).open(self.path)


_handles: dict[tuple[int, int, bool], Handle] = {}
_inherited: list[Handle] = []
registry = threading.Lock()


def shared(path: Path, locking: bool) -> Handle:
    """This process's handle of a file, for one more user; the caller has the registry's lock."""
    while _inherited:
        _inherited.pop().close_files()  # the parent's; HDF5 would share its descriptors with new ones
    path = Path(os.path.realpath(path))
    status = os.stat(path)
    key = (status.st_dev, status.st_ino, locking)
    handle = _handles.get(key)
    if handle is None:
        handle = _handles[key] = Handle(path, locking)
    handle.path = path  # it may have been moved since
    handle.users += 1
    return handle


def give_back(handle: Handle) -> None:
    """Close a handle if this was its last user; the caller has the registry's lock."""
    handle.users -= 1
    if handle.users == 0:
        for key in [key for key, known in _handles.items() if known is handle]:
            del _handles[key]
        handle.close()


def _after_fork() -> None:
    global registry
    registry = threading.Lock()
    _inherited.extend(_handles.values())
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class IsDetached(InvalidArchive):
    """The file is a detached freeze, where an archive must be."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: is a detached freeze, not an archive; make it one with its base (eegarchive pack)"
        )


def checked(h5: h5py.File, path: Path, formats: Sequence[str] = (FORMAT,)) -> h5py.File:
    """Make sure that a file is an archive, and of a version we read; it is closed if not.

    Raises
    ------
    InvalidArchive, UnsupportedVersion, UnsafeArchive
    """
    try:
        if h5.userblock_size:
            raise InvalidArchive(f"{path}: has a user block; archives have none")
        stated = read_attribute(h5, "format")
        if stated == DETACHED_FORMAT not in formats:
            raise IsDetached(path)
        if stated not in formats:
            raise InvalidArchive(f"{path}: is HDF5, but not an eegarchive (no attribute format = {FORMAT!r})")
        version = str(read_attribute(h5, "format_version") or "")
        if not re.fullmatch(rf"{FORMAT_MAJOR}\.\d+", version):
            raise UnsupportedVersion(
                f"{path}: format version {guard.printable(version)!r}; "
                f"this reader knows {FORMAT_MAJOR}.x: upgrade eegarchive"
            )
    except BaseException as error:
        h5.close()
        if isinstance(error, HDF5_ERRORS) and not isinstance(error, EEGArchiveError):
            raise InvalidArchive(f"{path}: its root can't be read ({first_line(error)})") from None
        raise
    return h5


def _open(path: Path, locking: bool) -> h5py.File:
    """Open a file for reading and leave no lock of HDF5's on it: we have our own.

    HDF5 refuses to open one file twice in a process with different settings for locks, so the lock is
    taken as h5py takes it by default, and then let go; unless the program has the file open itself, by h5py.
    """
    try:
        h5 = h5py.File(path, "r", locking=None if locking else False, **CHUNK_CACHE)
    except OSError as first:
        try:
            return h5py.File(path, "r", locking=False, **CHUNK_CACHE)  # a file system without locks
        except OSError:
            raise InvalidArchive(f"{path}: isn't a readable HDF5 file ({first_line(first)})") from None
    alone = h5py.h5f.get_obj_count(h5.id, h5py.h5f.OBJ_FILE) == 1
    if alone and h5.id.get_intent() == h5py.h5f.ACC_RDONLY:
        locks.release(h5.id.get_vfd_handle())
    return h5
