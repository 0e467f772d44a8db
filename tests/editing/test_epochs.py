"""Epochs: the grid of each segment, and numbers that stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import GAPS, PSG, Recording, abandoned, epochs, findings, grid, operations, segments


def test_thirty_seconds_are_the_default_and_numbers_begin_at_one(night: eegarchive.EditableArchive) -> None:
    assert night.set_epochs() == 10
    assert [(e.number, e.start, e.stop, e.masked) for e in epochs(night)] == [
        (i + 1, 30.0 * i, 30.0 * i + 30, False) for i in range(10)
    ]


def test_each_segment_starts_its_own_grid_and_leaves_its_remainder_out(
    apnoea: eegarchive.EditableArchive,
) -> None:
    assert apnoea.set_epochs(30) == 90 + 202 + 72  # 2724, 6084 and 2184 s
    starts = np.array([e.start for e in epochs(apnoea)])
    np.testing.assert_array_equal(starts[:90], 30.0 * np.arange(90))
    np.testing.assert_array_equal(starts[90:292], 5631 + 30.0 * np.arange(202))
    np.testing.assert_array_equal(starts[292:], 13656 + 30.0 * np.arange(72))
    assert [e.number for e in epochs(apnoea)] == list(range(1, 365))


@pytest.mark.clause("O-2", "T-7")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 200), st.sampled_from([PSG, GAPS]))
def test_any_grid_is_the_referees(
    archives: dict[str, Path], length: int, step: int, offset: int, recording: Recording
) -> None:
    with abandoned(archives[recording.stem]) as night:
        expected = grid(recording.segments, length / 2, step / 2, offset / 2)
        if expected:
            assert night.set_epochs(length / 2, step / 2, offset / 2) == len(expected)
            assert [(e.start, e.stop) for e in epochs(night)] == expected
        else:
            with pytest.raises(eegarchive.EEGArchiveError, match=r"no segment is as long as"):
                night.set_epochs(length / 2, step / 2, offset / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "epochs of 0 s every 0 s from 0 s: lengths are above 0, offsets not below"),
        ((-30,), "epochs of -30 s"),
        ((30, 0), "every 0 s"),
        ((30, -1), "every -1 s"),
        ((30, 30, -1), "from -1 s"),
        ((float("nan"),), "epochs of nan s"),
        ((30, float("inf")), "every inf s"),
        ((300.5,), r"no segment is as long as 300\.5 s; choose shorter epochs"),
        ((300, None, 1), r"no segment is as long as 301 s"),
        ((300.0002,), "no segment is as long as"),  # a fifth of a millisecond too long is too long
    ],
)
def test_epochs_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, arguments: tuple[float, ...], message: str
) -> None:
    before = night.digest, operations(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.set_epochs(*arguments)
    assert (night.digest, operations(night)) == before


def test_lengths_that_decimal_numbers_round_still_fill_a_segment(night: eegarchive.EditableArchive) -> None:
    assert night.set_epochs(0.1) == 3000
    assert night.set_epochs(300 / 7) == 7


@pytest.mark.clause("O-2")
def test_the_same_grid_after_a_restructure_keeps_its_numbers(night: eegarchive.EditableArchive) -> None:
    night.mask(keep_epochs="3-4,7")
    night.restructure()
    left = [(e.number, e.start) for e in epochs(night)]
    assert left == [(3, 60.0), (4, 90.0), (7, 180.0)]
    night.set_epochs(30)
    assert [(e.number, e.start) for e in epochs(night)] == left
    night.set_epochs(15)
    assert [(e.number, e.start) for e in epochs(night)] == [
        (1, 60.0), (2, 75.0), (3, 90.0), (4, 105.0), (5, 180.0), (6, 195.0),
    ]  # fmt: skip


def test_setting_epochs_again_unmasks_them(night: eegarchive.EditableArchive) -> None:
    night.mask(drop_epochs="1-5")
    night.set_epochs(30)
    assert not any(e.masked for e in epochs(night))


def test_overlapping_epochs_have_numbers_of_their_own(night: eegarchive.EditableArchive) -> None:
    assert night.set_epochs(60, step=30) == 9
    assert [(e.number, e.start, e.stop) for e in epochs(night)][:2] == [(1, 0.0, 60.0), (2, 30.0, 90.0)]


def test_epochs_are_there_after_the_edit(copy_of: Callable[[Recording], Path], case: Recording) -> None:
    path = copy_of(case)
    with eegarchive.edit(path) as night:
        count = night.set_epochs(6, 4, 2)
        inside = night.epochs.rows()
    with eegarchive.open(path) as archive:
        assert [(e.start, e.stop) for e in epochs(archive)] == grid(case.segments, 6, 4, 2)
        assert len(archive.epochs) == count
        np.testing.assert_array_equal(archive.epochs.rows(), inside)
        assert segments(archive) == [tuple(map(float, stretch)) for stretch in case.segments]
    assert findings(path) == []
