"""Recordings and archives that many tests use."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

import eegarchive

DATA = Path(__file__).parent / "data"
#: More recordings, where the tests run beside them; a clone alone does without.
SHARED = Path(__file__).parents[2] / "shared" / "data" / "edf"


def recordings() -> list[Path]:
    """Every real recording there is, each once."""
    found = {
        path.name: path for folder in (SHARED, DATA) if folder.is_dir() for path in folder.glob("*.[eb]df")
    }
    return [found[name] for name in sorted(found)]


@pytest.fixture(params=recordings(), ids=lambda path: path.stem)
def recording(request: pytest.FixtureRequest) -> Path:
    """Each real recording in turn."""
    return request.param


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An archive of every real recording, by the recording's stem; not to be changed."""
    folder = tmp_path_factory.mktemp("archives")
    found = {}
    for path in recordings():
        found[path.stem] = folder / f"{path.stem}.h5"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", eegarchive.OddInput)
            eegarchive.convert(path, found[path.stem])
    return found


@pytest.fixture
def psg(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a small archive with two sampling rates (Sleep-EDF, 5 minutes), free to be changed."""
    return Path(shutil.copy(archives["edf_sleep_psg_30s_records"], tmp_path / "psg.h5"))


@pytest.fixture
def gaps(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an archive with two gaps and a few annotations, free to be changed."""
    return Path(shutil.copy(archives["edfplusd_oximetry_gaps"], tmp_path / "gaps.h5"))
