"""Chunk compression: which HDF5 filters a codec stands for, and deflate made and read in threads.

The portable codec is HDF5's own shuffle and deflate, so any tool reads it; libdeflate makes the same
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

#: libdeflate: on real recordings 1 to 3 % behind level 6, in half of its time (docs/chunks.md).
DEFLATE_LEVEL = 2
_BITSHUFFLE_LZ4, _BITSHUFFLE_ZSTD = 2, 3
_ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Codec:
    """A named filter pipeline."""

    name: str
    filters: tuple[int, ...]
    add_filters: Callable[[Any], None]


def _portable(creation: Any) -> None:
    creation.set_shuffle()
    creation.set_deflate(DEFLATE_LEVEL)


def _bitshuffle(*options: int) -> Callable[[Any], None]:
    def add(creation: Any) -> None:
        register_plugins()
        creation.set_filter(FILTER_BITSHUFFLE, h5py.h5z.FLAG_MANDATORY, (0, *options))
        creation.set_fletcher32()

    return add


CODECS = {
    codec.name: codec
    for codec in (
        Codec("portable", (FILTER_SHUFFLE, FILTER_DEFLATE), _portable),
        Codec("fast", (FILTER_BITSHUFFLE, FILTER_FLETCHER32), _bitshuffle(_BITSHUFFLE_LZ4)),
        Codec("small", (FILTER_BITSHUFFLE, FILTER_FLETCHER32), _bitshuffle(_BITSHUFFLE_ZSTD, _ZSTD_LEVEL)),
        Codec("none", (FILTER_FLETCHER32,), lambda creation: creation.set_fletcher32()),
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
            zstd = len(options) > 4 and options[4] == _BITSHUFFLE_ZSTD
            return CODECS["small" if zstd else "fast"]
    raise InvalidArchive(
        f"{where}: filters {list(filters)} are none of the format's codecs ({', '.join(CODECS)})"
    )


def encode_portable(chunk: npt.NDArray[Any]) -> bytes:
    """Shuffle and deflate one whole chunk."""
    planes = np.ascontiguousarray(chunk.view(np.uint8).reshape(-1, chunk.itemsize).T)
    return bytes(deflate.zlib_compress(planes, DEFLATE_LEVEL))


def decode_portable(raw: bytes, dtype: np.dtype[Any], length: int, where: str) -> npt.NDArray[Any]:
    """Samples of one chunk; deflate's Adler-32 has been checked.

    Raises
    ------
    InvalidArchive
        If the stream is damaged.
    """
    size = length * dtype.itemsize
    try:
        planes = deflate.zlib_decompress(raw, size)
    except deflate.DeflateError as error:
        raise InvalidArchive(f"{where}: a stored chunk is damaged ({error})") from None
    if len(planes) != size:
        raise InvalidArchive(f"{where}: a stored chunk is damaged ({len(planes)} bytes in place of {size})")
    out = np.empty(length, dtype)
    interleaved = out.view(np.uint8).reshape(length, dtype.itemsize)
    for i, plane in enumerate(np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, length)):
        interleaved[:, i] = plane  # five times faster than a transposed copy
    return out
