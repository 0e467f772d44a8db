"""Annotations: add, import, drop, rename; several sets beside each other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import abandoned, findings, operations

Row = tuple[float, float, str, str, str, str]


def rows(night: eegarchive.Archive) -> list[Row]:
    """All annotations; NaN as -1, so that they compare."""
    columns = night.annotations.columns()
    durations = [-1.0 if math.isnan(d) else float(d) for d in columns["duration"]]
    texts = [columns[name] for name in ("text", "kind", "channel", "set")]
    return list(zip(columns["onset"].tolist(), durations, *texts, strict=True))


def test_annotations_stand_in_order_of_onset_with_kind_and_channel_of_their_texts(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([60, 30], [30, 30], ["Sleep stage 2", "Stage W"])
        night.add_annotations(
            [45.5, 60], [float("nan"), 0], ["Spindle@@EEG Pz-Oz", "früh"], annotation_set="b"
        )
    expected = [
        (30.0, 30.0, "Stage W", "W", "", "user"),
        (45.5, -1.0, "Spindle@@EEG Pz-Oz", "Spindle", "EEG Pz-Oz", "b"),
        (60.0, 30.0, "Sleep stage 2", "N2", "", "user"),
        (60.0, 0.0, "früh", "früh", "", "b"),
    ]
    with eegarchive.open(psg) as archive:
        assert rows(archive) == expected
        assert len(archive.freezes["source"].annotations) == 0
    assert findings(psg) == []


def test_kind_and_channel_can_be_said(night: eegarchive.EditableArchive) -> None:
    night.drop_annotations()
    night.add_annotations([1], [2], ["Spindle"], kind=["sigma"], channel=["EEG Pz-Oz"], annotation_set="me")
    assert rows(night) == [(1.0, 2.0, "Spindle", "sigma", "EEG Pz-Oz", "me")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(-5, 5), st.integers(0, 3), st.sampled_from(["N2", "a", "ü€", ""]), st.just("x")
            ),
            max_size=6,
        ),
        max_size=4,
    )
)
def test_any_additions_are_a_stable_sort(
    archives: dict[str, Path], batches: list[list[tuple[int, int, str, str]]]
) -> None:
    with abandoned(archives["edf_sleep_psg_30s_records"]) as night:
        expected: list[tuple[float, float, str, str]] = []
        for number, batch in enumerate(batches):
            night.add_annotations(
                *([event[i] for event in batch] for i in range(3)), annotation_set=f"s{number}"
            )
            expected += [(float(a), float(d), text, f"s{number}") for a, d, text, _ in batch]
            expected.sort(key=lambda row: row[0])
        assert [(a, d, text, name) for a, d, text, _, _, name in rows(night)] == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            ([1, 2], [1], ["a"]),
            "annotations: 2 of onset, 1 of duration, 1 of text, 1 of kind, 1 of channel, 1 of set",
        ),
        ((0, 30, "N2"), "annotations: 1 of onset, 1 of duration, 2 of text"),
        (([float("nan")], [1], ["a"]), "an onset isn't a number, or a duration is below 0"),
        (([1], [-1], ["a"]), "an onset isn't a number, or a duration is below 0"),
        (([1], [float("inf")], ["a"]), r"a duration is infinite; leave it out \(NaN\) if it isn't known"),
        (([1], [1], ["a\0"]), "a text has a NUL character, which HDF5's text can't hold"),
        (([1], [1], ["\ud800"]), "a text isn't text that UTF-8 can hold"),
    ],
)
def test_annotations_that_cannot_be_are_refused(
    night: eegarchive.EditableArchive, columns: tuple[Any, Any, Any], message: str
) -> None:
    before = night.digest, operations(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.add_annotations(*columns)
    assert (night.digest, operations(night)) == before


def test_drop_goes_by_kind_text_and_set(night: eegarchive.EditableArchive) -> None:
    total = len(night.annotations)
    assert night.drop_annotations("Sleep stage 2") == 1
    assert night.drop_annotations("N2", "bob") == 1
    assert night.drop_annotations("N2") == 3
    assert "N2" not in set(night.annotations["kind"])
    assert night.drop_annotations(annotation_set="events") == 4
    assert set(night.annotations["set"]) == {"ann", "bob"}
    rest = len(night.annotations)
    assert night.drop_annotations() == rest
    assert total > rest > len(night.annotations) == 0
    with pytest.raises(eegarchive.NotInArchive, match="no annotations of any kind; there are none"):
        night.drop_annotations()


def test_rename_changes_text_kind_channel_and_set(night: eegarchive.EditableArchive) -> None:
    before = rows(night)
    assert night.rename_annotations("N3", "ann", text="Stage 4") == 1
    assert night.rename_annotations("Arousal", text="Arousal@@EMG", new_set="ann") == 1
    assert night.rename_annotations(annotation_set="bob", new_set="carol") == 2
    expected = [
        (a, d, "Stage 4", "N4", c, s) if (kind, s) == ("N3", "ann")
        else (a, d, "Arousal@@EMG", "Arousal", "EMG", "ann") if kind == "Arousal"
        else (a, d, text, kind, c, "carol" if s == "bob" else s)
        for a, d, text, kind, c, s in before
    ]  # fmt: skip
    assert rows(night) == expected
    with pytest.raises(eegarchive.EEGArchiveError, match="a text has a NUL character"):
        night.rename_annotations("N2", text="N2\0")
    with pytest.raises(eegarchive.EEGArchiveError, match="a set has a NUL character"):
        night.rename_annotations("N2", new_set="\0")
    assert rows(night) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"kind": "N5"},
            r"no annotations of kind 'N5'; there are \? \(ann\), Arousal \(events\), Artefact: movement",
        ),
        ({"kind": "R", "annotation_set": "bob"}, r"no annotations of kind 'R' and set 'bob'; there are"),
        ({"annotation_set": "eve"}, r"no annotations of set 'eve'; there are .*N2 \(bob\)"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    night: eegarchive.EditableArchive, arguments: dict[str, str], message: str
) -> None:
    before = night.digest, operations(night)
    for operation in (night.drop_annotations, night.rename_annotations):
        with pytest.raises(eegarchive.NotInArchive, match=message):
            operation(**arguments)
    assert (night.digest, operations(night)) == before


def test_the_column_widths_follow_the_texts(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([1, 2], [0, 0], ["x" * 300, "short"], annotation_set="ä" * 20)
        night.drop_annotations("x" * 300)
    with eegarchive.open(psg) as archive:
        dtype = archive.annotations.rows().dtype
        assert (dtype["text"].itemsize, dtype["set"].itemsize) == (5, 40)
    assert findings(psg) == []


def test_a_file_of_stages_is_a_set_named_by_it(psg: Path, tmp_path: Path) -> None:
    file = tmp_path / "alice.eannot"
    file.write_text("W\nN1\nN2\nN2\nR\n")
    with eegarchive.edit(psg) as night:
        assert night.import_annotations(file) == 5
        assert night.import_annotations(file, annotation_set="again", epoch_length=20) == 5
        assert rows(night)[0] == (0.0, 30.0, "W", "W", "", "alice")
        assert [row[0] for row in rows(night) if row[5] == "again"] == [0.0, 20.0, 40.0, 60.0, 80.0]
        night.mask(keep="N2", annotation_set="alice")
        assert night.epochs["masked"].tolist() == [True, True, False, False, *[True] * 6]
    assert findings(psg) == []


def test_a_separate_hypnogram_is_imported_on_the_recordings_clock(psg: Path) -> None:
    hypnogram = Path(__file__).parents[1] / "data" / "edfplusc_hypnogram_annotations_only.edf"
    pyedflib = pytest.importorskip("pyedflib")
    with pyedflib.EdfReader(str(hypnogram)) as reader:
        onsets, durations, texts = reader.readAnnotations()
    with eegarchive.edit(psg) as night:
        assert night.import_annotations(hypnogram, annotation_set="night") == len(texts) == 154
        np.testing.assert_array_equal(night.annotations["duration"], durations)
        assert night.annotations["text"].tolist() == texts.tolist()
        found = night.annotations["onset"]
        np.testing.assert_array_equal(found - found[0], onsets - onsets[0])
    assert findings(psg) == []
