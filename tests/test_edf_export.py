"""Any state goes out as EDF or BDF; pyedflib, edfio, MNE and our own reader say what came out."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import tempfile
import tracemalloc
import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import edf, edf_export, edf_layout
from eegarchive.edf_export import EDFReport, write_edf
from eegarchive.edf_layout import plus_patient_field, plus_recording_field, recording_field

VIRTUAL = Path(__file__).parents[1] / "spec" / "reference" / "1.0" / "virtual_pieces.h5"
START = datetime.datetime(2024, 2, 28, 23, 59, 50)
FIELDS = {"record_duration": "1", "local_recording_identification": "Startdate 28-FEB-2024 PSG-7 X Device"}


class FakeSignal:
    """A signal in memory, with what `Signal` has."""

    def __init__(
        self,
        name: str,
        samples: np.ndarray,
        rate: float = 100.0,
        scale: float = 1.0,
        offset: float = 0.0,
        **attributes: str | int,
    ) -> None:
        self.name = name
        self.samples = samples
        self.dtype = samples.dtype
        self.sampling_rate, self.scale_factor, self.add_offset = rate, scale, offset
        self.label = str(attributes.pop("label", name))
        self.units = str(attributes.pop("units", "uV"))
        self.attributes = attributes

    def __len__(self) -> int:
        return len(self.samples)

    def read_into(self, out: np.ndarray, start: int, stop: int, put: Any) -> None:
        put(self.samples[start:stop], out)

    def calibrate(self, samples: np.ndarray, out: np.ndarray) -> None:
        np.multiply(samples, self.scale_factor, out=out)
        np.add(out, self.add_offset, out=out)


class FakeTable:
    """A table in memory."""

    def __init__(self, **columns: Sequence[Any]) -> None:
        self._columns = {
            name: np.array([*values, None], object)[:-1] if name == "text" else np.array(values, float)
            for name, values in columns.items()
        }

    def columns(self) -> dict[str, np.ndarray]:
        return self._columns


class FakeState:
    """A state in memory: signals, (start, duration) of segments, (onset, duration, text) of annotations."""

    def __init__(
        self,
        *signals: FakeSignal,
        segments: Sequence[tuple[float, float]] | None = None,
        annotations: Sequence[tuple[float, float, str]] = (),
        start: datetime.datetime | None = START,
    ) -> None:
        self.signals = {signal.name: signal for signal in signals}
        if segments is None:
            segments = [(0.0, len(signals[0]) / signals[0].sampling_rate)] if signals else []
        self.segments = FakeTable(start=[s for s, _ in segments], duration=[d for _, d in segments])
        self.annotations = FakeTable(
            onset=[a[0] for a in annotations],
            duration=[a[1] for a in annotations],
            text=[a[2] for a in annotations],
        )
        self.start = start


def ramp(count: int = 1000, dtype: str = "<i2") -> np.ndarray:
    return (np.arange(count) * 37 % 2001 - 1000).astype(dtype)


def eeg(name: str = "C3", count: int = 1000, rate: float = 100.0, **attributes: Any) -> FakeSignal:
    """A digital signal as EDF has them: 0.1 uV a step."""
    limits = {
        "physical_minimum": "-3276.8",
        "physical_maximum": "3276.7",
        "digital_minimum": "-32768",
        "digital_maximum": "32767",
        "physical_dimension": "uV",
        "transducer": "AgAgCl cup",
        "prefiltering": "HP:0.3Hz",
        "samples_per_record": 7,
        "reserved": "",
    }
    scale = (3276.7 + 3276.8) / 65535
    return FakeSignal(name, ramp(count), rate, scale, -3276.8 + 32768 * scale, **{**limits, **attributes})


def write(state: Any, target: Path, fields: Any = FIELDS, **options: Any) -> EDFReport:
    return write_edf(state, fields, target, **options)


def header_of(path: Path) -> edf.Header:
    with open(path, "rb") as file:
        return edf.read_header(file, str(path))


def back(path: Path) -> eegarchive.Archive:
    """The file as an archive again."""
    target = path.with_name(f"{path.name}.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(path, target, overwrite=True)
    return eegarchive.open(target)


def refused(state: Any, target: Path, match: str) -> None:
    """The state can't be written, the message says why, and nothing is left."""
    before = sorted(os.listdir(target.parent))
    with pytest.raises(eegarchive.EEGArchiveError, match=match) as caught:
        write(state, target)
    assert str(target) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(target.parent)) == before


def assert_same_signals(written: Any, read: eegarchive.Archive) -> None:
    """Digital samples, scale and header texts are those of the written state."""
    assert [s.label.strip() for s in written.values()] == [s.label.strip() for s in read.signals.values()]
    for one, other in zip(written.values(), read.signals.values(), strict=True):
        samples = np.empty(len(one), one.dtype)
        one.read_into(samples, 0, len(one), lambda samples, out: np.copyto(out, samples))
        np.testing.assert_array_equal(samples, other.digital[:])
        assert one.scale_factor == other.scale_factor
        assert one.add_offset == other.add_offset
        assert one.sampling_rate == other.sampling_rate
        assert one.units == other.units
        for name in ("transducer", "physical_minimum", "digital_maximum", "prefiltering"):
            assert one.attributes.get(name) == other.attributes[name]


# --- real recordings, and the referees


def mne_reader(path: Path) -> Any:
    import mne

    return mne.io.read_raw_bdf if path.suffix == ".bdf" else mne.io.read_raw_edf


