"""Manifests: hashes, content digests and provenance of archives as JSON, small enough to be signed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eegarchive._version import __version__
from eegarchive.archive import Archive, open_archive
from eegarchive.description import is_field
from eegarchive.digest import cache_digests, member_digests, window_digests
from eegarchive.errors import EEGArchiveError, InvalidArchive, UnsupportedVersion
from eegarchive.findings import DIGEST
from eegarchive.layout import (
    ARCHIVE_DIGEST,
    CONTENTS_DIGEST,
    DATA,
    FREEZE_ATTRIBUTES,
    FREEZES,
    STATE_DIGEST,
)
from eegarchive.storage import disk, guard, seal
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.guard import printable
from eegarchive.storage.objects import read_attributes

Progress = Callable[[int], None]

SCHEMA = "eegarchive.manifest/1"
_SCHEMA = re.compile(r"eegarchive\.manifest/(\d{1,9})")
_MAX_BYTES = 2**26
_WAIT_SECONDS = 5.0
_HASH_DIGITS = 12

_CHANGED = "get the file that was listed, or make a manifest of this one"
_NOT_LISTED = "make a manifest that lists it, or take it away"


def manifest(*paths: str | os.PathLike[str], progress: Progress | None = None) -> dict[str, Any]:
    """List archives with all that tells whether they are what they were: hashes, digests, provenance.

    The same files give the same manifest at any time. A file whose bytes aren't those that were sealed isn't listed.

    Parameters
    ----------
    *paths : path-like
        Archives, detached files too; a manifest has their bare names, so each name once.
    progress : callable, optional
        Called with the number of bytes hashed since the last call.

    Returns
    -------
    dict
        Ready for JSON (:func:`manifest_text`): `schema`, `made_by`, and `files`, in the order of their names.

    Raises
    ------
    EEGArchiveError
        If there are no files, or two of one name.
    InvalidArchive, UnsafeArchive, UnsupportedVersion
        If one is no archive, or is damaged.
    FileNotFoundError, PermissionError
        If one can't be opened.

    Notes
    -----
    What a manifest says of one file is of one moment: nobody commits an edit meanwhile.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in map(Path, paths):
        _check_bare(path.name, str(path))
        if path.name in found:
            raise EEGArchiveError(
                f"{path}: a manifest has bare names, and another file is called so; make one for each folder"
            )
        with open(path, "rb"), open_archive(path) as archive:
            found[path.name] = entry_of(archive, path.name, progress)
    if not found:
        raise EEGArchiveError("a manifest needs archives to list; name some")
    return {
        "schema": SCHEMA,
        "made_by": f"eegarchive {__version__}",
        "files": [found[name] for name in sorted(found)],
    }


def manifest_text(made: Mapping[str, Any]) -> str:
    """A manifest as the JSON text that is signed: the same manifest gives the same bytes."""
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def entry_of(archive: Archive, name: str, progress: Progress | None = None) -> dict[str, Any]:
    """What a manifest says of one file: its size, its hash, and its contents, all of one moment.

    Raises
    ------
    InvalidArchive
        If its bytes aren't those that were sealed.
    """
    with archive._home.reading():
        return {"name": name, **_hashed(archive, progress), **contents_of(archive)}


def descriptor_of(archive: Archive) -> int:
    """A descriptor of the file itself, for use inside `reading`.

    Raises
    ------
    InvalidArchive
        If what is read isn't what lies in the file, since a commit was cut off.
    """
    # a detached file has none to read samples by, which are its base's too
    descriptor = ArchiveFile.descriptor(archive._home)
    if descriptor is None:
        raise InvalidArchive(f"{archive.path}: a commit was cut off; open it where it may be written first")
    return descriptor


def _hashed(archive: Archive, progress: Progress | None) -> dict[str, Any]:
    """Size and SHA-256 of a file whose bytes are those that were sealed; both sums in one pass."""
    descriptor = descriptor_of(archive)
    found = seal.find(descriptor)
    if found is None or os.fstat(descriptor).st_size != found[0] + seal.SEAL_BYTES:
        raise InvalidArchive(
            f"{archive.path}: no seal is its last line: it is being edited, or an edit was cut off, or it is "
            "damaged; run `eegarchive verify` when nobody edits it"
        )
    (end, digits), whole, total = found, hashlib.sha256(), 0
    for number, at in enumerate(range(0, end, seal.BLOCK_BYTES)):
        block = disk.read_at(descriptor, at, min(seal.BLOCK_BYTES, end - at))
        whole.update(block)
        total += seal.block_digest(number, block)
        if progress is not None:
            progress(len(block))
    whole.update(disk.read_at(descriptor, end, seal.SEAL_BYTES))
    if seal.digits_of(total) != digits:
        raise InvalidArchive(
            f"{archive.path}: its bytes aren't those that were sealed; run `eegarchive verify`, which says what was hit"
        )
    return {"size": end + seal.SEAL_BYTES, "sha256": whole.hexdigest()}


