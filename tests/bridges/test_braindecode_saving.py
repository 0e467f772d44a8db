"""From braindecode: what comes back is what was given, samples, tables and types."""

from __future__ import annotations

import datetime
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what braindecode and torch warn of is theirs
    pytest.importorskip("braindecode")
    import mne
    import pandas as pd
    from braindecode.datasets import BaseConcatDataset, EEGWindowsDataset, RawDataset, WindowsDataset
    from braindecode.datautil.serialization import load_concat_dataset
    from braindecode.preprocessing import (
        Preprocessor,
        create_fixed_length_windows,
        create_windows_from_events,
        preprocess,
    )
    from torch.utils.data import DataLoader

    from eegarchive.bridges.braindecode import from_braindecode, to_braindecode

pytestmark = pytest.mark.filterwarnings("ignore")

RATE, COUNT = 100.5, 4321
DESCRIPTION: dict[str, Any] = {
    "subject": "001",
    "site": "NA",
    "control": True,
    "age": 30,
    "score": 1.5,
    "lost": None,
    "when": pd.Timestamp("2024-02-03 04:05:06.789", tz="Europe/Berlin"),
    "born": datetime.date(1990, 1, 2),
    "group": np.int16(7),
    "weights": [1, 2.5, "x", (3, None)],
    "path": "",
    "nothing": float("nan"),
}


def made(number: int = 0, **changed: Any) -> Any:
    """A Raw of floats that 32 bits can't hold, with what MNE knows beside samples."""
    rng = np.random.default_rng(number)
    info = mne.create_info(["C3", "C4", "EOG", "y"], RATE, ["eeg", "eeg", "eog", "misc"])
    first_samp = changed.get("first_samp", 0)
    raw = mne.io.RawArray(rng.normal(0, 1e-5, (4, COUNT)), info, first_samp=first_samp, verbose="error")
    raw.set_meas_date(changed.get("start", datetime.datetime(2021, 5, 6, 7, 8, 9, 123_456, datetime.UTC)))
    raw.set_annotations(
        mne.Annotations(
            np.arange(8) * 4.1 + 1 / 3,
            np.full(8, 2.03),
            ["left", "right"] * 4,
            ch_names=[("C3",), (), ("C3", "C4"), ()] * 2,
        )
    )
    raw.set_montage("standard_1005", on_missing="ignore", verbose="error")
    raw.info["bads"] = ["C4"]
    return raw


def raws(**changed: Any) -> Any:
    return BaseConcatDataset(
        [RawDataset(made(i, **changed), {**DESCRIPTION, "run": i}, target_name="age") for i in range(2)]
    )


def fixed(mne_epochs: bool, preload: bool) -> Any:
    return create_fixed_length_windows(
        raws(),
        window_size_samples=200,
        window_stride_samples=150,
        drop_last_window=True,
        preload=preload,
        use_mne_epochs=mne_epochs,
    )


def events(mne_epochs: bool, preload: bool) -> Any:
    return create_windows_from_events(
        raws(),
        window_size_samples=100,
        window_stride_samples=30,
        mapping={"left": 0, "right": 1},
        preload=preload,
        use_mne_epochs=mne_epochs,
        drop_bad_windows=mne_epochs,
    )


