"""Clauses of spec/pieces.md: states made by hand, right ones and wrong ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive.storage import objects
from eegarchive.storage.samples import Piece

from .breaking import (
    copy_of,
    edited,
    errors,
    findings,
    first_signal,
    record_state,
    reference,
    replace_table,
    store,
    table_of,
    virtual_dataset,
    whole,
    write_signals,
)
from .edf_rules import Made, make_edf
from .reader import Reader, attributes_of
from .test_edf import convert

Rows = list[tuple[str, str, int, int]]


def rows_of(h5: h5py.File) -> Rows:
    return [(name, p.data, p.start, p.stop) for name, parts in whole(h5).items() for p in parts]


def write_rows(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Change the table of pieces alone, and bring all digests up to date."""
    with edited(path) as h5:
        replace_table(h5, "pieces", table_of("pieces", change(rows_of(h5))))
        record_state(h5)


@pytest.fixture
def dropped(small: Path, tmp_path: Path) -> Path:
    """An archive whose working state lacks seconds 50 to 60, with a second name for its first signal."""
    reference._drop_ten_seconds(copy_of(small, tmp_path / "dropped.h5"))
    return tmp_path / "dropped.h5"


# -- right ones ---------------------------------------------------------------------------------------------


@pytest.mark.clause("P-1", "P-3", "P-4", "P-5", "P-6", "P-7", "P-8", "T-5", "D-5", "D-7")
def test_a_state_of_several_pieces_is_whole(dropped: Path) -> None:
    assert findings(dropped) == []
    with Reader(dropped) as reader, eegarchive.open(dropped) as archive:
        assert [len(parts) for parts in reader.pieces("/").values()] == [2, 2, 2]
        for name, signal in archive.signals.items():
            source = "3Hz +5%2F-5 V" if name == "copy" else name
            samples = reader.samples("/freezes/source/", source)
            rate = round(10 * signal.sampling_rate)
            expected = np.concatenate([samples[: 5 * rate], samples[6 * rate :]])
            assert np.array_equal(reader.samples("/", name), expected)
            assert np.array_equal(signal.digital[:], expected)
            assert np.array_equal(reader.h5["signals"][name][()], expected)  # as other tools see it
            around = archive.read([name], 60.0, 61.0)[0]
            assert np.array_equal(around, reader.physical("/", name)[5 * rate : 5 * rate + len(around)])


