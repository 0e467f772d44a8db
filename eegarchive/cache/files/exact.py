"""What the exact formats have in common: names of types, values as JSON, and blocks from rows of any kind."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import (
    DTYPES,
    EXACT_INTEGERS,
    FILLERS,
    TYPES,
    Block,
    Column,
    ValueType,
    common_type,
)
from eegarchive.cache.files.faults import Fault
from eegarchive.cache.files.tables import Values, first_double, key_of, listed, refuse_nan, with_prefix
from eegarchive.errors import EEGArchiveError
from eegarchive.scoring.text import shown
from eegarchive.storage.objects import check_text

#: Names of the kinds of values, which say the type, and whether they are vectors.
KINDS: dict[str, tuple[ValueType, bool]] = {kind: (kind, False) for kind in TYPES} | {
    f"{kind}_vector": (kind, True) for kind in TYPES
}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_PYTHON: dict[ValueType, tuple[tuple[type, ...], str]] = {
    "num": ((float, int, str), "a number, 'NaN', 'Infinity' or '-Infinity'"),
    "int": ((int,), "an integer"),
    "text": ((str,), "a text"),
    "bool": ((bool,), "true or false"),
}
_ROWS = 1 << 16


def kind_of_block(block: Block) -> str:
    """Name of the kind of a block's values."""
    return block.values.type if block.offsets is None else f"{block.values.type}_vector"


# -- blocks to rows -----------------------------------------------------------------------------------


def unified(blocks: Sequence[Block]) -> tuple[dict[str, ValueType], list[Block]]:
    """Blocks with one type for each factor, in which integers among numbers are numbers.

    Raises
    ------
    EEGArchiveError
        If a factor has levels of types that don't go together.
    """
    found: dict[str, list[ValueType]] = {}
    for block in blocks:
        for name, column in block.factors.items():
            if not column.missing.all():
                found.setdefault(name, []).append(column.type)
    types = {
        name: common_type(kinds, f"the factor {name}: {' and '.join(dict.fromkeys(kinds))}")
        for name, kinds in found.items()
    }
    return types, [
        replace(
            block,
            factors={
                name: _as_factor(name, column, types[name])
                for name, column in block.factors.items()
                if not column.missing.all()
            },
        )
        for block in blocks
    ]


def _as_factor(name: str, column: Column, kind: ValueType) -> Column:
    if column.type == kind:
        return column
    levels = np.where(column.missing, 0, column.values)
    if ((levels > EXACT_INTEGERS) | (levels < -EXACT_INTEGERS)).any():
        raise EEGArchiveError(
            f"the factor {name} has integers among floats, beyond what a float holds exactly"
        )
    return Column(kind, levels.astype(np.float64), column.missing)


def slices(blocks: Sequence[Block]) -> Iterator[Block]:
    """The values of blocks, so many at a time that they can be turned into text."""
    for block in blocks:
        for first in range(0, len(block), _ROWS):
            part = slice(first, first + _ROWS)
            factors = {name: column.take(part) for name, column in block.factors.items()}
            if block.offsets is None:
                yield Block(block.variables[part], factors, block.values.take(part))
                continue
            offsets = block.offsets[first : first + _ROWS + 1]
            elements = block.values.take(slice(int(offsets[0]), int(offsets[-1])))
            yield Block(block.variables[part], factors, elements, offsets - offsets[0])


def encoded(column: Column) -> list[str]:
    """Each value as JSON; what JSON's numbers can't be is text."""
    values = column.values.tolist()
    if column.type == "num":
        found = list(map(float.__repr__, values))
        for i in np.flatnonzero(~np.isfinite(column.values)).tolist():
            found[i] = f'"{_special(values[i])}"'
    elif column.type == "text":
        known = {text: json.dumps(text, ensure_ascii=False) for text in dict.fromkeys(values)}
        found = [known[text] for text in values]
    else:
        found = [json.dumps(value) for value in values]
    for i in np.flatnonzero(column.missing).tolist():
        found[i] = "null"
    return found


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def encoded_values(block: Block) -> list[str]:
    """Each value of a block as JSON: vectors are arrays."""
    found = encoded(block.values)
    if block.offsets is None:
        return found
    return [f"[{', '.join(found[a:b])}]" for a, b in itertools.pairwise(block.offsets.tolist())]


# -- rows to blocks -----------------------------------------------------------------------------------


def decoded(found: Sequence[Any], kind: ValueType, what: str) -> Column:
    """Values as `json` gives them, as a column of a type that is known.

    Raises
    ------
    Fault
        At the first that is of another type.
    """
    allowed, name = _PYTHON[kind]
    if not set(map(type, found)) <= {*allowed, type(None)}:
        row = next(i for i, value in enumerate(found) if value is not None and type(value) not in allowed)
        raise Fault(f"{what} is {shown(json.dumps(found[row]))}; expected {name}", row)
    missing = np.fromiter((value is None for value in found), bool, len(found))
    filled = found if not missing.any() else [FILLERS[kind] if value is None else value for value in found]
    if kind == "num":
        filled = _floats(filled, what)
    elif kind == "int":
        over = next((i for i, value in enumerate(filled) if not -(2**63) <= value < 2**63), None)
        if over is not None:
            raise Fault(f"{what} is beyond a 64-bit signed integer", over)
    elif kind == "text":
        _check_texts(filled, what)
    values = np.empty(len(filled), DTYPES[kind])
    values[:] = filled
    return Column(kind, values, missing)


