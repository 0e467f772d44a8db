"""What a reader refuses before any data are touched (spec G-1 to G-9).

A file from elsewhere is hostile until checked. Links are listed without following them, and an object
is looked at only after its link was found to be a hard one; a dataset's storage, filters, type and
size are checked before a byte of it is read.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Container, Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5t

from eegarchive.errors import InvalidArchive, NotInArchive, UnsafeArchive
from eegarchive.layout import (
    DATA,
    MAX_CHUNK_BYTES,
    MAX_DEPTH,
    MAX_EXPANSION,
    MAX_MEMBERS,
    MAX_NAME_BYTES,
    SAMPLE_TYPES,
    SMALL_ENOUGH_BYTES,
)
from eegarchive.storage.codec import codec_of
from eegarchive.storage.damage import finds_damage

_LINK_CLASSES = {
    h5py.h5l.TYPE_SOFT: "a soft link",
    h5py.h5l.TYPE_EXTERNAL: "an external link",
}


def printable(text: str) -> str:
    """Text from a file, fit for a terminal: control and format characters are escaped."""
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else f"\\u{ord(c):04x}"
        for c in text
    )


def check_name(name: str, where: str) -> None:
    """Refuse names that could harm a terminal or a path (spec G-7)."""
    if name in ("", ".", "..") or "/" in name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise UnsafeArchive(f"{printable(where)}: the name {printable(name)!r} isn't allowed")
    if printable(name) != name:
        raise UnsafeArchive(f"{printable(where)}: a name has control characters: {printable(name)!r}")


@finds_damage
def names(group: h5py.Group) -> list[str]:
    """Names of a group's members, in byte order; none is followed."""
    if (count := group.id.get_num_objs()) > MAX_MEMBERS:
        raise UnsafeArchive(f"{group.name}: has {count} members; {MAX_MEMBERS} at most")
    found: list[str] = []
    for raw in group.id:
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise UnsafeArchive(f"{group.name}: the name {raw!r} isn't UTF-8") from None
        check_name(name, group.name)
        found.append(name)
    return sorted(found, key=lambda name: name.encode("utf-8"))


@finds_damage
def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """One member of a group, after its link was found to be a hard one (spec G-1).

    Raises
    ------
    NotInArchive
        If there is none of that name.
    UnsafeArchive
        If the link could lead out of the known tree.
    """
    if "/" in name or name in ("", ".", ".."):
        raise UnsafeArchive(f"{_below(group, name)}: a path where a name must be")
    raw = name.encode("utf-8")
    if not group.id.links.exists(raw):
        raise NotInArchive(f"{group.name}: has no {printable(name)!r}")
    kind = group.id.links.get_info(raw).type
    if kind != h5py.h5l.TYPE_HARD:
        what = _LINK_CLASSES.get(kind, "a user-defined link")
        raise UnsafeArchive(f"{_below(group, name)}: is {what}; only hard links are followed")
    found = group[name]
    if not isinstance(found, h5py.Group | h5py.Dataset):
        raise UnsafeArchive(f"{_below(group, name)}: is neither a group nor a dataset")
    return found


@finds_damage
def address_at(group: h5py.Group, name: str) -> int | None:
    """Address of a member, which isn't opened; None if there is none of that name.

    Raises
    ------
    UnsafeArchive
        If the link isn't a hard one.
    """
    raw = name.encode("utf-8")
    if not group.id.links.exists(raw):
        return None
    info = group.id.links.get_info(raw)
    if info.type != h5py.h5l.TYPE_HARD:
        raise UnsafeArchive(f"{_below(group, name)}: is no hard link")
    return int(info.u)


@finds_damage
def external(group: h5py.Group, name: str) -> tuple[str, str] | None:
    """File name and path that an external link states, which isn't followed; None if the member is something else."""
    raw = name.encode("utf-8")
    if group.id.links.get_info(raw).type != h5py.h5l.TYPE_EXTERNAL:
        return None
    file, path = (text.decode("utf-8", "replace") for text in group.id.links.get_val(raw))
    return file, path


def is_file_name(name: str) -> bool:
    """Whether a text may name a file beside another one: no path, and nothing that HDF5 expands (spec X-3)."""
    try:
        check_name(name, "")
    except UnsafeArchive:
        return False
    return not set(name) & set("%\\:") and name == name.strip()


def _below(group: h5py.Group, name: str) -> str:
    return f"{str(group.name).rstrip('/')}/{printable(name)}"


def group_at(group: h5py.Group, name: str) -> h5py.Group:
    """A member that must be a group."""
    found = member(group, name)
    if not isinstance(found, h5py.Group):
        raise InvalidArchive(f"{found.name}: is a dataset where a group must be")
    return found


def dataset_at(
    group: h5py.Group, name: str, may_be_virtual: bool = False, dimensions: int = 1, base: str = "."
) -> h5py.Dataset:
    """A member that must be a dataset, checked before anything of it is read.

    A virtual one is refused unless the caller won't read it: HDF5 would follow links on the way to its
    sources. These may be in the file itself, or in the one that is called `base`.
    """
    found = member(group, name)
    if not isinstance(found, h5py.Dataset):
        raise InvalidArchive(f"{found.name}: is a group where a dataset must be")
    check_dataset(found, base)
    if found.ndim != dimensions:
        raise InvalidArchive(f"{found.name}: has {found.ndim} dimensions; here the format has {dimensions}")
    if found.is_virtual and not may_be_virtual:
        raise InvalidArchive(f"{found.name}: is virtual, where stored data must be")
    return found


