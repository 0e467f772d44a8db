"""A freeze as a small file of its own, and how it is read."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import eegarchive
from eegarchive.cli import main
from eegarchive.errors import EEGArchiveError, InvalidArchive, MissingBase, NotInArchive, TargetExists

from .conftest import Labs
from .equal import same


def errors(path: Path, **options: object) -> list[str]:
    return [f"{f.path}: {f.message}" for f in eegarchive.verify(path, **options) if f.severity == "error"]


@pytest.mark.clause("X-1", "X-2", "X-4", "X-5", "X-6")
def test_a_detached_freeze_reads_like_the_freeze(labs: Labs) -> None:
    with eegarchive.open(labs.detached) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found, expected)
        assert (found.tag, found.base, list(found.freezes)) == ("N2", labs.night, ["N2"])
        assert [str(o) for o in eegarchive.history(found)] == [str(o) for o in eegarchive.history(expected)]
        assert found.edf_header == expected.edf_header
        assert dict(found.description) == dict(expected.description)
        assert np.array_equal(found.to_raw(picks="eeg").get_data(), expected.to_raw(picks="eeg").get_data())
        same(pickle.loads(pickle.dumps(found)), expected)
    assert eegarchive.verify(labs.detached) == []
    with h5py.File(labs.detached) as h5:
        assert set(h5) == {"data", "freezes"}
        assert h5.attrs["format"] == b"eegarchive-detached"
        assert len(h5["data"]) == 1  # the samples that lab B replaced
        assert list(h5["freezes"]) == ["N2"]


def test_other_tools_read_it_beside_its_base(labs: Labs) -> None:
    with eegarchive.open(labs.detached) as expected, h5py.File(labs.detached) as h5:
        for name in expected.signals:
            shown = h5[f"freezes/N2/signals/{name}"]
            assert np.array_equal(shown[()], expected.signals[name].digital[:])
            assert shown.attrs["sampling_rate"] == expected.signals[name].sampling_rate


@pytest.mark.clause("X-6")
def test_whole_signals_are_links_and_others_virtual(labs: Labs) -> None:
    detached = labs.worked.parent / "night.masked.h5"
    assert eegarchive.detach(f"{labs.worked}@masked").path == detached
    shutil.move(detached, labs.night.parent)
    with h5py.File(labs.night.parent / detached.name) as h5:
        signals = h5["freezes/masked/signals"]
        kinds = {name: type(signals.get(name, getlink=True)) for name in signals}
        assert kinds.pop("copy") is h5py.HardLink
        assert set(kinds.values()) == {h5py.ExternalLink}
        sources = {(s.file_name, s.dset_name in h5) for s in signals["copy"].virtual_sources()}
        assert sources == {("night.h5", False), (".", True)}
    with (
        eegarchive.open(labs.night.parent / detached.name) as a,
        eegarchive.open(f"{labs.worked}@masked") as b,
    ):
        same(a, b)


@pytest.mark.clause("X-8")
def test_a_renamed_base_is_found_and_a_moved_one_given(labs: Labs, tmp_path: Path) -> None:
    other = labs.night.with_name("other name.h5")
    labs.night.rename(other)
    with eegarchive.open(labs.detached) as found:
        assert found.base == other
        expected = found.signals["copy"].digital[:]
    moved = Path(shutil.move(other, tmp_path / "far.h5"))
    with eegarchive.open(labs.detached, base=moved) as found:
        assert np.array_equal(found.signals["copy"].digital[:], expected)
        again = pickle.loads(pickle.dumps(found))
        assert again.base == moved
        again.close()
        assert found.to_raw(picks="eeg").get_data().size
    assert errors(labs.detached, base=moved) == []


@pytest.mark.clause("X-7", "X-8")
def test_a_missing_base_is_said_and_never_zeros(labs: Labs) -> None:
    labs.night.unlink()
    with eegarchive.open(labs.detached) as found:
        assert found.base is None
        assert len(found.annotations) == len(found.annotations["onset"])
        assert found.duration == 210
        assert list(found.cache) == ["power"]
        for name in found.signals:
            with pytest.raises(MissingBase, match=r"needs its base, night\.h5, beside it"):
                found.signals[name]
        with pytest.raises(MissingBase):
            found.read()
        with pytest.raises(MissingBase):
            found.to_raw()
        facts = eegarchive.summarize(found)
        assert facts["base"] == {"name": "night.h5", "path": None}
        assert facts["signals"][0]["sampling_rate"] is None
    assert any("needs its base" in line for line in errors(labs.detached))
    shown = CliRunner().invoke(main, ["info", str(labs.detached)])
    assert shown.exit_code == 0
    assert "MISSING: put night.h5 beside it" in shown.output


def test_the_wrong_base_is_refused(labs: Labs, archives: dict[str, Path]) -> None:
    stranger = archives["edfplusd_oximetry_gaps"]
    with pytest.raises(MissingBase, match="is of another recording"):
        eegarchive.open(labs.detached, base=stranger)
    shutil.copy(stranger, labs.night)
    with eegarchive.open(labs.detached) as found, pytest.raises(MissingBase, match="is of another recording"):
        found.read()
    with pytest.raises(EEGArchiveError, match="needs no base"):
        eegarchive.open(labs.worked, base=labs.night)


@pytest.mark.clause("X-7")
def test_a_base_whose_samples_were_exchanged_is_refused(labs: Labs) -> None:
    """The name of a stored signal is kept, what describes it is another."""
    with eegarchive.open(labs.detached) as found:
        own = found.signals["EEG Pz-Oz"].pieces[0].data
    with h5py.File(labs.night, "r+", libver=("v108", "v110")) as h5:
        h5["data"][own].attrs["scale_factor"] = 2.0
    with (
        eegarchive.open(labs.detached) as found,
        pytest.raises(InvalidArchive, match="isn't what its name says"),
    ):
        found.signals["EEG Pz-Oz"]
    assert errors(labs.detached)


@pytest.mark.clause("X-7")
def test_damaged_samples_of_the_base_are_found(labs: Labs) -> None:
    with eegarchive.open(labs.detached) as found:
        own = found.signals["EEG Pz-Oz"].pieces[0].data
    with h5py.File(labs.night) as h5:
        chunk = h5["data"][own].id.get_chunk_info(0)
    raw = bytearray(labs.night.read_bytes())
    raw[chunk.byte_offset + chunk.size // 2] ^= 4
    labs.night.write_bytes(raw)
    assert errors(labs.detached)


@pytest.mark.clause("X-7", "G-1")
@pytest.mark.parametrize("how", ["working directory", "HDF5_EXT_PREFIX", "HDF5_VDS_PREFIX"])
def test_a_decoy_fools_other_tools_and_not_ours(
    labs: Labs, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detached = labs.worked.parent / "night.masked.h5"
    eegarchive.detach(f"{labs.worked}@masked", detached)
    name = "EEG Pz-Oz" if how != "HDF5_VDS_PREFIX" else "copy"
    with eegarchive.open(detached) as found:
        expected = found.signals[name].digital[:]
        pieces = found.signals[name].pieces
        base = {piece.data for one in found.signals.values() for piece in one.pieces}
    decoys = tmp_path / "decoys"
    decoys.mkdir()
    with h5py.File(labs.worked) as true, h5py.File(decoys / "night.h5", "w") as decoy:
        for own in base & set(true["data"]):
            decoy[f"data/{own}"] = np.full(true["data"][own].shape, 77, "<i2")
    if how == "working directory":
        monkeypatch.chdir(decoys)
        home = labs.worked.with_name("elsewhere")
        home.mkdir()
        labs.worked.rename(home / "night.h5")
        with eegarchive.open(detached, base=home / "night.h5") as found:
            assert np.array_equal(found.signals[name].digital[:], expected)
        with eegarchive.open(detached) as found, pytest.raises(MissingBase):
            found.signals[name]
    else:
        monkeypatch.setenv(how, str(decoys))
        with eegarchive.open(detached) as found:
            assert np.array_equal(found.signals[name].digital[:], expected)
    with h5py.File(detached) as h5:  # HDF5 by itself takes the stranger
        assert (h5[f"freezes/masked/signals/{name}"][()] == 77).any()
    assert len(pieces) >= 1


def opened_in(folder: Path, code: str) -> set[str]:
    """Names of the files in a folder that a program opens, as strace tells."""
    import subprocess
    import sys

    trace = folder.with_name("trace")
    command = ["strace", "-f", "-qq", "-e", "trace=openat,open", "-o", str(trace), sys.executable, "-c", code]
    subprocess.run(command, check=True, capture_output=True)
    return {Path(line.split('"')[1]).name for line in trace.read_text().splitlines() if f'"{folder}' in line}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
def test_looking_at_virtual_datasets_opens_no_other_file(labs: Labs) -> None:
    code = f"""
