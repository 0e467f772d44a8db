"""Pipelines of several commands: stages cut from a kept night, recorded outputs, copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.luna.runner import Ran, run

from .night import luna_tables

FOLDER = Path(__file__).parent / "pipelines"


def ran(archive: Path, name: str, **variables: str) -> Ran:
    return run(archive, FOLDER / f"{name}.txt", variables=variables).outcomes[0]


def test_each_stage_is_cut_from_the_whole_night(scored: Path) -> None:
    outcome = ran(scored, "recorded")
    epochs = {
        stage: value
        for table in outcome.tables
        if table.name == "PSD_CH_STG"
        for stage, value in zip(table.columns["STG"].to_list(), table.columns["NE"].to_list(), strict=True)
    }
    assert epochs == {"N2": 26, "N3": 9, "R": 8}
    with eegarchive.open(scored) as night:
        assert list(night.freezes) == ["source"]
        assert night.duration == 8 * 30
        powers = {stage: night.cache["p1"].get("PSD:PSD", CH="C3", B="DELTA", STG=stage) for stage in epochs}
    assert len(set(powers.values())) == 3
    values = [line for line in outcome.printed if line.startswith("value: PSD:PSD=")]
    assert len(values) == 3 * 2 * len({line for line in outcome.printed if line.startswith("strata: B=")})


def test_signals_that_were_worked_on_are_kept(scored: Path) -> None:
    outcome = ran(scored, "filtered")
    (table,) = [table for table in outcome.tables if table.name == "PSD_CH_STG"]
    assert sorted(table.columns["NE"].to_list()) == [8, 8, 9, 9, 26, 26]
    with eegarchive.open(scored) as night:
        assert night.duration == 1800
        assert night.digest == night.freezes["F1"].digest
        assert night.signals["C3"].dtype.kind == "f"


def test_the_stages_are_those_that_luna_has(made: Path, scored: Path) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    script = (FOLDER / "tags.txt").read_text(encoding="utf-8")
    (table,) = [table for table in ran(scored, "tags").tables if table.name == "PSD_CH_F_STG"]
    theirs = luna_tables(made.parent, script)["PSD|CH_F_STG"]
    found = [
        {
            (str(stage), f"{float(frequency):.6g}"): float(value)
            for stage, frequency, value in zip(columns["STG"], columns["F"], columns["PSD"], strict=True)
        }
        for columns in ({name: column.to_list() for name, column in table.columns.items()}, theirs)
    ]
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) > 200
    np.testing.assert_allclose(list(found[0].values()), [found[1][key] for key in found[0]], rtol=1e-9)


def test_both_orders_of_a_recordings_names_work(scored: Path) -> None:
    printed = ran(scored, "record").printed
    half = len(printed) // 2
    assert printed[0] == "cache: p1[num]"
    assert printed[half] == "cache: p2[num]"
    assert printed[1:half] == printed[half + 1 :]
    assert printed[1:3] == ["strata: CH=C3", "value: HEADERS:SR=128"]


def test_what_another_run_put_out_is_imported(scored: Path, tmp_path: Path) -> None:
    run(scored, "PSD sig=C3", folder=tmp_path / "out")
    printed = ran(scored, "import", table=str(tmp_path / "out" / "PSD_B_CH.tsv")).printed
    assert printed[:3] == ["cache: p1[num]", "strata: B=ALPHA", "strata: CH=C3"]
    assert printed[3].startswith("value: PSD:PSD=")
    assert printed[-1] == "cache: p1[num]"


def test_copies_are_in_the_freeze(scored: Path) -> None:
    outcome = ran(scored, "copies")
    (table,) = [table for table in outcome.tables if table.name == "HEADERS_CH"]
    rates = dict(zip(table.columns["CH"].to_list(), table.columns["SR"].to_list(), strict=True))
    assert rates["C3"] == 128
    assert rates["C3_V2"] == 64
