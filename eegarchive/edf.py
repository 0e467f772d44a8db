"""EDF, EDF+, BDF and BDF+ headers, as a table of fields.

Sources: Kemp et al. 1992 (EDF), Kemp & Olivan 2003 (EDF+), the BioSemi file format (BDF). What bends
those texts is taken as it is and reported as an :class:`Oddity`, never repaired.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from eegarchive.errors import EDFError

#: The header's first 256 bytes: (field, width).
FILE_FIELDS = (
    ("version", 8),
    ("local_patient_identification", 80),
    ("local_recording_identification", 80),
    ("startdate", 8),
    ("starttime", 8),
    ("bytes_in_header", 8),
    ("reserved", 44),
    ("num_data_records", 8),
    ("record_duration", 8),
    ("num_signals", 4),
)
#: 256 bytes for each signal, field by field for all signals.
SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("physical_dimension", 8),
    ("physical_minimum", 8),
    ("physical_maximum", 8),
    ("digital_minimum", 8),
    ("digital_maximum", 8),
    ("prefiltering", 80),
    ("samples_per_record", 8),
    ("reserved", 32),
)
FILE_HEADER_BYTES = sum(width for _, width in FILE_FIELDS)
SIGNAL_HEADER_BYTES = sum(width for _, width in SIGNAL_FIELDS)
ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")
#: More than the field's eight digits can say; only an exponent says more.
MAX_SAMPLES_PER_RECORD = 2**31
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


#: Takes an oddity's code and message.
Report = Callable[[str, str], None]


@dataclass(frozen=True)
class Oddity:
    """One way in which the input bends its standard; `code` is stable, `message` is for people."""

    code: str
    message: str


@dataclass(frozen=True)
class SignalHeader:
    """One signal of the header. Texts are decoded and without padding; numbers may not parse (None)."""

    index: int
    label: str
    texts: dict[str, str]
    physical_minimum: float | None
    physical_maximum: float | None
    digital_minimum: float | None
    digital_maximum: float | None
    samples_per_record: int

    @property
    def is_annotation(self) -> bool:
        """Whether the signal carries TALs in place of samples."""
        return self.label.strip() in ANNOTATION_LABELS

    @property
    def calibration(self) -> tuple[float, float] | None:
        """(scale, offset) with physical = digital * scale + offset; None if the limits define none."""
        limits = (
            self.physical_minimum,
            self.physical_maximum,
            self.digital_minimum,
            self.digital_maximum,
        )
        known = [limit for limit in limits if limit is not None]
        if len(known) < len(limits):
            return None
        physical_minimum, physical_maximum, digital_minimum, digital_maximum = known
        if physical_maximum == physical_minimum or digital_maximum == digital_minimum:
            return None
        scale = (physical_maximum - physical_minimum) / (digital_maximum - digital_minimum)
        offset = physical_minimum - digital_minimum * scale
        return (scale, offset) if np.isfinite(scale) and np.isfinite(offset) else None


@dataclass
class Header:
    """A parsed EDF or BDF header; `raw` has its bytes as they stand in the file."""

    raw: bytes
    is_bdf: bool
    texts: dict[str, str]
    signals: list[SignalHeader]
    record_duration: Fraction
    num_records: int
    file_size: int
    oddities: list[Oddity] = field(default_factory=list)

    @property
    def sample_bytes(self) -> int:
        """2 for EDF, 3 for BDF."""
        return 3 if self.is_bdf else 2

    @property
    def record_bytes(self) -> int:
        """Bytes of one data record."""
        return self.sample_bytes * sum(s.samples_per_record for s in self.signals)

    @property
    def tail_start(self) -> int:
        """Offset of the first byte after the last whole record."""
        return len(self.raw) + self.num_records * self.record_bytes

    @property
    def stated_kind(self) -> str:
        """EDF, EDF+C, EDF+D, BDF, BDF+C or BDF+D, as version byte and reserved field say."""
        base = "BDF" if self.is_bdf else "EDF"
        match = re.match(r"(?:EDF|BDF)\+([CD])", self.texts["reserved"])
        return f"{base}+{match[1]}" if match else base

    def sampling_rate(self, signal: SignalHeader) -> Fraction:
        """Samples per second, exactly; a record duration of 0 counts as 1 s."""
        return signal.samples_per_record / (self.record_duration or Fraction(1))

    def start(self) -> datetime.datetime | None:
        """Zero of the recording clock, local time; None (and an oddity) if it doesn't parse.

        The century is that of the EDF+ subfield `Startdate` where there is one, else 1985 to 2084.
        """
        startdate, starttime = self.texts["startdate"], self.texts["starttime"]
        date = _full_date(self.texts["local_recording_identification"])
        if date is None:
            date = _short_date(startdate)
        elif _numbers(startdate.lower().replace("yy", f"{date:%y}")) != (
            date.day,
            date.month,
            date.year % 100,
        ):
            self._odd(
                "start-dates-differ",
                f"start date {startdate!r} and the recording field's {date} differ; the latter counts",
            )
        time = _time(starttime)
        if date is None or time is None:
            self._odd(
                "start-unknown",
                f"start date and time {startdate!r} {starttime!r} don't parse; the archive has no start time",
            )
            return None
        return datetime.datetime.combine(date, time)

    def _odd(self, code: str, message: str) -> None:
        self.oddities.append(Oddity(code, message))


def _numbers(text: str) -> tuple[int, int, int] | None:
    """Three numbers of a dd.mm.yy or hh.mm.ss field; writers also use `:`, `-` and `/`."""
    match = re.fullmatch(r"\s*(\d{1,2})[.:/-](\d{1,2})[.:/-](\d{1,2})\s*", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _short_date(text: str) -> datetime.date | None:
    """The date of a dd.mm.yy field, 1985 to 2084."""
    numbers = _numbers(text)
    if numbers is None:
        return None
    day, month, year = numbers
    return _date(year + (2000 if year < 85 else 1900), month, day)


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _time(text: str) -> datetime.time | None:
    """The time of a hh.mm.ss field."""
    numbers = _numbers(text)
    if numbers is None:
        return None
    try:
        return datetime.time(*numbers)
    except ValueError:
        return None


def _full_date(recording: str) -> datetime.date | None:
    match = re.match(r"\s*Startdate (\d{1,2})-([A-Za-z]{3})-(\d{4})\b", recording)
    if match is None or match[2].upper() not in MONTHS:
        return None
    return _date(int(match[3]), MONTHS.index(match[2].upper()) + 1, int(match[1]))


def decode_text(raw: bytes) -> str:
    """Text of a header field: padding off the right, UTF-8 where it is valid, else Latin-1.

    A NUL inside becomes U+FFFD, since fixed-length HDF5 text ends at one; the bytes themselves stay in
    `/edf/header`.
    """
    stripped = raw.rstrip(b" \0")
    try:
        text = stripped.decode("utf-8")
    except UnicodeDecodeError:
        text = stripped.decode("latin-1")
    return text.replace("\0", "\ufffd")


def decode_number(raw: bytes) -> Fraction | None:
    """The number in a header field, exactly; None if there is none. A decimal comma counts as a point."""
    text = raw.strip(b" \0").replace(b",", b".")
    if not re.fullmatch(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?0*\d{1,2})?", text):
        return None
    return Fraction(text.decode("ascii"))


def _decode_count(raw: bytes) -> int | None:
    number = decode_number(raw)
    return int(number) if number is not None and number.denominator == 1 else None


def _split(raw: bytes, fields: tuple[tuple[str, int], ...], count: int) -> dict[str, list[bytes]]:
    """Cut `raw` into fields, each repeated `count` times in a row."""
    out, at = {}, 0
    for name, width in fields:
        out[name] = [raw[at + i * width : at + (i + 1) * width] for i in range(count)]
        at += width * count
    return out


def read_header(file: BinaryIO, name: str) -> Header:
    """Parse the header at the start of `file`; `name` is what messages call it.

    Raises
    ------
    EDFError
        If the bytes can't be understood as EDF or BDF.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    first = file.read(FILE_HEADER_BYTES)
    if len(first) < FILE_HEADER_BYTES:
        raise EDFError(f"{name}: ends at byte {size}, inside the first {FILE_HEADER_BYTES} of an EDF header")
    oddities: list[Oddity] = []

    def odd(code: str, message: str) -> None:
        oddities.append(Oddity(code, message))

    fields = {key: values[0] for key, values in _split(first, FILE_FIELDS, 1).items()}
    is_bdf = _is_bdf(fields["version"], name, odd)
    count = _num_signals(fields, name, odd)
    needed = FILE_HEADER_BYTES + count * SIGNAL_HEADER_BYTES
    if size < needed:
        raise EDFError(
            f"{name}: ends at byte {size}, inside its header of {needed} bytes for {count} signals"
        )
    raw = first + file.read(needed - FILE_HEADER_BYTES)
    if any(byte > 126 or byte < 32 for byte in raw[8:]):
        odd(
            "header-not-ascii",
            "the header has bytes outside printable ASCII; texts are read as UTF-8 or Latin-1",
        )
    signals = _parse_signals(raw[FILE_HEADER_BYTES:], count, name, odd)
    record_bytes = sum(s.samples_per_record for s in signals) * (3 if is_bdf else 2)
    raw += file.read(_data_start(fields, needed, size, record_bytes, odd) - needed)
    header = Header(
        raw=raw,
        is_bdf=is_bdf,
        texts={key: decode_text(value) for key, value in fields.items()},
        signals=signals,
        record_duration=_record_duration(fields["record_duration"], signals, name, odd),
        num_records=0,
        file_size=size,
        oddities=oddities,
    )
    _count_records(header, fields["num_data_records"], odd)
    _check_plus(header, odd)
    return header


