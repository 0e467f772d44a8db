"""Tables as CSV and Parquet, read back by pandas and by csv."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import eegarchive

pandas = pytest.importorskip("pandas")

TEXTS = ["001", "NA", 'a "quoted", text', "line\nbreak", "é😀", " ", ""]


@pytest.fixture
def night(psg: Path) -> Path:
    with eegarchive.edit(psg) as archive:
        archive.set_epochs(30)
        archive.mask(drop_epochs="2")
        onsets = [0.1, 1 / 3, 2e-9, 10.0, 11.0, 12.0, 13.0]
        durations = [float("nan"), 1e-7, 0.0, 30.0, 1.0, 1.0, 1.0]
        archive.add_annotations(onsets, durations, TEXTS, kind=TEXTS, annotation_set="odd")
        archive.resample(50, ["EEG Fpz-Cz"])
        archive.cache["psd"].put("PSD", 1 / 3, CH="EEG Fpz-Cz", F=0.1)
        archive.describe(age=3)
        archive.freeze("N2", note="a, b")
    return psg


def columns_of(archive: eegarchive.Archive, table: str) -> dict[str, list[object]]:
    found = getattr(archive, table).columns()
    return {
        name: list(values.tolist() if isinstance(values, np.ndarray) else values)
        for name, values in found.items()
    }


def equal(a: list[object], b: list[object]) -> bool:
    return len(a) == len(b) and all(x == y or (x != x and y != y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "table", ["annotations", "epochs", "segments", "signals", "history", "freezes", "warnings"]
)
def test_parquet_gives_every_cell_back(table: str, night: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    target = tmp_path / "t.parquet"
    report = eegarchive.export(night, target, table=table)
    read = pyarrow.parquet.read_table(target)
    frame = pandas.read_parquet(target)
    with eegarchive.open(night) as archive:
        expected = columns_of(archive, table)
        assert read.schema.metadata[b"eegarchive.state"].decode() == archive.digest
    assert read.column_names == list(frame.columns) == list(expected)
    assert report.count == len(frame) == len(next(iter(expected.values())))
    assert report.kind == "Parquet"
    for name, values in expected.items():
        own = read.column(name).to_pylist()
        assert equal(own, values), name
        assert [type(value) for value in own] == [type(value) for value in values], name


@pytest.mark.parametrize(
    "table", ["annotations", "epochs", "segments", "signals", "history", "freezes", "warnings"]
)
def test_csv_gives_every_cell_back(table: str, night: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    eegarchive.export(night, target, table=table)
    with eegarchive.open(night) as archive:
        expected = columns_of(archive, table)
    with open(target, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(expected)
    for name, cells in zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True):
        for cell, value in zip(cells, expected[name], strict=True):
            if isinstance(value, bool):
                assert cell == str(value)
            elif isinstance(value, int | float):
                assert type(value)(cell) == value or value != value
            else:
                assert cell == ("" if value is None else value)
    if table == "annotations":
        frame = pandas.read_csv(
            target, dtype={"text": str, "kind": str}, keep_default_na=False, na_values={"duration": "nan"}
        )
        assert set(TEXTS) <= set(frame["text"])
        assert frame["onset"].tolist() == expected["onset"]
        assert '"001"' in target.read_text(encoding="utf-8")  # in quotes: a text


def test_a_cache_comes_back_exactly(night: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet"):
        report = eegarchive.export(night, tmp_path / f"psd.{suffix}", table="cache:psd")
        assert report.count == 1
        with eegarchive.edit(night) as archive:
            archive.cache["again"].import_file(tmp_path / f"psd.{suffix}")
            assert archive.cache["again"].get("PSD", CH="EEG Fpz-Cz", F=0.1) == 1 / 3


def test_of_a_freeze_it_is_the_freeze(night: Path, tmp_path: Path) -> None:
    eegarchive.export(f"{night}@source", tmp_path / "s.csv", table="signals")
    with open(tmp_path / "s.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"]: row["sampling_rate"] for row in rows}["EEG Fpz-Cz"] == "100.0"


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("x.csv", None, "is for one table"),
        ("x.parquet", None, "is for one table"),
        ("x.zarr", "epochs", "is for whole states"),
        ("x.edf", "epochs", "is for whole states"),
        ("x.csv", "windows", "no table 'windows'; there are annotations, epochs"),
        ("x.csv", "cache:none", "no cache 'none'; there are psd"),
        ("x.txt", None, r"expected \.edf, \.bdf, \.fif, \.zarr, \.csv, \.parquet"),
        ("x.fif", None, "MNE wants names that end in raw"),
    ],
)
def test_what_cannot_be_written(
    name: str, table: str | None, message: str, night: Path, tmp_path: Path
) -> None:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        eegarchive.export(night, tmp_path / name, table=table)
    assert sorted(os.listdir(tmp_path)) == before


def test_nothing_is_replaced_unless_told(night: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("mine")
    with pytest.raises(eegarchive.TargetExists):
        eegarchive.export(night, tmp_path / "t.csv", table="epochs")
    assert (tmp_path / "t.csv").read_text() == "mine"
    eegarchive.export(night, tmp_path / "t.csv", table="epochs", overwrite=True)
    assert (tmp_path / "t.csv").read_text().startswith('"epoch","start","duration","masked"\n')


def test_fif_by_its_suffix(night: Path, tmp_path: Path) -> None:
    mne = pytest.importorskip("mne")
    target = tmp_path / "n-raw.fif"
    report = eegarchive.export(f"{night}@source", target, rate=100)
    assert (report.kind, report.target) == ("FIF", target)
    with eegarchive.open(f"{night}@source") as archive:
        expected = archive.to_raw(rate=100, verbose="error").get_data()
    assert np.array_equal(mne.io.read_raw_fif(target, verbose="error").get_data(), expected)
    with pytest.raises(TypeError, match="for FIF only"):
        eegarchive.export(night, tmp_path / "x.edf", rate=100)


def test_tables_as_frames_have_types_that_fit(night: Path) -> None:
    with eegarchive.open(night) as archive:
        signals = archive.signals.to_frame()
        assert signals["samples_per_record"].dtype == "Int64"
        assert signals["samples_per_record"].isna().tolist() == [
            name == "EEG Fpz-Cz" for name in archive.signals
        ]
        assert signals["sampling_rate"].dtype == np.float64
        assert signals["dtype"].tolist() == [signal.dtype.name for signal in archive.signals.values()]
        assert archive.freezes.to_frame()["tag"].tolist() == ["source", "N2"]
        assert archive.epochs.to_frame()["masked"].dtype == bool
        text = archive.annotations.to_frame()["text"].dtype
        assert archive.warnings.to_frame()["code"].dtype == text  # without rows, too
        assert len(archive.history.to_frame()) == len(archive.history)
