"""The scrubbed bytes of recordings: valid, of the same samples and times, without names."""

from __future__ import annotations

import datetime
import io
import tempfile
import warnings
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from edf.builder import Recording, Signal, annotations, tal
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import Anonymization, edf, records
from eegarchive.scrubbing import Item, Review, scrubbed_edf

from .leaks import leaks

OPTIONS = Anonymization()
SMALL = 800_000
PLUS = {
    "patient": b"MCH-0234567 F 16-SEP-1937 Haagse_Harry",
    "recording": b"Startdate 02-MAR-2002 PSG-1234 NN Telemetry03",
}


def scrubbed(raw: bytes, options: Anonymization = OPTIONS) -> tuple[bytes, list[Item]]:
    review = Review()
    stream = scrubbed_edf(io.BytesIO(raw), "night.edf", options, review)
    found = b""
    while block := stream.read(1000):
        found += block
    return found, review.items()


def header_of(raw: bytes) -> edf.Header:
    return edf.read_header(io.BytesIO(raw), "scrubbed")


def fates(items: list[Item], where: str) -> list[tuple[str, str, str]]:
    return [(item.value, item.fate, item.becomes) for item in items if item.where == where]


def test_the_header_says_nothing_of_who_when_and_where() -> None:
    made = Recording(
        [
            Signal(
                fields={
                    "transducer": b"electrode of Dr Schmidt",
                    "reserved": b"Schmidt",
                    "physical_minimum": b"Schm",
                }
            ),
            annotations(tal(0), fields={"prefiltering": b"Schmidt", "transducer": b"Schmidt"}),
        ],
        reserved="EDF+C made for Schmidt",
        fields={**PLUS, "startdate": b"02.03.02"},
        after_header=b"Dr Schmidt".ljust(256),
        tail=b"Schmidt",
    )
    raw, items = scrubbed(made.build())
    header = header_of(raw)
    assert header.texts["local_patient_identification"] == "X X X X"
    assert header.texts["local_recording_identification"] == "Startdate 01-JAN-1985 X X X"
    assert header.texts["startdate"] == "01.01.85"
    assert header.texts["reserved"] == "EDF+C"
    assert header.start() == datetime.datetime(1985, 1, 1, 16, 13)
    assert len(header.raw) == 256 * 3
    assert header.tail_start == header.file_size == len(raw)
    assert header.oddities == [o for o in header.oddities if o.code == "not-calibrated"]
    for name in (b"Schm", b"Harry", b"MCH", b"1937", b"2002", b"PSG", b"Telemetry"):
        assert name.lower() not in raw.lower()
    assert fates(items, "bytes behind the records") == [("7: 'Schmidt'", "removed", "")]
    assert fates(items, "label") == [("EEG Fpz-Cz", "kept", "")]
    assert fates(items, "prefilter") == [("HP:0.1Hz LP:75Hz", "kept", "")]
    assert fates(items, "start") == [("2002-03-02 16:13:00", "changed", "1985-01-01 16:13:00")]
    assert fates(items, "header's further bytes") == [("Dr Schmidt", "removed", "")]


def test_dates_are_shifted_and_the_time_of_day_stays() -> None:
    made = Recording(fields={**PLUS, "startdate": b"02.03.02"}).build()
    header = header_of(scrubbed(made, Anonymization(shift_days=-60))[0])
    assert header.start() == datetime.datetime(2002, 1, 1, 16, 13)
    assert header.texts["startdate"] == "01.01.02"
    assert header.texts["local_recording_identification"] == "Startdate 01-JAN-2002 X X X"
    for days in (-6300, 40_000, 10**9, -(10**9)):
        with pytest.raises(eegarchive.EEGArchiveError, match=r"night\.edf: starts in 2002; .* 1985 to 2084"):
            scrubbed(made, Anonymization(shift_days=days))


def test_an_unknown_start_becomes_the_neutral_one() -> None:
    made = Recording(fields={"recording": b"", "startdate": b"42.00.00", "starttime": b"26.00.99"}).build()
    assert header_of(scrubbed(made)[0]).start() == datetime.datetime(1985, 1, 1)
    made = Recording(fields={"recording": b"", "startdate": b"42.00.00", "starttime": b"22:30:09"}).build()
    assert header_of(scrubbed(made, Anonymization(5))[0]).start() == datetime.datetime(1985, 1, 1, 22, 30, 9)


