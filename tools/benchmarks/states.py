"""What states cost: freeze, thaw, restructure, many freezes; beside Luna's in the same run.

Luna (the package lunapi) is measured where it is installed. Every measurement runs in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import eegarchive
from benchmarks import recordings
from eegarchive import EditableArchive
from eegarchive.state import State

EPOCH = 30
REPEATS = 7


def hypnogram(hours: float) -> list[str]:
    """Stages of a night again and again: hundreds of runs of N2 in a day."""
    rng = np.random.default_rng(3)
    stages: list[str] = []
    while len(stages) * EPOCH < hours * 3600:
        stages += [str(rng.choice(["W", "N1", "N3", "R"]))] * int(rng.integers(1, 4))
        stages += ["N2"] * int(rng.integers(1, 8))
    return stages[: int(hours * 3600 / EPOCH)]


def run(folder: Path, hours: float) -> None:
    """Measure and print."""
    print(f"\nstates: {hours:g} h, 20 channels, 256 Hz; medians of {REPEATS}")
    for length in (1.0, hours):
        source = recordings.generate(folder / f"generated-{length:g}h.edf", length)
        archive = source.with_suffix(".h5")
        if not archive.exists():
            eegarchive.convert(source, archive)
        found = _child("ours", archive, length)
        print(f"  eegarchive, {length:g} h")
        for name, value in found.items():
            print(f"    {name:44s} {value}")
    if importlib.util.find_spec("lunapi") is None:
        print("  lunapi isn't installed: no comparison")
        return
    luna = _child("luna", source, hours)
    print(f"  Luna, {hours:g} h")
    for name, value in luna.items():
        print(f"    {name:44s} {value}")
    for name in ("freeze", "thaw", "restructure to N2"):
        ratio = float(luna[f"{name}, s"]) / float(found[f"{name}, s"])
        print(f"  {name}: {ratio:.1f} times as fast as Luna's")


def _child(what: str, path: Path, hours: float) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.states", what, str(path), str(hours)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


class Work:
    """A copy of an archive that is edited; each edit is opened, done, committed and synced."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name("work.h5")
        shutil.copy(path, self.path)
        self.grown = 0

    def edit(self, *steps: Callable[[EditableArchive], object]) -> float:
        """Seconds of one edit; `grown` is what it added to the file."""
        before, began = self.path.stat().st_size, time.perf_counter()
        with eegarchive.edit(self.path) as night:
            for step in steps:
                step(night)
        seconds = time.perf_counter() - began
        self.grown = self.path.stat().st_size - before
        return seconds

    def freeze(self, tag: str) -> float:
        """Seconds of a freeze."""
        return self.edit(lambda night: night.freeze(tag))

    def thaw(self, tag: str) -> float:
        """Seconds of a thaw."""
        return self.edit(lambda night: night.thaw(tag))