def _is_bdf(version: bytes, name: str, odd: Report) -> bool:
    if version.startswith(b"\xff"):
        if version != b"\xffBIOSEMI":
            odd("version", f"the version field is {version!r} where BDF has b'\\xffBIOSEMI'")
        return True
    if version.strip(b" \0") != b"0":
        raise EDFError(
            f"{name}: byte 0: the version field is {version!r}: neither EDF (b'0') nor BDF (b'\\xffBIOSEMI')"
        )
    if version != b"0       ":
        odd("version", f"the version field is {version!r} where EDF has b'0       '")
    return False


def _num_signals(fields: dict[str, bytes], name: str, odd: Report) -> int:
    """The number of signals; where it doesn't parse, the one that the header's stated size gives."""
    count = _decode_count(fields["num_signals"])
    stated_bytes = _decode_count(fields["bytes_in_header"])
    if count is None and stated_bytes is not None and stated_bytes % SIGNAL_HEADER_BYTES == 0:
        count = stated_bytes // SIGNAL_HEADER_BYTES - 1
        odd(
            "num-signals",
            f"the number of signals is {fields['num_signals']!r}; {count} follow from the header's size",
        )
    if count is None or count < 0:
        raise EDFError(f"{name}: byte 252: the number of signals is {fields['num_signals']!r}, not a number")
    return count


