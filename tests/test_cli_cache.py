"""`eegarchive cache`: every command on real archives."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pandas as pd
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

import eegarchive
from eegarchive.cache.files import read_values
from eegarchive.cli import main
from eegarchive.cli.cache import command

DATA = Path(__file__).parent / "data"
FPZ = "EEG Fpz-Cz"
COMMANDS = ["clear", "collect", "copy", "dump", "export", "import", "list", "rm"]
#: As Luna's destrat writes the output of HEADERS by channel, and of PSD by channel and frequency.
HEADERS = "ID\tCH\tPDIM\tPMAX\tPMIN\tSR\nnight\tC3\tuV\t500\t-500\t128\nnight\tECG\tmV\t3.2\t-3.2\t256\n"
PSD = (
    "ID CH F PSD\nnight C3 0.5 12.25\nnight C3 10 0.1234567\nnight C3 2 .\nother C3 10 7\nnight C4 10 1e-09\n"
)
SUMMARY = "ID\tNE\tTST\nnight\t10\t4.5\nother\t11\t5\n"


def run(*arguments: object) -> Result:
    """Run a command in this process; no exception comes out."""
    given = ["cache", *map(str, arguments)]
    result = CliRunner().invoke(main, given, prog_name="eegarchive")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def done(*arguments: object) -> str:
    """What a command prints that goes well and warns of nothing."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def error(*arguments: object) -> str:
    """The line of a command that fails."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr.removeprefix("eegarchive: error: ").rstrip("\n").replace(f"{os.getcwd()}/", "")


def misuse(*arguments: object) -> str:
    """The last line of a command that was called wrongly."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.splitlines()[-1].removeprefix("Error: ")


