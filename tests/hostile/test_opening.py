"""No file is opened but the archive: watched from outside of the process, where HDF5's own opening is seen too."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from . import attacks
from .conftest import opened_by
from .test_attacks import good, lay

__all__ = ["good"]

#: Attacks that name a file.
NAMING = [
    name
    for name in attacks.ATTACKS
    if name.startswith(("external_", "virtual", "stored_signal_is_virtual", "unknown_filter"))
]
SCRIPT = """
import sys
from pathlib import Path
import eegarchive
from fuzzing import uses
for path in map(Path, sys.argv[1:]):
    for use in (*uses.READING.values(), uses.edit):
        try:
            uses.quietly(use, path, path.parent)
        except eegarchive.EEGArchiveError:
            pass
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace isn't installed")
def test_hdf5_opens_no_other_file(good: Path, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(NAMING):
        (tmp_path / str(number)).mkdir()
        paths.append(lay(good, tmp_path / str(number)))
        attacks.spoil(paths[-1], name)
    opened = opened_by(SCRIPT, paths, str(Path(__file__).parents[2] / "tools"), tmp_path / "log")
    assert {str(path) for path in paths} <= opened
    assert not [path for path in opened if re.search(r"secret\.(h5|txt)|/outside/", path)]
    assert not [path for path in opened if "hdf5/plugin" in path.lower()]
