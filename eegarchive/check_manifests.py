"""Files against the manifest that lists them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eegarchive.archive import open_archive
from eegarchive.errors import EEGArchiveError, describe
from eegarchive.findings import FOREIGN, Finding
from eegarchive.layout import ARCHIVE_DIGEST, FREEZES, SOURCE_FREEZE, STATE_DIGEST, SUFFIX, WINDOWS
from eegarchive.manifests import check_form, contents_of, read_manifest
from eegarchive.storage import disk, locks
from eegarchive.storage.guard import printable
from eegarchive.verification import verify

Progress = Callable[[int], None]

_WAIT_SECONDS = 5.0
_HASH_DIGITS = 12
_BLOCK_BYTES = 2**20

_CHANGED = "get the file that was listed, or make a manifest of this one"
_NOT_LISTED = "make a manifest that lists it, or take it away"
_MISSING = "is listed in the manifest, and isn't there"
_ADDED = "isn't listed in the manifest"


def check_manifest(
    manifest: str | os.PathLike[str] | Mapping[str, Any],
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    *,
    progress: Progress | None = None,
) -> list[Finding]:
    """Check files against a manifest: are they there, and the bytes that were listed.

    A file of other bytes is verified as a whole and its contents are compared, so that one that was only rewritten
    (compact, recode) is told from one with other contents.

    Parameters
    ----------
    manifest : path-like or mapping
        The JSON file, or what :func:`manifest` gave.
    paths : path-like or sequence of path-like, optional
        A folder, in which all listed files must be; or the files to check, each of which must be listed. By
        default the folder that the manifest is in.
    progress : callable, optional
        Called with the number of bytes hashed since the last call.

    Returns
    -------
    list of Finding
        Empty if all is as listed. Their paths are names of files, with `:/...` behind for a part of one.

    Raises
    ------
    EEGArchiveError
        If it isn't a manifest.
    UnsupportedVersion
        If it is of a version that came later.
    OSError
        If the manifest can't be read.
    """
    if isinstance(manifest, Mapping):
        check_form(dict(manifest), "manifest")
        listed, default = manifest, None
    else:
        listed, default = read_manifest(manifest), Path(manifest).parent
    given: Sequence[str | os.PathLike[str]]
    if isinstance(paths, str | os.PathLike):
        given = [paths]
    elif paths is not None:
        given = paths
    elif default is not None:
        given = [default]
    else:
        raise EEGArchiveError("a manifest that is no file is in no folder; say where the archives are")
    entries = {str(entry["name"]): entry for entry in listed["files"]}
    findings: list[Finding] = []
    for path in map(Path, given):
        if path.is_dir():
            for name, entry in entries.items():
                findings += _check_file(entry, path / name, progress)
            others = (own.name for own in path.glob(f"*{SUFFIX}") if own.name not in entries)
            findings += [Finding("warning", printable(name), _ADDED, _NOT_LISTED) for name in sorted(others)]
        elif path.name in entries:
            findings += _check_file(entries[path.name], path, progress)
        else:
            findings.append(_unlisted(path, entries.values(), progress))
    return findings


def _check_file(entry: Mapping[str, Any], path: Path, progress: Progress | None) -> list[Finding]:
    """Compare one file with what is listed of it."""
    name = printable(str(entry["name"]))
    try:
        size, digits = _plain_hash(path, progress)
        if (size, digits) == (entry["size"], entry["sha256"]):
            return []
        return _compared(entry, path, digits)
    except FileNotFoundError:
        advice = "get it, or name the files to check"
        return [Finding("error", name, "is listed in the manifest, and isn't there", advice)]
    except (EEGArchiveError, OSError) as error:
        return [Finding("error", name, f"can't be checked: {printable(describe(error))}", FOREIGN)]


def _unlisted(path: Path, entries: Iterable[Mapping[str, Any]], progress: Progress | None) -> Finding:
    """Say of a file that no entry has its name, or that it is another one's."""
    name = printable(path.name)
    try:
        digits = _plain_hash(path, progress)[1]
    except (EEGArchiveError, OSError) as error:
        return Finding("error", name, f"can't be checked: {printable(describe(error))}", FOREIGN)
    for entry in entries:
        if entry["sha256"] == digits:
            what = f"is listed in the manifest as {printable(entry['name'])!r}"
            return Finding("warning", name, what, "give it that name")
    return Finding("error", name, _ADDED, _NOT_LISTED)


