"""Virtual datasets: how other tools see a signal that is made of pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from eegarchive.errors import InvalidArchive
from eegarchive.layout import DATA
from eegarchive.storage import objects
from eegarchive.storage.damage import finds_damage
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.samples import Piece

SAME_FILE = "."


def create(
    parent: h5py.Group,
    name: str,
    dtype: np.dtype[Any],
    pieces: Sequence[Piece],
    lengths: Mapping[str, int],
    attributes: Mapping[str, AttributeValue],
    files: Mapping[str, str] | None = None,
) -> h5py.Dataset:
    """Create a virtual dataset that shows pieces of stored signals, one mapping for each (spec P-6, P-7).

    `lengths` has the length of each stored signal, `files` the name of the file of each that lies in another one.
    """
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    fill = np.nan if dtype.kind == "f" else np.iinfo(dtype).min
    creation.set_fill_value(np.asarray(fill, dtype))
    space = h5s.create_simple((sum(map(len, pieces)),))
    sources = {data: h5s.create_simple((length,)) for data, length in lengths.items()}
    at = 0
    for piece in pieces:
        count, source = (len(piece),), sources[piece.data]
        space.select_hyperslab((at,), (1,), block=count)
        source.select_hyperslab((piece.start,), (1,), block=count)
        file = (files or {}).get(piece.data, SAME_FILE).encode("utf-8")
        creation.set_virtual(space, file, f"/{DATA}/{piece.data}".encode("ascii"), source)
        at += len(piece)
    space.select_all()
    shown = h5d.create(
        parent.id, name.encode("utf-8"), h5t.py_create(dtype, logical=True), space, dcpl=creation
    )
    dataset = h5py.Dataset(shown)
    objects.write_attributes(dataset, attributes)
    return dataset


@finds_damage
def mapping(dataset: h5py.Dataset) -> list[tuple[str, int, int, int, int]]:
    """What a virtual dataset shows: (data, start, stop) and the (start, stop) where it is shown.

    Raises
    ------
    InvalidArchive
        If a selection isn't one plain run.
    """
    creation = dataset.id.get_create_plist()
    found = []
    for i in range(creation.get_virtual_count()):
        runs = []
        for space in (creation.get_virtual_srcspace(i), creation.get_virtual_vspace(i)):
            low, high = space.get_select_bounds()
            if space.get_select_npoints() != high[0] - low[0] + 1:
                raise InvalidArchive(f"{dataset.name}: a virtual mapping that isn't one run of samples")
            runs += [int(low[0]), int(high[0]) + 1]
        found.append((creation.get_virtual_dsetname(i).removeprefix(f"/{DATA}/"), *runs))
    return sorted(found, key=lambda run: run[3])


@finds_damage
def source_files(dataset: h5py.Dataset) -> dict[str, set[str]]:
    """Names of the files that the stored signals which a virtual dataset shows are said to lie in, by theirs."""
    creation, found = dataset.id.get_create_plist(), dict[str, set[str]]()
    for i in range(creation.get_virtual_count()):
        data = creation.get_virtual_dsetname(i).removeprefix(f"/{DATA}/")
        found.setdefault(data, set()).add(creation.get_virtual_filename(i))
    return found


def expected_mapping(pieces: Sequence[Piece]) -> list[tuple[str, int, int, int, int]]:
    """What a virtual dataset of these pieces shows, as `mapping` gives it."""
    at, found = 0, []
    for piece in pieces:
        found.append((piece.data, piece.start, piece.stop, at, at + len(piece)))
        at += len(piece)
    return found


@finds_damage
def has_conspicuous_fill(dataset: h5py.Dataset) -> bool:
    """Whether a virtual dataset's fill value is the type's minimum or NaN (spec P-7)."""
    fill = dataset.fillvalue
    return bool(np.isnan(fill)) if dataset.dtype.kind == "f" else bool(fill == np.iinfo(dataset.dtype).min)
