"""A disk that fails, or a process that ends, at any step of detach, attach and pack: no half file, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transactions.faults import Crash, Fault, FaultyDisk, disk_full

import eegarchive

from .conftest import Labs


def _detach(labs: Labs) -> None:
    eegarchive.detach(f"{labs.worked}@N2", labs.night.parent / "new.h5")


def _pack(labs: Labs) -> None:
    eegarchive.pack(labs.detached, labs.night.parent / "new.h5", materialize=True)


def _attach(labs: Labs) -> None:
    eegarchive.attach(labs.night, labs.detached)


def _digest(path: Path) -> str:
    with eegarchive.open(path) as archive:
        return str(archive.provenance["archive_digest"])


@pytest.mark.parametrize(
    ("exchange", "error"),
    [(_detach, Crash), (_pack, Crash), (_pack, disk_full), (_attach, Crash)],
)
def test_a_step_that_fails_leaves_what_was_there(
    labs: Labs,
    exchange: Callable[[Labs], None],
    error: Callable[[], BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # so that a digest tells what an edit made
    target = labs.night.parent / "new.h5"
    files = (labs.worked, labs.night, labs.detached)
    old = {path: path.read_bytes() for path in files}
    before = _digest(labs.night)
    with FaultyDisk() as disk:
        exchange(labs)
    after = _digest(target) if target.exists() else _digest(labs.night)
    assert len(disk.log) > 2
    for step in range(len(disk.log)):
        for path, raw in old.items():
            path.write_bytes(raw)
        target.unlink(missing_ok=True)
        with (
            FaultyDisk(Fault(step, error=error)),
            pytest.raises((Crash, OSError, eegarchive.EEGArchiveError)),
        ):
            exchange(labs)
        if target.exists():  # the step was behind its last one: it has its name, and is whole
            assert _digest(target) == after
            assert eegarchive.verify(target) == []
        assert _digest(labs.night) in (before, after)
        for path in (labs.worked, labs.detached):
            assert path.read_bytes() == old[path]
        assert not [path for path in labs.night.parent.glob("*.h5") if path not in (*files, target)]
    for path, raw in old.items():
        path.write_bytes(raw)
    target.unlink(missing_ok=True)
    exchange(labs)  # what a failure left stops nobody
    assert eegarchive.verify(target if target.exists() else labs.night) == []
