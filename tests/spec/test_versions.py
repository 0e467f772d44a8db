"""Clauses of spec/versions.md."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive import digest
from eegarchive.storage import objects

from .breaking import ROOT, edited, errors, findings
from .reader import SEAL_START, Reader


def write_version(path: Path, version: str) -> None:
    with edited(path) as h5:
        objects.write_attribute(h5, "format_version", version)
        objects.write_attribute(h5, "archive_digest", digest.archive_digest(h5))


@pytest.mark.clause("V-1", "C-2")
def test_archives_are_of_version_1_0(archives: dict[str, Path], recording: Path) -> None:
    with Reader(archives[recording.stem]) as reader:
        assert reader.root["format_version"] == "1.0"


@pytest.mark.clause("V-2")
@pytest.mark.parametrize("version", ["1.1", "1.10", "1.999"])
def test_a_higher_minor_version_is_read(small: Path, version: str) -> None:
    write_version(small, version)
    assert findings(small) == []
    with eegarchive.open(small) as archive, Reader(small) as reader:
        assert archive.provenance["format_version"] == version
        for name, signal in archive.signals.items():
            assert np.array_equal(signal.digital[:], reader.samples("/", name))


@pytest.mark.clause("V-3", "C-2")
@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "11", "", "x", "-1.0"])
def test_another_major_version_is_refused(small: Path, version: str) -> None:
    write_version(small, version)
    with pytest.raises(eegarchive.UnsupportedVersion, match=re.escape(repr(version))) as raised:
        eegarchive.open(small)
    assert "1.x" in str(raised.value)
    assert "version" in errors(small)["/"]


@pytest.mark.clause("V-4")
def test_texts_and_seal_carry_version_1(small: Path) -> None:
    text = (ROOT / "spec" / "reference" / "1.0" / "edf_trailing_byte_bad_date.txt").read_text()
    firsts = set(re.findall(r"^eegarchive .*$", text, re.MULTILINE))
    assert firsts == {f"eegarchive {what} 1" for what in ("signal", "table", "state", "contents", "archive")}
    assert SEAL_START.endswith(b" 1 ")
    assert SEAL_START in small.read_bytes()
