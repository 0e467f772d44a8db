"""Detached freezes: a file that has one freeze, and needs an archive of the same recording, its base, for samples."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eegarchive.digest import signal_digest
from eegarchive.errors import EEGArchiveError, InvalidArchive, MissingBase, UnsafeArchive
from eegarchive.layout import (
    CONTENTS_DIGEST,
    DATA,
    DETACHED_FORMAT,
    FREEZES,
    PIECES,
    SAMPLES_DIGEST,
    STATE_TABLES,
    SUFFIX,
    TAG_PATTERN,
)
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.handles import IsDetached
from eegarchive.storage.objects import read_attribute, read_attributes, read_table
from eegarchive.storage.outside import Attached
from eegarchive.storage.samples import StoredSamples

#: A base, where it is known: its place, or the file itself.
Base = str | os.PathLike[str] | ArchiveFile | None


class DetachedFile(ArchiveFile):
    """The file of a detached freeze, with the archive that has the rest of its samples.

    The base is found once, when this is opened. HDF5 never follows a link to it: its samples are read from it by
    the pieces, and what is read is what its name says.

    Parameters
    ----------
    path : path-like
    base : path-like or ArchiveFile, optional
        The base; looked for beside the file if not given. A file that is given stays the caller's to close.
    locking : bool
        As for any archive.

    Attributes
    ----------
    tag, base_name : str
        Tag of the freeze, and what its base was called.

    Raises
    ------
    MissingBase
        If the base that is given isn't one of this freeze.
    """

    _format = DETACHED_FORMAT

    def __init__(self, path: str | os.PathLike[str], base: Base = None, locking: bool = True) -> None:
        self._base: ArchiveFile | None = None
        self._why = ""
        self._owns_base = not isinstance(base, ArchiveFile)
        super().__init__(path, locking)
        try:
            with self.reading():
                self._look()
            self._base = self._given(base) if base is not None else self._found()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        """What the root says, and what must be somewhere else."""
        tag, name = (_text(read_attribute(self.h5, key)) for key in ("tag", "base_name"))
        if not re.fullmatch(TAG_PATTERN, tag) or guard.names(self.group(FREEZES)) != [tag]:
            raise InvalidArchive(f"{self.path}: hasn't the one freeze that its attribute `tag` names")
        if not guard.is_file_name(name):
            raise UnsafeArchive(f"{self.path}: its base is called {guard.printable(name)!r}, no file name")
        self.tag, self.base_name, self._shows = tag, name, name
        self._source_digest = read_attribute(self.h5, "source_digest")
        rows = read_table(self.dataset(f"{FREEZES}/{tag}", PIECES), STATE_TABLES[PIECES])
        used = {raw.decode("utf-8", "replace") for raw in np.unique(rows["data"]).tolist()}
        #: Names of the stored signals that the base must have.
        self.needed = used - set(self._own())

    def _own(self) -> frozenset[str]:
        return self.cached((DATA, "", ""), lambda: frozenset(guard.names(guard.group_at(self.h5, DATA))))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "base": self.base}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["base"], state["locking"])  # type: ignore[misc]

    def _is_another_format(self) -> EEGArchiveError:
        return InvalidArchive(
            f"{self.path}: is an archive, not a detached freeze (eegarchive detach makes one)"
        )

    # -- the base -------------------------------------------------------------------------------

    @property
    def base(self) -> Path | None:
        """Where its base is; None if it is missing."""
        return None if self._base is None else self._base.path

    @property
    def recording(self) -> ArchiveFile:
        """The base.

        Raises
        ------
        MissingBase
            If it is missing.
        """
        if self._base is None:
            raise self._missing()
        return self._base

    def _missing(self) -> MissingBase:
        return MissingBase(
            f"{self.path}: needs its base, {self.base_name}, beside it, or named (base=, --base): {self._why}"
        )

    def _given(self, base: str | os.PathLike[str] | ArchiveFile) -> ArchiveFile:
        opened = base if isinstance(base, ArchiveFile) else ArchiveFile(base)
        why = self._why_not(opened)
        if why:
            if self._owns_base:
                opened.close()
            raise MissingBase(f"{opened.path}: {why}, so it can't be the base of {self.path}")
        return opened

    def _found(self) -> ArchiveFile | None:
        """The archive beside the file that has what is needed: of the base's name, or else any."""
        folders = dict.fromkeys([self.path.parent, Path(os.path.realpath(self.path)).parent])
        self._why = "there is none of that name, nor another archive that has what it needs"
        for folder in folders:
            opened = self._opened(folder / self.base_name, is_named=True)
            if opened is not None:
                return opened
        for folder in folders:
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                if path not in (self.path, folder / self.base_name):
                    opened = self._opened(path, is_named=False)
                    if opened is not None:
                        return opened
        return None

    def _opened(self, path: Path, is_named: bool) -> ArchiveFile | None:
        """A file that may be the base, if it is; why it isn't is told of the one that has its name."""
        if not path.is_file():  # a pipe would wait for ever
            return None
        try:
            opened = ArchiveFile(path)
        except (EEGArchiveError, OSError) as error:
            self._why = str(error).partition("\n")[0] if is_named else self._why
            return None
        why = self._why_not(opened)
        if not why:
            return opened
        opened.close()
        self._why = f"{path} {why}" if is_named else self._why
        return None

    def _why_not(self, file: ArchiveFile) -> str:
        """Why a file isn't the base; empty if it is."""
        with file.reading():
            if read_attribute(file.h5, "source_digest") != self._source_digest:
                return "is of another recording (its source_digest is another one)"
            lacking = self.needed - set(guard.names(file.group(DATA)))
        if not lacking:
            return ""
        first = guard.printable(min(lacking)[:12])
        return f"lacks {len(lacking)} of the stored signals that it is made of, the first {first}"

    # -- reading --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read inside: nobody commits meanwhile to the file or to its base. May be nested."""
        with super().reading():
            if self._base is None:
                yield
                return
            with self._base.reading():
                yield

    def stored(self, name: str) -> StoredSamples:
        """Samples of the stored signal with this name: the file's own, else the base's.

        Raises
        ------
        MissingBase
            If it is the base's, which is missing.
        InvalidArchive
            If what the base has under this name is something else.
        """
        if name in self._own():
            return super().stored(name)
        base = self.recording
        found = base.stored(name)
        if not base.cached((DATA, name, "named"), lambda: _is_named(found, name)):
            raise InvalidArchive(
                f"{base.path}: /{DATA}/{guard.printable(name)}: isn't what its name says; run `eegarchive verify`"
            )
        return found

    def owns(self, name: str) -> bool:
        """Whether a stored signal lies in this file; for use inside `reading`."""
        return name in self._own()

    def shown(self, parent: str, name: str, data: str | None) -> h5py.Dataset:
        """What the group of signals at `parent` has under a name, for its attributes and type."""
        outside = guard.external(self._signals(parent), name)
        if outside is None:
            return self.dataset(parent, name, may_be_virtual=True)
        if data is None or outside != (self.base_name, f"/{DATA}/{data}"):
            shown = f"{guard.printable(outside[0])!r}, {guard.printable(outside[1])!r}"
            raise UnsafeArchive(
                f"{self.path}: /{parent}/{guard.printable(name)}: is an external link to {shown}"
            )
        return self.stored(data).dataset

    def descriptor(self) -> int | None:
        """None: samples lie in two files."""
        return None

    def generation(self) -> Any:
        """None: either of two files may change."""
        return None

    def states(self) -> list[str]:
        """Path of the one state there is."""
        return [f"{FREEZES}/{self.tag}"]

    def close(self) -> None:
        """Close it, and the base if it was opened for it; further use raises."""
        if self._base is not None and self._owns_base:
            self._base.close()
        super().close()


