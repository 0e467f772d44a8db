"""Writing one dataset as its samples come in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive.storage import objects
from eegarchive.storage.codec import PORTABLE, Codec, encode_portable
from eegarchive.storage.objects import AttributeValue


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
        self._filled = 0
        self._at = 0
        self._hash = hashlib.sha256()

    def append(self, samples: npt.NDArray[Any]) -> list[Any]:
        """Take samples; return the chunks they complete, encoded. Runs in any thread."""
        self._hash.update(samples)
        out, chunk = [], len(self._buffer)
        at = 0
        while at < len(samples):
            if self._filled == 0 and len(samples) - at >= chunk:
                out.append(self._encode(samples[at : at + chunk]))
                at += chunk
                continue
            take = min(chunk - self._filled, len(samples) - at)
            self._buffer[self._filled : self._filled + take] = samples[at : at + take]
            self._filled += take
            at += take
            if self._filled == chunk:
                out.append(self._encode(self._buffer))
                self._filled = 0
        return out

    def _encode(self, chunk: npt.NDArray[Any]) -> Any:
        return encode_portable(chunk) if self._encodes else chunk.copy()

    def write(self, chunks: list[Any]) -> None:
        """Store encoded chunks behind those before."""
        for chunk in chunks:
            if self._encodes:
                self.dataset.id.write_direct_chunk((self._at,), chunk, 0)
            else:
                count = min(len(chunk), self.length - self._at)
                self.dataset.write_direct(chunk, np.s_[:count], np.s_[self._at : self._at + count])
            self._at += len(self._buffer)

    def finish(self) -> str:
        """Store the last, part-filled chunk and the digest; return the digest."""
        if self._filled:
            self._buffer[self._filled :] = 0
            self.write([self._encode(self._buffer)])
            self._filled = 0
        found = self._hash.hexdigest()
        objects.write_attribute(self.dataset, self._digest_attribute, found)
        return found
