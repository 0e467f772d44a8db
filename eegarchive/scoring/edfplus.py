"""Annotations of EDF+ and BDF+ files, and EDF+ files that hold nothing else (EDF+, section 2.2)."""

from __future__ import annotations

import datetime
import itertools
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from eegarchive import edf, stages, tal
from eegarchive.records import BLOCK_BYTES, Block, read_block
from eegarchive.scoring.events import STAGES, Events, ScoringError, events_of, text_fault
from eegarchive.scoring.text import MAX_FILE_BYTES, format_number, shown_path

#: A scoring that starts further from its recording has a wrong date, or is another night's.
MAX_SHIFT = datetime.timedelta(hours=48)
#: What EDF+ allows for a record, so that every reader takes it.
RECORD_BYTES = 61440
#: EDF+ has texts of its own for the stages.
_STAGE_TEXTS = {stage: f"Sleep stage {stage}" for stage in STAGES} | {
    "N4": "Sleep stage 4",
    "M": "Movement time",
}
#: EDF+ needs three of them itself; an annotation with a line break is left out by MNE.
_NOT_WRITTEN = re.compile("[\x00\x14\x15\r\n]")
_RECORD_ONSET = b"+0\x14\x14\0"
_NO_START = datetime.datetime(1985, 1, 1)


def read(path: Path, start: datetime.datetime | None) -> Events:
    """Annotations of all annotation signals, on the clock that starts at `start` where it is given."""
    with open(path, "rb") as file:
        header = edf.read_header(file, shown_path(path))
        found = _annotations(file, header, path)
    shift = _shift(path, header, start)
    rows = []
    for a in found:
        fault = text_fault(a.text)
        if fault:
            raise ScoringError(f"{shown_path(path)}: the annotation at {a.onset} s: {fault}")
        kind, channel = stages.kind_of(a.text), stages.channel_of(a.text)
        rows.append((a.onset + shift, a.duration, a.text, kind, channel))
    return events_of(rows)


def _annotations(file: BinaryIO, header: edf.Header, path: Path) -> list[tal.Annotation]:
    """Annotations by signal, then by record, as the archive has them too."""
    signals = [s for s in header.signals if s.is_annotation and s.samples_per_record]
    if not signals:
        raise ScoringError(
            f"{shown_path(path)}: {header.stated_kind} without an annotation signal; it has no annotations"
        )
    if header.record_bytes > MAX_FILE_BYTES:
        raise ScoringError(f"{shown_path(path)}: records of {header.record_bytes} bytes; that is no scoring")
    edges = header.sample_bytes * np.cumsum([0, *(s.samples_per_record for s in header.signals)])
    found: dict[int, list[tal.Annotation]] = {s.index: [] for s in signals}
    report = tal.TalReport()
    at_once = max(1, BLOCK_BYTES // header.record_bytes)
    file.seek(len(header.raw))
    for first in range(0, header.num_records, at_once):
        count = min(at_once, header.num_records - first)
        block = read_block(file, Block(count, header.record_bytes, ()))
        for s in signals:
            own = block[:, edges[s.index] : edges[s.index + 1]]
            found[s.index] += tal.parse_records(own, first, s is signals[0], report)[1]
    if "tal-unreadable" in report.counts:
        raise ScoringError(
            f"{shown_path(path)}: record {report.first['tal-unreadable']}: an annotation that can't be read; "
            "expected +onset, duration and texts as EDF+ has them"
        )
    return list(itertools.chain(*found.values()))


def _shift(path: Path, header: edf.Header, start: datetime.datetime | None) -> float:
    """Seconds from `start` to the file's own start, from which onsets count; 0 where one isn't known."""
    own = header.start()
    anonymous = header.texts["local_recording_identification"].startswith("Startdate X")
    if start is None or own is None or (anonymous and own == _NO_START):
        return 0.0
    shift = own - start
    if abs(shift) > MAX_SHIFT:
        raise ScoringError(
            f"{shown_path(path)}: starts at {own}, {abs(shift)} from the recording's start {start}; "
            "if the dates are wrong, read it without start and its onsets are taken as they stand"
        )
    return shift.total_seconds()


def encode(path: Path, events: Events, start: datetime.datetime | None) -> bytes:
    """A whole EDF+C file without samples: records of duration 0, filled with annotations."""
    whole = (start or _NO_START).replace(microsecond=0)
    fraction = 0.0 if start is None else start.microsecond / 1e6
    tals = _tals(path, events, fraction)
    sizes = [len(one) for one in tals]
    width = len(_RECORD_ONSET) + max([1, min(sum(sizes), RECORD_BYTES - len(_RECORD_ONSET)), *sizes])
    width += width % 2  # a sample has two bytes
    records = [bytearray(_RECORD_ONSET)]
    for one in tals:
        if len(records[-1]) + len(one) > width:
            records.append(bytearray(_RECORD_ONSET))
        records[-1] += one
    fields = _header_fields(whole, start is None, len(records), width // 2)
    return fields + b"".join(bytes(record).ljust(width, b"\0") for record in records)


def _tals(path: Path, events: Events, fraction: float) -> list[bytes]:
    columns = (events.onset.tolist(), events.duration.tolist(), events.text, events.kind, events.channel)
    found = []
    for onset, duration, text, kind, channel in zip(*columns, strict=True):
        since = onset + fraction
        sign = "-" if since < 0 else "+"
        length = "" if np.isnan(duration) else f"\x15{format_number(duration)}"
        stated = _NOT_WRITTEN.sub(" ", _text(text, kind, channel)) or ("" if length else " ")
        if len(stated.encode()) >= tal.MAX_TEXT_BYTES:  # readers count its end too
            raise ScoringError(
                f"{shown_path(path)}: the event at {onset} s has a text too long for EDF+; shorten it"
            )
        found.append(f"{sign}{format_number(abs(since))}{length}\x14{stated}\x14\0".encode())
    return found


def _text(text: str, kind: str, channel: str) -> str:
    """A text that states the stage and the channel too."""
    if kind in STAGES and stages.kind_of(text) != kind:
        text = _STAGE_TEXTS[kind]
    if not channel or stages.channel_of(text) == channel:
        return text
    return f"{text.partition('@@')[0]}@@{channel}"


def _header_fields(start: datetime.datetime, anonymous: bool, num_records: int, samples: int) -> bytes:
    month = edf.MONTHS[start.month - 1]
    date = "X" if anonymous else f"{start.day:02d}-{month}-{start.year:04d}"
    year = f"{start.year % 100:02d}" if start.year <= 2084 else "yy"
    file_fields = {
        "version": "0",
        "local_patient_identification": "X X X X",
        "local_recording_identification": f"Startdate {date} X X X",
        "startdate": f"{start.day:02d}.{start.month:02d}.{year}",
        "starttime": f"{start:%H.%M.%S}",
        "bytes_in_header": str(edf.FILE_HEADER_BYTES + edf.SIGNAL_HEADER_BYTES),
        "reserved": "EDF+C",
        "num_data_records": str(num_records),
        "record_duration": "0",
        "num_signals": "1",
    }
    signal_fields = {
        "label": edf.ANNOTATION_LABELS[0],
        "physical_minimum": "-1",
        "physical_maximum": "1",
        "digital_minimum": "-32768",
        "digital_maximum": "32767",
        "samples_per_record": str(samples),
    }
    parts = [file_fields[name].ljust(width) for name, width in edf.FILE_FIELDS]
    parts += [signal_fields.get(name, "").ljust(width) for name, width in edf.SIGNAL_FIELDS]
    return "".join(parts).encode("ascii")
