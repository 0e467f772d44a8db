"""The form of an EDF+ file: header fields, record duration and onsets, and where each TAL goes."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import edf, tal
from eegarchive.errors import EEGArchiveError
from eegarchive.state import Signal

#: The most that EDF recommends for a record, and the most that EDFlib reads.
GOOD_RECORD_BYTES = 61_440
MAX_RECORD_BYTES = 10 * 2**20
_MAX_RECORDS = 99_999_999
_DURATION_CHARACTERS = 8
#: Record onsets count in ticks of 100 ns, which is as fine as readers look.
_TICK_DIGITS = 7
_MAX_SIGNALS = 9_999
_DATE = rf"\d\d-(?:{'|'.join(edf.MONTHS)})-\d{{4}}"
_PATIENT = re.compile(rf"\S+ [FMX] (?:X|{_DATE}) \S+(?: \S+)*")
_RECORDING = re.compile(rf"Startdate (?:X|{_DATE}) \S+ \S+ \S+(?: \S+)*")
_STARTDATE = re.compile(r"\s*Startdate \S+ *")
_IDENTIFICATION_BYTES = dict(edf.FILE_FIELDS)["local_patient_identification"]
_NOT_IN_TEXTS = str.maketrans("\x14\x15\0", "   ")


@dataclass(frozen=True)
class RecordLayout:
    """How the samples lie in records.

    Attributes
    ----------
    duration : Fraction
        Seconds of a record; 0 if there are annotations only.
    samples_per_record : dict
        By name of the signal.
    starts : list of float
        Seconds on the recording clock at which the runs of records without gaps start.
    counts : list of int
        Records of each run.
    """

    duration: Fraction
    samples_per_record: dict[str, int]
    starts: list[float]
    counts: list[int]

    @property
    def duration_text(self) -> str:
        """The duration as the header has it."""
        return _decimal_text(self.duration) or ""

    @property
    def num_records(self) -> int:
        """Records in all."""
        return sum(self.counts)


def lay_out(
    signals: Mapping[str, Signal],
    segments: Mapping[str, npt.NDArray[Any]],
    source_duration: Fraction,
    sample_bytes: int,
    spare_bytes: int,
    where: str,
) -> RecordLayout:
    """Find the record duration of which each segment and each signal has a whole number.

    It is the longest that isn't longer than the source's and keeps records small (`spare_bytes` of them
    are for annotations); the shortest there is, if all are too long.

    Raises
    ------
    EEGArchiveError
        If there is none; it names the signal, and the segment where one is to blame.
    """
    rates = {name: _exact_rate(signal, source_duration, where) for name, signal in signals.items()}
    fastest: Fraction = max(rates.values())
    edges = np.rint(np.cumsum([0.0, *segments["duration"]]) * float(fastest)).astype(np.int64)
    counts = np.diff(edges)
    shared = math.gcd(*counts.tolist()) / fastest
    for name, signal in signals.items():
        if (rates[name] * shared).denominator > 1:
            ticks = (counts * (rates[name] / fastest).numerator) % (rates[name] / fastest).denominator
            at = int(np.flatnonzero(ticks)[0])
            raise EEGArchiveError(
                f"{where}: signal {name!r} ({signal.sampling_rate:.10g} Hz) has no whole number of samples in "
                f"segment {at} ({segments['start'][at]:.10g} s, {segments['duration'][at]:.10g} s long), "
                "which EDF records need; resample the signal, drop it, or cut segments at whole seconds"
            )
        needed = int(edges[-1]) * rates[name] / fastest
        if needed != len(signal):
            raise EEGArchiveError(
                f"{where}: signal {name!r} has {len(signal)} samples, the segments ask for {needed}; "
                "resample it or drop it"
            )
    whole = {name: int(rate * shared) for name, rate in rates.items()}

    def record_bytes(duration: Fraction) -> Fraction:
        return sum(rates.values()) * duration * sample_bytes + spare_bytes

    possible = [
        duration
        for duration in (shared / k for k in _divisors(math.gcd(*whole.values())))
        if _decimal_text(duration)
        and record_bytes(duration) <= MAX_RECORD_BYTES
        and int(edges[-1]) / fastest / duration <= _MAX_RECORDS
    ]
    if not possible:
        hardest = max(rates, key=lambda name: rates[name].denominator)
        raise EEGArchiveError(
            f"{where}: no record duration of 8 characters gives whole records in all segments, whole samples of all "
            f"signals and at most {MAX_RECORD_BYTES // 2**20} MiB; {hardest!r} "
            f"({signals[hardest].sampling_rate:.10g} Hz) is the hardest: resample it, drop it, or cut segments "
            "at whole seconds"
        )
    good = [d for d in possible if d <= source_duration and record_bytes(d) <= GOOD_RECORD_BYTES]
    duration = max(good, default=min(possible))
    samples = {name: int(rate * duration) for name, rate in rates.items()}
    records = [int(count / fastest / duration) for count in counts.tolist()]
    starts, runs = _join(segments["start"].tolist(), records, duration, 0.5 / max(float(fastest), 1.0))
    return RecordLayout(duration, samples, starts, runs)


def _exact_rate(signal: Signal, source_duration: Fraction, where: str) -> Fraction:
    """The fraction that the rate's float stands for: of the source's record duration, or a simple one."""
    rate = signal.sampling_rate
    if not rate > 0:
        raise EEGArchiveError(f"{where}: signal {signal.name!r} has no sampling rate; drop it")
    candidates = [
        round(rate * source_duration) / source_duration,
        *(Fraction(rate).limit_denominator(10**digits) for digits in range(10)),
    ]
    return next((exact for exact in candidates if float(exact) == rate), Fraction(rate))


def _divisors(number: int) -> Iterator[int]:
    for k in range(1, math.isqrt(number) + 1):
        if number % k == 0:
            yield k
            yield number // k


def _decimal_text(duration: Fraction) -> str | None:
    """The exact decimal text of a duration, if its field can hold it."""
    for digits in range(_DURATION_CHARACTERS):
        scaled = duration * 10**digits
        if scaled.denominator == 1:
            text = shortest(Decimal(scaled.numerator).scaleb(-digits))
            return text if len(text) <= _DURATION_CHARACTERS else None
    return None


def shortest(number: Decimal) -> str:
    """A number's exact decimal text, without exponent and without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _join(
    starts: list[float], counts: list[int], duration: Fraction, tolerance: float
) -> tuple[list[float], list[int]]:
    """Join segments that follow each other without a gap, as the reader does (spec E-10)."""
    joined: tuple[list[float], list[int]] = ([], [])
    for start, count in zip(starts, counts, strict=True):
        if not count:
            continue
        if joined[0] and abs(start - joined[0][-1] - joined[1][-1] * float(duration)) <= tolerance:
            joined[1][-1] += count
        else:
            joined[0].append(start)
            joined[1].append(count)
    return joined


