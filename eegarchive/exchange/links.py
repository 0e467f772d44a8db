"""Whether a file stands alone: every link out of it."""

from __future__ import annotations

import contextlib
import os

from eegarchive.detached import DetachedFile, open_file
from eegarchive.findings import Finding
from eegarchive.layout import FREEZES, SIGNALS
from eegarchive.storage import guard, virtual

_ADVICE = "make one file that needs no other (eegarchive pack)"


def links_out(path: str | os.PathLike[str]) -> list[Finding]:
    """List all that a file has in other files: attached freezes of an archive, signals of a detached freeze.

    Nothing is followed; the other files needn't be there.

    Returns
    -------
    list of Finding
        Empty if the file stands alone.

    Raises
    ------
    InvalidArchive, UnsafeArchive
        If it isn't an archive or a detached freeze, or has links that these don't have.
    """
    with contextlib.closing(open_file(path)) as file, file.reading():
        found = [
            (f"/{FREEZES}/{tag}", f"the freeze lies in {link.file}")
            for tag, link in file.attached_freezes().items()
        ]
        if isinstance(file, DetachedFile):
            found += _signals(file)
    return [Finding("error", place, guard.printable(what), _ADVICE) for place, what in found]


def _signals(file: DetachedFile) -> list[tuple[str, str]]:
    parent = f"{FREEZES}/{file.tag}/{SIGNALS}"
    group, found = file.group(parent), []
    for name in guard.names(group):
        outside = guard.external(group, name)
        if outside is not None:
            found.append((f"/{parent}/{name}", f"its samples lie in {outside[0]}"))
            continue
        shown = file.dataset(parent, name, may_be_virtual=True)
        files = set().union(*virtual.source_files(shown).values()) if shown.is_virtual else set()
        if files - {virtual.SAME_FILE}:
            found.append((f"/{parent}/{name}", f"some of its samples lie in {file.base_name}"))
    return found
