"""Digests: what names a stored signal, a table, a state, a freeze and a whole archive.

Each is the SHA-256 of a short text, defined in spec/digests.md so that any language can build it.
Chunk length, codec, file name and time of day play no part in a state's digest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive.layout import (
    ARCHIVE_DIGEST,
    BYTES_DIGEST,
    CONTENTS_DIGEST,
    DATA,
    FREEZES,
    SAMPLES_DIGEST,
    SIGNALS,
    STATE_TABLES,
)
from eegarchive.storage import guard, virtual
from eegarchive.storage.objects import AttributeValue, read_attribute, read_attributes
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
            *(f"column {name} {_type(rows.dtype[name])}" for name in rows.dtype.names),
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


def contents_digest(freeze: h5py.Group) -> str:
    """Digest of a freeze: its attributes, the state's digest among them, and what isn't its state (spec D-6)."""
    own = {name: value for name, value in read_attributes(freeze).items() if name != CONTENTS_DIGEST}
    lines = ["eegarchive contents 1", *_attribute_lines(own)]
    for name in guard.names(freeze):
        if name not in _OF_STATE:
            lines += _lines(f"/{name}", guard.member(freeze, name))
    return _sha256(lines)


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
            for tag in guard.names(found):
                digest = read_attribute(guard.group_at(found, tag), CONTENTS_DIGEST) or ""
                lines.append(f"freeze {_hex(tag)} {digest}")
        elif name == DATA and trust_names:
            lines += [f"group {_hex('/' + name)}", *_attribute_lines(read_attributes(found))]
            lines += [f"signal {_hex(f'/{name}/{own}')} {own}" for own in guard.names(found)]
        else:
            lines += _lines(f"/{name}", found)
    return _sha256(lines)


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
