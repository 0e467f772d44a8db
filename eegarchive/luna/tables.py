"""What commands put out, as long tables: one for each command and set of factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, FILLERS, TYPES, Column, ValueType, column_of
from eegarchive.cache.strata import strata_of
from eegarchive.errors import EEGArchiveError
from eegarchive.frames import frame_of

if TYPE_CHECKING:
    import pandas

#: The first column of each table: which archive.
ID = "ID"
_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """The outputs of a command that have the same factors.

    Attributes
    ----------
    command : str
    factors : tuple of str
        In the order of their names.
    columns : dict of str to Column
        Factors first, then variables in the order in which they came.
    """

    command: str
    factors: tuple[str, ...]
    columns: dict[str, Column]

    @property
    def name(self) -> str:
        """`PSD_CH_F`: the command and its factors."""
        return table_name(self.command, self.factors)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def to_frame(self) -> pandas.DataFrame:
        """The table as a pandas data frame (needs pandas); missing values are null."""
        return frame_of({name: column.to_list() for name, column in self.columns.items()})


def table_name(command: str, factors: Sequence[str]) -> str:
    """`PSD_CH_F`: what the table of a command's outputs is called."""
    return "_".join([command, *sorted(factors)])


@dataclass
class _Outputs:
    """What came for one table: blocks of columns, and values put one by one that no block holds yet."""

    blocks: list[dict[str, Column]] = field(default_factory=list)
    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)


class Tables:
    """Outputs as they come; later ones replace those of the same strata.

    Attributes
    ----------
    replaced : list of str
        Names of the tables in which that has happened; complete once the tables are `finished`.
    """

    def __init__(self) -> None:
        self._outputs: dict[_Key, _Outputs] = {}
        self.replaced: list[str] = []

    def put(self, command: str, variable: str, value: Any, strata: Mapping[str, Any]) -> None:
        """Take one value; None is a missing one."""
        factors = tuple(sorted(strata))
        self._check(command, factors, [variable])
        outputs = self._outputs.setdefault((command, factors), _Outputs())
        levels = tuple(_plain(strata[name]) for name in factors)
        row = outputs.rows.setdefault(levels, {})
        if variable in row:
            self._tell_replaced(table_name(command, factors))
        row[variable] = _plain(value)

    def put_columns(self, command: str, factors: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """Take many values: columns of one length.

        Raises
        ------
        EEGArchiveError
            If columns differ in length, a level is missing, or a variable is called like a factor.
        """
        names = tuple(sorted(factors))
        self._check(command, names, list(variables))
        block = {
            name: column_of(values, f"{command}: {name}")
            for name, values in [*((name, factors[name]) for name in names), *variables.items()]
        }
        lengths = {len(column) for column in block.values()}
        if len(lengths) > 1:
            raise EEGArchiveError(f"{command}: columns of {', '.join(map(str, sorted(lengths)))} values")
        if any(block[name].missing.any() for name in names):
            raise EEGArchiveError(f"{command}: a level of a factor is missing")
        if lengths == {0} or not block:
            return
        outputs = self._outputs.setdefault((command, names), _Outputs())
        _settle(outputs, command, names)
        outputs.blocks.append(block)

    def finished(self) -> list[Table]:
        """All tables, in the order in which their first values came."""
        found = []
        for (command, factors), outputs in self._outputs.items():
            _settle(outputs, command, factors)
            name = table_name(command, factors)
            columns, are_replaced = _merged(outputs.blocks, factors, name)
            found.append(Table(command, factors, columns))
            if are_replaced:
                self._tell_replaced(name)
        return found

    def _tell_replaced(self, name: str) -> None:
        if name not in self.replaced:
            self.replaced.append(name)

    @staticmethod
    def _check(command: str, factors: Sequence[str], variables: Sequence[str]) -> None:
        taken = {ID.lower()}
        for name in [*factors, *variables]:
            if name.lower() in taken:
                raise EEGArchiveError(
                    f"{command}: there would be two columns {name!r}; give the factor of TAG another name"
                )
            taken.add(name.lower())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _settle(outputs: _Outputs, command: str, factors: Sequence[str]) -> None:
    """Make a block of the values that were put one by one."""
    if not outputs.rows:
        return
    names = dict.fromkeys(name for row in outputs.rows.values() for name in row)
    columns: dict[str, list[Any]] = {
        **{name: [levels[i] for levels in outputs.rows] for i, name in enumerate(factors)},
        **{name: [row.get(name) for row in outputs.rows.values()] for name in names},
    }
    outputs.blocks.append({name: column_of(values, f"{command}: {name}") for name, values in columns.items()})
    outputs.rows.clear()


def _merged(
    blocks: Sequence[Mapping[str, Column]], factors: Sequence[str], what: str
) -> tuple[dict[str, Column], bool]:
    """One table of all blocks, and whether a value was replaced.

    It has a row for each of the strata, in the order in which they came first.
    """
    names = dict.fromkeys([*factors, *(name for block in blocks for name in block)])
    lengths = [len(next(iter(block.values()))) for block in blocks]
    columns = {name: _joined([block.get(name) for block in blocks], lengths, what, name) for name in names}
    count = sum(lengths)
    codes = strata_of([columns[name] for name in factors], count)
    _, first, rows = np.unique(codes, return_index=True, return_inverse=True)
    if len(first) == count:
        return columns, False
    order = np.argsort(first, kind="stable")
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(len(first))
    merged = {
        name: column.take(first[order])
        if name in factors
        else _last(column, place[rows.reshape(-1)], len(first))
        for name, column in columns.items()
    }
    return merged, any(
        np.count_nonzero(~merged[name].missing) < np.count_nonzero(~columns[name].missing)
        for name in names
        if name not in factors
    )


def _last(column: Column, rows: npt.NDArray[np.int64], count: int) -> Column:
    """Of the values of each row the last that isn't missing."""
    values = np.full(count, FILLERS[column.type], DTYPES[column.type])
    missing = np.ones(count, bool)
    there = ~column.missing
    values[rows[there]] = column.values[there]
    missing[rows[there]] = False
    return Column(column.type, values, missing)


def _joined(parts: Sequence[Column | None], lengths: Sequence[int], what: str, name: str) -> Column:
    """Columns one behind the other; missing where a block has none."""
    types = {part.type for part in parts if part is not None and not part.missing.all()}
    kind = common_type(types, f"{what}: {name}")
    values = np.full(sum(lengths), FILLERS[kind], DTYPES[kind])
    missing = np.ones(sum(lengths), bool)
    at = 0
    for part, length in zip(parts, lengths, strict=True):
        if part is not None:
            there = ~part.missing
            values[at : at + length][there] = part.values[there]
            missing[at : at + length] = part.missing
        at += length
    return Column(kind, values, missing)


def common_type(types: Set[str], what: str) -> ValueType:
    """The type of a column that has values of these; integers go among numbers.

    Raises
    ------
    EEGArchiveError
        If they don't go together.
    """
    if types <= {"num", "int"}:
        return "int" if types == {"int"} else "num"
    if len(types) > 1:
        raise EEGArchiveError(f"{what}: values of the types {', '.join(sorted(types))} in one column")
    return next(kind for kind in TYPES if kind in types)
