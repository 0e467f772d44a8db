"""From an archive back to EDF or BDF: the source's bytes, or any other state; and to annotation files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eegarchive import records
from eegarchive.archive import Archive
from eegarchive.edf_export import write_edf
from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive
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
from eegarchive.scoring import Events, write_events
from eegarchive.state import State, Table
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import new_file, refuse_existing, refuse_same
from eegarchive.storage.objects import read_attributes
from eegarchive.storage.samples import StoredSamples, copy
from eegarchive.storage.workers import pool, spread

#: Called with the number of bytes done since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    target : Path
    kind : str
        EDF, EDF+C, EDF+D, BDF, BDF+C or BDF+D; FIF, Zarr, CSV or Parquet.
    source_sha256 : str or None
        SHA-256 of the file, if it is the source byte for byte; None if the state was written as a new one.
    quantised : dict
        For each floating-point signal, by name, the largest error of rounding, in its units.
    shifted : float
        Seconds that the file's start is later than zero of the recording clock.
    count : int
        Rows of a table, values of a cache, or signals of a store.
    """

    target: Path
    kind: str
    source_sha256: str | None = None
    quantised: dict[str, float] = field(default_factory=dict)
    shifted: float = 0.0
    count: int = 0


def export_edf(
    archive: Archive,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a state as EDF or BDF: see :func:`eegarchive.export`.

    The state that came from the source becomes the source again, byte for byte: the bytes are hashed on their
    way out, and the file gets its name only if they are the source's. Any other state is written as
    :func:`eegarchive.edf_export.write_edf` tells: digital samples as they are, computed ones quantised.

    Parameters
    ----------
    archive : Archive
    target : path-like
        The file to write, ending in .edf or .bdf.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the bytes written since the last call; see :func:`bytes_to_export`.

    Returns
    -------
    ExportReport

    Raises
    ------
    TargetExists
        If the target is there and `overwrite` isn't set.
    EEGArchiveError
        If EDF can't say what the state has, or the target's suffix is none or, for the source, the other one.
    VerificationFailed, InvalidArchive
        If the archive is damaged; nothing is written.

    Warns
    -----
    OddInput
        If signals without samples are left out, or texts aren't ASCII.
    """
    target = Path(target)
    refuse_existing(target, overwrite)
    refuse_same(Path(archive.path), target)
    with archive._file.reading():  # no edit comes in between
        if _is_source(archive):
            return _export_source(archive, target, overwrite, progress)
        written = write_edf(archive, archive.edf_header, target, overwrite=overwrite, progress=progress)
    return ExportReport(target, written.kind, quantised=written.quantised, shifted=written.shifted)


def bytes_to_export(archive: Archive, target: str | os.PathLike[str]) -> int:
    """How many bytes `progress` will be told of in all, about."""
    suffix = Path(target).suffix.lower()
    if suffix == ".zarr":
        return sum(len(signal) * signal.dtype.itemsize for signal in archive.signals.values())
    if suffix not in (".edf", ".bdf"):
        return 0  # nothing is told
    if _is_source(archive):
        return int(archive.provenance["source_size"])
    sample_bytes = 3 if suffix == ".bdf" else 2
    return sample_bytes * sum(map(len, archive.signals.values()))


def export_annotations(
    state: State,
    target: str | os.PathLike[str],
    *,
    annotation_set: str | None = None,
    format: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write a state's annotations to a file of their own; how many there were.

    Parameters
    ----------
    state : State
        An open archive, or a freeze of one.
    target : path-like
        The file to write.
    annotation_set : str, optional
        Only the annotations of this set.
    format : str, optional
        One of `eegarchive.scoring.FORMATS`, of which :func:`eegarchive.scoring.write_events` writes all but NSRR;
        by default what the suffix tells.
    overwrite : bool
        Replace an existing target.

    Raises
    ------
    NotInArchive
        If there is no such set; the message lists the sets.
    ScoringError
        If the format can't hold them.
    """
    with state._file.reading():
        columns, epochs = state.annotations.columns(), state.epochs.columns()
        start = state.start
    sets = sorted(set(columns["set"]))
    if annotation_set is not None and annotation_set not in sets:
        raise NotInArchive(
            f"{state._file.path}: no annotation set {annotation_set!r}; there are {', '.join(sets) or 'none'}"
        )
    asked = np.array([annotation_set in (None, name) for name in columns["set"]], bool)
    events = Events(
        columns["onset"][asked],
        columns["duration"][asked],
        columns["text"][asked].tolist(),
        columns["kind"][asked].tolist(),
        columns["channel"][asked].tolist(),
    )
    grid = (epochs["start"], epochs["duration"]) if len(epochs["start"]) else None
    write_events(target, events, start=start, format=format, overwrite=overwrite, epochs=grid)
    return len(events)


def _is_source(archive: Archive) -> bool:
    return archive.digest == archive.provenance["source_digest"]


def _export_source(
    archive: Archive, target: Path, overwrite: bool, progress: Progress | None
) -> ExportReport:
    kind = str(archive.provenance["source_kind"])
    expected = ".bdf" if kind.startswith("BDF") else ".edf"
    if target.suffix.lower() != expected:
        raise EEGArchiveError(f"{target}: the recording is {kind}; name the file *{expected}")
    with new_file(target, overwrite) as temporary:
        digest = hashlib.sha256()
        with open(temporary, "wb") as file:
            for block in rebuild(archive._file.recording):
                digest.update(block)
                file.write(block)
                if progress is not None:
                    progress(len(block))
        if digest.hexdigest() != archive.provenance["source_sha256"]:
            raise InvalidArchive(
                f"{archive.path}: the rebuilt bytes aren't the source's; run `eegarchive verify`. Nothing was written"
            )
    return ExportReport(target, kind, source_sha256=digest.hexdigest())


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
