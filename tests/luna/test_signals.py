"""COPY, SIGNALS, RENAME, RESAMPLE and FILTER, against Luna where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, ScriptError
from eegarchive.luna.runner import run
from eegarchive.numerics import kaiser_fir
from tests.conftest import DATA

SOURCE = DATA / "edf_sleep_psg_30s_records.edf"
LABELS = [
    "EEG Fpz-Cz",
    "EEG Pz-Oz",
    "EOG horizontal",
    "Resp oro-nasal",
    "EMG submental",
    "Temp rectal",
    "Event marker",
]


def done(archive: Path, script: str) -> list[str]:
    """Run a script; its log."""
    return run(archive, script).outcomes[0].log


def labels(archive: Path) -> list[str]:
    with eegarchive.open(archive) as night:
        return list(night.signals)


def lunas(script: str, name: str) -> Any:
    """Values of a signal in Luna."""
    lunapi = pytest.importorskip("lunapi")
    project = lunapi.proj()
    project.silence(True)
    instance = project.inst("x")
    instance.attach_edf(str(SOURCE))
    instance.proc(script)
    return np.asarray(instance.data([name])[1])[:, -1].astype(float)


@pytest.mark.parametrize(
    ("words", "new"),
    [
        ("sig=EEG_Fpz_Cz tag=V2", ["EEG Fpz-Cz_V2"]),
        ("sig=eeg_fpz_cz tag=_V2", ["EEG Fpz-Cz_V2"]),
        ("sig=EEG* pretag=V2", ["V2_EEG Fpz-Cz", "V2_EEG Pz-Oz"]),
        ("sig=EEG_Pz_Oz,EEG_Fpz_Cz tag=raw", ["EEG Pz-Oz_raw", "EEG Fpz-Cz_raw"]),
        ("sig=EEG_Fpz_Cz new=C3", ["C3"]),
        ("sig=nowhere tag=V2", []),
        ("sig=EEG_Fpz_Cz new=eeg_pz_oz", []),
    ],
)
def test_copies_are_exact_and_named_as_the_page_says(psg: Path, words: str, new: list[str]) -> None:
    done(psg, f"COPY {words}")
    assert labels(psg) == LABELS + new
    with eegarchive.open(psg) as night:
        for name in new:
            old = night.signals["EEG Pz-Oz" if "Pz" in name else "EEG Fpz-Cz"]
            assert (night.signals[name].digital[:] == old.digital[:]).all()
            assert night.signals[name].pieces == old.pieces


def test_a_copy_that_is_there_already_is_told(psg: Path) -> None:
    log = done(
        psg, "COPY sig=EEG_Fpz_Cz tag=V2 & COPY sig=EEG_Fpz_Cz tag=V2 & COPY sig=EEG_Pz_Oz tag=V2 silent"
    )
    assert log == [
        "copied EEG_Fpz_Cz to EEG Fpz-Cz_V2",
        "EEG_Fpz_Cz isn't copied: there is a signal EEG Fpz-Cz_V2 already",
    ]


def test_copies_of_equal_labels_are_told_apart(archives: dict[str, Path], tmp_path: Path) -> None:
    archive = tmp_path / "x.h5"
    archive.write_bytes(archives["edf_cpap_8h_13ch_duplicate_labels"].read_bytes())
    done(archive, "COPY sig=Ti,Ti.1 tag=V2")
    assert labels(archive)[-2:] == ["Ti_V2", "Ti.1_V2"]


@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("SIGNALS keep=EEG*", LABELS[:2]),
        ("SIGNALS keep=EEG_Pz_Oz,nowhere,EEG_Fpz_Cz", LABELS[:2]),
        ("SIGNALS drop=EEG_Fpz_Cz,nowhere", LABELS[1:]),
        ("SIGNALS req=EEG_Pz_Oz", LABELS[1:2]),
        ("SIGNALS pick=nowhere,EEG_Pz_Oz,EEG_Fpz_Cz,EMG*", [*LABELS[1:4], *LABELS[5:]]),
        ("SIGNALS pick=EEG_Pz_Oz,EEG_Fpz_Cz rename=C4", ["C4", *LABELS[2:]]),
    ],
)
def test_signals_are_kept_and_dropped(psg: Path, script: str, left: list[str]) -> None:
    done(psg, script)
    assert labels(psg) == left


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("SIGNALS", "exactly one of drop, keep, pick, req"),
        ("SIGNALS keep=EEG* drop=EMG*", "this has drop and keep"),
        ("SIGNALS keep=nowhere", "none of them; there are EEG_Fpz_Cz, EEG_Pz_Oz"),
        ("SIGNALS pick=nowhere", "none of them"),
        ("SIGNALS req=EEG*,nowhere", "req=nowhere: there is no such signal"),
        ("SIGNALS keep=EEG* rename=C4", "what pick= picks"),
        ("COPY sig=EEG*", "exactly one of new, pretag, tag"),
        ("COPY sig=EEG* new=C3", "one label, for 2 signals"),
        ("RENAME sig=EEG* new=C3", "2 signals and 1 new labels"),
        ("RENAME sig=EEG_Fpz_Cz,nowhere new=C3,C4", "1 signals and 2 new labels"),
        ("RENAME sig=EEG_Fpz_Cz new=eeg_pz_oz", "there is a signal eeg_pz_oz already"),
        ("RENAME sig=EEG_Fpz_Cz", "needs new="),
        ("RENAME new=C3", "needs sig="),
        ("RESAMPLE sig=EEG*", "needs sr="),
        ("RESAMPLE sig=EEG* sr=0", "above 0"),
        ("FILTER sig=EEG* tw=1 ripple=0.02", "needs one of bandpass, highpass, lowpass"),
        ("FILTER sig=EEG* bandpass=35 tw=1 ripple=0.02", "needs two frequencies"),
        ("FILTER sig=EEG* lowpass=3,5 tw=1 ripple=0.02", "needs one frequency"),
        ("FILTER sig=EEG* bandpass=0.3,35", "needs tw="),
        ("FILTER bandpass=0.3,35 tw=1 ripple=0.02", "needs sig="),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changed(psg: Path, script: str, what: str) -> None:
    before = psg.read_bytes()
    with pytest.raises(ScriptError, match=what):
        done(psg, f"RENAME sig=Event_marker new=Button & {script}")
    assert psg.read_bytes() == before


def test_edges_beyond_half_the_rate_are_told_with_the_signal(psg: Path) -> None:
    with pytest.raises(EEGArchiveError, match=r"FILTER: signal 'EEG Fpz-Cz'.*below half the sampling rate"):
        done(psg, "FILTER sig=EEG* lowpass=60 tw=1 ripple=0.02")


def test_renamed_signals_keep_their_places_in_the_order_asked_for(psg: Path) -> None:
    done(psg, "RENAME sig=EEG_Pz_Oz,EEG_Fpz_Cz new=C4,C3")
    assert labels(psg) == ["C3", "C4", *LABELS[2:]]
    done(psg, "RENAME sig=C3 new=c3")
    assert labels(psg)[0] == "c3"


@pytest.mark.parametrize(
    "words",
    ["bandpass=0.3,35 tw=1 ripple=0.02", "lowpass=20 tw=2 ripple=0.01", "highpass=2 tw=1 ripple=0.05"],
)
def test_filters_are_lunas_but_for_its_16_bits(psg: Path, words: str) -> None:
    script = f"FILTER sig=EEG_Fpz_Cz {words}"
    theirs = lunas(script, "EEG_Fpz_Cz")
    done(psg, script)
    with eegarchive.open(psg) as night:
        values = night.signals["EEG Fpz-Cz"][:]
        assert night.signals["EEG Fpz-Cz"].dtype == np.float32
    step = (theirs.max() - theirs.min()) / 4095  # Luna keeps the header's digital range
    assert np.abs(values - theirs).max() <= 1.05 * step


@pytest.mark.clause("O-7")
def test_a_filter_with_kaisers_window_sees_zeros_beyond_each_segment(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs=[5])
        night.restructure()
        before = night.signals["EEG Fpz-Cz"][:]
        night.filter(0.3, 35.0, ["EEG Fpz-Cz"], transition=1.0, ripple=0.02)
        after = night.signals["EEG Fpz-Cz"][:]
        design = json.loads(night.history["parameters"][-1])["design"]["100 Hz"]
    taps = kaiser_fir(100, 0.3, 35, 1, 0.02)
    expected = np.concatenate([np.convolve(part, taps, "same") for part in (before[:12000], before[12000:])])
    np.testing.assert_allclose(after, expected, atol=1e-5 * np.abs(expected).max())
    assert (design["filter_length"], design["fir_window"], design["pad"]) == (len(taps), "kaiser", "zeros")


def test_a_kaiser_filter_needs_both_numbers(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        with pytest.raises(EEGArchiveError, match="give both or none"):
            night.filter(0.3, 35.0, transition=1.0)
        with pytest.raises(EEGArchiveError, match="too large"):
            night.filter(0.3, 35.0, transition=1.0, ripple=0.6)
        with pytest.raises(EEGArchiveError, match="wider transition"):
            night.filter(0.3, 35.0, transition=1e-5, ripple=0.01)


def test_resampled_signals_are_near_lunas(psg: Path) -> None:
    script = "RESAMPLE sig=EEG_Fpz_Cz,EMG_submental sr=50"
    theirs = lunas("RESAMPLE sig=EEG_Fpz_Cz sr=50", "EEG_Fpz_Cz")
    log = done(psg, script)
    with eegarchive.open(psg) as night:
        values = night.signals["EEG Fpz-Cz"][:]
        assert night.signals["EMG submental"].sampling_rate == 50
    assert log == ["resampled to 50 Hz: EEG_Fpz_Cz, EMG_submental"]
    assert len(values) == len(theirs)
    assert np.corrcoef(values, theirs)[0, 1] > 0.99


def test_signals_of_the_rate_already_stay_as_they_are(psg: Path) -> None:
    before = psg.read_bytes()
    assert done(psg, "RESAMPLE sig=EEG* sr=100") == []
    assert psg.read_bytes() == before
