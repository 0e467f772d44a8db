"""Archives that are well-formed HDF5, sealed, with digests made anew, and in which something lies."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eegarchive import digest, layout
from eegarchive.storage import objects, seal
from fuzzing.mutating import NUMBERS, TEXTS

_REALS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308,
    -1e308,
    5e-324,
    1e-9,
    1e9,
    1e18,
)
_INTEGERS = (0, 1, -1, 2, 7, 255, 32767, 2**31 - 1, -(2**31), 2**31, 2**53, 2**62, 2**63 - 1, -(2**63))
_JSON = (
    *(
        "{}",
        "[]",
        "null",
        '"a"',
        "1",
        "NaN",
        "1e999",
        '{"a": 1}',
        '{"tag": 1}',
        '{"tag": null}',
        "[" * 5000,
        "{" * 5000,
    ),
    *(
        '{"channels": 7}',
        '{"rate": "x"}',
        "9" * 5000,
        '{"a": ' * 900 + "1" + "}" * 900,
        "[" * 900 + "]" * 900,
    ),
)


def lie(rng: random.Random, path: Path) -> None:
    """Change one to three things in an archive, and make the digests and the seal fit as far as they can."""
    with open(path, "rb") as file:
        sealed = seal.find(file.fileno())
    if sealed is not None:
        os.truncate(path, sealed[0])
    with h5py.File(path, "r+", libver=layout.LIBVER, locking=False) as h5:
        for _ in range(rng.randint(1, 3)):
            with contextlib.suppress(Exception):  # what can't be made is none
                rng.choice(_CHANGES)(rng, h5)
        if rng.random() < 0.8:
            _redigest(rng, h5)
    seal.append(path)


def _redigest(rng: random.Random, h5: h5py.File) -> None:
    freezes = list(h5.get(layout.FREEZES, {}).values())
    for above in (h5, *freezes):
        for folder in (layout.CACHE, layout.WINDOWS):
            for part in list(above.get(folder, {}).values()) if folder in above else []:
                with contextlib.suppress(Exception):
                    objects.write_attribute(part, layout.CONTENTS_DIGEST, digest.part_digest(part))
    for freeze in freezes:
        with contextlib.suppress(Exception):
            objects.write_attribute(freeze, layout.CONTENTS_DIGEST, digest.contents_digest(freeze))
    with contextlib.suppress(Exception):
        objects.write_attribute(h5, layout.ARCHIVE_DIGEST, digest.archive_digest(h5))


def _objects(h5: h5py.File) -> list[Any]:
    found: list[Any] = [h5]
    h5.visititems(lambda _, obj: found.append(obj))
    return found


def _attribute(rng: random.Random, h5: h5py.File) -> None:
    """An attribute with an odd value of its type."""
    obj = rng.choice([obj for obj in _objects(h5) if len(obj.attrs)])
    name = rng.choice(list(obj.attrs))
    old = obj.attrs[name]
    del obj.attrs[name]
    objects.write_attribute(obj, name, _odd_like(rng, old))


def _odd_like(rng: random.Random, old: Any) -> Any:
    if rng.random() < 0.1:
        return rng.choice((1, 1.0, "1"))
    if isinstance(old, bytes | str | np.bytes_):
        return rng.choice((*_JSON, *TEXTS, *NUMBERS)).encode("utf-8", "replace").decode()[:59_000]
    if isinstance(old, float | np.floating):
        return rng.choice(_REALS)
    return rng.choice(_INTEGERS)


def _odd_attribute(rng: random.Random, h5: h5py.File) -> None:
    """An attribute of a type, or under a name, that the format doesn't have."""
    obj = rng.choice(_objects(h5))
    name = rng.choice(
        ("a", "\x1b[0m", "digest", "sampling_rate", "attr.age", "attr_type.age", "attr_levels.age", "x" * 300)
    )
    value = rng.choice(
        (
            "text",
            b"\xff\xfe",
            np.arange(3),
            np.float32(1),
            np.void(b"abc"),
            h5py.Empty("f4"),
            True,
            "x" * 60_000,
        )
    )
    obj.attrs[name] = value


def _no_attribute(rng: random.Random, h5: h5py.File) -> None:
    obj = rng.choice([obj for obj in _objects(h5) if len(obj.attrs)])
    del obj.attrs[rng.choice(list(obj.attrs))]


def _tables(h5: h5py.File) -> list[Any]:
    return [
        obj
        for obj in _objects(h5)
        if isinstance(obj, h5py.Dataset) and obj.dtype.names and not obj.is_virtual
    ]


def _replace(obj: Any, rows: Any) -> None:
    """Put a table in another's place, in all places where that is linked."""
    h5, made = obj.file, None
    address = h5py.h5o.get_info(obj.id).addr
    own = dict(obj.attrs)
    for group in [each for each in _objects(h5) if isinstance(each, h5py.Group)]:
        for name in list(group):
            member = group.get(name)
            if isinstance(member, h5py.Dataset) and h5py.h5o.get_info(member.id).addr == address:
                if made is None:
                    made = objects.write_table(h5, rows, {})
                    for key, value in own.items():
                        value = value.decode() if isinstance(value, bytes) else value
                        objects.write_attribute(made, key, value.item() if hasattr(value, "item") else value)
                del group[name]
                objects.link(made, group, name)


