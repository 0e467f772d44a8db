"""STATS: what Luna puts out, number for number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eegarchive

from .numbers import SCRIPTS, SOURCE, assert_same, expected, lunas, ours


def test_the_numbers_that_luna_gave(psg: Path) -> None:
    found, frozen = ours(psg, SCRIPTS["STATS"]), expected("STATS")
    assert sorted(found) == sorted(frozen) == ["STATS_CH", "STATS_CH_E"]
    for name, table in frozen.items():
        assert_same(found[name], table, name)


@pytest.mark.parametrize("script", ["STATS", "STATS min epoch", "STATS pct=F kurt3 epoch", "STATS minimal"])
def test_luna_gives_the_same(psg: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    found, theirs = ours(psg, script), lunas(SOURCE, script)
    assert sorted(found) == sorted(theirs)
    for name, table in theirs.items():
        assert_same(found[name], table, name)


@pytest.mark.parametrize("dropped", [False, True])
def test_masked_epochs_as_luna(psg: Path, dropped: bool) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    with eegarchive.edit(psg) as night:
        night.mask(keep_epochs="2-4,7")
        if dropped:
            night.restructure(whole_records=True)
    found = ours(psg, "STATS epoch")
    theirs = lunas(SOURCE, f"MASK epoch=2-4,7 {'& RE' if dropped else ''} & STATS epoch")
    assert found["STATS_CH"]["NE"].tolist() == [4 if dropped else 10] * 7
    assert found["STATS_CH"]["NE1"].tolist() == [4] * 7
    for name, table in found.items():
        assert_same(table, theirs[name], name)


def test_a_negative_gain_turns_the_order_round(archives: dict[str, Path]) -> None:
    if "edfplusc_utf8_annotations" not in archives:
        pytest.skip("that recording isn't here")
    archive = archives["edfplusc_utf8_annotations"]
    with eegarchive.open(archive) as night:
        (name,) = list(night.signals)
        assert night.signals[name].scale_factor < 0
        values = np.sort(night.signals[name][:])
    found = ours(archive, "STATS")["STATS_CH"].iloc[0]
    assert (found["MIN"], found["MAX"]) == (values[0], values[-1])
    assert found["P05"] == values[len(values) * 5 // 100]
    assert found["SD"] == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found["MEAN"] == pytest.approx(values.mean(), rel=1e-9)


def test_epochs_that_are_flat_have_no_shape_and_do_not_count(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.signals["EEG Fpz-Cz"].digital[:3000] = 50
    found = ours(psg, "STATS sig=EEG_Fpz_Cz epoch")
    epochs = found["STATS_CH_E"]
    assert epochs["SD"][0] == 0
    assert np.isnan(epochs["SKEW"].astype(float)).tolist() == [True] + [False] * 9
    assert found["STATS_CH"]["SKEW_MN"][0] == pytest.approx(epochs["SKEW"][1:].mean())


def test_epochs_without_a_sample_have_no_statistics(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(0.5)
    found = ours(psg, "STATS epoch pct=F sig=Temp_rectal,EEG_Pz_Oz")  # 1 Hz and 100 Hz
    assert set(found["STATS_CH_E"]["CH"]) == {"EEG_Pz_Oz"}
    assert found["STATS_CH"].set_index("CH")["NE1"].to_dict() == {"EEG_Pz_Oz": 600, "Temp_rectal": 600}


def test_blocks_add_up(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ours(psg, "STATS")["STATS_CH"]
    monkeypatch.setattr("eegarchive.luna.commands.stats._BLOCK_SAMPLES", 777)
    assert_same(ours(psg, "STATS")["STATS_CH"], whole, "STATS_CH")
