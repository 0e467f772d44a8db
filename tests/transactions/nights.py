"""Archives to be changed, each operation on them, and all that a reader sees of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

import eegarchive
from eegarchive.archive import CachedState
from eegarchive.check import Checker
from eegarchive.findings import Finding
from eegarchive.storage import seal
from eegarchive.storage.transaction import begin

Change = Callable[[Path], None]
SCORED = Path(__file__).parent / "scorer.eannot"


@dataclass(frozen=True)
class Operation:
    """A change, and the archive it is for: "gaps", "short" or "grown"."""

    archive: str
    change: Change


def _edit(operations: Callable[[eegarchive.EditableArchive], object], archive: str = "gaps") -> Operation:
    def change(path: Path) -> None:
        with eegarchive.edit(path) as night:
            operations(night)

    return Operation(archive, change)


def noise(count: int) -> npt.NDArray[np.float32]:
    """Samples that don't compress."""
    return np.random.default_rng(5).normal(size=count).astype(np.float32)


def _luna(night: eegarchive.EditableArchive) -> None:
    """The example of Luna's documentation, about."""
    night.freeze("F1")
    night.set_epochs(60)
    night.mask(drop_epochs="1-20")
    night.restructure()
    night.copy_signal("HR", "HR copy")
    night.freeze("F2")
    night.thaw("F1")
    night.add_annotations([10.0], [5.0], ["arousal"])
    night.thaw("F2", remove=True)


def _change_samples(night: eegarchive.EditableArchive) -> None:
    night.signals["HR"].digital[100:110] = night.signals["HR"].digital[200:210]


def _put_columns(night: eegarchive.EditableArchive) -> None:
    columns = {"E": np.arange(4_000), "power": noise(4_000), "stage": ["N2", "N3"] * 2_000}
    night.cache["features"].put_columns(columns, ["E"])


def _freeze_with_cache(night: eegarchive.EditableArchive) -> None:
    night.cache["old"].put("mean", 61.0, CH="HR")
    night.cache["new"].put("label", "a night", type="text")
    night.freeze("cached")
    night.cache["old"].clear()


def _thaw_with_cache(night: eegarchive.EditableArchive) -> None:
    night.cache["old"].put("mean", 62.0, CH="HR")
    night.freeze("cached")
    night.cache["new"].put("mean", 63.0, CH="SaO2")
    night.thaw("base", preserve_cache=True)
    night.thaw("cached")


def _shrink(path: Path) -> None:
    with begin(path, 1.0) as transaction:
        del transaction.h5["extra"]


def prepare_gaps(path: Path) -> None:
    """Epochs, a mask, freezes, two sets of annotations, and a state that no freeze has."""
    with eegarchive.edit(path) as night:
        night.freeze("base", note="before anything")
        night.set_epochs(60)
        night.mask(drop_epochs="3-40")
        night.add_annotations([0, 60], [30, 30], ["N2", "N3"], annotation_set="second")
        night.freeze("spare")
    with eegarchive.edit(path) as night:
        night.copy_signal("SaO2", "unsaved")
        night.cache["old"].put("mean", 60.5, CH="HR")
        night.cache["old"].put("peaks", [1, None, 3], CH="HR", basis="samples")


def prepare_grown(path: Path) -> None:
    """100 kB at the end that can go."""
    with begin(path, 1.0) as transaction:
        transaction.h5.create_dataset("extra", data=noise(25_000), track_times=False)


OPERATIONS = {
    "epochs": _edit(lambda night: night.set_epochs(120)),
    "mask": _edit(lambda night: night.mask(drop_epochs="50-60")),
    "restructure": _edit(lambda night: night.restructure()),
    "keep_signals": _edit(lambda night: night.keep_signals(["HR"])),
    "drop_signals": _edit(lambda night: night.drop_signals(["HR"])),
    "copy_signal": _edit(lambda night: night.copy_signal("HR", "copy")),
    "rename_signal": _edit(lambda night: night.rename_signal("HR", "pulse")),
    "set_signal": _edit(lambda night: night.set_signal("HR", units="1/min", sensor="finger")),
    "write_samples": _edit(_change_samples),
    "add_signal": _edit(lambda night: night.add_signal("computed", noise(2_748), 0.25)),
    "add_much": _edit(lambda night: night.add_signal("computed", noise(43_968), 4.0)),
    "shrink": Operation("grown", _shrink),
    "filter": _edit(lambda night: night.filter(1, 30, ["3Hz +5%2F-5 V"]), "short"),
    "resample": _edit(lambda night: night.resample(50, ["3Hz +5%2F-5 V"]), "short"),
    "add_annotations": _edit(lambda night: night.add_annotations([1.0], [2.0], ["spindle"])),
    "import_annotations": _edit(lambda night: night.import_annotations(SCORED)),
    "drop_annotations": _edit(lambda night: night.drop_annotations("Hypoxemia")),
    "rename_annotations": _edit(lambda night: night.rename_annotations("Hypoxemia", text="low")),
    "freeze": _edit(lambda night: night.freeze("N2")),
    "overwrite": _edit(lambda night: night.freeze("spare", overwrite=True)),
    "thaw": _edit(lambda night: night.thaw("base", keep_unsaved=True)),
    "thaw_remove": _edit(lambda night: night.thaw("spare", remove=True)),
    "remove_freeze": _edit(lambda night: night.remove_freeze("spare")),
    "cache_put": _edit(lambda night: night.cache["old"].put("mean", 61.0, CH="SaO2")),
    "cache_put_columns": _edit(_put_columns),
    "cache_remove": _edit(lambda night: night.cache["old"].remove("peaks")),
    "cache_clear": _edit(lambda night: night.cache.clear()),
    "cache_freeze": _edit(_freeze_with_cache),
    "cache_thaw": _edit(_thaw_with_cache),
    "several": _edit(_luna),
}


def content(path: Path) -> dict[str, str]:
    """All that a reader sees of an archive: its states by tag, and its history, as digests."""
    with eegarchive.open(path) as archive, archive._file.reading():
        found = {tag: _state(archive.freezes[tag]) for tag in archive.freezes}
        found["working state"] = _state(archive)
        found["digest"] = archive.digest
        found["history"] = hashlib.sha256(archive.history.rows().tobytes()).hexdigest()
    return found


def _state(state: CachedState) -> str:
    found = hashlib.sha256(state.digest.encode())
    for name in state.cache:
        found.update(name.encode())
        for entry in state.cache[name].select(stale=True):
            found.update(repr(entry).encode())
    for table in (state.segments, state.annotations, state.epochs):
        found.update(table.rows().tobytes())
    for name, signal in state.signals.items():
        found.update(name.encode() + repr(sorted(signal.attributes.items())).encode())
        found.update(signal.digital[:].tobytes())
    return found.hexdigest()


def findings(path: Path) -> list[Finding]:
    """What `verify` finds, but in this process."""
    assert seal.is_intact(path)
    return contents_findings(path)


def contents_findings(path: Path) -> list[Finding]:
    """What `verify` finds wrong with all but the seal."""
    found: list[Finding] = []
    Checker(path, found.append, lambda _: None).run()
    return found


def plain_content(path: Path) -> dict[str, str]:
    """Every dataset as plain h5py reads it."""
    found: dict[str, str] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(item[()].tobytes()).hexdigest()

    with h5py.File(path) as file:
        file.visititems(visit)
    return found
