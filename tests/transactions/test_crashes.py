"""The process dies at any step of any change: the next one to open the archive finds the old or the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import eegarchive
from eegarchive.storage import transaction

from . import nights
from .faults import Crash, Fault, FaultyDisk

pytestmark = pytest.mark.usefixtures("still_clock")
ReadOnly = Callable[[], AbstractContextManager[None]]


def faults_of(log: list[str]) -> Iterator[Fault]:
    """A crash before each step, one in the middle of each write in two ways, one after the last."""
    for step, name in enumerate([*log, "end"]):
        yield Fault(step)
        if name == "write_at":
            yield Fault(step, "head")
            yield Fault(step, "sectors")


def crash(path: Path, change: nights.Change, fault: Fault) -> None:
    """Change an archive and die at the fault."""
    with FaultyDisk(fault) as disk:
        try:
            change(path)
        except Crash:
            return
    assert fault.step >= len(disk.log), "the step came, and nobody heard of the crash"


def steps(path: Path, change: nights.Change) -> list[str]:
    """The steps that a change takes."""
    with FaultyDisk() as disk:
        change(path)
    return disk.log


class Ways:
    """The archive before and after a change, as bytes and as readers see it."""

    def __init__(self, path: Path, change: nights.Change, old: bytes) -> None:
        path.write_bytes(old)
        self.old, self.old_content = old, nights.content(path)
        self.log = steps(path, change)
        self.new, self.new_content = path.read_bytes(), nights.content(path)
        assert self.old != self.new
        #: The journal goes by this step, and with it the way back.
        self.point = self.log.index("remove", self.log.index("create"))

    def expected(self, fault: Fault) -> tuple[bytes, dict[str, str]]:
        """What has to be found after a crash."""
        return (self.old, self.old_content) if fault.step <= self.point else (self.new, self.new_content)


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(folder: Path, found: dict[str, bytes]) -> None:
    """Make a folder hold these files alone."""
    for path in folder.iterdir():
        path.unlink()
    for name, raw in found.items():
        (folder / name).write_bytes(raw)


@pytest.mark.clause("C-13", "J-1", "J-3", "J-6", "J-8")
@pytest.mark.parametrize("name", nights.OPERATIONS)
def test_after_a_crash_at_any_step_whoever_opens_the_archive_finds_the_old_or_the_new_one(
    prepared: dict[str, bytes], tmp_path: Path, name: str, read_only: ReadOnly
) -> None:
    operation = nights.OPERATIONS[name]
    path = tmp_path / "night.h5"
    ways = Ways(path, operation.change, prepared[operation.archive])
    for fault in faults_of(ways.log):
        put(tmp_path, {"night.h5": ways.old})
        crash(path, operation.change, fault)
        raw, content = ways.expected(fault)
        left = files(tmp_path)
        with eegarchive.open(path) as archive:
            assert archive.digest == content["digest"], fault
        assert path.read_bytes().startswith(raw), fault
        transaction.recover(path, 1.0)
        assert files(tmp_path) == {"night.h5": raw}, fault
        if "night.h5-journal" in left:
            put(tmp_path, left)
            with eegarchive.edit(path):
                pass
            assert files(tmp_path) == {"night.h5": raw}, fault
            put(tmp_path, left)
            with read_only():
                assert nights.content(path) == content, fault
            assert files(tmp_path) == left, fault


@pytest.mark.clause("J-6")
@pytest.mark.parametrize("name", ["several", "shrink"])
def test_a_crash_while_a_crash_is_undone_can_be_undone(
    prepared: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    operation = nights.OPERATIONS[name]
    path = tmp_path / "night.h5"
    ways = Ways(path, operation.change, prepared[operation.archive])
    first = ways.log.index("create")
    crashed = 0
    for fault in [fault for fault in faults_of(ways.log) if fault.step > first][::7]:
        put(tmp_path, {"night.h5": ways.old})
        crash(path, operation.change, fault)
        left = files(tmp_path)
        undo = steps(path, lambda path: transaction.recover(path, 1.0))
        for second in faults_of(undo):
            put(tmp_path, left)
            crash(path, lambda path: transaction.recover(path, 1.0), second)
            transaction.recover(path, 1.0)
            assert files(tmp_path) == {"night.h5": ways.expected(fault)[0]}, (fault, second)
            crashed += 1
    assert crashed > 50


def test_old_and_new_archive_are_whole(prepared: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "night.h5"
    for name, operation in nights.OPERATIONS.items():
        path.write_bytes(prepared[operation.archive])
        if operation.archive != "grown":  # has a dataset that no archive has
            assert nights.findings(path) == [], name
            operation.change(path)
            assert nights.findings(path) == [], name
