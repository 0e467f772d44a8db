"""Writing one dataset as its samples come in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5s

from eegarchive.storage import objects
from eegarchive.storage.codec import PORTABLE, Codec, encode_portable
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.workers import spread


class ChunkWriter:
    """Writes one dataset chunk by chunk: samples come in as they are read, whole chunks go out."""

    def __init__(
        self,
        parent: h5py.Group,
        name: str,
        dtype: np.dtype[Any],
        length: int,
        chunk: int,
        codec: Codec,
        attributes: Mapping[str, AttributeValue],
        digest_attribute: str,
    ) -> None:
        fill = np.iinfo(dtype).min if dtype.kind == "i" else None
        self.dataset = objects.create_dataset(parent, dtype, length, chunk, codec, fill, name)
        self.attributes = dict(attributes)
        self.length = length
        self._digest_attribute = digest_attribute
        # written now so that the header is in one place; the last step puts the digest itself there
        objects.write_attributes(self.dataset, {**attributes, digest_attribute: "0" * 64})
        chunked = self.dataset.chunks
        self._encodes = codec is PORTABLE and chunked is not None
        self._buffer = np.zeros(chunked[0] if chunked else length, dtype)
        self._space = self.dataset.id.get_space()
        self._filled = 0
        self._at = 0
        self._hash = hashlib.sha256()

    def append(self, samples: npt.NDArray[Any]) -> list[Any]:
        """Take samples; return the whole chunks they complete, encoded on all cores.

        In a thread of the pool it encodes them itself: then others are at work beside it.
        """
        self._hash.update(samples)
        if self._filled:
            samples = np.concatenate([self._buffer[: self._filled], samples])
        chunk = len(self._buffer)
        whole = len(samples) // chunk * chunk if chunk else 0
        self._filled = len(samples) - whole
        self._buffer[: self._filled] = samples[whole:]
        if not self._encodes:
            return [samples[:whole]] if whole else []
        return list(spread(encode_portable, [samples[at : at + chunk] for at in range(0, whole, chunk)]))

    def write(self, parts: list[Any]) -> None:
        """Store what :meth:`append` returned behind what is there: encoded chunks, or samples of some."""
        for part in parts:
            if self._encodes:
                self.dataset.id.write_direct_chunk((self._at,), part, 0)
                self._at += len(self._buffer)
            else:
                self._space.select_hyperslab((self._at,), (len(part),))
                self.dataset.id.write(h5s.create_simple(part.shape), self._space, part)
                self._at += len(part)

    def finish(self) -> str:
        """Store the last, part-filled chunk and the digest; return the digest."""
        if self._filled:
            self._buffer[self._filled :] = 0
            last = encode_portable(self._buffer) if self._encodes else self._buffer[: self._filled]
            self.write([last])
            self._filled = 0
        found = self._hash.hexdigest()
        objects.write_attribute(self.dataset, self._digest_attribute, found)
        return found