class Clock:
    """Onsets of the records as texts, made when asked for.

    Parameters
    ----------
    layout : RecordLayout
    shift : int
        Seconds that the file's start is later than zero of the recording clock.
    """

    def __init__(self, layout: RecordLayout, shift: int) -> None:
        starts = [Decimal(repr(start)) - shift for start in layout.starts]
        self._step = int(layout.duration * 10**_TICK_DIGITS)
        self._base = np.array([int(start.scaleb(_TICK_DIGITS).to_integral_value()) for start in starts])
        ends = np.cumsum(layout.counts)
        self._firsts = ends - layout.counts
        self._digits = _TICK_DIGITS
        while self._digits and not (self._step % 10 or (self._base % 10).any()):
            self._digits, self._step, self._base = self._digits - 1, self._step // 10, self._base // 10
        # the reader takes a segment's start from its first record: that one is exact
        self._exact = np.array([signed(start).encode() for start in starts])
        lasts = self._text(ends - 1)
        self.width = max(self._exact.itemsize, int(np.char.str_len(lasts).max()))

    def texts(self, first: int, last: int) -> npt.NDArray[np.bytes_]:
        """Onsets of records [first, last)."""
        records = np.arange(first, last)
        texts = self._text(records).astype(f"S{self.width}")
        begin, end = np.searchsorted(self._firsts, [first, last])
        texts[self._firsts[begin:end] - first] = self._exact[begin:end]
        return texts

    def _text(self, records: npt.NDArray[np.int64]) -> npt.NDArray[np.bytes_]:
        run = np.searchsorted(self._firsts, records, side="right") - 1
        ticks = self._base[run] + (records - self._firsts[run]) * self._step
        seconds, rest = np.divmod(np.abs(ticks), 10**self._digits)
        text = np.char.add(np.where(ticks < 0, b"-", b"+"), seconds.astype("S20"))
        if self._digits:
            text = np.char.add(np.char.add(text, b"."), np.char.zfill(rest.astype("S8"), self._digits))
        return text


