"""The rules of spec/edf.md by which a state follows from an EDF, once more, and a maker of small EDFs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FILE_FIELDS = {
    "version": 8,
    "local_patient_identification": 80,
    "local_recording_identification": 80,
    "startdate": 8,
    "starttime": 8,
    "bytes_in_header": 8,
    "reserved": 44,
    "num_data_records": 8,
    "record_duration": 8,
    "num_signals": 4,
}
SIGNAL_FIELDS = {
    "label": 16,
    "transducer": 80,
    "physical_dimension": 8,
    "physical_minimum": 8,
    "physical_maximum": 8,
    "digital_minimum": 8,
    "digital_maximum": 8,
    "prefiltering": 80,
    "samples_per_record": 8,
    "reserved": 32,
}
TAL = re.compile(rb"([+-]?\d+(?:\.\d*)?)(?:\x15(\d*(?:\.\d*)?))?\x14(.*)", re.DOTALL)


def text(raw: bytes) -> str:
    """E-13."""
    raw = raw.rstrip(b" \0")
    try:
        return raw.decode("utf-8").replace("\0", "\ufffd")
    except UnicodeDecodeError:
        return raw.decode("latin-1").replace("\0", "\ufffd")


def number(raw: bytes) -> Fraction | None:
    """E-13."""
    plain = raw.strip(b" \0").replace(b",", b".").decode("latin-1")
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?0*[0-9]{1,2})?", plain):
        return Fraction(plain)
    return None


@dataclass
class Header:
    """The fields of an EDF's header: raw bytes by name."""

    file: dict[str, bytes]
    signals: list[dict[str, bytes]]

    @classmethod
    def parse(cls, raw: bytes) -> Header:
        at = 0
        file = {}
        for name, width in FILE_FIELDS.items():
            file[name] = raw[at : at + width]
            at += width
        count = int(file["num_signals"])
        signals: list[dict[str, bytes]] = [{} for _ in range(count)]
        for name, width in SIGNAL_FIELDS.items():
            for own in signals:
                own[name] = raw[at : at + width]
                at += width
        return cls(file, signals)

    def is_annotation(self, i: int) -> bool:
        """E-14."""
        return text(self.signals[i]["label"]).strip() in ("EDF Annotations", "BDF Annotations")

    def samples_per_record(self, i: int) -> int:
        return int(number(self.signals[i]["samples_per_record"]) or 0)

    @property
    def ordinary(self) -> list[int]:
        return [i for i in range(len(self.signals)) if not self.is_annotation(i)]

    @property
    def record_duration(self) -> Fraction:
        return number(self.file["record_duration"]) or Fraction(1)

    def rate(self, i: int) -> float:
        """S-10."""
        return float(self.samples_per_record(i) / self.record_duration)

    def calibration(self, i: int) -> tuple[float, float, str]:
        """S-6: scale, offset, units."""
        keys = ("physical_minimum", "physical_maximum", "digital_minimum", "digital_maximum")
        limits = [number(self.signals[i][key]) for key in keys]
        if None in limits:
            return 1.0, 0.0, ""
        low, high, bottom, top = (float(limit or 0) for limit in limits)
        if low == high or bottom == top:
            return 1.0, 0.0, ""
        scale = (high - low) / (top - bottom)
        offset = low - bottom * scale
        if not (math.isfinite(scale) and math.isfinite(offset)):
            return 1.0, 0.0, ""
        return scale, offset, text(self.signals[i]["physical_dimension"])

    def stated_plus(self) -> str:
        match = re.match(r"(EDF|BDF)(\+[CD])", text(self.file["reserved"]))
        return match[2] if match else ""

    def kind(self, num_segments: int) -> str:
        """E-12."""
        base = "BDF" if self.file["version"].startswith(b"\xff") else "EDF"
        if self.stated_plus() or len(self.ordinary) == len(self.signals):
            return base + self.stated_plus()
        return base + ("+D" if num_segments > 1 else "+C")


