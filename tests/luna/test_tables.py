"""Outputs as tables, in a database, in files, and printed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from eegarchive import EEGArchiveError, NotInArchive, TargetExists
from eegarchive.luna.database import Database
from eegarchive.luna.folder import prepare_folder, write_tables
from eegarchive.luna.pivot import pivot
from eegarchive.luna.tables import Table, Tables


def lists(table: Table) -> dict[str, list[object]]:
    return {name: column.to_list() for name, column in table.columns.items()}


def test_single_values_of_one_stratum_are_one_row() -> None:
    tables = Tables()
    for channel, rate in (("C3", 256.0), ("C4", 128.0)):
        tables.put("HEADERS", "SR", rate, {"CH": channel})
        tables.put("HEADERS", "TRANS", "AgCl" if channel == "C3" else None, {"CH": channel})
    tables.put("HEADERS", "NS", np.int64(2), {})
    by_channel, whole = tables.finished()
    assert (by_channel.name, len(by_channel), whole.name) == ("HEADERS_CH", 2, "HEADERS")
    assert lists(by_channel) == {"CH": ["C3", "C4"], "SR": [256.0, 128.0], "TRANS": ["AgCl", None]}
    assert lists(whole) == {"NS": [2]}
    assert tables.replaced == []


def test_columns_of_equal_strata_are_merged_and_the_last_value_stays() -> None:
    tables = Tables()
    tables.put_columns("PSD", {"F": [2.0, 1.0], "CH": ["C3", "C3"]}, {"PSD": [20.0, 10.0]})
    tables.put_columns("PSD", {"CH": ["C3", "C4"], "F": [1.0, 1.0]}, {"X": [7, 8]})
    (table,) = tables.finished()
    assert lists(table) == {
        "CH": ["C3", "C3", "C4"],
        "F": [2.0, 1.0, 1.0],
        "PSD": [20.0, 10.0, None],
        "X": [None, 7, 8],
    }
    assert tables.replaced == []
    tables.put_columns("PSD", {"CH": ["C3"], "F": [1.0]}, {"PSD": [11.0]})
    (table,) = tables.finished()
    assert table.columns["PSD"].to_list() == [20.0, 11.0, None]
    assert tables.replaced == ["PSD_CH_F"]


@pytest.mark.parametrize(
    ("factors", "variables"),
    [
        ({"CH": ["C3"]}, {"PSD": [1.0, 2.0]}),
        ({"CH": ["C3", None]}, {"PSD": [1.0, 2.0]}),
        ({"SR": ["x"]}, {"sr": [1.0]}),
        ({"ID": ["x"]}, {"PSD": [1.0]}),
    ],
)
def test_columns_that_make_no_table(factors: dict[str, object], variables: dict[str, object]) -> None:
    with pytest.raises(EEGArchiveError):
        Tables().put_columns("PSD", factors, variables)


def spectra(scale: float = 1.0) -> list[Table]:
    tables = Tables()
    for stage in ("N3", "N2"):
        count = 3 if stage == "N3" else 2
        tables.put_columns(
            "PSD",
            {"CH": ["C3"] * count, "F": np.arange(count) / 2, "STG": [stage] * count},
            {"PSD": scale * np.arange(count) + 0.1, "OK": [True] * count, "N": np.arange(count)},
        )
    tables.put("HEADERS", "EDF_ID", "a\tb", {})
    tables.put("HEADERS", "NONE", None, {})
    return tables.finished()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "out.db"
    with Database(path, create=True) as found:
        found.add("b", spectra())
        found.add("a", spectra(2.0))
    return path


def test_other_programs_read_the_database(database: Path) -> None:
    with sqlite3.connect(database) as plain:
        rows = plain.execute(
            "SELECT ID, CH, F, STG, PSD, OK, N FROM \"PSD_CH_F_STG\" WHERE ID = 'a'"
        ).fetchall()
        names = plain.execute("SELECT name, command, factors FROM _tables").fetchall()
        types = {name: kind for _, name, kind, *_ in plain.execute('PRAGMA table_info("PSD_CH_F_STG")')}
    assert rows[2] == ("a", "C3", 1.0, "N3", 4.1, 1, 2)
    assert names == [("PSD_CH_F_STG", "PSD", '["CH", "F", "STG"]'), ("HEADERS", "HEADERS", "[]")]
    assert (types["PSD"], types["N"], types["CH"], types["OK"]) == ("REAL", "INTEGER", "TEXT", "BOOLEAN")
    pandas = pytest.importorskip("pandas")
    with sqlite3.connect(database) as plain:
        frame = pandas.read_sql("SELECT * FROM PSD_CH_F_STG", plain)
    assert len(frame) == 10
    assert frame.groupby("ID")["PSD"].sum().round(9).to_dict() == {"a": 8.5, "b": 4.5}


def test_a_second_run_replaces_the_rows_of_its_archive(database: Path) -> None:
    tables = Tables()
    tables.put_columns("PSD", {"CH": ["C4"], "F": [0.5], "STG": ["R"]}, {"PSD": [5]})
    with Database(database, create=True) as found:
        found.add("a", tables.finished())
        rows = list(found.rows(found.tables()[0], ["ID", "CH", "PSD"]))
        assert found.tables()[0].types["PSD"] == "num"
        assert found.count(found.tables()[1]) == (2, 2)  # the table that this run hasn't put out
    assert [row for row in rows if row[0] == "a"] == [("a", "C4", 5.0)]
    assert len(rows) == 6


def test_an_archive_is_added_wholly_or_not_at_all(database: Path) -> None:
    good, bad = Tables(), Tables()
    good.put("NEW", "X", 1, {})
    bad.put("HEADERS", "EDF_ID", 5, {})  # a text before
    with Database(database, create=True) as found:
        with pytest.raises(EEGArchiveError, match=r"HEADERS: EDF_ID: values of the types int, text"):
            found.add("c", [*good.finished(), *bad.finished()])
        assert [table.name for table in found.tables()] == ["PSD_CH_F_STG", "HEADERS"]


def test_a_column_that_was_empty_takes_any_type(database: Path) -> None:
    tables = Tables()
    tables.put("HEADERS", "NONE", "012", {})
    with Database(database, create=True) as found:
        found.add("c", tables.finished())
        table = found.tables()[1]
        assert table.types["NONE"] == "text"
        assert list(found.rows(table, ["NONE"])) == [(None,), (None,), ("012",)]


def test_factors_with_underscores_get_tables_of_their_own(tmp_path: Path) -> None:
    tables = Tables()
    tables.put("PSD", "X", 1, {"A": 1, "B": 1})
    tables.put("PSD", "X", 2, {"A_B": 1})
    with Database(tmp_path / "x.db", create=True) as found:
        found.add("a", tables.finished())
        assert [table.name for table in found.tables()] == ["PSD_A_B", "PSD_A_B_"]
        assert pivot(found, "PSD", ["A_B"]).rows == [["a", 1, 2]]


def test_what_is_no_database_of_outputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this isn't a database at all, it is a text that is long enough" * 9)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE x (y)")
    for name, said in (
        ("text.db", "not a database"),
        ("other.db", "give another name"),
        ("no.db", "no such file"),
    ):
        with pytest.raises(EEGArchiveError, match=said):
            Database(tmp_path / name)
    for name in ("text.db", "other.db"):
        with pytest.raises(EEGArchiveError):
            Database(tmp_path / name, create=True)
    assert not (tmp_path / "no.db").exists()


def test_levels_across_become_columns(database: Path) -> None:
    with Database(database) as found:
        shown = pivot(found, "psd", ["F", "CH"], ["STG"], ["PSD", "N"])
        assert shown.columns == ["ID", "CH", "F", "PSD.STG_N2", "PSD.STG_N3", "N.STG_N2", "N.STG_N3"]
        assert shown.rows[:3] == [
            ["a", "C3", 0.0, 0.1, 0.1, 0, 0],
            ["a", "C3", 0.5, 2.1, 2.1, 1, 1],
            ["a", "C3", 1.0, None, 4.1, None, 2],
        ]
        two = pivot(found, "PSD", ["CH"], ["F", "STG"], ["N"])
        assert two.columns[2:5] == ["N.F_0.STG_N2", "N.F_0.STG_N3", "N.F_0.5.STG_N2"]
        assert [row[0] for row in pivot(found, "HEADERS").rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"command": "STATS"}, "no outputs of STATS; there are those of PSD, HEADERS"),
        ({"command": "PSD", "rows": ["CH"]}, "PSD has no table by CH; there is one by CH F STG"),
        ({"command": "HEADERS", "variables": ["X"]}, "no variable 'X'; there are EDF_ID, NONE"),
    ],
)
def test_tables_that_are_not_there(database: Path, arguments: dict[str, object], said: str) -> None:
    with Database(database) as found, pytest.raises(NotInArchive, match=said):
        pivot(found, **arguments)  # type: ignore[arg-type]


def test_a_folder_of_text_tables(database: Path, tmp_path: Path) -> None:
    with Database(database) as found:
        prepare_folder(tmp_path / "tables", "tsv", False)
        written = write_tables(found, tmp_path / "tables", "tsv", False)
    assert [path.name for path in written] == ["PSD_CH_F_STG.tsv", "HEADERS.tsv"]
    assert written[1].read_text() == "ID\tEDF_ID\tNONE\na\ta b\tNA\nb\ta b\tNA\n"
    assert written[0].read_text().splitlines()[:2] == [
        "ID\tCH\tF\tSTG\tPSD\tOK\tN",
        "a\tC3\t0\tN3\t0.1\t1\t0",
    ]
    with pytest.raises(TargetExists, match="has tables already"):
        prepare_folder(tmp_path / "tables", "tsv", False)
    prepare_folder(tmp_path / "tables", "tsv", True)


def test_a_folder_of_parquet_tables(database: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    prepare_folder(tmp_path / "tables", "parquet", False)
    with Database(database) as found:
        write_tables(found, tmp_path / "tables", "parquet", False)
    table = parquet.read_table(tmp_path / "tables" / "PSD_CH_F_STG.parquet")
    assert [str(kind) for kind in table.schema.types] == [
        "string", "string", "double", "string", "double", "bool", "int64",
    ]  # fmt: skip
    assert table.column("OK").to_pylist() == [True] * 10
    assert parquet.read_table(tmp_path / "tables" / "HEADERS.parquet").column("NONE").to_pylist() == [
        None,
        None,
    ]


def test_missing_and_nan_are_null_and_infinity_is_itself(tmp_path: Path) -> None:
    tables = Tables()
    tables.put_columns("X", {"E": [1, 2, 3]}, {"V": [float("nan"), float("inf"), None]})
    with Database(tmp_path / "x.db", create=True) as found:
        found.add("a", tables.finished())
        assert [row[2] for row in found.rows(found.tables()[0])] == [None, float("inf"), None]


def test_a_table_as_a_data_frame() -> None:
    pytest.importorskip("pandas")
    frame = spectra()[0].to_frame()
    assert list(frame) == ["CH", "F", "STG", "PSD", "OK", "N"]
    assert frame["F"].tolist() == [0.0, 0.5, 1.0, 0.0, 0.5]
