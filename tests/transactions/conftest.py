"""Archives for the tests of transactions, and a clock that stands still."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from eegarchive import provenance

from . import nights

NOON = "2024-05-01T12:00:00Z"


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same change gives the same bytes."""
    monkeypatch.setattr(provenance, "now", lambda: NOON)


@pytest.fixture(scope="session")
def prepared(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of the archives that operations are tried on, by name."""
    folder = tmp_path_factory.mktemp("prepared")
    gaps = Path(shutil.copy(archives["edfplusd_oximetry_gaps"], folder / "gaps.h5"))
    nights.prepare_gaps(gaps)
    short = archives["edf_trailing_byte_bad_date"]
    grown = Path(shutil.copy(short, folder / "grown.h5"))
    nights.prepare_grown(grown)
    return {path.stem: path.read_bytes() for path in (gaps, grown)} | {"short": short.read_bytes()}


@pytest.fixture
def night(prepared: dict[str, bytes], tmp_path: Path) -> Path:
    """A prepared archive alone in a folder."""
    folder = tmp_path / "alone"
    folder.mkdir()
    path = folder / "night.h5"
    path.write_bytes(prepared["gaps"])
    return path


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """A `with` block in which nothing may be written: root may, whatever the modes say."""
    real_access, real_open = os.access, os.open

    def access(path: os.PathLike[str], mode: int) -> bool:
        return not mode & os.W_OK and real_access(path, mode)

    def refuse(path: os.PathLike[str], flags: int, *rest: int) -> int:
        if path != os.devnull and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return real_open(path, flags, *rest)

    @contextmanager
    def block() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", access)
            patch.setattr(os, "open", refuse)
            yield

    return block
