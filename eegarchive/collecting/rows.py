"""Values of one archive as rows of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, Block, Column, ValueType, joined_factors, nothing
from eegarchive.cache.files.exact import kind_of_block
from eegarchive.cache.strata import strata_of
from eegarchive.collecting.shapes import ID, VARIABLE, Field, Layout

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cells:
    """One column of some rows.

    Attributes
    ----------
    values : Column
        One for each row; of vectors, the elements of all.
    offsets : (rows + 1,) int64 array, optional
        Of vectors, as those of a block.
    missing : (rows,) bool array, optional
        Rows that have no vector.
    """

    values: Column
    offsets: _Numbers | None = None
    missing: npt.NDArray[np.bool_] | None = None

    def part(self, first: int, stop: int) -> Cells:
        """Those of some of the rows."""
        if self.offsets is None:
            return Cells(self.values.take(slice(first, stop)))
        offsets = self.offsets[first : stop + 1]
        elements = self.values.take(slice(int(offsets[0]), int(offsets[-1])))
        missing = None if self.missing is None else self.missing[first:stop]
        return Cells(elements, offsets - offsets[0], missing)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows; columns that they haven't got are null."""

    count: int
    columns: Mapping[str, Cells]

    def parts(self, most: int) -> Iterator[Rows]:
        """So many of them at a time."""
        for first in range(0, self.count, most):
            stop = min(first + most, self.count)
            yield Rows(stop - first, {name: cells.part(first, stop) for name, cells in self.columns.items()})


def rows_of(blocks: Sequence[Block], name: str, layout: Layout) -> list[Rows]:
    """The values of an archive of this name."""
    found = [_wide(blocks, layout)] if layout.wide else [_long(block, layout) for block in blocks]
    return [Rows(rows.count, {ID: Cells(_repeated(name, rows.count)), **rows.columns}) for rows in found]


def _repeated(text: str, count: int) -> Column:
    return Column("text", np.full(count, text, object), np.zeros(count, bool))


def _as_type(column: Column, kind: ValueType) -> Column:
    """Integers as numbers where the table has such; none of them is too large (`layout_of` looks)."""
    return Column(kind, np.asarray(column.values, DTYPES[kind]), column.missing)


def _levels(factors: Mapping[str, Column], layout: Layout) -> dict[str, Cells]:
    return {
        own.name: Cells(_as_type(factors[own.name], own.type))
        for own in layout.factors
        if own.name in factors
    }


def _long(block: Block, layout: Layout) -> Rows:
    own = layout.field_of(kind_of_block(block))
    variables = Column("text", block.variables, np.zeros(len(block), bool))
    values = Cells(_as_type(block.values, own.type), block.offsets)
    return Rows(len(block), {VARIABLE: Cells(variables), **_levels(block.factors, layout), own.name: values})


# -- wide ---------------------------------------------------------------------------------------------


def _wide(blocks: Sequence[Block], layout: Layout) -> Rows:
    """A row for each stratum, in the order in which they come."""
    factors = joined_factors(blocks)
    rows, first = _strata(list(factors.values()), sum(map(len, blocks)))
    levels = {name: column.take(first) for name, column in factors.items()}
    parts: dict[str, list[tuple[Block, _Numbers, _Numbers]]] = {}
    before = 0
    for block in blocks:
        for variable, own in _by_variable(block):
            parts.setdefault(variable, []).append((block, own, rows[before + own]))
        before += len(block)
    columns = {
        own.name: (_vectors if own.vectors else _scalars)(parts[own.name], own, len(first))
        for own in layout.values
        if own.name in parts
    }
    return Rows(len(first), {**_levels(levels, layout), **columns})


def _by_variable(block: Block) -> Iterator[tuple[str, _Numbers]]:
    """Each variable, and the numbers of its values in the block."""
    names = block.variables.tolist()
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    own = np.fromiter(map(codes.__getitem__, names), np.int64, len(names))
    order = np.argsort(own, kind="stable")
    edges = own[order].searchsorted(np.arange(1, len(codes)))
    yield from zip(codes, np.split(order, edges), strict=True)


def _scalars(parts: Sequence[tuple[Block, _Numbers, _Numbers]], own: Field, count: int) -> Cells:
    found = nothing(own.type, count)
    for block, numbers, rows in parts:
        taken = block.values.take(numbers)
        found.values[rows], found.missing[rows] = taken.values, taken.missing
    return Cells(found)


def _vectors(parts: Sequence[tuple[Block, _Numbers, _Numbers]], own: Field, count: int) -> Cells:
    starts, lengths = np.zeros(count, np.int64), np.zeros(count, np.int64)
    missing = np.ones(count, bool)
    before, elements = 0, []
    for block, numbers, rows in parts:
        assert block.offsets is not None
        starts[rows] = before + block.offsets[numbers]
        lengths[rows] = np.diff(block.offsets)[numbers]
        missing[rows] = False
        elements.append(_as_type(block.values, own.type))
        before += len(block.values)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    values = np.concatenate([column.values for column in elements])[places]
    gaps = np.concatenate([column.missing for column in elements])[places]
    return Cells(Column(own.type, values, gaps), offsets, missing)


def _strata(factors: Sequence[Column], count: int) -> tuple[_Numbers, _Numbers]:
    """Number of the stratum of each value, and of the first value of each stratum."""
    first, numbers = np.unique(strata_of(factors, count), return_index=True, return_inverse=True)[1:]
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[numbers.reshape(-1)], first[order]
