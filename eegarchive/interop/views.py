"""What is read lazily reads by a view of the file of its own, which outlives the archive that it was made from."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eegarchive import layout
from eegarchive.detached import open_file
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.samples import Piece


class View:
    """A view of an archive's file, opened when it is needed and closed when nobody has it; it pickles as its path."""

    def __init__(self, path: str, base: Path | None = None, file: ArchiveFile | None = None) -> None:
        self.path, self._base = path, base
        self._file = file  # one that is open already, and isn't its own to close

    def file(self) -> ArchiveFile:
        """The file, opened."""
        if self._file is None:
            opened = open_file(self.path, self._base)
            self._file = opened  # two threads may come here at once: either view does
            weakref.finalize(self, opened.close)
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


@contextlib.contextmanager
def reading(file: ArchiveFile, pieces: Iterable[Piece]) -> Iterator[None]:
    """Read pieces of signals inside, which the file may have lost since they were looked up.

    Raises
    ------
    EEGArchiveError
        If it has: it was compacted, or another file has its name.
    """
    with file.reading():
        try:
            yield
        except InvalidArchive:
            there = {*guard.names(file.group(layout.DATA))}
            if file.base is not None:
                there |= {*guard.names(file.recording.group(layout.DATA))}
            if all(piece.data in there for piece in pieces):
                raise
            raise EEGArchiveError(
                f"{file.path}: has no more the samples that this was made from (it was compacted, or replaced by "
                "another file); read it anew"
            ) from None
