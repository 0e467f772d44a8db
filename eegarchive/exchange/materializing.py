"""Signals stored whole, for tools that know no virtual datasets; what they are made of stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

import h5py
import numpy as np

from eegarchive.layout import DATA, SAMPLES_DIGEST, SIGNALS
from eegarchive.state import Description
from eegarchive.storage import guard, objects
from eegarchive.storage.codec import PORTABLE
from eegarchive.storage.samples import StoredSamples, read_pieces
from eegarchive.storage.writer import ChunkWriter

_BLOCK_SAMPLES = 2**20


def materialize(root: h5py.File, states: Mapping[str, Mapping[str, Description]]) -> int:
    """Store each virtual signal of some states whole, equal ones once; how many were stored.

    Parameters
    ----------
    root : h5py.File
        A file that is being written, with all its data.
    states : mapping
        Signals of each state, by the path of the group whose members they are; "" is the root.
    """
    data = guard.group_at(root, DATA)
    stored = {name: StoredSamples(guard.dataset_at(data, name)) for name in guard.names(data)}
    #: Where the first of equal signals was put.
    made: dict[tuple[object, ...], tuple[h5py.Group, str]] = {}
    for path, signals in states.items():
        group = root
        for name in (*path.split("/"), SIGNALS) if path else (SIGNALS,):
            group = guard.group_at(group, name)
        for name, signal in signals.items():
            if not guard.dataset_at(group, name, may_be_virtual=True).is_virtual:
                continue
            del group[name]
            key = (tuple(sorted(signal.attributes.items())), signal.dtype.str, signal.pieces)
            if key in made:
                objects.link_again(*made[key], group, name)
            else:
                _store(group, name, signal, stored)
                made[key] = group, name
    return len(made)


def _store(group: h5py.Group, name: str, signal: Description, stored: Mapping[str, StoredSamples]) -> None:
    codec = stored[signal.pieces[0].data].codec or PORTABLE
    chunk = max(1, codec.chunk_bytes // signal.dtype.itemsize)
    length = len(signal)
    writer = ChunkWriter(group, name, signal.dtype, length, chunk, codec, signal.attributes, SAMPLES_DIGEST)
    for start in range(0, length, _BLOCK_SAMPLES):
        block = np.empty(min(_BLOCK_SAMPLES, length - start), signal.dtype)
        read_pieces(signal.pieces, stored.__getitem__, start, start + len(block), block)
        writer.write(writer.append(block))
    writer.finish()
