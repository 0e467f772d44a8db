"""Chunk compression: which HDF5 filters a codec stands for, and deflate made and read in threads.

The portable codec is HDF5's own shuffle, deflate and Fletcher-32, so any tool reads it; libdeflate makes the same
streams several times faster than zlib, outside HDF5's global lock. The other codecs go through HDF5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import deflate
import h5py
import numpy as np
import numpy.typing as npt

from eegarchive.errors import InvalidArchive
from eegarchive.layout import (
    FILTER_BITSHUFFLE,
    FILTER_DEFLATE,
    FILTER_FLETCHER32,
    FILTER_SHUFFLE,
)
from eegarchive.storage.fletcher import CHECKSUM_BYTES, fletcher32

#: Level of chunks in general; it is also what HDF5 uses for tables.
DEFLATE_LEVEL = 6
#: libdeflate's fastest level makes blocks of this many bytes. Chunks of as many samples have byte planes of
#: just that size, and then it is within 2 % of level 2 on real EEG in three quarters of its time, and noisy
#: EEG is read back twice as fast; on any other length it loses 5 % (docs/chunks.md).
FAST_BLOCK = 65_536
_BITSHUFFLE_LZ4, _BITSHUFFLE_ZSTD = 2, 3
_ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Codec:
    """A named filter pipeline, and how many bytes of samples one chunk has (docs/chunks.md says why)."""

    name: str
    chunk_bytes: int
    filters: tuple[int, ...]
    add_filters: Callable[[Any], None]


def _portable(creation: Any) -> None:
    creation.set_shuffle()
    creation.set_deflate(DEFLATE_LEVEL)
    creation.set_fletcher32()


def _bitshuffle(*options: int) -> Callable[[Any], None]:
    def add(creation: Any) -> None:
        register_plugins()
        creation.set_filter(FILTER_BITSHUFFLE, h5py.h5z.FLAG_MANDATORY, (0, *options))
        creation.set_fletcher32()

    return add


CODECS = {
    codec.name: codec
    for codec in (
        Codec("portable", 131_072, (FILTER_SHUFFLE, FILTER_DEFLATE, FILTER_FLETCHER32), _portable),
        Codec("fast", 32_768, (FILTER_BITSHUFFLE, FILTER_FLETCHER32), _bitshuffle(_BITSHUFFLE_LZ4)),
        Codec(
            "small",
            65_536,
            (FILTER_BITSHUFFLE, FILTER_FLETCHER32),
            _bitshuffle(_BITSHUFFLE_ZSTD, _ZSTD_LEVEL),
        ),
        Codec("none", 32_768, (FILTER_FLETCHER32,), lambda creation: creation.set_fletcher32()),
    )
}
PORTABLE = CODECS["portable"]


def register_plugins() -> None:
    """Make HDF5 know bitshuffle; imported only when a file needs it."""
    import hdf5plugin  # noqa: F401


def codec_of(creation: Any, where: str) -> Codec:
    """Return the codec whose filters a dataset has.

    Raises
    ------
    InvalidArchive
        If its pipeline is none of ours (spec G-5).
    """
    pipeline = [creation.get_filter(i) for i in range(creation.get_nfilters())]
    filters = tuple(entry[0] for entry in pipeline)
    for codec in CODECS.values():
        if codec.filters == filters:
            if FILTER_BITSHUFFLE not in filters:
                return codec
            options = pipeline[0][2]
            # HDF5 stores (major, minor, element size, block size, compressor, level ...)
            compressor = options[4] if len(options) > 4 else None
            if compressor in (_BITSHUFFLE_LZ4, _BITSHUFFLE_ZSTD):
                return CODECS["fast" if compressor == _BITSHUFFLE_LZ4 else "small"]
    raise InvalidArchive(
        f"{where}: filters {list(filters)} are none of the format's codecs ({', '.join(CODECS)})"
    )


def encode_portable(chunk: npt.NDArray[Any]) -> bytes:
    """Shuffle and deflate one whole chunk, and add its checksum."""
    planes = np.ascontiguousarray(chunk.view(np.uint8).reshape(-1, chunk.itemsize).T)
    level = 1 if len(chunk) == FAST_BLOCK else DEFLATE_LEVEL
    packed = bytes(deflate.zlib_compress(planes, level))
    return packed + fletcher32(packed).to_bytes(CHECKSUM_BYTES, "little")


def encode_plain(chunk: npt.NDArray[Any]) -> bytes:
    """One whole chunk as the codec `none` has it: as it is, and its checksum."""
    raw = chunk.tobytes()
    return raw + fletcher32(raw).to_bytes(CHECKSUM_BYTES, "little")


def decode_plain(raw: bytes, dtype: np.dtype[Any], count: int, where: str) -> npt.NDArray[Any]:
    """The values of such a chunk, which can't be written to, after its checksum was found right.

    Raises
    ------
    InvalidArchive
        If it is damaged.
    """
    values = memoryview(raw)[:-CHECKSUM_BYTES]
    stated = int.from_bytes(raw[-CHECKSUM_BYTES:], "little")
    if len(values) != count * dtype.itemsize or fletcher32(values) != stated:
        raise InvalidArchive(f"{where}: a stored chunk is damaged (its checksum is wrong)")
    return np.frombuffer(values, dtype)


def decode_portable(raw: bytes, out: npt.NDArray[Any], where: str) -> None:
    """Put the samples of one chunk into `out`, after its checksum was found right.

    Raises
    ------
    InvalidArchive
        If the stream is damaged.
    """
    packed = memoryview(raw)[:-CHECKSUM_BYTES]
    if fletcher32(packed) != int.from_bytes(raw[-CHECKSUM_BYTES:], "little"):
        raise InvalidArchive(f"{where}: a stored chunk is damaged (its checksum is wrong)")
    try:
        planes = deflate.zlib_decompress(packed, out.nbytes)
    except deflate.DeflateError as error:
        raise InvalidArchive(f"{where}: a stored chunk is damaged ({error})") from None
    if len(planes) != out.nbytes:
        raise InvalidArchive(
            f"{where}: a stored chunk is damaged ({len(planes)} bytes in place of {out.nbytes})"
        )
    interleaved = out.view(np.uint8).reshape(len(out), out.itemsize)
    for i, plane in enumerate(np.frombuffer(planes, np.uint8).reshape(out.itemsize, len(out))):
        interleaved[:, i] = plane  # five times faster than a transposed copy
