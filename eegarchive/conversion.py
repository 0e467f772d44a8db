"""EDF or BDF in, archive out: streamed, hashed, compressed on all cores, and read back before it counts."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import channels, digest, edf, layout, provenance, recording, records
from eegarchive.bids import describe as read_bids
from eegarchive.description import encode, resolve
from eegarchive.editing import edit
from eegarchive.errors import EDFError, EEGArchiveError, OddInput, VerificationFailed
from eegarchive.exporting import Progress, rebuilt_sha256
from eegarchive.scoring import read_events
from eegarchive.scrubbing import OLDEST, Anonymization, Item, Review, scrubbed_edf
from eegarchive.storage import objects, seal
from eegarchive.storage.codec import CODECS, PORTABLE, Codec
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.files import drop_from_memory, named_failures, new_file, refuse_existing, refuse_same
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.samples import Piece
from eegarchive.storage.workers import pool, spread
from eegarchive.storage.writer import ChunkWriter


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion did.

    Attributes
    ----------
    source, target : Path
    kind : str
        EDF, EDF+C, EDF+D, BDF, BDF+C or BDF+D.
    source_bytes, archive_bytes : int
    source_sha256 : str
    digest : str
        Digest of the source state.
    verified : bool
        Whether the archive was read back from disk and gave the source's bytes.
    oddities : list of Oddity
        What bends the standard; it was kept.
    imported : int
        Annotations taken from a file of their own.
    seconds : float
    reviewed : list of Item
        What an anonymized conversion has removed, changed and kept.
    """

    source: Path
    target: Path
    kind: str
    source_bytes: int
    archive_bytes: int
    source_sha256: str
    digest: str
    verified: bool
    oddities: list[edf.Oddity] = field(default_factory=list)
    imported: int = 0
    seconds: float = 0.0
    reviewed: list[Item] = field(default_factory=list)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    codec: str = PORTABLE.name,
    verify: bool = True,
    overwrite: bool = False,
    seed: int | None = None,
    description: Mapping[str, Any] | None = None,
    bids: bool = True,
    annotations: str | os.PathLike[str] | None = None,
    anonymize: Anonymization | None = None,
    progress: Progress | None = None,
) -> ConvertReport:
    """Convert one EDF or BDF file to an archive.

    Parameters
    ----------
    source : path-like
        An EDF, EDF+, BDF or BDF+ file, whatever its suffix.
    target : path-like, optional
        The archive; by default the source with the suffix .h5.
    codec : {"portable", "fast", "small", "none"}
        "portable" opens in every HDF5 tool; the others need the bitshuffle plugin or waste space.
    verify : bool
        Read the archive back from disk and compare the bytes it exports before it gets its name.
    overwrite : bool
        Replace an existing target.
    seed : int, optional
        A seed to record with the provenance.
    description : mapping, optional
        Fields to record: text, numbers, booleans, dates, :class:`eegarchive.Category`, None. They go before those
        of BIDS.
    bids : bool
        Record what BIDS says of the recording: subject, session, task, run and other entities of its file's name,
        and its participant's row of `participants.tsv` above it, where they are.
    annotations : path-like, optional
        A file of annotations to import as a set of its name, in an edit of its own after the conversion; see
        :meth:`eegarchive.EditableArchive.import_annotations`. The freeze `source` hasn't got them.
    anonymize : Anonymization, optional
        Take out who was recorded while converting: the archive is that of the recording without it, and
        never gives the source's bytes back. Fields of `description` stay, of BIDS only those that are kept.
    progress : callable, optional
        Called with the bytes done since the last call; all calls add up to twice the source's size
        (once if `verify` is off).

    Returns
    -------
    ConvertReport

    Raises
    ------
    EDFError
        If the source can't be understood.
    ScoringError
        If the file of annotations can't be understood. Nothing was written.
    EEGArchiveError
        If there are annotations to import and `anonymize` is set: those would come in as they are.
    TargetExists
        If the target is there and `overwrite` isn't set.
    VerificationFailed
        If what was read back isn't the source. No file is left.

    Warns
    -----
    OddInput
        Once for everything in the source that bends the standard.
    """
    began = time.perf_counter()
    source = Path(source)
    target = source.with_suffix(layout.SUFFIX) if target is None else Path(target)
    if codec not in CODECS:
        raise ValueError(f"codec {codec!r}; there are {', '.join(CODECS)}")
    if source.is_dir():
        raise EDFError(f"{source}: is a folder, not a recording; convert_many takes folders")
    if anonymize is not None and annotations is not None:
        raise EEGArchiveError(
            f"{annotations}: isn't anonymized on import; convert with it, then anonymize the archive "
            "(eegarchive anonymize)"
        )
    review = Review()
    fields = _described(source, description or {}, bids, anonymize, review)
    refuse_same(source, target)
    refuse_existing(target, overwrite)
    with open(source, "rb", buffering=0) as recorded:
        file: BinaryIO = recorded
        if anonymize is not None:
            review.removed("source file", source.name)
            file = scrubbed_edf(recorded, str(source), anonymize, review)
        header = edf.read_header(file, str(source))
        if annotations is not None:
            read_events(annotations, start=header.start())
        with new_file(target, overwrite) as temporary:
            with named_failures(target), h5py.File(objects.create_file(temporary)) as h5:
                written = Conversion(h5, file, header, CODECS[codec]).run(progress)
                if anonymize is None:
                    extra = _provenance(source, header, written, seed, fields)
                else:
                    extra = {**anonymous_root(header, written, anonymize), **fields}
                    write_anonymous_history(h5, written, anonymize, [])
                objects.write_attributes(h5, extra)
                objects.write_attribute(h5, layout.ARCHIVE_DIGEST, digest.archive_digest(h5))
            sealing = pool().submit(seal.compute, temporary, temporary.stat().st_size)
            if verify:
                check_read_back(temporary, source, written.source_sha256, progress)
            seal.append(temporary, sealing.result())
            size = temporary.stat().st_size
    imported = 0
    if annotations is not None:
        with edit(target) as night:
            imported = night.import_annotations(annotations)
        size = target.stat().st_size
    for oddity in header.oddities:
        warnings.warn(f"{source}: {oddity.message}", OddInput, stacklevel=2)
    return ConvertReport(
        source=source,
        target=target,
        kind=written.kind,
        source_bytes=header.file_size,
        archive_bytes=size,
        source_sha256=written.source_sha256,
        digest=written.digest,
        verified=verify,
        oddities=header.oddities,
        imported=imported,
        seconds=time.perf_counter() - began,
        reviewed=review.items(),
    )


