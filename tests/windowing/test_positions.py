"""Where windows lie, against a model that goes from sample to sample."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eegarchive
from eegarchive.windowing.planning import covered, plan, unmasked

RATES = [1.0, 0.5, 100.0, 128.5, 256.0, 12.8, 1 / 3]


class Columns:
    def __init__(self, **columns: Any) -> None:
        self._columns = {name: np.array(values, float) for name, values in columns.items()}

    def columns(self) -> dict[str, Any]:
        return self._columns


def state_of(segments: list[tuple[float, float]], masked: list[tuple[float, float, bool]]) -> Any:
    return SimpleNamespace(
        segments=Columns(start=[s for s, _ in segments], duration=[d for _, d in segments]),
        epochs=Columns(
            start=[s for s, _, _ in masked],
            duration=[d for _, d, _ in masked],
            masked=[m for _, _, m in masked],
        ),
    )


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Any, float, list[tuple[float, int]]]:
    """A state, its rate, and (start, samples) of its segments."""
    rate = draw(st.sampled_from(RATES))
    at, segments, sizes = draw(st.integers(0, 5)) / 2, [], []
    for _ in range(draw(st.integers(1, 4))):
        samples = draw(st.integers(1, 60))
        segments.append((at, samples / rate))
        sizes.append((at, samples))
        at += samples / rate + draw(st.integers(1, 9)) / 3
    epochs = draw(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30), st.booleans()), max_size=5))
    return state_of(segments, [(a / 4, d / 4, m) for a, d, m in epochs]), rate, sizes


def model(
    rate: float, sizes: list[tuple[float, int]], length: int, step: Fraction
) -> list[tuple[int, float]]:
    """First samples and onsets: in each segment, the first sample at or behind every step."""
    found, before = [], 0
    for start, samples in sizes:
        k = 0
        while True:
            wanted = k * step  # in samples
            first = next((i for i in range(samples + 1) if i >= wanted - Fraction(1, 10**6)), None)
            if first is None or first + length > samples:
                break
            found.append((before + first, start + first / rate))
            k += 1
        before += samples
    return found


@given(recordings(), st.integers(1, 25), st.fractions(1, 20, max_denominator=6))
def test_windows_are_where_the_model_has_them(
    recording: tuple[Any, float, list[tuple[float, int]]], length: int, step: Fraction
) -> None:
    state, rate, sizes = recording
    found = plan(state, rate, length / rate, float(step) / rate)
    expected = model(rate, sizes, length, step)
    assert found.starts.tolist() == [first for first, _ in expected]
    np.testing.assert_allclose(found.onsets, [onset for _, onset in expected], atol=1e-9)
    assert found.numbers.tolist() == list(range(len(expected)))
    assert found.samples == length


@given(recordings(), st.integers(1, 10), st.integers(1, 10))
def test_windows_that_touch_a_masked_epoch_are_found(
    recording: tuple[Any, float, list[tuple[float, int]]], length: int, step: int
) -> None:
    state, rate, _ = recording
    found = plan(state, rate, length / rate, step / rate)
    epochs = state.epochs.columns()
    out = [
        any(
            m and min(end, s + d) - max(onset, s) > 1e-6
            for s, d, m in zip(epochs["start"], epochs["duration"], epochs["masked"], strict=True)
        )
        for onset, end in zip(found.onsets, found.ends, strict=True)
    ]
    assert (~unmasked(found, state)).tolist() == out


def test_rounding_moves_no_window() -> None:
    found = plan(state_of([(0.0, 20.0)], []), 100.0, 1.1, 1.1)  # 1.1 times 100 is a little more than 110
    assert found.starts.tolist() == list(range(0, 1900, 110))
    assert found.samples == 110
    barely = plan(state_of([(0.0, 20.0)], []), 1000.0, 10.0, 10.000005)
    assert barely.starts.tolist() == [0]  # the second one would end a sample too late


def test_overlapping_intervals_count_once_and_ends_may_be_missing() -> None:
    found = plan(state_of([(0.0, 10.0)], []), 10.0, 10.0, 10.0)
    starts = np.array([4.0, 1.0, 2.0, 1.5, 6.0, 9.0])
    ends = np.array([5.0, 3.0, 2.5, math.nan, 6.0, 12.0])
    assert covered(found, starts, ends).tolist() == [pytest.approx(2 + 1 + 1)]
    assert covered(found, starts[:0], ends[:0]).tolist() == [0]


@pytest.mark.parametrize("what", ["length", "step"])
def test_times_shorter_than_a_sample(psg: Any, what: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=f"the {what} of windows is 0.004 s, but a sample"):
        eegarchive.windows(psg, picks="eeg", **{what: 0.004})  # type: ignore[arg-type]
    assert len(eegarchive.windows(psg, 0.01, picks="eeg")) == 30_000  # one sample is enough


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf, 1e300])
@pytest.mark.parametrize("what", ["length", "step"])
def test_times_that_are_none(psg: Any, what: str, wrong: float) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=f"the {what} of windows"):
        eegarchive.windows(psg, picks="eeg", **{what: wrong})  # type: ignore[arg-type]
