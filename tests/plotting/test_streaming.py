"""What is drawn of a signal, against what all its samples say."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

import eegarchive
from eegarchive.plotting import streaming
from eegarchive.plotting.clock import Clock


def everything(signal: Any, segments: Any) -> tuple[Any, Any]:
    """Times and values of all samples, one segment after the other."""
    times = [
        start + np.arange(round(duration * signal.sampling_rate)) / signal.sampling_rate
        for start, duration in zip(segments["start"], segments["duration"], strict=True)
    ]
    return np.concatenate(times), signal[:]


@pytest.mark.parametrize("block", [7, 100, 2**19])
@pytest.mark.parametrize("columns", [10, 37])
def test_an_envelope_has_the_least_and_greatest_of_each_part(
    gaps: Path, block: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_BLOCK_SAMPLES", block)
    with eegarchive.open(gaps) as night:
        clock, signal = Clock.of(night), next(iter(night.signals.values()))
        low, high = streaming.envelope(signal, clock, clock.begin, clock.end, columns)
        times, values = everything(signal, night.segments)
    edges = np.linspace(clock.begin, clock.end, columns + 1)
    part = np.clip(np.searchsorted(edges, times + 1e-9, side="right") - 1, 0, columns - 1)
    for i in range(columns):
        own = values[part == i]
        assert (np.isnan(low[i]), np.isnan(high[i])) == (not len(own), not len(own))
        if len(own):
            assert (low[i], high[i]) == (own.min(), own.max())
    if columns == 37:
        assert np.isnan(low).any()  # 37 parts are fine enough to see the gaps


def test_a_trace_has_every_sample_where_there_are_few_and_breaks_at_gaps(gaps: Path) -> None:
    with eegarchive.open(gaps) as night:
        clock, signal = Clock.of(night), next(iter(night.signals.values()))
        times, values = streaming.trace(signal, clock, clock.begin, clock.end, 10_000)
        wanted, samples = everything(signal, night.segments)
    breaks = np.flatnonzero(np.isnan(values))
    assert len(breaks) == 2
    assert (np.diff(times)[breaks - 1] > 100).all() or (np.diff(times)[breaks] > 100).all()
    there = ~np.isnan(values)
    # slower than 1 Hz: each value stands for as long as it holds
    np.testing.assert_array_equal(values[there], np.repeat(samples, 2))
    np.testing.assert_allclose(times[there][::2], wanted)
    np.testing.assert_allclose(times[there][1::2], wanted + 4)


@pytest.mark.parametrize("block", [500, 2**19])
def test_a_spectrogram_is_welchs(staged: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_BLOCK_SAMPLES", block)
    with eegarchive.open(f"{staged}@source") as night:
        signal, clock = night.signals["EEG C3"], Clock.of(night)
        frequencies, power = streaming.spectrogram(signal, clock, 0, 600, 5, 30)
        for i in range(5):
            wanted = scipy.signal.welch(
                signal[i * 12_000 : (i + 1) * 12_000], 100, "hann", nperseg=400, noverlap=0
            )
            shown = wanted[0] <= 30
            np.testing.assert_allclose(frequencies, wanted[0][shown])
            np.testing.assert_allclose(power[1:, i], wanted[1][shown][1:])
    assert frequencies[power[:, 0].argmax()] == 10


def test_a_spectrogram_has_nothing_in_gaps_and_fills_narrow_columns(staged: Path) -> None:
    with eegarchive.open(f"{staged}@short") as night:
        clock = Clock.of(night)
        signal = night.signals["EEG C3"]
        _, power = streaming.spectrogram(signal, clock, 0, 600, 600, 30)
    there = np.isfinite(power).all(axis=0)
    assert not there[62:178].any()
    assert there[:60].all()
    assert there[181:].all()


def test_no_read_is_longer_than_a_block(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_BLOCK_SAMPLES", 1000)
    longest = 0
    read = eegarchive.state.Signal._get

    def watched(self: Any, index: Any, *arguments: Any) -> Any:
        nonlocal longest
        out = read(self, index, *arguments)
        longest = max(longest, len(out))
        return out

    monkeypatch.setattr(eegarchive.state.Signal, "_get", watched)
    with eegarchive.open(staged) as night:
        signal, clock = night.signals["EEG C3"], Clock.of(night)
        streaming.trace(signal, clock, 0, 600, 100)
        streaming.spectrogram(signal, clock, 0, 600, 100, 30)
    assert 0 < longest <= 1000


SEGMENTS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), min_size=1, max_size=5)


@given(SEGMENTS, st.integers(-10, 200), st.integers(1, 100), st.sampled_from([0.5, 1.0, 4.0, 100.0]))
def test_samples_of_a_stretch_are_those_that_hold_in_it(
    lengths: list[tuple[int, int]], begin: int, lasts: int, rate: float
) -> None:
    starts, ends, at = [], [], 0
    for pause, length in lengths:
        starts.append(float(at + pause))
        at += pause + 2 * length
        ends.append(float(at))
    clock = Clock(np.array(starts), np.array(ends), None, 0, at)
    first, stop = clock.samples(rate, begin, begin + lasts)
    count = int(clock.firsts(rate)[-1])
    times = clock.times(np.arange(count), rate)
    holds = (times < begin + lasts - 1e-9) & (times + 1 / rate > begin + 1e-9)  # times are rounded
    assert list(range(first, stop)) == np.flatnonzero(holds).tolist()


@given(st.floats(0, 1e5), st.floats(0.01, 2e5), st.integers(4, 14), st.booleans())
def test_ticks_are_few_in_order_and_all_different(begin: float, lasts: float, most: int, dated: bool) -> None:
    origin = datetime.datetime(2020, 1, 1, 22, 59, 13) if dated else None
    clock = Clock(np.array([0.0]), np.array([1.0]), origin, 0, 1)
    at, texts = clock.ticks(begin, begin + lasts, most)
    assert len(at) <= most + 1
    assert all(begin - 1e-3 <= t <= begin + lasts + 1e-3 for t in at)
    assert at == sorted(at)
    if lasts < 80_000:
        assert len(set(texts)) == len(texts)


def test_times_are_told_as_people_read_them() -> None:
    dated = Clock(np.array([0.0]), np.array([1.0]), datetime.datetime(2020, 1, 1, 23, 59, 50), 0, 1)
    assert dated.ticks(0, 30, 10)[1] == [
        "23:59:50",
        "23:59:55",
        "00:00:00",
        "00:00:05",
        "00:00:10",
        "00:00:15",
        "00:00:20",
    ]
    plain = Clock(np.array([0.0]), np.array([1.0]), None, 0, 1)
    assert plain.ticks(0, 30 * 3600, 5) == (
        [0.0, 21600.0, 43200.0, 64800.0, 86400.0, 108000.0],
        ["0:00", "6:00", "12:00", "18:00", "24:00", "30:00"],
    )
    assert plain.text(61.25, 2) == "0:01:01.25"