def ours(path: Path, hours: float) -> dict[str, str]:
    """Operations on the working state, and reading what they left."""
    work = Work(path)
    found: dict[str, str] = {}
    stages = hypnogram(hours)
    onsets = np.arange(len(stages)) * float(EPOCH)
    work.edit(lambda night: night.add_annotations(onsets, np.full(len(stages), 30.0), stages))
    found["freeze, s"] = f"{statistics.median(work.freeze(f'f{i}') for i in range(REPEATS)):.4f}"
    found["freeze, kB"] = f"{work.grown / 1000:.1f}"
    restructures = []
    for _ in range(3):
        work.thaw("f0")
        restructures.append(
            work.edit(
                lambda night: night.set_epochs(EPOCH),
                lambda night: night.mask(keep="N2"),
                lambda night: night.restructure(),
            )
        )
    with eegarchive.open(work.path) as night:
        found["segments of N2"] = str(len(night.segments))
    found["restructure to N2, s"] = f"{statistics.median(restructures):.4f}"
    found["restructure to N2, MB"] = f"{work.grown / 1e6:.2f}"
    found["freeze of N2, s"] = f"{work.freeze('N2'):.4f}"
    found["freeze of N2, kB"] = f"{work.grown / 1000:.1f}"
    thaws = [work.thaw(tag) for _ in range(REPEATS) for tag in ("f0", "N2")]
    found["thaw, s"] = f"{statistics.median(thaws):.4f}"
    found["peak of all edits, MB"] = f"{_peak_mb():.0f}"
    work.thaw("f0")
    runs, stretch = _read_ratios(eegarchive.open(f"{work.path}@N2"), eegarchive.open(work.path))
    found["N2 whole, to the same samples run by run"] = f"{runs:.2f}"
    found["N2 whole, to one stretch as long"] = f"{stretch:.2f}"
    with eegarchive.edit(work.path) as edited:
        for i in range(100):
            edited.freeze(f"many{i}")
    opened = [_seconds(lambda: _read_freeze(work.path, "many77")) for _ in range(REPEATS)]
    found["open one of 100 freezes, read 30 s, s"] = f"{statistics.median(opened):.4f}"
    found["freeze beside 100 others, s"] = f"{work.freeze('hundredth'):.4f}"
    os.unlink(work.path)
    return found


def _read_freeze(path: Path, tag: str) -> None:
    with eegarchive.open(path, tag) as night:
        next(iter(night.signals.values()))[:7680]


def _read_ratios(restructured: State, plain: State) -> tuple[float, float]:
    """How fast a restructured state is read whole, against the same samples of the plain one run by run.

    And against as many samples in one stretch, of which no chunk is read for a part.
    """
    total = len(next(iter(restructured.signals.values())))
    out = np.empty(total)

    def whole(state: State) -> None:
        for signal in state.signals.values():
            signal.read_into(out, 0, total, signal.calibrate)

    def by_runs() -> None:
        for name, signal in restructured.signals.items():
            source, at = plain.signals[name], 0
            for piece in signal.pieces:
                source.read_into(out[at : at + len(piece)], piece.start, piece.stop, source.calibrate)
                at += len(piece)

    ratios = []
    for _ in range(4):
        own = _seconds(lambda: whole(restructured))
        ratios.append((_seconds(by_runs) / own, _seconds(lambda: whole(plain)) / own))
    return statistics.median(r[0] for r in ratios[1:]), statistics.median(r[1] for r in ratios[1:])


def luna(path: Path, hours: float) -> dict[str, str]:
    """The same in Luna, which keeps it all in memory and forgets it at the end."""
    import lunapi

    annotations = path.with_suffix(".annot")
    rows = [f"{stage}\t.\t.\t{i * EPOCH}\t{(i + 1) * EPOCH}\t." for i, stage in enumerate(hypnogram(hours))]
    annotations.write_text("\n".join(rows) + "\n")
    project = lunapi.proj()
    project.silence(True)
    night = project.inst("night")
    night.attach_edf(str(path))
    night.attach_annot(str(annotations))
    found = {"freeze, s": f"{_seconds(lambda: night.eval('FREEZE all')):.4f}"}
    again = [_seconds(lambda: night.eval("FREEZE again")) for _ in range(2)]
    found["freeze again, s"] = f"{min(again):.4f}"
    mask = _seconds(lambda: night.eval("EPOCH len=30 & MASK ifnot=N2 & RE"))
    found["restructure to N2, s"] = f"{mask:.4f}"
    night.eval("FREEZE N2")
    found["thaw, s"] = f"{_seconds(lambda: night.eval('THAW all')):.4f}"
    found["thaw N2, s"] = f"{_seconds(lambda: night.eval('THAW N2')):.4f}"
    found["peak, MB"] = f"{_peak_mb():.0f}"
    annotations.unlink()
    return found


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "luna": luna}[sys.argv[1]](Path(sys.argv[2]), float(sys.argv[3]))))