@pytest.mark.parametrize(
    ("birth", "age", "shown"),
    [
        ("16-SEP-1937", "64", "01-JAN-1921"),
        ("02-MAR-1937", "65", "01-JAN-1920"),
        ("16-SEP-1907", "90 or older", "01-JAN-1895"),
        ("01-JAN-1001", None, "X"),
        ("16-SEP-2003", None, "X"),
        ("31-FEB-1937", None, "X"),
    ],
)
def test_age_and_sex_are_kept_if_asked_for(birth: str, age: str | None, shown: str) -> None:
    patient = f"MCH-0234567 F {birth} Haagse_Harry".encode()
    made = Recording(fields={**PLUS, "patient": patient, "startdate": b"02.03.02"}).build()
    raw, items = scrubbed(made, Anonymization(keep=("age", "sex")))
    assert header_of(raw).texts["local_patient_identification"] == f"X F {shown} X"
    assert fates(items, "age") == ([(age, "kept", "")] if age else [])
    assert fates(items, "sex") == [("F", "kept", "")]
    assert header_of(scrubbed(made)[0]).texts["local_patient_identification"] == "X X X X"


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="'name of father' can't be kept"):
        Anonymization(keep=("name of father",))


def test_annotations_keep_their_places_and_records_their_length() -> None:
    first = tal(0) + tal(0.5, "Harry awake", "Sleep stage W", duration=30) + b"+7 nonsense of Harry\0"
    made = Recording(
        [
            Signal(),
            annotations(
                first, tal(1, "", "Harry"), b"?Harry" + b"\0" + tal(2), tal(3) + tal(3.5, "Harry")[:-2]
            ),
        ],
        num_records=4,
        reserved="EDF+D",
    )
    raw, items = scrubbed(made.build())
    assert len(raw) == len(made.build())
    assert b"Harry" not in raw
    at = [len(made.header()) + i * (8 + 120) + 8 for i in range(4)]
    shown = [raw[a : a + 120].rstrip(b"\0") for a in at]
    assert shown == [
        b"+0\x14\x14\0+0.5\x1530\x14removed\x14Sleep stage W\x14\0?",
        b"+1\x14\x14x\x14",
        b"?\0+2\x14\x14",
        b"+3\x14\x14\0+3.5\x14x",
    ]
    assert fates(items, "annotation") == [
        ("Harry awake", "changed", "removed"),
        ("Sleep stage W", "kept", ""),
        ("Harry", "changed", "x"),
    ]
    assert fates(items, "unreadable annotation") == [
        ("+7 nonsense of Harry", "removed", ""),
        ("?Harry", "removed", ""),
    ]


def test_a_record_of_more_than_a_block_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Recording(
        [
            Signal(samples_per_record=30),
            annotations(tal(0) + tal(1, "H" * 200), tal(1) + tal(1, "Harry"), width=150),
        ],
        num_records=2,
        reserved="EDF+C",
    ).build()
    expected = scrubbed(made)[0]
    monkeypatch.setattr(records, "BLOCK_BYTES", 64)
    assert scrubbed(made)[0] == expected
    assert b"HHH" not in expected


def test_words_of_names_are_pointed_out_in_what_is_kept() -> None:
    signals = [Signal("EEG Haagse"), Signal("C3", fields={"prefiltering": b"by HARRY"}), Signal("Fz")]
    _, items = scrubbed(Recording(signals, fields=PLUS).build())
    assert {item.value: item.suspect for item in items if item.suspect} == {
        "EEG Haagse": "haagse",
        "by HARRY": "harry",
    }


def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "night.edf"
    source.write_bytes(Recording(num_records=3).build())

    def grow(_: int) -> None:
        with open(source, "ab") as file:
            file.write(b"more")

    with pytest.raises(eegarchive.EDFError, match="changed its size"):
        eegarchive.convert(source, tmp_path / "a.h5", anonymize=OPTIONS, progress=grow)


