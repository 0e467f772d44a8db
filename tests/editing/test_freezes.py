"""Freezes: what they keep, which tags they can have, and that a thaw gives all of it back."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from editing.referee import PSG, assert_samples, epochs, findings, masked_numbers, operations, segments

FPZ = "EEG Fpz-Cz"


@pytest.mark.clause("O-8")
def test_a_thaw_gives_back_all_that_was_frozen(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([60], [30], ["N2"])
        night.set_epochs(20)
        night.mask(drop_epochs="2-4")
        rows = {name: getattr(night, name).rows().tobytes() for name in ("annotations", "epochs", "segments")}
        digest, names = night.digest, list(night.signals)
        night.freeze("before", note="all of it")

        night.restructure()
        night.drop_annotations()
        night.drop_signals(names[1:4])
        night.rename_signal(FPZ, "C3")
        night.set_signal("C3", units="mV")
        night.signals["C3"].digital[0:100] = np.zeros(100, "<i2")
        night.freeze("after")
        other = night.digest
        assert other != digest

        report = night.thaw("before")
        assert (report.tag, report.kept_as) == ("before", None)
        assert (night.digest, list(night.signals)) == (digest, names)
        assert {name: getattr(night, name).rows().tobytes() for name in rows} == rows
        assert masked_numbers(night) == [2, 3, 4]
        assert_samples(night, PSG, PSG.segments)
    with eegarchive.open(psg) as archive:
        assert archive.digest == digest
        assert_samples(archive, PSG, PSG.segments)
        assert {name: getattr(archive, name).rows().tobytes() for name in rows} == rows
        frozen = archive.freezes["after"]
        assert frozen.digest == other
        assert list(frozen.signals) == ["C3", *names[4:]]
        assert segments(frozen) == [(0.0, 20.0), (80.0, 300.0)]
        truth = PSG.signals[FPZ].samples
        np.testing.assert_array_equal(
            frozen.signals["C3"].digital[:], np.r_[np.zeros(100), truth[100:2000], truth[8000:]]
        )
        assert frozen.signals["C3"].units == "mV"
    assert findings(psg) == []


def test_a_freeze_and_a_thaw_write_no_samples_again(psg: Path) -> None:
    with h5py.File(psg) as h5:
        stored = sorted(h5["data"])
    size = psg.stat().st_size
    for i in range(10):
        with eegarchive.edit(psg) as night:
            night.freeze(f"tag{i}")
    assert psg.stat().st_size - size < 10 * 16_384
    with h5py.File(psg) as h5:
        assert sorted(h5["data"]) == stored
        for i in range(10):
            assert h5[f"freezes/tag{i}/signals"][FPZ] == h5["data"][h5["pieces"][0]["data"]]
    assert findings(psg) == []


@pytest.mark.parametrize("tag", ["N2", "a.b_c-1", "x" * 64, "...", "-"])
def test_tags_that_can_be(psg: Path, tag: str) -> None:
    with eegarchive.edit(psg) as night:
        night.freeze(tag)
        assert list(night.freezes) == sorted(["source", tag])
    with eegarchive.open(f"{psg}@{tag}") as archive:
        assert_samples(archive, PSG, PSG.segments)


@pytest.mark.clause("F-7")
@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", r"'' can't be a tag: 1 to 64 ASCII letters, digits, '\.', '_' and '-'"),
        ("x" * 65, "can't be a tag"),
        ("a b", "'a b' can't be a tag"),
        ("a/b", "can't be a tag"),
        ("N2\n", "can't be a tag"),
        ("é", "can't be a tag"),
        ("٣", "can't be a tag"),
        (".", "can't be a tag"),
        ("..", "can't be a tag"),
        ("source", "the tag 'source' is reserved; choose another one"),
        ("remove", "the tag 'remove' is reserved; choose another one"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_tags_that_cannot_be(psg: Path, tag: str, message: str, overwrite: bool) -> None:
    with eegarchive.edit(psg) as night:
        with pytest.raises(eegarchive.EEGArchiveError, match=f"psg.h5: .*{message}"):
            night.freeze(tag, overwrite=overwrite)
        assert (list(night.freezes), operations(night)) == (["source"], ["convert"])


def test_a_tag_in_use_is_replaced_only_if_asked_for(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.freeze("N2")
        first = night.digest
        night.drop_signals([FPZ])
        with pytest.raises(
            eegarchive.TargetExists,
            match=r"there is a freeze 'N2' already; choose another tag, or overwrite it \(--overwrite\)",
        ):
            night.freeze("N2")
        assert night.freezes["N2"].digest == first
        assert FPZ in night.freezes["N2"].signals
        night.freeze("N2", overwrite=True)
        assert night.freezes["N2"].digest == night.digest
        assert FPZ not in night.freezes["N2"].signals
    with eegarchive.open(f"{psg}@N2") as archive:
        assert FPZ not in archive.signals
    assert findings(psg) == []


@pytest.mark.parametrize("note", ["", "nach der Nacht – «gut»", "two\nlines"])
def test_a_note_is_kept(psg: Path, note: str) -> None:
    with eegarchive.edit(psg) as night:
        night.freeze("N2", note)
    with h5py.File(psg) as h5:
        found = h5["freezes/N2"].attrs["note"]
        assert (found.decode("utf-8") if isinstance(found, bytes) else found).rstrip("\0") == note
    assert findings(psg) == []


@pytest.mark.parametrize("note", ["a\0b", "\ud800", "x" * 60_001])
def test_a_note_that_cannot_be_leaves_no_half_a_freeze(psg: Path, note: str) -> None:
    with eegarchive.edit(psg) as night:
        with pytest.raises(eegarchive.EEGArchiveError, match="the note of 'N2'"):
            night.freeze("N2", note)
        assert list(night.freezes) == ["source"]
    assert findings(psg) == []


def test_an_unknown_tag_lists_those_there_are(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.freeze("A")
        for operation in (night.thaw, night.remove_freeze, night.freezes.__getitem__):
            with pytest.raises(
                eegarchive.NotInArchive, match=r"psg\.h5: no freeze 'N2'; there are A, source"
            ):
                operation("N2")
        assert operations(night) == ["convert", "freeze"]


def test_the_recording_itself_cannot_be_removed(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.drop_signals([FPZ])
        with pytest.raises(
            eegarchive.EEGArchiveError, match="'source' is the recording itself and can't be removed"
        ):
            night.remove_freeze("source")
        with pytest.raises(eegarchive.EEGArchiveError, match="the freeze 'source' can't be removed"):
            night.thaw("source", remove=True)
        assert operations(night) == ["convert", "drop-signals"]
        assert FPZ not in night.signals
        night.thaw("source")
        assert_samples(night, PSG, PSG.segments)
    assert findings(psg) == []


@pytest.mark.clause("F-7")
def test_removing_says_what_could_be_freed(psg: Path) -> None:
    noise = np.random.default_rng(1).normal(size=30_000)
    with eegarchive.edit(psg) as night:
        night.freeze("shared")
        night.add_signal("noise", noise, 100.0)
        night.freeze("own")
        night.thaw("source")
    with eegarchive.edit(psg) as night:
        assert night.remove_freeze("shared") < 4_000
        freed = night.remove_freeze("own")
        assert noise.nbytes * 0.9 < freed < noise.nbytes * 1.1
        assert list(night.freezes) == ["source"]
    assert findings(psg) == []


def test_what_the_working_state_still_needs_is_not_freed(psg: Path) -> None:
    noise = np.random.default_rng(1).normal(size=30_000)
    with eegarchive.edit(psg) as night:
        night.add_signal("noise", noise, 100.0)
        night.freeze("own")
        assert night.remove_freeze("own") < 4_000
        np.testing.assert_array_equal(night.signals["noise"][:], noise)
    with eegarchive.open(psg) as archive:
        np.testing.assert_array_equal(archive.signals["noise"][:], noise)
    assert findings(psg) == []


def test_thaw_can_remove_its_freeze(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.mask(drop_epochs="1-4")
        night.restructure()
        night.copy_signal(FPZ, "copy")
        night.freeze("N2")
        digest = night.digest
        night.thaw("source")
    with eegarchive.edit(psg) as night:
        night.thaw("N2", remove=True)
        assert operations(night)[-2:] == ["thaw", "remove-freeze"]
    with eegarchive.open(psg) as archive:
        assert list(archive.freezes) == ["source"]
        assert archive.digest == digest
        np.testing.assert_array_equal(archive.signals["copy"].digital[:], PSG.signals[FPZ].samples[12_000:])
    assert findings(psg) == []


def test_unsaved_work_is_kept_under_a_tag_of_its_own_if_asked_for(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.drop_signals([FPZ])
        unsaved = night.digest
        first = night.thaw("source", keep_unsaved=True).kept_as
        assert first is not None
        assert re.fullmatch(r"unsaved-\d{8}T\d{6}Z", first)
        assert night.freezes[first].digest == unsaved
        assert night.thaw(first, keep_unsaved=True).kept_as is None  # the source is a freeze already
        assert night.thaw("source", keep_unsaved=True).kept_as is None
        night.drop_signals(["EEG Pz-Oz"])
        second = night.thaw("source", keep_unsaved=True).kept_as
        assert second not in (None, first)
        night.drop_signals(["EEG Pz-Oz", FPZ])
        assert night.thaw("source").kept_as is None
        assert sorted(night.freezes) == sorted(["source", first, second])
    assert findings(psg) == []


def test_generated_tags_differ_within_a_second(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with eegarchive.edit(psg) as night:
        tags = []
        for name in list(PSG.signals)[:3]:
            night.drop_signals([name])
            tags.append(night.thaw("source", keep_unsaved=True).kept_as)
    assert tags == ["unsaved-20231114T221320Z", "unsaved-20231114T221320Z-1", "unsaved-20231114T221320Z-2"]
    assert findings(psg) == []


def test_a_freeze_is_not_touched_by_what_follows(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.freeze("A")
        night.signals[FPZ].digital[:] = np.zeros(30_000, "<i2")
        night.mask(drop_epochs="1-9")
        night.restructure()
    for _ in range(3):
        with eegarchive.open(f"{psg}@A") as frozen:
            assert_samples(frozen, PSG, PSG.segments)
            assert not any(e.masked for e in epochs(frozen))
        with eegarchive.edit(psg) as night:
            night.signals[FPZ].digital[:] = np.ones(len(night.signals[FPZ]), "<i2")
            night.freeze("B", overwrite=True)
    assert findings(psg) == []


def test_a_freeze_reads_the_same_inside_the_edit_that_made_it(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.mask(drop_epochs="1-5")
        night.restructure()
        night.freeze("half")
        frozen = night.freezes["half"]
        assert frozen.digest == night.digest
        assert segments(frozen) == [(150.0, 300.0)]
        assert_samples(frozen, PSG, [(150, 300)])
        night.thaw("source")
        assert_samples(frozen, PSG, [(150, 300)])
        night.freeze("half", overwrite=True)
        assert_samples(frozen, PSG, PSG.segments)  # what is called so now
