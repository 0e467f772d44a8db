"""The dataset: every window's samples, targets, errors; in threads, in other processes, and by torch."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing.referee import STAGES

import eegarchive
from eegarchive.windowing import readers

METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture
def scored(psg: Path) -> Path:
    with eegarchive.edit(psg) as night:
        night.add_annotations([30.0 * i for i in range(10)], [30.0] * 10, STAGES, annotation_set="ann")
    return psg


def whole(path: Path, dataset: eegarchive.Windows, freeze: str | None = None) -> np.ndarray[Any, Any]:
    with eegarchive.open(path, freeze) as night:
        return np.stack([night.signals[name][:] for name in dataset.channels]).astype(np.float32)


def wrong(dataset: eegarchive.Windows, indices: list[int], truth: np.ndarray[Any, Any]) -> int:
    """How many windows aren't what the recording has."""
    items = dataset.__getitems__(indices)
    return sum(
        not np.array_equal(x, truth[:, start:stop]) or start != dataset.metadata["start"][i]
        for i, (x, _, (_, start, stop)) in zip(indices, items, strict=True)
    )


@pytest.mark.parametrize(
    "stem", ["edf_sleep_psg_30s_records", "edfplusd_oximetry_gaps", "edfplusc_duplicate_labels"]
)
def test_every_window_is_what_the_signals_have(archives: dict[str, Path], stem: str) -> None:
    path = archives[stem]
    with eegarchive.open(path) as night:
        by_rate: dict[float, list[str]] = {}
        for signal in night.signals.values():
            by_rate.setdefault(signal.sampling_rate, []).append(signal.name)
    for rate, names in by_rate.items():
        dataset = eegarchive.windows(path, 40 / rate, 17 / rate, picks=names, memory=100_000)
        truth = whole(path, dataset)
        assert len(dataset) > 10
        assert dataset.channels == tuple(names)
        for x, y, (_, start, stop) in dataset:
            assert x.dtype == np.float32
            assert x.flags.writeable
            assert stop - start == 40
            np.testing.assert_array_equal(x, truth[:, start:stop])
            assert y == -1