# -- real recordings ------------------------------------------------------------------------------


@pytest.fixture
def anonymous(recording: Path, tmp_path: Path) -> Path:
    """Each small recording, converted without names."""
    if recording.stat().st_size > SMALL:
        pytest.skip("is large")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eegarchive.convert(recording, tmp_path / "a.h5", anonymize=OPTIONS)
    return tmp_path / "a.h5"


def test_every_recording_is_read_by_others_with_blank_fields(
    recording: Path, anonymous: Path, tmp_path: Path
) -> None:
    assert eegarchive.verify(anonymous) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eegarchive.convert(recording, tmp_path / "b.h5")
    with eegarchive.open(tmp_path / "b.h5") as old, eegarchive.open(anonymous) as new:
        assert list(new.signals) == list(old.signals)
        for name, signal in new.signals.items():
            np.testing.assert_array_equal(signal.digital[:], old.signals[name].digital[:])
        np.testing.assert_array_equal(new.segments.rows(), old.segments.rows())
        for column in ("onset", "duration"):
            np.testing.assert_array_equal(new.annotations[column], old.annotations[column])
        kind = new.provenance["source_kind"]
        assert new.start is not None
        if old.start is not None:
            assert (new.start.date(), new.start.time()) == (datetime.date(1985, 1, 1), old.start.time())
    target = tmp_path / f"again{recording.suffix}"
    eegarchive.export(anonymous, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = edfio.read_bdf if recording.suffix == ".bdf" else edfio.read_edf
        shown = read(target)
        assert (shown.patient.code, shown.patient.sex, shown.patient.name) == ("X", "X", "X")
        assert shown.recording.hospital_administration_code == "X"
        assert shown.recording.investigator_technician_code == "X"
        assert shown.recording.equipment_code == "X"
        if kind != "EDF+D":  # which pyedflib doesn't read
            with pyedflib.EdfReader(str(target)) as reader:
                shown = reader.getHeader()
                assert {
                    shown[name] for name in ("patientname", "patientcode", "technician", "equipment")
                } <= {"", "X"}
                assert shown["birthdate"] == ""
        read_raw = mne.io.read_raw_bdf if recording.suffix == ".bdf" else mne.io.read_raw_edf
        mine, original = (read_raw(path, preload=True, verbose="error") for path in (target, recording))
    if len(mine.ch_names):
        np.testing.assert_array_equal(mine.get_data(), original.get_data())


# -- any recording --------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x14\x15\0\x7f@*"),
    min_size=4,
    max_size=12,
).filter(lambda name: sum(map(str.isalpha, name)) > 2 and name == name.strip() and "_" not in name)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(NAMES, st.booleans(), st.sampled_from(["utf-8", "latin-1"]))
def test_a_name_anywhere_but_in_a_label_is_nowhere_then(name: str, bdf: bool, encoding: str) -> None:
    raw = name.encode(encoding, "replace")
    kind = "BDF" if bdf else "EDF"
    made = Recording(
        [
            Signal(fields={"transducer": raw, "reserved": raw, "digital_minimum": raw[:8]}),
            annotations(
                tal(0) + tal(1, raw, b"Sleep stage W@@" + raw, duration=2) + raw + b"\0",
                tal(1, b"", raw),
                label=f"{kind} Annotations",
                fields={"prefiltering": raw, "dimension": raw[:8]},
            ),
        ],
        num_records=2,
        reserved=f"{kind}+C",
        bdf=bdf,
        fields={"patient": b"X X X " + raw, "recording": raw},
        tail=raw,
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source, target = Path(folder, "in.edf"), Path(folder, "out.h5")
        source.write_bytes(made.build())
        eegarchive.convert(source, target, anonymize=OPTIONS)
        texts = [name] if encoding == "utf-8" else [name.encode(encoding, "replace").decode(encoding)]
        assert leaks(target, texts) == []
        with eegarchive.open(target) as archive:
            assert archive.annotations["onset"].tolist() == [1, 1, 1]
            assert archive.annotations["text"][1] == "Sleep stage W"
            assert archive.signals["EEG Fpz-Cz"].digital[:].tolist() == made.signals[0].samples(2)
