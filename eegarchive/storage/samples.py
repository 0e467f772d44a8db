"""Reading the samples of one stored signal, and of pieces of several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5d, h5s

from eegarchive.errors import InvalidArchive
from eegarchive.storage.codec import PORTABLE, codec_of, decode_portable, register_plugins
from eegarchive.storage.damage import HDF5_ERRORS, first_line
from eegarchive.storage.guard import check_chunks
from eegarchive.storage.workers import spread

#: From so many samples on, a read is spread over the cores.
_PARALLEL_SAMPLES = 300_000
#: Into how many tasks such a read is cut: enough for all cores to end together.
_TASKS = 16
#: How much HDF5 decodes in one call.
_BLOCK_SAMPLES = 262_144

#: Puts samples where they belong: (samples as stored, view of the output).
Put = Callable[[npt.NDArray[Any], npt.NDArray[Any]], None]


def copy(samples: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Put samples as they are."""
    out[...] = samples


class Kept:
    """The chunk that was decoded last: whose, from which sample on, and its samples."""

    def __init__(self) -> None:
        self.last: tuple[StoredSamples | None, int, npt.NDArray[Any]] = (None, -1, np.empty(0))


class StoredSamples:
    """The samples of one object of /data. Safe to use from several threads.

    Parameters
    ----------
    dataset : h5py.Dataset
        Already checked by the guard.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset
        self.where = str(dataset.name)
        self.dtype: np.dtype[Any] = dataset.dtype
        self.length: int = dataset.shape[0]
        creation = dataset.id.get_create_plist()
        self._space = dataset.id.get_space()
        compact = creation.get_layout() == h5d.COMPACT
        self.chunk: int = self.length if compact else creation.get_chunk()[0]
        #: None where the samples lie in the object header.
        self.codec = None if compact else codec_of(creation, self.where)
        self._last = Kept()
        #: Whether HDF5's own reading was made safe; ours is.
        self._ready = self.codec is None or self.codec is PORTABLE

    def read(
        self, start: int, stop: int, out: npt.NDArray[Any], put: Put = copy, kept: Kept | None = None
    ) -> None:
        """Put samples [start, stop) into `out`, which is as long; `kept` has the last chunk for the next read.

        Raises
        ------
        InvalidArchive
            If a chunk is damaged or missing.
        """
        if stop <= start:
            return
        if not self._ready:
            register_plugins()
            check_chunks(self.dataset)
            self._ready = True
        fill: Callable[[int, int, npt.NDArray[Any], Put], None]
        if self.codec is PORTABLE:
            step, fill = self.chunk, functools.partial(self._put_chunk, kept or self._last)
        elif put is copy:
            self._put_block(start, stop, out, put)  # HDF5 decodes one chunk after the other anyway
            return
        else:
            step, fill = -(-_BLOCK_SAMPLES // self.chunk) * self.chunk, self._put_block
        edges = [start, *range(start - start % step + step, stop, step), stop]

        def run(first: int) -> None:
            for i in range(first, min(first + per_task, len(edges) - 1)):
                a, b = edges[i], edges[i + 1]
                fill(a, b, out[a - start : b - start], put)

        if stop - start < _PARALLEL_SAMPLES:
            per_task = len(edges)
            run(0)
            return
        per_task = max(1, len(edges) // _TASKS)
        for _ in spread(run, range(0, len(edges) - 1, per_task)):
            pass

    def _put_chunk(self, kept: Kept, start: int, stop: int, out: npt.NDArray[Any], put: Put) -> None:
        """Put samples of one chunk, by our own decoder; the last one is kept for the next small window."""
        first = start - start % self.chunk
        source, number, chunk = kept.last
        if source is not self or number != first:
            if put is copy and stop - start == self.chunk:
                self._decode(first, out)
                return
            chunk = np.empty(self.chunk, self.dtype)
            self._decode(first, chunk)
            kept.last = (self, first, chunk)
        put(chunk[start - first : stop - first], out)

    def _decode(self, first: int, out: npt.NDArray[Any]) -> None:
        try:
            mask, raw = self.dataset.id.read_direct_chunk((first,))
        except HDF5_ERRORS as error:
            what = f"the chunk of sample {first} can't be read ({first_line(error)})"
            raise InvalidArchive(f"{self.where}: {what}") from None
        if mask:
            what = f"the chunk of sample {first} skips its filters; the file is damaged"
            raise InvalidArchive(f"{self.where}: {what}")
        decode_portable(raw, out, self.where)

    def _put_block(self, start: int, stop: int, out: npt.NDArray[Any], put: Put) -> None:
        """Put samples that HDF5's filters decode."""
        block = out if put is copy else np.empty(stop - start, self.dtype)
        space = self._space.copy()
        space.select_hyperslab((start,), (len(block),))
        try:
            self.dataset.id.read(h5s.create_simple(block.shape), space, block)
        except HDF5_ERRORS as error:
            what = f"samples {start} to {stop} can't be read ({first_line(error)})"
            raise InvalidArchive(f"{self.where}: {what}") from None
        if put is not copy:
            put(block, out)


@dataclass(frozen=True)
class Piece:
    """A stretch of a stored signal: samples [start, stop) of the object named `data`."""

    data: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def check_pieces(
    pieces: Sequence[Piece], stored: Callable[[str], StoredSamples], dtype: np.dtype[Any], where: str
) -> None:
    """Refuse pieces that reach beyond their data, or whose data are of another type (spec P-1, P-2).

    Raises
    ------
    InvalidArchive
    """
    for piece in pieces:
        source = stored(piece.data)
        if not 0 <= piece.start <= piece.stop <= source.length:
            what = f"piece [{piece.start}, {piece.stop}) of {piece.data}, which has {source.length} samples"
            raise InvalidArchive(f"{where}: {what}")
        if source.dtype != dtype:
            raise InvalidArchive(f"{where}: is {dtype}, its data {source.dtype}")


def read_pieces(
    pieces: Sequence[Piece],
    stored: Callable[[str], StoredSamples],
    start: int,
    stop: int,
    out: npt.NDArray[Any],
    put: Put = copy,
) -> None:
    """Put samples [start, stop) of a signal made of pieces into `out`; many small pieces are spread over the cores."""
    at, jobs = 0, []
    for piece in pieces:
        a, b = max(start, at), min(stop, at + len(piece))
        if a < b:
            jobs.append(
                (stored(piece.data), a + piece.start - at, b + piece.start - at, out[a - start : b - start])
            )
        at += len(piece)

    def run(some: Sequence[tuple[StoredSamples, int, int, npt.NDArray[Any]]]) -> None:
        kept = Kept()
        for source, first, last, part in some:
            source.read(first, last, part, put, kept)

    if len(jobs) < 2 * _TASKS or stop - start < _PARALLEL_SAMPLES:
        for source, first, last, part in jobs:
            source.read(first, last, part, put)
        return
    size = -(-len(jobs) // _TASKS)
    for _ in spread(run, [jobs[i : i + size] for i in range(0, len(jobs), size)]):
        pass
