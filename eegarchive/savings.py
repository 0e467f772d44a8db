"""How much smaller an archive would be after `compact`, from HDF5's own figures; no samples are read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o

from eegarchive.detached import needed_by_attached
from eegarchive.layout import DATA, PIECES, STATE_TABLES
from eegarchive.state import State
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.damage import finds_damage
from eegarchive.storage.objects import read_table
from eegarchive.storage.seal import SEAL_BYTES

_SUPERBLOCK_BYTES = 48
#: HDF5 keeps the mappings of virtual datasets in heaps of 4 kB, or of 8 kB where there was room to grow.
_HEAP_BYTES, _HEAP_HEADER_BYTES = 6_144, 16


def compact_savings(archive: State) -> int:
    """About how many bytes `compact` would take off an archive; 0 if there is nothing to gain.

    Gaps of up to a few kilobytes that every file has count as well.
    """
    file = archive._file.recording
    with file.reading():
        return max(0, os.path.getsize(file.path) - needed_bytes(file))


def needed_bytes(file: ArchiveFile) -> int:
    """About how many bytes an archive needs; for use inside `reading`.

    They are those of the objects that are reached by some name, each counted once, without the stored signals
    that no state is made of.
    """
    return _SUPERBLOCK_BYTES + SEAL_BYTES + _bytes_below(file.h5) - _unused_bytes(file)


@finds_damage
def _bytes_below(root: h5py.Group) -> int:
    """Bytes of the objects that have a name.

    Links tell the address of what they lead to, so that only what is new is looked at: a hundred freezes of one
    state cost no more than their links.
    """
    seen: set[int] = set()
    mappings: list[int] = []
    total, groups = _object_bytes(h5o.get_info(root.id)), [root.id]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.links.get_info(name)
            if link.type != h5l.TYPE_HARD or link.u in seen:
                continue
            seen.add(link.u)
            info = h5o.get_info(group, name)
            total += _object_bytes(info)
            if info.type == h5o.TYPE_GROUP:
                groups.append(h5g.open(group, name))
            elif info.meta_size.obj.index_size:  # in chunks
                total += h5d.open(group, name).get_storage_size()
            elif info.meta_size.obj.heap_size:  # virtual
                mappings.append(info.meta_size.obj.heap_size)
    return total + _unused_in_heaps(mappings)


def _object_bytes(info: Any) -> int:
    """Bytes of an object's header, indexes and heaps."""
    own, attributes = info.meta_size.obj, info.meta_size.attr
    index_and_heap = own.index_size + own.heap_size + attributes.index_size + attributes.heap_size
    return int(info.hdr.space.total + index_and_heap)


def _unused_in_heaps(sizes: Sequence[int]) -> int:
    """About what heaps leave unused around mappings of virtual datasets, each put where there is room."""
    free: list[int] = []
    for size in sizes:
        place = next((i for i, room in enumerate(free) if room >= size), None)
        if place is None:
            free.append(max(_HEAP_BYTES - _HEAP_HEADER_BYTES, size))
            place = -1
        free[place] -= size
    return sum(free) + _HEAP_HEADER_BYTES * len(free)


def _unused_bytes(file: ArchiveFile) -> int:
    """Bytes of stored signals that no state is made of."""
    needed, seen = needed_by_attached(file), set()
    if needed is None:
        return 0
    unused = {name: size for name, size in _unlinked(file.group(DATA)).items() if name.decode() not in needed}
    for path in file.states():
        if not unused:
            break
        state = file.group(path)
        link = state.id.links.get_info(PIECES.encode())
        if link.u not in seen:
            seen.add(link.u)
            rows = read_table(guard.dataset_at(state, PIECES), STATE_TABLES[PIECES])
            for name in np.unique(rows["data"]).tolist():
                unused.pop(name, None)
    return sum(unused.values())


@finds_damage
def _unlinked(data: h5py.Group) -> dict[bytes, int]:
    """Stored signals that have no name but that in /data, and their bytes."""
    found = {}
    for name in data.id:
        info = h5o.get_info(data.id, name)
        if info.rc == 1:
            found[name] = _object_bytes(info) + int(h5d.open(data.id, name).get_storage_size())
    return found
