"""Hostile files of an exchange: a detached freeze, its base, and an archive to which it is attached.

An attack is a function of the folder with them. `LEAST` says what has to refuse at least: all that opens the detached
file ("open"), all that reads samples of it ("samples"), what hashes all that it takes ("hashes"), what checks the file
("check"), what needs more of the base ("whole"), what reads the attached freeze ("attached"), or checks the archive
("archive").
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5p, h5s, h5t
from spec.breaking import edited

from eegarchive import digest
from eegarchive.storage import objects

BASE, DETACHED, ATTACHED, OTHER = "night.h5", "night.N2.h5", "attached.h5", "night.M.h5"
#: Outside of the folder: an archive of another recording, one of the same, and text.
OUTSIDE, SAME, TEXT = "outside/secret.h5", "outside/same.h5", "outside/secret.txt"

Attack = Callable[[Path], None]
ATTACKS: dict[str, Attack] = {}
LEAST: dict[str, str] = {}


def attack(least: str) -> Callable[[Attack], Attack]:
    """Take a function into the corpus."""

    def take(function: Attack) -> Attack:
        ATTACKS[function.__name__], LEAST[function.__name__] = function, least
        return function

    return take


def several(name: str, least: str, make: Callable[[Any], Attack], *cases: Any) -> None:
    """Take an attack in several variants into the corpus."""
    for case in cases:
        shown = case[0] if isinstance(case, tuple) else case
        ATTACKS[f"{name}[{shown!a:.40}]"], LEAST[f"{name}[{shown!a:.40}]"] = make(case), least


def alone(folder: Path) -> None:
    """Leave nothing that could be the base but what has its name."""
    (folder / ATTACHED).unlink()


def signals(h5: h5py.File) -> h5py.Group:
    """The signals of the detached freeze."""
    return h5["freezes/N2/signals"]


def linked(h5: h5py.File) -> tuple[str, h5py.ExternalLink]:
    """A signal that is an external link to the base."""
    group = signals(h5)
    return next(
        (name, group.get(name, getlink=True))
        for name in group
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink)
    )


def spoil(path: Path, change: Callable[[h5py.File], None], redigest: bool = True) -> None:
    """Change a file; its digests are made anew, as far as they can be without following links, and its seal."""
    with edited(path, redigest=False) as h5:
        change(h5)
        for make in (_redigest_freeze, _redigest_root) if redigest else ():
            try:
                make(h5)
            except Exception:  # what has no digest needs none
                continue


def _redigest_freeze(h5: h5py.File) -> None:
    freeze = h5["freezes/N2"]
    objects.write_attribute(freeze, "contents_digest", digest.contents_digest(freeze))


def _redigest_root(h5: h5py.File) -> None:
    objects.write_attribute(h5, "archive_digest", digest.archive_digest(h5))


# -- the root of a detached file ----------------------------------------------------------------------------


def _root(case: tuple[str, Any]) -> Attack:
    return lambda folder: spoil(
        folder / DETACHED, lambda h5: objects.write_attribute(h5, case[0], case[1](folder))
    )


def _base_name(name: str) -> Attack:
    def change(folder: Path) -> None:
        text = name.format(folder=folder)
        spoil(folder / DETACHED, lambda h5: objects.write_attribute(h5, "base_name", text))

    return change


several(
    *("base_name", "open", _base_name),
    *("../outside/same.h5", "{folder}/../outside/same.h5", "/etc/hostname", "..", ".", "", "sub/night.h5"),
    *("night%b.h5", "%s%s%n.h5", "..\\same.h5", "C:same.h5", "\x1b[2J.h5", "\u202e5h.thgin", "x" * 300, " "),
)


@attack("open")
def base_name_is_a_number(folder: Path) -> None:
    spoil(folder / DETACHED, lambda h5: objects.write_attribute(h5, "base_name", 7))


@attack("samples")
def base_name_is_its_own(folder: Path) -> None:
    spoil(folder / DETACHED, lambda h5: objects.write_attribute(h5, "base_name", DETACHED))


several(
    *("tag", "open", lambda tag: _root(("tag", lambda _: tag))),
    *("other", "../N2", "", "source", "\x1b[2J", "N2\n"),
)


@attack("open")
def two_freezes(folder: Path) -> None:
    spoil(folder / DETACHED, lambda h5: h5.copy("freezes/N2/annotations", "freezes/another"))


@attack("open")
def freeze_is_elsewhere(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        del h5["freezes/N2"]
        h5["freezes/N2"] = h5py.ExternalLink(OTHER, "/freezes/M")

    spoil(folder / DETACHED, change)


@attack("open")
def freeze_is_a_soft_link(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        h5.move("freezes/N2", "hidden")
        h5["freezes/N2"] = h5py.SoftLink("/hidden")

    spoil(folder / DETACHED, change)


@attack("open")
def data_are_elsewhere(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        del h5["data"]
        h5["data"] = h5py.ExternalLink(BASE, "/data")

    spoil(folder / DETACHED, change)


@attack("hashes")
def more_than_a_detached_freeze_has(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        h5["edf"] = h5py.ExternalLink("/etc/hostname", "/")
        h5["signals"] = h5py.SoftLink("/freezes/N2/signals")

    spoil(folder / DETACHED, change)


# -- its signals --------------------------------------------------------------------------------------------


def _link(case: tuple[str, Callable[[h5py.ExternalLink, Path], Any]]) -> Attack:
    def spoil_links(folder: Path) -> None:
        def change(h5: h5py.File) -> None:
            name, link = linked(h5)
            del signals(h5)[name]
            signals(h5)[name] = case[1](link, folder)

        spoil(folder / DETACHED, change)

    return spoil_links


several(
    *("link_of_a_signal", "samples", _link),
    ("to a file outside", lambda link, folder: h5py.ExternalLink("../" + SAME, link.path)),
    ("by an absolute path", lambda link, folder: h5py.ExternalLink(f"{folder.parent}/{SAME}", link.path)),
    ("to no archive", lambda link, folder: h5py.ExternalLink("/etc/hostname", "/")),
    ("to a neighbour", lambda link, folder: h5py.ExternalLink(ATTACHED, link.path)),
    ("to the base by a path", lambda link, folder: h5py.ExternalLink(f"./{BASE}", link.path)),
    ("to the header", lambda link, folder: h5py.ExternalLink(BASE, "/edf/header")),
    ("by a detour", lambda link, folder: h5py.ExternalLink(BASE, f"/edf/..{link.path}")),
    ("with control characters", lambda link, folder: h5py.ExternalLink("\x1b[2J", "/\x1b[2J")),
    ("to itself", lambda link, folder: h5py.ExternalLink(DETACHED, "/freezes/N2/signals/copy")),
    ("soft", lambda link, folder: h5py.SoftLink("/freezes/N2/annotations")),
)


def _take_attributes(made: h5py.Dataset, own: dict[str, Any]) -> None:
    for key, value in own.items():
        value = value.decode() if isinstance(value, bytes) else value
        objects.write_attribute(made, key, value.item() if hasattr(value, "item") else value)


def virtual_over(file: str, source: str) -> Callable[[h5py.File], None]:
    """Show other data in a signal that is virtual."""

    def change(h5: h5py.File) -> None:
        old = signals(h5)["copy"]
        own = dict(old.attrs)
        creation = h5p.create(h5p.DATASET_CREATE)
        space = shown = h5s.create_simple(old.shape)
        if "%b" in file + source:  # one file, or dataset, for each block
            shown = h5s.create_simple(old.shape, (h5s.UNLIMITED,))
            shown.select_hyperslab((0,), (h5s.UNLIMITED,), old.shape, old.shape)
        creation.set_virtual(shown, file.encode(), source.encode(), space)
        made = h5py.Dataset(h5d.create(h5.id, None, h5t.STD_I16LE, shown, dcpl=creation))
        _take_attributes(made, own)
        del signals(h5)["copy"]
        signals(h5)["copy"] = made

    return change


def _virtual(case: tuple[str, str]) -> Attack:
    def show(folder: Path) -> None:
        with h5py.File(folder / BASE) as h5:
            data = next(iter(h5["data"]))
        file, source = (text.format(folder=folder, data=data) for text in case)
        spoil(folder / DETACHED, virtual_over(file, source))

    return show


several(
    *("virtual", "samples", _virtual),
    ("../outside/same.h5", "/data/{data}"),
    ("{folder}/../outside/same.h5", "/data/{data}"),
    (ATTACHED, "/data/{data}"),
    ("night%b.h5", "/data/{data}"),
    (f"./{BASE}", "/data/{data}"),
)
several(
    "virtual_source",
    "samples",
    lambda at: _virtual((BASE, at)),
    "/edf/header",
    "/data/../signals/x",
    "/data/%b",
)


@attack("check")
def virtual_over_other_data_of_the_base(folder: Path) -> None:
    _virtual((BASE, "/data/{data}"))(folder)


def _pieces(case: tuple[str, str, Any]) -> Attack:
    def change(h5: h5py.File) -> None:
        old = h5["freezes/N2/pieces"]
        rows, own = old[()], dict(old.attrs)
        _, column, value = case
        if isinstance(value, bytes):
            width = max(len(value), rows.dtype[column].itemsize)
            fields = [
                (name, h5py.string_dtype("utf-8", width) if name == column else rows.dtype[name])
                for name in rows.dtype.names
            ]
            rows = rows.astype(fields)
        rows[column][:1] = value
        del h5["freezes/N2/pieces"]
        made = objects.write_table(h5, rows, {key: value.item() for key, value in own.items()})
        objects.link(made, h5["freezes/N2"], "pieces")

    return lambda folder: spoil(folder / DETACHED, change)


several(
    *("pieces", "samples", _pieces),
    ("data of neither", "data", b"0" * 64),
    ("no name", "data", b"\x1b[2J\xe2\x80\xae"),
    ("a path", "data", b"../edf/header"),
    ("no text", "data", b"\xff\xfe"),
    ("nothing", "data", b""),
    ("before the start", "start", -1),
    ("behind the end", "stop", 2**62),
    ("no signal", "signal", b"\x1b[31m"),
)


@attack("check")
def own_data_that_lie(folder: Path) -> None:
    """The base's data are shadowed by others of their name."""

    def change(h5: h5py.File) -> None:
        name, link = linked(h5)
        data = link.path.rpartition("/")[2]
        with h5py.File(folder / BASE) as base:
            base.copy(f"data/{data}", h5["data"], data)
        h5[f"data/{data}"][:10] = 7
        del signals(h5)[name]
        signals(h5)[name] = h5[f"data/{data}"]

    spoil(folder / DETACHED, change)


