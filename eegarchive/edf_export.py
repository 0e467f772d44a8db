"""Any state as EDF, EDF+, BDF or BDF+: digital samples as they are, computed ones quantised."""

from __future__ import annotations

import datetime
import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from eegarchive import edf, records
from eegarchive.edf_channel import Channel, Quantised, digital_range, make_channel
from eegarchive.edf_layout import (
    AnnotationSignal,
    Clock,
    RecordLayout,
    header_bytes,
    lay_out,
    make_tals,
    plus_patient_field,
    plus_recording_field,
    recording_field,
)
from eegarchive.errors import EEGArchiveError, OddInput, VerificationFailed
from eegarchive.state import Signal, State
from eegarchive.storage.files import new_file, refuse_existing
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.workers import spread

#: A file of annotations only has records of this many bytes, about.
_ANNOTATION_RECORD_BYTES = 30_000
#: Room for a record's time-keeping TAL.
_CLOCK_BYTES = 32
#: Two-digit years of the header's start date are of these.
_SHORT_YEARS = range(1985, 2085)
#: What EDF+ asks for where the start isn't known.
_UNKNOWN_START = datetime.datetime(1985, 1, 1)


@dataclass(frozen=True)
class EDFReport:
    """What was written.

    Attributes
    ----------
    target : Path
    kind : str
        EDF, EDF+C, EDF+D, BDF, BDF+C or BDF+D.
    num_records : int
    record_duration : float
        Seconds.
    quantised : dict
        For each floating-point signal, by name, the largest difference between what the file gives and
        the signal, in its units. Digital signals are written as they are.
    shifted : float
        Seconds that the file's start is later than zero of the recording clock; onsets count from there.
    """

    target: Path
    kind: str
    num_records: int
    record_duration: float
    quantised: dict[str, float] = field(default_factory=dict)
    shifted: float = 0.0


