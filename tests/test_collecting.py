"""A cache of many archives in one table."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eegarchive
from eegarchive.cache.columns import Block, Column, column_of
from eegarchive.cache.files import read_values
from eegarchive.collecting import CollectReport, collect, sources_in
from eegarchive.collecting.crew import Crew
from eegarchive.collecting.rows import _strata, rows_of
from eegarchive.collecting.shapes import layout_of, shape_of
from eegarchive.collecting.tables import opened, rendered
from eegarchive.errors import EEGArchiveError, NotInArchive, TargetExists

DATA = Path(__file__).parent / "data"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive without caches; not to be changed."""
    path = tmp_path_factory.mktemp("night") / "night.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(DATA / "edf_sleep_psg_30s_records.edf", path)
    return path


@pytest.fixture(scope="module")
def cohort(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five archives: two with values of many types, a damaged one, one without the cache, one with two values."""
    folder = tmp_path_factory.mktemp("cohort")
    names = ["a/s01.h5", "b/s02.h5", "b/s03.h5", "c/s04.h5", "s05.h5"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(night, folder / name)
    with eegarchive.edit(folder / names[0]) as archive:
        cache = archive.cache["p1"]
        cache.put_columns(
            {
                "CH": ["C3", "C3", "C4", "O2"],
                "F": [1, 2, 1, 2],
                "PSD": np.array([0.1, math.nan, -math.inf, 1e-310]),
            },
            ["CH", "F"],
        )
        cache.put("PSD", None, CH="O1", F=7)
        cache.put("SR", 128, CH="C3")
        cache.put("SR", 2**53, CH="C4")
        cache.put("NOTE", 'a "quoted", \r\n\tten\N{EM DASH}', CH="C3")
        cache.put("EMPTY", "")
    with eegarchive.edit(folder / names[1]) as archive:
        cache = archive.cache["p1"]
        cache.put_columns(
            {"CH": ["C3", "C4"], "F": [0.5, 2.0], "PSD": [2.5, -0.0], "SD": [1.0, 2.0]}, ["CH", "F"]
        )
        cache.put("PSD", 5, CH="C4", E=12)
        cache.put("FLAG", True, REM=True)
        cache.put("FLAG", None, type="bool")
        cache.put("SPEC", [1.0, None, math.nan], CH="C3")
        cache.put("SPEC", np.empty(0), CH="C4")
        cache.put("WORDS", ["x", "y,z"], CH="C3")
    with eegarchive.edit(folder / names[2]) as archive:
        archive.cache["p1"].put("BROKEN", 1.0, ODD="x")
    damage(folder / names[2], b"BROKEN")
    with eegarchive.edit(folder / names[3]) as archive:
        archive.cache["other"].put("PSD", "text")
    with eegarchive.edit(folder / names[4]) as archive:
        archive.cache["p1"].put("PSD", 3.5, CH="C3", F=1)
        archive.cache["p1"].put("SR", -(2**53), CH="C3")
    return folder


def damage(path: Path, where: bytes) -> None:
    raw = path.read_bytes()
    assert where in raw
    path.write_bytes(raw.replace(where, bytes(len(where))))


def entries(path: Path, name: str = "p1", freeze: str | None = None) -> list[tuple[str, Row, Any]]:
    """Variable, strata and value of all that an archive has, vectors as lists."""
    with eegarchive.open(path, freeze) as archive:
        found = archive.cache[name].select()
        return [(own.variable, own.strata, plain(own.value)) for own in found]


def plain(value: Any) -> Any:
    """A value as Python's own; NaN as a text, since it is equal to nothing."""
    if isinstance(value, np.ndarray):
        return [plain(element) for element in value.tolist()]
    if isinstance(value, list):
        return [plain(element) for element in value]
    return "not a number" if isinstance(value, float) and math.isnan(value) else value


def of_parquet(path: Path) -> list[Row]:
    return [
        {name: plain(value) for name, value in row.items()}
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]


def there(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def long_rows(folder: Path, names: list[str], columns: dict[type, str]) -> list[Row]:
    """What a long table has to hold, from what each archive gives one by one."""
    rows = []
    for name in names:
        for variable, strata, value in entries(folder / name):
            kind = type(value) if value != "not a number" else float
            if kind is list:
                kind = (
                    list[str]
                    if all(isinstance(element, str) for element in value) and value and value[0] == "x"
                    else list
                )
            row = {"ID": Path(name).stem, "variable": variable, **strata}
            if value is not None:
                row[columns[kind]] = value
            rows.append(row)
    return rows


GOOD = ["a/s01.h5", "b/s02.h5", "s05.h5"]


def test_a_long_table_holds_what_each_archive_has(cohort: Path, tmp_path: Path) -> None:
    report = collect([cohort], "p1", tmp_path / "all.parquet")
    found = of_parquet(tmp_path / "all.parquet")
    columns = {
        float: "num",
        int: "int",
        str: "text",
        bool: "bool",
        list: "num_vector",
        list[str]: "text_vector",
    }
    assert [there(row) for row in found] == long_rows(cohort, GOOD, columns)
    kinds = ["num", "int", "text", "bool", "num_vector", "text_vector"]
    assert list(found[0]) == report.columns == ["ID", "variable", "CH", "F", "E", "REM", *kinds]
    schema = pyarrow.parquet.read_schema(tmp_path / "all.parquet")
    types = ["string", "string", "string", "double", "int64", "bool", "double", "int64", "string", "bool"]
    assert [str(field.type) for field in schema][:10] == types
    # 1 in one archive and 1.0 in the other are one level, of one type
    assert math.copysign(1, next(row for row in found if row["num"] == 0)["num"]) == -1


def test_every_archive_is_told_of(cohort: Path, tmp_path: Path) -> None:
    report = collect([cohort], "p1", tmp_path / "all.csv")
    told = [(own.source.id, own.status, own.rows, own.values, own.stale) for own in report.outcomes]
    assert told == [
        ("s01", "done", 9, 9, 0),
        ("s02", "done", 10, 10, 0),
        ("s03", "failed", 0, 0, 0),
        ("s04", "no cache", 0, 0, 0),
        ("s05", "done", 2, 2, 0),
    ]
    assert [report.count(status) for status in ("done", "no cache", "failed")] == [3, 1, 1]
    assert "b/s03.h5" in report.outcomes[2].error
    assert "\n" not in report.outcomes[2].error
    assert not any(own.error for own in report.outcomes if own.status != "failed")
    assert report.target == tmp_path / "all.csv"


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_the_bytes_are_the_same_whatever_jobs_is(
    cohort: Path, tmp_path: Path, wide: bool, suffix: str
) -> None:
    counts: dict[int, list[int]] = {}
    reports = []
    for jobs in (1, 2):
        counts[jobs] = []
        target = tmp_path / f"{jobs}{suffix}"
        reports.append(collect([cohort], "p1", target, wide=wide, jobs=jobs, progress=counts[jobs].append))
    assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()
    assert reports[0].outcomes == reports[1].outcomes
    assert sum(counts[1]) == sum(counts[2]) == 2 * len(sources_in([cohort]))


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
@pytest.mark.parametrize("wide", [False, True])
def test_text_says_the_same_as_parquet(
    cohort: Path, tmp_path: Path, suffix: str, separator: str, wide: bool
) -> None:
    collect([cohort], "p1", tmp_path / f"all{suffix}", wide=wide)
    collect([cohort], "p1", tmp_path / "all.parquet", wide=wide)
    with open(tmp_path / f"all{suffix}", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file, delimiter=separator)
    found = [dict(zip(header, line, strict=True)) for line in lines]
    schema = pyarrow.parquet.read_schema(tmp_path / "all.parquet")
    assert header == schema.names

    def text(value: Any, kind: str) -> str:
        if value is None:
            return ""
        if kind.startswith("list"):
            return json.dumps(["NaN" if own == "not a number" else own for own in value], ensure_ascii=False)
        return "NaN" if value == "not a number" else value if kind == "string" else repr(value)

    kinds = {field.name: str(field.type) for field in schema}
    expected = [
        {name: text(value, kinds[name]) for name, value in row.items()}
        for row in of_parquet(tmp_path / "all.parquet")
    ]
    assert found == expected
    assert any("NaN" in row.values() for row in found)


def test_a_wide_table_has_a_row_for_each_stratum(cohort: Path, tmp_path: Path) -> None:
    report = collect([cohort], "p1", tmp_path / "wide.parquet", wide=True)
    found = of_parquet(tmp_path / "wide.parquet")
    expected: dict[Any, Row] = {}
    for name in GOOD:
        for variable, strata, value in entries(cohort / name):
            row = expected.setdefault((name, *sorted(strata.items())), {"ID": Path(name).stem, **strata})
            row[variable] = value
    assert [there(row) for row in found] == [there(row) for row in expected.values()]
    values = ["PSD", "SR", "NOTE", "EMPTY", "SD", "FLAG", "SPEC", "WORDS"]
    assert report.columns == ["ID", "CH", "F", "E", "REM", *values]
    assert next(own for own in report.outcomes if own.source.id == "s01").rows == len({1, 2, 3, 4, 5}) + 3
    # an empty vector is not one that isn't there
    vectors = {(row["ID"], row["CH"]): row["SPEC"] for row in found if row["F"] is None and row["E"] is None}
    assert vectors["s02", "C4"] == []
    assert vectors["s01", "C3"] is None
    assert vectors["s02", "C3"] == [1.0, None, "not a number"]


def test_a_table_is_what_to_frame_gives_of_each(cohort: Path, tmp_path: Path) -> None:
    collect([cohort], "p1", tmp_path / "psd.parquet", variables=["PSD"])
    collect([cohort], "p1", tmp_path / "psd.csv", variables=["PSD"], wide=True)
    frames = []
    for name in GOOD:
        with eegarchive.open(cohort / name) as archive:
            frame = archive.cache["p1"].to_frame("PSD")
        frames.append(frame.assign(ID=Path(name).stem).astype({"PSD": "Float64"}))
    expected = pandas.concat(frames, ignore_index=True)
    kept = pandas.read_parquet(tmp_path / "psd.parquet", dtype_backend="numpy_nullable")
    text = pandas.read_csv(tmp_path / "psd.csv", keep_default_na=False, na_values={"F": [""], "E": [""]})
    assert list(text) == ["ID", "CH", "F", "E", "PSD"]
    for own in (kept.rename(columns={"value": "PSD"}), text):
        assert own["ID"].tolist() == expected["ID"].tolist()
        assert own["CH"].tolist() == expected["CH"].tolist()
        np.testing.assert_array_equal(
            own["F"].astype("Float64").to_numpy(float, na_value=-1),
            expected["F"].astype("Float64").to_numpy(float, na_value=-1),
        )
    assert [
        "" if gone else repr(value).replace("nan", "NaN")
        for value, gone in zip(expected["PSD"].array._data.tolist(), expected["PSD"].array._mask, strict=True)
    ] == text["PSD"].tolist()
    table = pyarrow.parquet.read_table(tmp_path / "psd.parquet")
    assert table.column("value").null_count == expected["PSD"].array._mask.sum() == 1


def test_chosen_variables_bring_only_their_factors_and_types(cohort: Path, tmp_path: Path) -> None:
    report = collect([cohort], "p1", tmp_path / "some.parquet", variables=["SR", "FLAG", "SR"], wide=True)
    assert report.columns == ["ID", "CH", "REM", "SR", "FLAG"]
    assert str(pyarrow.parquet.read_schema(tmp_path / "some.parquet").field("SR").type) == "int64"
    assert [own.values for own in report.outcomes] == [2, 2, 0, 0, 1]
    report = collect([cohort], "p1", tmp_path / "int.parquet", variables=["SR"])
    assert report.columns == ["ID", "variable", "CH", "value"]
    assert [row["value"] for row in of_parquet(tmp_path / "int.parquet")] == [128, 2**53, -(2**53)]
    assert [own.status for own in report.outcomes] == ["done", "done", "failed", "no cache", "done"]


def test_integers_among_numbers_become_numbers(cohort: Path, tmp_path: Path) -> None:
    collect([cohort], "p1", tmp_path / "both.parquet", variables=["SR", "PSD"])
    assert str(pyarrow.parquet.read_schema(tmp_path / "both.parquet").field("value").type) == "double"
    found = [row["value"] for row in of_parquet(tmp_path / "both.parquet") if row["variable"] == "SR"]
    assert found == [128.0, 2.0**53, -(2.0**53)]


# -- what doesn't go together -------------------------------------------------------------------------


@pytest.fixture
def two(night: Path, tmp_path: Path) -> list[Path]:
    """Two archives to put values into."""
    return [Path(shutil.copy(night, tmp_path / name)) for name in ("one.h5", "two.h5")]


def put(path: Path, variable: str, value: Any, **levels: Any) -> None:
    with eegarchive.edit(path) as archive:
        archive.cache["p1"].put(variable, value, **levels)


def refused(paths: list[Path], **options: Any) -> str:
    """The line by which a table is refused; nothing is left behind."""
    target = paths[0].with_name("refused.parquet")
    before = sorted(os.listdir(target.parent))
    with pytest.raises(EEGArchiveError) as caught:
        collect(paths, "p1", target, **options)
    assert sorted(os.listdir(target.parent)) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_levels_of_two_types_name_two_archives(two: list[Path]) -> None:
    put(two[0], "X", 1.0, E=1)
    put(two[1], "X", 1.0, E="one")
    for wide in (False, True):
        message = refused(two, wide=wide)
        assert message == f"the factor E: is int in {two[0]} and text in {two[1]}"


def test_values_of_two_types_are_one_column_each_or_refused(two: list[Path]) -> None:
    put(two[0], "X", "high", CH="C3")
    put(two[1], "X", 1, CH="C3")
    assert refused(two, wide=True).startswith(f"X: is int in {two[1]} and text in {two[0]}; leave it out")
    target = two[0].with_name("long.parquet")
    collect(two, "p1", target)
    assert [there(row) for row in of_parquet(target)] == [
        {"ID": "one", "variable": "X", "CH": "C3", "text": "high"},
        {"ID": "two", "variable": "X", "CH": "C3", "int": 1},
    ]
    put(two[1], "X", [1, 2], CH="C3")
    assert f"X: is text in {two[0]} and int_vector in {two[1]}" in refused(two, wide=True)


@pytest.mark.parametrize("large", [2**53 + 1, -(2**63)])
def test_an_integer_that_no_float_holds_is_told(two: list[Path], large: int) -> None:
    put(two[0], "X", 0.5)
    put(two[1], "Y", 3)
    put(two[1], "Y", large, CH="C3")
    assert refused(two) == (
        f"value: is the integer {large} in {two[1]}, beyond what a float holds exactly, and num in {two[0]}; "
        "choose variables of one type, or collect the wide form"
    )
    target = two[0].with_name("wide.parquet")
    collect(two, "p1", target, wide=True)
    assert [row["Y"] for row in of_parquet(target)] == [None, 3, large]
    put(two[1], "X", [1, large])
    put(two[0], "X", [1.5])
    assert f"X: is the integer {large} in {two[1]}" in refused(two, variables=["X"], wide=True)
    put(two[0], "Z", 1, F=0.5)
    put(two[1], "Z", 1, F=1)
    put(two[1], "Z", [True], F=large)
    put(two[1], "Z", "small", F=2)
    assert f"the factor F: is the integer {large} in {two[1]}" in refused(two, variables=["Z"])


def test_vectors_of_integers_and_numbers_join(two: list[Path]) -> None:
    put(two[0], "X", [1.5, math.inf], CH="C3")
    put(two[0], "X", [4], CH="C4")
    put(two[1], "X", [1, None], CH="C3")
    for wide, column in ((False, "value"), (True, "X")):
        target = two[0].with_name(f"{column}.parquet")
        collect(two, "p1", target, wide=wide)
        assert [row[column] for row in of_parquet(target)] == [[1.5, math.inf], [4.0], [1.0, None]]


def test_names_of_columns_are_not_given_twice(two: list[Path]) -> None:
    put(two[1], "CH", 1.0, CH="C3")
    put(two[0], "X", 1.0, ID="a")
    assert f"{two[0]}: the factor ID has the name of another column" in refused(two)
    assert f"{two[1]}: the factor CH has the name of another column" in refused(
        two, variables=["CH"], wide=True
    )
    put(two[0], "ID", 1.0)
    assert "the variable ID has the name" in refused(two, variables=["ID"], wide=True)


# -- states -------------------------------------------------------------------------------------------


def test_values_of_a_freeze(two: list[Path], night: Path) -> None:
    for i, path in enumerate(two):
        with eegarchive.edit(path) as archive:
            archive.cache["p1"].put("X", float(i), basis="state")
            archive.freeze("N2")
            archive.cache["p1"].put("X", 10.0 + i, basis="state")
            archive.cache["later"].put("X", 5.0 + i, basis="state")
    other = Path(shutil.copy(night, two[0].with_name("third.h5")))
    target = two[0].with_name("out.parquet")
    report = collect([*two, other], "later", target, freeze="N2", overwrite=True)
    # computed on the very state that the freeze has
    assert [row["value"] for row in of_parquet(target)] == [5.0, 6.0]
    assert [own.status for own in report.outcomes] == ["done", "done", "failed"]
    assert "no freeze" in report.outcomes[2].error
    assert "N2" in report.outcomes[2].error
    with eegarchive.edit(two[0]) as archive:
        archive.drop_signals(list(archive.signals)[:1])
        archive.cache["p1"].put("X", 99.0, basis="state")
    report = collect([*two, f"{two[0]}@N2"], "p1", target, overwrite=True)
    found = {row["ID"]: row["value"] for row in of_parquet(target)}
    assert found == {"one": 99.0, "two": 11.0, "one@N2": 10.0}
    assert [own.source.freeze for own in report.outcomes] == [None, None, "N2"]


def test_stale_values_are_left_out_and_counted(two: list[Path]) -> None:
    for path in two:
        put(path, "X", 1.0)
        with eegarchive.edit(path) as archive:
            archive.cache["p1"].put("Y", "old", CH="C3", basis="state")
            archive.cache["p1"].put("Z", "old", basis="state")
    with eegarchive.edit(two[0]) as archive:
        archive.drop_signals(list(archive.signals)[:1])
    target = two[0].with_name("out.parquet")
    report = collect(two, "p1", target)
    assert [(own.rows, own.values, own.stale) for own in report.outcomes] == [(1, 1, 2), (3, 3, 0)]
    assert len(of_parquet(target)) == 4
    report = collect(two[:1], "p1", target, overwrite=True)  # what is stale gives no column
    assert report.columns == ["ID", "variable", "value"]
    report = collect(two, "p1", target, overwrite=True, stale=True)
    assert [(own.rows, own.values, own.stale) for own in report.outcomes] == [(3, 3, 0), (3, 3, 0)]
    report = collect(two, "p1", target, overwrite=True, variables=["X", "Y"])
    assert [(own.values, own.stale) for own in report.outcomes] == [(1, 1), (2, 0)]
    message = refused(two[:1], variables=["Y"])
    assert "none of 1 archives has such values in a cache 'p1' (1 stale values were left out)" in message


# -- failures -----------------------------------------------------------------------------------------


def run(cohort: Path, folder: Path, change: Any, **options: Any) -> tuple[CollectReport, list[Row]]:
    """Collect three archives, the second of which is changed after it has been looked at."""
    copies = [Path(shutil.copy(cohort / name, folder / Path(name).name)) for name in GOOD]
    done: list[int] = []

    def progress(count: int) -> None:
        done.append(count)
        if len(done) == 3:
            change(copies[1])

    report = collect([folder], "p1", folder / "out.parquet", progress=progress, **options)
    assert sum(done) == 6
    return report, of_parquet(folder / "out.parquet")


def test_an_archive_that_fails_late_leaves_no_rows(cohort: Path, tmp_path: Path) -> None:
    report, rows = run(cohort, tmp_path, lambda path: damage(path, b"SPEC"))
    assert [own.status for own in report.outcomes] == ["done", "failed", "done"]
    assert [row["ID"] for row in rows] == ["s01"] * 9 + ["s05"] * 2
    assert "s02.h5" in report.outcomes[1].error


def test_an_archive_that_changes_meanwhile_leaves_no_rows(cohort: Path, tmp_path: Path) -> None:
    report, rows = run(cohort, tmp_path, lambda path: put(path, "NEW", "text"), wide=True)
    assert report.outcomes[1].error == f"{tmp_path / 's02.h5'}: was changed meanwhile; collect again"
    assert {row["ID"] for row in rows} == {"s01", "s05"}
    assert (report.outcomes[1].rows, report.outcomes[1].values) == (0, 0)


def test_if_all_fail_late_there_is_no_file(cohort: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(cohort / "s05.h5", tmp_path / "s05.h5"))
    with pytest.raises(
        NotInArchive, match=r"none of 1 archives has such values .*1 failed, the first: .*s05"
    ):
        collect([path], "p1", tmp_path / "out.csv", progress=lambda _: path.write_bytes(b""))
    assert os.listdir(tmp_path) == ["s05.h5"]


def test_nothing_to_collect_is_an_error(cohort: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with pytest.raises(NotInArchive, match=r"such values in a cache 'none' \(5 have no such cache\)"):
        collect([cohort], "none", target)
    with pytest.raises(NotInArchive, match="none of 5 archives has PSDX in a cache 'p1'"):
        collect([cohort], "p1", target, variables=["PSD", "PSDX"])
    with pytest.raises(
        NotInArchive, match=r"out.csv: none of 1 .*1 failed, the first: .*gone.h5: No such file"
    ):
        collect([tmp_path / "gone.h5"], "p1", target)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EEGArchiveError, match=r"empty: no .h5 files in this folder"):
        collect([tmp_path / "empty"], "p1", target)
    with pytest.raises(EEGArchiveError, match="no archives to collect from"):
        collect([], "p1", target)
    assert os.listdir(tmp_path) == ["empty"]


def test_the_target_is_safe(cohort: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("mine")
    with pytest.raises(TargetExists):
        collect([cohort], "p1", target)
    with pytest.raises(NotInArchive):
        collect([cohort], "none", target, overwrite=True)
    assert target.read_text() == "mine"
    collect([cohort], "p1", target, overwrite=True)
    assert target.read_text().startswith("ID,variable,CH")
    for wrong in ("out.xlsx", "out"):
        with pytest.raises(EEGArchiveError, match=r"its suffix is none of .parquet, .pq, .csv, .tsv"):
            collect([cohort], "p1", tmp_path / wrong)
    archive = Path(shutil.copy(cohort / "s05.h5", tmp_path / "odd.csv"))
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        collect([archive], "p1", archive, overwrite=True)


def test_without_pyarrow_the_error_says_what_to_install(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(EEGArchiveError, match=r'pip install "eegarchive\[parquet\]"'):
        collect([cohort], "p1", tmp_path / "out.parquet")
    collect([cohort], "p1", tmp_path / "out.csv")


# -- names --------------------------------------------------------------------------------------------


def names(*paths: str | Path, **options: Any) -> list[str]:
    return [source.id for source in sources_in(paths, **options)]


def test_archives_are_called_by_their_files(tmp_path: Path) -> None:
    for name in ("b/n.h5", "a/n.h5", "a/m.h5", "a/.hidden.h5", "a/x.txt", "c/d/n.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == ["m", "a/n", "b/n", "c/d/n"]
    assert names(tmp_path / "b", tmp_path / "a") == ["b/n", "m", "a/n"]
    assert names(tmp_path / "b", tmp_path / "b" / "n.h5") == ["n"]
    assert names(tmp_path / "a" / "x.txt") == ["x"]
    assert names(f"{tmp_path}/b/n.h5@N2") == ["n"]
    assert names(f"{tmp_path}/b/n.h5@N2", f"{tmp_path}/b/n.h5@N3", tmp_path / "a/m.h5") == [
        "b/n@N2",
        "b/n@N3",
        "m",
    ]
    (tmp_path / "b" / "n.hdf5").touch()
    assert names(tmp_path / "b/n.hdf5", tmp_path / "b/n.h5") == ["n.hdf5", "n.h5"]
    found = sources_in([f"{tmp_path}/b/n.h5@N2", tmp_path / "a"], freeze="R")
    assert [source.freeze for source in found] == ["N2", "R", "R"]


def test_no_two_archives_are_called_alike(tmp_path: Path) -> None:
    for name in ("n@A.h5", "n.h5", "n.h5@A.h5"):
        (tmp_path / name).touch()
    with pytest.raises(EEGArchiveError, match=r"2 archives would be called 'n.h5@A'"):
        names(tmp_path, f"{tmp_path}/n.h5@A", f"{tmp_path}/n.h5@B")


def test_names_of_any_bytes_can_be_written(two: list[Path], tmp_path: Path) -> None:
    put(two[0], "X", 1.0)
    odd = os.fsencode(tmp_path) + b"/n\xff\xc3\xa9.h5"
    os.rename(two[0], odd)
    collect([os.fsdecode(odd)], "p1", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "ID,variable,value\nn\ufffdé,X,1.0\n"


def test_a_collected_table_can_be_imported(cohort: Path, two: list[Path]) -> None:
    target = two[0].with_name("out.parquet")
    collect([cohort], "p1", target, variables=["PSD"], wide=True)
    found = read_values(target, factors=["CH", "F"], variables=["PSD"], identity=["s05"])
    assert [block.values.to_list() for block in found] == [[3.5]]


# -- properties ---------------------------------------------------------------------------------------

LEVELS = {
    "CH": st.sampled_from(["C3", "C4", ""]),
    "F": st.sampled_from([0.5, 1.0, -2.0]),
    "E": st.integers(0, 2),
}
STRATA = st.fixed_dictionaries({}, optional=LEVELS)
ELEMENTS = {
    "num": st.none() | st.floats(),
    "int": st.none() | st.integers(-(2**63), 2**63 - 1),
    "text": st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "bool": st.none() | st.booleans(),
}
VARIABLES = {f"{kind}{i}": own for kind, own in ELEMENTS.items() for i in (1, 2)} | {
    f"{kind}_list": st.lists(own, max_size=3) for kind, own in ELEMENTS.items()
}
VALUES = st.sampled_from(sorted(VARIABLES)).flatmap(
    lambda name: st.tuples(st.just(name), STRATA, VARIABLES[name])
)


def key_of(strata: Row) -> tuple[Any, ...]:
    return tuple(sorted(strata.items()))


ARCHIVES = st.lists(
    st.lists(VALUES, max_size=12, unique_by=lambda own: (own[0], key_of(own[1]))), min_size=1, max_size=3
)


def column(values: list[Any], kind: str) -> Column:
    found = column_of(values, "values")
    if found.missing.all():
        dtype = {"num": float, "int": np.int64, "text": object, "bool": bool}[kind]
        return Column(kind, np.zeros(len(values), dtype), found.missing)  # type: ignore[arg-type]
    return found


def blocks_of(values: list[tuple[str, Row, Any]]) -> list[Block]:
    found = []
    for kind in ("num", "int", "text", "bool"):
        for vectors in (False, True):
            own = [(n, s, v) for n, s, v in values if n.startswith(kind) and n.endswith("_list") == vectors]
            if not own:
                continue
            types = {"CH": "text", "F": "num", "E": "int"}
            levels = {name: column([s.get(name) for _, s, _ in own], types[name]) for name in LEVELS}
            flat = [e for *_, v in own for e in v] if vectors else [v for *_, v in own]
            offsets = np.cumsum([0, *(len(v) for *_, v in own)]) if vectors else None
            variables = np.array([*(n for n, *_ in own), None], object)[:-1]
            used = {name: levels[name] for name in LEVELS if not levels[name].missing.all()}
            found.append(Block(variables, used, column(flat, kind), offsets))
    return found


@given(ARCHIVES, st.booleans())
def test_any_values_stand_where_they_belong(archives: list[list[tuple[str, Row, Any]]], wide: bool) -> None:
    blocks = {f"n{i}": blocks_of(values) for i, values in enumerate(archives)}
    if not any(blocks.values()):
        return
    shapes = {name: shape_of(own) for name, own in blocks.items() if own}
    if not wide and one_column_would_lose(archives):
        with pytest.raises(EEGArchiveError, match="beyond what a float holds exactly"):
            layout_of(shapes, None, wide)
        return
    layout = layout_of(shapes, None, wide)
    tables = [rendered(rows_of(own, name, layout), layout, "parquet") for name, own in blocks.items() if own]
    found = [plain_row(row) for table in tables for row in table.to_pylist()]
    expected = []
    for name, values in zip(blocks, archives, strict=True):
        rows: dict[Any, Row] = {}
        for variable, strata, value in values:
            kind = variable.rstrip("12").replace("_list", "_vector")
            target = (
                variable if wide else next(own.name for own in layout.values if own.name in (kind, "value"))
            )
            key = key_of(strata) if wide else (variable, key_of(strata))
            row = rows.setdefault(
                key, {"ID": name, **strata} if wide else {"ID": name, "variable": variable, **strata}
            )
            row[target] = as_joined(value, layout, target)
        expected.extend(plain_row(row) for row in rows.values())
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def one_column_would_lose(archives: list[list[tuple[str, Row, Any]]]) -> bool:
    """Whether a long table has one column for numbers and for integers that a float can't hold."""
    values = [(variable.rstrip("12"), value) for own in archives for variable, _, value in own]
    kinds = {kind for kind, _ in values}
    integers = [
        element
        for kind, value in values
        for element in (value if isinstance(value, list) else [value])
        if kind.startswith("int") and element is not None
    ]
    return kinds in ({"num", "int"}, {"num_list", "int_list"}) and any(abs(i) > 2**53 for i in integers)


def as_joined(value: Any, layout: Any, target: str) -> Any:
    """Integers that are to be numbers."""
    if next(own.type for own in layout.values if own.name == target) != "num":
        return value
    if isinstance(value, list):
        return [None if own is None else float(own) for own in value]
    return None if value is None else float(value)


def plain_row(row: Row) -> Row:
    return {name: plain(row[name]) for name in sorted(row) if row[name] is not None}


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30), st.sampled_from([0, 35, 70]))
def test_strata_are_numbered_as_they_come(rows: list[tuple[int, ...]], more: int) -> None:
    """Also where there are more combinations than an integer has room for."""
    columns = [level_column([row[i] for row in rows]) for i in range(3)]
    columns[1:1] = [level_column([row[0] % 2 for row in rows])] * more
    numbers, first = _strata(columns, len(rows))
    distinct = list(dict.fromkeys(rows))
    assert numbers.tolist() == [distinct.index(row) for row in rows]
    assert first.tolist() == [rows.index(row) for row in distinct]


def level_column(levels: list[int]) -> Column:
    """Levels, of which 0 is none."""
    return Column("int", np.array(levels), np.array(levels) == 0)


def test_strata_of_many_factors_are_told_apart() -> None:
    """A first factor would be shifted out of an integer by 70 more."""
    columns = [level_column([1, 0, 1])] + [level_column([1, 1, 1])] * 70
    numbers, first = _strata(columns, 3)
    assert numbers.tolist() == [0, 1, 0]
    assert first.tolist() == [0, 1]


def test_many_archives_share_groups_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group for each small archive would make a large file that reads slowly; a large one isn't held back."""
    monkeypatch.setattr("eegarchive.collecting.tables._GROUP_ROWS", 10)
    blocks = blocks_of([("num1", {"E": i}, float(i)) for i in range(4)])
    layout = layout_of({"n": shape_of(blocks)}, None, False)
    table = rendered(rows_of(blocks, "n", layout), layout, "parquet")
    with opened(tmp_path / "out.parquet", layout, "parquet") as write:
        for _ in range(7):
            write(table)
    file = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    assert groups == [12, 12, 4]


def test_text_is_made_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        (name, {"E": i}, value) for i in range(5) for name, value in (("num1", 0.5), ("num_list", [1.0] * i))
    ]
    blocks = blocks_of(values)
    layout = layout_of({"n": shape_of(blocks)}, None, True)
    rows = rows_of(blocks, "n", layout)
    whole = rendered(rows, layout, ",")
    monkeypatch.setattr("eegarchive.collecting.tables._TEXT_ROWS", 2)
    assert rendered(rows, layout, ",") == whole
    assert whole.decode().splitlines()[3] == 'n,3,0.5,"[1.0, 1.0, 1.0]"'


# -- processes ----------------------------------------------------------------------------------------


def test_a_process_that_dies_takes_no_other_with_it() -> None:
    dying, slow = (
        "__import__('time').sleep(0.5) or __import__('os')._exit(1)",
        "__import__('time').sleep(2) or 30",
    )
    tasks = ["0", "10", dying, slow, "40", "50"]
    with Crew(2) as crew:
        results = list(crew.results(eval, tasks))
    assert [task for task, _ in results] == tasks
    assert [result for _, result in results] == [0, 10, None, 30, 40, 50]


def test_results_wait_to_be_taken() -> None:
    """No more of them are in memory than there are processes, and one."""
    given_out = []

    def tasks() -> Iterator[str]:
        for i in range(9):
            given_out.append(i)
            yield str(i)

    with Crew(2) as crew:
        results = crew.results(eval, tasks())
        assert next(results) == ("0", 0)
        assert given_out == [0, 1, 2]
        assert [result for _, result in results] == list(range(1, 9))


def test_damage_anywhere_in_a_cache_is_listed(two: list[Path], tmp_path: Path) -> None:
    """Whatever byte of a cache's tables is wrong, the others are collected."""
    for path in two:
        with eegarchive.edit(path) as archive:
            archive.cache["p1"].put_columns({"E": np.arange(5), "SPINDLES": np.arange(5.0)}, ["E"])
            archive.cache["p1"].put("VECTOR", [1, 2, 3])
    with h5py.File(two[0], "r") as file:
        group = file["cache/p1"]
        places = [h5py.h5o.get_info(group[name].id).addr for name in group] + [
            h5py.h5o.get_info(group.id).addr
        ]
    whole = two[0].read_bytes()
    generator = np.random.default_rng(1)
    statuses = set()
    for place in places:
        for offset in generator.integers(0, 500, 8).tolist():
            raw = bytearray(whole)
            raw[place + offset] ^= 0xFF
            two[0].write_bytes(raw)
            report = collect(two, "p1", tmp_path / "out.csv", overwrite=True)
            assert report.outcomes[1].status == "done"
            statuses.add(report.outcomes[0].status)
    assert "failed" in statuses
