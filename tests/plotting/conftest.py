"""Archives that pictures are made of."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pytest

import eegarchive

STAGES = ("W", "N1", "N2", "N3", "N2", "R")


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 EEG channels, 12 s."""
    rng = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(rng.normal(0, 20, 1200), 100, label=f"EEG {i}", physical_dimension="uV")
        for i in range(200)
    ]
    folder = tmp_path_factory.mktemp("many")
    edfio.Edf(signals).write(folder / "many.edf")
    eegarchive.convert(folder / "many.edf")
    return folder / "many.h5"


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes with stages and awkward annotations; epochs 3 to 6 masked (`masked`), then dropped (`short`)."""
    rng = np.random.default_rng(0)
    times = np.arange(60_000) / 100
    signals = [
        edfio.EdfSignal(
            50 * np.sin(2 * np.pi * 10 * times) + rng.normal(0, 5, 60_000),
            100,
            label="EEG C3",
            physical_dimension="uV",
        ),
        edfio.EdfSignal(rng.normal(0, 5, 60_000), 100, label="EMG chin", physical_dimension="mV"),
        edfio.EdfSignal(95 + np.sin(times[::100]), 1, label="SpO2", physical_dimension="%"),
    ]
    notes = [edfio.EdfAnnotation(30 * i, 30, f"Sleep stage {STAGES[i // 4 % 6]}") for i in range(20)]
    notes += [
        edfio.EdfAnnotation(100, 5, "Arousal@@EEG C3"),
        edfio.EdfAnnotation(0, None, r"costs $\frac$"),
        edfio.EdfAnnotation(200, None, "左 left"),
    ]
    folder = tmp_path_factory.mktemp("staged")
    edfio.Edf(signals, annotations=notes).write(folder / "night.edf")
    eegarchive.convert(folder / "night.edf")
    with eegarchive.edit(folder / "night.h5") as night:
        night.set_epochs(30)
        night.mask(drop_epochs="3-6")
        night.freeze("masked")
        night.restructure()
        night.freeze("short")
    return folder / "night.h5"
