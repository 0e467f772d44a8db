"""Values as CSV, exactly: `variable`, `type`, a column for each factor, `missing` (0 or 1), `value`.

`type` says whether values are vectors (`num_vector`), which are written as JSON. A factor's cell is empty where a value
doesn't have the factor. Levels need no type beside them: those that are text, but empty or like anything else (`10`,
`TRUE`, `NA`), are written as JSON's texts, in quotes (`"10"`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import Block, Column
from eegarchive.cache.files.cells import Cells, Collector, column_of_cells, kinds_of
from eegarchive.cache.files.exact import (
    KINDS,
    blocks_of_rows,
    decoded_vectors,
    encoded_values,
    kind_of_block,
    slices,
    unified,
)
from eegarchive.cache.files.faults import Fault, place
from eegarchive.cache.files.tables import Asked, Values, ask
from eegarchive.cache.files.text import Batch
from eegarchive.scoring.text import shown

_BEFORE, _BEHIND = ["variable", "type"], ["missing", "value"]


def is_exact(header: list[str]) -> bool:
    """Whether a table is one that was written here."""
    return len(header) >= 4 and header[:2] == _BEFORE and header[-2:] == _BEHIND


def dump(blocks: Sequence[Block], stream: TextIO) -> None:
    """Write the table; the stream must not translate line ends."""
    types, blocks = unified(blocks)
    writer = csv.writer(stream)
    writer.writerow([*_BEFORE, *types, *_BEHIND])
    for block in slices(blocks):
        absent = [""] * len(block)
        levels = [_levels(block.factors[name]) if name in block.factors else absent for name in types]
        kind, vectors = kind_of_block(block), block.offsets is not None
        missing = np.zeros(len(block), bool) if vectors else block.values.missing
        values = encoded_values(block) if vectors else _scalars(block.values)
        flags = missing.astype(int).tolist()
        writer.writerows(
            zip(block.variables.tolist(), [kind] * len(block), *levels, flags, values, strict=True)
        )


def _scalars(column: Column) -> list[str]:
    """Each value as its shortest exact text; nothing where one is missing."""
    values = column.values.tolist()
    found = values if column.type == "text" else list(map(repr, values))
    for i in np.flatnonzero(column.missing).tolist():
        found[i] = ""
    return found


def _levels(column: Column) -> list[str]:
    found = _scalars(column)
    if column.type == "text":
        distinct = list(dict.fromkeys(found))
        known = dict(zip(distinct, map(_level, distinct, kinds_of(distinct)), strict=True))
        found = [known[text] for text in found]
        for i in np.flatnonzero(column.missing).tolist():
            found[i] = ""
    return found


def _level(text: str, kind: str) -> str:
    plain = kind == "text" and not text.startswith('"')
    return text if plain else json.dumps(text, ensure_ascii=False)


def read(
    path: Path,
    header: list[str],
    batches: Iterator[Batch],
    factors: Sequence[str],
    variables: Sequence[str] | None,
    prefix: str,
) -> list[Block]:
    """Values of such a table.

    Raises
    ------
    EEGArchiveError
        With the line of what can't be understood.
    """
    names = header[2:-2]
    with place(path, lambda _: "line 1"):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Fault(f"the header has the factor {shown(twice)} twice")
        stated = {asked.name: asked for asked in ask(factors, names, "factor")}
    collectors = [*(Collector() for _ in header[:-1]), Collector(values=True)]
    taken_lines = []
    for lines, columns in batches:
        taken_lines.append(lines)
        for collector, column in zip(collectors, columns, strict=True):
            collector.add(column)
    line_of = np.concatenate([np.zeros(0, np.int64), *taken_lines])
    named, kinds, *strata, missing, values = [collector.cells() for collector in collectors]

    def name(row: int) -> str:
        return f"line {line_of[row]}"

    def values_of(kind: str, rows: npt.NDArray[np.int64]) -> Values:
        return _values(values.take(rows), flags[rows], kind)

    with place(path, name):
        flags = _flags(missing)
        return blocks_of_rows(
            column_of_cells(named, "variable", "text", ["text"] * len(named.texts)),
            [kinds.texts[code] for code in kinds.codes.tolist()],
            {
                factor: _factor(cells, stated.get(factor, Asked(factor)))
                for factor, cells in zip(names, strata, strict=True)
            },
            values_of,
            variables,
            prefix,
            name,
        )


def _flags(cells: Cells) -> npt.NDArray[np.bool_]:
    wrong = [code for code, text in enumerate(cells.texts) if text not in ("0", "1")]
    if wrong:
        raise Fault(f"missing is {shown(cells.texts[wrong[0]])}; expected 0 or 1", cells.first(wrong[0]))
    return np.array([text == "1" for text in cells.texts], bool)[cells.codes]


def _factor(cells: Cells, asked: Asked) -> Column:
    """Levels of a factor: texts in quotes are text whatever they say."""
    texts, kinds = [], []
    for code, (text, kind) in enumerate(zip(cells.texts, kinds_of(cells.texts), strict=True)):
        quoted = text.startswith('"')
        texts.append(_unquoted(text, cells, code, asked.name) if quoted else text)
        kinds.append("text" if kind == "missing" and text else kind)
    return column_of_cells(Cells(texts, cells.codes), asked.name, asked.type, kinds)


def _unquoted(text: str, cells: Cells, code: int, what: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        raise Fault(f"{what} is {shown(text)}, which isn't a text of JSON", cells.first(code)) from None
    return str(found)


def _values(cells: Cells, missing: npt.NDArray[np.bool_], kind: str) -> Values:
    """Values of one kind."""
    type_, vectors = KINDS[kind]
    empty = np.array([not text for text in cells.texts], bool)[cells.codes]
    if (missing & (~empty | vectors)).any():
        raise Fault("has a value, but missing is 1", int((missing & (~empty | vectors)).argmax()))
    if vectors:
        return decoded_vectors(_arrays(cells), type_, "the value")
    if type_ == "text":
        column = column_of_cells(cells, "value", type_, ["text"] * len(cells.texts))
        return Values(Column(type_, column.values, missing))
    column = column_of_cells(cells, "value", type_)
    if (column.missing & ~missing).any():
        raise Fault("has no value, but missing is 0", int((column.missing & ~missing).argmax()))
    return Values(column)


def _arrays(cells: Cells) -> list[Any]:
    found = []
    for code, text in enumerate(cells.texts):
        try:
            found.append(json.loads(text))
        except (ValueError, RecursionError):
            raise Fault(f"the value {shown(text)} isn't an array of JSON", cells.first(code)) from None
    return [found[code] for code in cells.codes.tolist()]
