"""Tables of a state as CSV and Parquet: every number and text exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eegarchive.archive import Archive
from eegarchive.errors import NotInArchive
from eegarchive.frames import arrow
from eegarchive.storage.files import new_file

#: Tables by name; `cache:NAME` is one, too.
TABLES = ("annotations", "epochs", "segments", "signals", "history", "freezes", "warnings")
_CACHE = "cache:"


def export_table(archive: Archive, table: str, target: Path, overwrite: bool) -> int:
    """Write a table to a file, by its suffix; how many rows, or values of a cache, it has.

    Raises
    ------
    NotInArchive
        If there is no such table.
    """
    if table.startswith(_CACHE):
        name = table.removeprefix(_CACHE)
        return archive.cache.existing(name).export_file(target, overwrite=overwrite)
    if table not in TABLES:
        raise NotInArchive(f"{archive.path}: no table {table!r}; there are {', '.join(TABLES)}, {_CACHE}NAME")
    columns: Mapping[str, Sequence[Any]] = getattr(archive, table).columns()
    with new_file(target, overwrite) as temporary:
        if target.suffix.lower() == ".csv":
            _write_csv(columns, temporary)
        else:
            _write_parquet(columns, temporary, table, archive.digest)
    return len(next(iter(columns.values())))


def _write_csv(columns: Mapping[str, Sequence[Any]], path: Path) -> None:
    """Write texts in quotes and numbers without, in as many digits as bring them back; what is missing is empty."""
    listed = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_cell, columns)) + "\r\n")
        file.writelines(",".join(map(_cell, row)) + "\r\n" for row in zip(*listed, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else repr(value)


def _write_parquet(columns: Mapping[str, Sequence[Any]], path: Path, table: str, digest: str) -> None:
    pa = arrow()
    arrays = {name: _array(pa, values) for name, values in columns.items()}
    stated = {"eegarchive.table": table, "eegarchive.state": digest}
    pa.parquet.write_table(pa.table(arrays).replace_schema_metadata(stated), path)


def _array(pa: Any, values: Sequence[Any]) -> Any:
    """A column; one of objects, or of nothing at all, is of texts unless it says otherwise."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pa.array(values)
    listed = list(values)
    types = {type(value) for value in listed if value is not None}
    if types <= {str}:
        return pa.array(listed, pa.string())
    if len(types) > 1:  # an attribute that is a number for one signal and a text for another
        return pa.array([None if value is None else str(value) for value in listed], pa.string())
    return pa.array(listed)
