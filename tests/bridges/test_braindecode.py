"""To braindecode: children that its own code takes for its own, and that read what the archive has."""

from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what braindecode and torch warn of is theirs
    pytest.importorskip("braindecode")
    from braindecode.datasets import BaseConcatDataset, EEGWindowsDataset, RawDataset
    from braindecode.datautil.serialization import load_concat_dataset
    from braindecode.preprocessing import Preprocessor, create_fixed_length_windows, preprocess
    from torch.utils.data import DataLoader

    from eegarchive.bridges.braindecode import to_braindecode

pytestmark = pytest.mark.filterwarnings("ignore")

EEG = ["EEG Fpz-Cz", "EEG Pz-Oz"]


@pytest.fixture
def nights(psg: Path, tmp_path: Path) -> list[Path]:
    """Two recordings with stages and descriptions that differ."""
    other = Path(shutil.copy(psg, tmp_path / "other.h5"))
    for number, path in enumerate((psg, other)):
        with eegarchive.edit(path) as night:
            stages = ["W", "N1", "N2", "N2", "N3", "N2", "R", "Sleep stage ?", "N2", "W"]
            night.add_annotations([30.0 * i for i in range(10)], [30.0] * 10, stages, annotation_set="a")
            night.describe(subject=f"00{number + 1}", age=30 + number, control=bool(number), site=None)
            if number:
                night.filter(low=1.0, channels=EEG)
    return [psg, other]


@pytest.fixture
def windows(nights: list[Path]) -> eegarchive.Windows:
    return eegarchive.windows(nights, 2.0, 1.5, picks=EEG, target="stage")


def same(a: Any, b: Any) -> bool:
    return bool(
        np.array_equal(a[0], b[0])
        and a[0].dtype == b[0].dtype
        and type(a[1]) is type(b[1])
        and a[1:] == b[1:]
    )


def all_same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(same(a[i], b[i]) for i in range(len(a)))


def double(samples: Any) -> Any:
    return samples * 2


def test_items_are_those_of_windows(windows: eegarchive.Windows) -> None:
    concat = to_braindecode(windows)
    assert isinstance(concat, BaseConcatDataset)
    assert [type(child).__mro__[1] for child in concat.datasets] == [EEGWindowsDataset] * 2
    assert all_same(concat, windows)
    assert same(concat[-1], windows[-1])
    assert same(concat.datasets[1][-1], windows[-1])
    with pytest.raises(IndexError):
        concat.datasets[0][len(concat.datasets[0])]
    assert all_same(pickle.loads(pickle.dumps(concat)), windows)
    assert "EEG Fpz-Cz" in repr(concat)


def test_the_raw_of_windows_gives_the_same(windows: eegarchive.Windows) -> None:
    concat = to_braindecode(windows)
    direct = [concat[i] for i in range(len(concat))]
    for child in concat.datasets:
        assert not child.raw.preload
        child._untouched = None  # as if it had been changed
    assert all(same(a, concat[i]) for i, a in enumerate(direct))
    assert [channel["unit_mul"] for channel in concat.datasets[0].raw.info["chs"]] == [-6, -6]
    assert all_same(pickle.loads(pickle.dumps(concat)), windows)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_workers(windows: eegarchive.Windows, method: str) -> None:
    concat = to_braindecode(windows)
    concat[0]
    loader = DataLoader(concat, batch_size=16, num_workers=2, multiprocessing_context=method)
    samples, targets = zip(*((x.numpy(), y.numpy()) for x, y, _ in loader), strict=True)
    np.testing.assert_array_equal(np.concatenate(samples), np.stack([x for x, _, _ in windows]))
    np.testing.assert_array_equal(np.concatenate(targets), windows.targets)


def test_descriptions_splits_targets_and_metadata(windows: eegarchive.Windows) -> None:
    concat = to_braindecode(windows)
    described = concat.description
    assert list(described["subject"]) == ["001", "002"]
    assert list(described["age"]) == [30, 31]
    assert [type(v) for v in described["control"]] == [bool, bool]
    assert list(concat.datasets[0].description.index) == ["age", "control", "site", "subject"]
    assert concat.datasets[0].description["site"] is None
    halves = concat.split("subject")
    assert {name: len(half) for name, half in halves.items()} == {
        "001": len(concat.datasets[0]),
        "002": len(concat.datasets[1]),
    }
    assert same(halves["002"][0], concat.datasets[1][0])
    metadata = concat.get_metadata()
    np.testing.assert_array_equal(metadata["target"], windows.targets)
    np.testing.assert_array_equal(metadata["i_start_in_trial"], windows.metadata["start"])
    assert set(metadata["subject"]) == {"001", "002"}
    concat.set_target("age")
    assert {y for _, y, _ in concat.datasets[1]} == {31}
    concat.target_transform = lambda y: y + 1
    assert concat[0][1] == 31


