"""Digests: what names a stored signal, a table, a state, a freeze and a whole archive.

Each is the SHA-256 of a short text, defined in spec/digests.md so that any language can build it.
Chunk length, codec, file name and time of day play no part in a state's digest.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive.layout import (
    ARCHIVE_DIGEST,
    BYTES_DIGEST,
    CACHE,
    CONTENTS_DIGEST,
    DATA,
    FREEZES,
    SAMPLES_DIGEST,
    SIGNALS,
    STATE_TABLES,
    WINDOWS,
)
from eegarchive.storage import guard, virtual
from eegarchive.storage.objects import AttributeValue, read_attribute, read_attributes, write_attribute
from eegarchive.storage.outside import attached_freezes
from eegarchive.storage.samples import Piece


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("ascii")).hexdigest()


def _hex(text: str) -> str:
    return text.encode("utf-8").hex()


def _attribute_lines(attributes: Mapping[str, AttributeValue]) -> list[str]:
    """One line for each attribute, in the byte order of their names (spec D-2)."""
    lines = []
    for name in sorted(attributes, key=lambda name: name.encode("utf-8")):
        value = attributes[name]
        if isinstance(value, str):
            kind, raw = "s", value.encode("utf-8")
        elif isinstance(value, int):
            kind, raw = "i", struct.pack("<q", value)
        else:
            kind, raw = "f", struct.pack("<d", value)
        lines.append(f"attribute {_hex(name)} {kind} {raw.hex()}")
    return lines


def _type(dtype: np.dtype[Any]) -> str:
    return dtype.str.lstrip("<|")


def _column(name: str) -> str:
    """Name of a column as one word of ASCII: factors of a cache are called as people like."""
    return name if re.fullmatch("[A-Za-z0-9_]+", name) else f"hex:{_hex(name)}"


def signal_digest(
    dtype: np.dtype[Any], length: int | str, samples_sha256: str, attributes: Mapping[str, AttributeValue]
) -> str:
    """Name of a signal in /data (spec D-3)."""
    described = {name: value for name, value in attributes.items() if name != SAMPLES_DIGEST}
    return _sha256(
        [
            "eegarchive signal 1",
            f"type {_type(dtype)}",
            f"length {length}",
            f"samples {samples_sha256}",
            *_attribute_lines(described),
        ]
    )


def table_digest(rows: npt.NDArray[Any], attributes: Mapping[str, AttributeValue]) -> str:
    """Digest of a table: columns, rows as packed little-endian bytes, attributes (spec D-4)."""
    assert rows.dtype.names is not None
    return _sha256(
        [
            "eegarchive table 1",
            *(f"column {_column(name)} {_type(rows.dtype[name])}" for name in rows.dtype.names),
            f"rows {len(rows)}",
            f"bytes {hashlib.sha256(rows.tobytes()).hexdigest()}",
            *_attribute_lines(attributes),
        ]
    )


def state_digest(
    signals: Iterable[tuple[str, Mapping[str, AttributeValue], Sequence[Piece]]],
    tables: Mapping[str, str],
) -> str:
    """Digest of a state: each signal's name, attributes and pieces in order, then its tables (spec D-5).

    Parameters
    ----------
    signals : iterable of (name, attributes, normalised pieces)
    tables : mapping
        Digests of segments, annotations and epochs.
    """
    lines = ["eegarchive state 1"]
    for name, attributes, pieces in signals:
        described = {key: value for key, value in attributes.items() if key != SAMPLES_DIGEST}
        lines += [f"signal {_hex(name)}", *_attribute_lines(described)]
        lines += [f"piece {piece.data} {piece.start} {piece.stop}" for piece in pieces]
    lines += [f"table {name} {tables[name]}" for name in sorted(tables)]
    return _sha256(lines)


#: Attributes that a signal's physical values, and their times, depend on.
_VALUE_ATTRIBUTES = ("sampling_rate", "scale_factor", "add_offset")


def source_digests(attributes: Mapping[str, AttributeValue], pieces: Sequence[Piece]) -> tuple[str, str]:
    """What a signal of a state takes its values from, and which samples of that, in order (spec H-8)."""
    lines = _attribute_lines({name: float(attributes[name]) for name in _VALUE_ATTRIBUTES})
    pieces = normalised(pieces)
    data = sorted({piece.data for piece in pieces})
    return (
        _sha256(["eegarchive source 1", *lines, *(f"data {name}" for name in data)]),
        _sha256(["eegarchive extent 1", *lines, *(f"piece {p.data} {p.start} {p.stop}" for p in pieces)]),
    )


def normalised(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces without empty ones, and with neighbours that continue each other merged (spec P-4)."""
    out: list[Piece] = []
    for piece in pieces:
        if not len(piece):
            continue
        if out and out[-1].data == piece.data and out[-1].stop == piece.start:
            out[-1] = Piece(piece.data, out[-1].start, piece.stop)
        else:
            out.append(piece)
    return out or list(pieces[:1])


#: What the digest of a state (D-5) covers: the digests of what is around it leave it out.
_OF_STATE = frozenset({SIGNALS, *STATE_TABLES})


def contents_digest(group: h5py.Group) -> str:
    """Digest of a freeze: its attributes, and what isn't its state (spec D-6)."""
    lines = _contents_lines(group)
    for name in guard.names(group):
        if name not in _OF_STATE:
            lines += _member_lines(name, guard.member(group, name))
    return _sha256(lines)


