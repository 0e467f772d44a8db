"""Clauses of spec/security.md: hostile files, each broken in one way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from h5py import h5d, h5p, h5s, h5t

import eegarchive
from eegarchive.cli import main
from eegarchive.layout import EDF_WARNING_COLUMNS
from eegarchive.storage import guard, objects
from eegarchive.storage.codec import PORTABLE
from eegarchive.storage.samples import Piece

from .breaking import edited, errors, first_signal, record_state, replace_table, virtual_dataset, whole
from .reader import attributes_of

#: Where a link may stand: a member of the root, of a group, and a group on the way.
PLACES = [
    "segments",
    "signals",
    "data",
    "freezes/source",
    "freezes/source/epochs",
    "edf/header",
    "edf/annotations",
]


@pytest.fixture
def foreign(small: Path) -> Path:
    """An archive beside the other, with other samples under the same names."""
    path = small.with_name("foreign.h5")
    shutil.copy(small, path)
    with h5py.File(path, "r+") as h5:
        for stored in h5["data"].values():
            stored[...] = np.full(len(stored), 666)
    return path


LINKS: dict[str, Callable[[h5py.Group, str, str], None]] = {
    "soft": lambda group, name, path: group.__setitem__(name, h5py.SoftLink(f"/kept/{path}")),
    "dangling": lambda group, name, path: group.__setitem__(name, h5py.SoftLink("/nowhere")),
    "external": lambda group, name, path: group.__setitem__(
        name, h5py.ExternalLink("foreign.h5", f"/{path}")
    ),
}


@pytest.mark.clause("G-1", "C-10")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", LINKS)
def test_links_are_found_and_not_followed(labels: Path, place: str, kind: str) -> None:
    shutil.copy(labels, labels.with_name("foreign.h5"))
    with edited(labels, redigest=False) as h5:
        parent, _, name = place.rpartition("/")
        group = h5[parent] if parent else h5
        h5.create_group("kept")
        h5.move(place, f"kept/{name}")
        LINKS[kind](group, name, place if kind == "external" else name)
    assert any(f"/{place}: is" in message and "link" in message for message in errors(labels).values())
    with pytest.raises(eegarchive.UnsafeArchive, match="link"):
        read_everything(labels)


def read_everything(path: Path) -> None:
    """Use all that a reader can give of an archive."""
    for tag in (None, "source"):
        with eegarchive.open(path, tag) as state:
            for table in (state.segments, state.annotations, state.epochs):
                table.rows()
            for name in state.signals:
                state.signals[name].digital[:3]
    eegarchive.export(path, path.with_name("out.edf"))


@pytest.mark.clause("G-1")
@pytest.mark.parametrize("name", ["outside/{}", "/data/outside/{}"])
def test_names_in_tables_are_no_paths(small: Path, foreign: Path, name: str) -> None:
    with edited(small, redigest=False) as h5:
        _, stored, _ = first_signal(h5)
        h5["data"]["outside"] = h5py.ExternalLink(foreign.name, "/data")
        rows = h5["pieces"][()]
        fields = [(column, rows.dtype[column]) for column in rows.dtype.names]
        fields[1] = ("data", h5py.string_dtype("utf-8", 99))
        wide = rows.astype(fields)
        wide["data"][0] = name.format(stored).encode()
        replace_table(h5, "pieces", wide)
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.InvalidArchive):
        next(iter(archive.signals.values())).digital[:3]


@pytest.mark.clause("G-2")
@pytest.mark.parametrize("path", ["data", "edf/header", "later"])
def test_external_storage_is_found_and_not_read(small: Path, path: str) -> None:
    small.with_name("secret").write_bytes(b"secret" * 10000)
    with edited(small, redigest=False) as h5:
        signal, stored, stop = first_signal(h5)
        path = f"data/{stored}" if path == "data" else path
        own = attributes_of(h5[path]) if path in h5 else {}
        if path in h5:
            del h5[path]
        made = h5.create_dataset(
            path, (stop,), "<i2", external=[(str(small.with_name("secret")), 0, stop * 2)]
        )
        objects.write_attributes(made, own)
        if path.startswith("data"):
            del h5["signals"][signal]
            h5["signals"][signal] = made
    assert "external storage" in errors(small)[f"/{path}"]
    if path.startswith("data"):
        with eegarchive.open(small) as archive, pytest.raises(eegarchive.UnsafeArchive, match="external"):
            archive.signals[signal]


SOURCES = [
    ("foreign.h5", "/data/{}"),
    ("./foreign.h5", "/data/{}"),
    ("small.h5", "/data/{}"),
    ("", "/data/{}"),
    (".", "data/{}"),
    (".", "/data/../data/{}"),
    (".", "/data/more/{}"),
    (".", "/signals/3Hz"),
    (".", "/segments"),
]


@pytest.mark.clause("G-3", "P-6")
@pytest.mark.parametrize(("file", "source"), SOURCES)
def test_other_virtual_sources_are_found_and_not_read(
    small: Path, foreign: Path, file: str, source: str
) -> None:
    with edited(small, redigest=False) as h5:
        name, stored, stop = first_signal(h5)
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_fill_value(np.array(-32768, "<i2"))
        space = h5s.create_simple((stop,))
        creation.set_virtual(space, file.encode(), source.format(stored).encode(), space)
        made = h5py.Dataset(h5d.create(h5.id, None, h5t.STD_I16LE, space, dcpl=creation))
        objects.write_attributes(made, attributes_of(h5["data"][stored]))
        del h5["signals"][name]
        objects.link(made, h5["signals"], name)
    assert "virtual dataset" in errors(small)[f"/signals/{name}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.UnsafeArchive, match="virtual"):
        archive.signals[name]


@pytest.mark.clause("G-3", "P-8")
@pytest.mark.parametrize("path", ["segments", "pieces", "edf/header"])
def test_other_virtual_datasets_are_not_read(small: Path, foreign: Path, path: str) -> None:
    with edited(small, redigest=False) as h5:
        old, own = h5[path], attributes_of(h5[path])
        h5["data"]["outside"] = h5py.ExternalLink(foreign.name, f"/{path}")
        creation = h5p.create(h5p.DATASET_CREATE)
        space = h5s.create_simple(old.shape)
        creation.set_virtual(space, b".", b"/data/outside", space)
        made = h5py.Dataset(h5d.create(h5.id, None, old.id.get_type(), space, dcpl=creation))
        objects.write_attributes(made, own)
        parent, _, name = path.rpartition("/")
        del h5[path]
        objects.link(made, h5[parent] if parent else h5, name)
    with pytest.raises(eegarchive.InvalidArchive):
        read_everything(small)


@pytest.mark.clause("G-4")
@pytest.mark.parametrize("place", ["/", "data", "edf", "freezes", "freezes/source"])
def test_a_group_that_contains_itself_is_found(small: Path, place: str) -> None:
    with edited(small, redigest=False) as h5:
        h5[place]["itself"] = h5[place]
    assert any("contains itself" in message for message in errors(small).values())


@pytest.mark.clause("G-6")
def test_huge_chunks_are_found_and_not_read(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        name, stored, _ = first_signal(h5)
        own = attributes_of(h5["data"][stored])
        del h5["data"][stored], h5["signals"][name]
        made = objects.create_dataset(h5, np.dtype("<i2"), 2**25 + 1, 2**25 + 1, PORTABLE)
        objects.write_attributes(made, own)
        objects.link(made, h5["data"], stored)
        objects.link(made, h5["signals"], name)
    assert "chunks of 67108866 bytes" in errors(small)[f"/data/{stored}"]
    with eegarchive.open(small) as archive, pytest.raises(eegarchive.UnsafeArchive, match="chunks"):
        archive.signals[name]


@pytest.mark.clause("G-6")
@pytest.mark.parametrize(("length", "refused"), [(2**25, False), (2**25 + 1, True), (2**50, True)])
def test_sizes_out_of_nothing_are_refused(small: Path, length: int, refused: bool) -> None:
    with edited(small, redigest=False) as h5:
        made = objects.create_dataset(h5, np.dtype("<i2"), length, 65536, PORTABLE)
        objects.link(made, h5["data"], "0" * 64)
    with h5py.File(small) as h5:
        if refused:
            with pytest.raises(eegarchive.UnsafeArchive, match="stored"):
                guard.dataset_at(h5["data"], "0" * 64)
        else:
            guard.dataset_at(h5["data"], "0" * 64)


@pytest.mark.clause("G-6")
def test_a_table_of_a_size_out_of_nothing_is_not_read(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        dtype = h5["segments"].dtype
        del h5["segments"]
        objects.link(objects.create_dataset(h5, dtype, 2**40, 4096, PORTABLE), h5, "segments")
    assert any("stored" in message for message in errors(small).values())
    with pytest.raises(eegarchive.UnsafeArchive, match="stored"), eegarchive.open(small) as archive:
        archive.segments.rows()


ODD_TYPES: dict[str, Any] = {
    "reference": h5py.ref_dtype,
    "opaque": np.dtype("V7"),
    "array": np.dtype([("a", "<i2", (3,))]),
    "nested": np.dtype([("a", [("b", "<i2")])]),
    "enumeration": h5py.enum_dtype({"A": 0}, "<i2"),
    "text": h5py.string_dtype("utf-8", 9),
    "boolean column": np.dtype([("a", "?")]),
}


@pytest.mark.clause("G-8")
@pytest.mark.parametrize("kind", ODD_TYPES)
def test_odd_types_are_found(small: Path, kind: str) -> None:
    with edited(small, redigest=False) as h5:
        h5.create_dataset(
            "edf/more", (3,), ODD_TYPES[kind], chunks=(3,), shuffle=True, compression=1, fletcher32=True
        )
    assert "/edf/more" in errors(small)


@pytest.mark.clause("G-3")
def test_a_pattern_as_virtual_source_is_found(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        name, stored, stop = first_signal(h5)
        creation = h5p.create(h5p.DATASET_CREATE)
        there = h5s.create_simple((stop,))
        here = h5s.create_simple((stop,), (h5s.UNLIMITED,))
        here.select_hyperslab((0,), (h5s.UNLIMITED,), block=(stop,), stride=(stop,))
        creation.set_virtual(here, b".", b"/data/%b", there)
        made = h5py.Dataset(h5d.create(h5.id, None, h5t.STD_I16LE, here, dcpl=creation))
        objects.write_attributes(made, attributes_of(h5["data"][stored]))
        del h5["signals"][name]
        objects.link(made, h5["signals"], name)
    assert "virtual dataset" in errors(small)[f"/signals/{name}"]


@pytest.mark.clause("G-8")
def test_a_named_type_is_found(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        h5["edf/type"] = np.dtype("<i2")
    assert any("/edf/type: is neither" in message for message in errors(small).values())


@pytest.mark.clause("G-9")
@pytest.mark.parametrize("place", ["label", "warning"])
def test_text_of_a_file_is_escaped(small: Path, place: str, capfd: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b]0;owned\x07\u202e"
    with edited(small) as h5:
        if place == "label":
            name, stored, stop = first_signal(h5)
            own = {**attributes_of(h5["data"][stored]), "label": bad, "units": bad}
            own.pop("samples_sha256")
            del h5["signals"][name]
            objects.link(virtual_dataset(h5, [Piece(stored, 0, stop)], own), h5["signals"], name)
            assert whole(h5)
            record_state(h5)
        else:
            rows = objects.make_rows(EDF_WARNING_COLUMNS, {"code": [bad], "message": [bad]})
            replace_table(h5, "edf/warnings", rows)
    done = CliRunner().invoke(main, ["info", str(small)])
    assert done.exit_code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(done.output)


@pytest.mark.clause("G-9")
def test_a_crash_is_a_finding(small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'eegarchive.check' in sys.orig_argv:\n    os.kill(os.getpid(), 11)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (finding,) = eegarchive.verify(small)
    assert finding.severity == "error"
    assert "SIGSEGV" in finding.message


@pytest.mark.clause("G-9")
def test_the_check_runs_without_hdf5s_variables(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'eegarchive.check' in sys.orig_argv:\n"
        f"    open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(sorted(os.environ)))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(tmp_path))
    monkeypatch.setenv("HDF5_VDS_PREFIX", str(tmp_path))
    assert eegarchive.verify(small) == []
    seen = (tmp_path / "seen").read_text().split()
    assert "PYTHONPATH" in seen
    assert not [name for name in seen if name.startswith("HDF5_")]
    assert "HDF5_EXT_PREFIX" in os.environ
