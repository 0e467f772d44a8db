"""What differs between two states."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import compare
from eegarchive.differences import (
    AnnotationsChange,
    Difference,
    EpochsChange,
    SegmentsChange,
    SignalChange,
    diff,
)
from eegarchive.editing import EditableArchive
from eegarchive.state import Signals, State, Table

FPZ = "EEG Fpz-Cz"
EPOCHS = [*range(1, 11)]


def difference(path: Path, change: Callable[[EditableArchive], object]) -> Difference:
    """What a change makes different, in the same archive."""
    with eegarchive.edit(path) as night:
        night.freeze("before", overwrite=True)
        change(night)
    with eegarchive.open(path) as archive:
        return diff(archive.freezes["before"], archive)


def test_equal_digests_need_no_reading(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*_: object) -> object:
        raise AssertionError("was read")

    shutil.copy(psg, psg.with_name("other.h5"))
    with eegarchive.edit(psg) as night:
        night.freeze("here")
    monkeypatch.setattr(Table, "rows", unwanted)
    monkeypatch.setattr(Signals, "__getitem__", unwanted)
    with eegarchive.open(psg) as a, eegarchive.open(psg.with_name("other.h5")) as b:
        for one, other in ((a, a), (a, a.freezes["here"]), (a, b)):
            assert diff(one, other) == Difference()
            assert diff(one, other).equal


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda n: n.drop_signals([FPZ, "Event marker"]), Difference(signals_removed=[FPZ, "Event marker"])),
        (lambda n: n.copy_signal(FPZ, "copy"), Difference(signals_added=["copy"])),
        (
            lambda n: n.rename_signal(FPZ, "other"),
            Difference(signals_removed=[FPZ], signals_added=["other"]),
        ),
        (
            lambda n: n.set_signal(FPZ, units="V", scale_factor=2.0, lab="x"),
            Difference(
                signals_changed={
                    FPZ: SignalChange(
                        {"lab": (None, "x"), "scale_factor": (0.09377289377289377, 2.0), "units": ("uV", "V")}
                    )
                }
            ),
        ),
        (
            lambda n: n.set_epochs(30),
            Difference(epochs=EpochsChange((0, 10), [], EPOCHS, [], (None, 30.0), [], [])),
        ),
        (
            lambda n: n.add_annotations([1, 2, 3], [1, 1, np.nan], ["x", "N2", "x"], annotation_set="a"),
            Difference(annotations=[AnnotationsChange("a", "N2", 0, 1), AnnotationsChange("a", "x", 0, 2)]),
        ),
    ],
)
def test_each_operation_is_told_and_nothing_else(
    psg: Path, change: Callable[[EditableArchive], object], expected: Difference
) -> None:
    found = difference(psg, change)
    assert found == expected
    assert not found.equal
    assert json.loads(json.dumps(asdict(found)))


def test_masks_are_told_by_epoch_both_ways(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.mask(drop_epochs="2-4")
    found = difference(psg, lambda n: n.mask(clear=True, drop_epochs="4,7-8"))
    assert found == Difference(epochs=EpochsChange((10, 10), [], [], [], None, [7, 8], [2, 3]))


def test_a_grid_that_moved_is_told(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
    found = difference(psg, lambda n: n.set_epochs(30, offset=5))
    assert found.epochs == EpochsChange((10, 9), [10], [], EPOCHS[:-1], None, [], [])
    found = difference(psg, lambda n: n.set_epochs(20))
    assert found.epochs is not None
    assert found.epochs.duration == (30.0, 20.0)


def test_annotations_that_went_and_came_are_counted_by_set_and_kind(gaps: Path) -> None:
    with eegarchive.open(gaps) as archive:
        kinds = archive.annotations["kind"].tolist()
    found = difference(gaps, lambda n: n.rename_annotations(kinds[0], new_set="me"))
    count = kinds.count(kinds[0])
    assert found == Difference(
        annotations=[
            AnnotationsChange("edf", kinds[0], count, 0),
            AnnotationsChange("me", kinds[0], 0, count),
        ]
    )


def test_the_order_of_equal_annotations_counts(psg: Path) -> None:
    def turned(night: EditableArchive) -> None:
        night.drop_annotations()
        night.add_annotations([1, 1], [1, 1], ["b", "a"])

    with eegarchive.edit(psg) as night:
        night.add_annotations([1, 1], [1, 1], ["a", "b"])
    assert difference(psg, turned) == Difference(annotation_order=True)


def test_a_restructure_takes_time_and_epochs_and_changes_no_samples(psg: Path) -> None:
    def restructured(night: EditableArchive) -> None:
        night.mask(keep_epochs="2,5-6")
        night.restructure()

    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
    found = difference(psg, restructured)
    left_out = [1, 3, 4, 7, 8, 9, 10]
    assert found == Difference(
        segments=SegmentsChange((1, 2), [(0.0, 30.0), (60.0, 120.0), (180.0, 300.0)], [], None),
        epochs=EpochsChange((10, 3), left_out, [], [], None, [], []),
    )
    with eegarchive.open(psg) as archive:
        back = diff(archive, archive.freezes["before"])
    assert back.segments == SegmentsChange((2, 1), [], [(0.0, 30.0), (60.0, 120.0), (180.0, 300.0)], None)


@pytest.mark.parametrize("restructured", [False, True])
def test_samples_are_told_from_the_first_to_the_last_that_differs(psg: Path, restructured: bool) -> None:
    def written(night: EditableArchive) -> None:
        if restructured:
            night.mask(keep_epochs="2-10")
            night.restructure()
        at = 4000 - 3000 * restructured
        samples = night.signals[FPZ].digital[at : at + 200]
        samples[[7, 150]] += 1
        night.signals[FPZ].digital[at : at + 200] = samples

    found = difference(psg, written)
    with eegarchive.open(psg) as archive:
        assert diff(archive, archive.freezes["before"]).signals_changed == found.signals_changed
    assert found.signals_changed == {FPZ: SignalChange(samples=[(40.07, 41.51)])}


def test_samples_that_are_written_again_as_they_were_are_no_difference(psg: Path) -> None:
    def written(night: EditableArchive) -> None:
        night.signals[FPZ].digital[100:300] = night.signals[FPZ].digital[100:300]

    with eegarchive.open(psg) as archive:
        before = archive.digest
    found = difference(psg, written)
    with eegarchive.open(psg) as archive:
        assert archive.digest != before
    assert found.equal


def test_nan_equals_nan(psg: Path) -> None:
    values = np.full(30_000, np.nan, "f4")
    with eegarchive.edit(psg) as night:
        night.add_signal("x", values, 100)

    def written(night: EditableArchive) -> None:
        night.signals["x"].digital[100:200] = np.array([*[np.nan] * 99, 1], "f4")

    assert difference(psg, written).signals_changed == {"x": SignalChange(samples=[(1.99, 2.0)])}


def test_a_new_sampling_rate_and_type_change_all_samples(psg: Path) -> None:
    changed = difference(psg, lambda n: n.resample(50, [FPZ])).signals_changed[FPZ]
    assert changed.samples == [(0.0, 300.0)]
    assert changed.attributes["sampling_rate"] == (100.0, 50.0)
    assert changed.attributes["type"] == ("int16", "float32")
    assert changed.attributes["samples_per_record"] == (3000, None)


def test_computed_samples_differ_in_every_segment_of_their_own(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.mask(keep_epochs="1,3-4")

    def filtered(night: EditableArchive) -> None:
        night.restructure()
        night.filter(high=40, channels=[FPZ])

    assert difference(psg, filtered).signals_changed[FPZ].samples == [(0.0, 30.0), (60.0, 120.0)]


def test_the_same_stored_samples_at_another_time_differ(psg: Path) -> None:
    name, ramp = "Resp oro-nasal", np.arange(20)
    with eegarchive.edit(psg) as night:
        night.freeze("clean")
        night.signals[name].digital[100:120] = ramp
        pieces = night.signals[name].pieces

    def moved(night: EditableArchive) -> None:
        night.thaw("clean")
        night.signals[name].digital[101:121] = ramp

    assert difference(psg, moved).signals_changed[name].samples == [(100.0, 121.0)]
    with eegarchive.open(psg) as archive:
        assert archive.signals[name].pieces[1] == pieces[1]


def test_the_order_of_signals_counts(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.keep_signals([FPZ, "Event marker"])

    def turned(night: EditableArchive) -> None:
        night.copy_signal(FPZ, "aside")
        night.drop_signals([FPZ])
        night.rename_signal("aside", FPZ)

    assert difference(psg, turned) == Difference(signal_order=([FPZ, "Event marker"], ["Event marker", FPZ]))


def test_archives_of_one_recording_are_equal_whatever_the_codec_and_attributes_of_storage(
    archives: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(__file__).parent / "data" / "edf_sleep_psg_30s_records.edf"
    monkeypatch.setattr(compare, "_edge", None)  # no samples are read
    for codec in ("portable", "none"):
        eegarchive.convert(source, tmp_path / f"{codec}.h5", codec=codec)
        with eegarchive.edit(tmp_path / f"{codec}.h5") as night:
            night.copy_signal(FPZ, "copy")
    with eegarchive.open(tmp_path / "portable.h5") as a, eegarchive.open(tmp_path / "none.h5") as b:
        assert diff(a, b).equal
        assert diff(a.freezes["source"], b) == Difference(signals_added=["copy"])
    # the same samples under another header text have another name in /data, and are the same samples
    raw = bytearray(source.read_bytes())
    at = 256 + 7 * 16
    raw[at : at + 8] = b"gold cup"
    (tmp_path / "gold.edf").write_bytes(raw)
    eegarchive.convert(tmp_path / "gold.edf")
    with eegarchive.open(tmp_path / "gold.h5") as a, eegarchive.open(archives[source.stem]) as b:
        assert set(a.signals[FPZ].pieces) != set(b.signals[FPZ].pieces)
        changed = diff(b, a).signals_changed
        assert list(changed) == [FPZ]
        assert list(changed[FPZ].attributes) == ["transducer"]
        assert not changed[FPZ].samples


def test_recordings_of_different_nights_differ_in_their_start(archives: dict[str, Path]) -> None:
    with (
        eegarchive.open(archives["edf_sleep_psg_30s_records"]) as a,
        eegarchive.open(archives["edfplusd_oximetry_gaps"]) as b,
    ):
        segments = diff(a, b).segments
        assert segments is not None
        assert segments.recording_start == (a.start.isoformat(), b.start.isoformat())  # type: ignore[union-attr]
        assert diff(a, b).signals_added == ["SaO2", "HR", "Move"]


def test_every_recording_equals_itself_and_is_told_apart_from_one_changed_at_its_ends(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    for stem, path in archives.items():
        own = Path(shutil.copy(path, tmp_path / f"{stem}.h5"))
        with eegarchive.edit(own) as night:
            names = [name for name, signal in night.signals.items() if len(signal) > 1]
            for name in names:
                digital = night.signals[name].digital
                for at in (0, len(digital) - 1):
                    digital[at : at + 1] = [digital[at] ^ 1]
        with eegarchive.open(path) as a, eegarchive.open(own) as b:
            assert diff(a, b.freezes["source"]).equal
            changed = diff(a, b).signals_changed
            assert list(changed) == names
            segments = a.segments.columns()
            for name in names:
                (first, _), (_, last) = changed[name].samples[0], changed[name].samples[-1]
                assert first == segments["start"][0]
                assert last == pytest.approx(segments["start"][-1] + segments["duration"][-1])


# -- a referee that looks at every sample -----------------------------------------------------------


def by_clock(state: State, name: str) -> dict[int, int]:
    """Each sample of a signal by its time in hundredths of a second."""
    segments, signal = state.segments.columns(), state.signals[name]
    found: dict[int, int] = {}
    for start, duration in zip(segments["start"], segments["duration"], strict=True):
        for k in range(round(duration * signal.sampling_rate)):
            found[round((start + k / signal.sampling_rate) * 100)] = int(signal.digital[len(found)])
    return found


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 280), st.integers(1, 40)),
        st.tuples(st.just("again"), st.integers(0, 280), st.integers(1, 40)),
        st.tuples(st.just("mask"), st.integers(1, 10), st.integers(0, 4)),
    ),
    max_size=4,
)


def changed_by(night: EditableArchive, changes: list[tuple[str, int, int]]) -> None:
    for what, first, count in changes:
        digital = night.signals["Resp oro-nasal"].digital
        if what == "mask":
            numbers = set(night.epochs["epoch"].tolist()) & set(range(first, first + count))
            if numbers and len(numbers) < len(night.epochs):
                night.mask(drop_epochs=sorted(numbers))
                night.restructure()
        elif first < len(digital):
            samples: npt.NDArray[np.int16] = digital[first : first + count]
            samples[::3] += what == "write"
            digital[first : first + len(samples)] = samples


@settings(max_examples=60, deadline=None)
@given(one=CHANGES, other=CHANGES, block=st.sampled_from([1, 3, 2**18]))
def test_stretches_agree_with_a_look_at_every_sample(
    archives: dict[str, Path], one: list[tuple[str, int, int]], other: list[tuple[str, int, int]], block: int
) -> None:
    name = "Resp oro-nasal"
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "_BLOCK_SAMPLES", block)
        path = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], f"{folder}/a.h5"))
        with eegarchive.edit(path) as night:
            night.keep_signals([name])
            night.set_epochs(30)
            night.freeze("start")
            changed_by(night, one)
            night.freeze("one")
            night.thaw("start")
            changed_by(night, other)
        with eegarchive.open(path) as archive:
            a, b = archive.freezes["one"], archive
            found, old, new = diff(a, b), by_clock(a, name), by_clock(b, name)
    differing = {time for time in set(old) & set(new) if old[time] != new[time]}
    samples = found.signals_changed[name].samples if found.signals_changed else []
    told = [(round(start * 100), round(stop * 100)) for start, stop in samples]
    assert all(any(start <= time < stop for start, stop in told) for time in differing)
    for start, stop in told:
        assert {start, stop - 100} <= differing  # stretches begin and end with a sample that differs
    assert told == sorted(told)
    removed = found.segments.removed if found.segments else []
    added = found.segments.added if found.segments else []
    for stretches, more, less in ((removed, old, new), (added, new, old)):
        spread = {t * 100 for start, stop in stretches for t in range(round(start), round(stop))}
        assert spread == set(more) - set(less)
    assert found.equal == (old == new)


# -- cache ------------------------------------------------------------------------------------------


def test_caches_are_compared_by_name(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        for name in ("gone", "kept", "other"):
            night.cache[name].put("power", 1.0, CH=FPZ)

    def changed(night: EditableArchive) -> None:
        del night.cache["gone"]
        night.cache["new"].put("power", 1.0, CH=FPZ)
        night.cache["other"].put("power", 2.0, CH=FPZ)
        night.freeze("after")

    found = difference(psg, changed)
    assert found == Difference(cache={"gone": "removed", "new": "added", "other": "changed"})
    assert list(found.cache) == ["gone", "new", "other"]
    assert not found.equal
    with eegarchive.open(psg) as archive, eegarchive.open(shutil.copy(psg, psg.with_name("b.h5"))) as copy:
        assert diff(archive, archive.freezes["after"]).equal
        assert diff(archive, copy.freezes["after"]).equal
        assert eegarchive.summarize(archive)["caches"] == ["kept", "new", "other"]
        assert eegarchive.summarize(archive)["saved_as"] == ["after"]


@pytest.mark.parametrize("change", ["type", "missing", "basis", "factor"])
def test_caches_of_the_same_numbers_can_differ(psg: Path, change: str) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("a", 0, E=1)

    def changed(night: EditableArchive) -> None:
        night.cache["p"].clear()
        if change == "type":
            night.cache["p"].put("a", 0.0, E=1)
        elif change == "missing":
            night.cache["p"].put("a", None, type="int", E=1)
        elif change == "basis":
            night.cache["p"].put("a", 0, basis="state", E=1)
        else:
            night.cache["p"].put("a", 0, E=1.0)

    assert difference(psg, changed).cache == {"p": "changed"}


def test_a_night_without_samples_has_no_stretches(tmp_path: Path) -> None:
    source = Path(__file__).parent / "data" / "edfplusc_hypnogram_annotations_only.edf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(source, tmp_path / "a.h5")
    found = difference(tmp_path / "a.h5", lambda n: n.drop_annotations("R"))
    assert [(c.kind, c.added) for c in found.annotations] == [("R", 0)]
    assert (found.segments, found.signals_changed) == (None, {})
