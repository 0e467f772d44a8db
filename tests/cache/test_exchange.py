"""Values from files by a recording's names, and from one archive into another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import eegarchive

FPZ = "EEG Fpz-Cz"
DATA = Path(__file__).parents[1] / "data"
COHORT = "ID,CH,PSD\npsg,C3,1\nedf_sleep_psg_30s_records,C3,2\nS007,C3,3\nother,C3,4\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text(COHORT)
    return path


def imported(path: Path, table: Path, **options: object) -> list[object]:
    with eegarchive.edit(path) as night:
        night.cache.clear()
        night.cache["p1"].import_file(table, ["CH"], **options)
        return [entry.value for entry in night.cache["p1"].select("PSD")]


def test_rows_are_taken_by_what_the_recording_is_called(psg: Path, table: Path, tmp_path: Path) -> None:
    with eegarchive.edit(psg) as night:
        assert night.cache["p1"].ids() == ["psg", "edf_sleep_psg_30s_records"]
    with pytest.raises(eegarchive.EEGArchiveError, match=r"line 3.*line 2.*'psg'.*choose one"):
        imported(psg, table)
    assert imported(psg, table, ids=["psg"]) == [1]
    assert imported(psg, table, ids=["other"]) == [4]
    elsewhere = Path(shutil.copy(psg, tmp_path / "night.h5"))
    assert imported(elsewhere, table) == [2]
    with pytest.raises(eegarchive.EEGArchiveError, match="no row is of 'nobody'"):
        imported(psg, table, ids=["nobody"])


def test_attributes_of_the_users_are_names_too(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    eegarchive.convert(
        DATA / "edfplusd_oximetry_gaps.edf",
        path,
        description={"subject": "S007", "ID": "other", "sex": "psg"},
    )
    with eegarchive.edit(path) as night:
        assert night.cache["p1"].ids() == ["x", "edfplusd_oximetry_gaps", "other", "S007"]
    table.write_text(COHORT.replace("other,C3,4\n", ""))
    assert imported(path, table) == [3]


def test_what_an_import_was_given_is_written_down(psg: Path, table: Path) -> None:
    imported(psg, table, ids=["psg"], prefix="CMD", variables=["PSD:num"])
    with eegarchive.open(psg) as archive:
        entry = archive.cache["p1"].entry("CMD:PSD", CH="C3")
    assert (entry.value, entry.type) == (1.0, "num")
    assert entry.origin.operation == "import"
    assert entry.origin.basis == "clock"
    assert entry.origin.parameters == (
        '{"factors": ["CH"], "file": "cohort.csv", "ids": ["psg"], "prefix": "CMD", "variables": ["PSD:num"]}'
    )


def test_files_need_an_edit(psg: Path, table: Path) -> None:
    before = psg.read_bytes()
    with eegarchive.open(psg) as archive:
        with pytest.raises(eegarchive.EEGArchiveError, match="open for reading; to put values, use"):
            archive.cache["p1"].import_file(table, ["CH"], ids=["psg"])
        with pytest.raises(eegarchive.EEGArchiveError, match="open for reading; to put values, use"):
            archive.cache["p1"].copy_from(archive.cache["p2"])
    with (
        eegarchive.edit(psg) as night,
        pytest.raises(eegarchive.EEGArchiveError, match="a freeze's cache can't"),
    ):
        night.freezes["source"].cache["p1"].import_file(table, ["CH"], ids=["psg"])
    assert psg.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_what_was_exported_is_the_same_in_another_archive(psg: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"p1{suffix}"
    with eegarchive.edit(psg) as night:
        cache = night.cache["p1"]
        cache.put_columns({"CH": ["C3", "C4"], "PSD": [0.1, None], "N": [1, 2**62], "T": ["a", ""]}, ["CH"])
        cache.put("V", [True, None], E=1)
        assert cache.export_file(file) == 7
        with pytest.raises(eegarchive.TargetExists):
            cache.export_file(file)
        assert cache.export_file(file, overwrite=True) == 7
        before = {(e.variable, *e.strata.items()): (e.type, repr(e.value)) for e in cache.select()}
        with pytest.raises(eegarchive.NotInArchive, match=r"psg.h5: cache 'none': has no such values"):
            night.cache["none"].export_file(tmp_path / f"x{suffix}")
    with eegarchive.edit(psg) as night:
        assert night.cache["p2"].import_file(file) == 7
        after = {(e.variable, *e.strata.items()): (e.type, repr(e.value)) for e in night.cache["p2"].select()}
    assert after == before


@pytest.fixture
def twin(psg: Path, tmp_path: Path) -> Path:
    """Another conversion of the same recording."""
    path = tmp_path / "elsewhere" / "twin.h5"
    path.parent.mkdir()
    eegarchive.convert(DATA / "edf_sleep_psg_30s_records.edf", path, codec="fast")
    return path


def fill(path: Path) -> None:
    with eegarchive.edit(path) as night:
        cache = night.cache["p1"]
        cache.put("rms", 1.5, CH=FPZ)
        cache.put("rms", 2.5, CH="EEG Pz-Oz")
        cache.put("peaks", [1, None], CH=FPZ, basis="samples")
        cache.put("epochs", 10, basis="state")
        cache.compute("n", lambda night: 7)


def test_values_of_another_conversion_hold(psg: Path, twin: Path) -> None:
    fill(twin)
    with eegarchive.open(twin) as other, eegarchive.edit(psg) as night:
        assert night.cache["p1"].copy_from(other.cache["p1"]) == 5
        origins = [entry.origin for entry in other.cache["p1"].select()]
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        assert [entry.origin for entry in cache.select()] == origins
        assert cache.get("rms", CH=FPZ) == 1.5
        assert cache.get("peaks", CH=FPZ).tolist() == [1, None]
        assert cache.get("epochs") == 10
        assert cache.compute("n", lambda night: 7).reused
    assert eegarchive.verify(psg) == []


@pytest.mark.parametrize("where", ["source", "target"])
def test_values_of_samples_that_one_of_them_lacks_are_stale(psg: Path, twin: Path, where: str) -> None:
    with eegarchive.edit(twin if where == "source" else psg) as night:
        night.filter(1, 30, [FPZ])
    fill(twin)
    with eegarchive.open(twin) as other, eegarchive.edit(psg) as night:
        night.cache["p1"].copy_from(other.cache["p1"])
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        assert cache.get("rms", CH="EEG Pz-Oz") == 2.5
        for variable, strata in [("rms", {"CH": FPZ}), ("peaks", {"CH": FPZ}), ("epochs", {})]:
            with pytest.raises(eegarchive.StaleValue):
                cache.get(variable, strata)
        found = cache.compute("n", lambda night: 7)
        assert (found.reused, found.reason) == (False, "the state is another one")
    assert eegarchive.verify(psg) == []


def test_values_of_another_recording_are_refused(psg: Path, gaps: Path) -> None:
    fill(psg)
    before = gaps.read_bytes()
    message = r"gaps.h5: is of another recording than .*psg.h5 \(their source_sha256 differ\)"
    refused = pytest.raises(eegarchive.EEGArchiveError, match=message)
    with eegarchive.open(psg) as other, eegarchive.edit(gaps) as night, refused:
        night.cache["p1"].copy_from(other.cache["p1"])
    assert gaps.read_bytes() == before


def test_copied_values_replace_those_of_the_same_key(psg: Path, twin: Path) -> None:
    fill(twin)
    with eegarchive.edit(psg) as night:
        night.cache["p1"].put("rms", 9.0, CH=FPZ)
        night.cache["p1"].put("own", 9.0)
    for _ in range(2):
        with eegarchive.open(twin) as other, eegarchive.edit(psg) as night:
            assert night.cache["p1"].copy_from(other.cache["p1"]) == 5
            assert night.cache["p1"].get("rms", CH=FPZ) == 1.5
            assert len(night.cache["p1"]) == 6


def test_values_of_a_freeze_can_be_copied(psg: Path, twin: Path) -> None:
    with eegarchive.edit(twin) as night:
        night.mask(drop_epochs="2-3")
        night.restructure()
        night.cache["p1"].put("n", 8, basis="state")
        night.freeze("A")
        night.thaw("source")
    with eegarchive.open(f"{twin}@A") as other, eegarchive.edit(psg) as night:
        assert night.cache["p1"].copy_from(other.cache["p1"]) == 1
        with pytest.raises(eegarchive.StaleValue):
            night.cache["p1"].get("n")
        night.mask(drop_epochs="2-3")
        night.restructure(preserve_cache=True)
        assert night.cache["p1"].get("n") == 8