@attack("samples")
def own_data_in_another_file(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        name = next(iter(h5["data"]))
        old = h5[f"data/{name}"]
        own, size = dict(old.attrs), old.size * old.dtype.itemsize
        secret = str(folder.parent / TEXT)
        made = h5.create_dataset(None, old.shape, old.dtype, external=[(secret, 0, size)])
        _take_attributes(made, own)
        del h5[f"data/{name}"]
        h5[f"data/{name}"] = made

    spoil(folder / DETACHED, change)


# -- its base -----------------------------------------------------------------------------------------------


def _instead(case: tuple[str, Callable[[Path, Path], object]]) -> Attack:
    def exchange(folder: Path) -> None:
        alone(folder)
        kept = (folder / BASE).rename(folder.parent / "outside" / "base.h5")
        case[1](folder / BASE, kept)

    return exchange


def _zero(path: Path, kept: Path) -> None:
    path.symlink_to("/dev/zero")


several(
    *("base_is", "samples", _instead),
    ("missing", lambda path, kept: None),
    ("a pipe", lambda path, kept: os.mkfifo(path)),
    ("a folder", lambda path, kept: path.mkdir()),
    ("a device", _zero),
    ("a link to nothing", lambda path, kept: path.symlink_to("nowhere")),
    ("a link to itself", lambda path, kept: path.symlink_to(path)),
    ("a detached freeze", lambda path, kept: shutil.copy(path.with_name(OTHER), path)),
    ("the same detached freeze", lambda path, kept: os.link(path.with_name(DETACHED), path)),
    ("of another recording", lambda path, kept: shutil.copy(kept.with_name("secret.h5"), path)),
    ("no HDF5", lambda path, kept: path.write_bytes(b"secret" * 1000)),
    ("half a file", lambda path, kept: path.write_bytes(kept.read_bytes()[:5000])),
)


def _stranger(case: tuple[str, Callable[[h5py.File, str], None]]) -> Attack:
    """An archive with the right `source_digest`, whose stored signals lie."""

    def lay(folder: Path) -> None:
        alone(folder)
        with h5py.File(folder / DETACHED) as h5:
            name = linked(h5)[1].path.rpartition("/")[2]
        spoil(folder / BASE, lambda h5: case[1](h5, name))

    return lay


def _other_samples(h5: h5py.File, name: str) -> None:
    h5[f"data/{name}"][:10] = 7


def _other_attribute(h5: h5py.File, name: str) -> None:
    objects.write_attribute(h5[f"data/{name}"], "scale_factor", 1234.5)


def _other_hash(h5: h5py.File, name: str) -> None:
    objects.write_attribute(h5[f"data/{name}"], "samples_sha256", "0" * 64)


def _other_signal(h5: h5py.File, name: str) -> None:
    other = next(one for one in h5["data"] if one != name)
    del h5[f"data/{name}"]
    h5[f"data/{name}"] = h5[f"data/{other}"]


def _replaced(link: Any) -> Callable[[h5py.File, str], None]:
    def change(h5: h5py.File, name: str) -> None:
        h5.move(f"data/{name}", "hidden")
        h5[f"data/{name}"] = link

    return change


def _raw_storage(h5: h5py.File, name: str) -> None:
    old = h5[f"data/{name}"]
    secret = str(Path(h5.filename).parent.parent / TEXT)
    made = h5.create_dataset(None, old.shape, old.dtype, external=[(secret, 0, old.size * 2)])
    del h5[f"data/{name}"]
    h5[f"data/{name}"] = made


def _virtual_data(h5: h5py.File, name: str) -> None:
    old = h5[f"data/{name}"]
    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[:] = h5py.VirtualSource("../" + SAME, f"data/{name}", old.shape)
    del h5[f"data/{name}"]
    h5["data"].create_virtual_dataset(name, layout)


several(
    *("base_with", "samples", _stranger),
    ("another attribute", _other_attribute),
    ("another hash", _other_hash),
    ("another signal of the name", _other_signal),
    ("a soft link", _replaced(h5py.SoftLink("/hidden"))),
    ("an external link", _replaced(h5py.ExternalLink("../" + SAME, "/hidden"))),
    ("raw storage", _raw_storage),
    ("virtual data", _virtual_data),
    ("data that are a group", lambda h5, name: _replaced(h5["segments"])(h5, name)),
)
several("base_with", "hashes", _stranger, ("other samples", _other_samples))


@attack("whole")
def base_whose_header_is_elsewhere(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        del h5["edf/header"]
        h5["edf/header"] = h5py.ExternalLink("../" + SAME, "/edf/header")

    alone(folder)
    spoil(folder / BASE, change)


# -- an archive to which it is attached ---------------------------------------------------------------------


def _attached(case: tuple[str, str, str, Any]) -> Attack:
    """The freeze N2 of the archive is a link that lies; without `declared` it has none, with "" the right one."""

    def change(h5: h5py.File, folder: Path) -> None:
        _, file, path, declared = case
        freezes = h5["freezes"]
        right = freezes.attrs["attached.N2"]
        del freezes["N2"], freezes.attrs["attached.N2"]
        freezes["N2"] = h5py.ExternalLink(file.format(folder=folder), path)
        if declared is not None:
            value = right.decode() if declared == "" and isinstance(right, bytes) else declared or right
            objects.write_attribute(freezes, "attached.N2", value)

    return lambda folder: spoil(folder / ATTACHED, lambda h5: change(h5, folder))


several(
    *("attached", "attached", _attached),
    ("to a file outside", "../outside/N2.h5", "/freezes/N2", ""),
    ("by an absolute path", "{folder}/../outside/N2.h5", "/freezes/N2", ""),
    ("by a path in the folder", "./night.N2.h5", "/freezes/N2", ""),
    ("to a name that is expanded", "night%b.h5", "/freezes/N2", ""),
    ("to another freeze's file", OTHER, "/freezes/N2", ""),
    ("to another freeze", OTHER, "/freezes/M", ""),
    ("to itself", ATTACHED, "/freezes/N2", ""),
    ("to an archive", BASE, "/freezes/N2", ""),
    ("to a root", DETACHED, "/", ""),
    ("to a signal", DETACHED, "/freezes/N2/signals", ""),
    ("undeclared", DETACHED, "/freezes/N2", None),
    ("declared as a number", DETACHED, "/freezes/N2", 7),
    ("declared as another one", DETACHED, "/freezes/N2", "0" * 64),
    ("declared as control characters", DETACHED, "/freezes/N2", "\x1b[2J"),
    ("to a name that isn't printed", "\x1b[2J\u202e.h5", "/freezes/N2", ""),
    ("to a pipe", "pipe.h5", "/freezes/N2", ""),
    ("to a device", "device.h5", "/freezes/N2", ""),
)


@attack("archive")
def the_source_is_attached(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        del h5["freezes/source"]
        h5["freezes/source"] = h5py.ExternalLink(DETACHED, "/freezes/source")
        objects.write_attribute(h5["freezes"], "attached.source", "0" * 64)

    spoil(folder / ATTACHED, change)


@attack("attached")
def freezes_are_elsewhere(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        del h5["freezes"]
        h5["freezes"] = h5py.ExternalLink("../" + SAME, "/freezes")

    spoil(folder / ATTACHED, change)


@attack("attached")
def two_archives_with_each_others_freezes(folder: Path) -> None:
    """What is attached is an archive that has this one attached."""

    def change(h5: h5py.File) -> None:
        del h5["freezes/N2"]
        h5["freezes/N2"] = h5py.ExternalLink(BASE, "/freezes/N2")

    spoil(folder / ATTACHED, change)

    def back(h5: h5py.File) -> None:
        h5["freezes/N2"] = h5py.ExternalLink(ATTACHED, "/freezes/N2")
        objects.write_attribute(h5["freezes"], "attached.N2", "0" * 64)

    spoil(folder / BASE, back)


@attack("attached")
def the_attached_file_has_another_freeze(folder: Path) -> None:
    shutil.copy(folder / OTHER, folder / DETACHED)


@attack("attached")
def the_attached_file_was_changed(folder: Path) -> None:
    def change(h5: h5py.File) -> None:
        objects.write_attribute(h5["freezes/N2"], "note", "another")

    spoil(folder / DETACHED, change)


@attack("none")
def a_link_to_the_base_in_the_folder(folder: Path) -> None:
    """As in a folder of DataLad: it is the base, by its contents."""
    alone(folder)
    kept = (folder / BASE).rename(folder / "kept.bin")
    (folder / BASE).symlink_to(kept.name)
