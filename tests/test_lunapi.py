"""Luna as a referee, where it is installed (`pip install lunapi`): it reads what we write, and drops what we drop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.exporting import export_annotations

lunapi = pytest.importorskip("lunapi", reason="lunapi isn't installed")
SOURCE = Path(__file__).parent / "data" / "edf_sleep_psg_30s_records.edf"
STAGES = ["W", "N1", "N2", "N2", "N2", "N3", "R", "N2", "N2", "W"]


@pytest.fixture(scope="module")
def project() -> Any:
    project = lunapi.proj()
    project.silence(True)
    return project


@pytest.fixture
def scored(psg: Path) -> Path:
    with eegarchive.edit(psg) as night:
        night.add_annotations(np.arange(10) * 30.0, np.full(10, 30.0), STAGES)
    return psg


def test_luna_reads_an_exported_state(scored: Path, tmp_path: Path, project: Any) -> None:
    with eegarchive.edit(scored) as night:
        night.mask(keep="N2")
        night.restructure()
    target = tmp_path / "n2.edf"
    eegarchive.export(scored, target)
    instance = project.inst("exported")
    instance.attach_edf(str(target))
    header = instance.proc("HEADERS")["HEADERS: BL"].iloc[0]
    assert (header["EDF_TYPE"], header["NR"], header["TOT_DUR_SEC"]) == ("EDF+D", 5, 210.0)
    with eegarchive.open(scored) as night:
        for name in ("EEG Fpz-Cz", "EEG Pz-Oz"):
            _, values = instance.data([name.replace(" ", "_").replace("-", "_")])
            expected = night.signals[name][:]
            assert np.abs(values[:, -1] - expected).max() < 1e-9 * np.abs(expected).max()
    found = instance.fetch_annots(["N2"])
    assert found["Start"].tolist() == [0.0, 30.0, 60.0, 150.0, 180.0]


def test_luna_keeps_the_same_records(scored: Path, tmp_path: Path, project: Any) -> None:
    annotations = tmp_path / "night.annot"
    with eegarchive.edit(scored) as night:
        export_annotations(night, annotations)
        night.set_epochs(20)
        night.mask(keep="N2")
        night.restructure(whole_records=True)
        kept = night.segments["duration"].sum() / 30
        epochs = night.epochs["epoch"].tolist()
    instance = project.inst("source")
    instance.attach_edf(str(SOURCE))
    instance.attach_annot(str(annotations))
    found = instance.proc("EPOCH len=20 & MASK ifnot=N2 & RE & EPOCH table")
    assert int(found["RE: BL"]["NR2"].iloc[0]) == kept
    assert sorted(found["EPOCH: E"]["E"].tolist()) == epochs
