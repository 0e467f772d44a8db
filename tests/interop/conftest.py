"""What the tests of MNE share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    mne = pytest.importorskip("mne")
    with mne.use_log_level("error"):
        yield


def by_mne(recording: Path, preload: bool = False) -> Any:
    """MNE's own reading of a recording."""
    import mne

    read = mne.io.read_raw_edf if recording.suffix == ".edf" else mne.io.read_raw_bdf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(recording, preload=preload)
