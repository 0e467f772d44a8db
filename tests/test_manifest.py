"""Manifests: what they say, and what a check against one finds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from docs.pages import CHECKOUT, run, settled

import eegarchive
from eegarchive import Finding, check_manifest, manifest
from eegarchive.cli import main
from eegarchive.digest import archive_digest
from eegarchive.manifests import SCHEMA, manifest_text
from eegarchive.storage import seal

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen isn't installed")


def command(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="eegarchive")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def entry(path: Path) -> dict[str, Any]:
    (found,) = manifest(path)["files"]
    return dict(found)


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.severity, finding.path, finding.message) for finding in findings]


def parts(findings: list[Finding]) -> dict[str, str]:
    """What is said of each part of one file, behind the line about the file itself."""
    assert findings[0].message.startswith("isn't the file that was listed")
    assert {finding.severity for finding in findings} == {"error"}
    return {finding.path: finding.message for finding in findings[1:]}


@pytest.fixture
def night(psg: Path) -> Path:
    """An archive with a description, a freeze, a cache and prepared windows."""
    with eegarchive.edit(psg) as archive:
        archive.describe(subject="01", age=33)
        archive.set_epochs(30)
        archive.freeze("N2", "for äll")
        archive.cache["psd"].put("PSD", 0.25, CH="EEG Fpz-Cz")
        archive.prepare_windows("w", 30.0, picks="EEG Fpz-Cz")
    return psg


@pytest.fixture
def listed(night: Path) -> Path:
    """Its manifest, beside it."""
    path = night.with_name("manifest.json")
    path.write_text(manifest_text(manifest(night)))
    return path


def test_a_manifest_says_what_a_file_is(night: Path) -> None:
    made = manifest(night)
    assert made["schema"] == SCHEMA
    assert made["made_by"] == f"eegarchive {eegarchive.__version__}"
    (found,) = made["files"]
    data = night.read_bytes()
    assert (found["name"], found["size"]) == ("psg.h5", len(data))
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    with eegarchive.open(night) as archive, h5py.File(night) as h5:
        assert found["digest"] == archive.digest
        assert found["archive_digest"] == archive.provenance["archive_digest"]
        assert found["source_sha256"] == archive.provenance["source_sha256"]
        assert found["provenance"] == dict(archive.provenance)
        freeze = found["freezes"]["N2"]
        assert freeze["note"] == "for äll"
        assert freeze["digest"] == archive.freezes["N2"].digest
        assert freeze["contents_digest"] == h5["freezes/N2"].attrs["contents_digest"].decode()
        assert set(found["freezes"]) == {"source", "N2"}
        assert found["caches"] == {"psd": h5["cache/psd"].attrs["contents_digest"].decode()}
        assert found["windows"] == {"w": h5["windows/w"].attrs["contents_digest"].decode()}
        assert set(found["members"]) == {"edf", "history"}
        assert found["stored_signals"] == len(h5["data"])
    assert "base" not in found
    assert "33" not in json.dumps({key: value for key, value in found.items() if key == "description_sha256"})


def test_the_same_files_give_the_same_bytes_whatever_they_are_called_with(night: Path, gaps: Path) -> None:
    text = manifest_text(manifest(night, gaps))
    assert manifest_text(manifest(gaps, night)) == text
    other = Path(shutil.copytree(night.parent, night.parent / "other"))
    assert manifest_text(manifest(other / "psg.h5", other / "gaps.h5")) == text
    assert [found["name"] for found in json.loads(text)["files"]] == ["gaps.h5", "psg.h5"]


def test_two_files_of_one_name_arent_listed_together(night: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    shutil.copy(night, tmp_path / "b" / night.name)
    with pytest.raises(eegarchive.EEGArchiveError, match="bare names, and another file is called so"):
        manifest(night, tmp_path / "b" / night.name)
    with pytest.raises(eegarchive.EEGArchiveError, match="needs archives"):
        manifest()


def test_damage_isnt_listed(night: Path) -> None:
    data = bytearray(night.read_bytes())
    data[len(data) // 2] ^= 1
    night.write_bytes(data)
    with pytest.raises(eegarchive.InvalidArchive, match="aren't those that were sealed"):
        manifest(night)
    night.write_bytes(bytes(data) + b"more")
    with pytest.raises(eegarchive.InvalidArchive, match="no seal is its last line"):
        manifest(night)


def test_a_file_that_changes_while_it_is_hashed_is_noticed(night: Path) -> None:
    def change(count: int) -> None:
        with open(night, "r+b") as file:  # a program that knows no locks
            file.seek(-2_000, os.SEEK_END)
            file.write(b"other")

    with pytest.raises(eegarchive.InvalidArchive, match="aren't those that were sealed"):
        manifest(night, progress=change)


def test_nobody_commits_while_a_file_is_hashed(night: Path) -> None:
    before, refused = night.read_bytes(), []

    def change(count: int) -> None:
        if not refused:
            with pytest.raises(eegarchive.Locked) as caught, eegarchive.edit(night, timeout=0.2) as archive:
                archive.freeze("late")
            refused.append(caught)

    found = manifest(night, progress=change)["files"][0]
    assert refused
    assert found["sha256"] == hashlib.sha256(before).hexdigest()
    assert "late" not in found["freezes"]


def test_what_is_no_archive_isnt_listed(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w"):
        pass
    with pytest.raises(eegarchive.InvalidArchive, match="not an eegarchive"):
        manifest(other)
    with pytest.raises(FileNotFoundError):
        manifest(tmp_path / "none.h5")


# -- the check --------------------------------------------------------------------------------------


def test_what_was_listed_passes(listed: Path, night: Path) -> None:
    seen: list[int] = []
    assert check_manifest(listed, progress=seen.append) == []
    assert sum(seen) == night.stat().st_size
    assert check_manifest(listed, night) == []
    assert check_manifest(str(listed), [str(night)]) == []
    assert check_manifest(manifest(night), night.parent) == []
    with pytest.raises(eegarchive.EEGArchiveError, match="say where the archives are"):
        check_manifest(manifest(night))


def test_a_file_that_was_only_rewritten_is_told_from_another_one(night: Path, listed: Path) -> None:
    for rewrite in (eegarchive.compact, lambda path: eegarchive.recode(path, "none")):
        rewrite(night)
        ((severity, path, message),) = told(check_manifest(listed))
        assert (severity, path) == ("warning", "psg.h5")
        assert "and the same contents: it was rewritten (compact, recode)" in message


def test_stored_signals_that_compact_drops_dont_count(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.add_signal("noise", np.random.default_rng(0).normal(size=30_000), 100.0)
        archive.thaw("N2")
    before = manifest(night)
    eegarchive.compact(night)
    after = manifest(night)
    assert after["files"][0]["stored_signals"] < before["files"][0]["stored_signals"]
    assert after["files"][0]["archive_digest"] != before["files"][0]["archive_digest"]
    (finding,) = check_manifest(before, night)
    assert (finding.severity, "the same contents" in finding.message) == ("warning", True)


def _mask(archive: eegarchive.EditableArchive) -> None:
    archive.mask(drop_epochs=[1])


def _other_freeze(archive: eegarchive.EditableArchive) -> None:
    state = archive.digest
    archive.mask(drop_epochs=[1])
    archive.freeze("N2", "for äll", overwrite=True)
    archive.mask(clear=True)
    assert archive.digest == state
    archive.describe(age=34)
    archive.remove_windows("w")


def _other_note(archive: eegarchive.EditableArchive) -> None:
    archive.freeze("N2", "others", overwrite=True)
    archive.cache["psd"].put("PSD", 0.5, CH="EEG Fpz-Cz")
    archive.cache["new"].put("X", 1)


def _no_freeze(archive: eegarchive.EditableArchive) -> None:
    archive.remove_freeze("N2")
    archive.freeze("N3")


_MISSING = "is listed in the manifest, and isn't there"
_ADDED = "isn't listed in the manifest"
_EDITS: list[tuple[Callable[[eegarchive.EditableArchive], object], dict[str, str]]] = [
    (_mask, {"psg.h5:/": "the working state is another one than was listed"}),
    (
        _other_freeze,
        {
            "psg.h5:/freezes/N2": "is another state than was listed",
            "psg.h5:/": "has another description than was listed",
            "psg.h5:/windows/w": _MISSING,
        },
    ),
    (
        _other_note,
        {
            "psg.h5:/freezes/N2": "is the state that was listed, with another ",
            "psg.h5:/cache/psd": "has other contents than were listed",
            "psg.h5:/cache/new": _ADDED,
        },
    ),
    (_no_freeze, {"psg.h5:/freezes/N2": _MISSING, "psg.h5:/freezes/N3": _ADDED}),
]


@pytest.mark.parametrize(("edit", "expected"), _EDITS)
def test_what_differs_is_named(
    night: Path,
    listed: Path,
    edit: Callable[[eegarchive.EditableArchive], object],
    expected: dict[str, str],
) -> None:
    with eegarchive.edit(night) as archive:
        edit(archive)
    found = parts(check_manifest(listed))
    for path, what in expected.items():
        assert found.pop(path).startswith(what)
    found.pop("psg.h5:/history", None)
    assert not found


def test_another_cache_in_a_freeze_is_named(
    night: Path, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = manifest(night)["files"][0]["freezes"]["N2"]
    made = json.loads(listed.read_text())
    made["files"][0]["freezes"]["N2"] = {**stated, "contents_digest": "0" * 64}
    made["files"][0]["sha256"] = "0" * 64
    found = parts(check_manifest(made, night))
    assert found == {"psg.h5:/freezes/N2": "is the state that was listed, with another cache or history"}


@contextmanager
def forged(path: Path) -> Iterator[h5py.File]:
    """Change an archive as someone does who knows how digests and seal are made."""
    with h5py.File(path, "r+") as h5:
        yield h5
        h5.attrs.modify("archive_digest", archive_digest(h5).encode())
    with open(path, "r+b") as file:
        file.truncate(seal.hdf5_end(file.fileno()))
    seal.append(path)


def test_a_forged_provenance_is_named_though_all_digests_agree(night: Path, listed: Path) -> None:
    with forged(night) as h5:
        h5.attrs.modify("source_name", b"x" * len(h5.attrs["source_name"]))
    assert eegarchive.verify(night) == []
    assert parts(check_manifest(listed)) == {"psg.h5:/": "has another source_name than was listed"}


def test_what_is_in_no_part_that_is_listed_is_noticed_too(night: Path, listed: Path) -> None:
    with forged(night) as h5:
        h5["freezes"].attrs.create("added", b"text", dtype="S4")
    assert eegarchive.verify(night) == []
    (said,) = parts(check_manifest(listed)).values()
    assert said.endswith("stored signals, or attributes of groups")


def test_damage_is_an_error_with_what_was_hit(night: Path, listed: Path) -> None:
    data = bytearray(night.read_bytes())
    data[len(data) // 2] ^= 1
    night.write_bytes(data)
    findings = check_manifest(listed)
    assert findings[0].severity == "error"
    assert "and has errors" in findings[0].message
    assert "psg.h5:seal" in {finding.path for finding in findings}


def test_missing_unlisted_and_renamed_files(night: Path, listed: Path, gaps: Path) -> None:
    assert told(check_manifest(listed)) == [("warning", "gaps.h5", "isn't listed in the manifest")]
    assert told(check_manifest(listed, gaps)) == [("error", "gaps.h5", "isn't listed in the manifest")]
    night.rename(night.with_name("renamed.h5"))
    assert told(check_manifest(listed, night.with_name("renamed.h5"))) == [
        ("warning", "renamed.h5", "is listed in the manifest as 'psg.h5'")
    ]
    missing = ("error", "psg.h5", "is listed in the manifest, and isn't there")
    assert missing in told(check_manifest(listed))
    (finding,) = check_manifest(listed, night.with_name("none.h5"))
    assert "can't be checked" in finding.message
    os.mkfifo(night)  # would never end
    ((severity, path, message),) = told(check_manifest(listed, night))
    assert (severity, path) == ("error", "psg.h5")
    assert "isn't a file" in message


def test_something_else_in_a_files_place(night: Path, listed: Path) -> None:
    night.write_bytes(b"no HDF5")
    findings = check_manifest(listed)
    assert findings[0].severity == "error"
    assert "has errors" in findings[0].message


def test_detached_freezes_and_what_they_need(night: Path, listed: Path) -> None:
    small = Path(eegarchive.detach(f"{night}@N2", night.with_name("small.h5")).path)
    found = entry(small)
    assert found["format"] == "eegarchive-detached"
    assert found["base"] == {"name": "psg.h5", "source_digest": entry(night)["source_digest"]}
    assert found["freezes"] == {"N2": entry(night)["freezes"]["N2"] | found["freezes"]["N2"]}
    assert found["freezes"]["N2"]["digest"] == found["digest"] == entry(night)["freezes"]["N2"]["digest"]
    made = manifest(night, small)
    assert check_manifest(made, night.parent) == []
    alone = night.parent / "alone"
    alone.mkdir()
    shutil.copy(small, alone)
    assert entry(alone / "small.h5") == found
    made["files"][1]["sha256"] = "0" * 64
    made["files"][1]["base"]["name"] = "other.h5"
    assert parts(check_manifest(made, small)) == {"small.h5:/": "has another base than was listed"}


def test_an_attached_freeze_is_listed_as_the_link_that_it_is(
    night: Path, archives: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], tmp_path / "other" / "psg.h5"))
    small = Path(eegarchive.detach(f"{night}@N2", other.with_name("small.h5")).path)
    eegarchive.attach(other, small)
    found = entry(other)
    digest = entry(small)["freezes"]["N2"]["contents_digest"]
    assert found["freezes"]["N2"] == {"file": "small.h5", "contents_digest": digest}
    small.unlink()
    assert entry(other) == found


# -- manifests that mean harm -----------------------------------------------------------------------


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda made: made["files"][0].__setitem__(name, value)


_BROKEN: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (_set("name", "../secret.h5"), r"files\[0\]: '\.\./secret\.h5' isn't a bare file name"),
    (_set("name", "/etc/passwd"), "isn't a bare file name"),
    (_set("name", "a\\b.h5"), "isn't a bare file name"),
    (_set("name", ".."), "isn't a bare file name"),
    (_set("name", ""), "isn't a bare file name"),
    (_set("name", "a\x1b[2J.h5"), r"u001b\[2J.h5' isn't a bare file name"),
    (_set("name", "a\0.h5"), "isn't a bare file name"),
    (_set("name", "a" * 300), "isn't a bare file name"),
    (_set("name", "\ud800.h5"), "isn't a bare file name"),
    (_set("name", 5), "'name' must be a text"),
    (_set("size", -1), "'size' must be a number of bytes"),
    (_set("size", True), "'size' must be a number of bytes"),
    (_set("sha256", "A" * 64), "'sha256' must be a SHA-256"),
    (_set("freezes", {"N2": "x"}), "'freezes' must be an object of objects of texts"),
    (_set("caches", []), "'caches' must be an object of texts"),
    (_set("provenance", {"x": []}), "'provenance' must be an object of texts and numbers"),
    (_set("base", "night.h5"), "'base' must be"),
    (lambda made: made["files"][0].pop("digest"), "'digest' must be a text"),
    (lambda made: made["files"].append(made["files"][0]), "lists 'psg.h5' again"),
    (lambda made: made["files"].clear(), "lists no files"),
    (lambda made: made.update(files={}), "lists no files"),
    (lambda made: made.update(files=["x"]), r"files\[0\]: isn't an object"),
    (lambda made: made.update(schema="eegarchive.manifest/2"), "upgrade eegarchive"),
    (lambda made: made.update(schema="eegarchive.info/1"), "isn't a manifest"),
    (lambda made: made.pop("schema"), "isn't a manifest"),
]


@pytest.fixture(scope="module")
def plain(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a manifest of an archive as it was converted."""
    path = tmp_path_factory.mktemp("plain") / "psg.h5"
    return manifest_text(manifest(shutil.copy(archives["edf_sleep_psg_30s_records"], path)))


