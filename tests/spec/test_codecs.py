"""Clauses of spec/codecs.md."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # registers bitshuffle
import numpy as np
import pytest

import eegarchive
from eegarchive.storage import objects
from eegarchive.storage.codec import PORTABLE
from eegarchive.storage.fletcher import fletcher32
from eegarchive.storage.samples import Piece

from .breaking import (
    ROOT,
    copy_of,
    edited,
    errors,
    findings,
    first_signal,
    record_state,
    reference,
    store,
    whole,
    write_signals,
)
from .reader import Reader, attributes_of

PIPELINES: dict[str, list[tuple[int, tuple[int, ...] | None]]] = {
    "portable": [(2, None), (1, None), (3, None)],
    "fast": [(32008, (0, 2)), (3, None)],
    "small": [(32008, (0, 3, 3)), (3, None)],
    "none": [(3, None)],
}


@pytest.fixture
def coded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An archive by the codec of the parameter `codec`, of a recording with chunked annotation bytes."""
    recording = ROOT / "tests" / "data" / "edfplusd_oximetry_gaps.edf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(recording, tmp_path / "coded.h5", codec=request.getfixturevalue("codec"))
    return tmp_path / "coded.h5"


def filters_of(dataset: Any) -> list[tuple[int, tuple[int, ...]]]:
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(i) for i in range(creation.get_nfilters())]
    return [(number, options) for number, _, options, _ in filters]


def checksum(raw: bytes) -> bytes:
    """K-4, word by word."""
    first = second = 0
    for i in range(0, len(raw), 2):
        word = raw[i] << 8 | (raw[i + 1] if i + 1 < len(raw) else 0)
        first += word
        second += first

    def folded(total: int) -> int:
        return (total % 65_535 or 65_535) if total else 0

    return struct.pack("<I", folded(second) << 16 | folded(first))


@pytest.mark.clause("K-1", "K-2", "K-8", "T-10", "G-5")
@pytest.mark.parametrize("codec", PIPELINES)
def test_each_codec_is_read_and_has_its_filters(coded: Path, codec: str) -> None:
    assert findings(coded) == []
    with Reader(coded) as reader, eegarchive.open(coded) as archive:
        chunked = 0
        for stored in reader.h5["data"].values():
            if stored.chunks is None:
                continue
            chunked += 1
            found = filters_of(stored)
            assert [number for number, _ in found] == [number for number, _ in PIPELINES[codec]]
            for (_, options), (_, expected) in zip(found, PIPELINES[codec], strict=True):
                if expected is not None:  # HDF5 puts version and element size before
                    assert options[3:] == expected
        assert chunked
        others = [found for _, found in reader.below(reader.h5["edf"]) if isinstance(found, h5py.Dataset)]
        others += [reader.h5[name] for name in ("segments", "annotations", "epochs", "pieces", "history")]
        assert {tuple(number for number, _ in filters_of(found)) for found in others} == {(), (2, 1, 3)}
        for name, signal in archive.signals.items():
            assert np.array_equal(signal.digital[:], reader.samples("/", name))


@pytest.mark.clause("K-3", "K-4", "K-5")
def test_a_portable_chunk_by_hand(small: Path) -> None:
    with Reader(small) as reader:
        name, stored, stop = first_signal(reader.h5)
        dataset = reader.h5["data"][stored]
        mask, raw = dataset.id.read_direct_chunk((0,))
        assert mask == 0
        assert raw[-4:] == checksum(raw[:-4])
        planes = np.frombuffer(zlib.decompress(raw[:-4]), np.uint8).reshape(2, dataset.chunks[0])
        samples = np.ascontiguousarray(planes.T).view("<i2").reshape(-1)
        assert np.array_equal(samples[:stop], reader.samples("/", name))