def _data_start(fields: dict[str, bytes], needed: int, size: int, record_bytes: int, odd: Report) -> int:
    """Offset of the first record: where the header says it ends, unless it is too short or the records tell."""
    stated = _decode_count(fields["bytes_in_header"])
    num_records = _decode_count(fields["num_data_records"])

    def fits(start: int) -> bool:
        if num_records is None or num_records < 0:
            return record_bytes > 0 and (size - start) % record_bytes == 0
        return size - start == num_records * record_bytes

    if stated == needed:
        return needed
    if stated is not None and needed < stated <= size and (fits(stated) or not fits(needed)):
        odd(
            "header-longer",
            f"the header states {stated} bytes where its signals need {needed}; data start where it states",
        )
        return stated
    odd(
        "header-size",
        f"the header states its size as {fields['bytes_in_header']!r}; its signals need {needed}, "
        "where data are taken to start",
    )
    return needed


def _record_duration(stated: bytes, signals: list[SignalHeader], name: str, odd: Report) -> Fraction:
    """Seconds of a record; it may be unknown only if no signal's rate depends on it."""
    duration = decode_number(stated)
    ordinary = [s for s in signals if not s.is_annotation]
    if duration is None or duration < 0:
        if ordinary:
            raise EDFError(
                f"{name}: byte 244: the record duration is {stated!r}, so no signal has a sampling rate"
            )
        odd("record-duration", f"the record duration is {stated!r}; no signal has samples, so 0 is taken")
        return Fraction(0)
    if duration == 0 and any(s.samples_per_record for s in ordinary):
        odd("record-duration-zero", "records last 0 s and have samples; 1 s is taken, as MNE does")
    return duration