def test_every_working_state_comes_back_equal(
    recording: Path, archives: dict[str, Path], tmp_path: Path
) -> None:
    with eegarchive.open(archives[recording.stem]) as archive:
        kind = str(archive.provenance["source_kind"])
        target = tmp_path / f"again.{kind[:3].lower()}"
        report = write(archive, target, archive.edf_header)
        assert report.quantised == {}
        assert report.kind == (kind if len(archive.annotations) or kind.endswith("D") else kind[:3])
        with back(target) as again:
            assert_same_signals(archive.signals, again)
            for table, columns in (
                ("segments", ("start", "duration")),
                ("annotations", ("onset", "duration", "text", "kind", "channel")),
            ):
                for column in columns:
                    np.testing.assert_array_equal(
                        getattr(archive, table)[column], getattr(again, table)[column]
                    )
            assert again.start == (archive.start or datetime.datetime(1985, 1, 1))
            unstated = {"start-dates-differ", "num-records", "tail", "plus-not-stated", "start-unknown"}
            assert not unstated & set(again.warnings["code"])


def test_referees_read_every_working_state(
    recording: Path, archives: dict[str, Path], tmp_path: Path
) -> None:
    import edfio
    import pyedflib

    with eegarchive.open(archives[recording.stem]) as archive:
        suffix = str(archive.provenance["source_kind"])[:3].lower()
        target = tmp_path / f"again.{suffix}"
        report = write(archive, target, archive.edf_header)
        signals = list(archive.signals.values())
        read = edfio.read_bdf(target) if suffix == "bdf" else edfio.read_edf(target)
        assert len(read.annotations) == len(archive.annotations)
        for signal, other in zip(signals, read.signals, strict=True):
            np.testing.assert_array_equal(signal.digital[:], other.digital)
        if report.kind.endswith("+D"):  # EDFlib reads no gaps
            with pytest.raises(OSError, match="discontinuous"):
                pyedflib.EdfReader(str(target))
        else:
            with pyedflib.EdfReader(str(target)) as reader:
                assert len(reader.readAnnotations()[0]) == len(archive.annotations)
                for i, signal in enumerate(signals):
                    np.testing.assert_array_equal(reader.readSignal(i, digital=True), signal.digital[:])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = mne_reader(target)(target, preload=False, verbose="ERROR")
            assert len(raw.ch_names) == len(signals)
            if signals and len({signal.sampling_rate for signal in signals}) == 1:
                assert raw.n_times == len(signals[0])
                samples, wanted = raw.get_data(0)[0], signals[0][:]
                assert np.corrcoef(samples, wanted)[0, 1] > 0.999999 or not wanted.std()


def test_a_state_of_pieces_and_gaps_is_written_as_it_is_read(tmp_path: Path) -> None:
    with eegarchive.open(VIRTUAL) as archive:
        report = write(archive, tmp_path / "a.edf", archive.edf_header)
        assert (report.kind, report.record_duration, report.num_records) == ("EDF+D", 10.0, 10)
        with back(tmp_path / "a.edf") as again:
            assert_same_signals(archive.signals, again)
            assert again.segments["start"].tolist() == [0.0, 60.0]
            assert again.segments["duration"].tolist() == [50.0, 50.0]


def test_an_archive_of_edf_goes_into_bdf(archives: dict[str, Path], tmp_path: Path) -> None:
    with eegarchive.open(archives["edf_sleep_psg_30s_records"]) as archive:
        assert write(archive, tmp_path / "a.bdf", archive.edf_header).kind == "BDF"
        assert header_of(tmp_path / "a.bdf").texts["reserved"] == "24BIT"
        with back(tmp_path / "a.bdf") as again:
            assert_same_signals(archive.signals, again)
            assert {signal.dtype.str for signal in again.signals.values()} == {"<i4"}


# --- digital signals


def test_header_texts_stay_and_edited_label_and_units_count(tmp_path: Path) -> None:
    write(FakeState(eeg("a", label="C3-M2", units="mV")), tmp_path / "a.edf")
    texts = header_of(tmp_path / "a.edf").signals[0].texts
    assert (texts["label"], texts["physical_dimension"]) == ("C3-M2", "mV")
    assert (texts["transducer"], texts["prefiltering"]) == ("AgAgCl cup", "HP:0.3Hz")
    assert (texts["physical_minimum"], texts["digital_maximum"]) == ("-3276.8", "32767")


@pytest.mark.parametrize(
    ("scale", "offset", "dtype", "suffix"),
    [
        (0.1, 0.0, "<i2", "edf"),
        (0.0001, 0.0, "<i2", "edf"),
        (-0.25, 3.0, "<i2", "edf"),
        (0.1, 0.0, "<i4", "edf"),
        (0.03125, 0.0, "<i4", "bdf"),
        (0.5, 100.0, "<i2", "bdf"),
        (1.0, 0.0, "<i4", "bdf"),
        (1.0, 0.0, "<i2", "edf"),
        (1.0, 0.0, "<i2", "bdf"),
        (1e-6, 0.0, "<i2", "edf"),
        (1000.0, 0.0, "<i2", "edf"),
    ],
)
def test_a_digital_signal_without_limits_gets_some_of_the_same_scale(
    scale: float, offset: float, dtype: str, suffix: str, tmp_path: Path
) -> None:
    signal = FakeSignal("x", ramp(dtype=dtype), scale=scale, offset=offset)
    target = tmp_path / f"a.{suffix}"
    write(FakeState(signal), target)
    with back(target) as again:
        read = again.signals["x"]
        np.testing.assert_array_equal(read.digital[:], signal.samples)
        np.testing.assert_allclose(read[:], signal.samples * scale + offset, rtol=0, atol=abs(scale) * 1e-6)
        assert read.units == "uV"
        if dtype == "<i2":
            assert abs(int(read.attributes["digital_maximum"])) <= 32767


