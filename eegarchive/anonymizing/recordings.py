"""What anonymizing a recording would remove, before it is converted; and an archive's recording, scrubbed."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from eegarchive import edf
from eegarchive.bids import describe as read_bids
from eegarchive.conversion import kept_fields
from eegarchive.errors import EDFError, InvalidArchive
from eegarchive.exporting import rebuild
from eegarchive.layout import EDF, EDF_HEADER, EDF_TAIL
from eegarchive.scrubbing import Anonymization, Item, Review, scrubbed_edf, scrubbed_stream, tell_tail
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import read_attribute
from eegarchive.storage.samples import StoredSamples

_BLOCK_BYTES = 2**22


def review_edf(source: str | os.PathLike[str], options: Anonymization, *, bids: bool = True) -> list[Item]:
    """Find what :func:`eegarchive.convert` with `anonymize` would remove, change and keep; nothing is written.

    Parameters
    ----------
    source : path-like
        An EDF or BDF file.
    options : Anonymization
    bids : bool
        Look at what BIDS says of it, too.

    Raises
    ------
    EDFError
        If it can't be understood.
    """
    source, review = Path(source), Review()
    review.removed("source file", source.name)
    if bids:
        kept_fields(read_bids(source), options.keep, review)
    with open(source, "rb", buffering=0) as file:
        drain(scrubbed_edf(file, str(source), options, review))
    return review.items()


def drain(stream: BinaryIO) -> None:
    """Read a scrubbed recording to its end, for what it tells its review."""
    while stream.read(_BLOCK_BYTES):
        pass


def scrubbed_source(file: ArchiveFile, options: Anonymization, review: Review) -> tuple[edf.Header, BinaryIO]:
    """The header of an archive's recording as it was, and the scrubbed bytes of all of it.

    Raises
    ------
    InvalidArchive
        If its header isn't that of an EDF or BDF file.
    """
    whole = rebuild(file)
    header = _header(file, next(whole).tobytes())
    tell_tail(_tail(file), review)
    blocks = (np.frombuffer(block, np.uint8) for block in whole)
    return header, scrubbed_stream(header, blocks, str(file.path), options, review)


def _header(file: ArchiveFile, raw: bytes) -> edf.Header:
    """The header that an archive's recording has."""
    where = f"{file.path}: /{EDF}/{EDF_HEADER}"
    size = read_attribute(file.h5, "source_size")
    if not isinstance(size, int):
        raise InvalidArchive(f"{file.path}: its attribute source_size is no number; run `eegarchive verify`")
    try:
        header = edf.read_header(_Head(raw, size), where)
    except EDFError as error:
        raise InvalidArchive(str(error)) from None
    if header.raw != raw:
        raise InvalidArchive(
            f"{where}: has {len(raw)} bytes, its fields end at {len(header.raw)}; run `eegarchive verify`"
        )
    return header


class _Head(io.BytesIO):
    """The first bytes of a file that is longer."""

    def __init__(self, raw: bytes, size: int) -> None:
        super().__init__(raw)
        self._size = size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._size + offset if whence == os.SEEK_END else super().seek(offset, whence)


def _tail(file: ArchiveFile) -> bytes:
    stored = StoredSamples(file.dataset(EDF, EDF_TAIL))
    out = np.empty(stored.length, np.uint8)
    stored.read(0, stored.length, out)
    return out.tobytes()
