"""Hostile archives: each attack is a function that spoils a good archive, beside which lies a file it may want to read.

The good archive has two signals, one of them chunked, a cache, a prepared set of windows and a freeze `A`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t
from spec.breaking import edited, first_signal, replace_table

from eegarchive.storage import objects, seal

#: What nothing may read: outside the archive's folder, and beside the archive.
SECRET, BESIDE = "outside/secret.txt", "secret.h5"

Spoil = Callable[[h5py.File, Path], None]
#: By name.
ATTACKS: dict[str, Spoil] = {}


def attack(function: Spoil) -> Spoil:
    """Take a function into the corpus."""
    ATTACKS[function.__name__] = function
    return function


def several(name: str, make: Callable[..., Spoil], *cases: Any) -> None:
    """Take an attack in several variants into the corpus."""
    for case in cases:
        ATTACKS[f"{name}[{case}]"] = make(case)


def spoil(path: Path, name: str) -> None:
    """Apply an attack to an archive, and seal it again."""
    with edited(path, redigest=False) as h5:
        ATTACKS[name](h5, path)


# -- links --------------------------------------------------------------------------------------------------

PLACES = (
    *(
        "signals",
        "data",
        "freezes",
        "freezes/source",
        "freezes/A",
        "freezes/A/signals",
        "freezes/source/pieces",
        "edf",
    ),
    *(
        "edf/header",
        "edf/annotations",
        "segments",
        "pieces",
        "history",
        "cache",
        "cache/own",
        "windows",
        "windows/w",
    ),
)


def _put(h5: h5py.File, place: str, link: Any) -> None:
    del h5[place]
    h5[place] = link


def _external(place: str) -> Spoil:
    return lambda h5, path: _put(h5, place, h5py.ExternalLink(f"{path.parent}/{BESIDE}", f"/{place}"))


def _soft(place: str) -> Spoil:
    return lambda h5, path: _put(h5, place, h5py.SoftLink("/data"))


several("external_link", _external, *PLACES)
several("soft_link", _soft, *PLACES)


@attack
def soft_link_to_itself(h5: h5py.File, path: Path) -> None:
    _put(h5, "signals", h5py.SoftLink("/signals"))


@attack
def external_link_as_stored_signal(h5: h5py.File, path: Path) -> None:
    _, stored, _ = first_signal(h5)
    _put(h5, f"data/{stored}", h5py.ExternalLink(f"{path.parent}/{BESIDE}", f"/data/{stored}"))


@attack
def group_that_contains_itself(h5: h5py.File, path: Path) -> None:
    h5["signals"]["again"] = h5["signals"]
    h5["freezes"]["A/signals/again"] = h5["freezes"]
    h5["cache"]["again"] = h5["cache"]
    h5["windows"]["again"] = h5["windows"]


@attack
def freeze_that_is_the_root(h5: h5py.File, path: Path) -> None:
    h5["freezes"]["root"] = h5["/"]


# -- storage ------------------------------------------------------------------------------------------------


def _replaced(h5: h5py.File, place: str, made: h5py.Dataset) -> None:
    """Put a dataset in another's place, wherever that is linked, with its attributes."""
    own = dict(h5[place].attrs)
    for key, value in own.items():
        if key not in made.attrs:
            value = value.decode() if isinstance(value, bytes) else value
            objects.write_attribute(made, key, value.item() if hasattr(value, "item") else value)
    address = h5py.h5o.get_info(h5[place].id).addr
    names: list[str] = []
    for group in _groups(h5):
        for name in group:
            if h5py.h5o.get_info(group[name].id).addr == address:
                names.append(f"{group.name}/{name}")
    for name in names:
        del h5[name]
        h5[name] = made


def _groups(h5: h5py.File) -> list[h5py.Group]:
    found: list[h5py.Group] = [h5]
    h5.visititems(lambda _, obj: found.append(obj) if isinstance(obj, h5py.Group) else None)
    return found


def _signal_place(h5: h5py.File) -> str:
    return f"data/{first_signal(h5)[1]}"


def _raw_storage(place: str) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        at = _signal_place(h5) if place == "data" else place
        old = h5[at]
        secret = str(path.parent.parent / SECRET)
        size = max(1, old.size) * old.dtype.itemsize
        made = h5.create_dataset(None, old.shape or (1,), old.dtype, external=[(secret, 0, size)])
        _replaced(h5, at, made)

    return spoil


