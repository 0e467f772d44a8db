"""The caches of an archive that is being edited: what is put in, until it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache import tables
from eegarchive.cache.columns import (
    DTYPES,
    EXACT_INTEGERS,
    FILLERS,
    Block,
    Column,
    ValueType,
    column_of,
    common_type,
    scalar_of,
    shown,
    type_of,
)
from eegarchive.cache.entries import Entries
from eegarchive.cache.joining import with_blocks
from eegarchive.cache.origins import Origin, Sources, tags_by_state
from eegarchive.cache.parts import Kind
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import CACHE
from eegarchive.storage import guard, objects
from eegarchive.storage.container import EditedFile


@dataclasses.dataclass
class _Waiting:
    """Single values that were put and not yet joined with the others."""

    variable: str
    strata: dict[str, Any]
    type: ValueType
    value: Any
    origin: Origin


class _Known:
    """What is known of a cache's values and factors, so that what doesn't fit is refused when it is put."""

    def __init__(self, entries: Entries) -> None:
        #: Of each factor, the type of its levels and the largest magnitude of integers among them.
        self.levels: dict[str, tuple[ValueType, int]] = {}
        for name, factor in entries.factors.items():
            largest = max(map(abs, factor.levels), default=0) if factor.type == "int" else 0
            self.levels[name] = factor.type, largest
        #: Of each variable, the type of its first value.
        self.types: dict[str, ValueType] = {}
        names = list(entries.variables)
        for (kind, _), part in entries.parts.items():
            for code in np.unique(part.variables).tolist():
                self.types.setdefault(names[code], kind)

    def take(self, strata: Mapping[str, Any]) -> dict[str, Any]:
        """Strata with their levels as Python's own; all of them fit, or nothing is known of any."""
        taken, changed = {}, {}
        for name, given in strata.items():
            kind, level = taken_level(name, given)
            taken[name] = level
            if name in self.levels:
                own, largest = self.levels[name]
                if own != kind or (kind == "int" and abs(level) > largest):
                    changed[name] = _with_level(name, own, largest, kind, level)
            else:
                tables.check_factor_name(name)
                changed[name] = kind, abs(level) if kind == "int" else 0
        self.levels.update(changed)
        return taken


def _with_level(
    name: str, own: ValueType, largest: int, kind: ValueType, level: Any
) -> tuple[ValueType, int]:
    """Type of a factor's levels, and the largest integer, with one more level."""
    known = f"the factor {name} has levels of type {own}; {shown(level)} is {kind}"
    joined = common_type((own, kind), known)
    largest = max(largest, abs(level)) if kind == "int" else largest
    if joined == "num" and largest > EXACT_INTEGERS:
        raise EEGArchiveError(f"{known}: {largest} is beyond what a float holds exactly")
    return joined, largest


def taken_level(name: str, level: Any) -> tuple[ValueType, Any]:
    """Type of a level, and the level as Python's own.

    Raises
    ------
    EEGArchiveError
        If it is no level.
    """
    kind = type_of(type(level))
    if kind is None:
        raise EEGArchiveError(
            f"the factor {name}: {shown(level)} is no level: a text, a number or a boolean is"
        )
    kind, level = scalar_of(level, f"the factor {name}")
    if level != level:
        raise EEGArchiveError(f"the factor {name} has NaN for a level, which is equal to nothing")
    return kind, level


