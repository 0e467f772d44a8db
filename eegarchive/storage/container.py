"""An archive's HDF5 file, opened for reading: one handle for each process, checked before it is used."""

from __future__ import annotations

import os
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
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._stored: dict[str, StoredSamples] = {}
        self._h5 = open_hdf5(self.path)
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    @property
    def h5(self) -> h5py.File:
        """This process's handle."""
        if self._closed:
            raise EEGArchiveError(f"{self.path}: the archive is closed")
        if self._process != os.getpid():
            with _reopening:
                if self._process != os.getpid():
                    self._open()
        return self._h5

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
            found = guard.group_at(found, name)
        return found

    def dataset(self, path: str) -> h5py.Dataset:
        """The dataset at `path`, checked."""
        parent, _, name = path.rpartition("/")
        return guard.dataset_at(self.group(parent), name)

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
            if dataset.is_virtual:
                raise InvalidArchive(
                    f"{self.path}: {dataset.name} is virtual; what is in /{DATA} holds samples"
                )
            found = self._stored[name] = StoredSamples(dataset)
        return found


def open_hdf5(path: Path) -> h5py.File:
    """Open an archive's HDF5 file for reading, and check that it is one and of a version we read.

    No lock is taken: an archive is only ever replaced whole.

    Raises
    ------
    InvalidArchive, UnsupportedVersion, UnsafeArchive
    FileNotFoundError, PermissionError
    """
    with open(path, "rb"):  # the system's own message where there is no such file
        pass
    try:
        h5 = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise InvalidArchive(f"{path}: isn't a readable HDF5 file ({first_line(error)})") from None
    try:
        if h5.userblock_size:
            raise InvalidArchive(f"{path}: has a user block; archives have none")
        if read_attribute(h5, "format") != FORMAT:
            raise InvalidArchive(f"{path}: is HDF5, but not an eegarchive (no attribute format = {FORMAT!r})")
        version = str(read_attribute(h5, "format_version") or "")
        if version.partition(".")[0] != str(FORMAT_MAJOR):
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
