"""Rows of text files: Luna's long tables as `destrat` writes them, and CSV."""

from __future__ import annotations

import contextlib
import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import Block
from eegarchive.cache.files.cells import Collector, column_of_cells
from eegarchive.cache.files.faults import Fault, place
from eegarchive.cache.files.tables import ID, Values, blocks_of, choose, foreign, last_of_each
from eegarchive.scoring.text import shown
from eegarchive.storage.guard import printable

#: Few enough to stay in the processor's cache.
_BATCH = 1 << 10
#: Lines of some rows, and the cells of each; none of an empty line. The first such part is the header alone.
Rows = tuple[list[int], list[list[str]]]
#: Lines of some rows, and their cells column by column.
Batch = tuple[npt.NDArray[np.int64], list[tuple[str, ...]]]


@contextlib.contextmanager
def opened(path: Path, luna: bool) -> Iterator[tuple[list[str], Iterator[Batch]]]:
    """Header of a text file, and its rows in batches.

    UTF-8, with or without a byte order mark; lines end in any way, and empty ones at the end don't count.
    """
    with (
        place(path, lambda line: f"line {line}"),
        open(path, encoding="utf-8-sig", newline=None if luna else "") as file,
        contextlib.nullcontext() if luna else _long_cells(),
    ):
        try:
            rows = _luna_rows(file) if luna else _csv_rows(file)
            header = next(iter(next(rows)[1]), [])
            if not header:
                raise Fault("is empty; expected a header with the names of the columns", 1)
            if luna and header[0] != ID:
                raise Fault(f"the first column is {shown(header[0])}; expected {ID}, as destrat writes it", 1)
            yield header, _batches(rows, len(header))
        except UnicodeDecodeError:
            raise Fault("isn't text in UTF-8; save it as such", _undecodable_line(path)) from None


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let a cell be longer than 131072 characters: the text of a vector may be."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _luna_rows(file: TextIO) -> Iterator[Rows]:
    """Cells between tabs if the header has one, and then they may hold spaces; else between spaces."""
    header = file.readline()
    separator = "\t" if "\t" in header else None
    yield [1], [_split(header, separator)] if header else []
    line = 2
    while texts := list(itertools.islice(file, _BATCH)):
        yield list(range(line, line + len(texts))), [_split(text, separator) for text in texts]
        line += len(texts)


def _split(text: str, separator: str | None) -> list[str]:
    return [] if text.isspace() else text.rstrip("\n").split(separator)


def _csv_rows(file: TextIO) -> Iterator[Rows]:
    reader = csv.reader(file, strict=True)
    most, last = 1, 0
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        for cells in reader:
            lines.append(last + 1)
            rows.append(cells)
            last = reader.line_num
            if len(rows) == most:
                yield lines, rows
                lines, rows, most = [], [], _BATCH
    except csv.Error as error:
        raise Fault(f"isn't CSV: {printable(str(error))}", last + 1) from None
    yield lines, rows


def _batches(parts: Iterator[Rows], width: int) -> Iterator[Batch]:
    for lines, rows in parts:
        if set(map(len, rows)) - {width}:
            wrong = next(i for i, row in enumerate(rows) if len(row) != width)
            if rows[wrong]:
                raise Fault(f"{len(rows[wrong])} cells; expected {width}, as in the header", lines[wrong])
            if any(rows[wrong:]) or any(any(more) for _, more in parts):
                raise Fault("is empty, with rows behind it; take it out", lines[wrong])
            lines, rows = lines[:wrong], rows[:wrong]
        if rows:
            yield np.array(lines, np.int64), list(zip(*rows, strict=True))


def _undecodable_line(path: Path) -> int:
    with open(path, "rb") as file:
        for line, raw in enumerate(file, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                return line
    return 1


def read_table(
    path: Path,
    header: list[str],
    batches: Iterator[Batch],
    factors: Sequence[str],
    variables: Sequence[str] | None,
    identity: Sequence[str] | None,
    prefix: str,
    last: bool = False,
) -> list[Block]:
    """Values of a table whose columns are factors and variables.

    Raises
    ------
    EEGArchiveError
        With the line of what can't be understood.
    """
    with place(path, lambda _: "line 1"):
        strata, values = choose(header, factors, variables)
    at = {name: i for i, name in enumerate(header)}
    collectors = {asked.name: Collector() for asked in strata}
    collectors |= {asked.name: Collector(values=True) for asked in values}
    ids = Collector()
    seen: dict[str, None] = {}
    taken_lines = []
    for lines, columns in batches:
        if ID in at:
            own = columns[at[ID]]
            if identity is not None:
                seen.update(dict.fromkeys(own))
                kept = [cell in identity for cell in own]
                if not all(kept):
                    lines = lines[kept]
                    columns = [tuple(itertools.compress(column, kept)) for column in columns]
            ids.add(columns[at[ID]])
        taken_lines.append(lines)
        for column, collector in collectors.items():
            collector.add(columns[at[column]])
    line_of = np.concatenate([np.zeros(0, np.int64), *taken_lines])

    def name(row: int) -> str:
        return f"line {line_of[row]}"

    with place(path, name):
        if identity is not None and seen and not len(line_of):
            raise foreign(list(seen), identity)
        found = {
            asked.name: column_of_cells(collectors[asked.name].cells(), asked.name, asked.type)
            for asked in (*strata, *values)
        }
        stated = column_of_cells(ids.cells(), ID, "text") if ID in at else None
        if last:
            rows = last_of_each([found[asked.name] for asked in strata], len(line_of))
            line_of = line_of[rows]
            found = {name: column.take(rows) for name, column in found.items()}
            stated = None if stated is None else stated.take(rows)
        return blocks_of(
            {asked.name: found[asked.name] for asked in strata},
            {asked.name: Values(found[asked.name]) for asked in values},
            prefix,
            stated,
            name,
        )