@pytest.mark.clause("K-3", "K-4", "K-1")
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_chunks_of_another_encoder_are_read(small: Path, level: int) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        samples = np.random.default_rng(level).integers(-3000, 3000, stop).astype("<i2")
        made = store(h5, samples, own)
        planes = samples.view(np.uint8).reshape(-1, 2).T.tobytes()
        packed = zlib.compress(planes, level)
        h5["data"][made].id.write_direct_chunk((0,), packed + checksum(packed), 0)
        write_signals(h5, {**whole(h5), name: [Piece(made, 0, stop)]})
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive, Reader(small) as reader:
        assert np.array_equal(archive.signals[name].digital[:], samples)
        assert np.array_equal(reader.samples("/", name), samples)  # through HDF5's own filters


@pytest.mark.clause("K-4")
@pytest.mark.parametrize("raw", [b"", b"\0\0\0", b"\xff" * 6, b"\xff\xff\x00", b"abc", bytes(range(256)) * 5])
def test_the_checksum_is_hdf5s(raw: bytes) -> None:
    assert struct.pack("<I", fletcher32(raw)) == checksum(raw)
    if raw:
        with h5py.File("memory", "w", driver="core", backing_store=False) as h5:
            made = h5.create_dataset(
                "x", data=np.frombuffer(raw, np.uint8), chunks=(len(raw),), fletcher32=True
            )
            h5.flush()
            assert made.id.read_direct_chunk((0,))[1] == raw + checksum(raw)


@pytest.mark.clause("K-5")
@pytest.mark.parametrize("codec", PIPELINES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 1.0])
def test_a_turned_bit_in_a_chunk_is_found_and_not_read(coded: Path, codec: str, part: float) -> None:
    with edited(coded) as h5:
        stored = next(found for found in h5["data"].values() if found.chunks)
        name = next(name for name, signal in h5["signals"].items() if signal == stored)
        info = stored.id.get_chunk_info(0)
        path = stored.name
    reference.flip_bit(coded, info.byte_offset + int(part * (info.size - 1)))
    assert "damaged" in errors(coded)[path] or "can't be read" in errors(coded)[path]
    with eegarchive.open(coded) as archive, pytest.raises(eegarchive.InvalidArchive):
        archive.signals[name][:]


@pytest.mark.clause("K-6")
@pytest.mark.parametrize("codec", PIPELINES)
def test_a_chunk_that_skips_its_filters_is_found_and_not_read(coded: Path, codec: str) -> None:
    with edited(coded) as h5:
        stored = next(found for found in h5["data"].values() if found.chunks)
        name = next(name for name, signal in h5["signals"].items() if signal == stored)
        chunk = stored[: stored.chunks[0]]
        chunk = np.pad(chunk, (0, stored.chunks[0] - len(chunk)))
        stored.id.write_direct_chunk((0,), chunk.tobytes(), 0b111)
        path = stored.name
    with h5py.File(coded) as h5:
        assert np.array_equal(h5[path][: len(chunk)], chunk[: len(h5[path])])  # HDF5 itself sees nothing
    assert path in errors(coded)
    with eegarchive.open(coded) as archive, pytest.raises(eegarchive.InvalidArchive):
        archive.signals[name][:]


