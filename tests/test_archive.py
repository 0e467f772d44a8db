"""Reading: signals, windows on the recording clock, tables; threads and processes."""

from __future__ import annotations

import fcntl
import itertools
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive.storage import handles

DATA = Path(__file__).parent / "data"


def edf_signals(path: Path) -> dict[int, np.ndarray]:
    """Digital samples of an EDF by signal number, decoded here and not by the package."""
    raw = path.read_bytes()
    count = int(raw[252:256])
    at = 256 + 216 * count
    per_record = [int(raw[at + 8 * i : at + 8 * i + 8]) for i in range(count)]
    body = np.frombuffer(raw, "<i2", offset=256 * (count + 1)).reshape(-1, sum(per_record))
    edges = np.cumsum([0, *per_record])
    return {i: body[:, edges[i] : edges[i + 1]].reshape(-1) for i in range(count)}


@pytest.fixture
def night(psg: Path):  # type: ignore[no-untyped-def]
    with eegarchive.open(psg) as archive:
        yield archive


EXPECTED = edf_signals(DATA / "edf_sleep_psg_30s_records.edf")


def test_digital_samples_are_those_of_the_recording(night: eegarchive.Archive) -> None:
    for i, signal in enumerate(night.signals.values()):
        np.testing.assert_array_equal(signal.digital[:], EXPECTED[i])
        assert signal.digital[:].dtype == np.dtype("<i2")
        assert len(signal) == len(signal.digital) == len(EXPECTED[i])


def test_physical_values_follow_from_the_header(night: eegarchive.Archive) -> None:
    signal = night.signals["EEG Fpz-Cz"]
    scale = (192 - -192) / (2047 - -2048)
    np.testing.assert_allclose(signal[:], -192 + (EXPECTED[0] + 2048.0) * scale, rtol=0, atol=1e-12)
    assert signal[:].dtype == np.float64
    assert (signal.units, signal.sampling_rate, signal.kind) == ("uV", 100.0, "eeg")


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(0, 0),
        slice(5, 3),
        slice(100, 3100),
        slice(-10, None),
        slice(29_990, 40_000),
        slice(1, 1000, 7),
    ],
)
def test_slices_are_those_of_an_array(night: eegarchive.Archive, index: slice) -> None:
    np.testing.assert_array_equal(night.signals["EEG Pz-Oz"].digital[index], EXPECTED[1][index])


@pytest.mark.parametrize("index", [0, 5, -1, 29_999])
def test_single_samples_are_those_of_an_array(night: eegarchive.Archive, index: int) -> None:
    assert night.signals["EEG Pz-Oz"].digital[index] == EXPECTED[1][index]


@pytest.mark.parametrize("index", [30_000, -30_001])
def test_a_sample_outside_is_an_error(night: eegarchive.Archive, index: int) -> None:
    with pytest.raises(IndexError):
        night.signals["EEG Pz-Oz"].digital[index]


def test_read_takes_seconds_and_returns_channels_by_samples(night: eegarchive.Archive) -> None:
    found = night.read(["EEG Fpz-Cz", "EEG Pz-Oz"], start=30.0, stop=60.0)
    assert found.shape == (2, 3000)
    for row, name in zip(found, ("EEG Fpz-Cz", "EEG Pz-Oz"), strict=True):
        np.testing.assert_array_equal(row, night.signals[name][3000:6000])


def test_windows_side_by_side_cover_every_sample_once(night: eegarchive.Archive) -> None:
    edges = [0, 0.005, 0.011, 1 / 3, 17.77, 17.78, 299.999, 300]
    parts = [night.read(["EEG Fpz-Cz"], a, b) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1)[0], night.signals["EEG Fpz-Cz"][:])


def test_read_without_times_is_everything(night: eegarchive.Archive) -> None:
    assert night.read(["EEG Fpz-Cz"]).shape == (1, 30_000)


def test_signals_of_several_rates_are_not_mixed(night: eegarchive.Archive) -> None:
    with pytest.raises(ValueError, match=r"several sampling rates \(1, 100 Hz\)"):
        night.read()


@pytest.mark.parametrize(("start", "stop"), [(-1, 10), (290, 301), (20, 10)])
def test_a_window_outside_the_recording_is_an_error(
    night: eegarchive.Archive, start: float, stop: float
) -> None:
    with pytest.raises(ValueError, match="isn't within one segment"):
        night.read(["EEG Fpz-Cz"], start, stop)


def test_a_window_across_a_gap_is_an_error_and_beside_it_is_not(gaps: Path) -> None:
    expected = np.frombuffer((DATA / "edfplusd_oximetry_gaps.edf").read_bytes(), "<i2", offset=256 * 5)
    with eegarchive.open(gaps) as archive:
        segments = archive.segments.columns()
        assert len(segments["start"]) == 3
        end = segments["start"][0] + segments["duration"][0]
        second = segments["start"][1]
        assert second > end
        with pytest.raises(ValueError, match="isn't within one segment"):
            archive.read(["SaO2"], end - 8, second + 8)
        last = archive.read(["SaO2"], end - 8, end)
        first = archive.read(["SaO2"], second, second + 8)
        n = int(segments["duration"][0] * 0.25)
        np.testing.assert_array_equal(last[0], archive.signals["SaO2"][n - 2 : n])
        np.testing.assert_array_equal(first[0], archive.signals["SaO2"][n : n + 2])
        records = expected.reshape(2748, -1)
        np.testing.assert_array_equal(archive.signals["SaO2"].digital[:], records[:, 0])


