"""Tables with a header: which columns are factors and which variables, and that no key is there twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import TYPES, Block, Column, ValueType
from eegarchive.cache.files.faults import Fault
from eegarchive.cache.strata import strata_of
from eegarchive.scoring.text import shown
from eegarchive.storage.guard import printable

#: The column that says which recording a row is of.
ID = "ID"
_MOST_LISTED = 20


@dataclass(frozen=True)
class Asked:
    """A column that was asked for, and the type to take it as."""

    name: str
    type: ValueType | None = None


@dataclass(frozen=True, eq=False)
class Values:
    """Values of one variable: scalars, or vectors with their offsets (as those of a block)."""

    column: Column
    offsets: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.column) if self.offsets is None else len(self.offsets) - 1


def ask(wanted: Sequence[str], there: Sequence[str], what: str) -> list[Asked]:
    """Find columns by names, behind which there may be a type: `PSD`, `F:num`.

    Raises
    ------
    Fault
        If one isn't there, or is named twice.
    """
    found = [_asked(text, there, what) for text in wanted]
    names = [asked.name for asked in found]
    for name in names:
        if names.count(name) > 1:
            raise Fault(f"the {what} {shown(name)} is named twice")
    return found


def _asked(text: str, there: Sequence[str], what: str) -> Asked:
    if text in there:
        return Asked(text)
    name, _, kind = text.rpartition(":")
    for known in TYPES:
        if kind == known and name in there:
            return Asked(name, known)
    raise Fault(
        f"there is no {what} {shown(text)}; there are {listed(there)} (a type may follow: NAME:{', NAME:'.join(TYPES)})"
    )


def choose(
    header: Sequence[str], factors: Sequence[str], variables: Sequence[str] | None
) -> tuple[list[Asked], list[Asked]]:
    """Columns that are factors, and columns that are variables (None: all others but `ID`).

    Raises
    ------
    Fault
        If the header isn't clear, or a column isn't there, or is both, or none is left.
    """
    for name in header:
        if header.count(name) > 1 and name:
            raise Fault(f"the header has the column {shown(name)} twice")
    strata = ask(factors, header, "column")
    taken = {asked.name for asked in strata}
    if variables is None:
        values = [Asked(name) for name in header if name not in taken and name != ID]
    else:
        values = ask(variables, header, "column")
    for asked in values:
        if asked.name in taken:
            raise Fault(f"{shown(asked.name)} is named as a factor and as a variable")
        if not asked.name or asked.name.startswith("__index_level_"):
            raise Fault("the header has a column without a name (an index?); name it, or list the variables")
    if not values:
        raise Fault(f"no column is left for a variable; there are {listed(header)}")
    return strata, values


def listed(names: Sequence[str]) -> str:
    """Names for people, the first ones of many."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(map(shown, names[:_MOST_LISTED])) or "none") + more


def foreign(seen: Sequence[str], identity: Sequence[str]) -> Fault:
    """What is wrong with a table that has rows, but none of the recording."""
    return Fault(f"no row is of {listed(identity)}; there are rows of {listed(seen)}: choose one (--id)")


def blocks_of(
    factors: Mapping[str, Column],
    variables: Mapping[str, Values],
    prefix: str,
    ids: Column | None,
    name: Callable[[int], str],
) -> list[Block]:
    """A block for each variable of a table.

    Parameters
    ----------
    factors, variables : mapping
        Columns by name.
    prefix : str
        Stands before the name of each variable, with a colon.
    ids : Column, optional
        Which recording each row is of, to say so where two rows have one key.
    name : callable
        How a row is named in messages.

    Raises
    ------
    Fault
        If a level is missing, or two rows have the same levels.
    """
    for factor, levels in factors.items():
        if levels.missing.any():
            raise Fault(f"the level of {factor} is missing", int(levels.missing.argmax()))
        refuse_nan(factor, levels)
    length = min(map(len, variables.values()))
    double = first_double(list(factors.values()), length)
    if double:
        _refuse_double(factors, double, ids, name)
    blocks = []
    for variable, values in variables.items():
        names = np.full(len(values), with_prefix(variable, prefix), object)
        if len(names):
            blocks.append(Block(names, factors, values.column, values.offsets))
    return blocks


def with_prefix(variable: str, prefix: str) -> str:
    """Name of a variable that comes from a command, as Luna writes it: `HEADERS:SR`."""
    return f"{prefix}:{variable}" if prefix else variable


def refuse_nan(factor: str, levels: Column) -> None:
    """Raise at the first level that is NaN, and so equal to nothing."""
    if levels.type == "num":
        wrong = np.isnan(levels.values) & ~levels.missing
        if wrong.any():
            raise Fault(f"the level of {factor} is NaN, which is equal to nothing", int(wrong.argmax()))


def first_double(columns: Sequence[Column], length: int) -> tuple[int, int] | None:
    """The first row whose levels another row before it has, and the first such row, in this order."""
    keys = strata_of(columns, length)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    again = order[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return None
    row = int(again.min())
    return row, int(np.flatnonzero(keys == keys[row])[0])


def last_of_each(columns: Sequence[Column], length: int) -> npt.NDArray[np.int64]:
    """Of the rows that have the same levels the last ones, in their order."""
    keys = strata_of(columns, length)
    _, backwards = np.unique(keys[::-1], return_index=True)
    return np.sort(length - 1 - backwards)


def key_of(factors: Mapping[str, Column], row: int) -> str:
    """The strata of a row for people: `CH=C3, F=13.5`."""
    levels = ((name, column.take([row]).to_list()[0]) for name, column in factors.items())
    return printable(", ".join(f"{name}={level}" for name, level in levels if level is not None))


def _refuse_double(
    factors: Mapping[str, Column], rows: tuple[int, int], ids: Column | None, name: Callable[[int], str]
) -> None:
    again, first = rows
    key = key_of(factors, again) or "no strata"
    advice = "one key has one value; name all columns that are factors"
    if ids is not None and ids.values[again] != ids.values[first]:
        own, other = shown(ids.values[first]), shown(ids.values[again])
        advice = f"the one is of the ID {own}, the other of {other}: choose one (--id)"
    raise Fault(f"{key} again, as in {name(first)}; {advice}", again)
