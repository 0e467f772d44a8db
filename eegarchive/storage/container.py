"""An archive's HDF5 file, opened for reading: checked before it is used, and never read in the middle of an edit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py

from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive
from eegarchive.layout import DATA, FORMAT, FREEZES, SIGNALS
from eegarchive.storage import guard, handles, journal
from eegarchive.storage.handles import Handle, IsDetached, checked
from eegarchive.storage.outside import Attached, attached_freezes, own_freezes
from eegarchive.storage.samples import StoredSamples
from eegarchive.storage.transaction import Transaction

_T = TypeVar("_T")


class ArchiveFile:
    """The HDF5 file of an archive.

    What is read from it is read inside :meth:`reading`, which sees the file as the last commit left it. Safe to
    use from several threads; a forked child has a handle of its own; a pickled one is its path. Nothing but
    the file itself is ever opened: freezes that lie in other files are opened by who asks for them.

    Parameters
    ----------
    path : path-like
    locking : bool
        Keep commits out while reading; off where the caller itself holds the lock.
    """

    #: What the root's attribute `format` is, and a file whose datasets the virtual ones may show.
    _format = FORMAT
    _shows = "."

    def __init__(self, path: str | os.PathLike[str], locking: bool = True) -> None:
        self.path = Path(os.path.abspath(path))
        self._journal = str(journal.place(self.path))  # once: paths are slower than a look at the disk
        self._locking = locking
        self._closed = False
        self._handle: Handle | None = None
        try:
            with self.reading():
                pass
        except BaseException:
            self.close()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "locking": self._locking}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["locking"])  # type: ignore[misc]

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read inside: nobody commits meanwhile. May be nested.

        Raises
        ------
        EEGArchiveError
            If another program has the file open for writing, and doesn't end.
        """
        if self._closed:
            raise EEGArchiveError(f"{self.path}: the archive is closed")
        handle = self._enter()
        try:
            yield
        finally:
            handle.leave()

    def _enter(self) -> Handle:
        while True:
            handle = self._handle
            if handle is None or handle.process != os.getpid():
                with handles.registry:  # another thread may do the same
                    handle = self._handle
                    if handle is None or handle.process != os.getpid():
                        handle = self._handle = handles.shared(self.path, self._locking)
            if handle.enter():
                if handle.format == self._format:
                    return handle
                handle.leave()
                raise self._is_another_format()
            self._let_go(handle)

    def _is_another_format(self) -> EEGArchiveError:
        return IsDetached(self.path)

    def _let_go(self, handle: Handle) -> None:
        """Be no user of a handle any more, unless another thread has done that."""
        with handles.registry:
            if self._handle is handle:
                self._handle = None
                handles.give_back(handle)

    @property
    def h5(self) -> h5py.File:
        """This process's handle; for use inside `reading`."""
        if self._closed or self._handle is None:
            raise EEGArchiveError(f"{self.path}: the archive is closed")
        return self._handle.h5

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close it; further use raises."""
        handle, self._closed = self._handle, True
        if handle is not None and handle.process == os.getpid():
            self._let_go(handle)

    def cached(self, key: tuple[str, ...], make: Callable[[], _T]) -> _T:
        """What `make` gives, kept until the archive changes; for use inside `reading`."""
        assert self._handle is not None
        kept = self._handle.kept
        if key not in kept:
            kept[key] = make()
        found: _T = kept[key]
        return found

    def descriptor(self) -> int | None:
        """Of the file with the bytes that HDF5 reads; None where HDF5 sees others. For use inside `reading`.

        It is read by position, which neither threads nor forked children disturb.
        """
        assert self._handle is not None
        return self._handle.descriptor()

    def generation(self) -> Any:
        """What stands for all that was read last, as long as nothing has changed since; else None. Takes no lock.

        It lets what is kept in memory be used without :meth:`reading`, which takes longer than a look-up.
        """
        handle = self._handle
        if self._closed or handle is None or handle.process != os.getpid():
            return None
        found = handle.generation()
        return None if found is None else (id(handle), found)

    def still(self, generation: Any) -> bool:
        """Whether what was read just now without :meth:`reading` is of this generation, and of no commit.

        A commit that overwrites bytes has a journal until its seal stands.
        """
        handle = self._handle
        if generation is None or handle is None or os.path.exists(self._journal):
            return False
        return bool(self.generation() == generation)

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
            return guard.dataset_at(self.group(parent), name, may_be_virtual, base=self._shows)
        except NotInArchive as error:
            raise InvalidArchive(f"{self.path}: {error}") from None

    def stored(self, name: str) -> StoredSamples:
        """Samples of the object of /data with this name."""

        def look_up() -> StoredSamples:
            data = self.cached((DATA,), lambda: guard.group_at(self.h5, DATA))
            try:
                return StoredSamples(guard.dataset_at(data, name))
            except NotInArchive:
                raise InvalidArchive(
                    f"{self.path}: /{DATA} lacks {guard.printable(name)!r}, which a signal is made of"
                ) from None

        return self.cached((DATA, name), look_up)

    def shown(self, parent: str, name: str, data: str | None) -> h5py.Dataset:
        """What the group of signals at `parent` has under a name, for its attributes and type.

        Stored data, named `data`, that it's a link to aren't opened twice.
        """
        if data is not None:
            stored = self.stored(data).dataset
            if guard.address_at(self._signals(parent), name) == guard.address(stored):
                return stored
        return self.dataset(parent, name, may_be_virtual=True)

    def _signals(self, parent: str) -> h5py.Group:
        return self.cached((SIGNALS, parent), lambda: self.group(parent))

    @property
    def base(self) -> Path | None:
        """Where the archive is that has the rest of a detached freeze's samples; an archive has all its own."""
        return None

    @property
    def recording(self) -> ArchiveFile:
        """The file that has what came from the source: /edf and the freeze `source`; this one."""
        return self

    def own_freezes(self) -> list[str]:
        """Tags of the freezes that lie in this file."""
        return own_freezes(self.group(FREEZES))

    def attached_freezes(self) -> dict[str, Attached]:
        """The freezes that lie in detached files, by tag."""
        return attached_freezes(self.group(FREEZES))

    def states(self) -> list[str]:
        """Paths of the groups whose members are a state of this file's own; "" is the root."""
        return ["", *(f"{FREEZES}/{tag}" for tag in self.own_freezes())]


