"""When, where, by what: the root attributes that say how an archive came to be."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import subprocess

from eegarchive._version import __version__
from eegarchive.errors import EEGArchiveError

#: Packages whose versions are recorded, read from their metadata without importing them.
PACKAGES = ("eegarchive", "deflate", "h5py", "hdf5plugin", "mne", "numpy", "pyedflib")
NOT_AVAILABLE = "not available"


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


@functools.cache
def git_commit() -> str:
    """Commit of the git checkout that the working folder is in, else "not available"."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return NOT_AVAILABLE
    return done.stdout.strip() or NOT_AVAILABLE


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
