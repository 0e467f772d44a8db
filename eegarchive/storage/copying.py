"""Copies of datasets in another file: chunks as they are stored, nothing decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5d, h5p, h5s

from eegarchive.storage import objects
from eegarchive.storage.codec import codec_of
from eegarchive.storage.damage import finds_damage
from eegarchive.storage.objects import read_attributes


def copy_dataset(
    found: h5py.Dataset, parent: h5py.Group, name: str, report: Callable[[int], None] = lambda count: None
) -> None:
    """Copy a dataset, checked by the guard, with its chunks as they are stored; of a virtual one, what it shows."""
    creation = found.id.get_create_plist()
    creation.set_obj_track_times(False)
    if found.chunks is not None:
        codec = codec_of(creation, str(found.name))
        for number in codec.filters:  # bitshuffle would take its own options for a caller's
            creation.remove_filter(number)
        codec.add_filters(creation)
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(1, 0, 0.0)  # chunks are written once and whole
    space = h5s.create_simple(found.shape) if found.shape else h5s.create(h5s.SCALAR)
    kind = found.id.get_type().copy()
    made = h5d.create(parent.id, name.encode("utf-8"), kind, space, dcpl=creation, dapl=access)
    objects.write_attributes(h5py.Dataset(made), read_attributes(found))
    if found.chunks is not None:
        for place in places(found):
            mask, raw = chunk(found, place)
            made.write_direct_chunk(place, raw, mask)
            report(len(raw))
    elif not found.is_virtual:
        stored = values(found)
        if stored.size:
            h5py.Dataset(made).write_direct(stored)


@finds_damage
def places(dataset: h5py.Dataset) -> list[tuple[int, ...]]:
    """Where a dataset's stored chunks begin, in order."""
    found: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda info: found.append(info.chunk_offset))
    return sorted(found)


@finds_damage
def chunk(dataset: h5py.Dataset, place: tuple[int, ...]) -> tuple[int, bytes]:
    """A chunk as it is stored, and which filters it skips."""
    mask, raw = dataset.id.read_direct_chunk(place)
    return mask, raw


@finds_damage
def values(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """The values of a dataset that lies in its header."""
    return np.asarray(dataset[()], dataset.dtype)
