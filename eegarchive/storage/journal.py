"""The journal beside an archive: what the commit of an edit is about to overwrite, to be put back after a crash.

It is written and synced before the first byte of the archive is overwritten, and removed when the last is
safe. So whoever finds one finds a commit that was cut off (spec J-4 to J-8).
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from eegarchive.errors import InvalidArchive, OddInput
from eegarchive.storage import disk, seal
from eegarchive.storage.pages import PAGE_BYTES, is_mixture

_MAGIC = b"eegarchive-journal 1\n"
_HEADER = struct.Struct("<QQQ")
_NUMBER = struct.Struct("<Q")
_SUFFIX = "-journal"
_FOREIGN_SUFFIX = "-journal.foreign"


@dataclass(frozen=True)
class Journal:
    """A commit's way back.

    Attributes
    ----------
    old_size, new_size : int
        The archive's bytes before and after, seal included.
    pages : dict
        By number, each page that the commit overwrites or cuts off: as it was, and as it will be; of
        `PAGE_BYTES` each, with zeros behind the file's end.
    """

    old_size: int
    new_size: int
    pages: dict[int, tuple[bytes, bytes]]

    def encode(self) -> bytes:
        """The journal's bytes, with their SHA-256 at the end."""
        parts = [_MAGIC, _HEADER.pack(self.old_size, self.new_size, len(self.pages))]
        for number in sorted(self.pages):
            parts += [_NUMBER.pack(number), *self.pages[number]]
        raw = b"".join(parts)
        return raw + hashlib.sha256(raw).digest()

    @classmethod
    def decode(cls, raw: bytes) -> Journal | None:
        """Read a journal; None if it isn't whole."""
        body, stated = raw[:-32], raw[-32:]
        first = len(_MAGIC) + _HEADER.size
        if not body.startswith(_MAGIC) or len(body) < first or hashlib.sha256(body).digest() != stated:
            return None
        old_size, new_size, count = _HEADER.unpack_from(body, len(_MAGIC))
        width = _NUMBER.size + 2 * PAGE_BYTES
        if len(body) != first + count * width or min(old_size, new_size) < seal.SEAL_BYTES:
            return None
        last = (max(old_size, new_size) - 1) // PAGE_BYTES
        pages: dict[int, tuple[bytes, bytes]] = {}
        for at in range(first, len(body), width):
            (number,) = _NUMBER.unpack_from(body, at)
            at += _NUMBER.size
            if number > last or number in pages:
                return None
            pages[number] = (body[at : at + PAGE_BYTES], body[at + PAGE_BYTES : at + 2 * PAGE_BYTES])
        return cls(old_size, new_size, pages)

    def belongs_to(self, descriptor: int) -> bool:
        """Whether a file can be what the cut-off commit left: each byte old or new, and none missing."""
        size = os.fstat(descriptor).st_size
        lacking = range(size // PAGE_BYTES, -(-self.old_size // PAGE_BYTES))
        if size < min(self.old_size, self.new_size) or len(lacking) > len(self.pages):
            return False
        return all(number in self.pages for number in lacking) and all(
            is_mixture(disk.read_at(descriptor, number * PAGE_BYTES, PAGE_BYTES), old, new)
            for number, (old, new) in self.pages.items()
        )

    def put_back(self, descriptor: int) -> None:
        """Make the file what it was before the commit, and wait until it is on the disk."""
        for number, (old, _) in self.pages.items():
            at = number * PAGE_BYTES
            disk.write_at(descriptor, at, old[: max(0, min(PAGE_BYTES, self.old_size - at))])
        disk.resize(descriptor, self.old_size)
        disk.sync(descriptor)


def place(archive: Path) -> Path:
    """Where an archive's journal lies."""
    return archive.with_name(archive.name + _SUFFIX)


def write(archive: Path, journal: Journal) -> None:
    """Write an archive's journal, and wait until it is on the disk."""
    descriptor = disk.create(place(archive))
    try:
        disk.write_at(descriptor, 0, journal.encode())
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    disk.sync_folder(archive.parent)


def remove(archive: Path) -> None:
    """The commit is done, or undone: no way back is needed."""
    disk.remove(place(archive))
    disk.sync_folder(archive.parent)


def _read(path: Path) -> Journal | None:
    """The journal at a path; None if it isn't whole, or no file.

    Raises
    ------
    FileNotFoundError, PermissionError
    """
    try:
        descriptor = disk.open_beside(path)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:
        return None
    try:
        size, first = os.fstat(descriptor).st_size, len(_MAGIC) + _HEADER.size
        head = disk.read_at(descriptor, 0, first)
        if len(head) < first or not head.startswith(_MAGIC):
            return None
        count = _HEADER.unpack_from(head, len(_MAGIC))[2]
        if size != first + count * (_NUMBER.size + 2 * PAGE_BYTES) + 32:
            return None  # before anything of that size is read
        return Journal.decode(disk.read_at(descriptor, 0, size))
    except MemoryError:
        raise InvalidArchive(f"{path}: a journal of {size} bytes doesn't fit into memory") from None
    finally:
        os.close(descriptor)


def find(archive: Path, descriptor: int) -> Journal | None:
    """The journal of a commit of this very file that was cut off, for who may not put it back.

    Raises
    ------
    InvalidArchive
        If the journal can't help, and the archive isn't whole without it.
    """
    try:
        journal = _read(place(archive))
    except FileNotFoundError:
        return None
    if journal is not None and journal.belongs_to(descriptor):
        return journal
    if not seal.is_intact(archive):
        what = "isn't whole" if journal is None else "is of another file or of another time"
        raise InvalidArchive(
            f"{archive}: an edit was cut off, or the file is damaged, and the journal beside it, "
            f"{place(archive).name}, {what}; restore the archive from a copy"
        )
    return None


def recover(archive: Path, descriptor: int) -> None:
    """Undo a commit that was cut off, if there was one; the caller has the archive's lock exclusively.

    Raises
    ------
    InvalidArchive
        If the journal can't help, and the archive isn't whole without it; nothing is changed then.

    Warns
    -----
    OddInput
        If there is a journal of another file; it is kept under another name.
    """
    if not os.path.lexists(place(archive)):
        return
    journal = find(archive, descriptor)
    if journal is not None:
        journal.put_back(descriptor)
    elif _read(place(archive)) is not None:
        aside = archive.with_name(archive.name + _FOREIGN_SUFFIX)
        disk.rename(place(archive), aside)
        disk.sync_folder(archive.parent)
        warnings.warn(
            f"{archive}: the journal beside it is of another file or of another time; it is now {aside.name}",
            OddInput,
            stacklevel=2,
        )
        return
    remove(archive)


def cut_tail(descriptor: int, size: int) -> None:
    """Cut off what an edit that never came to its commit wrote behind the archive's end."""
    if os.fstat(descriptor).st_size > size:
        disk.resize(descriptor, size)
        with suppress(OSError):
            disk.sync(descriptor)