@pytest.fixture
def night(psg: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an archive in the working folder."""
    monkeypatch.chdir(psg.parent)
    psg.rename("night.h5")
    return "night.h5"


@pytest.fixture
def filled(night: str) -> str:
    """An archive with a cache of every type."""
    with eegarchive.edit(night) as archive:
        cache = archive.cache["p1"]
        cache.put("SR", 128, CH="C3")
        cache.put("SR", None, CH="C4", type="int")
        cache.put("PSD", 0.1, CH="C3", F=13.5)
        cache.put("PSD", 1 / 3, CH="C3", F=2)
        cache.put("spectrum", [i / 7 for i in range(695)], CH="C3")
        cache.put("none", [], E=12)
        cache.put("stage", "N2 \u00e9", E=12)
        cache.put("artefact", True, E=12)
        archive.cache["p2"].put("x", 1)
    return night


TABLE = """\
variable  CH  F     E   type    value
PSD       C3  13.5  -   num     0.1
PSD       C3  2     -   num     0.333333
SR        C3  -     -   int     128
SR        C4  -     -   int     missing
stage     -   -     12  text    N2 \u00e9
artefact  -   -     12  bool    True
spectrum  C3  -     -   num[]   (695 elements)
none      -   -     12  num[]   (0 elements)
"""
LUNA = """\
cache: p1[num]
strata: CH=C3
strata: F=13.5
value: PSD=0.1

strata: CH=C3
strata: F=2
value: PSD=0.333333

strata: E=12
value: (0 element vector)

strata: CH=C3
value: (695 element vector)

cache: p1[int]
strata: CH=C3
value: SR=128

strata: CH=C4
value: SR=NA

cache: p1[text]
strata: E=12
value: stage=N2 \u00e9

cache: p1[bool]
strata: E=12
value: artefact=1

"""


def columns(text: str) -> list[list[str]]:
    """The cells of a table, however wide its columns are."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


# -- looking ------------------------------------------------------------------------------------------


def test_list_tells_what_there_is(filled: str) -> None:
    assert done("list", filled) == (
        "cache  variable  type   factors  values  missing  stale  computed on\n"
        "p1     PSD       num    CH,F          2        -      -  source\n"
        "p1     SR        int    CH            2        1      -  source\n"
        "p1     stage     text   E             1        -      -  source\n"
        "p1     artefact  bool   E             1        -      -  source\n"
        "p1     spectrum  num[]  CH            1        -      -  source\n"
        "p1     none      num[]  E             1        -      -  source\n"
        "p2     x         int    -             1        -      -  source\n"
    )


def test_list_as_json(filled: str) -> None:
    found = json.loads(done("list", filled, "--json"))
    assert found["schema"] == "eegarchive.cache-list/1"
    assert len(found["values"]) == 7
    assert found["values"][1] == {
        "cache": "p1", "variable": "SR", "type": "int", "factors": ["CH"],
        "values": 2, "missing": 1, "stale": 0, "states": ["source"],
    }  # fmt: skip
    assert json.loads(done("list", f"{filled}@source", "--json"))["values"] == found["values"]


def test_list_of_an_archive_without_caches(night: str) -> None:
    assert done("list", night) == "night.h5: no caches\n"
    assert json.loads(done("list", night, "--json"))["values"] == []


def test_list_marks_what_is_stale(filled: str) -> None:
    with eegarchive.edit(filled) as archive:
        archive.cache["p1"].put("rms", 1.5, CH=FPZ)
        archive.cache["p1"].put("rms", 2.5, CH="EEG Pz-Oz")
        archive.cache["p1"].put("n", 10, basis="state")
        archive.filter(1, 30, [FPZ])
    lines = columns(done("list", filled))
    assert ["p1", "rms", "num", "CH", "2", "-", "1", "source"] in lines
    assert ["p1", "n", "int", "-", "1", "-", "1", "source"] in lines
    assert ["p1", "stage", "text", "E", "1", "-", "-", "source"] in lines
    left_out = f"eegarchive: warning: {os.getcwd()}/night.h5: cache 'p1': 2 stale values left out"
    result = run("dump", filled, "p1")
    assert (result.exit_code, "rms       EEG Pz-Oz" in result.stdout) == (0, True)
    assert result.stderr.startswith(left_out)
    assert FPZ not in result.stdout
    assert FPZ in done("dump", filled, "p1", "--stale")
    result = run("export", filled, "p1", "p1.csv")
    assert (result.exit_code, result.stdout) == (0, "p1.csv: 9 values written\n")
    assert result.stderr.startswith(left_out)
    assert done("export", filled, "p1", "p1.csv", "--stale", "--overwrite") == "p1.csv: 11 values written\n"
    assert done("rm", filled, "p1", "--stale") == "night.h5: 2 values of the cache p1 removed\n"
    assert done("rm", filled, "p1", "--stale") == "night.h5: 0 values of the cache p1 removed\n"
    assert done("dump", filled, "p1", "--variables", "rms") == (
        "variable  CH         type  value\nrms       EEG Pz-Oz  num   2.5\n"
    )


# -- dump ---------------------------------------------------------------------------------------------


def test_dump_for_people(filled: str) -> None:
    assert columns(done("dump", filled, "p1")) == columns(TABLE)
    lines = done("dump", filled, "p1").splitlines()
    assert len({line.index("   ") for line in lines[3:4]}) == 1
    assert columns(done("dump", filled, "p1", "--type", "int", "--type", "bool")) == [
        ["variable", "CH", "E", "type", "value"],
        ["SR", "C3", "-", "int", "128"],
        ["SR", "C4", "-", "int", "missing"],
        ["artefact", "-", "12", "bool", "True"],
    ]
    assert columns(done("dump", filled, "p1", "--variables", "stage, SR"))[1][0] == "SR"


def test_dump_as_luna_prints_it(filled: str) -> None:
    assert done("dump", filled, "p1", "--format", "luna") == LUNA
    only = done("dump", filled, "p1", "--format", "luna", "--type", "int")
    assert only == "cache: p1[int]\nstrata: CH=C3\nvalue: SR=128\n\nstrata: CH=C4\nvalue: SR=NA\n\n"


def test_dump_exactly(filled: str) -> None:
    assert done("dump", filled, "p1", "--format", "csv", "--variables", "PSD,SR") == (
        "variable,type,CH,F,missing,value\n"
        "PSD,num,C3,13.5,0,0.1\nPSD,num,C3,2.0,0,0.3333333333333333\nSR,int,C3,,0,128\nSR,int,C4,,1,\n"
    )
    found = json.loads(done("dump", filled, "p1", "--format", "json", "--type", "num"))
    assert (found["schema"], found["cache"]) == ("eegarchive.cache/1", "p1")
    assert found["values"][1] == {
        "variable": "PSD", "type": "num", "strata": {"CH": "C3", "F": 2.0}, "value": 1 / 3,
    }  # fmt: skip
    assert found["values"][2]["value"] == [i / 7 for i in range(695)]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_what_is_dumped_is_read_back_equal(filled: str, form: str) -> None:
    raw = run("dump", filled, "p1", "--format", form).stdout_bytes
    Path(f"dumped.{form}").write_bytes(raw)
    assert done("export", filled, "p1", f"exported.{form}") == f"exported.{form}: 8 values written\n"
    assert Path(f"exported.{form}").read_bytes() == raw
    assert done("import", filled, "again", f"dumped.{form}") == (
        f"night.h5: 8 values of dumped.{form} kept in the cache again\n"
    )
    with eegarchive.open(filled) as archive:
        one, two = ({(e.variable, *e.strata.items()): (e.type, repr(e.value)) for e in archive.cache[name].select()}
                    for name in ("p1", "again"))  # fmt: skip
    assert one == two
    assert sum(map(len, read_values(f"dumped.{form}"))) == 8


def test_parquet_is_a_table_to_others(filled: str) -> None:
    raw = run("dump", filled, "p1", "--format", "parquet", "--type", "int").stdout_bytes
    found = pyarrow.parquet.read_table(io.BytesIO(raw)).to_pandas()
    assert found["CH"].tolist() == ["C3", "C4"]
    assert found["value"].isna().tolist() == [False, True]


@pytest.mark.parametrize("form", ["table", "luna", "csv", "json", "parquet"])
def test_nothing_to_dump_is_an_error(filled: str, form: str) -> None:
    assert error("dump", filled, "nope", "--format", form) == "night.h5: no cache 'nope'; there are p1, p2"
    for options in (["--variables", "nope"], ["--type", "text", "--variables", "SR"]):
        expected = "night.h5: cache 'p1': has no such values"
        assert error("dump", filled, "p1", "--format", form, *options) == expected


# -- import -------------------------------------------------------------------------------------------


def test_headers_by_channel_as_luna_records_them(night: str) -> None:
    Path("headers.txt").write_text(HEADERS)
    given = ["--factors", "CH", "--variables", "SR,PDIM", "--command", "HEADERS"]
    assert done("import", night, "p1", "headers.txt", *given) == (
        "night.h5: 4 values of headers.txt kept in the cache p1\n"
    )
    assert done("dump", night, "p1", "--type", "int", "--format", "luna") == (
        "cache: p1[int]\nstrata: CH=C3\nvalue: HEADERS:SR=128\n\nstrata: CH=ECG\nvalue: HEADERS:SR=256\n\n"
    )
    with eegarchive.open(night) as archive:
        assert archive.cache["p1"].get("HEADERS:PDIM", CH="ECG") == "mV"
        assert archive.cache["p1"].entry("HEADERS:SR", CH="C3").origin.operation == "import"


def test_a_long_table_with_factors(night: str) -> None:
    Path("psd.txt").write_text(PSD)
    assert done("import", night, "psd", "psd.txt", "--factors", "CH,F", "--variables", "PSD") == (
        "night.h5: 4 values of psd.txt kept in the cache psd\n"
    )
    with eegarchive.open(night) as archive:
        cache = archive.cache["psd"]
        assert cache.get("PSD", CH="C3", F=10) == 0.1234567
        assert cache.get("PSD", CH="C3", F=2) is None
        assert cache.get("PSD", CH="C4", F=10) == 1e-09
    assert done("dump", night, "psd", "--format", "luna") == (
        "cache: psd[num]\n"
        "strata: CH=C3\nstrata: F=0.5\nvalue: PSD=12.25\n\n"
        "strata: CH=C3\nstrata: F=10\nvalue: PSD=0.123457\n\n"
        "strata: CH=C3\nstrata: F=2\nvalue: PSD=NA\n\n"
        "strata: CH=C4\nstrata: F=10\nvalue: PSD=1e-09\n\n"
    )


def test_a_long_table_without_factors(night: str) -> None:
    Path("summary.txt").write_text(SUMMARY)
    assert (
        done("import", night, "s", "summary.txt") == "night.h5: 2 values of summary.txt kept in the cache s\n"
    )
    assert done("dump", night, "s") == "variable  type  value\nTST       num   4.5\nNE        int   10\n"
    done("import", night, "o", "summary.txt", "--id", "other")
    with eegarchive.open(night) as archive:
        assert archive.cache["o"].get("TST") == 5
    assert error("import", night, "o", "summary.txt", "--id", "other", "--id", "night").startswith(
        "night.h5: summary.txt: line 3: no strata again, as in line 2; the one is of the ID 'night', the other"
    )


def test_types_can_be_stated_and_a_basis(night: str) -> None:
    Path("t.csv").write_text("E,X,Y\n1,1,007\n2,0,8\n")
    done("import", night, "t", "t.csv", "--factors", "E:num", "--variables", "X:bool,Y", "--basis", "samples")
    with eegarchive.open(night) as archive:
        entries = {(e.variable, e.strata["E"]): (e.type, e.value) for e in archive.cache["t"].select()}
        assert entries == {
            ("X", 1.0): ("bool", True), ("X", 2.0): ("bool", False),
            ("Y", 1.0): ("text", "007"), ("Y", 2.0): ("text", "8"),
        }  # fmt: skip
        assert archive.cache["t"].entry("X", E=1).origin.basis == "samples"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (PSD.replace("12.25", "1,5"), "CH,F", "bad.txt: line 2: PSD is '1,5'; expected "),
        (PSD.replace("12.25", "12abc"), "CH,F", "bad.txt: line 2: PSD is '12abc'; expected "),
        (
            PSD.replace("C4 10", "C3 10"),
            "CH,F",
            "bad.txt: line 6: CH=C3, F=10.0 again, as in line 3; one key",
        ),
        (PSD, "CH", "bad.txt: line 3: CH=C3 again, as in line 2; one key has one value; name all columns"),
        (PSD.replace("C3 2 .", "C3 2"), "CH,F", "bad.txt: line 4: 3 cells; expected 4, as in the header"),
        (PSD.replace("C3 2 .", "C3 . 4"), "CH,F", "bad.txt: line 4: "),
        (PSD, "CH,X", "bad.txt: line 1: there is no column 'X'; there are 'ID', 'CH', 'F', 'PSD'"),
        (PSD.replace("ID", "Id"), "CH,F", "bad.txt: line 1: the first column is 'Id'; expected ID"),
        ("", "CH", "bad.txt: line 1: is empty; expected a header"),
        (
            PSD.replace("night", "nobody"),
            "CH,F",
            "bad.txt: no row is of 'night', 'edf_sleep_psg_30s_records'; there are",
        ),
    ],
    ids=lambda value: value[-30:],
)
def test_bad_files_are_refused_with_the_line(night: str, text: str, options: str, message: str) -> None:
    Path("bad.txt").write_text(text)
    before = Path(night).read_bytes()
    found = error("import", night, "psd", "bad.txt", "--factors", options)
    assert (
        found.removeprefix("night.h5: ")
        .replace("bad.txt: there is", "bad.txt: line 1: there is")
        .startswith(message)
    )
    assert Path(night).read_bytes() == before
    assert not Path("night.h5-lock").exists()