@finds_damage
def check_dataset(dataset: h5py.Dataset, base: str = ".") -> None:
    """Refuse storage, filters, types and sizes that the format doesn't have (spec G-2, G-3, G-5, G-6, G-8)."""
    where = printable(str(dataset.name))
    creation = dataset.id.get_create_plist()
    if creation.get_external_count():
        raise UnsafeArchive(f"{where}: its data lie in another file (external storage)")
    _check_type(dataset.id.get_type(), where)
    layout = creation.get_layout()
    if layout == h5d.VIRTUAL:
        _check_virtual(creation, where, base)
        return
    if layout == h5d.COMPACT:
        return
    if layout != h5d.CHUNKED:
        raise InvalidArchive(f"{where}: isn't stored in chunks, so nothing would notice a flipped bit")
    codec_of(creation, where)
    item = dataset.id.get_type().get_size()
    chunk_bytes = math.prod(creation.get_chunk()) * item
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise UnsafeArchive(f"{where}: chunks of {chunk_bytes} bytes; {MAX_CHUNK_BYTES} at most")
    size = math.prod(dataset.shape) * item
    if size > SMALL_ENOUGH_BYTES and size > (stored := dataset.id.get_storage_size()) * MAX_EXPANSION:
        raise UnsafeArchive(f"{where}: {size} bytes out of {stored} stored ones; that is no recording")


def _check_virtual(creation: Any, where: str, base: str) -> None:
    for i in range(creation.get_virtual_count()):
        file, source = creation.get_virtual_filename(i), creation.get_virtual_dsetname(i)
        if file not in (".", base):
            raise UnsafeArchive(
                f"{where}: a virtual dataset with a source in another file ({printable(file)!r})"
            )
        if not source.startswith(f"/{DATA}/") or source.count("/") != 2 or "%" in source:
            raise UnsafeArchive(
                f"{where}: a virtual dataset with a source outside /{DATA} ({printable(source)!r})"
            )


def _check_type(kind: Any, where: str) -> None:
    if isinstance(kind, h5t.TypeCompoundID):
        for i in range(kind.get_nmembers()):
            kind.get_member_name(i).decode("utf-8")
            field = kind.get_member_type(i)
            if isinstance(field, h5t.TypeStringID):
                if field.is_variable_str():
                    raise InvalidArchive(f"{where}: has variable-length text")
            elif not isinstance(field, h5t.TypeIntegerID | h5t.TypeFloatID):
                raise InvalidArchive(f"{where}: a column is neither number nor text")
    elif isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID):
        if kind.dtype.newbyteorder("<").str not in (
            *SAMPLE_TYPES,
            "|u1",
        ) or kind.dtype != kind.dtype.newbyteorder("<"):
            raise InvalidArchive(f"{where}: the type {kind.dtype} isn't one the format has")
    else:
        raise InvalidArchive(f"{where}: the type isn't one the format has")


def walk(
    group: h5py.Group, path: str = "", leave_out: Container[str] = ()
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Yield (path, object) for all below a group in path order, each link checked before it is followed.

    Links at the paths in `leave_out`, which the caller has checked, are passed over.

    Raises
    ------
    UnsafeArchive
        On any link but a hard one, and on a group that has two names or contains itself (spec C-10, G-4).
    """
    return _walk(group, path, {address(group)}, (), leave_out)


def _walk(
    group: h5py.Group, path: str, seen: set[int], above: tuple[int, ...], leave_out: Container[str]
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    above = (*above, address(group))
    if len(above) > MAX_DEPTH:
        raise UnsafeArchive(f"{path}: lies in {MAX_DEPTH} groups; the format has a few")
    for name in names(group):
        below = f"{path}/{name}"
        if below in leave_out:
            continue
        found = member(group, name)
        if isinstance(found, h5py.Group):
            here = address(found)
            if here in above:
                raise UnsafeArchive(f"{below}: a group that contains itself")
            if here in seen:
                raise UnsafeArchive(f"{below}: a group that has another name too")
            seen.add(here)
            yield below, found
            yield from _walk(found, below, seen, above, leave_out)
        else:
            yield below, found


@finds_damage
def check_chunks(dataset: h5py.Dataset) -> None:
    """Make sure that HDF5 won't answer with fill values or skip its filters (spec K-6)."""
    if dataset.chunks is None:
        return
    found: list[int] = []
    masks: list[int] = []

    def note(info: Any) -> None:
        found.append(info.chunk_offset[0])
        masks.append(info.filter_mask)

    dataset.id.chunk_iter(note)
    if sorted(found) != list(range(0, dataset.shape[0], dataset.chunks[0])) or any(masks):
        raise InvalidArchive(
            f"{dataset.name}: chunks are missing, doubled or unfiltered; the file is damaged"
        )


@finds_damage
def address(obj: h5py.Group | h5py.Dataset) -> int:
    """An object's address in its file: what hard links share."""
    return int(np.uint64(h5py.h5o.get_info(obj.id).addr))
