"""The seal over every byte of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eegarchive.storage import seal


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 700)  # two whole blocks and a part of a third
    seal.append(path)
    return path


def test_a_sealed_file_is_intact(sealed: Path) -> None:
    assert seal.is_intact(sealed) is True


def test_a_file_without_a_seal_is_neither_intact_nor_damaged(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 500)
    assert seal.is_intact(path) is None


def test_the_seal_is_the_sum_of_the_blocks_digests(sealed: Path) -> None:
    raw = sealed.read_bytes()[: -seal.SEAL_BYTES]
    total = 0
    for number in range(-(-len(raw) // 65536)):
        block = raw[number * 65536 : (number + 1) * 65536]
        total += int.from_bytes(hashlib.sha256(number.to_bytes(8, "little") + block).digest(), "big")
    assert sealed.read_bytes()[-seal.SEAL_BYTES :] == b"\neegarchive-seal 1 %064x\n" % (total % 2**256)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 256 * 700 + seal.SEAL_BYTES - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_breaks_the_seal(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("seal") / "file"
    path.write_bytes(bytes(range(256)) * 700)
    seal.append(path)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.write_bytes(raw)
    assert seal.is_intact(path) is not True


@pytest.mark.parametrize("cut", [1, 50, seal.SEAL_BYTES, 70_000])
def test_a_file_cut_short_is_not_intact(sealed: Path, cut: int) -> None:
    sealed.write_bytes(sealed.read_bytes()[:-cut])
    assert seal.is_intact(sealed) is not True


def test_swapped_blocks_break_the_seal(sealed: Path) -> None:
    raw = sealed.read_bytes()
    changed = bytearray(raw)
    changed[0], changed[65536] = 1, 2
    sealed.write_bytes(bytes(changed[65536:131072] + changed[:65536] + changed[131072:]))
    assert seal.is_intact(sealed) is False
