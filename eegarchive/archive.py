"""Open an archive for reading."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from eegarchive.cache import Caches, CacheStore
from eegarchive.layout import (
    EDF,
    EDF_WARNING_COLUMNS,
    EDF_WARNINGS,
    FREEZES,
    HISTORY,
    HISTORY_COLUMNS,
    USER_ATTRIBUTE_PREFIX,
)
from eegarchive.state import State, Table, no_such_freeze
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import AttributeValue, read_attributes


class CachedState(State):
    """A state of an archive, with the values that were derived from it.

    Attributes
    ----------
    cache : Caches
        Caches by name.
    """

    def __init__(self, file: ArchiveFile, path: str, store: CacheStore | None = None) -> None:
        super().__init__(file, path)
        self.cache = Caches(self, store)


class Freezes(Mapping[str, CachedState]):
    """The freezes of an archive by tag; each reads like the archive itself."""

    def __init__(self, file: ArchiveFile, store: CacheStore | None = None) -> None:
        self._file = file
        self._store = store

    def __iter__(self) -> Iterator[str]:
        with self._file.reading():
            return iter(guard.names(self._file.group(FREEZES)))

    def __len__(self) -> int:
        with self._file.reading():
            return len(self._file.group(FREEZES))

    def __contains__(self, tag: object) -> bool:
        return tag in list(self)

    def attributes(self) -> dict[str, dict[str, AttributeValue]]:
        """What each freeze says of itself, by tag: when it was made, the note, its digests."""
        with self._file.reading():
            return {tag: read_attributes(self._file.group(f"{FREEZES}/{tag}")) for tag in self}

    def __getitem__(self, tag: str) -> CachedState:
        if tag not in self:
            raise no_such_freeze(str(self._file.path), tag, list(self))
        return CachedState(self._file, f"{FREEZES}/{tag}", self._store)


class Archive(CachedState):
    """A session's archive, open for reading: its working state, or the freeze it was opened at.

    Opening reads no samples. An archive may be used from several threads and after a fork, and pickles
    as its path; every process has a handle of its own.

    Attributes
    ----------
    freezes : Freezes
        Every freeze by its tag.
    history : Table
        What was done, one row for each operation.
    warnings : Table
        What was odd in the source and kept.
    """

    def __init__(self, path: str | os.PathLike[str], freeze: str | None = None) -> None:
        self._open(ArchiveFile(path), freeze)

    def _open(self, file: ArchiveFile, freeze: str | None, store: CacheStore | None = None) -> None:
        try:
            self.freezes = Freezes(file, store)
            if freeze is not None and freeze not in self.freezes:
                raise no_such_freeze(str(file.path), freeze, list(self.freezes))
            super().__init__(file, f"{FREEZES}/{freeze}" if freeze is not None else "", store)
        except BaseException:
            file.close()
            raise
        self.tag = freeze
        self.history = Table(file, HISTORY, HISTORY_COLUMNS)
        self.warnings = Table(file, f"{EDF}/{EDF_WARNINGS}", EDF_WARNING_COLUMNS)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._file.path, "freeze": self.tag}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["freeze"])  # type: ignore[misc]

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return str(self._file.path)

    @property
    def provenance(self) -> dict[str, AttributeValue]:
        """How the archive came to be: the root attributes other than the user's own."""
        found = self._root()
        return {key: value for key, value in found.items() if not key.startswith(USER_ATTRIBUTE_PREFIX)}

    def _root(self) -> dict[str, AttributeValue]:
        with self._file.reading():
            return read_attributes(self._file.h5)

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """Key=value attributes that users gave."""
        found = self._root()
        cut = len(USER_ATTRIBUTE_PREFIX)
        return {key[cut:]: value for key, value in found.items() if key.startswith(USER_ATTRIBUTE_PREFIX)}

    @property
    def edf_header(self) -> dict[str, AttributeValue]:
        """The fields of the source's EDF header, as text without padding."""
        with self._file.reading():
            return read_attributes(self._file.group(EDF))

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = f"@{self.tag}" if self.tag else ""
        if self._file.closed:
            return f"<Archive {self.path}{shown}: closed>"
        return f"<Archive {self.path}{shown}: {len(self.signals)} signals, {self.duration:.10g} s>"


def open_archive(path: str | os.PathLike[str], freeze: str | None = None) -> Archive:
    """Open an archive for reading; no samples are read.

    Parameters
    ----------
    path : path-like
        The archive; `night.h5@N2` means its freeze `N2`, where no file has that whole name.
    freeze : str, optional
        Tag of a freeze to open in place of the working state.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidArchive, UnsafeArchive, UnsupportedVersion
        If it isn't an archive that this version reads.
    NotInArchive
        If there is no such freeze.
    """
    if freeze is None:
        path, freeze = split_tag(path)
    return Archive(path, freeze)


def split_tag(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Split `night.h5@N2` into path and tag; a file that has the whole name is meant as it is."""
    text = os.fspath(path)
    before, at, tag = text.rpartition("@")
    if at and before and tag and "/" not in tag and not os.path.exists(text):
        return before, tag
    return text, None
