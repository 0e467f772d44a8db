"""A state as a Zarr store, read back by zarr and by xarray."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.storage import disk

zarr = pytest.importorskip("zarr", minversion="3")


def test_every_recording_comes_back_bit_for_bit(
    archives: dict[str, Path], recording: Path, tmp_path: Path
) -> None:
    from eegarchive.exporting import bytes_to_export

    target = tmp_path / "a.zarr"
    told: list[int] = []
    with eegarchive.open(archives[recording.stem]) as archive:
        report = eegarchive.export(archive, target, progress=told.append)
        assert (report.kind, report.count) == ("Zarr", len(archive.signals))
        assert sum(told) == bytes_to_export(archive, target)
        store = zarr.open_group(target, mode="r")
        assert store.metadata.zarr_format == 3
        assert store.attrs["digest"] == archive.digest
        assert store.attrs["provenance"]["source_sha256"] == archive.provenance["source_sha256"]
        assert set(store["signals"]) == set(archive.signals)
        for name, signal in archive.signals.items():
            array = store["signals"][name]
            assert array.dtype == signal.dtype
            assert np.array_equal(array[:], signal.digital[:])
            assert {key: array.attrs[key] for key in signal.attributes if key != "samples_sha256"} == {
                key: value for key, value in signal.attributes.items() if key != "samples_sha256"
            }
            assert array.attrs["samples_sha256"] == hashlib.sha256(signal.digital[:]).hexdigest()
        for table in ("segments", "annotations", "epochs"):
            for column, values in getattr(archive, table).columns().items():
                found = store[table][column][:]
                is_float = values.dtype.kind == "f"
                found = found.astype(object) if values.dtype == object else found
                assert np.array_equal(found, values, equal_nan=is_float)


def test_xarray_reads_physical_values(psg: Path, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    with eegarchive.edit(psg) as night:
        night.signals["EEG Fpz-Cz"].digital[10:20] = 0
        night.describe(subject="001", well=True, gone=None, sex=eegarchive.Category("F", ["F", "M"]))
        night.filter(0.5, 30, ["EEG Pz-Oz"])
    eegarchive.export(psg, tmp_path / "a.zarr")
    dataset = xarray.open_zarr(tmp_path / "a.zarr", group="signals", consolidated=False)
    with eegarchive.open(psg) as archive:
        assert set(dataset.sizes) == {"time_100Hz", "time_1Hz"}
        for name, signal in archive.signals.items():
            assert np.array_equal(dataset[name].values, signal[:])
    assert zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["description"] == {
        "subject": "001", "well": True, "gone": None, "sex": "F",
    }  # fmt: skip


def test_a_flipped_bit_is_noticed(psg: Path, tmp_path: Path) -> None:
    eegarchive.export(psg, tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / "signals" / "EEG Fpz-Cz" / "c" / "0"
    raw = bytearray(chunk.read_bytes())
    raw[len(raw) // 2] ^= 4
    chunk.write_bytes(raw)
    with pytest.raises(ValueError, match="checksum"):
        _ = zarr.open_group(tmp_path / "a.zarr", mode="r")["signals"]["EEG Fpz-Cz"][:]


@pytest.mark.parametrize(
    "name", ["__x", "zarr.json", "...", "a.b", "é", "a\\b", "\\", "a\\..\\b", "%5C", "%25"]
)
def test_names_that_zarr_has_for_itself(name: str, psg: Path, tmp_path: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.rename_signal("EEG Fpz-Cz", name)
        (stored,) = set(night.signals) - {"EEG Pz-Oz"} - set(night.freezes["source"].signals)
    eegarchive.export(psg, tmp_path / "a.zarr")
    arrays = dict(zarr.open_group(tmp_path / "a.zarr", mode="r")["signals"].arrays())
    by_name = {array.attrs["name"]: array for array in arrays.values()}
    with eegarchive.open(psg) as archive:
        assert set(by_name) == set(archive.signals)
        assert np.array_equal(by_name[stored][:], archive.signals[stored].digital[:])


def test_names_in_a_store_are_told_apart() -> None:
    from eegarchive.bridges.zarr_store import node_name

    names = ["__x", "%5F_x", "%255F_x", "a\\b", "a%5Cb", "a%255Cb", ".", "%2E", "zarr.json", "%7Aarr.json"]
    nodes = [node_name(name) for name in names]
    assert len({*nodes, "__x", "zarr.json", "."}) == len(names) + 3
    assert not any("\\" in node for node in nodes)


def test_its_metadata_are_json_for_everyone(psg: Path, tmp_path: Path) -> None:
    """NaN and infinities are Python's own; another reader would refuse the whole store."""
    with eegarchive.edit(psg) as night:
        night.describe(gain=float("inf"), loss=float("nan"), low=-float("inf"), text="NaN")
    eegarchive.export(psg, tmp_path / "a.zarr")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text(), parse_constant=refuse)
    described = {key: found["attributes"]["description"][key] for key in ("gain", "loss", "low", "text")}
    assert described == {"gain": "Infinity", "loss": "NaN", "low": "-Infinity", "text": "NaN"}


def test_whole_or_not_at_all(psg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.zarr"
    eegarchive.export(f"{psg}@source", target)
    with pytest.raises(eegarchive.TargetExists):
        eegarchive.export(psg, target)
    with eegarchive.edit(psg) as night:
        night.keep_signals(["EEG Pz-Oz"])
    before = sorted(os.listdir(tmp_path))

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        eegarchive.export(psg, target, overwrite=True, progress=stop)
    real, calls = disk.rename, []

    def rename(old: Path, new: Path) -> None:
        calls.append(old)
        if len(calls) == 2:
            raise OSError("no")
        real(old, new)

    monkeypatch.setattr(disk, "rename", rename)
    with pytest.raises(OSError, match="no"):
        eegarchive.export(psg, target, overwrite=True)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == before
    assert len(zarr.open_group(target, mode="r")["signals"]) > 1
    eegarchive.export(psg, target, overwrite=True)
    assert list(zarr.open_group(target, mode="r")["signals"]) == ["EEG Pz-Oz"]
    assert sorted(os.listdir(tmp_path)) == before


def test_what_is_no_store_is_never_replaced(psg: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work.zarr"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(eegarchive.EEGArchiveError, match="isn't a Zarr store"):
        eegarchive.export(psg, folder, overwrite=True)
    assert (folder / "thesis.txt").read_text() == "mine"


def test_it_needs_no_warnings(psg: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eegarchive.export(psg, tmp_path / "a.zarr")
