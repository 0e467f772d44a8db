"""The same operations on the same recording give the same digests, wherever, whenever and however stored."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from readers.programs import DATA

import eegarchive
from editing.referee import GAPS, MIXED, PSG, Recording, findings

FILES = {PSG.stem: "edf", GAPS.stem: "edf", MIXED.stem: "bdf"}
Change = Callable[[eegarchive.EditableArchive], object]


def work(night: eegarchive.EditableArchive) -> None:
    """A bit of everything."""
    first, second, third = list(night.signals)[:3]
    rate = night.signals[first].sampling_rate
    night.add_annotations([8.0, 12.0], [4.0, float("nan")], ["N2", "früh@@x"], annotation_set="me")
    night.set_epochs(8)
    night.mask(drop_epochs=[1], drop="früh")
    night.mask(random=1, seed=3)
    night.freeze("masked", note="some note")
    night.restructure()
    night.copy_signal(first, "copy")
    night.signals["copy"].digital[0:2] = [5, 6]
    night.set_signal(second, units="mV", gain=1.5)
    night.rename_signal(third, "third")
    night.add_signal("mean", np.arange(round(night.duration * rate), dtype="<f4"), rate, units="uV")
    night.freeze("done")
    night.thaw("masked")


@pytest.mark.parametrize("codec", ["portable", "fast", "small", "none"])
def test_archives_made_separately_agree(
    case: Recording,
    codec: str,
    copy_of: Callable[[Recording], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    here, there = copy_of(case), tmp_path / "elsewhere" / "other name.h5"
    there.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(DATA / f"{case.stem}.{FILES[case.stem]}", there, codec=codec)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with eegarchive.edit(here) as night:
        work(night)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    with eegarchive.edit(there) as night:
        work(night)
    with eegarchive.open(here) as a, eegarchive.open(there) as b:
        assert a.digest == b.digest
        assert {tag: state.digest for tag, state in a.freezes.items()} == {
            tag: state.digest for tag, state in b.freezes.items()
        }
        assert len({state.digest for state in a.freezes.values()}) == 3
        for column in ("operation", "parameters", "digest_before", "digest_after"):
            assert a.history[column].tolist() == b.history[column].tolist()
    assert findings(here) == findings(there) == []


ROUTES: dict[str, tuple[Change, Change]] = {
    "keep or drop": (
        lambda night: night.keep_signals(["EEG Pz-Oz", "EEG Fpz-Cz"]),
        lambda night: night.drop_signals(list(PSG.signals)[2:]),
    ),
    "two masks": (
        lambda night: (night.mask(drop_epochs=[3, 4]), night.mask(drop_epochs="9-10")),
        lambda night: (night.mask(keep_epochs="1-8"), night.mask(drop_times=(60, 120))),
    ),
    "mask or two restructures": (
        lambda night: (night.mask(keep_epochs=[2, 7]), night.restructure()),
        lambda night: (
            night.mask(keep_epochs="1-4,7"), night.restructure(),
            night.mask(drop_epochs=[1, 3, 4]), night.restructure(),
        ),
    ),
    "there and back": (
        lambda night: (night.rename_signal("EEG Pz-Oz", "x"), night.rename_signal("x", "EEG Pz-Oz")),
        lambda night: (night.copy_signal("EEG Pz-Oz", "x"), night.drop_signals(["x"])),
    ),
    "freeze and thaw": (
        lambda night: night.set_epochs(10),
        lambda night: (
            night.set_epochs(10), night.freeze("A"), night.mask(keep_epochs=1), night.thaw("A", remove=True),
        ),
    ),
    "one write or two": (
        lambda night: night.signals["EEG Pz-Oz"].digital.__setitem__(slice(0, 4), [1, 2, 3, 4]),
        lambda night: (
            night.signals["EEG Pz-Oz"].digital.__setitem__(slice(2, 8), [9] * 6),
            night.thaw("source"),
            night.signals["EEG Pz-Oz"].digital.__setitem__(slice(0, 4), [1, 2, 3, 4]),
        ),
    ),
    "annotations in either order": (
        lambda night: night.add_annotations([1, 2], [0, 0], ["a", "b"]),
        lambda night: (night.add_annotations([2], [0], ["b"]), night.add_annotations([1], [0], ["a"])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUTES)
def test_equal_states_reached_by_two_routes_have_one_digest(
    name: str, archives: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    found = []
    for number, route in enumerate(ROUTES[name]):
        path = Path(shutil.copy(archives[PSG.stem], tmp_path / f"{number}.h5"))
        with eegarchive.edit(path) as night:
            source = night.digest
            route(night)
        with eegarchive.open(path) as archive:
            found.append(archive.digest)
        assert findings(path) == []
    assert found[0] == found[1]
    assert (found[0] == source) == (name == "there and back")


def test_any_difference_is_another_digest(archives: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    path = Path(shutil.copy(archives[PSG.stem], tmp_path / "night.h5"))
    changes: list[Change] = [
        lambda night: night.set_epochs(10),
        lambda night: night.mask(drop_epochs=1),
        lambda night: night.mask(drop_epochs=2),
        lambda night: (night.mask(drop_epochs=2), night.restructure()),
        lambda night: night.drop_signals(["EEG Pz-Oz"]),
        lambda night: night.copy_signal("EEG Pz-Oz", "x"),
        lambda night: night.copy_signal("EEG Pz-Oz", "y"),
        lambda night: night.rename_signal("EEG Pz-Oz", "y"),
        lambda night: night.set_signal("EEG Pz-Oz", units="V"),
        lambda night: night.set_signal("EEG Pz-Oz", note=1),
        lambda night: night.set_signal("EEG Pz-Oz", note=1.0),
        lambda night: night.set_signal("EEG Pz-Oz", note="1"),
        lambda night: night.write_samples("EEG Pz-Oz", 0, [1], digital=True),
        lambda night: night.write_samples("EEG Pz-Oz", 1, [1], digital=True),
        lambda night: night.add_annotations([1], [0], ["a"]),
        lambda night: night.add_annotations([1], [float("nan")], ["a"]),
        lambda night: night.add_annotations([1], [0], ["a"], annotation_set="b"),
        lambda night: night.add_annotations([1], [0], ["a"], kind=["b"]),
        lambda night: night.add_signal("x", np.zeros(300, "<f4"), 1.0),
        lambda night: night.add_signal("x", np.zeros(300, "<f8"), 1.0),
    ]
    found = []
    with eegarchive.edit(path) as night:
        for change in changes:
            night.thaw("source")
            change(night)
            found.append(night.digest)
    assert len(set(found)) == len(changes)
    assert findings(path) == []
