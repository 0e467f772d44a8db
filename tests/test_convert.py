"""A recording goes in and comes out byte for byte."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import pytest

import eegarchive
from eegarchive import conversion, layout
from eegarchive.storage import seal
from eegarchive.storage.codec import CODECS

PSG = Path(__file__).parent / "data" / "edf_sleep_psg_30s_records.edf"


def convert_quietly(source: Path, target: Path, **options: object) -> eegarchive.ConvertReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        return eegarchive.convert(source, target, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", list(CODECS))
def test_every_recording_comes_out_byte_for_byte_with_every_codec(
    recording: Path, codec: str, tmp_path: Path
) -> None:
    report = convert_quietly(recording, tmp_path / "a.h5", codec=codec)
    again = tmp_path / f"again{recording.suffix}"
    digest = eegarchive.export(tmp_path / "a.h5", again).source_sha256
    assert again.read_bytes() == recording.read_bytes()
    assert digest == report.source_sha256 == hashlib.sha256(recording.read_bytes()).hexdigest()
    assert report.verified
    assert report.archive_bytes == (tmp_path / "a.h5").stat().st_size


def test_the_codec_changes_no_digest(recording: Path, tmp_path: Path) -> None:
    reports = [convert_quietly(recording, tmp_path / f"{codec}.h5", codec=codec) for codec in CODECS]
    assert len({report.digest for report in reports}) == 1


def test_the_archive_is_sealed(archives: dict[str, Path]) -> None:
    assert all(seal.is_intact(path) for path in archives.values())


def test_converting_twice_gives_the_same_bytes(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("a.h5", "b.h5"):
        convert_quietly(recording, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with eegarchive.open(tmp_path / "a.h5") as archive:
        assert archive.provenance["created"] == "2023-11-14T22:13:20Z"


def test_converting_twice_in_two_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        subprocess.run(
            [sys.executable, "-m", "eegarchive.cli", "convert", str(PSG), "-o", str(tmp_path / name)],
            check=True,
            env={
                **os.environ,
                "SOURCE_DATE_EPOCH": "1700000000",
                "PYTHONHASHSEED": name[:1].replace("a", "1").replace("b", "2"),
            },
            stdout=subprocess.DEVNULL,
        )
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_garbled_date_of_the_day_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(eegarchive.EEGArchiveError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        eegarchive.convert(PSG, tmp_path / "a.h5")
    assert os.listdir(tmp_path) == []


def test_the_archive_goes_beside_its_source_by_default(tmp_path: Path) -> None:
    source = tmp_path / "night.edf"
    source.write_bytes(PSG.read_bytes())
    assert eegarchive.convert(source).target == tmp_path / "night.h5"
    assert sorted(os.listdir(tmp_path)) == ["night.edf", "night.h5"]


def test_an_existing_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("precious")
    with pytest.raises(eegarchive.TargetExists, match=re.escape(str(tmp_path / "a.h5"))):
        eegarchive.convert(PSG, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_text() == "precious"
    eegarchive.convert(PSG, tmp_path / "a.h5", overwrite=True)
    assert eegarchive.verify(tmp_path / "a.h5") == []


def test_the_input_itself_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "night.edf"
    source.write_bytes(PSG.read_bytes())
    (tmp_path / "link.h5").symlink_to(source)
    for target in (source, tmp_path / "link.h5"):
        with pytest.raises(eegarchive.EEGArchiveError, match="is the input itself"):
            eegarchive.convert(source, target, overwrite=True)
    odd = tmp_path / "archive.edf"
    eegarchive.convert(source, odd)
    with pytest.raises(eegarchive.EEGArchiveError, match="is the input itself"):
        eegarchive.export(odd, odd, overwrite=True)
    assert source.read_bytes() == PSG.read_bytes()
    assert eegarchive.verify(odd) == []


def test_what_is_not_an_edf_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "notes.edf"
    source.write_text("slept well\n" * 100)
    with pytest.raises(eegarchive.EDFError, match=r"notes\.edf: byte 0: the version field is b'slept we'"):
        eegarchive.convert(source)
    assert os.listdir(tmp_path) == ["notes.edf"]


def test_provenance_says_where_the_archive_comes_from(tmp_path: Path) -> None:
    eegarchive.convert(PSG, tmp_path / "a.h5", seed=7, description={"subject": "S001", "age": 33})
    with eegarchive.open(tmp_path / "a.h5") as archive:
        found = archive.provenance
        assert archive.description == {"subject": "S001", "age": 33}
    assert found["source_name"] == PSG.name
    assert found["source_size"] == PSG.stat().st_size
    assert found["source_sha256"] == hashlib.sha256(PSG.read_bytes()).hexdigest()
    assert found["source_kind"] == "EDF"
    assert found["seed"] == 7
    assert found["format"] == "eegarchive"
    assert found["format_version"] == layout.FORMAT_VERSION
    assert found["version_h5py"] == h5py.__version__
    assert found["version_hdf5"] == h5py.version.hdf5_version
    assert {
        "version_python",
        "version_numpy",
        "version_mne",
        "version_pyedflib",
        "version_hdf5plugin",
    } <= set(found)
    assert re.fullmatch(r"[0-9a-f]{40}|not available", str(found["git_commit"]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(found["created"]))


def test_an_attribute_name_that_could_confuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="letters, digits and _"):
        eegarchive.convert(PSG, tmp_path / "a.h5", description={"a.b": "c"})


def test_progress_counts_the_source_twice(tmp_path: Path) -> None:
    done: list[int] = []
    eegarchive.convert(PSG, tmp_path / "a.h5", progress=done.append)
    assert sum(done) == 2 * PSG.stat().st_size
    done.clear()
    eegarchive.convert(PSG, tmp_path / "b.h5", progress=done.append, verify=False)
    assert sum(done) == PSG.stat().st_size


def test_a_byte_that_goes_wrong_on_the_way_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eegarchive.storage import writer

    encode, count = writer.encode_portable, iter(range(1000))

    def wrong_once(chunk):  # type: ignore[no-untyped-def]
        if next(count) == 1:
            chunk = chunk.copy()
            chunk[5] += 1
        return encode(chunk)

    monkeypatch.setattr(writer, "encode_portable", wrong_once)
    with pytest.raises(eegarchive.VerificationFailed, match="isn't what was read"):
        eegarchive.convert(PSG, tmp_path / "a.h5")
    assert os.listdir(tmp_path) == []


def test_damage_between_writing_and_reading_back_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_and_damage(path: Path) -> None:
        with open(path, "rb+") as file:
            file.seek(20_000)
            byte = file.read(1)
            file.seek(20_000)
            file.write(bytes([byte[0] ^ 16]))

    monkeypatch.setattr(conversion, "drop_from_memory", forget_and_damage)
    with pytest.raises((eegarchive.VerificationFailed, eegarchive.InvalidArchive)):
        eegarchive.convert(PSG, tmp_path / "a.h5")
    assert os.listdir(tmp_path) == []


def test_a_source_that_grows_meanwhile_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "night.edf"
    source.write_bytes(PSG.read_bytes())

    def grow(_: int) -> None:
        with open(source, "ab") as file:
            file.write(b"more")

    with pytest.raises(eegarchive.EDFError, match="changed its size"):
        eegarchive.convert(source, tmp_path / "a.h5", progress=grow)
    assert os.listdir(tmp_path) == ["night.edf"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, digits: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(seal, "append", full)
    with pytest.raises(OSError, match="No space left"):
        eegarchive.convert(PSG, tmp_path / "a.h5")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("codec", ["portable", "fast"])
def test_a_disk_that_fills_up_while_writing_leaves_nothing(tmp_path: Path, codec: str) -> None:
    code = (
        "import resource, signal, sys, eegarchive;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "eegarchive.cli.main(['convert', sys.argv[1], '-o', sys.argv[2], '--codec', sys.argv[3]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import eegarchive.cli;" + code, str(PSG), str(tmp_path / "a.h5"), codec],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.replace("file too", "File too") == (
        f"eegarchive: error: {tmp_path / 'a.h5'}: File too large while it was written; nothing was kept\n"
    )
    assert os.listdir(tmp_path) == []


#: Converts, and prints the peak memory in kB: of this process alone, which ru_maxrss isn't after a fork.
MEASURE = """
import re, sys, eegarchive
eegarchive.convert(sys.argv[1], sys.argv[2], codec=sys.argv[3])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize("codec", ["portable", "fast"])
def test_memory_stays_below_250_mb_and_does_not_grow_with_length(tmp_path: Path, codec: str) -> None:
    raw = bytearray(PSG.read_bytes())
    header, records = 2048, len(raw) - 2048
    peaks = []
    for times in (300, 1500):  # 55 and 274 MB
        source = tmp_path / f"{times}.edf"
        with open(source, "wb") as file:
            file.write(raw[:236] + str(10 * times).ljust(8).encode() + raw[244:header])
            for _ in range(times):
                file.write(raw[header : header + records])
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(source), str(tmp_path / f"{times}.h5"), codec],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout) / 1024)
    assert max(peaks) < 250
    assert peaks[1] < peaks[0] + 25


