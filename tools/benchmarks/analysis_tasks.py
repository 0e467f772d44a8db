"""What is timed of analysis, each task in a process of its own: `python -m benchmarks.analysis_tasks NAME FOLDER`.

A folder holds one recording in all formats. Imports, and one call that doesn't count, come before the clock starts.
Prints a JSON object of figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import recordings

SECONDS, SAMPLES = 2.0, 2 * recordings.RATE
#: Windows that are read first of a new dataset, and after all of them were read.
COLD, WARM = 500, 2000
BATCH, WORKERS = 32, 2
OPENS = 15
SET = "w2s"

Figures = dict[str, Any]


def peak_mb() -> float:
    """Peak memory of this process; ru_maxrss also counts the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def bytes_of(path: Path) -> int:
    files = [path] if path.is_file() else [below for below in path.rglob("*") if below.is_file()]
    return sum(file.stat().st_size for file in files)


# -- from EDF to windows ------------------------------------------------------------------------


def _archive(codec: str, stored: str | None, edf: Path, out: Path) -> None:
    import eegarchive

    eegarchive.convert(edf, out, codec=codec, overwrite=True)
    if stored is not None:
        with eegarchive.edit(out) as night:
            night.prepare_windows(SET, SECONDS, codec=stored)


def _raw(edf: Path) -> Any:
    import mne

    return mne.io.read_raw_edf(edf, preload=False, verbose="ERROR")


def _fif(edf: Path, out: Path) -> None:
    _raw(edf).save(out, overwrite=True, verbose="ERROR")


def _epochs(edf: Path, out: Path) -> None:
    import mne

    epochs = mne.make_fixed_length_epochs(_raw(edf), SECONDS, preload=False, verbose="ERROR")
    epochs.save(out, overwrite=True, verbose="ERROR")


def _zarr(edf: Path, out: Path) -> None:
    from braindecode.datasets import BaseConcatDataset, RawDataset
    from braindecode.datautil.hub_formats import convert_to_zarr
    from braindecode.preprocessing import create_fixed_length_windows

    windows = create_fixed_length_windows(
        BaseConcatDataset([RawDataset(_raw(edf), description={"subject": "1"})]),
        window_size_samples=SAMPLES,
        window_stride_samples=SAMPLES,
        drop_last_window=True,
        preload=False,
    )
    convert_to_zarr(windows, out, overwrite=True)


def _memory_map(edf: Path, out: Path) -> None:
    raw = _raw(edf)
    block = 600 * recordings.RATE
    mapped = np.lib.format.open_memmap(out, "w+", np.float32, (len(raw.ch_names), int(raw.n_times)))
    for start in range(0, raw.n_times, block):
        part = raw._getitem((slice(None), slice(start, start + block)), return_times=False)
        mapped[:, start : start + block] = part * 1e6
    mapped.flush()


#: What each way to prepare windows writes, and how.
PREPARED: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "portable": ("portable.h5", lambda edf, out: _archive("portable", None, edf, out)),
    "fast": ("fast.h5", lambda edf, out: _archive("fast", None, edf, out)),
    "prepared": ("prepared.h5", lambda edf, out: _archive("portable", "none", edf, out)),
    "packed": ("packed.h5", lambda edf, out: _archive("portable", "portable", edf, out)),
    "fif": ("night_raw.fif", _fif),
    "epochs": ("w2s-epo.fif", _epochs),
    "npy": ("night.npy", _memory_map),
    "zarr": ("zarr", _zarr),
}


def prepare(kind: str, folder: Path) -> Figures:
    """Time, peak memory above that of the imports, and bytes of one way from EDF to windows."""
    name, make = PREPARED[kind]
    short = recordings.generate(folder / "minute.edf", 1 / 60)
    make(short, folder / f"minute-{name}")
    out = folder / name
    shutil.rmtree(folder / ".zarr_memmap", ignore_errors=True)
    before = peak_mb()
    began = time.perf_counter()
    make(folder / "night.edf", out)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mb": peak_mb(), "above_mb": peak_mb() - before, "bytes": bytes_of(out)}


# -- datasets -----------------------------------------------------------------------------------


class RawWindows:
    """Windows of MNE's Raw as braindecode reads them: by `_getitem`, which is quicker than `raw[...]`."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return int(self.raw.n_times) // SAMPLES

    def __getitem__(self, i: int) -> tuple[Any, int, list[int]]:
        start, stop = i * SAMPLES, (i + 1) * SAMPLES
        found = self.raw._getitem((slice(None), slice(start, stop)), return_times=False)
        return np.array(found, np.float32), -1, [i, start, stop]


class EpochWindows:
    """Windows of MNE's Epochs in a file, as braindecode reads them: by its quick private way."""

    def __init__(self, epochs: Any) -> None:
        self.epochs = epochs

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, i: int) -> tuple[Any, int, list[int]]:
        found = self.epochs._get_epoch_from_raw(i).astype(np.float32)
        return found, -1, [i, i * SAMPLES, (i + 1) * SAMPLES]


class MappedWindows:
    """Windows of a memory map of all samples."""

    def __init__(self, mapped: npt.NDArray[np.float32]) -> None:
        self.mapped = mapped

    def __len__(self) -> int:
        return int(self.mapped.shape[1]) // SAMPLES

    def __getitem__(self, i: int) -> tuple[Any, int, list[int]]:
        start, stop = i * SAMPLES, (i + 1) * SAMPLES
        return np.array(self.mapped[:, start:stop]), -1, [i, start, stop]