def signed(number: Decimal) -> str:
    """A number as a TAL's onset."""
    return shortest(number) if number < 0 else f"+{shortest(abs(number))}"


def make_tals(annotations: Mapping[str, npt.NDArray[Any]], shift: int, where: str) -> list[bytes]:
    """Annotations as TALs, in their order.

    Raises
    ------
    EEGArchiveError
        If a TAL can't say one.
    """
    return [
        _tal(onset, duration, text, shift, f"{where}: annotation {i} ({text[:40]!r} at {onset:.10g} s)")
        for i, (onset, duration, text) in enumerate(
            zip(
                annotations["onset"].tolist(),
                annotations["duration"].tolist(),
                annotations["text"].tolist(),
                strict=True,
            )
        )
    ]


def _tal(onset: float, duration: float, text: str, shift: int, where: str) -> bytes:
    if not math.isfinite(onset):
        raise EEGArchiveError(f"{where}: EDF+ needs an onset; drop the annotation")
    if math.isinf(duration) or duration < 0:
        raise EEGArchiveError(f"{where}: lasts {duration} s, which EDF+ can't say; correct its duration")
    encoded = text.translate(_NOT_IN_TEXTS).encode("utf-8")
    if len(encoded) > tal.MAX_TEXT_BYTES:
        raise EEGArchiveError(
            f"{where}: its text has {len(encoded)} bytes, {tal.MAX_TEXT_BYTES} at most; shorten it"
        )
    stated = "" if math.isnan(duration) else "\x15" + shortest(abs(Decimal(repr(duration))))
    return f"{signed(Decimal(repr(onset)) - shift)}{stated}\x14".encode() + encoded + b"\x14\0"


