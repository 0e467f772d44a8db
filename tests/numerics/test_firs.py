"""Kaiser-window filters, against SciPy's design."""

from __future__ import annotations

import numpy as np
import pytest

from eegarchive.numerics import kaiser_fir, kaiser_length

CASES = [
    (100.0, 0.3, 35.0, 1.0, 0.02),
    (256.0, None, 20.0, 2.0, 0.001),
    (128.0, 2.0, None, 0.5, 0.05),
    (100.0, 3.0, 20.0, 1.0, 0.2),
]


@pytest.mark.parametrize("case", CASES)
def test_the_design_is_scipys(case: tuple[float, float | None, float | None, float, float]) -> None:
    signal = pytest.importorskip("scipy.signal")
    rate, low, high, transition, ripple = case
    length, beta = signal.kaiserord(-20 * np.log10(ripple), transition / (rate / 2))
    assert kaiser_length(rate, transition, ripple) == (length | 1, pytest.approx(beta, abs=1e-12))
    kind = "lowpass" if low is None else "highpass" if high is None else "bandpass"
    edges = [edge for edge in (low, high) if edge is not None]
    expected = signal.firwin(length | 1, edges, window=("kaiser", beta), pass_zero=kind, scale=False, fs=rate)
    np.testing.assert_allclose(kaiser_fir(rate, low, high, transition, ripple), expected, atol=1e-15)


def test_gains_are_within_the_ripple() -> None:
    signal = pytest.importorskip("scipy.signal")
    frequencies, gain = signal.freqz(kaiser_fir(100, 10, 30, 2, 0.01), worN=4096, fs=100)
    gain = np.abs(gain)
    assert np.abs(gain[(frequencies > 11) & (frequencies < 29)] - 1).max() < 0.012
    assert gain[(frequencies < 9) | (frequencies > 31)].max() < 0.012
    assert gain[np.argmin(np.abs(frequencies - 10))] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((100, 30, 10, 1, 0.02), "in order"),
        ((100, None, 50, 1, 0.02), "between 0 and 50"),
        ((100, None, None, 1, 0.02), "they are none"),
        ((100, None, 20, 0, 0.02), "above 0"),
        ((100, None, 20, 1, 0.5), "too large; it must be below 0.4"),
    ],
)
def test_what_has_no_filter_is_refused(arguments: tuple[float, ...], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        kaiser_fir(*arguments)
