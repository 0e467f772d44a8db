"""What values cost: a million in and out, one looked up, computed or reused; beside Parquet, SQLite and joblib.

The same values and the same pattern of hits and misses for all, in turns. Every write is synced to the disk.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import eegarchive

EPOCHS, CHANNELS, FREQUENCIES = 500, 20, 100
LOOKUPS = 10_000
#: Calls of a function, and how many values each gives.
CALLS, PER_CALL = 100, 500
ROUNDS = 5

Columns = dict[str, np.ndarray[Any, Any]]


def values() -> Columns:
    """A million values of 3 factors, in the order that a loop over epochs would make them."""
    epoch, channel, frequency = np.indices((EPOCHS, CHANNELS, FREQUENCIES)).reshape(3, -1)
    names = np.array([f"EEG {i}" for i in range(CHANNELS)], object)
    power = np.random.default_rng(0).standard_normal(len(epoch))
    return {"E": epoch, "CH": names[channel], "F": frequency / 2, "PSD": power}


def spectrum(night: object, channel: str, epoch: int) -> np.ndarray[Any, Any]:
    """What is computed: cheap, so that what is measured is keeping it."""
    return np.arange(PER_CALL) * float(epoch) + len(channel)


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


class Archive:
    """A cache in an archive."""

    name = "eegarchive"

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = folder / "values.h5"
        shutil.copy(source, self.path)
        self._before = self.path.stat().st_size

    def write(self, columns: Columns) -> None:
        with eegarchive.edit(self.path) as night:
            night.cache["psd"].put_columns(columns, ["E", "CH", "F"])

    def size(self) -> int:
        return self.path.stat().st_size - self._before

    def read(self) -> Any:
        with eegarchive.open(self.path) as night:
            return night.cache["psd"].columns("PSD")["PSD"].values

    def loaded(self) -> Callable[[int, str, float], float]:
        cache = eegarchive.open(self.path).cache["psd"]
        return lambda epoch, channel, frequency: float(cache.get("PSD", E=epoch, CH=channel, F=frequency))

    def compute(self) -> int:
        with eegarchive.open(self.path) as night:
            cache = night.cache["computed"]
            results = [cache.compute("spectrum", spectrum, channel="C3", epoch=i) for i in range(CALLS)]
            return sum(result.reused for result in results)


class ArchiveOneEdit(Archive):
    """The same, computed inside one edit."""

    name = "eegarchive, one edit"

    def compute(self) -> int:
        with eegarchive.edit(self.path) as night:
            cache = night.cache["computed"]
            results = [cache.compute("spectrum", spectrum, channel="C3", epoch=i) for i in range(CALLS)]
            return sum(result.reused for result in results)


class Parquet:
    """A file written by pyarrow, looked up by pandas."""

    name = "Parquet (pyarrow, pandas)"

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = folder / "values.parquet"

    def write(self, columns: Columns) -> None:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns), self.path)
        _sync(self.path)

    def size(self) -> int:
        return self.path.stat().st_size

    def read(self) -> Any:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(self.path)
        return {name: table[name].to_numpy() for name in table.column_names}["PSD"]

    def loaded(self) -> Callable[[int, str, float], float]:
        import pandas

        series: Any = pandas.read_parquet(self.path).set_index(["E", "CH", "F"])["PSD"]
        return lambda *key: float(series.at[key])


class SQLite:
    """A table with a primary key."""

    name = "SQLite"

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = folder / "values.db"

    def write(self, columns: Columns) -> None:
        database = sqlite3.connect(self.path)
        with database:
            database.execute(
                "create table psd (E int, CH text, F real, PSD real, primary key (E, CH, F)) without rowid"
            )
            rows = zip(*(column.tolist() for column in columns.values()), strict=True)
            database.executemany("insert into psd values (?, ?, ?, ?)", rows)
        database.close()

    def size(self) -> int:
        return self.path.stat().st_size

    def read(self) -> Any:
        database = sqlite3.connect(self.path)
        rows = database.execute("select E, CH, F, PSD from psd").fetchall()
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        database.close()
        return columns[3]

    def loaded(self) -> Callable[[int, str, float], float]:
        database = sqlite3.connect(self.path)
        query = "select PSD from psd where E = ? and CH = ? and F = ?"
        return lambda *key: float(database.execute(query, key).fetchone()[0])


class Joblib:
    """joblib.Memory, which keeps a folder for each call."""

    name = "joblib.Memory"

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder / "joblib"

    def compute(self) -> int:
        import joblib

        kept = joblib.Memory(self.folder, verbose=0).cache(spectrum, ignore=["night"])
        hits: int = sum(kept.check_call_in_cache(None, channel="C3", epoch=i) for i in range(CALLS))
        for i in range(CALLS):
            kept(None, channel="C3", epoch=i)
        return hits


def run(source: Path, folder: Path) -> None:
    """Measure and print, ratios to the archive's."""
    columns = values()
    print(f"\ncache: {len(columns['PSD']):,} values; medians of {ROUNDS} rounds after a warm-up, in turns")
    kinds: list[type[Any]] = [Archive, SQLite]
    kinds.insert(1, Parquet) if importlib.util.find_spec("pyarrow") else print("  pyarrow isn't installed")
    times: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, int] = {}
    for number in range(ROUNDS + 1):
        for kind in kinds:
            _measure(kind, source, folder, columns, times if number else {}, sizes)
    _print(times)
    own = sizes[Archive.name]
    sizes_text = ", ".join(f"{name} {size / 1e6:.1f} MB ({size / own:.2f})" for name, size in sizes.items())
    print(f"  size: {sizes_text}")
    callers: list[type[Any]] = [Archive, ArchiveOneEdit]
    callers += [Joblib] if importlib.util.find_spec("joblib") else []
    if len(callers) < 3:
        print("  joblib isn't installed")
    computed: dict[str, dict[str, list[float]]] = {}
    for number in range(ROUNDS + 1):
        for kind in callers:
            _calls(kind, source, folder, computed if number else {})
    print(f"  a function called {CALLS} times, {PER_CALL} values each: new, then again")
    _print(computed)


