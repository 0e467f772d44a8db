"""Archives that tests break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def small_recording() -> Path:
    """A recording that is quick to convert."""
    return Path(__file__).parents[1] / "data" / "edf_trailing_byte_bad_date.edf"


@pytest.fixture
def small(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an archive of two signals, one of them chunked, with a tail and two warnings."""
    return Path(shutil.copy(archives["edf_trailing_byte_bad_date"], tmp_path / "small.h5"))


@pytest.fixture
def labels(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an archive with duplicate labels and an annotation signal."""
    return Path(shutil.copy(archives["edfplusc_duplicate_labels"], tmp_path / "labels.h5"))
