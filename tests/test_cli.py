"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eegarchive
from eegarchive.cli import VERBS
from eegarchive.cli._shared import bytes_text, duration_text

DATA = Path(__file__).parent / "data"


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "eegarchive.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.fixture
def night(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", tmp_path / "night.edf"))


def test_a_recording_goes_in_and_out_by_four_commands(night: Path) -> None:
    done = run("convert", "night.edf", cwd=night.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"night\.edf -> night\.h5: EDF, 184 kB became \d+ kB \(0\.\d\d\), read back and equal\n", done.stdout
    )
    assert run("info", "night.h5", cwd=night.parent).returncode == 0
    done = run("verify", "night.h5", cwd=night.parent)
    assert (done.returncode, done.stdout) == (0, "night.h5: whole; every byte, clause and digest agrees\n")
    done = run("export", "night.h5", "-o", "again.edf", cwd=night.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert (night.parent / "again.edf").read_bytes() == night.read_bytes()


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = run(verb, "--help")
    assert done.returncode == 0
    assert re.search(rf"Examples?:\n(?: +eegarchive .*\n)*? +eegarchive {verb} ", done.stdout)


def test_help_lists_every_verb_and_the_version_is_told() -> None:
    done = run("--help")
    assert all(re.search(rf"^  {verb} ", done.stdout, re.MULTILINE) for verb in VERBS)
    assert run("--version").stdout == f"eegarchive {eegarchive.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "gone.edf"), "gone.edf: No such file or directory"),
        (
            ("convert", "notes.edf"),
            "notes.edf: byte 0: the version field is b'slept we': neither EDF (b'0') nor BDF",
        ),
        (("convert", "empty.edf"), "empty.edf: ends at byte 0, inside the first 256 of an EDF header"),
        (("info", "gone.h5"), "gone.h5: No such file or directory"),
        (("info", "night.edf"), "night.edf: isn't a readable HDF5 file"),
        (("info", "."), ": Is a directory"),
        (("verify", "gone.h5"), "gone.h5: No such file or directory"),
        (("verify", "."), ".: is a folder; name archives"),
        (("export", "night.edf", "-o", "x.edf"), "night.edf: isn't a readable HDF5 file"),
        (("info", "a.h5@N2"), "a.h5: no freeze 'N2'; there are source"),
        (("export", "a.h5", "-o", "x.bdf"), "x.bdf: the recording is EDF; name the file *.edf"),
        (("export", "a.h5", "-o", "night.edf"), "night.edf: exists already"),
        (("convert", "night.edf", "-o", "nowhere/deep/a.h5", "--codec", "portable"), None),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_1(
    night: Path, arguments: tuple[str, ...], message: str | None
) -> None:
    folder = night.parent
    (folder / "notes.edf").write_text("slept well\n" * 60)
    (folder / "empty.edf").write_bytes(b"")
    assert run("convert", "night.edf", "-o", "a.h5", cwd=folder).returncode == 0
    before = sorted(os.listdir(folder))
    done = run(*arguments, cwd=folder)
    if message is None:  # folders on the way are made
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("eegarchive: error: ")
    assert message in done.stderr
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert",),
        ("convert", "night.edf", "--codec", "lzma"),
        ("convert", "night.edf", "--jobs", "0"),
        ("convert", "night.edf", "--attr", "subject"),
        ("convert", "night.edf", "--attr", "a b=c"),
        ("convert", "night.edf", "--attr", "age:years=3"),
        ("convert", "night.edf", "--attr", "age:int=old"),
        ("export", "a.h5"),
        ("nonsense",),
        ("info", "a.h5", "--nonsense"),
    ],
)
def test_wrong_usage_ends_with_2(night: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, cwd=night.parent)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert sorted(os.listdir(night.parent)) == ["night.edf"]


def test_warnings_are_told_once_and_kept(tmp_path: Path) -> None:
    source = DATA / "edf_trailing_byte_bad_date.edf"
    done = run("convert", source, "-o", tmp_path / "a.h5")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [line.removeprefix(f"{source}: warning: ")[:24] for line in lines] == [
        "1 bytes follow the last ",
        "start date and time '42.",
    ]
    shown = run("info", tmp_path / "a.h5").stdout
    assert "warnings (2): kept as they are in the source" in shown


def test_info_fits_one_screen_and_names_what_counts(archives: dict[str, Path]) -> None:
    shown = run("info", archives["edfplusd_oximetry_gaps"]).stdout
    assert len(shown.splitlines()) <= 40
    for text in (
        "EDF+D, start 2023-08-26 02:05:23, 3:03:12 of data, 3 segments with 1:20:48 of gaps",
        "SaO2  spo2   0.25 Hz  %      80 .. 100     2748",
        "annotations (4)",
        "state   that of the freeze source",
        "freezes (1)",
        "codec portable",
        "SHA-256 64223580b6f5a2ff",
    ):
        assert text in shown