class EditedFile(ArchiveFile):
    """The file inside a transaction: what is read is what the edit has written so far."""

    def __init__(self, transaction: Transaction) -> None:
        self.path = transaction.path
        self._h5 = transaction.h5
        self._kept: dict[tuple[str, ...], Any] = {}
        self._closed = False
        checked(self._h5, self.path)

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("an archive that is being edited can't be pickled")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read inside; an edit has the file for itself."""
        if self._closed:
            raise EEGArchiveError(f"{self.path}: the edit has ended")
        yield

    @property
    def h5(self) -> h5py.File:
        """The handle to read and write by."""
        if self._closed:
            raise EEGArchiveError(f"{self.path}: the edit has ended")
        return self._h5

    def close(self) -> None:
        """Let go of everything; the transaction closes the file."""
        self._kept.clear()
        self._closed = True

    def cached(self, key: tuple[str, ...], make: Callable[[], _T]) -> _T:
        """What `make` gives, kept; data that are stored never change."""
        if key not in self._kept:
            self._kept[key] = make()
        found: _T = self._kept[key]
        return found

    def descriptor(self) -> int | None:
        """None: an edit keeps pages in memory."""
        return None

    def generation(self) -> Any:
        """None: an edit changes all the time."""
        return None

    def forget(self) -> None:
        """Forget what is kept of states, since one has been replaced."""
        self._kept = {key: value for key, value in self._kept.items() if key[0] == DATA}
