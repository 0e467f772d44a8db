"""Clauses of spec/signals.md; those that follow from an EDF's header are in test_edf.py."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive import channels
from eegarchive.storage import objects
from eegarchive.storage.codec import CODECS
from eegarchive.storage.samples import Piece

from .breaking import (
    ROOT,
    edited,
    errors,
    findings,
    first_signal,
    record_state,
    replace_table,
    store,
    virtual_dataset,
    whole,
    write_signals,
)
from .edf_rules import Made, make_edf
from .reader import Reader, attributes_of, sha256_of_lines, signal_lines
from .test_edf import convert

SIGNAL_ATTRIBUTES = ("label", "kind", "units", "sampling_rate", "scale_factor", "add_offset")


@pytest.mark.clause("S-1", "D-3")
def test_another_name_in_data_is_found(small: Path) -> None:
    with edited(small) as h5:
        _, stored, _ = first_signal(h5)
        h5["data"]["0" * 64] = h5["data"][stored]
    assert "name says" in errors(small)["/data/" + "0" * 64]


@pytest.mark.clause("S-1")
def test_a_group_in_data_is_found(small: Path) -> None:
    with edited(small) as h5:
        objects.create_group(h5["data"], "group")
    assert "is a group" in errors(small)["/data/group"]


@pytest.mark.clause("S-1", "P-6")
def test_a_virtual_object_in_data_is_found_and_not_read(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        made = virtual_dataset(h5, [Piece(stored, 0, stop)], own)
        objects.link(made, h5["data"], "f" * 64)
        write_signals(h5, {**whole(h5), name: [Piece("f" * 64, 0, stop)]})
        record_state(h5)
    assert "/data/" + "f" * 64 in errors(small)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="virtual"):
        archive.signals[name]


@pytest.mark.clause("S-2")
@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8"])
def test_the_four_types_are_accepted(small: Path, dtype: str) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        samples = np.sin(np.arange(stop)) * 100
        made = store(h5, samples.astype(dtype), {**own, "scale_factor": 1.0})
        write_signals(h5, {**whole(h5), name: [Piece(made, 0, stop)]})
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive:
        assert np.array_equal(archive.signals[name][:], samples.astype(dtype).astype(float))


@pytest.mark.clause("S-2", "G-8")
@pytest.mark.parametrize("dtype", ["i1", "u1", "<u2", ">i2", "<i8", "<f2", "S4", "<c8", "?"])
def test_other_types_are_found(small: Path, dtype: str) -> None:
    with edited(small, redigest=False) as h5:
        _, stored, _ = first_signal(h5)
        made = h5.create_dataset(
            "data/" + "1" * 64,
            data=np.zeros(5000, dtype),
            chunks=(5000,),
            shuffle=True,
            compression=1,
            fletcher32=True,
        )
        objects.write_attributes(made, attributes_of(h5["data"][stored]))
    assert "type" in errors(small)["/data/" + "1" * 64]


@pytest.mark.clause("S-4")
@pytest.mark.parametrize("attribute", [*SIGNAL_ATTRIBUTES, "samples_sha256"])
def test_a_missing_attribute_is_found(small: Path, attribute: str) -> None:
    with edited(small) as h5:
        name, stored, _ = first_signal(h5)
        del h5["data"][stored].attrs[attribute]
    assert f"'{attribute}' is missing" in errors(small)[f"/data/{stored}"]
    if attribute in SIGNAL_ATTRIBUTES:
        with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match=attribute):
            archive.signals[name]


@pytest.mark.clause("S-4")
def test_samples_that_are_not_what_samples_sha256_says_are_found(small: Path) -> None:
    with edited(small) as h5:
        _, stored, _ = first_signal(h5)
        samples = h5["data"][stored][()]
        samples[77] += 1
        h5["data"][stored][...] = samples
    assert "samples_sha256" in errors(small)[f"/data/{stored}"]


@pytest.mark.clause("S-7")
def test_names_follow_from_labels(tmp_path: Path) -> None:
    labels = {
        " C3 ": "C3#1",
        "C3/M2": "C3%2FM2",
        "C3": "C3#2",
        "c3": "c3",
        "C4#1": "C4#1",
        "C4": "C4#2",  # C4#1 is taken
        "C4 ": "C4#3",
        "": "unnamed",
        ".": "%2E",
        "..": "%2E%2E",
        "50%": "50%",
        "a\x1b[0m": "a%1B[0m",
        "a\u2028b": "a%E2%80%A8b",
        "µV": "µV",
    }
    path = convert(tmp_path, make_edf([Made(label) for label in labels]))
    with Reader(path) as reader:
        assert list(reader.pieces("/")) == list(labels.values())
        assert [reader.attributes("/", name)["label"] for name in reader.pieces("/")] == [
            label.rstrip(" ") for label in labels
        ]


@functools.cache
def kinds_of_the_page() -> list[tuple[str, re.Pattern[str]]]:
    text = (ROOT / "spec" / "signals.md").read_text(encoding="utf-8")
    block, site = (
        re.search(r"```kinds\n(.*?)```", text, re.DOTALL),
        re.search(r"`SITE` stands for\s`(.*?)`", text),
    )
    assert block is not None
    assert site is not None
    lines = [line.split(None, 1) for line in block[1].splitlines()]
    return [(kind, re.compile(pattern.replace("SITE", site[1]), re.IGNORECASE)) for kind, pattern in lines]


def kind_of_the_page(label: str) -> str:
    plain = label.replace("_", " ").strip()
    return next((kind for kind, pattern in kinds_of_the_page() if pattern.search(plain)), "misc")


WORDS = """Status Trigger STI 014 Event marker EOG EOG(L) HEOG LOC ROC E1-M2 ECG EKG1 EMG Chin1-Chin2 LLEG Leg/L
RAT SEEG A1 ECoG 3 MEG0111 SpO2 SaO2 Pulse Pleth PPG HR PR Nasal Pressure EPAP CPAP Flow AIRFLOW Cannula Therm AF
Resp Resp Rate Resp oro-nasal THO Abdo Chest RIP Snore Pos Position Body pos Temp Temp rectal Light Lux Sound Mic
Accelerometer ACC Gyro Activity EEG EEG_C3 EEG Fpz-Cz C3 C3-M2 Fz Cz-REF T7.. P10 AF7h Fp1-Fp2 AFp1 FFC5h CPP3 O1:A2
A1 M1 I1 Iz T3-LE Fpz Cpz C3-A1A2 C33 X1 DC01 Patient Event foo C3-C4-P3 E2 Leg cpressx Battery EEG1 ear mark
Rate press flow pressure nasal press Rectal resprate arousal light off lat."""


@pytest.mark.clause("S-8")
def test_kinds_are_those_of_the_page(archives: dict[str, Path]) -> None:
    used = set()
    for path in archives.values():
        with Reader(path) as reader:
            for name in reader.pieces("/"):
                own = reader.attributes("/", name)
                used.add(own["label"])
                assert own["kind"] == kind_of_the_page(str(own["label"])), own["label"]
    words = WORDS.split()
    for label in (*words, *(f"{a} {b}" for a in words for b in words), *map(str, used)):
        assert channels.kind_of(label) == kind_of_the_page(label), label
    text = (ROOT / "spec" / "signals.md").read_text(encoding="utf-8")
    listed = re.search(r"`kind` is one of (.*?)\.\s", text, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == {kind for kind, _ in kinds_of_the_page()} | {"misc"}


@pytest.mark.clause("S-8", "S-4", "P-6")
def test_an_unknown_kind_and_further_attributes_are_accepted(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = {**attributes_of(h5["data"][stored]), "kind": "later", "more": 1.5}
        own.pop("samples_sha256")
        objects.link(virtual_dataset(h5, [Piece(stored, 0, stop)], own), h5["signals"], "copy")
        rows = h5["pieces"][()]
        again = np.concatenate([rows, rows[:1]])
        again["signal"][-1] = b"copy"
        replace_table(h5, "pieces", again)
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive:
        assert archive.signals["copy"].kind == "later"
        assert np.array_equal(archive.signals["copy"][:], archive.signals[name][:])


@pytest.mark.clause("S-9", "P-3")
def test_the_order_is_that_of_the_pieces(small: Path) -> None:
    with edited(small) as h5:
        write_signals(h5, dict(reversed(whole(h5).items())))
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive:
        assert list(archive.signals) == list(archive.freezes["source"].signals)[::-1]


@pytest.mark.clause("S-11")
def test_equal_signals_are_stored_once(tmp_path: Path) -> None:
    flat = [b"\7\0" * 10] * 2
    signals = [Made("X", flat), Made("X", flat), Made("Y", flat), Made("X", flat, {"prefiltering": "none"})]
    with Reader(convert(tmp_path, make_edf(signals))) as reader:
        stored = [parts[0][0] for parts in reader.pieces("/").values()]
        assert stored[0] == stored[1]
        assert len(set(stored)) == len(reader.h5["data"]) == 3
        assert len({attributes_of(found)["samples_sha256"] for found in reader.h5["data"].values()}) == 1


@pytest.mark.clause("S-11")
def test_data_may_hold_what_no_state_uses(small: Path) -> None:
    with edited(small) as h5:
        own = attributes_of(h5["data"][first_signal(h5)[1]])
        store(h5, np.arange(7000, dtype="<i2"), {**own, "label": "unused"})
    assert findings(small) == []


def store_without_chunks(h5: h5py.File, dtype: Any, length: int, codec: str) -> str:
    """A signal of fill values, of which nothing is stored: every digest of it is right."""
    own = attributes_of(h5["data"][first_signal(h5)[1]])
    made = objects.create_dataset(h5, np.dtype(dtype), length, length // 2, CODECS[codec])
    samples = hashlib.sha256(made[()].tobytes()).hexdigest()
    objects.write_attributes(made, {**own, "samples_sha256": samples})
    name = sha256_of_lines(signal_lines(np.dtype(dtype), length, samples, attributes_of(made)))
    objects.link(made, h5["data"], name)
    return name


@pytest.mark.clause("S-12", "K-6")
@pytest.mark.parametrize("codec", CODECS)
def test_missing_chunks_are_found_and_not_read(small: Path, codec: str) -> None:
    with edited(small) as h5:
        name, _, stop = first_signal(h5)
        made = store_without_chunks(h5, "<i2", stop, codec)
        write_signals(h5, {**whole(h5), name: [Piece(made, 0, stop)]})
        record_state(h5)
    assert f"/data/{made}" in errors(small)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive):
        archive.signals[name][:]
