"""When, where, by what: the root attributes that say how an archive came to be."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from eegarchive._version import __version__
from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive
from eegarchive.layout import ROOT_ATTRIBUTES

#: Packages whose versions are recorded, read from their metadata without importing them.
PACKAGES = ("eegarchive", "deflate", "h5py", "hdf5plugin", "mne", "numpy", "pyedflib", "scipy")
NOT_AVAILABLE = "not available"
_VERSION_PREFIX = "version_"
_LONGEST_COMMAND = 4_000


@functools.cache
def version_of(package: str) -> str:
    """Installed version of a package, or "not installed"."""
    if package == "eegarchive":
        return __version__
    import importlib.metadata  # a tenth of the time that importing this package takes

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, HDF5 and the packages that count."""
    import h5py

    found = {package: version_of(package) for package in PACKAGES}
    return {**found, "python": platform.python_version(), "hdf5": h5py.version.hdf5_version}


def git_checkout() -> tuple[str, str]:
    """Commit of the git checkout that the working folder is in now, and "clean" or "dirty"; else "not available".

    Dirty is a checkout in which a file that git knows isn't as it was committed.
    """
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return NOT_AVAILABLE, NOT_AVAILABLE
    lines = done.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    if not commit.isalnum():  # there is no commit yet
        return NOT_AVAILABLE, NOT_AVAILABLE
    return commit, "dirty" if any(not line.startswith("#") for line in lines) else "clean"


def git_commit() -> str:
    """Commit of the git checkout that the working folder is in, else "not available"."""
    return git_checkout()[0]


def versions_now() -> dict[str, str]:
    """What goes into a row of `history`: the versions, and the commit, with `-dirty` behind it if it is (spec R-9)."""
    commit, status = git_checkout()
    if commit == NOT_AVAILABLE:
        return versions()
    return {**versions(), "git": f"{commit}-dirty" if status == "dirty" else commit}


def surroundings() -> dict[str, str]:
    """The command line and the Python that runs it; nothing if SOURCE_DATE_EPOCH asks for equal bytes (spec R-8)."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return {}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"command": _command(), "host_python": f"{python}, {platform.system()} {platform.machine()}"}


def _command() -> str:
    """The command line; of the program's path only the name, since folders may tell of people."""
    program, *arguments = getattr(sys, "argv", None) or [""]
    parts = program.replace(os.sep, "/").split("/")
    name = "/".join(parts[-2:] if parts[-1] == "__main__.py" else parts[-1:])
    line = shlex.join([name, *arguments]).replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= _LONGEST_COMMAND else f"{line[:_LONGEST_COMMAND]} ..."


class Provenance(Mapping[str, str | int | float]):
    """How an archive came to be: the root's attributes but its description.

    Examples
    --------
    >>> night.provenance["git_commit"]
    >>> night.provenance.to_dict()["versions"]["numpy"]
    """

    def __init__(self, attributes: Mapping[str, str | int | float]) -> None:
        self._attributes = dict(attributes)

    def __getitem__(self, name: str) -> str | int | float:
        if name not in self._attributes:
            raise NotInArchive(f"the archive's root has no attribute {name!r}")
        value, kind = self._attributes[name], ROOT_ATTRIBUTES.get(name)
        if kind is not None and not isinstance(value, str if kind == "str" else int):
            raise InvalidArchive(f"the attribute {name!r} of the archive's root isn't of its type")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __repr__(self) -> str:
        return f"Provenance({self._attributes})"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values: as it stands in the file, but the versions in a dictionary of their own.

        `seed`, `command`, `host_python` and `git_status` are None where the archive doesn't say them.
        """
        cut = len(_VERSION_PREFIX)
        found: dict[str, Any] = dict.fromkeys(("seed", "command", "host_python", "git_status"))
        found |= {key: value for key, value in self.items() if not key.startswith(_VERSION_PREFIX)}
        stated = {key[cut:]: value for key, value in self.items() if key.startswith(_VERSION_PREFIX)}
        return {**dict(sorted(found.items())), "versions": stated}


def now() -> str:
    """This moment in UTC, ISO 8601; the moment that SOURCE_DATE_EPOCH names where it is set."""
    stated = os.environ.get("SOURCE_DATE_EPOCH")
    if stated is not None:
        try:
            moment = datetime.datetime.fromtimestamp(int(stated), datetime.UTC)
        except (ValueError, OverflowError, OSError):
            raise EEGArchiveError(
                f"SOURCE_DATE_EPOCH is {stated!r}; expected whole seconds since 1970"
            ) from None
    else:
        moment = datetime.datetime.now(datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
