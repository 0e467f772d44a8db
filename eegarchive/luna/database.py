"""Outputs of many archives in one SQLite database.

Any program that reads SQLite can open it. Each command and set of factors has a table of its own, called `PSD_CH_F`:
the column `ID` (which archive), a column for each factor, and one for each variable; a row for each of the strata.
Types are REAL (num), INTEGER (int), TEXT (text) and BOOLEAN (bool, as 0 and 1). NULL is missing, and so is NaN, which
SQLite can't hold. Two more tables say what is what:

- `_tables`: `name`, `command`, and `factors`, a JSON array of their names;
- `_columns`: `name` of the table, `column`, `role` ("id", "factor" or "variable"), and `type` ("num", "int", "text",
  "bool", or empty where all values are missing).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eegarchive.errors import EEGArchiveError
from eegarchive.luna.tables import ID, Table, common_type
from eegarchive.storage.guard import printable

_SQL_TYPES = {"num": "REAL", "int": "INTEGER", "text": "TEXT", "bool": "BOOLEAN"}
_CATALOG = """
CREATE TABLE IF NOT EXISTS _tables (name TEXT PRIMARY KEY, command TEXT NOT NULL, factors TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS _columns (
    name TEXT NOT NULL, "column" TEXT NOT NULL, role TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (name, "column")
);
"""
#: Seconds to wait for another program that writes the database.
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Stored:
    """A table of a database.

    Attributes
    ----------
    name, command : str
    factors, variables : tuple of str
    types : dict of str to str
        num, int, text or bool, by column; empty where all values are missing.
    """

    name: str
    command: str
    factors: tuple[str, ...]
    variables: tuple[str, ...]
    types: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """`ID`, factors, variables."""
        return [ID, *self.factors, *self.variables]


class Database:
    """A database of outputs; use it in a `with` block, or close it.

    Parameters
    ----------
    path : path-like
    create : bool
        Make it if it isn't there; and it may be written.

    Raises
    ------
    EEGArchiveError
        If the file isn't such a database.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = False) -> None:
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise EEGArchiveError(
                f"{printable(str(path))}: there is no such file; `eegarchive run --db` makes one"
            )
        mode = "rwc" if create else "ro"
        try:
            self._sql = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                timeout=_WAIT_SECONDS,
                isolation_level=None,
                uri=True,
            )
        except sqlite3.Error as error:
            raise self._error(error) from None
        try:
            with self._named():
                found = {name for (name,) in self._sql.execute("SELECT name FROM sqlite_master")}
            if not {"_tables", "_columns"} <= found and (found or not create):
                raise EEGArchiveError(
                    f"{printable(str(path))}: is a database, but not one of `eegarchive run --db`; give another name"
                )
            if create:
                with self._named():
                    self._sql.executescript(_CATALOG)
        except BaseException:
            self._sql.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._sql.close()

    def _error(self, error: sqlite3.Error) -> EEGArchiveError:
        return EEGArchiveError(f"{printable(str(self.path))}: {error} (SQLite)")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, with the file's name."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from None

    # -- writing --------------------------------------------------------------------------------

    def add(self, id: str, tables: Sequence[Table]) -> None:
        """Take the outputs of an archive: all of them or none.

        Rows that a table has of this archive already are replaced; tables that aren't among these keep theirs.

        Raises
        ------
        EEGArchiveError
            If a column has values of another type, or the database can't be written.
        """
        with self._named():
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                for table in tables:
                    self._add(id, table)
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise

    def _add(self, id: str, table: Table) -> None:
        name = self._table_for(table)
        quoted = _quoted(name)
        self._sql.execute(f"DELETE FROM {quoted} WHERE {_quoted(ID)} = ?", (id,))
        columns = ", ".join(map(_quoted, [ID, *table.columns]))
        places = ", ".join("?" for _ in range(len(table.columns) + 1))
        values = [column.to_list() for column in table.columns.values()]
        rows = zip([id] * len(table), *values, strict=True)
        self._sql.executemany(f"INSERT INTO {quoted} ({columns}) VALUES ({places})", rows)

    def _table_for(self, table: Table) -> str:
        """The name of the SQL table for these outputs, which is made or widened if need be."""
        known = {(own.command, own.factors): own for own in self.tables()}
        stored = known.get((table.command, table.factors))
        if stored is None:
            name = table.name
            taken = {own.name.lower() for own in known.values()} | {"_tables", "_columns"}
            while name.lower() in taken:  # a factor that has an underscore
                name += "_"
            self._sql.execute(f"CREATE TABLE {_quoted(name)} ({_quoted(ID)} TEXT NOT NULL)")
            self._sql.execute(
                "INSERT INTO _tables VALUES (?, ?, ?)", (name, table.command, json.dumps(table.factors))
            )
            self._sql.execute("INSERT INTO _columns VALUES (?, ?, 'id', 'text')", (name, ID))
            stored = Stored(name, table.command, table.factors, (), {})
        for column, values in table.columns.items():
            self._column_for(stored, column, "" if values.missing.all() else values.type)
        return stored.name

    def _column_for(self, stored: Stored, column: str, kind: str) -> None:
        """Make a column for values of a type, or see that the one there is can take them; none is the empty type."""
        there = stored.types.get(column)
        if there is None:
            role = "factor" if column in stored.factors else "variable"
            self._sql.execute(
                f"ALTER TABLE {_quoted(stored.name)} ADD COLUMN {_quoted(column)} {_SQL_TYPES.get(kind, '')}"
            )
            self._sql.execute("INSERT INTO _columns VALUES (?, ?, ?, ?)", (stored.name, column, role, kind))
        elif kind and there != kind:
            wider = common_type({there, kind} - {""}, f"{stored.name}: {column}")
            self._sql.execute(
                'UPDATE _columns SET type = ? WHERE name = ? AND "column" = ?', (wider, stored.name, column)
            )

    # -- reading --------------------------------------------------------------------------------

    def tables(self) -> list[Stored]:
        """All tables, in the order in which they were made."""
        with self._named():
            tables = self._sql.execute("SELECT name, command, factors FROM _tables ORDER BY rowid").fetchall()
            columns = self._sql.execute(
                'SELECT name, "column", role, type FROM _columns ORDER BY rowid'
            ).fetchall()
        found = []
        for name, command, factors in tables:
            own = [(column, role, kind) for table, column, role, kind in columns if table == name]
            variables = tuple(column for column, role, _ in own if role == "variable")
            types = {column: kind for column, _, kind in own}
            found.append(Stored(name, command, tuple(json.loads(factors)), variables, types))
        return found

    def count(self, table: Stored) -> tuple[int, int]:
        """How many rows a table has, and of how many archives."""
        with self._named():
            found = self._sql.execute(
                f"SELECT count(*), count(DISTINCT {_quoted(ID)}) FROM {_quoted(table.name)}"
            ).fetchone()
        return int(found[0]), int(found[1])

    def rows(self, table: Stored, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, those of an archive together; None where a value is missing.

        Parameters
        ----------
        table : Stored
        columns : sequence of str, optional
            All if not given.
        """
        names = table.columns if columns is None else columns
        listed = ", ".join(map(_quoted, names))
        with self._named():
            yield from self._sql.execute(
                f"SELECT {listed} FROM {_quoted(table.name)} ORDER BY {_quoted(ID)}, rowid"
            )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
