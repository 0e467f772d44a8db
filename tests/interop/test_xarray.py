"""States as xarray datasets."""

from __future__ import annotations

import pickle
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec.reader import Reader

import eegarchive

xarray = pytest.importorskip("xarray")


def test_every_recording_is_what_it_is(archives: dict[str, Path], recording: Path) -> None:
    with eegarchive.open(archives[recording.stem]) as archive, Reader(archives[recording.stem]) as reader:
        dataset = archive.to_xarray()
        assert list(dataset.data_vars) == [name for name in archive.signals if len(archive.signals[name])]
        assert dataset.attrs["digest"] == archive.digest
        for name in list(dataset)[:6]:
            found, signal = dataset[name], archive.signals[name]
            assert found.dtype == np.float64
            assert np.array_equal(found.values, reader.physical("/", name))
            (dimension,) = found.dims
            assert np.allclose(dataset[dimension].values, reader.times("/", name), rtol=0, atol=1e-9)
            assert found.attrs["units"] == signal.units
            assert found.attrs["sampling_rate"] == signal.sampling_rate
            assert not {"scale_factor", "add_offset", "samples_sha256"} & set(found.attrs)
        rates = {signal.sampling_rate for signal in archive.signals.values() if len(signal)}
        assert set(dataset.sizes) == (
            {"time"} if len(rates) == 1 else {f"time_{rate:.10g}Hz" for rate in rates}
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_index_reads_what_the_whole_has(archives: dict[str, Path], data: Any) -> None:
    with eegarchive.open(archives["edf_sleep_psg_30s_records"]) as archive:
        lazy = archive.to_xarray("EEG Fpz-Cz")["EEG Fpz-Cz"]
        whole = archive.signals["EEG Fpz-Cz"][:]
    places = st.one_of(st.none(), st.integers(-31_000, 31_000))
    steps = st.one_of(st.none(), st.integers(-7000, 7000).filter(bool))
    index = data.draw(
        st.one_of(
            st.integers(-30_000, 29_999),
            # xarray itself stumbles over backward slices of nothing
            st.builds(slice, places, places, steps).filter(
                lambda part: (part.step or 1) > 0 or len(range(*part.indices(30_000)))
            ),
            st.lists(st.integers(-30_000, 29_999), max_size=5).map(lambda at: np.array(at, int)),
        )
    )
    assert np.array_equal(lazy[index].values, whole[index])


def test_gaps_stay_gaps_in_time(gaps: Path) -> None:
    with eegarchive.open(gaps) as archive:
        dataset = archive.to_xarray()
        segments = archive.segments.columns()
        expected = archive.read(["HR"], segments["start"][1], segments["start"][1] + 10)[0]
    start = float(segments["start"][1])
    assert np.array_equal(dataset["HR"].sel(time=slice(start, start + 9.9)).values, expected)
    silent = float(segments["start"][0] + segments["duration"][0]) + 1
    assert dataset["HR"].sel(time=slice(silent, start - 1)).size == 0


def test_picks_and_what_isnt_there(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        assert list(archive.to_xarray("eeg")) == ["EEG Fpz-Cz", "EEG Pz-Oz"]
        assert dict(archive.to_xarray("eeg").sizes) == {"time": 30_000}
        assert list(archive.to_xarray(["EEG Pz-Oz", "eeg"])) == ["EEG Pz-Oz", "EEG Fpz-Cz"]
        with pytest.raises(eegarchive.NotInArchive, match="no signal or kind of signal 'nothing'"):
            archive.to_xarray("nothing")
        for picks, words in (([], "no signal is asked for"), ([5], "texts"), (5, "texts")):
            with pytest.raises(eegarchive.EEGArchiveError, match=words):
                archive.to_xarray(picks)


def test_a_label_of_several_signals_picks_them_all(archives: dict[str, Path]) -> None:
    with eegarchive.open(archives["edfplusc_duplicate_labels"]) as archive:
        assert list(archive.to_xarray("EEG F1-Ref")) == ["EEG F1-Ref#1", "EEG F1-Ref#2"]


def test_it_shows_its_state_for_ever_and_pickles(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        dataset = archive.to_xarray("eeg")
        before = archive.signals["EEG Pz-Oz"][:]
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs="1-3")
        night.restructure()
        night.signals["EEG Pz-Oz"].digital[0:100] = 0
        inside = night.to_xarray("eeg")
        after = night.signals["EEG Pz-Oz"][:]
        assert np.array_equal(inside["EEG Pz-Oz"].values, after)
    assert np.array_equal(dataset["EEG Pz-Oz"].values, before)
    assert np.array_equal(pickle.loads(pickle.dumps(dataset))["EEG Pz-Oz"].values, before)
    assert np.array_equal(inside["EEG Pz-Oz"].values, after)
    with eegarchive.open(psg) as archive:
        assert np.array_equal(archive.to_xarray()["EEG Pz-Oz"].values, after)
        assert np.array_equal(archive.freezes["source"].to_xarray()["EEG Pz-Oz"].values, before)


def test_a_dataset_of_a_file_that_was_replaced(psg: Path, gaps: Path) -> None:
    with eegarchive.open(psg) as archive:
        dataset = pickle.dumps(archive.to_xarray("eeg"))
    gaps.replace(psg)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"has no more the samples .* read it anew"):
        _ = pickle.loads(dataset)["EEG Pz-Oz"].values


def test_a_signal_may_be_called_time(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.keep_signals(["EEG Pz-Oz"])
        night.rename_signal("EEG Pz-Oz", "time")
    with eegarchive.open(psg) as archive:
        dataset = archive.to_xarray()
        assert dict(dataset.sizes) == {"time_": 30_000}
        assert np.array_equal(dataset["time"].values, archive.signals["time"][:])


def test_nothing_is_read_until_it_is_asked_for(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eegarchive.interop import xarrays

    read: list[tuple[int, int]] = []
    real = xarrays.read_pieces

    def counting(pieces: Any, stored: Any, start: int, stop: int, out: Any, put: Any) -> None:
        read.append((start, stop))
        real(pieces, stored, start, stop, out, put)

    monkeypatch.setattr(xarrays, "read_pieces", counting)
    with eegarchive.open(psg) as archive:
        dataset = archive.to_xarray()
        assert read == []
        _ = repr(dataset)
    assert read == []
    values = dataset["EEG Fpz-Cz"].isel(time_100Hz=slice(500, 600)).values
    assert read == [(500, 600)]
    assert len(values) == 100


def test_threads_and_dask(archives: dict[str, Path], tmp_path: Path) -> None:
    dask = pytest.importorskip("dask")
    path = Path(shutil.copy(archives["edfplusc_duplicate_labels"], tmp_path / "a.h5"))
    with eegarchive.open(path) as archive:
        dataset = archive.to_xarray()
        whole = {name: archive.signals[name][:] for name in dataset}
    assert all(dask.is_dask_collection(dataset[name].data) for name in dataset)
    with dask.config.set(scheduler="threads", num_workers=4):
        for name, expected in whole.items():
            assert np.array_equal(dataset[name].chunk(1000).values, expected)
            assert abs(float(dataset[name].mean()) - expected.mean()) <= 1e-9 * max(1, abs(expected.mean()))
    with dask.config.set(scheduler="processes", num_workers=2):
        name = next(iter(whole))
        assert np.array_equal(dataset[name].values, whole[name])


def test_many_threads_read_at_once(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        dataset = archive.to_xarray("EEG Fpz-Cz")
        whole = archive.signals["EEG Fpz-Cz"][:]
    wrong: list[int] = []

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for start in rng.integers(0, 29_000, 40).tolist():
            if not np.array_equal(
                dataset["EEG Fpz-Cz"][start : start + 900].values, whole[start : start + 900]
            ):
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
