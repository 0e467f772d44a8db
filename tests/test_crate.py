"""Crates: a folder of archives as an RO-Crate in a BagIt bag."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

import eegarchive
from eegarchive import crates
from eegarchive.cli import main
from eegarchive.cli._shared import bytes_text
from eegarchive.crates import bytes_to_crate, crate
from eegarchive.storage import disk

bagit = pytest.importorskip("bagit")
pytest.importorskip("rocrate")


def command(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="eegarchive")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def entities(bag: Path | str) -> dict[str, dict[str, Any]]:
    graph = json.loads((Path(bag) / "data" / "ro-crate-metadata.json").read_text())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def check(bag: Path | str) -> None:
    """Validate by the reference implementation of bags, and read the crate by rocrate."""
    from rocrate.rocrate import ROCrate

    assert bagit.Bag(str(bag)).validate()
    found = ROCrate(Path(bag) / "data")
    for data in found.data_entities:
        assert (Path(bag) / "data" / unquote(data.id)).is_file()
    known = entities(bag)
    for entity in known.values():
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://w3id.org/ro/crate/"):
                    assert one["@id"] in known


@pytest.fixture
def nights(tmp_path: Path, archives: dict[str, Path]) -> Path:
    """A folder with two archives, one in a folder of its own, and what doesn't belong into a crate."""
    folder = tmp_path / "nights"
    (folder / "sub é").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    shutil.copy(archives["edf_sleep_psg_30s_records"], folder / "night 1.h5")
    shutil.copy(archives["edfplusd_oximetry_gaps"], folder / "sub é" / "gaps.h5")
    (folder / "night.edf").write_bytes(b"a name")
    (folder / ".hidden" / "x.h5").write_bytes(b"")
    (folder / ".night.h5.partial").write_bytes(b"")
    with eegarchive.edit(folder / "night 1.h5") as archive:
        archive.describe(subject="07", session="2", age=33)
        archive.set_epochs(30)
        archive.freeze("N2", "for the paper")
    return folder


def test_a_crate_is_a_bag_whose_payload_is_an_ro_crate(nights: Path) -> None:
    before = files(nights)
    report = crate(nights)
    bag = nights.with_name("nights-crate")
    assert Path(report.path) == bag
    assert report.archives == ("night 1.h5", "sub é/gaps.h5")
    assert report.left_out == ("night.edf",)
    assert (report.missing, report.linked) == ((), False)
    assert report.bytes == sum(len(before[name]) for name in report.archives)
    check(bag)
    assert files(nights) == before
    inside = files(bag)
    assert set(inside) == {
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "data/ro-crate-metadata.json",
        "data/night 1.h5",
        "data/sub é/gaps.h5",
    }
    for name in report.archives:
        assert inside[f"data/{name}"] == before[name]
        assert eegarchive.verify(bag / "data" / name) == []
        assert not (bag / "data" / name).samefile(nights / name)
    assert not [path for path in nights.parent.iterdir() if path.name.startswith(".")]


