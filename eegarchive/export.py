"""From an archive back to EDF or BDF bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eegarchive import records
from eegarchive.archive import Archive, open_archive
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.layout import (
    BYTES_DIGEST,
    EDF,
    EDF_ANNOTATIONS,
    EDF_CHANNEL_COLUMNS,
    EDF_CHANNELS,
    EDF_HEADER,
    EDF_TAIL,
    FREEZES,
    SOURCE_FREEZE,
)
from eegarchive.state import State, Table
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import new_file, refuse_existing, refuse_same
from eegarchive.storage.objects import read_attributes
from eegarchive.storage.samples import StoredSamples, copy
from eegarchive.storage.workers import pool, spread

#: Called with the number of bytes done since the last call.
Progress = Callable[[int], None]


def export(
    archive: str | os.PathLike[str] | Archive,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> str:
    """Write a state as the EDF or BDF file it came from, byte for byte.

    The bytes are hashed on their way out, and the file gets its name only if they are the source's.

    Parameters
    ----------
    archive : path-like or Archive
        `night.h5`, `night.h5@TAG`, or an open archive.
    target : path-like
        The file to write, ending in .edf or .bdf.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the bytes written since the last call.

    Returns
    -------
    str
        SHA-256 of the file written.

    Raises
    ------
    TargetExists
        If the target is there and `overwrite` isn't set.
    EEGArchiveError
        If the state isn't the source any more, or the target's suffix is of the other kind.
    VerificationFailed, InvalidArchive
        If the archive is damaged; nothing is written.
    """
    target = Path(target)
    refuse_existing(target, overwrite)
    if isinstance(archive, Archive):
        return _export(archive, target, overwrite, progress)
    with open_archive(archive) as opened:
        return _export(opened, target, overwrite, progress)


def _export(archive: Archive, target: Path, overwrite: bool, progress: Progress | None) -> str:
    if archive.digest != archive.provenance["source_digest"]:
        raise EEGArchiveError(
            f"{archive.path}: this state isn't the source any more; only {archive.path}@{SOURCE_FREEZE} exports so far"
        )
    refuse_same(Path(archive.path), target)
    expected = ".bdf" if str(archive.provenance["source_kind"]).startswith("BDF") else ".edf"
    if target.suffix.lower() != expected:
        raise EEGArchiveError(
            f"{target}: the recording is {archive.provenance['source_kind']}; name the file *{expected}"
        )
    with new_file(target, overwrite) as temporary:
        digest = hashlib.sha256()
        with open(temporary, "wb") as file:
            for block in rebuild(archive._file):
                digest.update(block)
                file.write(block)
                if progress is not None:
                    progress(len(block))
        if digest.hexdigest() != archive.provenance["source_sha256"]:
            raise InvalidArchive(
                f"{archive.path}: the rebuilt bytes aren't the source's; run `eegarchive verify`. Nothing was written"
            )
    return digest.hexdigest()


def rebuilt_sha256(file: ArchiveFile, progress: Progress | None = None) -> str:
    """SHA-256 of the source's bytes as the archive's stored samples give them."""
    digest = hashlib.sha256()
    hashing = None
    for block in rebuild(file):
        if hashing is not None:
            hashing.result()
        hashing = pool().submit(digest.update, block)
        if progress is not None:
            progress(len(block))
    if hashing is not None:
        hashing.result()
    return digest.hexdigest()


def rebuild(file: ArchiveFile) -> Iterator[memoryview]:
    """Yield the source file's bytes from /edf and the freeze `source`, block by block (spec E-8)."""
    attributes = read_attributes(file.group(EDF))
    channels = Table(file, f"{EDF}/{EDF_CHANNELS}", EDF_CHANNEL_COLUMNS).columns()
    try:
        sample_bytes, num_records = int(attributes["sample_bytes"]), int(attributes["num_records"])
    except KeyError as error:
        raise InvalidArchive(f"{file.path}: /{EDF} lacks the attribute {error}") from None
    state = State(file, f"{FREEZES}/{SOURCE_FREEZE}")
    sources = [
        _annotation_source(file, name) if is_annotation else _signal_source(state, name, sample_bytes)
        for name, is_annotation in zip(channels["name"], channels["is_annotation"], strict=True)
    ]
    yield memoryview(_stream(file, EDF_HEADER))
    at = [0] * len(sources)
    for block in records.plan_blocks(channels["samples_per_record"].tolist(), sample_bytes, num_records):
        out = np.empty((block.rows, block.width), np.uint8)

        def fill(part: records.Part, out: npt.NDArray[np.uint8] = out, rows: int = block.rows) -> None:
            count = rows * part.width
            raw = sources[part.signal](at[part.signal], count)
            at[part.signal] += count
            out[:, part.column : part.column + part.width] = raw.reshape(rows, part.width)

        for _ in spread(fill, block.parts):
            pass
        yield memoryview(out.reshape(-1))
    yield memoryview(_stream(file, EDF_TAIL))


#: Gives `count` bytes of a signal's samples, from byte `start` of all its bytes in a row.
_Source = Callable[[int, int], npt.NDArray[np.uint8]]


def _signal_source(state: State, name: str, sample_bytes: int) -> _Source:
    signal = state.signals[name]
    if signal.dtype.str != ("<i4" if sample_bytes == 3 else "<i2"):
        raise InvalidArchive(
            f"{state!r}: signal {name!r} of the source is {signal.dtype}, not digital integers"
        )

    def read(start: int, count: int) -> npt.NDArray[np.uint8]:
        samples = np.empty(count // sample_bytes, signal.dtype)
        first = start // sample_bytes
        _check_end(first + len(samples), len(signal), name)
        signal.read_into(samples, first, first + len(samples), copy)
        return records.encode_samples(samples, sample_bytes == 3)

    return read


def _annotation_source(file: ArchiveFile, name: str) -> _Source:
    stored = StoredSamples(file.dataset(f"{EDF}/{EDF_ANNOTATIONS}", name))

    def read(start: int, count: int) -> npt.NDArray[np.uint8]:
        out = np.empty(count, np.uint8)
        _check_end(start + count, stored.length, stored.where)
        stored.read(start, start + count, out)
        return out

    return read


def _check_end(stop: int, length: int, what: str) -> None:
    if stop > length:
        raise InvalidArchive(f"{what}: ends at {length}; the EDF records need {stop}")


def _stream(file: ArchiveFile, name: str) -> npt.NDArray[np.uint8]:
    """Header or tail bytes, compared with the digest beside them."""
    stored = StoredSamples(file.dataset(EDF, name))
    out = np.empty(stored.length, np.uint8)
    stored.read(0, stored.length, out)
    if hashlib.sha256(out).hexdigest() != read_attributes(stored.dataset).get(BYTES_DIGEST):
        raise InvalidArchive(f"{file.path}: {stored.where} isn't what its digest says; the file is damaged")
    return out
