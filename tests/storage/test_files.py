"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from eegarchive.errors import EEGArchiveError, TargetExists
from eegarchive.storage import files


def test_a_new_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    with files.new_file(target) as temporary:
        temporary.write_bytes(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), files.new_file(tmp_path / "a.h5") as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_file_when_overwriting(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="stop"), files.new_file(target, overwrite=True) as temporary:
        temporary.write_bytes(b"half")
        raise ValueError("stop")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.h5"]


def test_an_existing_target_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    target.write_bytes(b"old")
    with pytest.raises(TargetExists, match=r"a\.h5: exists already"), files.new_file(target):
        pass
    assert target.read_bytes() == b"old"


def test_a_target_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    with pytest.raises(TargetExists, match="appeared"), files.new_file(target) as temporary:
        temporary.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.h5"]


def test_a_target_is_not_replaced_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    with files.new_file(tmp_path / "a.h5") as temporary:
        temporary.write_bytes(b"content")
    assert (tmp_path / "a.h5").read_bytes() == b"content"
    with pytest.raises(TargetExists), files.new_file(tmp_path / "b.h5") as temporary:
        (tmp_path / "b.h5").write_bytes(b"theirs")
    assert (tmp_path / "b.h5").read_bytes() == b"theirs"


def test_a_symbolic_link_stays_one_when_its_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "a.h5"
    real.write_bytes(b"old")
    (tmp_path / "a.h5").symlink_to(real)
    with files.new_file(tmp_path / "a.h5", overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "a.h5").is_symlink()
    assert real.read_bytes() == b"new"


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".a.h5.partial").write_bytes(b"left behind by a kill" * 1000)
    with files.new_file(tmp_path / "a.h5") as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_bytes(b"content")
    assert (tmp_path / "a.h5").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.h5"]


def test_a_file_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    other = open(tmp_path / ".a.h5.partial", "wb")  # noqa: SIM115
    fcntl.flock(other, fcntl.LOCK_EX)
    with (
        pytest.raises(EEGArchiveError, match="another process is writing it"),
        files.new_file(tmp_path / "a.h5"),
    ):
        pass
    assert (tmp_path / ".a.h5.partial").exists()
    other.close()


def test_the_content_is_synced_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("sync"), fsync(fd))[1])
    monkeypatch.setattr(os, "link", lambda a, b: (calls.append("name"), link(a, b))[1])
    with files.new_file(tmp_path / "a.h5") as temporary:
        temporary.write_bytes(b"content")
    assert calls == ["sync", "name", "sync"]  # the file, its name, the folder
