"""One process's readers of the recordings that windows are of: opened when needed, some at a time, never inherited."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eegarchive.archive import Archive
from eegarchive.errors import InvalidArchive, StaleValue
from eegarchive.windowing.blocks import Blocks, Memory
from eegarchive.windowing.sets import WindowSet

#: How many archives a process has open for one dataset: fewer than most systems let a process open.
_MAX_OPEN = 128

Window = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """What windows of one recording are read from.

    Attributes
    ----------
    path : str
    freeze : str or None
    state : str
        Digest of the state that the windows are of.
    signals : tuple of str
        Names of the signals, in order.
    prepared : str or None
        Set of windows that they are read from.
    contents : str
        Digest of that set.
    may_be_stale : bool
        Whether that set may be of another state than the archive's.
    """

    path: str
    freeze: str | None
    state: str
    signals: tuple[str, ...]
    prepared: str | None = None
    contents: str = ""
    may_be_stale: bool = False

    @property
    def where(self) -> str:
        """How messages name it."""
        return self.path + (f"@{self.freeze}" if self.freeze else "")


class Reader(Protocol):
    """Reads windows of one recording."""

    def read(self, rows: Sequence[int], starts: Sequence[int], samples: int) -> list[Window]:
        """Windows of `samples` samples, each with memory of its own."""

    def close(self) -> None:
        """Close the archive."""


class StateReader:
    """Windows cut from the signals of a state."""

    def __init__(self, source: Source, memory: Memory, number: int) -> None:
        self._source = source
        self._archive = Archive(source.path, source.freeze)
        try:
            self._file = self._archive._file
            with self._file.reading():
                self._check()
                signals = [self._archive.signals[name] for name in source.signals]
                self._blocks = Blocks(signals, memory, number)
        except BaseException:
            self._archive.close()
            raise

    def _check(self) -> None:
        if self._archive.digest != self._source.state:
            raise StaleValue(
                f"{self._source.where}: the recording was changed since its windows were counted; "
                "call eegarchive.windows again, or give a freeze"
            )

    def read(self, rows: Sequence[int], starts: Sequence[int], samples: int) -> list[Window]:
        """Some windows."""
        return [self._blocks.physical(self.stored(start, start + samples)) for start in starts]

    def stored(self, start: int, stop: int) -> list[npt.NDArray[Any]]:
        """Parts of it as stored; what is in memory is of the state, whatever the file has become."""
        parts = self._blocks.in_memory(start, stop)
        if parts is None:
            with self._file.reading():
                self._check()
                parts = self._blocks.read(start, stop)
        return parts

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class SetReader:
    """Windows that were prepared."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._archive = Archive(source.path, source.freeze)
        self._file = self._archive._file
        self._now: tuple[Any, int | None, WindowSet] | None = None
        try:
            with self._file.reading():
                self._open()
        except BaseException:
            self._archive.close()
            raise

    def _open(self) -> WindowSet:
        """The set as the file has it now, made sure to be the one that is asked for; for use inside `reading`."""
        assert self._source.prepared is not None
        generation = self._file.generation()
        if self._now is not None and self._now[0] == generation is not None:
            return self._now[2]
        windows = WindowSet(self._file, self._source.prepared)
        check_fresh(windows, self._archive, self._source.may_be_stale)
        if windows.digest != self._source.contents:
            raise StaleValue(f"{windows.where}: was prepared anew since; call eegarchive.windows again")
        windows.places()
        by_position = windows.codec.name in ("none", "portable")
        self._now = generation, self._file.descriptor() if by_position else None, windows
        return windows

    def stored(self, row: int) -> npt.NDArray[Any]:
        """One window as it is stored."""
        with self._file.reading():
            return self._open().stored(row)

    def read(self, rows: Sequence[int], starts: Sequence[int], samples: int) -> list[Window]:
        """Some windows, without a lock if nobody has changed the file while they were read."""
        assert self._now is not None
        generation, descriptor, windows = self._now
        if descriptor is not None:
            with contextlib.suppress(InvalidArchive, OSError):
                stored = [windows.stored_at(descriptor, row) for row in rows]
                if self._file.still(generation):  # a look at the disk takes as long as a small window
                    return list(map(windows.values, stored))
        with self._file.reading():
            windows = self._open()
            return [windows.values(windows.stored(row)) for row in rows]

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def check_fresh(windows: WindowSet, archive: Archive, may_be_stale: bool) -> None:
    """Refuse windows that were cut from another state than the archive's.

    Raises
    ------
    StaleValue
    """
    if windows.state != archive.digest and not may_be_stale:
        raise StaleValue(
            f"{windows.where}: was prepared from another state (digest {windows.state[:12]}, now "
            f"{archive.digest[:12]}); prepare it again, or take it as it is by stale=True"
        )


@dataclass
class _Opened:
    """A reader, how many use it, and whether the last one is to close it."""

    reader: Reader
    users: int = 0
    is_dropped: bool = False


_all: weakref.WeakSet[Readers] = weakref.WeakSet()


class Readers:
    """Readers of some sources in this process; a forked child opens its own. Safe to use from several threads."""

    def __init__(self, sources: list[Source], memory: int) -> None:
        self._sources = sources
        self._limit = memory
        self._begin(Memory(memory))
        _all.add(self)

    def _begin(self, memory: Memory) -> None:
        self._lock = threading.Lock()
        self._memory = memory
        self._open: OrderedDict[int, _Opened] = OrderedDict()

    @contextlib.contextmanager
    def use(self, number: int) -> Iterator[Reader]:
        """The reader of a source, which isn't closed meanwhile."""
        with self._lock:
            opened = self._open.get(number)
            if opened is None:
                self._make_room()
                opened = self._open[number] = _Opened(self._reader(number))
            self._open.move_to_end(number)
            opened.users += 1
        try:
            yield opened.reader
        finally:
            with self._lock:
                opened.users -= 1
                if opened.is_dropped and not opened.users:
                    opened.reader.close()

    def _reader(self, number: int) -> Reader:
        source = self._sources[number]
        return StateReader(source, self._memory, number) if source.prepared is None else SetReader(source)

    def _make_room(self) -> None:
        idle = [number for number, opened in self._open.items() if not opened.users]
        for number in idle[: max(0, len(self._open) - _MAX_OPEN + 1)]:
            self._open.pop(number).reader.close()

    def close(self) -> None:
        """Close all archives, those in use as soon as they aren't; they are opened again when something is read."""
        with self._lock:
            for opened in self._open.values():
                if opened.users:
                    opened.is_dropped = True
                else:
                    opened.reader.close()
            self._open.clear()
            self._memory = Memory(self._limit)


def _after_fork() -> None:
    for readers in list(_all):
        readers._begin(readers._memory.inherited())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
