"""Features of windows, kept: one value read from a closed file, and a column added; beside a Parquet file.

Everything runs in a process of its own: `python -m benchmarks.features ARCHIVE FOLDER ROWS`. Prints a JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import eegarchive

FEATURES = 160
READS, ADDS = 20, 5

Columns = dict[str, np.ndarray[Any, Any]]
Figures = dict[str, float]


def table(rows: int) -> Columns:
    """A table of features, one row for each window."""
    rng = np.random.default_rng(0)
    return {"W": np.arange(rows), **{f"feature {i}": rng.standard_normal(rows) for i in range(FEATURES)}}


class OneCache:
    """All features in one cache."""

    name = "one cache of all"

    def __init__(self, source: Path, folder: Path, columns: Columns) -> None:
        self.path = folder / "features.h5"
        shutil.copy(source, self.path)
        with eegarchive.edit(self.path) as night:
            self.fill(night, columns)

    def fill(self, night: Any, columns: Columns) -> None:
        night.cache["features"].put_columns(columns, ["W"])

    def read(self, feature: str, row: int) -> float:
        with eegarchive.open(self.path) as night:
            return float(night.cache[self.place(feature)].get(feature, W=row))

    def place(self, feature: str) -> str:
        return "features"

    def add(self, feature: str, window: Any, values: Any) -> None:
        with eegarchive.edit(self.path) as night:
            night.cache[self.place(feature)].put_columns({"W": window, feature: values}, ["W"])


class CacheEach(OneCache):
    """A cache for each feature."""

    name = "a cache for each"

    def fill(self, night: Any, columns: Columns) -> None:
        for feature, values in columns.items():
            if feature != "W":
                night.cache[feature].put_columns({"W": columns["W"], feature: values}, ["W"])

    def place(self, feature: str) -> str:
        return feature


class OneVector(OneCache):
    """Each feature as one vector over all windows."""

    name = "a vector for each"

    def fill(self, night: Any, columns: Columns) -> None:
        for feature, values in columns.items():
            if feature != "W":
                night.cache[feature].put(feature, values)

    def read(self, feature: str, row: int) -> float:
        with eegarchive.open(self.path) as night:
            return float(night.cache[feature].get(feature)[row])

    def add(self, feature: str, window: Any, values: Any) -> None:
        with eegarchive.edit(self.path) as night:
            night.cache[feature].put(feature, values)


class Parquet:
    """A Parquet file as pandas writes it; one row by a filter, a column by writing it anew."""

    name = "Parquet (pandas)"

    def __init__(self, source: Path, folder: Path, columns: Columns) -> None:
        import pandas

        self.path = folder / "features.parquet"
        pandas.DataFrame(columns).to_parquet(self.path, index=False)

    def read(self, feature: str, row: int) -> float:
        import pandas

        found = pandas.read_parquet(self.path, filters=[("W", "==", row)])
        return float(found[feature].iloc[0])

    def add(self, feature: str, window: Any, values: Any) -> None:
        import pandas

        frame = pandas.read_parquet(self.path)
        frame[feature] = values
        frame.to_parquet(self.path, index=False)
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())


class ParquetColumn(Parquet):
    """The same, of which only the one column is read."""

    name = "Parquet, one column of it"

    def read(self, feature: str, row: int) -> float:
        import pandas

        found = pandas.read_parquet(self.path, columns=[feature], filters=[("W", "==", row)])
        return float(found[feature].iloc[0])


KINDS: tuple[type[Any], ...] = (OneCache, CacheEach, OneVector, Parquet, ParquetColumn)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(kind: type[Any], source: Path, folder: Path, rows: int) -> Figures:
    """Medians of reading one value from a closed file, and of adding a column; and the first read."""
    columns = table(rows)
    store = kind(source, folder, columns)
    rng = np.random.default_rng(5)
    reads = []
    for i, row in enumerate(rng.integers(0, rows, READS + 1).tolist()):
        feature = f"feature {i * 7 % FEATURES}"
        found: list[float] = []
        reads.append(_seconds(lambda f=feature, r=row, to=found: to.append(store.read(f, r))))  # type: ignore[misc]
        assert found == [columns[feature][row]]
    adds = [
        _seconds(lambda i=i: store.add(f"new {i}", columns["W"], columns["feature 0"] + i))  # type: ignore[misc]
        for i in range(ADDS + 1)
    ]
    store.path.unlink()
    return {"first": reads[0], "read": statistics.median(reads[1:]), "add": statistics.median(adds[1:])}


if __name__ == "__main__":
    chosen = next(kind for kind in KINDS if kind.name == sys.argv[1])
    print(json.dumps(measure(chosen, Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