def test_windows_never_cross_gaps(gaps: Path) -> None:
    dataset = eegarchive.windows(gaps, 60.0)
    with eegarchive.open(gaps) as night:
        for k in range(len(dataset)):
            onset = dataset.metadata["onset"][k]
            x = night.read(start=onset, stop=onset + 60.0)  # raises where there is a gap
            np.testing.assert_array_equal(dataset[k][0], x.astype(np.float32))
        assert len(night.segments) == 3
        assert len(dataset) == sum(int(d // 60) for d in night.segments["duration"])


def test_a_restructured_night(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.mask(keep="N2")
        night.restructure()
        night.freeze("N2")
    for freeze in (None, "N2"):
        dataset = eegarchive.windows(scored, 3.0, 1.0, picks="eeg", freeze=freeze, target="stage")
        truth = whole(scored, dataset, freeze)
        assert len(dataset) == 58 + 28 + 28  # of segments of 60, 30 and 30 s
        assert wrong(dataset, list(range(len(dataset))), truth) == 0
        assert set(dataset.targets.tolist()) == {2}


def test_masked_epochs_are_left_out_and_numbers_stay(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.mask(drop="W")
    kept = eegarchive.windows(scored, 4.0, picks="eeg")
    every = eegarchive.windows(scored, 4.0, picks="eeg", drop_masked=False)
    onsets = every.metadata["onset"]
    inside = (onsets + 4 > 30 + 1e-6) & (onsets < 30) | (onsets + 4 <= 30) | (onsets + 4 > 270 + 1e-6)
    assert kept.metadata["i"].tolist() == every.metadata["i"][~inside].tolist()
    assert len(kept) < len(every) == 75
    assert kept[0][2][0] == kept.metadata["i"][0] == 8


def test_order_and_indices(scored: Path) -> None:
    dataset = eegarchive.windows(scored, picks="eeg")
    order = [5, 0, 149, -1, 5]
    items = dataset.__getitems__(order)
    assert [item[2] for item in items] == [dataset[i][2] for i in order]
    assert dataset[-1][2] == dataset[len(dataset) - 1][2]
    for index in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError):
            dataset[index]
        with pytest.raises(IndexError):
            dataset.__getitems__([0, index])
    dataset[np.int64(3)][0][:] = 0  # memory of its own
    assert dataset[3][0].any()
    assert dataset.__getitems__([]) == []
    assert [item[2] for item in dataset.__getitems__(np.array([3, 1]))] == [dataset[3][2], dataset[1][2]]
    with pytest.raises(TypeError):  # not window 0
        dataset.__getitems__([0.7])  # type: ignore[list-item]


def test_transform_and_tables(scored: Path) -> None:
    dataset = eegarchive.windows(scored, picks="eeg", target="stage", transform=np.abs)
    assert (dataset[0][0] >= 0).all()
    frame = dataset.to_frame()
    assert list(frame) == ["recording", "i", "start", "stop", "onset", "target"]
    assert frame["recording"].tolist() == [str(scored)] * len(dataset)
    assert frame["stop"].tolist() == [dataset[k][2][2] for k in range(len(dataset))]


# -- targets ------------------------------------------------------------------------------------------------


def test_stages(scored: Path) -> None:
    dataset = eegarchive.windows(scored, 30.0, 10.0, picks="eeg", target="stage")
    codes = [0, 1, 2, 2, 3, 2, 4, None, 2, 0]
    for onset, y in zip(dataset.metadata["onset"], dataset.targets, strict=True):
        epoch = int(onset // 30) + (1 if onset % 30 > 15 else 0)
        assert y == codes[epoch]
        assert type(dataset[0][1]) is int
    assert 210.0 not in dataset.metadata["onset"]  # unscored: nothing covers more than half


def test_other_targets(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.set_epochs(20)
    asked = {"Sleep stage 2": "two", "W": "wake"}
    by_text = eegarchive.windows(scored, 30.0, picks="eeg", target=asked)
    assert by_text.targets.tolist() == ["wake", "two", "wake"]
    numbers = eegarchive.windows(scored, 10.0, picks="eeg", target="epoch:epoch")
    assert numbers.targets.tolist() == [1 + i // 2 for i in range(30)]

    def half(info: eegarchive.WindowInfo) -> float | None:
        assert info.archive.signals
        assert info.duration == 10.0
        assert info.stop - info.start == 1000
        return None if info.i % 3 == 0 else info.onset / 2

    by_function = eegarchive.windows(scored, 10.0, picks="eeg", target=half)
    assert by_function.targets.tolist() == [5.0 * i for i in range(30) if i % 3]
    assert len(pickle.loads(pickle.dumps(by_function))) == 20  # the function itself isn't kept


@pytest.mark.parametrize("none", [None, float("nan"), np.float32("nan")])
def test_windows_without_a_value_are_dropped(scored: Path, none: Any) -> None:
    def target(info: eegarchive.WindowInfo) -> Any:
        return none if info.i % 3 == 0 else 0.5

    dataset = eegarchive.windows(scored, 10.0, picks="eeg", target=target)
    assert dataset.metadata["i"].tolist() == [i for i in range(30) if i % 3]
    assert set(dataset.targets.tolist()) == {0.5}


def test_picks_of_any_kind_for_several_archives(scored: Path) -> None:
    backwards = ["EEG Pz-Oz", "EEG Fpz-Cz"]
    for picks in (backwards, np.array(backwards), (name for name in backwards)):
        dataset = eegarchive.windows([scored, scored], picks=picks)  # type: ignore[arg-type]
        assert dataset.channels == tuple(backwards)
        assert wrong(dataset, [0, 70, 149], whole(scored, dataset)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"picks": "nothing"}, "no signal or kind 'nothing'"),
        ({}, "one sampling rate"),
        ({"picks": []}, "no signals"),
        ({"picks": "eeg", "target": "sleep"}, "no target 'sleep'"),
        ({"picks": "eeg", "target": "epoch:colour"}, "no column 'colour'"),
        ({"picks": "eeg", "target": "epoch:epoch"}, "no epochs are set"),
        ({"picks": "eeg", "target": "description:age"}, "no field 'age'"),
        ({"picks": "eeg", "target": {"spindle": 1}}, "no annotations spindle"),
        ({"picks": "eeg", "target": "stage", "annotation_set": "bob"}, "in the set 'bob'"),
        ({"picks": "eeg", "annotation_set": "bob"}, "annotation_set is for"),
        ({"picks": "eeg", "target": lambda info: [1]}, "found list"),
        ({"picks": "eeg", "target": lambda info: "a" if info.i else 1}, "found int, str"),
        ({"picks": "eeg", "target": lambda info: 2**70}, "more than 64 bits"),
        ({"picks": "eeg", "target": 3}, "no target 3"),
        ({"picks": "eeg", "target": {"W": [1]}}, "texts for keys and plain values, not 'W': \\[1\\]"),
        ({"picks": "eeg", "target": {0: 1}}, "texts for keys and plain values, not 0: 1"),
        ({"picks": "eeg", "target": {}}, "is empty"),
        ({"picks": [0]}, "picks are names, labels or kinds of signals, not 0"),
        ({"picks": 0}, "picks are names, labels or kinds of signals, not 0"),
        ({"picks": "eeg", "freeze": "N2"}, "no freeze 'N2'"),
        ({"prepared": "w"}, "no set of windows 'w'"),
        ({"prepared": "w", "picks": "eeg"}, "can't be given again"),
        ({"stale": True, "picks": "eeg"}, "stale is for"),
    ],
)
def test_wrong_inputs(scored: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        eegarchive.windows(scored, **options)


def test_two_scorers_need_a_choice(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.add_annotations([0.0], [60.0], ["N3"], annotation_set="bob")
    with pytest.raises(eegarchive.EEGArchiveError, match="'ann', 'bob'"):
        eegarchive.windows(scored, picks="eeg", target="stage")
    bob = eegarchive.windows(scored, 30.0, picks="eeg", target="stage", annotation_set="bob")
    assert bob.targets.tolist() == [3, 3]


# -- several recordings -------------------------------------------------------------------------------------


def test_several_archives(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_MAX_OPEN", 2)
    paths = [Path(shutil.copy(scored, tmp_path / f"{i}.h5")) for i in range(4)]
    with eegarchive.edit(paths[1]) as night:
        night.signals["EEG Fpz-Cz"].digital[:] = 7
    with eegarchive.open(paths[3]) as opened:
        dataset = eegarchive.windows([paths[0], paths[1], f"{paths[2]}@source", opened], picks="eeg")
    assert dataset.recordings == [str(paths[0]), str(paths[1]), f"{paths[2]}@source", str(paths[3])]
    truth = [whole(path, dataset) for path in paths]
    assert not np.array_equal(truth[0], truth[1])
    for k in np.random.default_rng(0).permutation(len(dataset)).tolist():
        x, _, (_, start, stop) = dataset[k]
        np.testing.assert_array_equal(x, truth[dataset.metadata["recording"][k]][:, start:stop])
    assert len(dataset) == 600


def test_recordings_that_differ(scored: Path, archives: dict[str, Path], tmp_path: Path) -> None:
    other = Path(shutil.copy(scored, tmp_path / "other.h5"))
    with eegarchive.edit(other) as night:
        night.resample(50, ["EEG Fpz-Cz", "EEG Pz-Oz"])
    with pytest.raises(eegarchive.EEGArchiveError, match=f"{scored} and {other}: the sampling rate differ"):
        eegarchive.windows([scored, other], picks="eeg")
    third = archives["edfplusc_duplicate_labels"]
    with pytest.raises(eegarchive.EEGArchiveError, match=f"{scored} and {third}: the signals differ"):
        eegarchive.windows([scored, third], picks="eeg")
    with pytest.raises(eegarchive.NotInArchive, match="2 signals are labelled"):
        eegarchive.windows(third, picks="EEG F1-Ref")
    with pytest.raises(eegarchive.EEGArchiveError, match="no archive"):
        eegarchive.windows([])


def test_an_archive_that_is_being_edited(scored: Path) -> None:
    with eegarchive.edit(scored) as night, pytest.raises(eegarchive.EEGArchiveError, match="being edited"):
        eegarchive.windows(night, picks="eeg")


# -- changes ------------------------------------------------------------------------------------------------


def test_a_state_that_has_changed_is_refused(scored: Path) -> None:
    dataset = eegarchive.windows(scored, picks="eeg")
    frozen = eegarchive.windows(f"{scored}@source", picks="eeg")
    kept = pickle.loads(pickle.dumps(dataset))
    before = dataset[0][0]
    with eegarchive.edit(scored) as night:
        night.signals["EEG Fpz-Cz"].digital[:] = 7
    np.testing.assert_array_equal(
        dataset[0][0], before
    )  # it is in memory, and of the state that was asked for
    for one in (kept, copy.deepcopy(dataset)):
        with pytest.raises(eegarchive.StaleValue, match="was changed since"):
            one[0]
    dataset.close()
    with pytest.raises(eegarchive.StaleValue):
        dataset[0]
    np.testing.assert_array_equal(frozen[0][0], before)
    with eegarchive.edit(scored) as night:
        night.thaw("source")
    assert wrong(frozen, [0, 5], whole(scored, frozen)) == 0


# -- threads and processes ----------------------------------------------------------------------------------


def test_threads_share_a_dataset(scored: Path) -> None:
    dataset = eegarchive.windows(scored, 1.0, 0.1, picks="eeg", memory=200_000)
    truth = whole(scored, dataset)
    parts = np.array_split(np.random.default_rng(1).permutation(len(dataset)), 8)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda part: wrong(dataset, part.tolist(), truth), parts)) == [0] * 8
    assert len(dataset) > 2900


@pytest.mark.parametrize("way", ["cut", "prepared"])
def test_closing_waits_for_whoever_reads(scored: Path, way: str) -> None:
    dataset = datasets(scored)[way]
    truth = whole(scored, dataset)
    with dataset._readers.use(0) as used:
        reader: Any = used
        dataset.close()
        np.testing.assert_array_equal(reader.read([7], [70], 100)[0], truth[:, 70:170])
        assert wrong(dataset, [3, 9], truth) == 0  # by a reader of its own
    assert reader._file.closed
    assert wrong(dataset, [3, 9], truth) == 0


def prepared(path: Path) -> Path:
    with eegarchive.edit(path) as night:
        night.prepare_windows("w", 1.0, 0.1, picks="eeg")
    return path


def datasets(path: Path) -> dict[str, eegarchive.Windows]:
    prepared(path)
    return {
        "cut": eegarchive.windows(path, 1.0, 0.1, picks="eeg", memory=200_000),
        "prepared": eegarchive.windows(path, prepared="w"),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["cut", "prepared"])
def test_other_processes_read_the_same(scored: Path, method: str, way: str) -> None:
    dataset = datasets(scored)[way]
    truth = whole(scored, dataset)
    assert wrong(dataset, list(range(100)), truth) == 0  # so that a child could inherit something
    orders = [np.random.default_rng(seed).permutation(len(dataset)).tolist() for seed in range(4)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        running = pool.starmap_async(wrong, [(dataset, order, truth) for order in orders])
        assert wrong(dataset, orders[0], truth) == 0  # at the same time
        assert running.get(120) == [0] * 4


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["cut", "prepared"])
def test_torch_reads_the_same(scored: Path, workers: int, method: str, way: str) -> None:
    torch = pytest.importorskip("torch")
    if workers == 0 and method != METHODS[0]:
        pytest.skip("no other process")
    dataset = datasets(scored)[way]
    truth = whole(scored, dataset)
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=64,
        shuffle=True,
        num_workers=workers,
        multiprocessing_context=method if workers else None,
        persistent_workers=bool(workers),
    )
    seen = 0
    for _ in range(4):
        for x, y, (_, start, stop) in loader:
            assert x.dtype == torch.float32
            assert (y == -1).all()
            for k in range(len(x)):
                assert np.array_equal(x[k].numpy(), truth[:, int(start[k]) : int(stop[k])])
                seen += 1
    assert seen == 4 * len(dataset) > 10_000
