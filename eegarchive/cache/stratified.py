"""Arrays whose axes have names and levels: what a function gives that computes values for many strata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, Block, Column, column_of
from eegarchive.cache.joining import check_levels
from eegarchive.cache.parts import vector_of
from eegarchive.errors import EEGArchiveError

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Stratified:
    """An array with named axes; in a cache each of its values has a stratum of its own.

    Attributes
    ----------
    values : array
        Numbers, integers, texts or booleans; masked where some are missing.
    axes : mapping
        Levels of each axis, by the name of its factor, in the order of the axes.

    Examples
    --------
    >>> Stratified(power, {"CH": ["C3", "C4"], "F": frequencies})  # power.shape == (2, len(frequencies))
    """

    values: npt.NDArray[Any]
    axes: Mapping[str, Sequence[Any] | npt.NDArray[Any]]

    def __post_init__(self) -> None:
        lengths = tuple(len(levels) for levels in self.axes.values())
        if np.shape(self.values) != lengths:
            raise EEGArchiveError(
                f"an array of shape {np.shape(self.values)} with axes of {dict(zip(self.axes, lengths, strict=True))}"
            )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype)

    def to_xarray(self) -> xarray.DataArray:
        """The same as an xarray.DataArray (needs xarray)."""
        import xarray

        return xarray.DataArray(self.values, dict(self.axes), tuple(self.axes))

    def block(self, variable: str, strata: Mapping[str, Any]) -> Block:
        """Its values as a cache takes them, the last axis fastest.

        Raises
        ------
        EEGArchiveError
            If an axis has the name of a factor in `strata`, or levels or values that a cache can't hold.
        """
        count = math.prod(np.shape(self.values))
        factors = {name: column_of([level] * count, name) for name, level in strata.items()}
        places = np.indices(np.shape(self.values)).reshape(len(self.axes), count)
        for place, (name, column) in zip(places, axes_of(variable, self.axes, strata).items(), strict=True):
            factors[name] = column.take(place)
        return Block(np.full(count, variable, object), factors, column_of(_flat(self.values), variable))


def axes_of(
    variable: str, axes: Mapping[str, Sequence[Any] | npt.NDArray[Any]], strata: Mapping[str, Any]
) -> dict[str, Column]:
    """Levels of axes as columns.

    Raises
    ------
    EEGArchiveError
        If an axis has the name of a factor in `strata`, or levels that a cache can't hold.
    """
    found = {}
    for name, levels in axes.items():
        if name in strata:
            raise EEGArchiveError(f"{variable}: the axis {name} has the name of a parameter")
        column = found[name] = column_of(levels, name)
        check_levels(name, column)
        if column.missing.any():
            raise EEGArchiveError(f"{variable}: the axis {name} has a level that is missing")
    return found


def _flat(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    flat: npt.NDArray[Any] = (
        np.ma.ravel(values) if isinstance(values, np.ma.MaskedArray) else np.ravel(values)
    )
    return flat


def stratified_of(found: Any) -> Stratified | None:
    """What a function gave, if it has named axes: our own class, xarray's, or a pandas series; else None."""
    if isinstance(found, Stratified):
        return found
    if hasattr(found, "dims") and hasattr(found, "coords") and hasattr(found, "values"):
        lacking = [name for name in found.dims if name not in found.coords]
        if lacking:
            raise EEGArchiveError(f"the axis {lacking[0]} has no coordinates, which would be its levels")
        axes = {str(name): found.coords[name].values for name in found.dims}
        return Stratified(found.values, axes) if axes else None
    if hasattr(found, "index") and hasattr(found, "array"):
        if found.index.nlevels > 1:
            raise EEGArchiveError(
                "a series with an index of several levels; unstack it, and give eegarchive.Stratified"
            )
        if found.index.name is None:
            raise EEGArchiveError("a series whose index has no name, which would be the factor's")
        values = column_of(found, "the series")
        masked = np.ma.MaskedArray(values.values, values.missing) if values.missing.any() else values.values
        return Stratified(masked, {str(found.index.name): found.index.to_numpy()})
    return None


def rebuilt(block: Block, axes: Sequence[str], shape: Sequence[int], types: Sequence[str]) -> Stratified:
    """An array out of the values that it was stored as.

    Raises
    ------
    ValueError
        If they aren't in the order in which they were stored.
    """
    values = vector_of(block.values, slice(0, len(block))).reshape(tuple(shape))
    levels = {}
    for number, (name, kind) in enumerate(zip(axes, types, strict=True)):
        if name not in block.factors:
            raise ValueError(f"no factor {name}")
        places = np.moveaxis(block.factors[name].values.reshape(tuple(shape)), number, -1)
        own = places.reshape(-1, shape[number])[0]
        if not (places == own).all():
            raise ValueError(f"levels of {name} in another order")
        levels[name] = own.astype(DTYPES[kind])  # they are stored as numbers where other values have such
    return Stratified(values, levels)
