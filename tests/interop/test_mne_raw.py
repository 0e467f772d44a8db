"""Archives as MNE's Raw: the same as MNE's own reading of the recording, for every recording of one rate."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from tests.conftest import recordings

from .conftest import by_mne

mne = pytest.importorskip("mne")


def same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def rates(archive: Path) -> set[float]:
    with eegarchive.open(archive) as opened:
        return {signal.sampling_rate for signal in opened.signals.values()}


def test_recordings_of_one_rate_are_bit_equal_to_mnes(recording: Path, archives: dict[str, Path]) -> None:
    path = archives[recording.stem]
    with eegarchive.open(path) as opened:
        one_segment = len(opened.segments) == 1
    if len(rates(path)) != 1 or not one_segment:
        pytest.skip("several rates, gaps or no signals")
    theirs = by_mne(recording, preload=True)
    ours = eegarchive.read_raw(path)
    assert isinstance(ours, mne.io.BaseRaw)
    assert not ours.preload
    assert (
        mne.utils.object_diff(dict(ours.info), dict(theirs.info)) == ""
    )  # types, date, filters, subject, bads
    assert ours.ch_names == theirs.ch_names
    assert ours.get_channel_types() == theirs.get_channel_types()
    assert ours._orig_units == theirs._orig_units
    assert ours.annotations == theirs.annotations
    assert ours.first_samp == theirs.first_samp
    assert same(ours.times, theirs.times)
    assert same(ours.get_data(), theirs.get_data())
    loaded = eegarchive.read_raw(path, preload=True)
    assert same(loaded._data, theirs._data)
    assert same(loaded.get_data(), pickle.loads(pickle.dumps(ours)).get_data())


def test_some_recordings_are_of_one_rate(archives: dict[str, Path]) -> None:
    assert sum(len(rates(archives[path.stem])) == 1 for path in recordings()) >= 3


def test_any_part_is_the_part_of_the_whole(recording: Path, archives: dict[str, Path]) -> None:
    path = archives[recording.stem]
    if not rates(path):
        pytest.skip("no signals")
    raw = eegarchive.read_raw(path)
    whole = raw.get_data()
    generator = np.random.default_rng(3)
    for _ in range(20):
        a, b = sorted(generator.integers(0, raw.n_times + 1, 2))
        rows = generator.permutation(len(raw.ch_names))[: generator.integers(1, len(raw.ch_names) + 1)]
        if a < b:
            assert same(raw.get_data(rows, a, b), whole[rows, a:b])
    half = raw.times[-1] / 2
    cropped = raw.copy().crop(half / 2, half)
    names = raw.ch_names[::-2]
    again = pickle.loads(pickle.dumps(cropped.copy().pick(names)))
    assert same(again.get_data(), cropped.load_data().get_data(names))
    assert same(cropped.get_data(), raw.load_data().crop(half / 2, half).get_data())


@pytest.fixture
def eeg(archives: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an archive of three signals of one rate."""
    return Path(shutil.copy(archives["edfplusc_duplicate_labels"], tmp_path / "eeg.h5"))


def test_a_raw_shows_its_state_for_ever(eeg: Path) -> None:
    raw = eegarchive.read_raw(eeg)
    before = raw.get_data()
    with eegarchive.edit(eeg) as night:
        name = next(iter(night.signals))
        night.write_samples(name, 10, np.arange(50), digital=True)
        night.drop_signals(list(night.signals)[1:2])
        night.freeze("changed")
    assert same(raw.get_data(), before)
    assert same(pickle.loads(pickle.dumps(raw)).get_data(), before)
    frozen = eegarchive.read_raw(f"{eeg}@changed")
    assert len(frozen.ch_names) == len(raw.ch_names) - 1
    assert not same(frozen.get_data()[0], before[0])
    assert same(eegarchive.read_raw(eeg, "source").get_data(), before)
    with eegarchive.open(eeg) as opened:
        assert same(opened.freezes["source"].to_raw().get_data(), before)


def test_picks_are_names_labels_or_kinds(archives: dict[str, Path], psg: Path) -> None:
    with eegarchive.open(psg) as opened:
        kinds = {name: signal.kind for name, signal in opened.signals.items()}
        eeg = [name for name, kind in kinds.items() if kind == "eeg"]
        assert opened.to_raw("eeg").ch_names == eeg
        assert opened.to_raw(eeg[::-1]).ch_names == eeg[::-1]
        with pytest.raises(eegarchive.NotInArchive, match="nonsense"):
            opened.to_raw("nonsense")
        by_kind = opened.to_raw(use_kinds=True)
        assert by_kind.get_channel_types() == [
            {"eeg": "eeg", "eog": "eog", "emg": "emg"}.get(kinds[name], "misc") for name in by_kind.ch_names
        ]
    raw = eegarchive.read_raw(archives["edfplusc_duplicate_labels"])
    twice = [name for name in raw.ch_names if name.endswith(("-0", "-1"))]
    assert len(twice) == 2
    for name in twice:
        picked = eegarchive.read_raw(archives["edfplusc_duplicate_labels"], picks=name)
        assert picked.ch_names == [name]
        assert same(picked.get_data(), raw.get_data(name))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *[
            ({name: value}, f"{name}=")
            for name in ("rate", "resample")
            for value in (0, -5, float("nan"), "x")
        ],
        ({"resample": float("inf")}, "a sampling rate is a number"),
        ({"resample": 1e-9}, "at 1e-09 Hz there is no sample"),
        ({"picks": []}, "no signal is asked for"),
        ({"picks": [0]}, "which are texts"),
        ({"picks": 5}, "which are texts"),
        ({"gaps": "close"}, "gaps='close'"),
    ],
)
def test_what_cant_be_meant_is_refused(eeg: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=words):
        eegarchive.read_raw(eeg, **options)


