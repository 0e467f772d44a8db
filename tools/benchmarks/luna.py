"""What Luna's scripts cost: the same script by `eegarchive run` and by lunapi, in turns.

The first script is the one of Luna's page on freezes, as the tests run it. The second cuts the same stages from a
freeze of all channels as they were recorded. Every measurement runs in a process of its own.
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
from pathlib import Path
from typing import Any

import eegarchive
from benchmarks import recordings
from benchmarks.states import EPOCH, hypnogram

PAGE = Path(__file__).parents[2] / "tests" / "luna" / "page" / "stages.txt"
_STAGE = "TAG STG/{0}\nMASK ifnot={0}\nRE\nPSD sig=C3,C4 spectrum dB\nTHAW F1\n"
#: Scripts by title.
SCRIPTS = {
    "the page's N2/N3/REM pipeline": PAGE.read_text(encoding="utf-8"),
    "the same stages of all 20 channels": "EPOCH\nFREEZE F1\n"
    + "".join(map(_STAGE.format, ("N2", "N3", "R"))),
    "FREEZE and THAW alone, 20 channels": "EPOCH\nFREEZE F1\nTHAW F1\nFREEZE F2\nTHAW F2\n",
}
_FREEZING = ("FREEZE", "THAW")

Figures = dict[str, float]


def run(folder: Path, hours: float, rounds: int) -> None:
    """Measure and print."""
    source = night(folder / f"luna-{hours:g}h.edf", hours)
    kinds = ["eegarchive", *(["lunapi"] if importlib.util.find_spec("lunapi") else [])]
    if len(kinds) == 1:
        print("  lunapi isn't installed: no comparison")
    print(
        f"\nluna: {hours:g} h, 20 channels, 256 Hz; medians of {rounds}, and the ratios' medians (least, most)"
    )
    for title in SCRIPTS:
        load = " ".join(f"{value:.1f}" for value in os.getloadavg()[:2])
        print(f"  {title}  [load {load}]")
        turns = [{kind: _child(kind, source, title) for kind in kinds} for _ in range(rounds)]
        for name, unit in (("whole", "s"), ("freezing", "s"), ("process", "s"), ("peak", "MB")):
            shown = [
                f"{kind} {statistics.median(turn[kind][name] for turn in turns):.4g} {unit}" for kind in kinds
            ]
            if len(kinds) == 2:
                ratios = sorted(turn["lunapi"][name] / turn["eegarchive"][name] for turn in turns)
                shown.append(f"{statistics.median(ratios):.2f} times ({ratios[0]:.2f}, {ratios[-1]:.2f})")
            print(f"    {name:10s} {';  '.join(shown)}", flush=True)


def night(source: Path, hours: float) -> Path:
    """A generated night whose labels are C3, C4 and so on, with stages beside it, and its archive."""
    if source.with_suffix(".h5").exists():
        return source
    recordings.generate(source, hours)
    with open(source, "r+b") as file:
        file.seek(252)
        count = int(file.read(4))
        labels = [file.read(16).removeprefix(b"EEG ").ljust(16) for _ in range(count)]
        file.seek(256)
        file.write(b"".join(labels))
    rows = [f"{stage}\t.\t.\t{i * EPOCH}\t{(i + 1) * EPOCH}\t." for i, stage in enumerate(hypnogram(hours))]
    source.with_suffix(".annot").write_text("\n".join(rows) + "\n")
    made = source.with_suffix(".made.h5")
    eegarchive.convert(source, made, overwrite=True)
    with eegarchive.edit(made) as edited:
        edited.import_annotations(source.with_suffix(".annot"))
    made.rename(source.with_suffix(".h5"))
    return source


def _child(kind: str, source: Path, title: str) -> Figures:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.luna", kind, str(source), title],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"{kind}: {title}:\n{done.stderr}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return {**found, "process": time.perf_counter() - began - found["copied"]}


def ours(source: Path, script: str) -> Figures:
    """Seconds of a script on a copy of the archive, committed and synced; those of FREEZE and THAW; peak memory."""
    from eegarchive.luna.script import parse

    work = source.with_suffix(".work.h5")
    began = time.perf_counter()
    shutil.copy(source.with_suffix(".h5"), work)
    times = [time.perf_counter()]
    copied = times[0] - began
    report = eegarchive.run(work, script, progress=lambda count: times.append(time.perf_counter()))
    whole = time.perf_counter() - times[0]
    work.unlink()
    assert report.count("done") == 1
    each: dict[str, float] = {}
    for command, first, last in zip(parse(script), times, times[1:], strict=False):
        each[command.name] = each.get(command.name, 0.0) + last - first
    return _figures(whole, each, copied)


def luna(source: Path, script: str) -> Figures:
    """The same by lunapi, command by command."""
    import lunapi

    from eegarchive.luna.script import parse

    project = lunapi.proj()
    project.silence(True)
    began = time.perf_counter()
    instance = project.inst("night")
    instance.attach_edf(str(source))
    instance.attach_annot(str(source.with_suffix(".annot")))
    each = {"attach": time.perf_counter() - began}
    for command in parse(script):
        first = time.perf_counter()
        instance.eval(command.text)
        each[command.name] = each.get(command.name, 0.0) + time.perf_counter() - first
    return _figures(time.perf_counter() - began, each, 0.0)


def _figures(whole: float, each: dict[str, float], copied: float) -> Figures:
    print({name: round(seconds, 4) for name, seconds in each.items()}, file=sys.stderr)
    freezing = sum(each.get(name, 0.0) for name in _FREEZING)
    return {"whole": whole, "freezing": freezing, "peak": _peak_mb(), "copied": copied}


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    _do: dict[str, Any] = {"eegarchive": ours, "lunapi": luna}
    print(json.dumps(_do[sys.argv[1]](Path(sys.argv[2]), SCRIPTS[sys.argv[3]])))
