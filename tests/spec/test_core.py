"""Clauses of spec/core.md."""

from __future__ import annotations

import os
import shutil
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5a, h5d, h5o, h5p, h5s, h5t

import eegarchive
from eegarchive.layout import STATE_TABLES
from eegarchive.storage import objects

from .breaking import ROOT, edited, errors, findings, first_signal, record_state, replace_table
from .edf_rules import Made, make_edf
from .reader import Reader, attributes_of
from .test_edf import convert


def objects_of(h5: h5py.File) -> Iterator[Any]:
    """Every object once, the root included."""
    seen = {h5o.get_info(h5.id).addr}
    yield h5
    todo = [h5]
    while todo:
        for found in todo.pop().values():
            if h5o.get_info(found.id).addr not in seen:
                seen.add(h5o.get_info(found.id).addr)
                yield found
                if isinstance(found, h5py.Group):
                    todo.append(found)


@pytest.fixture
def archive(archives: dict[str, Path], recording: Path) -> Path:
    """The archive of each real recording in turn."""
    return archives[recording.stem]


# -- how a file is written ----------------------------------------------------------------------------------


@pytest.mark.clause("C-3", "C-11")
def test_versions_of_hdf5_and_no_times(archive: Path) -> None:
    raw = archive.read_bytes()
    assert raw[:9] == b"\x89HDF\r\n\x1a\n\x02"
    with h5py.File(archive) as h5:
        for found in objects_of(h5):
            at = h5o.get_info(found.id).addr
            signature, version, flags = struct.unpack_from("<4sBB", raw, at)
            assert (signature, version) == (b"OHDR", 2)
            assert not flags & 0x20, f"{found.name}: times"
            assert not flags & 0x0C, f"{found.name}: order of attributes"
            if isinstance(found, h5py.Dataset):
                assert layout_version(raw, at, flags) == 3, f"{found.name}: a chunk index of v110"


def layout_version(raw: bytes, at: int, flags: int) -> int | None:
    """Version of the layout message in the first part of an object header, which has a size and messages."""
    at += 6 + 4 * bool(flags & 0x10)
    width = 1 << (flags & 3)
    end = at + width + int.from_bytes(raw[at : at + width], "little")
    at += width
    while at < end:
        kind, size = struct.unpack_from("<BH", raw, at)
        if kind == 8:
            return raw[at + 4]
        at += 4 + size
    return None


@pytest.mark.clause("C-5", "C-6", "R-1")
def test_root_has_its_members_and_attributes(archive: Path) -> None:
    with Reader(archive) as reader:
        groups = {name for name, found in reader.h5.items() if isinstance(found, h5py.Group)}
        tables = {name for name, found in reader.h5.items() if isinstance(found, h5py.Dataset)}
        assert groups == {"signals", "data", "edf", "freezes"}
        assert tables == {"segments", "annotations", "epochs", "pieces", "history"}
        numbers = {name for name, value in reader.root.items() if not isinstance(value, str)}
        assert numbers == {"source_size"}


@pytest.mark.clause("C-7")
def test_attributes_are_exact_text_and_64_bit_numbers(archive: Path) -> None:
    with h5py.File(archive) as h5:
        for found in objects_of(h5):
            for name in found.attrs:
                attribute = h5a.open(found.id, name.encode())
                kind = attribute.get_type()
                assert attribute.get_space().get_simple_extent_type() == h5s.SCALAR
                if isinstance(kind, h5t.TypeStringID):
                    raw = np.zeros((), f"S{kind.get_size()}")
                    attribute.read(raw, mtype=kind)
                    assert (kind.get_cset(), kind.get_strpad()) == (h5t.CSET_UTF8, h5t.STR_NULLPAD)
                    assert max(1, len(bytes(raw))) == kind.get_size()
                else:
                    assert kind.equal(h5t.STD_I64LE) or kind.equal(h5t.IEEE_F64LE)


@pytest.mark.clause("C-8", "C-9")
def test_datasets_are_chunked_or_compact(archive: Path) -> None:
    with h5py.File(archive) as h5:
        for found in objects_of(h5):
            if isinstance(found, h5py.Dataset):
                assert found.ndim == 1
                assert found.maxshape == found.shape
                layout = found.id.get_create_plist().get_layout()
                small = 1 <= found.nbytes <= 4096
                assert layout == (h5d.COMPACT if small else h5d.CHUNKED), found.name