def contents_of(archive: Archive) -> dict[str, Any]:
    """What an archive says of its contents, for use inside `reading`; a check of the file makes sure that it is so."""
    root = archive._home.h5
    attributes = read_attributes(root)
    described = {key: value for key, value in attributes.items() if is_field(key)}
    found: dict[str, Any] = {
        name: str(attributes.get(name, ""))
        for name in ("format", "format_version", ARCHIVE_DIGEST, "source_sha256", "source_digest")
    }
    found |= {
        STATE_DIGEST: archive.digest,
        "freezes": {tag: _freeze(archive._home, tag) for tag in archive.freezes},
        "caches": cache_digests(root),
        "windows": window_digests(root),
        "members": member_digests(root),
        "stored_signals": len(guard.names(guard.group_at(root, DATA))),
        "provenance": {key: _plain(value) for key, value in archive.provenance.items()},
    }
    if described:
        text = json.dumps({key: _plain(value) for key, value in described.items()}, sort_keys=True)
        found["description_sha256"] = hashlib.sha256(text.encode("ascii")).hexdigest()
    if "base_name" in attributes:
        found["base"] = {"name": str(attributes["base_name"]), "source_digest": found["source_digest"]}
    return found


def _freeze(file: ArchiveFile, tag: str) -> dict[str, str]:
    """What an archive says of a freeze; of an attached one, which lies in another file, the link alone."""
    link = file.attached_freezes().get(tag)
    if link is not None:
        return {"file": link.file, CONTENTS_DIGEST: link.contents_digest}
    stated = read_attributes(file.group(f"{FREEZES}/{tag}"))
    return {name: str(stated.get(name, "")) for name in FREEZE_ATTRIBUTES}


def _plain(value: str | int | float) -> str | int | float:
    """A value that JSON has; what it lacks as text."""
    return value if not isinstance(value, float) or math.isfinite(value) else repr(value)


# -- reading one --------------------------------------------------------------------------------------


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a manifest, and make sure that it is one.

    Raises
    ------
    EEGArchiveError
        If it isn't.
    UnsupportedVersion
        If it is of a version that came later.
    OSError
        If it can't be read.
    """
    with open(path, "rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise EEGArchiveError(f"{path}: is larger than {_MAX_BYTES} bytes; no manifest is")
    try:
        found = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise EEGArchiveError(f"{path}: isn't a manifest: it can't be read as JSON ({error})") from None
    check_form(found, str(path))
    return dict(found)


def check_form(found: Any, where: str) -> None:
    """Make sure that something is a manifest of this version.

    Raises
    ------
    EEGArchiveError
        If it isn't.
    UnsupportedVersion
        If it is of a version that came later.
    """
    schema = found.get("schema") if isinstance(found, dict) else None
    version = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if version is None:
        raise EEGArchiveError(f"{where}: isn't a manifest: it has no schema {SCHEMA!r}")
    if schema != SCHEMA:
        raise UnsupportedVersion(f"{where}: is {schema}; this version knows {SCHEMA}: upgrade eegarchive")
    files = found.get("files")
    if not isinstance(files, list) or not files:
        raise EEGArchiveError(f"{where}: lists no files")
    seen: set[str] = set()
    for number, entry in enumerate(files):
        place = f"{where}: files[{number}]"
        if not isinstance(entry, dict):
            raise EEGArchiveError(f"{place}: isn't an object")
        for name, (is_right, what) in _FIELDS.items():
            if not (is_right(entry[name]) if name in entry else name in _OPTIONAL):
                raise EEGArchiveError(f"{place}: {name!r} must be {what}")
        _check_bare(entry["name"], place)
        if entry["name"] in seen:
            raise EEGArchiveError(f"{place}: lists {printable(entry['name'])!r} again")
        seen.add(entry["name"])


def _check_bare(name: str, where: str) -> None:
    """Refuse a name that could lead to another folder, or harm a terminal."""
    is_bare = name not in ("", ".", "..") and not set(name) & {"/", "\\"} and printable(name) == name
    if not is_bare or len(name.encode("utf-8", "surrogatepass")) > 255:
        raise EEGArchiveError(f"{printable(where)}: {printable(name)!r} isn't a bare file name")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _is_provenance(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(own, str | int | float) for own in value.values())


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_freezes(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_texts, value.values()))


#: What an entry has: how each is told, and what it must be.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, "a text"),
    "size": (_is_count, "a number of bytes"),
    "sha256": (_is_digest, "a SHA-256 in 64 lower-case hexadecimal digits"),
    "format": (_is_text, "a text"),
    "format_version": (_is_text, "a text"),
    ARCHIVE_DIGEST: (_is_text, "a text"),
    "source_sha256": (_is_text, "a text"),
    "source_digest": (_is_text, "a text"),
    STATE_DIGEST: (_is_text, "a text"),
    "freezes": (_are_freezes, "an object of objects of texts"),
    "caches": (_are_texts, "an object of texts"),
    "windows": (_are_texts, "an object of texts"),
    "members": (_are_texts, "an object of texts"),
    "stored_signals": (_is_count, "a count"),
    "provenance": (_is_provenance, "an object of texts and numbers"),
    "description_sha256": (_is_text, "a text"),
    "base": (_are_texts, "an object of texts"),
}
_OPTIONAL = ("description_sha256", "base")
