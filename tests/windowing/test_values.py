"""Physical values of windows: the same with and without the short way for integers that have no offset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eegarchive
from eegarchive.windowing.blocks import Blocks, offset_of, physical


@given(
    st.sampled_from(["<i2", "<i4", "<f4", "<f8"]),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
    st.integers(0, 2**32),
)
def test_values_without_an_offset_are_bit_equal_to_those_with_one_of_zero(dtype, scales, seed):
    drawn = np.random.default_rng(seed).integers(-30_000, 30_000, (3, 9000))
    drawn[:, ::7] = 0  # whose sign shows a negative scale
    stored = drawn.astype(dtype)
    if stored.dtype.kind == "f":
        stored[:, ::14] = -0.0
    scale, offset = np.array(scales)[:, None], np.zeros((3, 1))
    by_hand = (stored.astype(np.float64) * scale + offset).astype(np.float32)
    found = physical(stored, scale, offset_of(scale, offset))
    assert found.dtype == np.float32
    assert found.tobytes() == by_hand.tobytes()


@pytest.mark.parametrize(
    ("scale", "offset", "counts"), [(0.1, 0.0, False), (-0.1, 0.0, True), (0.1, 0.5, True)]
)
def test_an_offset_counts_where_it_changes_a_value(scale, offset, counts):
    assert (offset_of(np.array([[scale]]), np.array([[offset]])) is not None) == counts


def test_overlapping_windows_in_order_decode_every_block_once(tmp_path, monkeypatch):
    source = Path(__file__).parents[1] / "data" / "edf_sleep_psg_30s_records.edf"
    eegarchive.convert(source, tmp_path / "night.h5", codec="fast")
    with eegarchive.open(tmp_path / "night.h5") as night, night._file.reading():
        signal = next(s for s in night.signals.values() if len(s) > 1000)
        monkeypatch.setattr("eegarchive.windowing.blocks._MAX_BLOCK_BYTES", 256 * signal.dtype.itemsize)
        blocks = Blocks([signal], None, 0)
        decoded = []
        monkeypatch.setattr(blocks, "_block", lambda a, b, own=blocks._block: decoded.append(a) or own(a, b))
        for start in range(0, 900, 10):
            found = np.concatenate(blocks.read(start, start + 100), axis=1)[0]
            assert np.array_equal(found, signal.digital[start : start + 100])
    assert decoded == [0, 256, 512, 768]