@pytest.mark.clause("P-6", "P-2")
def test_pieces_of_several_stored_signals_are_whole(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        other = store(h5, np.arange(stop, dtype="<i2"), {**own, "label": "another"})
        parts = [
            Piece(stored, 0, 100),
            Piece(other, 100, 300),
            Piece(stored, 250, 300),
            Piece(stored, 350, stop),
        ]
        write_signals(h5, {**whole(h5), name: parts})
        record_state(h5)
    assert findings(small) == []
    with Reader(small) as reader:
        assert reader.samples("/", name)[100:300].tolist() == list(range(100, 300))


@pytest.mark.clause("P-7")
@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8"])
def test_fill_values_of_every_type_are_accepted(small: Path, dtype: str) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        made = store(h5, np.arange(stop).astype(dtype), attributes_of(h5["data"][stored]))
        write_signals(h5, {**whole(h5), name: [Piece(made, 50, stop), Piece(made, 0, 50)]})
        record_state(h5)
    assert findings(small) == []


@pytest.mark.clause("P-4", "P-5")
def test_a_signal_without_samples_is_one_empty_piece(tmp_path: Path) -> None:
    raw = make_edf([Made(), Made("empty", [b""])])
    path = convert(tmp_path, raw)
    assert findings(path) == []
    with Reader(path) as reader, eegarchive.open(path) as archive:
        ((data, start, stop),) = reader.pieces("/")["empty"]
        assert (start, stop, len(reader.h5["data"][data])) == (0, 0, 0)
        assert len(archive.signals["empty"][:]) == 0


# -- wrong tables -------------------------------------------------------------------------------------------


@pytest.mark.clause("P-1")
@pytest.mark.parametrize(("start", "stop"), [(-1, 11000), (0, 11001), (5, 4), (11000, 22000), (-11000, 0)])
def test_pieces_out_of_bounds_are_found_and_not_read(small: Path, start: int, stop: int) -> None:
    write_rows(small, lambda rows: [(*rows[0][:2], start, stop), *rows[1:]])
    with eegarchive.open(small) as archive:
        name = next(iter(archive.signals))
        assert f"/signals/{name}" in errors(small)
        with pytest.raises(eegarchive.InvalidArchive, match="piece"):
            archive.signals[name]


@pytest.mark.clause("P-2")
@pytest.mark.parametrize("data", ["0" * 64, "", "../signals"])
def test_pieces_of_unknown_data_are_found_and_not_read(small: Path, data: str) -> None:
    write_rows(small, lambda rows: [(rows[0][0], data, *rows[0][2:]), *rows[1:]])
    with eegarchive.open(small) as archive:
        name = next(iter(archive.signals))
        assert "/data" in errors(small)[f"/signals/{name}"]
        with pytest.raises(eegarchive.InvalidArchive):
            archive.signals[name]


@pytest.mark.clause("P-2")
def test_pieces_of_another_type_are_found_and_not_read(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        made = store(h5, np.zeros(stop, "<i4"), attributes_of(h5["data"][stored]))
        replace_table(h5, "pieces", table_of("pieces", [(name, made, 0, stop), *rows_of(h5)[1:]]))
        record_state(h5)
    assert "int32" in errors(small)[f"/signals/{name}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive, match="int32"):
        archive.signals[name]


@pytest.mark.clause("P-3")
@pytest.mark.parametrize("change", ["one less in the table", "one less in signals", "one more in signals"])
def test_signals_that_are_not_those_of_the_table_are_found(small: Path, change: str) -> None:
    with edited(small) as h5:
        name, stored, _ = first_signal(h5)
        if change == "one less in the table":
            replace_table(h5, "pieces", table_of("pieces", rows_of(h5)[1:]))
        elif change == "one less in signals":
            del h5["signals"][name]
        else:
            h5["signals"]["more"] = h5["data"][stored]
    assert "pieces table" in errors(small)["/signals"]


@pytest.mark.clause("P-4")
@pytest.mark.parametrize("cuts", [[0, 5000, 11000], [0, 0, 11000], [0, 11000, 11000], [0, 4000, 4000, 11000]])
def test_pieces_that_are_not_normalised_are_found(small: Path, cuts: list[int]) -> None:
    def cut(rows: Rows) -> Rows:
        return [*((*rows[0][:2], a, b) for a, b in itertools.pairwise(cuts)), *rows[1:]]

    write_rows(small, cut)
    assert "could be fewer" in errors(small)["/pieces"]


# -- wrong renderings ---------------------------------------------------------------------------------------


@pytest.mark.clause("P-5")
@pytest.mark.parametrize("shown", ["another signal", "a copy in /signals", "whole for a part"])
def test_a_link_to_something_else_is_found(small: Path, shown: str) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        if shown == "another signal":
            other = h5["data"][store(h5, np.zeros(stop, "<i2"), {**own, "label": "another"})]
        else:
            other = h5["data"][stored]
        del h5["signals"][name]
        if shown == "a copy in /signals":
            h5.copy(other, h5["signals"], name)
        else:
            objects.link(other, h5["signals"], name)
        if shown == "whole for a part":
            replace_table(h5, "pieces", table_of("pieces", [(name, stored, 1, stop), *rows_of(h5)[1:]]))
        record_state(h5)
    assert "isn't the stored data" in errors(small)[f"/signals/{name}"]


def shown_as(path: Path, pieces: Callable[[list[Piece]], list[Piece]], fill: Any = None) -> str:
    """Render the first signal of other pieces than the table has."""
    with edited(path) as h5:
        name = next(iter(whole(h5)))
        own = attributes_of(h5["signals"][name])
        made = virtual_dataset(h5, pieces(whole(h5)[name]), own, fill=fill)
        del h5["signals"][name]
        objects.link(made, h5["signals"], name)
    return name


WRONG_PIECES: dict[str, Callable[[list[Piece]], list[Piece]]] = {
    "one sample off": lambda p: [p[0], Piece(p[1].data, p[1].start - 1, p[1].stop - 1)],
    "other order": lambda p: p[::-1],
    "one less": lambda p: p[:1],
    "one more": lambda p: [*p, Piece(p[0].data, 0, 7)],
    "in three parts": lambda p: [Piece(p[0].data, 0, 20), Piece(p[0].data, 20, p[0].stop), p[1]],
}


@pytest.mark.clause("P-6")
@pytest.mark.parametrize("wrong", WRONG_PIECES)
def test_a_wrong_mapping_is_found(dropped: Path, wrong: str) -> None:
    name = shown_as(dropped, WRONG_PIECES[wrong])
    assert "shows something else" in errors(dropped)[f"/signals/{name}"]


@pytest.mark.clause("P-8")
def test_samples_come_from_the_pieces_and_not_from_what_is_shown(dropped: Path) -> None:
    with Reader(dropped) as reader:
        expected = reader.samples("/", next(iter(reader.pieces("/"))))
    name = shown_as(dropped, WRONG_PIECES["one sample off"])
    with h5py.File(dropped) as h5:
        assert not np.array_equal(h5["signals"][name][()], expected)
    with eegarchive.open(dropped) as archive:
        assert np.array_equal(archive.signals[name].digital[:], expected)


@pytest.mark.clause("P-6")
@pytest.mark.parametrize("kind", ["a gap", "an overlap", "strided"])
def test_other_selections_are_found(dropped: Path, kind: str) -> None:
    with edited(dropped, redigest=kind in ("a gap", "an overlap")) as h5:
        name, parts = next(iter(whole(h5).items()))
        own = attributes_of(h5["signals"][name])
        length = sum(map(len, parts))
        layout = h5py.VirtualLayout((length,), "<i2")
        source = h5py.VirtualSource(".", f"/data/{parts[0].data}", (11000,), "<i2")
        if kind == "a gap":
            layout[:4000] = source[:4000]
        elif kind == "an overlap":
            layout[:6000] = source[:6000]
            layout[5000:] = source[6000:11000]
        else:
            layout[: length // 2] = source[:length:2]
        del h5["signals"][name]
        made = h5["signals"].create_virtual_dataset(name, layout, fillvalue=-32768)
        objects.write_attributes(made, own)
    assert f"/signals/{name}" in errors(dropped)


@pytest.mark.clause("P-7")
@pytest.mark.parametrize("fill", [0, -1, 32767, -32767])
def test_a_fill_value_that_could_be_a_sample_is_found(dropped: Path, fill: int) -> None:
    name = shown_as(dropped, lambda pieces: pieces, fill)
    assert "fill value" in errors(dropped)[f"/signals/{name}"]


@pytest.mark.clause("P-7")
@pytest.mark.parametrize("fill", [0.0, -3.4e38, float("inf")])
def test_a_fill_value_of_floats_that_is_not_nan_is_found(small: Path, fill: float) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        made = store(h5, np.zeros(stop, "<f8"), attributes_of(h5["data"][stored]))
        write_signals(h5, {**whole(h5), name: [Piece(made, 50, stop), Piece(made, 0, 50)]})
        record_state(h5)
    shown_as(small, lambda pieces: pieces, fill)
    assert "fill value" in errors(small)[f"/signals/{name}"]


@pytest.mark.clause("P-6", "S-4")
def test_a_virtual_signal_needs_attributes_of_its_own(dropped: Path) -> None:
    with edited(dropped) as h5:
        del h5["signals/copy"].attrs["units"]
    assert "'units' is missing" in errors(dropped)["/signals/copy"]
    with eegarchive.open(dropped) as archive, pytest.raises(eegarchive.InvalidArchive, match="units"):
        archive.signals["copy"]