def test_what_cant_be_imported_at_all(night: str) -> None:
    Path("x.dat").write_text(PSD)
    assert error("import", night, "p1", "none.txt") == "none.txt: No such file or directory"
    assert "its suffix is none of" in error("import", night, "p1", "x.dat")
    done("import", night, "p1", "x.dat", "--format", "luna", "--factors", "CH,F")
    assert error("import", "none.h5", "p1", "x.dat") == "none.h5: No such file or directory"
    assert "a freeze can't be changed; thaw it first" in error("import", f"{night}@source", "p1", "x.dat")
    assert misuse("import", night, "p1") == "Missing argument 'FILE'."
    assert "'--basis': 'ever' is not one of" in misuse("import", night, "p1", "x.dat", "--basis", "ever")


# -- export, rm, clear, copy --------------------------------------------------------------------------


def test_export_keeps_what_is_there(filled: str) -> None:
    done("export", filled, "p1", "p1.json", "--type", "int")
    assert error("export", filled, "p1", "p1.json").startswith("p1.json: exists already")
    assert error("export", filled, "p1", "p1.json", "--overwrite", "--variables", "no").endswith(
        "has no such values"
    )
    assert len(json.loads(Path("p1.json").read_text())["values"]) == 2
    assert error("export", filled, "p1", "p1.xls").startswith("p1.xls: its suffix is none of .csv")
    assert done("export", filled, "p1", "p1.xls", "--format", "csv") == "p1.xls: 8 values written\n"
    assert error("export", filled, "no", "p.csv") == "night.h5: no cache 'no'; there are p1, p2"
    assert error("export", filled, "p1", "no/p.csv").endswith(": No such file or directory")


