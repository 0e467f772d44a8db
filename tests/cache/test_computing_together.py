"""`compute` where others compute at the same time, or die of it, and where nobody may write."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.storage import disk

FPZ = "EEG Fpz-Cz"
ROOT = Path(__file__).parents[2]
#: Computes many values in a process of its own, and prints what it got.
WORKER = """
import json, sys, time, warnings
import eegarchive
warnings.simplefilter("error")

def value(night, i):
    return float(night.signals["EEG Fpz-Cz"][i]) + i

def array(night):
    time.sleep(0.02)
    return eegarchive.Stratified([1.0, 2.0, 3.0], {"E": [1, 2, 3]})

path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
found = []
with eegarchive.open(path) as archive:
    cache = archive.cache["p1"]
    for i in range(first, first + count):
        one = cache.compute("x", value, i=i, timeout=60)
        found.append([i, one.reused, one.stored, one.value])
    assert cache.compute("a", array, timeout=60).stored
    assert archive.freezes["source"].cache["p1"].compute("frozen", value, i=1, timeout=60).stored
print(json.dumps(found), flush=True)
"""


def started(path: Path, *arguments: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def let_run(workers: list[subprocess.Popen[str]]) -> list[list[list[Any]]]:
    """Start at the same moment; what each got."""
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        found = []
        for worker in workers:
            out, error = worker.communicate(timeout=120)
            assert (worker.returncode, error) == (0, "")
            found.append(json.loads(out))
        return found
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


@pytest.mark.parametrize("first", [(0, 0, 0), (0, 4, 8), (0, 2, 3)], ids=["same", "different", "both"])
def test_processes_that_compute_at_the_same_time_end_with_one_entry_each(
    psg: Path, first: tuple[int, ...]
) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([1.0], [2.0], ["spindle"])
    found = let_run([started(psg, begin, 4) for begin in first])
    expected = {i for begin in first for i in range(begin, begin + 4)}
    with eegarchive.open(psg) as archive:
        cache, signal_ = archive.cache["p1"], archive.signals[FPZ]
        for mine in found:
            for i, _, stored, value in mine:
                assert stored
                assert value == cache.get("x", i=i) == float(signal_[i]) + i
        assert len(cache) == len(expected) + 3 + 1
        assert [entry.value for entry in cache.select("a")] == [1.0, 2.0, 3.0]
        frozen = archive.freezes["source"].cache["p1"]
        assert frozen.get("frozen", i=1) == float(signal_[1]) + 1
    assert eegarchive.verify(psg) == []
    assert [file.name for file in psg.parent.iterdir()] == ["psg.h5"]


def test_threads_that_compute_at_the_same_time_end_with_one_entry_each(psg: Path) -> None:
    wrong: list[BaseException] = []
    gate = threading.Barrier(6)

    def value(night: Any, i: int) -> float:
        time.sleep(0.01)
        return float(night.signals[FPZ][i])

    with eegarchive.open(psg) as archive, eegarchive.open(psg) as second:

        def work(own: Any, first: int) -> None:
            try:
                gate.wait(20)
                for i in range(first, first + 4):
                    found = own.cache["p1"].compute("x", value, i=i, timeout=60)
                    assert found.value == float(own.signals[FPZ][i])
            except BaseException as error:
                wrong.append(error)

        threads = [
            threading.Thread(target=work, args=(own, first))
            for own in (archive, second)
            for first in (0, 0, 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(archive.cache["p1"]) == 7
        assert all(archive.cache["p1"].compute("x", value, i=i).reused for i in range(7))
    assert eegarchive.verify(psg) == []


def test_the_slower_of_two_gets_what_the_other_stored(psg: Path) -> None:
    def random(night: Any) -> float:
        return float(np.random.default_rng().normal())

    inside: list[float] = []

    with eegarchive.open(psg) as archive:
        faster = archive.cache["p1"]
        real = random

        def slower(night: Any) -> float:
            inside.append(faster.compute("x", real, version="1").value)
            return real(night)

        found = archive.cache["p1"].compute("x", slower, version="1")
        assert (found.reused, found.stored) == (False, True)
        assert found.value == inside[0] == faster.get("x")
        forced = archive.cache["p1"].compute("x", slower, version="1", force=True)
        assert forced.value == faster.get("x") != inside[1]


KILLED = """
import os, signal, sys
import eegarchive
from eegarchive.storage import disk

path, step = sys.argv[1], int(sys.argv[2])

def value(night):
    return eegarchive.Stratified([1.0, 2.0, 3.0], {"E": [1, 2, 3]})

