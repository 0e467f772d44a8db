"""Which format a file is taken for, and what Events takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eegarchive.errors import EEGArchiveError
from eegarchive.scoring import FORMATS, Events, ScoringError, read_events, write_events
from eegarchive.scoring import text as text_module

from .made import events, file_of

DATA = Path(__file__).parents[1] / "data"
EVENT = "<ScoredEvent><Name>x</Name><Start>0</Start></ScoredEvent>"
XML = f"<PSGAnnotation><ScoredEvents>{EVENT}</ScoredEvents></PSGAnnotation>"


@pytest.mark.parametrize(
    "lines",
    [
        [XML],
        ["\ufeff" + XML],
        ["onset,duration,text", "0,1,x"],
        ["onset\tduration\ttrial_type", "0\t1\tx"],
        ["# x | a comment", "class instance channel start stop meta", "x . . 0 1 ."],
        ["# x", "x 0 1"],
        ["x"],
    ],
)
def test_the_content_says_what_the_suffix_does_not(lines: list[str], tmp_path: Path) -> None:
    assert read_events(file_of(tmp_path, "scoring.txt", *lines)).text == ["x"]


def test_the_content_of_edf(tmp_path: Path) -> None:
    raw = (DATA / "edfplusc_hypnogram_annotations_only.edf").read_bytes()
    assert len(read_events(file_of(tmp_path, "scoring", raw))) == 154


def test_a_suffix_in_capitals(tmp_path: Path) -> None:
    assert read_events(file_of(tmp_path, "A.EANNOT", "two words")).text == ["two words"]


def test_the_format_asked_for_goes_before_the_suffix(tmp_path: Path) -> None:
    assert read_events(file_of(tmp_path, "a.csv", "wake", "N1"), format="eannot").kind == ["W", "N1"]
    write_events(tmp_path / "b.csv", events((0, 1, "x")), format="annot")
    assert (tmp_path / "b.csv").read_text().startswith("class\t")


def test_what_nobody_can_tell_is_refused(tmp_path: Path) -> None:
    for lines in (["two words"], []):
        with pytest.raises(
            ScoringError, match=r"scoring\.txt: neither its suffix .* give format, one of edf, nsrr"
        ):
            read_events(file_of(tmp_path, "scoring.txt", *lines))


def test_formats_that_do_not_exist_or_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="there is no format 'word'; there are edf, nsrr, annot"):
        read_events(tmp_path / "a.csv", format="word")
    writable = "edf, annot, eannot, bids, csv"
    with pytest.raises(
        ScoringError, match=f"the format 'nsrr' can't be written; these formats can: {writable}"
    ):
        write_events(tmp_path / "a.xml", events())
    with pytest.raises(ScoringError, match=f"a file of that suffix can't be written; .*: {writable}"):
        write_events(tmp_path / "a.txt", events())


def test_every_suffix_belongs_to_one_format() -> None:
    suffixes = [suffix for own in FORMATS.values() for suffix in own]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize("length", [0, -1, np.nan, np.inf])
def test_an_epoch_has_a_length(length: float, tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="expected more than 0"):
        read_events(file_of(tmp_path, "a.eannot", "W"), epoch_length=length)


@pytest.mark.parametrize("name", ["a.csv", "a.xml"])
def test_a_huge_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_FILE_BYTES", 10)
    with pytest.raises(ScoringError, match="more than 10 bytes; that is no annotation file"):
        read_events(file_of(tmp_path, name, "onset,duration,text"))


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "none.csv")


def test_the_error_is_a_value_error_and_the_packages_own() -> None:
    assert issubclass(ScoringError, EEGArchiveError)
    assert issubclass(ScoringError, ValueError)


def test_the_longest_text() -> None:
    assert len(events((0, 1, "x" * 65536))) == 1


@pytest.mark.parametrize(
    ("onset", "duration", "text", "fault"),
    [
        ([0, 1], [1], ["x"], "columns of 2 and of"),
        ([1, 0], [1, 1], ["x", "y"], "ascending order"),
        ([np.nan], [1], ["x"], "finite"),
        ([0], [-1], ["x"], "durations must be 0 or more"),
        ([0], [np.inf], ["x"], "and finite"),
        ([0], [1], ["a\0b"], "event 0: a text holds a NUL character"),
        ([0, 0], [1, 1], ["x", "\ud800"], "event 1: a text holds half of a surrogate pair"),
        ([0], [1], ["é" * 32769], "event 0: a text of 65538 bytes; 65536 at most"),
    ],
)
def test_events_that_cannot_be(
    onset: list[float], duration: list[float], text: list[str], fault: str
) -> None:
    with pytest.raises(ScoringError, match=fault):
        Events(np.array(onset), np.array(duration), text, text, [""] * len(text))
