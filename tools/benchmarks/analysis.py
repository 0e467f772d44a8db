"""What analysis costs: opening, random windows, preparing them, features; beside MNE, braindecode, torch and Parquet.

All kinds of a measurement take turns, each in a process of its own; ratios are those of one turn, their median is told.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import features, recordings
from benchmarks.analysis_tasks import BATCH, COLD, PREPARED, SECONDS, WORKERS

#: How each kind is called, and the packages it needs beside eegarchive.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "portable": ("archive, portable", ()),
    "fast": ("archive, fast", ()),
    "raw of portable": ("archive, portable, as MNE's Raw", ("mne",)),
    "prepared": ("archive, with prepared windows", ()),
    "packed": ("archive, with compressed prepared windows", ()),
    "fif": ("FIF, Raw (MNE)", ("mne",)),
    "edf": ("EDF (MNE)", ("mne",)),
    "epochs": ("FIF, Epochs (MNE)", ("mne",)),
    "npy": ("float32 memory map", ("mne",)),
    "zarr": ("Zarr (braindecode)", ("mne", "braindecode", "zarr", "huggingface_hub")),
}

Turns = dict[str, list[dict[str, Any]]]


def run(folder: Path, hours: float, rounds: int) -> None:
    """Measure and print, of a recording of `hours` with 20 channels and one of an hour with 64."""
    needed = dict.fromkeys(name for _, packages in KINDS.values() for name in (*packages, "torch", "pyarrow"))
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        print(f"\nnot installed, so left out with what needs them: {', '.join(absent)}")
    for length, channels in ((hours, 20), (min(hours, 1.0), 64)):
        case = folder / f"analysis-{length:g}h-{channels}"
        case.mkdir(exist_ok=True)
        source = recordings.generate(case / "night.edf", length, channels)
        print(f"\nanalysis: {length:g} h, {channels} channels, {source.stat().st_size / 1e6:.0f} MB of EDF")
        _Case(case, rounds, absent).measure()


class _Case:
    """One recording in all formats."""

    def __init__(self, folder: Path, rounds: int, absent: Sequence[str]) -> None:
        self.folder = folder
        self.rounds = rounds
        self.absent = set(absent)

    def measure(self) -> None:
        """All measurements of it."""
        self.prepare()
        self.opening()
        self.reading()
        self.loading()
        self.writing()
        self.features()

    def _turns(self, task: str, kinds: Sequence[str], rounds: int, *packages: str) -> Turns:
        """Figures of some kinds, in turns."""
        found: Turns = {}
        for _ in range(rounds):
            for kind in kinds:
                if not self.absent & {*KINDS[kind][1], *packages}:
                    figures = _child("analysis_tasks", task, kind, str(self.folder))
                    found.setdefault(kind, []).append(figures)
        return found

    def prepare(self) -> None:
        found = self._turns("prepare", list(PREPARED), self.rounds)
        edf = (self.folder / "night.edf").stat().st_size
        _title("from EDF to windows of 2 s: time, peak memory above the imports', peak, disk")
        for kind, turns in found.items():
            above, peak = (
                statistics.median(turn[name] for turn in turns) for name in ("above_mb", "peak_mb")
            )
            print(
                f"    {KINDS[kind][0]:44s} {_median(turns, 'seconds'):7.2f} s {above:7.0f} MB {peak:7.0f} MB "
                f"{turns[0]['bytes'] / 1e6:7.0f} MB ({turns[0]['bytes'] / edf:.2f} of the EDF)"
            )
        for peer in ("epochs", "fif", "zarr"):
            for name in ("seconds", "above_mb", "peak_mb", "bytes"):
                _ratios(found, ("portable", "prepared", "packed"), peer, name)

    def opening(self) -> None:
        kinds = ["portable", "fast", "raw of portable", "fif", "edf", "epochs", "zarr"]
        found = self._turns("opening", kinds, self.rounds)
        _title("opened lazily; a dataset opened and one window read (Zarr: the first time; again)")
        for kind, turns in found.items():
            again = f" {_median(turns, 'again') * 1e3:9.2f} ms" if "again" in turns[0] else ""
            both = " ".join(f"{_median(turns, name) * 1e3:9.2f} ms" for name in ("open", "read"))
            print(f"    {KINDS[kind][0]:44s} {both}{again}")
        for peer in ("fif", "edf", "zarr"):
            for name in ("open", "read"):
                _ratios(found, ("portable", "fast", "raw of portable"), peer, name)

    def reading(self) -> None:
        kinds = ["prepared", "packed", "fast", "portable", "epochs", "npy", "fif", "edf", "zarr"]
        found = self._turns("reading", kinds, self.rounds)
        sums = [turn["sum"] for turns in found.values() for turn in turns]
        assert max(sums) - min(sums) < 1e-5 * max(sums), f"not the same windows: {sums}"
        _title(f"a random window of 2 s: the first {COLD} of a new dataset, all in random order, after that")
        for kind, turns in found.items():
            each = " ".join(f"{_median(turns, name) * 1e3:8.3f} ms" for name in ("cold", "all", "warm"))
            print(f"    {KINDS[kind][0]:44s} {each}   peak {_median(turns, 'peak_mb'):5.0f} MB")
        for peer in ("epochs", "npy"):
            for name in ("cold", "all", "warm"):
                _ratios(found, ("prepared", "packed"), peer, name)
        for peer in ("fif", "edf"):
            for name in ("cold", "all", "warm"):
                _ratios(found, ("fast", "portable"), peer, name)

    def loading(self) -> None:
        kinds = ["prepared", "packed", "fast", "portable", "fif", "edf", "epochs", "npy"]
        found = self._turns("loading", kinds, self.rounds, "torch")
        _title(f"windows per second, DataLoader, {WORKERS} workers, batches of {BATCH}: first epoch, second")
        for kind, turns in found.items():
            print(f"    {KINDS[kind][0]:44s} {_median(turns, 'first'):8.0f} {_median(turns, 'second'):8.0f}")
        for name in ("first", "second"):
            _ratios(found, ("prepared", "packed", "fast", "portable"), "fif", name, more_is_better=True)

    def writing(self) -> None:
        found = self._turns("writing", ["portable", "fast", "prepared", "fif", "epochs", "zarr"], 1)
        _title("files that reading made or changed beside the recording")
        for kind, turns in found.items():
            changed = turns[0]["changed"]
            shown = f"{len(changed)}, {turns[0]['bytes'] / 1e6:.0f} MB: {', '.join(changed)}"
            print(f"    {KINDS[kind][0]:44s} {shown if changed else 'none'}")

    def features(self) -> None:
        with open(self.folder / "night.edf", "rb") as file:
            windows = int(file.read(244)[236:]) // int(SECONDS)  # a record lasts a second
        source = str(self.folder / "portable.h5")
        _title(
            f"{features.FEATURES} features of {windows} windows: one value from a closed file; a column added"
        )
        found: Turns = {}
        for _ in range(self.rounds):
            for kind in features.KINDS:
                if not (kind.name.startswith("Parquet") and "pyarrow" in self.absent):
                    figures = _child("features", kind.name, source, str(self.folder), str(windows))
                    found.setdefault(kind.name, []).append(figures)
        for name, turns in found.items():
            each = " ".join(f"{_median(turns, what) * 1e3:8.1f} ms" for what in ("read", "add"))
            print(f"    {name:44s} {each}   (first read {_median(turns, 'first') * 1e3:.1f} ms)")
        own = [kind.name for kind in features.KINDS if not kind.name.startswith("Parquet")]
        for peer in ("Parquet (pandas)", "Parquet, one column of it"):
            for what in ("read", "add"):
                _ratios(found, own, peer, what)


def _child(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _title(text: str) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg()[:2])
    print(f"  {text}  [load {load}]", flush=True)


def _median(turns: Sequence[dict[str, Any]], name: str) -> float:
    return float(statistics.median(turn[name] for turn in turns))


def _ratios(found: Turns, kinds: Sequence[str], peer: str, name: str, more_is_better: bool = False) -> None:
    """How many times better each kind is than a peer: the median of the turns' ratios, and the least and most."""
    if peer not in found:
        return
    shown = []
    for kind in kinds:
        pairs = zip(found[kind], found[peer], strict=True)
        ratios = sorted(
            own[name] / other[name] if more_is_better else other[name] / own[name] for own, other in pairs
        )
        shown.append(f"{kind} {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    named = KINDS[peer][0] if peer in KINDS else peer
    print(f"      {name}, {named} / archive: {'; '.join(shown)}")
