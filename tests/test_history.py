"""How states came to be."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive.errors import InvalidArchive, NotInArchive
from eegarchive.layout import HISTORY_COLUMNS
from eegarchive.lineage import Operation, history, operations
from eegarchive.storage import objects


def words(path: Path | str, tag: str | None = None) -> list[str]:
    return [str(operation) for operation in history(path, tag)][1:]  # the first one is the conversion


def test_a_fresh_archive_was_converted_and_nothing_else(psg: Path) -> None:
    (only,) = history(psg)
    assert (only.number, only.operation, only.digest_before) == (1, "convert", "")
    with eegarchive.open(psg) as archive:
        assert only.digest_after == archive.digest
        assert str(only) == f"convert the recording of SHA-256 {archive.provenance['source_sha256'][:12]}"
    assert only.versions["numpy"] == np.__version__
    assert history(f"{psg}@source") == [only]


@pytest.mark.clause("O-8")
def test_a_thaw_goes_back_to_where_its_freeze_was_made(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.copy_signal("Event marker", "a")
        night.freeze("one", note="first")
        night.copy_signal("Event marker", "b")
        night.freeze("two")
        night.thaw("one")
        night.copy_signal("Event marker", "c")
    first = ["copy signal Event marker as a", "freeze as one: first"]
    assert words(psg) == [*first, "copy signal Event marker as c"]
    assert words(psg, "one") == words(f"{psg}@one") == first
    assert words(psg, "two") == [*first, "copy signal Event marker as b", "freeze as two"]
    assert words(psg, "source") == []
    assert [operation.number for operation in history(psg)] == [1, 2, 3, 7]
    with eegarchive.open(psg) as archive:
        assert [operation.operation for operation in operations(archive)][-2:] == ["thaw", "copy-signal"]
        assert history(archive, "two") == history(archive.path, "two")
    with eegarchive.open(f"{psg}@two") as archive:
        assert history(archive)[-1].parameters == {"tag": "two"}


def test_a_tag_means_its_latest_freeze_and_removing_it_changes_no_other_line(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.copy_signal("Event marker", "a")
        night.freeze("x")
        night.thaw("source")
        night.copy_signal("Event marker", "b")
        night.freeze("x", overwrite=True)
        night.thaw("x", remove=True)
        night.copy_signal("Event marker", "c")
    assert words(psg) == [
        "copy signal Event marker as b", "freeze as x", "copy signal Event marker as c",
    ]  # fmt: skip
    with pytest.raises(NotInArchive, match="no freeze 'x'; there are source"):
        history(psg, "x")


def test_work_that_a_thaw_keeps_has_its_line(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.drop_signals(["Event marker"])
        kept = night.thaw("source", keep_unsaved=True).kept_as
    assert words(psg) == []
    assert words(psg, kept) == [
        "drop signals Event marker", f"freeze as {kept}: the working state before source was thawed",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_every_operation_is_told_in_words(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "hyp.csv").write_text("onset,duration,text\n0,30,W\n30,30,N2\n")
    with eegarchive.edit(psg) as night:
        night.set_epochs(20, step=10, offset=5)
        night.set_epochs(30)
        night.add_annotations([30.0], [30.0], ["Arousal"])
        night.import_annotations(tmp_path / "hyp.csv")
        night.mask("N2", annotation_set="hyp", whole_epoch=True)
        night.mask(["N2", "Arousal"], all_of=True, flip=True)
        night.mask(clear=True, drop="Arousal", keep_epochs="1-9", drop_epochs=[3, 5])
        night.mask(keep_times=(0, 290.5), drop_times=(180, 200))
        night.mask(first=5)
        night.mask(random=4, seed=7)
        night.restructure()
        night.restructure(whole_records=True)
        night.drop_signals(["Temp rectal"])
        night.rename_signal("Event marker", "marker")
        night.set_signal("marker", kind="other", units="V")
        night.write_samples("EEG Fpz-Cz", 0, [0.01], rounded=True)
        night.write_samples("EEG Fpz-Cz", 0, [1, 2], digital=True)
        night.add_signal("sum", np.zeros(len(night.signals["EEG Fpz-Cz"]), "f4"), 100)
        night.filter(0.3, 35, ["EEG Fpz-Cz"])
        night.filter(high=35, channels=["EEG Fpz-Cz"])
        night.filter(low=1, channels=["EEG Fpz-Cz"])
        night.resample(50, ["EEG Fpz-Cz", "EEG Pz-Oz"])
        night.drop_annotations("Arousal")
        night.rename_annotations(annotation_set="hyp", new_set="x")
        night.rename_annotations("W", "x", text="Wake up")
        night.keep_signals(["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "marker", "sum"])
    found = words(psg)
    assert found[15].startswith("write samples 0 to 1 of EEG Fpz-Cz, rounded by 0.0")
    assert found[:15] + found[16:] == [
        "set epochs of 20 s, one every 10 s, from 5 s into each segment",
        "set epochs of 30 s",
        "add 1 annotations to the set user",
        "import 2 annotations of hyp.csv as the set hyp",
        "mask: keep epochs covered by N2, by the set hyp",
        "mask: flip, keep epochs with all of N2, Arousal",
        "mask: clear, keep epochs 1-9, drop epochs with Arousal, drop epochs 3,5",
        "mask: keep 0-290.5 s, drop 180-200 s",
        "mask: keep the first 5",
        "mask: keep 4 at random (seed 7)",
        "restructure: drop masked epochs",
        "restructure: drop masked epochs, data records kept whole",
        "drop signals Temp rectal",
        "rename signal Event marker to marker",
        "set kind=other, units=V of marker",
        "write samples 0 to 2 of EEG Fpz-Cz",
        "add signal sum at 100 Hz",
        "filter to 0.3-35 Hz: EEG Fpz-Cz",
        "filter to below 35 Hz: EEG Fpz-Cz",
        "filter to above 1 Hz: EEG Fpz-Cz",
        "resample to 50 Hz: EEG Fpz-Cz, EEG Pz-Oz",
        "drop annotations 'Arousal'",
        "rename annotations of the set hyp to set x",
        "rename annotations 'W' of the set x to text 'Wake up'",
        "keep signals EEG Fpz-Cz, EEG Pz-Oz, EOG horizontal, marker and 1 more",
    ]


@pytest.mark.parametrize("parameters", [{}, {"signals": 3}, {"signal": "C3", "why": [1]}])
def test_operations_of_other_writers_are_told_too(parameters: dict[str, object]) -> None:
    for name in ("keep-signals", "denoise"):
        told = str(Operation(2, name, parameters, "", {}, "", ""))
        assert told == f"{name}: " + ", ".join(f"{key} {value}" for key, value in parameters.items())


def rewrite(path: Path, **changed: str) -> None:
    """Exchange values of the last row of a history."""
    with h5py.File(path, "r+") as file:
        rows = objects.read_table(file["history"], HISTORY_COLUMNS)
        columns = {
            c.name: [*objects.text_column(rows, c.name, "history")[:-1], changed.get(c.name, "")]
            for c in HISTORY_COLUMNS
        }
        del file["history"]
        objects.link(objects.write_table(file, objects.make_rows(HISTORY_COLUMNS, columns)), file, "history")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"operation": "convert", "parameters": "{}", "versions": "{}"}, "doesn't lead to the working state"),
        ({"operation": "convert", "parameters": "{", "versions": "{}"}, "row 1: parameters or versions"),
        ({"operation": "convert", "parameters": "{}", "versions": "[]"}, "row 1: parameters or versions"),
        ({"operation": "thaw", "parameters": '{"tag": "N2"}', "versions": "{}"}, "doesn't lead to the work"),
    ],
)
def test_a_history_that_cannot_be_is_refused(psg: Path, changed: dict[str, str], message: str) -> None:
    rewrite(psg, **changed)
    with pytest.raises(InvalidArchive, match=message):
        history(psg)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["rename", "freeze", "thaw", "remove"]), st.integers(0, 3)), max_size=12
)


@settings(max_examples=25, deadline=None)
@given(actions=ACTIONS)
def test_every_line_is_whole_whatever_was_done(
    archives: dict[str, Path], actions: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], f"{folder}/a.h5"))
        now: list[str] = []  # the labels that a signal was given, which is all that is done to a state
        kept: dict[str, list[str]] = {"source": []}
        with eegarchive.edit(path) as night:
            for count, (action, number) in enumerate(actions):
                tag = f"t{number}"
                if action == "rename":
                    night.rename_signal(now[-1] if now else "Event marker", f"n{count}")
                    now = [*now, f"n{count}"]
                elif action == "freeze":
                    night.freeze(tag, overwrite=True)
                    kept[tag] = now
                elif tag in kept and action == "thaw":
                    night.thaw(tag)
                    now = kept[tag]
                elif tag in kept:
                    night.remove_freeze(tag)
                    del kept[tag]
        with eegarchive.open(path) as archive:
            for tag, labels in [(None, now), *kept.items()]:
                line = history(archive, tag)
                state = archive if tag is None else archive.freezes[tag]
                assert [o.parameters["label"] for o in line if o.operation == "rename-signal"] == labels
                assert [o.digest_before for o in line[1:]] == [o.digest_after for o in line[:-1]]
                assert line[-1].digest_after == state.digest
                assert json.dumps([o.parameters for o in line])
