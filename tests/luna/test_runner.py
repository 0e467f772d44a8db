"""A script on archives: all or nothing on each, in the history, with its outputs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import eegarchive
from eegarchive.cli import main
from eegarchive.luna.database import Database
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.luna.words import WORDS, Word


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command PROBE that changes the archive, puts something out, and fails if it is told to."""

    def run_probe(run: Run, command: Command) -> None:
        given = command.parameters
        if given.get("tag") is not None:
            run.night.freeze(given.need("tag"))
        if given.flag("empty"):
            run.is_empty = True
        if given.flag("fail"):
            raise eegarchive.NotInArchive("there is no such thing")
        run.put("PROBE", "N", len(run.kept()["epoch"]), CH=next(iter(run.night.signals)))
        run.log("probed")

    module = types.ModuleType("eegarchive.luna.commands.probe")
    module.run_probe = run_probe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(WORDS, "PROBE", Word("PROBE", "probe", frozenset(("tag", "fail", "empty")), "", True))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def test_outputs_come_in_the_report(psg: Path) -> None:
    report = eegarchive.run(psg, "TAG STG/N2 & HEADERS sig=EEG*")
    (ran,) = report.outcomes
    assert (ran.status, ran.source.id, [table.name for table in ran.tables]) == (
        "done", "psg", ["HEADERS_STG", "HEADERS_CH_STG"],
    )  # fmt: skip
    assert ran.tables[1].columns["CH"].to_list() == ["EEG_Fpz_Cz", "EEG_Pz_Oz"]
    assert ran.tables[1].columns["STG"].to_list() == ["N2", "N2"]


def test_a_script_that_changes_nothing_leaves_every_byte(psg: Path) -> None:
    before = psg.read_bytes()
    eegarchive.run(psg, "HEADERS & DESC")
    assert psg.read_bytes() == before


@pytest.mark.usefixtures("probe")
def test_a_command_that_fails_undoes_all(psg: Path, tmp_path: Path) -> None:
    before = psg.read_bytes()
    script = tmp_path / "p.txt"
    script.write_text("PROBE tag=a\n\nPROBE tag=b fail\n")
    with pytest.raises(eegarchive.EEGArchiveError) as error:
        eegarchive.run(psg, script, folder=tmp_path / "out", database=tmp_path / "out.db")
    assert str(error.value) == f"{psg}: p.txt: line 3: PROBE: there is no such thing"
    assert psg.read_bytes() == before
    assert list((tmp_path / "out").iterdir()) == []
    with Database(tmp_path / "out.db") as found:
        assert found.tables() == []


@pytest.mark.usefixtures("probe")
@pytest.mark.clause("O-12")
def test_the_history_has_the_script_and_what_it_did(psg: Path, tmp_path: Path) -> None:
    text = "${t=f1}\nPROBE tag=${t}  % first\nPROBE tag=${u}\n"
    (tmp_path / "p.txt").write_text(text)
    eegarchive.run(psg, tmp_path / "p.txt", variables={"u": "f2"})
    with eegarchive.open(psg) as night:
        done = eegarchive.history(night)
        rows = night.history.columns()
    assert [operation.operation for operation in done] == ["convert", "run", "freeze", "epochs", "freeze"]
    assert json.loads(rows["parameters"][1]) == {
        "script": "p.txt",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "text": text,
        "variables": {"u": "f2"},
    }
    assert rows["digest_before"][1] == rows["digest_after"][1] == rows["digest_after"][0]
    assert str(done[1]) == f"run p.txt of SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    assert [op.operation for op in eegarchive.history(psg, "f1")] == ["convert", "run", "freeze"]
    assert not eegarchive.verify(psg)


