"""Clauses of spec/edf.md, and those of signals.md and tables.md that follow from an EDF's header."""

from __future__ import annotations

import ast
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive import records

from .breaking import ROOT, edited, errors, replace_table
from .edf_rules import FILE_FIELDS, Header, Made, annotations, make_edf, segments, tal, text
from .reader import Reader, attributes_of

EDF_ATTRIBUTES = (
    "transducer",
    "physical_dimension",
    "physical_minimum",
    "physical_maximum",
    "digital_minimum",
    "digital_maximum",
    "prefiltering",
    "reserved",
)


def convert(folder: Path, raw: bytes, name: str = "made.edf") -> Path:
    (folder / name).write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(folder / name, folder / "made.h5", overwrite=True)
    return folder / "made.h5"


def header_of(reader: Reader) -> Header:
    return Header.parse(reader.h5["edf/header"][()].tobytes())


def records_of(reader: Reader, index: int) -> list[bytes]:
    """An annotation signal's bytes, cut into records."""
    records = int(attributes_of(reader.h5["edf"])["num_records"])
    raw = reader.h5[f"edf/annotations/{index}"][()].tobytes()
    return [raw[i * len(raw) // records : (i + 1) * len(raw) // records] for i in range(records)]


@pytest.fixture
def archive(archives: dict[str, Path], recording: Path) -> Path:
    """The archive of each real recording in turn."""
    return archives[recording.stem]


# -- what /edf holds ----------------------------------------------------------------------------------------


@pytest.mark.clause("E-1", "E-2", "E-13")
def test_edf_holds_the_headers_fields_and_the_number_of_whole_records(archive: Path, recording: Path) -> None:
    with Reader(archive) as reader:
        header, own = header_of(reader), attributes_of(reader.h5["edf"])
        width = 3 if recording.suffix == ".bdf" else 2
        record = width * sum(header.samples_per_record(i) for i in range(len(header.signals)))
        behind = recording.stat().st_size - len(reader.h5["edf/header"])
        assert own == {
            **{name: text(header.file[name]) for name in FILE_FIELDS},
            "sample_bytes": width,
            "num_records": behind // record,
        }
        assert set(reader.h5["edf"]) == {"header", "annotations", "channels", "tail", "warnings"}


@pytest.mark.clause("E-3", "E-4", "E-5", "E-6")
def test_streams_and_channels_are_those_of_the_header(archive: Path, recording: Path) -> None:
    with Reader(archive) as reader:
        header, raw = header_of(reader), recording.read_bytes()
        edf = reader.h5["edf"]
        assert raw.startswith(edf["header"][()].tobytes())
        assert raw.endswith(edf["tail"][()].tobytes())
        rows = edf["channels"][()]
        assert rows["index"].tolist() == list(range(len(header.signals)))
        for i, row in enumerate(rows):
            assert row["is_annotation"] == header.is_annotation(i)
            assert row["samples_per_record"] == header.samples_per_record(i)
        names = [row["name"].decode() for row in rows if not row["is_annotation"]]
        assert names == list(reader.pieces("/freezes/source/"))
        numbers = [row["name"].decode() for row in rows if row["is_annotation"]]
        assert sorted(numbers) == sorted(edf["annotations"])
        for number in numbers:
            label = attributes_of(edf["annotations"][number])["label"]
            assert label == text(header.signals[int(number)]["label"])


@pytest.mark.clause("E-5")
def test_what_is_behind_the_last_whole_record_is_the_tail(tmp_path: Path) -> None:
    path = convert(tmp_path, make_edf([Made(records=[b"\1\0" * 10] * 3)], tail=b"\2\0" * 9))
    with Reader(path) as reader:
        assert reader.h5["edf/tail"][()].tobytes() == b"\2\0" * 9
        assert len(reader.samples("/", "C3")) == 30


@pytest.mark.clause("E-3", "E-4", "E-5")
@pytest.mark.parametrize("stream", ["header", "tail", "annotations/3"])
def test_a_changed_byte_stream_is_found(labels: Path, small: Path, stream: str) -> None:
    path = small if stream == "tail" else labels
    with edited(path) as h5:
        raw = h5["edf"][stream][()]
        raw[0] ^= 1
        h5["edf"][stream][...] = raw
    assert "sha256" in errors(path)[f"/edf/{stream}"]


@pytest.mark.clause("E-1")
@pytest.mark.parametrize("name", ["header", "annotations", "channels", "tail", "warnings"])
def test_a_missing_member_of_edf_is_found(labels: Path, name: str) -> None:
    with edited(labels) as h5:
        del h5["edf"][name]
    assert f"'{name}' is missing" in errors(labels)["/edf"]


@pytest.mark.clause("E-6", "E-7")
@pytest.mark.parametrize("name", ["channels", "warnings"])
def test_other_columns_of_its_tables_are_found(labels: Path, name: str) -> None:
    with edited(labels) as h5:
        rows = h5["edf"][name][()]
        replace_table(h5, f"edf/{name}", rows[list(rows.dtype.names[1:])].copy())
    assert "columns" in errors(labels)[f"/edf/{name}"]


@pytest.mark.clause("E-8")
def test_channels_that_give_other_bytes_are_found_and_not_exported(labels: Path, tmp_path: Path) -> None:
    with edited(labels) as h5:
        replace_table(h5, "edf/channels", h5["edf/channels"][()][[1, 0, 2, 3]])
    assert "source" in errors(labels)["/edf"]
    with pytest.raises(eegarchive.InvalidArchive):
        eegarchive.export(labels, tmp_path / "out.edf")
    assert not (tmp_path / "out.edf").exists()


@pytest.mark.clause("E-8")
@pytest.mark.parametrize("block_bytes", [12, 100, 1000])
def test_the_sources_bytes_come_back_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(records, "BLOCK_BYTES", block_bytes)
    clock = [tal(f"+{i}", "").ljust(15, b"\0") for i in range(9)]
    signals = [
        Made(records=[bytes([i, 1, 2]) * 10 for i in range(9)]),
        Made("BDF Annotations", clock),
        Made("C4", [bytes([7, i, 0x90]) * 3 for i in range(9)]),
    ]
    raw = make_edf(signals, bdf=True, reserved="BDF+C", tail=b"tail")
    path = convert(tmp_path, raw, "made.bdf")
    eegarchive.export(path, tmp_path / "again.bdf")
    assert (tmp_path / "again.bdf").read_bytes() == raw
    with Reader(path) as reader:
        assert reader.rebuilt() == raw


@pytest.mark.clause("E-7")
def test_the_page_lists_every_warning_code() -> None:
    page = re.search(r"```codes\n(.*?)```", (ROOT / "spec" / "edf.md").read_text(), re.DOTALL)
    assert page is not None
    used = set()
    for name in ("edf", "recording", "conversion", "tal"):
        for node in ast.walk(ast.parse((ROOT / "eegarchive" / f"{name}.py").read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if called in ("odd", "_odd", "Oddity") or (name == "tal" and called == "add"):
                    used.add(node.args[0].value)
    assert set(page[1].split()) == used


@pytest.mark.clause("E-7")
def test_oddities_are_in_the_table_of_warnings(tmp_path: Path) -> None:
    path = convert(tmp_path, make_edf([Made()], startdate="99.99.99", tail=b"\0"))
    with Reader(path) as reader:
        assert {row["code"].decode() for row in reader.h5["edf/warnings"][()]} == {"start-unknown", "tail"}


@pytest.mark.clause("E-9", "S-2")
@pytest.mark.parametrize(
    ("bdf", "raw", "samples"),
    [
        (False, b"\x00\x80\xff\x7f\xff\xff\x01\x00", [-32768, 32767, -1, 1]),
        (True, b"\x00\x00\x80\xff\xff\x7f\xff\xff\xff\x01\x02\x03", [-(2**23), 2**23 - 1, -1, 0x030201]),
    ],
)
def test_samples_are_twos_complement(tmp_path: Path, bdf: bool, raw: bytes, samples: list[int]) -> None:
    path = convert(tmp_path, make_edf([Made(records=[raw])], bdf=bdf))
    with Reader(path) as reader:
        found = reader.samples("/", "C3")
        assert found.tolist() == samples
        assert found.dtype.str == ("<i4" if bdf else "<i2")


# -- how a state follows ------------------------------------------------------------------------------------


@pytest.mark.clause("S-5", "S-6", "S-10", "E-13")
def test_attributes_follow_from_the_header(archive: Path) -> None:
    with Reader(archive) as reader:
        header = header_of(reader)
        for i, name in zip(header.ordinary, reader.pieces("/"), strict=True):
            own, raw = reader.attributes("/", name), header.signals[i]
            assert own["label"] == text(raw["label"])
            assert {key: own[key] for key in EDF_ATTRIBUTES} == {
                key: text(raw[key]) for key in EDF_ATTRIBUTES
            }
            assert own["samples_per_record"] == header.samples_per_record(i)
            assert (own["scale_factor"], own["add_offset"], own["units"]) == header.calibration(i)
            assert own["sampling_rate"] == header.rate(i)


@pytest.mark.clause("S-6", "E-13")
@pytest.mark.parametrize(
    ("fields", "calibrated"),
    [
        ({"physical_minimum": "-1,5e2", "physical_maximum": " 1.5E+2"}, True),
        ({"digital_minimum": "2047", "digital_maximum": "-2048"}, True),
        ({"physical_minimum": "100"}, False),
        ({"digital_minimum": "2047"}, False),
        ({"physical_maximum": "none"}, False),
        ({"physical_maximum": ""}, False),
        ({"physical_minimum": "-1e99", "physical_maximum": "0x10"}, False),
    ],
)
def test_scale_follows_from_the_limits(tmp_path: Path, fields: dict[str, str], calibrated: bool) -> None:
    with Reader(convert(tmp_path, make_edf([Made(fields=fields)]))) as reader:
        expected = header_of(reader).calibration(0)
        own = reader.attributes("/", "C3")
        assert (own["scale_factor"], own["add_offset"], own["units"]) == expected
        assert (expected == (1.0, 0.0, "")) is not calibrated


@pytest.mark.clause("S-10")
@pytest.mark.parametrize(("duration", "rate"), [("0.1", 100.0), ("3", 10 / 3), ("0", 10.0), ("1e1", 1.0)])
def test_the_rate_is_the_float_nearest_to_the_quotient(tmp_path: Path, duration: str, rate: float) -> None:
    with Reader(convert(tmp_path, make_edf([Made()], record_duration=duration))) as reader:
        assert reader.attributes("/", "C3")["sampling_rate"] == rate


@pytest.mark.clause("E-10", "E-12", "T-4")
def test_segments_follow_from_the_records(archive: Path) -> None:
    with Reader(archive) as reader:
        header = header_of(reader)
        clocks = [i for i in range(len(header.signals)) if header.is_annotation(i)]
        records = records_of(reader, clocks[0]) if clocks else []
        expected = segments(header, int(attributes_of(reader.h5["edf"])["num_records"]), records)
        assert [tuple(row) for row in reader.table("/segments")[0].tolist()] == expected
        assert reader.root["source_kind"] == header.kind(len(expected))


CLOCKED = [
    ("EDF+C", ["+0", "+1", "+7", "+8"]),
    ("EDF+C", ["+0.5", "+1.5", "+2.5", "+3.5"]),
    ("EDF+D", ["+0.5", "+1.5", "+7", "+8"]),
    ("EDF+D", ["+3", None, "+9", None]),
    ("EDF+D", [None, None, "+9", "+10"]),
    ("EDF+D", [None, None, None, None]),
    ("EDF+D", ["+0", "+1.04", "+2.08", "+3.12"]),
    ("EDF+D", ["+0", "+1.06", "+2.06", "+3.06"]),
    ("EDF+D", ["+0", "+1.045", "+2.045", "+3"]),
    ("EDF+D", ["+0", "+1.055", "+2.055", "+3"]),
    ("EDF+D", ["+10", "+5", "+6", "+0"]),
    ("", ["+0", "+1", "+7", "+8"]),
    ("", ["+0", "+1", "+2", "+3"]),
]


@pytest.mark.clause("E-10", "E-12", "T-4")
@pytest.mark.parametrize(("reserved", "onsets"), CLOCKED)
def test_segments_follow_from_any_onsets(tmp_path: Path, reserved: str, onsets: list[str | None]) -> None:
    clock = [(tal(onset, "") if onset else tal("+77", "late text")).ljust(40, b"\0") for onset in onsets]
    raw = make_edf([Made(records=[b"\0\0" * 10] * 4), Made("EDF Annotations", clock)], reserved=reserved)
    with Reader(convert(tmp_path, raw)) as reader:
        header = header_of(reader)
        expected = segments(header, 4, clock)
        assert [tuple(row) for row in reader.table("/segments")[0].tolist()] == expected
        assert reader.root["source_kind"] == header.kind(len(expected))
        assert sum(duration for _, duration in expected) == 4


@pytest.mark.clause("E-11", "T-6")
def test_annotations_follow_from_the_tals(archive: Path) -> None:
    with Reader(archive) as reader:
        header = header_of(reader)
        streams = [records_of(reader, i) for i in range(len(header.signals)) if header.is_annotation(i)]
        rows = reader.table("/annotations")[0]
        found = [(row["onset"], row["duration"], row["text"].decode("utf-8")) for row in rows]
        assert repr(found) == repr([(np.float64(a), np.float64(b), c) for a, b, c in annotations(streams)])
        assert all(row["set"] == b"edf" for row in rows)


@pytest.mark.clause("E-11", "T-6")
def test_tals_that_bend_the_grammar(tmp_path: Path) -> None:
    parts = [
        (
            tal("+0", "")
            + tal("+0.5", "a", "b")
            + tal("+0.25", "c", duration="0")
            + tal("-1", "d", duration="2.5")
        ),
        (tal("+1", "", "with the clock") + tal("2", "unsigned") + b"nonsense\x14x\x14\0+3\x14not ended"),
        (tal("+2", "") + b"+4\x14caf\xe9\x14\0" + b"+5\x15.\x14point\x14\0" + tal("+6", "", duration="1")),
    ]
    clock = [raw.ljust(80, b"\0") for raw in parts]
    raw = make_edf([Made(records=[b"\0\0" * 10] * 3), Made("EDF Annotations", clock)], reserved="EDF+C")
    with Reader(convert(tmp_path, raw)) as reader:
        rows = reader.table("/annotations")[0]
        found = [(float(row["onset"]), float(row["duration"]), row["text"].decode()) for row in rows]
    assert repr(found) == repr(annotations([clock]))
    nan = math.nan
    expected: list[Any] = [
        (-1.0, 2.5, "d"),
        (0.25, 0.0, "c"),
        (0.5, nan, "a"),
        (0.5, nan, "b"),
        (1.0, nan, "with the clock"),
        (2.0, nan, "unsigned"),
        (3.0, nan, "not ended"),
        (4.0, nan, "café"),
        (5.0, nan, "point"),
        (6.0, 1.0, ""),
    ]
    assert repr(found) == repr(expected)


@pytest.mark.clause("E-11")
def test_equal_onsets_stay_in_the_order_of_the_signals(tmp_path: Path) -> None:
    one = [
        (tal("+0", "") + tal("+5", "z")).ljust(40, b"\0"),
        (tal("+1", "") + tal("+5", "y")).ljust(40, b"\0"),
    ]
    two = [tal("+5", "b").ljust(40, b"\0"), tal("+5", "a").ljust(40, b"\0")]
    signals = [Made("EDF Annotations", one), Made(records=[b"\0\0"] * 2), Made("EDF Annotations", two)]
    with Reader(convert(tmp_path, make_edf(signals, reserved="EDF+C"))) as reader:
        texts = reader.table("/annotations")[0]["text"].tolist()
    assert texts == [b"z", b"y", b"b", b"a"]


@pytest.mark.clause("E-13")
def test_header_texts_are_utf8_or_latin1(tmp_path: Path) -> None:
    fields = {"physical_dimension": "µV", "transducer": "a\0b "}
    raw = make_edf([Made(fields=fields)]).replace("µV".encode() + b" " * 5, "µV".encode("latin-1") + b" " * 6)
    with Reader(convert(tmp_path, raw)) as reader:
        own = reader.attributes("/", "C3")
        assert (own["units"], own["transducer"]) == ("µV", "a\ufffdb")


@pytest.mark.clause("E-14")
@pytest.mark.parametrize(
    ("stated", "between", "records", "start"),
    [
        ("512", 0, "1", 512),
        ("768", 256, "1", 768),  # the stated size, and the records fit behind it
        ("768", 256, "-1", 768),  # whole records fit behind either, so the stated size counts
        ("768", 0, "1", 512),  # too great for the file
        ("522", 0, "1", 512),  # the records fit behind the fields only
        ("100", 0, "1", 512),
        ("", 0, "1", 512),
    ],
)
def test_where_the_data_start(tmp_path: Path, stated: str, between: int, records: str, start: int) -> None:
    raw = make_edf([Made(records=[b"\1\0" * 8])], bytes_in_header=stated, num_data_records=records)
    raw = raw[:512] + b" " * between + raw[512:]
    with Reader(convert(tmp_path, raw)) as reader:
        assert len(reader.h5["edf/header"]) == start
        assert reader.rebuilt() == raw


@pytest.mark.clause("E-14")
def test_the_number_of_signals_follows_from_the_headers_size(tmp_path: Path) -> None:
    with Reader(convert(tmp_path, make_edf([Made(), Made("C4")], num_signals="many"))) as reader:
        assert list(reader.pieces("/")) == ["C3", "C4"]


@pytest.mark.clause("E-15", "T-4")
@pytest.mark.parametrize(
    ("recording", "date", "time", "expected"),
    [
        ("", "02.03.14", "22.15.16", "2014-03-02T22:15:16"),
        ("", "02.03.85", "22.15.16", "1985-03-02T22:15:16"),
        ("", "02-03/84", "2:5-6", "2084-03-02T02:05:06"),
        ("Startdate 02-MAR-1951 X X X", "02.03.51", "22.15.16", "1951-03-02T22:15:16"),
        ("Startdate 02-MAR-1951 X X X", "09.09.09", "22.15.16", "1951-03-02T22:15:16"),
        ("Startdate X X X X", "02.03.14", "22.15.16", "2014-03-02T22:15:16"),
        ("", "31.02.14", "22.15.16", ""),
        ("", "02.03.14", "24.15.16", ""),
    ],
)
def test_the_start_of_the_clock(tmp_path: Path, recording: str, date: str, time: str, expected: str) -> None:
    fields = {"local_recording_identification": recording, "startdate": date, "starttime": time}
    with Reader(convert(tmp_path, make_edf([Made()], **fields))) as reader:
        assert reader.table("/segments")[1] == {"recording_start": expected}
