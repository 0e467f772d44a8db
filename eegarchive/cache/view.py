"""The values of a cache as one state sees them: which of them hold for it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import TYPES, type_of
from eegarchive.cache.entries import Entries, shown_key
from eegarchive.cache.origins import CHANNEL, Origin, Sources, sources_of, tags_by_state, why_stale
from eegarchive.cache.parts import Kind, Rows, kind_name
from eegarchive.errors import EEGArchiveError, NotInArchive, StaleValue
from eegarchive.state import State

#: What two states are told apart by in messages.
_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class Entry:
    """One value of a cache, and all that is known of it.

    Attributes
    ----------
    variable : str
    strata : dict
        Levels by factor.
    type : {"num", "int", "text", "bool"}
    value : float, int, str, bool, array or None
        None if it is missing; of a vector with missing elements, a masked array.
    origin : Origin
        What it was computed from, and by what.
    stale : str or None
        Why it doesn't hold for the state it was asked of.
    """

    variable: str
    strata: dict[str, Any]
    type: str
    value: Any
    origin: Origin
    stale: str | None


@dataclass(frozen=True, eq=False)
class View:
    """Some entries, and the state that asks for them.

    Attributes
    ----------
    where : str
        For messages: the archive and the cache.
    entries : Entries
    state : str
        Digest of the state.
    now : mapping
        What the state's signals are made of; empty if no entry is of another state.
    """

    where: str
    entries: Entries
    state: str
    now: Sources = field(default_factory=dict)
    #: Tags of freezes by the digests of their states, for messages.
    tags: Mapping[str, str] = field(default_factory=dict)
    #: What others found out about these entries and want to keep.
    memory: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(where: str, entries: Entries, state: State) -> View:
        """The view of a state; it is read if need be."""
        digest = state.digest
        if all(origin.state == digest for origin in entries.origins):
            return View(where, entries, digest)
        tags = {of: tags[-1] for of, tags in tags_by_state(state._file).items()}
        foreign = any(origin.state != digest and origin.basis != "state" for origin in entries.origins)
        return View(where, entries, digest, sources_of(state) if foreign else {}, tags)

    @functools.cached_property
    def _reasons(self) -> dict[tuple[int, Any], str | None]:
        return {}

    @functools.cached_property
    def _own(self) -> npt.NDArray[np.bool_]:
        """Which origins are of the state itself."""
        return np.array([origin.state == self.state for origin in self.entries.origins], bool)

    def why_stale(self, kind: Kind, row: int) -> str | None:
        """Why an entry doesn't hold; None if it does."""
        part = self.entries.parts[kind]
        return self._why(int(part.origins[row]), self.entries.level(kind, row, CHANNEL))

    def _why(self, number: int, channel: Any) -> str | None:
        origin = self.entries.origins[number]
        if origin.state == self.state:
            return None
        if (number, channel) not in self._reasons:
            then = self.entries.sources.get(origin.state)
            self._reasons[number, channel] = why_stale(origin, channel, self.state, then, self.now)
        return self._reasons[number, channel]

    def are_stale(self, kind: Kind, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of some entries don't hold."""
        part = self.entries.parts[kind]
        origins = part.origins[rows]
        if self._own[origins].all():
            return np.zeros(len(rows), bool)
        factor = self.entries.factors.get(CHANNEL)
        channels = [None] if factor is None else [*factor.levels, None]
        codes = self.entries.levels(kind, rows, CHANNEL)
        pairs = origins * np.int64(len(channels)) + np.where(codes < 0, len(channels) - 1, codes)
        distinct, inverse = np.unique(pairs, return_inverse=True)
        found = [
            self._why(number, channels[code]) is not None
            for number, code in zip(
                *(part.tolist() for part in np.divmod(distinct, len(channels))), strict=True
            )
        ]
        return np.array(found, bool)[inverse]

    def pick(self, variable: str, strata: Mapping[str, Any], stale: bool) -> tuple[Kind, int]:
        """Kind and row of the entry of a key that holds for the state.

        Raises
        ------
        NotInArchive
            If there is none.
        StaleValue
            If there is none that holds, and `stale` isn't set.
        EEGArchiveError
            If several of other states do: none of them is the state's own.
        """
        found = self.entries.find(variable, strata)
        if not found:
            raise self._none(variable, strata)
        for kind, row in found:
            if self.entries.origin(kind, row).state == self.state:
                return kind, row
        holding = [(kind, row) for kind, row in found if self.why_stale(kind, row) is None]
        if len(holding) > 1:
            states = " and ".join(sorted(self._named(self.entries.origin(*place)) for place in holding))
            raise EEGArchiveError(
                f"{self.where}: {shown_key(variable, strata)}: was computed on {states}, and not on this state; "
                "open the archive at one of them"
            )
        if holding:
            return holding[0]
        if not stale:
            kind, row = found[-1]
            origin = self.entries.origin(kind, row)
            raise StaleValue(
                f"{self.where}: {shown_key(variable, strata)}: is stale: {self.why_stale(kind, row)} "
                f"(it is of {self._named(origin)}); compute it anew, or ask with stale=True"
            )
        return max(found, key=lambda place: self.entries.origin(*place).time)

    def entry(self, kind: Kind, row: int) -> Entry:
        """All that is known of one entry."""
        return Entry(
            self.entries.variable(kind, row),
            self.entries.strata(kind, row),
            kind[0],
            self.entries.parts[kind].value(row),
            self.entries.origin(kind, row),
            self.why_stale(kind, row),
        )

    def select(
        self,
        variables: str | Collection[str] | None,
        strata: Mapping[str, Any],
        stale: bool,
        types: Collection[str] = TYPES,
    ) -> tuple[dict[Kind, Rows], int]:
        """Rows of the entries that a look-up of each key would give, and how many stale ones were left out.

        Raises
        ------
        EEGArchiveError
            As :meth:`pick`.
        """
        chosen, left_out = {}, 0
        for kind, rows in self.entries.select(variables, strata).items():
            if kind[0] not in types:
                continue
            rows = self._one_of_each_key(kind, rows)
            if not stale:
                old = self.are_stale(kind, rows)
                left_out += int(old.sum())
                rows = rows[~old]
            if len(rows):
                chosen[kind] = rows
        return chosen, left_out

    def _one_of_each_key(self, kind: Kind, rows: Rows) -> Rows:
        """Leave out entries of other states where a key has one that is better."""
        if self._ranks is None:
            return rows
        best, ambiguous = (found[self.entries.first_numbers[kind] + rows] for found in self._ranks)
        if ambiguous.any():
            row = int(rows[np.argmax(ambiguous)])
            self.pick(self.entries.variable(kind, row), self.entries.strata(kind, row), stale=True)
        return rows[best]

    @functools.cached_property
    def _ranks(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None:
        """Of all entries, by number: whether :meth:`pick` gives it of its key's, and whether it refuses to.

        None if no key has several entries.
        """
        entries = self.entries
        if len({origin.state for origin in entries.origins}) < 2 or not entries.parts:
            return None
        numbers, keys = entries.doubled()
        if not len(numbers):
            return None
        origins = np.concatenate([part.origins for part in entries.parts.values()])[numbers]
        holds = ~np.concatenate(
            [self.are_stale(kind, np.arange(len(part))) for kind, part in entries.parts.items()]
        )[numbers]
        merit = np.where(self._own[origins], 2, holds.astype(int))
        times = np.unique([origin.time for origin in entries.origins], return_inverse=True)[1][origins]
        order = np.lexsort([-entries.states[1][origins], times, merit, keys])
        ends = np.flatnonzero(np.diff(keys[order], append=-1))
        best = np.ones(len(entries), bool)
        best[numbers] = False
        best[numbers[order[ends]]] = True
        holding = np.bincount(keys, merit == 1)
        refused = np.isin(keys, keys[order[ends]][(merit[order[ends]] == 1)]) & (holding[keys] > 1)
        ambiguous = np.zeros(len(entries), bool)
        ambiguous[numbers[refused]] = True
        return best, ambiguous

    def nothing(self, variable: str, strata: Mapping[str, Any]) -> NotInArchive:
        """The error for a variable of which a selection has nothing."""
        if self.entries.select(variable, strata):
            return StaleValue(
                f"{self.where}: {shown_key(variable, strata)}: all of it is stale; ask with stale=True"
            )
        return self._none(variable, strata)

    def summary(self) -> list[dict[str, Any]]:
        """What there is by variable, type and factors; see :meth:`CacheReader.summary`."""
        found, names = [], list(self.entries.variables)
        for kind, part in self.entries.parts.items():
            rows = np.arange(len(part))
            stale = self.are_stale(kind, rows)
            missing = part.values.missing if part.offsets is None else np.zeros(len(part), bool)
            groups = np.concatenate([part.variables[:, None], part.levels >= 0], axis=1)
            distinct, inverse = np.unique(groups, axis=0, return_inverse=True)
            inverse = inverse.reshape(-1)
            for number, (code, *has) in enumerate(distinct.tolist()):
                own = inverse == number
                origins = [self.entries.origins[i] for i in np.unique(part.origins[own]).tolist()]
                found.append(
                    {
                        "variable": names[code],
                        "type": kind_name(kind),
                        "factors": [
                            name for name, there in zip(self.entries.factors, has, strict=True) if there
                        ],
                        "values": int(own.sum()),
                        "missing": int(missing[own].sum()),
                        "stale": int(stale[own].sum()),
                        "states": sorted(
                            {self._tag(origin) or origin.state[:_DIGEST_DIGITS] for origin in origins}
                        ),
                    }
                )
        return found

    def _tag(self, origin: Origin) -> str:
        """Tag of a freeze that has the state of an origin, or had it then; else empty."""
        return self.tags.get(origin.state) or origin.freeze

    def _named(self, origin: Origin) -> str:
        tag = self._tag(origin)
        return f"the freeze {tag}" if tag else f"the state {origin.state[:_DIGEST_DIGITS]}"

    def _none(self, variable: str, strata: Mapping[str, Any]) -> NotInArchive:
        """The error for a key that isn't there, with what is there instead."""
        key = shown_key(variable, strata)
        variables = self.entries.used_variables()
        if variable not in variables:
            near = difflib.get_close_matches(str(variable), variables, 1, 0.6)
            listed = ", ".join(variables[:8]) + (
                f" and {len(variables) - 8} more" if len(variables) > 8 else ""
            )
            hint = f"did you mean {near[0]!r}?" if near else f"there are {listed or 'no values'}"
            return NotInArchive(f"{self.where}: no variable {variable!r}; {hint}")
        for name, level in strata.items():
            factor, own = self.entries.factors.get(name), type_of(type(level))
            if factor is None:
                listed = ", ".join(self.entries.factors) or "none"
                return NotInArchive(
                    f"{self.where}: nothing for {key}: there is no factor {name!r}; there are {listed}"
                )
            if factor.type != (own or "text") and {factor.type, own} != {"int", "num"}:
                return NotInArchive(
                    f"{self.where}: nothing for {key}: the levels of {name} are of type {factor.type}, this one is "
                    f"{own or type(level).__name__}"
                )
        rows = self.entries.select(variable, {})
        kind = next(iter(rows))
        example = self.entries.strata(kind, int(rows[kind][0]))
        return NotInArchive(
            f"{self.where}: nothing for {key}; there is {shown_key(variable, example)}, for one"
        )
