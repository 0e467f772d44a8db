"""Values that another process, thread or edit puts while an archive is open."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import eegarchive

PUT = """
import sys, eegarchive
with eegarchive.edit(sys.argv[1], timeout=60) as night:
    night.cache[sys.argv[2]].put("x", int(sys.argv[3]), CH="C3")
"""


def put_elsewhere(path: Path, value: int, cache: str = "p") -> None:
    subprocess.run([sys.executable, "-c", PUT, str(path), cache, str(value)], check=True, timeout=120)


@pytest.fixture
def path(psg: Path) -> Path:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1, CH="C3")
    return psg


def test_an_open_archive_sees_what_another_process_put(path: Path) -> None:
    with eegarchive.open(path) as archive, eegarchive.open(f"{path}@source") as frozen:
        cache, caches = archive.cache["p"], archive.cache
        assert (cache.get("x", CH="C3"), frozen.cache["p"].get("x", CH="C3")) == (1, 1)
        assert list(caches) == ["p"]
        put_elsewhere(path, 2)
        assert cache.get("x", CH="C3") == 2
        assert frozen.cache["p"].get("x", CH="C3") == 2  # of the same state
        assert cache.columns("x")["x"].to_list() == [2]
        put_elsewhere(path, 3, "q")
        assert list(caches) == ["p", "q"]
        assert caches["q"].get("x", CH="C3") == 3
        with eegarchive.edit(path) as night:
            night.cache["p"].clear()
            assert cache.get("x", CH="C3") == 2  # until the edit ends
        with pytest.raises(eegarchive.NotInArchive):
            cache.get("x", CH="C3")
        assert list(caches) == ["q"]


def test_what_is_in_memory_is_used_until_the_archive_changes(path: Path) -> None:
    with eegarchive.open(path) as archive:
        cache = archive.cache["p"]
        view = cache._view()
        assert cache._view() is view
        assert archive.cache["p"]._view() is view
        with eegarchive.open(path) as other:
            assert other.cache["p"]._view() is view
        put_elsewhere(path, 2)
        assert cache._view() is not view


def test_a_closed_archive_gives_nothing(path: Path) -> None:
    archive = eegarchive.open(path)
    cache = archive.cache["p"]
    assert cache.get("x", CH="C3") == 1
    archive.close()
    for read in (lambda: cache.get("x", CH="C3"), lambda: list(archive.cache), lambda: len(cache)):
        with pytest.raises(eegarchive.EEGArchiveError, match="the archive is closed"):
            read()
    assert repr(cache) == "<Cache p: closed>"
    assert repr(archive.cache) == "<Caches: closed>"


def test_an_archive_by_pickle_has_the_caches(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.freeze("N2")
    for name in (path, f"{path}@N2"):
        with eegarchive.open(name) as archive:
            archive.cache["p"].get("x", CH="C3")
            with pickle.loads(pickle.dumps(archive)) as copy:
                assert copy.cache["p"].get("x", CH="C3") == 1
                assert list(copy.cache) == ["p"]


def _read(archive: eegarchive.Archive, cache: object, queue: object) -> None:
    queue.put((cache.get("x", CH="C3"), archive.cache["p"].get("x", CH="C3")))  # type: ignore[attr-defined]


def test_a_fork_reads_on_and_sees_changes(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with eegarchive.open(path) as archive:
        cache = archive.cache["p"]
        assert cache.get("x", CH="C3") == 1
        for value in (1, 2):
            if value == 2:
                put_elsewhere(path, 2)
            child = context.Process(target=_read, args=(archive, cache, queue))
            child.start()
            assert queue.get(timeout=60) == (value, value)
            child.join(60)
            assert child.exitcode == 0
        assert cache.get("x", CH="C3") == 2


def test_threads_read_while_another_one_edits(path: Path) -> None:
    """What they see is the whole of one commit."""
    count = 2_000
    keys = np.arange(count)
    with eegarchive.edit(path) as night:
        night.cache["n"].put_columns({"E": keys, "x": np.zeros(count, int)}, ["E"])
    failures: list[object] = []
    done = threading.Event()
    with eegarchive.open(path) as archive:

        def read() -> None:
            rng = np.random.default_rng()
            last = 0
            try:
                while not done.is_set():
                    values = set(archive.cache["n"].columns("x")["x"].to_list())
                    one = archive.cache["n"].get("x", E=int(rng.integers(count)))
                    assert len(values) == 1
                    assert last <= values.pop() <= one
                    last = one
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for value in range(1, 6):
            with eegarchive.edit(path, timeout=60) as night:
                night.cache["n"].put_columns({"E": keys[::-1], "x": np.full(count, value)}, ["E"])
        done.set()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert archive.cache["n"].get("x", E=0) == 5


def test_processes_that_put_at_once_all_get_their_turn(path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", PUT, str(path), f"c{i}", str(i)]) for i in range(4)]
    assert [process.wait(120) for process in started] == [0] * 4
    with eegarchive.open(path) as archive:
        assert list(archive.cache) == ["c0", "c1", "c2", "c3", "p"]
        assert [archive.cache[f"c{i}"].get("x", CH="C3") for i in range(4)] == [0, 1, 2, 3]
