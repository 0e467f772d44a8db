"""CACHE: recorded, imported, dumped, cleared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, ScriptError
from eegarchive.luna.runner import Ran, run


def outcome(archive: Path, script: str) -> Ran:
    return run(archive, script).outcomes[0]


def cached(archive: Path, name: str = "c") -> int:
    with eegarchive.open(archive) as night:
        return len(night.cache[name])


@pytest.mark.parametrize("names", ["HEADERS,CH,SR", "HEADERS,SR,CH", "headers,sr,ch"])
def test_outputs_are_recorded_in_any_order_of_names(scored: Path, names: str) -> None:
    run(scored, f"CACHE cache=c record={names}\nHEADERS")
    with eegarchive.open(scored) as night:
        assert night.cache["c"].get("HEADERS:SR", CH="EMG chin") == 64
        assert len(night.cache["c"]) == 4


def test_several_caches_record_at_once(scored: Path) -> None:
    run(scored, "CACHE cache=c record=HEADERS,SR,CH\nCACHE cache=d record=HEADERS,TRANS,CH text\nHEADERS")
    assert (cached(scored, "c"), cached(scored, "d")) == (4, 4)


def test_the_masks_of_epochs_are_recorded_with_tags(scored: Path) -> None:
    run(scored, "CACHE cache=c record=DUMP-MASK,EMASK,E,STG\nTAG STG/N2\nMASK if=N2\nDUMP-MASK")
    with eegarchive.open(scored) as night:
        assert night.cache["c"].get("DUMP-MASK:EMASK", E=10, STG="N2") == 1
        assert len(night.cache["c"]) == 60


def test_a_recording_that_matched_nothing_is_told(scored: Path) -> None:
    log = outcome(scored, "CACHE cache=c record=HEADERS,SR\nHEADERS").log
    assert any(line.startswith("line 1: CACHE: record=HEADERS,SR matched no output") for line in log)


def test_re_empties_caches_and_ends_recording(scored: Path) -> None:
    script = "CACHE cache=c record=HEADERS,SR,CH\nHEADERS\nMASK ifnot=N2\n{}\nHEADERS sig=C3"
    run(scored, script.format("RE"))
    assert cached(scored) == 0
    run(scored, "THAW source\n" + script.format("RE preserve-cache"))
    with eegarchive.open(scored) as night:
        found = night.cache["c"].columns("HEADERS:SR")
    assert sorted(found["CH"].to_list()) == ["C3", "C4", "EMG chin", "O1"]
    assert cached(scored) == 5  # that of C3 for either state


def test_re_that_drops_nothing_leaves_caches_and_recording(scored: Path) -> None:
    run(scored, "CACHE cache=c record=HEADERS,SR,CH\nHEADERS sig=EMG_chin\nRE\nHEADERS sig=C3")
    assert cached(scored) == 2


def test_clear_empties_all_caches_and_recording_goes_on(scored: Path) -> None:
    run(
        scored,
        "CACHE cache=c record=HEADERS,SR,CH\nCACHE cache=d record=HEADERS,NR\nHEADERS\nCACHE clear\n"
        "HEADERS sig=EMG_chin",
    )
    assert (cached(scored, "c"), cached(scored, "d")) == (1, 1)
    run(scored, "CACHE cache=c clear")
    with eegarchive.open(scored) as night:
        assert list(night.cache) == []


# -- import -------------------------------------------------------------------------------------


def test_a_long_table_is_imported(scored: Path, tmp_path: Path) -> None:
    table = tmp_path / "all.txt"
    table.write_text("ID\tCH\tSR\tPDIM\tNOTE\nnight\tEEG C3\t128\tuV\tx y\nother\tEEG C3\t64\tmV\tz\n")
    run(scored, f"CACHE cache=c import={table} factors=CH v=SR,PDIM cmd=HEADERS")
    run(scored, f"CACHE cache=d import={table} factors=CH")
    with eegarchive.open(scored) as night:
        assert night.cache["c"].get("HEADERS:SR", CH="EEG C3") == 128
        assert night.cache["c"].get("HEADERS:PDIM", CH="EEG C3") == "uV"
        assert len(night.cache["c"]) == 2
        assert night.cache["d"].get("NOTE", CH="EEG C3") == "x y"


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        ("ID\tCH\tSR\nnight\tC3\n", "factors=CH", r"t\.txt: line 2: 2 cells; expected 3"),
        ("ID\tCH\tSR\nnight\tC3\t1\n", "factors=XX", r"t\.txt: there is no column 'XX'"),
        ("ID\tCH\tSR\nnight\tC3\t1\n", "factors=CH v=QQ", r"t\.txt: there is no column 'QQ'"),
        ("CH\tSR\nC3\t1\n", "factors=CH", r"t\.txt: line 1: the first column is 'CH'; expected ID"),
        ("ID\tCH\tSR\nother\tC3\t1\n", "factors=CH", "other"),
    ],
)
def test_a_bad_table_is_refused(scored: Path, tmp_path: Path, text: str, words: str, why: str) -> None:
    table = tmp_path / "t.txt"
    table.write_text(text)
    before = scored.read_bytes()
    with pytest.raises(EEGArchiveError, match=why):
        run(scored, f"CACHE cache=c import={table} {words}")
    assert scored.read_bytes() == before


# -- dump ---------------------------------------------------------------------------------------


def test_numbers_are_dumped_as_by_luna(scored: Path) -> None:
    """The lines that lunapi 1.7.0 prints for the same script on the same night."""
    script = (
        "CACHE cache=c record=HEADERS,SR,CH\nCACHE cache=c record=HEADERS,DMIN,CH\nHEADERS\nCACHE dump num=c"
    )
    lines = ["cache: c[num]"]
    for name, values in (("DMIN", ["-32768"] * 4), ("SR", ["128", "128", "64", "128"])):
        for label, value in zip(("C3", "C4", "EMG_chin", "O1"), values, strict=True):
            lines += [f"strata: CH={label}", f"value: HEADERS:{name}={value}", ""]
    assert outcome(scored, script).printed == lines


#: Luna prints to the process's output, not to Python's.
_LUNA = """
import sys, lunapi
project = lunapi.proj()
project.silence(False)
night = project.inst("night")
night.attach_edf(sys.argv[1])
night.attach_annot(sys.argv[2])
night.proc(sys.argv[3])
"""


@pytest.mark.parametrize(
    "script",
    [
        "CACHE cache=c record=HEADERS,SR,CH\nCACHE cache=c record=HEADERS,PMIN,CH\nHEADERS\nCACHE dump num=c",
        "CACHE cache=c record=HEADERS,PDIM,CH text\nHEADERS\nCACHE dump str=c",
        "CACHE cache=c record=MASK,N_RETAINED,EMASK,A\nTAG A/x\nMASK if=N2\nMASK mask-if=W,R\nCACHE dump num=c",
        "MASK ifnot=N2\nRE\nCACHE cache=c record=PSD,PSD,CH,F\nPSD sig=C3 spectrum max=20\nCACHE dump num=c",
    ],
)
def test_dumps_are_those_of_luna_line_for_line(made: Path, scored: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    files = [str(made.with_suffix(suffix)) for suffix in (".edf", ".annot")]
    done = subprocess.run(
        [sys.executable, "-c", _LUNA, *files, script], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    theirs = lines[next(i for i, line in enumerate(lines) if line.startswith("cache: ")) :]
    assert "\n".join(outcome(scored, script).printed).strip() == "\n".join(theirs).strip()


@pytest.mark.parametrize(
    ("kind", "value"), [("int", "7"), ("text", "a b"), ("str", "a b"), ("bool", "1"), ("num", "0.333333")]
)
def test_each_type_is_dumped(scored: Path, kind: str, value: str) -> None:
    held = {"int": 7, "text": "a b", "str": "a b", "bool": True, "num": 1 / 3}
    with eegarchive.edit(scored) as night:
        night.cache["c"].put("X:Y", held[kind], E=3)
    assert outcome(scored, f"CACHE dump {kind}=c").printed == [
        f"cache: c[{kind}]", "strata: E=3", f"value: X:Y={value}", "",
    ]  # fmt: skip


def test_a_cache_that_isnt_there_is_told(scored: Path) -> None:
    found = outcome(scored, "CACHE dump num=c")
    assert found.printed == ["cache: c[num]"]
    assert "line 1: CACHE: there is no cache c; there are none" in found.log


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("CACHE record=HEADERS,SR,CH", r"needs cache=\.\.\."),
        ("CACHE cache=c record=HEADERS", "expected a command and a variable"),
        ("CACHE cache=c record=HEADRES,SR,CH", "there is no command HEADRES; did you mean HEADERS"),
        ("CACHE cache=c record=XX,SR,CH", "there is no command XX; the command comes first"),
        ("CACHE cache=c record=HEADERS,SR import=x", "one thing at a time, not record and import"),
        ("CACHE dump", "dump needs one of num="),
        ("CACHE dump num=c int=c", "dump needs one of num="),
        ("CACHE dump num", "num needs a value"),
        ("CACHE load=x", "load isn't supported"),
    ],
)
def test_what_is_wrong_is_told(scored: Path, script: str, why: str) -> None:
    with pytest.raises(ScriptError, match=why):
        run(scored, script)
