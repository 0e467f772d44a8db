"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from eegarchive.errors import EEGArchiveError, TargetExists
from eegarchive.storage import disk, locks


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
    lock = locks.claim(temporary)
    if lock is None:
        raise EEGArchiveError(f"{target}: another process is writing it now; wait for it to end")
    try:
        disk.resize(lock, 0)
        yield temporary
        with open(temporary, "rb+") as file:
            disk.sync(file.fileno())
        if overwrite:
            disk.rename(temporary, target)
        else:
            rename_new(temporary, target)
        disk.sync_folder(target.parent)
    except BaseException as error:
        disk.remove(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(target)  # a full disk doesn't say which file it was
        raise
    finally:
        os.close(lock)


def rename_new(temporary: Path, target: Path) -> None:
    """Rename without ever replacing: a hard link fails where the target has appeared meanwhile."""
    try:
        disk.link(temporary, target)
    except FileExistsError:
        raise TargetExists(f"{target}: appeared while it was being written; nothing was replaced") from None
    except OSError:  # a file system without hard links
        refuse_existing(target, overwrite=False)
        disk.rename(temporary, target)
        return
    disk.remove(temporary)


@contextlib.contextmanager
def named_failures(target: Path) -> Iterator[None]:
    """Turn what HDF5 says of a failed write (a full disk, for one) into a line about the target."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = re.search(r"error message = '([^']+)'", str(error))
        if reason is None:
            raise
        raise EEGArchiveError(f"{target}: {reason[1]} while it was written; nothing was kept") from None


def drop_from_memory(path: Path) -> None:
    """Ask the system to forget its copy of a (synced) file, so that the next read is from disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