class CacheStore:
    """All caches of the working state in an edit."""

    def __init__(self, file: EditedFile) -> None:
        self._file = file
        self._entries: dict[str, Entries] = {}
        self._waiting: dict[str, list[_Waiting]] = {}
        self._facts: dict[str, _Known] = {}
        self._changed: set[str] = set()
        self._known: set[tuple[str, str]] = set()

    @property
    def has_changed(self) -> bool:
        """Whether there is something to write."""
        return bool(self._changed)

    def names(self) -> list[str]:
        """Names of the caches that have a value, in byte order."""
        stored = self._stored()
        found = {
            name for name in {*stored, *self._changed} if name not in self._changed or len(self.entries(name))
        }
        return sorted(found, key=lambda name: name.encode("utf-8"))

    def _stored(self) -> list[str]:
        return tables.stored_names(self._file.h5)

    def entries(self, name: str) -> Entries:
        """The values of a cache as they are now; none if there is no such cache."""
        if name not in self._entries:
            stored = name in self._stored()
            self._entries[name] = tables.read(self._file.group(f"{CACHE}/{name}")) if stored else Entries()
        waiting = self._waiting.pop(name, [])
        if waiting:
            self._join(name, waiting)
        return self._entries[name]

    # -- putting --------------------------------------------------------------------------------

    def put(
        self, name: str, variable: str, strata: Mapping[str, Any], value: Any, kind: ValueType, origin: Origin
    ) -> None:
        """Keep one value, a vector if it is a column, for the next join."""
        known = self._known_of(name)
        strata = known.take(strata)
        known.types.setdefault(variable, kind)
        self._waiting.setdefault(name, []).append(_Waiting(variable, strata, kind, value, origin))
        self._changed.add(name)

    def type_of(self, name: str, variable: str) -> ValueType:
        """Type of a missing value, if nobody says: that of the variable's first one."""
        return self._known_of(name).types.get(variable, "num")

    def _known_of(self, name: str) -> _Known:
        if name not in self._facts:
            guard.check_name(name, "cache")
            self._facts[name] = _Known(self.entries(name))
        return self._facts[name]

    def add(
        self,
        name: str,
        added: Sequence[tuple[Block, npt.NDArray[np.int32]]],
        origins: Sequence[Origin],
        sources: Mapping[str, Sources],
    ) -> None:
        """Put many values in at once; see :func:`eegarchive.cache.joining.with_blocks`."""
        guard.check_name(name, "cache")
        for block, _ in added:
            for factor in block.factors:
                tables.check_factor_name(factor)
        self._entries[name] = with_blocks(self.entries(name), added, origins, sources, self.frozen_states())
        self._facts.pop(name, None)
        self._changed.add(name)

    def _join(self, name: str, waiting: Iterable[_Waiting]) -> None:
        """Put waiting values in; of one key and state the last, and of states that aren't frozen the last state's."""
        frozen = self.frozen_states()
        last: dict[tuple[Any, ...], dict[str, _Waiting]] = {}
        for one in waiting:
            key = (one.variable, *sorted(one.strata.items()))
            kept = {state: other for state, other in last.get(key, {}).items() if state in frozen}
            last[key] = {**kept, one.origin.state: one}
        kinds: dict[Kind, list[_Waiting]] = {}
        for one in (one for states in last.values() for one in states.values()):
            kinds.setdefault((one.type, isinstance(one.value, Column)), []).append(one)
        origins: dict[Origin, int] = {}
        added = []
        for kind, several in kinds.items():
            numbers = [origins.setdefault(one.origin, len(origins)) for one in several]
            added.append((_block(kind, several), np.array(numbers, np.int32)))
        self._entries[name] = with_blocks(self._entries[name], added, list(origins), {}, frozen)

    def knows(self, name: str, state: str) -> bool:
        """Whether it was said what the signals of a state are made of, for a cache."""
        return (name, state) in self._known

    def know(self, name: str, state: str, sources: Sources) -> None:
        """Say what the signals of a state are made of that values are of."""
        self._known.add((name, state))
        entries = self.entries(name)
        if state not in entries.sources:
            self._entries[name] = dataclasses.replace(entries, sources={**entries.sources, state: sources})

    def frozen_states(self) -> set[str]:
        """Digests of the states that freezes keep."""
        return set(tags_by_state(self._file))

    # -- removing -------------------------------------------------------------------------------

    def keep_only(self, name: str, entries: Entries) -> None:
        """Make a cache have these entries."""
        self.entries(name)  # what waits is among what goes
        self._entries[name] = entries.without_unused()
        self._facts.pop(name, None)
        self._known = {(cache, state) for cache, state in self._known if cache != name}
        self._changed.add(name)

    def clear(self) -> None:
        """Remove all caches."""
        for name in self.names():
            self.keep_only(name, Entries())

    def forget(self) -> None:
        """Forget what was put in and not written: the caches were replaced."""
        self.__init__(self._file)  # type: ignore[misc]

    # -- into the file --------------------------------------------------------------------------

    def write(self) -> None:
        """Make the file's caches what they are now."""
        root = self._file.h5
        for name in sorted(self._changed):
            entries = self.entries(name)
            if len(entries):
                if CACHE not in guard.names(root):
                    objects.create_group(root, CACHE)
                tables.write(guard.group_at(root, CACHE), name, entries)
            elif name in self._stored():
                del guard.group_at(root, CACHE)[name]
                if not self._stored():
                    del root[CACHE]
        self._changed.clear()


def _block(kind: Kind, several: Sequence[_Waiting]) -> Block:
    """Single values as a block."""
    names = dict.fromkeys(factor for one in several for factor in one.strata)
    variables = np.array([*(one.variable for one in several), None], object)[:-1]
    factors = {
        name: column_of([one.strata.get(name) for one in several], f"the factor {name}") for name in names
    }
    if not kind[1]:
        missing = np.array([one.value is None for one in several], bool)
        values = np.full(len(several), FILLERS[kind[0]], DTYPES[kind[0]])
        values[~missing] = [one.value for one in several if one.value is not None]
        return Block(variables, factors, Column(kind[0], values, missing))
    vectors: list[Column] = [one.value for one in several]
    offsets = np.concatenate([[0], np.cumsum([len(vector) for vector in vectors])]).astype(np.int64)
    joined = np.concatenate([np.asarray(vector.values, DTYPES[kind[0]]) for vector in vectors])
    missing = np.concatenate([vector.missing for vector in vectors])
    return Block(variables, factors, Column(kind[0], joined, missing), offsets)
