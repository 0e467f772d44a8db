"""CHEP-MASK, CHEP: outlying epochs of channels, as Luna finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError
from eegarchive.luna.runner import run

from .night import TABLES, assert_same, expected_tables, luna_tables, our_tables, without_zeros

SCRIPTS = [script for script in TABLES if "CHEP" in script]
EXPECTED = expected_tables()


@pytest.mark.parametrize("script", SCRIPTS)
def test_outliers_are_those_that_luna_once_found(scored: Path, script: str) -> None:
    assert_same(without_zeros(our_tables(scored, script)), EXPECTED[script])


@pytest.mark.parametrize("script", SCRIPTS)
def test_outliers_are_those_that_luna_finds_now(made: Path, scored: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    assert_same(our_tables(scored, script), luna_tables(made.parent, script))


def found(archive: Path, script: str) -> set[tuple[str, int]]:
    """Channels and epochs that are outliers after a script."""
    table = our_tables(archive, f"{script} & CHEP dump")["CHEP|CH_E"]
    return {(c, e) for c, e, is_one in zip(table["CH"], table["E"], table["CHEP"], strict=True) if is_one}


def test_outliers_are_annotations_of_their_channels(scored: Path) -> None:
    own = found(scored, "CHEP-MASK ep-th=2")
    with eegarchive.open(scored) as night:
        columns = night.annotations.columns()
        ours = columns["set"] == "chep"
        assert set(columns["kind"][ours]) == {"chep"}
        assert set(columns["duration"][ours]) == {30.0}
        names = zip(columns["channel"][ours], columns["onset"][ours], strict=True)
        assert {(name.replace(" ", "_").replace("-", "_"), round(at / 30) + 1) for name, at in names} == own
    assert len(own) > 5


def test_outliers_are_in_the_freeze(scored: Path) -> None:
    own = found(scored, "CHEP-MASK ep-th=2 & FREEZE f1")
    assert found(scored, "CHEP clear") == set()
    assert found(scored, "THAW f1") == own


def test_outliers_stay_through_re_and_other_epochs(scored: Path) -> None:
    own = found(scored, "CHEP-MASK ep-th=2")
    after = found(scored, "MASK epoch=20-40 & RE")
    assert after == {(channel, epoch) for channel, epoch in own if 20 <= epoch <= 40}
    first = min(epoch for channel, epoch in after if channel == "C3")
    with eegarchive.open(scored) as night:
        shift = int(night.epochs["epoch"].tolist().index(first))
    halves = {epoch for channel, epoch in found(scored, "EPOCH len=15") if channel == "C3"}
    assert {2 * shift + 1, 2 * shift + 2} <= halves


def test_files_are_written_and_read(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "chep.txt"
    own = found(scored, f"CHEP-MASK ep-th=2 & CHEP save={file}")
    rows = [line.split("\t") for line in file.read_text().splitlines()]
    assert [(int(epoch), channel) for epoch, channel in rows] == sorted(
        (epoch, channel) for channel, epoch in own
    )
    file.write_text(file.read_text() + "999\tC3\n3\tnone\n")
    assert found(scored, f"CHEP clear & CHEP load={file}") == own
    file.write_text("3\tC3\nthree\tC3\n")
    with pytest.raises(EEGArchiveError, match=r"chep\.txt: line 2: 'three.*; expected epoch, tab, channel"):
        run(scored, f"CHEP load={file}")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(EEGArchiveError, match="isn't text in UTF-8"):
        run(scored, f"CHEP load={file}")


def test_the_file_that_luna_writes_is_ours(made: Path, scored: Path, tmp_path: Path) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    files = [tmp_path / name for name in ("ours.txt", "lunas.txt")]
    our_tables(scored, f"CHEP-MASK ep-th=2 & CHEP save={files[0]}")
    luna_tables(made.parent, f"CHEP-MASK ep-th=2 & CHEP save={files[1]}")
    assert files[0].read_text() == files[1].read_text()


def test_channels_with_too_many_outliers_are_dropped(scored: Path) -> None:
    counts = our_tables(scored, "CHEP-MASK ep-th=1 & CHEP dump")["CHEP|CH"]
    limit = sorted(counts["CHEP"])[-1] / 60 - 0.001
    run(scored, f"CHEP drop-channels={limit}")
    with eegarchive.open(scored) as night:
        assert len(night.signals) == 3


def test_another_threshold_from_the_start(scored: Path) -> None:
    """`-th0` doesn't leave out of the mean what earlier commands have found."""
    own = found(scored, "CHEP-MASK ep-th=2")
    assert found(scored, "CHEP-MASK ep-th0=2") == own
    assert found(scored, "CHEP-MASK ep-th=2") > own


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("CHEP-MASK", "needs a threshold, as ep-th=3,3"),
        ("CHEP-MASK ep-th=0", "ep-th=0: expected standard deviations, above 0"),
        ("CHEP-MASK ep-th=x", "ep-th=x: isn't a number"),
        ("CHEP epochs=0.1,2,3", "epochs: expected a part and a number"),
        ("CHEP channels=-1", "channels: expected a part and a number"),
    ],
)
def test_what_is_wrong_is_told(scored: Path, script: str, why: str) -> None:
    with pytest.raises(EEGArchiveError) as error:
        run(scored, script)
    assert why in str(error.value)


def test_signals_of_too_few_samples_are_left_out_and_told(psg: Path) -> None:
    (outcome,) = run(psg, "EPOCH len=2\nCHEP-MASK ep-th=3").outcomes
    assert "CHEP-MASK: Temp_rectal is left out, 1 Hz are too few samples in an epoch" in outcome.log
    with eegarchive.open(psg) as night:
        columns = night.annotations.columns()
    assert set(columns["channel"][columns["set"] == "chep"]) == {"EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"}