def part_digest(group: h5py.Group) -> str:
    """Digest of one cache, or one set of windows: its attributes, and all that is in it (spec D-6)."""
    lines = _contents_lines(group)
    for name in guard.names(group):
        lines += _lines(f"/{name}", guard.member(group, name))
    return _sha256(lines)


def _contents_lines(group: h5py.Group) -> list[str]:
    own = {name: value for name, value in read_attributes(group).items() if name != CONTENTS_DIGEST}
    return ["eegarchive contents 1", *_attribute_lines(own)]


def cache_digest_of_tables(tables: Mapping[str, str]) -> str:
    """The same of a cache that has these tables, by their digests, and nothing else."""
    names = sorted(tables, key=lambda name: name.encode("utf-8"))
    return _sha256(["eegarchive contents 1", *(f"table {_hex(f'/{name}')} {tables[name]}" for name in names)])


def archive_digest(file: h5py.File, trust_names: bool = False) -> str:
    """The one digest that covers everything in an archive (spec D-7).

    An edit takes stored signals by their names (`trust_names`), since they never change.
    """
    root = {name: value for name, value in read_attributes(file).items() if name != ARCHIVE_DIGEST}
    lines = ["eegarchive archive 1", *_attribute_lines(root)]
    for name in guard.names(file):
        if name in _OF_STATE:
            continue
        found = guard.member(file, name)
        if name == FREEZES:
            lines += [f"group {_hex('/' + name)}", *_attribute_lines(read_attributes(found))]
            attached = attached_freezes(found)
            for tag in guard.names(found):
                if tag in attached:
                    digest: AttributeValue = attached[tag].contents_digest
                else:
                    digest = read_attribute(guard.group_at(found, tag), CONTENTS_DIGEST) or ""
                lines.append(f"freeze {_hex(tag)} {digest}")
        elif name == DATA and trust_names:
            lines += [f"group {_hex('/' + name)}", *_attribute_lines(read_attributes(found))]
            lines += [f"signal {_hex(f'/{name}/{own}')} {own}" for own in guard.names(found)]
        else:
            lines += _member_lines(name, found, (CACHE, WINDOWS))
    return _sha256(lines)


def write_archive_digest(root: h5py.File) -> None:
    """Bring the root's archive digest up to date at the end of an edit."""
    write_attribute(root, ARCHIVE_DIGEST, archive_digest(root, trust_names=True))


def _member_lines(
    name: str, found: h5py.Group | h5py.Dataset, by_parts: Sequence[str] = (CACHE,)
) -> list[str]:
    """The lines of a member of the root or of a freeze; caches and windows enter by digests of their own."""
    if name not in by_parts or isinstance(found, h5py.Dataset):
        return _lines(f"/{name}", found)
    lines = [f"group {_hex(f'/{name}')}", *_attribute_lines(read_attributes(found))]
    return [*lines, *(f"{name} {_hex(own)} {digest}" for own, digest in _parts(found).items())]


def cache_digests(group: h5py.Group) -> dict[str, str]:
    """Digest of each cache of the root, or of a freeze, by name."""
    return _parts(guard.group_at(group, CACHE)) if CACHE in guard.names(group) else {}


def window_digests(root: h5py.File) -> dict[str, str]:
    """Digest of each set of windows, by name."""
    return _parts(guard.group_at(root, WINDOWS)) if WINDOWS in guard.names(root) else {}


def member_digests(root: h5py.File) -> dict[str, str]:
    """Digest of each member of the root that has none of its own: /edf, /history, and what a later version adds."""
    others = {*_OF_STATE, DATA, FREEZES, CACHE, WINDOWS}
    return {
        name: _sha256(["eegarchive contents 1", *_lines(f"/{name}", guard.member(root, name))])
        for name in guard.names(root)
        if name not in others
    }


def _parts(group: h5py.Group) -> dict[str, str]:
    digests = {
        name: read_attribute(guard.group_at(group, name), CONTENTS_DIGEST) for name in guard.names(group)
    }
    return {name: str(digest or "") for name, digest in digests.items()}


def _lines(path: str, found: h5py.Group | h5py.Dataset) -> list[str]:
    """The lines of an object and of all below it."""
    if isinstance(found, h5py.Dataset):
        return _dataset_lines(path, found)
    lines = [f"group {_hex(path)}", *_attribute_lines(read_attributes(found))]
    for below, member in guard.walk(found, path):
        if isinstance(member, h5py.Group):
            lines.append(f"group {_hex(below)}")
            lines += _attribute_lines(read_attributes(member))
        else:
            lines += _dataset_lines(below, member)
    return lines


def _dataset_lines(path: str, dataset: h5py.Dataset) -> list[str]:
    """What a dataset adds: a signal by its digest, a virtual one by its mapping, a table by its rows.

    Only members that this version doesn't know may be virtual, or have several dimensions.
    """
    length = "x".join(map(str, dataset.shape))
    guard.check_dataset(dataset)
    attributes = read_attributes(dataset)
    if dataset.is_virtual:
        sources = (f"source {data} {a} {b} {c} {d}" for data, a, b, c, d in virtual.mapping(dataset))
        first = f"virtual {_hex(path)} {_type(dataset.dtype)} {length}"
        return [first, *sources, *_attribute_lines(attributes)]
    if BYTES_DIGEST in attributes:
        return [f"bytes {_hex(path)} {length}", *_attribute_lines(attributes)]
    if dataset.dtype.names is not None:
        return [f"table {_hex(path)} {table_digest(dataset[()], attributes)}"]
    samples = str(attributes.get(SAMPLES_DIGEST, ""))
    return [f"signal {_hex(path)} {signal_digest(dataset.dtype, length, samples, attributes)}"]
