"""A freeze in another file: tables, caches, data that the file lacks, and signals as other tools see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import h5py

from eegarchive.draft import described, whole_data
from eegarchive.layout import (
    CACHE,
    DATA,
    FREEZES,
    HISTORY,
    SIGNALS,
    STATE_TABLES,
)
from eegarchive.state import Description, State
from eegarchive.storage import guard, objects, virtual
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.copying import copy_dataset
from eegarchive.storage.objects import read_attributes

Progress = Callable[[int], None]


def data_of(signals: Iterable[Description]) -> list[str]:
    """Names of the stored signals that signals are made of."""
    return sorted({piece.data for signal in signals for piece in signal.pieces})


def copy_data(file: ArchiveFile, names: Iterable[str], data: h5py.Group, progress: Progress) -> None:
    """Copy stored signals into a group `data` that lacks them."""
    for name in names:
        copy_dataset(file.stored(name).dataset, data, name, progress)


class FreezeCopy:
    """One freeze of a file, to be written into another one; for use inside `reading`.

    Parameters
    ----------
    file : ArchiveFile
        What has the freeze, and all its data.
    tag : str
    """

    def __init__(self, file: ArchiveFile, tag: str) -> None:
        self._file = file
        self._tag = tag
        self._group = file.group(f"{FREEZES}/{tag}")
        self.signals = described(State(file, f"{FREEZES}/{tag}"))
        self.has_history = HISTORY in guard.names(self._group)

    @property
    def data(self) -> list[str]:
        """Names of the stored signals that it is made of."""
        return data_of(self.signals.values())

    def write(self, freezes: h5py.Group) -> h5py.Group:
        """Write all but its signals into a group of freezes; the new group."""
        freeze = objects.create_group(freezes, self._tag)
        names = [*STATE_TABLES, *([HISTORY] if self.has_history else [])]
        for name in names:
            copy_dataset(guard.dataset_at(self._group, name), freeze, name)
        if CACHE in guard.names(self._group):
            copy_tree(guard.group_at(self._group, CACHE), objects.create_group(freeze, CACHE))
        objects.write_attributes(freeze, read_attributes(self._group))
        return freeze

    def show(self, freeze: h5py.Group, root: h5py.Group, base_name: str | None = None) -> None:
        """Show its signals, of the stored data of a root, or of those of a base where that lacks them."""
        group, own = objects.create_group(freeze, SIGNALS), guard.group_at(root, DATA)
        there = set(guard.names(own))
        for name, signal in self.signals.items():
            files = {p.data: base_name or "" for p in signal.pieces if p.data not in there}
            whole = whole_data(self._file, signal)
            if whole is None:
                lengths = {p.data: self._file.stored(p.data).length for p in signal.pieces}
                virtual.create(group, name, signal.dtype, signal.pieces, lengths, signal.attributes, files)
            elif whole in files:
                objects.link_outside(group, name, files[whole], f"/{DATA}/{whole}")
            else:
                objects.link_again(own, whole, group, name)


def copy_tree(source: h5py.Group, target: h5py.Group) -> None:
    """Copy all that is in a group, at any depth."""
    objects.write_attributes(target, read_attributes(source))
    for name in guard.names(source):
        found = guard.member(source, name)
        if isinstance(found, h5py.Group):
            copy_tree(found, objects.create_group(target, name))
        else:
            guard.check_dataset(found)
            copy_dataset(found, target, name)
