"""The working state while it is edited: a light description, which operations turn into another one.

Nothing of it is in the file before it is rendered; only new samples are stored at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import digest
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import DATA, PIECES, SAMPLES_DIGEST, SIGNALS, STATE_TABLES
from eegarchive.state import Description, State
from eegarchive.storage import guard, objects, virtual
from eegarchive.storage.codec import PORTABLE, Codec
from eegarchive.storage.container import ArchiveFile, EditedFile
from eegarchive.storage.objects import AttributeValue, make_rows, read_attributes, text_column
from eegarchive.storage.samples import Piece
from eegarchive.storage.workers import pool
from eegarchive.storage.writer import ChunkWriter

_UNFINISHED = "unfinished"
#: How many new samples are hashed and encoded at once.
_PART_SAMPLES = 2**19


@dataclass(frozen=True, eq=False)
class Rows:
    """The content of a table."""

    name: str
    rows: npt.NDArray[Any]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    @functools.cached_property
    def digest(self) -> str:
        """Spec D-4."""
        return digest.table_digest(self.rows, self.attributes)

    @functools.cached_property
    def columns(self) -> dict[str, Any]:
        """Columns by name: arrays of numbers, lists of texts."""
        return {
            column.name: text_column(self.rows, column.name, self.name)
            if column.type == "str"
            else np.ascontiguousarray(self.rows[column.name])
            for column in STATE_TABLES[self.name]
        }

    def with_columns(self, **changed: Any) -> Rows:
        """The same table with other values in some columns, or with other rows if all are given."""
        return Rows(
            self.name, make_rows(STATE_TABLES[self.name], {**self.columns, **changed}), self.attributes
        )

    def only(self, kept: npt.NDArray[np.bool_]) -> Rows:
        """The rows where `kept` holds; texts as wide as these need."""
        return self.with_columns(
            **{
                name: values[kept]
                if isinstance(values, np.ndarray)
                else [value for value, keep in zip(values, kept, strict=True) if keep]
                for name, values in self.columns.items()
            }
        )


@dataclass(frozen=True, eq=False)
class Draft:
    """A state as a description; operations make another one of it.

    Attributes
    ----------
    signals : dict
        What each signal is, by name and in order; attributes without `samples_sha256`.
    segments, annotations, epochs : Rows
    """

    signals: Mapping[str, Description]
    segments: Rows
    annotations: Rows
    epochs: Rows

    @property
    def tables(self) -> tuple[Rows, Rows, Rows]:
        """All that isn't signals."""
        return self.segments, self.annotations, self.epochs

    @functools.cached_property
    def digest(self) -> str:
        """Spec D-5."""
        described = ((name, signal.attributes, signal.pieces) for name, signal in self.signals.items())
        return digest.state_digest(described, {table.name: table.digest for table in self.tables})

    def with_signal(self, name: str, signal: Description) -> Draft:
        """With one signal replaced, or added behind the others."""
        return replace(self, signals={**self.signals, name: signal})

    def piece_rows(self) -> npt.NDArray[Any]:
        """Rows of the table `pieces`."""
        listed = [(name, piece) for name, signal in self.signals.items() for piece in signal.pieces]
        return make_rows(
            STATE_TABLES[PIECES],
            {
                "signal": [name for name, _ in listed],
                "data": [piece.data for _, piece in listed],
                "start": [piece.start for _, piece in listed],
                "stop": [piece.stop for _, piece in listed],
            },
        )


