"""Check the clauses of caches (spec H-1 to H-8), and recompute their digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import digest, layout
from eegarchive.cache import tables
from eegarchive.cache.columns import FILLERS, TYPES, ValueType
from eegarchive.cache.origins import BASES, Source, sources_of
from eegarchive.cache.parts import KINDS, Kind
from eegarchive.findings import DIGEST, FOREIGN, MOMENT, Findings, json_object
from eegarchive.state import State
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import read_attribute, read_attributes, read_table

_Rows = npt.NDArray[Any]
#: Members that the parameters of what a function gave have, and their types (spec H-12).
_COMPUTED = {"variable": str, "strata": dict, "packages": dict}


def check_caches(file: ArchiveFile, found: Findings) -> None:
    """Check every cache of the working state and of freezes; what several of them share is read once."""
    states = _States(file, file.states())
    seen: set[tuple[Any, ...]] = set()
    for prefix in states.prefixes:
        above = f"/{prefix}/{layout.CACHE}" if prefix else f"/{layout.CACHE}"
        with found.looking_at(above):
            root = file.group(prefix)
            if layout.CACHE not in guard.names(root):
                continue
            caches = guard.group_at(root, layout.CACHE)
            for name in guard.names(caches):
                with found.looking_at(f"{above}/{name}"):
                    group = guard.group_at(caches, name)
                    members = ((own, guard.address_at(group, own)) for own in guard.names(group))
                    key = (*read_attributes(group).items(), *members)
                    if key not in seen:
                        seen.add(key)
                        _CacheCheck(group, f"{above}/{name}", states, found).run()


class _States:
    """The states of an archive by digest, and what their signals are made of."""

    def __init__(self, file: ArchiveFile, prefixes: list[str]) -> None:
        self._file = file
        self.prefixes = prefixes
        self._sources: dict[str, dict[str, Source]] = {}
        self._prefixes = {
            str(read_attribute(file.group(prefix), layout.STATE_DIGEST)): prefix for prefix in prefixes
        }

    def sources(self, state: str) -> dict[str, Source] | None:
        """Sources of a state; None if the archive has no such state."""
        if state in self._prefixes and state not in self._sources:
            self._sources[state] = sources_of(State(self._file, self._prefixes[state]))
        return self._sources.get(state)


@dataclass(frozen=True)
class _Keys:
    """Keys of the entries of a table, and its types of levels."""

    variables: _Rows
    levels: Mapping[str, _Rows]
    has: Mapping[str, npt.NDArray[np.bool_]]
    types: Mapping[str, ValueType]
    origins: _Rows


class _CacheCheck:
    """The check of one cache."""

    def __init__(self, group: h5py.Group, path: str, states: _States, found: Findings) -> None:
        self._group = group
        self._path = path
        self._states = states
        self._found = found
        self._names = guard.names(group)

    def run(self) -> None:
        """Check all of it."""
        before = self._found.errors
        self._check_members()
        origin_states = self._check_origins()
        if origin_states is not None:
            self._check_sources(origin_states)
        keys = []
        for kind in KINDS:
            name = tables.table_of(kind)
            if name in self._names:
                with self._found.looking_at(f"{self._path}/{name}"):
                    keys.append(self._check_entries(kind, origin_states))
                    if kind[1]:
                        self._check_elements(kind)
        self._check_types(keys)
        if before == self._found.errors and origin_states is not None and keys:
            self._check_doubles(keys, origin_states)
        if before == self._found.errors:
            stated = read_attribute(self._group, layout.CONTENTS_DIGEST)
            if digest.part_digest(self._group) != stated:
                self._found.error(self._path, f"what it holds isn't what its {layout.CONTENTS_DIGEST} says")

    def _check_members(self) -> None:
        entries = {tables.table_of(kind) for kind in KINDS}
        elements = {f"{kind}{layout.CACHE_ELEMENTS}" for kind in TYPES}
        needed = {layout.CACHE_ORIGINS, layout.CACHE_SOURCES}
        for kind in TYPES:
            pair = {f"{kind}{layout.CACHE_VECTORS}", f"{kind}{layout.CACHE_ELEMENTS}"}
            if pair & set(self._names):
                needed |= pair
        for name in sorted(needed - set(self._names)):
            self._found.error(self._path, f"{name!r} is missing")
        if not entries & set(self._names):
            self._found.error(self._path, "has no values", FOREIGN)
        for name in self._names:
            if name not in entries | elements | needed:
                self._found.warning(f"{self._path}/{name}", "isn't part of the format", FOREIGN)
        if not isinstance(read_attribute(self._group, layout.CONTENTS_DIGEST), str):
            self._found.error(self._path, f"the attribute {layout.CONTENTS_DIGEST!r} is missing, or no text")

    def _read(self, name: str, columns: tuple[layout.Column, ...] | list[layout.Column]) -> _Rows:
        rows = read_table(guard.dataset_at(self._group, name), columns)
        self._found.check_widths(rows, columns, f"{self._path}/{name}")
        return rows

    # -- entries --------------------------------------------------------------------------------

    def _check_entries(self, kind: Kind, origin_states: _Rows | None) -> _Keys:
        """Columns, factors, fillers, places of vectors, and origins of a table of entries."""
        name = tables.table_of(kind)
        path = f"{self._path}/{name}"
        columns, types = tables.columns_of(guard.dataset_at(self._group, name), kind)
        for factor in types:
            tables.check_factor_name(factor)
        rows = self._read(name, columns)
        if not len(rows):
            self._found.error(path, "has no rows", FOREIGN)
        if (rows["variable"] == b"").any():
            self._found.error(path, "a variable has no name", FOREIGN)
        origins = rows[layout.CACHE_VALUE_COLUMNS[-1]]
        if origin_states is not None and ((origins < 0) | (origins >= len(origin_states))).any():
            self._found.error(path, "a value has an origin that isn't there", FOREIGN)
        has = self._check_factors(rows, types, path)
        if not kind[1]:
            self._check_values(rows, kind[0], path)
        return _Keys(rows["variable"], {factor: rows[factor] for factor in types}, has, types, origins)

    def _check_factors(
        self, rows: _Rows, types: Mapping[str, ValueType], path: str
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Which rows have each factor; what is wrong with the lists of factors, and with levels."""
        lists, pattern = np.unique(rows["factors"], return_inverse=True)
        named = [raw.decode("utf-8").split(",") if raw else [] for raw in lists.tolist()]
        for names in named:
            if names != [factor for factor in types if factor in names]:
                self._found.error(
                    path,
                    f"the list of factors {','.join(names)!r} isn't one of its columns in their order",
                    FOREIGN,
                )
        found = {}
        for factor, kind in types.items():
            has = found[factor] = np.array([factor in names for names in named], bool)[pattern.reshape(-1)]
            levels = rows[factor]
            if not has.any():
                self._found.error(path, f"no value has the factor {factor}", FOREIGN)
            if not _are_fillers(levels[~has], kind):
                self._found.error(
                    path, f"there is a level where a value doesn't have the factor {factor}", FOREIGN
                )
            if kind == "num" and np.isnan(levels[has]).any():
                self._found.error(path, f"the factor {factor} has NaN for a level", FOREIGN)
            if kind == "bool" and (levels > 1).any():
                self._found.error(
                    path, f"the factor {factor} has a boolean level other than 0 and 1", FOREIGN
                )
        return found

    def _check_values(self, rows: _Rows, kind: ValueType, path: str) -> None:
        missing = rows["missing"]
        if (missing > 1).any():
            self._found.error(path, "`missing` has something else than 0 and 1", FOREIGN)
        if not _are_fillers(rows["value"][missing == 1], kind):
            self._found.error(path, "there is a value where it is missing", FOREIGN)
        if kind == "bool" and (rows["value"] > 1).any():
            self._found.error(path, "a boolean is neither 0 nor 1", FOREIGN)

    def _check_elements(self, kind: Kind) -> None:
        """Elements of vectors, and that the vectors lie one behind the other."""
        name = f"{kind[0]}{layout.CACHE_ELEMENTS}"
        with self._found.looking_at(f"{self._path}/{name}"):
            elements = self._read(name, tables.ELEMENTS[kind[0]])
            self._check_values(elements, kind[0], f"{self._path}/{name}")
            vectors = guard.dataset_at(self._group, tables.table_of(kind))
            rows = read_table(vectors, tables.columns_of(vectors, kind)[0])
            start, stop = rows["start"], rows["stop"]
            ends = np.concatenate([[0], stop])
            if (start != ends[:-1]).any() or (stop < start).any() or ends[-1] != len(elements):
                self._found.error(
                    f"{self._path}/{tables.table_of(kind)}",
                    "its vectors aren't one behind the other",
                    FOREIGN,
                )

    def _check_types(self, keys: list[_Keys]) -> None:
        types: dict[str, str] = {}
        for one in keys:
            for factor, kind in one.types.items():
                if types.setdefault(factor, kind) != kind:
                    self._found.error(
                        self._path,
                        f"the factor {factor} has levels of the types {types[factor]} and {kind}",
                        FOREIGN,
                    )

    def _check_doubles(self, keys: list[_Keys], origin_states: _Rows) -> None:
        """No two entries have the same key and state (spec H-6)."""
        factors = dict.fromkeys(factor for one in keys for factor in one.types)
        variables = np.concatenate([one.variables for one in keys])
        states = origin_states[np.concatenate([one.origins for one in keys])]
        columns = [_codes(variables), _codes(states)]
        for factor in factors:
            has = np.concatenate([one.has.get(factor, np.zeros(len(one.origins), bool)) for one in keys])
            levels = np.concatenate(
                [one.levels[factor][one.has[factor]] for one in keys if factor in one.types]
            )
            codes = np.zeros(len(has), np.int64)
            codes[has] = 1 + _codes(levels)
            columns.append(codes)
        matrix = np.stack(columns)
        order = np.lexsort(matrix)
        matrix = matrix[:, order]
        twice = np.flatnonzero((matrix[:, 1:] == matrix[:, :-1]).all(axis=0))
        if len(twice):
            name = variables[order[twice[0]]].decode("utf-8")
            self._found.error(
                self._path,
                f"{len(twice)} values have the variable, strata and state of another one, the first of {name!r}",
                FOREIGN,
            )

    # -- origins --------------------------------------------------------------------------------

    def _check_origins(self) -> _Rows | None:
        """State of each origin; None if there is no such table."""
        path = f"{self._path}/{layout.CACHE_ORIGINS}"
        if layout.CACHE_ORIGINS not in self._names:
            return None
        with self._found.looking_at(path):
            rows = self._read(layout.CACHE_ORIGINS, layout.CACHE_ORIGIN_COLUMNS)
            for number, row in enumerate(rows.tolist()):
                for what in _wrong_in_origin(*(raw.decode("utf-8") for raw in row)):
                    self._found.error(path, f"row {number}: {what}", FOREIGN)
            found: _Rows = rows["state"]
            return found
        return None

    def _check_sources(self, origin_states: _Rows) -> None:
        """Sources are of the states of origins, and those of this archive's states are what these say."""
        path = f"{self._path}/{layout.CACHE_SOURCES}"
        if layout.CACHE_SOURCES not in self._names:
            return
        with self._found.looking_at(path):
            rows = self._read(layout.CACHE_SOURCES, layout.CACHE_SOURCE_COLUMNS)
            sources: dict[str, dict[str, Source]] = {raw.decode(): {} for raw in origin_states.tolist()}
            for row in rows.tolist():
                state, signal, label, source, extent = (raw.decode("utf-8") for raw in row)
                if not DIGEST.fullmatch(source) or not DIGEST.fullmatch(extent):
                    self._found.error(path, f"source or extent of {signal!r} is no digest", FOREIGN)
                if state not in sources:
                    self._found.error(path, f"no value is of the state {state!r}", FOREIGN)
                elif signal in sources[state]:
                    self._found.error(path, f"{signal!r} is there twice for a state", FOREIGN)
                else:
                    sources[state][signal] = Source(label, source, extent)
            for state, stated in sources.items():
                known = self._states.sources(state)
                if known is not None and known != stated:
                    self._found.error(
                        path, f"isn't what the signals of the state {state} are made of", FOREIGN
                    )


