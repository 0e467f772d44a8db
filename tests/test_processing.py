"""Filtering and resampling block by block give what MNE gives for each whole stretch."""

from __future__ import annotations

import itertools
import json
import re
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import mne.filter
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import EEGArchiveError, OddInput, processing
from eegarchive.processing import filter_parameters, filtered, resampled, resampled_lengths

DATA = Path(__file__).parent / "data"

RATES = (0.25, 1.0, 12.8, 25.0, 256 / 3, 100.0, 199.8, 256.0, 486.1921431349669, 512.0)


def stretches_of(lengths: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(itertools.accumulate(lengths, initial=0)))


def noise(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Something like a drifting EEG with a large offset: what brings out a wrong edge."""
    rng = np.random.default_rng(seed)
    return 300 + rng.normal(0, 20, count) + np.cumsum(rng.normal(0, 2, count))


def reader(samples: npt.NDArray[np.float64]) -> processing.Read:
    """Read from an array that nobody may write to, and nothing outside it."""
    samples.flags.writeable = False

    def read(start: int, stop: int) -> npt.NDArray[np.float64]:
        assert 0 <= start < stop
        return samples[start:stop]

    return read


def together(blocks: Iterator[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    found = list(blocks)
    assert all(block.dtype == np.float32 and block.size for block in found)
    return np.concatenate([np.empty(0, np.float32), *found])


def by_mne(
    samples: npt.NDArray[np.float64], low: float | None, high: float | None, rate: float
) -> npt.NDArray[np.float64]:
    return np.asarray(mne.filter.filter_data(samples, rate, low, high, verbose="error"))


def resampled_by_mne(
    samples: npt.NDArray[np.float64], rate: float, new_rate: float
) -> npt.NDArray[np.float64]:
    return np.asarray(
        mne.filter.resample(samples, up=new_rate, down=rate, method="polyphase", verbose="error")
    )


def assert_same(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float64], scale: float) -> None:
    """Equal to one unit in float32's last place, beside what double precision leaves of rounding."""
    assert got.shape == expected.shape
    rounded = expected.astype(np.float32)
    allowed = np.spacing(np.abs(rounded)).astype(np.float64) + 1e-13 * scale
    assert (np.abs(got.astype(np.float64) - rounded) <= allowed).all()


@pytest.fixture
def block_samples(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(processing, "_BLOCK_SAMPLES", size)


def quiet_filtered(*args: object) -> npt.NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OddInput)
        return together(filtered(*args))  # type: ignore[arg-type]


@st.composite
def bands(draw: st.DrawFn) -> tuple[float, float | None, float | None]:
    rate = draw(st.sampled_from(RATES))
    edge = st.floats(0.02 * rate, 0.49 * rate)
    low, high = draw(st.one_of(st.none(), edge)), draw(st.one_of(st.none(), edge))
    assume(low is not None or high is not None)
    assume(low is None or high is None or low < high)
    return rate, low, high


# ---- filters


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=4),
    st.integers(20, 2000),
    bands(),
)
@example([1], 100, (256.0, 8.0, 12.0))  # a single sample
@example([1, 2, 3, 400, 1], 64, (256.0, 5.0, None))  # half the filter is longer than most stretches
@example([105, 106, 211, 212, 422], 20, (256.0, None, 20.0))
@example([4096], 4096, (256.0, 5.0, 35.0))  # one whole block
@example([4097], 4096, (256.0, 5.0, 35.0))  # and one sample in the next
def test_blocks_are_filtered_as_whole_stretches(
    lengths: list[int], size: int, band: tuple[float, float | None, float | None]
) -> None:
    rate, low, high = band
    samples, stretches = noise(sum(lengths)), stretches_of(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processing, "_BLOCK_SAMPLES", size)
        got = quiet_filtered(reader(samples), stretches, rate, low, high)
    expected = [by_mne(samples[a:b], low, high, rate) for a, b in stretches if b > a]
    assert_same(got, np.concatenate([np.empty(0), *expected]), float(np.abs(samples).max(initial=0)))