def test_picks_may_be_any_iterable(eeg: Path) -> None:
    names = eegarchive.read_raw(eeg).ch_names
    assert eegarchive.read_raw(eeg, picks=iter(names[1:])).ch_names == names[1:]
    assert eegarchive.read_raw(eeg, picks=np.array(names[1:])).ch_names == names[1:]


def test_texts_that_mne_refuses(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        night.add_annotations([1.0], [0.5], ["{COLON}"])
    with pytest.raises(eegarchive.EEGArchiveError, match=r"eeg\.h5: MNE can't have these annotations.*COLON"):
        eegarchive.read_raw(eeg)


def test_bad_signals_and_types_that_were_set(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        first, second = list(night.signals)[:2]
        night.set_signal(first, bad=1)
        night.set_signal(second, mne_type="eog")
    raw = eegarchive.read_raw(eeg)
    assert raw.info["bads"] == raw.ch_names[:1]
    assert raw.get_channel_types()[:2] == ["eeg", "eog"]


def test_sets_and_kinds_come_as_extras(eeg: Path) -> None:
    if not hasattr(mne.Annotations([], [], []), "extras"):
        pytest.skip("MNE without extras")
    with eegarchive.edit(eeg) as night:
        night.add_annotations([1.0, 2.0], [0.5, np.nan], ["one", "two"], annotation_set="me")
    annotations = eegarchive.read_raw(eeg).annotations
    assert list(annotations.description) == ["one", "two"]
    assert list(annotations.duration) == [0.5, 0.0]
    assert [dict(extra) for extra in annotations.extras] == [{"set": "me"}] * 2


def test_annotations_of_channels(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        labels = [signal.label for signal in night.signals.values()]
        unique = next(label for label in labels if labels.count(label) == 1)
        night.add_annotations([1.0, 2.0], [0.5, 0.5], [f"one@@{unique}", "two@@elsewhere"])
        night.add_annotations([3.0], [0.5], ["three"], channel=[unique])
    raw = eegarchive.read_raw(eeg)
    assert list(raw.annotations.description) == ["one", "two@@elsewhere", "three"]
    assert list(raw.annotations.ch_names) == [(unique.strip(),), (), (unique.strip(),)]
    others = [name for name in raw.ch_names if name != unique.strip()]
    assert list(eegarchive.read_raw(eeg, picks=others).annotations.description) == ["two@@elsewhere"]


def test_a_raw_of_a_file_that_was_replaced(eeg: Path, psg: Path) -> None:
    raw = eegarchive.read_raw(eeg)
    psg.replace(eeg)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"eeg\.h5: has no more the samples .* read it anew"):
        pickle.loads(pickle.dumps(raw)).get_data()


def test_in_an_edit_it_is_loaded(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        name = next(iter(night.signals))
        night.write_samples(name, 0, np.full(100, 7), digital=True)
        raw = night.to_raw()
        copied = raw.copy()
    assert raw.preload
    assert same(eegarchive.read_raw(eeg).get_data(), copied.get_data())


def test_no_samples_no_raw(archives: dict[str, Path]) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="no samples"):
        eegarchive.read_raw(archives["edfplusc_hypnogram_annotations_only"])


def test_closing_the_archive_leaves_the_raw(eeg: Path) -> None:
    with eegarchive.open(eeg) as opened:
        raw = opened.to_raw()
    assert raw.get_data().shape == (3, 2500)


def window(job: tuple[Any, int]) -> bytes:
    raw, start = job
    return bytes(raw.get_data(start=start, stop=start + 100).tobytes())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_and_threads_read_the_same(eeg: Path, method: str) -> None:
    raw = eegarchive.read_raw(eeg)
    jobs = [(raw, start) for start in range(0, 2400, 75)]
    expected = [window(job) for job in jobs]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(window, jobs)) == expected
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(window, jobs) == expected


def test_projections_are_applied_as_mne_does(recording: Path, archives: dict[str, Path]) -> None:
    if recording.stem != "edfplusc_duplicate_labels":
        pytest.skip("one is enough")
    raws = [eegarchive.read_raw(archives[recording.stem]), by_mne(recording)]
    for raw in raws:
        raw.set_eeg_reference(projection=True)
        raw.apply_proj()
    assert same(raws[0].get_data(), raws[1].get_data())
    assert not same(raws[0].get_data(), eegarchive.read_raw(archives[recording.stem]).get_data())


def test_of_several_filters_the_narrowest_band(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        first, second, third = night.signals
        night.set_signal(first, prefiltering="HP:0.1Hz LP:75Hz N:50Hz")
        night.set_signal(second, prefiltering="HP: DC; LP: 60,5Hz")
        night.set_signal(third, prefiltering="none")
    info = eegarchive.read_raw(eeg).info
    assert (info["highpass"], info["lowpass"]) == (0.1, 60.5)
    with eegarchive.edit(eeg) as night:
        night.set_signal(first, prefiltering="HP:90Hz")
    info = eegarchive.read_raw(eeg).info
    assert (info["highpass"], info["lowpass"]) == (0.0, 125.0)  # contradictory, as in MNE


def test_resampled_signals_have_no_band_beyond_their_rate(eeg: Path) -> None:
    with eegarchive.edit(eeg) as night:
        for name in night.signals:
            night.set_signal(name, prefiltering="HP:0.1Hz LP:75Hz")
    info = eegarchive.read_raw(eeg, resample=100).info
    assert (info["highpass"], info["lowpass"]) == (0.1, 50.0)
