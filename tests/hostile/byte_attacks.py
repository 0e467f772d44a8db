"""Attacks that h5py can't write: made of an archive's bytes, or by other drivers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
from fuzzing.mutating import lookup3
from spec.breaking import edited, first_signal

from eegarchive.storage import seal

#: By name, what is done to an archive, and what is said of it.
ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {}
_EXTERNAL, _USER_DEFINED = 64, 200


def _user_defined(place: str) -> Callable[[Path], None]:
    """A link of a class that a program may register, in place of a hard one."""

    def spoil(path: Path) -> None:
        with edited(path, redigest=False) as h5:
            at = f"data/{first_signal(h5)[1]}" if place == "data/x" else place
            parent, _, name = at.rpartition("/")
            group = h5[parent or "/"]
            del group[name]
            group[name] = h5py.ExternalLink("to-be-user-defined", f"/{at}")
        raw = bytearray(path.read_bytes()[: -seal.SEAL_BYTES])
        target = raw.rindex(b"to-be-user-defined")
        start, end = _checked_block(raw, target)
        length = raw.rindex(name.encode(), start, target) - 1  # of the name, in the byte before it
        kind = raw.rindex(_EXTERNAL, start, length)
        raw[kind] = _USER_DEFINED
        raw[end : end + 4] = lookup3(bytes(raw[start:end])).to_bytes(4, "little")
        path.write_bytes(raw)
        seal.append(path)

    return spoil


def _checked_block(raw: bytes | bytearray, at: int) -> tuple[int, int]:
    """Where the part of an object header with a byte begins, and where the checksum behind it is."""
    start = max(raw.rfind(magic, 0, at) for magic in (b"OHDR", b"OCHK"))
    for end in range(at, at + 400):
        if lookup3(bytes(raw[start:end])) == int.from_bytes(raw[end : end + 4], "little"):
            return start, end
    raise ValueError("no checksum fits")


for _place in ("freezes/source", "freezes/A", "edf/header", "data/x", "cache/own", "windows/w"):
    ATTACKS[f"user_defined_link[{_place}]"] = _user_defined(_place), "user-defined link"


def _driver(name: str, **options: int) -> Callable[[Path], None]:
    """The same contents, in the files of another driver; the first of them takes the archive's name."""

    def spoil(path: Path) -> None:
        pattern = path.with_name("part%d.h5" if name == "family" else "part")
        with (
            h5py.File(path, locking=False) as h5,
            h5py.File(pattern, "w", driver=name, **options) as made,
        ):
            for member in h5:
                h5.copy(member, made)
            for key, value in h5.attrs.items():
                made.attrs[key] = value
        first = path.with_name("part0.h5" if name == "family" else "part-m.h5")
        first.rename(path)
        seal.append(path)

    return spoil


ATTACKS["driver[family]"] = _driver("family", memb_size=2**20), "family driver"
ATTACKS["driver[split]"] = _driver("split"), "multi driver"
