"""More values into a cache: which of the old ones they replace, and what type a factor's levels get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, EXACT_INTEGERS, Block, Column, ValueType, common_type, largest
from eegarchive.cache.entries import Entries, shown_key
from eegarchive.cache.origins import Origin, Sources
from eegarchive.cache.parts import KINDS, Codes, Factor, Kind, Part, Vocabulary, joined_parts
from eegarchive.errors import EEGArchiveError


def with_blocks(
    entries: Entries,
    added: Sequence[tuple[Block, Codes]],
    origins: Sequence[Origin],
    sources: Mapping[str, Sources],
    frozen: Iterable[str] = (),
) -> Entries:
    """Entries with more of them, which replace those of the same key and state.

    Of a key's entries for other states, those stay whose state is frozen; the others go, since nobody can come
    back to it.

    Parameters
    ----------
    entries : Entries
    added : sequence of (Block, origins)
        The origins are numbers into `origins`.
    origins : sequence of Origin
    sources : mapping
        As the attribute of the entries.
    frozen : iterable of str
        Digests of states that are kept.

    Raises
    ------
    EEGArchiveError
        If two of the new ones have the same key and state, or levels are of another type than the factor's.
    """
    added = [(block, own) for block, own in added if len(block)]
    variables = Vocabulary(entries.variables)
    factors = _joined_factors(entries, [block for block, _ in added])
    names = list(factors)
    all_origins = list(entries.origins)
    known = {origin: number for number, origin in enumerate(all_origins)}
    for origin in origins:
        if origin not in known:
            known[origin] = len(all_origins)
            all_origins.append(origin)
    numbers = np.array([known[origin] for origin in origins], np.int32)
    old = {
        kind: replace(part, levels=_widened(part.levels, len(names))) for kind, part in entries.parts.items()
    }
    new: dict[Kind, list[Part]] = {}
    for block, own in added:
        levels = np.full((len(block), len(names)), -1, np.int32)
        for name, column in block.factors.items():
            if not column.missing.all():
                there = ~column.missing
                own_levels = np.asarray(column.values[there], DTYPES[factors[name].type])
                levels[there, names.index(name)] = factors[name].levels.add(own_levels)
        kind = (block.values.type, block.offsets is not None)
        codes = variables.add(block.variables)
        new.setdefault(kind, []).append(Part(codes, levels, block.values, block.offsets, numbers[own]))
    both = replace(
        entries,
        variables=variables,
        factors=factors,
        origins=all_origins,
        sources={**entries.sources, **sources},
    )
    if not new:
        return replace(both, parts=old)
    fresh = replace(both, parts={kind: joined_parts(parts) for kind, parts in new.items()})
    _refuse_doubles(fresh)
    kept = replace(both, parts=old).only(_not_replaced(fresh, old, frozen))
    parts = {
        kind: joined_parts(
            [part for part in (kept.parts.get(kind), fresh.parts.get(kind)) if part is not None]
        )
        for kind in KINDS
        if kind in kept.parts or kind in fresh.parts
    }
    return replace(both, parts=parts)


def _joined_factors(entries: Entries, blocks: Sequence[Block]) -> dict[str, Factor]:
    """The factors of some entries and of new ones, with a type for both; levels are copied."""
    types: dict[str, list[ValueType]] = {name: [f.type] for name, f in entries.factors.items()}
    for block in blocks:
        for name, column in block.factors.items():
            if not column.missing.all():
                check_levels(name, column)
                types.setdefault(name, []).append(column.type)
    found = {}
    for name, kinds in types.items():
        kind = common_type(
            kinds, f"the factor {name} has levels of the types {' and '.join(dict.fromkeys(kinds))}"
        )
        if kind == "num" and "int" in kinds:
            _check_exact(name, entries.factors.get(name), blocks)
        old = entries.factors[name].levels if name in entries.factors else ()
        levels = [float(level) for level in old] if kind == "num" else old
        found[name] = Factor(kind, Vocabulary(levels))
    return found


def check_levels(name: str, levels: Column) -> None:
    """Refuse levels that can't tell strata apart.

    Raises
    ------
    EEGArchiveError
    """
    if levels.type == "num" and np.isnan(levels.values[~levels.missing]).any():
        raise EEGArchiveError(f"the factor {name} has NaN for a level, which is equal to nothing")


def _check_exact(name: str, old: Factor | None, blocks: Sequence[Block]) -> None:
    """Refuse integer levels that become numbers and couldn't be told apart then."""
    columns = [block.factors[name] for block in blocks if name in block.factors]
    most = max((largest(column) for column in columns if column.type == "int"), default=0)
    if old is not None and old.type == "int":
        most = max(most, max(map(abs, old.levels), default=0))
    if most > EXACT_INTEGERS:
        raise EEGArchiveError(
            f"the factor {name} has the level {most} among floats: beyond what a float holds exactly"
        )


def _widened(levels: Codes, factors: int) -> Codes:
    """Levels with columns for factors that no old entry has."""
    missing = factors - levels.shape[1]
    return np.pad(levels, ((0, 0), (0, missing)), constant_values=-1) if missing else levels


def _refuse_doubles(fresh: Entries) -> None:
    keys, order = fresh.index
    doubles = np.flatnonzero(keys[1:] == keys[:-1])
    if len(doubles):
        kind, row = fresh.place(int(order[doubles[0] + 1]))
        key = shown_key(fresh.variable(kind, row), fresh.strata(kind, row))
        raise EEGArchiveError(f"{key}: is given twice; a key has one value")


def _not_replaced(
    fresh: Entries, old: Mapping[Kind, Part], frozen: Iterable[str]
) -> dict[Kind, npt.NDArray[np.bool_]]:
    """Which of the old entries stay when fresh ones, of one or several states, are put in."""
    states, of_origin = fresh.states
    stays = np.isin(
        np.arange(len(states)), [states.codes[state] for state in frozen if state in states.codes]
    )
    new = np.sort(np.concatenate([fresh.keys(part) for part in fresh.parts.values()]))
    found = {}
    for kind, part in old.items():
        hit = _among(fresh.keys(part), new)
        same = _among(fresh.keys_with_state(part), fresh.index[0])
        found[kind] = ~hit | (stays[of_origin[part.origins]] & ~same)
    return found


def _among(keys: npt.NDArray[Any], ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of some keys are among others that are in order."""
    places = ordered.searchsorted(keys)
    found: npt.NDArray[np.bool_] = ordered[np.minimum(places, len(ordered) - 1)] == keys
    return found