def check_read_back(path: Path, source: Path, expected: str, progress: Progress | None) -> None:
    """Read an archive from disk and compare the bytes it gives with its source's digest.

    Raises
    ------
    VerificationFailed
        If they differ.
    """
    drop_from_memory(path)
    file = ArchiveFile(path, locking=False)
    try:
        found = rebuilt_sha256(file, progress)
    finally:
        file.close()
    if found != expected:
        raise VerificationFailed(
            f"{source}: what was read back from disk isn't what was read; "
            "the new archive was removed. Check the disk and memory"
        )


def _provenance(
    source: Path,
    header: edf.Header,
    written: Written,
    seed: int | None,
    fields: Mapping[str, AttributeValue],
) -> dict[str, AttributeValue]:
    """The root's attributes (spec R-1)."""
    commit, status = provenance.git_checkout()
    return {
        **_required(header, written, "convert"),
        "source_name": source.name.encode("utf-8", "replace").decode("utf-8"),
        "git_commit": commit,
        "git_status": status,
        **provenance.surroundings(),
        **({} if seed is None else {"seed": seed}),
        **fields,
    }


def _required(header: edf.Header, written: Written, verb: str) -> dict[str, AttributeValue]:
    """Attributes that every root has and that name nobody."""
    return {
        "format": layout.FORMAT,
        "format_version": layout.FORMAT_VERSION,
        "created": provenance.now(),
        "created_by": f"eegarchive {provenance.version_of('eegarchive')} {verb}",
        "source_size": header.file_size,
        "source_sha256": written.source_sha256,
        "source_kind": written.kind,
        "source_digest": written.digest,
        layout.STATE_DIGEST: written.digest,
        **{f"version_{name}": version for name, version in provenance.versions().items()},
    }