def test_transforms(nights: list[Path]) -> None:
    given = eegarchive.windows(nights, 2.0, picks=EEG, transform=double)
    concat = to_braindecode(given)
    assert all_same(concat, given)
    assert given.transform is double
    concat.transform = None
    np.testing.assert_array_equal(concat[3][0] * 2, given[3][0])


def test_preprocessing_is_seen(windows: eegarchive.Windows) -> None:
    plain = [x for x, _, _ in windows]
    for step, expected in (
        (Preprocessor("pick", picks=EEG[1:]), [x[1:] for x in plain]),
        (Preprocessor("load_data"), plain),
        (Preprocessor(double), [x * 2 for x in plain]),
    ):
        concat = preprocess(to_braindecode(windows), [step])
        assert all(np.array_equal(concat[i][0], x) for i, x in enumerate(expected))
        assert [child.raw_preproc_kwargs for child in concat.datasets] == [[step.serialize()]] * 2
    concat = to_braindecode(windows)
    preprocess(concat, [Preprocessor("crop", tmin=10.0)])
    first = concat.datasets[0]
    start = first.crop_inds[0, 1]
    with eegarchive.open(windows.recordings[0]) as night:
        x = night.read(EEG)[:, 1000 + start : 1200 + start].astype(np.float32)
    np.testing.assert_array_equal(first[0][0], x)
    replaced = to_braindecode(windows)
    replaced.datasets[0].raw = replaced.datasets[0].raw.copy().load_data().apply_function(double)
    np.testing.assert_array_equal(replaced[0][0], plain[0] * 2)
    whole = to_braindecode(windows)
    parallel = preprocess(whole, [Preprocessor(double)], n_jobs=2)
    assert all(np.array_equal(parallel[i][0], x * 2) for i, x in enumerate(plain))


def test_saved_sets_have_the_same_items(windows: eegarchive.Windows, tmp_path: Path) -> None:
    concat = to_braindecode(windows)
    concat.save(str(tmp_path / "saved"))
    loaded = load_concat_dataset(tmp_path / "saved", preload=False)
    unfiltered = len(concat.datasets[0])  # integers of microvolts: float32 is exact to the last digit shown
    for i in range(len(concat)):
        tolerance = 0.0 if i < unfiltered else 1e-6
        np.testing.assert_allclose(loaded[i][0], windows[i][0], rtol=tolerance, atol=0)
        assert loaded[i][1:] == windows[i][1:]
    epochs = to_braindecode(windows).to_epochs_dataset()
    assert all(np.array_equal(epochs[i][0], windows[i][0]) for i in range(0, len(windows), 7))


def test_gaps_are_in_the_raw_and_in_its_positions(gaps: Path) -> None:
    given = eegarchive.windows(gaps, 30.0)
    (child,) = to_braindecode(given).datasets
    shifts = []
    for k in range(len(given)):
        x, _, (_, start, stop) = child[k]
        np.testing.assert_array_equal(x, given[k][0])
        np.testing.assert_array_equal(child.raw[:, start:stop][0].astype(np.float32), x)
        shifts.append(start - given[k][2][1])
    assert shifts[0] == 0
    assert len(set(shifts)) == 3  # two gaps


def test_prepared_windows_and_stale_ones(nights: list[Path]) -> None:
    for path in nights:
        with eegarchive.edit(path) as night:
            night.prepare_windows("w", 3.0, picks=EEG, target="stage")
    given = eegarchive.windows(nights, prepared="w")
    concat = to_braindecode(given)
    assert all_same(concat, given)
    assert concat.datasets[0].raw.ch_names == EEG
    with eegarchive.edit(nights[0]) as night:
        night.rename_signal(EEG[0], "other")
    with pytest.raises(eegarchive.StaleValue, match="was changed since"):
        to_braindecode(given)
    with pytest.raises(eegarchive.StaleValue):
        concat[0]
    with pytest.raises(eegarchive.StaleValue, match="prepare them anew"):
        to_braindecode(eegarchive.windows(nights, prepared="w", stale=True))


def test_archives_are_raw_datasets(nights: list[Path]) -> None:
    concat = to_braindecode(nights, picks=EEG, target_name="age")
    assert [type(child) for child in concat.datasets] == [RawDataset] * 2
    x, y = concat[5]
    with eegarchive.open(nights[0]) as night:
        np.testing.assert_array_equal(x, night.to_raw(EEG)[:, 5][0])
        (one,) = to_braindecode(night, picks=EEG).datasets
    assert y == 30
    assert len(one) == len(concat.datasets[0])
    cut = create_fixed_length_windows(
        concat, window_size_samples=200, window_stride_samples=200, drop_last_window=True
    )
    given = eegarchive.windows(nights, 2.0, picks=EEG)
    assert len(cut) == len(given)
    np.testing.assert_allclose(cut[7][0] * 1e6, given[7][0], rtol=1e-6)
    assert cut[7][2] == given[7][2]


def test_what_is_refused(windows: eegarchive.Windows) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="no archive"):
        to_braindecode([])
    with pytest.raises(eegarchive.EEGArchiveError, match="windows have chosen"):
        to_braindecode(windows, picks="eeg")
