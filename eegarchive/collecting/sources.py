"""Which archives are meant, and what each is called in the table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eegarchive.archive import split_tag
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import SUFFIX
from eegarchive.storage.guard import printable


@dataclass(frozen=True)
class Source:
    """One archive, at its working state or at a freeze.

    Attributes
    ----------
    path : Path
    freeze : str, optional
    id : str
        What it is called in the table.
    """

    path: Path
    freeze: str | None
    id: str

    def __str__(self) -> str:
        return printable(str(self.path)) + (f"@{self.freeze}" if self.freeze else "")


def sources_in(
    paths: Sequence[str | os.PathLike[str]],
    freeze: str | None = None,
) -> list[Source]:
    """Archives of paths that may be files (`night.h5`, `night.h5@N2`) and folders, each once.

    Folders are searched at any depth for .h5 files, in the order of their paths. An archive is called by its file name
    without the suffix. Those of one name are called by their paths below the folder that holds all archives, without
    the suffix; where these are equal too (two freezes of one archive, `night.h5` and `night.hdf5`), by all of that.

    Parameters
    ----------
    paths : sequence of path-like
    freeze : str, optional
        For all that don't name one.

    Raises
    ------
    EEGArchiveError
        If a folder has no archives, or there is none at all.
    """
    found = list(dict.fromkeys(place for path in paths for place in _places(path, freeze)))
    if not found:
        raise EEGArchiveError("no archives to collect from; name files or folders")
    return [Source(path, tag, name) for (path, tag), name in zip(found, _names(found), strict=True)]


def _places(path: str | os.PathLike[str], freeze: str | None) -> Iterator[tuple[Path, str | None]]:
    if not os.path.isdir(path):
        name, tag = split_tag(path)
        yield Path(os.path.abspath(name)), tag or freeze
        return
    folder = Path(os.path.abspath(path))
    found = sorted(p for p in folder.rglob(f"*{SUFFIX}") if p.is_file() and not p.name.startswith("."))
    if not found:
        raise EEGArchiveError(f"{printable(str(folder))}: no {SUFFIX} files in this folder")
    yield from ((file, freeze) for file in found)


def _names(places: Sequence[tuple[Path, str | None]]) -> list[str]:
    """A name for each place, as short as it can be."""
    shared = os.path.commonpath([path.parent for path, _ in places])
    below = [path.relative_to(shared) for path, _ in places]
    tags = [f"@{tag}" if tag else "" for _, tag in places]
    names = [_text(path.stem) for path in below]
    for longer in (
        [_text(path.with_suffix("")) for path in below],
        [_text(path.with_suffix("")) + tag for path, tag in zip(below, tags, strict=True)],
        [_text(path) + tag for path, tag in zip(below, tags, strict=True)],
    ):
        counts = Counter(names)
        names = [name if counts[name] == 1 else new for name, new in zip(names, longer, strict=True)]
    for name, count in Counter(names).items():
        if count > 1:
            raise EEGArchiveError(f"{count} archives would be called {printable(name)!r}; rename one")
    return names


def _text(path: str | Path) -> str:
    """A path as text that can be written: names of files may be bytes of any kind."""
    return os.fsencode(Path(path).as_posix()).decode("utf-8", "replace")
