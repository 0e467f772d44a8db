"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from eegarchive.errors import EEGArchiveError, TargetExists

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def refuse_same(source: Path, target: Path) -> None:
    """Raise if writing `target` would replace the file it is made from."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samefile(source, target):
            raise EEGArchiveError(f"{target}: is the input itself; give another name")


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise if the target is there and may not be replaced."""
    if not overwrite and os.path.lexists(target):
        raise TargetExists(f"{target}: exists already; give another name, or overwrite (--overwrite)")


@contextlib.contextmanager
def new_file(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is synced and gets the name.

    On any exception the temporary file goes and the target stays what it was. A file left by a process
    that was killed is taken over; one that another process is writing isn't.

    Raises
    ------
    TargetExists
        If the target is there (at the start or at the end) and `overwrite` isn't set.
    """
    target = Path(os.path.realpath(target)) if overwrite else target
    refuse_existing(target, overwrite)
    temporary = target.with_name(f".{target.name}.partial")
    lock = _claim(temporary, target)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _rename_new(temporary, target)
        sync_folder(target.parent)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(target)  # a full disk doesn't say which file it was
        raise
    finally:
        os.close(lock)


def _claim(temporary: Path, target: Path) -> int:
    """Create (or take over) the temporary file, emptied and locked; the lock ends with the descriptor."""
    while True:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            if _same_file(descriptor, temporary):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise EEGArchiveError(
                f"{target}: another process is writing it now; wait for it to end"
            ) from None
        os.close(descriptor)  # its owner renamed it while we waited for the lock: try again


def _lock(descriptor: int) -> None:
    """Lock without waiting; where the file system (or Windows) has no such locks, go on without."""
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _rename_new(temporary: Path, target: Path) -> None:
    """Rename without ever replacing: a hard link fails where the target has appeared meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise TargetExists(f"{target}: appeared while it was being written; nothing was replaced") from None
    except OSError:  # a file system without hard links
        refuse_existing(target, overwrite=False)
        os.rename(temporary, target)
        return
    os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems can't
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_from_memory(path: Path) -> None:
    """Ask the system to forget its copy of a (synced) file, so that the next read is from disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
