"""The seal: a checksum over every byte of an archive, kept behind HDF5's end of file.

HDF5 checks only some of its own metadata, and no digest of contents can see unused slots of an index or
gaps between objects. The seal is one line of text after the last byte HDF5 uses. It is the sum, modulo
2**256, of SHA-256(block number, block) over blocks of 64 KiB, so that an edit that changes a few blocks
brings it up to date without reading the rest (spec I-1 to I-5).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BLOCK_BYTES = 65_536
_MAGIC = b"\neegarchive-seal 1 "
SEAL_BYTES = len(_MAGIC) + 64 + 1


def block_digest(number: int, block: bytes | memoryview) -> int:
    """What one block adds to the sum."""
    digest = hashlib.sha256(number.to_bytes(8, "little"))
    digest.update(block)
    return int.from_bytes(digest.digest(), "big")


def compute(path: str | os.PathLike[str], size: int) -> str:
    """The seal's 64 hexadecimal digits over the first `size` bytes of a file."""
    total = 0
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with open(path, "rb", buffering=0) as file:
        for number in range(-(-size // BLOCK_BYTES)):
            want = min(BLOCK_BYTES, size - number * BLOCK_BYTES)
            got = 0
            while got < want:
                read = file.readinto(buffer[got:want])
                if not read:
                    break
                got += read
            total += block_digest(number, buffer[:got])
    return f"{total % 2**256:064x}"


def append(path: str | os.PathLike[str], digits: str | None = None) -> None:
    """Seal a finished HDF5 file, with the digits that `compute` gave for it if that was done already."""
    line = _MAGIC + (digits or compute(path, os.path.getsize(path))).encode("ascii") + b"\n"
    with open(path, "ab") as file:
        file.write(line)


def read(path: str | os.PathLike[str]) -> str | None:
    """The seal a file carries; None if it has none."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(0, size - SEAL_BYTES))
        line = file.read()
    if len(line) != SEAL_BYTES or not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        return None
    return line[len(_MAGIC) : -1].decode("ascii", "replace")


def is_intact(path: str | os.PathLike[str]) -> bool | None:
    """Whether every byte is what it was when the file was sealed; None if there is no seal."""
    stated = read(path)
    if stated is None:
        return None
    return stated == compute(path, Path(path).stat().st_size - SEAL_BYTES)
