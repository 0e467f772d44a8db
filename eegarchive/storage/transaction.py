"""All or nothing: HDF5 works on pages in memory, and a commit brings them to the disk with a way back.

Spec J says what a commit does, step by step, and what the next one to open the file does after a crash.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.storage import disk, journal, locks, seal
from eegarchive.storage.damage import HDF5_ERRORS, first_line
from eegarchive.storage.journal import Journal
from eegarchive.storage.locks import Locked
from eegarchive.storage.pages import PAGE_BYTES, Pages
from eegarchive.storage.workers import spread

#: Blocks of the seal that a thread takes at a time.
_BATCH = 32


class Transaction:
    """A change of an archive under way; made by :func:`begin`.

    Attributes
    ----------
    path : Path
    h5 : h5py.File
        The archive, to be read and written; nothing reaches the disk's old part before the commit.
    """

    def __init__(self, path: Path, descriptor: int, timeout: float) -> None:
        self.path = path
        self._descriptor = descriptor
        self._timeout = timeout
        self._process = os.getpid()
        stated = seal.find(descriptor)
        if stated is None or stated[0] != seal.hdf5_end(descriptor):
            raise InvalidArchive(
                f"{path}: has no seal: it was damaged or rewritten by another program; run `eegarchive verify`, "
                "and if the contents are whole, `eegarchive compact`, which seals it again"
            )
        self._old_end, self._old_digits = stated
        self._old_size = self._old_end + seal.SEAL_BYTES
        journal.cut_tail(descriptor, self._old_size)
        self._pages = Pages(descriptor, self._old_end)
        #: How long the file is with all that is new; None until that has reached the disk.
        self._whole_size: int | None = None
        try:
            self.h5 = self._pages.open(path)
        except HDF5_ERRORS as error:
            self.check()
            raise InvalidArchive(f"{path}: isn't a readable HDF5 file ({first_line(error)})") from None

    def check(self) -> None:
        """Raise what went wrong on the disk since; HDF5 itself can't be told.

        Raises
        ------
        OSError
            For one, if the disk is full.
        """
        failure = self._pages.failure
        if failure is None:
            return
        if isinstance(failure, OSError) and failure.errno:  # a new one: what HDF5 made of it hangs on to it
            raise OSError(failure.errno, failure.strerror, str(self.path)) from None
        raise failure

    @contextlib.contextmanager
    def _stop_between_calls(self) -> Iterator[None]:
        """Let Ctrl-C end the edit, and keep it out of HDF5's calls to us: there it only marks the edit as failed.

        It does so everywhere, since Python itself loses one that comes in a weak reference's callback.
        """
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self._pages.failure = self._pages.failure or KeyboardInterrupt()
            while frame is not None:
                if frame.f_code in _CALLED_BY_HDF5:
                    return
                frame = frame.f_back
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _abort(self) -> None:
        """Forget everything; the file is what it was."""
        self._pages.discard()
        if os.getpid() != self._process:  # a forked child: the file is its parent's
            return
        with contextlib.suppress(*HDF5_ERRORS):
            self.h5.close()
        with contextlib.suppress(OSError):  # then the next edit cuts it off
            if self._whole_size is None or (
                locks.acquire(self._descriptor, False, 0.0) and self._is_untouched()
            ):
                journal.cut_tail(self._descriptor, self._old_size)

    def _commit(self) -> None:
        """Bring the changes to the disk.

        Raises
        ------
        OSError, Locked
            If that fails or a reader doesn't let go; the file is what it was.
        """
        try:
            if os.getpid() != self._process:
                raise EEGArchiveError(
                    f"{self.path}: an edit ends in the process that it began in, not in a fork"
                )
            if not self._write_tail():
                return
            self._keep_readers_out()
            kept = Journal(self._old_size, self._pages.size, self._pages_to_keep(self._pages.size))
        except BaseException:
            self._abort()
            raise
        self._overwrite(kept)

    def _write_tail(self) -> bool:
        """Bring all that is new behind the file's old part, where nobody looks; whether there is anything new."""
        pages = self._pages
        try:
            self.h5.close()
        except HDF5_ERRORS:
            self.check()
            raise
        self.check()
        pages.drop_unchanged()
        end = pages.size
        if not pages.changed and (end, pages.written) == (self._old_end, pages.kept):
            return False
        pages.seek(end)
        pages.write(memoryview(seal.line(self._new_digits(end))))
        disk.sync(self._descriptor)
        self.check()
        self._whole_size = os.fstat(self._descriptor).st_size
        return True

    def _keep_readers_out(self) -> None:
        """Take the archive's lock for ourselves.

        While we wait for it we have none: the system takes the shared one away first.
        """
        locks.announce_commit(self.path)
        if not locks.acquire(self._descriptor, True, self._timeout):
            raise Locked(
                f"{self.path}: is open for reading in {locks.readers(self._descriptor)}; close it and try again. "
                "Nothing was changed"
            )
        if not locks.same_file(self._descriptor, self.path) or not self._is_untouched():
            raise EEGArchiveError(f"{self.path}: was changed by another program meanwhile; nothing was done")

    def _is_untouched(self) -> bool:
        """Whether nobody else wrote to the file: any HDF5 program would have cut off what is behind its end."""
        return os.fstat(self._descriptor).st_size == self._whole_size and seal.find(self._descriptor) == (
            self._old_end,
            self._old_digits,
        )

    def _new_digits(self, end: int) -> str:
        """The seal as it will be: the blocks that change are exchanged in the sum."""
        size, per_block = seal.BLOCK_BYTES, seal.BLOCK_BYTES // PAGE_BYTES
        touched = {number // per_block for number in self._pages.changed}
        touched.update(range(min(end, self._old_end) // size, -(-max(end, self._old_end) // size)))

        def difference(number: int) -> int:
            at, found = number * size, 0
            if at < self._old_end:
                found -= seal.block_digest(
                    number, disk.read_at(self._descriptor, at, min(size, self._old_end - at))
                )
            if at < end:
                found += seal.block_digest(number, self._pages.block(at, min(size, end - at)))
            return found

        numbers = sorted(touched)
        batches = (numbers[i : i + _BATCH] for i in range(0, len(numbers), _BATCH))
        changes = spread(lambda batch: sum(map(difference, batch)), batches)
        return seal.digits_of(int(self._old_digits, 16) + sum(changes))

    def _overwrite(self, kept: Journal) -> None:
        """The commit proper, with the lock that keeps all readers out."""
        has_way_back = False
        try:
            journal.write(self.path, kept)
            has_way_back = True
            for number, (_, new) in kept.pages.items():
                at = number * PAGE_BYTES
                disk.write_at(self._descriptor, at, new[: max(0, min(PAGE_BYTES, kept.new_size - at))])
            disk.resize(self._descriptor, kept.new_size)
            disk.sync(self._descriptor)
            journal.remove(self.path)
        except BaseException as error:
            if has_way_back and not journal.place(self.path).exists():
                if isinstance(error, OSError):
                    return
                raise  # too late: it is done, and there is nothing to undo it with
            self._undo(kept, error)
            raise

    def _undo(self, kept: Journal, error: BaseException) -> None:
        """Put back what a commit that failed has overwritten."""
        try:
            kept.put_back(self._descriptor)
            journal.remove(self.path)
        except OSError as second:
            raise EEGArchiveError(
                f"{self.path}: the edit failed ({error}) and can't be undone now ({second}); keep "
                f"{journal.place(self.path).name} beside it: the next command that opens the archive undoes it"
            ) from None

    def _pages_to_keep(self, new_size: int) -> dict[int, tuple[bytes, bytes]]:
        """Pages of the old file that change or are cut off, as they were and as they will be."""
        pages = self._pages
        numbers = set(pages.changed)
        numbers.update(range(new_size // PAGE_BYTES, -(-self._old_size // PAGE_BYTES)))
        found = {}
        for number in sorted(numbers):
            at = number * PAGE_BYTES
            old = disk.read_at(self._descriptor, at, max(0, min(PAGE_BYTES, self._old_size - at)))
            new = pages.block(at, max(0, min(PAGE_BYTES, new_size - at)))
            found[number] = (old.ljust(PAGE_BYTES, b"\0"), new.ljust(PAGE_BYTES, b"\0"))
        return found


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors of the system say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def _codes() -> frozenset[CodeType]:
    """The code of what HDF5 calls in the middle of its work."""
    methods: list[Any] = [Pages.seek, Pages.tell, Pages.flush, Pages.truncate, Pages.readinto, Pages.write]
    return frozenset(method.__code__ for method in methods)


_CALLED_BY_HDF5 = _codes()


@contextlib.contextmanager
def begin(path: Path, timeout: float) -> Iterator[Transaction]:
    """Change an archive: committed at the end of the `with` block, undone if it raises.

    Parameters
    ----------
    path : Path
    timeout : float
        How many seconds to wait for another writer to end, and at the commit for readers.

    Raises
    ------
    Locked
        If it takes longer.
    InvalidArchive
        If the file has no seal, or isn't HDF5.
    """
    with locked(path, timeout) as descriptor:
        with _naming(path):
            transaction = Transaction(path, descriptor, timeout)
        with transaction._stop_between_calls():
            try:
                yield transaction
                transaction.check()
            except BaseException:
                transaction._abort()
                transaction.check()  # what HDF5 made of a failure of the disk says nothing
                raise
            with _naming(path):
                transaction._commit()


def recover(path: Path, timeout: float) -> None:
    """Undo what a crash left half done, where there is no live writer.

    Raises
    ------
    PermissionError
        If the file or its folder may not be written.
    """
    with locked(path, timeout) as descriptor:
        end = seal.hdf5_end(descriptor)
        if end is not None and seal.at(descriptor, end) is not None:
            journal.cut_tail(descriptor, end + seal.SEAL_BYTES)


@contextlib.contextmanager
def locked(path: Path, timeout: float) -> Iterator[int]:
    """The archive, open for writing: other writers are kept out, and a crash of the last one is undone."""
    disk.must_be_file(path)
    with open(path, "rb"):  # the system's own message where it may not be read
        pass
    with locks.only_writer(path, timeout):
        descriptor, process = disk.open_existing(path), os.getpid()
        try:
            with _naming(path):
                _make_whole(path, descriptor, timeout)
            yield descriptor
        finally:
            locks.close(descriptor, process)


def _make_whole(path: Path, descriptor: int, timeout: float) -> None:
    """Lock an archive, shared, and undo a commit that was cut off."""
    if not locks.acquire(descriptor, False, timeout):
        raise Locked(f"{path}: is open for writing in {locks.readers(descriptor)}; close it and try again")
    if journal.place(path).exists():
        if not locks.acquire(descriptor, True, timeout):
            raise Locked(
                f"{path}: is open for reading in {locks.readers(descriptor)}; close it and try again"
            )
        journal.recover(path, descriptor)
        locks.acquire(descriptor, False, timeout)