def _text(value: object) -> str:
    """An attribute that must be text; an empty one if it's anything else, which no tag or name is."""
    return value if isinstance(value, str) else ""


def _is_named(stored: StoredSamples, name: str) -> bool:
    """Whether a stored signal's type, length, attributes and the digest of its samples are what its name says."""
    attributes = read_attributes(stored.dataset)
    samples = str(attributes.get(SAMPLES_DIGEST, ""))
    return signal_digest(stored.dtype, stored.length, samples, attributes) == name


def open_file(path: str | os.PathLike[str], base: Base = None, locking: bool = True) -> ArchiveFile:
    """Open an archive, or a detached freeze with its base.

    Raises
    ------
    EEGArchiveError
        If a base is given for an archive, which needs none.
    """
    try:
        file = ArchiveFile(path, locking)
    except IsDetached:
        return DetachedFile(path, base, locking)
    if base is not None:
        file.close()
        raise EEGArchiveError(f"{path}: is an archive, which needs no base; leave it out")
    return file


def open_attached(archive: ArchiveFile, tag: str, link: Attached) -> DetachedFile:
    """Open the file in which an attached freeze lies, with the archive as its base.

    Raises
    ------
    MissingBase
        If the file isn't there, or the archive isn't its base.
    InvalidArchive
        If it isn't the freeze that was attached.
    """
    places = [
        folder / link.file for folder in (archive.path.parent, Path(os.path.realpath(archive.path)).parent)
    ]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise MissingBase(
            f"{archive.path}: the freeze {tag!r} lies in {guard.printable(link.file)}, which isn't beside it; put it "
            f"there, or remove the freeze (eegarchive freezes --remove {tag})"
        )
    file = DetachedFile(path, archive)
    try:
        with file.reading():
            stated = read_attribute(file.group(f"{FREEZES}/{file.tag}"), CONTENTS_DIGEST)
    except BaseException:
        file.close()
        raise
    if (file.tag, stated) != (tag, link.contents_digest):
        file.close()
        raise InvalidArchive(
            f"{path}: isn't the freeze {tag!r} that was attached to {archive.path} (its {CONTENTS_DIGEST} is another "
            "one); put the right file there, or remove the freeze and attach this one"
        )
    return file


def needed_by_attached(file: ArchiveFile) -> set[str] | None:
    """Names of the stored signals that attached freezes take from an archive; None if one's file can't be read."""
    needed: set[str] = set()
    for tag, link in file.attached_freezes().items():
        try:
            with contextlib.closing(open_attached(file, tag, link)) as opened:
                needed |= opened.needed
        except (EEGArchiveError, OSError):
            return None
    return needed
