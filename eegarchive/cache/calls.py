"""One call of `compute`: what tells it from others, and what it gave before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eegarchive.cache import tables
from eegarchive.cache.columns import column_of, common_type
from eegarchive.cache.entries import Entries
from eegarchive.cache.joining import check_levels
from eegarchive.cache.levels import level_of, plain_of
from eegarchive.cache.origins import Basis, Origin, check_basis
from eegarchive.cache.results import is_shape, value_of
from eegarchive.cache.view import View
from eegarchive.cache.writer import check_variable, json_of
from eegarchive.errors import EEGArchiveError
from eegarchive.storage import guard

if TYPE_CHECKING:
    from eegarchive.cache.fingerprint import Fingerprint

#: The operation that an origin names.
OPERATION = "compute"
_SAME = "nothing has changed"


@dataclass(frozen=True)
class Computed:
    """What :meth:`Cache.compute` found or made.

    Attributes
    ----------
    value : float, int, str, bool, array, Stratified or None
        The same whether it was stored before or now.
    reused : bool
        Whether it was there; then the function wasn't called.
    reason : str
        Why it was reused, or computed.
    stored : bool
        Whether the archive has it now; False if that can't be written to.
    """

    value: Any
    reused: bool
    reason: str
    stored: bool = True


@dataclass(frozen=True)
class Call:
    """One thing to compute: what it is called, and what its value hangs on beside the state."""

    variable: str
    given: Mapping[str, Any]
    levels: Mapping[str, Any]
    basis: Basis
    made_by: Fingerprint

    @property
    def key(self) -> str:
        """What tells it from other things that are computed."""
        return _key(self.variable, self.given)


# -- what is to be computed ---------------------------------------------------------------------------


def call_of(
    entries: Entries, cache: str, variable: str, given: Mapping[str, Any], basis: Basis, made_by: Fingerprint
) -> Call:
    """What is to be computed.

    Raises
    ------
    EEGArchiveError
        If its value couldn't be stored: better now than when the work is done.
    """
    guard.check_name(cache, "cache")
    check_variable(variable)
    check_basis(basis)
    levels = {}
    for name, value in given.items():
        tables.check_factor_name(name)
        level = levels[name] = level_of(name, value)
        column = column_of([level], f"the factor {name}")
        check_levels(name, column)
        known = entries.factors.get(name)
        if known is not None:
            types = f"the factor {name} has levels of type {known.type}; {level!r:.40} is {column.type}"
            common_type((known.type, column.type), types)
    plain = {name: plain_of(name, value) for name, value in given.items()}
    return Call(variable, plain, levels, basis, made_by)


# -- looking ----------------------------------------------------------------------------------------


def look(view: View, call: Call) -> tuple[Computed | None, str]:
    """What was computed before, if it still is what would be computed now; and why."""
    if "computed" not in view.memory:
        view.memory["computed"] = computed_before(view.entries)
    before: dict[str, int] | None = view.memory["computed"].get(call.key)
    if before is None:
        return None, "there was none"
    if view.state not in before:
        return None, "the state is another one"
    number = before[view.state]
    origin = view.entries.origins[number]
    stated = json.loads(origin.parameters)
    if origin.code != call.made_by.code:
        return None, "the function has changed"
    if stated["packages"] != call.made_by.packages:
        changed = {*stated["packages"].items()} ^ {*call.made_by.packages.items()}
        return None, f"the versions of {', '.join(sorted({name for name, _ in changed}))} have changed"
    if origin.basis != call.basis:
        return None, "the basis is another one"
    found = [
        (kind, rows)
        for kind, part in view.entries.parts.items()
        if len(rows := np.flatnonzero(part.origins == number))
    ]
    try:
        (place,) = found  # of one kind
        return Computed(value_of(view.entries.block(*place), stated), True, _SAME), _SAME
    except (ValueError, TypeError, OverflowError):
        return None, "parts of it were replaced or removed"


def computed_before(entries: Entries) -> dict[str, dict[str, int]]:
    """Numbers of the origins of what was computed and is there, by what it is and by state; of several the last."""
    found: dict[str, dict[str, int]] = {}
    used = {number for part in entries.parts.values() for number in np.unique(part.origins).tolist()}
    for number in sorted(used):
        origin = entries.origins[number]
        key = _key_of(origin)
        if key is not None:
            found.setdefault(key, {})[origin.state] = number
    return found


def _key(variable: str, given: Mapping[str, Any]) -> str:
    return json_of({"variable": variable, "strata": given})


def _key_of(origin: Origin) -> str | None:
    """What was computed; None if an origin says no such thing, or not in our way."""
    if origin.operation != OPERATION:
        return None
    try:
        stated = json.loads(origin.parameters)
        if isinstance(stated["packages"], dict) and is_shape(stated):
            return _key(stated["variable"], stated["strata"])
    except (ValueError, TypeError, KeyError, RecursionError, EEGArchiveError):
        pass
    return None
