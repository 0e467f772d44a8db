"""Spindles that were put into noise are found, and what isn't one isn't."""

from __future__ import annotations

import numpy as np
import pytest

from eegarchive.numerics import SpindleRules, find_spindles, wavelet_power

RATE = 200.0
SECONDS = 600


def pink(seed: int, count: int) -> np.ndarray:
    """Noise like that of an EEG: less of higher frequencies."""
    white = np.random.default_rng(seed).normal(size=count)
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)) / count * RATE + 1)
    values = np.fft.irfft(spectrum, count)
    return np.asarray(10 * values / values.std())


def burst(signal: np.ndarray, centre: float, frequency: float, amplitude: float, width: float = 0.25) -> None:
    times = np.arange(len(signal)) / RATE - centre
    signal += amplitude * np.exp(-(times**2) / (2 * width**2)) * np.cos(2 * np.pi * frequency * times)


CENTRES = np.arange(10.0, SECONDS - 5, 20.0)


@pytest.fixture(scope="module")
def night() -> np.ndarray:
    values = pink(1, int(SECONDS * RATE))
    for centre in CENTRES:
        burst(values, centre, 13.0, 30.0)
    return values


def test_all_of_them_and_no_others(night: np.ndarray) -> None:
    found = find_spindles(night, RATE, SpindleRules(frequency=13.0))
    assert len(found) == len(CENTRES)
    np.testing.assert_allclose(found.peak / RATE, CENTRES, atol=0.2)
    assert ((found.start / RATE < CENTRES) & (found.stop / RATE > CENTRES)).all()
    np.testing.assert_allclose(found.frequency, 13.0, atol=0.5)
    np.testing.assert_allclose(found.spectral_frequency, 13.0, atol=0.5)
    np.testing.assert_allclose(found.amplitude, 60.0, rtol=0.2)
    np.testing.assert_array_equal(found.duration, (found.stop - found.start) / RATE)
    assert (found.duration > 0.5).all()
    assert (found.duration < 1.5).all()
    np.testing.assert_allclose(found.symmetry, 0.5, atol=0.2)


def test_noise_alone_has_next_to_none() -> None:
    assert len(find_spindles(pink(2, int(SECONDS * RATE)), RATE)) <= 3


def test_what_stands_out_everywhere_is_no_spindle(night: np.ndarray) -> None:
    moved = night.copy()
    rng = np.random.default_rng(3)
    at = int(100 * RATE)
    assert not np.isclose(CENTRES, 100).any()
    moved[at : at + int(RATE)] += rng.normal(0, 250, int(RATE))
    rules = SpindleRules(frequency=13.0, core=1.5, flank=1.0)
    kept, all_of_them = (
        find_spindles(moved, RATE, SpindleRules(frequency=13.0, core=1.5, flank=1.0, quality=quality))
        for quality in (rules.quality, None)
    )
    covers = [((found.start < at + RATE) & (found.stop > at)).any() for found in (kept, all_of_them)]
    assert covers == [False, True]


def test_nothing_is_found_across_a_gap() -> None:
    values = pink(4, int(60 * RATE))
    burst(values, 30.0, 13.5, 40.0)
    cut = int(30 * RATE)
    whole = find_spindles(values, RATE)
    assert ((whole.start < cut) & (whole.stop > cut)).sum() == 1
    parts = find_spindles(values, RATE, stretches=[(0, cut), (cut, len(values))])
    assert not ((parts.start < cut) & (parts.stop > cut)).any()


def test_neighbours_are_one() -> None:
    values = pink(5, int(300 * RATE))
    burst(values, 100.0, 13.5, 40.0)
    burst(values, 101.3, 13.5, 40.0)
    near = [len(find_spindles(values, RATE, SpindleRules(merge=merge))) for merge in (0.0, 1.5)]
    assert near == [2, 1]


def test_too_long_is_no_spindle() -> None:
    values = pink(6, int(300 * RATE))
    burst(values, 100.0, 13.5, 40.0, width=2.0)
    assert len(find_spindles(values, RATE)) == 0
    assert len(find_spindles(values, RATE, SpindleRules(longest=20))) == 1


def test_power_of_a_sine_is_the_square_of_its_amplitude_however_it_is_cut() -> None:
    sine = 3 * np.sin(2 * np.pi * 13.5 * np.arange(200_000) / RATE)
    power = wavelet_power(sine, RATE, 13.5, smooth=0.1)
    np.testing.assert_allclose(power[1000:-1000], 9.0, rtol=1e-4)
    part = wavelet_power(sine[:90_000], RATE, 13.5, smooth=0.1)
    np.testing.assert_allclose(part[:80_000], power[:80_000], rtol=1e-5)


def test_flat_and_empty_signals_have_none() -> None:
    assert len(find_spindles(np.zeros(10_000), RATE)) == 0
    assert len(find_spindles(np.empty(0), RATE)) == 0


@pytest.mark.parametrize(("rate", "frequency"), [(30.0, 13.5), (200.0, 2.0)])
def test_a_rate_that_is_too_low(rate: float, frequency: float) -> None:
    with pytest.raises(ValueError, match="the rate at least"):
        find_spindles(np.zeros(1000), rate, SpindleRules(frequency=frequency))
