"""The disk says no, or somebody presses Ctrl-C: an error that names the file, and the old archive."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eegarchive
from eegarchive.storage import locks, transaction

from . import nights
from .faults import (
    CHANGES,
    EVERY_CALL,
    Fault,
    FaultyDisk,
    disk_full,
    input_output,
)
from .processes import other_process
from .test_crashes import files, put

TRIED = ["several", "shrink", "freeze"]


def error_of(change: nights.Change, path: Path) -> str | None:
    """What a change that failed has to say; None if it didn't."""
    try:
        change(path)
    except (OSError, eegarchive.EEGArchiveError) as error:
        return str(error)
    return None


def calls(path: Path, change: nights.Change, names: tuple[str, ...] = EVERY_CALL) -> list[str]:
    """The calls of the disk in a change, reads included."""
    with FaultyDisk(names=names) as disk:
        change(path)
    return disk.log


def some(log: list[str]) -> list[tuple[int, str]]:
    """Calls to fail at: every change, and some of the many reads."""
    numbered = list(enumerate(log))
    reads = [pair for pair in numbered if pair[1] == "read_at"]
    return [pair for pair in numbered if pair[1] != "read_at" or pair in reads[:: 1 + len(reads) // 40]]


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize(("error", "names"), [(disk_full, CHANGES), (input_output, ("read_at",))])
@pytest.mark.parametrize("name", TRIED)
def test_an_error_in_any_call_leaves_the_archive_as_it_was(
    prepared: dict[str, bytes],
    tmp_path: Path,
    name: str,
    error: Callable[[], OSError],
    names: tuple[str, ...],
) -> None:
    operation = nights.OPERATIONS[name]
    path, old = tmp_path / "night.h5", prepared[operation.archive]
    path.write_bytes(old)
    log = calls(path, operation.change, names)
    new = path.read_bytes()
    raised = []
    for step, call in some(log):
        put(tmp_path, {"night.h5": old})
        with FaultyDisk(Fault(step, error=error, lasting=False), names):
            said = error_of(operation.change, path)
        assert files(tmp_path).keys() <= {"night.h5", "night.h5-lock"}, (step, call)
        if said is None:  # it was only for people to read, or can be done later
            assert path.read_bytes() == new, (step, call)
        else:
            assert str(path) in said, (step, call)
            assert path.read_bytes() == old, (step, call)
            raised.append(call)
        path.write_bytes(old)
        operation.change(path)
        assert files(tmp_path) == {"night.h5": new}, (step, call)
    assert len(raised) >= len(some(log)) - 6


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("name", TRIED)
def test_errors_from_some_call_on_can_be_undone_when_the_disk_works_again(
    prepared: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    operation = nights.OPERATIONS[name]
    path, old = tmp_path / "night.h5", prepared[operation.archive]
    path.write_bytes(old)
    log = calls(path, operation.change)
    new = path.read_bytes()
    for step, call in some(log):
        put(tmp_path, {"night.h5": old})
        with FaultyDisk(Fault(step, error=input_output), EVERY_CALL):
            said = error_of(operation.change, path)
        assert said is None or str(path) in said, (step, call)
        transaction.recover(path, 1.0)
        assert files(tmp_path) == {"night.h5": new if said is None else old}, (step, call)


def test_an_error_of_the_disk_releases_all_locks(night: Path) -> None:
    log = calls(night, nights.OPERATIONS["freeze"].change)
    with eegarchive.edit(night) as edited:
        edited.thaw("base")
        edited.remove_freeze("N2")
    for step, _ in some(log):
        with FaultyDisk(Fault(step, error=input_output), EVERY_CALL):
            error_of(nights.OPERATIONS["freeze"].change, night)
        descriptor = os.open(night, os.O_RDONLY)
        assert locks.acquire(descriptor, True, 0.0), step
        os.close(descriptor)
        with eegarchive.edit(night, timeout=0.0) as edited:
            if "N2" in edited.freezes:
                edited.remove_freeze("N2")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small tmpfs to be had: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="no `mount` here")
def test_a_disk_that_is_really_full_loses_nothing(night: Path, small_disk: Path) -> None:
    path = Path(shutil.copy(night, small_disk / "night.h5"))
    old, content = path.read_bytes(), nights.content(path)
    with pytest.raises(OSError, match=r"No space left on device.*night\.h5"), eegarchive.edit(path) as edited:
        edited.add_signal("computed", nights.noise(10_992 * 64), 64.0)
    assert path.read_bytes() == old
    room = shutil.disk_usage(small_disk).free
    kept = small_disk / "filler"
    for left in (0, 4_096, 16_384, 32_768):
        with open(kept, "wb") as filler:
            filler.write(bytes(room - left))
        said = error_of(nights.OPERATIONS["freeze"].change, path)
        if said is None:
            assert (
                nights.content(path).items() >= {"base": content["base"], "digest": content["digest"]}.items()
            )
            path.write_bytes(old)
        else:
            assert str(path) in said
            assert path.read_bytes() == old, left
        kept.unlink()
    with eegarchive.edit(path) as edited:
        edited.freeze("after", overwrite=True)
    assert nights.findings(path) == []


LONG_EDIT = """
import sys, eegarchive
from tests.transactions.nights import noise
with eegarchive.edit(sys.argv[1]) as night:
    print("begun", flush=True)
    for i in range(100_000):
        night.add_signal(f"computed {i}", noise(10_992 * 4), 4.0)
"""


def test_ctrl_c_in_a_long_edit_leaves_the_archive_as_it_was(night: Path) -> None:
    old = night.read_bytes()
    for delay in (0.0, 0.05, 0.1, 0.2, 0.3):
        with subprocess.Popen(
            [sys.executable, "-c", LONG_EDIT, str(night)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            time.sleep(delay)
            child.send_signal(signal.SIGINT)
            try:
                said = child.communicate(timeout=20)[1]
            except subprocess.TimeoutExpired:
                child.kill()
                raise
        assert "KeyboardInterrupt" in said.splitlines()[-1], said
        assert night.read_bytes() == old
        assert list(night.parent.iterdir()) == [night]


@pytest.mark.usefixtures("still_clock")
def test_ctrl_c_at_any_step_gives_the_old_or_the_new_archive(
    prepared: dict[str, bytes], tmp_path: Path
) -> None:
    operation = nights.OPERATIONS["several"]
    path, old = tmp_path / "night.h5", prepared["gaps"]
    path.write_bytes(old)
    log = calls(path, operation.change)
    new = path.read_bytes()
    for step, call in some(log):
        put(tmp_path, {"night.h5": old})
        fault = Fault(step, error=KeyboardInterrupt, lasting=False)
        with FaultyDisk(fault, EVERY_CALL), pytest.raises(KeyboardInterrupt):
            operation.change(path)
        assert path.read_bytes() in (old, new), (step, call)
        transaction.recover(path, 1.0)
        assert files(tmp_path).keys() == {"night.h5"}, (step, call)


FAILING_READS = """
from tests.transactions.faults import Fault, FaultyDisk, input_output
for step in range(2, 14):
    with FaultyDisk(Fault(step, error=input_output, lasting=False), ("read_at",)):
        try:
            nights.OPERATIONS["freeze"].change(path)
        except (OSError, eegarchive.EEGArchiveError):
            say(step)
"""


def test_a_process_that_had_errors_of_the_disk_ends_in_peace(night: Path) -> None:
    """HDF5's buffers, once kept by the frames of an exception, crashed the interpreter at its end."""
    with other_process(FAILING_READS, night) as other:
        assert [other.hear() for _ in range(12)] == [str(step) for step in range(2, 14)]
        assert other.ended_well()
