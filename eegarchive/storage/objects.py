"""Groups, attributes, tables and byte streams as the format writes them.

Everything goes through h5py's low-level interface: fixed-length text, no times in object headers, so that
the same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5a, h5d, h5f, h5g, h5o, h5p, h5s, h5t

from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive, UnsafeArchive
from eegarchive.layout import (
    BYTES_DIGEST,
    LIBVER,
    MAX_ATTRIBUTES,
    MAX_COMPACT_BYTES,
    TABLE_CHUNK_BYTES,
    Column,
)
from eegarchive.storage.codec import PORTABLE, Codec, encode_portable
from eegarchive.storage.damage import finds_damage
from eegarchive.storage.guard import address_at, check_chunks
from eegarchive.storage.workers import spread

AttributeValue = str | int | float
_MAX_ATTRIBUTE_BYTES = 60_000


def create_file(path: Path) -> Any:
    """Create an HDF5 file with the format's version bounds (spec C-3) and no times; its low-level handle."""
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5p.create(h5p.FILE_ACCESS)
    bounds = {"v108": h5f.LIBVER_V18, "v110": h5f.LIBVER_V110}
    access.set_libver_bounds(*(bounds[bound] for bound in LIBVER))
    access.set_file_locking(False, True)
    return h5f.create(os.fsencode(path), h5f.ACC_TRUNC, creation, access)


def create_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Create a group without times."""
    creation = h5p.create(h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    return h5py.Group(h5g.create(parent.id, name.encode("utf-8"), lcpl=_link_creation(), gcpl=creation))


def create_dataset(
    parent: h5py.Group,
    dtype: np.dtype[Any],
    length: int,
    chunk: int,
    codec: Codec,
    fill: Any = None,
    name: str | None = None,
) -> h5py.Dataset:
    """Create a one-dimensional dataset, by name or for :func:`link` to name it at once.

    What stays open while other data are written needs a name from the start: HDF5 2.0 writes object
    headers without one out damaged, once hundreds of them with more than eight attributes fill its cache.

    It is stored in chunks, but what is small lies in the object header (compact, under the header's
    checksum): a chunk index alone would take 2 kB.
    """
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    if fill is not None:
        creation.set_fill_value(np.asarray(fill, dtype))
    if 0 < length * dtype.itemsize <= MAX_COMPACT_BYTES:
        creation.set_layout(h5d.COMPACT)
    else:
        creation.set_chunk((max(1, min(chunk, length)),))
        codec.add_filters(creation)
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(1, 0, 0.0)  # chunks are written once and whole
    stored = h5d.create(
        parent.id,
        None if name is None else name.encode("utf-8"),
        h5t.py_create(dtype, logical=True),
        h5s.create_simple((length,)),
        dcpl=creation,
        dapl=access,
    )
    return h5py.Dataset(stored)


def create_array(
    parent: h5py.Group, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], codec: Codec
) -> h5py.Dataset:
    """Create a dataset of several dimensions, with a chunk for each of the first one's places (spec W-4)."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    creation.set_chunk((1, *shape[1:]))
    codec.add_filters(creation)
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(1, 0, 0.0)  # chunks are written once and whole
    kind = h5t.py_create(dtype, logical=True)
    space = h5s.create_simple(shape)
    return h5py.Dataset(h5d.create(parent.id, name.encode("utf-8"), kind, space, dcpl=creation, dapl=access))


def link(obj: h5py.Dataset, parent: h5py.Group, name: str) -> None:
    """Give an object a (further) name: a hard link."""
    h5o.link(obj.id, parent.id, name.encode("utf-8"), lcpl=_link_creation())


def link_again(source: h5py.Group, name: str, parent: h5py.Group, new_name: str) -> None:
    """Give what a group has under a name a further name, without opening it.

    Raises
    ------
    UnsafeArchive
        If it has a link that isn't a hard one: HDF5 would follow it.
    """
    address_at(source, name)
    parent.id.links.create_hard(
        new_name.encode("utf-8"), source.id, name.encode("utf-8"), lcpl=_link_creation()
    )


def link_outside(parent: h5py.Group, name: str, file: str, path: str) -> None:
    """Make a member that is an external link: for other tools, since ours never let HDF5 follow one."""
    parent.id.links.create_external(
        name.encode("utf-8"), file.encode("utf-8"), path.encode("utf-8"), lcpl=_link_creation()
    )


def rename(parent: h5py.Group, old: str, new: str) -> None:
    """Give a member of a group another name."""
    parent.id.links.move(old.encode("utf-8"), parent.id, new.encode("utf-8"), lcpl=_link_creation())


def _link_creation() -> Any:
    """Links say that their names are UTF-8; some readers take them for ASCII otherwise."""
    creation = h5p.create(h5p.LINK_CREATE)
    creation.set_char_encoding(h5t.CSET_UTF8)
    return creation


