"""The examples in tools/readers read from an archive what the recording has.

What an example must print is worked out from the EDF's own bytes, not with our reader.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from readers.programs import (
    DATA,
    EXTREMES,
    NODE,
    ODD,
    READERS,
    SHELL,
    Reader,
    check_signal,
    decode,
    need,
    numbers,
    parse,
)

EVERY_READER = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@dataclass(frozen=True)
class Case:
    """A signal to read, by its name in the archive and its number in the recording."""

    recording: str
    name: str = ""
    index: int = 0
    state: str = ""

    def __str__(self) -> str:
        return f"{self.recording.partition('.')[0]}{self.state}-{self.name}"


SOURCE = "/freezes/source"
CASES = (
    Case("edf_sleep_psg_30s_records.edf", "EEG Fpz-Cz", 0),
    Case("edf_sleep_psg_30s_records.edf", "Temp rectal", 5, SOURCE),
    Case("edfplusd_oximetry_gaps.edf", "HR", 1),
    Case("edfplusd_oximetry_gaps.edf", "HR", 1, SOURCE),
    Case("bdfplusc_mixed_rates_2s_records.bdf", "ramp 3.5Hz", 2),
    Case("edfplusc_utf8_annotations.edf", "Fp1", 0),
    Case("edf_cpap_8h_13ch_duplicate_labels.edf", "Ti#2", 11),
    Case(f"{ODD}.edf", "C3%2FM2", 0),
    Case(f"{ODD}.edf", 'T °C [x] "a\\b"', 1, SOURCE),
    Case("edfplusc_hypnogram_annotations_only.edf"),
)


@EVERY_READER
@pytest.mark.parametrize("case", CASES, ids=str)
def test_example_gives_what_the_recording_has(
    reader: Reader, case: Case, archives: dict[str, Path], odd: tuple[Path, Path], tmp_path: Path
) -> None:
    stem = Path(case.recording).stem
    recording, archive = odd if stem == ODD else (DATA / case.recording, archives[stem])
    out = tmp_path / "samples.bin"
    result = reader.run(archive, case.name, str(out), case.state)
    assert result.stderr == ""
    assert result.returncode == 0
    shown = parse(result.stdout)
    with eegarchive.open(archive) as ours:
        assert shown["digest"] == [[ours.digest]]
        segments = [[float(x) for x in row] for row in ours.segments.rows().tolist()]
        annotations = ours.annotations.to_frame()[["onset", "duration", "text", "kind"]].values.tolist()
    assert shown["source_sha256"] == [[hashlib.sha256(recording.read_bytes()).hexdigest()]]
    assert [numbers(row) for row in shown.get("segment", [])] == segments
    if reader.texts:
        found = [[*numbers(row[:2]), *row[2:]] for row in shown.get("annotation", [])]
        assert list(map(repr, found)) == list(map(repr, annotations))  # NaN, for no duration, is NaN
    if case.name:
        check_signal(shown, decode(recording, case.index))
        found = np.fromfile(out, "<f8" if reader.floats else "<i4" if ".bdf" in case.recording else "<i2")
        np.testing.assert_array_equal(found, decode(recording, case.index).samples)


def test_cases_have_what_they_are_for(archives: dict[str, Path], odd: tuple[Path, Path]) -> None:
    """The texts, gaps and extremes that the comparison above is to compare are in the recordings."""

    def annotations(stem: str) -> list[str]:
        with eegarchive.open(archives[stem]) as archive:
            return list(archive.annotations["text"])

    assert "中文测试八个字" in annotations("edfplusc_utf8_annotations")
    assert len(annotations("edfplusc_hypnogram_annotations_only")) == 154
    with eegarchive.open(archives["edfplusd_oximetry_gaps"]) as archive:
        assert archive.segments["start"].tolist() == [0.0, 5631.0, 13656.0]
    assert decode(odd[0], 0).samples[: len(EXTREMES)].tolist() == EXTREMES.tolist()
    assert decode(odd[0], 0).label == "C3/M2"
    assert decode(DATA / "edf_cpap_8h_13ch_duplicate_labels.edf", 8).label == "Ti"
    assert decode(DATA / "edf_cpap_8h_13ch_duplicate_labels.edf", 11).label == "Ti"


# -- what can't be read -------------------------------------------------------------------------


@EVERY_READER
def test_example_gives_no_samples_of_a_damaged_signal(reader: Reader, psg: Path) -> None:
    with h5py.File(psg) as h5:
        chunk = h5["signals/EEG Fpz-Cz"].id.get_chunk_info(0)
    with open(psg, "r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))
    result = reader.run(psg, "EEG Fpz-Cz")
    assert "segment\t" in result.stdout  # it came as far as the signal
    assert "stored\t" not in result.stdout
    assert result.returncode != 0


@pytest.fixture(scope="session")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose signals only programs with the bitshuffle plugin can read."""
    path = tmp_path_factory.mktemp("fast") / "fast.h5"
    eegarchive.convert(DATA / "edf_sleep_psg_30s_records.edf", path, codec="fast")
    return path


def test_h5dump_shows_no_data_of_a_fast_archive_and_may_not_say_so(
    fast: Path, archives: dict[str, Path], tmp_path: Path
) -> None:
    need(*SHELL.wants)

    def dump(archive: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = ["h5dump", "-y", "-A", "0", "-d", "/signals/EEG Fpz-Cz", *options, str(archive)]
        environment = {**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    five = ("-s", "0", "-c", "5")
    assert "53, -28, 14, -26, -56" in dump(archives["edf_sleep_psg_30s_records"], *five).stdout
    part = dump(fast, *five)
    assert part.returncode == 0
    assert "53, -28, 14, -26, -56" not in part.stdout
    data = dump(fast).stdout.partition("DATA {")[2]
    assert data
    assert not any(c.isdigit() for c in data)


@pytest.mark.parametrize("reader", [SHELL, NODE], ids=lambda reader: reader.name)
def test_example_gives_no_noise_for_a_fast_archive(reader: Reader, fast: Path, tmp_path: Path) -> None:
    result = reader.run(fast, "EEG Fpz-Cz", HDF5_PLUGIN_PATH=str(tmp_path))
    assert "segment\t" in result.stdout
    assert "stored\t" not in result.stdout
    assert result.returncode != 0


def test_h5py_with_the_plugin_reads_a_fast_archive(fast: Path) -> None:
    code = (
        "import hashlib, sys, h5py, hdf5plugin\n"
        "samples = h5py.File(sys.argv[1])['signals/EEG Fpz-Cz'][:]\n"
        "print(hashlib.sha256(samples.tobytes()).hexdigest())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(fast)], capture_output=True, text=True, check=True
    ).stdout.strip()
    truth = decode(DATA / "edf_sleep_psg_30s_records.edf", 0).samples.astype("<i2")
    assert found == hashlib.sha256(truth.tobytes()).hexdigest()


def test_netcdf4_takes_each_text_of_a_table_for_one_byte(archives: dict[str, Path]) -> None:
    """So its rows are too short, and reading them would overrun them: the docs warn of it."""
    need((None, "netCDF4"))
    code = "import sys, netCDF4; print(netCDF4.Dataset(sys.argv[1])['annotations'].datatype.dtype.itemsize)"
    archive = archives["edfplusc_utf8_annotations"]
    found = subprocess.run(
        [sys.executable, "-c", code, str(archive)], capture_output=True, text=True, check=True
    )
    with h5py.File(archive) as h5:
        assert int(found.stdout) < h5["annotations"].dtype.itemsize
