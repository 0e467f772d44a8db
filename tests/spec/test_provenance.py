"""Clauses of spec/provenance.md; missing attributes are in test_core.py."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import pytest

import eegarchive
from eegarchive import provenance
from eegarchive.storage import objects

from .breaking import edited, errors, findings
from .reader import Reader, attributes_of

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def convert(source: Path, target: Path, **options: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(source, target, overwrite=True, **options)  # type: ignore[arg-type]
    return target


@pytest.mark.clause("R-1", "R-2", "R-6")
def test_the_root_says_where_the_archive_is_from(archives: dict[str, Path], recording: Path) -> None:
    with Reader(archives[recording.stem]) as reader:
        root = reader.root
        versions = {name for name in root if name.startswith("version_")}
        assert {"version_python", "version_hdf5", "version_eegarchive"} <= versions
        assert set(root) - versions - {"command", "host_python", "git_status"} == {
            "format",
            "format_version",
            "created",
            "created_by",
            "source_name",
            "source_size",
            "source_sha256",
            "source_kind",
            "source_digest",
            "digest",
            "archive_digest",
            "git_commit",
        }
        assert root["source_name"] == recording.name
        assert root["source_size"] == recording.stat().st_size
        assert root["created_by"] == f"eegarchive {eegarchive.__version__} convert"
        assert re.fullmatch(r"(EDF|BDF)(\+[CD])?", str(root["source_kind"]))
        assert re.fullmatch(r"[0-9a-f]{40}|not available", str(root["git_commit"]))
        assert re.fullmatch(MOMENT, str(root["created"]))


@pytest.mark.clause("R-1")
def test_the_sources_name_has_no_folders(
    tmp_path: Path, small_recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some" / "where").mkdir(parents=True)
    source = tmp_path / "some" / "where" / "né.edf"
    source.write_bytes(small_recording.read_bytes())
    monkeypatch.chdir(tmp_path)
    for path in (source, source.relative_to(tmp_path)):
        with Reader(convert(path, tmp_path / "a.h5")) as reader:
            assert reader.root["source_name"] == "né.edf"


@pytest.mark.clause("R-3", "R-4")
def test_what_users_give(tmp_path: Path, small_recording: Path) -> None:
    given = {"subject": "S1", "_n2": 3, "weight": 0.5, "empty": ""}
    path = convert(small_recording, tmp_path / "a.h5", seed=-7, description=given)
    with Reader(path) as reader, eegarchive.open(path) as archive:
        assert reader.root["seed"] == -7
        assert {name: reader.root[f"attr.{name}"] for name in given} == given == archive.description
        assert not [name for name in archive.provenance if name.startswith("attr.")]


@pytest.mark.clause("R-4")
@pytest.mark.parametrize("name", ["", "2a", "a b", "a.b", "a-b", "a/b"])
def test_names_users_may_not_give(tmp_path: Path, small_recording: Path, name: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="letters"):
        convert(small_recording, tmp_path / "a.h5", description={name: 1})
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.clause("C-7", "R-4")
@pytest.mark.parametrize(("size", "good"), [(60_000, True), (60_001, False)])
def test_how_long_a_text_may_be(tmp_path: Path, small_recording: Path, size: int, good: bool) -> None:
    given = {"key": "é" * (size // 2) + "x" * (size % 2)}
    if good:
        with Reader(convert(small_recording, tmp_path / "a.h5", description=given)) as reader:
            assert reader.root["attr.key"] == given["key"]
    else:
        with pytest.raises(eegarchive.EEGArchiveError, match="60000 at most"):
            convert(small_recording, tmp_path / "a.h5", description=given)
        assert not list(tmp_path.iterdir())


@pytest.mark.clause("R-5", "F-2", "T-8")
def test_the_moment_can_be_given(
    tmp_path: Path, small_recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "951782399")
    with Reader(convert(small_recording, tmp_path / "a.h5")) as reader:
        moments = [
            reader.root["created"],
            attributes_of(reader.h5["freezes/source"])["created"],
            reader.table("/history")[0]["time"][0].decode(),
        ]
        assert moments == ["2000-02-28T23:59:59Z"] * 3


MOMENTS = datetime.datetime(2024, 3, 1, 22, 15, 0, 250_000, datetime.timezone(datetime.timedelta(hours=1)))
TYPED: dict[str, tuple[object, dict[str, object]]] = {
    "none": (None, {"attr.x": "", "attr_type.x": "none"}),
    "true": (True, {"attr.x": 1, "attr_type.x": "bool"}),
    "false": (False, {"attr.x": 0, "attr_type.x": "bool"}),
    "date": (datetime.date(2024, 3, 1), {"attr.x": "2024-03-01", "attr_type.x": "date"}),
    "moment": (MOMENTS, {"attr.x": "2024-03-01T22:15:00.250000+01:00", "attr_type.x": "datetime"}),
    "local": (datetime.datetime(2024, 3, 1), {"attr.x": "2024-03-01T00:00:00", "attr_type.x": "datetime"}),
    "category": (
        eegarchive.Category("é", ["é", "001"]),
        {"attr.x": "é", "attr_type.x": "category", "attr_levels.x": '["é", "001"]'},
    ),
    "ordered": (
        eegarchive.Category("N1", ["W", "N1"], ordered=True),
        {"attr.x": "N1", "attr_type.x": "ordered", "attr_levels.x": '["W", "N1"]'},
    ),
    "digits": ("001", {"attr.x": "001"}),
    "na": ("NA", {"attr.x": "NA"}),
    "one": (1, {"attr.x": 1}),
    "one float": (1.0, {"attr.x": 1.0}),
}


@pytest.mark.clause("R-4", "R-7")
@pytest.mark.parametrize("name", TYPED)
def test_every_field_comes_back_as_it_was(name: str, tmp_path: Path, small_recording: Path) -> None:
    given, stored = TYPED[name]
    path = convert(small_recording, tmp_path / "a.h5", description={"x": given, "y": "other"})
    with Reader(path) as reader, eegarchive.open(path) as archive:
        own = {
            key: value for key, value in reader.root.items() if key.startswith("attr") and key.endswith(".x")
        }
        assert own == stored
        assert [type(own[key]) for key in own] == [type(stored[key]) for key in own]
        found = archive.description["x"]
        assert (type(found), found) == (type(given), given)
        assert getattr(found, "levels", None) == getattr(given, "levels", None)
        assert getattr(found, "ordered", None) == getattr(given, "ordered", None)
        assert set(archive.description) == {"x", "y"}
        assert not [key for key in archive.provenance if key.startswith("attr")]
    assert findings(path) == []


@pytest.mark.clause("R-7")
@pytest.mark.parametrize(
    ("kind", "value", "levels"),
    [
        ("bool", 2, None),
        ("bool", "true", None),
        ("none", "x", None),
        ("date", "tomorrow", None),
        ("datetime", 5, None),
        ("category", "C", '["A", "B"]'),
        ("category", "A", '["A", "A"]'),
        ("category", "A", '{"A": 1}'),
        ("category", "A", None),
        ("ordered", "A", "A"),
    ],
)
def test_a_field_that_is_not_what_its_type_says(
    kind: str, value: str | int, levels: str | None, small: Path
) -> None:
    with edited(small) as h5:
        objects.write_attribute(h5, "attr.x", value)
        objects.write_attribute(h5, "attr_type.x", kind)
        if levels is not None:
            objects.write_attribute(h5, "attr_levels.x", levels)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match=f"isn't {kind}"):
        _ = archive.description
    assert "attr.x" in errors(small)["/"]


@pytest.mark.clause("R-7")
def test_a_type_of_a_later_version_is_passed_over(small: Path) -> None:
    with edited(small) as h5:
        objects.write_attribute(h5, "attr.x", "1+2j")
        objects.write_attribute(h5, "attr_type.x", "complex")
    with eegarchive.open(small) as archive:
        assert archive.description == {"x": "1+2j"}
    assert findings(small) == []


def run(*arguments: object, cwd: Path) -> None:
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(eegarchive.__file__).parents[1]), "HOME": str(cwd)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.clause("R-8", "R-9")
def test_the_checkout_and_the_command_are_told(tmp_path: Path, small_recording: Path) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@x")
    run("git", "init", "-q", cwd=tmp_path)
    (tmp_path / "code.py").write_text("1")
    (tmp_path / "a b.edf").write_bytes(small_recording.read_bytes())
    eegarchive_ = (sys.executable, "-m", "eegarchive.cli")
    run(*eegarchive_, "convert", "a b.edf", "-o", "0.h5", cwd=tmp_path)
    run("git", "add", "code.py", cwd=tmp_path)
    run("git", *identity, "commit", "-qm", "one", cwd=tmp_path)
    run(*eegarchive_, "convert", "a b.edf", "-o", "1.h5", cwd=tmp_path)
    (tmp_path / "code.py").write_text("2")
    run(*eegarchive_, "convert", "a b.edf", "-o", "2.h5", cwd=tmp_path)
    run(*eegarchive_, "epochs", "1.h5", "--length", "1", cwd=tmp_path)
    roots, gits = {}, {}
    for number in range(3):
        with Reader(tmp_path / f"{number}.h5") as reader:
            roots[number] = reader.root
            gits[number] = [json.loads(row["versions"]).get("git") for row in reader.table("/history")[0]]
    commit = roots[1]["git_commit"]
    assert [roots[i]["git_status"] for i in range(3)] == ["not available", "clean", "dirty"]
    assert re.fullmatch("[0-9a-f]{40}", str(commit))
    assert gits == {0: [None], 1: [commit, f"{commit}-dirty"], 2: [f"{commit}-dirty"]}
    assert roots[2]["command"] == "cli/__main__.py convert 'a b.edf' -o 2.h5"
    assert re.fullmatch(r"\w+ [\d.]+\w*, \w+ \w+", str(roots[2]["host_python"]))
    with eegarchive.open(tmp_path / "2.h5") as archive:
        told = archive.provenance.to_dict()
    assert {"seed", "command", "host_python", "git_commit", "git_status", "versions", "source_sha256"} <= set(
        told
    )
    assert told["seed"] is None
    assert told["versions"]["h5py"] == h5py.__version__
    assert json.loads(json.dumps(told)) == told


@pytest.mark.clause("R-8", "C-13")
def test_equal_bytes_tell_of_no_command(
    tmp_path: Path, small_recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/me/bin/tool", "x" * 5000])
    with Reader(convert(small_recording, tmp_path / "a.h5")) as reader:
        assert reader.root["command"] == "tool " + "x" * 3995 + " ..."
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "951782399")
    first = convert(small_recording, tmp_path / "b.h5").read_bytes()
    monkeypatch.setattr(sys, "argv", ["other"])
    assert convert(small_recording, tmp_path / "c.h5").read_bytes() == first
    with Reader(tmp_path / "c.h5") as reader:
        assert not {"command", "host_python"} & set(reader.root)


def test_without_git_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.git_checkout() == ("not available", "not available")
    assert "git" not in provenance.versions_now()