import h5py
from eegarchive.storage import guard, virtual
from eegarchive.storage.objects import read_attributes
with h5py.File({str(labs.detached)!r}) as h5:
    group = h5["freezes/N2/signals"]
    for name in guard.names(group):
        shown = guard.dataset_at(group, name, may_be_virtual=True, base="night.h5")
        read_attributes(shown), virtual.mapping(shown), shown.dtype, shown.shape
"""
    assert opened_in(labs.night.parent, code) <= {"night.N2.h5"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("night.h5", "name the freeze to detach"),
        ("night.h5@source", "is in every archive of the recording"),
        ("night.h5@no", "no freeze 'no'"),
    ],
)
def test_what_cannot_be_detached(labs: Labs, name: str, message: str) -> None:
    with pytest.raises(EEGArchiveError, match=message):
        eegarchive.detach(labs.worked.with_name(name), labs.worked.with_name("new.h5"))
    assert not labs.worked.with_name("new.h5").exists()


def test_targets_that_are_refused(labs: Labs, tmp_path: Path) -> None:
    before = labs.worked.read_bytes()
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        eegarchive.detach(f"{labs.worked}@N2", labs.worked, overwrite=True)
    with pytest.raises(EEGArchiveError, match="has the name of its base"):
        eegarchive.detach(f"{labs.worked}@N2", tmp_path / "night.h5")
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        eegarchive.detach(f"{labs.worked}@N2", labs.night, base=labs.night, overwrite=True)
    (tmp_path / "there.h5").write_bytes(b"x")
    with pytest.raises(TargetExists):
        eegarchive.detach(f"{labs.worked}@N2", tmp_path / "there.h5")
    odd = Path(shutil.copy(labs.worked, tmp_path / "100%.h5"))
    with pytest.raises(EEGArchiveError, match="a base's name may have no '%'"):
        eegarchive.detach(f"{odd}@N2")
    assert labs.worked.read_bytes() == before
    assert not list(tmp_path.glob(".*partial"))


@pytest.mark.clause("X-5")
def test_a_base_that_is_named_spares_what_it_has(labs: Labs, tmp_path: Path) -> None:
    full = Path(shutil.copy(labs.worked, tmp_path / "full.h5"))
    report = eegarchive.detach(f"{labs.worked}@N2", tmp_path / "small.h5", base=full)
    assert (report.own, report.base_name) == (0, "full.h5")
    assert errors(report.path) == []
    shutil.copy(report.path, labs.night.parent)
    with eegarchive.open(labs.night.parent / "small.h5") as found, pytest.raises(MissingBase):
        found.read()  # lab A's archive lacks what lab B stored


def test_the_same_freeze_gives_the_same_bytes(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for name in ("one.h5", "two.h5"):
        found.add(eegarchive.detach(f"{labs.worked}@N2", labs.worked.with_name(name)).path.read_bytes())
    assert len(found) == 1


def test_a_detached_freeze_cannot_be_edited_or_rewritten(labs: Labs) -> None:
    before = labs.detached.read_bytes()
    for use in (eegarchive.compact, lambda path: eegarchive.edit(path).__enter__()):
        with pytest.raises(InvalidArchive, match="is a detached freeze, not an archive"):
            use(labs.detached)
    with pytest.raises(EEGArchiveError, match="is detached already"):
        eegarchive.detach(labs.detached)
    with pytest.raises(NotInArchive):
        eegarchive.open(f"{labs.detached}@other")
    assert labs.detached.read_bytes() == before


@pytest.mark.clause("X-8")
def test_a_detached_freeze_is_no_base(labs: Labs) -> None:
    with pytest.raises(InvalidArchive, match="is a detached freeze"):
        eegarchive.open(labs.detached, base=labs.detached)
    os.replace(shutil.copy(labs.detached, labs.night.parent / "x"), labs.night)
    with eegarchive.open(labs.detached) as found:
        assert found.base is None
