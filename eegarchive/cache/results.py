"""What a function gives as values of a cache, and what was stored as the very same thing again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from eegarchive.cache.columns import DTYPES, TYPES, Block, column_of
from eegarchive.cache.parts import vector_of
from eegarchive.cache.stratified import Stratified, axes_of, rebuilt, stratified_of
from eegarchive.errors import EEGArchiveError


def block_of(variable: str, levels: Mapping[str, Any], found: Any) -> tuple[Block, dict[str, Any]]:
    """What a function gave as values of a cache, and what it takes to make the same of them again.

    An array without values has nothing to name its axes by; it is kept as one empty vector, with its levels beside.

    Raises
    ------
    EEGArchiveError
        If a cache can't hold it.
    """
    array = stratified_of(found)
    if array is not None:
        axes = axes_of(variable, array.axes, levels)
        shape: dict[str, Any] = {
            "axes": list(axes),
            "shape": [len(column) for column in axes.values()],
            "types": [column.type for column in axes.values()],
        }
        if math.prod(shape["shape"]):
            return array.block(variable, levels), shape
        shape["levels"] = [column.to_list() for column in axes.values()]
        found = np.ravel(array.values)
    else:
        shape = {}
        if not isinstance(found, str | bytes | list | tuple) and getattr(found, "shape", None) == ():
            found = np.asarray(found)[()] if not np.ma.is_masked(found) else None
        _refuse_nested(variable, found)
    scalar = found is None or isinstance(found, str | bytes) or not hasattr(found, "__len__")
    factors = {name: column_of([level], name) for name, level in levels.items()}
    values = column_of([found] if scalar else found, variable)
    offsets = None if scalar else np.array([0, len(values)])
    return Block(np.array([variable], object), factors, values, offsets), shape


def _refuse_nested(variable: str, found: Any) -> None:
    """Refuse what has more than one dimension and no names for them."""
    try:
        dimensions = np.ndim(found)
    except ValueError:  # lists of several lengths
        dimensions = 2
    if isinstance(found, Mapping) or dimensions > 1:
        shown = f" of {dimensions} dimensions" if dimensions > 1 else ""
        raise EEGArchiveError(
            f"{variable}: the function gave a {type(found).__name__}{shown}; "
            "give a scalar, a vector, or eegarchive.Stratified, which names the axes"
        )


def is_shape(stated: Mapping[str, Any]) -> bool:
    """Whether what is said of a value's axes, maybe by others, makes sense."""
    if "axes" not in stated:
        return True
    axes, shape, types, levels = (stated.get(name, []) for name in ("axes", "shape", "types", "levels"))
    return (
        all(isinstance(one, list) for one in (axes, shape, types, levels))
        and len(axes) == len(shape) == len(types)
        and all(isinstance(name, str) for name in axes)
        and all(isinstance(length, int) and length >= 0 for length in shape)
        and all(kind in TYPES for kind in types)
        and (math.prod(shape) > 0 or [len(own) for own in levels if isinstance(own, list)] == shape)
    )


def value_of(block: Block, shape: Mapping[str, Any]) -> Any:
    """The value that a block stands for.

    Raises
    ------
    ValueError
        If it isn't what was stored: some of it is gone, or stands elsewhere.
    """
    expected = math.prod(shape.get("shape", ())) or 1
    if len(block) != expected:
        raise ValueError(f"{len(block)} values, not {expected}")
    if "levels" in shape:
        own = zip(shape["axes"], shape["levels"], shape["types"], strict=True)
        return Stratified(
            block.values.values.reshape(shape["shape"]),
            {name: np.array(levels, DTYPES[kind]) for name, levels, kind in own},
        )
    if "axes" in shape:
        return rebuilt(block, shape["axes"], shape["shape"], shape["types"])
    if block.offsets is not None:
        return vector_of(block.values, slice(0, len(block.values)))
    return block.values.to_list()[0]