def test_limits_follow_an_edited_scale_through_the_old_digital_limits(tmp_path: Path) -> None:
    # 200 uV over 4095 steps, turned to mV: only the old digital limits have short physical ones
    scale = 0.2 / 4095
    signal = FakeSignal("x", ramp(), scale=scale, offset=-0.1 + 2048 * scale, units="mV")
    signal.attributes = {
        "physical_minimum": "-100",
        "physical_maximum": "100",
        "digital_minimum": "-2048",
        "digital_maximum": "2047",
        "physical_dimension": "uV",
    }
    write(FakeState(signal), tmp_path / "a.edf")
    texts = header_of(tmp_path / "a.edf").signals[0].texts
    assert [texts[f"physical_{which}"] for which in ("minimum", "maximum")] == ["-0.1", "0.1"]
    assert texts["physical_dimension"] == "mV"


def test_the_old_digital_limits_stay_where_they_can(tmp_path: Path) -> None:
    limits = {"physical_minimum": "-80", "physical_maximum": "80", "physical_dimension": "uV"}
    small = {**limits, "digital_minimum": "-800", "digital_maximum": "800"}
    large = {**limits, "digital_minimum": "-8000000", "digital_maximum": "8000000"}
    state = FakeState(
        FakeSignal("edited", ramp(), scale=0.2, **small),
        FakeSignal("too many bits", ramp(dtype="<i4"), scale=1e-5, **large),
    )
    write(state, tmp_path / "a.edf")
    edited, reduced = header_of(tmp_path / "a.edf").signals
    assert (edited.physical_maximum, edited.digital_maximum) == (160.0, 800.0)
    assert reduced.digital_maximum is not None
    assert reduced.digital_maximum <= 32767
    assert reduced.calibration == pytest.approx((1e-5, 0.0))


def test_a_scale_that_no_limits_can_say_is_refused(tmp_path: Path) -> None:
    signal = FakeSignal("x", ramp(), scale=1 / 3 * 1e-3)
    refused(FakeState(signal), tmp_path / "a.edf", r"signal 'x'.*change its units or write a \*\.bdf")
    signal = FakeSignal("x", ramp(), scale=0.0)
    refused(FakeState(signal), tmp_path / "a.edf", "signal 'x': its scale is 0.0")


@pytest.mark.parametrize("extreme", [32768, -32769])
def test_values_beyond_16_bits_ask_for_bdf(extreme: int, tmp_path: Path) -> None:
    samples = ramp(dtype="<i4")
    samples[777] = extreme
    state = FakeState(FakeSignal("x", samples, scale=0.1))
    refused(state, tmp_path / "a.edf", r"signal 'x': has values outside -32768 to 32767.*write a \*\.bdf")
    write(state, tmp_path / "a.bdf")
    with back(tmp_path / "a.bdf") as again:
        assert again.signals["x"].digital[777] == extreme
    samples[777] *= 256
    refused(state, tmp_path / "b.bdf", r"signal 'x': has values outside -8388608 to 8388607")


def test_an_uncalibrated_signal_stays_so(tmp_path: Path) -> None:
    signal = eeg(units="", physical_minimum="0", physical_maximum="0")
    signal.scale_factor, signal.add_offset = 1.0, 0.0
    write(FakeState(signal), tmp_path / "a.edf")
    with back(tmp_path / "a.edf") as again:
        read = again.signals["C3"]
        assert (read.scale_factor, read.units) == (1.0, "")
        assert read.attributes["physical_dimension"] == "uV"
        assert read.attributes["physical_maximum"] == "0"
    signal.scale_factor = 0.5  # calibrated by hand: without units
    write(FakeState(signal), tmp_path / "b.edf")
    with back(tmp_path / "b.edf") as again:
        assert (again.signals["C3"].scale_factor, again.signals["C3"].units) == (0.5, "")


# --- floating point


@pytest.mark.parametrize(("suffix", "levels"), [("edf", 2**16), ("bdf", 2**24)])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_floating_point_is_quantised_and_the_error_measured(
    suffix: str, levels: int, dtype: str, tmp_path: Path
) -> None:
    values = (np.random.default_rng(1).normal(0, 50, 3000) + 1234.5).astype(dtype)
    target = tmp_path / f"a.{suffix}"
    report = write(FakeState(FakeSignal("x", values, units="mmHg")), target)
    with back(target) as again:
        read = again.signals["x"]
        assert read.units == "mmHg"
        error = float(np.abs(read[:] - values).max())
        limits = header_of(target).signals[0]
    assert report.quantised == {"x": error}
    assert 0.2 < error / (np.ptp(values) / levels) < 0.52
    assert limits.physical_minimum <= values.min() <= values.max() <= limits.physical_maximum  # type: ignore[operator]


def test_the_error_is_the_largest_of_all_blocks(tmp_path: Path) -> None:
    values = np.full(2_500_000, -1.0)  # which the limits say exactly
    values[:1000] = np.linspace(-0.999, 1, 1000)
    report = write(FakeState(FakeSignal("x", values, 1000.0)), tmp_path / "a.edf")
    assert 1e-6 < report.quantised["x"] < 2e-5


