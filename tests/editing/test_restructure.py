"""Restructure: what is left, exactly by sample or in whole records, once and again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import (
    GAPS,
    MIXED,
    PSG,
    RECORDINGS,
    Recording,
    abandoned,
    assert_samples,
    epochs,
    findings,
    grid,
    operations,
    sample_seconds,
    seconds_left,
    segments,
)


def test_masked_epochs_are_cut_out_and_the_rest_stays_where_it_was(night: eegarchive.EditableArchive) -> None:
    night.mask(keep="N2")
    report = night.restructure()
    assert str(report) == "4 of 10 epochs are left: 120 of 300 s in 3 segments"
    assert (report.epochs, report.duration, report.segments) == ((10, 4), (300.0, 120.0), (1, 3))
    assert segments(night) == [(60.0, 120.0), (150.0, 180.0), (240.0, 270.0)]
    assert [(e.number, e.start, e.masked) for e in epochs(night)] == [
        (3, 60.0, False), (4, 90.0, False), (6, 150.0, False), (9, 240.0, False),
    ]  # fmt: skip
    for name, truth in PSG.signals.items():
        n = int(truth.sampling_rate)
        expected = np.r_[
            truth.samples[60 * n : 120 * n],
            truth.samples[150 * n : 180 * n],
            truth.samples[240 * n : 270 * n],
        ]
        np.testing.assert_array_equal(night.signals[name].digital[:], expected)
        np.testing.assert_array_equal(
            night.signals[name][:], expected * truth.scale_factor + truth.add_offset
        )


def test_times_still_count_from_the_recordings_start(night: eegarchive.EditableArchive) -> None:
    start = night.start
    annotations = night.annotations.rows().tobytes()
    night.mask(keep="N2")
    night.restructure()
    assert night.start == start
    assert night.annotations.rows().tobytes() == annotations
    truth = PSG.signals["EEG Fpz-Cz"]
    found = night.read(["EEG Fpz-Cz"], 155.0, 160.0)
    np.testing.assert_array_equal(
        found[0], truth.samples[15500:16000] * truth.scale_factor + truth.add_offset
    )
    with pytest.raises(
        ValueError, match="isn't within one segment of the recording; there are 60-120 s, 150-180 s"
    ):
        night.read(["EEG Fpz-Cz"], 110.0, 160.0)


@pytest.mark.clause("O-4")
def test_without_masked_epochs_nothing_is_dropped(apnoea: eegarchive.EditableArchive) -> None:
    apnoea.set_epochs(60)
    before = apnoea.digest
    assert apnoea.restructure().duration == (10992.0, 10992.0)
    assert apnoea.digest == before
    assert_samples(apnoea, GAPS, GAPS.segments)


def test_time_in_no_epoch_goes_too(apnoea: eegarchive.EditableArchive) -> None:
    apnoea.set_epochs(1000)  # leaves 724, 84 and 184 s over
    apnoea.mask(drop_epochs=1)
    apnoea.restructure()
    assert segments(apnoea) == [(1000.0, 2000.0), (5631.0, 11631.0), (13656.0, 15656.0)]
    assert_samples(apnoea, GAPS, segments(apnoea))


def test_a_segment_without_epochs_left_is_gone(apnoea: eegarchive.EditableArchive) -> None:
    apnoea.set_epochs(60)
    apnoea.mask(keep_times=(13656, 13700))
    report = apnoea.restructure()
    assert segments(apnoea) == [(13656.0, 13716.0)]
    assert report.segments == (3, 1)
    assert_samples(apnoea, GAPS, [(13656, 13716)])


def test_an_overlapping_epoch_that_stays_keeps_its_time(night: eegarchive.EditableArchive) -> None:
    night.set_epochs(60, step=30)
    night.mask(keep_epochs=[2, 5])
    night.restructure()
    assert segments(night) == [(30.0, 90.0), (120.0, 180.0)]
    assert_samples(night, PSG, segments(night))


@pytest.mark.clause("O-4")
@settings(max_examples=150, deadline=None)
@given(data=st.data(), recording=st.sampled_from(RECORDINGS))
def test_any_restructures_are_the_referees(
    archives: dict[str, Path], data: st.DataObject, recording: Recording
) -> None:
    """Up to four of them, with other epochs in between, in whole records or not."""
    unit = {PSG.stem: 1, GAPS.stem: 4, MIXED.stem: 2}[recording.stem]
    with abandoned(archives[recording.stem]) as night:
        before = [(float(a), float(b)) for a, b in recording.segments]
        for _ in range(data.draw(st.integers(1, 4), "restructures")):
            longest = int(max(b - a for a, b in before)) // unit
            least = max(1, longest // 60)
            length = unit * data.draw(st.integers(least, max(least, longest // 2)), "length")
            step = unit * data.draw(st.integers(least, max(least, longest // 2)), "step")
            offset = unit * data.draw(st.integers(0, longest // 4), "offset")
            if not grid(before, length, step, offset):
                break
            if data.draw(st.booleans(), "new epochs") or not len(night.epochs):
                night.set_epochs(length, step, offset)
            seed, share = (
                data.draw(st.integers(0, 999), "seed"),
                data.draw(st.sampled_from([0.1, 0.5, 0.9]), "share"),
            )
            dice = random.Random(seed)
            night.mask(drop_epochs=[e.number for e in epochs(night) if dice.random() < share])
            marked = epochs(night)
            whole = data.draw(st.booleans(), "whole records")
            if all(e.masked for e in marked):
                with pytest.raises(eegarchive.EEGArchiveError, match=f"all {len(marked)} epochs are masked"):
                    night.restructure(whole)
                break
            night.restructure(whole)
            if any(e.masked for e in marked):
                before = seconds_left(
                    before, marked, (recording.segments, recording.record) if whole else None
                )
            assert segments(night) == before
            assert epochs(night) == [e for e in marked if not e.masked]
            assert_samples(night, recording, before)


@pytest.mark.clause("O-4")
def test_one_unmasked_epoch_keeps_a_whole_record_as_luna_does(night: eegarchive.EditableArchive) -> None:
    """30-s records, 2-s epochs: for one epoch the record stays."""
    night.set_epochs(2)
    night.mask(keep_epochs=[17])  # 32-34 s
    report = night.restructure(whole_records=True)
    assert segments(night) == [(30.0, 60.0)]
    assert [(e.number, e.start, e.stop) for e in epochs(night)] == [(17, 32.0, 34.0)]
    assert report.epochs == (150, 1)
    assert_samples(night, PSG, [(30, 60)])


def test_records_are_the_recordings_after_an_exact_restructure_too(night: eegarchive.EditableArchive) -> None:
    night.set_epochs(10)
    night.mask(keep_epochs="5-9")  # 40-90 s
    night.restructure()
    night.mask(keep_epochs=6)  # 50-60 s, in the record 30-60 s
    night.restructure(whole_records=True)
    assert segments(night) == [(40.0, 60.0)]
    assert_samples(night, PSG, [(40, 60)])


def test_records_with_two_rates_need_no_whole_samples_of_the_epoch(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(7.5)
        night.mask(drop_epochs="1-5")  # up to 37.5 s
        before = night.digest, operations(night)
        with pytest.raises(
            eegarchive.EEGArchiveError,
            match=r"epoch 6 starts at 37\.5 s, between two samples of 'Resp oro-nasal' \(1 Hz\); choose other epochs, "
            r"or keep whole records \(--whole-records\)",
        ):
            night.restructure()
        assert (night.digest, operations(night)) == before
        night.restructure(whole_records=True)
        assert segments(night) == [(30.0, 300.0)]
        assert_samples(night, PSG, [(30, 300)])
    assert findings(psg) == []


def test_the_end_of_an_epoch_off_the_samples_is_said_too(copy_of: Callable[[Recording], Path]) -> None:
    path = copy_of(MIXED)
    with eegarchive.edit(path) as night:
        night.set_epochs(3)
        night.mask(drop_epochs=2)
        with pytest.raises(
            eegarchive.EEGArchiveError,
            match=r"epoch 1 ends at 3 s, between two samples of 'pink noise' \(487\.5 Hz\)",
        ):
            night.restructure()
        night.drop_signals(["pink noise", "white noise"])
        night.restructure()
        assert len(night.signals["sine 2.5Hz"]) == 27 * 500
    assert findings(path) == []


def test_all_masked_is_refused(night: eegarchive.EditableArchive) -> None:
    night.mask(keep="N2")
    night.mask(keep="W")
    before = night.digest, operations(night)
    with pytest.raises(eegarchive.EEGArchiveError, match="all 10 epochs are masked; nothing would be left"):
        night.restructure()
    assert (night.digest, operations(night)) == before


def test_no_sample_is_copied_and_other_tools_see_what_is_left(
    copy_of: Callable[[Recording], Path], case: Recording
) -> None:
    path = copy_of(case)
    with h5py.File(path) as h5:
        stored = sorted(h5["data"])
    with eegarchive.edit(path) as night:
        night.set_epochs(8 if case is GAPS else 2)
        dice = random.Random(1)
        night.mask(drop_epochs=[e.number for e in epochs(night) if dice.random() < 0.5])
        marked = epochs(night)
        night.restructure()
    expected = seconds_left([(float(a), float(b)) for a, b in case.segments], marked)
    with eegarchive.open(path) as archive:
        assert segments(archive) == expected
        assert_samples(archive, case, expected)
    with h5py.File(path) as h5:
        assert sorted(h5["data"]) == stored
        for name, truth in case.signals.items():
            seconds = sample_seconds(case.segments, truth.sampling_rate)
            kept = np.isin(seconds, np.concatenate([np.arange(a, b) for a, b in expected]))
            np.testing.assert_array_equal(h5["signals"][name][:], truth.samples[kept])
            np.testing.assert_array_equal(h5["freezes/source/signals"][name][:], truth.samples)
    assert findings(path) == []


def test_a_restructure_of_a_rate_without_end_is_exact(
    copy_of: Callable[[Recording], Path], archives: dict[str, Path], tmp_path: Path
) -> None:
    """Records of 1.0284 s: the rates are 486.192... and 48.619... Hz."""
    import shutil

    from readers.programs import DATA, decode

    stem = "bdf_ecg_noninteger_rate"
    path = Path(shutil.copy(archives[stem], tmp_path / "ecg.h5"))
    with eegarchive.edit(path) as night:
        assert night.set_epochs(1.0284) == 36
        night.mask(drop_epochs=[1, 7, 8, 30])
        night.restructure()
        for index, signal in enumerate(night.signals.values()):
            truth = decode(DATA / f"{stem}.bdf", index).samples.reshape(36, -1)
            np.testing.assert_array_equal(
                signal.digital[:], np.delete(truth, [0, 6, 7, 29], axis=0).reshape(-1)
            )
    assert findings(path) == []
