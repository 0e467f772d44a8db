"""Getting values out of a cache: one by one, and in columns."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eegarchive.cache import tables
from eegarchive.cache.columns import TYPES, Block, Column, joined, joined_factors
from eegarchive.cache.entries import Entries
from eegarchive.cache.joining import with_blocks
from eegarchive.cache.parts import Kind, Rows, kind_name
from eegarchive.cache.store import CacheStore
from eegarchive.cache.view import Entry, View
from eegarchive.errors import EEGArchiveError, NotInArchive, OddInput
from eegarchive.frames import needing_pandas
from eegarchive.layout import CACHE
from eegarchive.state import State

if TYPE_CHECKING:
    import pandas


class CacheReader:
    """One cache, to be read.

    Values are numbers (float64), integers (int64), texts and booleans, or vectors of such; None is a missing one.
    Strata are factors with levels, given as keywords, or as a mapping where a factor has an odd name.
    """

    def __init__(self, state: State, name: str, store: CacheStore | None = None) -> None:
        self._state = state
        self._file = state._file
        self._store = store
        self.name = name
        self._kept: tuple[Any, View] | None = None

    # -- getting --------------------------------------------------------------------------------

    def _view(self) -> View:
        """The values as they are now; what is in memory is used until the archive changes."""
        kept = self._kept
        if kept is not None and self._store is None and None is not self._file.generation() == kept[0]:
            return kept[1]
        with self._file.reading():
            where = f"{self._file.path}: cache {self.name!r}"
            if self._store is None:
                view = self._file.cached(
                    (CACHE, self._state._path, self.name), lambda: View.of(where, self._load(), self._state)
                )
                self._kept = self._file.generation(), view
                return view
            entries, digest = self._load(), self._state.digest
            if self._kept is None or self._kept[0] != (id(entries), digest):
                self._kept = (id(entries), digest), View.of(where, entries, self._state)
            return self._kept[1]

    def _load(self) -> Entries:
        """The values of this cache; for a freeze those of the working state too that are of the freeze's."""
        if not self._state._path:
            return self._working()
        frozen = self._stored(self._state)
        working = self._working()
        digest = self._state.digest
        own = np.array([origin.state == digest for origin in working.origins], bool)
        added = []
        for kind, part in working.parts.items():
            rows = np.flatnonzero(own[part.origins])
            if len(rows):
                added.append((working.block(kind, rows), part.origins[rows]))
        return with_blocks(frozen, added, working.origins, working.sources) if added else frozen

    def _working(self) -> Entries:
        if self._store is not None:
            return self._store.entries(self.name)
        return self._stored(State(self._file, ""))

    def _stored(self, state: State) -> Entries:
        if self.name not in tables.stored_names(self._file.group(state._path)):
            return Entries()
        path = f"{state._path}/{CACHE}/{self.name}".removeprefix("/")
        return self._file.cached((CACHE, path), lambda: tables.read(self._file.group(path)))

    def get(
        self, variable: str, strata: Mapping[str, Any] | None = None, /, *, stale: bool = False, **levels: Any
    ) -> Any:
        """One value.

        Parameters
        ----------
        variable : str
        strata : mapping, optional
            Levels by factor; more of them as keywords. The value has just these.
        stale : bool
            Give the value even if it doesn't hold for the state any more.

        Returns
        -------
        float, int, str, bool, numpy.ndarray or None
            None if the value is missing. A vector with missing elements is a masked array.

        Raises
        ------
        NotInArchive
            If there is no such value.
        StaleValue
            If there is, and it doesn't hold any more.
        """
        view = self._view()
        kind, row = self._pick(view, variable, {**strata, **levels} if strata else levels, stale)
        return view.entries.parts[kind].value(row)

    def _pick(self, view: View, variable: str, strata: Mapping[str, Any], stale: bool) -> tuple[Kind, int]:
        if not view.entries.parts:
            raise self._no_cache()
        return view.pick(variable, strata, stale)

    def _no_cache(self) -> NotInArchive:
        with self._file.reading():
            names = (
                tables.stored_names(self._file.group(self._state._path))
                if self._store is None
                else self._store.names()
            )
        return NotInArchive(
            f"{self._file.path}: cache {self.name!r}: has no values; there are the caches {', '.join(names) or 'none'}"
        )

    def entry(
        self, variable: str, strata: Mapping[str, Any] | None = None, /, *, stale: bool = False, **levels: Any
    ) -> Entry:
        """One value with all that is known of it; as :meth:`get`."""
        view = self._view()
        return view.entry(*self._pick(view, variable, {**(strata or {}), **levels}, stale))

    def select(
        self,
        variable: str | None = None,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        stale: bool = False,
        **levels: Any,
    ) -> list[Entry]:
        """All values of a variable that have these strata, and maybe others; see :meth:`columns` for many.

        What is stale is left out with a warning, unless `stale` is set.
        """
        view = self._view()
        chosen = self._chosen(view, variable, {**(strata or {}), **levels}, stale)
        return [view.entry(kind, row) for kind, rows in chosen.items() for row in rows.tolist()]

    def _chosen(
        self,
        view: View,
        variables: str | Collection[str] | None,
        strata: Mapping[str, Any],
        stale: bool,
        types: Collection[str] = TYPES,
    ) -> dict[Kind, Rows]:
        chosen, left_out = view.select(variables, strata, stale, types)
        if left_out:
            warnings.warn(
                f"{view.where}: {left_out} stale values left out (`cache list` tells which)",
                OddInput,
                stacklevel=3,
            )
        return chosen

    def blocks(
        self,
        variables: Sequence[str] | None = None,
        strata: Mapping[str, Any] | None = None,
        *,
        types: Sequence[str] = TYPES,
        stale: bool = False,
    ) -> list[Block]:
        """Values in columns, those of each type and shape together.

        Parameters
        ----------
        variables : sequence of str, optional
            All if not given.
        strata : mapping, optional
            Only values with these.
        types : sequence of str
        stale : bool
            With those that don't hold any more; else they are left out with a warning.
        """
        view = self._view()
        chosen = self._chosen(view, variables, strata or {}, stale, types)
        return [view.entries.block(kind, rows) for kind, rows in chosen.items()]

    def columns(
        self, variable: str, strata: Mapping[str, Any] | None = None, /, *, stale: bool = False, **levels: Any
    ) -> dict[str, Column]:
        """The values of one variable, and the levels of each of its factors, as columns.

        Scalars of several types come as one type if that loses nothing (integers among numbers).

        Raises
        ------
        NotInArchive
            If there is no such variable.
        EEGArchiveError
            If it has vectors, or values of types that one column can't hold: then see :meth:`blocks`.
        """
        strata = {**(strata or {}), **levels}
        blocks = self.blocks([variable], strata, stale=stale)
        if not blocks:
            raise self._nothing(variable, strata)
        where = f"{self._file.path}: cache {self.name!r}: {variable}"
        if any(block.offsets is not None for block in blocks):
            raise EEGArchiveError(f"{where}: has vectors, which one column can't hold; see blocks()")
        return {**joined_factors(blocks), variable: joined([block.values for block in blocks], where)}

    def to_frame(
        self,
        variable: str | None = None,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        index: bool = False,
        stale: bool = False,
        **levels: Any,
    ) -> pandas.DataFrame:
        """Values as a pandas data frame: factors as columns, and the variable as another (needs pandas).

        Parameters
        ----------
        variable : str, optional
            If not given, a frame in long form: `variable`, factors, `value`.
        strata : mapping, optional
            Only values with these; more of them as keywords.
        index : bool
            Factors as the index.
        stale : bool
            With values that don't hold any more; else they are left out with a warning.
        """
        with needing_pandas():
            from eegarchive.cache import frames  # pandas takes half a second

        strata = {**(strata or {}), **levels}
        blocks = self.blocks(None if variable is None else [variable], strata, stale=stale)
        if variable is not None and not blocks:
            raise self._nothing(variable, strata)
        return frames.frame_of(blocks, variable, index)

    def _nothing(self, variable: str, strata: Mapping[str, Any]) -> NotInArchive:
        view = self._view()
        return view.nothing(variable, strata) if view.entries.parts else self._no_cache()

    def summary(self) -> list[dict[str, Any]]:
        """What there is, stale values too.

        Returns
        -------
        list of dict
            For each variable, type and set of factors: `variable`, `type` (`num`, or `num[]` for vectors), `factors`,
            `values`, `missing` and `stale` (how many), `states` (tags or digests of the states they are of).
        """
        return self._view().summary()

    @property
    def variables(self) -> dict[str, str]:
        """Variables, and the types of their values: `num`, `int[]` for vectors, `int, num` for several."""
        entries = self._view().entries
        found: dict[str, list[str]] = {}
        for kind, part in entries.parts.items():
            for variable in entries.used_variables(part):
                found.setdefault(variable, []).append(kind_name(kind))
        return {variable: ", ".join(types) for variable, types in found.items()}

    @property
    def factors(self) -> dict[str, list[Any]]:
        """Factors, and the levels that values have."""
        entries = self._view().entries
        found: dict[str, set[int]] = {}
        for part in entries.parts.values():
            for name, codes in zip(entries.factors, part.levels.T, strict=True):
                found.setdefault(name, set()).update(np.unique(codes[codes >= 0]).tolist())
        return {
            name: entries.factors[name].values[sorted(codes)].tolist()
            for name, codes in found.items()
            if codes
        }

    def __len__(self) -> int:
        return len(self._view().entries)

    def __repr__(self) -> str:
        if self._file.closed:
            return f"<Cache {self.name}: closed>"
        return f"<Cache {self.name}: {len(self)} values of {', '.join(self.variables) or 'no variable'}>"