def diverse() -> Any:
    """Windows whose table has columns of all types, and another index."""
    given = fixed(False, False)
    for child in given.datasets:
        table, n = child.metadata, len(child)
        table["id"] = ["007", "NA", "", None] * (n // 4) + ["x"] * (n % 4)
        table["category"] = pd.Categorical(["b", "a", None][:1] * n, ["b", "a"], ordered=True)
        table["numbers"] = pd.Categorical([3] * n, [3, 1])
        table["when"] = pd.Timestamp("2024-01-01T12:00:00.000001", tz="Asia/Tokyo")
        table["plain"] = np.arange(n).astype("M8[s]")
        table["lasting"] = pd.to_timedelta(np.arange(n), unit="ms")
        table["is"] = np.arange(n) % 2 == 0
        table["maybe"] = pd.array([True, None] * (n // 2) + [False] * (n % 2), dtype="boolean")
        table["integer"] = pd.array([2**60, None] * (n // 2) + [1] * (n % 2), dtype="Int64")
        table["small"] = np.arange(n, dtype=np.float32) / 3
        table["missing"] = [1.5, np.nan] * (n // 2) + [np.inf] * (n % 2)
        table["tuples"] = [(1, "a")] * n
        table.index = pd.Index(range(n, 0, -1), name="number")
        child.window_preproc_kwargs = [{"fn": "filter", "kwargs": {"l_freq": 1.0, "h_freq": None}}]
    return given


def times_series() -> Any:
    """Targets are a channel's last samples."""
    given = fixed(False, False)
    return BaseConcatDataset(
        [
            EEGWindowsDataset(
                child.raw, child.metadata, child.description, targets_from="channels", last_target_only=last
            )
            for child, last in zip(given.datasets, (True, False), strict=True)
        ]
    )


def several_lengths() -> Any:
    given = fixed(False, False)
    for child in given.datasets:
        child.metadata.loc[3, "i_stop_in_trial"] += 33
    return BaseConcatDataset(
        [EEGWindowsDataset(child.raw, child.metadata, child.description) for child in given.datasets]
    )


def assert_equal(a: Any, b: Any) -> None:
    """Two data sets are equal in everything that braindecode knows of."""
    assert len(a.datasets) == len(b.datasets)
    for ours, theirs in zip(b.datasets, a.datasets, strict=True):
        assert len(ours) == len(theirs)
        kind = next(
            kind for kind in (EEGWindowsDataset, WindowsDataset, RawDataset) if isinstance(theirs, kind)
        )
        assert isinstance(ours, kind)
        for i in range(0, len(theirs), max(1, len(theirs) // 40)):
            mine, its = ours[i], theirs[i]
            np.testing.assert_array_equal(mine[0], its[0])
            assert mine[0].dtype == its[0].dtype
            assert type(mine[1]) is type(its[1])
            np.testing.assert_array_equal(mine[1], its[1])
            assert mine[2:] == its[2:]
        assert_described(ours.description, theirs.description)
        for name in ("raw_preproc_kwargs", "window_kwargs", "window_preproc_kwargs"):
            assert getattr(ours, name, "none") == getattr(theirs, name, "none")
        if hasattr(theirs, "metadata"):
            pd.testing.assert_frame_equal(ours.metadata, theirs.metadata, check_exact=True)
            assert (ours.targets_from, ours.last_target_only) == (
                theirs.targets_from,
                theirs.last_target_only,
            )
        else:
            assert ours.target_name == theirs.target_name
        mne_ours, mne_theirs = (one.windows if hasattr(one, "windows") else one.raw for one in (ours, theirs))
        np.testing.assert_array_equal(mne_ours.get_data(), mne_theirs.get_data())
        assert mne_ours.ch_names == mne_theirs.ch_names
        assert mne_ours.get_channel_types() == mne_theirs.get_channel_types()
        for key in ("sfreq", "bads", "meas_date", "highpass", "lowpass", "dig"):
            assert mne_ours.info[key] == mne_theirs.info[key]
        for one, other in zip(mne_ours.info["chs"], mne_theirs.info["chs"], strict=True):
            np.testing.assert_array_equal(one["loc"], other["loc"])
        if mne_theirs.annotations is not None:
            for key in ("onset", "duration", "description", "ch_names"):
                np.testing.assert_array_equal(
                    getattr(mne_ours.annotations, key), getattr(mne_theirs.annotations, key)
                )
        if hasattr(theirs, "windows"):
            np.testing.assert_array_equal(mne_ours.events, mne_theirs.events)
            assert mne_ours.event_id == mne_theirs.event_id
        else:
            assert mne_ours.first_samp == mne_theirs.first_samp


def assert_described(ours: Any, theirs: Any) -> None:
    assert list(ours.index) == list(theirs.index)
    assert ours.dtype == theirs.dtype
    for mine, its in zip(ours, theirs, strict=True):
        assert type(mine) is type(its)
        assert mine == its or (mine != mine and its != its)


SETS = {
    "raw": raws,
    "raw, first sample": lambda: raws(first_samp=301),
    "raw, no date": lambda: raws(start=None),
    "raw, old date": lambda: raws(start=datetime.datetime(1924, 1, 2, tzinfo=datetime.UTC)),
    **{
        f"{cut.__name__}, {'Epochs' if epochs else 'Raw'}, {'preloaded' if preload else 'lazy'}": (
            lambda cut=cut, epochs=epochs, preload=preload: cut(epochs, preload)
        )
        for cut in (fixed, events)
        for epochs in (False, True)
        for preload in (False, True)
    },
    "diverse": diverse,
    "time series": times_series,
    "several lengths": several_lengths,
}


@pytest.mark.parametrize("name", SETS)
def test_the_way_there_and_back(name: str, tmp_path: Path) -> None:
    given = SETS[name]()
    paths = from_braindecode(given, tmp_path / "set")
    assert paths == [tmp_path / "set" / "0.h5", tmp_path / "set" / "1.h5"]
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["0.h5", "1.h5"]
    for path in paths:
        assert eegarchive.verify(path) == []
    found = to_braindecode(paths)
    assert_equal(given, found)
    assert_equal(given, to_braindecode(paths, freeze="braindecode"))
    if name in ("raw", "events, Raw, lazy", "events, Epochs, preloaded"):
        loader = DataLoader(found, batch_size=None, num_workers=2, multiprocessing_context="spawn")
        for i, item in enumerate(loader):
            if i % 50 == 0:
                np.testing.assert_array_equal(np.asarray(item[0]), given[i][0])
            if i > 200:
                break


def test_what_the_archive_says(tmp_path: Path) -> None:
    (path, _) = from_braindecode(fixed(False, False), tmp_path)
    with eegarchive.open(path) as night:
        assert night.description["subject"] == "001"
        assert night.description["control"] is True
        assert night.description["lost"] is None
        assert night.description["site"] == "NA"
        assert list(night.signals) == ["C3", "C4", "EOG", "y"]
        assert night.signals["C3"].units == "uV"
        assert night.duration == COUNT / RATE
        np.testing.assert_allclose(night.annotations["onset"][0], 1 / 3, atol=1e-6)
        operations = list(night.history["operation"])
        assert "add-raw" in operations
        note = json.loads(night.history["parameters"][operations.index("freeze")])["note"]
        assert note.startswith("EEGWindowsDataset 0 of 2, from braindecode ")
        assert list(night.freezes) == ["braindecode", "source"]


def test_epochs_are_prepared_windows(tmp_path: Path) -> None:
    given = events(True, True)
    paths = from_braindecode(given, tmp_path)
    read = eegarchive.windows(paths, prepared="braindecode")
    assert len(read) == len(given)
    assert list(read.targets) == [given[i][1] for i in range(len(given))]
    np.testing.assert_array_equal(read[5][0], given[5][0])
    with eegarchive.open(paths[0]) as night:
        assert not len(night.signals)


def test_epochs_of_an_archive_that_was_changed_meanwhile(tmp_path: Path) -> None:
    paths = from_braindecode(events(True, True), tmp_path)
    found = to_braindecode(paths)
    with eegarchive.edit(paths[0]) as night:
        night.remove_windows("braindecode")
    with eegarchive.edit(paths[1]) as night:
        night.set_epochs(1)
    with pytest.raises(eegarchive.NotInArchive):
        found.datasets[0].windows  # noqa: B018
    with pytest.raises(eegarchive.StaleValue):
        found.datasets[1].windows  # noqa: B018
    with pytest.raises(eegarchive.StaleValue):
        found.datasets[1][0]


def test_what_was_loaded(tmp_path: Path) -> None:
    """Folders of FIF and stores of Zarr; 32-bit samples bit for bit."""
    for name, cut in (("raw", fixed(False, False)), ("epo", fixed(True, True))):
        cut.save(str(tmp_path / name))
        for preload in (False, True):
            loaded = load_concat_dataset(tmp_path / name, preload=preload)
            folder = tmp_path / f"{name}-{preload}"
            assert_equal(loaded, to_braindecode(from_braindecode(loaded, folder)))


@pytest.mark.parametrize("mne_epochs", [False, True])
def test_a_store_of_zarr(mne_epochs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr")
    hub = pytest.importorskip("braindecode.datasets.bids.hub")
    monkeypatch.setattr(hub, "huggingface_hub", True)  # it asks for that, and doesn't use it
    formats = pytest.importorskip("braindecode.datautil.hub_formats")
    formats.convert_to_zarr(fixed(mne_epochs, True), str(tmp_path / "store.zarr"))
    for preload in (False, True):
        loaded = formats.load_from_zarr(str(tmp_path / "store.zarr"), preload=preload)
        paths = from_braindecode(loaded, tmp_path / f"{preload}")
        assert_equal(loaded, to_braindecode(paths))


def test_an_archive_to_braindecode_and_back(psg: Path, tmp_path: Path) -> None:
    given = to_braindecode(eegarchive.windows(psg, 2.0, picks="eeg"))
    preprocess(given, [Preprocessor("filter", l_freq=1.0, h_freq=30.0, verbose="error")])
    paths = from_braindecode(given, tmp_path / "set")
    assert_equal(given, to_braindecode(paths))
    with eegarchive.open(paths[0]) as night:
        x = night.read(["EEG Pz-Oz"], 0, 2)[0]
        np.testing.assert_array_equal(x.astype(np.float32), given[0][0][1])
        assert night.signals["EEG Pz-Oz"].units == "uV"
    lazy = to_braindecode(eegarchive.windows(psg, 2.0, picks="eeg"))
    assert_equal(lazy, to_braindecode(from_braindecode(lazy, tmp_path / "lazy")))


def test_a_raw_of_several_files(tmp_path: Path) -> None:
    for name in "ab":
        made(0).save(tmp_path / f"{name}-raw.fif", fmt="double", verbose="error")
    for preload in (False, True):
        parts = [mne.io.read_raw_fif(tmp_path / f"{name}-raw.fif", verbose="error") for name in "ab"]
        given = BaseConcatDataset([RawDataset(mne.concatenate_raws(parts, preload=preload), {"a": 1})])
        assert_equal(given, to_braindecode(from_braindecode(given, tmp_path / f"{preload}")))


def test_a_changed_archive_is_refused_but_not_its_freeze(tmp_path: Path) -> None:
    given = fixed(False, False)
    paths = from_braindecode(given, tmp_path)
    with eegarchive.edit(paths[0]) as night:
        night.drop_signals(["EOG"])
    with pytest.raises(eegarchive.StaleValue, match=r"0\.h5"):
        to_braindecode(paths)
    assert_equal(given, to_braindecode(paths, freeze="braindecode"))


def test_restored_windows_follow_their_raw(tmp_path: Path) -> None:
    given = fixed(False, False)
    paths = from_braindecode(given, tmp_path)
    assert all(not child.raw.preload for child in to_braindecode(paths).datasets)
    found = preprocess(to_braindecode(paths), [Preprocessor(lambda x: x * 2)])
    np.testing.assert_array_equal(found[3][0][:2], given[3][0][:2] * 2)  # MNE leaves EOG alone
    found = preprocess(to_braindecode(paths), [Preprocessor("pick", picks=["C4"])])
    np.testing.assert_array_equal(found[3][0], given[3][0][1:2])
    found = to_braindecode(paths)
    moved = found.datasets[0].crop_inds.copy()
    moved[3] += [0, 7, 7]
    found.datasets[0].crop_inds = moved
    start, stop = found.datasets[0].crop_inds[3, 1:].tolist()
    np.testing.assert_array_equal(found[3][0], given.datasets[0].raw[:, start:stop][0].astype(np.float32))


def test_existing_archives(tmp_path: Path) -> None:
    paths = from_braindecode(fixed(False, False), tmp_path)
    before = [path.read_bytes() for path in paths]
    paths[0].unlink()
    with pytest.raises(eegarchive.TargetExists, match=r"1\.h5"):
        from_braindecode(raws(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1.h5"]
    assert paths[1].read_bytes() == before[1]
    from_braindecode(raws(), tmp_path, overwrite=True)
    assert_equal(raws(), to_braindecode(paths))


def test_what_cannot_be_kept(tmp_path: Path) -> None:
    given = raws()
    given.datasets[1].set_description({"thing": object()})
    with pytest.raises(eegarchive.EEGArchiveError, match=r"1: description: object .* can't be kept exactly"):
        from_braindecode(given, tmp_path)
    assert not list(tmp_path.iterdir())
