"""`eegarchive export` to formats other than EDF."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eegarchive


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eegarchive.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def folder(psg: Path) -> Path:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.cache["psd"].put("PSD", 1.5)
    return psg.parent


def test_tables(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    done = run("export", "psg.h5", "-o", "e.csv", "--table", "epochs", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "e.csv: CSV, 10 rows of epochs, exactly\n", "")
    done = run("export", "psg.h5", "-o", "p.parquet", "--table", "cache:psd", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "p.parquet: Parquet, 1 value of cache:psd, exactly\n")
    done = run("export", "psg.h5", "-o", "p.parquet", "--table", "epochs", cwd=folder)
    assert done.returncode == 1
    assert "p.parquet: exists already" in done.stderr
    done = run("export", "psg.h5", "-o", "q.parquet", cwd=folder)
    assert done.returncode == 1
    assert "--table" in done.stderr


def test_fif(folder: Path) -> None:
    pytest.importorskip("mne")
    done = run("export", "psg.h5@source", "-o", "n-raw.fif", cwd=folder)
    assert (done.returncode, done.stdout) == (
        0,
        "n-raw.fif: FIF, 64-bit floats, exactly as MNE has them of the archive\n",
    )
    assert "signals of other sampling rates" in done.stderr


def test_fif_has_no_names_beyond_ascii(psg: Path, tmp_path: Path) -> None:
    pytest.importorskip("mne")
    with eegarchive.edit(psg) as night:
        night.rename_signal("EEG Fpz-Cz", "Stirn-Mitte é")
    with pytest.raises(eegarchive.EEGArchiveError, match=r"n-raw\.fif: FIF has names in ASCII.*Mitte é"):
        eegarchive.export(psg, tmp_path / "n-raw.fif", rate=100)
    assert not [name for name in os.listdir(tmp_path) if "n-raw" in name]


def test_zarr(folder: Path) -> None:
    done = run("export", "psg.h5", "-o", "n.zarr", cwd=folder)
    try:
        import zarr  # noqa: F401
    except ImportError:
        assert done.returncode == 1
        assert "writing Zarr needs zarr 3" in done.stderr
        assert not (folder / "n.zarr").exists()
    else:
        with eegarchive.open(folder / "psg.h5") as archive:
            count = len(archive.signals)
        told = f"n.zarr: Zarr, {count} signals, all samples as they are stored\n"
        assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
    assert not [name for name in os.listdir(folder) if name.startswith(".n.zarr")]