@pytest.mark.clause("K-6")
def test_a_chunk_with_a_filter_mask_is_refused_whatever_it_holds(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        old, own = h5["data"][stored], attributes_of(h5["data"][stored])
        made = objects.create_dataset(h5, old.dtype, stop, stop, PORTABLE)
        made.id.write_direct_chunk((0,), old.id.read_direct_chunk((0,))[1], 0b111)
        objects.write_attributes(made, own)
        for group in ("signals", "freezes/source/signals"):
            del h5[group][name]
            objects.link(made, h5[group], name)
        del h5["data"][stored]
        objects.link(made, h5["data"], stored)
    assert "skips its filters" in errors(small)[f"/data/{stored}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="skips"):
        archive.signals[name][:]


@pytest.mark.clause("K-6")
@pytest.mark.parametrize("how", ["missing", "unfiltered"])
def test_a_table_without_its_chunks_is_not_read(archives: dict[str, Path], tmp_path: Path, how: str) -> None:
    path = copy_of(archives["edfplusc_hypnogram_annotations_only"], tmp_path / "a.h5")
    with edited(path, redigest=False) as h5:
        rows = h5["annotations"][()]
        made = objects.create_dataset(h5, rows.dtype, len(rows), len(rows), PORTABLE)
        if how == "unfiltered":
            made.id.write_direct_chunk((0,), rows.tobytes(), 0b111)
        del h5["annotations"]
        objects.link(made, h5, "annotations")
    with eegarchive.open(path) as archive, pytest.raises(eegarchive.InvalidArchive):
        archive.annotations.rows()


@pytest.mark.clause("K-6")
def test_every_chunk_is_there_and_filtered(archives: dict[str, Path], recording: Path) -> None:
    with Reader(archives[recording.stem]) as reader:
        for _, found in reader.below(reader.h5):
            if isinstance(found, h5py.Dataset) and found.chunks:
                chunks = [found.id.get_chunk_info(i) for i in range(found.id.get_num_chunks())]
                starts = sorted(chunk.chunk_offset[0] for chunk in chunks)
                assert starts == list(range(0, found.shape[0], found.chunks[0]))
                assert not any(chunk.filter_mask for chunk in chunks)


@pytest.mark.clause("K-7")
def test_what_is_behind_the_last_sample_is_ignored(gaps: Path) -> None:
    with edited(gaps) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        samples = h5["data"][stored][()]
        creation = objects.create_dataset(h5, samples.dtype, stop, 1000, PORTABLE)
        creation.write_direct(samples)
        last = (stop - 1) // 1000 * 1000
        chunk = np.full(1000, 12345, "<i2")
        chunk[: stop - last] = samples[last:]
        packed = zlib.compress(chunk.view(np.uint8).reshape(-1, 2).T.tobytes())
        creation.id.write_direct_chunk((last,), packed + checksum(packed), 0)
        objects.write_attributes(creation, own)
        for group in ("signals", "freezes/source/signals"):
            del h5[group][name]
            objects.link(creation, h5[group], name)
        del h5["data"][stored]
        objects.link(creation, h5["data"], stored)
    assert stop % 1000
    assert findings(gaps) == []
    with eegarchive.open(gaps) as archive:
        assert np.array_equal(archive.signals[name].digital[:], samples)


OTHER_FILTERS: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "gzip"},
    "shuffle and deflate": {"compression": "gzip", "shuffle": True},
    "LZF": {"compression": "lzf"},
    "Blosc": dict(hdf5plugin.Blosc()),
    "Zstd": dict(hdf5plugin.Zstd()),
    "scale-offset": {"scaleoffset": 0},
    "no filter": {"chunks": (5000,)},
}


@pytest.mark.clause("K-1", "G-5")
@pytest.mark.parametrize("kind", OTHER_FILTERS)
def test_other_filters_are_found_and_not_read(small: Path, kind: str) -> None:
    with edited(small, redigest=False) as h5:
        name, stored, _ = first_signal(h5)
        samples, own = h5["data"][stored][()], attributes_of(h5["data"][stored])
        del h5["data"][stored]
        made = h5["data"].create_dataset(stored, data=samples, **{"chunks": (5000,), **OTHER_FILTERS[kind]})
        objects.write_attributes(made, own)
        del h5["signals"][name]
        h5["signals"][name] = made
    assert "filters" in errors(small)[f"/data/{stored}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="filters"):
        archive.signals[name]


@pytest.mark.clause("K-1", "G-5")
def test_bitshuffle_with_another_compressor_is_found(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        _, stored, _ = first_signal(h5)
        own, samples = attributes_of(h5["data"][stored]), h5["data"][stored][()]
        del h5["data"][stored]
        none = dict(hdf5plugin.Bitshuffle(cname="none"))
        made = h5["data"].create_dataset(stored, data=samples, chunks=(5000,), fletcher32=True, **none)
        objects.write_attributes(made, own)
    assert "filters" in errors(small).get(f"/data/{stored}", "")
