"""Archives that only these tests need."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import eegarchive
from readers.programs import DATA, EXTREMES, ODD


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording with labels that are trouble in a path, and its archive."""
    raw = bytearray((DATA / "edf_sleep_psg_30s_records.edf").read_bytes())
    for number, label in enumerate(("C3/M2", 'T °C [x] "a\\b"')):
        raw[256 + 16 * number : 272 + 16 * number] = label.encode("latin-1").ljust(16)
    raw[256 * 8 : 256 * 8 + EXTREMES.nbytes] = EXTREMES.tobytes()
    folder = tmp_path_factory.mktemp("odd labels")
    recording, archive = folder / f"{ODD}.edf", folder / f"{ODD}.h5"
    recording.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(recording, archive)
    return recording, archive
