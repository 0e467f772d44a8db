"""Raws that were processed in MNE become the working state."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive

mne = pytest.importorskip("mne")


@pytest.fixture
def eeg(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an archive of three signals of one rate, 10 s at 250 Hz."""
    return Path(shutil.copy(archives["edfplusc_duplicate_labels"], tmp_path / "eeg.h5"))


def add(path: Path, raw: Any, **options: Any) -> Any:
    with eegarchive.edit(path) as night:
        report = night.add_raw(raw, **options)
    assert [f for f in eegarchive.verify(path) if f.severity == "error"] == []
    return report


def pieces(path: Path) -> dict[str, Any]:
    with eegarchive.open(path) as archive:
        return {name: signal.pieces for name, signal in archive.signals.items()}


def shows(path: Path, raw: Any, **options: Any) -> Any:
    """Assert that the archive gives a Raw back: samples to the last bit, names, bads, types, annotations."""
    found = eegarchive.read_raw(path, **options)
    assert set(found.ch_names) == set(raw.ch_names)
    assert found.get_data().tobytes() == raw.get_data(found.ch_names).tobytes()
    assert found.info["sfreq"] == raw.info["sfreq"]
    assert found.first_samp == raw.first_samp
    assert set(found.info["bads"]) == set(raw.info["bads"])
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    assert found.get_channel_types() == [types[name] for name in found.ch_names]
    for edge in ("highpass", "lowpass"):
        assert found.info[edge] == pytest.approx(raw.info[edge])
    ours, theirs = found.annotations, raw.annotations
    assert list(ours.description) == list(theirs.description)
    assert ours.onset == pytest.approx(theirs.onset, abs=5e-6)
    assert ours.duration == pytest.approx(theirs.duration, abs=5e-6)
    assert list(ours.ch_names) == list(theirs.ch_names)
    return found


def test_what_is_not_changed_is_shared(recording: Path, archives: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(archives[recording.stem], tmp_path / "night.h5"))
    if not pieces(path):
        pytest.skip("no signals")
    with eegarchive.open(path) as archive:
        before, size = archive.digest, path.stat().st_size
    for preload in (False, True):
        report = add(path, eegarchive.read_raw(path, preload=preload))
        assert report.unchanged
        assert report == eegarchive.AddRawReport(unchanged=report.unchanged)
    with eegarchive.open(path) as archive:
        assert archive.digest == before
        assert list(archive.history["operation"]) == ["convert", "add-raw", "add-raw"]
    assert path.stat().st_size < size + 20_000


@pytest.mark.clause("O-9")
def test_filtered_and_referenced(eeg: Path) -> None:
    before = pieces(eeg)
    raw = eegarchive.read_raw(eeg, preload=True)
    first, second, third = raw.ch_names
    raw.filter(1.0, 40.0, picks=[first, second])
    raw.info["bads"] = [third]
    report = add(eeg, raw)
    names = list(before)
    assert (report.changed, report.unchanged) == (names[:2], names[2:])
    shows(eeg, raw)
    after = pieces(eeg)
    assert after[names[2]] == before[names[2]]
    with eegarchive.open(eeg) as archive:
        signal = archive.signals[names[0]]
        assert signal.dtype == np.float64
        assert signal.units == "uV"
        assert signal[:] == pytest.approx(raw.get_data(first)[0] * 1e6, rel=1e-12, abs=1e-12)
        assert "digital_minimum" not in signal.attributes
        stated = json.loads(archive.history["parameters"][-1])
        assert stated["mne"]["highpass"] == 0.0  # MNE knows that not all channels were filtered
        assert stated["bads"] == [third]
    raw.filter(1.0, 40.0, picks="all")
    add(eeg, raw)
    shows(eeg, raw)
    with eegarchive.open(eeg) as archive:
        stated = json.loads(archive.history["parameters"][-1])
        assert (stated["mne"]["highpass"], stated["mne"]["lowpass"]) == (1.0, 40.0)
    assert str(eegarchive.history(eeg)[-1]).startswith(
        "take over what MNE made of the signals at 250 Hz: changed"
    )
    assert add(eeg, eegarchive.read_raw(eeg)).changed == []