def test_info_of_many_channels_stays_on_one_screen(archives: dict[str, Path]) -> None:
    name = "edfplusc_eegmmidb_64ch"
    if name not in archives:
        pytest.skip("the 64-channel recording lies beside the project, not in it")
    shown = run("info", archives[name]).stdout
    assert "and 40 more: 40 eeg (--json lists all)" in shown
    assert len(shown.splitlines()) <= 50


def test_info_as_json_has_a_versioned_shape(archives: dict[str, Path]) -> None:
    found = json.loads(run("info", archives["edfplusd_oximetry_gaps"], "--json").stdout)
    assert found["schema"] == "eegarchive.info/1"
    assert found["recording"]["gaps"] == 4848
    assert [signal["name"] for signal in found["signals"]] == ["SaO2", "HR", "Move"]
    assert found["size"]["codec"] == "portable"
    assert found["provenance"]["source_kind"] == "EDF+D"
    assert set(found) == {
        "schema", "path", "freeze", "saved_as", "recording", "signals", "base",
        "annotations", "epochs", "freezes",
        "caches", "windows", "size", "provenance", "description", "warnings",
    }  # fmt: skip


def test_convert_as_json_lists_every_outcome(night: Path) -> None:
    (night.parent / "broken.edf").write_text("no recording")
    done = run("convert", ".", "--json", cwd=night.parent)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["schema"] == "eegarchive.convert/1"
    assert {Path(o["source"]).name: o["status"] for o in found["outcomes"]} == {
        "broken.edf": "failed",
        "night.edf": "converted",
    }


def test_verify_names_the_object_and_says_what_to_do(psg: Path) -> None:
    raw = bytearray(psg.read_bytes())
    raw[len(raw) // 3] ^= 8
    psg.write_bytes(raw)
    done = run("verify", psg)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{psg}: error: seal: the file's bytes aren't those")
    assert re.search(r"error: /data/[0-9a-f]{64}: .*\(the file is damaged: restore it", done.stdout)
    found = json.loads(run("verify", psg, "--json").stdout)
    assert found["schema"] == "eegarchive.verify/1"
    assert found["archives"][0]["ok"] is False
    assert set(found["archives"][0]["findings"][0]) == {"severity", "path", "message", "advice"}


def test_one_bad_archive_does_not_hide_a_good_one(psg: Path, gaps: Path) -> None:
    psg.write_bytes(psg.read_bytes()[:-1])
    done = run("verify", psg, gaps, "gone.h5")
    assert done.returncode == 1
    assert f"{gaps}: whole" in done.stdout
    assert "gone.h5: No such file" in done.stderr


def test_text_from_a_file_cannot_reach_the_terminal_unescaped(tmp_path: Path) -> None:
    raw = bytearray((DATA / "edf_sleep_psg_30s_records.edf").read_bytes())
    raw[8:40] = b"\x1b]0;owned\x07 \x1b[2J X \xc2\x9b31m".ljust(32)
    raw[256:272] = b"\x1b[31mRed".ljust(16)
    source = tmp_path / "evil.edf"
    source.write_bytes(raw)
    shown = [run("convert", source), run("info", tmp_path / "evil.h5"), run("verify", tmp_path / "evil.h5")]
    for done in shown:
        assert done.returncode == 0
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    assert "\\u001b]0;owned" in shown[1].stdout


def test_progress_shows_on_a_terminal_and_nowhere_else(night: Path) -> None:
    raw = night.read_bytes()
    with open(night, "wb") as file:
        file.write(raw[:236] + b"4000    " + raw[244:2048])
        for _ in range(400):
            file.write(raw[2048:])
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "eegarchive.cli", "convert", str(night)],
        stdout=subprocess.PIPE,
        stderr=slave,
    ) as child:
        os.close(slave)
        shown = b""
        while True:
            try:
                got = os.read(master, 4096)
            except OSError:
                break
            if not got:
                break
            shown += got
        assert child.wait() == 0
    os.close(master)
    assert b"converting:" in shown
    assert b"B/s" in shown
    piped = run("convert", night, "--overwrite")
    assert piped.stderr == ""


def test_a_reader_that_goes_away_is_no_error(psg: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m eegarchive.cli info {psg} --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (184_448, "184 kB"),
        (12_345_678, "12.3 MB"),
        (4e12, "4.0 TB"),
    ],
)
def test_sizes_read_well(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (37.0224, "0:00:37.0224"), (29_220, "8:07:00"), (100_000.5, "27:46:40.5")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
