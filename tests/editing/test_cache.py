"""A freeze captures the cache; a thaw brings it back, or leaves the present one."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

import eegarchive
from editing.referee import findings
from eegarchive.layout import CACHE

FPZ = "EEG Fpz-Cz"


def put(night: eegarchive.EditableArchive, **tables: list[float]) -> None:
    """Make these the only caches: values of `power` by epoch."""
    night.cache.clear()
    for name, values in tables.items():
        for epoch, value in enumerate(values, 1):
            night.cache[name].put("power", value, CH="EEG Pz-Oz", E=epoch)


def cached(path: Path, place: str = "") -> dict[str, list[float]]:
    """The caches as a plain HDF5 reader finds them."""
    with h5py.File(path) as h5:
        found = (h5[place] if place else h5).get(CACHE, {})
        return {name: found[name]["num"]["value"].tolist() for name in found}


@pytest.fixture
def path(psg: Path) -> Path:
    """The PSG with caches, frozen as A, and then others."""
    with eegarchive.edit(psg) as night:
        put(night, power=[1.0, 2.0], spindles=[3.0])
        night.freeze("A")
        put(night, power=[9.0])
        night.drop_signals([FPZ])
    assert cached(psg) == {"power": [9.0]}
    assert findings(psg) == []
    return psg


@pytest.mark.clause("F-6", "C-6", "H-2", "O-8")
def test_a_freeze_captures_the_caches(path: Path) -> None:
    assert cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert cached(path, "freezes/source") == {}
    with eegarchive.open(path) as archive:
        frozen = archive.freezes["A"].cache
        assert list(frozen) == ["power", "spindles"]
        assert frozen["spindles"].get("power", CH="EEG Pz-Oz", E=1) == 3.0


@pytest.mark.clause("O-8")
def test_a_thaw_restores_them(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A")
        assert night.cache["spindles"].get("power", CH="EEG Pz-Oz", E=1) == 3.0
    assert cached(path) == cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    with h5py.File(path) as h5:
        for name in h5["cache/power"]:  # linked, not written again
            assert h5["cache/power"][name] == h5["freezes/A/cache/power"][name]
        assert dict(h5["cache/power"].attrs) == dict(h5["freezes/A/cache/power"].attrs)
    assert findings(path) == []


@pytest.mark.clause("O-8")
def test_a_thaw_of_a_state_without_caches_leaves_none(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("source")
    assert cached(path) == {}
    with h5py.File(path) as h5:
        assert CACHE not in h5
    assert findings(path) == []


@pytest.mark.clause("O-8", "H-11")
@pytest.mark.parametrize("tag", ["A", "source"])
def test_preserve_cache_leaves_the_present_ones(path: Path, tag: str) -> None:
    with eegarchive.edit(path) as night:
        night.thaw(tag, preserve_cache=True)
        assert len(night.signals) == 7
    assert cached(path) == {"power": [9.0]}
    assert cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


def test_the_frozen_caches_outlive_their_freeze_once_thawed(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A", remove=True)
    assert cached(path) == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


def test_other_caches_are_unsaved_work(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.thaw("A")
        assert night.thaw("source", keep_unsaved=True).kept_as is None
        assert night.thaw("A", keep_unsaved=True).kept_as is None
        put(night, power=[5.0])
        kept = night.thaw("A", keep_unsaved=True).kept_as
        assert kept is not None
        assert night.thaw("A", keep_unsaved=True).kept_as is None
    assert cached(path, f"freezes/{kept}") == {"power": [5.0]}
    assert cached(path) == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


@pytest.mark.clause("F-6")
def test_the_caches_play_no_part_in_the_states_digest(path: Path) -> None:
    with eegarchive.open(path) as archive:
        assert archive.freezes["A"].digest == archive.freezes["source"].digest
        before = archive.digest
    with eegarchive.edit(path) as night:
        put(night, power=[7.0])
    with eegarchive.open(path) as archive:
        assert archive.digest == before


@pytest.mark.clause("H-11")
def test_a_change_of_caches_is_no_row_of_the_history(path: Path) -> None:
    with eegarchive.open(path) as archive:
        before = len(archive.history)
    with eegarchive.edit(path) as night:
        put(night, power=[7.0])
    with eegarchive.open(path) as archive:
        assert len(archive.history) == before
    assert cached(path) == {"power": [7.0]}
    assert findings(path) == []


def test_an_overwritten_freeze_has_the_present_caches(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.freeze("A", overwrite=True)
    assert cached(path, "freezes/A") == {"power": [9.0]}
    assert findings(path) == []


def keep_the_first_minute(night: eegarchive.EditableArchive) -> None:
    night.set_epochs(30)
    night.mask(keep_epochs=[1, 2])


@pytest.mark.clause("O-4")
@pytest.mark.parametrize("preserve", [False, True])
def test_a_restructure_removes_the_caches_unless_asked_to_keep_them(path: Path, preserve: bool) -> None:
    with eegarchive.edit(path) as night:
        keep_the_first_minute(night)
        night.restructure(preserve_cache=preserve)
    assert cached(path) == ({"power": [9.0]} if preserve else {})
    assert cached(path, "freezes/A") == {"power": [1.0, 2.0], "spindles": [3.0]}
    assert findings(path) == []


@pytest.mark.clause("O-4")
def test_a_restructure_that_drops_nothing_leaves_the_caches(path: Path) -> None:
    with eegarchive.edit(path) as night:
        night.set_epochs(30)
        night.restructure()
    assert cached(path) == {"power": [9.0]}
    assert findings(path) == []