@settings(deadline=None)
@given(st.sampled_from(RATES), st.data())
def test_the_design_is_mnes_and_can_be_repeated_from_its_parameters(rate: float, data: st.DataObject) -> None:
    edge = st.floats(0.001 * rate, 0.499 * rate)
    low, high = data.draw(st.one_of(st.none(), edge)), data.draw(st.one_of(st.none(), edge))
    assume((low is not None or high is not None) and (low is None or high is None or low < high))
    parameters = json.loads(json.dumps(filter_parameters(rate, low, high)))
    ours = mne.filter.create_filter(
        None, **{k: v for k, v in parameters.items() if k != "pad"}, verbose="warning"
    )
    theirs = mne.filter.create_filter(None, rate, low, high, verbose="warning")
    np.testing.assert_array_equal(ours, theirs)
    assert parameters["filter_length"] == len(theirs)


@pytest.mark.parametrize(("low", "high"), [(0.3, 35.0), (0.5, None), (None, 30.0)])
def test_parameters_are_the_arguments_of_mnes_function(low: float | None, high: float | None) -> None:
    samples = noise(6000)
    np.testing.assert_array_equal(
        mne.filter.filter_data(samples, **filter_parameters(100, low, high), verbose="error"),
        mne.filter.filter_data(samples, 100, low, high, verbose="error"),
    )


def test_nothing_crosses_a_gap() -> None:
    samples = np.concatenate([np.zeros(5000), np.full(5000, 1e6)])
    got = quiet_filtered(reader(samples), [(0, 5000), (5000, 10_000)], 256.0, None, 30.0)
    assert np.abs(got[:5000]).max() == 0
    np.testing.assert_allclose(got[5000:], 1e6, rtol=1e-6)


def test_stretches_shorter_than_the_filter_are_counted_in_one_warning() -> None:
    samples = noise(20_000)
    length = filter_parameters(256, 0.5, None)["filter_length"]
    stretches = stretches_of([length, length - 1, 1, 12_000])
    with pytest.warns(
        OddInput, match=rf"2 of 4 .* \({length} samples.* begins at sample {2 * length - 1} and is 1 long$"
    ):
        filtered(reader(samples), stretches, 256, 0.5, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filtered(reader(samples), [(0, length), (length, length)], 256, 0.5, None)


@pytest.mark.parametrize(
    ("rate", "low", "high", "message"),
    [
        (256, None, None, "neither low nor high"),
        (256, 0, None, "low must be a number above 0 Hz, not 0"),
        (256, -1.0, 30, "low must be a number above 0 Hz, not -1.0"),
        (256, np.nan, None, "low must be a number above 0 Hz, not nan"),
        (256, None, np.inf, "high must be a number above 0 Hz, not inf"),
        (256, None, 128, "high = 128 Hz must be below half the sampling rate, 128 Hz"),
        (25, 12.5, None, "low = 12.5 Hz must be below half the sampling rate, 12.5 Hz"),
        (256, 30, 10, "low = 30 Hz must be below high = 10 Hz; a filter that stops a band isn't offered"),
        (256, 10, 10, "low = 10 Hz must be below high = 10 Hz$"),
        (np.float64(0), 1, 2, "the sampling rate must be a number above 0 Hz, not 0.0"),
        (512, 1e-3, None, f"at most {2**19} are allowed; raise low"),
        (256, None, 127.9999, f"at most {2**19} are allowed; raise low"),
        (256, 5e-324, None, f"at most {2**19} are allowed; raise low"),
    ],
)
def test_wrong_edges_are_refused_at_once_in_one_line(
    rate: float, low: float | None, high: float | None, message: str
) -> None:
    for attempt in (
        lambda: filter_parameters(rate, low, high),
        lambda: filtered(reader(noise(10)), [(0, 10)], rate, low, high),
    ):
        with pytest.raises(EEGArchiveError, match=re.escape(message).replace(r"\$", "$")) as caught:
            attempt()
        assert "\n" not in str(caught.value)


# ---- resampling

#: (sampling rate, new rate, up, down)
RATIOS = [
    (512.0, 100.0, 25, 128),
    (200.0, 256.0, 32, 25),
    (25.0, 1.0, 1, 25),
    (1.0, 25.0, 25, 1),
    (199.8, 200.0, 1000, 999),
    (256 / 3, 256.0, 3, 1),
    (256.0, 256 / 3, 1, 3),
    (100.0, 100.0, 1, 1),
    (1 / 60, 0.1, 6, 1),
    (500 / 1.0284, 256.0, 41136, 78125),
]


@settings(deadline=None)
@given(st.sampled_from(RATIOS), st.lists(st.integers(0, 60), min_size=1, max_size=4), st.integers(1, 3000))
@example((200.0, 256.0, 32, 25), [1, 1, 40], 1)  # stretches within the margin, blocks of one group
@example((1.0, 25.0, 25, 1), [2, 3, 7, 300], 1)  # mirrored many times
def test_blocks_are_resampled_as_whole_stretches(
    case: tuple[float, float, int, int], groups: list[int], size: int
) -> None:
    rate, new_rate, up, down = case
    lengths = [n * down for n in groups]
    assume(sum(lengths) < 200_000 and sum(groups) * up < 200_000 and 1 not in lengths)
    samples, stretches = noise(sum(lengths)), stretches_of(lengths)
    assert resampled_lengths(stretches, rate, new_rate) == [n * up for n in groups]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processing, "_BLOCK_SAMPLES", size)
        got = together(resampled(reader(samples), stretches, rate, new_rate))
    if up == down:  # MNE can't design this filter
        expected = samples
    else:
        parts = [resampled_by_mne(samples[a:b], rate, new_rate) for a, b in stretches if b > a]
        expected = np.concatenate([np.empty(0), *parts])
    np.testing.assert_array_equal(got, expected.astype(np.float32))  # one order of sums, so every bit


