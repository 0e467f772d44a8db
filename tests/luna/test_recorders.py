"""What goes into caches while a script runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eegarchive
from eegarchive.luna.run import Recorder, Run


@pytest.mark.parametrize("names", [("SR", "CH"), ("CH", "SR"), ("ch", "sr")])
def test_a_recorder_takes_variable_and_factors_in_any_order(psg: Path, names: tuple[str, ...]) -> None:
    with eegarchive.edit(psg) as night:
        run = Run(night, "psg")
        run.recorders.append(Recorder("c", "headers", names))
        run.put("HEADERS", "SR", 100.0, CH="EEG Fpz-Cz")
        run.put("HEADERS", "TRANS", "AgCl", CH="EEG Fpz-Cz")
        run.put("HEADERS", "SR", 1, CH="EMG submental", B="x")
        run.put("HEADERS", "NR", 3)
    with eegarchive.open(psg) as night:
        assert len(night.cache["c"]) == 1
        assert night.cache["c"].get("HEADERS:SR", CH="EEG Fpz-Cz") == 100.0


def test_columns_are_recorded_without_what_is_missing(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        run = Run(night, "psg")
        run.tags["STG"] = "N2"
        run.recorders += [
            Recorder("c", "PSD", ("PSD", "CH", "F", "STG")),
            Recorder("d", "PSD", ("PSD", "F", "CH", "STG")),
        ]
        channels = ["EEG Fpz-Cz"] * 3
        run.put_columns("PSD", {"CH": channels, "F": np.arange(3.0)}, {"PSD": [1.5, None, 2.5]})
        run.put_columns("PSD", {"CH": ["EEG Fpz-Cz"]}, {"PSD": [9.0]})
        assert [recorder.matched for recorder in run.recorders] == [2, 2]
        table = run.tables.finished()[0]
    assert table.name == "PSD_CH_F_STG"
    assert table.columns["CH"].to_list() == ["EEG_Fpz_Cz"] * 3
    assert table.columns["PSD"].to_list() == [1.5, None, 2.5]
    with eegarchive.open(psg) as night:
        for name in "cd":
            assert len(night.cache[name]) == 2
            assert night.cache[name].get("PSD:PSD", CH="EEG Fpz-Cz", F=2.0, STG="N2") == 2.5


def test_a_recorder_that_matched_nothing_is_told(psg: Path) -> None:
    log: list[str] = []
    with eegarchive.edit(psg) as night:
        run = Run(night, "psg", log.append)
        run.recorders += [Recorder("c", "PSD", ("PSD", "CH"), 3), Recorder("c", "X", ("Y",), 4)]
        run.put("PSD", "PSD", 1.0, CH="EEG Fpz-Cz", B="DELTA")
        run.tell_unmatched()
    why = "matched no output (names of the variable and of all its factors)"
    assert log == [
        f"line 3: CACHE: record=PSD,PSD,CH {why}; there was PSD,PSD,B,CH",
        f"line 4: CACHE: record=X,Y {why}",
    ]
