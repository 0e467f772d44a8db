"""Chunks made and read past HDF5's filters are those HDF5 itself makes and reads."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eegarchive.errors import InvalidArchive
from eegarchive.storage import objects
from eegarchive.storage.codec import CODECS, PORTABLE, codec_of, decode_portable, encode_portable
from eegarchive.storage.fletcher import fletcher32

TYPES = ("<i2", "<i4", "<f4", "<f8", "|u1")


@settings(max_examples=80, deadline=None)
@given(
    samples=st.sampled_from(TYPES).flatmap(
        lambda t: hnp.arrays(t, st.integers(1, 300), elements={"allow_nan": True} if "f" in t else None)
    )
)
def test_hdf5_reads_what_we_encode(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("codec") / "f.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "x",
            (len(samples),),
            samples.dtype,
            chunks=(len(samples),),
            shuffle=True,
            compression=1,
            fletcher32=True,
        )
        made.id.write_direct_chunk((0,), encode_portable(samples), 0)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["x"][:].view(np.uint8), samples.view(np.uint8))


@pytest.mark.parametrize("dtype", TYPES)
def test_we_decode_what_hdf5_encodes(tmp_path: Path, dtype: str) -> None:
    samples = np.random.default_rng(1).integers(0, 200, 1000).astype(dtype)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        made = file.create_dataset(
            "x", data=samples, chunks=(1000,), shuffle=True, compression=6, fletcher32=True
        )
        mask, raw = made.id.read_direct_chunk((0,))
    out = np.empty_like(samples)
    decode_portable(raw, out, "x")
    assert mask == 0
    np.testing.assert_array_equal(out, samples)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 359, 360, 361, 65_536, 524_287, 600_001])
@pytest.mark.parametrize("fill", ["random", "zeros", "ones"])
def test_the_checksum_is_that_of_hdf5(tmp_path: Path, size: int, fill: str) -> None:
    raw = {
        "random": np.random.default_rng(size).integers(0, 256, size, np.uint8),
        "zeros": np.zeros(size, np.uint8),
        "ones": np.full(size, 255, np.uint8),
    }[fill]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        made = file.create_dataset("x", data=raw, chunks=(size,), fletcher32=True)
        _, stored = made.id.read_direct_chunk((0,))
    assert stored[:-4] == raw.tobytes()
    assert int.from_bytes(stored[-4:], "little") == fletcher32(raw.tobytes())


def test_every_flipped_bit_of_a_chunk_is_refused() -> None:
    samples = np.random.default_rng(2).normal(0, 30, 400).astype("<i2")
    raw = encode_portable(samples)
    out = np.empty_like(samples)
    for at in range(len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[at] ^= 1 << bit
            with pytest.raises(InvalidArchive, match="damaged"):
                decode_portable(bytes(damaged), out, "x")


@pytest.mark.parametrize("cut", [0, 3, 4, 20])
def test_a_chunk_cut_short_is_refused(cut: int) -> None:
    raw = encode_portable(np.arange(400, dtype="<i2"))
    with pytest.raises(InvalidArchive, match="damaged"):
        decode_portable(raw[:cut], np.empty(400, "<i2"), "x")


def test_a_chunk_of_another_length_is_refused() -> None:
    raw = encode_portable(np.arange(400, dtype="<i2"))
    with pytest.raises(InvalidArchive, match="damaged"):
        decode_portable(raw, np.empty(401, "<i2"), "x")
    with pytest.raises(InvalidArchive, match="damaged"):
        decode_portable(raw, np.empty(399, "<i2"), "x")


@pytest.mark.parametrize("name", list(CODECS))
def test_a_dataset_tells_its_codec(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "f.h5", "w", libver=("v108", "v110")) as file:
        made = objects.create_dataset(file, np.dtype("<i2"), 10_000, 5_000, CODECS[name])
        assert codec_of(made.id.get_create_plist(), "x").name == name


def test_foreign_filters_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        made = file.create_dataset("x", (100,), "<i2", chunks=(10,), compression="lzf")
        with pytest.raises(InvalidArchive, match="none of the format's codecs"):
            codec_of(made.id.get_create_plist(), "x")


def test_every_codec_ends_in_a_checksum() -> None:
    assert all(codec.filters[-1] == 3 for codec in CODECS.values())
    assert PORTABLE.filters == (2, 1, 3)
