"""Values as pandas data frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas

from eegarchive.cache.columns import Block, Column, joined, joined_factors
from eegarchive.cache.parts import vector_of
from eegarchive.errors import EEGArchiveError


def frame_of(blocks: Sequence[Block], variable: str | None, index: bool) -> pandas.DataFrame:
    """Values of one variable, factors before it; or of all, in long form.

    A column in which something is missing is of a type of pandas' that tells missing from NaN.
    """
    factors = joined_factors(blocks)
    columns = {name: series_of(column) for name, column in factors.items()}
    if variable is None:
        names = np.concatenate([block.variables for block in blocks]) if blocks else np.empty(0, object)
        columns = {"variable": names, **columns}
    columns["value" if variable is None else variable] = _values(blocks)
    frame = pandas.DataFrame(columns)
    return (
        frame.set_index([name for name in columns if name in factors or name == "variable"])
        if index
        else frame
    )


def _values(blocks: Sequence[Block]) -> Any:
    if all(block.offsets is None for block in blocks):
        try:
            return series_of(joined([block.values for block in blocks], "value"))
        except EEGArchiveError:  # of several types
            pass
    found = np.empty(sum(map(len, blocks)), object)
    found[:] = [value for block in blocks for value in _objects(block)]
    return found


def _objects(block: Block) -> list[Any]:
    if block.offsets is None:
        return block.values.to_list()
    edges = block.offsets.tolist()
    return [vector_of(block.values, slice(a, b)) for a, b in itertools.pairwise(edges)]


def series_of(column: Column) -> Any:
    """A column as pandas has it."""
    if column.type == "text":  # objects in every version of pandas, so that None is missing
        texts = column.values.copy()
        texts[column.missing] = None
        return pandas.Series(texts, dtype=object)
    if not column.missing.any():
        return column.values
    if column.type == "num":
        return pandas.arrays.FloatingArray(column.values.copy(), column.missing.copy())
    if column.type == "int":
        return pandas.arrays.IntegerArray(column.values.copy(), column.missing.copy())
    return pandas.arrays.BooleanArray(column.values.copy(), column.missing.copy())
