"""An archive for values, and the same one anew for each example of hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def fresh(archives: dict[str, Path], tmp_path: Path) -> Callable[[], Path]:
    """Makes a small archive what it was at first."""
    raw = archives["edf_trailing_byte_bad_date"].read_bytes()
    path = tmp_path / "night.h5"

    def make() -> Path:
        path.write_bytes(raw)
        return path

    return make