def anonymous_root(header: edf.Header, written: Written, options: Anonymization) -> dict[str, AttributeValue]:
    """The root's attributes of an anonymized archive: no names, no paths, no checkout (spec R-10)."""
    return {
        **_required(header, written, "anonymize"),
        "source_name": f"anonymized{'.bdf' if header.is_bdf else '.edf'}",
        "git_commit": provenance.NOT_AVAILABLE,
        layout.ANONYMIZED: f"eegarchive {provenance.version_of('eegarchive')}: {options.summary()}",
    }


def write_anonymous_history(
    h5: h5py.File,
    written: Written,
    options: Anonymization,
    freezes: Sequence[tuple[str, str]],
    last: str = "",
) -> None:
    """Replace the history by one of the anonymized archive (spec R-10).

    Parameters
    ----------
    h5 : h5py.File
    written : Written
    options : Anonymization
    freezes : sequence of (tag, digest)
        The freezes but `source`, in the order they were made.
    last : str
        Digest of the working state; that of `source` if empty.
    """
    said = json.dumps(options.parameters(), sort_keys=True)
    rows = [("convert", json.dumps({"source_sha256": written.source_sha256}), "", written.digest)]
    for tag, frozen in [*freezes, ("", last or written.digest)]:
        rows.append(("anonymize", said, rows[-1][-1], frozen))
        if tag:
            rows.append(("freeze", json.dumps({"tag": tag}), frozen, frozen))
    operations, parameters, before, after = zip(*rows, strict=True)
    values = {
        "operation": operations,
        "parameters": parameters,
        "time": [provenance.now()] * len(rows),
        "versions": [json.dumps(provenance.versions(), sort_keys=True)] * len(rows),
        "digest_before": before,
        "digest_after": after,
    }
    del h5[layout.HISTORY]
    table = objects.write_table(h5, objects.make_rows(layout.HISTORY_COLUMNS, values))
    objects.link(table, h5, layout.HISTORY)


def _described(
    source: Path, given: Mapping[str, Any], bids: bool, anonymize: Anonymization | None, review: Review
) -> dict[str, AttributeValue]:
    """The root's attributes that describe a recording: what is given, and what BIDS says of it.

    Raises
    ------
    EEGArchiveError
        If a field can't be kept, or a file of BIDS can't be understood.
    """
    found = read_bids(source) if bids else {}
    fields = {**found, **resolve(given, found)}
    return encode(fields if anonymize is None else kept_fields(fields, {*anonymize.keep, *given}, review))


def kept_fields(fields: Mapping[str, Any], keep: Container[str], review: Review) -> dict[str, Any]:
    """The fields of a description that may stay; an age above 90 is 90."""
    kept = {}
    for name, value in fields.items():
        if name not in keep:
            review.removed(f"description: {name}", str(value))
            continue
        kept[name] = OLDEST if name == "age" and _is_above(value, OLDEST) else value
        review.changed(f"description: {name}", str(value), str(kept[name]))
    return kept


def _is_above(value: Any, bound: float) -> bool:
    """Whether a field is a number above some, also if it is written as text."""
    try:
        return float(value) > bound
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Written:
    """What a conversion has written: the recording's kind, the SHA-256 of its bytes, the state's digest."""

    kind: str
    source_sha256: str
    digest: str