with eegarchive.open(path) as archive:
    count = 0
    def wrapped(real):
        def one(*given):
            global count
            count += 1
            if count > step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given)
        return one
    for name in ("write_at", "resize", "sync", "create", "remove", "sync_folder", "open_or_create"):
        setattr(disk, name, wrapped(getattr(disk, name)))
    assert not archive.cache["p1"].compute("x", value, version="1").reused
print(count)
"""


def test_a_process_that_is_killed_while_it_stores_has_stored_all_or_nothing(psg: Path) -> None:
    before, digest = psg.read_bytes(), ""

    def run(step: int) -> subprocess.CompletedProcess[str]:
        psg.write_bytes(before)
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(psg), str(step)], capture_output=True, text=True, cwd=ROOT
        )

    done = run(10**6)
    assert done.stderr == ""
    last = int(done.stdout)
    with eegarchive.open(psg) as archive:
        digest = archive.digest
    outcomes = []
    for step in range(0, last, max(1, last // 12)):
        assert run(step).returncode == -signal.SIGKILL
        with eegarchive.open(psg) as archive:
            assert archive.digest == digest
            found = archive.cache["p1"].compute(
                "x", lambda night: eegarchive.Stratified([1.0, 2.0, 3.0], {"E": [1, 2, 3]}), version="1"
            )
            assert found.value.values.tolist() == [1.0, 2.0, 3.0]
            outcomes.append(found.reused)
        assert eegarchive.verify(psg) == []
        left = {"psg.h5"} if not found.reused else {"psg.h5", "psg.h5-lock"}  # a hit cleans nothing up
        assert {file.name for file in psg.parent.iterdir()} <= left
    assert outcomes[0] is False
    assert outcomes == sorted(outcomes)


READER = """
import os, sys, warnings
import eegarchive, eegarchive.cache.fingerprint, importlib.metadata

def value(night):
    return float(night.signals["EEG Fpz-Cz"][0])

path = sys.argv[1]
value_before = eegarchive.cache.fingerprint.fingerprint(value)
with eegarchive.open(path) as archive:
    archive.cache["p0"].compute("x", value)
for name, mode in ((os.path.dirname(path), int(sys.argv[2], 8)), (path, int(sys.argv[3], 8))):
    os.chmod(name, mode)
if not os.getuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
with eegarchive.open(path) as archive, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = archive.cache["p1"].compute("x", value, timeout=1)
    assert found.value == value(archive)
    assert (found.reused, found.stored, found.reason) == (False, False, "there was none"), found
    assert len(told) == 1 and told[0].category is eegarchive.OddInput, told
    print(told[0].message)
    again = archive.cache["p0"].compute("x", value, timeout=1)
    assert (again.reused, again.stored) == (True, True)
    assert len(told) == 1
"""


@pytest.mark.parametrize(
    ("folder", "file"), [("555", "444"), ("555", "644"), ("755", "444")], ids=["both", "folder", "file"]
)
def test_where_one_may_only_read_the_value_comes_with_a_warning(
    archives: dict[str, Path], folder: str, file: str
) -> None:
    """The reader is another user, since root may write anywhere."""
    place = Path("/tmp") / f"eegarchive-test-{os.getpid()}-{folder}-{file}"
    place.mkdir()
    try:
        path = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], place / "psg.h5"))
        done = subprocess.run(
            [sys.executable, "-c", READER, str(path), folder, file], capture_output=True, text=True, cwd=ROOT
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("x was computed, but couldn't be stored: ")
        assert "Permission denied" in done.stdout
        assert [left.name for left in place.iterdir()] == ["psg.h5"]
        with eegarchive.open(path) as archive:
            assert list(archive.cache) == ["p0"]
    finally:
        place.chmod(0o755)
        shutil.rmtree(place)


def test_a_forked_child_computes_and_its_parent_sees_it(psg: Path) -> None:
    def value(night: Any) -> float:
        return float(night.signals[FPZ][0])

    with eegarchive.open(psg) as archive:
        assert list(archive.cache) == []
        child = os.fork()
        if not child:
            signal.alarm(60)
            try:
                os._exit(0 if archive.cache["p1"].compute("x", value).stored else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert archive.cache["p1"].compute("x", value).reused


def test_an_interrupt_while_it_stores_leaves_the_old_file(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = psg.read_bytes()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with eegarchive.open(psg) as archive:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(disk, "create", interrupted)
            archive.cache["p1"].compute("x", lambda night: 1)
        assert psg.read_bytes() == before
        assert [file.name for file in psg.parent.iterdir()] == ["psg.h5"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert archive.cache["p1"].compute("x", lambda night: 1).stored
