"""PSD: what Luna puts out, number for number."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyedflib
import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, ScriptError

from .numbers import SCRIPTS, assert_same, expected, lunas, ours

RATES = [10, 49, 50, 60, 99, 101, 128]
STAGES = ["W", "N2", "N2", "N3", "N2", "R", "N2", "W"]


def write_edf(path: Path, rates: Sequence[int], seconds: int) -> None:
    """Noise in 1 s records, zero in the last signal."""
    rng = np.random.default_rng(8)
    names = [*(f"R{rate}" for rate in rates), "ZERO"]
    headers = [
        {
            "label": name,
            "dimension": "uV",
            "sample_frequency": rate,
            "physical_min": -32768,
            "physical_max": 32767,
            "digital_min": -32768,
            "digital_max": 32767,
        }
        for name, rate in zip(names, [*rates, 100], strict=True)
    ]
    with pyedflib.EdfWriter(str(path), len(names), file_type=pyedflib.FILETYPE_EDF) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(
            [*(rng.normal(2, 4000, rate * seconds) for rate in rates), np.zeros(100 * seconds)]
        )


@pytest.fixture(scope="module")
def edf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("power") / "rates.edf"
    write_edf(path, RATES, 30 * len(STAGES) + 5)
    return path


@pytest.fixture(scope="module")
def made(edf: Path) -> Path:
    archive = edf.with_suffix(".h5")
    eegarchive.convert(edf, archive)
    with eegarchive.edit(archive) as night:
        night.add_annotations(np.arange(len(STAGES)) * 30.0, np.full(len(STAGES), 30.0), STAGES)
    return archive


@pytest.fixture
def night(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "rates.h5"))


def test_the_numbers_that_luna_gave(psg: Path) -> None:
    found, frozen = ours(psg, SCRIPTS["PSD"]), expected("PSD")
    assert sorted(found) == sorted(frozen) == ["PSD_B_CH", "PSD_B_CH_E", "PSD_CH", "PSD_CH_E_F", "PSD_CH_F"]
    for name, table in frozen.items():
        assert_same(found[name], table, name)


@pytest.mark.parametrize(
    "script",
    [
        "PSD spectrum epoch-spectrum min=0 max=80",
        "PSD epoch dB",
        "PSD spectrum min=2 max=10.5 hann",
        "PSD spectrum hamming segment-sec=3.3 segment-overlap=1.1",
        "PSD spectrum no-window segment-sec=10",
        "EPOCH len=6 & PSD spectrum epoch",
        "EPOCH len=5 & PSD spectrum segment-sec=3 segment-overlap=1 max=45",
    ],
)
def test_luna_gives_the_same(edf: Path, night: Path, script: str) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    # Luna's nanoseconds lose samples of 60 Hz in epochs that don't begin on whole seconds; here all do
    if script.startswith("EPOCH"):
        with eegarchive.edit(night) as archive:
            archive.set_epochs(float(script.split("len=")[1].split()[0]))
        found = ours(night, script.split("&")[1])
    else:
        found = ours(night, script)
    theirs = {name: table for name, table in lunas(edf, script).items() if name.startswith("PSD")}
    assert sorted(found) == sorted(theirs)
    for name, table in theirs.items():
        table = table[table["CH"] != "ZERO"]
        own = found[name]
        assert_same(own[own["CH"] != "ZERO"], table, name)


@pytest.mark.parametrize("dropped", [False, True])
def test_masked_epochs_as_luna(edf: Path, night: Path, tmp_path: Path, dropped: bool) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    annotations = tmp_path / "rates.annot"
    with eegarchive.edit(night) as archive:
        eegarchive.export_annotations(archive, annotations)
        archive.set_epochs(15)
        archive.mask(keep="N2")
        if dropped:
            archive.restructure(whole_records=True)
    found = ours(night, "PSD spectrum epoch sig=R101,R128,R50")
    restructure = "& RE" if dropped else ""
    theirs = lunas(
        edf, f"EPOCH len=15 & MASK ifnot=N2 {restructure} & PSD spectrum epoch sig=R101,R128,R50", annotations
    )
    assert set(found["PSD_B_CH_E"]["E"]) == {3, 4, 5, 6, 9, 10, 13, 14}
    for name, table in found.items():
        assert_same(table, theirs[name], name)


def test_bands_add_up_and_low_rates_have_none(night: Path) -> None:
    found = ours(night, "PSD spectrum")
    assert set(found["PSD_B_CH"]["CH"]) == {"R101", "R128", "ZERO"}
    assert set(found["PSD_CH_F"]["CH"]) == {"R50", "R60", "R99", "R101", "R128", "ZERO"}
    table = found["PSD_B_CH"].set_index(["CH", "B"])
    parts = ["SLOW", "DELTA", "THETA", "ALPHA", "SIGMA", "BETA", "GAMMA"]
    own = table.loc["R128"]
    assert own.loc[parts, "PSD"].sum() == pytest.approx(own.loc["TOTAL", "PSD"], rel=1e-12)
    assert own.loc[parts, "RELPSD"].sum() == pytest.approx(1.0)
    zero = table.loc["ZERO"]
    assert (zero["PSD"] == 0).all()
    assert zero["RELPSD"].isna().all()


def test_all_epochs_masked(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.mask(drop_epochs="1-99")
    found = ours(night, "PSD spectrum epoch sig=R128")
    assert list(found) == ["PSD_CH"]
    assert found["PSD_CH"]["NE"].tolist() == [0]


def test_epochs_far_apart_are_read_alone(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with eegarchive.edit(night) as archive:
        archive.mask(keep_epochs="1,2,5,8")
    whole = ours(night, "PSD spectrum epoch sig=R128")
    monkeypatch.setattr("eegarchive.luna.reading._BLOCK_SAMPLES", 5000)
    monkeypatch.setattr("eegarchive.luna.reading._READ_OVER", 0)
    parts = ours(night, "PSD spectrum epoch sig=R128")
    for name, table in whole.items():
        assert table.equals(parts[name])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("segment-sec=2", "segment-overlap=2 must be below segment-sec=2"),
        ("min=5 max=5", "min=5 and max=5 Hz"),
        ("hann hamming", "one window, not hann and hamming"),
        ("segment-sec=0.01 segment-overlap=0", "R50: segments of 0.01 s"),
        ("segment-inc=1", "segment-inc isn't supported"),
        ("spectra", "did you mean spectrum"),
    ],
)
def test_parameters_that_cannot_be(night: Path, parameters: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        _run(night, f"PSD {parameters}")


def _run(night: Path, script: str) -> None:
    try:
        ours(night, script)
    except ScriptError:
        raise
    except EEGArchiveError as error:  # the runner's, which has the message of the command's
        raise ScriptError(str(error)) from None


def test_epochs_too_short_for_a_spectrum(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.set_epochs(0.02)
    with pytest.raises(
        EEGArchiveError, match="line 1: PSD: R50: epochs of 1 samples at 50 Hz have no spectrum"
    ):
        ours(night, "PSD sig=R50")


def test_overlapping_epochs_are_each_their_own(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.set_epochs(30, step=10)
        starts = archive.epochs["start"]
    found = ours(night, "STATS epoch sig=R128")["STATS_CH_E"]
    with eegarchive.open(night) as archive:
        values = archive.signals["R128"][:]
    expected = [values[int(start) * 128 :][: 30 * 128].mean() for start in starts]
    np.testing.assert_allclose(found["MEAN"], expected, rtol=1e-9)


def test_epochs_of_several_lengths_are_refused() -> None:
    from eegarchive.luna.reading import epoch_samples

    epochs = {"start": np.array([0.0, 30.0]), "duration": np.array([30.0, 20.0]), "epoch": np.array([1, 2])}
    with pytest.raises(EEGArchiveError, match="several lengths"):
        epoch_samples(None, epochs, 100.0)  # type: ignore[arg-type]


def test_epochs_never_end_behind_the_last_sample() -> None:
    from eegarchive.luna.reading import epoch_samples
    from eegarchive.state import first_samples

    segments = {"start": np.array([0.0, 10.0]), "duration": np.array([1.5, 1.0])}
    state = SimpleNamespace(segments=SimpleNamespace(columns=lambda: segments))
    epochs = {"start": np.array([0.0, 10.0]), "duration": np.ones(2), "epoch": np.array([1, 2])}
    starts, count = epoch_samples(state, epochs, 1.0)  # type: ignore[arg-type]
    assert first_samples(segments["duration"], 1.0).tolist() == [0, 2, 2]
    assert (starts.tolist(), count) == ([0, 1], 1)


def test_values_go_into_a_cache(night: Path) -> None:
    pytest.importorskip("eegarchive.luna.commands.caching")
    ours(night, "CACHE cache=c record=PSD,PSD,B,CH & PSD sig=R101,R128")
    found = ours(night, "PSD sig=R128")["PSD_B_CH"].set_index("B")["PSD"]
    with eegarchive.open(night) as archive:
        assert archive.cache["c"].get("PSD:PSD", B="ALPHA", CH="R128") == found["ALPHA"]


def test_nothing_is_changed(night: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.set_epochs()
    before = _digest(night)
    ours(night, "PSD & STATS epoch & SPINDLES sig=R128")
    assert _digest(night) == before


def _digest(archive: Path) -> str:
    with eegarchive.open(archive) as opened:
        return opened.digest
