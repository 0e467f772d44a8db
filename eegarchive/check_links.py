"""Check what leads out of a file, or stands for its data: attached freezes, external links, virtual datasets."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import h5py
import numpy as np

from eegarchive import layout
from eegarchive.detached import DetachedFile, open_attached
from eegarchive.findings import FOREIGN, Findings, Progress
from eegarchive.storage import guard, virtual
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import read_attributes
from eegarchive.storage.samples import Piece, StoredSamples, check_pieces, read_pieces

_BLOCK_SAMPLES = 2**20


def outside_paths(file: ArchiveFile) -> set[str]:
    """Paths of the external links that a file may have; none is followed.

    Raises
    ------
    UnsafeArchive
        If an external link among freezes isn't of the form that the format has.
    """
    if layout.FREEZES not in guard.names(file.h5):
        return set()
    found = {f"/{layout.FREEZES}/{tag}" for tag in file.attached_freezes()}
    if isinstance(file, DetachedFile):
        parent = f"{layout.FREEZES}/{file.tag}/{layout.SIGNALS}"
        group = file.group(parent)
        for name in guard.names(group):
            outside = guard.external(group, name)
            if outside is not None and outside[0] == file.base_name:
                found.add(f"/{parent}/{name}")
    return found


def virtual_base(file: ArchiveFile, path: str) -> str:
    """Name of the file whose data a virtual dataset at a path may show, beside the file's own."""
    if isinstance(file, DetachedFile) and path.startswith(f"/{layout.FREEZES}/{file.tag}/{layout.SIGNALS}/"):
        return file.base_name
    return virtual.SAME_FILE


def check_attached(file: ArchiveFile, found: Findings) -> None:
    """The files of attached freezes are there, and have the freezes that were attached (spec X-9, X-10)."""
    group = file.group(layout.FREEZES)
    attached = file.attached_freezes()
    for tag, link in attached.items():
        with found.looking_at(f"/{layout.FREEZES}/{tag}"), contextlib.closing(open_attached(file, tag, link)):
            pass
    for name in read_attributes(group):
        if name.startswith(layout.ATTACHED_PREFIX) and name[len(layout.ATTACHED_PREFIX) :] not in attached:
            found.error(f"/{layout.FREEZES}", f"declares {name!r}, which isn't an attached freeze", FOREIGN)


class SignalsCheck:
    """What other tools see of signals is what the pieces tables say (spec P-5, P-6, X-6)."""

    def __init__(self, file: ArchiveFile, found: Findings, progress: Progress) -> None:
        self._file = file
        self._found = found
        self._progress = progress
        #: Signals that were compared sample by sample: several states may have the same one.
        self._compared: set[tuple[Any, ...]] = set()

    def check(self, group: h5py.Group, name: str, shown: h5py.Dataset, parts: list[Piece]) -> None:
        """Check one signal of a state's group of signals."""
        path = f"{group.name}/{name}"
        check_pieces(parts, self._file.stored, shown.dtype, path)
        is_whole = len(parts) == 1 and (parts[0].start, parts[0].stop) == (0, shown.shape[0])
        if guard.external(group, name) is not None:
            if not is_whole:  # that it names the stored data was checked when it was looked up
                self._error(path, "isn't the stored data that the pieces table names")
        elif shown.is_virtual:
            self._check_virtual(path, shown, parts)
        elif guard.address(shown) in self._stored():
            if not is_whole or self._stored()[guard.address(shown)] != parts[0].data:
                self._error(path, "isn't the stored data that the pieces table names")
        else:
            self._check_samples(path, shown, parts)

    def _error(self, path: str, message: str) -> None:
        self._found.error(path, message, FOREIGN)

    def _stored(self) -> dict[int, str]:
        def load() -> dict[int, str]:
            data = guard.group_at(self._file.h5, layout.DATA)
            return {address: name for name in guard.names(data) if (address := guard.address_at(data, name))}

        return self._file.cached((layout.DATA, "", "addresses"), load)

    def _check_virtual(self, path: str, shown: h5py.Dataset, parts: list[Piece]) -> None:
        expected = virtual.expected_mapping(parts)
        if virtual.mapping(shown) != expected or shown.shape != (sum(map(len, parts)),):
            self._error(path, "the virtual dataset shows something else than the pieces table says")
        if virtual.source_files(shown) != {p.data: {self._place(p.data)} for p in parts}:
            self._error(path, "the virtual dataset names another file than the one that has the data")
        if not virtual.has_conspicuous_fill(shown):
            self._error(path, "the virtual dataset's fill value could pass for a sample")

    def _place(self, data: str) -> str:
        if isinstance(self._file, DetachedFile) and not self._file.owns(data):
            return self._file.base_name
        return virtual.SAME_FILE

    def _check_samples(self, path: str, shown: h5py.Dataset, parts: list[Piece]) -> None:
        """A signal that is stored whole a second time has the samples that its pieces have."""
        key = (guard.address(shown), *parts)
        if key in self._compared:
            return
        self._compared.add(key)
        attributes = read_attributes(shown)
        stated = attributes.get(layout.SAMPLES_DIGEST)
        first = self._file.stored(parts[0].data)
        is_whole = len(parts) == 1 and (parts[0].start, parts[0].stop) == (0, first.length)
        would_be_linked = is_whole and read_attributes(first.dataset) == attributes
        if isinstance(self._file, DetachedFile) or stated is None or would_be_linked:
            self._error(path, "isn't the stored data that the pieces table names")
            return
        length = sum(map(len, parts))
        stored = StoredSamples(shown)
        if stored.length != length:
            self._error(path, f"has {stored.length} samples, its pieces {length}")
            return
        hashes = [hashlib.sha256(), hashlib.sha256()]

        def read(start: int) -> list[np.ndarray[Any, Any]]:
            blocks = [np.empty(min(_BLOCK_SAMPLES, length - start), stored.dtype) for _ in hashes]
            stored.read(start, start + len(blocks[0]), blocks[0])
            read_pieces(parts, self._file.stored, start, start + len(blocks[1]), blocks[1])
            return blocks

        for start in range(0, length, _BLOCK_SAMPLES):
            for found, block in zip(hashes, read(start), strict=True):
                found.update(block)
                self._progress(block.nbytes)
        if {found.hexdigest() for found in hashes} != {stated}:
            self._error(path, "its samples aren't those of its pieces")