def test_a_single_sample_is_repeated() -> None:
    got = together(resampled(reader(np.array([5.0, 7.0])), [(0, 1), (1, 2)], 1, 4))
    np.testing.assert_allclose(got, [5, 5, 5, 5, 7, 7, 7, 7], rtol=2e-3)


def test_a_slow_wave_stays_where_it_was() -> None:
    wave = np.sin(2 * np.pi * 3 * np.arange(512 * 60) / 512)
    got = together(resampled(reader(wave), [(0, len(wave))], 512, 100))
    expected = np.sin(2 * np.pi * 3 * np.arange(100 * 60) / 100)
    np.testing.assert_allclose(got[10:-10], expected[10:-10], atol=2e-3)  # the mirrored ends bend it


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 300), st.integers(1, 300))
def test_rates_that_are_fractions_are_recovered(n: int, d: int, up: int, down: int) -> None:
    rate, new_rate = float(Fraction(n, d)), float(Fraction(n, d) * Fraction(up, down))
    ratio = Fraction(up, down)
    assert resampled_lengths([(5, 5 + 7 * down)], rate, new_rate) == [7 * down * ratio]


def test_a_stretch_that_gives_no_whole_number_is_named() -> None:
    with pytest.raises(
        EEGArchiveError,
        match=r"stretch 1 \(samples 512 to 1127, 2.40234375 s\) would have 240.234375 samples at 100 Hz.*last 39",
    ):
        resampled(reader(noise(1127)), [(0, 512), (512, 1127)], 256, 100)
    assert resampled_lengths([(0, 512), (512, 1127 - 39)], 256, 100) == [200, 225]
    assert resampled_lengths([], 256, 100) == []


@pytest.mark.parametrize(
    ("rate", "new_rate", "message"),
    [
        (256, 0, "the new sampling rate must be a number above 0 Hz, not 0"),
        (256, np.nan, "the new sampling rate must be a number above 0 Hz, not nan"),
        (0, 100, "the sampling rate must be a number above 0 Hz, not 0"),
        (256, 0.1, "256 Hz can't become 0.1 Hz: choose a rate at most 1000 times higher or lower"),
        (1, 1001, "1 Hz can't become 1001 Hz"),
        (np.float64(256), 85.33333, "256.0 Hz and 85.33333 Hz aren't in a ratio"),
        (256, 255.9999, "256.0 Hz and 255.9999 Hz aren't in a ratio"),
        (100, 200.001, "100.0 Hz and 200.001 Hz aren't in a ratio"),
        (256, 512.0003, "256.0 Hz and 512.0003 Hz aren't in a ratio"),
    ],
)
def test_wrong_rates_are_refused_at_once(rate: float, new_rate: float, message: str) -> None:
    with pytest.raises(EEGArchiveError, match=re.escape(message)) as caught:
        resampled(reader(noise(10)), [(0, 10)], rate, new_rate)
    assert "\n" not in str(caught.value)