def test_limits_have_no_minus_zero(tmp_path: Path) -> None:
    write(FakeState(FakeSignal("x", np.linspace(-1, -1e-9, 100))), tmp_path / "a.edf")
    assert header_of(tmp_path / "a.edf").signals[0].texts["physical_maximum"] == "0"


@pytest.mark.parametrize("value", [0.0, 5.5, -3.25, 99999999.0, -9999999.0, 1 / 11, -1234567.875, 1e-12])
@pytest.mark.parametrize("suffix", ["edf", "bdf"])
def test_a_constant_is_written(value: float, suffix: str, tmp_path: Path) -> None:
    report = write(FakeState(FakeSignal("x", np.full(300, value))), tmp_path / f"a.{suffix}")
    exact = value not in (1 / 11, -1234567.875, 1e-12)
    assert (report.quantised["x"] == 0) == exact
    with back(tmp_path / f"a.{suffix}") as again:
        np.testing.assert_allclose(again.signals["x"][:], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_with_its_place(bad: float, tmp_path: Path) -> None:
    values = np.zeros(2000)
    values[1500] = bad
    state = FakeState(eeg(count=2000), FakeSignal("x", values), segments=[(0, 10), (100, 10)])
    refused(state, tmp_path / "a.edf", rf"signal 'x': is {bad} at 105 s \(sample 1500\).*replace such values")


def test_values_that_eight_characters_cannot_say_are_refused(tmp_path: Path) -> None:
    for values, match in (
        ([0.0, 1e8], r"go from 0 to 1e\+08, more than.*change its units"),
        ([-1e300, 0.0], r"more than the header's 8 characters can say"),
        ([0.0, 1e-10], r"leave fewer than 100 levels; change its units"),
        ([5e6, 5e6 + 1e-4], r"leave fewer than 100 levels"),
    ):
        state = FakeState(FakeSignal("x", np.resize(values, 100)))
        refused(state, tmp_path / "a.edf", f"signal 'x'.*{match}")
    volts = np.array([-5e-5, 5e-5] * 50)
    report = write(FakeState(FakeSignal("x", volts, units="V")), tmp_path / "a.edf")
    assert report.quantised["x"] < 1e-9


# --- records


@pytest.mark.parametrize(
    ("source", "rates", "durations", "expected"),
    [
        ("1", [100], [10], "1"),
        ("30", [100, 1], [60, 30], "30"),
        ("30", [100, 1], [60, 45], "15"),
        ("30", [512] * 20, [60], "2.5"),  # 49,152 bytes: 61,440 are the most
        ("1", [100, 0.5], [10, 20], "2"),
        ("1", [100, Fraction(1, 60)], [120], "60"),
        ("1.0284", [Fraction(5000000, 10284), Fraction(500000, 10284)], [Fraction("37.0224")], "1.0284"),
        # 6474671031/8428100 Hz is the same float, and of no use
        ("3.254258", [Fraction(2500) / Fraction("3.254258")], [4 * Fraction("3.254258")], "3.254258"),
        ("1.028400", [100], [Fraction("37.03")], "0.23"),
        ("0", [256], [Fraction(1, 256)], None),
        ("bad", [256], [Fraction(1, 128)], None),
        ("1", [256], [Fraction(5, 64)], "0.078125"),
        ("1", [300], [Fraction(7, 3)], None),
    ],
)
def test_the_record_duration(
    source: str, rates: list[Any], durations: list[Any], expected: str | None, tmp_path: Path
) -> None:
    lasts = [Fraction(d) for d in durations]
    starts = [10 * i + sum(lasts[:i]) for i in range(len(lasts))]
    signals = [
        FakeSignal(f"s{i}", ramp(int(sum(lasts) * Fraction(rate))), float(rate))
        for i, rate in enumerate(rates)
    ]
    segments = [(float(a), float(b)) for a, b in zip(starts, lasts, strict=True)]
    state = FakeState(*signals, segments=segments)
    if expected is None:
        refused(state, tmp_path / "a.edf", "no record duration of 8 characters gives")
        return
    report = write(state, tmp_path / "a.edf", {"record_duration": source})
    assert report.record_duration == float(expected)
    assert header_of(tmp_path / "a.edf").texts["record_duration"] == expected
    with back(tmp_path / "a.edf") as again:
        assert [s.sampling_rate for s in again.signals.values()] == [s.sampling_rate for s in signals]
        assert again.segments["start"].tolist() == [a for a, _ in segments]
        assert again.segments["duration"].tolist() == [b for _, b in segments]


def test_a_record_of_many_megabytes_is_cut_into_blocks(tmp_path: Path) -> None:
    count = 2_500_000
    signals = [
        FakeSignal("a", ramp(count), 1e6),
        FakeSignal("slow", ramp(1), 0.4),  # asks for records of 2.5 s
        FakeSignal("b", ramp(count)[::-1].copy(), 1e6),
    ]
    annotations = [(0.5, np.nan, "lights off"), (1.5, 2.0, "Sleep stage W")]
    state = FakeState(*signals, segments=[(0.25, 2.5)], annotations=annotations)
    report = write(state, tmp_path / "a.edf")
    assert (report.num_records, report.record_duration) == (1, 2.5)
    assert header_of(tmp_path / "a.edf").record_bytes > 2 * 2**22
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == [0.25]
        assert again.annotations["text"].tolist() == ["lights off", "Sleep stage W"]
        np.testing.assert_array_equal(again.signals["b"].digital[:], signals[2].samples)


def test_records_keep_within_what_readers_and_fields_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = FakeState(FakeSignal("a", ramp(6_000_000), 1e6), FakeSignal("slow", ramp(1), 1 / 6))
    refused(large, tmp_path / "a.edf", "at most 10 MiB; 'slow' .* is the hardest")
    monkeypatch.setattr(edf_layout, "_MAX_RECORDS", 5)
    report = write(FakeState(eeg()), tmp_path / "a.edf")
    assert (report.num_records, report.record_duration) == (5, 2.0)


def test_a_segment_without_samples_is_left_out(tmp_path: Path) -> None:
    write(FakeState(eeg(), segments=[(0, 5), (7, 0), (20, 5)]), tmp_path / "a.edf")
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == [0.0, 20.0]
        assert again.segments["duration"].tolist() == [5.0, 5.0]
    assert write(FakeState(eeg(), segments=[(0, 10), (20, 0)]), tmp_path / "b.edf").kind == "EDF"


def test_records_before_an_unknown_start_have_negative_onsets(tmp_path: Path) -> None:
    segments = [(-6.5, 3.0), (-3.25, 7.0)]
    write(FakeState(eeg(), segments=segments, start=None), tmp_path / "a.edf")
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == [-6.5, -3.25]
        assert again.segments["duration"].tolist() == [3.0, 7.0]


def test_a_signal_that_does_not_fit_the_segments_is_named(tmp_path: Path) -> None:
    slow = FakeSignal("slow", ramp(2), 1 / 30)
    state = FakeState(eeg(count=6000), slow, segments=[(0, 30), (40, 15), (60, 15)])
    refused(state, tmp_path / "a.edf", r"signal 'slow' \(0.03333333333 Hz\).*segment 1 \(40 s, 15 s long\)")
    state = FakeState(eeg(count=1000), FakeSignal("odd", ramp(11), 1.0), segments=[(0, 10)])
    refused(state, tmp_path / "a.edf", r"signal 'odd' has 11 samples, the segments ask for 10")
    state = FakeState(eeg(), segments=[])
    refused(state, tmp_path / "a.edf", r"signal 'C3' has 1000 samples, the segments ask for 0")
    state = FakeState(FakeSignal("C3", ramp(), 0.0), segments=[(0, 10)])
    refused(state, tmp_path / "a.edf", "signal 'C3' has no sampling rate")


def test_signals_without_samples_are_left_out_with_a_warning(tmp_path: Path) -> None:
    state = FakeState(eeg(), FakeSignal("empty", ramp(0), 0.0))
    with pytest.warns(eegarchive.OddInput, match="signals without samples are left out: empty"):
        write(state, tmp_path / "a.edf")
    assert [signal.label for signal in header_of(tmp_path / "a.edf").signals] == ["C3"]
    refused(FakeState(), tmp_path / "b.edf", "neither samples nor annotations")


# --- clock and kinds


def test_touching_segments_are_one_and_gaps_make_it_discontinuous(tmp_path: Path) -> None:
    for second, kind in ((5.0, "EDF"), (5.004, "EDF"), (5.006, "EDF+D"), (7.5, "EDF+D"), (4.0, "EDF+D")):
        state = FakeState(eeg(), segments=[(0.0, 5.0), (second, 5.0)])
        assert write(state, tmp_path / "a.edf", overwrite=True).kind == kind
        with back(tmp_path / "a.edf") as again:
            expected = [0.0] if kind == "EDF" else [0.0, second]
            assert again.segments["start"].tolist() == expected


def test_a_late_first_segment_moves_the_start(tmp_path: Path) -> None:
    state = FakeState(
        eeg(),
        segments=[(30.0, 4.0), (40.5, 6.0)],
        annotations=[
            (-2.0, np.nan, "before"),
            (10.0, 0.0, "early"),
            (36.25, 1.5, "in the gap"),
            (41, 30, "W"),
        ],
    )
    report = write(state, tmp_path / "a.edf")
    assert (report.shifted, report.kind) == (30.0, "EDF+D")
    header = header_of(tmp_path / "a.edf")
    assert header.texts["startdate"] == "29.02.24"
    assert header.texts["starttime"] == "00.00.20"
    assert header.texts["local_recording_identification"] == "Startdate 29-FEB-2024 PSG-7 X Device"
    with back(tmp_path / "a.edf") as again:
        assert again.start == START + datetime.timedelta(seconds=30)
        assert again.segments["start"].tolist() == [0.0, 10.5]
        assert again.annotations["onset"].tolist() == [-32.0, -20.0, 6.25, 11.0]
        np.testing.assert_array_equal(again.annotations["duration"], [np.nan, 0.0, 1.5, 30.0])


@pytest.mark.parametrize(
    ("first", "shifted", "kind"),
    [(5.0, 5.0, "EDF"), (0.5, 0.0, "EDF+C"), (7.25, 7.0, "EDF+C"), (-1.5, -2.0, "EDF+C")],
)
def test_the_first_record_is_less_than_a_second_after_the_start(
    first: float, shifted: float, kind: str, tmp_path: Path
) -> None:
    import pyedflib

    report = write(FakeState(eeg(), segments=[(first, 10)]), tmp_path / "a.edf")
    assert (report.shifted, report.kind) == (shifted, kind)
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == [first - shifted]
        assert again.start == START + datetime.timedelta(seconds=shifted)
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as reader:
        assert reader.getStartdatetime().replace(microsecond=0) == START + datetime.timedelta(seconds=shifted)


def test_an_unknown_start_is_the_first_of_1985_and_onsets_stay(tmp_path: Path) -> None:
    state = FakeState(eeg(), segments=[(30.0, 10)], annotations=[(31.0, np.nan, "x")], start=None)
    assert write(state, tmp_path / "a.edf").shifted == 0
    texts = header_of(tmp_path / "a.edf").texts
    assert (texts["startdate"], texts["starttime"]) == ("01.01.85", "00.00.00")
    assert texts["local_recording_identification"] == "Startdate X PSG-7 X Device"
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == [30.0]
        assert again.annotations["onset"].tolist() == [31.0]


@pytest.mark.parametrize("year", [1931, 2090])
def test_a_year_that_two_digits_cannot_say_makes_it_plus(year: int, tmp_path: Path) -> None:
    state = FakeState(eeg(), start=datetime.datetime(year, 5, 6, 7, 8, 9))
    assert write(state, tmp_path / "a.edf", {}).kind == "EDF+C"
    with back(tmp_path / "a.edf") as again:
        assert again.start == state.start


def test_every_onset_of_a_long_discontinuous_recording_is_exact(tmp_path: Path) -> None:
    starts = [0.1 + 0.2, 1000.1234567891234, 123456.5]
    state = FakeState(eeg(count=600), segments=[(start, 2.0) for start in starts])
    report = write(state, tmp_path / "a.edf", {"record_duration": "0.5"})
    assert report.num_records == 12
    with back(tmp_path / "a.edf") as again:
        assert again.segments["start"].tolist() == starts
    onsets = [start + k * 0.5 for start in starts for k in range(4)]
    raw = (tmp_path / "a.edf").read_bytes()
    stated = [float(found) for found in re.findall(rb"([+-][\d.]+)\x14\x14\0", raw[768:])]
    np.testing.assert_allclose(stated, onsets, rtol=0, atol=1e-7)


# --- identification


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", "MCH-0234567 F 02-MAY-1951 Haagse_Harry"),
        ("X X X X", "X X X X"),
        ("X M X name and more", "X M X name and more"),
        ("", "X X X X"),
        ("John Doe", "X X X John_Doe"),
        ("X f 02-MAY-1951 Harry", "X X X X_f_02-MAY-1951_Harry"),
        ("X F 02-may-1951 Harry", "X X X X_F_02-may-1951_Harry"),
        ("X F 2-MAY-1951 Harry", "X X X X_F_2-MAY-1951_Harry"),
        ("X X X  Two", "X X X X_X_X_Two"),
        ("1 M X Jürgen", "1 M X Jurgen"),
        ("a" * 80, "X X X " + "a" * 74),
    ],
)
def test_the_patient_field(text: str, expected: str) -> None:
    assert plus_patient_field(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Startdate 02-MAR-2002 EMG561 BK/JOP Sony. MNC R.", "Startdate 01-JAN-2020 EMG561 BK/JOP Sony. MNC R."),
        ("Startdate X X X X", "Startdate 01-JAN-2020 X X X"),
        ("", "Startdate 01-JAN-2020 X X X"),
        ("110 seconds from 13-JUL-2000", "Startdate 01-JAN-2020 X X 110_seconds_from_13-JUL-2000"),
        ("Startdate 02-MAR-2002 Sony", "Startdate 01-JAN-2020 X X Sony"),
        ("Startdate X a b " + "c" * 64, "Startdate 01-JAN-2020 X X a_b_" + "c" * 50),
    ],
)  # fmt: skip
def test_the_recording_field(text: str, expected: str) -> None:
    assert plus_recording_field(text, datetime.datetime(2020, 1, 1)) == expected


