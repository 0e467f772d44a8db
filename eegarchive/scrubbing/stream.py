"""A recording's bytes as they are read, without what names people: what a conversion reads in the file's place."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from eegarchive import edf, records
from eegarchive.scrubbing.headers import scrubbed_header
from eegarchive.scrubbing.policy import Anonymization
from eegarchive.scrubbing.review import Review
from eegarchive.scrubbing.tals import scrubbed_record
from eegarchive.scrubbing.texts import TextRule

#: Data bytes of a block of records, shape (rows, width), which may be changed.
_Raw = npt.NDArray[np.uint8]


def scrubbed_edf(file: BinaryIO, name: str, options: Anonymization, review: Review) -> BinaryIO:
    """The scrubbed bytes of an EDF or BDF file that is open without a buffer.

    Raises
    ------
    EDFError
        If the file can't be understood.
    EEGArchiveError
        If the shifted date can't be said.
    """
    header = edf.read_header(file, name)

    def blocks() -> Iterator[_Raw]:
        file.seek(len(header.raw))
        for block in _plan(header):
            yield records.read_block(file, block)

    file.seek(header.tail_start)
    tell_tail(file.read(header.file_size - header.tail_start), review)
    return scrubbed_stream(
        header, blocks(), name, options, review, lambda: file.seek(0, os.SEEK_END) - header.file_size
    )


def scrubbed_stream(
    header: edf.Header,
    blocks: Iterator[_Raw],
    name: str,
    options: Anonymization,
    review: Review,
    grown: Callable[[], int] = lambda: 0,
) -> BinaryIO:
    """The scrubbed bytes of a recording, given block by block as :func:`records.plan_blocks` cuts it.

    Parameters
    ----------
    header : edf.Header
    blocks : iterator of (rows, width) arrays
        Bytes of the data records; they are changed.
    name : str
        What messages call the recording.
    options : Anonymization
    review : Review
        Is told what is found, of annotations while they are read.
    grown : callable
        By how many bytes the source is longer than it was.
    """
    rule = TextRule(options.keep_annotations, [s.label for s in header.signals])
    new = scrubbed_header(header, options, review, name)
    size = len(new) + header.num_records * header.record_bytes
    return cast(BinaryIO, _Scrubbed(name, new, _scrubbed(header, blocks, rule, review), size, grown))


def _plan(header: edf.Header) -> Iterator[records.Block]:
    counts = [signal.samples_per_record for signal in header.signals]
    return records.plan_blocks(counts, header.sample_bytes, header.num_records)


def tell_tail(tail: bytes, review: Review) -> None:
    """Tell a review of bytes behind the last record."""
    if tail:
        review.removed("bytes behind the records", f"{len(tail)}: {edf.decode_text(tail[:80])!r}")


def _scrubbed(
    header: edf.Header, blocks: Iterator[_Raw], rule: TextRule, review: Review
) -> Iterator[memoryview]:
    """Data bytes with other annotations; a record of more than a block is put together for that."""
    kept = b""
    for block in _plan(header):
        raw = next(blocks).reshape(block.rows, block.width)
        for part in block.parts:
            signal = header.signals[part.signal]
            if not signal.is_annotation or not part.width:
                continue
            own = raw[:, part.column : part.column + part.width]
            if part.width == signal.samples_per_record * header.sample_bytes:
                for row in own:
                    row[:] = np.frombuffer(scrubbed_record(row.tobytes(), rule, review), np.uint8)
                continue
            kept += own.tobytes()
            whole = len(kept) == signal.samples_per_record * header.sample_bytes
            raw = np.frombuffer(scrubbed_record(kept, rule, review) if whole else b"", np.uint8)
            kept = b"" if whole else kept
        yield memoryview(raw.reshape(-1))


class _Scrubbed(io.RawIOBase):
    """Reads the header again at will, what follows it once and in order."""

    def __init__(
        self, name: str, header: bytes, blocks: Iterator[memoryview], size: int, grown: Callable[[], int]
    ) -> None:
        self.name = name
        self._header, self._blocks, self._size, self._grown = header, blocks, size, grown
        self._at = 0
        self._reached = len(header)
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._size + self._grown() if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, out: Any) -> int:
        view = memoryview(out).cast("B")
        done = 0
        while done < len(view):
            part = self._next(len(view) - done)
            if not len(part):
                break
            view[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done

    def _next(self, most: int) -> memoryview:
        if self._at < len(self._header):
            return memoryview(self._header)[self._at : self._at + most]
        if self._at != self._reached:
            raise io.UnsupportedOperation(f"{self.name}: its records are read once, in order")
        while not len(self._block):
            found = next(self._blocks, None)
            if found is None:
                return memoryview(b"")
            self._block = found
        part, self._block = self._block[:most], self._block[most:]
        self._reached += len(part)
        return part
