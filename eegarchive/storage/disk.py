"""Every step that a change takes on the disk, each a function of this module.

All that makes, changes or removes a file by our own hand goes through here and is called as `disk.NAME`, so
that a test can break off before, inside and after each step.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from pathlib import Path

from eegarchive.errors import EEGArchiveError

_BINARY = getattr(os, "O_BINARY", 0)
#: A link laid beside an archive isn't followed, and a pipe doesn't keep us waiting.
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_moving = threading.Lock()


def _read(descriptor: int, count: int, offset: int) -> bytes:
    """`os.pread`, for Windows too."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    with _moving:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


def _write(descriptor: int, data: memoryview, offset: int) -> int:
    """`os.pwrite`, for Windows too."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _moving:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


def read_at(descriptor: int, offset: int, count: int) -> bytes:
    """Up to `count` bytes from `offset`; fewer only at the file's end."""
    parts = []
    while count > 0:
        part = _read(descriptor, count, offset)
        if not part:
            break
        parts.append(part)
        offset, count = offset + len(part), count - len(part)
    return b"".join(parts)


def write_at(descriptor: int, offset: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data` at `offset`."""
    view = memoryview(data).cast("B")
    while view:
        done = _write(descriptor, view, offset)
        offset, view = offset + done, view[done:]


def resize(descriptor: int, size: int) -> None:
    """Cut a file off, or lengthen it by zeros."""
    os.ftruncate(descriptor, size)


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    os.fsync(descriptor)


def must_be_file(path: str | os.PathLike[str]) -> None:
    """Make sure that a path leads to a file before it is opened: opening a pipe waits for ever.

    Raises
    ------
    EEGArchiveError
        If it leads to anything else.
    FileNotFoundError, IsADirectoryError
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise EEGArchiveError(f"{os.fspath(path)}: isn't a file")


def open_existing(path: Path) -> int:
    """Open a file to read and write it."""
    return os.open(path, os.O_RDWR | _BINARY)


def open_beside(path: Path) -> int:
    """Open a file of ours beside an archive to read it, which somebody else may have laid there.

    Raises
    ------
    OSError
        If it is anything but a file: a link, a pipe, a device.
    """
    descriptor = os.open(path, os.O_RDONLY | _PLAIN | _BINARY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "isn't a regular file", str(path))
    return descriptor


def open_or_create(path: Path) -> int:
    """Open a file of ours to read and write it; an empty one where there is none.

    A link or pipe of that name, and another name of some other file, is removed first: what we write, or cut
    off, must be ours.
    """
    flags = os.O_RDWR | os.O_CREAT | _BINARY
    try:
        descriptor = os.open(path, flags | _PLAIN, 0o666)
    except OSError as error:
        if not os.path.islink(path) or error.errno == errno.EACCES:
            raise
    else:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            return descriptor
        os.close(descriptor)
    os.unlink(path)
    return os.open(path, flags | os.O_EXCL, 0o666)


def create(path: Path) -> int:
    """Make a new file; its descriptor can read and write."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)


def rename(old: Path, new: Path) -> None:
    """Give a file another name, whatever had that name before."""
    os.replace(old, new)


def link(old: Path, new: Path) -> None:
    """Give a file a further name; fails where there is a file of that name."""
    os.link(old, new)


def remove(path: Path) -> None:
    """Remove a file; none of that name is as well."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power failure."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows has no descriptors of folders
        return
    try:
        with contextlib.suppress(OSError):  # some network file systems can't
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
