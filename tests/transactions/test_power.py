"""The power fails: what wasn't synced is lost, in part or whole, and in any order."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from eegarchive.storage import transaction

from . import nights
from .faults import Crash, Fault, FaultyDisk, Volume
from .test_crashes import Ways, files, put

pytestmark = pytest.mark.usefixtures("still_clock")
LOSSES = 3


def after_power_failure(folder: Path, change: nights.Change, fault: Fault, rng: random.Random) -> None:
    """Change an archive, and lose power at the fault."""
    volume = Volume(folder)
    with FaultyDisk(fault, volume=volume), contextlib.suppress(Crash):
        change(folder / "night.h5")
    put(folder, volume.after_power_failure(rng))


@pytest.mark.clause("J-3")
@pytest.mark.parametrize("name", ["several", "shrink", "add_much", "remove_freeze"])
def test_after_a_power_failure_at_any_step_the_archive_is_the_old_or_the_new_one(
    prepared: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    operation = nights.OPERATIONS[name]
    path = tmp_path / "night.h5"
    ways = Ways(path, operation.change, prepared[operation.archive])
    rng = random.Random(name)
    found = set()
    for step in range(len(ways.log) + 1):
        for _ in range(LOSSES):
            put(tmp_path, {"night.h5": ways.old})
            after_power_failure(tmp_path, operation.change, Fault(step), rng)
            if rng.random() < 0.3:  # once more, while the first one is undone
                undo = Fault(rng.randrange(8))
                after_power_failure(tmp_path, lambda path: transaction.recover(path, 1.0), undo, rng)
            transaction.recover(path, 1.0)
            left = files(tmp_path)
            assert left.keys() == {"night.h5"}, step
            assert left["night.h5"] in (ways.old, ways.new), step
            assert left["night.h5"] == ways.old or step >= ways.point, step
            found.add(left["night.h5"])
    assert len(found) == 2