@pytest.mark.parametrize("codec", list(CODECS))
def test_hundreds_of_channels_convert_in_bounded_memory(tmp_path: Path, codec: str) -> None:
    channels, rate, seconds = 512, 512, 130
    column = lambda text, width: text.ljust(width).encode()  # noqa: E731
    head = column("0", 8) + b" " * 160 + column("01.01.20", 8) + column("00.00.00", 8)
    head += column(str(256 * (channels + 1)), 8) + b" " * 44 + column(str(seconds), 8) + column("1", 8)
    head += column(str(channels), 4)
    for field in (
        [column(f"X{i}", 16) for i in range(channels)],
        [b" " * 80] * channels,
        [column("uV", 8)] * channels,
        [column("-100", 8)] * channels,
        [column("100", 8)] * channels,
        [column("-32768", 8)] * channels,
        [column("32767", 8)] * channels,
        [b" " * 80] * channels,
        [column(str(rate), 8)] * channels,
        [b" " * 32] * channels,
    ):
        head += b"".join(field)
    source = tmp_path / "many.edf"
    source.write_bytes(head + os.urandom(2 * channels * rate * seconds))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(source), str(tmp_path / "many.h5"), codec],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) / 1024 < 250
    with eegarchive.open(tmp_path / "many.h5") as archive:
        assert len(archive.signals) == channels
