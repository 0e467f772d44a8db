"""A state as a FIF file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.interop import mne_fif
from eegarchive.interop.mne_fif import write_fif
from tests.conftest import DATA

mne = pytest.importorskip("mne")


def written(path: Path, target: Path, **options: Any) -> list[Path]:
    with eegarchive.open(path) as archive:
        return write_fif(archive, target, **options)


def test_fif_has_all_that_the_raw_has(gaps: Path, tmp_path: Path) -> None:
    target = tmp_path / "night-raw.fif"
    assert written(gaps, target) == [target]
    back, raw = mne.io.read_raw_fif(target), eegarchive.read_raw(gaps)
    assert back.get_data().tobytes() == raw.get_data().tobytes()
    assert back.ch_names == raw.ch_names
    assert back.info["meas_date"] == raw.info["meas_date"]
    assert list(back.annotations.description) == list(raw.annotations.description)
    assert back.annotations.onset == pytest.approx(raw.annotations.onset, abs=1e-5)


def test_restructured_states_keep_their_time(psg: Path, tmp_path: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(keep_epochs="3,5-6")
        night.restructure()
        night.freeze("N2")
    target = tmp_path / "n2-raw.fif"
    written(Path(f"{psg}@N2"), target, rate=100)
    back, raw = mne.io.read_raw_fif(target), eegarchive.read_raw(psg)
    assert back.first_samp == raw.first_samp == 6000
    assert np.array_equal(back.get_data(), raw.get_data())


def test_signals_of_other_rates_are_named(psg: Path, tmp_path: Path) -> None:
    with pytest.warns(eegarchive.OddInput, match="4 signals of other sampling rates than 100 Hz"):
        written(psg, tmp_path / "night-raw.fif")
    written(psg, tmp_path / "all-raw.fif", resample=100)
    assert len(mne.io.read_raw_fif(tmp_path / "all-raw.fif").ch_names) == 7


def test_texts_that_fif_hasnt_are_named(gaps: Path, tmp_path: Path) -> None:
    with eegarchive.edit(gaps) as night:
        night.add_annotations([1.0], [0.5], ["v\u017edy"])
    with pytest.warns(eegarchive.OddInput, match="1 texts of annotations .* such as 'v\u017edy'"):
        written(gaps, tmp_path / "night-raw.fif")


def test_dates_that_fif_hasnt_are_refused(tmp_path: Path) -> None:
    source = bytearray((DATA / "edfplusc_duplicate_labels.edf").read_bytes())
    source[88:168] = b"Startdate 02-JAN-2090 X X X".ljust(80)
    source[168:176] = b"02.01.yy"
    (tmp_path / "late.edf").write_bytes(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(tmp_path / "late.edf", tmp_path / "late.h5")
    assert eegarchive.read_raw(tmp_path / "late.h5").info["meas_date"].year == 2090
    with pytest.raises(eegarchive.EEGArchiveError, match=r"late-raw\.fif: the recording began on 2090-01-02"):
        written(tmp_path / "late.h5", tmp_path / "late-raw.fif")
    assert not list(tmp_path.glob("*.fif"))


def test_existing_files_and_other_names(gaps: Path, tmp_path: Path) -> None:
    target = tmp_path / "night-raw.fif"
    target.write_bytes(b"mine")
    with pytest.raises(eegarchive.TargetExists):
        written(gaps, target)
    assert target.read_bytes() == b"mine"
    written(gaps, target, overwrite=True)
    assert mne.io.read_raw_fif(target).n_times > 0
    with pytest.raises(eegarchive.EEGArchiveError, match="names that end in"):
        written(gaps, tmp_path / "night.fif")


def test_whole_or_not_at_all(gaps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "night-raw.fif"
    before = sorted(tmp_path.iterdir())

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(mne.io.BaseRaw, "save", fail)
        with pytest.raises(OSError, match="no space"):
            written(gaps, target)
    with monkeypatch.context() as patched:
        patched.setattr(mne_fif.disk, "sync_folder", fail)
        with pytest.raises(OSError, match="no space"):
            written(gaps, target)
    assert sorted(tmp_path.iterdir()) == before


def test_several_parts(psg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = mne.io.BaseRaw.save
    monkeypatch.setattr(
        mne.io.BaseRaw, "save", lambda raw, path, **options: save(raw, path, split_size="2MB", **options)
    )
    target = tmp_path / "night-raw.fif"
    found = written(psg, target, resample=200)
    names = [path.name for path in found]
    assert names == ["night-raw.fif", *(f"night-raw-{number}.fif" for number in range(1, len(names)))]
    assert len(names) > 1
    assert all(path.exists() for path in found)
    back, raw = mne.io.read_raw_fif(target), eegarchive.read_raw(psg, resample=200)
    assert back.get_data().tobytes() == raw.get_data().tobytes()
    target.unlink()
    with pytest.raises(eegarchive.TargetExists):
        written(psg, target, resample=200)
    assert not target.exists()
