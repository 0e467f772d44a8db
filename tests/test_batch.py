"""Many recordings: folders, several processes, interruptions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import eegarchive
from eegarchive.batch import is_archive_of, plan

DATA = Path(__file__).parent / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small tree of recordings, one of them broken."""
    root = tmp_path / "in"
    (root / "sub-01" / "ses-1").mkdir(parents=True)
    (root / "sub-02").mkdir()
    shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", root / "sub-01" / "ses-1" / "night.edf")
    shutil.copy(DATA / "bdf_ecg_noninteger_rate.bdf", root / "sub-02" / "heart.BDF")
    (root / "sub-02" / "broken.edf").write_bytes(b"not an EDF " * 100)
    (root / "sub-02" / "notes.txt").write_text("no recording")
    return root


def statuses(report: eegarchive.BatchReport) -> dict[str, str]:
    return {outcome.source.name: outcome.status for outcome in report.outcomes}


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_folder_keeps_its_tree_and_one_failure_stops_nothing(
    folder: Path, tmp_path: Path, jobs: int
) -> None:
    done: list[int] = []
    report = eegarchive.convert_many([folder], tmp_path / "out", jobs=jobs, progress=done.append)
    assert statuses(report) == {"night.edf": "converted", "heart.BDF": "converted", "broken.edf": "failed"}
    found = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert found == ["sub-01/ses-1/night.h5", "sub-02/heart.h5"]
    assert all(eegarchive.verify(tmp_path / "out" / path) == [] for path in found)
    assert sum(done) == 2 * sum(path.stat().st_size for path in folder.rglob("*.[eEbB][dD][fF]"))
    failed = next(outcome for outcome in report.outcomes if outcome.status == "failed")
    assert "broken.edf: byte 0" in failed.error


def test_a_second_run_skips_what_is_whole(folder: Path, tmp_path: Path) -> None:
    eegarchive.convert_many([folder], tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.h5")}
    report = eegarchive.convert_many([folder], tmp_path / "out")
    assert statuses(report) == {"night.edf": "skipped", "heart.BDF": "skipped", "broken.edf": "failed"}
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.h5")}


@pytest.mark.parametrize("damage", ["flip", "cut", "other source", "newer source", "not an archive"])
def test_a_second_run_says_so_where_the_target_is_not_whole(tmp_path: Path, damage: str) -> None:
    source, target = tmp_path / "night.edf", tmp_path / "night.h5"
    shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", source)
    eegarchive.convert(source)
    assert is_archive_of(target, source)
    raw = bytearray(target.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
        target.write_bytes(raw)
    elif damage == "cut":
        target.write_bytes(raw[:-10])
    elif damage == "other source":
        source.write_bytes(source.read_bytes()[:-600])
        os.utime(source, (0, 0))
    elif damage == "newer source":
        changed = bytearray(source.read_bytes())
        changed[-1] ^= 1
        source.write_bytes(changed)
        os.utime(source, (time.time() + 100,) * 2)
    else:
        target.write_text("something else")
    before = target.read_bytes()
    report = eegarchive.convert_many([source])
    assert statuses(report) == {"night.edf": "failed"}
    assert "isn't a whole archive of" in report.outcomes[0].error
    assert target.read_bytes() == before
    assert statuses(eegarchive.convert_many([source], overwrite=True)) == {"night.edf": "converted"}
    assert eegarchive.verify(target) == []


def test_a_copied_source_that_is_the_same_is_skipped(tmp_path: Path) -> None:
    source = Path(shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", tmp_path / "night.edf"))
    eegarchive.convert(source)
    os.utime(source, (time.time() + 100,) * 2)
    assert statuses(eegarchive.convert_many([source])) == {"night.edf": "skipped"}


def test_one_file_may_be_given_a_name_or_a_folder(tmp_path: Path) -> None:
    source = DATA / "edf_sleep_psg_30s_records.edf"
    assert plan([source], tmp_path / "a.h5") == [(source, tmp_path / "a.h5")]
    assert plan([source], tmp_path / "a.hdf5") == [(source, tmp_path / "a.hdf5")]
    assert plan([source], tmp_path / "out") == [(source, tmp_path / "out" / f"{source.stem}.h5")]
    assert plan([source]) == [(source, source.with_suffix(".h5"))]


def test_two_sources_of_one_target_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("a.edf", "a.bdf"):
        shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", tmp_path / name)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"would both become .*a\.h5"):
        eegarchive.convert_many([tmp_path])
    assert sorted(os.listdir(tmp_path)) == ["a.bdf", "a.edf"]


def test_an_archive_among_the_inputs_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    shutil.copy(DATA / "edfplusc_duplicate_labels.edf", tmp_path / "a.edf")
    for name in ("night.h5", "night.HDF5"):
        with pytest.raises(eegarchive.EEGArchiveError, match=rf"{name}: .*as output \(-o\)"):
            eegarchive.convert_many([tmp_path / "a.edf", tmp_path / name])
    assert [path.name for path in tmp_path.iterdir()] == ["a.edf"]


def test_an_output_that_is_a_file_is_refused_for_several_inputs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(eegarchive.EEGArchiveError, match="is a file"):
        eegarchive.convert_many([folder], tmp_path / "out")


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=r"no \.edf, \.bdf, \.rec files"):
        eegarchive.convert_many([tmp_path])


def test_a_missing_input_fails_alone(tmp_path: Path) -> None:
    good = tmp_path / "night.edf"
    shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", good)
    report = eegarchive.convert_many([tmp_path / "gone.edf", good])
    assert statuses(report) == {"gone.edf": "failed", "night.edf": "converted"}
    assert report.outcomes[0].error == f"{tmp_path / 'gone.edf'}: No such file or directory"


def test_a_killed_conversion_leaves_no_archive_and_the_next_run_makes_it(tmp_path: Path) -> None:
    raw = (DATA / "edf_sleep_psg_30s_records.edf").read_bytes()
    source = tmp_path / "long.edf"
    with open(source, "wb") as file:
        file.write(raw[:236] + b"10000   " + raw[244:2048])
        for _ in range(1000):
            file.write(raw[2048:])
    command = [sys.executable, "-m", "eegarchive.cli", "convert", str(source)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            deadline = time.monotonic() + 30
            partial = tmp_path / ".long.h5.partial"
            while (
                not (partial.exists() and partial.stat().st_size > 2_000_000) and time.monotonic() < deadline
            ):
                time.sleep(0.005)
            child.send_signal(signal.SIGKILL)
        assert partial.exists()
        assert not (tmp_path / "long.h5").exists()
    assert statuses(eegarchive.convert_many([source])) == {"long.edf": "converted"}
    assert sorted(os.listdir(tmp_path)) == ["long.edf", "long.h5"]
    assert eegarchive.verify(tmp_path / "long.h5") == []