class DraftStore:
    """Where drafts are read from the file, and put into it again.

    It remembers what the root shows, so that what an operation left alone stays there and isn't written again:
    operations make new descriptions, and one that is the same as before has the same name.
    """

    def __init__(self, file: EditedFile) -> None:
        self._file = file
        #: By identity: the descriptions and tables that the root shows.
        self._shown: dict[int, Description | Rows] = {}
        #: Whether new samples were stored.
        self.has_stored = False

    # -- from the file --------------------------------------------------------------------------

    def load(self) -> Draft:
        """The working state."""
        state = State(self._file, "")
        self._shown.clear()
        signals = described(state)
        for signal in signals.values():
            self._remember(signal)
        tables = {}
        for name in STATE_TABLES:
            if name != PIECES:
                table = state._table(name)
                tables[name] = Rows(name, table.rows(), table.attributes)
                self._remember(tables[name])
        return Draft(signals, **tables)

    def _remember(self, what: Description | Rows) -> None:
        self._shown[id(what)] = what

    # -- into the file --------------------------------------------------------------------------

    def codec(self) -> Codec:
        """The codec that the archive's samples have."""
        data = self._file.group(DATA)
        for name in guard.names(data):
            codec = self._file.stored(name).codec
            if codec is not None:
                return codec
        return PORTABLE

    def store(
        self,
        blocks: Iterable[npt.NDArray[Any]],
        dtype: np.dtype[Any],
        length: int,
        attributes: Mapping[str, AttributeValue],
    ) -> Piece:
        """Store new samples, given block by block; the piece that is all of them."""
        data, codec = self._file.group(DATA), self.codec()
        chunk = max(1, codec.chunk_bytes // dtype.itemsize)
        name = f"{_UNFINISHED}-0"
        try:
            writer = ChunkWriter(data, name, dtype, length, chunk, codec, attributes, SAMPLES_DIGEST)
            _write(writer, blocks, dtype)
            samples = writer.finish()
            own = digest.signal_digest(dtype, length, samples, attributes)
            if own in data:
                del data[name]
            else:
                objects.rename(data, name, own)
            self.has_stored = True
        except BaseException:
            if name in data:
                del data[name]
            raise
        return Piece(own, 0, length)

    def render(self, draft: Draft) -> None:
        """Make the root show a draft; what it shows already stays."""
        group = self._file.group(SIGNALS)
        for name in set(guard.names(group)) - set(draft.signals):
            del group[name]
        for name, signal in draft.signals.items():
            if id(signal) not in self._shown:
                self._show(group, name, signal)
        pieces = Rows(PIECES, draft.piece_rows())
        for table in (*draft.tables, pieces):
            if id(table) not in self._shown and not self._is_shown(table):
                root = self._file.h5
                del root[table.name]
                objects.link(objects.write_table(root, table.rows, table.attributes), root, table.name)
            self._remember(table)
        self._file.forget()

    def _is_shown(self, table: Rows) -> bool:
        """Whether the root's table is equal to this one."""
        dataset = self._file.dataset("", table.name)
        rows = objects.read_table(dataset, STATE_TABLES[table.name])
        return Rows(table.name, rows, read_attributes(dataset)).digest == table.digest

    def _show(self, group: h5py.Group, name: str, signal: Description) -> None:
        """Show a signal that is nowhere in the file yet; it isn't kept open: HDF5 takes 25 kB a piece for that."""
        if guard.address_at(group, name) is not None:
            del group[name]
        whole = whole_data(self._file, signal)
        if whole is not None:
            objects.link_again(self._file.group(DATA), whole, group, name)
        else:
            lengths = {data: self._file.stored(data).length for data in {p.data for p in signal.pieces}}
            virtual.create(group, name, signal.dtype, signal.pieces, lengths, signal.attributes)
        self._remember(signal)


def described(state: State) -> dict[str, Description]:
    """The signals of a state, with attributes as digests see them."""
    found = {}
    for name in state.signals:
        own = state.signals.describe(name)
        attributes = {key: value for key, value in own.attributes.items() if key != SAMPLES_DIGEST}
        found[name] = Description(attributes, own.dtype, own.pieces)
    return found


def whole_data(file: ArchiveFile, signal: Description) -> str | None:
    """Name of the stored signal that a signal is, attributes and all (spec P-5); None if it is to be virtual."""
    piece = signal.pieces[0]
    stored = file.stored(piece.data)
    if len(signal.pieces) > 1 or (piece.start, piece.stop) != (0, stored.length):
        return None
    attributes = read_attributes(stored.dataset)
    attributes.pop(SAMPLES_DIGEST, None)
    return piece.data if attributes == signal.attributes else None


def _write(writer: ChunkWriter, blocks: Iterable[npt.NDArray[Any]], dtype: np.dtype[Any]) -> None:
    """Hash and encode some samples in the background while those before them are written."""
    encoding, count = None, 0
    for block in blocks:
        for at in range(0, len(block), _PART_SAMPLES):
            part = np.ascontiguousarray(block[at : at + _PART_SAMPLES], dtype)
            count += len(part)
            encoded: list[Any] = [] if encoding is None else encoding.result()
            encoding = pool().submit(writer.append, part)
            writer.write(encoded)
    if encoding is not None:
        writer.write(encoding.result())
    if count != writer.length:
        raise EEGArchiveError(f"{count} samples where {writer.length} were announced")


def cut(pieces: Sequence[Piece], ranges: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    """Pieces of the samples in `ranges`, which are in order."""
    ends = np.cumsum([len(piece) for piece in pieces])
    found = []
    for start, stop in ranges:
        first = int(np.searchsorted(ends, start, side="right"))
        for piece, end in zip(pieces[first:], ends[first:].tolist(), strict=True):
            shift = piece.stop - end
            a, b = max(start, end - len(piece)), min(stop, end)
            if a >= b:
                break
            found.append(Piece(piece.data, a + shift, b + shift))
    return tuple(digest.normalised(found))