def test_rm_takes_variables_and_strata(filled: str) -> None:
    def left() -> list[str]:
        with eegarchive.open(filled) as archive:
            return [f"{e.variable} {e.strata}" for e in archive.cache["p1"].select()]

    assert (
        done("rm", filled, "p1", "CH=C3", "--variable", "PSD")
        == "night.h5: 2 values of the cache p1 removed\n"
    )
    assert "SR {'CH': 'C3'}" in left()
    assert (
        done("rm", filled, "p1", "CH=C3", "E=12", "--stale") == "night.h5: 0 values of the cache p1 removed\n"
    )
    assert done("rm", filled, "p1", "E=12") == "night.h5: 3 values of the cache p1 removed\n"
    assert done("rm", filled, "p1", "--variable", "spectrum") == "night.h5: 1 value of the cache p1 removed\n"
    assert left() == ["SR {'CH': 'C3'}", "SR {'CH': 'C4'}"]
    before = Path(filled).read_bytes()
    no_such = "night.h5: cache 'p1': has no such values"
    assert error("rm", filled, "p1", "--variable", "no") == no_such
    assert error("rm", filled, "p1", "CH=C9") == no_such
    assert error("rm", filled, "p1", "X=1") == "night.h5: cache 'p1': no factor 'X'; there are CH"
    assert error("rm", filled, "no", "--stale") == "night.h5: no cache 'no'; there are p1, p2"
    assert misuse("rm", filled, "p1", "CH") == "'CH': expected FACTOR=LEVEL"
    assert misuse("rm", filled, "p1").startswith("say which: --variable, FACTOR=LEVEL or --stale")
    assert Path(filled).read_bytes() == before