class Conversion:
    """One conversion: reads the records once and writes everything but the root's attributes."""

    def __init__(self, h5: h5py.File, file: BinaryIO, header: edf.Header, codec: Codec) -> None:
        self.h5, self.file, self.header = h5, file, header
        ordinary = [s for s in header.signals if not s.is_annotation]
        self.names = dict(
            zip((s.index for s in ordinary), channels.link_names([s.label for s in ordinary]), strict=True)
        )
        if len({s.label.strip() for s in ordinary}) < len(ordinary):
            header.oddities.append(
                edf.Oddity(
                    "duplicate-labels", "several signals have the same label; their names are numbered"
                )
            )
        self.data = objects.create_group(h5, layout.DATA)
        self.edf = objects.create_group(h5, layout.EDF)
        self.annotations = objects.create_group(self.edf, layout.EDF_ANNOTATIONS)
        self.writers = [self._writer(signal, codec) for signal in header.signals]
        self.times = recording.Timekeeper(header)

    def _writer(self, signal: edf.SignalHeader, codec: Codec) -> ChunkWriter:
        length = signal.samples_per_record * self.header.num_records
        if signal.is_annotation:
            size = length * self.header.sample_bytes
            return ChunkWriter(
                self.annotations,
                str(signal.index),
                np.dtype("u1"),
                size,
                PORTABLE.chunk_bytes,
                PORTABLE,
                {"label": signal.label},
                layout.BYTES_DIGEST,
            )
        dtype = np.dtype("<i4" if self.header.is_bdf else "<i2")
        attributes = recording.signal_attributes(self.header, signal)
        return ChunkWriter(
            self.data,
            _unfinished(signal.index),
            dtype,
            length,
            codec.chunk_bytes // dtype.itemsize,
            codec,
            attributes,
            layout.SAMPLES_DIGEST,
        )

    def run(self, progress: Progress | None) -> Written:
        """Write the archive's members; return what the root's attributes need to say."""
        source_sha256 = self._copy_records(progress)
        members = self._write_state()
        state_digest = members.pop("digest")
        self._write_edf()
        self._write_history(source_sha256, state_digest)
        freezes = objects.create_group(self.h5, layout.FREEZES)
        freeze = objects.create_group(freezes, layout.SOURCE_FREEZE)
        for parent in (self.h5, freeze):
            self._link_state(parent, members)
        objects.write_attributes(
            freeze,
            {
                "created": provenance.now(),
                "note": "the recording as converted",
                layout.STATE_DIGEST: state_digest,
            },
        )
        objects.write_attribute(freeze, layout.CONTENTS_DIGEST, digest.contents_digest(freeze))
        return Written(self.times.kind, source_sha256, state_digest)

    def _copy_records(self, progress: Progress | None) -> str:
        """Read all records once: hash them, store the samples, parse the TALs."""
        header, file = self.header, self.file
        source_hash = hashlib.sha256(header.raw)
        file.seek(len(header.raw))
        _report(progress, len(header.raw))
        spr = [s.samples_per_record for s in header.signals]
        blocks = records.plan_blocks(spr, header.sample_bytes, header.num_records)
        reading = _submit_read(file, next(blocks, None))
        finished: list[tuple[records.Part, list[Any]]] = []
        while reading is not None:
            block, raw = reading.result()
            reading = _submit_read(file, next(blocks, None))
            hashing = pool().submit(source_hash.update, raw)

            def take(part: records.Part, raw: npt.NDArray[np.uint8] = raw) -> list[Any]:
                own = raw[:, part.column : part.column + part.width]
                if header.signals[part.signal].is_annotation:
                    return self.writers[part.signal].append(np.ascontiguousarray(own).reshape(-1))
                return self.writers[part.signal].append(records.decode_samples(own, header.is_bdf))

            taking = spread(take, block.parts)
            self._write_chunks(finished)  # the last block's, while the pool encodes this one's
            for part in block.parts:
                if header.signals[part.signal].is_annotation:
                    self.times.take(part.signal, raw[:, part.column : part.column + part.width])
            finished = list(zip(block.parts, taking, strict=True))
            hashing.result()
            _report(progress, raw.size)
        self._write_chunks(finished)
        self.tail = (
            file.read(header.file_size - header.tail_start) if header.file_size > header.tail_start else b""
        )
        source_hash.update(self.tail)
        _report(progress, len(self.tail))
        if (
            file.seek(0, os.SEEK_END) != header.file_size
            or len(self.tail) != header.file_size - header.tail_start
        ):
            raise EDFError(f"{file.name}: changed its size while it was read; is it still being written?")
        return source_hash.hexdigest()

    def _write_chunks(self, finished: list[tuple[records.Part, list[Any]]]) -> None:
        for part, chunks in finished:
            self.writers[part.signal].write(chunks)

    def _write_state(self) -> dict[str, Any]:
        """Name the stored signals and write the state's tables; return its members and digest."""
        signals, described = {}, []
        for index, name in self.names.items():
            writer = self.writers[index]
            samples = writer.finish()
            own = digest.signal_digest(writer.dataset.dtype, writer.length, samples, writer.attributes)
            if own in self.data:  # two signals that are alike in everything
                del self.data[_unfinished(index)]
            else:
                objects.rename(self.data, _unfinished(index), own)
            signals[name] = own
            described.append((name, writer.attributes, [Piece(own, 0, writer.length)]))
        rows = {
            layout.SEGMENTS: self.times.segment_rows(),
            layout.ANNOTATIONS: self.times.annotation_rows(),
            layout.EPOCHS: objects.make_rows(
                layout.STATE_TABLES[layout.EPOCHS], {"epoch": [], "start": [], "duration": [], "masked": []}
            ),
            layout.PIECES: objects.make_rows(
                layout.STATE_TABLES[layout.PIECES],
                {
                    "signal": list(signals),
                    "data": list(signals.values()),
                    "start": [0] * len(signals),
                    "stop": [pieces[0].stop for _, _, pieces in described],
                },
            ),
        }
        attributes: dict[str, dict[str, AttributeValue]] = {name: {} for name in rows}
        start = self.header.start()
        attributes[layout.SEGMENTS] = {layout.CLOCK_START: start.isoformat() if start else ""}
        tables = {
            name: digest.table_digest(rows[name], attributes[name]) for name in rows if name != layout.PIECES
        }
        return {
            "signals": signals,
            "tables": {name: objects.write_table(self.h5, rows[name], attributes[name]) for name in rows},
            "digest": digest.state_digest(described, tables),
        }

    def _link_state(self, parent: h5py.Group, members: dict[str, Any]) -> None:
        """Give a group the state's members: hard links, nothing is written again."""
        group = objects.create_group(parent, layout.SIGNALS)
        for name, own in members["signals"].items():
            objects.link(self.data[own], group, name)
        for name, table in members["tables"].items():
            objects.link(table, parent, name)

    def _write_edf(self) -> None:
        """What makes the export byte for byte: header, annotation bytes, tail (spec E-1 to E-7)."""
        header, group = self.header, self.edf
        objects.write_attributes(
            group,
            {
                **{name: header.texts[name] for name, _ in edf.FILE_FIELDS},
                "num_records": header.num_records,
                "sample_bytes": header.sample_bytes,
            },
        )
        objects.link(objects.write_bytes(self.h5, header.raw), group, layout.EDF_HEADER)
        objects.link(objects.write_bytes(self.h5, self.tail), group, layout.EDF_TAIL)
        for signal in header.signals:
            if signal.is_annotation:
                self.writers[signal.index].finish()
        rows = objects.make_rows(
            layout.EDF_CHANNEL_COLUMNS,
            {
                "index": [s.index for s in header.signals],
                "name": [self.names.get(s.index, str(s.index)) for s in header.signals],
                "is_annotation": [int(s.is_annotation) for s in header.signals],
                "samples_per_record": [s.samples_per_record for s in header.signals],
            },
        )
        objects.link(objects.write_table(self.h5, rows), group, layout.EDF_CHANNELS)
        rows = objects.make_rows(
            layout.EDF_WARNING_COLUMNS,
            {"code": [o.code for o in header.oddities], "message": [o.message for o in header.oddities]},
        )
        objects.link(objects.write_table(self.h5, rows), group, layout.EDF_WARNINGS)

    def _write_history(self, source_sha256: str, state_digest: str) -> None:
        rows = objects.make_rows(
            layout.HISTORY_COLUMNS,
            {
                "operation": ["convert"],
                "parameters": [json.dumps({"source_sha256": source_sha256}, sort_keys=True)],
                "time": [provenance.now()],
                "versions": [json.dumps(provenance.versions_now(), sort_keys=True)],
                "digest_before": [""],
                "digest_after": [state_digest],
            },
        )
        objects.link(objects.write_table(self.h5, rows), self.h5, layout.HISTORY)


def _unfinished(index: int) -> str:
    """Name of a signal in /data until its samples, and so its name, are known."""
    return f"unfinished-{index}"


def _submit_read(
    file: BinaryIO, block: records.Block | None
) -> Future[tuple[records.Block, npt.NDArray[np.uint8]]] | None:
    """Start to read a block in the background; None when there is none left."""
    return None if block is None else pool().submit(lambda: (block, records.read_block(file, block)))


def _report(progress: Progress | None, count: int) -> None:
    if progress is not None:
        progress(count)
