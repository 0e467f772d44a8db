"""A freeze captures the cache; a thaw brings it back, or leaves the present one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from editing.referee import findings
from eegarchive.layout import CACHE
from eegarchive.storage import guard, objects

COLUMNS = [("channel", h5py.string_dtype("utf-8", 2)), ("value", "<f8")]


def write(night: eegarchive.EditableArchive, **tables: list[float]) -> None:
    """Make the cache these tables, by hand: /cache/NAME/num."""
    root = night._edited.h5
    if CACHE in guard.names(root):
        del root[CACHE]
    cache = objects.create_group(root, CACHE)
    for name, values in tables.items():
        rows = np.array([(b"C3", value) for value in values], COLUMNS)
        group = objects.create_group(cache, name)
        objects.write_attributes(group, {"command": name.upper()})
        objects.link(objects.write_table(root, rows, {"units": "uV"}), group, "num")


def cached(path: Path, place: str = "") -> dict[str, list[float]]:
    """The cache as a plain HDF5 reader finds it."""
    with h5py.File(path) as h5:
        found = (h5[place] if place else h5).get(CACHE, {})
        return {name: found[name]["num"]["value"].tolist() for name in found}


@pytest.fixture
def path(psg: Path) -> Path:
    """The PSG with a cache, frozen as A, and then another one."""
    with eegarchive.edit(psg) as night:
        write(night, power=[1.0, 2.0], spindles=[3.0])
        night.freeze("A")
        write(night, power=[9.0])
        night.drop_signals(["EEG Fpz-Cz"])
    assert cached(psg) == {"power": [9.0]}
    assert findings(psg) == []
    return psg


@pytest.mark.clause("F-6", "C-6")
def test_a_freeze_captures_the_cache(path: Path) -> None:
    assert cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert cached(path, "freezes/source") == {}
    with h5py.File(path) as h5:
        assert h5["freezes/A/cache/power"].attrs["command"] in (b"POWER", "POWER")
        assert h5["freezes/A/cache/power/num"].attrs["units"] in (b"uV", "uV")


@pytest.mark.clause("O-8")
def test_a_thaw_restores_it(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A")
    assert cached(path) == cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    with h5py.File(path) as h5:
        assert h5["cache/power/num"] == h5["freezes/A/cache/power/num"]  # linked, not written again
        assert h5["cache/power"].attrs["command"] in (b"POWER", "POWER")
    assert findings(path) == []


def test_a_thaw_of_a_state_without_cache_leaves_none(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("source")
    assert cached(path) == {}
    assert findings(path) == []


@pytest.mark.parametrize("tag", ["A", "source"])
def test_preserve_cache_leaves_the_present_one(path: Path, tag: str) -> None:
    with eegarchive.edit(path) as night:
        night.thaw(tag, preserve_cache=True)
        assert len(night.signals) == 7
    assert cached(path) == {"power": [9.0]}
    assert cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


def test_the_frozen_cache_outlives_its_freeze_once_thawed(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A", remove=True)
    assert cached(path) == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


def test_another_cache_is_unsaved_work(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A")
        assert night.thaw("source", keep_unsaved=True).kept_as is None
        assert night.thaw("A", keep_unsaved=True).kept_as is None
        write(night, power=[5.0])
        kept = night.thaw("A", keep_unsaved=True).kept_as
        assert kept is not None
        assert night.thaw("A", keep_unsaved=True).kept_as is None
    assert cached(path, f"freezes/{kept}") == {"power": [5.0]}
    assert cached(path) == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


@pytest.mark.clause("F-6")
def test_the_cache_plays_no_part_in_the_states_digest(path: Path) -> None:
    with eegarchive.open(path) as archive:
        assert archive.freezes["A"].digest == archive.freezes["source"].digest


def test_an_overwritten_freeze_has_the_present_cache(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.freeze("A", overwrite=True)
    assert cached(path, "freezes/A") == {"power": [9.0]}
    assert findings(path) == []
