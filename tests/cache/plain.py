"""Values in a plain dict: what a cache must hold; and any values that one can hold, for hypothesis."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from eegarchive.cache.columns import DTYPES, Block, Column
from eegarchive.cache.reader import CacheReader
from eegarchive.cache.tables import RESERVED

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 5e-324, float("inf"), -float("inf"), float("nan"), 1.7976931348623157e308]),
)
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=8), st.sampled_from(["", " ", "trailing  ", "\n", "😴𝄞", "x" * 3000, "NA"])
)
VALUES = {"num": FLOAT, "int": INT64, "text": TEXT, "bool": st.booleans()}
LEVELS = {
    "num": st.one_of(st.floats(allow_nan=False), st.integers(-(2**53), 2**53)),
    "int": INT64,
    "text": TEXT,
    "bool": st.booleans(),
}
_NAMED = st.characters(exclude_characters="/,", exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
FACTOR_NAMES = st.one_of(
    st.sampled_from(["CH", "F", "E", "STAGE", "naïve 😴", "a b", "CH "]),
    st.text(_NAMED, min_size=1, max_size=6).filter(lambda name: name not in {*RESERVED, ".", ".."}),
)
VARIABLES = st.one_of(st.sampled_from(["PSD", "SR", "psd"]), st.text(CHARACTERS, min_size=1, max_size=6))


class Value(NamedTuple):
    """One entry: strata as a dict; a vector as a list; None is missing."""

    variable: str
    strata: dict[str, Any]
    type: str
    value: Any

    @property
    def key(self) -> tuple[Any, ...]:
        return key_of(self.variable, self.strata)

    @property
    def is_vector(self) -> bool:
        return isinstance(self.value, list)


def key_of(variable: str, strata: Mapping[str, Any]) -> tuple[Any, ...]:
    """Equal for equal keys: 10 is 10.0, True isn't 1."""
    return variable, frozenset((name, isinstance(level, bool), level) for name, level in strata.items())


def same(kind: str, value: Any) -> Any:
    """Equal for values that are the same to the last bit."""
    if isinstance(value, np.ndarray):
        value = np.ma.MaskedArray(value).tolist()
    if isinstance(value, list):
        return [same(kind, one) for one in value]
    if value is None:
        return None
    assert type(value) is {"num": float, "int": int, "text": str, "bool": bool}[kind]
    if kind == "num" and value == value:
        return struct.pack("<d", value)
    return "nan" if kind == "num" else value


def model_of(values: Iterable[Value]) -> dict[tuple[Any, ...], tuple[str, Any]]:
    """Type and value by key; of several the last."""
    return {one.key: (one.type, one.is_vector, same(one.type, one.value)) for one in values}


def found_in(cache: CacheReader) -> dict[tuple[Any, ...], tuple[str, Any]]:
    """The same of a cache, by all ways to read one."""
    found = {}
    for entry in cache.select(stale=True):
        assert key_of(entry.variable, entry.strata) not in found
        found[key_of(entry.variable, entry.strata)] = (
            entry.type,
            isinstance(entry.value, np.ndarray),
            same(entry.type, entry.value),
        )
        value = cache.get(entry.variable, entry.strata, stale=True)
        assert same(entry.type, value) == same(entry.type, entry.value)
    assert model_of(values_of(cache.blocks(stale=True))) == found
    assert len(cache) == len(found)
    return found


def values_of(blocks: Iterable[Block]) -> list[Value]:
    """The values of blocks, one by one."""
    found = []
    for block in blocks:
        levels = {name: column.to_list() for name, column in block.factors.items()}
        there = {name: ~column.missing for name, column in block.factors.items()}
        values = block.values.to_list()
        for i, variable in enumerate(block.variables.tolist()):
            strata = {name: levels[name][i] for name in levels if there[name][i]}
            own = (
                values[i]
                if block.offsets is None
                else values[int(block.offsets[i]) : int(block.offsets[i + 1])]
            )
            found.append(Value(variable, strata, block.values.type, own))
    return found


def column(kind: Any, values: list[Any]) -> Column:
    """Values of a type as a column."""
    filler = {"num": 0.5, "int": 7, "text": "?", "bool": True}[kind]
    held = np.empty(len(values), DTYPES[kind])
    held[:] = [filler if value is None else value for value in values]
    return Column(kind, held, np.array([value is None for value in values], bool))


@st.composite
def values(draw: st.DrawFn, max_size: int = 12) -> list[Value]:
    """Values for one cache, in several factor sets; keys may be there twice."""
    names = draw(st.lists(FACTOR_NAMES, unique=True, max_size=4))
    levels = {name: LEVELS[draw(st.sampled_from(list(LEVELS)))] for name in names}
    pools = {name: draw(st.lists(levels[name], min_size=1, max_size=4)) for name in names}
    variables = draw(st.lists(VARIABLES, min_size=1, max_size=3))
    found = []
    for _ in range(draw(st.integers(0, max_size))):
        own = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        strata = {name: draw(st.sampled_from(pools[name])) for name in own}
        kind = draw(st.sampled_from(list(VALUES)))
        one = st.one_of(st.none(), VALUES[kind])
        value = draw(st.one_of(one, st.lists(one, max_size=5)))
        found.append(Value(draw(st.sampled_from(variables)), strata, kind, value))
    return found
