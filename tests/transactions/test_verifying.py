"""`verify` while an edit is under way, and after one that was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

import eegarchive
from eegarchive import verification
from eegarchive.storage import journal
from eegarchive.storage.journal import Journal
from eegarchive.storage.pages import PAGE_BYTES

from . import nights
from .faults import Fault
from .processes import other_process
from .test_crashes import ReadOnly, crash, files, steps

EDITOR = """
with eegarchive.edit(path) as night:
    night.add_signal("computed", nights.noise(43_968), 4.0)
    say("begun")
    wait()
"""


def cut_off(path: Path, after: int) -> None:
    """Crash so many steps after the journal was begun."""
    old, change = path.read_bytes(), nights.OPERATIONS["add_much"].change
    begun = steps(path, change).index("create")
    path.write_bytes(old)
    crash(path, change, Fault(begun + after))


@pytest.mark.clause("J-8")
def test_an_edit_that_is_under_way_is_no_finding(night: Path, read_only: ReadOnly) -> None:
    size = night.stat().st_size
    with other_process(EDITOR, night) as editor:
        assert editor.hear() == "begun"
        assert night.stat().st_size > size
        assert eegarchive.verify(night) == []
        with read_only():
            assert eegarchive.verify(night) == []
        editor.go_on()
        assert editor.ended_well()
    assert eegarchive.verify(night) == []


def test_an_edit_of_this_process_is_no_finding(night: Path) -> None:
    with eegarchive.edit(night) as edited:
        edited.add_signal("computed", nights.noise(43_968), 4.0)
        assert eegarchive.verify(night) == []


def test_a_crash_before_the_commit_is_undone(night: Path) -> None:
    old = night.read_bytes()
    cut_off(night, 0)
    assert night.stat().st_size > len(old)
    assert eegarchive.verify(night) == []
    assert files(night.parent) == {"night.h5": old}


def test_a_crash_in_the_commit_is_undone(night: Path) -> None:
    old = night.read_bytes()
    cut_off(night, 6)
    assert len(files(night.parent)) == 3
    assert eegarchive.verify(night) == []
    assert files(night.parent) == {"night.h5": old}


@pytest.mark.clause("J-8")
@pytest.mark.parametrize(("after", "path"), [(0, "tail"), (6, "journal")])
def test_what_a_crash_left_is_a_warning_where_one_may_not_write(
    night: Path, read_only: ReadOnly, after: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(night, after)
    left = files(night.parent)
    check_in_this_process(monkeypatch)
    with read_only():
        (finding,) = eegarchive.verify(night)
    assert (finding.severity, finding.path) == ("warning", path)
    assert "an edit was cut off" in finding.message
    assert files(night.parent) == left


def test_damage_is_found_behind_a_left_over_journal_too(
    night: Path, read_only: ReadOnly, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(night, 6)
    touched = Journal.decode(journal.place(night).read_bytes())
    assert touched is not None
    raw = bytearray(night.read_bytes())
    page = next(number for number in range(len(raw) // PAGE_BYTES) if number not in touched.pages)
    raw[page * PAGE_BYTES + 9] ^= 1
    night.write_bytes(raw)
    check_in_this_process(monkeypatch)
    with read_only():
        found = eegarchive.verify(night)
    assert {"journal", "seal"} <= {finding.path for finding in found}


def check_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process could write."""
    monkeypatch.setattr(
        verification,
        "check_contents",
        lambda path, *_, **__: nights.contents_findings(path),
    )