def test_a_plain_file_keeps_its_identification_but_for_the_date() -> None:
    assert recording_field("Møller's  device", START) == "Møller's  device"
    assert recording_field("Startdate 01-JAN-1999 x", START) == "Startdate 28-FEB-2024 x"
    assert recording_field("Startdate 01-JAN-1999", None) == "Startdate X "


def test_strict_readers_take_the_made_identification(tmp_path: Path) -> None:
    import pyedflib

    fields = {"local_patient_identification": "Jürgen  Größe", "local_recording_identification": "lab 7"}
    write(FakeState(eeg(), annotations=[(1, 2, "x")]), tmp_path / "a.edf", fields)
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as reader:
        assert reader.getPatientName() == "Jurgen Gro?e"
        assert reader.getEquipment() == "lab 7"


# --- annotations


def test_annotations_keep_their_texts_and_order(tmp_path: Path) -> None:
    import mne
    import pyedflib

    rows = [
        (0.0, np.nan, "lights off"),
        (1e-7, 0.1, "snow ☃ 雪"),
        (2.5, 30.0, "Sleep stage N2@@C3"),
        (2.5, np.nan, "second of the same onset"),
        (9.999, 0.0, "a\x14b\x15c\x00d"),
        (86400.125, 1e-05, " spaces "),
        (86401.0, -0.0, "minus zero"),
        (1e15, 5.0, ""),
    ]
    write(FakeState(eeg(), annotations=rows), tmp_path / "a.edf")
    texts = [row[2] for row in rows]
    texts[4] = "a b c d"
    with back(tmp_path / "a.edf") as again:
        assert again.annotations["text"].tolist() == texts
        assert again.annotations["onset"].tolist() == [row[0] for row in rows]
        np.testing.assert_array_equal(again.annotations["duration"], [row[1] for row in rows])
        assert again.annotations["channel"].tolist()[2] == "C3"
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as reader:
        onsets, _, read = reader.readAnnotations()
        assert read[1] == "snow ☃ 雪"
        assert onsets[2] == 2.5
    raw = mne.io.read_raw_edf(tmp_path / "a.edf", verbose="ERROR")
    assert "snow ☃ 雪" in raw.annotations.description


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ((np.nan, 1.0, "x"), "annotation 0 .*needs an onset"),
        ((np.inf, 1.0, "x"), "needs an onset"),
        ((1.0, -2.0, "x"), r"annotation 0 \('x' at 1 s\): lasts -2.0 s.*correct its duration"),
        ((1.0, np.inf, "x"), "lasts inf s"),
        ((1.0, 1.0, "x" * 65537), "its text has 65537 bytes, 65536 at most"),
    ],
)
def test_an_annotation_that_a_tal_cannot_say_is_refused(
    row: tuple[float, float, str], match: str, tmp_path: Path
) -> None:
    refused(FakeState(eeg(), annotations=[row]), tmp_path / "a.edf", match)