@pytest.mark.parametrize(("breaking", "message"), _BROKEN)
def test_a_broken_manifest_is_refused_in_one_line(
    plain: str, tmp_path: Path, breaking: Callable[[dict[str, Any]], object], message: str
) -> None:
    made, path = json.loads(plain), tmp_path / "manifest.json"
    breaking(made)
    path.write_text(json.dumps(made))
    for given, folder in ((path, None), (made, tmp_path)):
        with pytest.raises(eegarchive.EEGArchiveError, match=message) as caught:
            check_manifest(given, folder)
        assert not {"\n", "\x1b"} & set(str(caught.value))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'{"schema": ' + b"1" * 10_000 + b"}"]
)
def test_what_isnt_json_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(data)
    with pytest.raises(eegarchive.EEGArchiveError, match="isn't a manifest") as caught:
        check_manifest(path)
    assert "\n" not in str(caught.value)


def test_a_manifest_without_an_end_is_refused() -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="no manifest is"):
        check_manifest("/dev/zero")


def test_members_that_this_version_doesnt_know_do_no_harm(listed: Path) -> None:
    made = json.loads(listed.read_text())
    made["later"] = made["files"][0]["later"] = {"x": [1]}
    listed.write_text(json.dumps(made))
    assert check_manifest(listed) == []


