"""Welch's method against SciPy's, and what only Luna does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from eegarchive.numerics import BANDS, TOTAL, band_power, decibels, segments, welch

RNG = np.random.default_rng(5)
WINDOWS = {"tukey50": signal.windows.tukey, "hann": signal.windows.hann, "none": np.ones}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("rate", [100.0, 128.0, 250.0])
def test_where_segments_fit_it_is_scipy_s(rate: float, window: str) -> None:
    epochs = RNG.normal(3, 20, (5, int(30 * rate)))
    length = int(4 * rate)
    expected_at, expected = signal.welch(
        epochs, rate, WINDOWS[window](length), length, length // 2, detrend=False, scaling="density"
    )
    frequencies, density = welch(epochs, rate, window=window)
    np.testing.assert_allclose(frequencies, expected_at, rtol=1e-13)
    np.testing.assert_allclose(density, expected, rtol=1e-9)


def test_the_last_bin_of_an_odd_segment_is_not_doubled() -> None:
    epochs = RNG.normal(0, 20, (2, 505))
    _, expected = signal.welch(epochs, 101, signal.windows.tukey(505), 505, 0, detrend=False)
    _, density = welch(epochs, 101.0)
    np.testing.assert_allclose(density[:, :-1], expected[:, :-1], rtol=1e-9)
    np.testing.assert_allclose(2 * density[:, -1], expected[:, -1], rtol=1e-9)


def test_many_epochs_are_what_each_is_alone() -> None:
    epochs = RNG.normal(0, 20, (3, 40, 3000))
    together = welch(epochs, 100.0)[1]
    assert together.shape == (3, 40, 201)
    np.testing.assert_allclose(together[2, 39], welch(epochs[2, 39], 100.0)[1], rtol=1e-12)


def test_power_of_a_sine_is_half_the_square_of_its_amplitude() -> None:
    sine = 10 * np.sin(2 * np.pi * 10 * np.arange(3000) / 100)
    frequencies, density = welch(sine, 100.0)
    assert band_power(frequencies, density, *BANDS["ALPHA"]) == pytest.approx(50, rel=1e-3)
    assert band_power(frequencies, density, *TOTAL) == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize(
    ("count", "segment", "overlap", "length", "starts"),
    [
        (2000, 4, 2, 400, list(range(0, 1601, 200))),
        (600, 4, 2, 600, [0]),  # not longer than both together: one segment
        (700, 4, 2, 400, [0, 300]),  # spread to the end
        (900, 4, 2, 400, [0, 250, 500]),
        (600, 4, 1.9, 400, [0, 200]),  # at least two
        (400, 4, 2, 400, [0]),
        (100, 4, 2, 100, [0]),
        (800, 4, 0, 400, [0, 400]),
    ],
)
def test_segments(count: int, segment: float, overlap: float, length: int, starts: list[int]) -> None:
    assert segments(count, 100.0, segment, overlap) == (length, starts)


def test_a_segment_is_rounded_to_samples() -> None:
    assert [segments(3000, rate, 3.3, 0)[0] for rate in (99.0, 101.0)] == [327, 333]


@pytest.mark.parametrize(("segment", "overlap"), [(2, 2), (2, 3), (0.01, 0), (4, -1)])
def test_segments_that_cannot_be(segment: float, overlap: float) -> None:
    with pytest.raises(ValueError, match="a segment must be longer than the overlap"):
        segments(3000, 100.0, segment, overlap)


def test_an_unknown_window() -> None:
    with pytest.raises(ValueError, match="no window 'kaiser'"):
        welch(np.zeros(400), 100.0, window="kaiser")


def test_a_band_has_its_lowest_frequency_and_not_its_highest() -> None:
    frequencies = np.arange(0, 20, 0.25)
    density = np.zeros(len(frequencies))
    density[frequencies == 8] = 4.0
    assert band_power(frequencies, density, 8, 12) == 1.0
    assert band_power(frequencies, density, 4, 8) == 0.0


def test_no_power_is_minus_infinite_decibels() -> None:
    assert decibels([100.0, 0.0]).tolist() == [20.0, -np.inf]