def _floats(found: Sequence[Any], what: str) -> list[float]:
    """Numbers as floats; the texts that stand for NaN and the infinities are those."""
    kinds = set(map(type, found))
    if kinds <= {float} and not np.isinf(found).any():
        return list(found)
    for row, value in enumerate(found):
        if isinstance(value, str) and value not in _SPECIAL:
            raise Fault(f"{what} is {shown(value)}; expected {_PYTHON['num'][1]}", row)
        if isinstance(value, int) and abs(value) > EXACT_INTEGERS:
            raise Fault(f"{what} is an integer beyond what a float holds exactly", row)
        if isinstance(value, float) and math.isinf(value):
            raise Fault(f"{what} is beyond a 64-bit float", row)
    return [_SPECIAL[value] if isinstance(value, str) else float(value) for value in found]


def _check_texts(found: Sequence[str], what: str) -> None:
    for text in dict.fromkeys(found):
        try:
            check_text(what, text)
        except EEGArchiveError as error:
            raise Fault(str(error), found.index(text)) from None


def decoded_vectors(found: Sequence[Any], kind: ValueType, what: str) -> Values:
    """Vectors as `json` gives them.

    Raises
    ------
    Fault
        At the first that isn't one, or has an element of another type.
    """
    wrong = next((i for i, value in enumerate(found) if type(value) is not list), None)
    if wrong is not None:
        raise Fault(f"{what} is {shown(json.dumps(found[wrong]))}; expected an array", wrong)
    offsets = np.concatenate([[0], np.cumsum([len(value) for value in found], dtype=np.int64)])
    try:
        elements = decoded(list(itertools.chain.from_iterable(found)), kind, f"an element of {what}")
    except Fault as fault:
        row = None if fault.row is None else int(np.searchsorted(offsets, fault.row, "right")) - 1
        raise Fault(str(fault), row) from None
    return Values(elements, offsets)


def blocks_of_rows(
    variables: Column,
    kinds: Sequence[str],
    factors: Mapping[str, Column],
    values_of: Callable[[str, npt.NDArray[np.int64]], Values],
    wanted: Sequence[str] | None,
    prefix: str,
    name: Callable[[int], str],
) -> list[Block]:
    """A block for each kind of values in rows.

    Parameters
    ----------
    variables : Column
    kinds : sequence of str
        Of each row, one of `KINDS`.
    factors : mapping
        Levels of each row; missing where it hasn't the factor.
    values_of : callable
        Gives the values of some rows, which are of one kind.
    wanted : sequence of str, optional
        Variables to take.
    prefix : str
    name : callable
        How a row is named in messages.

    Raises
    ------
    Fault
        If a kind isn't known, a key is there twice, or a variable isn't there.
    """
    odd = set(kinds) - set(KINDS)
    if odd:
        row = next(i for i, kind in enumerate(kinds) if kind in odd)
        raise Fault(f"the type {shown(str(kinds[row]))}; expected one of {', '.join(KINDS)}", row)
    for factor, levels in factors.items():
        refuse_nan(factor, levels)
    double = first_double([variables, *factors.values()], len(variables))
    if double:
        key = key_of(factors, double[0]) or "no strata"
        raise Fault(
            f"{shown(variables.values[double[0]])} of {key} again, as in {name(double[1])}; one key has one value",
            double[0],
        )
    there = list(dict.fromkeys(variables.values.tolist()))
    for variable in wanted or ():
        if variable not in there:
            raise Fault(f"there is no variable {shown(variable)}; there are {listed(there)}")
    taken = np.fromiter(
        (wanted is None or variable in wanted for variable in variables.values.tolist()), bool, len(variables)
    )
    named = {variable: with_prefix(variable, prefix) for variable in there}
    of_kind = np.array(kinds, object)
    blocks = []
    for kind in KINDS:
        rows = np.flatnonzero(taken & (of_kind == kind))
        if not len(rows):
            continue
        try:
            values = values_of(kind, rows)
        except Fault as fault:
            raise Fault(str(fault), None if fault.row is None else int(rows[fault.row])) from None
        own = {factor: column.take(rows) for factor, column in factors.items()}
        names = np.empty(len(rows), object)
        names[:] = [named[variable] for variable in variables.values[rows].tolist()]
        used = {factor: column for factor, column in own.items() if not column.missing.all()}
        blocks.append(Block(names, used, values.column, values.offsets))
    return blocks
