"""Reuse a value, or compute it: never the value of another state, of other parameters or of another function."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from eegarchive import digest
from eegarchive.cache.calls import OPERATION, Call, Computed, call_of, computed_before, look
from eegarchive.cache.columns import Block
from eegarchive.cache.exchange import CacheExchange
from eegarchive.cache.origins import Basis, Origin, sources_of
from eegarchive.cache.results import block_of, value_of
from eegarchive.cache.store import CacheStore
from eegarchive.cache.view import View
from eegarchive.errors import EEGArchiveError, OddInput, describe
from eegarchive.provenance import version_of
from eegarchive.state import State
from eegarchive.storage.container import EditedFile
from eegarchive.storage.handles import IsDetached
from eegarchive.storage.locks import EDIT_WAIT_SECONDS, Locked
from eegarchive.storage.transaction import begin

if TYPE_CHECKING:
    from eegarchive.cache.fingerprint import Fingerprint


class Cache(CacheExchange):
    """One cache: values by variable and strata.

    Values are numbers (float64), integers (int64), texts and booleans, or vectors of such; None is a missing one.
    Strata are factors with levels, given as keywords, or as a mapping where a factor has an odd name.
    """

    @overload
    def compute(
        self,
        variable: str,
        fn: None = None,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        basis: Basis = "state",
        version: str | None = None,
        packages: Sequence[str] = (),
        force: bool = False,
        timeout: float = EDIT_WAIT_SECONDS,
        **parameters: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
    @overload
    def compute(
        self,
        variable: str,
        fn: Callable[..., Any],
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        basis: Basis = "state",
        version: str | None = None,
        packages: Sequence[str] = (),
        force: bool = False,
        timeout: float = EDIT_WAIT_SECONDS,
        **parameters: Any,
    ) -> Computed: ...
    def compute(
        self,
        variable: str,
        fn: Callable[..., Any] | None = None,
        strata: Mapping[str, Any] | None = None,
        /,
        *,
        basis: Basis = "state",
        version: str | None = None,
        packages: Sequence[str] = (),
        force: bool = False,
        timeout: float = EDIT_WAIT_SECONDS,
        **parameters: Any,
    ) -> Any:
        """Get a value from the cache, or else call a function for it and store what that gives.

        The function is called as `fn(night, **parameters)`, `night` being the archive or freeze whose cache this is,
        if there is no value of this state, with these parameters, by this version of the function: its code, that of
        the functions of your own that it calls, constants they use, and the versions of the packages they name.

        Parameters
        ----------
        variable : str
            What the value is called.
        fn : callable, optional
            If not given, this makes a decorator; the function it makes takes parameters and gives values, and has what
            the last call did in its attribute `last`.
        strata, parameters
            Parameters of the function and strata of the value, all in one: scalars are levels as they are, anything
            else (a tuple, for one) as JSON.
        basis : {"clock", "samples", "state"}
            For how long :meth:`get` gives the value; see :meth:`put`. `compute` itself goes by the state alone.
        version : str, optional
            Goes in place of the function's code, where that can't be compared.
        packages : sequence of str
            Further packages whose versions count.
        force : bool
            Call the function in any case.
        timeout : float
            Seconds to wait for others who edit or read the archive.

        Returns
        -------
        Computed

        Raises
        ------
        EEGArchiveError
            If the function's code can't be compared, or gives something that a cache can't hold, or the archive has
            changed while it ran. Nothing is stored then, nor if the function raises.

        Notes
        -----
        An archive that is open for reading is edited for a moment to store the value, and only then. If it can't be
        written to, the value is given with a warning.
        """
        if fn is None:
            options = {
                "basis": basis,
                "version": version,
                "packages": packages,
                "force": force,
                "timeout": timeout,
            }
            return self._decorator(variable, {**(strata or {}), **parameters}, options)
        given = {**(strata or {}), **parameters}
        with self._naming():
            view = self._view()
            made_by = _made_by(fn, version, packages)
            call = call_of(view.entries, self.name, variable, given, basis, made_by)
            found, reason = look(view, call)
        if found is not None and not force:
            return found
        before = self._state.digest
        result = fn(self._state, **{name: _scalar(value) for name, value in given.items()})
        with self._naming():
            if self._state.digest != before:
                raise _changed(variable)
            block, shape = block_of(variable, call.levels, result)
            computed = Computed(
                value_of(block, shape), False, reason if found is None else "it was asked for"
            )
            return self._keep(call, block, shape, computed, before, timeout, force)

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Let errors say which archive and cache they are about."""
        try:
            yield
        except EEGArchiveError as error:
            if str(self._file.path) not in str(error):
                error.args = (f"{self._file.path}: cache {self.name!r}: {error}",)
            raise

    def _decorator(
        self, variable: str, given: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        from eegarchive.cache.fingerprint import Decorated

        def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(fn)
            def cached(**parameters: Any) -> Any:
                cached.last = self.compute(variable, fn, {**given, **parameters}, **options)  # type: ignore[attr-defined]
                return cached.last.value  # type: ignore[attr-defined]

            cached.last = None  # type: ignore[attr-defined]
            cached.decorated = Decorated(fn, given)  # type: ignore[attr-defined]
            return cached

        return decorate

    def _keep(
        self,
        call: Call,
        block: Block,
        shape: Mapping[str, Any],
        computed: Computed,
        before: str,
        timeout: float,
        force: bool,
    ) -> Computed:
        """Store what was computed: in the edit that is under way, or in one for the purpose."""
        stated = {
            "variable": call.variable,
            "strata": call.given,
            "packages": call.made_by.packages,
            **shape,
        }
        self._origins.clear()  # one that is made for values put earlier has their time
        origin = self.origin(
            OPERATION,
            call.basis,
            function=call.made_by.function,
            code=call.made_by.code,
            parameters=stated,
            versions=call.made_by.packages,
        )
        if self._store is not None:
            _store(self._store, self.name, call, block, origin, self._state)
            return computed
        try:
            with begin(Path(os.path.realpath(self._file.path)), timeout) as transaction:
                file = EditedFile(transaction)
                try:
                    state, store = State(file, self._state._path), CacheStore(file)
                    if state.digest != before:
                        raise _changed(call.variable)
                    other = look(View.of("", store.entries(self.name), state), call)[0]
                    if other is not None and not force:  # another process was quicker
                        return Computed(other.value, False, computed.reason)
                    _store(store, self.name, call, block, origin, state)
                    store.write()
                    digest.write_archive_digest(file.h5)
                finally:
                    file.close()
        except (IsDetached, Locked, OSError) as error:
            warnings.warn(
                f"{call.variable} was computed, but couldn't be stored: {describe(error)}",
                OddInput,
                stacklevel=_callers_level(),
            )
            return Computed(computed.value, False, computed.reason, stored=False)
        return computed


def _callers_level() -> int:
    """How far up the stack, from who calls this, the one stands who called this module."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame, level = frame.f_back, level + 1
    return level


def _changed(variable: str) -> EEGArchiveError:
    return EEGArchiveError(
        f"{variable}: the archive has changed while it was computed; nothing was stored, try again"
    )


# -- calling --------------------------------------------------------------------------------------


def _made_by(fn: Callable[..., Any], version: str | None, packages: Sequence[str]) -> Fingerprint:
    """What tells this version of a function from others."""
    from eegarchive.cache.fingerprint import Fingerprint, fingerprint  # only here are they needed
    from eegarchive.cache.fingerprint_packages import distribution_named

    if version is None:
        return fingerprint(fn, packages)
    name = f"{getattr(fn, '__module__', '?')}:{getattr(fn, '__qualname__', type(fn).__qualname__)}"
    versions = {distribution_named(package): version_of(package) for package in packages}
    return Fingerprint(name, f"version {version}", versions)


def _scalar(value: Any) -> Any:
    """A parameter as the function gets it: scalars as they are compared."""
    return value.item() if isinstance(value, np.generic) else value


# -- storing ----------------------------------------------------------------------------------------


def _store(store: CacheStore, name: str, call: Call, block: Block, origin: Origin, state: State) -> None:
    """Put what was computed in, in place of all that the same call gave before, unless a freeze has that state."""
    before = store.entries(name)
    gone = [
        number
        for state_before, number in computed_before(before).get(call.key, {}).items()
        if state_before == origin.state or state_before not in store.frozen_states()
    ]
    sources = {} if origin.state in before.sources else {origin.state: sources_of(state)}
    try:
        if gone:
            left = {kind: ~np.isin(part.origins, gone) for kind, part in before.parts.items()}
            store.keep_only(name, before.only(left))
        store.add(name, [(block, np.zeros(len(block), np.int32))], [origin], sources)
    except BaseException:
        store.keep_only(name, before)
        raise
