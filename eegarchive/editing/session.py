"""An archive inside an edit: its working state as a draft, the history that grows, and how both get into the file."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import digest, layout, provenance
from eegarchive.archive import Archive
from eegarchive.cache import CacheStore
from eegarchive.draft import Draft, DraftStore, Rows
from eegarchive.state import Description, Signals, Table
from eegarchive.storage import objects
from eegarchive.storage.container import EditedFile
from eegarchive.storage.objects import AttributeValue, make_rows
from eegarchive.storage.samples import Piece
from eegarchive.storage.transaction import Transaction


class Session(Archive):
    """What all operations on an archive go by."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._edited = EditedFile(transaction)
        self._store = DraftStore(self._edited)
        self._new_rows: list[dict[str, str]] = []
        #: What is known of the script that is being run, if one is, and whether a thaw has left its row behind.
        self._script: dict[str, Any] = {}
        self._goes_on = False
        self._draft: Draft | None = None
        self._caches = CacheStore(self._edited)
        self._open(self._edited, None, self._caches)
        self.signals = DraftSignals(self._edited, lambda: self.draft)
        self.segments, self.annotations, self.epochs = (
            DraftTable(self._edited, name, self._rows_of(name))
            for name in (layout.SEGMENTS, layout.ANNOTATIONS, layout.EPOCHS)
        )
        self.history = DraftTable(self._edited, layout.HISTORY, self._history)

    @property
    def draft(self) -> Draft:
        """The working state as it is now."""
        if self._draft is None:
            with self._edited.reading():
                self._draft = self._store.load()
        return self._draft

    def _rows_of(self, name: str) -> Callable[[], Rows]:
        return lambda: next(table for table in self.draft.tables if table.name == name)

    @property
    def digest(self) -> str:
        """Digest of the working state as it is now."""
        return super().digest if self._draft is None else self._draft.digest

    def _record(self, operation: str, parameters: Mapping[str, Any], draft: Draft | None = None) -> None:
        """Take over what an operation made of the state, and write it down."""
        new = None if draft is None else self._settled(draft)
        self._note(operation, parameters, self.digest if new is None else new.digest)
        if new is not None:
            self._draft = new
            self._edited.forget()

    def _note(self, operation: str, parameters: Mapping[str, Any], after: str) -> None:
        """Write an operation down that leads to the state of digest `after`.

        What raises, raises here: an operation is done and written down, or neither.
        """
        with self._edited.reading():  # says so if the edit has ended
            self._transaction.check()
        if self._goes_on and operation != "thaw":
            self._goes_on = False
            self._note("run", {**self._script, "continued": True}, self.digest)
        stated = {key: value for key, value in parameters.items() if value is not None}
        self._new_rows.append(
            {
                "operation": operation,
                "parameters": json.dumps(stated, sort_keys=True, default=_plain),
                "time": provenance.now(),
                "versions": self._versions,
                "digest_before": self.digest,
                "digest_after": after,
            }
        )

    @functools.cached_property
    def _versions(self) -> str:
        return json.dumps(provenance.versions_now(), sort_keys=True)

    def _settled(self, draft: Draft) -> Draft:
        """Signals without samples are stored, not virtual: give those with new attributes data of their own."""
        for name, signal in draft.signals.items():
            if not len(signal) and self.draft.signals.get(name) is not signal:
                piece = self._store.store([], signal.dtype, 0, signal.attributes)
                draft = draft.with_signal(name, replace(signal, pieces=(piece,)))
        return draft

    def _history(self) -> Rows:
        columns = layout.HISTORY_COLUMNS
        old = Table(self._edited, layout.HISTORY, columns).columns()
        values = {
            column.name: [*old[column.name], *(row[column.name] for row in self._new_rows)]
            for column in columns
        }
        return Rows(layout.HISTORY, make_rows(columns, values))

    def _render(self) -> None:
        """Make the file's working state, and its caches, what they are now."""
        self._caches.write()
        if self._draft is not None:
            self._store.render(self._draft)
            objects.write_attribute(self._edited.h5, layout.STATE_DIGEST, self._draft.digest)

    def finish(self) -> None:
        """Write the working state, the history and the archive's digest, if anything was done.

        An operation that raised may have stored samples before: then the digest is another one, too.
        """
        self._transaction.check()
        if not (self._new_rows or self._store.has_stored or self._caches.has_changed):
            return
        root = self._edited.h5
        history = self._history()
        self._render()
        if self._new_rows:
            del root[layout.HISTORY]
            objects.link(objects.write_table(root, history.rows), root, layout.HISTORY)
        digest.write_archive_digest(root)


def _plain(value: Any) -> Any:
    """What JSON has in place of a value of numpy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} can't be written into the history")


class DraftTable(Table):
    """A table of the working state as it is in an edit."""

    def __init__(self, file: EditedFile, name: str, rows: Callable[[], Rows]) -> None:
        super().__init__(file, name, layout.TABLES[name])
        self._now = rows

    def rows(self) -> npt.NDArray[Any]:
        """The rows as they will be stored."""
        return self._now().rows

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """The table's own attributes."""
        return dict(self._now().attributes)

    def __len__(self) -> int:
        return len(self._now().rows)


class DraftSignals(Signals):
    """The signals of the working state as they are in an edit."""

    def __init__(self, file: EditedFile, draft: Callable[[], Draft]) -> None:
        super().__init__(file, layout.SIGNALS)
        self._draft = draft

    def _pieces(self) -> dict[str, list[Piece]]:
        return {name: list(signal.pieces) for name, signal in self._draft().signals.items()}

    def describe(self, name: str) -> Description:
        """What the state says of the signal of this name."""
        found = self._draft().signals.get(name)
        if found is None:
            raise self._none(name)
        return found
