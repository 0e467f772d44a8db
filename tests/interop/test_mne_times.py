"""Gaps, restructured states and several rates in MNE's Raw."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive

from .conftest import by_mne

mne = pytest.importorskip("mne")


def segments(archive: Any) -> list[tuple[float, float]]:
    columns = archive.segments.columns()
    return list(zip(columns["start"].tolist(), columns["duration"].tolist(), strict=True))


def in_volts(signal: Any) -> Any:
    return signal[:] * {"uV": 1e-6, "mV": 1e-3}.get(signal.units, 1.0)


def test_gaps_are_zeros_under_an_annotation(gaps: Path) -> None:
    raw = eegarchive.read_raw(gaps)
    with eegarchive.open(gaps) as archive:
        listed = segments(archive)
        rate = raw.info["sfreq"]
        begin, end = listed[0][0], sum(listed[-1])
        assert raw.n_times == round((end - begin) * rate)
        for row, signal in enumerate(archive.signals.values()):
            values, expected, at = raw.get_data(row)[0], in_volts(signal), 0
            for start, duration in listed:
                a, count = round((start - begin) * rate), round(duration * rate)
                assert np.array_equal(values[a : a + count], expected[at : at + count])
                values[a : a + count] = 0
                at += count
            assert not values.any()
        skips = raw.annotations[raw.annotations.description == "BAD_ACQ_SKIP"]
        stops = [start + duration for start, duration in listed]
        half = 0.5 / rate  # a segment begins at the sample nearest to its start
        assert skips.onset == pytest.approx([stop - begin for stop in stops[:-1]], abs=half)
        assert skips.duration == pytest.approx(
            [listed[i + 1][0] - stop for i, stop in enumerate(stops[:-1])], abs=half
        )
        assert len(skips) == 2


def test_annotations_lie_where_the_clock_has_them(gaps: Path) -> None:
    raw = eegarchive.read_raw(gaps)
    with eegarchive.open(gaps) as archive:
        columns = archive.annotations.columns()
        begin = segments(archive)[0][0]
    real = raw.annotations[raw.annotations.description != "BAD_ACQ_SKIP"]
    assert real.onset == pytest.approx(columns["onset"] - begin, abs=1e-6)
    assert list(real.description) == columns["text"].tolist()


def test_filters_stop_at_gaps(gaps: Path) -> None:
    whole = eegarchive.read_raw(gaps, preload=True)
    parts = eegarchive.read_raw(gaps, gaps="split", preload=True)
    options = {"picks": "all", "filter_length": 33}
    whole.filter(None, 0.1, **options)
    joined = np.concatenate([part.filter(None, 0.1, **options).get_data() for part in parts], axis=1)
    skips = whole.annotations[whole.annotations.description == "BAD_ACQ_SKIP"]
    kept = np.ones(whole.n_times, bool)
    for skip in skips:
        at = round(skip["onset"] * whole.info["sfreq"])
        kept[at : at + round(skip["duration"] * whole.info["sfreq"])] = False
    assert np.allclose(whole.get_data()[:, kept], joined, rtol=0, atol=1e-12)


def test_split_raws_have_each_segment_and_its_time(gaps: Path) -> None:
    raws = eegarchive.read_raw(gaps, gaps="split")
    with eegarchive.open(gaps) as archive:
        listed = segments(archive)
        assert len(raws) == len(listed) == 3
        joined = np.concatenate([raw.get_data() for raw in raws], axis=1)
        for row, signal in enumerate(archive.signals.values()):
            assert np.array_equal(joined[row], in_volts(signal))
        for raw, (start, duration) in zip(raws, listed, strict=True):
            assert raw.first_samp == round((start - listed[0][0]) * raw.info["sfreq"])
            assert raw.duration == pytest.approx(duration)
            assert "BAD_ACQ_SKIP" not in raw.annotations.description
            assert raw.info["meas_date"] == raws[0].info["meas_date"]
        columns = archive.annotations.columns()
        inside = [
            text
            for start, duration in listed
            for onset, text in zip(columns["onset"], columns["text"], strict=True)
            if start <= onset <= start + duration
        ]
    assert [str(text) for raw in raws for text in raw.annotations.description] == inside


def test_restructured_states_keep_the_clock(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(keep_epochs="3,5-6")
        night.restructure()
    raw, source = eegarchive.read_raw(psg), eegarchive.read_raw(psg, "source")
    rate = int(raw.info["sfreq"])
    assert raw.info["meas_date"] == source.info["meas_date"]
    assert raw.first_samp == 60 * rate
    assert raw.n_times == 120 * rate
    whole = source.get_data()
    assert np.array_equal(raw.get_data()[:, : 30 * rate], whole[:, 60 * rate : 90 * rate])
    assert np.array_equal(raw.get_data()[:, 60 * rate :], whole[:, 120 * rate : 180 * rate])
    skip = raw.annotations[raw.annotations.description == "BAD_ACQ_SKIP"]
    assert [(a["onset"] - raw.first_time, a["duration"]) for a in skip] == [(30.0, 30.0)]
    omitted = raw.get_data(reject_by_annotation="omit")
    assert omitted.shape[1] == 90 * rate


def test_one_rate_by_default_and_the_others_by_rate(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        rates = {name: signal.sampling_rate for name, signal in archive.signals.items()}
        eeg = {rates[name] for name, signal in archive.signals.items() if signal.kind == "eeg"}
        assert eeg == {100.0}
        assert archive.to_raw().ch_names == [name for name, rate in rates.items() if rate == 100]
        slow = archive.to_raw(rate=1)
        assert slow.ch_names == [name for name, rate in rates.items() if rate == 1]
        for row, name in enumerate(slow.ch_names):
            assert np.array_equal(slow.get_data(row)[0], in_volts(archive.signals[name]))
        assert archive.to_raw(slow.ch_names[0]).info["sfreq"] == 1
        with pytest.raises(eegarchive.EEGArchiveError, match="differ in sampling rate"):
            archive.to_raw([slow.ch_names[0], archive.to_raw().ch_names[0]])
        with pytest.raises(
            eegarchive.NotInArchive, match="no signals of 7 Hz; there are 3 of 100 Hz, 4 of 1 Hz"
        ):
            archive.to_raw(rate=7)
        with pytest.raises(eegarchive.EEGArchiveError, match="choose one"):
            archive.to_raw(rate=1, resample=100)


def test_of_the_highest_rate_it_is_what_mne_has(recording: Path, archives: dict[str, Path]) -> None:
    """MNE resamples all but the signals of the highest rate; those are bit-equal."""
    path = archives[recording.stem]
    with eegarchive.open(path) as archive:
        rates = [signal.sampling_rate for signal in archive.signals.values()]
        if len(set(rates)) < 2:
            pytest.skip("one rate")
        ours = archive.to_raw(rate=max(rates))
    theirs = by_mne(recording, preload=True)
    assert ours.get_data().tobytes() == theirs.get_data(ours.ch_names).tobytes()
    assert ours.annotations == theirs.annotations
    assert ours.info["meas_date"] == theirs.info["meas_date"]


def test_resampled_is_the_resampled_state(psg: Path) -> None:
    raw = eegarchive.read_raw(psg, resample=50)
    whole = eegarchive.read_raw(psg, resample=50, preload=True)
    with eegarchive.edit(psg) as night:
        night.resample(50, list(night.signals))
    plain = eegarchive.read_raw(psg, rate=50)
    assert raw.ch_names == plain.ch_names
    for start in (0, 77, 3000, raw.n_times - 60):
        assert np.array_equal(
            raw.get_data(start=start, stop=start + 60), plain.get_data(start=start, stop=start + 60)
        )
    assert np.array_equal(whole.get_data(), plain.get_data())
    assert np.array_equal(pickle.loads(pickle.dumps(raw)).get_data(), plain.get_data())


def test_resampled_states_with_gaps(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs="4")
        night.restructure()
    raw = eegarchive.read_raw(psg, resample=25)
    parts = eegarchive.read_raw(psg, resample=25, gaps="split")
    joined = np.concatenate([part.get_data() for part in parts], axis=1)
    assert np.array_equal(raw.get_data(reject_by_annotation="omit"), joined)
    assert [part.n_times for part in parts] == [90 * 25, 180 * 25]


def test_triggers_hold_their_codes(psg: Path) -> None:
    codes = np.repeat(np.arange(300, dtype=np.int16) % 7, 1)
    with eegarchive.edit(psg) as night:
        night.add_signal("Status", codes, 1.0)
    raw = eegarchive.read_raw(psg, resample=100)
    row = raw.ch_names.index("Status")
    assert raw.get_channel_types()[row] == "stim"
    assert np.array_equal(raw.get_data(row)[0], np.repeat(codes, 100))
    assert np.array_equal(raw.get_data(row, 1234, 4321)[0], np.repeat(codes, 100)[1234:4321])
    assert np.array_equal(raw.get_data(row, 1234, 1235)[0], np.repeat(codes, 100)[1234:1235])


def test_segments_that_overlap_are_refused(gaps: Path) -> None:
    from eegarchive.interop.mne_source import _runs

    with pytest.raises(eegarchive.EEGArchiveError, match="gaps='split'"):
        _runs("night.h5", np.array([0.0, 50.0]), [(0, 100), (100, 200)], [0, 1])
    assert [run.start for run in _runs("x", np.array([0.0, 99.6]), [(0, 100), (100, 200)], [0, 1])] == [
        0,
        100,
    ]
