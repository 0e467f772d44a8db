"""Clauses of spec/tables.md; segments and annotations of a source are in test_edf.py."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive import layout, stages
from eegarchive.storage import objects

from .breaking import ROOT, edited, errors, findings, record_state, replace_table, table_of
from .edf_rules import Made, make_edf, tal
from .reader import Reader
from .test_edf import convert

COLUMNS = {
    "segments": {"start": "<f8", "duration": "<f8"},
    "annotations": {"onset": "<f8", "duration": "<f8", "text": "S", "kind": "S", "channel": "S", "set": "S"},
    "epochs": {"epoch": "<i4", "start": "<f8", "duration": "<f8", "masked": "|u1"},
    "pieces": {"signal": "S", "data": "S", "start": "<i8", "stop": "<i8"},
    "history": dict.fromkeys(
        ("operation", "parameters", "time", "versions", "digest_before", "digest_after"), "S"
    ),
    "edf/channels": {"index": "<i4", "name": "S", "is_annotation": "|u1", "samples_per_record": "<i4"},
    "edf/warnings": {"code": "S", "message": "S"},
}
TABLES = [*COLUMNS, *(f"freezes/source/{name}" for name in ("segments", "annotations", "epochs", "pieces"))]


@pytest.fixture
def archive(archives: dict[str, Path], recording: Path) -> Path:
    """The archive of each real recording in turn."""
    return archives[recording.stem]


@pytest.mark.clause("T-1", "T-2", "T-3", "T-4", "T-6", "T-7", "T-8", "T-10", "E-6", "E-7", "P-1", "K-8")
@pytest.mark.parametrize("path", TABLES)
def test_tables_are_packed_and_exactly_as_wide_as_their_texts(archives: dict[str, Path], path: str) -> None:
    for archive in archives.values():
        with h5py.File(archive) as h5:
            table = h5[path]
            expected = COLUMNS[path.removeprefix("freezes/source/")]
            assert table.dtype.names == tuple(expected)
            at = 0
            for name, kind in expected.items():
                field, offset = table.dtype.fields[name][:2]
                assert offset == at
                at += field.itemsize
                if kind == "S":
                    assert h5py.check_string_dtype(field).encoding == "utf-8"
                    values = [raw.rstrip(b"\0") for raw in table[name].tolist()]
                    assert field.itemsize == max(1, *map(len, values), 1)
                    assert not any(b"\0" in raw for raw in values)
                else:
                    assert field.str == kind
            assert table.dtype.itemsize == at
            creation = table.id.get_create_plist()
            filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
            assert filters == ([] if creation.get_layout() == h5py.h5d.COMPACT else [2, 1, 3])


def fields(rows: Any) -> list[tuple[str, Any]]:
    return [(name, rows.dtype[name]) for name in rows.dtype.names]


#: Columns of a table in place of those it has.
CHANGES: dict[str, Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]]] = {
    "renamed": lambda columns: [("other", columns[0][1]), *columns[1:]],
    "missing": lambda columns: columns[1:],
    "one more": lambda columns: [*columns, ("more", "<f8")],
    "other order": lambda columns: columns[::-1],
    "other type": lambda columns: [(columns[0][0], "<f4"), *columns[1:]],
    "big-endian": lambda columns: [(name, kind.newbyteorder(">")) for name, kind in columns],
    "ASCII": lambda columns: [(name, "S9") for name, _ in columns],
}


@pytest.mark.clause("T-2", "T-1")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("path", ["segments", "annotations", "epochs"])
def test_other_columns_are_found_and_not_read(small: Path, path: str, change: str) -> None:
    with edited(small) as h5:
        rows = h5[path][()]
        replace_table(h5, path, np.zeros(len(rows), CHANGES[change](fields(rows))))
    assert "column" in errors(small)[f"/{path}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="column"):
        getattr(archive, path).rows()


@pytest.mark.clause("T-2", "C-7")
def test_text_of_variable_length_is_found(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        kinds = [
            (name, h5py.string_dtype() if kind == "S" else kind)
            for name, kind in COLUMNS["annotations"].items()
        ]
        del h5["annotations"]
        filters = {"shuffle": True, "compression": 1, "fletcher32": True}
        h5.create_dataset("annotations", (3,), kinds, chunks=(3,), **filters)
    assert "variable-length" in errors(small)["/annotations"]


@pytest.mark.clause("T-1")
def test_gaps_between_columns_are_found(small: Path) -> None:
    with edited(small) as h5:
        rows = h5["epochs"][()]
        aligned = np.zeros(3, np.dtype([(name, rows.dtype[name]) for name in rows.dtype.names], align=True))
        aligned["epoch"] = [1, 2, 3]
        replace_table(h5, "epochs", aligned)
        record_state(h5)
    assert "/epochs" in errors(small)


@pytest.mark.clause("T-2")
def test_text_that_is_not_utf8_is_found_and_not_read(small: Path) -> None:
    with edited(small) as h5:
        rows = h5["edf/warnings"][()]
        rows["message"][0] = b"\xff\xfe"
        h5["edf/warnings"][...] = rows
    assert "/edf/warnings" in errors(small)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="UTF-8"):
        archive.warnings["message"]


@pytest.mark.clause("T-3")
@pytest.mark.parametrize("path", ["pieces", "history", "edf/warnings", "annotations"])
def test_a_column_wider_than_its_texts_is_found(small: Path, path: str) -> None:
    with edited(small) as h5:
        rows = h5[path][()]
        name = next(name for name, kind in COLUMNS[path].items() if kind == "S")
        wider = [
            (n, h5py.string_dtype("utf-8", rows.dtype[n].itemsize + (n == name)))
            if COLUMNS[path][n] == "S"
            else (n, rows.dtype[n])
            for n in rows.dtype.names
        ]
        replace_table(h5, path, rows.astype(wider))
        if path in ("pieces", "annotations"):
            record_state(h5)
    assert "bytes wide" in errors(small)[f"/{path}"]


@pytest.mark.clause("T-5", "T-4")
@pytest.mark.parametrize("duration", [109.99, 110.06, 0.0])
def test_segments_that_do_not_fit_the_signals_are_found(small: Path, duration: float) -> None:
    with edited(small) as h5:
        replace_table(h5, "segments", table_of("segments", [(0.0, duration)]))
        record_state(h5)
    assert "segments" in errors(small)["/"]


@pytest.mark.clause("T-5")
def test_a_time_between_two_samples_counts_as_the_next(gaps: Path) -> None:
    with Reader(gaps) as reader, eegarchive.open(gaps) as archive:
        name = next(iter(reader.pieces("/")))
        times, physical = reader.times("/", name), reader.physical("/", name)
        step = times[1] - times[0]
        assert (
            np.count_nonzero(~np.isclose(np.diff(times), step)) == len(reader.table("/segments")[0]) - 1 == 2
        )
        for i, j in itertools.product((0, 10, 501), (520, 620)):
            for shift in (0.0, 1e-7, -1e-7):
                found = archive.read([name], times[i] + shift * step, times[j] + shift * step)
                assert np.array_equal(found[0], physical[i:j])
            found = archive.read([name], times[i] + 0.5 * step, times[j] + 0.5 * step)
            assert np.array_equal(found[0], physical[i + 1 : j + 1])


@pytest.mark.clause("T-5", "T-4")
def test_segments_count_samples_by_the_durations_before_them(small: Path) -> None:
    with edited(small) as h5:
        replace_table(h5, "segments", table_of("segments", [(5.0, 30.0), (100.25, 70.0), (90.0, 10.0)]))
        record_state(h5)
    assert findings(small) == []
    with Reader(small) as reader, eegarchive.open(small) as archive:
        for name in reader.pieces("/"):
            physical, rate = reader.physical("/", name), float(reader.attributes("/", name)["sampling_rate"])
            at = round(30 * rate) + round(0.75 * 10 * rate)
            found = archive.read([name], 107.75, 117.75)[0]
            assert np.array_equal(found, physical[at : at + len(found)])
            assert np.array_equal(archive.read([name], 90, 100)[0], physical[round(100 * rate) :])
        with pytest.raises(ValueError, match="segment"):
            archive.read([name], 30, 101)


@pytest.mark.clause("T-5")
def test_a_segments_first_sample_is_the_nearest_number(tmp_path: Path) -> None:
    """Seven samples in 0.3 s: 0.3 s times the rate is a little less than 7 in floats."""
    clock = [tal(onset, "").ljust(20, b"\0") for onset in ("+0", "+1", "+2")]
    counted = [bytes([i, 0]) * 7 for i in range(3)]
    raw = make_edf(
        [Made(records=counted), Made("EDF Annotations", clock)], reserved="EDF+D", record_duration="0.3"
    )
    path = convert(tmp_path, raw)
    with Reader(path) as reader, eegarchive.open(path) as archive:
        assert 0.3 * float(reader.attributes("/", "C3")["sampling_rate"]) < 7
        assert len(reader.times("/", "C3")) == 21
        for i in range(3):
            found = archive.read(["C3"], i, i + 0.3)[0]
            assert np.array_equal(found, reader.physical("/", "C3")[7 * i : 7 * i + 7])


@pytest.mark.clause("T-4")
def test_an_archive_of_annotations_alone_has_no_segments(archives: dict[str, Path]) -> None:
    with Reader(archives["edfplusc_hypnogram_annotations_only"]) as reader:
        assert len(reader.table("/segments")[0]) == 0
        assert reader.table("/segments")[1] == {"recording_start": "1989-04-24T16:13:00"}


@pytest.mark.clause("T-6")
def test_annotations_are_sorted_and_say_when_no_duration_is_stated(archive: Path) -> None:
    with Reader(archive) as reader, eegarchive.open(archive) as opened:
        rows = reader.table("/annotations")[0]
        assert np.all(np.diff(rows["onset"]) >= 0)
        assert np.all(np.isnan(rows["duration"]) | (rows["duration"] >= 0))
        assert opened.annotations["text"].tolist() == [raw.decode() for raw in rows["text"]]


@pytest.mark.clause("T-7")
def test_epochs_are_read(small: Path) -> None:
    with edited(small) as h5:
        replace_table(h5, "epochs", table_of("epochs", [(7, 0.0, 30.0, 0), (9, 60.0, 30.0, 1)]))
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive:
        columns = archive.epochs.columns()
        assert {name: column.tolist() for name, column in columns.items()} == {
            "epoch": [7, 9],
            "start": [0.0, 60.0],
            "duration": [30.0, 30.0],
            "masked": [False, True],
        }
        assert len(archive.freezes["source"].epochs) == 0


@pytest.mark.clause("T-8", "R-5")
def test_history_begins_with_the_conversion(archive: Path) -> None:
    with Reader(archive) as reader:
        rows = reader.table("/history")[0]
        row = {name: rows[name][0].decode() for name in rows.dtype.names}
        assert len(rows) == 1
        assert (row["operation"], row["digest_before"]) == ("convert", "")
        assert row["digest_after"] == reader.root["digest"]
        assert json.loads(row["parameters"]) == {"source_sha256": reader.root["source_sha256"]}
        assert "eegarchive" in json.loads(row["versions"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"])


@pytest.mark.clause("T-8")
@pytest.mark.parametrize("last", ["0" * 64, None])
def test_a_history_that_does_not_lead_to_the_state_is_found(small: Path, last: str | None) -> None:
    with edited(small) as h5:
        rows = h5["history"][()]
        if last is None:
            values = {column.name: [] for column in layout.HISTORY_COLUMNS}
            rows = objects.make_rows(layout.HISTORY_COLUMNS, values)
        else:
            rows["digest_after"][-1] = last.encode()
        replace_table(h5, "history", rows)
    assert "/history" in errors(small)


def stages_of_the_page() -> tuple[dict[str, str], dict[str, str]]:
    """Texts with a prefix, and those with or without, and their kinds."""
    text = (ROOT / "spec" / "tables.md").read_text(encoding="utf-8")
    prefixed, bare = {}, {}
    for line in re.findall(r"^\|(.*?)\|(.*?)\| (\S+) \|$", text.partition("with a prefix")[2], re.MULTILINE):
        prefixed |= dict.fromkeys(re.findall(r"`(.*?)`", line[0]), line[2])
        bare |= dict.fromkeys(re.findall(r"`(.*?)`", line[1]), line[2])
    return prefixed, bare


@pytest.mark.clause("T-9")
def test_stages_are_those_of_the_page() -> None:
    prefixed, bare = stages_of_the_page()
    assert set(bare.values()) | set(prefixed.values()) == {"W", "N1", "N2", "N3", "N4", "R", "M", "?"}
    texts = [*prefixed, *bare, "n5", "6", "stage", "x", "wake up", "rem sleep", "n2 ", ""]
    for text, prefix in itertools.product(
        texts, ["", "Sleep stage ", "sleep_stage_", "Stage:", "STAGE", "sleep "]
    ):
        for shown in (prefix + text, prefix + text.upper(), f" {prefix}{text} ", f"{prefix}{text}@@C3"):
            plain = shown.partition("@@")[0].strip()
            with_prefix = prefix.strip(" _:").lower() in ("sleep stage", "sleep_stage", "stage")
            with_prefix &= prefix[-1:] in (" ", "_", ":") or bool(re.match(r"[ ]|n?[0-9]", text))
            known = {**bare, **(prefixed if with_prefix else {})}
            key = text.strip() if with_prefix else plain.lower()
            assert stages.kind_of(shown) == known.get(key, plain), shown


@pytest.mark.clause("T-9", "T-6")
def test_annotations_of_archives_have_their_kind_and_channel(archive: Path) -> None:
    with Reader(archive) as reader:
        for row in reader.table("/annotations")[0]:
            text, _, channel = row["text"].decode().partition("@@")
            assert row["channel"].decode() == channel.strip()
            assert row["kind"].decode() == stages.kind_of(text)
