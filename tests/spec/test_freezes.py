"""Clauses of spec/freezes.md."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5o

import eegarchive
from eegarchive import digest
from eegarchive.storage import objects

from .breaking import edited, errors, findings, first_signal, record_state, replace_table, store, table_of
from .reader import Reader, attributes_of

MEMBERS = ["signals", "segments", "annotations", "epochs", "pieces"]


def add_freeze(h5: h5py.File, tag: str) -> None:
    """Freeze the working state."""
    freeze = objects.create_group(h5["freezes"], tag)
    for name in MEMBERS[1:]:
        objects.link(h5[name], freeze, name)
    group = objects.create_group(freeze, "signals")
    for name, signal in h5["signals"].items():
        objects.link(signal, group, name)
    own = {"created": "2024-01-01T00:00:00Z", "note": "", "digest": attributes_of(h5)["digest"]}
    objects.write_attributes(freeze, own)
    objects.write_attribute(freeze, "contents_digest", digest.contents_digest(freeze))


@pytest.fixture
def archive(archives: dict[str, Path], recording: Path) -> Path:
    """The archive of each real recording in turn."""
    return archives[recording.stem]


@pytest.mark.clause("F-1", "F-2", "F-3", "F-5", "R-5")
def test_the_freeze_source_shares_everything_with_the_working_state(archive: Path) -> None:
    with h5py.File(archive) as h5:
        freeze = h5["freezes/source"]
        assert sorted(freeze) == sorted(MEMBERS)
        assert set(attributes_of(freeze)) == {"created", "note", "digest", "contents_digest"}
        shared = [*MEMBERS[1:], *(f"signals/{name}" for name in h5["signals"])]
        for path in shared:
            assert h5o.get_info(h5[path].id).addr == h5o.get_info(freeze[path].id).addr
        assert sorted(freeze["signals"]) == sorted(h5["signals"])


@pytest.mark.clause("F-1", "F-4", "F-5", "C-4", "D-7")
@pytest.mark.parametrize("tag", ["N2", "night_1-artefacts.out", "x" * 64])
def test_another_freeze_is_whole_and_reads_like_the_archive(small: Path, tag: str) -> None:
    with edited(small) as h5:
        replace_table(h5, "epochs", table_of("epochs", [(1, 0.0, 30.0, 1)]))
        record_state(h5)
        add_freeze(h5, tag)
        replace_table(h5, "epochs", table_of("epochs", []))
        record_state(h5)
    assert findings(small) == []
    with Reader(small) as reader, eegarchive.open(small, tag) as frozen, eegarchive.open(small) as working:
        assert (len(frozen.epochs), len(working.epochs)) == (1, 0)
        assert frozen.digest != working.digest == working.freezes["source"].digest
        for name, signal in frozen.signals.items():
            assert np.array_equal(signal.digital[:], reader.samples(f"/freezes/{tag}/", name))


@pytest.mark.clause("F-1")
@pytest.mark.parametrize("name", MEMBERS)
def test_a_missing_member_of_a_freeze_is_found(small: Path, name: str) -> None:
    with edited(small) as h5:
        del h5["freezes/source"][name]
    assert f"{name!r} is missing" in errors(small)["/freezes/source"]
    with pytest.raises(eegarchive.EEGArchiveError), eegarchive.open(small, "source") as archive:
        for table in (archive.segments, archive.annotations, archive.epochs):
            table.rows()
        for name in archive.signals:
            archive.signals[name].digital[:]


@pytest.mark.clause("F-2")
@pytest.mark.parametrize("name", ["created", "note", "digest", "contents_digest"])
def test_a_missing_attribute_of_a_freeze_is_found(small: Path, name: str) -> None:
    with edited(small, redigest=False) as h5:
        del h5["freezes/source"].attrs[name]
    assert f"{name!r} is missing" in errors(small)["/freezes/source"]


@pytest.mark.clause("F-3")
def test_a_missing_source_is_found(small: Path) -> None:
    with edited(small) as h5:
        h5["freezes"].move("source", "other")
    assert "'source' is missing" in errors(small)["/freezes"]


@pytest.mark.clause("F-3", "R-1")
def test_another_source_digest_is_found(small: Path) -> None:
    with edited(small) as h5:
        objects.write_attribute(h5, "source_digest", "0" * 64)
    assert "source_digest" in errors(small)["/"]


@pytest.mark.clause("F-3", "E-8")
def test_a_source_that_gives_other_bytes_is_found(small: Path) -> None:
    with edited(small) as h5:
        name, stored, stop = first_signal(h5)
        rows = [
            (row["signal"].decode(), row["data"].decode(), 0, int(row["stop"])) for row in h5["pieces"][()]
        ]
        own = attributes_of(h5["data"][stored])
        made = store(h5, h5["data"][stored][()] + np.int16(1), own)
        rows[0] = (name, made, 0, stop)
        replace_table(h5, "pieces", table_of("pieces", rows))
        del h5["signals"][name]
        h5["signals"][name] = h5["data"][made]
        record_state(h5)
        del h5["freezes/source"]
        add_freeze(h5, "source")
        objects.write_attribute(h5, "source_digest", attributes_of(h5)["digest"])
    assert list(errors(small)) == ["/edf"]


@pytest.mark.clause("F-4", "D-6")
@pytest.mark.parametrize("change", ["note", "table", "member"])
def test_a_changed_freeze_is_found(small: Path, change: str) -> None:
    with edited(small, redigest=False) as h5:
        freeze = h5["freezes/source"]
        if change == "note":
            objects.write_attribute(freeze, "note", "another")
        elif change == "table":
            del freeze["epochs"]
            objects.link(objects.write_table(h5, table_of("epochs", [(1, 0.0, 30.0, 0)])), freeze, "epochs")
        else:
            objects.link(h5["history"], freeze, "more")
    assert "/freezes/source" in errors(small)


@pytest.mark.clause("F-4", "D-7")
def test_a_changed_contents_digest_is_found_at_the_root(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        objects.write_attribute(h5["freezes/source"], "contents_digest", "0" * 64)
    found = errors(small)
    assert "contents_digest" in found["/freezes/source"]
    assert "archive_digest" in found["/"]


@pytest.mark.clause("F-2", "D-7")
def test_attributes_of_the_group_of_freezes_are_covered(small: Path) -> None:
    with edited(small, redigest=False) as h5:
        objects.write_attribute(h5["freezes"], "more", "1")
    assert "/" in errors(small)


@pytest.mark.clause("F-1")
@pytest.mark.parametrize("path", ["signals", "pieces"])
def test_attributes_that_no_digest_covers_are_found(small: Path, path: str) -> None:
    with edited(small) as h5:
        objects.write_attribute(h5[path], "note", "mine")
    assert "has attributes: note" in errors(small)[f"/{path}"]
