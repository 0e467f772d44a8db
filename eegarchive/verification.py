"""Verify archives: every byte against the seal, then every clause and digest in a process of its own."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from eegarchive.archive import Archive
from eegarchive.check import arguments
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.findings import DAMAGED, Finding
from eegarchive.storage import disk, journal, locks, seal
from eegarchive.storage.guard import printable
from eegarchive.storage.journal import Journal
from eegarchive.storage.locks import Locked
from eegarchive.storage.pages import Pages
from eegarchive.storage.transaction import recover

#: How long the check may go without a sign of life before it counts as hung.
_PATIENCE_SECONDS = 120.0
#: How long to wait for a commit, or another program that writes, to end.
_WAIT_SECONDS = 5.0
#: What the check of a file that may mean harm may take: so long, and longer for a large file.
_LEAST_SECONDS, _BYTES_A_SECOND = 120.0, 100e6 / 60


def verify(
    path: str | os.PathLike[str],
    *,
    progress: Callable[[int], None] | None = None,
    base: str | os.PathLike[str] | None = None,
    untrusted: bool = False,
) -> list[Finding]:
    """Check an archive, or a detached freeze, against the specification and recompute every digest from its bytes.

    The check runs in a child process, so that a file which makes libhdf5 crash is a finding too. Any
    flipped bit is found: the seal covers every byte of the file, and the digests tell what it hit.

    Parameters
    ----------
    path : path-like
    progress : callable, optional
        Called with the number of bytes checked since the last call.
    base : path-like, optional
        The base of a detached freeze; looked for beside it if not given. The samples that are taken from it are
        checked too.
    untrusted : bool
        Allow the check little: 1 GiB of memory, two minutes and one more for each 100 MB of the file, and no
        writing; an edit that was cut off isn't undone. What goes beyond is a finding.

    Returns
    -------
    list of Finding
        Empty if all is well.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the file can't be opened at all.
    Locked
        If another program has it open for writing, and doesn't end.

    Notes
    -----
    What an edit that was cut off has left is undone, as by anyone who opens the archive, or reported where
    that may not be. An edit that is under way doesn't matter.
    """
    path = Path(path)
    if path.is_dir():
        raise EEGArchiveError(f"{path}: is a folder; name archives")
    disk.must_be_file(path)
    with open(path, "rb"):
        pass
    if untrusted and os.path.lexists(beside := journal.place(Path(os.path.realpath(path)))):
        what = f"beside the file lies {beside.name}, which says what the file is to hold; nothing was checked"
        return [Finding("error", "journal", printable(what), "a file from elsewhere has none: remove it")]
    findings = _check_seal(path, undo=not untrusted)
    findings += check_contents(path, progress, base=base, limited=untrusted)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors and all(finding.path == "seal" for finding in errors):
        findings.append(
            Finding(
                "warning",
                "/",
                "all contents agree with their digests: the damage is in bytes that nothing refers to",
                "copy the contents to a new file, or convert again",
            )
        )
    return findings


def check_contents(
    path: Path,
    progress: Callable[[int], None] | None = None,
    locking: bool = True,
    base: str | os.PathLike[str] | None = None,
    limited: bool = False,
    trust_base: bool = False,
) -> list[Finding]:
    """Check all but the seal, in a child process; without `locking` a file that the caller has locked.

    `limited` is for a file that may mean harm: less memory, and an end to its time. With `trust_base` the samples that
    a detached freeze takes from its base aren't hashed.
    """
    seconds = int(_LEAST_SECONDS + os.path.getsize(path) / _BYTES_A_SECOND) if limited else None
    findings, where, ended = _run_check(
        progress, arguments(path, locking, base, seconds, trust_base), seconds
    )
    if ended is not None:
        findings.append(Finding("error", where, f"checking it {ended}", DAMAGED))
    return findings


def bytes_to_check(path: str | os.PathLike[str]) -> int:
    """How many bytes `progress` will be told of in all, about: every sample is read twice."""
    try:
        with Archive(path) as archive:
            return 2 * int(archive.provenance["source_size"])
    except (EEGArchiveError, OSError, KeyError):
        return 2 * os.path.getsize(path)


def _check_seal(path: Path, undo: bool = True) -> list[Finding]:
    """Check every byte; what an edit that was cut off left is undone first, where it may be."""
    path = Path(os.path.realpath(path))
    try:
        if undo:
            _undo_crash(path)
        with _kept_still(path) as descriptor:
            kept = journal.find(path, descriptor)
            left = _left_over(path, descriptor, kept)
            intact = seal.is_intact(path) if kept is None else _was_intact(descriptor, kept)
    except InvalidArchive as error:
        return [Finding("error", "seal", printable(str(error)), DAMAGED)]
    if intact is None:
        what = "the file has no whole seal where HDF5's part of it ends"
        advice = "it was cut short, damaged, or rewritten by another program"
        return [*left, Finding("error", "seal", what, advice)]
    if not intact:
        what = "the file's bytes aren't those that were sealed"
        return [*left, Finding("error", "seal", what, DAMAGED + "; other findings say what was hit")]
    return left


def _undo_crash(path: Path) -> None:
    """Undo what an edit that was cut off has left, if there is anything and we may."""
    has_journal = journal.place(path).exists()
    with open(path, "rb") as file:
        if not has_journal and not _tail(file.fileno()):
            return
    with contextlib.suppress(OSError):
        recover(path, _WAIT_SECONDS if has_journal else 0.0)


@contextlib.contextmanager
def _kept_still(path: Path) -> Iterator[int]:
    """A descriptor of a file that nobody commits an edit to meanwhile."""
    with open(path, "rb", buffering=0) as file:
        if not locks.acquire(file.fileno(), False, _WAIT_SECONDS):
            who = locks.readers(file.fileno())
            raise Locked(f"{path}: is open for writing in {who}; try again when that is done")
        yield file.fileno()


def _tail(descriptor: int) -> int:
    """How many bytes lie behind the seal that stands where HDF5's part of the file ends."""
    end = seal.hdf5_end(descriptor)
    if end is None or seal.at(descriptor, end) is None:
        return 0
    return os.fstat(descriptor).st_size - end - seal.SEAL_BYTES


