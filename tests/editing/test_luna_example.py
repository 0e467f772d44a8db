"""The example of Luna's documentation: freeze, mask, restructure, copy, freeze, thaw the first, thaw the second."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from readers.programs import decode

import eegarchive
from editing.referee import PSG, findings, operations, segments

FPZ, RESP = "EEG Fpz-Cz", "Resp oro-nasal"
KEPT = [3, 4, 5, 9]


def expect_whole(state: eegarchive.Archive | eegarchive.state.State) -> None:
    """The recording with ten epochs."""
    assert list(state.signals) == list(PSG.signals)
    for name, truth in PSG.signals.items():
        np.testing.assert_array_equal(state.signals[name].digital[:], truth.samples)
    assert state.epochs["epoch"].tolist() == list(range(1, 11))
    assert state.epochs["start"].tolist() == [30.0 * i for i in range(10)]
    assert not state.epochs["masked"].any()
    assert segments(state) == [(0.0, 300.0)]


def expect_restructured(state: eegarchive.Archive | eegarchive.state.State) -> None:
    """Epochs 3, 4, 5 and 9, and one channel twice."""
    assert list(state.signals) == [*PSG.signals, f"{FPZ}_V2"]
    for name, truth in {**PSG.signals, f"{FPZ}_V2": PSG.signals[FPZ]}.items():
        per_epoch = truth.samples.reshape(10, -1)
        expected = per_epoch[[number - 1 for number in KEPT]].reshape(-1)
        found = state.signals[name]
        np.testing.assert_array_equal(found.digital[:], expected)
        np.testing.assert_array_equal(found[:], expected * truth.scale_factor + truth.add_offset)
        assert (found.units, found.sampling_rate) == (truth.units, truth.sampling_rate)
    assert state.epochs["epoch"].tolist() == KEPT
    assert state.epochs["start"].tolist() == [60.0, 90.0, 120.0, 240.0]
    assert state.epochs["duration"].tolist() == [30.0] * 4
    assert not state.epochs["masked"].any()
    assert segments(state) == [(60.0, 150.0), (240.0, 270.0)]


def test_the_example_in_one_edit(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.freeze("F1")
        night.mask(keep_epochs="3-5,9")
        night.restructure()
        night.copy_signal(FPZ, f"{FPZ}_V2")
        night.freeze("F2")
        expect_restructured(night)
        night.thaw("F1")
        expect_whole(night)
        night.thaw("F2")
        expect_restructured(night)
    with eegarchive.open(psg) as archive:
        expect_restructured(archive)
        expect_whole(archive.freezes["F1"])
        expect_restructured(archive.freezes["F2"])
        assert operations(archive)[1:] == [
            "epochs", "freeze", "mask", "restructure", "copy-signal", "freeze", "thaw", "thaw",
        ]  # fmt: skip
    assert findings(psg) == []


def test_the_example_in_an_edit_for_each_command(psg: Path) -> None:
    def do(operation: str, *arguments: object, **options: object) -> None:
        with eegarchive.edit(psg) as night:
            getattr(night, operation)(*arguments, **options)
        assert findings(psg) == []

    archive = eegarchive.open(psg)  # stays open, and sees each commit
    with archive:
        do("set_epochs", 30)
        do("freeze", "F1")
        do("mask", keep_epochs="3-5,9")
        assert archive.epochs["epoch"][archive.epochs["masked"]].tolist() == [1, 2, 6, 7, 8, 10]
        do("restructure")
        do("copy_signal", FPZ, f"{FPZ}_V2")
        expect_restructured(archive)
        do("freeze", "F2")
        do("thaw", "F1")
        expect_whole(archive)
        do("thaw", "F2")
        expect_restructured(archive)
        expect_whole(archive.freezes["F1"])


def test_the_example_on_a_scored_clinical_recording(archives: dict[str, Path], tmp_path: Path) -> None:
    """17 channels, 1556 annotations; masked by its commonest kind of event."""
    stem = "edfplusc_clinical_psg_osas"
    if stem not in archives:
        pytest.skip("needs the recordings in shared/data/edf")
    path = Path(shutil.copy(archives[stem], tmp_path / "osas.h5"))
    with eegarchive.open(path) as archive:
        columns = archive.annotations.columns()
        names = list(archive.signals)
        rates = [archive.signals[name].sampling_rate for name in names]
    truths = [decode(SHARED / f"{stem}.edf", index).samples for index in range(len(names))]
    kind = max(set(columns["kind"]), key=columns["kind"].tolist().count)
    with eegarchive.edit(path) as night:
        night.set_epochs(30)
        night.freeze("F1")
        night.mask(keep=kind)
        kept = [
            int(n)
            for n, masked in zip(night.epochs["epoch"], night.epochs["masked"], strict=True)
            if not masked
        ]
        night.restructure()
        night.copy_signal(names[0], "copy")
        night.freeze("F2")
        night.thaw("F1")
        night.thaw("F2")
    hit = [
        n for n in range(1, 41)
        if any(
            row[1] == kind and row[0] < 30 * n and row[0] + max(row[2], 1e-9) > 30 * (n - 1)
            for row in zip(columns["onset"], columns["kind"], np.nan_to_num(columns["duration"]), strict=True)
        )
    ]  # fmt: skip
    assert kept == hit
    with eegarchive.open(path) as archive:
        assert list(archive.signals) == [*names, "copy"]
        for name, rate, truth in zip([*names, "copy"], [*rates, rates[0]], [*truths, truths[0]], strict=True):
            n = round(30 * rate)
            expected = np.concatenate([truth[(k - 1) * n : k * n] for k in kept])
            np.testing.assert_array_equal(archive.signals[name].digital[:], expected)
        assert archive.epochs["epoch"].tolist() == kept
        first = archive.freezes["F1"]
        for name, truth in zip(names, truths, strict=True):
            np.testing.assert_array_equal(first.signals[name].digital[:], truth)
    assert findings(path) == []
