"""EDF and BDF files, field by field, from a small description. Shares no code with the package.

What isn't described follows the standard; every header field can be overridden by raw bytes, so that a
file may bend the standard in any one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

#: Widths of the header's fields in file order.
FILE_WIDTHS = {
    "version": 8,
    "patient": 80,
    "recording": 80,
    "startdate": 8,
    "starttime": 8,
    "header_bytes": 8,
    "reserved": 44,
    "num_records": 8,
    "record_duration": 8,
    "num_signals": 4,
}
SIGNAL_WIDTHS = {
    "label": 16,
    "transducer": 80,
    "dimension": 8,
    "physical_minimum": 8,
    "physical_maximum": 8,
    "digital_minimum": 8,
    "digital_maximum": 8,
    "prefiltering": 80,
    "samples_per_record": 8,
    "reserved": 32,
}
ANNOTATIONS = "EDF Annotations"


def tal(onset: str | float, *texts: str | bytes, duration: str | float | None = None) -> bytes:
    """One time-stamped annotation list; without texts an empty one, as keeps time."""
    stated = onset if isinstance(onset, str) else f"{onset:+.10g}"
    length = "" if duration is None else f"\x15{duration}"
    parts = [text if isinstance(text, bytes) else text.encode() for text in texts or ("",)]
    return f"{stated}{length}".encode() + b"".join(b"\x14" + part for part in parts) + b"\x14\0"


@dataclass(frozen=True)
class Signal:
    """One signal: digital samples of all records in a row (None: a ramp), or each record's bytes.

    `fields` overrides header fields by raw bytes; they are padded with spaces.
    """

    label: str | bytes = "EEG Fpz-Cz"
    samples_per_record: int = 4
    content: Sequence[int] | Sequence[bytes] | None = None
    fields: Mapping[str, bytes] = field(default_factory=dict)

    def samples(self, num_records: int) -> list[int]:
        """The digital samples of `num_records` records."""
        count = num_records * self.samples_per_record
        if self.content is None:
            return [17 * i % 401 - 200 for i in range(count)]
        assert len(self.content) == count, f"{self.label!r}: {len(self.content)} samples, not {count}"
        return [int(sample) for sample in self.content]

    def records(self, num_records: int, sample_bytes: int) -> list[bytes]:
        """The bytes of each record."""
        width = self.samples_per_record * sample_bytes
        if self.content is not None and any(isinstance(item, bytes) for item in self.content):
            given = [*self.content, *[b""] * (num_records - len(self.content))]
            assert max(map(len, given)) <= width, f"{self.label!r}: more than {width} bytes in a record"
            return [bytes(item).ljust(width, b"\0") for item in given]
        encoded = np.array(self.samples(num_records), "<i4").view(np.uint8).reshape(-1, 4)
        raw = encoded[:, :sample_bytes].tobytes()
        return [raw[i * width : (i + 1) * width] for i in range(num_records)]

    def header(self, bdf: bool) -> dict[str, bytes]:
        """The signal's header fields, padded."""
        lowest = -(2**23) if bdf else -(2**15)
        stated = {
            "label": self.label if isinstance(self.label, bytes) else self.label.encode(),
            "transducer": b"AgAgCl electrode",
            "dimension": b"uV",
            "physical_minimum": b"-440",
            "physical_maximum": b"510",
            "digital_minimum": b"%d" % lowest,
            "digital_maximum": b"%d" % (-lowest - 1),
            "prefiltering": b"HP:0.1Hz LP:75Hz",
            "samples_per_record": b"%d" % self.samples_per_record,
            "reserved": b"",
        }
        return _padded({**stated, **self.fields}, SIGNAL_WIDTHS)


def annotations(
    *records: bytes,
    width: int = 60,
    label: str | bytes = ANNOTATIONS,
    fields: Mapping[str, bytes] | None = None,
) -> Signal:
    """An annotation signal with these bytes in its records, padded with NUL; `width` is in samples."""
    limits = {"dimension": b"", "physical_minimum": b"-1", "physical_maximum": b"1"}
    return Signal(label, width, records or (b"",), {**limits, **(fields or {})})


def clocked(*onsets: str | float, width: int = 60, extra: Mapping[int, bytes] | None = None) -> Signal:
    """An annotation signal that keeps the time of records; `extra` has further TALs by record."""
    return annotations(
        *(tal(onset) + (extra or {}).get(i, b"") for i, onset in enumerate(onsets)), width=width
    )


@dataclass(frozen=True)
class Recording:
    """A whole file; `fields` overrides header fields by raw bytes, padded with spaces."""

    signals: Sequence[Signal] = (Signal(),)
    num_records: int = 3
    record_duration: str = "1"
    reserved: str = ""
    bdf: bool = False
    fields: Mapping[str, bytes] = field(default_factory=dict)
    after_header: bytes = b""
    tail: bytes = b""
    cut: int | None = None

    @property
    def sample_bytes(self) -> int:
        """2 for EDF, 3 for BDF."""
        return 3 if self.bdf else 2

    def header(self) -> bytes:
        """The header's bytes."""
        stated = {
            "version": b"\xffBIOSEMI" if self.bdf else b"0",
            "patient": b"X X X X",
            "recording": b"Startdate 24-APR-1989 X X X",
            "startdate": b"24.04.89",
            "starttime": b"16.13.00",
            "header_bytes": b"%d" % (256 * (1 + len(self.signals)) + len(self.after_header)),
            "reserved": self.reserved.encode(),
            "num_records": b"%d" % self.num_records,
            "record_duration": self.record_duration.encode(),
            "num_signals": b"%d" % len(self.signals),
        }
        first = b"".join(_padded({**stated, **self.fields}, FILE_WIDTHS).values())
        each = [signal.header(self.bdf) for signal in self.signals]
        rest = b"".join(one[name] for name in SIGNAL_WIDTHS for one in each)
        return first + rest + self.after_header

    def build(self) -> bytes:
        """The file's bytes, up to byte `cut` (counted from the end if negative)."""
        each = [signal.records(self.num_records, self.sample_bytes) for signal in self.signals]
        data = b"".join(own[i] for i in range(self.num_records) for own in each)
        return (self.header() + data + self.tail)[: self.cut]


def _padded(fields: Mapping[str, bytes], widths: Mapping[str, int]) -> dict[str, bytes]:
    unknown = set(fields) - set(widths)
    assert not unknown, f"no such fields: {unknown}"
    for name, value in fields.items():
        assert len(value) <= widths[name], f"{name}: {value!r} is longer than {widths[name]}"
    return {name: fields[name].ljust(width) for name, width in widths.items()}