# -- the command, and the page about it -------------------------------------------------------------


def test_the_command_prints_or_writes_it(night: Path, gaps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(night.parent)
    expected = manifest_text(manifest(night))
    result = command("manifest", "psg.h5")
    assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "")
    result = command("manifest", "psg.h5", "gaps.h5", "-o", "m.json")
    assert (result.exit_code, result.stdout) == (0, "m.json: lists 2 files\n")
    assert Path("m.json").read_text() == manifest_text(manifest(night, gaps))
    result = command("manifest", "psg.h5", "-o", "m.json")
    assert (result.exit_code, "m.json: exists already" in result.stderr) == (1, True)
    assert command("manifest", "psg.h5", "-o", "m.json", "--overwrite").exit_code == 0
    assert Path("m.json").read_text() == expected
    result = command("manifest", "none.h5")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert command("manifest").exit_code == 2


@needs_ssh
def test_a_signed_manifest(night: Path, listed: Path) -> None:
    def ssh(*arguments: str, given: bytes = b"") -> int:
        tool = ["ssh-keygen", *arguments]
        return subprocess.run(
            tool, cwd=night.parent, input=given, capture_output=True, check=False
        ).returncode

    assert ssh("-q", "-t", "ed25519", "-N", "", "-C", "you@example.org", "-f", "key") == 0
    assert ssh("-q", "-Y", "sign", "-f", "key", "-n", "eegarchive", listed.name) == 0
    key = (night.parent / "key.pub").read_text()
    (night.parent / "signers").write_text(f'you@example.org namespaces="eegarchive" {key}')
    check = ["-Y", "verify", "-f", "signers", "-I", "you@example.org", "-s", f"{listed.name}.sig", "-n"]
    signed = listed.read_bytes()
    assert ssh(*check, "eegarchive", given=signed) == 0
    assert check_manifest(listed) == []
    for at in (0, len(signed) // 2, len(signed) - 1):
        changed = bytearray(signed)
        changed[at] ^= 1
        assert ssh(*check, "eegarchive", given=bytes(changed)) == 255
    assert ssh(*check, "file", given=signed) != 0


@needs_ssh
def test_the_page_on_publishing(tmp_path: Path) -> None:
    pytest.importorskip("rocrate")
    (tmp_path / "page").mkdir()
    printed = list(run(CHECKOUT / "docs" / "publishing.md", tmp_path / "page"))
    assert len(printed) > 8
    for one in printed:
        shown = settled(one.shown)
        assert settled(one.found).startswith(shown.removesuffix("...")), one.where


def test_the_library_loads_nothing_heavy_for_a_manifest() -> None:
    code = (
        "import sys, eegarchive.cli.manifest, eegarchive.cli.crate, eegarchive\n"
        "eegarchive.check_manifest\n"
        "print(sorted({'mne', 'scipy', 'pandas', 'rocrate', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