class AnnotationSignal:
    """The annotation signal's bytes: each record's time-keeping TAL, then its share of the others.

    The TALs are spread over the records in their order, so that all records need about the same room.

    Attributes
    ----------
    width : int
        Bytes in a record, a whole number of samples.
    """

    def __init__(self, clock: Clock, tals: Sequence[bytes], num_records: int, sample_bytes: int) -> None:
        self._clock = clock
        self._bytes = np.frombuffer(b"".join(tals), np.uint8)
        lengths = np.array([len(one) for one in tals], np.int64)
        self._edges = np.cumsum([0, *lengths])
        share = max(1, -(-len(self._bytes) // num_records))
        self._record = self._edges[:-1] // share
        fullest = int(np.bincount(self._record, lengths, 1).max())
        needed = clock.width + len(b"\x14\x14\0") + fullest
        self.width = -(-needed // sample_bytes) * sample_bytes

    def read(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes [start, start + count) of all records in a row."""
        first, last = start // self.width, -(-(start + count) // self.width)
        rows = self._rows(first, last).reshape(-1)
        return rows[start - first * self.width :][:count]

    def _rows(self, first: int, last: int) -> npt.NDArray[np.uint8]:
        heads = np.char.add(self._clock.texts(first, last), b"\x14\x14")
        rows = np.zeros((last - first, self.width), np.uint8)
        rows[:, : heads.itemsize] = np.ascontiguousarray(heads).view(np.uint8).reshape(len(heads), -1)
        edges = self._edges[np.searchsorted(self._record, np.arange(first, last + 1))]
        to = np.arange(len(heads)) * self.width + np.char.str_len(heads) + 1
        places = np.arange(edges[0], edges[-1]) + np.repeat(to - edges[:-1], np.diff(edges))
        rows.reshape(-1)[places] = self._bytes[edges[0] : edges[-1]]
        return rows


def recording_field(text: str, start: datetime.datetime | None) -> str:
    """The recording identification as it was, but for the start date where it has one."""
    stated = _STARTDATE.match(text)
    return f"Startdate {_date(start)} {text[stated.end() :]}" if stated else text


def plus_patient_field(text: str) -> str:
    """The patient identification as EDF+ demands: code, sex, birthdate, name; what else it says is the name."""
    text = _ascii(text)
    return text if _PATIENT.fullmatch(text) else f"X X X {_one_word(text)}"[:_IDENTIFICATION_BYTES]


def plus_recording_field(text: str, start: datetime.datetime | None) -> str:
    """The recording identification as EDF+ demands: date, code, technician, equipment."""
    text = recording_field(_ascii(text), start)
    if _RECORDING.fullmatch(text) and len(text) <= _IDENTIFICATION_BYTES:
        return text
    said = _one_word(_STARTDATE.sub("", text, count=1))
    return f"Startdate {_date(start)} X X {said}"[:_IDENTIFICATION_BYTES]


def _date(start: datetime.datetime | None) -> str:
    return "X" if start is None else f"{start:%d}-{edf.MONTHS[start.month - 1]}-{start.year:04d}"


def _one_word(text: str) -> str:
    return "_".join(text.split()) or "X"


def _ascii(text: str) -> str:
    """Text without accents; what has no ASCII letter becomes a question mark."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return clean(plain).encode("ascii", "replace").decode("ascii")


def clean(text: str) -> str:
    """Text with spaces in place of characters that no header may hold, and none at its end."""
    return "".join(c if c.isprintable() and c != "\ufffd" else " " for c in text).rstrip(" ")


def header_bytes(
    fields: Mapping[str, str], signals: Sequence[Mapping[str, str]], is_bdf: bool, where: str
) -> bytes:
    """The header's bytes, from the texts of its fields.

    Raises
    ------
    EEGArchiveError
        If a text doesn't fit its field, or a label is one that EDF can't have.
    """
    if len(signals) > _MAX_SIGNALS:
        raise EEGArchiveError(f"{where}: {len(signals)} signals, EDF has {_MAX_SIGNALS} at most; drop some")
    parts = [b"\xffBIOSEMI" if is_bdf else b"0".ljust(8)]
    parts += [_encode(fields[name], width, f"{where}: {name}") for name, width in edf.FILE_FIELDS[1:]]
    for name, width in edf.SIGNAL_FIELDS:
        for signal in signals:
            what = f"{where}: signal {signal['label']!r}: {name}"
            parts.append(_encode(signal.get(name, ""), width, what, may_be_utf8=name != "label"))
    return b"".join(parts)


def _encode(text: str, width: int, what: str, may_be_utf8: bool = True) -> bytes:
    text = clean(text)
    for encoding in ("latin-1", "utf-8") if may_be_utf8 else ("latin-1",):
        try:
            raw = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        if edf.decode_text(raw) == text:
            if len(raw) > width:
                raise EEGArchiveError(
                    f"{what} {text!r} takes {len(raw)} bytes, {width} at most; give it a shorter one"
                )
            return raw.ljust(width)
    raise EEGArchiveError(f"{what} {text!r} has characters that EDF can't say; give it another")
