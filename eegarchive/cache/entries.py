"""The values of one cache in memory, and how one is found.

The key of an entry is its variable and strata; of one key there may be an entry for each state.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import Block, shown
from eegarchive.cache.keys import Radix
from eegarchive.cache.origins import Origin, Sources
from eegarchive.cache.parts import Codes, Factor, Kind, Part, Rows, Vocabulary


@dataclass(frozen=True, eq=False)
class Entries:
    """All values of one cache.

    Attributes
    ----------
    variables : Vocabulary
    factors : dict
        By name; entries of all kinds share them.
    parts : dict
        Entries by kind, none of them empty.
    origins : list of Origin
    sources : dict
        What the signals of each state were made of that origins name, by the state's digest.
    """

    variables: Vocabulary = field(default_factory=Vocabulary)
    factors: Mapping[str, Factor] = field(default_factory=dict)
    parts: Mapping[Kind, Part] = field(default_factory=dict)
    origins: Sequence[Origin] = ()
    sources: Mapping[str, Sources] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    # -- finding --------------------------------------------------------------------------------

    @functools.cached_property
    def states(self) -> tuple[Vocabulary, Codes]:
        """Digests of all states, and the code of each origin's."""
        states = Vocabulary()
        return states, states.add(np.array([*(origin.state for origin in self.origins), None], object)[:-1])

    @functools.cached_property
    def first_numbers(self) -> dict[Kind, int]:
        """The first number of each part, where the entries of all parts are numbered through."""
        found, first = {}, 0
        for kind, part in self.parts.items():
            found[kind] = first
            first += len(part)
        return found

    def place(self, number: int) -> tuple[Kind, int]:
        """Kind and row of an entry by its number."""
        for kind, first in reversed(self.first_numbers.items()):
            if number >= first:
                return kind, number - first
        raise IndexError(number)

    def keys(self, part: Part) -> npt.NDArray[Any]:
        """Keys of entries, the state left out."""
        return self._radix.keys([part.variables, *(part.levels + 1).T])

    def keys_with_state(self, part: Part) -> npt.NDArray[Any]:
        """Keys of entries, the state as the last digit."""
        states = self.states[1][part.origins]
        return self._radix_with_state.keys([part.variables, *(part.levels + 1).T, states])

    @functools.cached_property
    def _radix(self) -> Radix:
        return Radix(self._sizes)

    @functools.cached_property
    def _radix_with_state(self) -> Radix:
        return Radix([*self._sizes, len(self.states[0])])

    @functools.cached_property
    def _sizes(self) -> list[int]:
        return [len(self.variables), *(len(factor.levels) + 1 for factor in self.factors.values())]

    @functools.cached_property
    def index(self) -> tuple[npt.NDArray[Any], Rows]:
        """Keys with the state as their last digit, in order, and the numbers of the entries that have them."""
        joined = np.concatenate([self.keys_with_state(part) for part in self.parts.values()])
        order = np.argsort(joined, kind="stable")
        return joined[order], order

    def find(self, variable: str, strata: Mapping[str, Any]) -> list[tuple[Kind, int]]:
        """Kind and row of all entries of a key, one for each state.

        Levels of another type than the factor's, or a factor that the cache lacks, are found nowhere.
        """
        digits = [self.variables.codes.get(variable, -1) if isinstance(variable, str) else -1]
        named = 0
        for name, factor in self.factors.items():
            digit = 0
            if name in strata:
                named += 1
                digit = factor.code(strata[name]) + 1
                if not digit:
                    return []
            digits.append(digit)
        if digits[0] < 0 or not self.parts or named < len(strata):
            return []
        keys, order = self.index
        first, last = self._radix_with_state.places(keys, digits)
        return [self.place(number) for number in order[first:last].tolist()]

    def select(self, variables: str | Collection[str] | None, strata: Mapping[str, Any]) -> dict[Kind, Rows]:
        """Rows, by kind, of the entries of one, several or all variables that have these strata, and maybe others."""
        found: dict[Kind, Rows] = {}
        codes = {
            name: self.factors[name].code(level) if name in self.factors else -1
            for name, level in strata.items()
        }
        names = list(self.factors)
        wanted = [variables] if isinstance(variables, str) else variables
        for kind, part in self.parts.items():
            chosen = np.ones(len(part), bool)
            if wanted is not None:
                chosen &= np.isin(part.variables, [self.variables.codes.get(name, -1) for name in wanted])
            for name, code in codes.items():
                if code < 0:
                    chosen[:] = False
                else:
                    chosen &= part.levels[:, names.index(name)] == code
            rows = np.flatnonzero(chosen)
            if len(rows):
                found[kind] = rows
        return found

    def block(self, kind: Kind, rows: Rows) -> Block:
        """Some entries of a kind with their names; only the factors that one of them has."""
        part = self.parts[kind].take(rows)
        names = np.array([*self.variables, None], object)[:-1]
        used = {
            name: factor.column(codes)
            for (name, factor), codes in zip(self.factors.items(), part.levels.T, strict=True)
            if (codes >= 0).any()
        }
        return Block(names[part.variables], used, part.values, part.offsets)

    def strata(self, kind: Kind, row: int) -> dict[str, Any]:
        """Levels of one entry by factor."""
        codes = self.parts[kind].levels[row]
        levels = zip(self.factors.items(), codes.tolist(), strict=True)
        return {
            name: found.item() if isinstance(found := factor.values[code], np.generic) else found
            for (name, factor), code in levels
            if code >= 0
        }

    def variable(self, kind: Kind, row: int) -> str:
        """Variable of one entry."""
        return str(self._names[self.parts[kind].variables[row]])

    @functools.cached_property
    def _names(self) -> list[str]:
        return list(self.variables)

    def used_variables(self, *parts: Part) -> list[str]:
        """Variables that an entry of some parts has, or of any, in the order they came."""
        chosen = parts or self.parts.values()
        used = {code for part in chosen for code in np.unique(part.variables).tolist()}
        return [self._names[code] for code in sorted(used)]

    def origin(self, kind: Kind, row: int) -> Origin:
        """Origin of one entry."""
        return self.origins[int(self.parts[kind].origins[row])]

    def level(self, kind: Kind, row: int, name: str) -> Any:
        """Level that one entry has of a factor; None if it has none."""
        factor = self.factors.get(name)
        if factor is None:
            return None
        code = self.parts[kind].levels[row, list(self.factors).index(name)]
        return factor.values[code] if code >= 0 else None

    def levels(self, kind: Kind, rows: Rows, name: str) -> Codes:
        """Codes of the levels that some entries have of a factor."""
        if name not in self.factors:
            return np.full(len(rows), -1, np.int32)
        found: Codes = self.parts[kind].levels[rows, list(self.factors).index(name)]
        return found

    def doubled(self) -> tuple[Rows, Rows]:
        """Numbers of the entries whose key others have too, for other states, and for each its key's number."""
        keys = np.concatenate([self.keys(part) for part in self.parts.values()])
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        same = ordered[1:] == ordered[:-1]
        several = np.concatenate([[False], same]) | np.concatenate([same, [False]])
        group = np.cumsum(np.concatenate([[True], ~same]))
        return order[several], group[several]

    # -- changing -------------------------------------------------------------------------------

    def only(self, kept: Mapping[Kind, npt.NDArray[np.bool_]]) -> Entries:
        """The entries for which `kept` holds; parts that it doesn't name stay whole."""
        parts = {}
        for kind, part in self.parts.items():
            rows = np.flatnonzero(kept[kind]) if kind in kept else np.arange(len(part))
            if len(rows):
                parts[kind] = part if len(rows) == len(part) else part.take(rows)
        return replace(self, parts=parts)

    def without_unused(self) -> Entries:
        """Without factors that no entry has any more: their names are free for levels of another type."""
        used = np.zeros(len(self.factors), bool)
        for part in self.parts.values():
            used |= (part.levels >= 0).any(axis=0)
        if used.all():
            return self
        factors = {name: f for (name, f), there in zip(self.factors.items(), used, strict=True) if there}
        parts = {kind: replace(part, levels=part.levels[:, used]) for kind, part in self.parts.items()}
        return replace(self, factors=factors, parts=parts)


def shown_key(variable: str, strata: Mapping[str, Any]) -> str:
    """A key for people: `PSD of CH=C3, F=13.5`."""
    levels = ", ".join(
        f"{name}={level:.40}" if isinstance(level, str) else f"{name}={shown(level)}"
        for name, level in strata.items()
    )
    return f"{variable} of {levels}" if levels else f"{variable} (no strata)"
