"""A folder to publish: archives, what they are as an RO-Crate, and a BagIt bag around them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eegarchive.archive import Archive, open_archive
from eegarchive.crates.bags import DATA_FOLDER, write_tags
from eegarchive.crates.describing import METADATA, About, Described, describe, load, metadata_text
from eegarchive.errors import EEGArchiveError, VerificationFailed
from eegarchive.layout import SUFFIX
from eegarchive.manifests import descriptor_of, entry_of
from eegarchive.storage import disk, locks
from eegarchive.storage.files import refuse_existing
from eegarchive.storage.guard import printable

_BLOCK_BYTES = 2**20
#: Kept free on the disk beside the copies.
_SPARE_BYTES = 2**24
Progress = Callable[[int], None]


@dataclass(frozen=True)
class CrateReport:
    """What a crate is made of.

    Attributes
    ----------
    path : str
        The bag; the crate itself is the folder `data` in it.
    archives : tuple of str
        What it has, as paths in the crate.
    left_out : tuple of str
        Other files of the folder, which aren't in it.
    missing : tuple of (str, str)
        Files of it that need another one, which isn't in it, and the name of that: the base of a detached freeze, or
        the file of an attached one.
    bytes : int
        Size of the archives.
    linked : bool
        Whether the archives are the same files as before, under a second name; else they are copies.
    """

    path: str
    archives: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    bytes: int
    linked: bool


def crate(
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    license: str | None = None,
    link: bool = False,
    progress: Progress | None = None,
) -> CrateReport:
    """Make a BagIt bag whose payload is an RO-Crate of all archives in a folder, and in the folders below.

    The folder stays as it is. The bag has copies of the archives, each of which is compared with the hash of what was
    copied; a file system that can (Btrfs, XFS) lets them share their blocks. It appears whole or not at all.

    Parameters
    ----------
    folder : path-like
        Where the archives are (`*.h5`; hidden files and folders don't count). Other files are left out.
    target : path-like, optional
        The bag, a new folder; `FOLDER-crate` beside the folder by default.
    name, description, license : str, optional
        Of the crate as a whole: what RO-Crate says that each should have. A license is a URL, or a text.
    link : bool
        Make hard links in place of copies. They cost nothing, but an edit of an archive changes the bag then, which is
        no longer valid: for a bag that is sent away and removed.
    progress : callable, optional
        Called with the number of bytes done since the last call; see :func:`bytes_to_crate`.

    Returns
    -------
    CrateReport

    Raises
    ------
    EEGArchiveError
        If there are no archives, the disk has no room for them, or rocrate isn't there.
    InvalidArchive, UnsafeArchive, UnsupportedVersion
        If a file `*.h5` is none, or is damaged.
    TargetExists
        If the target is there.
    VerificationFailed
        If a copy isn't what was copied.
    OSError
        If something can't be read or written.
    """
    load()  # before anything is copied
    folder = Path(folder)
    archives, others = _found(folder)
    target = _target(folder, target)
    if not link:
        _check_room(target, sum(path.stat().st_size for path in archives.values()))
    with _new_folder(target) as made:
        payload = made / DATA_FOLDER
        hashes: dict[str, str] = {}
        described: list[Described] = []
        for inside, path in archives.items():
            new = payload / inside
            new.parent.mkdir(parents=True, exist_ok=True)
            with open_archive(path) as archive, archive._home.reading():
                entry = entry_of(archive, path.name, progress)
                described.append(describe(archive, inside, entry))
                if link:
                    _link(path, new)
                else:
                    _copy(archive, new, entry["size"], progress)
            if not link and _sha256(new, progress) != entry["sha256"]:
                raise VerificationFailed(f"{new}: isn't what was copied from {path}; nothing was kept")
            hashes[f"{DATA_FOLDER}/{inside}"] = entry["sha256"]
        about = About(name or folder.resolve().name, description, license)
        text = metadata_text(about, described).encode("utf-8")
        (payload / METADATA).write_bytes(text)
        hashes[f"{DATA_FOLDER}/{METADATA}"] = hashlib.sha256(text).hexdigest()
        size = sum(one.entry["size"] for one in described)
        write_tags(made, hashes, size + len(text), about.name)
        _sync(made, set() if not link else {payload / inside for inside in archives})
    missing = tuple((one.inside, name) for one in described for name in one.lacking(described))
    return CrateReport(str(target), tuple(archives), others, missing, size, link)


def bytes_to_crate(folder: str | os.PathLike[str], link: bool = False) -> int:
    """How many bytes `progress` will be told of in all: each is hashed, and if not linked copied and hashed again."""
    return (1 if link else 3) * sum(path.stat().st_size for path in _found(Path(folder))[0].values())


def _found(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Archives by their paths below a folder, and other files."""
    if not folder.is_dir():
        raise EEGArchiveError(f"{folder}: is no folder; a crate is made of all archives in one")
    archives, others = {}, []
    for above, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(above) / name
            inside = path.relative_to(folder).as_posix()
            if path.suffix != SUFFIX:
                others.append(inside)
                continue
            if printable(inside) != inside or set(inside) & {"%", "\\"}:
                raise EEGArchiveError(
                    rf"{printable(str(path))}: a crate's names have no control characters, no '%' and no '\'"
                )
            archives[inside] = path
    if not archives:
        raise EEGArchiveError(f"{folder}: has no archives (*{SUFFIX}); name the folder that has")
    return dict(sorted(archives.items())), tuple(sorted(others))


def _raise(error: OSError) -> None:
    raise error


def _target(folder: Path, target: str | os.PathLike[str] | None) -> Path:
    """Where the bag is to be, which must be outside of the folder that it is made of."""
    real = folder.resolve()
    found = real.with_name(f"{real.name}-crate") if target is None else Path(target)
    refuse_existing(found, overwrite=False)
    if found.resolve().is_relative_to(real):
        raise EEGArchiveError(f"{found}: is inside {folder}, which it is made of; name another place (-o)")
    return found


def _check_room(target: Path, size: int) -> None:
    free = shutil.disk_usage(target.resolve().parent).free
    if free < size + _SPARE_BYTES:
        raise EEGArchiveError(
            f"{target}: the copies need {size} bytes, and the disk has {free} left; link them (--link), or use another"
        )


@contextlib.contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, which gets the name on success and goes on any exception.

    One left by a process that was killed is taken away; one that another process is making isn't.
    """
    temporary = target.with_name(f".{target.name}.partial")
    claimed = target.with_name(f".{target.name}.partial-lock")
    process, lock = os.getpid(), locks.claim(claimed)
    if lock is None:
        raise EEGArchiveError(f"{target}: another process is making it now; wait for it to end")
    try:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.mkdir()
        yield temporary
        refuse_existing(target, overwrite=False)
        disk.rename(temporary, target)
        disk.sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        disk.remove(claimed)
        locks.close(lock, process)


def _link(path: Path, new: Path) -> None:
    try:
        disk.link(path.resolve(), new)
    except OSError as error:
        raise EEGArchiveError(
            f"{path}: can't be linked to {new.parent} ({error.strerror}); make copies, without --link"
        ) from None


def _copy(archive: Archive, new: Path, size: int, progress: Progress | None) -> None:
    """Copy the bytes that an archive is read from; for use inside `reading`."""
    source = descriptor_of(archive)
    with open(new, "xb", buffering=0) as file:
        for at in range(0, size, _BLOCK_BYTES):
            count = min(_BLOCK_BYTES, size - at)
            _copy_block(source, file.fileno(), at, count)
            if progress is not None:
                progress(count)


def _copy_block(source: int, new: int, at: int, count: int) -> None:
    """Let the system copy, so that a file system that can share blocks does; else copy."""
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # between file systems, or one that can't
            if os.copy_file_range(source, new, count, at, at) == count:
                return
    disk.write_at(new, at, disk.read_at(source, at, count))


def _sha256(path: Path, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            if progress is not None:
                progress(len(block))
    return digest.hexdigest()


def _sync(folder: Path, linked: set[Path]) -> None:
    """Make sure that a folder is on the disk; linked files, which may be read only, are there already."""
    for above, _, names in os.walk(folder):
        for path in (Path(above) / name for name in names):
            if path not in linked:
                with open(path, "rb+") as file:
                    disk.sync(file.fileno())
        disk.sync_folder(Path(above))