def test_annotations_are_spread_over_the_records(tmp_path: Path) -> None:
    rows = [(i / 10, 0.5, f"event {i:04}") for i in range(1000)]
    write(FakeState(eeg(), annotations=rows), tmp_path / "a.edf")
    header = header_of(tmp_path / "a.edf")
    total = sum(len(f"+{i / 10:g}\x150.5\x14event 0000\x14\0") for i in range(1000))
    assert header.num_records == 10
    assert header.signals[1].samples_per_record * 2 < total / 10 + 50
    with back(tmp_path / "a.edf") as again:
        assert again.annotations["text"].tolist() == [row[2] for row in rows]


def test_one_long_text_does_not_widen_more_than_it_must(tmp_path: Path) -> None:
    state = FakeState(eeg(), annotations=[(1.0, np.nan, "x" * 5000), (2.0, np.nan, "y")])
    write(state, tmp_path / "a.edf")
    assert 5000 < header_of(tmp_path / "a.edf").signals[1].samples_per_record * 2 < 5030


def test_annotations_alone_have_records_of_no_duration(tmp_path: Path) -> None:
    import pyedflib

    rows = [(float(i), 30.0, f"Sleep stage {'W123R'[i % 5]}") for i in range(5000)]
    report = write(FakeState(annotations=rows), tmp_path / "a.edf")
    assert (report.kind, report.record_duration, report.num_records) == ("EDF+C", 0.0, 4)
    assert header_of(tmp_path / "a.edf").record_bytes < 31_000
    with back(tmp_path / "a.edf") as again:
        assert again.annotations["text"].tolist() == [row[2] for row in rows]
        assert len(again.segments) == 0
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as reader:
        assert len(reader.readAnnotations()[0]) == 5000


