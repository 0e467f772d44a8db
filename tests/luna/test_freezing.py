"""FREEZE, THAW: what the page promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, NotInArchive, ScriptError, TargetExists
from eegarchive.luna.runner import run

from .night import our_tables


def test_a_freeze_is_one_of_the_archives(scored: Path) -> None:
    run(scored, "MASK ifnot=N2\nRE\nFREEZE n2\nTHAW source\nFREEZE tag=all")
    with eegarchive.open(scored) as night:
        assert {"n2", "all", "source"} <= set(night.freezes)
        assert night.freezes["n2"].duration == 26 * 30
        assert night.duration == 1800


def test_thaw_discards_what_wasnt_frozen(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        before = night.digest
    run(scored, "FREEZE f1\nMASK ifnot=N2\nRE\nSIGNALS drop=EMG_chin\nTHAW f1")
    with eegarchive.open(scored) as night:
        assert night.digest == before
        assert sorted(night.freezes) == ["f1", "source"]


def test_annotations_are_in_the_freeze(scored: Path) -> None:
    with eegarchive.open(scored) as night:
        before = len(night.annotations)
    run(scored, "FREEZE f1\nDROP-ANNOTS annot=N2\nMASK epoch=1-5\nDUMP-MASK annot=bad\nTHAW f1")
    with eegarchive.open(scored) as night:
        assert len(night.annotations) == before
        assert np.sum(night.annotations["kind"] == "N2") == 26


def test_epochs_and_masks_are_in_the_freeze(scored: Path) -> None:
    script = "EPOCH len=20 & MASK if=N2 & FREEZE f1 & EPOCH len=30 & THAW f1 & DUMP-MASK"
    table = our_tables(scored, script)["DUMP-MASK|E"]
    assert len(table["E"]) == 90
    assert sum(table["EMASK"]) == 40


def test_a_freeze_can_be_thawed_again_until_it_is_removed(scored: Path) -> None:
    run(
        scored,
        "FREEZE f1\nMASK ifnot=N2\nRE\nTHAW f1\nMASK ifnot=R\nRE\nTHAW f1 remove=F\nMASK all\nTHAW f1 remove",
    )
    with eegarchive.open(scored) as night:
        assert night.duration == 1800
        assert list(night.freezes) == ["source"]


@pytest.mark.parametrize("words", ["f2", "tag=f2", "tag=f2 strict", "f2 remove"])
def test_an_unknown_tag_is_an_error_and_nothing_is_changed(scored: Path, words: str) -> None:
    before = scored.read_bytes()
    with pytest.raises(EEGArchiveError, match=r"line 3: THAW: .*no freeze 'f2'; there are f1, source"):
        run(scored, f"FREEZE f1\nMASK if=N2\nTHAW {words}")
    assert scored.read_bytes() == before


def test_a_script_may_be_run_again(scored: Path) -> None:
    for _ in range(2):
        run(scored, "FREEZE f1\nMASK ifnot=N2\nRE\nFREEZE n2\nFREEZE n2\nTHAW f1")
    with eegarchive.open(scored) as night:
        assert night.freezes["n2"].duration == 26 * 30


def test_a_freeze_that_no_script_has_made_isnt_replaced(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.freeze("f1", note="mine")
    before = scored.read_bytes()
    with pytest.raises(EEGArchiveError, match="the freeze 'f1' wasn't made by a script, so none replaces it"):
        run(scored, "MASK if=N2\nFREEZE f1")
    assert scored.read_bytes() == before


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("FREEZE", "needs exactly one tag"),
        ("FREEZE a b", "takes one tag, this has a, b"),
        ("FREEZE tag=", "needs a value"),
        ("FREEZE remove", "the tag 'remove' is reserved"),
        ("FREEZE source", "the tag 'source' is reserved"),
        ("FREEZE a=b", "no such parameter 'a'"),
        ('FREEZE "a b"', "'a b' can't be a tag"),
        ("FREEZE f1 preserve-cache", "needs exactly one tag|takes one tag|no such parameter"),
        ("THAW remove", "needs exactly one tag"),
        ("THAW", "needs exactly one tag"),
        ("THAW source remove", "the freeze 'source' can't be removed"),
    ],
)
def test_what_is_wrong_is_told(scored: Path, script: str, why: str) -> None:
    with pytest.raises((ScriptError, NotInArchive, TargetExists, EEGArchiveError), match=why):
        run(scored, script)


def test_caches_are_those_of_the_freeze_unless_preserved(scored: Path) -> None:
    record = "CACHE cache=c record=HEADERS,SR,CH\nHEADERS"
    run(scored, f"FREEZE empty\n{record}\nFREEZE full")
    with eegarchive.open(scored) as night:
        assert len(night.cache["c"]) == 4
    run(scored, "THAW empty preserve-cache")
    with eegarchive.open(scored) as night:
        assert len(night.cache["c"]) == 4
    run(scored, "THAW empty")
    with eegarchive.open(scored) as night:
        assert list(night.cache) == []
    run(scored, "THAW tag=full")
    with eegarchive.open(scored) as night:
        assert len(night.cache["c"]) == 4


def test_recording_goes_on_after_a_thaw(scored: Path) -> None:
    run(
        scored,
        "FREEZE f1\nCACHE cache=c record=HEADERS,SR,CH\nHEADERS sig=EMG_chin\nTHAW f1\nHEADERS sig=C3",
    )
    with eegarchive.open(scored) as night:
        assert night.cache["c"].get("HEADERS:SR", CH="C3") == 128
        assert len(night.cache["c"]) == 1


def test_tags_stay_through_a_thaw(scored: Path) -> None:
    tables = our_tables(scored, "FREEZE f1 & TAG STG/N2 & MASK ifnot=N2 & RE & THAW f1 & HEADERS")
    assert "HEADERS|CH_STG" in tables
