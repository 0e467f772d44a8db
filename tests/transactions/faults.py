"""A disk that breaks: it stands in for `eegarchive.storage.disk` and fails at a chosen step.

`Crash` is the end of the process: from then on no step reaches the disk, whatever the code still tries.
`Volume` remembers what was synced, and so what a power failure may take away.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eegarchive.storage import disk

CHANGES = ("write_at", "resize", "sync", "create", "rename", "link", "remove", "sync_folder")
EVERY_CALL = ("read_at", *CHANGES)
SECTOR = 512


class Crash(BaseException):
    """The process ends here."""


def disk_full() -> OSError:
    """What the system says of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def input_output() -> OSError:
    """What the system says of a broken disk."""
    return OSError(errno.EIO, os.strerror(errno.EIO))


@dataclass(frozen=True)
class Fault:
    """Which step fails, and how.

    Attributes
    ----------
    step : int
    torn : str
        What of a write at that step still gets to the disk: nothing, its "head", or some "sectors".
    error : callable
        Makes what is raised.
    lasting : bool
        All later steps fail too.
    after : str
        Count from the first step of this name on.
    """

    step: int
    torn: str = ""
    error: Callable[[], BaseException] = Crash
    lasting: bool = True
    after: str = ""


class FaultyDisk:
    """The functions of `disk` while it is used in a `with` block, in the order of their calls in `log`."""

    def __init__(
        self, fault: Fault | None = None, names: Iterable[str] = CHANGES, volume: Volume | None = None
    ) -> None:
        self.log: list[str] = []
        self._fault, self._names, self._volume = fault, tuple(names), volume
        self._patch = pytest.MonkeyPatch()
        self._mutex = threading.Lock()

    def __enter__(self) -> FaultyDisk:
        for name in self._names:
            self._patch.setattr(disk, name, self._step(name, getattr(disk, name)))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _step(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            fault = self._fault
            with self._mutex:
                self.log.append(name)
                first = 0
                if fault is not None and fault.after:
                    first = self.log.index(fault.after) if fault.after in self.log else len(self.log)
                number = len(self.log) - 1 - first
            if fault is not None and (number == fault.step or (fault.lasting and number > fault.step)):
                if number == fault.step and name == "write_at":
                    self._tear(fault.torn, real, *arguments)
                raise fault.error()
            if name in ("sync", "sync_folder"):
                found = None  # the volume says what a sync is worth, and the test is quicker
            elif name == "remove" and self._volume is not None:
                self._volume.did(name, *arguments)
                return real(*arguments)
            else:
                found = real(*arguments)
            if self._volume is not None:
                self._volume.did(name, *arguments)
            return found

        return step

    def _tear(self, torn: str, write: Callable[..., Any], descriptor: int, offset: int, data: Any) -> None:
        raw = bytes(data)
        if torn == "head":
            write(descriptor, offset, raw[: len(raw) // 3])
        elif torn == "sectors":
            for at in range(0, len(raw), 2 * SECTOR):
                write(descriptor, offset + at, raw[at : at + SECTOR])


class Volume:
    """A folder as a power failure sees it: what was synced, and what was done since."""

    def __init__(self, folder: Path) -> None:
        self._names = {path.name: path.stat().st_ino for path in folder.iterdir()}
        self._safe = {path.stat().st_ino: path.read_bytes() for path in folder.iterdir()}
        self._unsynced: dict[int, list[tuple[int, bytes | None]]] = {}
        self._unsynced_names: list[tuple[str, int | None]] = []

    def did(self, step: str, *arguments: Any) -> None:
        """Note a step that was done; `remove` before it is done."""
        if step in ("write_at", "resize", "sync"):
            file = os.fstat(arguments[0]).st_ino
            if step == "sync":
                for change in self._unsynced.pop(file, []):
                    self._safe[file] = _changed(self._safe[file], *change)
            else:
                data = bytes(arguments[2]) if step == "write_at" else None
                self._unsynced.setdefault(file, []).append((arguments[1], data))
                self._safe.setdefault(file, b"")
        elif step == "create":
            file = os.stat(arguments[0]).st_ino
            self._safe[file] = b""
            self._unsynced.pop(file, None)
            self._unsynced_names.append((arguments[0].name, file))
        elif step == "remove":
            self._unsynced_names.append((arguments[0].name, None))
        elif step == "sync_folder":
            for name, found in self._unsynced_names:
                self._set(self._names, name, found)
            self._unsynced_names.clear()
        else:
            raise AssertionError(f"{step}: not modelled")

    def after_power_failure(self, rng: random.Random) -> dict[str, bytes]:
        """Files by name: of what wasn't synced each step is kept, or not, and each write maybe in part."""
        share = rng.choice((0.0, 0.5, 1.0))
        names = dict(self._names)
        for name, found in self._unsynced_names:
            if rng.random() < share:
                self._set(names, name, found)
        return {name: self._after(file, share, rng) for name, file in names.items()}

    def _after(self, file: int, share: float, rng: random.Random) -> bytes:
        raw = self._safe[file]
        for offset, data in self._unsynced.get(file, []):
            if data is None:
                raw = _changed(raw, offset, None) if rng.random() < share else raw
                continue
            for at in range(0, len(data), SECTOR):
                if rng.random() < share:
                    raw = _changed(raw, offset + at, data[at : at + SECTOR])
        return raw

    @staticmethod
    def _set(names: dict[str, int], name: str, file: int | None) -> None:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _changed(raw: bytes, offset: int, data: bytes | None) -> bytes:
    """After a write at `offset`, or with no data a resize to it."""
    if data is None:
        return raw[:offset].ljust(offset, b"\0")
    return raw[:offset].ljust(offset, b"\0") + data + raw[offset + len(data) :]