def test_an_unknown_signal_lists_the_known(night: eegarchive.Archive) -> None:
    with pytest.raises(eegarchive.NotInArchive, match="no signal 'C3'; there are EEG Fpz-Cz, EEG Pz-Oz"):
        night.signals["C3"]
    with pytest.raises(KeyError):
        night.read(["C3"])


def test_a_label_that_is_not_unique_must_be_told_apart(archives: dict[str, Path]) -> None:
    with eegarchive.open(archives["edfplusc_duplicate_labels"]) as archive:
        names = list(archive.signals)
        twice = [name for name in names if name.endswith("#1")]
        assert twice
        label = twice[0].removesuffix("#1")
        with pytest.raises(
            eegarchive.NotInArchive, match=f"2 signals are labelled '{label}'; name one: {label}#1, {label}#2"
        ):
            archive.signals[label]
        assert archive.signals[f"{label}#2"].label == label


def test_annotations_come_as_a_frame(archives: dict[str, Path]) -> None:
    with eegarchive.open(archives["edfplusc_hypnogram_annotations_only"]) as archive:
        frame = archive.annotations.to_frame()
        assert list(frame.columns) == ["onset", "duration", "text", "kind", "channel", "set"]
        assert len(frame) == len(archive.annotations) == 154
        assert frame["text"].iloc[0] == "Sleep stage W"
        assert set(frame["kind"]) >= {"W", "N1", "N2", "N3", "R"}
        assert frame["onset"].is_monotonic_increasing
        assert len(archive.signals) == 0
        assert archive.read().shape == (0, 0)


def test_a_column_that_is_not_there_lists_those_that_are(night: eegarchive.Archive) -> None:
    with pytest.raises(eegarchive.NotInArchive, match="no column 'stage'; there are onset, duration"):
        night.annotations["stage"]


def test_a_freeze_reads_like_the_archive(psg: Path) -> None:
    with eegarchive.open(psg) as archive, eegarchive.open(f"{psg}@source") as frozen:
        for other in (archive.freezes["source"], frozen):
            assert list(other.signals) == list(archive.signals)
            np.testing.assert_array_equal(other.signals["EEG Fpz-Cz"][:], archive.signals["EEG Fpz-Cz"][:])
            assert other.digest == archive.digest
        assert list(archive.freezes) == ["source"]
        with pytest.raises(eegarchive.NotInArchive, match="no freeze 'N2'; there are source"):
            archive.freezes["N2"]
    with pytest.raises(eegarchive.NotInArchive, match="no freeze 'N2'"):
        eegarchive.open(f"{psg}@N2")


def test_a_name_with_an_at_sign_is_a_name_where_the_file_exists(psg: Path) -> None:
    odd = psg.with_name("night@home.h5")
    shutil.copy(psg, odd)
    with eegarchive.open(odd) as archive:
        assert archive.tag is None


