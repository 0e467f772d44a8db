"""A process that edits is killed at random moments, for real: each edit is in the archive or not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

import eegarchive
from eegarchive.storage import journal

from . import nights

KILLS = int(os.environ.get("EEGARCHIVE_KILLS", "30"))
#: Kills come within the time of one and a half edits.
EDITS = 1.5
#: Says the process id of a child that edits in a loop; for each line it hears, a new child.
EDITOR = """
import os, sys, eegarchive.editing  # once, not in every child
from tests.transactions.nights import noise

def edit_for_ever(path, seed):
    while True:
        seed += 1
        with eegarchive.edit(path) as night:
            night.thaw("base")
            night.set_epochs(60)
            night.mask(random=40 + seed % 50, seed=seed)
            night.restructure()
            night.add_signal("computed", noise(len(night.signals["HR"])), 0.25)
            night.freeze(f"f{os.getpid()}.{seed}")

for seed, line in enumerate(sys.stdin):
    child = os.fork()
    if not child:
        try:
            edit_for_ever(sys.argv[1], 1000 * seed)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
OPERATIONS = ["thaw", "epochs", "mask", "restructure", "add-signal", "freeze"]


@pytest.fixture
def editor(night: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    """What to write to, and what to read from, a process that starts editing children."""
    with subprocess.Popen(
        [sys.executable, "-c", EDITOR, str(night)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield child.stdin, child.stdout
        child.stdin.close()


def _seconds_of_an_edit(night: Path, ask: IO[str], answer: IO[str]) -> float:
    """How long a child takes for an edit: machines, and what else they do, differ."""
    ask.write("edit\n")
    ask.flush()
    child = int(answer.readline())
    moments: dict[int, float] = {}
    while len(moments) < 3:
        with eegarchive.open(night) as archive:
            moments.setdefault(len(archive.freezes), time.monotonic())
    os.kill(child, signal.SIGKILL)
    answer.readline()
    return (max(moments.values()) - min(moments.values())) / 2


def test_a_killed_process_leaves_whole_edits_only(
    night: Path, prepared: dict[str, bytes], editor: tuple[IO[str], IO[str]]
) -> None:
    ask, answer = editor
    rng = random.Random(3)
    longest = EDITS * _seconds_of_an_edit(night, ask, answer)
    journals = tails = edits = 0
    before: list[str] = []
    for kill in range(KILLS):
        if kill % 20 == 0:
            night.write_bytes(prepared["gaps"])
            with eegarchive.open(night) as archive:
                before = list(archive.history["parameters"])
        ask.write("edit\n")
        ask.flush()
        child = int(answer.readline())
        time.sleep(rng.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        assert int(answer.readline()) == -signal.SIGKILL
        journals += journal.place(night).exists()
        with eegarchive.open(night) as archive:
            history, digest = archive.history.columns(), archive.digest
        assert list(history["parameters"][: len(before)]) == before
        done = list(history["operation"][len(before) :])
        assert done == OPERATIONS * (len(done) // len(OPERATIONS))
        before = list(history["parameters"])
        edits += len(done) // len(OPERATIONS)
        size = night.stat().st_size
        with eegarchive.edit(night) as edited:
            assert edited.digest == digest
        tails += night.stat().st_size < size
        assert list(night.parent.iterdir()) == [night]
        assert nights.findings(night) == []
    print(f"{KILLS} kills: {journals} in a commit, {tails} before one, after {edits} whole edits")
    assert min(tails, edits) > 0
