"""The journal itself is damaged, cut short, or belongs to something else: nothing is lost."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import eegarchive
from eegarchive import verification
from eegarchive.storage import journal
from eegarchive.storage.journal import Journal

from . import nights
from .faults import Fault
from .test_crashes import ReadOnly, Ways, crash, files, put

pytestmark = pytest.mark.usefixtures("still_clock")


class CutOff:
    """An archive whose commit was cut off, and how it looked in three moments of that."""

    def __init__(self, path: Path, name: str, old: bytes) -> None:
        change = nights.OPERATIONS[name].change
        self.path = path
        self.ways = Ways(path, change, old)
        first = self.ways.log.index("create")
        moments = {"old": first + 4, "half": first + 6, "new": self.ways.point}
        self.left = {}
        for moment, step in moments.items():
            put(path.parent, {path.name: old})
            crash(path, change, Fault(step, "head" if moment == "half" else ""))
            self.left[moment] = path.read_bytes()
        self.journal = journal.place(path).read_bytes()
        assert self.left["old"].startswith(old)
        assert self.left["new"] == self.ways.new
        assert self.left["half"] not in (self.left["old"], self.left["new"])

    def lay(self, moment: str, raw: bytes) -> dict[str, bytes]:
        """Put the archive of a moment and a journal into the folder."""
        put(self.path.parent, {self.path.name: self.left[moment], journal.place(self.path).name: raw})
        return files(self.path.parent)

    def check_refused_or_right(self, moment: str, raw: bytes, read_only: ReadOnly) -> None:
        """With a journal that says nothing a half-written archive is refused, any other one is right."""
        path, laid = self.path, self.lay(moment, raw)
        if moment == "half":
            for opening in (eegarchive.open, eegarchive.edit(path).__enter__):
                with pytest.raises(
                    eegarchive.InvalidArchive, match=r"night\.h5: an edit was cut off.*journal"
                ):
                    opening(*([path] if opening is eegarchive.open else []))
                assert {
                    name: found for name, found in files(path.parent).items() if "lock" not in name
                } == laid
            with read_only(), pytest.raises(eegarchive.InvalidArchive, match="an edit was cut off"):
                eegarchive.open(path)
            (finding,) = (found for found in eegarchive.verify(path) if found.path == "seal")
            assert "an edit was cut off" in finding.message
            self.lay(moment, self.journal)  # the right one is found after all
            assert nights.content(path) == self.ways.old_content
            assert files(path.parent) == {path.name: self.ways.old}
            return
        content = self.ways.old_content if moment == "old" else self.ways.new_content
        with read_only():
            assert nights.content(path) == content
        assert files(path.parent) == laid
        assert nights.content(path) == content
        with eegarchive.edit(path):
            pass
        assert path.read_bytes() == (self.ways.old if moment == "old" else self.ways.new)
        assert not journal.place(path).exists()


@pytest.fixture
def cut_off(prepared: dict[str, bytes], night: Path) -> CutOff:
    """A commit of several operations that was cut off."""
    return CutOff(night, "several", prepared["gaps"])


def broken(raw: bytes) -> Iterator[bytes]:
    """A journal with a flip in each of its parts, cut short, empty, or nothing at all."""
    page = 21 + 24
    for at in (0, 20, 21, 29, 37, page, page + 8, page + 5_000, page + 8_000, len(raw) - 32, len(raw) - 1):
        yield raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :]
    for length in (0, 1, 21, page, page + 8 + 8_192, len(raw) // 2, len(raw) - 32, len(raw) - 1):
        yield raw[:length]
    yield raw + b"\0"
    yield bytes(len(raw))
    yield random.Random(1).randbytes(10_000)


@pytest.mark.clause("J-4", "J-5")
def test_a_journal_is_read_by_the_page_alone(cut_off: CutOff) -> None:
    raw = cut_off.journal
    assert raw[:21] == b"eegarchive-journal 1\n"
    assert raw[-32:] == hashlib.sha256(raw[:-32]).digest()
    old_size, new_size, count = struct.unpack("<3Q", raw[21:45])
    old, new = cut_off.ways.old, cut_off.ways.new
    assert (old_size, new_size, len(raw)) == (len(old), len(new), 45 + count * 8_200 + 32)
    found = bytearray(cut_off.left["half"])
    for at in range(45, len(raw) - 32, 8_200):
        (number,) = struct.unpack("<Q", raw[at : at + 8])
        before, after = raw[at + 8 : at + 4_104], raw[at + 4_104 : at + 8_200]
        place = slice(number * 4_096, number * 4_096 + 4_096)
        assert (before, after) == (old[place].ljust(4_096, b"\0"), new[place].ljust(4_096, b"\0"))
        assert all(here in pair for here, *pair in zip(found[place], before, after, strict=False))
        found[place] = before[: len(found[place])]
    assert found[:old_size] == old


@pytest.mark.clause("J-4", "J-7")
@pytest.mark.parametrize("moment", ["old", "half", "new"])
def test_a_damaged_journal_is_refused_or_not_needed(
    cut_off: CutOff, moment: str, read_only: ReadOnly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "check_contents", lambda *_, **__: [])
    for raw in broken(cut_off.journal):
        assert Journal.decode(raw) is None
        cut_off.check_refused_or_right(moment, raw, read_only)


@pytest.mark.clause("J-5", "J-7")
@pytest.mark.parametrize("other", ["another archive", "another edit", "a later edit"])
@pytest.mark.parametrize("moment", ["old", "half", "new"])
def test_the_journal_of_something_else_is_set_aside(
    cut_off: CutOff, moment: str, other: str, prepared: dict[str, bytes], tmp_path: Path, read_only: ReadOnly
) -> None:
    path = tmp_path / "elsewhere" / "night.h5"
    path.parent.mkdir()
    if other == "another archive":
        foreign = CutOff(path, "filter", prepared["short"]).journal
    elif other == "another edit":
        foreign = CutOff(path, "freeze", without_a_freeze(prepared["gaps"], path)).journal
    else:
        foreign = CutOff(path, "epochs", without_a_freeze(cut_off.ways.new, path)).journal
    place = journal.place(cut_off.path)
    aside = place.with_name(f"{place.name}.foreign")
    laid = cut_off.lay(moment, foreign)
    with read_only():
        if moment == "half":
            with pytest.raises(eegarchive.InvalidArchive, match="another file or of another time"):
                eegarchive.open(cut_off.path)
        else:
            nights.content(cut_off.path)
    assert files(cut_off.path.parent) == laid
    if moment == "half":
        with pytest.raises(eegarchive.InvalidArchive, match="another file or of another time"):
            eegarchive.open(cut_off.path)
        cut_off.lay(moment, cut_off.journal)
        assert nights.content(cut_off.path) == cut_off.ways.old_content
        return
    expected = cut_off.ways.old if moment == "old" else cut_off.ways.new
    for opening in (eegarchive.open, eegarchive.edit):
        cut_off.lay(moment, foreign)
        said = pytest.warns(eegarchive.OddInput, match=r"journal.*another file.*journal\.foreign")
        with said, opening(cut_off.path):
            pass
        assert aside.read_bytes() == foreign
        assert not place.exists()
        assert cut_off.path.read_bytes().startswith(expected)


def without_a_freeze(raw: bytes, path: Path) -> bytes:
    """Another generation of the same archive."""
    path.write_bytes(raw)
    with eegarchive.edit(path) as night:
        night.remove_freeze(next(tag for tag in night.freezes if tag != "source"))
    return path.read_bytes()


def test_a_journal_and_its_archive_can_be_moved_together(cut_off: CutOff, tmp_path: Path) -> None:
    cut_off.lay("half", cut_off.journal)
    moved = tmp_path / "moved.h5"
    cut_off.path.rename(moved)
    journal.place(cut_off.path).rename(journal.place(moved))
    assert nights.content(moved) == cut_off.ways.old_content
    assert moved.read_bytes() == cut_off.ways.old


@pytest.mark.clause("J-5")
def test_an_archive_restored_from_a_copy_wins_over_an_old_journal(cut_off: CutOff) -> None:
    """The old archive, or the new one, in the place of the half-written one: both are what they were."""
    for raw, content in ((cut_off.ways.old, cut_off.ways.old_content),):
        cut_off.lay("half", cut_off.journal)
        cut_off.path.write_bytes(raw)
        assert nights.content(cut_off.path) == content
        assert files(cut_off.path.parent) == {cut_off.path.name: raw}


def test_a_half_written_archive_that_is_damaged_too_is_refused(cut_off: CutOff) -> None:
    raw = bytearray(cut_off.left["half"])
    number = next(iter(Journal.decode(cut_off.journal).pages))  # type: ignore[union-attr]
    raw[4_096 * number + 40] ^= 0x55
    cut_off.left["half"] = bytes(raw)
    laid = cut_off.lay("half", cut_off.journal)
    with pytest.raises(eegarchive.InvalidArchive, match="or the file is damaged"):
        eegarchive.open(cut_off.path)
    assert files(cut_off.path.parent) == laid
