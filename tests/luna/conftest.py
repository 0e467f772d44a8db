"""The made night with stages, as an archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .night import archive_of


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The night as an archive, not to be changed; EDF and scoring lie beside it."""
    return archive_of(tmp_path_factory.mktemp("night"))


@pytest.fixture
def scored(made: Path, tmp_path: Path) -> Path:
    """A copy of it, free to be changed."""
    return Path(shutil.copy(made, tmp_path / "night.h5"))
