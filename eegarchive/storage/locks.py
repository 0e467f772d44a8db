"""Locks between processes: `flock` on the archive itself, which HDF5 respects too, and one for writers beside it.

A reader holds the archive's lock, shared, for the length of a call. A writer holds the writers' lock for
the whole edit, the archive's lock shared meanwhile, and exclusively for the commit. Since `flock` prefers
whoever comes while others read, a commit announces itself in the writers' lock, and readers give way.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eegarchive.errors import EEGArchiveError
from eegarchive.provenance import now
from eegarchive.storage import disk

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: How long an edit waits for another writer, or at its end for readers that other programs are.
EDIT_WAIT_SECONDS = 30.0
_LOCK_SUFFIX = "-lock"
_COMMIT_WAITS = b"\ncommit\n"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.000_2, 0.02


class Locked(EEGArchiveError, TimeoutError):
    """Another process had the archive for longer than the time-out; the message says which."""


def acquire(descriptor: int, exclusive: bool, timeout: float) -> bool:
    """Take a lock on an open file, waiting up to `timeout` seconds; whether it was had.

    Where the file system has no locks (some network ones), that counts as had.
    """
    if fcntl is None:
        return True
    kind = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
    until, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, kind)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        except OSError:
            return True
        else:
            return True


def release(descriptor: int) -> None:
    """Let go of a lock."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def close(descriptor: int, process: int) -> None:
    """Close a file that a process has locked, and let go of the lock; a forked child shares it and doesn't.

    Closing alone would leave the lock with children that were forked meanwhile.
    """
    if os.getpid() == process:
        release(descriptor)
    os.close(descriptor)


def same_file(descriptor: int, path: Path) -> bool:
    """Whether `path` is the open file, not one that took its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def claim(path: Path, timeout: float = 0.0) -> int | None:
    """Open (or make) a file and lock it exclusively; its descriptor, or None if another process has it.

    The lock ends with the descriptor.
    """
    until = time.monotonic() + timeout
    while True:
        descriptor = disk.open_or_create(path)
        if not acquire(descriptor, True, max(0.0, until - time.monotonic())):
            os.close(descriptor)
            return None
        if same_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # its owner renamed or removed it while we waited: try again


@contextmanager
def only_writer(archive: Path, timeout: float) -> Iterator[None]:
    """Keep other writers out; `<archive>-lock` says who we are.

    Raises
    ------
    Locked
        If another writer is still there after `timeout` seconds.
    """
    path = archive.with_name(archive.name + _LOCK_SUFFIX)
    descriptor = claim(path, timeout)
    if descriptor is None:
        raise Locked(f"{archive}: is being edited by {_holder(path)}; try again when it is done")
    process = os.getpid()
    try:
        me = {"process": process, "host": socket.gethostname(), "since": now(), "command": sys.argv[:1]}
        with suppress(OSError):  # a full disk: what it says is only for people
            disk.resize(descriptor, 0)
            disk.write_at(descriptor, 0, json.dumps(me).encode())
        yield
    finally:
        try:
            with suppress(OSError):  # one that is left over and isn't locked keeps nobody out
                if os.getpid() == process:
                    disk.remove(path)
        finally:
            close(descriptor, process)


def has_writer(archive: Path) -> bool:
    """Whether somebody edits an archive now."""
    try:
        descriptor = disk.open_beside(archive.with_name(archive.name + _LOCK_SUFFIX))
    except OSError:
        return False
    try:
        return not acquire(descriptor, False, 0.0)
    finally:
        os.close(descriptor)


def announce_commit(archive: Path) -> None:
    """Ask readers to give way: several that take turns would keep the archive's lock for ever."""
    with suppress(OSError):
        descriptor = disk.open_existing(archive.with_name(archive.name + _LOCK_SUFFIX))
        try:
            disk.write_at(descriptor, os.fstat(descriptor).st_size, _COMMIT_WAITS)
        finally:
            os.close(descriptor)


def waiting_commit(archive: Path) -> tuple[int, int] | None:
    """What tells the commit that waits for readers now from others; None if there is none."""
    path = archive.with_name(archive.name + _LOCK_SUFFIX)
    try:
        descriptor = disk.open_beside(path)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        end = disk.read_at(descriptor, max(0, status.st_size - len(_COMMIT_WAITS)), len(_COMMIT_WAITS))
    finally:
        os.close(descriptor)
    if end != _COMMIT_WAITS or not has_writer(archive):
        return None
    return status.st_ino, status.st_mtime_ns


def _holder(path: Path) -> str:
    """What the writers' lock says of its holder."""
    try:
        descriptor = disk.open_beside(path)
        try:
            stated = json.loads(disk.read_at(descriptor, 0, 4096).partition(b"\n")[0])
        finally:
            os.close(descriptor)
        return f"process {int(stated['process'])} on {str(stated['host'])!r} since {str(stated['since'])!r}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"


def readers(descriptor: int) -> str:
    """Who holds a lock on an open file, as far as the system tells (Linux)."""
    try:
        status = os.fstat(descriptor)
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return "another program"
    found = []
    for words in lines:
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == device:
            with suppress(OSError):
                found.append(f"{Path(f'/proc/{words[4]}/comm').read_text().strip()} (process {words[4]})")
    return ", ".join(found) or "another program"
