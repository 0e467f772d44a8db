"""SPINDLES: what it puts out of a night with known spindles, and keeps in caches."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyedflib
import pytest

import eegarchive

from .numbers import ours

RATE, SECONDS = 128, 600
CENTRES = np.arange(15.0, SECONDS, 30.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night whose epochs have a spindle of 13 Hz each in C3, and none in C4."""
    path = tmp_path_factory.mktemp("spindles") / "night.edf"
    rng = np.random.default_rng(4)
    times = np.arange(SECONDS * RATE) / RATE
    noise = [np.convolve(rng.normal(0, 20, len(times)), np.ones(4) / 4, "same") for _ in range(2)]
    for centre in CENTRES:
        noise[0] += 60 * np.exp(-((times - centre) ** 2) / (2 * 0.25**2)) * np.cos(2 * np.pi * 13 * times)
    rates = [RATE, RATE, 10]
    headers = [
        {
            "label": label,
            "dimension": "uV",
            "sample_frequency": rate,
            "physical_min": -500,
            "physical_max": 500,
            "digital_min": -32768,
            "digital_max": 32767,
        }
        for label, rate in zip(("EEG C3", "EEG C4", "Resp"), rates, strict=True)
    ]
    with pyedflib.EdfWriter(str(path), 3, file_type=pyedflib.FILETYPE_EDF) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples([*noise, np.zeros(SECONDS * 10)])
    eegarchive.convert(path, path.with_suffix(".h5"))
    return path.with_suffix(".h5")


@pytest.fixture
def night(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "night.h5"))


def test_known_spindles_are_found(night: Path) -> None:
    table = ours(night, "SPINDLES fc=13")["SPINDLES_CH_F"].set_index("CH")
    assert list(table.index) == ["EEG_C3", "EEG_C4"]  # not Resp: its rate is too low
    c3 = table.loc["EEG_C3"]
    assert (c3["N"], c3["DENS"], c3["MINS"], c3["NE"], c3["F"]) == (20, 2.0, 10.0, 20, 13.0)
    assert c3["AMP"] == pytest.approx(120, rel=0.15)
    assert c3["FRQ"] == pytest.approx(13, abs=0.3)
    assert c3["FFT"] == pytest.approx(13, abs=0.3)
    assert 0.5 < c3["DUR"] < 1.5
    assert table.loc["EEG_C4", "N"] <= 2


def test_luna_finds_them_too(night: Path) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    from .numbers import lunas

    edf = night.with_suffix(".edf")
    eegarchive.export(night, edf)
    found, theirs = (
        tables["SPINDLES_CH_F"].set_index("CH").loc["EEG_C3"]
        for tables in (ours(night, "SPINDLES fc=13"), lunas(edf, "SPINDLES sig=EEG_C3 fc=13"))
    )
    for variable, tolerance in {"N": 0, "DENS": 0, "MINS": 0, "AMP": 0.1, "DUR": 0.1, "FFT": 0.03}.items():
        assert found[variable] == pytest.approx(float(theirs[variable]), rel=tolerance), variable


def test_each_of_them(night: Path) -> None:
    table = ours(night, "SPINDLES sig=EEG_C3 fc=13 per-spindle")["SPINDLES_CH_F_SPINDLE"]
    assert table["SPINDLE"].tolist() == list(range(1, 21))
    np.testing.assert_allclose(table["PEAK"], CENTRES, atol=0.2)
    np.testing.assert_array_equal(table["PEAK"], table["PEAK_SP"] / RATE)
    np.testing.assert_allclose(table["STOP"] - table["START"], table["DUR"], rtol=1e-9)


def test_peaks_are_kept_in_caches(night: Path) -> None:
    script = "SPINDLES sig=EEG_C3 fc=13 cache-peaks=p cache-peaks-sec=s"
    ours(night, script)
    with eegarchive.open(night) as archive:
        points = archive.cache["p"].get("points", CH="EEG C3", F=13.0)
        seconds = archive.cache["s"].get("seconds", CH="EEG C3", F=13.0)
        np.testing.assert_allclose(seconds, CENTRES, atol=0.2)
        np.testing.assert_array_equal(np.asarray(points) / RATE, seconds)


def test_samples_are_stale_once_some_before_them_are_dropped_and_times_are_not(night: Path) -> None:
    ours(night, "SPINDLES sig=EEG_C3 fc=13 cache-peaks=p cache-peaks-sec=s")
    with eegarchive.edit(night) as archive:
        archive.mask(drop_epochs="1-2")
        archive.restructure(preserve_cache=True)
    with eegarchive.open(night) as archive:
        assert len(archive.cache["s"].get("seconds", CH="EEG C3", F=13.0)) == 20
        with pytest.raises(eegarchive.StaleValue):
            archive.cache["p"].get("points", CH="EEG C3", F=13.0)


def test_times_after_a_restructure_are_those_of_the_clock(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.mask(keep_epochs="5,6,11")
        archive.restructure()
    found = ours(night, "SPINDLES sig=EEG_C3 fc=13 per-spindle")
    table = found["SPINDLES_CH_F_SPINDLE"]
    np.testing.assert_allclose(table["PEAK"], CENTRES[[4, 5, 10]], atol=0.2)
    np.testing.assert_allclose(table["PEAK_SP"] / RATE, [15, 45, 75], atol=0.2)
    assert found["SPINDLES_CH_F"]["MINS"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("fc=1", "fc=1: must be above 2 Hz"),
        ("fc=13,13", "fc=13 is given twice"),
        ("th=0", "th=0: must be above 0"),
        ("cache-peaks", "cache-peaks needs a value"),
        ("so", "so isn't supported"),
    ],
)
def test_parameters_that_cannot_be(night: Path, parameters: str, message: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        ours(night, f"SPINDLES sig=EEG_C3 {parameters}")