def check_text(what: str, text: str) -> None:
    """Refuse a text that an attribute or a column can't hold.

    Raises
    ------
    EEGArchiveError
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise EEGArchiveError(f"{what} isn't text that UTF-8 can hold: {text[:40]!a}") from None
    if "\0" in text:
        raise EEGArchiveError(f"{what} has a NUL character, which HDF5's text can't hold")
    if size > _MAX_ATTRIBUTE_BYTES:
        raise EEGArchiveError(f"{what} has {size} bytes of text, {_MAX_ATTRIBUTE_BYTES} at most")


def write_attribute(obj: h5py.Group | h5py.Dataset, name: str, value: AttributeValue) -> None:
    """Write one attribute: fixed-length UTF-8, 64-bit integer or 64-bit float; replaces in place.

    Raises
    ------
    ValueError
        If a text is longer than an attribute can be.
    """
    key = name.encode("utf-8")
    if isinstance(value, str):
        encoded = value.encode("utf-8")
        if len(encoded) > _MAX_ATTRIBUTE_BYTES:
            raise ValueError(
                f"attribute {name}: {len(encoded)} bytes of text, {_MAX_ATTRIBUTE_BYTES} at most"
            )
        dtype = h5t.py_create(h5py.string_dtype("utf-8", max(1, len(encoded))), logical=True)
        data = np.array(encoded, f"S{max(1, len(encoded))}")
    elif isinstance(value, int):
        data = np.array(value, "<i8")
        dtype = h5t.py_create(data.dtype, logical=True)
    else:
        data = np.array(value, "<f8")
        dtype = h5t.py_create(data.dtype, logical=True)
    if h5a.exists(obj.id, key):
        old = h5a.open(obj.id, key)
        if old.get_type() == dtype:
            old.write(data, mtype=dtype)
            return
        h5a.delete(obj.id, key)
    h5a.create(obj.id, key, dtype, h5s.create(h5s.SCALAR)).write(data, mtype=dtype)


def write_attributes(obj: h5py.Group | h5py.Dataset, values: Mapping[str, AttributeValue]) -> None:
    """Write several attributes, in name order."""
    for name in sorted(values):
        write_attribute(obj, name, values[name])


class _Attributes(dict[str, AttributeValue]):
    """Attributes of an object; one that is missing is what's wrong with the file."""

    def __init__(self, where: str, values: Mapping[str, AttributeValue]) -> None:
        super().__init__(values)
        self._where = where

    def __missing__(self, name: str) -> AttributeValue:
        raise NotInArchive(f"{self._where}: lacks the attribute {name!r}; run `eegarchive verify`")


@finds_damage
def read_attributes(obj: h5py.Group | h5py.Dataset) -> dict[str, AttributeValue]:
    """All attributes of an object, in name order.

    Raises
    ------
    InvalidArchive
        If one is of a type the format doesn't have (spec C-7).
    """
    if (count := h5a.get_num_attrs(obj.id)) > MAX_ATTRIBUTES:
        raise UnsafeArchive(f"{obj.name}: has {count} attributes; {MAX_ATTRIBUTES} at most")
    names: list[bytes] = []
    h5a.iterate(obj.id, names.append)
    return _Attributes(str(obj.name), {name.decode("utf-8", "replace"): _value(obj, name) for name in names})


@finds_damage
def read_attribute(obj: h5py.Group | h5py.Dataset, name: str) -> AttributeValue | None:
    """One attribute; None if the object hasn't got it."""
    key = name.encode("utf-8")
    return _value(obj, key) if h5a.exists(obj.id, key) else None


def _value(obj: h5py.Group | h5py.Dataset, name: bytes) -> AttributeValue:
    """One attribute; each HDF5 object that h5py makes on the way takes longer than the reading."""
    attribute = h5a.open(obj.id, name)
    kind = attribute.get_type()
    if attribute.shape != ():
        raise InvalidArchive(f"{obj.name}@{name!r}: attributes are scalars")
    if kind.get_size() > _MAX_ATTRIBUTE_BYTES:
        raise UnsafeArchive(f"{obj.name}@{name!r}: {kind.get_size()} bytes; {_MAX_ATTRIBUTE_BYTES} at most")
    if isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str():
        raw = np.zeros((), f"S{kind.get_size()}")
        attribute.read(raw, mtype=kind)
        try:
            return str(raw.item().decode("utf-8"))
        except UnicodeDecodeError:
            raise InvalidArchive(f"{obj.name}@{name!r}: text that isn't UTF-8") from None
    if isinstance(kind, h5t.TypeIntegerID) and kind.get_size() == 8 and kind.get_sign():
        number = np.zeros((), "<i8")
        attribute.read(number, mtype=h5t.STD_I64LE)
        return int(number)
    if isinstance(kind, h5t.TypeFloatID) and kind.get_size() == 8:
        real = np.zeros((), "<f8")
        attribute.read(real, mtype=h5t.IEEE_F64LE)
        return float(real)
    raise InvalidArchive(
        f"{obj.name}@{name!r}: an attribute is fixed-length text, int64 or float64; this is neither"
    )


