"""Values in Parquet files, by pyarrow: exactly, or from any table.

A file that is written here has the columns `variable` and `type`, one for each factor (null where a value doesn't have
it), and `value`; where there are values of several kinds, one column for each instead (`num`, `int_vector`, ...), null
in the rows of the others. NaN is a number, null is missing. The metadata name the schema and the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import EXACT_INTEGERS, FILLERS, Block, Column
from eegarchive.cache.files.cells import Collector, column_of_cells
from eegarchive.cache.files.exact import KINDS, blocks_of_rows, kind_of_block, slices, unified
from eegarchive.cache.files.faults import Fault, place
from eegarchive.cache.files.tables import ID, Asked, Values, ask, blocks_of, choose, foreign
from eegarchive.errors import EEGArchiveError
from eegarchive.frames import arrow
from eegarchive.scoring.text import shown
from eegarchive.storage.guard import printable

_SCHEMA, _NAME = b"eegarchive.schema", b"eegarchive.cache"
_VERSION = b"eegarchive.cache/1"
_OWN = ("variable", "type", "value", *KINDS)
_ROWS = 1 << 17


# -- writing ------------------------------------------------------------------------------------------


def write(blocks: Sequence[Block], path: Path, name: str) -> None:
    """Write a file.

    Raises
    ------
    EEGArchiveError
        If a factor is named like one of the file's own columns.
    """
    pa = arrow()
    types, blocks = unified(blocks)
    for factor in types:
        if factor in _OWN:
            raise EEGArchiveError(
                f"a Parquet file can't hold the factor {factor}, its own column; write JSON"
            )
    kinds = [kind for kind in KINDS if any(kind_of_block(block) == kind for block in blocks)]
    columns = dict(zip(kinds, ["value"] if len(kinds) == 1 else kinds, strict=True))
    plain = {"num": pa.float64(), "int": pa.int64(), "text": pa.string(), "bool": pa.bool_()}
    of_kind = {kind: pa.list_(plain[KINDS[kind][0]]) if KINDS[kind][1] else plain[kind] for kind in kinds}
    schema = pa.schema(
        [("variable", pa.string()), ("type", pa.string())]
        + [(factor, plain[kind]) for factor, kind in types.items()]
        + [(columns[kind], of_kind[kind]) for kind in kinds],
        metadata={_SCHEMA: _VERSION, _NAME: name.encode("utf-8")},
    )
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for block in slices(blocks):
            own = kind_of_block(block)
            arrays = [pa.array(block.variables, pa.string()), pa.array([own] * len(block), pa.string())]
            for factor, type_ in types.items():
                levels = block.factors.get(factor)
                arrays.append(
                    pa.nulls(len(block), plain[type_]) if levels is None else _array(levels, plain[type_])
                )
            for kind in kinds:
                arrays.append(_values(block, plain) if kind == own else pa.nulls(len(block), of_kind[kind]))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _array(column: Column, type_: Any) -> Any:
    return arrow().array(column.values, type_, mask=column.missing)


def _values(block: Block, plain: Mapping[str, Any]) -> Any:
    values = _array(block.values, plain[block.values.type])
    if block.offsets is None:
        return values
    pa = arrow()
    return pa.ListArray.from_arrays(pa.array(block.offsets, pa.int32()), values)


# -- reading ------------------------------------------------------------------------------------------


def read(
    path: Path,
    factors: Sequence[str],
    variables: Sequence[str] | None,
    identity: Sequence[str] | None,
    prefix: str,
) -> list[Block]:
    """Values of a file that was written here, or whose columns are factors and variables.

    Raises
    ------
    EEGArchiveError
        With the row (the first is 1) of what can't be understood.
    """
    pa = arrow()
    with place(path, lambda row: f"row {row + 1}"), open(path, "rb") as raw:
        try:
            file = pa.parquet.ParquetFile(raw)
            header, metadata = list(file.schema_arrow.names), file.schema_arrow.metadata or {}
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                raise Fault(f"has the column {shown(twice)} twice")
            if metadata.get(_SCHEMA) == _VERSION:
                return _exact(file.read(), header, factors, variables, prefix)
            return _table(file, header, factors, variables, identity, prefix)
        except (pa.ArrowException, OSError) as error:
            raise Fault(f"can't be read as Parquet: {printable(str(error).partition(chr(10))[0])}") from None


def _exact(
    table: Any, header: list[str], factors: Sequence[str], wanted: Sequence[str] | None, prefix: str
) -> list[Block]:
    names = [name for name in header if name not in _OWN]
    if not {"variable", "type"} <= set(header):
        raise Fault("has the metadata of a cache, but not its columns variable and type; write it anew")
    levels = {name: _column(table.column(name), name) for name in names}
    for asked in ask(factors, names, "factor"):
        if asked.type not in (None, levels[asked.name].type):
            raise Fault(f"the levels of {asked.name} are {levels[asked.name].type}, not {asked.type}")

    def values_of(kind: str, rows: npt.NDArray[np.int64]) -> Values:
        name = "value" if "value" in header else kind
        if name not in header:
            raise Fault(f"there is no column for values of the type {kind}", 0)
        values = _any_values(table.column(name).take(arrow().array(rows)), "the value")
        if (values.column.type, values.offsets is not None) != KINDS[kind]:
            raise Fault(f"the column {name} doesn't hold values of the type {kind}", 0)
        return values

    return blocks_of_rows(
        _column(_as_text(table.column("variable")), "variable"),
        _as_text(table.column("type")).to_pylist(),
        levels,
        values_of,
        wanted,
        prefix,
        lambda row: f"row {row + 1}",
    )


def _table(
    file: Any,
    header: list[str],
    factors: Sequence[str],
    variables: Sequence[str] | None,
    identity: Sequence[str] | None,
    prefix: str,
) -> list[Block]:
    strata, values = choose(header, factors, variables)
    needed = [asked.name for asked in (*strata, *values)]
    has_id = ID in header
    table, row_of = _taken(file, [*needed, ID] if has_id and ID not in needed else needed, identity, has_id)
    ids = _column(_as_text(table.column(ID)), ID) if has_id else None
    try:
        levels = {
            asked.name: _as_type(_column(table.column(asked.name), asked.name), asked) for asked in strata
        }
        found = {asked.name: _any_values(table.column(asked.name), asked.name, asked) for asked in values}
        return blocks_of(levels, found, prefix, ids, lambda row: f"row {row_of[row] + 1}")
    except Fault as fault:
        raise Fault(str(fault), None if fault.row is None else int(row_of[fault.row])) from None


def _taken(
    file: Any, columns: list[str], identity: Sequence[str] | None, has_id: bool
) -> tuple[Any, npt.NDArray[np.int64]]:
    """The rows of a recording, and their numbers in the file."""
    pa = arrow()
    chosen = identity is not None and has_id
    batches, rows, first = [], [np.zeros(0, np.int64)], 0
    seen: dict[Any, None] = {}
    for batch in file.iter_batches(_ROWS, columns=columns):
        kept = np.ones(len(batch), bool)
        if chosen:
            own = _as_text(batch.column(ID))
            seen.update(dict.fromkeys(pa.compute.unique(own).to_pylist()))
            kept = pa.compute.is_in(own, pa.array(list(identity or ()), pa.string())).to_numpy(
                zero_copy_only=False
            )
        batches.append(batch.filter(pa.array(kept)))
        rows.append(first + np.flatnonzero(kept))
        first += len(batch)
    row_of = np.concatenate(rows)
    if chosen and first and not len(row_of):
        raise foreign([str(name) for name in seen], list(identity or ()))
    schema = pa.schema([file.schema_arrow.field(name) for name in columns])
    return pa.Table.from_batches(batches, schema if not batches else None), row_of


def _as_text(array: Any) -> Any:
    pa = arrow()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array.cast(pa.string())


def _any_values(array: Any, what: str, asked: Asked | None = None) -> Values:
    """Scalars or vectors."""
    pa = arrow()
    kind = array.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        column = _column(array, what)
        return Values(_as_type(column, asked) if asked else column)
    if array.null_count:
        row = int(np.asarray(array.is_null()).argmax())
        raise Fault(f"{what} is null; a vector can be empty, or have elements that are missing", row)
    lengths = pa.compute.list_value_length(array)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths), dtype=np.int64)])
    parts = [chunk.flatten() for chunk in array.chunks]
    try:
        elements = _column(pa.chunked_array(parts, kind.value_type), f"an element of {what}")
        return Values(_as_type(elements, asked) if asked else elements, offsets)
    except Fault as fault:
        vector = None if fault.row is None else int(np.searchsorted(offsets, fault.row, "right")) - 1
        raise Fault(str(fault), vector) from None


def _column(array: Any, what: str) -> Column:
    """A column of a file, if its type is one that a cache has."""
    pa = arrow()
    types = pa.types
    if types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    missing = np.asarray(array.is_null())
    kind = array.type
    if types.is_null(kind):
        return Column("num", np.full(len(array), np.nan), missing)
    if types.is_floating(kind):
        return Column("num", np.asarray(array.cast(pa.float64()).fill_null(np.nan)), missing)
    if types.is_boolean(kind):
        return Column("bool", np.asarray(array.fill_null(False)), missing)
    if types.is_integer(kind):
        values = np.asarray(array.fill_null(0))
        if kind == pa.uint64() and (values > np.uint64(2**63 - 1)).any():
            row = int((values > np.uint64(2**63 - 1)).argmax())
            raise Fault(f"{what} is {values[row]}, beyond a 64-bit signed integer", row)
        return Column("int", values.astype(np.int64), missing)
    if types.is_string(kind) or types.is_large_string(kind):
        collector = Collector()
        for chunk in array.fill_null("").chunks:
            collector.add(chunk.to_pylist())
        cells = collector.cells()
        texts = column_of_cells(cells, what, "text", ["text"] * len(cells.texts))
        return Column("text", texts.values, missing)
    raise Fault(f"{what} has the type {printable(str(kind))}; expected numbers, integers, texts or booleans")


def _as_type(column: Column, asked: Asked) -> Column:
    """A column as the type that was asked for, if that is exact."""
    kind, there = asked.type, ~column.missing
    if kind is None or kind == column.type:
        return column
    if not there.any():
        return Column(
            kind, np.full(len(column), FILLERS[kind], object if kind == "text" else None), column.missing
        )
    if column.type == "int" and kind == "text":
        return Column(kind, np.where(there, column.values.astype(str).astype(object), ""), column.missing)
    if column.type == "int" and kind in ("num", "bool"):
        most = EXACT_INTEGERS if kind == "num" else 1
        least = -most if kind == "num" else 0
        wrong = there & ((column.values < least) | (column.values > most))
        _refuse(wrong, column, asked)
        values = column.values.astype(np.float64 if kind == "num" else bool)
        return Column(kind, np.where(there, values, FILLERS[kind]).astype(values.dtype), column.missing)
    if column.type == "num" and kind == "int":
        values = np.where(there, column.values, 0)
        with np.errstate(invalid="ignore"):
            wrong = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) <= EXACT_INTEGERS))
        _refuse(wrong, column, asked)
        return Column(kind, values.astype(np.int64), column.missing)
    if column.type == "text":
        collector = Collector()
        collector.add(column.values.tolist())
        return column_of_cells(collector.cells(), asked.name, kind)
    raise Fault(f"{shown(asked.name)} is {column.type} in the file, which can't be taken as {kind}")


def _refuse(wrong: npt.NDArray[np.bool_], column: Column, asked: Asked) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise Fault(f"{asked.name} is {column.values[row]}, which can't be taken as {asked.type}", row)
