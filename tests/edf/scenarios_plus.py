"""Named recordings with annotation signals: the rules of EDF+, kept and bent."""

from __future__ import annotations

from .builder import Recording, annotations, clocked, tal
from .scenarios import Scenario, eeg, plus

T0, T1, T2 = tal(0), tal(1), tal(2)


def told(*records: bytes, kind: str = "EDF+C", width: int = 60) -> Recording:
    """An EDF+ of one signal whose annotation signal has these bytes."""
    return plus(eeg(), annotations(*records, width=width), kind=kind, records=len(records))


ANNOTATED = [
    Scenario(
        "several annotation signals",
        plus(
            annotations(T0, T1 + tal(1.5, "a"), T2),
            eeg(),
            annotations(tal(0.5, "b", duration=2), b"", tal(7, "c")),
            annotations(b"", b"", b""),
        ),
        facts={"annotations": [(0.5, 2, "b"), (1.5, None, "a"), (7, None, "c")], "segments": [(0, 3)]},
    ),
    Scenario(
        "equal onsets in several annotation signals",
        plus(
            annotations(T0, T1 + tal(5, "a"), T2 + tal(5, "b") + b"x"),
            annotations(b"y", tal(5, "c") + tal(5, "d"), b""),
            records=3,
        ),
        ("tal-unreadable",),
        facts={
            "annotations": [(5, None, text) for text in "abcd"],
            "messages": "2 TALs that can't be read; they are kept for export; the first in record 0",
        },
    ),
    Scenario(
        "annotations only",
        plus(
            annotations(T0 + tal(0, "Sleep stage W", duration=30) + tal(30, "Sleep stage N2")),
            records=1,
            duration="0",
        ),
        facts={
            "segments": [],
            "names": [],
            "annotations": [(0, 30, "Sleep stage W"), (30, None, "Sleep stage N2")],
            "annotation kinds": ["W", "N2"],
        },
    ),
    Scenario(
        "annotations only, one in each record",
        plus(annotations(T0 + tal(5, "a"), T0 + tal(2, "b"), T0), duration="0"),
        facts={"kind": "EDF+C", "segments": [], "annotations": [(2, None, "b"), (5, None, "a")]},
    ),
    Scenario(
        "annotations only, records of no readable duration",
        plus(annotations(T0, T1), records=2, duration="none"),
        ("record-duration",),
        facts={"segments": []},
    ),
    Scenario(
        "annotations only, records of a negative duration",
        plus(annotations(T0), records=1, duration="-1"),
        ("record-duration",),
    ),
    Scenario(
        "annotations only in what calls itself plain EDF",
        plus(annotations(T0, tal(5), tal(9)), kind="", duration="0"),
        ("plus-not-stated",),
        facts={"kind": "EDF+C", "segments": []},
    ),
    Scenario(
        "start within a second",
        plus(eeg(), clocked(0.3945312, 1.3945312, extra={0: tal(0.5, "x")}), records=2),
        facts={
            "segments": [(0.3945312, 2)],
            "annotations": [(0.5, None, "x")],
            "start": "1989-04-24T16:13:00",
        },
    ),
    Scenario(
        "several texts in a list",
        told(tal(0, "", "Recording starts") + tal(0.5, "a", "b", duration=1)),
        facts={"annotations": [(0, None, "Recording starts"), (0.5, 1, "a"), (0.5, 1, "b")]},
    ),
    Scenario(
        "annotations outside the recording",
        told(T0 + tal(-12.5, "before") + tal("+99999", "after")),
        facts={"annotations": [(-12.5, None, "before"), (99999, None, "after")]},
    ),
    Scenario(
        "annotations of one channel",
        told(T0 + tal(0, "Arousal@@C3-M2") + tal(0, "Sleep stage 2@@")),
        facts={"channels": ["C3-M2", ""], "annotation kinds": ["Arousal", "N2"]},
    ),
    Scenario(
        "texts of all alphabets",
        told(T0 + tal(0, "Größe µV") + tal(0, "睡眠 😴"), T1 + tal(1, "tab\tline\nreturn\r")),
        facts={
            "annotations": [(0, None, "Größe µV"), (0, None, "睡眠 😴"), (1, None, "tab\tline\nreturn\r")]
        },
    ),
    Scenario(
        "texts of spaces",
        told(T0 + tal(0, " ") + tal(0, " x ")),
        facts={"annotations": [(0, None, " "), (0, None, " x ")]},
    ),
    Scenario(
        "duration without a text",
        told(T0 + tal(0.5, "", duration="2.5")),
        facts={"annotations": [(0.5, 2.5, "")]},
    ),
    Scenario(
        "empty duration",
        told(T0 + tal(0.5, "x", duration="") + tal(0.6, "y", duration=".")),
        facts={"annotations": [(0.5, None, "x"), (0.6, None, "y")]},
    ),
    Scenario(
        "label of another case is a signal",
        Recording([eeg(2, "EDF annotations")]),
        facts={"kind": "EDF", "names": ["EDF annotations"]},
    ),
    Scenario(
        "label of annotations with spaces around",
        plus(eeg(), annotations(T0, T1, T2, label=b" EDF Annotations")),
        facts={"names": ["EEG Fpz-Cz"]},
    ),
]

