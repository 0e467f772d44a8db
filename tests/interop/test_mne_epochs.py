"""Epochs of an archive as MNE's Epochs."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.interop.mne_epochs import stages

mne = pytest.importorskip("mne")


@pytest.fixture
def scored(psg: Path) -> Path:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.add_annotations(
            [0, 60, 180],
            [60, 120, 120],
            ["Sleep stage W", "Sleep stage 2", "Sleep stage R"],
            annotation_set="me",
        )
        night.mask(drop="W")
    return psg


def test_masked_epochs_are_dropped_with_a_reason(scored: Path) -> None:
    with eegarchive.open(scored) as archive:
        epochs = archive.to_epochs("night")
        raw = archive.to_raw()
    assert isinstance(epochs, mne.Epochs)
    assert epochs.event_id == {"night": 1}
    assert [list(reasons) for reasons in epochs.drop_log] == [["MASKED"]] * 2 + [[]] * 8
    assert list(epochs.metadata["epoch"]) == list(range(3, 11))
    assert list(epochs.metadata["stage"]) == ["N2"] * 4 + ["R"] * 4
    assert list(epochs.metadata["start"]) == list(range(60, 300, 30))
    whole = raw.get_data()
    expected = [whole[:, a * 100 : a * 100 + 3000] for a in range(60, 300, 30)]
    assert np.array_equal(epochs.get_data(), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(epochs)).get_data(), expected)
    assert len(epochs["stage == 'R'"]) == 4


def test_without_the_mask_all_are_there(scored: Path) -> None:
    with eegarchive.open(scored) as archive:
        epochs = archive.to_epochs(mask=False, preload=True)
    assert len(epochs) == 10
    assert list(epochs.metadata["masked"]) == [True] * 2 + [False] * 8
    assert list(epochs.metadata["stage"])[:2] == ["W", "W"]


def test_restructured_states_have_the_same_epochs(scored: Path) -> None:
    with eegarchive.open(scored) as archive:
        before = archive.to_epochs().get_data()
    with eegarchive.edit(scored) as night:
        night.mask(drop_epochs="5")
        night.restructure()
    with eegarchive.open(scored) as archive:
        epochs = archive.to_epochs(preload=True)
    assert list(epochs.metadata["epoch"]) == [3, 4, 6, 7, 8, 9, 10]
    assert np.array_equal(epochs.get_data(), np.delete(before, 2, axis=0))


def test_epochs_without_data_and_bad_ones_are_dropped(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.mask(clear=True)
        draft = night.draft
        late = draft.epochs.with_columns(start=draft.epochs.columns["start"] + 15)  # as another writer may
        night._record(
            "epochs",
            {"length": 30.0, "step": 30.0, "offset": 15.0},
            type(draft)(draft.signals, draft.segments, draft.annotations, late),
        )
        night.add_annotations([100.0], [1.0], ["BAD_movement"])
    with eegarchive.open(scored) as archive:
        epochs = archive.to_epochs(preload=True)
    assert [list(reasons) for reasons in epochs.drop_log] == [
        ["BAD_movement"] if i == 2 else ["BAD_ACQ_SKIP"] if i == 9 else [] for i in range(10)
    ]


def test_no_epochs_and_unequal_ones(psg: Path) -> None:
    with (
        eegarchive.open(psg) as archive,
        pytest.raises(eegarchive.EEGArchiveError, match="no epochs are set"),
    ):
        archive.to_epochs()
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        draft = night.draft
        odd = draft.epochs.with_columns(duration=np.where(np.arange(10) == 3, 20.0, 30.0))
        night._record("epochs", {}, type(draft)(draft.signals, draft.segments, draft.annotations, odd))
    with eegarchive.open(psg) as archive, pytest.raises(eegarchive.EEGArchiveError, match="2 lengths"):
        archive.to_epochs()


def test_epochs_count_from_their_segments_start(gaps: Path) -> None:
    """The samples of a segment that begins between two of MNE's are those of the epoch, in all of them."""
    with eegarchive.edit(gaps) as night:
        draft = night.draft
        starts = draft.segments.columns["start"] - [0, 1, 0]  # 5630 s: sample 1407.5
        night._record(
            "epochs",
            {},
            type(draft)(
                draft.signals, draft.segments.with_columns(start=starts), draft.annotations, draft.epochs
            ),
        )
        night.set_epochs(4)
    with eegarchive.open(gaps) as archive:
        epochs = archive.to_epochs(preload=True)
        assert len(epochs) == len(archive.epochs)
        for row, name in enumerate(epochs.ch_names):
            gain = {"uV": 1e-6, "mV": 1e-3}.get(archive.signals[name].units, 1.0)
            assert np.array_equal(epochs.get_data()[:, row, 0], archive.signals[name][:] * gain)


def test_epochs_that_begin_at_one_sample_are_refused(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(2, 0.3)
    with eegarchive.open(psg) as archive:
        with pytest.raises(
            eegarchive.EEGArchiveError, match="several epochs begin at the same sample of 1 Hz"
        ):
            archive.to_epochs(rate=1)
        assert len(archive.to_epochs().events) == len(archive.epochs)


def test_other_rates_have_the_same_epochs(scored: Path) -> None:
    with eegarchive.open(scored) as archive:
        slow = archive.to_epochs(rate=1)
        assert slow.get_data().shape[2] == 30
        assert list(slow.metadata["epoch"]) == list(range(3, 11))


def test_stages_are_those_in_the_middle() -> None:
    epochs = {"start": np.arange(0.0, 150, 30), "duration": np.full(5, 30.0)}
    annotations = {
        "onset": np.array([0.0, 40.0, 46.0, 61.0, 95.0, 120.0]),
        "duration": np.array([100.0, 10.0, 1.0, 0.0, np.nan, 30.0]),
        "text": np.array(["", "", "", "", "", ""], object),
        "kind": np.array(["N2", "N3", "spike", "R", "W", "N1"], object),
        "set": np.array(["a", "a", "a", "b", "b", "b"], object),
    }
    found = stages(epochs, annotations)
    assert {name: list(values) for name, values in found.items()} == {
        "stage_a": ["N2", "N3", "N2", None, None],
        "stage_b": [None, None, "R", "W", "N1"],
    }
