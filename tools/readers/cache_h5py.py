"""Read a cache with h5py: cache_h5py.py ARCHIVE CACHE [STATE].

STATE is the path of a freeze, /freezes/N2 for one; without it, the working state's cache is read. Whether a value
still holds for the state isn't looked at: see "Caches" in docs/readers.md.
"""

import sys
from typing import Any

import h5py

archive, name, state = [*sys.argv[1:], ""][:3]


def value(row: Any) -> Any:
    """A scalar, or an element of a vector; None if it is missing."""
    found = row["value"]
    return None if row["missing"] else found.decode() if isinstance(found, bytes) else found


def strata(row: Any) -> list[str]:
    """Only the factors that this entry has; what stands under others is no level."""
    names = row["factors"].decode().split(",") if row["factors"] else []
    levels = [row[name] for name in names]
    return [
        f"{name}={level.decode() if isinstance(level, bytes) else level}"
        for name, level in zip(names, levels, strict=True)
    ]


def show(kind: str, row: Any, *values: Any) -> None:
    shown = ["missing" if value is None else value for value in values]
    print(kind, row["variable"].decode(), "; ".join(strata(row)), *shown, sep="\t")


with h5py.File(archive, "r") as h5:
    cache = h5[f"{state}/cache/{name}"]
    for kind in ("num", "int", "text", "bool"):
        if kind in cache:
            for row in cache[kind][:]:
                show(kind, row, value(row))
        if f"{kind}_vectors" in cache:
            elements = [value(row) for row in cache[f"{kind}_elements"][:]]
            for row in cache[f"{kind}_vectors"][:]:
                show(f"{kind}[]", row, *elements[row["start"] : row["stop"]])
