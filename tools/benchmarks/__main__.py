"""Run benchmarks and print ratios, each pair measured in turn in the same run."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from benchmarks import analysis, cache, chunks, luna, recordings, states

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "edf"
MEASURES = (
    "convert",
    "physical",
    "digital",
    "window",
    "size",
    "memory",
    "states",
    "cache",
    "analysis",
    "luna",
    "chunks",
)
#: They make what they need, and are only run when asked for.
OWN_SOURCES = ("states", "cache", "analysis", "luna")


class Bench:
    """One run: where the files are, and how many rounds count."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds

    def time(self, task: str, *files: Path) -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.tasks", task, *map(str, files)],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    def compare(self, title: str, tasks: Sequence[tuple[str, tuple[Path, ...]]], unit: str = "s") -> None:
        """Time tasks in turn, one warm-up round and then `rounds`; print medians and ratios to the first."""
        print(f"\n{title}")
        times: dict[str, list[float]] = {}
        peaks: dict[str, float] = {}
        for number in range(self.rounds + 1):
            for name, files in tasks:
                label = f"{name} {files[0].suffix if len(tasks) < 2 else files[0].stem}"
                found = self.time(name, *files)
                if number:
                    times.setdefault(label, []).append(found["seconds"])
                    peaks[label] = max(peaks.get(label, 0), found["peak_mb"])
        reference = next(iter(times.values()))
        factor = 1000 if unit == "ms" else 1
        for label, values in times.items():
            peak = f"  peak {peaks[label]:.0f} MB"
            ratios = [a / b for a, b in zip(reference, values, strict=True)]
            print(
                f"  {label:42s} {factor * statistics.median(values):8.3f} {unit}"
                f"  (min {factor * min(values):.3f}, max {factor * max(values):.3f})"
                f"  {statistics.median(ratios):6.2f} times as fast{peak}"
            )

    def archives(self, source: Path) -> dict[str, Path]:
        """Archives of a recording, one for each codec that is measured."""
        import eegarchive

        found = {}
        for codec in ("portable", "fast"):
            found[codec] = self.folder / f"{source.stem}-{codec}.h5"
            if not found[codec].exists():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    eegarchive.convert(source, found[codec], codec=codec)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument(
        "measures",
        nargs="*",
        metavar="|".join(MEASURES),
        help="default: all but chunks, states, cache, analysis and luna",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=8.0, help="length of the generated recording")
    parser.add_argument("--folder", type=Path, help="where recordings are kept between runs")
    options = parser.parse_args()
    wanted = options.measures or [m for m in MEASURES if m not in ("chunks", *OWN_SOURCES)]
    for measure in wanted:
        if measure not in MEASURES:
            parser.error(f"{measure!r}; there are {', '.join(MEASURES)}")
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.processor() or platform.machine()}, {cores} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, options.rounds)
        if set(wanted) <= set(OWN_SOURCES):
            for measure in wanted:
                without_sources(measure, bench, options.hours)
            return
        sources = [recordings.generate(folder / "generated.edf", options.hours)]
        real = SHARED / "edfplusc_clinical_psg_osas.edf"
        if real.exists():
            sources.append(recordings.tile(real, folder / "real.edf", sources[0].stat().st_size))
        else:
            print(f"no real recording: {real} is not there")
        for measure in wanted:
            if measure in OWN_SOURCES:
                without_sources(measure, bench, options.hours)
            else:
                run(measure, bench, sources)


def run(measure: str, bench: Bench, sources: Sequence[Path]) -> None:
    if measure == "memory":
        memory(bench)
        return
    if measure == "size":
        size(bench, [*sources, *sorted(SHARED.glob("*.[eb]df"))])
        return
    for source in sources:
        megabytes = source.stat().st_size / 1e6
        title = f"{measure}: {source.name} ({megabytes:.0f} MB)"
        if measure == "convert":
            out = bench.folder
            tasks: list[tuple[str, tuple[Path, ...]]] = [
                ("mne_to_fif", (source, out / "out_raw.fif")),
                ("convert_portable", (source, out / "out.h5")),
                ("convert_fast", (source, out / "out.h5")),
            ]
            bench.compare(f"{title}, ours with its verification", tasks)
            continue
        archives = bench.archives(source)
        if measure == "physical":
            own = [("archive_physical", (path,)) for path in archives.values()]
            peers = [("mne_physical", (source,)), ("pyedflib_physical", (source,))]
            bench.compare(f"{title}, all of it into float64", [*peers, *own])
        elif measure == "digital":
            own = [("archive_digital", (path,)) for path in archives.values()]
            peers = [
                ("mne_physical", (source,)),
                ("pyedflib_digital", (source,)),
                ("edfio_digital", (source,)),
            ]
            bench.compare(f"{title}, all of it into integers (MNE: float64)", [*peers, *own])
        elif measure == "window":
            own = [("archive_window", (path,)) for path in archives.values()]
            bench.compare(f"{title}, 30 s of one channel, cold", [("mne_window", (source,)), *own], "ms")
            own = [("archive_open_and_window", (path,)) for path in archives.values()]
            peers = [("mne_open_and_window", (source,))]
            bench.compare(f"{title}, open and 30 s of one channel, cold", [*peers, *own], "ms")
        elif measure == "chunks":
            chunks.run(source, bench.folder)


def without_sources(measure: str, bench: Bench, hours: float) -> None:
    """Measures that make what they need."""
    import eegarchive

    folder = bench.folder
    if measure == "states":
        states.run(folder, 24)
        return
    if measure == "analysis":
        analysis.run(folder, hours, bench.rounds)
        return
    if measure == "luna":
        luna.run(folder, hours, bench.rounds)
        return
    source = recordings.generate(folder / "generated-1h.edf", 1.0)
    if not source.with_suffix(".h5").exists():
        eegarchive.convert(source, source.with_suffix(".h5"))
    cache.run(source.with_suffix(".h5"), folder)


def size(bench: Bench, sources: Sequence[Path]) -> None:
    """Archive and gzip -6 as parts of the recording's size."""
    import eegarchive

    print("\nsize, as a part of the recording's")
    print(f"  {'recording':40s} {'MB':>7s} {'gzip -6':>8s} {'portable':>9s} {'fast':>6s}")
    for source in sources:
        total = source.stat().st_size
        squeezed = len(gzip.compress(source.read_bytes(), 6)) / total
        row = []
        for codec in ("portable", "fast"):
            target = bench.folder / f"size-{codec}.h5"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row.append(
                    eegarchive.convert(source, target, codec=codec, overwrite=True).archive_bytes / total
                )
        print(f"  {source.name:40s} {total / 1e6:7.2f} {squeezed:8.3f} {row[0]:9.3f} {row[1]:6.3f}")


def memory(bench: Bench) -> None:
    """Peak memory of converting 1, 8 and 24 hours."""
    print("\nmemory: peak of convert with its verification, 20 channels at 256 Hz")
    for hours in (1, 8, 24):
        source = recordings.generate(bench.folder / f"generated-{hours}h.edf", hours)
        for task in ("convert_portable", "convert_fast"):
            found = bench.time(task, source, bench.folder / "out.h5")
            print(f"  {hours:2d} h  {task:18s} {found['peak_mb']:6.0f} MB  {found['seconds']:6.2f} s")
        if hours != 8:
            source.unlink()


main()
