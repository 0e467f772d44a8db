"""What types the values of each archive have, and the one table that has room for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import EXACT_INTEGERS, Block, Column, ValueType
from eegarchive.cache.files.exact import KINDS, kind_of_block
from eegarchive.errors import EEGArchiveError

ID, VARIABLE, VALUE = "ID", "variable", "value"


@dataclass(frozen=True)
class Held:
    """What is known of some values, or levels, before they are read for good.

    Attributes
    ----------
    kind : str
        A type, and whether they are vectors: `num`, `int_vector` ...
    beyond : int, optional
        One that a float can't hold.
    """

    kind: str
    beyond: int | None = None


@dataclass(frozen=True)
class Shape:
    """Types of the levels and values that one archive has."""

    factors: Mapping[str, Held] = field(default_factory=dict)
    variables: Mapping[str, tuple[Held, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """A column of the table: scalars or vectors of one type."""

    name: str
    type: ValueType
    vectors: bool = False


@dataclass(frozen=True)
class Layout:
    """The columns of the table, behind the archive's ID.

    Attributes
    ----------
    factors : tuple of Field
    values : tuple of Field
        Wide: one for each variable. Long: `value`, or one for each kind of values.
    wide : bool
    """

    factors: tuple[Field, ...]
    values: tuple[Field, ...]
    wide: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """All columns in order."""
        first = (ID,) if self.wide else (ID, VARIABLE)
        return (*(Field(name, "text") for name in first), *self.factors, *self.values)

    def field_of(self, kind: str) -> Field:
        """Long: the column for values of a kind."""
        return next(own for own in self.values if own.name in (kind, VALUE))


# -- one archive --------------------------------------------------------------------------------------


def shape_of(blocks: Sequence[Block]) -> Shape:
    """Types of what some blocks hold."""
    factors: dict[str, Held] = {}
    variables: dict[str, dict[str, Held]] = {}
    for block in blocks:
        for name, column in block.factors.items():
            if name not in factors or factors[name].beyond is None:
                factors[name] = Held(column.type, next(iter(_beyond(column).values()), None))
        kind, large = kind_of_block(block), _large(block)
        for variable in dict.fromkeys(block.variables.tolist()):
            variables.setdefault(variable, {})[kind] = Held(kind, large.get(variable))
    return Shape(factors, {variable: tuple(held.values()) for variable, held in variables.items()})


def _beyond(column: Column) -> dict[int, int]:
    """Integers that a float can't hold, by their places."""
    if column.type != "int":
        return {}
    values = column.values
    found = np.flatnonzero(((values > EXACT_INTEGERS) | (values < -EXACT_INTEGERS)) & ~column.missing)
    return dict(zip(found.tolist(), values[found].tolist(), strict=True))


def _large(block: Block) -> dict[str, int]:
    """An integer that a float can't hold of each variable that has one."""
    found = _beyond(block.values)
    rows: npt.NDArray[np.int64] = np.fromiter(found, np.int64, len(found))
    if block.offsets is not None:
        rows = block.offsets.searchsorted(rows, "right") - 1
    return dict(zip(block.variables[rows].tolist(), found.values(), strict=True))


# -- all of them --------------------------------------------------------------------------------------


def layout_of(shapes: Mapping[str, Shape], variables: Sequence[str] | None, wide: bool) -> Layout:
    """The table for archives of these shapes, named for messages.

    Parameters
    ----------
    shapes : mapping of str to Shape
    variables : sequence of str, optional
        The order in which a wide table has them; by default that in which they come.
    wide : bool

    Raises
    ------
    EEGArchiveError
        If levels of a factor, or (wide) values of a variable, have types that don't go together.
    """
    factors, values = dict[str, list[tuple[str, Held]]](), dict[str, list[tuple[str, Held]]]()
    for variable in variables or ():
        values[variable] = []
    for where, shape in shapes.items():
        for name, own in shape.factors.items():
            factors.setdefault(name, []).append((where, own))
        for variable, held in shape.variables.items():
            values.setdefault(variable, []).extend((where, own) for own in held)
    strata = tuple(_joined(name, f"the factor {name}", held, "") for name, held in factors.items())
    if wide:
        advice = "; leave it out (variables), or collect the long form"
        columns = tuple(_joined(name, name, held, advice) for name, held in values.items())
    else:
        columns = _long([pair for held in values.values() for pair in held])
    layout = Layout(strata, columns, wide)
    _refuse_doubles(layout, factors)
    return layout


def _joined(name: str, what: str, held: Sequence[tuple[str, Held]], advice: str) -> Field:
    """A column for values of several archives; integers among numbers are numbers.

    Raises
    ------
    EEGArchiveError
        If there is none that holds all of them exactly.
    """
    first = {own.kind: where for where, own in reversed(held)}
    kinds = [kind for kind in KINDS if kind in first]
    types, shapes = {KINDS[kind][0] for kind in kinds}, {KINDS[kind][1] for kind in kinds}
    if len(shapes) > 1 or (len(types) > 1 and types != {"num", "int"}):
        one, other = kinds[:2]
        raise EEGArchiveError(f"{what}: is {one} in {first[one]} and {other} in {first[other]}{advice}")
    if len(types) > 1:
        other = next(where for where, own in held if KINDS[own.kind][0] == "num")
        for where, own in held:
            if own.beyond is not None:
                raise EEGArchiveError(
                    f"{what}: is the integer {own.beyond} in {where}, beyond what a float holds exactly, "
                    f"and num in {other}{advice}"
                )
    return Field(name, "num" if len(types) > 1 else next(iter(types)), shapes.pop())


def _long(held: Sequence[tuple[str, Held]]) -> tuple[Field, ...]:
    """The value columns of a long table."""
    there = {own.kind for _, own in held}
    if len(there) == 1 or there in ({"num", "int"}, {"num_vector", "int_vector"}):
        return (_joined(VALUE, VALUE, held, "; choose variables of one type, or collect the wide form"),)
    return tuple(Field(kind, *KINDS[kind]) for kind in KINDS if kind in there)


def _refuse_doubles(layout: Layout, factors: Mapping[str, Sequence[tuple[str, Held]]]) -> None:
    """Raise if a factor has the name of another column."""
    names = [own.name for own in layout.fields]
    for name, held in factors.items():
        if names.count(name) > 1:
            raise EEGArchiveError(
                f"{held[0][0]}: the factor {name} has the name of another column of the table; "
                "give it another one, or collect variables that don't have it"
            )
    if names.count(ID) > 1:
        raise EEGArchiveError(
            f"the variable {ID} has the name of the column for the archives; leave it out (variables)"
        )