def _measure(
    kind: type[Any],
    source: Path,
    folder: Path,
    columns: Columns,
    times: dict[str, dict[str, list[float]]],
    sizes: dict[str, int],
) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    store = kind(source, scratch)

    def timed(what: str, work: Callable[[], Any], per: int = 1) -> Any:
        began = time.perf_counter()
        found = work()
        seconds = (time.perf_counter() - began) / per
        times.setdefault(what, {}).setdefault(kind.name, []).append(seconds)
        return found

    timed("write all", lambda: store.write(columns))
    sizes[kind.name] = store.size()
    assert np.array_equal(np.sort(timed("read all", store.read)), np.sort(columns["PSD"]))
    look_up = timed("open and look up the first", lambda: _first(store))
    keys = np.random.default_rng(1).integers(0, len(columns["PSD"]), LOOKUPS)
    listed = list(zip(*(columns[name][keys].tolist() for name in ("E", "CH", "F")), strict=True))
    found = timed("look up one, loaded", lambda: [look_up(*key) for key in listed], LOOKUPS)
    assert found == columns["PSD"][keys].tolist()
    shutil.rmtree(scratch)


def _first(store: Any) -> Callable[[int, str, float], float]:
    look_up: Callable[[int, str, float], float] = store.loaded()
    look_up(7, "EEG 3", 0.5)
    return look_up


def _calls(kind: type[Any], source: Path, folder: Path, times: dict[str, dict[str, list[float]]]) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    store = kind(source, scratch)
    for what, hits in (("computed", 0), ("reused", CALLS)):
        began = time.perf_counter()
        assert store.compute() == hits
        times.setdefault(what, {}).setdefault(kind.name, []).append((time.perf_counter() - began) / CALLS)
    shutil.rmtree(scratch)


def _print(times: dict[str, dict[str, list[float]]]) -> None:
    for what, kinds in times.items():
        reference = next(iter(kinds.values()))
        print(f"  {what}")
        for name, found in kinds.items():
            ratio = statistics.median(other / own for other, own in zip(found, reference, strict=True))
            print(f"    {name:28s} {_shown(statistics.median(found)):>12s}   {ratio:8.2f} times as long")


def _shown(seconds: float) -> str:
    return (
        f"{seconds:.3f} s"
        if seconds >= 0.1
        else f"{1e3 * seconds:.3f} ms"
        if seconds >= 1e-4
        else f"{1e6 * seconds:.2f} us"
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