@pytest.mark.clause("C-9")
@pytest.mark.parametrize(("size", "compact"), [(0, False), (1, True), (4096, True), (4097, False)])
def test_what_is_compact_goes_by_its_size(tmp_path: Path, size: int, compact: bool) -> None:
    path = convert(tmp_path, make_edf([Made(records=[bytes(8192)])], tail=bytes(size)))
    with h5py.File(path) as h5:
        layout = h5["edf/tail"].id.get_create_plist().get_layout()
        assert layout == (h5d.COMPACT if compact else h5d.CHUNKED)


@pytest.mark.clause("C-10")
def test_links_are_hard_and_groups_have_one(archive: Path) -> None:
    with h5py.File(archive) as h5:
        for found in objects_of(h5):
            if isinstance(found, h5py.Group):
                assert h5o.get_info(found.id).rc == 1
                for name in found:
                    assert isinstance(found.get(name, getlink=True), h5py.HardLink)


@pytest.mark.clause("C-13", "R-5")
@pytest.mark.parametrize(
    "name", ["edf_trailing_byte_bad_date.edf", "edfplusc_utf8_annotations.edf", "bdf_ecg_noninteger_rate.bdf"]
)
def test_equal_conversions_give_equal_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    recording = ROOT / "tests" / "data" / name
    written = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(recording, tmp_path / folder)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", eegarchive.OddInput)
            eegarchive.convert(tmp_path / folder / recording.name, tmp_path / folder / "a.h5")
        written.append((tmp_path / folder / "a.h5").read_bytes())
    assert written[0] == written[1]


@pytest.mark.clause("C-13")
def test_a_file_is_replaced_and_never_changed(small: Path, tmp_path: Path, small_recording: Path) -> None:
    os.link(small, tmp_path / "other name.h5")
    before = small.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(small_recording, small, overwrite=True)
    assert (tmp_path / "other name.h5").read_bytes() == before


@pytest.mark.clause("C-4")
def test_links_say_that_their_names_are_utf8(tmp_path: Path) -> None:
    path = convert(tmp_path, make_edf([Made("µV é")]))
    with h5py.File(path) as h5:
        for group in (h5["signals"], h5["freezes/source/signals"]):
            assert group.id.links.get_info("µV é".encode()).cset == h5t.CSET_UTF8


# -- what a reader refuses, and a checker finds -------------------------------------------------------------


@pytest.mark.clause("C-1")
def test_a_user_block_is_refused(small: Path) -> None:
    small.write_bytes(bytes(512) + small.read_bytes())
    with pytest.raises(eegarchive.InvalidArchive, match="user block"):
        eegarchive.open(small)
    assert "user block" in errors(small)["/"]


@pytest.mark.clause("C-1")
def test_an_archive_needs_no_other_file(small: Path, tmp_path: Path) -> None:
    alone = tmp_path / "empty" / "renamed.h5"
    alone.parent.mkdir()
    small.rename(alone)
    assert list(alone.parent.iterdir()) == [alone]
    assert findings(alone) == []


@pytest.mark.clause("C-2")
@pytest.mark.parametrize("value", [None, "eegarchive2", "EEGARCHIVE", ""])
def test_another_format_is_refused(small: Path, value: str | None) -> None:
    with edited(small) as h5:
        del h5.attrs["format"]
        if value is not None:
            objects.write_attribute(h5, "format", value)
    with pytest.raises(eegarchive.InvalidArchive, match="not an eegarchive"):
        eegarchive.open(small)
    assert "/" in errors(small)


BAD_NAMES = [
    b"a\nb",
    b"\x1b[31m",
    "\u202e".encode(),
    "\ue000".encode(),
    "\u2028".encode(),
    b"\xff",
    b"x" * 256,
]


@pytest.mark.clause("C-4", "G-7")
@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("parent", ["signals", "data", "freezes", "edf", "."])
def test_names_that_are_not_allowed_are_found(small: Path, name: bytes, parent: str) -> None:
    with edited(small, redigest=False) as h5:
        _, stored, _ = first_signal(h5)
        h5o.link(h5["data"][stored].id, h5[parent].id, name)
    (message,) = errors(small).values()
    assert "name" in message


