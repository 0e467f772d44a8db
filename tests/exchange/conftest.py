"""A night of lab A, the freeze of lab B, and the night of lab C."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import eegarchive


def work(path: Path) -> None:
    """What lab B does: a part dropped, a copy with samples of its own, a new signal, a cache, a freeze."""
    with eegarchive.edit(path) as night:
        night.set_epochs(30)
        night.mask(drop_epochs="3-5")
        first = next(iter(night.signals))
        night.copy_signal(first, "copy")
        night.signals["copy"].digital[10:13] = [1, 2, 3]
        night.freeze("masked", "before dropping")
        night.restructure()
        night.cache["power"].put("total", 1.5, CH=first)
        night.freeze("N2", "späte Nacht")
        night.thaw("source")


@dataclass(frozen=True)
class Labs:
    """Where everything lies: B's archive; A's, and beside it B's detached freeze."""

    worked: Path
    night: Path
    detached: Path


@pytest.fixture(scope="session")
def made(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs")
    source = archives["edf_sleep_psg_30s_records"]
    (folder / "b").mkdir()
    work(Path(shutil.copy(source, folder / "b" / "night.h5")))
    shutil.copy(source, folder / "night.h5")
    eegarchive.detach(f"{folder}/b/night.h5@N2", folder / "night.N2.h5")
    return folder


@pytest.fixture
def labs(made: Path, tmp_path: Path) -> Labs:
    shutil.copytree(made, tmp_path / "labs")
    folder = tmp_path / "labs"
    return Labs(folder / "b" / "night.h5", folder / "night.h5", folder / "night.N2.h5")
