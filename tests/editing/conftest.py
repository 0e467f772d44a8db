"""Archives that tests of operations change."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eegarchive
from editing.referee import RECORDINGS, STAGES, Recording, findings


@pytest.fixture(params=RECORDINGS, ids=lambda recording: recording.stem)
def case(request: pytest.FixtureRequest) -> Recording:
    """Recordings with one segment, with gaps, and with five sampling rates."""
    return request.param


@pytest.fixture
def copy_of(archives: dict[str, Path], tmp_path: Path) -> Callable[[Recording], Path]:
    """Makes a copy of a recording's archive, free to be changed."""
    return lambda recording: Path(shutil.copy(archives[recording.stem], tmp_path / f"{recording.stem}.h5"))


@pytest.fixture
def scored(psg: Path) -> Path:
    """The PSG with stages of two scorers and some events."""
    with eegarchive.edit(psg) as night:
        starts = [30.0 * i for i in range(10)]
        night.add_annotations(starts, [30.0] * 10, STAGES, annotation_set="ann")
        night.add_annotations([60.0, 150.0], [60.0, 30.0], ["N2", "N3"], annotation_set="bob")
        night.add_annotations(
            [29.0, 75.5, 200.0, 240.0], [2.0, 0.0, float("nan"), 30.0],
            ["Arousal", "Spike@@EEG Pz-Oz", "Spindle", "Artefact: movement"], annotation_set="events",
        )  # fmt: skip
    return psg


@pytest.fixture
def night(scored: Path) -> Iterator[eegarchive.EditableArchive]:
    """The scored PSG inside an edit; when that ends, the archive is sound."""
    with eegarchive.edit(scored) as archive:
        yield archive
    assert findings(scored) == []


@pytest.fixture
def apnoea(gaps: Path) -> Iterator[eegarchive.EditableArchive]:
    """The recording with gaps inside an edit; when that ends, the archive is sound."""
    with eegarchive.edit(gaps) as archive:
        yield archive
    assert findings(gaps) == []