def dataset(kind: str, folder: Path) -> Any:
    """A new dataset of all windows, and what its values are to be multiplied by for microvolts."""
    if kind in ("portable", "fast", "prepared", "packed"):
        import eegarchive

        path = folder / PREPARED[kind][0]
        return eegarchive.windows(path, prepared=SET if kind in ("prepared", "packed") else None)
    if kind == "zarr":
        from braindecode.datautil.hub_formats import load_from_zarr

        return load_from_zarr(folder / "zarr", preload=False)
    if kind == "npy":
        return MappedWindows(np.load(folder / "night.npy", mmap_mode="r"))
    import mne

    if kind == "epochs":
        return EpochWindows(mne.read_epochs(folder / "w2s-epo.fif", preload=False, verbose="ERROR"))
    if kind == "fif":
        return RawWindows(mne.io.read_raw_fif(folder / "night_raw.fif", preload=False, verbose="ERROR"))
    return RawWindows(_raw(folder / "night.edf"))


def opening(kind: str, folder: Path) -> Figures:
    """Seconds to open a recording lazily, and to open a dataset of it and read one window."""
    import mne

    import eegarchive

    def only_open() -> object:
        if kind in ("portable", "fast"):
            with eegarchive.open(folder / PREPARED[kind][0]) as night:
                return list(night.signals), night.duration
        if kind == "raw of portable":
            return eegarchive.read_raw(folder / "portable.h5")
        return dataset(kind, folder)

    def and_read() -> object:
        found = dataset("portable" if kind == "raw of portable" else kind, folder)
        return found[len(found) // 2]

    hidden = folder / ".zarr_memmap"
    mne.set_log_level("ERROR")
    if kind == "zarr":
        figures: dict[str, float] = {}
        dataset(kind, folder)[0]
        for name, work in (("open", only_open), ("read", and_read)):
            shutil.rmtree(hidden)
            figures[name] = _seconds(work)
        again = [_seconds(only_open) for _ in range(OPENS + 1)][1:]
        return {**figures, "again": statistics.median(again)}
    return {
        name: statistics.median([_seconds(work) for _ in range(OPENS + 1)][1:])
        for name, work in (("open", only_open), ("read", and_read))
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reading(kind: str, folder: Path) -> Figures:
    """Seconds for a random window: the first ones of a new dataset, all of them, and some after that."""
    warmed = dataset(kind, folder)
    for i in range(3):
        warmed[i]
    del warmed
    windows = dataset(kind, folder)
    count = len(windows)
    order = np.random.default_rng(1).permutation(count).tolist()
    cold = min(COLD, count)
    first = _seconds(lambda: _each(windows, order[:cold]))
    rest = _seconds(lambda: _each(windows, order[cold:]))
    again = np.random.default_rng(2).integers(0, count, WARM).tolist()
    taken = [_seconds(lambda i=i: windows[i]) for i in again]  # type: ignore[misc]  # mypy can't infer it
    peak = peak_mb()
    values = np.abs(np.asarray(windows[count // 3][0], float)).sum()
    return {
        "cold": first / cold,
        "all": (first + rest) / count,
        "warm": statistics.median(taken),
        "sum": values * (1e6 if kind in ("fif", "edf", "epochs", "zarr") else 1.0),
        "peak_mb": peak,
    }


def _each(windows: Any, order: list[int]) -> None:
    """Read windows and let go of each at once."""
    for i in order:
        windows[i]


def loading(kind: str, folder: Path) -> Figures:
    """Windows per second of torch's DataLoader, shuffled: the first epoch with its start, and the second."""
    from torch.utils.data import DataLoader

    windows = dataset(kind, folder)
    loader = DataLoader(windows, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return {
        name: len(windows) / _seconds(lambda: [len(batch[0]) for batch in loader])
        for name in ("first", "second")
    }


def writing(kind: str, folder: Path) -> Figures:
    """Files that reading makes or changes in the recording's folder."""

    def listing() -> dict[str, tuple[int, int]]:
        found = [folder, *folder.rglob("*")]
        return {str(path.relative_to(folder)): _stamp(path) for path in found}

    shutil.rmtree(folder / ".zarr_memmap", ignore_errors=True)
    before = listing()
    windows = dataset(kind, folder)
    for i in range(0, len(windows), len(windows) // 9):
        windows[i]
    if kind in ("portable", "fast"):
        import eegarchive

        with eegarchive.open(folder / PREPARED[kind][0]) as night:
            night.to_raw().get_data(stop=1000)
            list(night.annotations.columns())
    del windows
    after = listing()
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return {"changed": changed, "bytes": sum(after[name][0] for name in changed if name in after)}


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return (status.st_size if path.is_file() else 0), status.st_mtime_ns


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


TASKS: dict[str, Callable[[str, Path], Figures]] = {
    "prepare": prepare,
    "opening": opening,
    "reading": reading,
    "loading": loading,
    "writing": writing,
}


def main(task: str, kind: str, folder: str) -> None:
    with _quiet():
        found = TASKS[task](kind, Path(folder))
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # freeing gigabytes is nobody's measurement


if __name__ == "__main__":
    main(*sys.argv[1:])