def _plain_hash(path: Path, progress: Progress | None) -> tuple[int, str]:
    """Size and SHA-256 of a file of whatever kind, while nobody commits an edit to it."""
    with _kept_still(path) as descriptor:
        size, digest = os.fstat(descriptor).st_size, hashlib.sha256()
        for at in range(0, size, _BLOCK_BYTES):
            block = disk.read_at(descriptor, at, min(_BLOCK_BYTES, size - at))
            digest.update(block)
            if progress is not None:
                progress(len(block))
        return size, digest.hexdigest()


@contextmanager
def _kept_still(path: Path) -> Iterator[int]:
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would never end
        raise EEGArchiveError(f"{path}: isn't a file")
    with open(path, "rb", buffering=0) as file:
        if not locks.acquire(file.fileno(), False, _WAIT_SECONDS):
            who = locks.readers(file.fileno())
            raise locks.Locked(f"{path}: is open for writing in {who}; try again when that is done")
        yield file.fileno()


def _compared(entry: Mapping[str, Any], path: Path, digits: str) -> list[Finding]:
    """Say how a file of other bytes differs from the one that was listed.

    What it says of its contents counts only if it is so, which the whole check finds out.
    """
    name = printable(str(entry["name"]))
    shown = f"SHA-256 {digits[:_HASH_DIGITS]}, listed is {entry['sha256'][:_HASH_DIGITS]}"
    wrong = [replace(own, path=f"{name}:{own.path}") for own in verify(path, untrusted=True)]
    if any(own.severity == "error" for own in wrong):
        what = f"isn't the file that was listed ({shown}), and has errors"
        return [Finding("error", name, what, "get the file that was listed"), *wrong]
    with open_archive(path) as archive, archive._home.reading():
        found = contents_of(archive)
    differing = [
        Finding("error", printable(f"{name}{own}"), what, _CHANGED)
        for own, what in _differences(entry, found)
    ]
    if not differing and _differs_elsewhere(entry, found):
        what = (
            "what differs is none of the states, caches and members: stored signals, or attributes of groups"
        )
        differing = [Finding("error", f"{name}:/", what, _CHANGED)]
    if differing:
        return [
            Finding("error", name, f"isn't the file that was listed ({shown})", _CHANGED),
            *differing,
            *wrong,
        ]
    what = f"has other bytes than were listed ({shown}), and the same contents: it was rewritten (compact, recode)"
    return [Finding("warning", name, what, "make a manifest of the file as it is now"), *wrong]


def _differs_elsewhere(listed: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the digest over everything is another one, though compact hasn't dropped stored signals."""
    fewer = found["stored_signals"] < listed["stored_signals"]
    return bool(listed[ARCHIVE_DIGEST] != found[ARCHIVE_DIGEST]) and not fewer


def _differences(listed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where, and how, the contents of two files differ."""
    for name in ("format", "format_version", "base", "description_sha256"):
        if listed.get(name) != found.get(name):
            yield ":/", f"has another {name.removesuffix('_sha256').replace('_', ' ')} than was listed"
    for name in sorted({*listed["provenance"], *found["provenance"]} - {ARCHIVE_DIGEST, STATE_DIGEST}):
        if listed["provenance"].get(name) != found["provenance"].get(name):
            yield ":/", f"has another {name} than was listed"
    if listed[STATE_DIGEST] != found[STATE_DIGEST]:
        yield ":/", "the working state is another one than was listed"
    for tag, old, new in _pairs(listed["freezes"], found["freezes"]):
        where = f":/{FREEZES}/{tag}"
        if old is None or new is None:
            yield where, _MISSING if new is None else _ADDED
        elif old != new:
            yield where, _freeze_differs(tag, old, new)
    for kind, of in (("caches", "/cache"), ("windows", f"/{WINDOWS}"), ("members", "")):
        for name, old, new in _pairs(listed[kind], found[kind]):
            if old is None or new is None:
                yield f":{of}/{name}", _MISSING if new is None else _ADDED
            elif old != new:
                yield f":{of}/{name}", "has other contents than were listed"


def _freeze_differs(tag: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if old.get(STATE_DIGEST) != new.get(STATE_DIGEST):
        return "is another recording" if tag == SOURCE_FREEZE else "is another state than was listed"
    stated = [name for name in ("created", "note") if old.get(name) != new.get(name)]
    return f"is the state that was listed, with another {' and '.join(stated) or 'cache or history'}"


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    return ((name, old.get(name), new.get(name)) for name in sorted({*old, *new}))