# --- labels and texts


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"label": "C3-M2 filtered 0.3-35"}, r"signal 'C3-M2 filtered 0.3-35': label .*takes 21 bytes, 16 at most"),
        ({"label": "EDF Annotations"}, "signal 'C3': readers take one labelled 'EDF Annotations' for .*rename it"),
        ({"label": "BDF Annotations "}, "rename it"),
        ({"label": "Ã©"}, "label 'Ã©' has characters that EDF can't say"),  # UTF-8 to a reader
        ({"label": "脳波"}, "label '脳波' has characters that EDF can't say"),
        ({"units": "microvolts"}, "physical_dimension 'microvolts' takes 10 bytes, 8 at most"),
        ({"transducer": "x" * 81}, "signal 'C3': transducer .* takes 81 bytes, 80 at most"),
    ],
)  # fmt: skip
def test_texts_that_do_not_fit_are_refused(attributes: dict[str, str], match: str, tmp_path: Path) -> None:
    refused(FakeState(eeg(**attributes)), tmp_path / "a.edf", match)


def test_texts_outside_ascii_are_latin_1_and_warned_of(tmp_path: Path) -> None:
    state = FakeState(eeg("a", label="Ätemfluß", units="µV"), eeg("b", transducer="电极"), eeg("c"))
    with pytest.warns(eegarchive.OddInput, match=r"texts of a, b aren't ASCII"):
        write(state, tmp_path / "a.edf")
    header = header_of(tmp_path / "a.edf")
    assert header.raw[256:272] == "Ätemfluß".encode("latin-1").ljust(16)
    assert header.signals[0].texts["physical_dimension"] == "µV"
    assert header.signals[1].texts["transducer"] == "电极"


def test_characters_that_no_header_may_hold_become_spaces(tmp_path: Path) -> None:
    write(FakeState(eeg(label="C3\x07", transducer="a\nb\ufffdc")), tmp_path / "a.edf")
    texts = header_of(tmp_path / "a.edf").signals[0].texts
    assert (texts["label"], texts["transducer"]) == ("C3", "a b c")


def test_more_signals_than_the_field_counts_are_refused(tmp_path: Path) -> None:
    many = [FakeSignal(f"s{i}", ramp(2), 1.0) for i in range(10_000)]
    refused(FakeState(*many), tmp_path / "a.edf", "10000 signals, EDF has 9999 at most")


# --- files