@pytest.mark.clause("C-4")
@pytest.mark.parametrize("name", ["é", "信号", "x" * 255, "a b", "..."])
def test_names_are_utf8(small: Path, name: str) -> None:
    with edited(small) as h5:
        rows = h5["pieces"][()]
        values = {column: rows[column].tolist() for column in rows.dtype.names}
        values["signal"] = [name.encode(), *values["signal"][1:]]
        signal, stored, _ = first_signal(h5)
        del h5["signals"][signal]
        h5o.link(h5["data"][stored].id, h5["signals"].id, name.encode())  # the link's header says ASCII
        texts = {key: [v.decode() if isinstance(v, bytes) else v for v in vs] for key, vs in values.items()}
        replace_table(h5, "pieces", objects.make_rows(STATE_TABLES["pieces"], texts))
        record_state(h5)
    assert findings(small) == []
    with eegarchive.open(small) as archive:
        assert name in archive.signals


@pytest.mark.clause("C-5", "R-1")
@pytest.mark.parametrize(
    "name",
    [
        "created",
        "created_by",
        "source_name",
        "source_size",
        "source_sha256",
        "source_kind",
        "source_digest",
        "digest",
        "git_commit",
    ],
)
def test_a_missing_root_attribute_is_found(small: Path, name: str) -> None:
    with edited(small) as h5:
        del h5.attrs[name]
    assert f"'{name}' is missing" in errors(small)["/"]


@pytest.mark.clause("R-1")
def test_a_root_attribute_of_another_type_is_found(small: Path) -> None:
    with edited(small) as h5:
        objects.write_attribute(h5, "source_size", "25585")
    assert "source_size" in errors(small)["/"]


@pytest.mark.clause("C-6")
@pytest.mark.parametrize(
    "name", ["signals", "segments", "annotations", "epochs", "pieces", "history", "data", "edf", "freezes"]
)
def test_a_missing_member_is_found(small: Path, name: str) -> None:
    with edited(small, redigest=name != "freezes") as h5:
        del h5[name]
    assert f"{name!r} is missing" in errors(small)["/"]


@pytest.mark.clause("C-6")
@pytest.mark.parametrize("name", ["signals", "segments", "pieces"])
def test_an_archive_that_lacks_a_member_is_called_invalid(small: Path, name: str) -> None:
    with edited(small, redigest=False) as h5:
        del h5[name]
    with pytest.raises(eegarchive.InvalidArchive), eegarchive.open(small) as archive:
        archive.segments.rows()
        for signal in archive.signals:
            archive.signals[signal].digital[:]


ODD_ATTRIBUTES: dict[str, Callable[[h5py.Dataset], None]] = {
    "variable length": lambda obj: obj.attrs.create("x", "text", dtype=h5py.string_dtype()),
    "array": lambda obj: obj.attrs.create("x", np.arange(3, dtype="<i8")),
    "one-element array": lambda obj: obj.attrs.create("x", np.arange(1, dtype="<i8")),
    "32 bits": lambda obj: obj.attrs.create("x", np.int32(3)),
    "unsigned": lambda obj: obj.attrs.create("x", np.uint64(3)),
    "float32": lambda obj: obj.attrs.create("x", np.float32(3)),
    "boolean": lambda obj: obj.attrs.create("x", np.bool_(True)),
    "reference": lambda obj: obj.attrs.create("x", obj.ref, dtype=h5py.ref_dtype),
    "empty": lambda obj: obj.attrs.create("x", h5py.Empty("S1")),
    "not UTF-8": lambda obj: obj.attrs.create("x", np.bytes_(b"\xff\xfe")),
}


@pytest.mark.clause("C-7")
@pytest.mark.parametrize("kind", ODD_ATTRIBUTES)
def test_attributes_of_other_types_are_refused_and_found(small: Path, kind: str) -> None:
    with edited(small, redigest=False) as h5:
        name, stored, _ = first_signal(h5)
        ODD_ATTRIBUTES[kind](h5["data"][stored])
    assert f"/data/{stored}" in errors(small)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive):
        archive.signals[name]


