"""EPOCH, MASK, RE, DUMP-MASK: as Luna, epoch for epoch; and where Luna is wrong, right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, ScriptError
from eegarchive.luna.runner import run
from tests.conftest import recordings

from . import night
from .night import MASKS, TABLES, assert_same, kept, luna_tables, our_tables, without_zeros

EXPECTED_MASKS, EXPECTED_TABLES = night.expected_masks(), night.expected_tables()
SCRIPTS = [script for script in TABLES if "CHEP" not in script]


def left(archive: Path, script: str) -> str:
    return kept(our_tables(archive, f"{script} & DUMP-MASK"))


# -- against Luna -------------------------------------------------------------------------------


@pytest.mark.parametrize("script", MASKS)
def test_masks_are_those_that_luna_once_made(scored: Path, script: str) -> None:
    assert left(scored, script) == EXPECTED_MASKS[script]


@pytest.mark.parametrize("script", SCRIPTS)
def test_tables_are_those_that_luna_once_put_out(scored: Path, script: str) -> None:
    assert_same(without_zeros(our_tables(scored, script)), EXPECTED_TABLES[script])


@pytest.mark.parametrize("script", SCRIPTS)
def test_tables_are_those_that_luna_puts_out_now(made: Path, scored: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    assert_same(our_tables(scored, script), luna_tables(made.parent, script))


@pytest.mark.parametrize("script", MASKS[::5])
def test_masks_are_those_that_luna_makes_now(made: Path, scored: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    assert left(scored, script) == kept(luna_tables(made.parent, f"{script} & DUMP-MASK"))


@pytest.mark.parametrize(
    "script",
    [
        "MASK epoch=1-4,8 & RE & EPOCH table",
        "EPOCH len=7 & MASK epoch=1-4,20-22 & RE & EPOCH table",
        "EPOCH len=50 & MASK mask-epoch=2 & DUMP-MASK & RE",
        "EPOCH len=10 inc=5 & MASK epoch=7-11 & DUMP-MASK & RE & DUMP-MASK",
    ],
)
@pytest.mark.parametrize("stem", ["edf_sleep_psg_30s_records", "edfplusc_clinical_psg_osas"])
def test_recordings_are_cut_as_by_luna(tmp_path: Path, stem: str, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    edf = next((path for path in recordings() if path.stem == stem), None)
    if edf is None:
        pytest.skip("the recording isn't there")
    archive = tmp_path / f"{stem}.h5"
    eegarchive.convert(edf, archive)
    ours, theirs = our_tables(archive, script), luna_tables(edf, script)
    for tables in (ours, theirs):
        tables.get("EPOCH|", {}).pop("OFFSET", None)  # not known any more where the first epoch is gone
    assert_same(ours, theirs)


# -- better than Luna ---------------------------------------------------------------------------


def test_a_moment_at_an_epochs_start_is_in_that_epoch(scored: Path) -> None:
    with eegarchive.edit(scored) as archive:
        archive.add_annotations([60.0], [0.0], ["edge"])
    assert left(scored, "MASK ifnot=edge") == "60: 3"


def test_times_are_the_recordings_after_a_restructure(scored: Path) -> None:
    assert left(scored, "MASK ifnot=N2 & RE & MASK sec=330-420") == "26: 12-14"


def test_a_stretch_of_the_clock_may_have_begun_before_the_recording(scored: Path) -> None:
    assert left(scored, "MASK hms=21:03:00-22:01:00") == "60: 1-2"


def test_an_unknown_annotation_is_told(scored: Path) -> None:
    (outcome,) = run(scored, "MASK if=arousel").outcomes
    assert any("line 1: MASK: there is no annotation arousel; there are N1, " in line for line in outcome.log)


def test_annotations_go_by_the_names_luna_gives_them(scored: Path) -> None:
    with eegarchive.edit(scored) as archive:
        archive.add_annotations([60.0, 90.0], [5.0, 5.0], ["Obstructive apnea", "SpO2 (low)"])
        archive.add_annotations([300.0], [1.0], ["QRS"], annotation_set="edf")
    assert left(scored, "MASK ifnot=Obstructive_apnea") == "60: 3"
    assert left(scored, 'MASK ifnot="Obstructive apnea"') == "60: 3"
    assert left(scored, "MASK ifnot=edf_annot") == "60: 11"
    assert left(scored, "MASK ifnot=edf_annot[QRS]") == "60: 11"


def test_stage_4_is_deep_sleep_too(scored: Path) -> None:
    with eegarchive.edit(scored) as archive:
        archive.drop_annotations()
        archive.add_annotations(
            [60.0, 90.0, 150.0], [30.0] * 3, ["Sleep stage 3", "Sleep stage 4", "Sleep stage 2"]
        )
    assert left(scored, "MASK ifnot=N3") == "60: 3-4"
    assert left(scored, "MASK ifnot=N4") == "60: 4"


def test_random_epochs_are_as_many_as_asked_for(scored: Path) -> None:
    for script, pool in (
        ("MASK ifnot=N2 & MASK random=4", range(10, 57)),
        ("MASK ifnot=N2 & MASK random-from=4,arousal,N2", range(10, 57)),
    ):
        table = our_tables(scored, f"{script} & DUMP-MASK")["DUMP-MASK|E"]
        numbers = [e for e, out in zip(table["E"], table["EMASK"], strict=True) if not out]
        assert len(numbers) == 4
        assert set(numbers) <= set(pool)
        run(scored, "MASK none")
    table = our_tables(scored, "MASK random-from=3,N2 & DUMP-MASK")["DUMP-MASK|E"]
    numbers = [e for e, out in zip(table["E"], table["EMASK"], strict=True) if not out]
    assert len(numbers) == 60 - 26 + 3


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("MASK epoch=0", "epoch=0: isn't a number or range of epochs"),
        ("MASK epoch=5-3", "epoch=5-3: isn't a number or range"),
        ("MASK epoch=end", "epoch=end: isn't a number or range"),
        ("MASK sec=90-60", "sec=90-60: expected seconds from the recording's start, the smaller first"),
        ("MASK sec=30-30", "the smaller first"),
        ("MASK hms=25:00:00-26:00:00", "'25:00:00' isn't a time of day"),
        ("MASK hms=13:00pm-14:00", "'13:00pm' isn't a time of day"),
        ("MASK hms=22:10-22:10", "starts and ends at the same time"),
        ("MASK flanked=N2", "flanked needs an annotation and how many epochs"),
        ("MASK first=0", "first=0: expected how many epochs, from 1 on"),
        ("MASK first=2.5", "first=2.5: isn't an integer"),
        ("MASK random-from=N2", "random-from needs how many epochs"),
        ("MASK if", "if needs a value"),
        ("MASK if=[x]", "'[x]' isn't an annotation"),
        ("MASK trim=", "trim needs a value"),
        ("MASK if=N2 flip", "takes exactly one parameter"),
        ("MASK", "takes exactly one parameter"),
        ("EPOCH len=30 dur=20", "len and dur mean the same"),
        ("EPOCH len=30,20", "too many numbers"),
        ("EPOCH epoch=30,15 inc=10", "the increment is given twice"),
        ("EPOCH len=10 inc=20", "would leave gaps; inc is at most the length"),
        ("EPOCH offset=12:61:00", "'12:61:00' isn't a time of day"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changed(scored: Path, script: str, why: str) -> None:
    before = scored.read_bytes()
    with pytest.raises(EEGArchiveError) as error:
        run(scored, f"MASK if=W\n{script}")
    assert f"line 2: {script.split()[0]}: " in str(error.value)
    assert why in str(error.value)
    assert scored.read_bytes() == before


@pytest.mark.parametrize(
    "script", ["MASK expr=N2", "MASK dhms=x", "MASK regional=1,2", "EPOCH align", "RE verbose"]
)
def test_what_isnt_supported_is_refused_before_anything_is_run(scored: Path, script: str) -> None:
    with pytest.raises(ScriptError, match="isn't supported"):
        run(scored, f"MASK if=W\n{script}")


# -- what the archive has then ------------------------------------------------------------------


def test_a_mask_is_an_operation_of_the_archive(scored: Path) -> None:
    run(scored, "MASK ifnot=N2\nMASK mask-epoch=11-12")
    with eegarchive.open(scored) as archive:
        columns = archive.epochs.columns()
        assert columns["epoch"][~columns["masked"]].tolist() == [
            10,
            *range(13, 22),
            *range(31, 37),
            *range(49, 57),
        ]
        assert archive.history["operation"].tolist()[-4:] == ["run", "epochs", "mask", "mask"]


def test_a_mask_that_changes_nothing_isnt_written(scored: Path) -> None:
    run(scored, "MASK ifnot=N2")
    before = scored.read_bytes()
    run(scored, "MASK ifnot=N2\nEPOCH table\nDUMP-MASK")
    assert scored.read_bytes() == before


def test_re_keeps_whole_records(psg: Path) -> None:
    tables = our_tables(psg, "EPOCH len=10 & MASK epoch=5 & RE")
    assert tables["RE|"] == {
        "DUR1": [300.0], "DUR2": [30.0], "NR1": [10], "NR2": [1], "NA": [1], "NS": [7],
    }  # fmt: skip
    with eegarchive.open(psg) as archive:
        assert archive.segments.columns()["start"].tolist() == [30.0]
        assert archive.epochs["epoch"].tolist() == [5]


def test_masked_epochs_go_even_if_all_records_stay(psg: Path) -> None:
    """In Luna they come back then, unmasked."""
    tables = our_tables(psg, "EPOCH len=10 & MASK epoch=1,4,7,10,13,16,19,22,25,28 & RE & DUMP-MASK")
    assert tables["DUMP-MASK|E"]["E"] == list(range(1, 31, 3))
    assert tables["RE|"] == {"DUR1": [300.0], "DUR2": [300.0], "NR1": [10], "NR2": [10]}


@pytest.mark.parametrize("script", ["MASK all\nRE", "MASK if=N2\nRE require=35", "EPOCH require=61"])
def test_nothing_is_done_without_epochs_until_a_thaw(scored: Path, script: str) -> None:
    (outcome,) = run(scored, f"FREEZE f1\n{script}\nMASK none\nDUMP-MASK\nTHAW f1\nMASK if=W").outcomes
    assert "DUMP-MASK" not in {table.command for table in outcome.tables}
    assert any("nothing more is done until a THAW" in line for line in outcome.log)
    assert any("DUMP-MASK: left out" in line for line in outcome.log)
    with eegarchive.open(scored) as archive:
        assert archive.duration == 1800
        assert archive.epochs["masked"].sum() == 12


def test_dump_mask_makes_annotations(scored: Path) -> None:
    run(scored, "MASK epoch=1-57\nDUMP-MASK annot=bad annot-unmasked=good")
    with eegarchive.open(scored) as archive:
        columns = archive.annotations.columns()
        assert columns["onset"][columns["text"] == "bad"].tolist() == [1710, 1740, 1770]
        assert np.sum(columns["text"] == "good") == 57
        assert set(columns["set"][columns["text"] == "bad"]) == {"mask"}
