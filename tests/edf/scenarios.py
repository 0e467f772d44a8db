"""Named recordings, byte by byte, and what their archives must say. `test_scenarios.py` converts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .builder import Recording, Signal, annotations, clocked, tal


@dataclass(frozen=True)
class Scenario:
    """A recording, the codes of its warnings in order, and facts about its archive.

    `whole` is how many whole records the file holds, where that isn't what the description says.
    `facts` are looked up in `test_scenarios.FACTS`.
    """

    name: str
    recording: Recording
    warnings: tuple[str, ...] = ()
    whole: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def eeg(samples: int = 4, label: str | bytes = "EEG Fpz-Cz", **fields: bytes) -> Signal:
    """A signal whose header fields are overridden by name."""
    return Signal(label, samples, None, fields)


def labelled(*labels: str | bytes) -> Recording:
    """A recording of signals with these labels."""
    return Recording([eeg(2, label) for label in labels])


def edf(*signals: Signal, **overrides: bytes) -> Recording:
    """A plain EDF of three records whose header fields are overridden by name."""
    return Recording(signals or (eeg(),), fields=overrides)


def plus(*signals: Signal, kind: str = "EDF+C", records: int = 3, duration: str = "1") -> Recording:
    """An EDF+ or BDF+ of some records."""
    return Recording(signals, records, duration, kind, bdf=kind.startswith("BDF"))


KINDS = [
    Scenario("plain EDF", edf(), facts={"kind": "EDF", "segments": [(0, 3)], "rates": [4.0]}),
    Scenario("plain BDF", Recording(bdf=True, reserved="24BIT"), facts={"kind": "BDF", "types": ["<i4"]}),
    Scenario(
        "EDF+C",
        plus(eeg(), clocked(0, 1, 2, extra={1: tal(1.25, "Lights off"), 2: tal(0.5, "Arousal", duration=3)})),
        facts={
            "kind": "EDF+C",
            "segments": [(0, 3)],
            "annotations": [(0.5, 3, "Arousal"), (1.25, None, "Lights off")],
        },
    ),
    Scenario(
        "EDF+D with a gap",
        plus(eeg(), clocked(0, 1, 10), kind="EDF+D"),
        facts={"kind": "EDF+D", "segments": [(0, 2), (10, 1)]},
    ),
    Scenario(
        "EDF+D without a gap",
        plus(eeg(), clocked(0, 1, 2), kind="EDF+D"),
        facts={"kind": "EDF+D", "segments": [(0, 3)]},
    ),
    Scenario(
        "BDF+C",
        plus(eeg(), clocked(0, 1, 2, extra={0: tal(2, "Ä")}), kind="BDF+C"),
        facts={"kind": "BDF+C", "annotations": [(2, None, "Ä")]},
    ),
    Scenario(
        "BDF+D with BDF annotations",
        plus(eeg(3), annotations(tal(0), tal(7), tal(8.5), label="BDF Annotations"), kind="BDF+D"),
        facts={"kind": "BDF+D", "segments": [(0, 1), (7, 1), (8.5, 1)]},
    ),
    Scenario(
        "EDF+ stated by BDF+C in an EDF file",
        Recording([eeg(), clocked(0, 1, 2)], reserved="BDF+C"),
        facts={"kind": "EDF+C", "types": ["<i2"]},
    ),
]

RATES = [
    Scenario(
        "channels at different and non-integer rates",
        Recording([eeg(100), eeg(1, "Temp rectal"), eeg(7, "SaO2")], 4, "30"),
        facts={"rates": [100 / 30, 1 / 30, 7 / 30], "segments": [(0, 120)]},
    ),
    Scenario(
        "records of a fraction of a second",
        Recording([eeg(500, "ECG I"), eeg(50, "Resp")], 3, "1.0284", bdf=True),
        facts={
            "rates": [float(500 / Fraction("1.0284")), float(50 / Fraction("1.0284"))],
            "segments": [(0, 3.0852)],
        },
    ),
    Scenario(
        "record duration with a decimal comma", Recording(record_duration="0,5"), facts={"rates": [8.0]}
    ),
    Scenario(
        "record duration with a Windows exponent",
        Recording(record_duration="5.0e-001"),
        facts={"rates": [8.0], "segments": [(0, 1.5)]},
    ),
    Scenario("record duration padded with NUL", Recording(record_duration="2\0"), ("header-not-ascii",)),
    Scenario(
        "record duration 0 with samples",
        Recording(record_duration="0"),
        ("record-duration-zero",),
        facts={"rates": [4.0], "segments": [(0, 3)]},
    ),
    Scenario("an hour in one record", Recording([eeg(3600)], 1, "3600"), facts={"rates": [1.0]}),
    Scenario(
        "300 signals",
        Recording([eeg(1, f"EEG {i}") for i in range(300)], 2),
        facts={"names": [f"EEG {i}" for i in range(300)]},
    ),
    Scenario(
        "a signal without samples",
        Recording([eeg(), eeg(0, "Flow"), eeg(2, "SaO2")]),
        ("no-samples",),
        facts={"rates": [4.0, 0.0, 2.0]},
    ),
    Scenario(
        "no signal has samples",
        Recording([eeg(0)]),
        ("no-samples", "num-records"),
        whole=0,
        facts={"segments": []},
    ),
    Scenario("no signals", Recording([], 0), facts={"names": [], "segments": []}),
    Scenario(
        "no signals, but records",
        Recording([], 5, tail=b"what is this?"),
        ("num-records", "tail"),
        whole=0,
        facts={"names": [], "tail": b"what is this?"},
    ),
    Scenario("no records", Recording(num_records=0), facts={"segments": [], "names": ["EEG Fpz-Cz"]}),
    Scenario(
        "no records of an EDF+D",
        plus(eeg(), annotations(), kind="EDF+D", records=0),
        facts={"kind": "EDF+D", "segments": []},
    ),
]

COUNTS = [
    Scenario(
        "number of records -1",
        edf(num_records=b"-1"),
        ("num-records-unknown",),
        facts={"segments": [(0, 3)]},
    ),
    Scenario("stated count of records too high", edf(num_records=b"7"), ("num-records",)),
    Scenario("stated count of records too low", edf(num_records=b"1"), ("num-records",)),
    Scenario("stated count of records negative", edf(num_records=b"-7"), ("num-records",)),
    Scenario(
        "stated count of records unreadable",
        edf(num_records=b"\x1b[1m\n?"),
        ("header-not-ascii", "num-records"),
    ),
    Scenario("stated count of records empty", edf(num_records=b""), ("num-records",)),
    Scenario("stated count of records astronomic", edf(num_records=b"9e99"), ("num-records",)),
    Scenario(
        "last record cut short",
        Recording(cut=-3),
        ("num-records", "tail"),
        whole=2,
        facts={"segments": [(0, 2)], "tail": b"\xc0\xff\xd1\xff\xe2"},
    ),
    Scenario(
        "last record of BDF cut within a sample",
        Recording(bdf=True, cut=-1),
        ("num-records", "tail"),
        whole=2,
    ),
    Scenario(
        "last record of EDF+D cut short",
        Recording([eeg(), clocked(0, 1, 9)], reserved="EDF+D", cut=-8),
        ("num-records", "tail"),
        whole=2,
        facts={"segments": [(0, 2)]},
    ),
    Scenario("first record cut short", Recording(cut=515), ("num-records", "tail"), whole=0),
    Scenario("header alone", Recording(cut=512), ("num-records",), whole=0, facts={"segments": []}),
    Scenario(
        "header alone of a recording that wasn't closed",
        Recording(cut=512, fields={"num_records": b"-1"}),
        ("num-records-unknown",),
        whole=0,
    ),
    Scenario("one byte after the end", Recording(tail=b"\0"), ("tail",), facts={"tail": b"\0"}),
    Scenario(
        "less than a record after the end",
        Recording(tail=b"\x1a\r\n"),
        ("tail",),
        facts={"tail": b"\x1a\r\n", "segments": [(0, 3)]},
    ),
    Scenario(
        "samples per record with an exponent",
        Recording([eeg(samples_per_record=b"4e0")]),
        facts={"rates": [4.0]},
    ),
    Scenario(
        "samples per record beyond the file",
        Recording([eeg(samples_per_record=b"99999999")]),
        ("num-records", "tail"),
        whole=0,
    ),
]

HEADERS = [
    Scenario(
        "header longer than needed",
        Recording(after_header=b"more of the header, 32 bytes....", tail=b""),
        ("header-longer",),
    ),
    Scenario(
        "header size too large, as the records tell",
        edf(header_bytes=b"520"),
        ("header-size",),
    ),
    Scenario(
        "header size too large in a recording that wasn't closed",
        edf(header_bytes=b"513", num_records=b"-1"),
        ("header-size", "num-records-unknown"),
    ),
    Scenario("header size beyond the file", edf(header_bytes=b"99999"), ("header-size",)),
    Scenario(
        "header size beyond the file and a wrong count of records",
        edf(header_bytes=b"99999", num_records=b"5"),
        ("header-size", "num-records"),
        facts={"segments": [(0, 3)]},
    ),
    Scenario("header size too small", edf(header_bytes=b"256"), ("header-size",)),
    Scenario("header size unreadable", edf(header_bytes=b"\xb2\xb3"), ("header-not-ascii", "header-size")),
    Scenario("header size empty", edf(header_bytes=b""), ("header-size",)),
    Scenario("number of signals unreadable", edf(num_signals=b"?"), ("num-signals",), facts={"rates": [4.0]}),
    Scenario("EDF version padded with NUL", edf(version=b"0\0\0\0\0\0\0\0"), ("version",)),
    Scenario(
        "BDF version of another maker",
        Recording(bdf=True, fields={"version": b"\xffBIOSEMY"}),
        ("version",),
        facts={"kind": "BDF"},
    ),
    Scenario(
        "UTF-8 in header texts",
        Recording([eeg(label="Température")], fields={"patient": "X F X Zoë_Öz".encode()}),
        ("header-not-ascii",),
        facts={"labels": ["Température"], "names": ["Température"]},
    ),
    Scenario(
        "Latin-1 in header texts",
        Recording([eeg(dimension=b"\xb5V", label=b"Atem \xd6l")]),
        ("header-not-ascii",),
        facts={"units": ["µV"], "labels": ["Atem Öl"]},
    ),
    Scenario(
        "NUL padding in header texts",
        Recording([eeg(label=b"EEG\0\0", transducer=b"Ag\0AgCl\0")]),
        ("header-not-ascii",),
        facts={"labels": ["EEG"], "transducers": ["Ag\ufffdAgCl"]},
    ),
    Scenario(
        "dates that don't parse",
        edf(recording=b"", startdate=b"42.00.00", starttime=b"26.00.99"),
        ("start-unknown",),
        facts={"start": None},
    ),
    Scenario(
        "empty dates",
        edf(recording=b"", startdate=b"", starttime=b""),
        ("start-unknown",),
        facts={"start": None},
    ),
    Scenario(
        "time that doesn't parse", edf(starttime=b"24:00:00"), ("start-unknown",), facts={"start": None}
    ),
    Scenario(
        "dates that differ",
        edf(startdate=b"01.02.03"),
        ("start-dates-differ",),
        facts={"start": "1989-04-24T16:13:00"},
    ),
    Scenario(
        "impossible date beside a good one in the recording field",
        edf(startdate=b"99.99.99"),
        ("start-dates-differ",),
        facts={"start": "1989-04-24T16:13:00"},
    ),
]

LABELS = [
    Scenario(
        "duplicate labels",
        labelled("Flow", "Flow", "SaO2", "Flow "),
        ("duplicate-labels",),
        facts={"names": ["Flow#1", "Flow#2", "SaO2", "Flow#3"], "labels": ["Flow", "Flow", "SaO2", "Flow"]},
    ),
    Scenario(
        "duplicate labels whose numbers are labels too",
        labelled("Flow", "Flow#1", "Flow"),
        ("duplicate-labels",),
        facts={"names": ["Flow#2", "Flow#1", "Flow#3"]},
    ),
    Scenario(
        "equal signals of one label",
        labelled("Flow", "Flow"),
        ("duplicate-labels",),
        facts={"names": ["Flow#1", "Flow#2"]},
    ),
    Scenario(
        "labels with slashes",
        labelled("C3/M2", "/", "//EEG"),
        facts={"names": ["C3%2FM2", "%2F", "%2F%2FEEG"], "labels": ["C3/M2", "/", "//EEG"]},
    ),
    Scenario(
        "labels of dots",
        labelled(".", "..", "...", "./."),
        facts={"names": ["%2E", "%2E%2E", "...", ".%2F."]},
    ),
    Scenario(
        "labels of spaces or nothing",
        labelled(b"", b"   ", b" EEG"),
        ("duplicate-labels",),
        facts={"names": ["unnamed#1", "unnamed#2", "EEG"], "labels": ["", "", " EEG"]},
    ),
    Scenario(
        "labels with control characters",
        labelled(b"a\x1b[31mb", b"x\ny", b"\x07", b"p\x7fq"),
        ("header-not-ascii",),
        facts={
            "names": ["a%1B[31mb", "x%0Ay", "%07", "p%7Fq"],
            "labels": ["a\x1b[31mb", "x\ny", "\x07", "p\x7fq"],
        },
    ),
    Scenario(
        "labels with NUL inside",
        labelled(b"a\0b", b"\0a"),
        ("header-not-ascii",),
        facts={"labels": ["a\ufffdb", "\ufffda"]},
    ),
    Scenario(
        "labels of invisible characters",
        labelled("a\u202eb", "\u200b", "\x85".encode("latin-1")),
        ("header-not-ascii",),
        facts={"names": ["a%E2%80%AEb", "%E2%80%8B", "unnamed"]},
    ),
    Scenario(
        "labels with percent signs",
        labelled("C3/M2", "C3%2FM2"),
        facts={"names": ["C3%2FM2#1", "C3%2FM2#2"], "labels": ["C3/M2", "C3%2FM2"]},
    ),
    Scenario("labels that differ in case", labelled("EEG", "eeg"), facts={"names": ["EEG", "eeg"]}),
]

LIMITS = [
    Scenario(
        "samples at the type's limits",
        Recording([Signal(content=(-32768, 32767, -1, 0), samples_per_record=4)], 1),
    ),
    Scenario(
        "samples at the limits of 24 bits",
        Recording([Signal(content=(-(2**23), 2**23 - 1, -1, 0), samples_per_record=4)], 1, bdf=True),
    ),
    Scenario(
        "samples outside the digital range",
        Recording(
            [
                Signal(
                    "Va",
                    3,
                    (-1, 500, 10),
                    {
                        "digital_minimum": b"0",
                        "digital_maximum": b"100",
                        "physical_minimum": b"0",
                        "physical_maximum": b"10",
                    },
                )
            ],
            1,
        ),
        facts={"physical": [[-0.1, 50.0, 1.0]]},
    ),
    Scenario(
        "digital minimum above maximum",
        Recording(
            [
                Signal(
                    "X",
                    2,
                    (0, 100),
                    {
                        "digital_minimum": b"100",
                        "digital_maximum": b"0",
                        "physical_minimum": b"0",
                        "physical_maximum": b"100",
                    },
                )
            ],
            1,
        ),
        ("digital-limits-reversed",),
        facts={"physical": [[100.0, 0.0]]},
    ),
    Scenario(
        "physical minimum above maximum",
        Recording(
            [
                Signal(
                    "X",
                    2,
                    (0, 100),
                    {
                        "digital_minimum": b"0",
                        "digital_maximum": b"100",
                        "physical_minimum": b"100",
                        "physical_maximum": b"0",
                    },
                )
            ],
            1,
        ),
        facts={"physical": [[100.0, 0.0]]},
    ),
    Scenario(
        "limits with exponent, comma and bare point",
        Recording(
            [
                Signal(
                    "X",
                    2,
                    (0, 100),
                    {
                        "digital_minimum": b"0.",
                        "digital_maximum": b"1e2",
                        "physical_minimum": b"-1,5",
                        "physical_maximum": b"+.5E+000",
                    },
                )
            ],
            1,
        ),
        facts={"physical": [[-1.5, 0.5]]},
    ),
    *(
        Scenario(
            f"{what} give no scale",
            Recording([Signal("X", 2, (7, -7), fields)], 1),
            ("not-calibrated",),
            facts={"physical": [[7.0, -7.0]], "units": [""]},
        )
        for what, fields in (
            ("equal physical limits", {"physical_minimum": b"0", "physical_maximum": b"0"}),
            ("equal digital limits", {"digital_minimum": b"-1", "digital_maximum": b"-1"}),
            ("unreadable physical limits", {"physical_minimum": b"none", "physical_maximum": b"1 000"}),
            ("empty digital limits", {"digital_minimum": b"", "digital_maximum": b""}),
            ("infinite limits", {"physical_minimum": b"-inf", "physical_maximum": b"nan"}),
        )
    ),
]
