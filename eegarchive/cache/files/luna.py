"""The dump of a cache as Luna prints it, to compare line by line; it rounds, and can't be read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import TYPES, Block, Column
from eegarchive.cache.files.exact import unified
from eegarchive.storage.guard import printable

#: Variable, pairs of factor and level, and what stands behind `value: `.
_Entry = tuple[str, list[tuple[str, str]], str]


def luna_lines(blocks: Sequence[Block], *, name: str) -> Iterator[str]:
    """Lines of Luna's dump: each type that there is by itself, numbers with 6 significant digits.

    A vector's length is printed, not its values; of one with a single element the value, since Luna doesn't tell that
    from a scalar. A missing value is NA, booleans are 1 and 0. Keys are in the order of their variable, how many
    factors they have, and the texts of factors and levels, byte by byte. Luna's own name for text is `str`; it has
    no `bool`.

    Parameters
    ----------
    blocks : sequence of Block
    name : str
        The cache's name.
    """
    _, blocks = unified(blocks)
    for kind in TYPES:
        entries = [entry for block in blocks if block.values.type == kind for entry in _entries(block)]
        if entries:
            yield f"cache: {_line(name)}[{kind}]"
        for _, strata, value in sorted(entries, key=_order):
            yield from (f"strata: {_line(factor)}={_line(level)}" for factor, level in strata)
            yield f"value: {_line(value)}"
            yield ""


def _line(text: str) -> str:
    """A text that leaves the line whole."""
    return text if text.isprintable() else printable(text)


def _order(entry: _Entry) -> tuple[bytes, int, list[tuple[bytes, bytes]]]:
    variable, strata, _ = entry
    pairs = [(factor.encode("utf-8"), level.encode("utf-8")) for factor, level in strata]
    return variable.encode("utf-8"), len(pairs), pairs


def _entries(block: Block) -> Iterator[_Entry]:
    factors = sorted(block.factors, key=lambda factor: factor.encode("utf-8"))
    levels = [_texts(block.factors[factor], "") for factor in factors]
    there = [(~block.factors[factor].missing).tolist() for factor in factors]
    values = _texts(block.values, "NA")
    for i, variable in enumerate(block.variables.tolist()):
        strata = [
            (factor, texts[i]) for factor, texts, has in zip(factors, levels, there, strict=True) if has[i]
        ]
        first, length = (i, 1) if block.offsets is None else _span(block.offsets, i)
        shown = f"{variable}={values[first]}" if length == 1 else f"({length} element vector)"
        yield variable, strata, shown


def _span(offsets: npt.NDArray[np.int64], i: int) -> tuple[int, int]:
    return int(offsets[i]), int(offsets[i + 1] - offsets[i])


def _texts(column: Column, missing: str) -> list[str]:
    """Values as C++ prints them to a stream."""
    values = column.values.tolist()
    if column.type == "num":
        found = [f"{value:g}" for value in values]
    elif column.type == "bool":
        found = [str(int(value)) for value in values]
    else:
        found = list(map(str, values))
    for i in np.flatnonzero(column.missing).tolist():
        found[i] = missing
    return found