def test_levels_are_of_their_factors_type(filled: str) -> None:
    with eegarchive.edit(filled) as archive:
        archive.cache["t"].put_columns(
            {"I": [1, 2], "N": [0.5, 2.0], "B": [True, False], "T": ["1", "a=b"], "x": [1, 2]},
            ["I", "N", "B", "T"],
        )
    assert misuse("rm", filled, "t", "I=1.0") == "'I=1.0': levels of I are such as 1"
    assert misuse("rm", filled, "t", "N=a") == "'N=a': levels of N are such as 0.5"
    assert misuse("rm", filled, "t", "B=1") == "'B=1': levels of B are such as True"
    assert done("rm", filled, "t", "I=1", "N=.5", "B=TRUE", "T=1").endswith(
        "1 value of the cache t removed\n"
    )
    assert done("rm", filled, "t", "I=2", "N=2", "B=false", "T=a=b").endswith(
        "1 value of the cache t removed\n"
    )
    assert "no cache 't'" in error("dump", filled, "t")


def test_clear_takes_one_or_all(filled: str) -> None:
    assert error("clear", filled, "no") == "night.h5: no cache 'no'; there are p1, p2"
    assert done("clear", filled, "p2") == "night.h5: 1 cache removed\n"
    with eegarchive.edit(filled) as archive:
        archive.freeze("A")
    assert done("clear", filled) == "night.h5: 1 cache removed\n"
    assert done("clear", filled) == "night.h5: 0 caches removed\n"
    assert done("list", filled) == "night.h5: no caches\n"
    assert columns(done("dump", f"{filled}@A", "p1")) == columns(TABLE)


def test_copy_between_archives_of_one_recording(filled: str, gaps: Path) -> None:
    eegarchive.convert(DATA / "edf_sleep_psg_30s_records.edf", "twin.h5")
    assert done("copy", filled, "twin.h5", "p2") == "twin.h5: 1 value of 1 cache copied from night.h5\n"
    assert done("copy", filled, "twin.h5") == "twin.h5: 9 values of 2 caches copied from night.h5\n"
    assert done("list", "twin.h5") == done("list", filled)
    assert done("dump", "twin.h5", "p1", "--format", "json") == done("dump", filled, "p1", "--format", "json")
    before = Path("twin.h5").read_bytes()
    assert error("copy", filled, "twin.h5", "p1", "no") == "night.h5: no cache 'no'; there are p1, p2"
    assert error("copy", filled, gaps).startswith(f"{gaps.name}: is of another recording than night.h5")
    assert error("copy", f"{filled}@no", "twin.h5") == "night.h5: no freeze 'no'; there are source"
    assert Path("twin.h5").read_bytes() == before