def test_opening_reads_no_samples(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("samples were read")

    monkeypatch.setattr(eegarchive.storage.samples.StoredSamples, "read", touched)
    with eegarchive.open(psg) as archive:
        assert archive.signals["EEG Fpz-Cz"].sampling_rate == 100
        assert archive.duration == 300
        assert archive.start.isoformat() == "1989-04-24T16:13:00"


def test_a_closed_archive_says_so(psg: Path) -> None:
    archive = eegarchive.open(psg)
    archive.close()
    with pytest.raises(eegarchive.EEGArchiveError, match="is closed"):
        archive.read(["EEG Fpz-Cz"])


def test_many_threads_read_the_same_archive(night: eegarchive.Archive) -> None:
    names = list(night.signals)
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            i = int(rng.integers(len(names)))
            a, b = sorted(rng.integers(0, len(EXPECTED[i]) + 1, 2))
            if not np.array_equal(night.signals[names[i]].digital[a:b], EXPECTED[i][a:b]):
                wrong.append(names[i])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_large_read_inside_a_pool_thread_does_not_wait_for_itself(night: eegarchive.Archive) -> None:
    from eegarchive.storage.workers import pool

    def read(_: int) -> float:
        return float(night.read(["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"] * 8).sum())

    results = list(pool().map(read, range(8), timeout=60))
    assert len(set(results)) == 1


def window(archive: eegarchive.Archive, start: int) -> bytes:
    return archive.signals["EEG Fpz-Cz"].digital[start : start + 500].tobytes()


def windows_in_child(archive: eegarchive.Archive, starts: list[int], out) -> None:  # type: ignore[no-untyped-def]
    out.put([window(archive, start) for start in starts])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_every_kind_of_child_process_reads_the_right_windows(night: eegarchive.Archive, method: str) -> None:
    context = multiprocessing.get_context(method)
    window(night, 0)  # the parent has its handle, its cache and its threads by now
    night.read(["EEG Fpz-Cz"])
    starts = [list(range(k, 29_500, 197)) for k in range(3)]
    queues = [context.Queue() for _ in starts]
    children = [
        context.Process(target=windows_in_child, args=(night, s, q))
        for s, q in zip(starts, queues, strict=True)
    ]
    for child in children:
        child.start()
    mine = [window(night, start) for start in starts[0]]
    found = [queue.get(timeout=60) for queue in queues]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert mine == found[0]
    for s, windows in zip(starts, found, strict=True):
        assert windows == [EXPECTED[0][start : start + 500].tobytes() for start in s]


def handle_owner(archive: eegarchive.Archive, out) -> None:  # type: ignore[no-untyped-def]
    window(archive, 0)
    position = os.lseek(archive._file.h5.id.get_vfd_handle(), 0, os.SEEK_CUR)
    out.put((os.getpid(), archive._file._handle.process, position))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_a_handle_of_its_own(night: eegarchive.Archive) -> None:
    window(night, 0)
    mark = 777  # the position of an inherited descriptor would be the parent's
    os.lseek(night._file.h5.id.get_vfd_handle(), mark, os.SEEK_SET)
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    child = context.Process(target=handle_owner, args=(night, out))
    child.start()
    process, owner, position = out.get(timeout=60)
    child.join(60)
    assert owner == process != os.getpid()
    assert position != mark


def test_an_open_archive_keeps_no_more_than_a_chunk_or_two_of_each_signal(night: eegarchive.Archive) -> None:
    _, _, cached_bytes, _ = night._file.h5.id.get_access_plist().get_cache()
    assert cached_bytes <= 65_536  # HDF5's default is 8 MB, and there may be hundreds of signals


def test_an_archive_pickles_as_its_path(psg: Path) -> None:
    with eegarchive.open(f"{psg}@source") as archive:
        raw = pickle.dumps(archive)
        assert len(raw) < 1000
        again = pickle.loads(raw)
        assert again.tag == "source"
        np.testing.assert_array_equal(again.signals["EEG Fpz-Cz"].digital[:], EXPECTED[0])
        again.close()


def test_a_pickled_archive_opens_from_another_folder(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(psg.parent)
    with eegarchive.open(psg.name) as archive:
        raw = pickle.dumps(archive)
    monkeypatch.chdir("/")
    with pickle.loads(raw) as again:
        assert len(again.signals) == 7


def test_an_archive_opens_beside_a_plain_h5py_handle_in_either_order(psg: Path) -> None:
    with h5py.File(psg) as plain, eegarchive.open(psg) as archive:
        np.testing.assert_array_equal(
            plain["signals/EEG Fpz-Cz"][:], archive.signals["EEG Fpz-Cz"].digital[:]
        )
    with eegarchive.open(psg) as archive, h5py.File(psg) as plain:
        np.testing.assert_array_equal(
            plain["signals/EEG Fpz-Cz"][:], archive.signals["EEG Fpz-Cz"].digital[:]
        )


def test_an_open_archive_keeps_no_writer_waiting(psg: Path) -> None:
    with eegarchive.open(psg) as archive, open(psg, "rb+") as writer:
        assert len(archive.signals["EEG Fpz-Cz"].digital[:]) == 30_000
        fcntl.flock(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_that_is_being_written_is_not_read(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "WAIT_SECONDS", 0.1)
    with open(psg, "rb+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(eegarchive.EEGArchiveError, match=rf"open for writing in .*process {os.getpid()}"):
            eegarchive.open(psg)


def test_opening_and_reading_writes_nothing(psg: Path) -> None:
    before = (psg.read_bytes(), psg.stat().st_mtime_ns, os.listdir(psg.parent))
    with eegarchive.open(psg) as archive:
        archive.read(["EEG Fpz-Cz"])
    assert (psg.read_bytes(), psg.stat().st_mtime_ns, os.listdir(psg.parent)) == before


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("mne", "pandas", "matplotlib", "scipy", "hdf5plugin")
    code = f"import sys, eegarchive, eegarchive.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_no_library_of_numbers() -> None:
    code = "import sys, eegarchive.cli; print([m for m in ('numpy', 'h5py') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    code = "import eegarchive; print([n for n in eegarchive.__all__ if getattr(eegarchive, n) is None])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert set(eegarchive.__all__) <= set(dir(eegarchive))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        eegarchive.nothing  # noqa: B018


def test_asking_for_versions_imports_nothing_heavy() -> None:
    code = "import sys; from eegarchive import provenance; provenance.versions(); print('mne' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_float32_samples_are_scaled_in_64_bits(psg: Path) -> None:
    """Spec S-3; numpy computes float32 times a Python number in 32 bits."""
    values = np.linspace(0.1, 0.7, 30000, dtype=np.float32)
    with eegarchive.edit(psg) as night:
        night.add_signal("x", values, 100.0)
        night.set_signal("x", scale_factor=1e-6)
    with eegarchive.open(psg) as archive:
        assert np.array_equal(archive.signals["x"][:], values.astype(np.float64) * 1e-6)
