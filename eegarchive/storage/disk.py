"""Every step that a change takes on the disk, each a function of this module.

All that makes, changes or removes a file by our own hand goes through here and is called as `disk.NAME`, so
that a test can break off before, inside and after each step.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)
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


def open_existing(path: Path) -> int:
    """Open a file to read and write it."""
    return os.open(path, os.O_RDWR | _BINARY)


def open_or_create(path: Path) -> int:
    """Open a file to read and write it; an empty one where there is none."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)


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