# -- with states --------------------------------------------------------------------------------------


def test_preserve_cache_keeps_what_restructure_and_thaw_drop(filled: str) -> None:
    def verb(*arguments: str) -> None:
        assert CliRunner().invoke(main, arguments).exit_code == 0

    with eegarchive.edit(filled) as archive:
        archive.cache["p1"].put("peaks", [100, 200], CH=FPZ, basis="samples")
    verb("freeze", filled, "all")
    verb("mask", filled, "--drop-epochs", "2-3")
    verb("restructure", filled, "--preserve-cache")
    assert ["p1", "peaks", "int[]", "CH", "1", "-", "1", "source"] in [
        [*line[:7], "source"] for line in columns(done("list", filled))
    ]
    verb("thaw", filled, "all", "--discard")
    verb("mask", filled, "--drop-epochs", "2-3")
    verb("restructure", filled)
    assert done("list", filled) == "night.h5: no caches\n"
    verb("thaw", filled, "all", "--preserve-cache", "--discard")
    assert done("list", filled) == "night.h5: no caches\n"
    verb("thaw", filled, "all")
    assert columns(done("dump", filled, "p1", "--variables", "SR"))[1:] == [
        ["SR", "C3", "int", "128"], ["SR", "C4", "int", "missing"],
    ]  # fmt: skip


def test_what_was_computed_on_a_freeze_is_listed_there(filled: str) -> None:
    with eegarchive.edit(filled) as archive:
        archive.freeze("A")
        archive.add_annotations([1.0], [2.0], ["spindle"])
    with eegarchive.open(f"{filled}@A") as archive:
        archive.cache["late"].compute("n", lambda night: 7)
    assert "late" in done("list", f"{filled}@A")
    assert done("dump", f"{filled}@A", "late") == "variable  type  value\nn         int   7\n"
    result = run("dump", filled, "late")
    assert result.exit_code == 1
    assert "stale values left out" in result.stderr


# -- collect ------------------------------------------------------------------------------------------


@pytest.fixture
def cohort(filled: str) -> Path:
    """A folder of four archives: two with the cache, one without, one damaged."""
    folder = Path("nights")
    folder.mkdir()
    for name in ("s1", "s2", "s3", "s4"):
        shutil.copy(filled, folder / f"{name}.h5")
    with eegarchive.edit(folder / "s2.h5") as archive:
        archive.cache["p2"].put("x", 2)
    with eegarchive.edit(folder / "s3.h5") as archive:
        archive.cache.clear()
    (folder / "s4.h5").write_bytes(b"no archive")
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
def test_collect_gathers_what_can_be_read(cohort: Path, jobs: int) -> None:
    result = run("collect", cohort, "--name", "p2", "-o", "x.csv", "--jobs", jobs)
    assert result.exit_code == 1
    assert result.stdout == "x.csv: 2 rows of 2 archives; 1 without the cache, 1 failed\n"
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("eegarchive: error: ")
    assert "s4.h5" in result.stderr
    assert Path("x.csv").read_text() == "ID,variable,value\ns1,x,1\ns2,x,2\n"
    (cohort / "s4.h5").unlink()
    assert done("collect", cohort, "--name", "p2", "-o", "x.csv", "--overwrite", "--wide") == (
        "x.csv: 2 rows of 2 archives; 1 without the cache, 0 failed\n"
    )
    assert Path("x.csv").read_text() == "ID,x\ns1,1\ns2,2\n"