def test_a_changed_byte_an_added_and_a_missing_file_are_found(nights: Path) -> None:
    bag = Path(crate(nights).path)
    for name in ("data/night 1.h5", "data/ro-crate-metadata.json", "manifest-sha256.txt", "bag-info.txt"):
        whole = (bag / name).read_bytes()
        for at in (len(whole) // 3, len(whole) - 2):
            changed = bytearray(whole)
            changed[at] ^= 1
            (bag / name).write_bytes(changed)
            assert not bagit.Bag(str(bag)).is_valid(), name
        (bag / name).write_bytes(whole)
    assert bagit.Bag(str(bag)).is_valid()
    (bag / "data" / "more").write_bytes(b"")
    assert not bagit.Bag(str(bag)).is_valid()
    (bag / "data" / "more").unlink()
    (bag / "data" / "night 1.h5").unlink()
    assert not bagit.Bag(str(bag)).is_valid()


def test_what_the_metadata_say_of_an_archive(nights: Path) -> None:
    report = crate(nights, name="Nights", description="Of two", license="https://example.org/l")
    found = entities(report.path)
    root = found["./"]
    assert (root["@type"], root["name"], root["description"]) == ("Dataset", "Nights", "Of two")
    assert root["license"] == {"@id": "https://example.org/l"}
    assert root["hasPart"] == [{"@id": "night%201.h5"}, {"@id": "sub%20%C3%A9/gaps.h5"}]
    assert found["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}

    path = nights / "night 1.h5"
    file = found["night%201.h5"]
    assert (file["@type"], file["name"], file["encodingFormat"]) == (
        "File",
        "night 1.h5",
        "application/x-hdf5",
    )
    assert (file["contentSize"], file["sha256"]) == (str(path.stat().st_size), sha256(path))
    assert "7 signals (2 eeg, 1 eog, 1 flow, 1 emg, 1 temperature, 1 stim)" in file["description"]
    assert "converted from EDF: 0:05:00 h" in file["description"]
    assert "subject 07, session 2" in file["description"]
    assert "33" not in file["description"]
    with eegarchive.open(path) as archive:
        assert file["dateCreated"] == archive.provenance["created"]
        stated = {found[one["@id"]]["name"]: found[one["@id"]] for one in file["additionalProperty"]}
        assert stated["archive_digest"]["value"] == archive.provenance["archive_digest"]
        assert stated["digest"]["value"] == archive.digest
        assert stated["freeze N2"]["value"] == archive.freezes["N2"].digest
        assert stated["freeze N2"]["description"] == "for the paper"
        source = archive.provenance["source_sha256"]

    (action,) = (one for one in found.values() if one.get("result") == {"@id": "night%201.h5"})
    assert {"@id": action["@id"]} in root["mentions"]
    assert action["@type"] == "CreateAction"
    lines = action["description"].splitlines()
    assert lines[0].startswith("1. convert the recording of SHA-256")
    assert lines[-1] == f"{len(lines)}. freeze as N2: for the paper"
    (instrument,) = action["instrument"]
    assert found[instrument["@id"]] == {
        "@id": instrument["@id"],
        "@type": "SoftwareApplication",
        "name": "eegarchive",
        "softwareVersion": eegarchive.__version__,
    }
    assert found[action["object"]["@id"]]["sha256"] == source


def test_a_detached_freeze_points_to_its_base(nights: Path) -> None:
    night = nights / "night 1.h5"
    digest = eegarchive.manifest(night)["files"][0]["source_digest"]
    for folder in (nights, nights / "sub é"):
        eegarchive.detach(f"{night}@N2", folder / "small.h5")
    report = crate(nights)
    check(report.path)
    assert report.archives == ("night 1.h5", "small.h5", "sub é/gaps.h5", "sub é/small.h5")
    assert report.missing == (("sub é/small.h5", "night 1.h5"),)
    found = entities(report.path)
    assert found["small.h5"]["isBasedOn"] == {"@id": "night%201.h5"}
    assert "which needs the archive of the whole recording (night 1.h5)" in found["small.h5"]["description"]
    elsewhere = found[found["sub%20%C3%A9/small.h5"]["isBasedOn"]["@id"]]
    assert elsewhere["name"] == "night 1.h5"
    assert digest in elsewhere["description"]
    (nights / "night 1.h5").rename(nights / "renamed.h5")
    again = crate(nights, nights.with_name("again"))
    assert entities(again.path)["small.h5"]["isBasedOn"] == {"@id": "renamed.h5"}
    result = command("crate", nights, "-o", nights.with_name("third"))
    line = "sub é/small.h5: needs night 1.h5, which isn't in the crate"
    assert line in result.stdout.splitlines()


def test_the_file_of_an_attached_freeze_is_asked_for(nights: Path, archives: dict[str, Path]) -> None:
    other = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], nights / "other.h5"))
    small = Path(eegarchive.detach(f"{nights / 'night 1.h5'}@N2", nights / "small.h5").path)
    eegarchive.attach(other, small)
    report = crate(nights)
    check(report.path)
    assert report.missing == ()
    names = {entity.get("description") for entity in entities(report.path).values()}
    assert "of all of a freeze that lies in small.h5" in names
    small.unlink()
    assert crate(nights, nights.with_name("again")).missing == (("other.h5", "small.h5"),)


def test_a_license_may_be_a_text_and_the_name_is_the_folders(nights: Path) -> None:
    root = entities(crate(nights, license="ask us").path)["./"]
    assert (root["license"], root["name"]) == ("ask us", "nights")


