"""What names and participants.tsv of BIDS become."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import eegarchive
from eegarchive.bids import describe, entities

EDF = Path(__file__).parent / "data" / "edf_trailing_byte_bad_date.edf"
TABLE = [
    ["participant_id", "age", "sex", "BMI (kg/m2)", "code", "score", "hand", "1st", "site", "all_gone"],
    ["sub-01", "34", "F", "21.5", "007", "1e2", "R", "x", "1", "n/a"],
    ["sub-02", "n/a", "M", "22", "12", "3", "L", "y", "1", "n/a"],
    ["sub-003", "89", "n/a", "n/a", "n/a", "-4", "A", "NA", "2", "n/a"],
]
LEVELS = {"sex": {"Levels": {"F": "female", "M": "male"}}, "hand": {"Levels": {"R": "right", "L": "left"}},
          "site": {"Levels": {"1": "here", "2": "there"}}, "age": {"Units": "years"}}  # fmt: skip


def dataset(root: Path, name: str, below: str = "eeg", table: Any = TABLE) -> Path:
    folder = root / name.split("_")[0] / below
    folder.mkdir(parents=True, exist_ok=True)
    (root / "participants.tsv").write_text(
        "\n".join("\t".join(row) for row in table) + "\n", encoding="utf-8"
    )
    (root / "participants.json").write_text(json.dumps(LEVELS))
    return Path(shutil.copy(EDF, folder / name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sub-01_ses-02_task-rest_run-1_eeg.edf",
            {"subject": "01", "session": "02", "task": "rest", "run": "1"},
        ),
        ("sub-A1_task-x_acq-hi_eeg.bdf", {"subject": "A1", "task": "x", "acquisition": "hi"}),
        ("sub-01_eeg.edf", {"subject": "01"}),
        ("sub-01.edf", {}),
        ("sub-_eeg.edf", {}),
        ("sub-01_rest_eeg.edf", {}),
        ("sub-01-2_eeg.edf", {}),
        ("night.edf", {}),
        ("mysub-01_eeg.edf", {}),
        ("sub-01_sub-02_eeg.edf", {}),
        ("sub-01_ses-1_session-2_eeg.edf", {}),
    ],
)
def test_entities_of_names(name: str, expected: dict[str, str]) -> None:
    assert entities(name) == expected


@pytest.mark.parametrize("below", ["eeg", "ses-1/eeg", "."])
def test_the_participants_row_is_typed_by_its_columns(below: str, tmp_path: Path) -> None:
    first = describe(dataset(tmp_path, "sub-01_task-rest_eeg.edf", below))
    assert first == {
        "age": 34, "sex": "F", "BMI_kg_m2": 21.5, "code": "007", "score": 100.0, "hand": "R", "_1st": "x",
        "site": "1", "all_gone": None, "subject": "01", "task": "rest",
    }  # fmt: skip
    assert [type(first[key]) for key in ("age", "BMI_kg_m2", "code", "score")] == [int, float, str, float]
    sex, site = first["sex"], first["site"]
    assert isinstance(sex, eegarchive.Category)
    assert isinstance(site, eegarchive.Category)
    assert (sex.levels, sex.ordered, site.levels) == (("F", "M"), False, ("1", "2"))
    assert type(first["hand"]) is str  # another row has what is no level
    last = describe(dataset(tmp_path, "sub-003_eeg.edf", below))
    assert (last["age"], last["sex"], last["BMI_kg_m2"], last["code"], last["_1st"]) == (
        89,
        None,
        None,
        None,
        "NA",
    )
    assert type(describe(dataset(tmp_path, "sub-02_eeg.edf", below))["code"]) is str
    assert describe(dataset(tmp_path, "sub-99_eeg.edf", below)) == {"subject": "99"}


def test_conversion_takes_it_and_what_is_given_goes_before(tmp_path: Path) -> None:
    source = dataset(tmp_path, "sub-01_task-rest_eeg.edf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(source, tmp_path / "a.h5", description={"age": 35, "task": None})
        eegarchive.convert(source, tmp_path / "b.h5", description={"age": 35}, bids=False)
    with eegarchive.open(tmp_path / "a.h5") as a, eegarchive.open(tmp_path / "b.h5") as b:
        found = a.description
        assert (found["age"], found["task"], found["subject"], found["sex"]) == (35, None, "01", "F")
        assert b.description == {"age": 35}
        assert a.digest == b.digest
        assert a.cache["x"].ids() == ["a", source.stem, "01"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([["id"], ["sub-01"]], r"participants\.tsv: has no column participant_id"),
        ([["participant_id"], ["sub-01"], ["sub-01"]], "has sub-01 2 times"),
        ([["participant_id", "a"], ["sub-01"]], "line 2 has 1 columns, the header 2"),
        ([["participant_id", "a b", "a_b"], ["sub-01", "1", "2"]], "the column 'a_b' has no name of its own"),
        ([["participant_id", ""], ["sub-01", "1"]], "the column '' has no name"),
        ([["participant_id", "a"], ["sub-01", "\udcff"]], "byte 24 isn't UTF-8"),
    ],
)
def test_a_table_that_is_not_understood_is_told(table: Any, message: str, tmp_path: Path) -> None:
    source = dataset(tmp_path, "sub-01_eeg.edf")
    text = "\n".join("\t".join(row) for row in table)
    (tmp_path / "participants.tsv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        eegarchive.convert(source, tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
    with pytest.warns(eegarchive.OddInput):
        eegarchive.convert(source, tmp_path / "a.h5", bids=False)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_sidecar_that_is_not_understood_is_told(text: str, tmp_path: Path) -> None:
    source = dataset(tmp_path, "sub-01_eeg.edf")
    (tmp_path / "participants.json").write_text(text)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"participants\.json: isn't"):
        describe(source)


def test_the_name_goes_before_the_table(tmp_path: Path) -> None:
    table = [["participant_id", "task", "session"], ["sub-01", "all", "9"]]
    source = dataset(tmp_path, "sub-01_task-rest_eeg.edf", table=table)
    assert describe(source) == {"subject": "01", "task": "rest", "session": 9}


def test_windows_line_ends_and_a_mark_at_the_start(tmp_path: Path) -> None:
    source = dataset(tmp_path, "sub-01_eeg.edf")
    (tmp_path / "participants.tsv").write_bytes(b"\xef\xbb\xbfparticipant_id\tage\r\nsub-01\t34\r\n\r\n")
    assert describe(source) == {"subject": "01", "age": 34}


def run(*arguments: object, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "eegarchive.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_command_line(tmp_path: Path) -> None:
    source = dataset(tmp_path, "sub-01_task-rest_eeg.edf")
    run(
        "convert",
        source,
        "-o",
        "a.h5",
        "--attr",
        "age=35",
        "--attr",
        "code:int=7",
        "--attr",
        "n=1",
        cwd=tmp_path,
    )
    with eegarchive.open(tmp_path / "a.h5") as archive:
        found = archive.description
    assert (found["age"], found["code"], found["n"], found["subject"]) == (35, 7, "1", "01")
    assert "isn't a whole number; age:text=89+" in run(
        "convert", source, "-o", "b.h5", "--attr", "age=89+", cwd=tmp_path, code=1
    )
    run("convert", source, "-o", "b.h5", "--no-bids", cwd=tmp_path)
    assert run("describe", "b.h5", cwd=tmp_path).startswith("b.h5: isn't described")
    assert run("describe", "b.h5", "well:bool=true", "age:int=3", "gone:none=", "s=007", cwd=tmp_path) == (
        "b.h5: set well, age, gone, s\n"
    )
    assert run("describe", "b.h5", "age=4", "--drop", "gone", cwd=tmp_path) == "b.h5: dropped gone; set age\n"
    assert run("describe", "b.h5", cwd=tmp_path) == "age   int   4\ns     text  007\nwell  bool  true\n"
    told = json.loads(run("describe", "b.h5@source", "--json", cwd=tmp_path))
    assert told["description"]["well"] == {"type": "bool", "value": True}
    assert "description  age 4, s 007, well true" in run("info", "b.h5", cwd=tmp_path)
    assert json.loads(run("info", "a.h5", "--json", cwd=tmp_path))["description"]["all_gone"] is None
    assert "no field 'gone'" in run("describe", "b.h5", "--drop", "gone", cwd=tmp_path, code=1)
    assert "age=x: isn't a whole number" in run("describe", "b.h5", "age=x", cwd=tmp_path, code=1)
    run("describe", "b.h5", "age:years=3", cwd=tmp_path, code=2)
