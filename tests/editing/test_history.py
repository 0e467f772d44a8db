"""History: each operation with parameters, versions and digests; edits that fail leave nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from editing.referee import findings, operations

FPZ = "EEG Fpz-Cz"


def parameters(night: eegarchive.Archive) -> list[dict[str, Any]]:
    """What the history says of each operation; strict JSON."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} isn't JSON")

    return [json.loads(text, parse_constant=refuse) for text in night.history["parameters"]]


@pytest.mark.clause("O-1")
def test_every_operation_is_a_row_with_its_parameters(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "alice.eannot").write_text("W\nN2\n")
    with eegarchive.edit(psg) as night:
        night.set_epochs(20, offset=5)
        night.add_annotations([0, 30], [30, 30], ["W", "N2"], annotation_set="bob")
        night.import_annotations(tmp_path / "alice.eannot")
        night.rename_annotations("W", "bob", text="wake")
        night.drop_annotations(annotation_set="alice")
        night.mask(drop=["W", "N*"], all_of=True)
        night.mask(drop_epochs=np.array([1, 2, 3, 7]), keep_times=(np.int64(0), np.float32(250)))
        night.mask(clear=True)
        night.mask(random=np.int64(3), seed=7)
        night.restructure(whole_records=True)
        night.keep_signals(iter([FPZ, "EEG Pz-Oz"]))
        night.copy_signal(FPZ, "copy")
        night.rename_signal("copy", "again")
        night.set_signal("again", units="mV", gain=2)
        night.signals["again"].digital[3:5] = [1, 2]
        written = night.signals["again"].pieces[1].data
        count = len(night.signals[FPZ])
        night.add_signal("flat", np.zeros(count, "<f4"), 100.0, by="me")
        flat = night.signals["flat"].pieces[0].data
        night.drop_signals(["again"])
        night.freeze("F", note="so far")
        night.thaw("source", preserve_cache=True)
        night.remove_freeze("F")
    with eegarchive.open(psg) as archive:
        assert list(zip(operations(archive), parameters(archive), strict=True))[1:] == [
            ("epochs", {"length": 20.0, "step": 20.0, "offset": 5.0}),
            ("add-annotations", {"count": 2, "annotation_set": "bob", "onsets": [0.0, 30.0]}),
            (
                "import-annotations",
                {"file": "alice.eannot", "count": 2, "annotation_set": "alice", "onsets": [0.0, 30.0]},
            ),
            ("rename-annotations", {"kind": "W", "annotation_set": "bob", "text": "wake"}),
            ("drop-annotations", {"annotation_set": "alice"}),
            ("mask", {"drop": ["W", "N*"], "all_of": True}),
            ("mask", {"drop_epochs": "1-3,7", "keep_times": [0, 250.0]}),
            ("mask", {"clear": True}),
            ("mask", {"random": 3, "seed": 7}),
            ("restructure", {"whole_records": True}),
            ("keep-signals", {"signals": [FPZ, "EEG Pz-Oz"]}),
            ("copy-signal", {"signal": FPZ, "label": "copy"}),
            ("rename-signal", {"signal": "copy", "label": "again"}),
            ("set-signal", {"signal": "again", "attributes": {"units": "mV", "gain": 2}}),
            ("write-samples", {"signal": "again", "start": 3, "stop": 5, "data": written}),
            (
                "add-signal",
                {"label": "flat", "sampling_rate": 100.0, "data": flat, "attributes": {"by": "me"}},
            ),
            ("drop-signals", {"signals": ["again"]}),
            ("freeze", {"tag": "F", "note": "so far"}),
            ("thaw", {"tag": "source", "preserve_cache": True}),
            ("remove-freeze", {"tag": "F"}),
        ]
    assert findings(psg) == []


def test_digests_before_and_after_are_a_chain(psg: Path) -> None:
    states = []
    for last in range(3):
        with eegarchive.edit(psg) as night:
            for i in range(3):
                states.append(night.digest)
                night.copy_signal(FPZ, f"copy {last} {i}")
                assert night.digest not in states
    with eegarchive.open(psg) as archive:
        history = archive.history.columns()
        assert history["digest_before"].tolist() == ["", *states]
        assert history["digest_after"].tolist() == [*states, archive.digest]
        assert set(operations(archive)[1:]) == {"copy-signal"}


def test_the_history_says_when_and_with_what(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with eegarchive.edit(psg) as night:
        night.freeze("A")
        row = {name: values[-1] for name, values in night.history.columns().items()}
    assert row["time"] == "2023-11-14T22:13:20Z"
    assert (
        json.loads(row["versions"]).items()
        >= {
            "eegarchive": eegarchive.__version__,
            "numpy": np.__version__,
        }.items()
    )
    assert row["digest_before"] == row["digest_after"]
    with eegarchive.open(psg) as archive:
        assert {name: values[-1] for name, values in archive.history.columns().items()} == row


@pytest.mark.clause("O-7")
def test_filters_record_what_they_are_designed_from(psg: Path) -> None:
    pytest.importorskip("mne")
    with eegarchive.edit(psg) as night:
        night.filter(0.5, 30, [FPZ])
        night.resample(50, [FPZ])
        filtered, resampled = parameters(night)[1:]
    assert (filtered["low"], filtered["high"], filtered["signals"]) == (0.5, 30, [FPZ])
    assert filtered["design"]["100 Hz"]["filter_length"] == 661
    assert resampled == {"sampling_rate": 50.0, "signals": [FPZ]}
    assert findings(psg) == []


class Stopped(Exception):
    pass


@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, SystemExit, eegarchive.EEGArchiveError])
def test_an_edit_that_raises_leaves_every_byte(psg: Path, error: type[BaseException]) -> None:
    raw, beside = psg.read_bytes(), sorted(os.listdir(psg.parent))
    with pytest.raises(error), eegarchive.edit(psg) as night:
        night.mask(drop_epochs="1-3")
        night.restructure()
        night.add_signal("noise", np.random.default_rng(1).normal(size=21_000), 100.0)
        night.freeze("A")
        night.thaw("source")
        raise error
    assert psg.read_bytes() == raw
    assert set(os.listdir(psg.parent)) - set(beside) <= {"psg.h5-lock"}
    with eegarchive.edit(psg) as night:
        assert operations(night) == ["convert"]


def test_an_edit_that_does_nothing_leaves_every_byte(psg: Path) -> None:
    raw = psg.read_bytes()
    with eegarchive.edit(psg) as night:
        assert night.signals[FPZ].digital[0] == night.signals[FPZ].digital[:1][0]
        with pytest.raises(eegarchive.EEGArchiveError):
            night.thaw("N2")
    assert psg.read_bytes() == raw


def test_what_can_not_be_recorded_is_not_done(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs()
        before = night.digest, operations(night)
        with pytest.raises(TypeError, match=r"set \{3\} can't be written into the history"):
            night.mask(drop_epochs=1, annotation_set={3})  # type: ignore[arg-type]
        assert (night.digest, operations(night)) == before
    assert findings(psg) == []


def test_after_the_edit_it_says_that_it_has_ended(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        signal = night.signals[FPZ]
    for use in (lambda: signal.digital[0], lambda: night.freeze("A"), lambda: night.mask(keep_epochs=1)):
        with pytest.raises(eegarchive.EEGArchiveError, match="the edit has ended"):
            use()