@pytest.mark.clause("O-12")
def test_a_line_that_a_thaw_begins_has_the_script_too(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.freeze("all")
    text = "THAW all\nEPOCH len=30\nTHAW source\nEPOCH len=20\nFREEZE f2\nTHAW source"
    eegarchive.run(psg, text)
    done = eegarchive.history(psg, "f2")
    assert [op.operation for op in done] == ["convert", "run", "epochs", "freeze"]
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert done[1].parameters == {"sha256": sha256, "continued": True}
    assert str(done[1]) == f"go on with a script of SHA-256 {sha256[:12]}"
    assert eegarchive.replay(f"{psg}@f2").verdict == "same"
    with eegarchive.edit(psg) as night:
        night.set_epochs(10)
    assert [op.operation for op in eegarchive.history(psg)] == ["convert", "epochs"]
    assert not eegarchive.verify(psg)


def test_nothing_runs_if_a_word_is_unknown(psg: Path) -> None:
    with pytest.raises(eegarchive.ScriptError, match="line 2: HEDERS: no such command; did you mean HEADERS"):
        eegarchive.run(psg, "HEADERS\nHEDERS")
    with pytest.raises(eegarchive.ScriptError, match=r"^line 2: HEADERS: no such parameter"):
        eegarchive.run(psg.with_name("none.h5"), "HEADERS\nHEADERS sgi=x")


@pytest.mark.usefixtures("probe")
def test_an_empty_state_runs_only_what_needs_no_samples(psg: Path) -> None:
    (ran,) = eegarchive.run(psg, "PROBE empty\nPROBE tag=x\nHEADERS").outcomes
    assert ran.log[-1] == "line 2: PROBE: left out, since no epochs are left"
    headers = ran.tables[1].columns
    assert (headers["NR"].to_list(), headers["TOT_DUR_SEC"].to_list()) == ([0], [0.0])
    with eegarchive.open(psg) as night:
        assert "x" not in night.freezes


def two(psg: Path) -> list[Path]:
    return [psg, Path(shutil.copy(psg, psg.with_name("second.h5")))]


def test_the_first_failure_stops_unless_told_to_go_on(psg: Path, tmp_path: Path) -> None:
    archives = [psg, tmp_path / "none.h5", two(psg)[1]]
    with pytest.raises(
        eegarchive.EEGArchiveError, match=r"none.h5: .*\(1 archives were done, 1 weren't begun"
    ):
        eegarchive.run(archives, "HEADERS", database=tmp_path / "a.db")
    report = eegarchive.run(archives, "HEADERS", database=tmp_path / "b.db", keep_going=True)
    assert [ran.status for ran in report.outcomes] == ["done", "failed", "done"]
    for name, expected in (("a.db", 1), ("b.db", 2)):
        with Database(tmp_path / name) as found:
            assert found.count(found.tables()[0]) == (expected, expected)


def test_processes_give_the_same_tables(psg: Path, tmp_path: Path) -> None:
    archives = [*two(psg), Path(shutil.copy(psg, tmp_path / "third.h5"))]
    counts: list[int] = []
    for jobs in (1, 3):
        report = eegarchive.run(
            archives, "HEADERS & DESC", folder=tmp_path / str(jobs), jobs=jobs, progress=counts.append
        )
        assert [path.name for path in report.written] == ["HEADERS.tsv", "HEADERS_CH.tsv"]
        assert all(ran.tables == [] for ran in report.outcomes)
    assert sum(counts) == 12
    for name in ("HEADERS.tsv", "HEADERS_CH.tsv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()
    lines = (tmp_path / "1" / "HEADERS.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["ID", "psg", "second", "third"]


def test_a_folder_with_tables_is_refused_before_anything_runs(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "PSD.tsv").touch()
    called: list[object] = []
    with pytest.raises(eegarchive.TargetExists):
        eegarchive.run(psg, "HEADERS", folder=tmp_path / "out", finished=called.append)
    assert called == []
    eegarchive.run(psg, "HEADERS", folder=tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "HEADERS.tsv").exists()


def test_the_archive_is_no_database(psg: Path) -> None:
    before = psg.read_bytes()
    with pytest.raises(eegarchive.EEGArchiveError, match="is the input itself"):
        eegarchive.run(psg, "HEADERS", database=psg)
    assert psg.read_bytes() == before


@pytest.fixture
def in_run(psg: Path) -> object:
    def with_run(use: Callable[[Run], None]) -> list[str]:
        log: list[str] = []
        with eegarchive.edit(psg) as night:
            use(Run(night, "psg", log.append))
        return log

    return with_run


def command(text: str) -> Command:
    from eegarchive.luna.script import parse

    return parse(text)[0]


@pytest.mark.parametrize(
    ("sig", "names"),
    [
        ("", 7),
        ("sig=*", 7),
        ("sig=EEG_Fpz_Cz", ["EEG Fpz-Cz"]),
        ('sig="EEG Fpz-Cz"', ["EEG Fpz-Cz"]),
        ("sig=eeg_FPZ_cz", ["EEG Fpz-Cz"]),
        ("sig=EEG_Pz_Oz,EEG_Fpz_Cz,EEG*", ["EEG Pz-Oz", "EEG Fpz-Cz"]),
        ("sig=*Oz", ["EEG Pz-Oz"]),
        ("sig=[EEG_][Fpz,Pz][_][Cz,Oz]", ["EEG Fpz-Cz", "EEG Pz-Oz"]),
        ("sig=nope|EEG_Pz_Oz", ["EEG Pz-Oz"]),
        ("sig=${eeg},EMG*", ["EEG Fpz-Cz", "EEG Pz-Oz", "EMG submental"]),
        ("sig=nope", []),
    ],
)
def test_signals_by_list_wildcard_and_kind(
    in_run: Callable[..., list[str]], sig: str, names: list[str] | int
) -> None:
    def use(run: Run) -> None:
        found = run.signals(command(f"PSD {sig}"))
        assert (len(found) if isinstance(names, int) else found) == names

    log = in_run(use)
    assert ("line 1: PSD: there is no signal nope" in log) == (sig == "sig=nope")


def test_signals_of_some_kinds_by_default(in_run: Callable[..., list[str]]) -> None:
    def use(run: Run) -> None:
        assert run.signals(command("PSD"), kinds=["eog"]) == ["EOG horizontal"]
        assert run.signals(command("PSD sig=EMG*"), kinds=["eog"]) == ["EMG submental"]

    in_run(use)


def test_epochs_are_set_where_there_are_none(in_run: Callable[..., list[str]]) -> None:
    def use(run: Run) -> None:
        assert len(run.epochs()["epoch"]) == 10
        run.night.mask(keep_epochs="3-4")
        assert run.kept()["epoch"].tolist() == [3, 4]

    assert in_run(use) == ["set 10 epochs of 30 s, since there were none"]


def test_an_archive_id_stands_for_a_hat(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ran,) = eegarchive.run(psg, 'TAG tag="who/^" & HEADERS').outcomes
    assert ran.tables[0].columns["who"].to_list() == ["psg"]


# -- the command line ---------------------------------------------------------------------------------


def test_tables_are_printed(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("HEADERS sig=${s},nope % x\nDESC")
    done = call(psg, tmp_path / "p.txt", "s=EMG*")
    assert done.exit_code == 0, done.output
    assert "EDF filename      : " in done.stdout
    assert any(line.split()[:3] == ["psg", "EMG_submental", "1"] for line in done.stdout.splitlines())
    assert done.stderr == "psg: line 1: HEADERS: there is no signal nope\n"
    assert call("-q", psg, "-s", "EPOCH & DESC").stderr == ""
    odd = call("-q", psg, "-s", "MASK ifnot=N7 & RE & FREEZE N7").stderr
    assert [line.partition(": line 1: ")[2].partition(";")[0] for line in odd.splitlines()] == [
        "MASK: there is no annotation N7",
        "RE: no epochs are left",
        "FREEZE: left out, since no epochs are left",
    ]


def test_json_has_all(psg: Path) -> None:
    found = json.loads(call(psg, "-s", "HEADERS sig=EMG*", "--json").stdout)
    assert found["schema"] == "eegarchive.run/1"
    (ran,) = found["archives"]
    assert (ran["ID"], ran["status"], ran["error"]) == ("psg", "done", None)
    assert ran["tables"][1]["columns"]["CH"] == ["EMG_submental"]


def test_the_database_is_printed(psg: Path, tmp_path: Path) -> None:
    database = tmp_path / "out.db"
    assert call(psg, "-s", "TAG STG/N2 & HEADERS & TAG STG/N3 & HEADERS", "--db", database).stdout == ""
    listed = CliRunner().invoke(main, ["tables", str(database)]).stdout.splitlines()
    assert listed[1].split()[:4] == ["HEADERS", "STG", "1", "2"]
    wanted = ["+HEADERS", "-r", "CH", "-c", "STG", "-v", "POS", "SR"]
    shown = CliRunner().invoke(main, ["tables", str(database), *wanted])
    lines = shown.stdout.splitlines()
    assert lines[0] == "ID\tCH\tPOS.STG_N2\tPOS.STG_N3\tSR.STG_N2\tSR.STG_N3"
    assert lines[1] == "psg\tEEG_Fpz_Cz\t1\t1\t100\t100"
    found = json.loads(
        CliRunner().invoke(main, ["tables", str(database), "+HEADERS", "-r", "STG", "--json"]).stdout
    )
    assert [row[:2] for row in found["rows"]] == [["psg", "N2"], ["psg", "N3"]]
    wrong = CliRunner().invoke(main, ["tables", str(database), "+HEADERS", "-r", "F"])
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (1, 1)
    assert "there is one by STG; CH STG" in wrong.stderr


def test_errors_are_one_line(psg: Path, tmp_path: Path) -> None:
    failed = call(tmp_path / "none.h5", psg, "-s", "HEADERS")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    failed = call(tmp_path / "none.h5", psg, "-s", "HEADERS", "--keep-going")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    assert "EEG_Fpz_Cz" in failed.stdout
    unknown = call(psg, "-s", "HEDERS")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    frozen = call(f"{psg}@source", "-s", "HEADERS")
    assert (frozen.exit_code, frozen.stderr.count("\n")) == (1, 1)
    assert "a freeze can't be changed" in frozen.stderr


@pytest.mark.parametrize(
    "arguments",
    [["night.h5"], ["-s", "RE"], ["night.h5", "a.txt", "-s", "RE"], ["a.txt"], ["a.txt", "b.txt"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert call(*arguments).exit_code == 2


def test_a_script_that_is_not_utf8(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"TAG a/\xe4")
    wrong = call(psg, tmp_path / "p.txt")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (1, 1)
    assert "isn't text in UTF-8" in wrong.stderr


@pytest.mark.usefixtures("probe")
def test_what_is_put_out_twice_is_told(psg: Path) -> None:
    (ran,) = eegarchive.run(psg, "PROBE\nPROBE").outcomes
    assert ran.log[-1] == "PROBE_CH: later outputs replaced earlier ones; TAG keeps them apart"
