"""Clauses of spec/provenance.md; missing attributes are in test_core.py."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

import eegarchive

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
        assert set(root) - versions == {
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
    path = convert(small_recording, tmp_path / "a.h5", seed=-7, attributes=given)
    with Reader(path) as reader, eegarchive.open(path) as archive:
        assert reader.root["seed"] == -7
        assert {name: reader.root[f"attr.{name}"] for name in given} == given == archive.attributes
        assert not [name for name in archive.provenance if name.startswith("attr.")]


@pytest.mark.clause("R-4")
@pytest.mark.parametrize("name", ["", "2a", "a b", "a.b", "a-b", "a/b"])
def test_names_users_may_not_give(tmp_path: Path, small_recording: Path, name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        convert(small_recording, tmp_path / "a.h5", attributes={name: 1})
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.clause("C-7", "R-4")
@pytest.mark.parametrize(("size", "good"), [(60_000, True), (60_001, False)])
def test_how_long_a_text_may_be(tmp_path: Path, small_recording: Path, size: int, good: bool) -> None:
    given = {"key": "é" * (size // 2) + "x" * (size % 2)}
    if good:
        with Reader(convert(small_recording, tmp_path / "a.h5", attributes=given)) as reader:
            assert reader.root["attr.key"] == given["key"]
    else:
        with pytest.raises(ValueError, match="60000 at most"):
            convert(small_recording, tmp_path / "a.h5", attributes=given)
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