def test_collect_as_json(cohort: Path) -> None:
    result = run("collect", cohort, "--name", "p1", "-o", "x.parquet", "--variables", "SR", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert (found["schema"], found["target"]) == ("eegarchive.cache-collect/1", "x.parquet")
    assert found["columns"] == ["ID", "variable", "CH", "value"]
    assert found["archives"][0] == {
        "path": str(cohort.absolute() / "s1.h5"), "freeze": None, "id": "s1", "status": "done",
        "rows": 2, "values": 2, "stale": 0,
    }  # fmt: skip
    assert [one["status"] for one in found["archives"]] == ["done", "done", "no cache", "failed"]
    assert "s4.h5" in found["archives"][3]["error"]
    table = pd.read_parquet("x.parquet")
    assert table["CH"].tolist() == ["C3", "C4"] * 2
    assert table["ID"].tolist() == ["s1", "s1", "s2", "s2"]


def test_collect_takes_freezes_and_leaves_stale_values_out(cohort: Path) -> None:
    paths = [cohort / "s1.h5", cohort / "s2.h5"]
    for path in paths:
        with eegarchive.edit(path) as archive:
            archive.cache["p2"].put("rms", 1.5, CH=FPZ)
            archive.freeze("A")
            archive.filter(1, 30, [FPZ])
    result = run("collect", *paths, "--name", "p2", "-o", "x.csv")
    assert (result.exit_code, result.stdout) == (
        0,
        "x.csv: 2 rows of 2 archives; 0 without the cache, 0 failed\n",
    )
    assert result.stderr.splitlines() == [
        f"eegarchive: warning: {path.absolute()}: 1 stale value left out" for path in paths
    ]
    for options in (["--freeze", "A"], ["--stale"]):
        assert done("collect", *paths, "--name", "p2", "-o", "x.csv", "--overwrite", *options) == (
            "x.csv: 4 rows of 2 archives; 0 without the cache, 0 failed\n"
        )


def test_what_cant_be_collected(cohort: Path) -> None:
    paths = [cohort / "s1.h5", cohort / "s2.h5"]
    assert error("collect", *paths, "--name", "no", "-o", "x.csv").startswith(
        "x.csv: none of 2 archives has such values"
    )
    assert not Path("x.csv").exists()
    Path("x.csv").touch()
    assert error("collect", *paths, "--name", "p2", "-o", "x.csv").startswith("x.csv: exists already")
    Path("empty").mkdir()
    assert error("collect", "empty", "--name", "p2", "-o", "y.csv") == "empty: no .h5 files in this folder"
    assert misuse("collect", *paths, "-o", "x.csv") == "Missing option '--name'."
    assert misuse("collect", *paths, "--name", "p2") == "Missing option '-o' / '--output'."
    assert misuse("collect", "--name", "p2", "-o", "x.csv") == "Missing argument 'ARCHIVE|FOLDER...'."


# -- all of them --------------------------------------------------------------------------------------


def test_every_command_has_a_help_with_an_example() -> None:
    assert sorted(command.commands) == COMMANDS
    for name in COMMANDS:
        text = done(name, "--help")
        assert f"  eegarchive cache {name} " in text.split("Example", 1)[1]
        options = [given for given in command.commands[name].params if isinstance(given, click.Option)]
        assert [option.name for option in options if not option.help] == []
    assert "Examples:" in done("--help")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "collect"])
def test_what_is_no_archive_is_one_line(night: str, name: str) -> None:
    Path("text.h5").write_text("no archive")
    Path("t.csv").write_text("x\n1\n")
    rest = {"clear": [], "copy": [night], "dump": ["p1"], "export": ["p1", "p.csv"], "import": ["p1", "t.csv"],
            "list": [], "rm": ["p1", "--stale"]}[name]  # fmt: skip
    assert error(name, "text.h5", *rest).startswith("text.h5: ")
    assert error(name, "none.h5", *rest) == "none.h5: No such file or directory"


def test_text_is_made_safe_for_the_terminal(night: str) -> None:
    with eegarchive.edit(night) as archive:
        archive.cache["p1"].put("a\x1b[31mb", "c\x1b[31md\ne", CH="f\x1b\ng")
    for arguments in (["list", night], ["dump", night, "p1"], ["dump", night, "p1", "--format", "luna"]):
        found = done(*arguments)
        assert "\x1b" not in found
        assert len(found.splitlines()) <= 4


def test_a_closed_pipe_isnt_an_error_with_a_traceback(filled: str) -> None:
    line = f"{sys.executable} -m eegarchive.cli cache dump {filled} p1 --format json | head -c 10"
    found = subprocess.run(["bash", "-c", line], capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": str(Path(eegarchive.__file__).parents[1])})  # fmt: skip
    assert found.stdout == '{"schema":'
    assert "Traceback" not in found.stderr
