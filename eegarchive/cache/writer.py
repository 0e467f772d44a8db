"""Putting values into a cache, and removing them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eegarchive import provenance
from eegarchive.cache.columns import Block, ValueType, as_type, checked_block, column_of, scalar_of
from eegarchive.cache.entries import Entries, shown_key
from eegarchive.cache.origins import Basis, Origin, check_basis, sources_of, tags_by_state
from eegarchive.cache.reader import CacheReader
from eegarchive.cache.store import CacheStore
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import FREEZES
from eegarchive.state import State
from eegarchive.storage.objects import check_text

if TYPE_CHECKING:
    import pandas


class CacheWriter(CacheReader):
    """One cache, to be changed inside `eegarchive.edit`."""

    def __init__(self, state: State, name: str, store: CacheStore | None = None) -> None:
        super().__init__(state, name, store)
        #: Those made so far, so that values put one by one share theirs.
        self._origins: dict[tuple[str, ...], Origin] = {}

    # -- putting --------------------------------------------------------------------------------

    def _writable(self) -> CacheStore:
        if self._store is None:
            raise EEGArchiveError(
                f"{self._file.path}: is open for reading; to put values, use eegarchive.edit"
            )
        if self._state._path:
            raise EEGArchiveError(
                f"{self._file.path}: {self._state._path}: a freeze's cache can't be changed"
            )
        with self._file.reading():  # says so if the edit has ended
            return self._store

    def _named(self, error: EEGArchiveError, *key: str) -> EEGArchiveError:
        """An error that says where, too."""
        return type(error)(": ".join([str(self._file.path), f"cache {self.name!r}", *key, str(error)]))

    def put(
        self,
        variable: str,
        value: Any,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        type: ValueType | None = None,
        basis: Basis = "clock",
        operation: str = "put",
        parameters: Mapping[str, Any] | None = None,
        **levels: Any,
    ) -> None:
        """Keep one value, in place of the one that this state has for the same variable and strata.

        Parameters
        ----------
        variable : str
        value : float, int, str, bool, sequence of such, or None
            None is a missing value; so is it in a vector.
        strata : mapping, optional
            Levels by factor; more of them as keywords: `CH="C3", F=13.5`.
        type : {"num", "int", "text", "bool"}, optional
            Of what type the value has to be: integers become numbers, all else that differs is refused. By default
            the type it has; of a missing value that of the variable's others, or num.
        basis : {"clock", "samples", "state"}
            What the value holds for: a metric or a time on the recording clock ("clock") until the samples of the
            signal that its level of CH names change; positions of samples ("samples") also until samples are dropped
            before them; "state": until anything changes.
        operation : str
            What computed it, for people.
        parameters : mapping, optional
            What that was given; JSON.

        Raises
        ------
        EEGArchiveError
            If a value or level is of no type that a cache can hold.
        """
        store = self._writable()
        given = {**(strata or {}), **levels}
        try:
            origin = self.origin(operation, basis, parameters=parameters)
            check_variable(variable)
            kind, held = _typed(value, type, lambda: store.type_of(self.name, variable))
            store.put(self.name, variable, given, held, kind, origin)
        except EEGArchiveError as error:
            raise self._named(error, shown_key(variable, given)) from None
        self._remember(store, origin)

    def put_columns(
        self,
        columns: Mapping[str, Any],
        factors: Sequence[str] = (),
        *,
        basis: Basis = "clock",
        operation: str = "put",
        parameters: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep many values: columns of equal length, some of which are factors and the others variables.

        Parameters
        ----------
        columns : mapping of str to array, sequence or Column
            None and what is masked is missing: a missing value, or a factor that the row doesn't have.
        factors : sequence of str
            Which of them are factors.
        basis, operation, parameters
            As those of :meth:`put`.

        Returns
        -------
        int
            How many values that were.

        Raises
        ------
        EEGArchiveError
            If two rows have the same strata, or a column can't be kept.
        """
        self._writable()
        try:
            return self._add(_blocks(columns, factors), self.origin(operation, basis, parameters=parameters))
        except EEGArchiveError as error:
            raise self._named(error) from None

    def put_frame(
        self,
        frame: pandas.DataFrame,
        factors: Sequence[str] = (),
        *,
        basis: Basis = "clock",
        operation: str = "put",
        parameters: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep the values of a pandas data frame: columns that aren't factors are variables.

        NaN in a plain float column is a number; None and pandas.NA are missing. A named index counts as columns.
        """
        index = [str(name) for name in frame.index.names if name is not None]
        names = [*map(str, frame.columns), *index]
        if twice := [name for name in names if names.count(name) > 1]:
            raise self._named(EEGArchiveError(f"the frame has several columns {twice[0]!r}"))
        columns: dict[str, Any] = {str(name): frame[name] for name in frame.columns}
        for number, name in enumerate(frame.index.names):
            if name is not None:
                columns[str(name)] = frame.index.get_level_values(number)
        return self.put_columns(columns, factors, basis=basis, operation=operation, parameters=parameters)

    def add_blocks(
        self,
        blocks: Sequence[Block],
        *,
        basis: Basis = "clock",
        operation: str = "put",
        parameters: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep values as :meth:`blocks` gives them; how many that were."""
        self._writable()
        try:
            for variable in {name for block in blocks for name in block.variables.tolist()}:
                check_variable(variable)
            checked = [checked_block(block) for block in blocks]
            return self._add(checked, self.origin(operation, basis, parameters=parameters))
        except EEGArchiveError as error:
            raise self._named(error) from None

    def _add(self, blocks: Sequence[Block], origin: Origin) -> int:
        """Keep values that were looked at."""
        store = self._writable()
        store.add(self.name, [(block, np.zeros(len(block), np.int32)) for block in blocks], [origin], {})
        self._remember(store, origin)
        return sum(map(len, blocks))

    def origin(
        self,
        operation: str,
        basis: str,
        *,
        function: str = "",
        code: str = "",
        parameters: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Origin:
        """What stands for a value that is computed now, on this state."""
        with self._file.reading():
            state = self._state.digest
            tag = self._file.cached((FREEZES, self._state._path, state), lambda: self._tag(state))
            key = (
                state,
                tag,
                operation,
                basis,
                function,
                code,
                json_of(parameters) if parameters else "{}",
                json_of(versions) if versions else "{}",
            )
            if key not in self._origins:
                check_basis(basis)
                for what, text in (("operation", operation), ("function", function)):
                    check_text(what, text)
                self._origins[key] = Origin(
                    state=state,
                    freeze=tag,
                    basis=basis,
                    operation=operation,
                    function=function,
                    code=code,
                    parameters=key[-2],
                    versions=json_of({**provenance.versions(), **(versions or {})}),
                    time=provenance.now(),
                )
            return self._origins[key]

    def _tag(self, digest: str) -> str:
        """Tag of the freeze that has a state, its own if this is one."""
        if self._state._path:
            return self._state._path.rpartition("/")[2]
        return next(iter(tags_by_state(self._file).get(digest, ())), "")

    def _remember(self, store: CacheStore, origin: Origin) -> None:
        """Have the store know what the state of an origin is made of."""
        if not store.knows(self.name, origin.state):
            store.know(self.name, origin.state, sources_of(self._state))

    # -- removing -------------------------------------------------------------------------------

    def remove(
        self,
        variable: str | None = None,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        stale: bool = False,
        **levels: Any,
    ) -> int:
        """Remove the values of a variable, or of all, that have these strata, and maybe others.

        Parameters
        ----------
        variable : str, optional
        strata : mapping, optional
        stale : bool
            Only those that don't hold for the working state any more.

        Returns
        -------
        int
            How many.
        """
        store, view = self._writable(), self._view()
        kept, count = {}, 0
        for kind, rows in view.entries.select(variable, {**(strata or {}), **levels}).items():
            gone = rows[view.are_stale(kind, rows)] if stale else rows
            kept[kind] = np.ones(len(view.entries.parts[kind]), bool)
            kept[kind][gone] = False
            count += len(gone)
        if count:
            store.keep_only(self.name, view.entries.only(kept))
        return count

    def clear(self) -> None:
        """Remove all values, and so the cache."""
        self._writable().keep_only(self.name, Entries())


def _typed(value: Any, kind: str | None, default: Callable[[], ValueType]) -> tuple[ValueType, Any]:
    """Type of a value, and the value as it is kept: a vector as a column."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    scalar = value is None or isinstance(value, str | bytes) or not hasattr(value, "__len__")
    if scalar and kind is None and value is not None:
        return scalar_of(value, "the value")
    column = column_of([value] if scalar else value, "the value")
    if kind is None and column.missing.all() and not hasattr(value, "dtype"):
        kind = default()
    if kind is not None:
        column = as_type(column, kind, "the value")
    return column.type, column.to_list()[0] if scalar else column


def _blocks(columns: Mapping[str, Any], factors: Sequence[str]) -> list[Block]:
    """Columns as blocks, one for each variable."""
    for name in factors:
        if name not in columns:
            raise EEGArchiveError(f"no column {name!r} for the factor; there are {', '.join(columns)}")
    typed = {name: column_of(values, name) for name, values in columns.items()}
    for name in typed:
        check_variable(name)
    lengths = {name: len(column) for name, column in typed.items()}
    if len(set(lengths.values())) > 1:
        raise EEGArchiveError(f"columns of several lengths: {lengths}")
    levels = {name: typed[name] for name in factors}
    return [
        Block(np.full(len(column), name, object), levels, column)
        for name, column in typed.items()
        if name not in levels
    ]


def check_variable(name: str) -> None:
    """Refuse what a variable can't be called.

    Raises
    ------
    EEGArchiveError
    """
    if not isinstance(name, str) or not name:
        raise EEGArchiveError(f"a variable's name is a text, not {name!r}")
    check_text(f"the variable {name[:40]!r}", name)


def json_of(value: Any, what: str = "the parameters") -> str:
    """A value as JSON, keys in order.

    Raises
    ------
    EEGArchiveError
        If JSON can't hold it.
    """
    try:
        text = json.dumps(value, sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise EEGArchiveError(f"{what}: JSON can't hold it: {error}") from None
    check_text(what, text)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r:.40}")
