"""The table as a file: Parquet, CSV or TSV, written archive by archive.

What one archive gives is rendered whole (`rendered`, in any process) before a byte of it is written.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eegarchive.cache.columns import Block, Column
from eegarchive.cache.files.exact import encoded_values
from eegarchive.collecting.rows import Cells, Rows
from eegarchive.collecting.shapes import Field, Layout
from eegarchive.errors import EEGArchiveError
from eegarchive.frames import arrow
from eegarchive.storage.guard import printable

PARQUET = "parquet"
#: Name of each format, or what separates its cells, by suffix.
FORMATS = {".parquet": PARQUET, ".pq": PARQUET, ".csv": ",", ".tsv": "\t"}
#: Rows that are turned into text at a time, and that a group of rows in a Parquet file has at least.
_TEXT_ROWS, _GROUP_ROWS = 1 << 15, 1 << 17


def format_of(target: Path) -> str:
    """The format of a file by its suffix.

    Raises
    ------
    EEGArchiveError
        If it is none that can be written here.
    """
    found = FORMATS.get(target.suffix.lower())
    if found is None:
        raise EEGArchiveError(f"{printable(str(target))}: its suffix is none of {', '.join(FORMATS)}")
    if found == PARQUET:
        arrow()
    return found


def rendered(parts: Sequence[Rows], layout: Layout, form: str) -> Any:
    """Rows as `opened` takes them."""
    if form == PARQUET:
        schema = _schema(layout)
        return arrow().Table.from_batches([_batch(rows, layout, schema) for rows in parts], schema)
    return b"".join(_lines(_cells(some, layout), form) for rows in parts for some in rows.parts(_TEXT_ROWS))


@contextlib.contextmanager
def opened(path: Path, layout: Layout, form: str) -> Iterator[Callable[[Any], object]]:
    """A new file, as a function that writes what was rendered of one archive."""
    if form != PARQUET:
        with open(path, "wb") as file:
            file.write(_lines([[own.name for own in layout.fields]], form))
            yield file.write
        return
    pa = arrow()
    schema = _schema(layout)
    held: list[Any] = []

    def flush() -> None:
        if held:
            writer.write_table(pa.concat_tables(held), _GROUP_ROWS * 2)
            held.clear()

    def add(table: Any) -> None:
        held.append(table)
        if sum(part.num_rows for part in held) >= _GROUP_ROWS:  # a small group for each archive reads slowly
            flush()

    with pa.parquet.ParquetWriter(path, schema) as writer:
        yield add
        flush()


# -- text ---------------------------------------------------------------------------------------------


def _lines(rows: Iterable[Sequence[str]], separator: str) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode("utf-8")


def _cells(rows: Rows, layout: Layout) -> Iterator[tuple[str, ...]]:
    absent = [""] * rows.count
    columns = (rows.columns.get(own.name) for own in layout.fields)
    return zip(*(absent if cells is None else _texts(cells) for cells in columns), strict=True)


def _texts(cells: Cells) -> list[str]:
    """Each cell exactly: a number by its shortest text, a vector as JSON; empty where there is none."""
    if cells.offsets is None:
        found, missing = _scalars(cells.values), cells.values.missing
    else:
        count = len(cells.offsets) - 1
        found = encoded_values(Block(np.empty(count, object), {}, cells.values, cells.offsets))
        missing = np.zeros(count, bool) if cells.missing is None else cells.missing
    for i in np.flatnonzero(missing).tolist():
        found[i] = ""
    return found


def _scalars(column: Column) -> list[str]:
    values: list[Any] = column.values.tolist()
    if column.type == "text":
        return values
    found = list(map(repr, values))
    if column.type == "num":
        for i in np.flatnonzero(np.isnan(column.values)).tolist():
            found[i] = "NaN"
    return found


# -- Parquet ------------------------------------------------------------------------------------------


def _type(own: Field) -> Any:
    pa = arrow()
    plain = {"num": pa.float64(), "int": pa.int64(), "text": pa.string(), "bool": pa.bool_()}[own.type]
    return pa.list_(plain) if own.vectors else plain


def _schema(layout: Layout) -> Any:
    return arrow().schema([(own.name, _type(own)) for own in layout.fields])


def _batch(rows: Rows, layout: Layout, schema: Any) -> Any:
    pa = arrow()
    arrays = []
    for own in layout.fields:
        cells = rows.columns.get(own.name)
        if cells is None:
            arrays.append(pa.nulls(rows.count, _type(own)))
            continue
        scalar = Field(own.name, own.type)
        values = pa.array(cells.values.values, _type(scalar), mask=cells.values.missing)
        if cells.offsets is not None:
            mask = None if cells.missing is None else pa.array(cells.missing)
            values = pa.ListArray.from_arrays(pa.array(cells.offsets, pa.int32()), values, mask=mask)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
