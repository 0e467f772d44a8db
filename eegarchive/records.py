"""The data records of EDF and BDF: cut into blocks of a bounded size, read, decoded, encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EDFError

#: How many bytes of data records are handled at once.
BLOCK_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Part:
    """Bytes of one signal in a block: columns [column, column + width) of every row."""

    signal: int
    column: int
    width: int


@dataclass(frozen=True)
class Block:
    """A run of data bytes that is handled at once: some whole records, or a part of a huge one.

    Its bytes are `rows` rows of `width`; each signal's samples follow those of the block before.
    """

    rows: int
    width: int
    parts: tuple[Part, ...]


def plan_blocks(samples_per_record: Sequence[int], sample_bytes: int, num_records: int) -> Iterator[Block]:
    """Cut the data records into blocks of a bounded size, in file order.

    A record larger than the bound is cut inside, between or within its signals.
    """
    widths = [count * sample_bytes for count in samples_per_record]
    record = sum(widths)
    if record == 0:
        return
    if record <= BLOCK_BYTES:
        columns = np.cumsum([0, *widths]).tolist()
        parts = tuple(Part(i, columns[i], width) for i, width in enumerate(widths))
        at_once = BLOCK_BYTES // record
        for first in range(0, num_records, at_once):
            yield Block(min(at_once, num_records - first), record, parts)
        return
    step = BLOCK_BYTES // sample_bytes * sample_bytes
    for _ in range(num_records):
        for i, width in enumerate(widths):
            for at in range(0, width, step):
                size = min(step, width - at)
                yield Block(1, size, (Part(i, 0, size),))


def read_block(file: BinaryIO, block: Block) -> npt.NDArray[np.uint8]:
    """Read the next block's bytes, shape (rows, width)."""
    out = np.empty((block.rows, block.width), np.uint8)
    view = memoryview(out.reshape(-1))
    done = 0
    while done < len(view):
        got = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EDFError(
                f"{file.name}: ended at byte {file.tell()} while it was read; is it still being written?"
            )
        done += got
    return out


def decode_samples(raw: npt.NDArray[np.uint8], is_bdf: bool) -> npt.NDArray[np.int16 | np.int32]:
    """Samples of one signal from its bytes in some records, shape (records, bytes) to (samples,).

    EDF has 16-bit, BDF 24-bit two's complement, both little-endian.
    """
    if not is_bdf:
        return np.ascontiguousarray(raw).reshape(-1).view("<i2")
    wide = np.empty((raw.size // 3, 4), np.uint8)
    wide[:, 0] = 0
    wide[:, 1:] = np.ascontiguousarray(raw).reshape(-1, 3)
    samples: npt.NDArray[np.int32] = wide.reshape(-1).view("<i4")
    samples >>= 8  # the sign comes along
    return samples


def encode_samples(samples: npt.NDArray[np.int16 | np.int32], is_bdf: bool) -> npt.NDArray[np.uint8]:
    """Bytes of samples as they stand in a file; the inverse of :func:`decode_samples`."""
    if not is_bdf:
        return np.ascontiguousarray(samples, "<i2").view(np.uint8)
    return np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :3].reshape(-1)
