"""An archive that is renamed, moved or copied: every freeze still reads, here and in other tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from readers.programs import PYFIVE, READERS, SHELL, Reader

import eegarchive
from editing.referee import PSG, findings

FPZ, PZ = "EEG Fpz-Cz", "EEG Pz-Oz"
WHOLE = PSG.signals[PZ].samples
CUT = np.delete(PSG.signals[FPZ].samples.reshape(10, -1), [0, 4], axis=0).reshape(-1)
WRITTEN = np.concatenate([np.full(100, 7, "<i2"), PSG.signals[PZ].samples[100:]])
#: What each state shows of the two signals.
STATES = {
    "": {FPZ: PSG.signals[FPZ].samples, PZ: WRITTEN},
    "/freezes/source": {FPZ: PSG.signals[FPZ].samples, PZ: WHOLE},
    "/freezes/N2": {FPZ: CUT, PZ: np.delete(WHOLE.reshape(10, -1), [0, 4], axis=0).reshape(-1)},
    "/freezes/copied": {FPZ: PSG.signals[FPZ].samples, PZ: WHOLE},
}
SEES_VIRTUAL = tuple(r for r in READERS if r.name in ("rhdf5", "hdf5r", "h5py"))


@pytest.fixture(scope="module")
def night(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with freezes of every kind; not to be changed."""
    path = Path(shutil.copy(archives[PSG.stem], tmp_path_factory.mktemp("moved") / "night.h5"))
    with eegarchive.edit(path) as archive:
        archive.mask(drop_epochs=[1, 5])
        archive.restructure()
        archive.freeze("N2")
        archive.thaw("source")
        archive.copy_signal(FPZ, "copy")
        archive.freeze("copied")
        archive.drop_signals(["copy"])
        archive.signals[PZ].digital[0:100] = np.full(100, 7, "<i2")
    return path


def renamed(path: Path) -> Path:
    return path.rename(path.with_name("Nächte von A & B.h5"))


def moved(path: Path) -> Path:
    (path.parent / "archive").mkdir()
    return Path(shutil.move(path, path.parent / "archive" / "n.h5"))


def copied(path: Path) -> Path:
    found = Path(shutil.copy(path, path.with_name("copy.h5")))
    path.write_bytes(b"a stranger")
    return found


def linked(path: Path) -> Path:
    found = path.with_name("link.h5")
    found.symlink_to(path)
    return found


HOW = pytest.mark.parametrize("how", [renamed, moved, copied, linked], ids=lambda how: how.__name__)


@HOW
def test_every_freeze_reads_with_ours(night: Path, how: Callable[[Path], Path], tmp_path: Path) -> None:
    path = how(Path(shutil.copy(night, tmp_path / "night.h5")))
    for state, signals in STATES.items():
        tag = state.rpartition("/")[2]
        with eegarchive.open(f"{path}@{tag}" if tag else path) as archive:
            for name, expected in signals.items():
                np.testing.assert_array_equal(archive.signals[name].digital[:], expected)
    assert findings(path) == []
    with eegarchive.edit(path) as archive:
        archive.thaw("N2")
    assert findings(path) == []


@HOW
def test_every_freeze_reads_with_h5dump(night: Path, how: Callable[[Path], Path], tmp_path: Path) -> None:
    path = how(Path(shutil.copy(night, tmp_path / "night.h5")))
    out = tmp_path / "samples.bin"
    for state, signals in STATES.items():
        for name, expected in signals.items():
            done = SHELL.run(path, name, str(out), state)
            assert (done.returncode, done.stderr) == (0, "")
            np.testing.assert_array_equal(np.fromfile(out, "<i2"), expected)


