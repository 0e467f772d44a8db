"""Signals: keep, drop, copy, rename, attributes, stretches, computed ones, filters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import GAPS, MIXED, PSG, Recording, abandoned, findings, operations

NAMES = list(PSG.signals)
FPZ, PZ, EOG, RESP = NAMES[:4]


def unchanged(night: eegarchive.EditableArchive) -> tuple[str, list[str], list[str]]:
    return night.digest, operations(night), list(night.signals)


# -- which there are ------------------------------------------------------------------------------


def test_keep_and_drop_leave_the_order(night: eegarchive.EditableArchive) -> None:
    night.keep_signals([RESP, FPZ, EOG])
    assert list(night.signals) == [FPZ, EOG, RESP]
    night.drop_signals([EOG])
    assert list(night.signals) == [FPZ, RESP]
    np.testing.assert_array_equal(night.signals[RESP].digital[:], PSG.signals[RESP].samples)
    night.drop_signals(night.signals)
    assert len(night.signals) == 0


def test_signals_go_by_label_where_it_is_the_only_one(archives: dict[str, Path]) -> None:
    with abandoned(archives["edf_trailing_byte_bad_date"]) as night:
        names = list(night.signals)
        assert "%2F" in names[0]
        night.keep_signals(["3Hz +5/-5 V"])
        assert list(night.signals) == names[:1]
    with abandoned(archives["edfplusc_duplicate_labels"]) as night:
        with pytest.raises(
            eegarchive.NotInArchive,
            match="2 signals are labelled 'EEG F1-Ref'; name one: EEG F1-Ref#1, EEG F1-Ref#2",
        ):
            night.drop_signals(["EEG F1-Ref"])
        night.drop_signals(["EEG F1-Ref#2"])
        assert list(night.signals) == ["EEG F1-Ref#1", "EEG F2-Ref"]


@pytest.mark.parametrize(
    "operation",
    [
        lambda night: night.keep_signals(["C3"]),
        lambda night: night.drop_signals([FPZ, "C3"]),
        lambda night: night.copy_signal("C3", "new"),
        lambda night: night.rename_signal("C3", "new"),
        lambda night: night.set_signal("C3", units="uV"),
        lambda night: night.write_samples("C3", 0, [1]),
        lambda night: night.resample(50, ["C3"]),
    ],
)
def test_an_unknown_signal_lists_the_known_and_changes_nothing(
    night: eegarchive.EditableArchive, operation: Callable[[eegarchive.EditableArchive], object]
) -> None:
    before = unchanged(night)
    with pytest.raises(
        eegarchive.NotInArchive, match="no signal 'C3'; there are EEG Fpz-Cz, EEG Pz-Oz, EOG hori"
    ):
        operation(night)
    assert unchanged(night) == before


@pytest.mark.clause("O-5")
def test_a_copy_is_exact_and_stores_nothing(psg: Path) -> None:
    size = psg.stat().st_size
    with eegarchive.edit(psg) as night:
        copied = night.copy_signal(FPZ, "C3/M2")
        assert (copied.name, copied.label, copied.kind) == ("C3%2FM2", "C3/M2", "eeg")
        np.testing.assert_array_equal(copied.digital[:], PSG.signals[FPZ].samples)
        assert [*night.signals] == [*NAMES, "C3%2FM2"]
        own, other = copied.attributes, night.signals[FPZ].attributes
        assert own.pop("label") != other.pop("label")
        assert own == other
    assert psg.stat().st_size - size < 20_000
    with eegarchive.open(psg) as archive, h5py.File(psg) as h5:
        np.testing.assert_array_equal(archive.signals["C3/M2"].digital[:], PSG.signals[FPZ].samples)
        np.testing.assert_array_equal(h5["signals/C3%2FM2"][:], PSG.signals[FPZ].samples)
        assert len(h5["data"]) == len(NAMES)
    assert findings(psg) == []


def test_a_copy_is_not_changed_with_its_original(night: eegarchive.EditableArchive) -> None:
    night.copy_signal(FPZ, "copy")
    night.signals[FPZ].digital[100:200] = np.zeros(100, "<i2")
    np.testing.assert_array_equal(night.signals["copy"].digital[:], PSG.signals[FPZ].samples)
    night.drop_signals([FPZ])
    np.testing.assert_array_equal(night.signals["copy"].digital[:], PSG.signals[FPZ].samples)


@pytest.mark.clause("O-5")
def test_a_renamed_signal_keeps_its_place_and_all_else(night: eegarchive.EditableArchive) -> None:
    attributes = night.signals[PZ].attributes
    renamed = night.rename_signal(PZ, "Pz-Oz")
    assert list(night.signals) == [FPZ, "Pz-Oz", *NAMES[2:]]
    assert renamed.attributes == {**attributes, "label": "Pz-Oz"}
    np.testing.assert_array_equal(renamed.digital[:], PSG.signals[PZ].samples)
    before = night.digest
    night.rename_signal("Pz-Oz", "x")
    night.rename_signal("x", "Pz-Oz")
    assert night.digest == before


def test_names_can_be_exchanged(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.rename_signal(FPZ, "aside")
        night.rename_signal(PZ, FPZ)
        night.rename_signal("aside", PZ)
    with eegarchive.open(psg) as archive:
        assert list(archive.signals)[:2] == [PZ, FPZ]
        np.testing.assert_array_equal(archive.signals[PZ].digital[:], PSG.signals[FPZ].samples)
        np.testing.assert_array_equal(archive.signals[FPZ].digital[:], PSG.signals[PZ].samples)
    assert findings(psg) == []


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (PZ, f"there is a signal '{PZ}' already; choose another name, or drop that one first"),
        ("", "'' can't be a signal's name; choose one of 1 to 255 bytes"),
        ("  ", "'  ' can't be a signal's name"),
        ("é" * 128, "can't be a signal's name"),
        ("a\0", "has a NUL character, which HDF5's text can't hold"),
        ("\ud800", "isn't text that UTF-8 can hold"),
    ],
)
def test_labels_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, label: str, message: str
) -> None:
    before = unchanged(night)
    for operation in (
        lambda: night.copy_signal(FPZ, label),
        lambda: night.rename_signal(FPZ, label),
        lambda: night.add_signal(label, np.zeros(300, "<f4"), 1.0),
    ):
        with pytest.raises(eegarchive.EEGArchiveError, match=message):
            operation()
    assert unchanged(night) == before


# -- what they say of themselves --------------------------------------------------------------------


@pytest.mark.clause("O-5")
def test_attributes_are_set_and_the_samples_stay(psg: Path) -> None:
    given_ = {
        "kind": "eog",
        "units": "mV",
        "scale_factor": 2,
        "prefiltering": "HP:0.3Hz",
        "reference": "M1",
        "gain": 7,
    }
    with eegarchive.edit(psg) as night:
        night.set_signal(FPZ, **given_)
        assert (night.signals[FPZ].kind, night.signals[FPZ].units) == ("eog", "mV")
    with eegarchive.open(psg) as archive:
        signal = archive.signals[FPZ]
        assert signal.attributes.items() >= {**given_, "scale_factor": 2.0}.items()
        assert isinstance(signal.attributes["gain"], int)
        np.testing.assert_array_equal(signal.digital[:], PSG.signals[FPZ].samples)
        np.testing.assert_array_equal(signal[:], 2.0 * PSG.signals[FPZ].samples + signal.add_offset)
        assert archive.freezes["source"].signals[FPZ].units == "uV"
    assert findings(psg) == []


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"label": "C3"}, "signal 'EEG Fpz-Cz': label can't be set; rename the signal"),
        ({"sampling_rate": 50.0}, "sampling_rate can't be set"),
        ({"samples_sha256": "0"}, "samples_sha256 can't be set"),
        ({"scale_factor": "1"}, "scale_factor is '1', expected float"),
        ({"scale_factor": float("nan")}, "scale_factor is nan, not a finite number of 64 bits"),
        ({"gain": float("inf")}, "gain is inf, not a finite number of 64 bits"),
        ({"gain": 2**63}, "gain is 9223372036854775808, not a finite number of 64 bits"),
        ({"samples_per_record": 3.5}, "samples_per_record is 3.5, expected int"),
        ({"units": 5}, "units is 5, expected str"),
        ({"flag": True}, "flag is True, expected str or int or float"),
        ({"list": [1]}, r"list is \[1\], expected str or int or float"),
        ({"two words": 1}, "'two words' can't be an attribute's name"),
        ({"units": "uV\0"}, "units has a NUL character"),
        ({"units": "\udcff"}, "units isn't text that UTF-8 can hold"),
        ({"note": "x" * 60_001}, "note has 60001 bytes of text, 60000 at most"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_attributes_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, attributes: dict[str, Any], message: str
) -> None:
    before = unchanged(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.set_signal(FPZ, **attributes)
    if not {"label", "sampling_rate"} & set(attributes):
        with pytest.raises(eegarchive.EEGArchiveError, match=message.replace("'EEG Fpz-Cz'", "'new'")):
            night.add_signal("new", np.zeros(300, "<f4"), 1.0, **attributes)
    assert unchanged(night) == before


# -- their samples ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2747), st.integers(1, 900), st.integers(-32768, 32767), st.booleans()),
        max_size=6,
    )
)
def test_any_stretches_written_are_there_and_the_rest_is_as_it_was(
    archives: dict[str, Path], stretches: list[tuple[int, int, int, bool]]
) -> None:
    expected = GAPS.signals["HR"].samples.copy()
    with abandoned(archives[GAPS.stem]) as night:
        for start, count, value, is_physical in stretches:
            stop = min(start + count, len(expected))
            new = (value + np.arange(stop - start)).astype("<i2")
            expected[start:stop] = new
            signal = night.signals["HR"]
            if is_physical:
                signal[start:stop] = new * signal.scale_factor + signal.add_offset
            else:
                signal.digital[start:stop] = new
            np.testing.assert_array_equal(night.signals["HR"].digital[:], expected)
        np.testing.assert_array_equal(
            night.freezes["source"].signals["HR"].digital[:], GAPS.signals["HR"].samples
        )


@pytest.mark.clause("O-6")
def test_only_the_new_samples_are_stored(psg: Path) -> None:
    size = psg.stat().st_size
    noise = np.random.default_rng(1).integers(-2048, 2048, 1000).astype("<i2")
    with eegarchive.edit(psg) as night:
        night.signals[FPZ].digital[5000:6000] = noise
        lengths = [len(piece) for piece in night.signals[FPZ].pieces]
    assert lengths == [5000, 1000, 24000]
    assert psg.stat().st_size - size < 20_000
    expected = PSG.signals[FPZ].samples.copy()
    expected[5000:6000] = noise
    with eegarchive.open(psg) as archive, h5py.File(psg) as h5:
        np.testing.assert_array_equal(archive.signals[FPZ].digital[:], expected)
        np.testing.assert_array_equal(h5["signals"][FPZ][:], expected)
        np.testing.assert_array_equal(
            archive.freezes["source"].signals[FPZ].digital[:], PSG.signals[FPZ].samples
        )
    assert findings(psg) == []


def test_samples_are_assigned_like_those_of_an_array(night: eegarchive.EditableArchive) -> None:
    signal, expected = night.signals[RESP], PSG.signals[RESP].samples.copy()
    signal.digital[7] = 12
    expected[7] = 12
    signal.digital[-1] = 13
    expected[-1] = 13
    signal.digital[-20:-10] = 14
    expected[-20:-10] = 14
    signal.digital[np.int64(50)] = 15
    expected[50] = 15
    for start in np.arange(100, 103):
        night.write_samples(RESP, start, [16], digital=True)
    expected[100:103] = 16
    np.testing.assert_array_equal(signal.digital[:], expected)
    signal.digital[:] = np.arange(300)
    np.testing.assert_array_equal(signal.digital[:], np.arange(300))


def test_physical_values_between_steps_are_refused_or_rounded(night: eegarchive.EditableArchive) -> None:
    signal = night.signals[FPZ]
    step, offset = signal.scale_factor, signal.add_offset
    values = offset + step * np.array([3.0, 4.25, 5.0])
    before = unchanged(night)
    with pytest.raises(
        eegarchive.EEGArchiveError,
        match=r"signal 'EEG Fpz-Cz' is stored in steps of 0\.0937729, and some values lie between them "
        r"\(by 0\.0234 at most\); allow rounding \(rounded=True\), or add them as a signal of their own",
    ):
        night.write_samples(FPZ, 10, values)
    assert unchanged(night) == before
    error = night.write_samples(FPZ, 10, values, rounded=True)
    assert error == pytest.approx(0.25 * step)
    assert signal.digital[9:14].tolist() == [
        PSG.signals[FPZ].samples[9],
        3,
        4,
        5,
        PSG.signals[FPZ].samples[13],
    ]
    assert night.write_samples(FPZ, 10, values[:1]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("start", "values", "digital", "message"),
    [
        (299, [1, 2], True, f"signal '{RESP}' has samples 0 to 300; these are for 299 to 301"),
        (-1, [1], True, "these are for -1 to 0"),
        (5, [], True, "these are for 5 to 5"),
        (5, [[1, 2]], True, "has samples 0 to 300"),
        (5, 7, True, "has samples 0 to 300"),
        (5, [40_000], True, "stored as whole numbers from -32768 to 32767; these go from 40000 to 40000"),
        (5, [1.5], True, "stored as whole numbers"),
        (5, [1e9], False, "stored as whole numbers from -32768 to 32767"),
        (5, [float("nan")], False, "is stored as integers, which have no NaN and no infinity"),
    ],
)
def test_samples_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, start: int, values: Any, digital: bool, message: str
) -> None:
    before = unchanged(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.write_samples(RESP, start, values, digital=digital, rounded=True)
    assert unchanged(night) == before


def test_assigned_values_are_as_many_as_the_samples(night: eegarchive.EditableArchive) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="3 values for the samples 0 to 5"):
        night.signals[FPZ].digital[0:5] = [1, 2, 3]
    with pytest.raises(eegarchive.EEGArchiveError, match="values for the samples"):
        night.signals[FPZ].digital[0:6:2] = [1, 2, 3]


def test_a_24_bit_signal_takes_24_bits(copy_of: Callable[[Recording], Path]) -> None:
    path = copy_of(MIXED)
    with eegarchive.edit(path) as night:
        signal = night.signals["ramp 3.5Hz"]
        signal.digital[0:2] = [-(2**23), 2**23 - 1]
        with pytest.raises(eegarchive.EEGArchiveError, match="whole numbers from -8388608 to 8388607"):
            signal.digital[0] = 2**23
        expected = MIXED.signals["ramp 3.5Hz"].samples.copy()
        expected[0:2] = [-(2**23), 2**23 - 1]
        np.testing.assert_array_equal(signal.digital[:], expected)
    assert findings(path) == []


def test_an_archive_that_is_only_read_says_how_it_is_changed(psg: Path) -> None:
    with (
        eegarchive.open(psg) as archive,
        pytest.raises(
            eegarchive.EEGArchiveError, match=r"is open for reading; to change it, use eegarchive\.edit"
        ),
    ):
        archive.signals[FPZ][0:3] = [1, 2, 3]
    with abandoned(psg) as night, pytest.raises(eegarchive.EEGArchiveError, match="is open for reading"):
        night.freezes["source"].signals[FPZ].digital[0] = 1


# -- computed ones --------------------------------------------------------------------------------------


@pytest.mark.clause("O-6")
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i2", "<i4", ">f4", ">i2"])
def test_a_computed_signal_is_stored_as_it_is(psg: Path, dtype: str) -> None:
    values = (1000 * np.random.default_rng(2).normal(size=30_000)).astype(dtype)
    with eegarchive.edit(psg) as night:
        added = night.add_signal("EEG power", values, 100.0, units="uV^2", method="mine", order=4)
        assert (added.units, added.kind, added.sampling_rate, len(added)) == ("uV^2", "eeg", 100.0, 30_000)
        assert list(night.signals) == [*NAMES, "EEG power"]
    with eegarchive.open(psg) as archive:
        found = archive.signals["EEG power"]
        assert found.dtype == np.dtype(dtype).newbyteorder("<")
        np.testing.assert_array_equal(found.digital[:], values)
        np.testing.assert_array_equal(found[:], values.astype(np.float64))
        assert found.attributes.items() >= {"method": "mine", "order": 4}.items()
        assert len(found.pieces) == 1
    with h5py.File(psg) as h5:
        assert not h5["signals/EEG power"].is_virtual  # as stored: other tools need no virtual dataset
    assert findings(psg) == []


def test_floating_point_samples_can_be_nan_and_be_written(psg: Path) -> None:
    values = np.linspace(-1, 1, 300, dtype="<f4")
    values[3] = np.nan
    with eegarchive.edit(psg) as night:
        night.add_signal("index", values, 1.0)
        night.signals["index"][10:12] = [0.1, np.nan]
        values[10:12] = [0.1, np.nan]
        np.testing.assert_array_equal(night.signals["index"].digital[:], values)
    assert findings(psg) == []


def test_a_computed_signal_fits_what_is_left(night: eegarchive.EditableArchive) -> None:
    night.mask(keep="N2")
    night.restructure()
    with pytest.raises(
        eegarchive.EEGArchiveError, match="signal 'new': 30000 samples; at 100 Hz this state has 12000"
    ):
        night.add_signal("new", np.zeros(30_000, "<f4"), 100.0)
    night.add_signal("new", np.arange(12_000, dtype="<f4"), 100.0)
    np.testing.assert_array_equal(night.read(["new"], 150, 180)[0], np.arange(6000, 9000))


@pytest.mark.parametrize(
    ("values", "rate", "message"),
    [
        (
            np.zeros(300, "i8"),
            1.0,
            "1-dimensional int64; expected one dimension of float32, float64, int16 or int32",
        ),
        (np.zeros((300, 1), "f4"), 1.0, "2-dimensional float32"),
        (np.zeros(300, bool), 1.0, "1-dimensional bool"),
        (np.zeros(299, "f4"), 1.0, "299 samples; at 1 Hz this state has 300"),
        (np.zeros(300, "f4"), -1.0, "a sampling rate of -1.0"),
        (np.zeros(300, "f4"), float("nan"), "a sampling rate of nan"),
    ],
)
def test_computed_signals_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, values: Any, rate: float, message: str
) -> None:
    before = unchanged(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=f"signal 'new': {message}"):
        night.add_signal("new", values, rate)
    assert unchanged(night) == before


@pytest.mark.clause("P-4")
def test_a_state_without_segments_takes_signals_without_samples(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    path = Path(shutil.copy(archives["edfplusc_hypnogram_annotations_only"], tmp_path / "hypnogram.h5"))
    with eegarchive.edit(path) as night:
        night.add_signal("empty", np.empty(0, "<f4"), 100.0)
        night.copy_signal("empty", "as empty")
        night.set_signal("empty", units="uV")
        night.freeze("nothing")
        night.drop_signals(["empty"])
        with pytest.raises(eegarchive.EEGArchiveError, match="no segment is as long as 30 s"):
            night.set_epochs()
    with eegarchive.open(path) as archive:
        assert list(archive.signals) == ["as empty"]
        assert len(archive.signals["as empty"]) == 0
        assert archive.freezes["nothing"].signals["empty"].units == "uV"
    assert findings(path) == []


# -- MNE and SciPy ----------------------------------------------------------------------------------------


@pytest.mark.clause("O-7")
def test_a_filter_is_mnes_of_each_segment(psg: Path) -> None:
    mne = pytest.importorskip("mne")
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs=[4])
        night.restructure()
        night.filter(0.5, 35, [FPZ])
        found = night.signals[FPZ]
        truth = PSG.signals[FPZ]
        physical = truth.samples * truth.scale_factor + truth.add_offset
        parts = [
            mne.filter.filter_data(physical[a:b], 100.0, 0.5, 35, verbose="error")
            for a, b in ((0, 9000), (12_000, 30_000))
        ]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:], np.concatenate(parts), rtol=1e-6, atol=1e-5)
        assert not {"digital_minimum", "physical_maximum", "samples_per_record"} & set(found.attributes)
        assert (found.units, found.scale_factor, found.add_offset) == ("uV", 1.0, 0.0)
        assert found.attributes["transducer"] == night.freezes["source"].signals[FPZ].attributes["transducer"]
    assert findings(psg) == []


@pytest.mark.clause("O-7")
def test_resampling_is_scipys_of_each_segment(psg: Path) -> None:
    signal = pytest.importorskip("scipy.signal")
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs=[4])
        night.restructure()
        night.resample(25, [FPZ, PZ])
        for name in (FPZ, PZ):
            truth = PSG.signals[name]
            physical = truth.samples * truth.scale_factor + truth.add_offset
            parts = [
                signal.resample_poly(physical[a:b], 1, 4, padtype="reflect")
                for a, b in ((0, 9000), (12_000, 30_000))
            ]
            found = night.signals[name]
            assert (found.sampling_rate, len(found)) == (25.0, 6750)
            np.testing.assert_allclose(found[:], np.concatenate(parts), rtol=1e-6, atol=1e-4)
        assert night.signals[EOG].sampling_rate == 100.0
    assert findings(psg) == []


def test_without_channels_the_electric_ones_are_meant(psg: Path) -> None:
    pytest.importorskip("scipy")
    with eegarchive.edit(psg) as night:
        assert night.filter(high=30) == NAMES[:3]  # the EMG has 1 Hz
        night.thaw("source")
        night.resample(2)
        rates = [night.signals[name].sampling_rate for name in NAMES]
    assert rates == [2.0, 2.0, 2.0, 1.0, 2.0, 1.0, 1.0]
    assert findings(psg) == []


def test_without_electric_signals_they_have_to_be_named(apnoea: eegarchive.EditableArchive) -> None:
    with pytest.raises(
        eegarchive.EEGArchiveError,
        match="filter: name signals; none of this state is eeg, eog, emg or ecg, and fast enough",
    ):
        apnoea.filter(high=0.1)


def test_samples_stored_by_an_operation_that_fails_leave_a_sound_archive(psg: Path) -> None:
    pytest.importorskip("mne")
    with eegarchive.edit(psg) as night:
        before = unchanged(night)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(
                eegarchive.EEGArchiveError,
                match=r"signal 'Temp rectal': high = 30 Hz must be below half the sampling rate, 0\.5 Hz",
            ):
                night.filter(high=30, channels=[FPZ, "Temp rectal"])
        assert unchanged(night) == before
    assert findings(psg) == []