several(
    "external_storage",
    _raw_storage,
    "data",
    "edf/header",
    "segments",
    "history",
    "cache/own/num",
    "windows/w/rows",
)


def _virtual(source: tuple[str, str]) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        name, stored, stop = first_signal(h5)
        creation = h5p.create(h5p.DATASET_CREATE)
        space = h5s.create_simple((stop,))
        file, inside = (text.format(folder=path.parent, data=stored) for text in source)
        creation.set_virtual(space, file.encode(), inside.encode(), space)
        made = h5py.Dataset(h5d.create(h5.id, None, h5t.STD_I16LE, space, dcpl=creation))
        own = {
            key: value for key, value in dict(h5["signals"][name].attrs).items() if key != "samples_sha256"
        }
        for key, value in own.items():
            value = value.decode() if isinstance(value, bytes) else value
            objects.write_attribute(made, key, value.item() if hasattr(value, "item") else value)
        del h5["signals"][name]
        h5["signals"][name] = made

    return spoil


several(
    "virtual",
    _virtual,
    ("{folder}/secret.h5", "/data/{data}"),
    ("secret.h5", "/data/{data}"),
    ("../outside/secret.h5", "/data/{data}"),
    (".", "/signals/3Hz"),
    (".", "/data/../signals/3Hz"),
)


@attack
def stored_signal_is_virtual(h5: h5py.File, path: Path) -> None:
    """A virtual dataset over another, which reads a file beside the archive."""
    place = _signal_place(h5)
    old = h5[place]
    creation = h5p.create(h5p.DATASET_CREATE)
    space = h5s.create_simple(old.shape)
    creation.set_virtual(space, f"{path.parent}/{BESIDE}".encode(), place.encode(), space)
    _replaced(h5, place, h5py.Dataset(h5d.create(h5.id, None, old.id.get_type(), space, dcpl=creation)))


