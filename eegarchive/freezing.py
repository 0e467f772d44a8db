"""Freezes: states kept under a tag. Everything in them is linked, nothing written again."""

from __future__ import annotations

import re

import h5py

from eegarchive import digest, provenance
from eegarchive.errors import EEGArchiveError, TargetExists
from eegarchive.layout import (
    CACHE,
    CONTENTS_DIGEST,
    FREEZES,
    RESERVED_TAGS,
    SIGNALS,
    SOURCE_FREEZE,
    STATE_DIGEST,
    STATE_TABLES,
    TAG_PATTERN,
)
from eegarchive.savings import needed_bytes
from eegarchive.state import no_such_freeze
from eegarchive.storage import guard, objects
from eegarchive.storage.container import EditedFile
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


def link_state(file: EditedFile, tag: str, note: str) -> None:
    """Make the root's state, and the cache, a freeze; in the place of one of that tag."""
    root, freezes = file.h5, file.group(FREEZES)
    if tag in tags(file):
        del freezes[tag]
    freeze = objects.create_group(freezes, tag)
    _link_members(root, freeze)
    if CACHE in guard.names(root):
        _link_all(root, freeze, CACHE)
    objects.write_attributes(
        freeze,
        {"created": provenance.now(), "note": note, STATE_DIGEST: str(read_attribute(root, STATE_DIGEST))},
    )
    objects.write_attribute(freeze, CONTENTS_DIGEST, digest.contents_digest(freeze))
    file.forget()


def restore_state(file: EditedFile, tag: str) -> None:
    """Make the root's state that of a freeze."""
    root, freeze = file.h5, file.group(f"{FREEZES}/{tag}")
    for name in (*STATE_TABLES, SIGNALS):
        del root[name]
    _link_members(freeze, root)
    objects.write_attribute(root, STATE_DIGEST, str(read_attribute(freeze, STATE_DIGEST)))
    file.forget()


def _link_members(source: h5py.Group, target: h5py.Group) -> None:
    """Give a group the members of another one's state."""
    for name in STATE_TABLES:
        objects.link_again(source, name, target, name)
    _link_all(source, target, SIGNALS)


def restore_cache(file: EditedFile, tag: str) -> None:
    """Make the cache that of a freeze."""
    root, freeze = file.h5, file.group(f"{FREEZES}/{tag}")
    if CACHE in guard.names(root):
        del root[CACHE]
    if CACHE in guard.names(freeze):
        _link_all(freeze, root, CACHE)


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


def is_kept(file: EditedFile, state_digest: str) -> bool:
    """Whether a freeze has this state, with the caches as they are now."""
    caches = digest.cache_digests(file.h5)
    return any(
        read_attribute(freeze, STATE_DIGEST) == state_digest and digest.cache_digests(freeze) == caches
        for freeze in (file.group(f"{FREEZES}/{tag}") for tag in tags(file))
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
    del file.group(FREEZES)[tag]
    file.forget()
    return before - needed_bytes(file)