def test_new_dropped_renamed_and_retyped(eeg: Path) -> None:
    before = pieces(eeg)
    raw = eegarchive.read_raw(eeg, preload=True)
    first, second, third = raw.ch_names
    raw = mne.set_bipolar_reference(raw, first, second, "bipolar", drop_refs=False)
    misc = mne.create_info(["speed", "Status"], 250.0, ["misc", "stim"])
    raw.add_channels([mne.io.RawArray(np.arange(5000.0).reshape(2, 2500) / 3, misc)], force_update_info=True)
    raw.drop_channels([second]).rename_channels({third: "E1"}).set_channel_types({"E1": "eog"})
    report = add(eeg, raw)
    names = list(before)
    assert report.added == ["bipolar", "speed", "Status"]
    assert (report.dropped, report.renamed, report.unchanged) == ([names[1]], {names[2]: "E1"}, [names[0]])
    with eegarchive.open(eeg) as archive:
        assert list(archive.signals) == [names[0], "E1", *report.added]
        assert archive.signals["E1"].kind == "eog"
        assert archive.signals["E1"].pieces == before[names[2]]
        assert archive.signals["bipolar"].units == "uV"
    # the other one of the two equal labels has no number any more
    kept = next(name for name in eegarchive.read_raw(eeg).ch_names if first.startswith(name))
    shows(eeg, raw.rename_channels({first: kept} if kept != first else {}))


@pytest.mark.clause("O-9")
def test_cropped_time_goes(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.cache["p"].put("x", 1.0)
        night.add_annotations([10.0, 100.0], [5.0, 30.0], ["early", "late"])
    raw = eegarchive.read_raw(psg, preload=True).crop(60, 180, include_tmax=False)
    raw.set_eeg_reference(raw.ch_names[:1])
    report = add(psg, raw)
    assert report.cropped == (60.0, 180.0)
    shows(psg, raw)
    with eegarchive.open(psg) as archive:
        assert archive.segments.columns()["start"].tolist() == [60.0]
        assert archive.segments.columns()["duration"].tolist() == [120.0]
        assert archive.epochs["epoch"].tolist() == [3, 4, 5, 6]
        assert {len(s) / s.sampling_rate for s in archive.signals.values()} == {120.0}
        assert archive.annotations["text"].tolist() == [
            "early",
            "late",
        ]  # they keep their time, as in restructure
        assert list(archive.cache) == []


def test_a_crop_between_samples_of_another_signal(psg: Path) -> None:
    raw = eegarchive.read_raw(psg).crop(60.5, 180)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"60\.5 s lies between two samples of .* \(1 Hz\)"):
        add(psg, raw)
    with eegarchive.open(psg) as archive:
        assert archive.duration == 300
    with eegarchive.edit(psg) as night:
        night.keep_signals(raw.ch_names)
        report = night.add_raw(raw)
    assert report.cropped == (60.5, 180.01)
    shows(psg, raw)


def test_signals_that_the_raw_never_had_stay(psg: Path) -> None:
    before = pieces(psg)
    raw = eegarchive.read_raw(psg, picks=["EEG Fpz-Cz", "EOG horizontal"], preload=True)
    raw.filter(0.5, None, picks="all").drop_channels(["EOG horizontal"])
    report = add(psg, raw)
    assert (report.changed, report.dropped) == (["EEG Fpz-Cz"], ["EOG horizontal"])
    after = pieces(psg)
    assert list(after) == [name for name in before if name != "EOG horizontal"]
    assert all(after[name] == before[name] for name in after if name != "EEG Fpz-Cz")


def test_resampled(psg: Path) -> None:
    raw = eegarchive.read_raw(psg, preload=True).resample(64.0)
    report = add(psg, raw)
    assert len(report.changed) == 3
    assert report.cropped is None
    shows(psg, raw, rate=64)
    with eegarchive.open(psg) as archive:
        assert sorted({s.sampling_rate for s in archive.signals.values()}) == [1.0, 64.0]


def test_gaps_stay_gaps(gaps: Path) -> None:
    raw = eegarchive.read_raw(gaps, preload=True)
    raw.apply_function(lambda x: x + 1.0, picks="all")
    with eegarchive.open(gaps) as archive:
        segments = archive.segments.columns()
        values = {name: signal[:] for name, signal in archive.signals.items()}
        annotations = archive.annotations.columns()
    report = add(gaps, raw)
    assert (report.annotations_added, report.annotations_dropped) == (0, 0)
    with eegarchive.open(gaps) as archive:
        for name, signal in archive.signals.items():
            assert np.array_equal(signal[:], values[name] + 1.0)
        assert all(np.array_equal(archive.segments[key], segments[key]) for key in segments)
        assert archive.annotations["text"].tolist() == annotations["text"].tolist()
    again = eegarchive.read_raw(gaps)
    data = raw.get_data(reject_by_annotation="omit")
    assert np.array_equal(again.get_data(reject_by_annotation="omit"), data)


