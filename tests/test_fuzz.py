"""A little of `tools/fuzz`: no input crashes, hangs, takes a gigabyte, or has us open a file outside its folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from fuzzing.__main__ import fuzz
from fuzzing.running import MEMORY, run
from fuzzing.targets import TARGETS

#: In a clone without time: 6 targets of so many seconds, and no more inputs than this.
SECONDS, MOST = 5.0, 60


@pytest.mark.parametrize("target", TARGETS)
def test_a_target(target: str) -> None:
    counts, failures, outcomes = fuzz(target, SECONDS, most=MOST)
    # a crash of libhdf5 in the process that opens a file can't be kept off (SECURITY.md)
    known = ("crash",) if target in ("archive", "journals") else ()
    assert [failure for failure in failures if failure[1].kind not in known] == []
    assert counts["used"] + counts["refused"] > 0
    assert max(outcome.memory for outcome in outcomes) < MEMORY


JOBS = {
    "exception": lambda stage: (stage("x"), 1 / 0),
    "crash": lambda stage: (stage("x"), os.abort()),
    "memory": lambda stage: (stage("x"), len(bytearray(b"x") * (MEMORY + 2**26))),
    "outside": lambda stage: (stage("x"), open("/etc/hostname").close()),
    "used": lambda stage: (stage("x"), open("own", "w").close()),
    "unmade": lambda stage: 1 / 0,
    "checked": lambda stage: (stage("check"), os.abort()),
}


@pytest.mark.parametrize("kind", JOBS)
def test_what_goes_wrong_is_seen(kind: str, tmp_path: Path) -> None:
    assert run(JOBS[kind], tmp_path).kind == kind


def test_a_hang_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzing.running.SECONDS", 0.3)
    outcome = run(lambda stage: (stage("x"), os.read(os.pipe()[0], 1)), tmp_path)
    assert outcome.kind == "hang"