def write_edf(
    state: State,
    header_fields: Mapping[str, AttributeValue],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> EDFReport:
    """Write a state as EDF(+) or BDF(+), whichever the target's suffix says.

    Digital samples are written as they are, under the header texts of their signals. Floating-point
    signals are quantised over the whole digital range. Signals without samples, which most readers
    refuse, are left out with a warning; so are segments, if no signal is left. Where the start isn't
    known the header has the 1st of January 1985, as EDF+ asks for.

    Parameters
    ----------
    state : State
    header_fields : mapping
        The fields of the source's EDF header (`Archive.edf_header`).
    target : path-like
        The file to write, ending in .edf or .bdf. It mustn't be the archive itself.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the bytes written since the last call; all calls add up to the file's size.

    Returns
    -------
    EDFReport

    Raises
    ------
    TargetExists
        If the target is there and `overwrite` isn't set.
    EEGArchiveError
        If EDF can't say what the state has: the message names the signal and what to do. Nothing is
        written.
    VerificationFailed
        If the header doesn't read back as what was written; nothing is left.

    Warns
    -----
    OddInput
        If signals are left out, or texts aren't ASCII.
    """
    target = Path(target)
    refuse_existing(target, overwrite)
    if target.suffix.lower() not in (".edf", ".bdf"):
        raise EEGArchiveError(f"{target}: name the file *.edf or *.bdf; the suffix says which to write")
    signals = {name: signal for name, signal in state.signals.items() if len(signal)}
    plan = _plan(state, signals, header_fields, str(target), target.suffix.lower() == ".bdf")
    left_out = [name for name in state.signals if name not in signals]
    if left_out:
        message = f"signals without samples are left out: {', '.join(left_out)}"
        warnings.warn(f"{target}: {message}", OddInput, stacklevel=2)
    if not plan.header[8:].isascii():
        where = [c.name for c in plan.channels if not all(map(str.isascii, c.texts.values()))]
        message = f"texts of {', '.join(where) or 'the header'} aren't ASCII; strict readers refuse the file"
        warnings.warn(f"{target}: {message}", OddInput, stacklevel=2)
    with new_file(target, overwrite) as temporary:
        with open(temporary, "wb") as file:
            _write(plan, file, progress)
        with open(temporary, "rb") as written:
            _check(plan, edf.read_header(written, str(target)), target)
    return EDFReport(
        target=target,
        kind=plan.kind,
        num_records=plan.layout.num_records,
        record_duration=float(plan.layout.duration),
        quantised={c.name: c.error for c in plan.channels if isinstance(c, Quantised)},
        shifted=float(plan.shift),
    )


@dataclass(frozen=True)
class _Plan:
    """All that is decided before the first byte is written."""

    kind: str
    is_bdf: bool
    header: bytes
    layout: RecordLayout
    channels: list[Channel]
    annotations: AnnotationSignal | None
    samples_per_record: list[int]
    shift: int


def _plan(
    state: State,
    signals: Mapping[str, Signal],
    header_fields: Mapping[str, AttributeValue],
    where: str,
    is_bdf: bool,
) -> _Plan:
    segments, annotations = state.segments.columns(), state.annotations.columns()
    sample_bytes = 3 if is_bdf else 2
    tals = make_tals(annotations, 0, where)
    if signals:
        stated = edf.decode_number(str(header_fields.get("record_duration", "")).encode())
        spare = max(map(len, tals), default=0) + _CLOCK_BYTES
        layout = lay_out(signals, segments, stated or Fraction(1), sample_bytes, spare, where)
    elif tals:
        num_records = -(-sum(map(len, tals)) // _ANNOTATION_RECORD_BYTES)
        layout = RecordLayout(Fraction(0), {}, [0.0], [num_records])
    else:
        raise EEGArchiveError(f"{where}: the state has neither samples nor annotations; nothing was written")
    shift = 0 if state.start is None else math.floor(layout.starts[0])
    start = None if state.start is None else state.start + datetime.timedelta(seconds=shift)
    plain = not tals and layout.starts == [shift] and (start is None or start.year in _SHORT_YEARS)
    base = "BDF" if is_bdf else "EDF"
    kind = base if plain else f"{base}+{'C' if len(layout.starts) == 1 else 'D'}"
    channels = [make_channel(signal, segments, is_bdf, where) for signal in signals.values()]
    texts = [
        {**channel.texts, "samples_per_record": str(layout.samples_per_record[channel.name])}
        for channel in channels
    ]
    annotation_signal = None
    if not plain:
        tals = make_tals(annotations, shift, where)
        annotation_signal = AnnotationSignal(Clock(layout, shift), tals, layout.num_records, sample_bytes)
        texts.append(_annotation_texts(base, annotation_signal.width // sample_bytes))
    fields = {
        **_identification(header_fields, start, plain),
        "bytes_in_header": str(edf.FILE_HEADER_BYTES + len(texts) * edf.SIGNAL_HEADER_BYTES),
        "reserved": ("24BIT" if is_bdf else "") if plain else kind,
        "num_data_records": str(layout.num_records),
        "record_duration": layout.duration_text,
        "num_signals": str(len(texts)),
    }
    header = header_bytes(fields, texts, is_bdf, where)
    samples_per_record = [int(one["samples_per_record"]) for one in texts]
    return _Plan(kind, is_bdf, header, layout, channels, annotation_signal, samples_per_record, shift)


def _identification(
    header_fields: Mapping[str, AttributeValue], start: datetime.datetime | None, plain: bool
) -> dict[str, str]:
    """Who and when: the source's texts where the standard allows them, and the start of this file."""
    patient = str(header_fields.get("local_patient_identification", ""))
    recording = str(header_fields.get("local_recording_identification", ""))
    shown = start or _UNKNOWN_START
    return {
        "local_patient_identification": patient if plain else plus_patient_field(patient),
        "local_recording_identification": (
            recording_field(recording, start) if plain else plus_recording_field(recording, start)
        ),
        "startdate": f"{shown:%d.%m.%y}",
        "starttime": f"{shown:%H.%M.%S}",
    }


def _annotation_texts(base: str, samples: int) -> dict[str, str]:
    lowest, highest = digital_range(base == "BDF")
    return {
        "label": f"{base} Annotations",
        "physical_minimum": "-1",
        "physical_maximum": "1",
        "digital_minimum": str(lowest),
        "digital_maximum": str(highest),
        "samples_per_record": str(samples),
    }


def _write(plan: _Plan, file: BinaryIO, progress: Callable[[int], None] | None) -> None:
    """Write the header and all records, a few MB at a time."""
    sources: list[Channel | AnnotationSignal] = [*plan.channels]
    if plan.annotations is not None:
        sources.append(plan.annotations)
    at = [0] * len(sources)
    file.write(plan.header)
    if progress is not None:
        progress(len(plan.header))
    sample_bytes = 3 if plan.is_bdf else 2
    for block in records.plan_blocks(plan.samples_per_record, sample_bytes, plan.layout.num_records):
        out = np.empty((block.rows, block.width), np.uint8)

        def fill(part: records.Part, out: npt.NDArray[np.uint8] = out, rows: int = block.rows) -> None:
            raw = sources[part.signal].read(at[part.signal], rows * part.width)
            at[part.signal] += len(raw)
            out[:, part.column : part.column + part.width] = raw.reshape(rows, part.width)

        for _ in spread(fill, block.parts):
            pass
        file.write(out)
        if progress is not None:
            progress(out.size)


def _check(plan: _Plan, header: edf.Header, target: Path) -> None:
    """Compare what the written header says to a reader with what was meant."""
    whole = header.tail_start == header.file_size and header.raw == plan.header
    stated = (
        header.stated_kind,
        header.texts["num_data_records"],
        header.num_records,
        header.record_duration,
        [signal.samples_per_record for signal in header.signals],
        [signal.is_annotation for signal in header.signals].count(True),
    )
    meant = (
        plan.kind,
        str(plan.layout.num_records),
        plan.layout.num_records,
        plan.layout.duration,
        plan.samples_per_record,
        int(plan.annotations is not None),
    )
    if not whole or stated != meant:
        raise VerificationFailed(
            f"{target}: its header reads back as {stated}, not {meant}; nothing was written"
        )
