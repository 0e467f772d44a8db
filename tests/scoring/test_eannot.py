"""Labels of epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eegarchive.errors import TargetExists
from eegarchive.scoring import Events, ScoringError, read_events, write_events

from .made import events, file_of, rows


def written(folder: Path, made: Events, starts: list[float], length: float = 30) -> list[str]:
    epochs = (np.array(starts, float), np.full(len(starts), float(length)))
    write_events(folder / "a.eannot", made, epochs=epochs, overwrite=True)
    return (folder / "a.eannot").read_text().splitlines()


def test_a_line_is_an_epoch(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.eannot", "wake", " N1 ", "?", "some thing", "", "")
    assert rows(read_events(path, epoch_length=20)) == [
        (0, 20, "wake", "W", ""),
        (20, 20, "N1", "N1", ""),
        (40, 20, "?", "?", ""),
        (60, 20, "some thing", "some thing", ""),
    ]


def test_an_empty_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ScoringError, match=r"a\.eannot: line 2: an empty line; expected the label of an epoch"
    ):
        read_events(file_of(tmp_path, "a.eannot", "wake", "", "N1"))


def test_an_empty_file_has_no_epochs(tmp_path: Path) -> None:
    assert len(read_events(file_of(tmp_path, "a.eannot"))) == 0


def test_each_epoch_has_the_stage_at_its_middle(tmp_path: Path) -> None:
    made = events(
        (0, 30, "Sleep stage W"), (30, 16, "N1"), (40, 5, "arousal"), (46, 44, "N2"), (120, 30, "REM")
    )
    assert written(tmp_path, made, [0, 30, 60, 90, 120, 150]) == ["W", "N1", "N2", "?", "R", "?"]


def test_the_end_is_not_covered_and_the_start_is(tmp_path: Path) -> None:
    assert written(tmp_path, events((0, 15, "W"), (15, 30, "N1")), [0, 30]) == ["N1", "?"]


def test_the_stage_that_began_last_counts_while_it_lasts(tmp_path: Path) -> None:
    made = events((0, 150, "N2"), (30, 30, "W"))
    assert written(tmp_path, made, [0, 30, 60, 120]) == ["N2", "W", "N2", "N2"]


def test_a_stage_without_duration_lasts_until_the_next_stage(tmp_path: Path) -> None:
    made = events((0, np.nan, "W"), (10, np.nan, "arousal"), (60, np.nan, "N1"))
    assert written(tmp_path, made, [0, 30, 60, 300]) == ["W", "W", "N1", "N1"]
    assert written(tmp_path, events((0, np.nan, "W"), (30, 30, "N1")), [0, 30, 60]) == ["W", "N1", "?"]


def test_epochs_in_any_order(tmp_path: Path) -> None:
    made = events((0, 30, "W"), (30, 30, "N1"), (60, 30, "R"))
    assert written(tmp_path, made, [60, 0, 30]) == ["R", "W", "N1"]


def test_a_real_hypnogram_comes_back(tmp_path: Path) -> None:
    night = read_events(Path(__file__).parents[1] / "data" / "edfplusc_hypnogram_annotations_only.edf")
    labels = written(tmp_path, night, (np.arange(2880) * 30.0).tolist())
    kinds = [k for k, d in zip(night.kind, night.duration, strict=True) for _ in range(round(d / 30))]
    assert labels == (kinds + ["?"] * 2880)[:2880]
    assert read_events(tmp_path / "a.eannot").kind == labels


def test_epochs_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"a\.eannot: a file of epochs; give epochs"):
        write_events(tmp_path / "a.eannot", events((0, 30, "W")))


def test_nothing_is_replaced_unless_asked(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "mine")
    with pytest.raises(TargetExists):
        write_events(path, events())
    assert path.read_text() == "mine\n"
    write_events(path, events(), overwrite=True)
    assert path.read_text().startswith("onset,")