def _left_over(path: Path, descriptor: int, kept: Journal | None) -> list[Finding]:
    """What an edit that was cut off has left and nobody has undone; a live one has bytes there rightly."""
    advice = "open it once where it, and its folder, may be written"
    if kept is not None:
        what = "an edit was cut off; readers undo it in memory, by the journal beside the file"
        return [Finding("warning", "journal", what, advice)]
    for _ in range(2):  # twice, for an edit that ends, or begins, just now
        if not _tail(descriptor) or locks.has_writer(path):
            return []
    what = f"an edit was cut off before its commit and left {_tail(descriptor)} bytes behind the seal"
    return [Finding("warning", "tail", what, advice)]


def _was_intact(descriptor: int, kept: Journal) -> bool:
    """Whether every byte is what was sealed, once a commit that was cut off is undone."""
    size, end = seal.BLOCK_BYTES, kept.old_size - seal.SEAL_BYTES
    pages = Pages(descriptor, end, {number: old for number, (old, _) in kept.pages.items()}, read_only=True)
    blocks = (pages.block(at, min(size, end - at)) for at in range(0, end, size))
    digits = seal.digits_of(sum(seal.block_digest(number, block) for number, block in enumerate(blocks)))
    return pages.block(end, seal.SEAL_BYTES) == seal.line(digits)


def _run_check(
    progress: Callable[[int], None] | None, given: Sequence[str], seconds: int | None
) -> tuple[list[Finding], str, str | None]:
    """Run the check; return its findings, the path it looked at last, and how it failed to end, if so."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}
    with subprocess.Popen(
        [sys.executable, "-m", "eegarchive.check", *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
        findings: list[Finding] = []
        where, done = "/", False
        until = math.inf if seconds is None else time.monotonic() + seconds
        try:
            while (
                line := lines.get(timeout=max(0.0, min(_PATIENCE_SECONDS, until - time.monotonic())))
            ) is not None:
                said = json.loads(line)
                where = said.get("at", where)
                done = done or "done" in said
                if "finding" in said:
                    findings.append(Finding(**said["finding"]))
                if progress is not None and "bytes" in said:
                    progress(said["bytes"])
        except (queue.Empty, ValueError):
            child.kill()
            allowed = _PATIENCE_SECONDS if seconds is None else min(_PATIENCE_SECONDS, seconds)
            return findings, printable(where), f"didn't end within {allowed:g} s"
        except BaseException:
            child.kill()
            raise
    if done:
        return findings, where, None
    return findings, printable(where), _how_ended(child.returncode)


def _forward(source: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in source:
            lines.put(line)
    lines.put(None)


def _how_ended(code: int) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):
        return "took more time of the processor than it may"
    if code < 0:
        try:
            return f"crashed libhdf5 ({signal.Signals(-code).name})"
        except ValueError:
            return f"crashed libhdf5 (signal {-code})"
    return f"failed (exit code {code})"