def test_a_segment_by_itself_is_a_crop(gaps: Path) -> None:
    part = eegarchive.read_raw(gaps, gaps="split")[1]
    with eegarchive.open(gaps) as archive:
        starts = archive.segments["start"]
    report = add(gaps, part)
    assert report.cropped is not None
    assert report.cropped[0] == starts[1]
    shows(gaps, part)


def test_annotations_that_mne_changed(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        night.add_annotations([1, 2, 3], [1, np.nan, 0.5], ["one", "two", "three"], annotation_set="me")
        night.add_annotations([50.0], [1.0], ["beyond"])
    raw = eegarchive.read_raw(eeg)
    raw.annotations.delete([0])
    raw.annotations.append(4.0, 0.25, "new", ch_names=[(raw.ch_names[2],)])
    raw.annotations.append(5.0, 0.0, "Sleep stage W")
    report = add(eeg, raw, annotation_set="again")
    assert (report.annotations_added, report.annotations_dropped) == (2, 1)
    with eegarchive.open(eeg) as archive:
        rows = archive.annotations.columns()
    assert rows["text"].tolist() == ["two", "three", "new", "Sleep stage W", "beyond"]
    assert rows["set"].tolist() == ["me", "me", "again", "again", "user"]
    assert rows["kind"].tolist()[-2] == "W"
    assert np.isnan(rows["duration"][0])
    assert rows["channel"].tolist()[2] == raw.ch_names[2]
    shows(eeg, raw)


@pytest.mark.parametrize("rate", [250.0, 99.0, 37.0])
def test_annotations_at_the_ends_stay(eeg: Path, rate: float) -> None:
    """Whether MNE still has what only touches a crop is a matter of rounding."""
    onsets = [0.5, 1.999, 2.0, 3.9, 4.0, 4.001, 4.004, 4.01, 4.03]
    with eegarchive.edit(eeg) as night:
        night.add_annotations(onsets, [1.5, 0.001, 0, 0.5, 0, 0, 0, 0, 0], [f"at {t}" for t in onsets])
    raw = eegarchive.read_raw(eeg, preload=True).crop(2, 4)
    for count in (0, 1):  # how many are deleted
        part = raw.copy().set_annotations(raw.annotations[count:])
        with eegarchive.edit(eeg) as night:
            report = night.add_raw(part.resample(rate) if rate != 250 else part)
            assert report.annotations_added == 0
            assert report.annotations_dropped <= count
            night.thaw("source")
            night.add_annotations(onsets, [1.5, 0.001, 0, 0.5, 0, 0, 0, 0, 0], [f"at {t}" for t in onsets])


def test_after_a_trip_through_fif(eeg: Path, tmp_path: Path) -> None:
    with eegarchive.edit(eeg) as night:
        night.add_annotations([1.25], [1.5], ["one"])
    raw = eegarchive.read_raw(eeg, preload=True).filter(1, 30, picks="all")
    raw.save(tmp_path / "processed-raw.fif", fmt="double")
    report = add(eeg, mne.io.read_raw_fif(tmp_path / "processed-raw.fif"))
    assert len(report.changed) == 3
    assert (report.annotations_added, report.annotations_dropped, report.cropped) == (0, 0, None)
    shows(eeg, raw)
    raw.crop(2, 4).save(tmp_path / "short-raw.fif", fmt="double")
    report = add(eeg, mne.io.read_raw_fif(tmp_path / "short-raw.fif"))
    assert len(report.unchanged) == 3
    assert report.cropped == pytest.approx((2.0, 4.004))


def test_texts_that_fif_hasnt_come_back_from_it_as_they_were(eeg: Path, tmp_path: Path) -> None:
    with eegarchive.edit(eeg) as night:
        night.add_annotations([1.0, 2.0], [0.5, 0.5], ["v\u017edy", "caf\u00e9"])
    eegarchive.read_raw(eeg).save(tmp_path / "night-raw.fif", fmt="double")
    report = add(eeg, mne.io.read_raw_fif(tmp_path / "night-raw.fif"))
    assert (report.annotations_added, report.annotations_dropped) == (0, 0)
    with eegarchive.open(eeg) as archive:
        assert archive.annotations["text"].tolist()[-2:] == ["v\u017edy", "caf\u00e9"]


def test_filters_that_contradict_each_other_stay_stated(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        first, second, _ = night.signals
        night.set_signal(first, prefiltering="HP:90Hz")
        night.set_signal(second, prefiltering="LP:60Hz")
    raw = eegarchive.read_raw(eeg, preload=True).apply_function(np.negative, picks="all")
    assert len(add(eeg, raw).changed) == 3
    with eegarchive.open(eeg) as archive:
        assert archive.signals[first].attributes["prefiltering"] == "HP:90Hz"
        assert archive.signals[second].attributes["prefiltering"] == "LP:60Hz"


def test_in_the_edit_that_it_is_read_in(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        night.drop_signals([next(iter(night.signals))])
        raw = night.to_raw()
        processed = raw.copy().apply_function(np.negative, picks="all")
        report = night.add_raw(processed)
        assert len(report.changed) == 2
        assert len(night.add_raw(processed).unchanged) == 2
    shows(eeg, processed)


def test_what_is_not_of_this_state_is_refused(eeg: Path, psg: Path) -> None:
    raw = eegarchive.read_raw(psg)
    longer = mne.io.RawArray(np.zeros((1, 9000)), mne.create_info(["x"], 250.0))
    two = [eegarchive.read_raw(eeg), eegarchive.read_raw(eeg)]
    for bad, words in (
        ("raw", "isn't one of MNE's"),
        (longer, "covers 0-36 s of the recording clock, and the archive has 0-10 s"),
        (mne.concatenate_raws(two), "put together"),
        (eegarchive.read_raw(eeg, preload=True).apply_hilbert(picks="all"), "complex"),
    ):
        with pytest.raises(eegarchive.EEGArchiveError, match=words):
            add(eeg, bad)
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(first=3)
        night.restructure()
    with pytest.raises(eegarchive.EEGArchiveError, match="segments have changed"):
        add(psg, raw)
    with eegarchive.open(eeg) as archive:
        assert list(archive.history["operation"]) == ["convert"]


def test_its_edf_and_its_freezes(eeg: Path, tmp_path: Path) -> None:
    raw = eegarchive.read_raw(eeg, preload=True).filter(1, 40, picks="all")
    with eegarchive.edit(eeg) as night:
        night.add_raw(raw)
        night.freeze("filtered")
        night.thaw("source")
    shows(Path(f"{eeg}@filtered"), raw)
    report = eegarchive.export(f"{eeg}@filtered", tmp_path / "filtered.edf")
    back = mne.io.read_raw_edf(tmp_path / "filtered.edf", verbose="error")
    assert max(report.quantised.values()) < 1
    assert np.allclose(back.get_data(), raw.get_data(), rtol=0, atol=1e-6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_mne_does_comes_back(eeg: Path, data: st.DataObject) -> None:
    raw = eegarchive.read_raw(eeg, preload=True)
    for _ in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from(["negate", "crop", "bad", "annotate", "delete", "reorder", "noise"]))
        name = data.draw(st.sampled_from(raw.ch_names))
        if step == "negate":
            raw.apply_function(np.negative, picks=[name])
        elif step == "noise":
            at = data.draw(st.integers(0, raw.n_times - 1))
            raw._data[raw.ch_names.index(name), at] += data.draw(st.floats(-1, 1))
        elif step == "crop" and raw.n_times > 500:
            a = data.draw(st.integers(0, raw.n_times // 3))
            b = data.draw(st.integers(2 * raw.n_times // 3, raw.n_times - 1))
            raw.crop(raw.times[a], raw.times[b])
        elif step == "bad":
            raw.info["bads"] = sorted({*raw.info["bads"], name})
        elif step == "annotate":
            onset = data.draw(st.integers(1, raw.n_times - 60)) / raw.info["sfreq"]
            raw.annotations.append(raw.first_time + onset, data.draw(st.sampled_from([0.0, 0.1])), "spike")
        elif step == "delete" and len(raw.annotations):
            raw.annotations.delete(data.draw(st.integers(0, len(raw.annotations) - 1)))
        else:
            raw.reorder_channels(data.draw(st.permutations(raw.ch_names)))
    with eegarchive.edit(eeg) as night:
        night.add_raw(raw)
    shows(eeg, raw)
    with eegarchive.edit(eeg) as night:
        night.thaw("source")
