"""Fuzz for as long as told, and say what came of it."""

from __future__ import annotations

import argparse
import importlib
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fuzzing.running import Outcome, run
from fuzzing.targets import TARGETS, Stage, Try

#: Loaded once, not by each child.
_PARTS = (
    *(
        "archive",
        "bridges.export",
        "cache.files",
        "check",
        "compaction",
        "conversion",
        "differences",
        "editing",
    ),
    *("exporting", "lineage", "scoring", "summary", "verification", "windowing"),
)


def fuzz(
    target: str,
    seconds: float,
    seed: int = 0,
    keep: Path | None = None,
    first: int = 0,
    most: int | None = None,
) -> tuple[Counter[str], list[tuple[int, Outcome]], list[Outcome]]:
    """Try inputs of a target for some seconds.

    Returns
    -------
    counts : Counter
        How many inputs had which kind of outcome.
    failures : list of (number, Outcome)
        What isn't as it should be; the input has this number.
    outcomes : list of Outcome
        All, in order.
    """
    for part in _PARTS:
        importlib.import_module(f"eegarchive.{part}")
    failures: list[tuple[int, Outcome]] = []
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="eegarchive-fuzz-") as place:
        seeds = Path(place) / "seeds"
        seeds.mkdir()
        attempt = TARGETS[target](seeds)
        until, number = time.monotonic() + seconds, first
        while time.monotonic() < until and (most is None or len(outcomes) < most):
            folder = Path(place) / "input"
            folder.mkdir()
            outcome = run(_job(attempt, f"{seed} {target} {number}", folder), folder)
            outcomes.append(outcome)
            if not outcome.is_fine:
                failures.append((number, outcome))
                if keep is not None:
                    shutil.copytree(folder, keep / f"{target}-{seed}-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder)
            number += 1
    return Counter(outcome.kind for outcome in outcomes), failures, outcomes


def _job(attempt: Try, seed: str, folder: Path) -> Callable[[Stage], None]:
    def job(stage: Stage) -> None:
        attempt(random.Random(seed), folder, stage)

    return job


def main() -> int:
    """Run; the exit code says whether anything is to be mended."""
    parser = argparse.ArgumentParser(prog="tools/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first input")
    parser.add_argument("--count", type=int, metavar="N", help="at most so many inputs a target")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep inputs that are to be looked at")
    said = parser.parse_args()
    unknown = set(said.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    targets = said.targets or list(TARGETS)
    failed = 0
    for target in targets:
        began = time.monotonic()
        counts, failures, outcomes = fuzz(
            target, said.seconds / len(targets), said.seed, said.keep, said.first, said.count
        )
        listed = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
        largest = max((outcome.memory for outcome in outcomes), default=0) >> 20
        print(
            f"{target}: {len(outcomes)} inputs in {time.monotonic() - began:.0f} s: {listed}; "
            f"slowest {slowest:.1f} s, {largest} MiB at most",
            flush=True,
        )
        for number, outcome in failures:
            print(
                f"  {target} --seed {said.seed} --first {number} --count 1: {outcome.kind}: {outcome.detail!a}"
            )
        failed += len(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
