"""The seal: a checksum over every byte of an archive, kept behind HDF5's end of file.

HDF5 checks only some of its own metadata, and no digest of contents can see unused slots of an index or
gaps between objects. The seal is one line of text after the last byte HDF5 uses. It is the sum, modulo
2**256, of SHA-256(block number, block) over blocks of 64 KiB, so that an edit that changes a few blocks
brings it up to date without reading the rest (spec I-1 to I-5).
"""

from __future__ import annotations

import hashlib
import os

from eegarchive.storage import disk

BLOCK_BYTES = 65_536
_MAGIC = b"\neegarchive-seal 1 "
SEAL_BYTES = len(_MAGIC) + 64 + 1
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK_BYTES = 48


def block_digest(number: int, block: bytes | memoryview) -> int:
    """What one block adds to the sum."""
    digest = hashlib.sha256(number.to_bytes(8, "little"))
    digest.update(block)
    return int.from_bytes(digest.digest(), "big")


def hdf5_end(descriptor: int) -> int | None:
    """Where HDF5's part of a file ends, as its superblock says; None if that can't be read.

    Offsets are those of superblocks of version 2 and 3 (HDF5 File Format Specification 3.0, II.A).
    """
    head = disk.read_at(descriptor, 0, _SUPERBLOCK_BYTES)
    if len(head) < _SUPERBLOCK_BYTES or not head.startswith(_SIGNATURE) or head[8] not in (2, 3):
        return None
    return int.from_bytes(head[28:36], "little")


def at(descriptor: int, end: int) -> str | None:
    """The digits of the seal that stands at `end`; None if there is none."""
    line = disk.read_at(descriptor, end, SEAL_BYTES)
    if len(line) != SEAL_BYTES or not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        return None
    return line[len(_MAGIC) : -1].decode("ascii", "replace")


def stands(descriptor: int, found: tuple[int, str] | None) -> bool:
    """Whether what :meth:`find` gave before is still there."""
    return found is not None and hdf5_end(descriptor) == found[0] and at(descriptor, found[0]) == found[1]


def find(descriptor: int) -> tuple[int, str] | None:
    """Where a file's seal stands, and its digits; None if there is none.

    That is where HDF5's part ends, since an edit that is under way, or was cut off, has bytes behind it; in a
    damaged file, whose superblock says something else, it is the file's end.
    """
    for end in (hdf5_end(descriptor), os.fstat(descriptor).st_size - SEAL_BYTES):
        digits = at(descriptor, end) if end is not None and end >= 0 else None
        if end is not None and digits is not None:
            return end, digits
    return None


def compute(path: str | os.PathLike[str], size: int) -> str:
    """The seal's 64 hexadecimal digits over the first `size` bytes of a file."""
    with open(path, "rb", buffering=0) as file:
        descriptor = file.fileno()

        def read(number: int) -> bytes:
            return disk.read_at(
                descriptor, number * BLOCK_BYTES, min(BLOCK_BYTES, size - number * BLOCK_BYTES)
            )

        return digits_of(sum(block_digest(number, read(number)) for number in range(-(-size // BLOCK_BYTES))))


def digits_of(total: int) -> str:
    """A sum of block digests as the seal writes it."""
    return f"{total % 2**256:064x}"


def line(digits: str) -> bytes:
    """The seal itself."""
    return _MAGIC + digits.encode("ascii") + b"\n"


def append(path: str | os.PathLike[str], digits: str | None = None) -> None:
    """Seal a finished HDF5 file, with the digits that `compute` gave for it if that was done already."""
    found = digits or compute(path, os.path.getsize(path))
    with open(path, "ab") as file:
        file.write(line(found))


def is_intact(path: str | os.PathLike[str]) -> bool | None:
    """Whether every byte is what it was when the file was sealed; None if there is no seal."""
    with open(path, "rb", buffering=0) as file:
        stated = find(file.fileno())
    return None if stated is None else stated[1] == compute(path, stated[0])