@pytest.mark.parametrize("reader", SEES_VIRTUAL, ids=lambda reader: reader.name)
def test_freezes_read_with_r_and_plain_h5py(reader: Reader, night: Path, tmp_path: Path) -> None:
    path = renamed(Path(shutil.copy(night, tmp_path / "night.h5")))
    out = tmp_path / "samples.bin"
    for state, name in (("/freezes/N2", FPZ), ("/freezes/copied", PZ)):  # virtual; a hard link
        done = reader.run(path, name, str(out), state)
        assert (done.returncode, done.stderr) == (0, "")
        np.testing.assert_array_equal(np.fromfile(out, "<f8"), STATES[state][name])


def test_a_reader_that_knows_no_virtual_datasets_reads_the_hard_links(night: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.bin"
    done = PYFIVE.run(night, PZ, str(out), "/freezes/copied")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.fromfile(out, "<f8"), WHOLE)


def test_no_link_names_a_file(night: Path) -> None:
    """Soft and external links nowhere; virtual datasets name the file as '.'."""
    found = {"hard": 0, "virtual": 0}

    def walk(group: h5py.Group) -> None:
        for name in group:
            assert isinstance(group.get(name, getlink=True), h5py.HardLink)
            found["hard"] += 1
            member = group[name]
            if isinstance(member, h5py.Group):
                walk(member)
            elif member.is_virtual:
                found["virtual"] += 1
                assert {source.file_name for source in member.virtual_sources()} == {"."}

    with h5py.File(night) as h5:
        walk(h5)
    assert found["virtual"] >= 7 + 1 + 1
    assert b"night.h5" not in night.read_bytes()


def test_an_external_link_of_a_file_to_itself_breaks_or_reads_a_stranger(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why freezes aren't external links: the pitfall, and that ours haven't got it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "night.h5"
    shutil.copy(night, path)
    naive = tmp_path / "naive.h5"
    with h5py.File(naive, "w") as h5:
        h5["data/abc"] = np.arange(5)
        h5["freezes/N2/C3"] = h5py.ExternalLink("naive.h5", "/data/abc")
    with h5py.File(naive) as h5:
        assert h5["freezes/N2/C3"][:].tolist() == [0, 1, 2, 3, 4]

    away, ours = naive.rename(tmp_path / "away.h5"), path.rename(tmp_path / "ours.h5")
    with h5py.File(away) as h5, pytest.raises((KeyError, OSError)):
        h5["freezes/N2/C3"]

    with h5py.File(naive, "w") as stranger:
        stranger["data/abc"] = np.full(5, -99)
    with h5py.File(away) as h5:
        assert h5["freezes/N2/C3"][:].tolist() == [-99] * 5  # of another recording, and no error

    with h5py.File(ours) as h5, h5py.File(path, "w") as stranger:
        for name in h5["data"]:
            stranger[f"data/{name}"] = np.full(h5["data"][name].shape, -99, "<i2")
    for place in (str(ours), os.fspath(ours.relative_to(tmp_path))):
        with h5py.File(place) as h5:
            np.testing.assert_array_equal(h5["freezes/N2/signals"][FPZ][:], CUT)
        with eegarchive.open(f"{place}@N2") as archive:
            np.testing.assert_array_equal(archive.signals[FPZ].digital[:], CUT)


def test_prefixes_in_the_environment_bring_in_no_stranger(night: Path, tmp_path: Path) -> None:
    """HDF5_VDS_PREFIX and HDF5_EXT_PREFIX point at a folder where a file of the same name lies."""
    decoys = tmp_path / "decoys"
    decoys.mkdir()
    with h5py.File(night) as h5, h5py.File(decoys / night.name, "w") as stranger:
        for name in h5["data"]:
            stranger[f"data/{name}"] = np.full(h5["data"][name].shape, -99, "<i2")
    out = tmp_path / "samples.bin"
    prefixes = {"HDF5_VDS_PREFIX": str(decoys), "HDF5_EXT_PREFIX": str(decoys)}
    done = SHELL.run(night, FPZ, str(out), "/freezes/N2", **prefixes)
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.fromfile(out, "<i2"), CUT)
