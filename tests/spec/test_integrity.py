"""Clauses of spec/integrity.md."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import h5py
import pytest

import eegarchive
from eegarchive.storage import seal

from .breaking import edited, findings
from .reader import SEAL_BYTES, seal_of

BLOCK = 65_536


@pytest.mark.clause("I-1")
def test_the_line(small: Path) -> None:
    raw = small.read_bytes()
    line = raw[-SEAL_BYTES:]
    assert line[:19] == b"\neegarchive-seal 1 "
    assert line[-1:] == b"\n"
    assert set(line[19:-1]) <= set(b"0123456789abcdef")
    with h5py.File(small) as h5:
        assert h5.id.get_filesize() == len(raw)
    assert int.from_bytes(raw[28:36], "little") == len(raw) - SEAL_BYTES


@pytest.mark.clause("I-2", "I-3")
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_the_sum_over_blocks(tmp_path: Path, size: int) -> None:
    raw = hashlib.shake_256(b"seal").digest(size)
    (tmp_path / "file").write_bytes(raw)
    seal.append(tmp_path / "file")
    sealed = (tmp_path / "file").read_bytes()
    assert sealed[:-SEAL_BYTES] == raw
    assert sealed[-65:-1].decode() == seal_of(raw)


@pytest.mark.clause("I-2", "I-3")
def test_an_example_by_hand(tmp_path: Path) -> None:
    """Two blocks, the second of one byte: its number isn't padded, the block isn't either."""
    (tmp_path / "file").write_bytes(bytes(BLOCK) + b"x")
    seal.append(tmp_path / "file")
    one = hashlib.sha256(bytes(8) + bytes(BLOCK)).hexdigest()
    two = hashlib.sha256(b"\1" + bytes(7) + b"x").hexdigest()
    expected = f"{(int(one, 16) + int(two, 16)) % 2**256:064x}"
    assert (tmp_path / "file").read_bytes()[-65:-1].decode() == expected


@pytest.mark.clause("I-4")
@pytest.mark.parametrize("at", [9, 0.1, 0.25, 0.5, 0.75, 0.9, -70, -1, -84])
def test_any_turned_bit_is_found(small: Path, at: float) -> None:
    raw = bytearray(small.read_bytes())
    place = int(at * len(raw)) if isinstance(at, float) else at
    raw[place] ^= 1
    small.write_bytes(raw)
    assert ("error", "seal") in {(finding.severity, finding.path) for finding in eegarchive.verify(small)}


@pytest.mark.clause("I-4")
def test_a_missing_seal_is_found_and_opens(small: Path) -> None:
    os.truncate(small, small.stat().st_size - SEAL_BYTES)
    found = eegarchive.verify(small)
    assert [(finding.severity, finding.path) for finding in found] == [("error", "seal"), ("warning", "/")]
    with eegarchive.open(small) as archive:
        assert len(archive.signals["3Hz +5%2F-5 V"][:]) == 11000


@pytest.mark.clause("I-5")
def test_a_program_that_only_opens_for_writing_breaks_the_seal(small: Path) -> None:
    with h5py.File(small, "r+") as h5:
        h5.attrs["touched"] = 1
        del h5.attrs["touched"]
    assert "seal" in {finding.path for finding in eegarchive.verify(small)}


@pytest.mark.clause("I-5")
def test_a_file_sealed_again_is_whole(small: Path) -> None:
    with edited(small):
        pass
    assert findings(small) == []
    assert eegarchive.verify(small) == []
