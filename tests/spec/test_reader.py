"""The second reader agrees with every archive, and with the package, on all that the specification defines."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import eegarchive

from .breaking import findings
from .reader import Reader, attributes_of, seal_of, sha256_of_lines


@pytest.fixture
def archive(archives: dict[str, Path], recording: Path) -> Path:
    """The archive of each real recording in turn."""
    return archives[recording.stem]


@pytest.mark.clause("E-8", "E-9", "F-3", "R-1")
def test_the_sources_bytes_are_rebuilt(archive: Path, recording: Path) -> None:
    with Reader(archive) as reader:
        rebuilt = reader.rebuilt()
        assert rebuilt == recording.read_bytes()
        assert hashlib.sha256(rebuilt).hexdigest() == reader.root["source_sha256"]
        assert len(rebuilt) == reader.root["source_size"]


@pytest.mark.clause("D-1", "D-2", "D-3", "S-1", "S-4")
def test_stored_signals_are_named_by_their_digest(archive: Path) -> None:
    with Reader(archive) as reader:
        for name, stored in reader.h5["data"].items():
            samples = stored[()].astype(stored.dtype.newbyteorder("<"))
            assert hashlib.sha256(samples.tobytes()).hexdigest() == stored.attrs["samples_sha256"].decode()
            assert reader.signal_digest(stored) == name


@pytest.mark.clause("D-4", "D-5", "F-1", "F-2", "F-3", "R-1", "T-8")
def test_states_have_their_digest(archive: Path) -> None:
    with Reader(archive) as reader:
        for prefix in ("/", *(f"/freezes/{tag}/" for tag in reader.tags())):
            found = sha256_of_lines(reader.state_lines(prefix))
            assert found == attributes_of(reader.h5[prefix])["digest"]
        assert attributes_of(reader.h5["freezes/source"])["digest"] == reader.root["source_digest"]
        assert reader.table("/history")[0]["digest_after"][-1].decode() == reader.root["digest"]


@pytest.mark.clause("D-6", "D-7", "F-4", "R-6")
def test_contents_and_archive_have_their_digest(archive: Path) -> None:
    with Reader(archive) as reader:
        for tag in reader.tags():
            group = reader.h5["freezes"][tag]
            found = sha256_of_lines(reader.contents_lines(group))
            assert found == attributes_of(group)["contents_digest"]
        assert sha256_of_lines(reader.archive_lines()) == reader.root["archive_digest"]


@pytest.mark.clause("E-3", "E-4", "E-5")
def test_byte_streams_have_their_digest(archive: Path) -> None:
    with Reader(archive) as reader:
        streams = [reader.h5["edf/header"], reader.h5["edf/tail"], *reader.h5["edf/annotations"].values()]
        for stream in streams:
            assert hashlib.sha256(stream[()].tobytes()).hexdigest() == stream.attrs["sha256"].decode()


@pytest.mark.clause("I-1", "I-2", "I-3")
def test_the_seal_is_over_all_bytes_before_it(archive: Path) -> None:
    with Reader(archive) as reader:
        covered, stated = reader.sealed()
        assert seal_of(covered) == stated
        superblock_end_of_file = int.from_bytes(covered[28:36], "little")
        assert superblock_end_of_file == len(covered)


@pytest.mark.clause("P-3", "P-8", "S-3", "S-9")
def test_the_package_reads_the_same_signals(archive: Path) -> None:
    with Reader(archive) as reader, eegarchive.open(archive) as opened:
        assert list(opened.signals) == list(reader.pieces("/"))
        for name, signal in opened.signals.items():
            digital = signal.digital[:]
            assert digital.dtype.str in ("<i2", "<i4")
            assert np.array_equal(digital, reader.samples("/", name))
            assert signal[:].tobytes() == reader.physical("/", name).tobytes()


@pytest.mark.clause("T-5")
def test_the_package_reads_the_same_times(archive: Path) -> None:
    with Reader(archive) as reader, eegarchive.open(archive) as opened:
        segments = reader.table("/segments")[0]
        for name in reader.pieces("/"):
            times, physical = reader.times("/", name), reader.physical("/", name)
            for row in segments[:3]:
                a, b = row["start"] + row["duration"] / 4, row["start"] + row["duration"] / 2
                step = 1 / float(reader.attributes("/", name)["sampling_rate"]) if len(physical) else 1.0
                inside = (times >= a - 1e-6 * step) & (times < b - 1e-6 * step)
                assert np.array_equal(opened.read([name], a, b)[0], physical[inside])


def test_nothing_is_found_in_whole_archives(archive: Path) -> None:
    assert findings(archive) == []