def test_the_same_archives_give_the_same_bytes(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (files(Path(crate(nights, nights.with_name(name)).path)) for name in ("a", "b"))
    assert first == second
    assert b"Bagging-Date: 2023-11-14" in first["bag-info.txt"]


def test_links_are_the_same_files_and_say_so(nights: Path) -> None:
    (nights / "night 1.h5").chmod(0o444)
    report = crate(nights, link=True)
    check(report.path)
    assert report.linked
    for name in report.archives:
        assert (Path(report.path) / "data" / name).samefile(nights / name)


def test_links_that_cant_be_made_leave_nothing(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(disk, "link", fail)
    with pytest.raises(eegarchive.EEGArchiveError, match="make copies, without --link"):
        crate(nights, link=True)
    assert sorted(path.name for path in nights.parent.iterdir()) == ["nights"]


def test_a_linked_file_is_taken_as_what_it_is(nights: Path, tmp_path: Path) -> None:
    (nights / "night 1.h5").rename(tmp_path / "elsewhere")
    (nights / "night 1.h5").symlink_to(tmp_path / "elsewhere")
    for link in (False, True):
        report = crate(nights, tmp_path / str(link), link=link)
        check(report.path)
        assert not (Path(report.path) / "data" / "night 1.h5").is_symlink()


@pytest.mark.parametrize("has_system_call", [True, False])
def test_a_copy_that_isnt_what_was_copied_is_noticed(
    nights: Path, monkeypatch: pytest.MonkeyPatch, has_system_call: bool
) -> None:
    if not has_system_call:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    check(crate(nights, nights.with_name("right")).path)

    def copy_wrongly(source: int, new: int, at: int, count: int) -> None:
        disk.write_at(new, at, bytes(count))

    monkeypatch.setattr(crates, "_copy_block", copy_wrongly)
    with pytest.raises(eegarchive.VerificationFailed, match="isn't what was copied"):
        crate(nights)
    assert sorted(path.name for path in nights.parent.iterdir()) == ["nights", "right"]


@pytest.mark.parametrize("count", [0, 7])
def test_a_system_that_copies_less_than_asked_does_no_harm(
    nights: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def copy_some(*_: int) -> int:
        if not count:
            raise OSError(95, "Operation not supported")
        return count

    monkeypatch.setattr(os, "copy_file_range", copy_some, raising=False)
    check(crate(nights).path)


def test_nothing_is_left_of_a_crate_that_failed(nights: Path) -> None:
    damaged = nights / "sub é" / "gaps.h5"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(eegarchive.InvalidArchive, match=r"gaps\.h5"):
        crate(nights)
    damaged.write_bytes(b"none")
    with pytest.raises(eegarchive.InvalidArchive, match=r"gaps\.h5"):
        crate(nights)
    assert sorted(path.name for path in nights.parent.iterdir()) == ["nights"]


def test_what_a_killed_process_left_is_taken_away(nights: Path) -> None:
    left = nights.with_name(".nights-crate.partial")
    (left / "data").mkdir(parents=True)
    (left / "data" / "old.h5").write_bytes(b"half")
    check(crate(nights).path)
    assert sorted(path.name for path in nights.parent.iterdir()) == ["nights", "nights-crate"]


def test_one_that_another_process_makes_is_left_alone(nights: Path) -> None:
    from eegarchive.storage import locks

    claimed = locks.claim(nights.with_name(".nights-crate.partial-lock"))
    assert claimed is not None
    try:
        with pytest.raises(eegarchive.EEGArchiveError, match="another process is making it"):
            crate(nights)
    finally:
        os.close(claimed)
    assert nights.with_name(".nights-crate.partial-lock").exists()


def test_targets_that_are_refused(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nights.parent / "there").mkdir()
    with pytest.raises(eegarchive.TargetExists):
        crate(nights, nights.parent / "there")
    for inside in (nights / "crate", nights / "sub é" / "crate"):
        with pytest.raises(eegarchive.EEGArchiveError, match="is inside"):
            crate(nights, inside)
    with pytest.raises(eegarchive.EEGArchiveError, match="is no folder"):
        crate(nights / "night 1.h5")
    with pytest.raises(eegarchive.EEGArchiveError, match="has no archives"):
        crate(nights.parent / "there")
    (nights / "100%.h5").write_bytes(b"")
    with pytest.raises(eegarchive.EEGArchiveError, match="no '%'"):
        crate(nights)
    (nights / "100%.h5").unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10))
    with pytest.raises(eegarchive.EEGArchiveError, match=r"has 10 left; link them"):
        crate(nights)
    assert not nights.with_name("nights-crate").exists()
    check(crate(nights, link=True).path)


def test_without_rocrate_nothing_is_copied(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    seen: list[int] = []
    with pytest.raises(eegarchive.EEGArchiveError, match=r"pip install 'eegarchive\[crate\]'"):
        crate(nights, progress=seen.append)
    assert not seen
    assert not nights.with_name("nights-crate").exists()


def test_progress_tells_of_every_byte(nights: Path) -> None:
    for link in (False, True):
        seen: list[int] = []
        crate(nights, nights.with_name(str(link)), link=link, progress=seen.append)
        seals = 2 * 84  # hashed with the last block
        assert bytes_to_crate(nights, link) - seals * 2 <= sum(seen) <= bytes_to_crate(nights, link)


def test_the_command(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nights.parent)
    result = command("crate", "nights", "--license", "CC0")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    size = bytes_text(
        sum(path.stat().st_size for path in nights.rglob("[!.]*.h5") if ".hidden" not in path.parts)
    )
    assert lines[0].endswith(f"nights-crate: 2 archives, {size}, copied; RO-Crate 1.1 in a BagIt bag")
    assert lines[1:] == ["left out: 1 other file: night.edf"]
    assert result.stderr == f"copying {size} (--link makes no copies)\n"
    check("nights-crate")
    result = command("crate", "nights")
    assert (result.exit_code, "exists already" in result.stderr) == (1, True)
    result = command("crate", "nights", "-o", "linked", "--link", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    stated = json.loads(result.stdout)
    assert (stated["schema"], stated["linked"]) == ("eegarchive.crate/1", True)
    assert command("crate", "none").exit_code == 1


def test_a_crate_opens_without_warnings(nights: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = crate(nights)
        with eegarchive.open(Path(report.path) / "data" / "night 1.h5") as archive:
            assert len(archive.signals) == 7