def _wrong_in_origin(
    state: str,
    freeze: str,
    basis: str,
    operation: str,
    function: str,
    code: str,
    parameters: str,
    versions: str,
    time: str,
) -> list[str]:
    """What is wrong in a row of origins (spec H-7, H-12)."""
    wrong = []
    if not DIGEST.fullmatch(state):
        wrong.append(f"the state {state!r} is no digest")
    if freeze and (not re.fullmatch(layout.TAG_PATTERN, freeze) or freeze in (".", "..")):
        wrong.append(f"the freeze {freeze!r} is no tag")
    if basis not in BASES:
        wrong.append(f"the basis {basis!r} is none of {', '.join(BASES)}")
    if not operation:
        wrong.append("the operation has no name")
    if not MOMENT.fullmatch(time):
        wrong.append(f"the time {time!r} is none")
    objects = {name: json_object(text) for name, text in (("parameters", parameters), ("versions", versions))}
    wrong += [f"its {name} are no JSON object" for name, found in objects.items() if found is None]
    stated = objects["parameters"]
    if operation == "compute" and stated is not None:
        wrong += [
            f"its parameters have no {name!r}"
            for name, kind in _COMPUTED.items()
            if not isinstance(stated.get(name), kind)
        ]
    return wrong


def _are_fillers(values: _Rows, kind: ValueType) -> bool:
    """Whether values are what stands for none (spec H-5)."""
    if kind == "num":
        return bool(np.isnan(values).all())
    return not (values != (b"" if kind == "text" else FILLERS[kind])).any()


def _codes(values: _Rows) -> npt.NDArray[np.int64]:
    """A number for each distinct value."""
    found: npt.NDArray[np.int64] = np.unique(values, return_inverse=True)[1].reshape(-1)
    return found
