"""An archive's HDF5 file, opened for reading: one handle for each process, checked before it is used."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import Any

import h5py

from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive, UnsupportedVersion
from eegarchive.layout import DATA, FORMAT, FORMAT_MAJOR
from eegarchive.storage import guard
from eegarchive.storage.damage import HDF5_ERRORS, first_line
from eegarchive.storage.objects import read_attribute
from eegarchive.storage.samples import StoredSamples

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: HDF5's chunk cache for each dataset: one chunk or two. By default it keeps 8 MB, for each of hundreds of signals.
_CACHE = {"rdcc_nbytes": 65_536, "rdcc_nslots": 11}

_reopening = threading.Lock()


def _new_lock() -> None:
    global _reopening
    _reopening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


class ArchiveFile:
    """The HDF5 file of an archive.

    Safe to use from several threads; a forked child opens its own handle on first use; a pickled one
    is its path. Nothing but the file itself is ever opened.

    Parameters
    ----------
    path : path-like
    locking : bool
        Refuse a file that another program is writing; off where the caller itself holds the lock.
    """

    def __init__(self, path: str | os.PathLike[str], locking: bool = True) -> None:
        self.path = Path(os.path.abspath(path))
        self._locking = locking
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._stored: dict[str, StoredSamples] = {}
        self._h5 = open_hdf5(self.path, self._locking)
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "locking": self._locking}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["locking"])  # type: ignore[misc]

    @property
    def h5(self) -> h5py.File:
        """This process's handle."""
        if self._closed:
            raise EEGArchiveError(f"{self.path}: the archive is closed")
        if self._process != os.getpid():
            with _reopening:
                if self._process != os.getpid():
                    self._h5.close()  # the parent's; HDF5 would share its descriptor with the new one
                    self._open()
        return self._h5

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close this process's handle; further use raises."""
        self._closed = True
        self._stored.clear()
        if self._process == os.getpid():
            self._h5.close()

    def group(self, path: str) -> h5py.Group:
        """The group at `path`, each link on the way checked; "" is the root."""
        found: h5py.Group = self.h5
        for name in path.split("/") if path else ():
            try:
                found = guard.group_at(found, name)
            except NotInArchive as error:
                raise InvalidArchive(f"{self.path}: {error}") from None
        return found

    def dataset(self, parent: str, name: str, may_be_virtual: bool = False) -> h5py.Dataset:
        """A dataset of the group at `parent`, checked; a virtual one only for a caller that won't read it."""
        try:
            return guard.dataset_at(self.group(parent), name, may_be_virtual)
        except NotInArchive as error:
            raise InvalidArchive(f"{self.path}: {error}") from None

    def stored(self, name: str) -> StoredSamples:
        """Samples of the object of /data with this name."""
        h5 = self.h5
        found = self._stored.get(name)
        if found is None:
            try:
                dataset = guard.dataset_at(guard.group_at(h5, DATA), name)
            except NotInArchive:
                raise InvalidArchive(
                    f"{self.path}: /{DATA} lacks {guard.printable(name)!r}, which a signal is made of"
                ) from None
            found = self._stored[name] = StoredSamples(dataset)
        return found


def open_hdf5(path: Path, locking: bool = True) -> h5py.File:
    """Open an archive's HDF5 file for reading, and check that it is one and of a version we read.

    Raises
    ------
    InvalidArchive, UnsupportedVersion, UnsafeArchive
    EEGArchiveError
        If another program has the file open for writing.
    FileNotFoundError, PermissionError
    """
    with open(path, "rb"):  # the system's own message where there is no such file
        pass
    h5 = _open_unlocked(path, locking)
    try:
        if h5.userblock_size:
            raise InvalidArchive(f"{path}: has a user block; archives have none")
        if read_attribute(h5, "format") != FORMAT:
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


def _open_unlocked(path: Path, locking: bool) -> h5py.File:
    """Open a file for reading and hold no lock on it, so that an open archive keeps no writer waiting.

    HDF5 refuses to open one file twice in a process with different settings for locks, so the lock is
    taken as h5py takes it by default, and then let go.
    """
    try:
        h5 = h5py.File(path, "r", locking=None if locking else False, **_CACHE)
    except BlockingIOError:
        raise EEGArchiveError(
            f"{path}: another program has it open for writing; try again when it is done"
        ) from None
    except OSError as first:
        try:
            return h5py.File(path, "r", locking=False, **_CACHE)  # a file system without locks
        except OSError:
            raise InvalidArchive(f"{path}: isn't a readable HDF5 file ({first_line(first)})") from None
    if fcntl is not None and h5.id.get_intent() == h5py.h5f.ACC_RDONLY:
        with contextlib.suppress(OSError):
            fcntl.flock(h5.id.get_vfd_handle(), fcntl.LOCK_UN)
    return h5