def test_a_failure_leaves_nothing_and_an_existing_target_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.edf"
    target.write_text("precious")
    with pytest.raises(eegarchive.TargetExists):
        write(FakeState(eeg()), target)
    signal = eeg()

    def fail(*_: Any) -> None:
        raise eegarchive.InvalidArchive("a chunk is damaged")

    signal.read_into = fail  # type: ignore[method-assign]
    with pytest.raises(eegarchive.InvalidArchive):
        write(FakeState(signal), target, overwrite=True)
    assert target.read_text() == "precious"
    assert os.listdir(tmp_path) == ["a.edf"]
    write(FakeState(eeg()), target, overwrite=True)
    assert header_of(target).num_records == 10
    refused(FakeState(eeg()), tmp_path / "a.txt", r"name the file \*\.edf or \*\.bdf")


def test_a_header_that_reads_back_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = edf_export.header_bytes
    for old, new in ((b"10      1       ", b"11      1       "), (b"10      1       ", b"10      2       ")):
        monkeypatch.setattr(edf_export, "header_bytes", lambda *a, o=old, n=new: made(*a).replace(o, n))
        with pytest.raises(eegarchive.VerificationFailed, match="reads back"):
            write(FakeState(eeg()), tmp_path / "a.edf")
        assert os.listdir(tmp_path) == []


def test_progress_adds_up_to_the_size_and_memory_stays_small(tmp_path: Path) -> None:
    count, done = 12_000_000, []
    signals = [
        FakeSignal("a", np.broadcast_to(np.int16(3), count), 1000.0),
        FakeSignal("b", np.broadcast_to(np.float32(3.5), count), 1000.0),
    ]
    rows = [(0.0, 1.0, "x")]
    tracemalloc.start()
    try:
        write(FakeState(*signals, annotations=rows), tmp_path / "a.bdf", progress=done.append)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(done) == (tmp_path / "a.bdf").stat().st_size > 72e6
    assert len(done) > 15
    assert peak < 48 * 2**20


# --- properties

RATES = [Fraction(1), Fraction(100), Fraction(1, 2), Fraction(256), Fraction(64, 5), Fraction(1000, 3)]


@st.composite
def states(draw: st.DrawFn) -> FakeState:
    unit = draw(st.sampled_from([Fraction(30), Fraction(2), Fraction("10"), Fraction("1.5")]))
    allowed = [rate for rate in RATES if (rate * unit).denominator == 1]
    rates = draw(st.lists(st.sampled_from(allowed), min_size=0, max_size=4))
    lasts = [unit * k for k in draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))]
    seconds = st.integers(100, 50_000).map(lambda n: Fraction(n, 100))
    gaps = [draw(st.one_of(st.just(Fraction(0)), seconds)) for _ in lasts]
    ends = itertools.accumulate(a + b for a, b in zip(lasts, gaps, strict=True))
    segments = [(float(end - last), float(last)) for end, last in zip(ends, lasts, strict=True)]
    total = sum(lasts)
    signals = []
    for i, rate in enumerate(rates):
        dtype = draw(st.sampled_from(["<i2", "<i4", "<f4", "<f8"]))
        seed = draw(st.integers(0, 1000))
        samples = np.random.default_rng(seed).integers(-30_000, 30_000, int(total * rate)).astype(dtype)
        signals.append(FakeSignal(f"s{i}", samples, float(rate), 0.5 if dtype[1] == "i" else 1.0))
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
    onset = st.floats(-100, 1e6).map(lambda x: round(x, 4) + 0.0)
    duration = st.one_of(st.just(np.nan), st.floats(0, 1e5))
    rows = sorted(draw(st.lists(st.tuples(onset, duration, text), max_size=30)), key=lambda row: row[0])
    if not rates and not rows:
        rows = [(1.0, np.nan, "x")]
    start = draw(st.sampled_from([START, None]))
    return FakeState(*signals, segments=segments if rates else [], annotations=rows, start=start)


@settings(max_examples=80, deadline=None)
@given(state=states(), suffix=st.sampled_from(["edf", "bdf"]), source=st.sampled_from(["1", "30", "0.5"]))
def test_whatever_is_written_comes_back(state: FakeState, suffix: str, source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"a.{suffix}"
        report = write(state, target, {"record_duration": source})
        with back(target) as again:
            assert len(again.signals) == len(state.signals)
            for one, other in zip(state.signals.values(), again.signals.values(), strict=True):
                assert other.sampling_rate == one.sampling_rate
                if one.dtype.kind == "i":
                    np.testing.assert_array_equal(other.digital[:], one.samples)
                    assert other.scale_factor == 0.5
                else:
                    assert float(np.abs(other[:] - one.samples).max()) == report.quantised[one.name]
                    assert report.quantised[one.name] <= 0.51 * 60_000 / 2 ** (16 if suffix == "edf" else 24)
            joined: list[list[float]] = []
            for start, last in zip(*state.segments.columns().values(), strict=True):
                if joined and abs(sum(joined[-1]) - (start - report.shifted)) < 1e-6:
                    joined[-1][1] += last
                else:
                    joined.append([start - report.shifted, last])
            np.testing.assert_allclose(again.segments["start"], [a for a, _ in joined], rtol=0, atol=1e-9)
            np.testing.assert_allclose(again.segments["duration"], [b for _, b in joined], rtol=0, atol=1e-9)
            rows = state.annotations.columns()
            np.testing.assert_allclose(
                again.annotations["onset"], rows["onset"] - report.shifted, rtol=1e-15, atol=1e-9
            )
            np.testing.assert_array_equal(again.annotations["duration"], rows["duration"])
            cleaned = [re.sub("[\x00\x14\x15]", " ", text) for text in rows["text"]]
            assert again.annotations["text"].tolist() == cleaned
