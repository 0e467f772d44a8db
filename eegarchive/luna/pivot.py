"""A table of outputs as a person wants it: some factors down, some across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.luna.database import Database, Stored
from eegarchive.luna.tables import ID
from eegarchive.storage.guard import printable


@dataclass(frozen=True)
class Pivot:
    """Rows for people, or for other programs.

    Attributes
    ----------
    columns : list of str
        `ID`, the factors of the rows, and for each variable `PSD`, or `PSD.STG_N2` for each level across.
    rows : list of list
        None where a value is missing.
    """

    columns: list[str]
    rows: list[list[Any]]


def pivot(
    database: Database,
    command: str,
    rows: Sequence[str] = (),
    across: Sequence[str] = (),
    variables: Sequence[str] = (),
) -> Pivot:
    """Take the table of a command that has exactly these factors.

    Parameters
    ----------
    database : Database
    command : str
    rows, across : sequence of str
        Factors that have a row, or a column, for each of their levels. Those of rows are shown in the order of their
        names.
    variables : sequence of str
        All if none is given.

    Raises
    ------
    NotInArchive
        If there is no such table or variable; the message says what there is.
    EEGArchiveError
        If a factor is given twice.
    """
    rows = sorted(rows)  # as Luna's destrat shows them
    asked = [*rows, *across]
    if twice := [name for name in asked if asked.count(name) > 1]:
        raise EEGArchiveError(f"the factor {printable(twice[0])} is given twice")
    table = _find(database, command, asked)
    for name in variables:
        if name not in table.variables:
            raise NotInArchive(
                f"{printable(str(database.path))}: {table.name} has no variable {printable(name)!r}; "
                f"there are {', '.join(table.variables)}"
            )
    shown = list(variables or table.variables)
    found = database.rows(table, [ID, *rows, *across, *shown])
    if not across:
        return Pivot([ID, *rows, *shown], [list(row) for row in found])
    return _spread(found, len(rows) + 1, [ID, *rows], list(across), shown)


def _find(database: Database, command: str, factors: Sequence[str]) -> Stored:
    tables = database.tables()
    own = [table for table in tables if table.command.lower() == command.lower()]
    for table in own:
        if sorted(table.factors) == sorted(factors):
            return table
    where = printable(str(database.path))
    if not own:
        there = ", ".join(dict.fromkeys(table.command for table in tables)) or "none"
        raise NotInArchive(f"{where}: no outputs of {printable(command)}; there are those of {there}")
    by = " ".join(map(printable, factors)) or "no factors"
    there = "; ".join(" ".join(table.factors) or "no factors" for table in own)
    raise NotInArchive(f"{where}: {own[0].command} has no table by {by}; there is one by {there}")


def _spread(found: Any, width: int, names: list[str], across: list[str], shown: list[str]) -> Pivot:
    """Rows with columns for the levels across: for each of them, in order, every variable."""
    cells: dict[tuple[Any, ...], dict[tuple[Any, ...], tuple[Any, ...]]] = {}
    levels: dict[tuple[Any, ...], None] = {}
    for row in found:
        level = row[width : width + len(across)]
        cells.setdefault(row[:width], {})[level] = row[width + len(across) :]
        levels[level] = None
    order = sorted(levels, key=lambda level: [(isinstance(v, str), v) for v in level])
    columns = [
        ".".join([name, *(f"{factor}_{level_text(v)}" for factor, v in zip(across, level, strict=True))])
        for name in shown
        for level in order
    ]
    nothing = (None,) * len(shown)
    rows = [
        [*key, *(own.get(level, nothing)[i] for i in range(len(shown)) for level in order)]
        for key, own in cells.items()
    ]
    return Pivot([*names, *columns], rows)


def level_text(level: Any) -> str:
    """A level as part of a column's name: 11, not 11.0."""
    return f"{level:.10g}" if isinstance(level, float) else str(level)
