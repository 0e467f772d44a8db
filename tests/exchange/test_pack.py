"""One file again."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive.compaction import compact, recode
from eegarchive.errors import EEGArchiveError, InvalidArchive, MissingBase
from eegarchive.storage import objects

from .conftest import Labs
from .equal import same
from .test_attach import errors, spoil


def virtual_datasets(path: Path) -> list[str]:
    with h5py.File(path) as h5:
        found: list[str] = []
        groups = ["signals", *(f"freezes/{tag}/signals" for tag in h5["freezes"])]
        for group in groups:
            found += [f"{group}/{name}" for name in h5[group] if h5[group][name].is_virtual]
        return found


@pytest.mark.clause("C-1")
def test_a_detached_freeze_becomes_an_archive(labs: Labs, tmp_path: Path) -> None:
    target = tmp_path / "whole.h5"
    report = eegarchive.pack(labs.detached, target)
    assert (report.taken, report.materialized) == (("N2",), 0)
    for path in (labs.detached, labs.night):
        path.unlink()
    assert errors(target) == []
    assert eegarchive.links_out(target) == []
    with eegarchive.open(target) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found, expected)
        same(found.freezes["N2"], expected)
        same(found.freezes["source"], eegarchive.open(f"{labs.worked}@source"))
        assert [str(o) for o in eegarchive.history(found)] == [str(o) for o in eegarchive.history(expected)]
        assert found.description == expected.description
    eegarchive.export(f"{target}@source", tmp_path / "again.edf")
    with eegarchive.edit(target) as night:
        night.set_epochs(10)
        night.thaw("N2")
    assert errors(target) == []


@pytest.mark.clause("P-6")
def test_materialized_signals_are_plain_and_nothing_else_changes(labs: Labs, tmp_path: Path) -> None:
    target = tmp_path / "plain.h5"
    report = eegarchive.pack(labs.detached, target, materialize=True)
    assert report.materialized == 8
    assert virtual_datasets(target) == []
    assert errors(target) == []
    with eegarchive.open(target) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found, expected)
        names = list(found.signals)
    with h5py.File(target) as h5:
        assert h5["signals/copy"] == h5["freezes/N2/signals/copy"]
    for rewrite in (lambda: compact(target), lambda: recode(target, "none")):
        rewrite()
        assert virtual_datasets(target) == []
        assert errors(target) == []
        with eegarchive.open(target) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
            same(found, expected)
    with eegarchive.edit(target) as night:
        night.thaw("source")
        night.thaw("N2")
        night.rename_signal(names[0], "renamed")
        night.freeze("more")
    assert errors(target) == []


@pytest.mark.clause("P-6")
def test_a_materialized_signal_with_other_samples_is_found(labs: Labs, tmp_path: Path) -> None:
    target = tmp_path / "plain.h5"
    eegarchive.pack(labs.detached, target, materialize=True)

    def change(h5: h5py.File) -> None:
        old = h5["signals/copy"]
        other = old[()]
        other[0] ^= 1
        attributes = {**objects.read_attributes(old), "samples_sha256": hashlib.sha256(other).hexdigest()}
        made = h5.create_dataset(
            "signals/new", data=other, chunks=old.chunks, shuffle=True, compression=1, fletcher32=True
        )
        objects.write_attributes(made, attributes)
        del h5["signals/copy"]
        h5.move("signals/new", "signals/copy")

    spoil(target, change)
    assert any("its samples aren't those of its pieces" in line for line in errors(target))


def test_an_archive_with_attached_freezes_becomes_whole(labs: Labs, tmp_path: Path) -> None:
    eegarchive.attach(labs.night, labs.detached)
    with eegarchive.edit(labs.night) as night:
        night.set_epochs(20)
        night.mask(drop_epochs="2")
        night.restructure()
        night.freeze("mine")
    places = [finding.path for finding in eegarchive.links_out(labs.night)]
    assert places == ["/freezes/N2"]
    before = labs.night.read_bytes()
    for materialize in (False, True):
        target = tmp_path / f"{materialize}.h5"
        report = eegarchive.pack(labs.night, target, materialize=materialize)
        assert report.taken == ("N2",)
        assert errors(target) == []
        assert eegarchive.links_out(target) == []
        assert (virtual_datasets(target) == []) is materialize
        with eegarchive.open(target) as found, eegarchive.open(labs.night) as expected:
            same(found, expected)
            for tag in ("N2", "mine", "source"):
                same(found.freezes[tag], expected.freezes[tag])
            assert np.array_equal(found.history.rows(), expected.history.rows())
    assert labs.night.read_bytes() == before


def test_links_out_of_a_detached_freeze_are_listed(labs: Labs) -> None:
    found = eegarchive.links_out(labs.detached)
    assert len(found) == 8
    assert all("lie in night.h5" in finding.message for finding in found)
    assert eegarchive.links_out(labs.worked) == []


def test_what_cannot_be_packed(labs: Labs, tmp_path: Path) -> None:
    before = labs.night.read_bytes(), labs.detached.read_bytes()
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        eegarchive.pack(labs.detached, labs.detached, overwrite=True)
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        eegarchive.pack(labs.detached, labs.night, overwrite=True)
    with pytest.raises(EEGArchiveError, match="name the file alone"):
        eegarchive.pack(f"{labs.worked}@N2", tmp_path / "new.h5")
    assert (labs.night.read_bytes(), labs.detached.read_bytes()) == before
    spoil(labs.night, lambda h5: objects.write_attribute(h5["edf"], "reserved", "forged"))
    with pytest.raises(InvalidArchive, match="archive_digest"):
        eegarchive.pack(labs.detached, tmp_path / "new.h5")
    labs.night.unlink()
    with pytest.raises(MissingBase, match=r"needs its base, night\.h5"):
        eegarchive.pack(labs.detached, tmp_path / "new.h5")
    assert not list(tmp_path.glob("*new*"))


STEPS = st.lists(
    st.sampled_from(["mask", "restructure", "copy", "write", "drop", "rename", "cache", "annotate"]),
    max_size=6,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 99), materialize=st.booleans())
def test_any_state_comes_back(
    archives: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[str],
    seed: int,
    materialize: bool,
) -> None:
    folder = tmp_path_factory.mktemp("round")
    night = Path(shutil.copy(archives["edfplusd_oximetry_gaps"], folder / "night.h5"))
    with warnings.catch_warnings(), eegarchive.edit(night) as edited:
        warnings.simplefilter("ignore")
        edited.set_epochs(8)
        for number, step in enumerate(steps):
            names = list(edited.signals)
            if step == "mask" and len(edited.epochs):
                edited.mask(random=max(1, len(edited.epochs) // 2), seed=seed + number)
            elif step == "restructure" and not edited.epochs["masked"].all():
                edited.restructure()
            elif step == "copy":
                edited.copy_signal(names[0], f"copy {number}")
            elif step == "write" and len(edited.signals[names[-1]]) > 20:
                edited.signals[names[-1]].digital[3:6] = [1, 0, 1]
            elif step == "drop" and len(names) > 1:
                edited.drop_signals([names[1]])
            elif step == "rename":
                edited.rename_signal(names[0], f"é {number}")
            elif step == "cache":
                edited.cache["c"].put("v", float(number), CH=names[0])
        edited.freeze("T")
    detached = eegarchive.detach(f"{night}@T").path
    packed = eegarchive.pack(detached, folder / "packed.h5", materialize=materialize).path
    with eegarchive.open(f"{night}@T") as expected:
        for path in (detached, f"{packed}@T", packed):
            with eegarchive.open(path) as found:
                same(found, expected)
