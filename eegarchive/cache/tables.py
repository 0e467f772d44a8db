"""A cache in the file: tables of values, of where they came from, and of what that was made of (spec H-2 to H-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import digest
from eegarchive.cache.columns import DTYPES, FILLERS, TYPES, Column, ValueType
from eegarchive.cache.entries import Entries
from eegarchive.cache.origins import Origin, Source
from eegarchive.cache.parts import KINDS, Factor, Kind, Part, Vocabulary
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.layout import (
    CACHE,
    CACHE_ELEMENTS,
    CACHE_FIRST_COLUMNS,
    CACHE_ORIGIN_COLUMNS,
    CACHE_ORIGINS,
    CACHE_SOURCE_COLUMNS,
    CACHE_SOURCES,
    CACHE_TYPES,
    CACHE_VALUE_COLUMNS,
    CACHE_VECTOR_COLUMNS,
    CACHE_VECTORS,
    CONTENTS_DIGEST,
    MAX_CACHE_TABLE_BYTES,
)
from eegarchive.layout import Column as TableColumn
from eegarchive.storage import guard, objects
from eegarchive.storage.objects import decode, make_rows, read_table, table_dtype

_Rows = npt.NDArray[Any]
#: Names that no factor can have, since columns have them.
RESERVED = frozenset({*CACHE_FIRST_COLUMNS, *CACHE_VALUE_COLUMNS, *CACHE_VECTOR_COLUMNS})
#: HDF5 keeps the names and types of a table's columns in one message of an object header, of 64 kB at most.
_MAX_TYPE_BYTES = 64_000
#: What that takes for a column beside its name: an end, a place, and at most (of f8) 20 bytes of type.
_COLUMN_BYTES = 25
#: Columns of the elements of vectors, by type.
ELEMENTS = {
    kind: (TableColumn("value", stored), TableColumn("missing", "u1")) for kind, stored in CACHE_TYPES.items()
}


def check_factor_name(name: str) -> None:
    """Refuse a name that a factor's column can't have (spec H-3).

    Raises
    ------
    EEGArchiveError
    """
    guard.check_name(name, "factor")
    if name in RESERVED or "," in name:
        raise EEGArchiveError(
            f"a factor can't be called {name!r}: commas and the names {', '.join(sorted(RESERVED))} are taken"
        )


def stored_names(root: h5py.Group) -> list[str]:
    """Names of the caches that the root, or a freeze, has in the file."""
    return guard.names(guard.group_at(root, CACHE)) if CACHE in guard.names(root) else []


def table_of(kind: Kind) -> str:
    """Name of the table of a kind."""
    return f"{kind[0]}{CACHE_VECTORS}" if kind[1] else kind[0]


# -- into the file ----------------------------------------------------------------------------------


def write(caches: h5py.Group, name: str, entries: Entries) -> None:
    """Make a cache of a group of caches these entries, in place of what it was.

    Raises
    ------
    EEGArchiveError
        If a text is so long that a column of its width would be larger than any computer's memory.
    """
    entries = _tidied(entries)
    tables: dict[str, _Rows] = {}
    for kind, part in entries.parts.items():
        rows = _value_rows(entries, kind, part, name)
        tables[table_of(kind)] = rows
        if part.offsets is not None:
            tables[f"{kind[0]}{CACHE_ELEMENTS}"] = _packed(
                ELEMENTS[kind[0]], {"value": _stored(part.values), "missing": part.values.missing}, name
            )
    tables[CACHE_ORIGINS] = make_rows(
        CACHE_ORIGIN_COLUMNS,
        {column.name: [getattr(o, column.name) for o in entries.origins] for column in CACHE_ORIGIN_COLUMNS},
    )
    listed = [
        (state, signal, source)
        for state, found in entries.sources.items()
        for signal, source in found.items()
    ]
    tables[CACHE_SOURCES] = make_rows(
        CACHE_SOURCE_COLUMNS,
        {
            "state": [state for state, _, _ in listed],
            "signal": [signal for _, signal, _ in listed],
            **{
                field: [getattr(source, field) for _, _, source in listed]
                for field in ("label", "source", "extent")
            },
        },
    )
    if guard.address_at(caches, name) is not None:
        del caches[name]
    group = objects.create_group(caches, name)
    for table in sorted(tables):
        objects.link(objects.write_table(caches, tables[table]), group, table)
    found = digest.cache_digest_of_tables(
        {table: digest.table_digest(rows, {}) for table, rows in tables.items()}
    )
    objects.write_attribute(group, CONTENTS_DIGEST, found)


def _tidied(entries: Entries) -> Entries:
    """Only the origins and sources that an entry needs."""
    used = np.unique(np.concatenate([part.origins for part in entries.parts.values()]))
    number = np.zeros(len(entries.origins), np.int32)
    number[used] = np.arange(len(used))
    origins = [entries.origins[i] for i in used.tolist()]
    states = dict.fromkeys(origin.state for origin in origins)
    parts = {
        kind: Part(part.variables, part.levels, part.values, part.offsets, number[part.origins])
        for kind, part in entries.parts.items()
    }
    sources = {state: entries.sources[state] for state in states if state in entries.sources}
    return Entries(entries.variables, entries.factors, parts, origins, sources)


def _value_rows(entries: Entries, kind: Kind, part: Part, cache: str) -> _Rows:
    """The table of one kind, with the factors that one of its entries has."""
    used = [i for i in range(len(entries.factors)) if (part.levels[:, i] >= 0).any()]
    factors = [list(entries.factors.items())[i] for i in used]
    levels = part.levels[:, used]
    columns = [TableColumn(name, "str") for name in CACHE_FIRST_COLUMNS]
    columns += [TableColumn(name, CACHE_TYPES[factor.type]) for name, factor in factors]
    values: dict[str, _Rows | _Texts] = {
        "variable": _encoded(list(entries.variables), part.variables),
        "factors": _factor_lists([name for name, _ in factors], levels >= 0),
    }
    for (name, factor), codes in zip(factors, levels.T, strict=True):
        if factor.type == "text":
            values[name] = _encoded([*factor.levels, ""], codes)
        else:
            own = factor.values.copy()
            own[-1] = np.nan if factor.type == "num" else 0
            values[name] = own[codes]
    if part.offsets is None:
        columns += ELEMENTS[kind[0]]
        values |= {"value": _stored(part.values), "missing": part.values.missing}
    else:
        columns += [TableColumn(name, "i8") for name in CACHE_VECTOR_COLUMNS[:2]]
        values |= {"start": part.offsets[:-1], "stop": part.offsets[1:]}
    columns.append(TableColumn(CACHE_VALUE_COLUMNS[-1], "i4"))
    values[CACHE_VALUE_COLUMNS[-1]] = part.origins
    return _packed(columns, values, cache)


class _Texts(NamedTuple):
    """Texts as UTF-8, one of each, and their codes: as rows they may take far more memory."""

    distinct: _Rows
    codes: npt.NDArray[np.int64]


def _stored(values: Column) -> _Rows | _Texts:
    """Values as a column holds them, the missing ones replaced by what stands for none."""
    if values.type == "text":
        vocabulary = Vocabulary()
        codes = vocabulary.add(np.where(values.missing, FILLERS["text"], values.values))
        return _encoded(list(vocabulary), codes)
    return np.where(values.missing, FILLERS[values.type], values.values)


def _encoded(texts: Sequence[str], codes: npt.NDArray[np.int32]) -> _Texts:
    """UTF-8 of those texts that a code stands for; -1 is the last one."""
    used = np.bincount(codes + 1, minlength=len(texts) + 1) > 0
    numbers = np.cumsum(used) - 1
    found = [texts[code].encode("utf-8") for code in (np.flatnonzero(used) - 1).tolist()]
    return _Texts(np.array([*found, b""], "S")[:-1], numbers[codes + 1])


def _factor_lists(names: Sequence[str], has: npt.NDArray[np.bool_]) -> _Texts:
    """Which factors each entry has, as names with commas between."""
    if not names:
        return _encoded([""], np.zeros(len(has), np.int32))
    packed = np.ascontiguousarray(np.packbits(has, axis=1))
    patterns = Vocabulary()
    codes = patterns.add(packed.view(f"V{packed.shape[1]}").ravel())
    first = np.unique(codes, return_index=True)[1]
    texts = [
        ",".join(name for name, there in zip(names, has[row].tolist(), strict=True) if there)
        for row in first.tolist()
    ]
    return _encoded(texts, codes)


def _packed(columns: Sequence[TableColumn], values: Mapping[str, _Rows | _Texts], cache: str) -> _Rows:
    """Rows of a table out of its columns; text is as wide as it needs to be (spec T-3)."""
    texts = {name: found for name, found in values.items() if isinstance(found, _Texts)}
    widths = {name: found.distinct.itemsize for name, found in texts.items()}
    dtype = table_dtype(columns, widths)
    count = len(next(found for found in values.values() if not isinstance(found, _Texts)))
    if count * dtype.itemsize > MAX_CACHE_TABLE_BYTES:
        widest = max(widths, key=lambda name: widths[name], default="")
        raise EEGArchiveError(
            f"cache {cache!r}: {count} rows of {dtype.itemsize} bytes are more than {MAX_CACHE_TABLE_BYTES}; "
            f"the longest text of {widest or 'a column'} makes each row so wide: keep such in a cache of its own"
        )
    if sum(len(column.name.encode("utf-8")) + _COLUMN_BYTES for column in columns) > _MAX_TYPE_BYTES:
        raise EEGArchiveError(
            f"cache {cache!r}: a table of {len(columns)} columns; HDF5 holds the names of about a thousand: "
            "keep values with other factors in a cache of their own"
        )
    rows = np.zeros(count, dtype)
    for name, found in values.items():
        rows[name] = found.distinct[found.codes] if isinstance(found, _Texts) else found
    return rows


# -- from the file ----------------------------------------------------------------------------------


def read(group: h5py.Group) -> Entries:
    """The entries of a cache.

    Raises
    ------
    InvalidArchive
        If its tables aren't those of the format.
    """
    variables, factors = Vocabulary(), dict[str, Factor]()
    found: dict[Kind, tuple[Any, ...]] = {}
    names = guard.names(group)
    for kind in KINDS:
        if table_of(kind) in names:
            found[kind] = _read_kind(group, kind, variables, factors)
    parts = {}
    for kind, (codes, levels, values, offsets, origins) in found.items():
        matrix = np.full((len(codes), len(factors)), -1, np.int32)
        for i, name in enumerate(factors):
            if name in levels:
                matrix[:, i] = levels[name]
        if len(codes):
            parts[kind] = Part(codes, matrix, values, offsets, origins)
    origins_read, sources = _read_origins(group)
    for kind, part in parts.items():
        if part.origins.min() < 0 or part.origins.max() >= len(origins_read):
            raise InvalidArchive(f"{group.name}/{table_of(kind)}: a value has an origin that isn't there")
    return Entries(variables, factors, parts, origins_read, sources)


def columns_of(dataset: h5py.Dataset, kind: Kind) -> tuple[list[TableColumn], dict[str, ValueType]]:
    """Columns that a table of a kind has to have, given those it has, and the type of each factor.

    Raises
    ------
    InvalidArchive
        If it has others.
    """
    last = CACHE_VECTOR_COLUMNS if kind[1] else CACHE_VALUE_COLUMNS
    names = dataset.dtype.names or ()
    factors = names[len(CACHE_FIRST_COLUMNS) : -len(last)]
    if names != (*CACHE_FIRST_COLUMNS, *factors, *last) or RESERVED & set(factors):
        raise InvalidArchive(f"{dataset.name}: columns {names} aren't those of a cache's values")
    types: dict[str, ValueType] = {}
    for name in factors:
        own = dataset.dtype[name]
        stored = "str" if own.kind == "S" else own.str.lstrip("<|")
        if stored not in CACHE_TYPES.values():
            raise InvalidArchive(f"{dataset.name}: the factor {name} has levels of type {own}")
        types[name] = next(kind for kind in TYPES if CACHE_TYPES[kind] == stored)
    columns = [TableColumn(name, "str") for name in CACHE_FIRST_COLUMNS]
    columns += [TableColumn(name, CACHE_TYPES[types[name]]) for name in factors]
    if kind[1]:
        columns += [TableColumn(name, "i8") for name in last[:2]]
    else:
        columns += ELEMENTS[kind[0]]
    return [*columns, TableColumn(last[-1], "i4")], types


def _read_kind(
    group: h5py.Group, kind: Kind, variables: Vocabulary, factors: dict[str, Factor]
) -> tuple[Any, ...]:
    """Codes, levels by factor, values, offsets and origins of one table; what is new goes to the vocabularies."""
    dataset = guard.dataset_at(group, table_of(kind))
    columns, types = columns_of(dataset, kind)
    rows, where = read_table(dataset, columns), str(dataset.name)
    codes = _decoded(rows["variable"], variables, where)
    patterns = Vocabulary()
    pattern = patterns.add(rows["factors"])
    sets = [frozenset(decode(raw, where).split(",")) if raw else frozenset[str]() for raw in patterns]
    levels = {}
    for name, own in types.items():
        factor = factors.setdefault(name, Factor(own, Vocabulary()))
        if factor.type != own:
            raise InvalidArchive(
                f"{where}: the factor {name} has levels of type {own}, elsewhere {factor.type}"
            )
        has = np.array([name in found for found in sets], bool)[pattern]
        levels[name] = np.full(len(rows), -1, np.int32)
        if own == "text":
            levels[name][has] = _decoded(rows[name][has], factor.levels, where)
        else:
            levels[name][has] = factor.levels.add(np.asarray(rows[name][has], DTYPES[own]))
    if unknown := set().union(*sets) - set(types):
        raise InvalidArchive(
            f"{where}: a value has the factor {guard.printable(unknown.pop())!r}, which has no column"
        )
    origins = rows[CACHE_VALUE_COLUMNS[-1]].astype(np.int32)
    if not kind[1]:
        return codes, levels, _values(rows, kind[0], where), None, origins
    elements = guard.dataset_at(group, f"{kind[0]}{CACHE_ELEMENTS}")
    values = _values(read_table(elements, ELEMENTS[kind[0]]), kind[0], str(elements.name))
    offsets = np.concatenate([rows["start"], [len(values)]]).astype(np.int64)
    if (offsets[:-1] > offsets[1:]).any() or (offsets[1:] != rows["stop"]).any() or offsets[0]:
        raise InvalidArchive(f"{where}: its vectors aren't one behind the other")
    return codes, levels, values, offsets, origins


def _decoded(raw: _Rows, vocabulary: Vocabulary, where: str) -> npt.NDArray[np.int32]:
    """Codes of texts as they are stored."""
    distinct = Vocabulary()
    own = distinct.add(raw)
    texts = np.array([*(decode(text, where) for text in distinct), None], object)[:-1]
    return vocabulary.add(texts)[own]


def _values(rows: _Rows, kind: ValueType, where: str) -> Column:
    missing = rows["missing"].astype(bool)
    if kind != "text":
        return Column(kind, rows["value"].astype(DTYPES[kind]), missing)
    vocabulary = Vocabulary()
    codes = _decoded(rows["value"], vocabulary, where)
    return Column(kind, np.array([*vocabulary, None], object)[codes], missing)


def _read_origins(group: h5py.Group) -> tuple[list[Origin], dict[str, dict[str, Source]]]:
    found = []
    for name, columns in ((CACHE_ORIGINS, CACHE_ORIGIN_COLUMNS), (CACHE_SOURCES, CACHE_SOURCE_COLUMNS)):
        dataset = guard.dataset_at(group, name)
        rows = read_table(dataset, columns)
        where = str(dataset.name)
        found.append([tuple(decode(raw, where) for raw in row) for row in rows.tolist()])
    sources: dict[str, dict[str, Source]] = {
        row[0]: {} for row in found[0]
    }  # of a state without signals, none
    for state, signal, label, source, extent in found[1]:
        sources.setdefault(state, {})[signal] = Source(label, source, extent)
    return [Origin(*row) for row in found[0]], sources