def _cell(rng: random.Random, h5: h5py.File) -> None:
    """An odd value in one cell, or in all of one column."""
    table = rng.choice([table for table in _tables(h5) if len(table)])
    rows = table[()]
    name = rng.choice(rows.dtype.names)
    where: Any = rng.randrange(len(rows)) if rng.random() < 0.8 else slice(None)
    kind = rows.dtype[name].kind
    if kind == "S":
        text = _odd_like(rng, "").encode()[:59_000] or b"\0"
        if rng.random() < 0.3:
            text = bytes(rows[name][rng.randrange(len(rows))])
        fields = [(n, rows.dtype[n]) for n in rows.dtype.names]
        width = max(rows.dtype[name].itemsize, min(len(text), 2**20 // len(rows)))
        fields[rows.dtype.names.index(name)] = (name, h5py.string_dtype("utf-8", width))
        rows = rows.astype(fields)
        rows[name][where] = text
    elif kind == "f":
        rows[name][where] = rng.choice(_REALS)
    else:
        info = np.iinfo(rows.dtype[name])
        rows[name][where] = rng.choice([n for n in _INTEGERS if info.min <= n <= info.max])
    _replace(table, rows)


def _rows(rng: random.Random, h5: h5py.File) -> None:
    """Rows fewer, doubled, many or in another order."""
    table = rng.choice(_tables(h5))
    rows = table[()]
    choice = rng.randrange(5)
    if choice == 0:
        rows = rows[: len(rows) // 2]
    elif choice == 1:
        rows = rows[:0]
    elif choice == 2:
        rows = np.concatenate([rows, rows])
    elif choice == 3:
        rows = rows[::-1]
    else:
        rows = np.repeat(rows, rng.choice((3, 200, 20_000 // max(1, len(rows)))))
    _replace(table, rows)


def _columns(rng: random.Random, h5: h5py.File) -> None:
    """Columns of other names, types or order."""
    table = rng.choice(_tables(h5))
    rows = table[()]
    names = list(rows.dtype.names)
    fields = [(name, rows.dtype[name]) for name in names]
    at = rng.randrange(len(fields))
    choice = rng.randrange(4)
    if choice == 0:
        fields[at] = (names[at] + rng.choice(("x", "\x1b", "é")), fields[at][1])
    elif choice == 1:
        fields[at] = (names[at], np.dtype(rng.choice(("<i8", "<f8", "u1", "<f4", ">i4", "S3"))))
    elif choice == 2:
        del fields[at]
    else:
        rng.shuffle(fields)
    _replace(table, np.zeros(len(rows), fields))


def _links(rng: random.Random, h5: h5py.File) -> None:
    """A member renamed, removed, exchanged for another one, or for a link to nowhere."""
    groups = [obj for obj in _objects(h5) if isinstance(obj, h5py.Group) and len(obj)]
    group = rng.choice(groups)
    name = rng.choice(list(group))
    choice = rng.randrange(5)
    if choice == 0:
        del group[name]
    elif choice == 1:
        group.move(
            name, rng.choice(("x", "\x1b[2J", "x" * 255, "x" * 300, "é", "..", "source", "%s", "\u202e"))
        )
    elif choice == 2:
        other = rng.choice(_objects(h5))
        del group[name]
        group[name] = other
    elif choice == 3:
        del group[name]
        group[name] = rng.choice(
            (h5py.SoftLink("/"), h5py.SoftLink("nowhere"), h5py.ExternalLink("other.h5", "/"))
        )
    else:
        group[rng.choice(("x", "\x07", "cache", "windows", "later"))] = rng.choice(_objects(h5))


def _datasets(rng: random.Random, h5: h5py.File) -> None:
    """A dataset of another type, shape, layout or size."""
    group = rng.choice([obj for obj in _objects(h5) if isinstance(obj, h5py.Group)])
    name = rng.choice([*group, "x"])
    if name in group:
        del group[name]
    dtype = rng.choice(
        ("<i2", "<f8", ">i2", "<c8", "?", "S5", h5py.string_dtype(), np.dtype([("a", "<i2", (2,))]), "<u4")
    )
    shape = rng.choice(((), (0,), (3,), (5000,), (2, 3), (2**40,), None))
    chunks = None if shape in ((), (0,), None) else tuple(min(n, 1000) for n in shape)
    group.create_dataset(
        name, shape, dtype, **({} if chunks is None or rng.random() < 0.3 else {"chunks": chunks})
    )


def _samples(rng: random.Random, h5: h5py.File) -> None:
    """Other samples, of which no digest knows."""
    stored = [obj for obj in h5[layout.DATA].values() if isinstance(obj, h5py.Dataset)]
    one = rng.choice(stored)
    one[rng.randrange(len(one)) :] = rng.choice((0, 1, -1, 32767, -32768))


_CHANGES: tuple[Callable[[random.Random, h5py.File], None], ...] = (
    *(_attribute, _attribute, _attribute, _odd_attribute, _no_attribute, _cell, _cell, _cell, _cell),
    *(_rows, _columns, _links, _datasets, _samples),
)