@pytest.mark.clause("C-8", "G-8")
@pytest.mark.parametrize("shape", [(4, 5), ()])
def test_datasets_of_other_dimensions_are_found(small: Path, shape: tuple[int, ...]) -> None:
    with edited(small, redigest=False) as h5:
        chunks = {"chunks": shape, "compression": 1, "shuffle": True, "fletcher32": True} if shape else {}
        del h5["edf/tail"]
        h5["edf"].create_dataset("tail", data=np.zeros(shape, "u1"), **chunks)
    found = errors(small)
    assert any(
        "dimension" in message or "contiguous" in message or "chunks" in message for message in found.values()
    )


@pytest.mark.clause("C-8", "C-12", "D-6")
def test_members_of_later_versions_may_have_several_dimensions(small: Path) -> None:
    with edited(small) as h5:
        chunks = {"chunks": (1, 4, 5), "compression": 1, "shuffle": True, "fletcher32": True}
        h5.create_dataset("pictures/first", data=np.zeros((3, 4, 5), "<f4"), **chunks)
    assert {(finding.severity, finding.path) for finding in findings(small)} == {("warning", "/pictures")}
    with eegarchive.open(small) as archive:
        assert len(archive.signals) == 2


@pytest.mark.clause("C-8", "G-8")
@pytest.mark.parametrize("path", ["segments", "history", "edf/header", "edf/tail", "edf/channels", "data"])
def test_contiguous_datasets_are_refused_and_found(small: Path, path: str) -> None:
    with edited(small, redigest=False) as h5:
        if path == "data":
            path = f"data/{first_signal(h5)[1]}"
        values, own = h5[path][()], attributes_of(h5[path])
        del h5[path]
        objects.write_attributes(h5.create_dataset(path, data=values), own)
    assert "chunks" in errors(small)[f"/{path}"]


@pytest.mark.clause("C-9")
@pytest.mark.parametrize("path", ["segments", "edf/channels"])
def test_small_datasets_in_chunks_are_accepted(small: Path, path: str) -> None:
    with edited(small) as h5:
        rows, own = h5[path][()], attributes_of(h5[path])
        del h5[path]
        made = h5.create_dataset(path, data=rows, chunks=(1,), compression=1, shuffle=True, fletcher32=True)
        objects.write_attributes(made, own)
    assert findings(small) == []


@pytest.mark.clause("C-9")
def test_large_compact_datasets_are_accepted(small: Path) -> None:
    with edited(small) as h5:
        _, stored, _ = first_signal(h5)
        samples, own = h5["data"][stored][()], attributes_of(h5["data"][stored])
        assert samples.nbytes > 4096
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_layout(h5d.COMPACT)
        made = h5d.create(h5.id, None, h5t.STD_I16LE, h5s.create_simple(samples.shape), dcpl=creation)
        h5py.Dataset(made).write_direct(samples)
        objects.write_attributes(h5py.Dataset(made), own)
        for group in ("signals", "freezes/source/signals"):
            name = first_signal(h5)[0]
            del h5[group][name]
            objects.link(h5py.Dataset(made), h5[group], name)
        del h5["data"][stored]
        objects.link(h5py.Dataset(made), h5["data"], stored)
    assert findings(small) == []


@pytest.mark.clause("C-10")
def test_a_group_of_two_names_is_found(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        one = h5.create_group("one")
        one["a"] = one["b"] = one.create_group("two")
    assert any("/one" in message for message in errors(small).values())


@pytest.mark.clause("C-12")
def test_unknown_members_and_attributes_are_no_errors(small: Path) -> None:
    with edited(small) as h5:
        for path in ("later", "edf/later", "freezes/source/later"):
            objects.link(
                objects.write_table(h5, h5["history"][()]), h5[path.rpartition("/")[0] or "/"], "later"
            )
        objects.create_group(h5, "and_a_group")
        for path in ("/", "/edf", "/freezes", "/freezes/source", "/edf/channels"):
            objects.write_attribute(h5[path], "later", 7)
    found = findings(small)
    assert {(finding.severity, finding.path) for finding in found} == {
        ("warning", path) for path in ("/later", "/and_a_group", "/edf/later", "/freezes/source/later")
    }
    with eegarchive.open(small, "source") as archive:
        assert len(archive.signals) == 2


@pytest.mark.clause("C-12")
def test_unknown_members_are_checked_too(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        h5.create_dataset("later/contiguous", data=np.zeros(5))
    assert "/later/contiguous" in errors(small)