def _bomb(case: tuple[str, int | None]) -> Spoil:
    place, chunk = case

    def spoil(h5: h5py.File, path: Path) -> None:
        at = _signal_place(h5) if place == "data" else place
        dtype = h5[at].dtype
        more = {"chunks": (chunk,), "compression": 6, "shuffle": True, "fletcher32": True} if chunk else {}
        made = h5.create_dataset(None, (2**43 // dtype.itemsize,), dtype, **more)
        _replaced(h5, at, made)

    return spoil


several(
    "size",
    _bomb,
    *((place, chunk) for place in ("data", "segments", "edf/header", "history") for chunk in (None, 65536)),
)


@attack
def compression_bomb(h5: h5py.File, path: Path) -> None:
    """A chunk of 1 GiB stored in 1 MB."""
    place = _signal_place(h5)
    size = 2**29
    made = objects.create_dataset(h5, np.dtype("<i2"), size, size, objects.PORTABLE)
    made.id.write_direct_chunk((0,), b"\0" * 2**20, 0)
    _replaced(h5, place, made)


@attack
def unknown_filter(h5: h5py.File, path: Path) -> None:
    place = _signal_place(h5)
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_chunk((1000,))
    creation.set_filter(40_000, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    made = h5d.create(h5.id, None, h5t.STD_I16LE, h5s.create_simple(h5[place].shape), dcpl=creation)
    _replaced(h5, place, h5py.Dataset(made))


# -- types --------------------------------------------------------------------------------------------------

TYPES: dict[str, Any] = {
    "opaque": np.dtype("V7"),
    "reference": h5py.ref_dtype,
    "region": h5py.regionref_dtype,
    "vlen": h5py.vlen_dtype(np.dtype("<i2")),
    "text": h5py.string_dtype(),
    "enum": h5py.enum_dtype({"A": 0}, "<i2"),
    "complex": np.dtype("<c16"),
    "array": np.dtype([("a", "<i2", (3,))]),
    "nested": np.dtype([("a", [("b", "<i2")])]),
    "big": np.dtype(">i2"),
    "wide": np.dtype("S60000"),
}


def _typed(case: tuple[str, str]) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        kind, place = case
        at = _signal_place(h5) if place == "data" else place
        _replaced(h5, at, h5.create_dataset(None, (50,), TYPES[kind], chunks=(50,)))

    return spoil


several("type", _typed, *((kind, place) for kind in TYPES for place in ("data", "annotations")))


@attack
def committed_type(h5: h5py.File, path: Path) -> None:
    h5["signals"]["type"] = np.dtype("<i2")
    h5["edf/type"] = np.dtype("<i2")


@attack
def time_type(h5: h5py.File, path: Path) -> None:
    _replaced(h5, "segments", h5py.Dataset(h5d.create(h5.id, None, h5t.UNIX_D32LE, h5s.create_simple((3,)))))


@attack
def pickle_in_an_attribute(h5: h5py.File, path: Path) -> None:
    h5.attrs["attr.age"] = np.void(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")


# -- names and numbers --------------------------------------------------------------------------------------


def _named(name: str) -> Spoil:
    raw = name.encode("utf-8", "surrogateescape")

    def spoil(h5: h5py.File, path: Path) -> None:
        for place in ("signals", "freezes", "cache", "windows", "data"):
            group = h5[place]
            member = next(iter(group)).encode()
            group.id.links.create_hard(raw, group.id, member, lcpl=objects._link_creation())

    return spoil


several("name", _named, "\x1b[2J", "..", "a\rb", "\u202egpj.exe", "x" * 256, "\udcff", "\u2028", "a\nb")


@attack
def deep_nesting(h5: h5py.File, path: Path) -> None:
    group = h5["freezes"]
    for _ in range(3000):
        group = h5py.Group(h5g.create(group.id, b"a"))


@attack
def many_attributes(h5: h5py.File, path: Path) -> None:
    for number in range(10_001):
        objects.write_attribute(h5, f"attr.a{number}", 1)


def _attribute(case: tuple[str, Any]) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        place, value = case
        where, _, name = place.rpartition("@")
        at = h5[_signal_place(h5)] if where == "data" else h5[where]
        if name in at.attrs:
            del at.attrs[name]
        objects.write_attribute(at, name, value)

    return spoil


several(
    "attribute",
    _attribute,
    *(("data@sampling_rate", rate) for rate in (0.0, -1.0, float("nan"), float("inf"), 1e300, 7, "7")),
    ("data@scale_factor", float("nan")),
    ("data@units", 1.0),
    ("segments@recording_start", "\x1b[31mnow"),
    ("/@format_version", "2.0"),
    ("/@format_version", "1.\x1b"),
    ("/@format_version", "9" * 5000),
    ("/@format", "eegarchive\n"),
    ("/@source_size", -1),
    ("/@source_size", "many"),
    ("/@digest", "not hexadecimal"),
    ("/@attr.age", float("nan")),
    ("/@attr_levels.sex", "[" * 20_000),
    ("/@attr_type.age", "date"),
    ("windows/w@parameters", "[" * 20_000),
    ("windows/w@parameters", "NaN"),
    ("windows/w@sampling_rate", float("nan")),
    ("cache/own@contents_digest", "\0x"),
)


def _without(place: str) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        where, _, name = place.rpartition("@")
        del h5[where].attrs[name]

    return spoil


several(
    "without",
    _without,
    *(f"/@{name}" for name in ("source_kind", "source_size", "source_sha256", "digest", "source_digest")),
    *("freezes/A@digest", "freezes/A@created", "edf@local_patient_identification", "windows/w@state"),
)


def _cell(case: tuple[str, str, Any]) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        table, column, value = case
        rows = h5[table][()]
        if isinstance(value, bytes):
            fields = [(name, rows.dtype[name]) for name in rows.dtype.names]
            fields[rows.dtype.names.index(column)] = (column, h5py.string_dtype("utf-8", len(value)))
            rows = rows.astype(fields)
        rows[column][:1] = value
        replace_table(h5, table, rows)

    return spoil


ODD = (float("nan"), float("inf"), -1.0, 1e308)
several("segments", _cell, *(("segments", name, value) for name in ("start", "duration") for value in ODD))
several("epochs", _cell, *(("epochs", name, value) for name in ("start", "duration") for value in ODD))
several(
    "pieces",
    _cell,
    *(("pieces", "start", value) for value in (-1, 2**62, -(2**63))),
    *(("pieces", "stop", value) for value in (-1, 0, 2**62, 2**63 - 1)),
    *(("pieces", "data", value) for value in (b"../signals", b"a/b", b"\xff", b"no such", b".")),
    ("pieces", "signal", b"\x1b[31m"),
)
several(
    "history",
    _cell,
    *(
        ("history", "parameters", value)
        for value in (b"[" * 20_000, b"9" * 5000, b"NaN", b"[]", b"\xff", b"{}")
    ),
    ("history", "digest_after", b"x"),
    ("history", "operation", b"\x1b]0;x\x07"),
    ("history", "versions", json.dumps({"a": [1] * 9}).encode()),
    ("history", "time", b"yesterday"),
)
several(
    "cache",
    _cell,
    ("cache/own/num", "origin", 2**31 - 1),
    ("cache/own/num", "origin", -1),
    ("cache/own/num", "factors", b"NIGHT,," + b"x" * 100),
    ("cache/own/num", "variable", b"\xff\xfe"),
    ("cache/own/origins", "parameters", b"{" * 9000),
    ("windows/w/rows", "start", -(2**63)),
    ("windows/w/rows", "stop", 2**62),
    ("windows/w/channels", "scale_factor", float("nan")),
)


def _rows(case: tuple[str, str]) -> Spoil:
    def spoil(h5: h5py.File, path: Path) -> None:
        table, how = case
        rows = h5[table][()]
        many = 500 if table == "history" else 5000  # each one is an operation to replay
        rows = {"none": rows[:0], "doubled": np.concatenate([rows, rows]), "many": np.repeat(rows[:1], many)}[
            how
        ]
        replace_table(h5, table, rows)

    return spoil


several(
    "rows",
    _rows,
    *(
        (table, how)
        for table in ("segments", "pieces", "history", "windows/w/rows")
        for how in ("none", "doubled", "many")
    ),
)


@attack
def column_name_that_is_no_text(h5: h5py.File, path: Path) -> None:
    kind = h5t.create(h5t.COMPOUND, 16)
    kind.insert(b"start\xff\x1b", 0, h5t.IEEE_F64LE)
    kind.insert(b"duration", 8, h5t.IEEE_F64LE)
    _replaced(h5, "segments", h5py.Dataset(h5d.create(h5.id, None, kind, h5s.create_simple((2,)))))


@attack
def windows_of_another_shape(h5: h5py.File, path: Path) -> None:
    group = h5["windows/w"]
    del group["samples"]
    objects.create_array(group, "samples", np.dtype("<f4"), (2**20, 1, 2**20), objects.PORTABLE)


# -- around the archive -------------------------------------------------------------------------------------


def user_block(path: Path) -> None:
    """HDF5 that begins behind other bytes."""
    raw = path.read_bytes()[: -seal.SEAL_BYTES]
    path.write_bytes(b"#!/bin/sh\n".ljust(512, b"\0") + raw)
    seal.append(path)


def journal_is_a_pipe(path: Path) -> None:
    """A journal that keeps its reader waiting."""
    os.mkfifo(f"{path}-journal")


def journal_is_a_link(path: Path) -> None:
    """A journal that is another file."""
    os.symlink(path.parent.parent / SECRET, f"{path}-journal")


def journal_is_endless(path: Path) -> None:
    """A journal that a device would fill."""
    os.symlink("/dev/zero", f"{path}-journal")


def lock_is_a_link(path: Path) -> None:
    """A lock through which an edit would write to another file."""
    os.symlink(path.parent.parent / SECRET, f"{path}-lock")


def lock_is_another_name(path: Path) -> None:
    """A lock that is another name of another file."""
    os.link(path.parent.parent / SECRET, f"{path}-lock")


def lock_is_a_pipe(path: Path) -> None:
    """A lock that keeps its reader waiting."""
    os.mkfifo(f"{path}-lock")


def partial_is_a_link(path: Path) -> None:
    """A place for new files that is another file."""
    for name in (f".{path.name}.partial", ".out0.edf.partial", ".out.csv.partial"):
        os.symlink(path.parent.parent / SECRET, path.with_name(name))


def sparse_journal(path: Path) -> None:
    """A journal of a terabyte."""
    with open(f"{path}-journal", "wb") as file:
        file.write(b"eegarchive-journal 1\n" + (2**40).to_bytes(8, "little") * 3)
        file.truncate(2**40)


AROUND: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (
        user_block,
        journal_is_a_pipe,
        journal_is_a_link,
        journal_is_endless,
        lock_is_a_link,
        lock_is_another_name,
        lock_is_a_pipe,
        partial_is_a_link,
        sparse_journal,
    )
}
