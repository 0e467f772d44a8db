"""Outputs as files in a folder: one for each command and set of factors."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eegarchive.errors import EEGArchiveError, TargetExists
from eegarchive.frames import arrow
from eegarchive.luna.database import Database, Stored
from eegarchive.storage.files import new_file
from eegarchive.storage.guard import printable

#: Formats of the files, by their names' suffixes.
FORMS = ("tsv", "parquet")
NOT_AVAILABLE = "NA"
#: Rows that are in memory at once.
_ROWS_AT_ONCE = 100_000


def prepare_folder(folder: Path, form: str, overwrite: bool) -> None:
    """Make a folder for outputs, before anything is run.

    Raises
    ------
    TargetExists
        If there are files of outputs in it, and they may not be replaced.
    EEGArchiveError
        If it is a file, the format is unknown, or what writes the format isn't installed.
    """
    if form not in FORMS:
        raise EEGArchiveError(f"no format {form!r} for tables; there are {', '.join(FORMS)}")
    if form == "parquet":
        arrow()
    if folder.exists() and not folder.is_dir():
        raise EEGArchiveError(f"{printable(str(folder))}: is a file, where a folder for tables is needed")
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(path.name for path in folder.iterdir() if path.suffix == f".{form}")
    if found and not overwrite:
        raise TargetExists(
            f"{printable(str(folder))}: has tables already ({printable(found[0])}); give another folder, "
            "or overwrite (--overwrite)"
        )


def write_tables(database: Database, folder: Path, form: str, overwrite: bool) -> list[Path]:
    """Write each table of a database as a file; each appears whole or not at all.

    TSV has full precision, `NA` where a value is missing, and 1 and 0 for true and false; a tab or line's end in a text
    becomes a blank.

    Returns
    -------
    list of Path
    """
    written = []
    for table in database.tables():
        target = folder / f"{table.name}.{form}"
        with new_file(target, overwrite) as temporary:
            (_write_tsv if form == "tsv" else _write_parquet)(database, table, temporary)
        written.append(target)
    return written


def _write_tsv(database: Database, table: Stored, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(map(text_of, table.columns)) + "\n")
        for rows in _batches(database, table):
            file.writelines("\t".join(map(text_of, row)) + "\n" for row in rows)


def text_of(value: Any) -> str:
    """A value as a cell of a text table: numbers exactly, whole ones without a point as Luna's; `NA` for None."""
    if isinstance(value, str):
        return " ".join(value.splitlines()).replace("\t", " ") if value else ""
    return NOT_AVAILABLE if value is None else repr(value).removesuffix(".0")


def _write_parquet(database: Database, table: Stored, path: Path) -> None:
    pa = arrow()
    types = {
        "num": pa.float64(),
        "int": pa.int64(),
        "text": pa.string(),
        "bool": pa.bool_(),
        "": pa.float64(),
    }
    schema = pa.schema([(name, types[table.types[name]]) for name in table.columns])
    with pa.parquet.ParquetWriter(os.fspath(path), schema) as writer:
        for rows in _batches(database, table):
            columns = [
                pa.array(
                    values
                    if table.types[name] != "bool"
                    else [None if v is None else bool(v) for v in values],
                    types[table.types[name]],
                )
                for name, values in zip(table.columns, zip(*rows, strict=True), strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _batches(database: Database, table: Stored) -> Iterator[list[tuple[Any, ...]]]:
    rows = database.rows(table)
    while batch := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield batch
