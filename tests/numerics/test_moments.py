"""Statistics against SciPy's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eegarchive.numerics import hjorth, lower_median, moments, percentiles

ROWS = np.random.default_rng(6).gamma(2.0, 10.0, (7, 1001))


def test_moments_by_their_definitions() -> None:
    found = moments(ROWS)
    ratio = ROWS.std(axis=1) / ROWS.std(axis=1, ddof=1)
    expected = {
        "mean": ROWS.mean(axis=1),
        "sd": ROWS.std(axis=1, ddof=1),
        "rms": np.sqrt((ROWS**2).mean(axis=1)),
        "skewness": stats.skew(ROWS, axis=1) * ratio**3,
        "kurtosis": stats.kurtosis(ROWS, axis=1),
        "minimum": ROWS.min(axis=1),
        "maximum": ROWS.max(axis=1),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12)


def test_samples_that_do_not_differ_have_no_shape() -> None:
    found = moments(np.full(1000, 0.1))
    assert (found.sd, found.minimum, found.maximum) == (0.0, 0.1, 0.1)
    assert np.isnan([found.skewness, found.kurtosis]).all()
    assert hjorth(np.full(1000, 0.1))[0] == 0


def test_percentiles_are_samples() -> None:
    ranked = np.sort(ROWS, axis=1)
    found = percentiles(ROWS, [0, 1, 50, 70, 99])
    np.testing.assert_array_equal(found.T, ranked[:, [0, 10, 500, 700, 990]])
    # 350 * 0.7 is 244.99999999999997
    assert percentiles(np.arange(350.0), [70])[0] == 245


def test_the_median_of_an_even_number_is_the_lower() -> None:
    assert lower_median([4.0, 1.0, 3.0, 2.0]) == 2.0
    assert lower_median([4.0, 1.0, 3.0]) == 3.0


def test_hjorth_of_a_sine() -> None:
    times = np.arange(100_000) / 1000
    activity, mobility, complexity = hjorth(5 + 3 * np.sin(2 * np.pi * 10 * times))
    assert activity == pytest.approx(4.5, rel=1e-6)
    assert mobility == pytest.approx(2 * np.pi * 10 / 1000, rel=1e-3)
    assert complexity == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("function", [moments, lower_median, lambda values: percentiles(values, [50])])
def test_no_samples(function: object) -> None:
    with pytest.raises(ValueError, match=r"no samples|at least one sample"):
        function([])  # type: ignore[operator]
    with pytest.raises(ValueError, match="three samples"):
        hjorth([1.0, 2.0])