@given(st.floats(0.01, 5000), st.floats(1.1e-3, 999))
def test_the_rate_that_an_error_proposes_is_accepted(rate: float, factor: float) -> None:
    try:
        resampled_lengths([], rate, rate * factor)
    except EEGArchiveError as error:
        proposed = re.search(r"such as (\S+) Hz$", str(error))
        assert proposed is not None
        assert float(proposed[1]) == pytest.approx(rate * factor, rel=0.5)
        resampled_lengths([], rate, float(proposed[1]))


# ---- both

START: dict[str, Callable[[processing.Read, list[tuple[int, int]]], Iterator[npt.NDArray[np.float32]]]] = {
    "filter": lambda read, stretches: filtered(read, stretches, 256, 5, 35),
    "resample": lambda read, stretches: resampled(read, stretches, 256, 128),
}
START_BOTH = pytest.mark.parametrize("start", START.values(), ids=START)


@START_BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e31, -1e31])
@pytest.mark.parametrize("at", [0, 3000, 3999])
def test_a_sample_that_is_no_number_is_named(
    start: Callable[..., Iterator[object]], bad: float, at: int, block_samples: Callable[[int], None]
) -> None:
    block_samples(512)
    samples = noise(4000)
    samples[[at, 3999]] = bad
    with pytest.raises(
        EEGArchiveError, match=rf"^sample {at} \({at / 256:.10g} s of data.* is {bad:g},".replace("+", r"\+")
    ):
        list(start(reader(samples), [(0, 2000), (2000, 4000)]))


@START_BOTH
def test_a_signal_that_ends_before_its_segments_is_refused(start: Callable[..., Iterator[object]]) -> None:
    with pytest.raises(EEGArchiveError, match="the signal ends at sample 1000"):
        list(start(reader(noise(1000)), [(0, 1002)]))


@START_BOTH
def test_no_stretches_give_no_blocks(start: Callable[..., Iterator[object]]) -> None:
    assert list(start(reader(np.empty(0)), [])) == []
    assert list(start(reader(np.empty(0)), [(0, 0)])) == []


@START_BOTH
def test_a_long_recording_is_never_in_memory(start: Callable[..., Iterator[npt.NDArray[np.float32]]]) -> None:
    """The signal is 59 MB as float64."""

    def read(first: int, last: int) -> npt.NDArray[np.float64]:
        samples: npt.NDArray[np.float64] = np.sin(np.arange(first, last) * 0.1)
        return samples

    list(start(read, [(0, 10_240)]))  # what the modules themselves take when first used
    tracemalloc.start()
    try:
        count = sum(len(block) for block in start(read, [(0, 256 * 3600 * 8)]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count in (256 * 3600 * 8, 128 * 3600 * 8)
    assert peak < 25e6


@START_BOTH
def test_without_mne_the_error_says_what_to_install(
    start: Callable[..., Iterator[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("mne.filter", "scipy.signal"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EEGArchiveError, match=r"pip install 'eegarchive\[mne\]'"):
        start(reader(noise(1000)), [(0, 1000)])


def test_signals_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "night.h5"
    eegarchive.convert(DATA / "edf_sleep_psg_30s_records.edf", path)
    with eegarchive.open(path) as archive:
        signal = archive.signals["EEG Fpz-Cz"]
        whole = signal[:]
        stretches = [(0, len(signal))]

        def read(start: int, stop: int) -> npt.NDArray[np.float64]:
            samples: npt.NDArray[np.float64] = signal[start:stop]
            return samples

        got = together(filtered(read, stretches, signal.sampling_rate, 0.3, 35))
        expected = by_mne(whole, 0.3, 35, 100.0)
        assert_same(got, expected, float(np.abs(whole).max()))
        assert (got == expected.astype(np.float32)).mean() > 0.999
        faster = together(resampled(read, stretches, signal.sampling_rate, 128))
        np.testing.assert_array_equal(faster, resampled_by_mne(whole, 100, 128).astype(np.float32))
