"""A detached freeze becomes one of another archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

import eegarchive
from eegarchive.cli import main
from eegarchive.compaction import compact
from eegarchive.errors import EEGArchiveError, InvalidArchive, MissingBase, TargetExists, UnsafeArchive
from eegarchive.storage import objects, seal

from .conftest import Labs
from .equal import same


def errors(path: Path) -> list[str]:
    return [f"{f.path}: {f.message}" for f in eegarchive.verify(path) if f.severity == "error"]


@pytest.mark.clause("X-9", "C-10", "F-1", "D-7")
def test_an_attached_freeze_reads_like_any_other(labs: Labs) -> None:
    report = eegarchive.attach(labs.night, labs.detached)
    assert (report.tag, report.copied) == ("N2", False)
    assert errors(labs.night) == []
    with eegarchive.open(labs.night) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        assert list(found.freezes) == ["N2", "source"]
        same(found.freezes["N2"], expected)
        assert found.freezes.columns()["file"] == ["", "night.N2.h5"]
        assert [str(o) for o in eegarchive.history(found, "N2")] == [
            str(o) for o in eegarchive.history(expected)
        ]
        assert [o.operation for o in eegarchive.history(found)] == ["convert"]
    with eegarchive.open(f"{labs.night}@N2") as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found, expected)
        assert found.path == str(labs.night)
        assert found.edf_header == expected.edf_header
        assert eegarchive.summarize(found)["freeze"] == "N2"
        assert not any(vars(eegarchive.diff(found, expected)).values())
    with h5py.File(labs.night) as h5:
        link = h5["freezes"].get("N2", getlink=True)
        assert (link.filename, link.path) == ("night.N2.h5", "/freezes/N2")


def test_it_can_be_read_inside_an_edit_and_archives_with_it_go_on(labs: Labs) -> None:
    eegarchive.attach(labs.night, labs.detached)
    with eegarchive.edit(labs.night) as night, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(night.freezes["N2"], expected)
        night.set_epochs(20)
        night.freeze("mine")
        with pytest.raises(TargetExists):
            night.freeze("N2")
        with pytest.raises(EEGArchiveError, match="take it in whole"):
            night.thaw("N2")
    assert errors(labs.night) == []
    compact(labs.night)
    assert errors(labs.night) == []
    with eegarchive.edit(labs.night) as night:
        night.remove_freeze("N2")
    with h5py.File(labs.night) as h5:
        assert "N2" not in h5["freezes"]
        assert not dict(h5["freezes"].attrs)
    assert errors(labs.night) == []


def test_taken_in_whole_it_needs_no_file(labs: Labs) -> None:
    before = labs.night.stat().st_size
    assert eegarchive.attach(labs.night, labs.detached, copy=True).copied
    labs.detached.unlink()
    assert errors(labs.night) == []
    assert eegarchive.links_out(labs.night) == []
    with eegarchive.open(labs.night) as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found.freezes["N2"], expected)
    assert labs.night.stat().st_size - before < 60_000  # the recording is shared


@pytest.mark.clause("X-12")
def test_a_thaw_of_a_foreign_freeze_keeps_its_history(labs: Labs) -> None:
    eegarchive.attach(labs.night, labs.detached, copy=True)
    with eegarchive.open(f"{labs.worked}@N2") as expected:
        line = [str(operation) for operation in eegarchive.history(expected)]
    with eegarchive.edit(labs.night) as night:
        night.set_epochs(20)
        night.freeze("mine")
        night.thaw("N2")
        night.thaw("N2")
        night.remove_freeze("N2")
        night.freeze("again")
    assert [str(o) for o in eegarchive.history(labs.night)] == [*line, "freeze as again"]
    mine = eegarchive.history(labs.night, "mine")
    assert [o.operation for o in mine] == ["convert", "epochs", "freeze"]
    with eegarchive.open(labs.night) as found:
        operations = found.history["operation"].tolist()
        assert operations.count("convert") == 2  # written down once
    assert errors(labs.night) == []


def test_what_cannot_be_attached(labs: Labs, archives: dict[str, Path], tmp_path: Path) -> None:
    stranger = Path(shutil.copy(archives["edfplusd_oximetry_gaps"], labs.night.parent / "stranger.h5"))
    before = labs.night.read_bytes()
    with pytest.raises(MissingBase, match="is of another recording"):
        eegarchive.attach(stranger, labs.detached)
    with pytest.raises(InvalidArchive, match="is an archive, not a detached freeze"):
        eegarchive.attach(labs.night, stranger)
    far = shutil.copy(labs.detached, tmp_path)
    with pytest.raises(EEGArchiveError, match="lies in another folder"):
        eegarchive.attach(labs.night, far)
    with pytest.raises(EEGArchiveError, match="name the archive alone"):
        eegarchive.attach(f"{labs.night}@source", labs.detached)
    raw = bytearray(labs.detached.read_bytes())
    raw[len(raw) // 2] ^= 1
    labs.detached.write_bytes(raw)
    with pytest.raises(EEGArchiveError):
        eegarchive.attach(labs.night, labs.detached)
    assert labs.night.read_bytes() == before
    with pytest.raises(TargetExists, match="there is a freeze 'N2' already"):
        eegarchive.attach(labs.worked, far, copy=True)


@pytest.mark.clause("X-10")
def test_a_missing_or_exchanged_file_is_said(labs: Labs) -> None:
    eegarchive.attach(labs.night, labs.detached)
    other = eegarchive.detach(f"{labs.worked}@masked", labs.night.parent / "other.h5").path
    os.replace(other, labs.detached)
    with (
        eegarchive.open(labs.night) as found,
        pytest.raises(InvalidArchive, match="isn't the freeze 'N2' that was"),
    ):
        found.freezes["N2"]
    assert any("isn't the freeze 'N2'" in line for line in errors(labs.night))
    labs.detached.unlink()
    with eegarchive.open(labs.night) as found:
        assert list(found.freezes) == ["N2", "source"]
        with pytest.raises(MissingBase, match=r"lies in night\.N2\.h5, which isn't beside it"):
            found.freezes["N2"]
        assert found.freezes.attributes()["N2"].keys() == {"file", "contents_digest"}
    assert any("isn't beside it" in line for line in errors(labs.night))
    shown = CliRunner().invoke(main, ["freezes", str(labs.night)])
    assert "[in night.N2.h5, which is missing]" in shown.output
    compact(labs.night)


@pytest.mark.clause("X-11")
def test_compaction_keeps_what_an_attached_freeze_needs(labs: Labs) -> None:
    full = Path(shutil.copy(labs.worked, labs.night.parent / "full.h5"))
    detached = eegarchive.detach(f"{full}@N2", full.with_name("full.N2.h5"), base=full).path
    with eegarchive.edit(full) as night:
        night.remove_freeze("N2")
        night.remove_freeze("masked")
    eegarchive.attach(full, detached)
    compact(full)
    assert errors(full) == []
    with eegarchive.open(f"{full}@N2") as found, eegarchive.open(f"{labs.worked}@N2") as expected:
        same(found, expected)
    kept = detached.rename(detached.with_name("away"))
    compact(full)
    kept.rename(detached)
    assert errors(full) == []


def spoil(path: Path, change: Callable[[h5py.File], None]) -> None:
    with open(path, "rb") as file:
        sealed = seal.find(file.fileno())
    assert sealed is not None
    os.truncate(path, sealed[0])
    with h5py.File(path, "r+", libver=("v108", "v110"), locking=False) as h5:
        change(h5)
    seal.append(path)


@pytest.mark.clause("G-1", "X-9")
@pytest.mark.parametrize(
    ("file", "target", "declared"),
    [
        ("night.N2.h5", "/freezes/N2", False),
        ("../night.N2.h5", "/freezes/N2", True),
        ("/etc/passwd", "/freezes/N2", True),
        ("night%b.h5", "/freezes/N2", True),
        ("night.N2.h5", "/", True),
    ],
)
def test_other_external_links_among_freezes_are_refused(
    labs: Labs, file: str, target: str, declared: bool
) -> None:
    def change(h5: h5py.File) -> None:
        h5["freezes"]["N2"] = h5py.ExternalLink(file, target)
        if declared:
            objects.write_attribute(h5["freezes"], "attached.N2", "0" * 64)

    spoil(labs.night, change)
    with (
        eegarchive.open(labs.night) as found,
        pytest.raises(UnsafeArchive, match="/freezes/N2: is an external link"),
    ):
        found.freezes["N2"]
    assert any("/freezes/N2: is an external link" in line for line in errors(labs.night))


@pytest.mark.clause("X-9")
def test_a_declaration_without_a_link_is_found(labs: Labs) -> None:
    spoil(labs.night, lambda h5: objects.write_attribute(h5["freezes"], "attached.N2", "0" * 64))
    assert any("declares 'attached.N2'" in line for line in errors(labs.night))


@pytest.mark.clause("X-6", "G-1", "G-3")
@pytest.mark.parametrize("how", ["link", "path", "virtual"])
def test_other_links_of_signals_are_refused(labs: Labs, how: str) -> None:
    detached = eegarchive.detach(f"{labs.worked}@masked", labs.night.parent / "m.h5").path

    def change(h5: h5py.File) -> None:
        signals = h5["freezes/masked/signals"]
        link = signals.get("EEG Pz-Oz", getlink=True)
        del signals["EEG Pz-Oz"]
        if how == "virtual":
            layout = h5py.VirtualLayout((10,), "<i2")
            layout[:] = h5py.VirtualSource("elsewhere.h5", link.path, (10,))
            signals.create_virtual_dataset("EEG Pz-Oz", layout)
        else:
            file, path = ("elsewhere.h5", link.path) if how == "link" else (link.filename, "/edf/header")
            signals["EEG Pz-Oz"] = h5py.ExternalLink(file, path)

    spoil(detached, change)
    with eegarchive.open(detached) as found, pytest.raises(UnsafeArchive):
        found.signals["EEG Pz-Oz"]
    assert errors(detached)


@pytest.mark.clause("X-2", "X-3")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_name", "../night.h5"),
        ("base_name", "n%b.h5"),
        ("base_name", "a\\b.h5"),
        ("tag", "other"),
        ("tag", "../x"),
    ],
)
def test_a_root_that_names_something_else_is_refused(labs: Labs, name: str, value: str) -> None:
    spoil(labs.detached, lambda h5: objects.write_attribute(h5, name, value))
    with pytest.raises(InvalidArchive):
        eegarchive.open(labs.detached)
    assert errors(labs.detached)


@pytest.mark.clause("X-4")
def test_a_history_that_leads_elsewhere_is_found(labs: Labs) -> None:
    def change(h5: h5py.File) -> None:
        rows = h5["freezes/N2/history"][:-3]
        del h5["freezes/N2/history"]
        objects.link(objects.write_table(h5, rows), h5["freezes/N2"], "history")

    spoil(labs.detached, change)
    assert any("doesn't lead to the freeze's state" in line for line in errors(labs.detached))


def test_the_commands(labs: Labs, tmp_path: Path) -> None:
    run = CliRunner().invoke
    shown = run(main, ["detach", f"{labs.worked}@masked", "-o", str(labs.night.with_name("m.h5"))])
    assert shown.exit_code == 0
    assert shown.output.rstrip().endswith("1 stored signal of its own; needs night.h5 beside it")
    shown = run(main, ["attach", str(labs.night), str(labs.night.with_name("m.h5"))])
    assert shown.output == f"{labs.night}: has the freeze masked, which lies in m.h5: keep that beside it\n"
    shown = run(main, ["attach", str(labs.night), str(labs.detached), "--copy"])
    assert "has the freeze N2, whole" in shown.output
    for source in (labs.night, labs.detached):
        target = tmp_path / f"{source.stem}-packed.h5"
        shown = run(main, ["pack", str(source), "-o", str(target), "--materialize"])
        assert shown.exit_code == 0, shown.output
        assert shown.output.rstrip().endswith("stored whole; needs no other file")
        assert run(main, ["pack", str(source), "-o", str(target)]).exit_code == 1
    assert run(main, ["detach", str(labs.worked)]).exit_code == 1


def test_freezes_of_one_second_come_behind_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = Path(__file__).parents[1] / "data" / "edf_trailing_byte_bad_date.edf"
    for lab in ("a", "b"):
        (tmp_path / lab).mkdir()
        with pytest.warns(eegarchive.OddInput):
            eegarchive.convert(source, tmp_path / lab / "night.h5")
    with eegarchive.edit(tmp_path / "b" / "night.h5") as night:
        night.freeze("N2")
    eegarchive.detach(f"{tmp_path}/b/night.h5@N2", tmp_path / "a" / "n.h5")
    eegarchive.attach(tmp_path / "a" / "night.h5", tmp_path / "a" / "n.h5")
    with eegarchive.open(tmp_path / "a" / "night.h5") as found:
        assert found.freezes.columns()["tag"] == ["source", "N2"]