def decode(raw: bytes, where: str) -> str:
    """UTF-8 text from a file."""
    try:
        return raw.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArchive(f"{where}: text that isn't UTF-8") from None


def table_dtype(columns: Sequence[Column], widths: Mapping[str, int]) -> np.dtype[Any]:
    """The packed compound type of a table; a text column is as wide as its longest value."""
    fields: list[tuple[str, Any]] = []
    for column in columns:
        if column.type == "str":
            fields.append((column.name, h5py.string_dtype("utf-8", widths[column.name])))
        else:
            fields.append((column.name, "|u1" if column.type == "u1" else f"<{column.type}"))
    return np.dtype(fields)


def make_rows(
    columns: Sequence[Column], values: Mapping[str, Sequence[Any] | npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Build a table's rows from its columns; texts are `str`."""
    packed: dict[str, Any] = {}
    widths: dict[str, int] = {}
    for column in columns:
        data = values[column.name]
        if column.type == "str":
            encoded = [text.encode("utf-8") for text in data]
            widths[column.name] = max(1, max(map(len, encoded), default=1))
            packed[column.name] = encoded
        else:
            packed[column.name] = data
    length = len(packed[columns[0].name])
    rows = np.zeros(length, table_dtype(columns, widths))
    for name, data in packed.items():
        rows[name] = data
    return rows


def write_table(
    file: h5py.File,
    rows: npt.NDArray[Any],
    attributes: Mapping[str, AttributeValue] | None = None,
) -> h5py.Dataset:
    """Store rows as a compressed table that no group holds yet."""
    chunk = max(1, TABLE_CHUNK_BYTES // rows.dtype.itemsize)
    dataset = create_dataset(file, rows.dtype, len(rows), chunk, PORTABLE)
    if len(rows) > chunk:
        _write_chunks(dataset, rows, chunk)
    elif len(rows):
        dataset.write_direct(rows)
    write_attributes(dataset, attributes or {})
    return dataset


def _write_chunks(dataset: h5py.Dataset, rows: npt.NDArray[Any], chunk: int) -> None:
    """Store the rows of a large table: HDF5 would compress one chunk after the other, and more slowly."""
    last = np.zeros(chunk, rows.dtype)
    rest = len(rows) % chunk
    last[:rest] = rows[len(rows) - rest :]
    parts = [rows[at : at + chunk] for at in range(0, len(rows) - rest, chunk)] + [last] * (rest > 0)
    for number, raw in enumerate(spread(encode_portable, parts)):
        dataset.id.write_direct_chunk((number * chunk,), raw, 0)


def write_bytes(
    file: h5py.File, raw: bytes, attributes: Mapping[str, AttributeValue] | None = None
) -> h5py.Dataset:
    """Store bytes as a compressed stream, with their SHA-256, that no group holds yet."""
    data = np.frombuffer(raw, np.uint8)
    dataset = create_dataset(file, data.dtype, len(data), TABLE_CHUNK_BYTES, PORTABLE)
    if len(data):
        dataset.write_direct(data)
    write_attributes(dataset, {BYTES_DIGEST: hashlib.sha256(raw).hexdigest(), **(attributes or {})})
    return dataset


def check_columns(dtype: np.dtype[Any], columns: Sequence[Column], where: str) -> None:
    """Refuse a table whose columns aren't those of the format (spec T-2)."""
    names = dtype.names
    expected = tuple(column.name for column in columns)
    if names != expected:
        raise InvalidArchive(f"{where}: columns {names}, expected {expected}")
    if dtype.itemsize != sum(dtype[name].itemsize for name in expected):
        raise InvalidArchive(f"{where}: there are gaps between its columns")
    for column in columns:
        found = dtype[column.name]
        text = h5py.check_string_dtype(found)
        if column.type == "str":
            good = (
                found.kind == "S"
                and text is not None
                and text.length is not None
                and text.encoding == "utf-8"
            )
        else:
            good = found == np.dtype(f"<{column.type}")
        if not good:
            raise InvalidArchive(f"{where}: column {column.name} is {found}, expected {column.type}")


@finds_damage
def read_table(dataset: h5py.Dataset, columns: Sequence[Column]) -> npt.NDArray[Any]:
    """A table's rows as they are stored.

    Raises
    ------
    InvalidArchive
        If its columns aren't those of the format, or its bytes are damaged.
    """
    check_columns(dataset.dtype, columns, dataset.name)
    check_chunks(dataset)
    rows: npt.NDArray[Any] = dataset[()]
    return rows


def text_column(rows: npt.NDArray[Any], name: str, where: str) -> list[str]:
    """One text column as a list of `str`."""
    return [decode(raw, where) for raw in rows[name].tolist()]
