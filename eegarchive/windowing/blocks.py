"""Samples of windows, read by blocks of all channels, of which the last ones stay decoded in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import InvalidArchive
from eegarchive.state import Signal
from eegarchive.storage.samples import copy, read_pieces
from eegarchive.storage.workers import spread

Block = npt.NDArray[Any]
#: Blocks aren't longer than this, however long the chunks are.
_MAX_BLOCK_BYTES = 32 * 2**20
#: Blocks of fewer samples are quicker read in the calling thread than in the pool.
_SPREAD_SAMPLES = 500_000


class Memory:
    """Blocks that were read last, up to a number of bytes. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._blocks: OrderedDict[tuple[int, int], Block] = OrderedDict()
        self._lock = threading.Lock()

    def inherited(self) -> Memory:
        """The same blocks for a forked child, which shares them with its parent until one of them lets go."""
        child = Memory(self._limit)
        child._blocks = self._blocks.copy()
        child._size = sum(block.nbytes for block in child._blocks.values())
        return child

    def get(self, key: tuple[int, int]) -> Block | None:
        """A block, which counts as used now; None if it isn't there."""
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], block: Block) -> None:
        """Keep a block, and let go of those that weren't used for longest."""
        with self._lock:
            old = self._blocks.pop(key, None)
            self._size += block.nbytes - (0 if old is None else old.nbytes)
            self._blocks[key] = block
            while self._size > self._limit and len(self._blocks) > 1:
                self._size -= self._blocks.popitem(last=False)[1].nbytes


class Blocks:
    """The samples of some signals of one rate, as arrays (channels, samples) of stored values.

    Parameters
    ----------
    signals : sequence of Signal
    memory : Memory, optional
        If not given, the last two blocks are kept: enough for windows that come in order.
    number : int
        What tells these signals from others in the memory.
    """

    def __init__(self, signals: Sequence[Signal], memory: Memory | None, number: int) -> None:
        self._file = signals[0]._file
        self._described = [signal.description for signal in signals]  # once: they are of a state
        self._number = number
        #: Holds every sample exactly: of several types, a wider one.
        self.dtype = np.result_type(*(described.dtype for described in self._described))
        self.length = min(map(len, self._described))
        self.scale, offset = (
            np.array([[float(d.attributes[name])] for d in self._described])
            for name in ("scale_factor", "add_offset")
        )
        self.offset = offset_of(self.scale, offset)
        self.size = self._block_size()
        block_bytes = self.size * len(self._described) * self.dtype.itemsize
        self._memory = Memory(2 * block_bytes) if memory is None else memory

    def _block_size(self) -> int:
        """As long as the chunks of the first signal, so that a chunk of a whole recording is decoded once."""
        chunk = max((self._file.stored(piece.data).chunk for piece in self._described[0].pieces), default=1)
        most = _MAX_BLOCK_BYTES // (len(self._described) * self.dtype.itemsize)
        return max(1, min(chunk, most, self.length))

    def in_memory(self, start: int, stop: int) -> list[Block] | None:
        """Parts of [start, stop) as stored, if all of them are in memory."""
        parts = []
        for number in range(start // self.size, (stop - 1) // self.size + 1):
            block = self._memory.get((self._number, number))
            if block is None:
                return None
            first = number * self.size
            parts.append(block[:, max(start - first, 0) : stop - first])
        return parts

    def read(self, start: int, stop: int) -> list[Block]:
        """The same, read where they aren't; for use where the archive is being read."""
        if not 0 <= start < stop <= self.length:
            raise InvalidArchive(
                f"{self._file.path}: samples {start} to {stop} of a recording of {self.length}"
            )
        parts = []
        for number in range(start // self.size, (stop - 1) // self.size + 1):
            first = number * self.size
            block = self._memory.get((self._number, number))
            if block is None:
                block = self._block(first, min(first + self.size, self.length))
                self._memory.put((self._number, number), block)
            parts.append(block[:, max(start - first, 0) : stop - first])
        return parts

    def _block(self, start: int, stop: int) -> Block:
        block = np.empty((len(self._described), stop - start), self.dtype)

        def fill(i: int) -> None:
            described = self._described[i]
            put = copy if described.dtype == self.dtype else _widen
            read_pieces(described.pieces, self._file.stored, start, stop, block[i], put)

        several = spread if block.size >= _SPREAD_SAMPLES else map
        for _ in several(fill, range(len(block))):
            pass
        return block

    def physical(self, parts: Sequence[Block]) -> npt.NDArray[np.float32]:
        """Physical values of parts that lie one behind the other."""
        return physical(
            parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), self.scale, self.offset
        )


def _widen(samples: Block, out: Block) -> None:
    """Put samples into a wider type; `copy` is for those that may be decoded in place."""
    out[...] = samples


def physical(
    stored: Block, scale: npt.NDArray[np.float64], offset: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float32]:
    """Physical values of stored samples (channels, samples), worked out in float64 and rounded once.

    Integers without `offset`, which is None where every one is 0, numpy does in one pass.
    """
    if offset is None and stored.dtype.kind == "i":
        found = np.empty(stored.shape, np.float32)
        return np.multiply(stored, scale, out=found, dtype=np.float64, casting="same_kind")
    values = np.multiply(stored, scale, dtype=np.float64)
    values += 0.0 if offset is None else offset
    return values.astype(np.float32)


def offset_of(
    scale: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """Offsets as `physical` takes them. Where a scale is negative they count even as 0: they make 0 of -0."""
    return offset if offset.any() or (scale <= 0).any() else None
