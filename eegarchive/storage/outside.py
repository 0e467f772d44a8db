"""Links out of a file: freezes of an archive that lie in detached files beside it.

They are read as text and never followed by HDF5, which would take a stranger's file for the right one.
"""

from __future__ import annotations

from dataclasses import dataclass

import h5py

from eegarchive.errors import UnsafeArchive
from eegarchive.layout import ATTACHED_PREFIX, FREEZES
from eegarchive.storage import guard
from eegarchive.storage.objects import read_attribute


@dataclass(frozen=True)
class Attached:
    """A freeze in another file: that file's name, beside the archive, and the freeze's declared digest."""

    file: str
    contents_digest: str


def own_freezes(freezes: h5py.Group) -> list[str]:
    """Tags of the freezes that a file has itself."""
    return [tag for tag in guard.names(freezes) if guard.external(freezes, tag) is None]


def attached_freezes(freezes: h5py.Group) -> dict[str, Attached]:
    """The freezes that lie in detached files, by tag; nothing is followed or opened (spec X-9).

    Raises
    ------
    UnsafeArchive
        If a link isn't of the one form that is allowed, or isn't declared.
    """
    found = {}
    for tag in guard.names(freezes):
        outside = guard.external(freezes, tag)
        if outside is None:
            continue
        where = f"/{FREEZES}/{tag}"
        file, path = outside
        declared = read_attribute(freezes, f"{ATTACHED_PREFIX}{tag}")
        if not isinstance(declared, str):
            raise UnsafeArchive(f"{where}: is an external link, and no attached freeze; it isn't followed")
        if path != where or not guard.is_file_name(file):
            shown = f"{guard.printable(file)!r}, {guard.printable(path)!r}"
            raise UnsafeArchive(f"{where}: is an external link to {shown}; it isn't followed")
        found[tag] = Attached(file, declared)
    return found
