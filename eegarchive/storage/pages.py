"""A file object for HDF5 over an archive that is being edited.

What the file held before is changed in memory only, page by page; new bytes go straight behind it. So for
everyone else the file stays what it was until the commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from eegarchive.layout import LIBVER
from eegarchive.storage import disk

PAGE_BYTES = 4_096
#: HDF5's chunk cache for each dataset: one chunk or two. By default it keeps 8 MB, for each of hundreds of signals.
CHUNK_CACHE = {"rdcc_nbytes": 65_536, "rdcc_nslots": 11}


class Pages:
    """The file that HDF5 sees, as h5py's `fileobj` driver wants it.

    None of its methods ever raises: an exception inside HDF5's write crashes the interpreter. What goes wrong
    is kept in `failure`, and from then on everything is kept in memory.

    Parameters
    ----------
    descriptor : int
        The file as it is on the disk.
    size : int
        Where HDF5's part of it ends.
    changed : mapping, optional
        Pages that differ from what is on the disk.
    read_only : bool
        Keep all changes in memory.
    """

    def __init__(
        self,
        descriptor: int,
        size: int,
        changed: Mapping[int, bytes] | None = None,
        read_only: bool = False,
    ) -> None:
        self._descriptor = descriptor
        self._at = 0
        self.size = size
        #: From here on bytes are new, and go to the disk at once.
        self.kept = -(-os.fstat(descriptor).st_size // PAGE_BYTES) * PAGE_BYTES
        self.changed = {number: bytearray(page) for number, page in (changed or {}).items()}
        #: Bytes from `kept` on that were written to the disk end here.
        self.written = self.kept
        self.failure: BaseException | None = None
        self._in_memory = read_only
        self._process = os.getpid()

    def open(self, path: Path) -> h5py.File:
        """HDF5's handle of the file, to be called `path`."""
        mode = "r" if self._in_memory else "r+"
        return h5py.File(path, mode, driver="fileobj", fileobj=self, libver=LIBVER, **CHUNK_CACHE)

    def discard(self) -> None:
        """From now on write nothing to the disk any more."""
        self._in_memory = True

    # -- what h5py calls ------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        """The present place."""
        return self._at

    def flush(self) -> None:
        """Nothing waits."""

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self.size = self._at if size is None else size
        return self.size

    def readinto(self, out: memoryview) -> int:
        """Fill `out` from the present place; zeros where nothing was written."""
        try:
            view = memoryview(out).cast("B")
            self._read(self._at, view)
        except BaseException as error:
            self._fail(error)
        self._at += len(out)
        return len(out)

    def write(self, data: memoryview) -> int:
        """Put `data` at the present place."""
        count = len(data)
        try:
            self._write(self._at, memoryview(data).cast("B"))
        except BaseException as error:
            self._fail(error)
        self._at += count
        self.size = max(self.size, self._at)
        return count

    # -- how ------------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        """Keep what went wrong, without the frames: they have HDF5's buffers, and would free them at exit."""
        self.failure = self.failure or error.with_traceback(None)

    def _read(self, offset: int, out: memoryview) -> None:
        raw = disk.read_at(self._descriptor, offset, len(out))
        out[: len(raw)] = raw
        if len(raw) < len(out):
            out[len(raw) :] = bytes(len(out) - len(raw))
        if not self.changed:
            return
        for number, at, place, count in _pages(offset, len(out)):
            if number in self.changed:
                out[place : place + count] = self.changed[number][at : at + count]

    def _write(self, offset: int, data: memoryview) -> None:
        straight = max(0, min(len(data), offset + len(data) - self.kept))
        if straight and not self._in_memory and os.getpid() == self._process:  # not in a forked child
            first = len(data) - straight
            try:
                disk.write_at(self._descriptor, offset + first, data[first:])
            except BaseException as error:
                self._fail(error)
                self._in_memory = True
            else:
                self.written = max(self.written, offset + len(data))
                data = data[:first]
        for number, at, place, count in _pages(offset, len(data)):
            if number not in self.changed:
                page = bytearray(PAGE_BYTES)
                raw = disk.read_at(self._descriptor, number * PAGE_BYTES, PAGE_BYTES)
                page[: len(raw)] = raw
                self.changed[number] = page
            self.changed[number][at : at + count] = data[place : place + count]

    def block(self, offset: int, count: int) -> bytes:
        """Bytes as they will be: for whoever commits."""
        out = bytearray(count)
        self._read(offset, memoryview(out))
        return bytes(out)

    def drop_unchanged(self) -> None:
        """Forget pages that were written as they were."""
        for number in list(self.changed):
            if disk.read_at(self._descriptor, number * PAGE_BYTES, PAGE_BYTES) == self.changed[number]:
                del self.changed[number]


def _pages(offset: int, count: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a stretch at page borders: (page, place in the page, place in the stretch, length)."""
    done = 0
    while done < count:
        number, at = divmod(offset + done, PAGE_BYTES)
        length = min(PAGE_BYTES - at, count - done)
        yield number, at, done, length
        done += length


def is_mixture(found: bytes, old: bytes, new: bytes) -> bool:
    """Whether each byte of a page is that of the old or the new one: what a torn write leaves."""
    size = len(found)
    here, before, after = (np.frombuffer(raw[:size], np.uint8) for raw in (found, old, new))
    return bool(((here == before) | (here == after)).all())
