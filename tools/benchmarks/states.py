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

from benchmarks import recordings

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
    import eegarchive

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


def ours(path: Path, hours: float) -> dict[str, str]:
    """Each operation is a whole edit: opened, done, committed, synced."""
    import eegarchive

    work = path.with_name("work.h5")
    shutil.copy(path, work)
    found: dict[str, str] = {}
    grown: dict[str, int] = {}

    def edited(name: str, *steps: Callable[[eegarchive.EditableArchive], object]) -> float:
        before = work.stat().st_size

        def do() -> None:
            with eegarchive.edit(work) as night:
                for step in steps:
                    step(night)

        seconds = _seconds(do)
        grown[name] = work.stat().st_size - before
        return seconds

    stages = hypnogram(hours)
    onsets = np.arange(len(stages)) * float(EPOCH)
    edited("annotations", lambda n: n.add_annotations(onsets, np.full(len(stages), 30.0), stages))
    freezes = [edited("freeze", lambda n, i=i: n.freeze(f"f{i}")) for i in range(REPEATS)]
    found["freeze, s"] = f"{statistics.median(freezes):.4f}"
    found["freeze, kB"] = f"{grown['freeze'] / 1000:.1f}"
    restructures = []
    for _ in range(3):
        edited("thaw", lambda n: n.thaw("f0"))
        restructures.append(
            edited("restructure", lambda n: n.set_epochs(EPOCH), lambda n: n.mask(keep="N2"), lambda n: n.restructure())
        )
    with eegarchive.open(work) as night:
        found["segments of N2"] = str(len(night.segments))
    found["restructure to N2, s"] = f"{statistics.median(restructures):.4f}"
    found["restructure to N2, MB"] = f"{grown['restructure'] / 1e6:.2f}"
    frozen = edited("freeze of it", lambda n: n.freeze("N2"))
    found["freeze of N2, s"] = f"{frozen:.4f}"
    found["freeze of N2, kB"] = f"{grown['freeze of it'] / 1000:.1f}"
    thaws = [edited("thaw", lambda n, i=i: n.thaw(("f0", "N2")[i % 2])) for i in range(2 * REPEATS)]
    found["thaw, s"] = f"{statistics.median(thaws):.4f}"
    found["peak of all edits, MB"] = f"{_peak_mb():.0f}"
    found["whole N2, part of the plain speed"] = f"{_read_ratio(eegarchive.open(f'{work}@N2'), eegarchive.open(work)):.2f}"
    with eegarchive.edit(work) as night:
        for i in range(100):
            night.freeze(f"many{i}")

    def open_and_read() -> None:
        with eegarchive.open(f"{work}@many77") as night:
            next(iter(night.signals.values()))[:7680]

    found["open one of 100 freezes, read 30 s, s"] = f"{statistics.median(_seconds(open_and_read) for _ in range(REPEATS)):.4f}"
    last = edited("freeze", lambda n: n.freeze("hundredth"))
    found["freeze beside 100 others, s"] = f"{last:.4f}"
    os.unlink(work)
    return found


def _read_ratio(restructured: object, plain: object) -> float:
    """Samples a second of a restructured state, whole, against the same number of samples in a row."""
    ratios = []
    for _ in range(4):
        speeds = []
        for state in (restructured, plain):
            total = len(next(iter(restructured.signals.values())))  # type: ignore[attr-defined]
            out = np.empty(total)
            signals = list(state.signals.values())  # type: ignore[attr-defined]

            def read(signals: list[object] = signals, out: np.ndarray = out, total: int = total) -> None:  # type: ignore[type-arg]
                for signal in signals:
                    signal.read_into(out, 0, total, signal.calibrate)  # type: ignore[attr-defined]

            speeds.append(_seconds(read))
        ratios.append(speeds[1] / speeds[0])
    return statistics.median(ratios[1:])


def luna(path: Path, hours: float) -> dict[str, str]:
    """The same in Luna, which keeps it all in memory and forgets it at the end."""
    import lunapi

    annotations = path.with_suffix(".annot")
    rows = [
        f"{stage}\t.\t.\t{i * EPOCH}\t{(i + 1) * EPOCH}\t." for i, stage in enumerate(hypnogram(hours))
    ]
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
