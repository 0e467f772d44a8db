"""Verify finds any flipped bit, and a damaged file never gives wrong samples."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive import check, verification
from eegarchive.check import Checker
from eegarchive.findings import Finding
from eegarchive.storage import seal

FLIPS = 400

#: Reads every sample of each file named on standard input and says how that went, in a process that may crash.
READ_ALL = """
import sys, eegarchive, hashlib
def digest(path):
    with eegarchive.open(path) as archive:
        return [hashlib.sha256(s.digital[:]).hexdigest() for s in archive.signals.values()]
expected = digest(sys.argv[1])
for line in sys.stdin:
    try:
        print("same" if digest(line.strip()) == expected else "WRONG", flush=True)
    except eegarchive.EEGArchiveError as error:
        print("refused", flush=True)
    except Exception as error:
        print("raised", type(error).__name__, error, flush=True)
"""


def flipped(raw: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= 1 << bit
    return bytes(changed)


def findings_in_process(path: Path) -> list[Finding]:
    found: list[Finding] = []
    Checker(path, found.append, lambda _: None).run()
    return found


def test_every_real_archive_is_whole(archives: dict[str, Path]) -> None:
    for path in archives.values():
        assert eegarchive.verify(path) == []


def test_every_single_flipped_bit_breaks_the_seal(gaps: Path, tmp_path: Path) -> None:
    raw = gaps.read_bytes()
    rng = random.Random(1)
    damaged = tmp_path / "damaged.h5"
    for _ in range(FLIPS):
        damaged.write_bytes(flipped(raw, rng.randrange(len(raw)), rng.randrange(8)))
        assert seal.is_intact(damaged) is not True


@pytest.mark.parametrize(
    "where", ["superblock", "root", "chunk", "index", "header bytes", "table", "attribute", "seal", "gap"]
)
def test_verify_reports_a_flip_wherever_it_is(psg: Path, where: str) -> None:
    raw = psg.read_bytes()
    with h5py.File(psg) as file:
        eeg = file["signals/EEG Fpz-Cz"]
        chunk = eeg.id.get_chunk_info(0)
    at = {
        "superblock": 12,
        "root": raw.index(b"source_sha256"),
        "chunk": chunk.byte_offset + chunk.size // 2,
        "index": raw.index(b"TREE") + 30,
        "header bytes": raw.index(b"Female_33yr"),
        "table": raw.index(b"digest_before"),
        "attribute": raw.index(b"Fpz-Cz"),
        "seal": len(raw) - 5,
        "gap": raw.index(b"TREE") + 1500,
    }[where]
    psg.write_bytes(flipped(raw, at, 3))
    found = eegarchive.verify(psg)
    assert found
    assert found[0].severity == "error"
    assert found[0].path == "seal"
    if where == "chunk":
        assert any(finding.path.startswith("/data/") and "damaged" in finding.message for finding in found)
    if where in ("gap", "seal"):
        assert all(finding.severity == "warning" for finding in found[1:])
    else:
        assert any(finding.severity == "error" for finding in found[1:])


class Reader:
    """A child process that reads files until one makes it crash."""

    def __init__(self, original: Path) -> None:
        self.original = original
        self.child: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> str:
        if self.child is None:
            command = [sys.executable, "-c", READ_ALL, str(self.original)]
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{path}\n")
        self.child.stdin.flush()
        said = self.child.stdout.readline().strip()
        if not said:
            self.close()
        return said or "crashed"

    def close(self) -> None:
        if self.child is not None:
            self.child.communicate()
            self.child = None


def test_no_flip_comes_back_as_a_sample(gaps: Path, tmp_path: Path) -> None:
    raw = gaps.read_bytes()
    rng = random.Random(2)
    outcomes: dict[str, int] = {}
    with contextlib.closing(Reader(gaps)) as reader:
        for number in range(FLIPS):
            # a new name each time: nothing may come from a handle that is still open
            damaged = tmp_path / f"damaged-{number}.h5"
            at, bit = rng.randrange(len(raw)), rng.randrange(8)
            damaged.write_bytes(flipped(raw, at, bit))
            said = reader.read(damaged)
            assert said in ("same", "refused", "crashed"), f"bit {bit} of byte {at}: {said}"
            outcomes[said] = outcomes.get(said, 0) + 1
            damaged.unlink()
    assert outcomes["refused"] > FLIPS // 10
    assert outcomes["same"] > FLIPS // 10  # hits in unused bytes and in other tables


@pytest.mark.parametrize("codec", ["portable", "fast", "small", "none"])
def test_no_flip_inside_a_chunk_comes_back_as_a_sample(codec: str, tmp_path: Path) -> None:
    source = Path(__file__).parent / "data" / "edf_sleep_psg_30s_records.edf"
    path, damaged = tmp_path / "a.h5", tmp_path / "damaged.h5"
    eegarchive.convert(source, path, codec=codec)
    raw = path.read_bytes()
    with h5py.File(path) as file:
        chunk = file["signals/EEG Fpz-Cz"].id.get_chunk_info(0)
    rng = random.Random(3)
    for _ in range(150):
        damaged.write_bytes(flipped(raw, chunk.byte_offset + rng.randrange(chunk.size), rng.randrange(8)))
        with eegarchive.open(damaged) as archive, pytest.raises(eegarchive.InvalidArchive):
            archive.signals["EEG Fpz-Cz"].digital[:]
        damaged.unlink()


def test_digests_find_what_a_valid_checksum_hides(psg: Path) -> None:
    with h5py.File(psg, "r+") as file:
        file["signals/EEG Fpz-Cz"][17] += 1  # HDF5 makes new checksums for it
    seal.append(psg)
    found = eegarchive.verify(psg)
    assert [f.path for f in found if "its samples aren't what samples_sha256 says" in f.message]
    assert [f.path for f in found if "the EDF bytes it gives aren't the source's" in f.message] == ["/edf"]


def test_a_file_cut_short_is_found(psg: Path) -> None:
    raw = psg.read_bytes()
    for length in (0, 7, 100, 5_000, len(raw) - 1):
        psg.write_bytes(raw[:length])
        found = eegarchive.verify(psg)
        assert found
        assert found[0].severity == "error"


def test_a_crash_while_checking_is_a_finding(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(psg.parent))
    (psg.parent / "sitecustomize.py").write_text(
        "import sys\n"
        "if '-m' in sys.orig_argv and 'eegarchive.check' in sys.orig_argv:\n"
        "    import os, signal\n"
        "    import eegarchive.storage.guard as guard\n"
        "    guard.check_dataset = lambda *_: os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    found = eegarchive.verify(psg)
    assert [(f.severity, f.message) for f in found] == [("error", "checking it crashed libhdf5 (SIGSEGV)")]
    assert found[0].path.startswith("/")


def test_a_check_that_hangs_is_a_finding(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_PATIENCE_SECONDS", 0.001)
    found = eegarchive.verify(psg)
    assert any("didn't end within" in finding.message for finding in found)


def test_the_check_says_json_lines(psg: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eegarchive.check", str(psg)], check=True, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"done": True}
    assert {"at": "/signals"} in lines
    assert sum(line.get("bytes", 0) for line in lines) >= 2 * 180_000


def test_progress_is_told_while_checking(psg: Path) -> None:
    done: list[int] = []
    eegarchive.verify(psg, progress=done.append)
    assert sum(done) >= 180_000


def test_a_folder_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="is a folder"):
        eegarchive.verify(tmp_path)
    with pytest.raises(FileNotFoundError):
        eegarchive.verify(tmp_path / "gone.h5")


def test_hdf5_variables_of_the_environment_play_no_part(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDF5_PLUGIN_PATH", "/nonexistent")
    monkeypatch.setenv("HDF5_EXT_PREFIX", "/nonexistent")
    start, seen = subprocess.Popen, []

    def note(*arguments, **options):  # type: ignore[no-untyped-def]
        seen.extend(options["env"])
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", note)
    assert eegarchive.verify(psg) == []
    assert "PATH" in seen
    assert not [key for key in seen if key.startswith("HDF5_")]


def test_another_programs_change_is_found(psg: Path) -> None:
    with h5py.File(psg, "r+") as file:
        file["signals"].attrs["note"] = np.int64(1)
        file["edf"].attrs["note"] = np.int64(1)
    found = eegarchive.verify(psg)
    assert any(finding.path == "seal" for finding in found)
    assert any("archive_digest" in finding.message for finding in found)
    assert any(finding.path == "/signals" and "has attributes: note" in finding.message for finding in found)


def test_memory_of_the_check_is_limited() -> None:
    code = (
        "import eegarchive.check as c, resource; c.main('/nonexistent.h5');"
        "print(resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str(check._MEMORY_LIMIT)