BENT = [
    Scenario(
        "onset without a sign",
        told(b"0\x14\x14\0", T1 + tal("1.5", "x"), T2),
        ("tal-onset-unsigned",),
        facts={"annotations": [(1.5, None, "x")], "segments": [(0, 3)], "messages": "2 TALs without a sign"},
    ),
    Scenario(
        "missing terminators",
        told(T0 + b"+1\x14x\0" + tal(1, "y"), b"+1\x14\0", T2 + b"+2.5\x14" + 14 * b"z", width=12),
        ("tal-unterminated",),
        facts={
            "annotations": [(1, None, "x"), (1, None, "y"), (2.5, None, 14 * "z")],
            "messages": "3 TALs that aren't terminated; the first in record 0",
        },
    ),
    Scenario(
        "lists that end with their record",
        told(b"+0.000\x14\x14", b"+1\x14\x14", width=4),
        ("tal-unterminated",),
        facts={"segments": [(0, 2)], "messages": "1 TALs that aren't terminated"},
    ),
    Scenario(
        "text that runs into the next record",
        told(T0 + b"+0.5\x14a long", b" text\x14\0" + T1, width=8),
        ("tal-no-record-onset", "tal-unreadable", "tal-unterminated"),
        facts={"annotations": [(0.5, None, "a long")], "segments": [(0, 2)]},
    ),
    Scenario(
        "garbage in place of lists",
        told(bytes(range(1, 100)), T1 + b"\xff\xfe\x14\0" + tal(1, "x"), b"\0\0\0" + T2),
        ("tal-no-record-onset", "tal-unreadable"),
        facts={"annotations": [(1, None, "x")], "messages": "2 TALs that can't be read"},
    ),
    Scenario(
        "numbers that are none",
        told(
            T0
            + b"".join(
                tal(o, "x") for o in ("++1", "+-1", "+", "+1.2.3", "+.5", "+1e3", " +1", "+0x1", "+1_0")
            )
        ),
        ("tal-unreadable",),
        facts={"annotations": [], "messages": "9 TALs that can't be read"},
    ),
    Scenario(
        "time-keeping numbers that are none",
        told(T0, b"+\x14\x14\0", b"+-3\x14\x14\0", b"+3.0.0\x14\x14\0", tal(4), kind="EDF+D"),
        ("tal-no-record-onset", "tal-unreadable"),
        facts={
            "segments": [(0, 5)],
            "messages": "3 TALs that can't be read; they are kept for export; the first in record 1",
        },
    ),
    Scenario(
        "numbers too long to be finite",
        told(T0 + tal("+" + 400 * "9", "x") + tal(0, "y", duration=400 * "9"), width=500),
        ("tal-unreadable",),
        facts={"annotations": []},
    ),
    Scenario(
        "text too long to be one",
        told(T0 + tal(0, 70_000 * "x") + tal(0, "y"), width=36_000),
        ("tal-unreadable",),
        facts={"annotations": [(0, None, "y")]},
    ),
    Scenario(
        "texts in Latin-1 and broken UTF-8",
        told(T0 + tal(0, "Größe".encode("latin-1")) + tal(0, b"\xed\xa0\x80") + tal(0, "Größe")),
        ("tal-not-utf8",),
        facts={"annotations": [(0, None, "Größe"), (0, None, "í\xa0\x80"), (0, None, "Größe")]},
    ),
    Scenario(
        "text in the place of the time-keeping list",
        told(tal(15.5, "Lights off"), tal(1), tal(27, "Arousal"), kind="EDF+D"),
        ("tal-no-record-onset", "tal-time-not-empty"),
        facts={"annotations": [(15.5, None, "Lights off"), (27, None, "Arousal")], "segments": [(0, 3)]},
    ),
    Scenario(
        "no time-keeping lists in EDF+C",
        told(b"", b"", b""),
        ("tal-no-record-onset",),
        facts={"segments": [(0, 3)], "annotations": []},
    ),
    Scenario(
        "no time-keeping lists in EDF+D",
        told(b"", tal(1.5, "x"), b"", kind="EDF+D"),
        ("tal-no-record-onset", "tal-time-not-empty"),
        facts={"segments": [(0, 3)]},
    ),
    Scenario(
        "records without a time follow the one before",
        told(T0, b"", tal(10), b"", b"", tal(13), tal(20), kind="EDF+D"),
        ("tal-no-record-onset",),
        facts={"segments": [(0, 2), (10, 4), (20, 1)]},
    ),
    Scenario(
        "first record without a time",
        told(b"", T1, tal(7), kind="EDF+D"),
        ("tal-no-record-onset",),
        facts={"segments": [(0, 2), (7, 1)]},
    ),
    Scenario(
        "first annotation signal of no size",
        plus(eeg(), annotations(b"", b"", width=0), annotations(T0, tal(5)), kind="EDF+D", records=2),
        facts={"segments": [(0, 1), (5, 1)]},
    ),
    Scenario(
        "annotation signals of no size",
        plus(eeg(), annotations(b"", b"", width=0), kind="EDF+D", records=2),
        facts={"segments": [(0, 2)], "kind": "EDF+D"},
    ),
    Scenario(
        "annotation signal of one sample",
        told(b"", b"\x14\0", b"+1", width=1),
        ("tal-no-record-onset", "tal-unreadable"),
        facts={"segments": [(0, 3)]},
    ),
    Scenario(
        "gaps in EDF+C",
        plus(eeg(), clocked(0, 1, 5, 6), records=4),
        ("gaps-in-continuous",),
        facts={"segments": [(0, 4)], "messages": "2 records state another time"},
    ),
    Scenario(
        "records that go back",
        plus(eeg(), clocked(5, 6, 2), kind="EDF+D"),
        ("records-go-back",),
        facts={"segments": [(5, 2), (2, 1)]},
    ),
    Scenario(
        "records that overlap",
        plus(eeg(), clocked(0, 0.5, 2), kind="EDF+D"),
        ("records-go-back",),
        facts={"segments": [(0, 1), (0.5, 1), (2, 1)]},
    ),
    Scenario(
        "times within half a sample",
        plus(eeg(), clocked(0, 1.06, 1.94, 3.05), kind="EDF+D", records=4),
        facts={"segments": [(0, 4)]},
    ),
    Scenario(
        "times that drift away",
        plus(eeg(), clocked(0, 1.05, 2.1, 3.15, 4.2), kind="EDF+D", records=5),
        facts={"segments": [(0, 3), (3.15, 2)]},
    ),
    Scenario(
        "annotation signal in plain EDF",
        plus(eeg(), clocked(0, 1, 2), kind=""),
        ("plus-not-stated",),
        facts={"kind": "EDF+C", "segments": [(0, 3)]},
    ),
    Scenario(
        "annotation signal and gaps in plain EDF",
        plus(eeg(), clocked(0, 5, 9), kind="EDF"),
        ("plus-not-stated", "gaps-not-stated"),
        facts={"kind": "EDF+D", "segments": [(0, 1), (5, 1), (9, 1)], "messages": "2 gaps"},
    ),
    Scenario(
        "annotation signal in plain BDF",
        Recording([eeg(), clocked(0, 1, 4)], reserved="24BIT", bdf=True),
        ("plus-not-stated", "gaps-not-stated"),
        facts={"kind": "BDF+D", "segments": [(0, 2), (4, 1)]},
    ),
    Scenario(
        "EDF+D without an annotation signal",
        plus(eeg(), kind="EDF+D"),
        ("plus-without-annotations",),
        facts={"kind": "EDF+D", "segments": [(0, 3)]},
    ),
    Scenario(
        "EDF+C without an annotation signal",
        plus(eeg(), kind="EDF+C"),
        ("plus-without-annotations",),
        facts={"kind": "EDF+C"},
    ),
    Scenario(
        "EDF+D of single measurements at uneven times",
        plus(eeg(1), clocked(0, 1.75, 7.25), kind="EDF+D", duration="0"),
        ("record-duration-zero",),
        facts={"rates": [1.0], "segments": [(0, 1), (1.75, 1), (7.25, 1)]},
    ),
    Scenario(
        "EDF+ stated without C or D",
        plus(eeg(), clocked(0, 1, 2), kind="EDF+"),
        ("plus-not-stated",),
        facts={"kind": "EDF+C"},
    ),
]