def _parse_signals(raw: bytes, count: int, name: str, odd: Report) -> list[SignalHeader]:
    fields = _split(raw, SIGNAL_FIELDS, count)
    signals = []
    for i in range(count):
        own = {key: values[i] for key, values in fields.items()}
        label = decode_text(own["label"])
        samples = _decode_count(own["samples_per_record"])
        if samples is None or not 0 <= samples <= MAX_SAMPLES_PER_RECORD:
            at = FILE_HEADER_BYTES + 216 * count + 8 * i
            raise EDFError(
                f"{name}: byte {at}: signal {i} ({label!r}) "
                f"has {own['samples_per_record']!r} samples per record, not a possible number"
            )
        limits = {}
        for key in ("physical_minimum", "physical_maximum", "digital_minimum", "digital_maximum"):
            number = decode_number(own[key])
            limits[key] = None if number is None else float(number)
        signal = SignalHeader(
            index=i,
            label=label,
            texts={key: decode_text(value) for key, value in own.items()},
            samples_per_record=samples,
            **limits,
        )
        signals.append(signal)
        if signal.is_annotation:
            continue
        if signal.calibration is None:
            odd(
                "not-calibrated",
                f"signal {i} ({label!r}): its physical and digital limits define no scale; values stay digital",
            )
        elif limits["digital_minimum"] > limits["digital_maximum"]:  # type: ignore[operator]
            odd("digital-limits-reversed", f"signal {i} ({label!r}): digital minimum above digital maximum")
        if samples == 0:
            odd("no-samples", f"signal {i} ({label!r}) has 0 samples per record")
    return signals


def _count_records(header: Header, stated: bytes, odd: Report) -> None:
    """Set the number of whole records from the file's size, which is what is there."""
    data_bytes = header.file_size - len(header.raw)
    stated_count = _decode_count(stated)
    if header.record_bytes:
        header.num_records = data_bytes // header.record_bytes
    if stated_count == -1:
        odd(
            "num-records-unknown",
            f"the header gives -1 records (recording not closed); {header.num_records} are there",
        )
    elif stated_count != header.num_records:
        odd(
            "num-records",
            f"the header gives {decode_text(stated)!r} records; {header.num_records} whole ones are there",
        )
    tail = header.file_size - header.tail_start
    if tail:
        odd("tail", f"{tail} bytes follow the last whole record; they are kept for export and not decoded")


def _check_plus(header: Header, odd: Report) -> None:
    has_annotations = any(s.is_annotation for s in header.signals)
    plus = "+" in header.stated_kind
    if has_annotations and not plus:
        odd(
            "plus-not-stated",
            "there are annotation signals, "
            f"but the reserved field is {header.texts['reserved']!r}; they are read as such",
        )
    if plus and not has_annotations:
        odd(
            "plus-without-annotations",
            f"{header.stated_kind} without an annotation signal; records are taken as contiguous",
        )