def tals(raw: bytes) -> list[tuple[float, float, list[bytes]] | None]:
    """E-11: the TALs of one record; None for one that can't be read."""
    found: list[tuple[float, float, list[bytes]] | None] = []
    for token in raw.split(b"\0"):
        if not token:
            continue
        match = TAL.fullmatch(token)
        if match is None or len(match[3]) > 65_536:
            found.append(None)
            continue
        onset = float(match[1])
        duration = float(match[2]) if match[2] not in (None, b"", b".") else math.nan
        if math.isinf(onset) or math.isinf(duration):
            found.append(None)
            continue
        found.append((onset, duration, match[3].removesuffix(b"\x14").split(b"\x14")))
    return found


def annotations(streams: Sequence[Sequence[bytes]]) -> list[tuple[float, float, str]]:
    """E-11: onset, duration and text from the records of each annotation signal."""
    found = []
    for records in streams:
        for raw in records:
            for tal in tals(raw):
                for one in tal[2] if tal else ():
                    if one or not math.isnan(tal[1]):
                        found.append((tal[0], tal[1], _utf8(one)))
    return sorted(found, key=lambda row: row[0])


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def segments(header: Header, num_records: int, clock: Sequence[bytes]) -> list[tuple[float, float]]:
    """E-10: start and duration, from the clock signal's bytes in each record (empty if there is none)."""
    if not num_records or not any(header.samples_per_record(i) for i in header.ordinary):
        return []
    onsets: list[float | None] = [None] * num_records
    for i, raw in enumerate(clock):
        first = next(iter(tals(raw)), None)
        if first is not None and not first[2][0]:
            onsets[i] = first[0]
    start = onsets[0] or 0.0
    exact = header.record_duration
    if header.stated_plus() == "+C" or not any(onset is not None for onset in onsets):
        return [(start, float(num_records * exact))]
    duration = float(exact)
    tolerance = 0.5 / max(1.0, *(header.rate(i) for i in header.ordinary))
    runs: list[tuple[float, int]] = []
    late = before = begun = 0.0
    for i, onset in enumerate(onsets):
        if i and onset is not None:
            late = onset - start - i * duration
        if i == 0 or abs(late - before) > tolerance or abs(late - begun) > tolerance:
            begun = late
            runs.append((start if i == 0 or onset is None else onset, 0))
        runs[-1] = runs[-1][0], runs[-1][1] + 1
        before = late
    return [(at, float(count * exact)) for at, count in runs]


# -- making small EDFs --------------------------------------------------------------------------------------


@dataclass
class Made:
    """One signal of a small EDF: what its header says, and its bytes in each record."""

    label: str = "C3"
    records: Sequence[bytes] = (b"\0\0" * 10,)
    fields: dict[str, str] = field(default_factory=dict)


def make_edf(signals: Sequence[Made], *, bdf: bool = False, tail: bytes = b"", **fields: str) -> bytes:
    """The bytes of an EDF or BDF whose header says what it is told to."""
    width = 3 if bdf else 2
    count = len(signals[0].records) if signals else 0
    file: dict[str, Any] = {
        "version": "0",
        "startdate": "02.03.14",
        "starttime": "22.15.16",
        "bytes_in_header": 256 * (len(signals) + 1),
        "num_data_records": count,
        "record_duration": "1",
        "num_signals": len(signals),
        **fields,
    }
    raw = b"".join(str(file.get(name, "")).encode("latin-1").ljust(w) for name, w in FILE_FIELDS.items())
    if bdf:
        raw = b"\xffBIOSEMI" + raw[8:]
    for name, w in SIGNAL_FIELDS.items():
        for made in signals:
            own: dict[str, Any] = {
                "label": made.label,
                "physical_dimension": "uV",
                "physical_minimum": "-100",
                "physical_maximum": "100",
                "digital_minimum": "-2048",
                "digital_maximum": "2047",
                "samples_per_record": len(made.records[0]) // width,
                **made.fields,
            }
            raw += str(own.get(name, "")).encode("utf-8").ljust(w)
    for i in range(count):
        raw += b"".join(made.records[i] for made in signals)
    return raw + tail


def tal(onset: str, *texts: str, duration: str | None = None, size: int = 60) -> bytes:
    """Bytes of one TAL, without its padding."""
    stated = onset if duration is None else f"{onset}\x15{duration}"
    return "\x14".join([stated, *texts, ""]).encode("utf-8") + b"\0"
