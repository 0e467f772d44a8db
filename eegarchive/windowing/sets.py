"""Sets of windows in the file: what they hold, and each window by one read (spec W-1 to W-7)."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5s

from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive
from eegarchive.layout import (
    CONTENTS_DIGEST,
    SAMPLE_TYPES,
    TAG_PATTERN,
    WINDOW_ATTRIBUTES,
    WINDOW_CHANNEL_COLUMNS,
    WINDOW_CHANNELS,
    WINDOW_COLUMNS,
    WINDOW_ROWS,
    WINDOW_SAMPLES,
    WINDOW_TARGET,
    WINDOW_TARGET_TYPES,
    WINDOWS,
    Column,
)
from eegarchive.storage import guard
from eegarchive.storage.codec import PORTABLE, codec_of, decode_plain, decode_portable, register_plugins
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.damage import HDF5_ERRORS, finds_damage, first_line
from eegarchive.storage.objects import read_attributes, read_table, text_column
from eegarchive.windowing.blocks import offset_of, physical


def check_set_name(name: str) -> None:
    """Refuse what a set of windows can't be called.

    Raises
    ------
    EEGArchiveError
    """
    if not re.fullmatch(TAG_PATTERN, name) or name in (".", ".."):
        raise EEGArchiveError(
            f"{name!r} can't be the name of a set of windows: 1 to 64 letters, digits, '.', '_', '-'"
        )


def set_names(file: ArchiveFile) -> list[str]:
    """Names of the sets of windows of an archive."""
    with file.reading():
        return guard.names(file.group(WINDOWS)) if WINDOWS in guard.names(file.h5) else []


def columns_of(dataset: h5py.Dataset) -> tuple[Column, ...]:
    """Columns of a table of windows: targets are of one of four types.

    Raises
    ------
    InvalidArchive
    """
    found = dataset.dtype[WINDOW_TARGET] if WINDOW_TARGET in (dataset.dtype.names or ()) else None
    kind = None if found is None else ("str" if found.kind == "S" else found.str.lstrip("<|"))
    if kind not in WINDOW_TARGET_TYPES:
        raise InvalidArchive(f"{dataset.name}: targets are of type {found}")
    return (*WINDOW_COLUMNS, Column(WINDOW_TARGET, kind))


@dataclass(frozen=True)
class SetInfo:
    """What a set of windows says of itself.

    Attributes
    ----------
    name : str
    state : str
        Digest of the state that the windows were cut from.
    windows, channels, samples : int
        How many there are, and of what shape.
    dtype : str
    sampling_rate : float
    parameters : dict
        What they were prepared with.
    time : str
        When.
    stored_bytes : int
    """

    name: str
    state: str
    windows: int
    channels: int
    samples: int
    dtype: str
    sampling_rate: float
    parameters: dict[str, Any]
    time: str
    stored_bytes: int


class WindowSet:
    """One set of windows in an archive; for use inside `reading`, but for :meth:`window`.

    Raises
    ------
    NotInArchive
        If there is none of that name.
    InvalidArchive
        If it isn't what the format says.
    """

    def __init__(self, file: ArchiveFile, name: str) -> None:
        self._file = file
        self.name = name
        self.where = f"{file.path}: /{WINDOWS}/{name}"
        if name not in set_names(file):
            raise NotInArchive(
                f"{file.path}: no set of windows {name!r}; there are {', '.join(set_names(file)) or 'none'}"
            )
        self._group = guard.group_at(file.group(WINDOWS), name)
        self.attributes = read_attributes(self._group)
        types = {"str": str, "f8": float, "i8": int}
        for key, kind in WINDOW_ATTRIBUTES.items():
            if not isinstance(self.attributes.get(key), types[kind]):
                raise InvalidArchive(f"{self.where} lacks the attribute {key!r}, or it is of another type")
        self.samples = guard.dataset_at(self._group, WINDOW_SAMPLES, dimensions=3)
        self.shape: tuple[int, int, int] = self.samples.shape
        self.dtype: np.dtype[Any] = self.samples.dtype
        chunk = self.samples.chunks
        if chunk != (1, *self.shape[1:]) or self.dtype.str not in SAMPLE_TYPES:
            raise InvalidArchive(f"{self.where}: samples of type {self.dtype} in chunks of {chunk}")
        self.codec = codec_of(self.samples.id.get_create_plist(), self.where)
        channels = read_table(self.member(WINDOW_CHANNELS), WINDOW_CHANNEL_COLUMNS)
        if len(channels) != self.shape[1]:
            raise InvalidArchive(f"{self.where}: {len(channels)} channels, samples of {self.shape[1]}")
        self.channels = {
            column.name: text_column(channels, column.name, self.where)
            if column.type == "str"
            else channels[column.name].tolist()
            for column in WINDOW_CHANNEL_COLUMNS
        }
        self._scale, offset = (
            np.array([[value] for value in self.channels[key]]) for key in ("scale_factor", "add_offset")
        )
        self._offset = offset_of(self._scale, offset)
        self._is_physical = (
            self.dtype == np.float32 and bool(np.all(self._scale == 1)) and self._offset is None
        )
        self._places: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None

    def info(self) -> SetInfo:
        """What it says of itself."""
        try:
            parameters = json.loads(str(self.attributes["parameters"]))
        except (ValueError, RecursionError):
            raise InvalidArchive(f"{self.where}: its parameters aren't JSON") from None
        return SetInfo(
            self.name,
            str(self.attributes["state"]),
            *self.shape,
            self.dtype.name,
            float(self.attributes["sampling_rate"]),
            parameters,
            str(self.attributes["time"]),
            int(self.samples.id.get_storage_size()),
        )

    @property
    def state(self) -> str:
        """Digest of the state that the windows were cut from."""
        return str(self.attributes["state"])

    @property
    def digest(self) -> str:
        """Digest of all that it holds."""
        return str(self.attributes[CONTENTS_DIGEST])

    def member(self, name: str) -> h5py.Dataset:
        """One of its tables."""
        return guard.dataset_at(self._group, name)

    def rows(self) -> dict[str, npt.NDArray[Any]]:
        """The table of windows, by column; targets as they were, texts as `str`."""
        dataset = self.member(WINDOW_ROWS)
        columns = columns_of(dataset)
        rows = read_table(dataset, columns)
        if len(rows) != self.shape[0]:
            raise InvalidArchive(f"{self.where}: a table of {len(rows)} windows, samples of {self.shape[0]}")
        found = {column.name: np.ascontiguousarray(rows[column.name]) for column in columns}
        if columns[-1].type == "str":
            found[WINDOW_TARGET] = np.array([*text_column(rows, WINDOW_TARGET, self.where), None], object)[
                :-1
            ]
        elif columns[-1].type == "u1":
            found[WINDOW_TARGET] = found[WINDOW_TARGET].astype(bool)
        return found

    # -- one window -----------------------------------------------------------------------------

    def places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where each window's chunk lies in the file, and how many bytes it has; looked up once.

        Raises
        ------
        InvalidArchive
            If a chunk is missing, or skips its filters (spec K-6).
        """
        if self._places is None:
            self._places = _places(self.samples)
        return self._places

    def stored(self, row: int) -> npt.NDArray[Any]:
        """One window as it is stored; for use inside `reading`."""
        descriptor = self._file.descriptor()
        if self.codec.name in ("fast", "small"):
            return self._by_hdf5(row)
        if descriptor is None:
            mask, raw = self.samples.id.read_direct_chunk((row, 0, 0))
            if mask:
                raise InvalidArchive(f"{self.where}: window {row} skips its filters; the file is damaged")
            return self._decoded(raw, row)
        return self.stored_at(descriptor, row)

    def stored_at(self, descriptor: int, row: int) -> npt.NDArray[Any]:
        """One window as it is stored, read from the file itself; of what doesn't need HDF5 to be decoded."""
        places, sizes = self.places()
        return self._decoded(os.pread(descriptor, int(sizes[row]), int(places[row])), row)

    def _decoded(self, raw: bytes, row: int) -> npt.NDArray[Any]:
        count = self.shape[1] * self.shape[2]
        where = f"{self.where}: window {row}"
        if self.codec is PORTABLE:
            out = np.empty(count, self.dtype)
            decode_portable(raw, out, where)
            return out.reshape(self.shape[1:])
        return decode_plain(raw, self.dtype, count, where).reshape(self.shape[1:])

    def _by_hdf5(self, row: int) -> npt.NDArray[Any]:
        self.places()
        register_plugins()
        out = np.empty((1, *self.shape[1:]), self.dtype)
        space = self.samples.id.get_space()
        space.select_hyperslab((row, 0, 0), out.shape)
        try:
            self.samples.id.read(h5s.create_simple(out.shape), space, out)
        except HDF5_ERRORS as error:
            raise InvalidArchive(f"{self.where}: window {row} can't be read ({first_line(error)})") from None
        found: npt.NDArray[Any] = out[0]
        return found

    def values(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Physical values of a window, in memory of their own."""
        if self._is_physical:
            return np.array(stored, np.float32)
        return physical(stored, self._scale, self._offset)


@finds_damage
def _places(dataset: h5py.Dataset) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    found: list[tuple[Any, int, int]] = []
    masks: list[int] = []

    def note(info: Any) -> None:
        found.append((info.chunk_offset, info.byte_offset, info.size))
        masks.append(info.filter_mask)

    dataset.id.chunk_iter(note)
    found.sort()
    if [at for at, _, _ in found] != [(row, 0, 0) for row in range(dataset.shape[0])] or any(masks):
        raise InvalidArchive(
            f"{dataset.name}: chunks are missing, doubled or unfiltered; the file is damaged"
        )
    largest = 2 * math.prod(dataset.chunks) * dataset.dtype.itemsize + 2**16
    places = np.array([at for _, at, _ in found], np.int64)
    sizes = np.array([size for _, _, size in found], np.int64)
    if len(sizes) and int(sizes.max()) > largest:
        raise InvalidArchive(f"{dataset.name}: a chunk of {sizes.max()} stored bytes; the file is damaged")
    return places, sizes
