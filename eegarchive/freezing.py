"""Freezes: states kept under a tag. Everything in them is linked, nothing written again."""

from __future__ import annotations

import re

import h5py

from eegarchive import digest, provenance
from eegarchive.errors import EEGArchiveError, TargetExists
from eegarchive.layout import (
    ATTACHED_PREFIX,
    CACHE,
    CONTENTS_DIGEST,
    FREEZES,
    HISTORY,
    HISTORY_COLUMNS,
    RESERVED_TAGS,
    SIGNALS,
    SOURCE_FREEZE,
    STATE_DIGEST,
    STATE_TABLES,
    TAG_PATTERN,
)
from eegarchive.savings import needed_bytes
from eegarchive.state import State, Table, no_such_freeze
from eegarchive.storage import guard, objects
from eegarchive.storage.container import EditedFile
from eegarchive.storage.damage import finds_damage
from eegarchive.storage.objects import read_attribute


def tags(file: EditedFile) -> list[str]:
    """Tags of all freezes."""
    return guard.names(file.group(FREEZES))


def check_tag(file: EditedFile, tag: str, overwrite: bool) -> None:
    """Refuse a tag that a new freeze can't have.

    Raises
    ------
    EEGArchiveError
        If it isn't one, or is reserved.
    TargetExists
        If a freeze has it and `overwrite` isn't set.
    """
    if not re.fullmatch(TAG_PATTERN, tag) or tag in (".", ".."):
        raise EEGArchiveError(
            f"{file.path}: {tag!r} can't be a tag: 1 to 64 ASCII letters, digits, '.', '_' and '-'"
        )
    if tag in RESERVED_TAGS:
        raise EEGArchiveError(f"{file.path}: the tag {tag!r} is reserved; choose another one")
    if tag in tags(file) and not overwrite:
        raise TargetExists(
            f"{file.path}: there is a freeze {tag!r} already; choose another tag, or overwrite it (--overwrite)"
        )


@finds_damage
def unlink(freezes: h5py.Group, tag: str) -> None:
    """Take a freeze out of an archive's; of an attached one the link alone."""
    del freezes[tag]
    declared = f"{ATTACHED_PREFIX}{tag}"
    if read_attribute(freezes, declared) is not None:
        del freezes.attrs[declared]


def link_state(file: EditedFile, tag: str, note: str) -> None:
    """Make the root's state, and the cache, a freeze; in the place of one of that tag."""
    root, freezes = file.h5, file.group(FREEZES)
    if tag in tags(file):
        unlink(freezes, tag)
    freeze = objects.create_group(freezes, tag)
    link_members(root, freeze)
    link_cache(root, freeze)
    objects.write_attributes(
        freeze,
        {"created": provenance.now(), "note": note, STATE_DIGEST: str(read_attribute(root, STATE_DIGEST))},
    )
    objects.write_attribute(freeze, CONTENTS_DIGEST, digest.contents_digest(freeze))
    file.forget()


def refuse_attached(file: EditedFile, tag: str) -> None:
    """Refuse what can't be done with a freeze whose data are in another file.

    Raises
    ------
    EEGArchiveError
    """
    if tag in file.attached_freezes():
        raise EEGArchiveError(
            f"{file.path}: the freeze {tag!r} is attached, so the working state can't be made of it; remove it, "
            "take it in whole (eegarchive attach --copy), and thaw it then"
        )


def restore_state(file: EditedFile, tag: str) -> None:
    """Make the root's state that of a freeze."""
    root, freeze = file.h5, file.group(f"{FREEZES}/{tag}")
    for name in (*STATE_TABLES, SIGNALS):
        del root[name]
    link_members(freeze, root)
    objects.write_attribute(root, STATE_DIGEST, str(read_attribute(freeze, STATE_DIGEST)))
    file.forget()


def link_members(source: h5py.Group, target: h5py.Group) -> None:
    """Give a group the members of another one's state."""
    for name in STATE_TABLES:
        objects.link_again(source, name, target, name)
    _link_all(source, target, SIGNALS)


def restore_cache(file: EditedFile, tag: str) -> None:
    """Make the cache that of a freeze."""
    root, freeze = file.h5, file.group(f"{FREEZES}/{tag}")
    if CACHE in guard.names(root):
        del root[CACHE]
    link_cache(freeze, root)


def link_cache(source: h5py.Group, target: h5py.Group) -> None:
    """Give a group the caches of another one, if that has any."""
    if CACHE in guard.names(source):
        _link_all(source, target, CACHE)


def _link_all(source: h5py.Group, target: h5py.Group, name: str) -> None:
    """Give a group of the same name to `target`, with links to all that is in it, at any depth."""
    old, new = guard.group_at(source, name), objects.create_group(target, name)
    objects.write_attributes(new, objects.read_attributes(old))
    for below in guard.names(old):
        if name == SIGNALS or isinstance(guard.member(old, below), h5py.Dataset):
            guard.address_at(old, below)
            objects.link_again(old, below, new, below)
        else:
            _link_all(old, new, below)


def own_history(state: State) -> Table | None:
    """The history that a freeze has with it, since it came from elsewhere; None if it has none."""
    with state._file.reading():
        if not state._path or HISTORY not in guard.names(state._file.group(state._path)):
            return None
    return Table(state._file, f"{state._path}/{HISTORY}", HISTORY_COLUMNS)


def is_kept(file: EditedFile, state_digest: str) -> bool:
    """Whether a freeze has this state, with the caches as they are now."""
    caches = digest.cache_digests(file.h5)
    return any(
        read_attribute(freeze, STATE_DIGEST) == state_digest and digest.cache_digests(freeze) == caches
        for freeze in (file.group(f"{FREEZES}/{tag}") for tag in file.own_freezes())
    )


def remove(file: EditedFile, tag: str) -> int:
    """Remove a freeze; how many bytes `compact` can free for that.

    Raises
    ------
    NotInArchive
        If there is none of that tag.
    EEGArchiveError
        If it is `source`.
    """
    if tag not in tags(file):
        raise no_such_freeze(str(file.path), tag, tags(file))
    if tag == SOURCE_FREEZE:
        raise EEGArchiveError(f"{file.path}: the freeze {tag!r} is the recording itself and can't be removed")
    before = needed_bytes(file)
    unlink(file.group(FREEZES), tag)
    file.forget()
    return before - needed_bytes(file)
