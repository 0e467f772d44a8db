"""What is timed. Each task runs in a process of its own: `python -m benchmarks.tasks NAME FILE...`.

Imports come before the clock starts. Prints seconds and the process's peak memory in MB as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

WINDOWS = 40


def mne_to_fif(source: str, target: str) -> Callable[[], object]:
    import mne

    mne.set_log_level("ERROR")
    read = mne.io.read_raw_bdf if source.endswith(".bdf") else mne.io.read_raw_edf
    return lambda: read(source, preload=True).save(target, overwrite=True)


def _convert(codec: str, source: str, target: str) -> Callable[[], object]:
    import eegarchive

    return lambda: eegarchive.convert(source, target, codec=codec, overwrite=True)


def convert_portable(source: str, target: str) -> Callable[[], object]:
    return _convert("portable", source, target)


def convert_fast(source: str, target: str) -> Callable[[], object]:
    return _convert("fast", source, target)


def mne_physical(source: str) -> Callable[[], object]:
    import mne

    mne.set_log_level("ERROR")
    read = mne.io.read_raw_bdf if source.endswith(".bdf") else mne.io.read_raw_edf
    return lambda: read(source, preload=True)


def pyedflib_physical(source: str) -> Callable[[], object]:
    import pyedflib

    def run() -> None:
        with pyedflib.EdfReader(source) as reader:
            for i in range(reader.signals_in_file):
                reader.readSignal(i)

    return run


def pyedflib_digital(source: str) -> Callable[[], object]:
    import pyedflib

    def run() -> None:
        with pyedflib.EdfReader(source) as reader:
            for i in range(reader.signals_in_file):
                reader.readSignal(i, digital=True)

    return run


def edfio_digital(source: str) -> Callable[[], object]:
    import edfio

    read = edfio.read_bdf if source.endswith(".bdf") else edfio.read_edf
    return lambda: [np.array(signal.digital) for signal in read(source).signals]


def archive_physical(archive: str) -> Callable[[], object]:
    import eegarchive

    def run() -> None:
        with eegarchive.open(archive) as opened:
            opened.read()

    return run


def archive_digital(archive: str) -> Callable[[], object]:
    import eegarchive

    def run() -> None:
        with eegarchive.open(archive) as opened:
            _ = [signal.digital[:] for signal in opened.signals.values()]

    return run


def _median_window(path: str, read: Callable[[float], object]) -> float:
    """Median seconds of one random window, its file's pages dropped from memory before each."""
    from eegarchive.storage.files import drop_from_memory

    rng = random.Random(7)
    times = []
    for _ in range(WINDOWS):
        drop_from_memory(Path(path))
        start = rng.random()
        began = time.perf_counter()
        read(start)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def mne_window(source: str) -> Callable[[], float]:
    import mne

    mne.set_log_level("ERROR")
    reader = mne.io.read_raw_bdf if source.endswith(".bdf") else mne.io.read_raw_edf
    raw = reader(source)
    length = int(30 * raw.info["sfreq"])

    def read(where: float) -> object:
        start = int(where * (raw.n_times - length))
        return raw.get_data(picks=[3], start=start, stop=start + length)

    return lambda: _median_window(source, read)


def archive_window(archive: str) -> Callable[[], float]:
    import eegarchive

    opened = eegarchive.open(archive)
    signal = list(opened.signals.values())[3]
    length = int(30 * signal.sampling_rate)

    def read(where: float) -> object:
        start = int(where * (len(signal) - length))
        return signal[start : start + length]

    return lambda: _median_window(archive, read)


def mne_open_and_window(source: str) -> Callable[[], float]:
    import mne

    mne.set_log_level("ERROR")
    reader = mne.io.read_raw_bdf if source.endswith(".bdf") else mne.io.read_raw_edf

    def read(where: float) -> object:
        raw = reader(source)
        start = int(where * (raw.n_times - 30 * 256))
        return raw.get_data(picks=[3], start=start, stop=start + int(30 * raw.info["sfreq"]))

    return lambda: _median_window(source, read)


def archive_open_and_window(archive: str) -> Callable[[], float]:
    import eegarchive

    with eegarchive.open(archive) as opened:
        name = list(opened.signals)[3]

    def read(where: float) -> object:
        with eegarchive.open(archive) as opened:
            signal = opened.signals[name]
            start = int(where * (len(signal) - 30 * 256))
            return signal[start : start + int(30 * signal.sampling_rate)]

    return lambda: _median_window(archive, read)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _timed(task: Callable[[], object]) -> float:
    """Seconds a task takes, or that it found itself."""
    began = time.perf_counter()
    result = task()
    return result if isinstance(result, float) else time.perf_counter() - began


def main(name: str, *files: str) -> None:
    with quiet():
        task = globals()[name](*files)
        # on a virtual machine the first touch of a gigabyte can cost more than all else: not counted
        times = [_timed(task) for _ in range(4 if name.endswith(("_physical", "_digital")) else 1)]
        seconds = statistics.median(times[1:] or times)
    # of this process alone; ru_maxrss also counts the one that started it
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))
    sys.stdout.flush()
    os._exit(0)  # freeing gigabytes is nobody's measurement


if __name__ == "__main__":
    main(*sys.argv[1:])
