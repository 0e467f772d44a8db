"""Verify archives: every byte against the seal, then every clause and digest in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from eegarchive.archive import Archive
from eegarchive.check import DAMAGED, Finding
from eegarchive.errors import EEGArchiveError
from eegarchive.storage import seal
from eegarchive.storage.guard import printable

#: How long the check may go without a sign of life before it counts as hung.
_PATIENCE_SECONDS = 120.0


def verify(
    path: str | os.PathLike[str],
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Check an archive against the specification and recompute every digest from the stored bytes.

    The check runs in a child process, so that a file which makes libhdf5 crash is a finding too. Any
    flipped bit is found: the seal covers every byte of the file, and the digests tell what it hit.

    Parameters
    ----------
    path : path-like
    progress : callable, optional
        Called with the number of bytes checked since the last call.

    Returns
    -------
    list of Finding
        Empty if all is well.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the file can't be opened at all.
    """
    path = Path(path)
    if path.is_dir():
        raise EEGArchiveError(f"{path}: is a folder; name archives")
    with open(path, "rb"):
        pass
    findings = _check_seal(path)
    found, where, ended = _run_check(path, progress)
    findings += found
    if ended is not None:
        findings.append(Finding("error", where, f"checking it {ended}", DAMAGED))
    if findings and all(finding.path == "seal" for finding in findings) and findings[0].severity == "error":
        findings.append(
            Finding(
                "warning",
                "/",
                "all contents agree with their digests: the damage is in bytes that nothing refers to",
                "copy the contents to a new file, or convert again",
            )
        )
    return findings


def bytes_to_check(path: str | os.PathLike[str]) -> int:
    """How many bytes `progress` will be told of in all, about: every sample is read twice."""
    try:
        with Archive(path) as archive:
            return 2 * int(archive.provenance["source_size"])
    except (EEGArchiveError, OSError, KeyError):
        return 2 * os.path.getsize(path)


def _check_seal(path: Path) -> list[Finding]:
    intact = seal.is_intact(path)
    if intact:
        return []
    if intact is None:
        return [
            Finding(
                "error",
                "seal",
                "the file doesn't end in a whole seal",
                "it was cut short, damaged, or rewritten by another program",
            )
        ]
    return [
        Finding(
            "error",
            "seal",
            "the file's bytes aren't those that were sealed",
            DAMAGED + "; other findings say what was hit",
        )
    ]


def _run_check(path: Path, progress: Callable[[int], None] | None) -> tuple[list[Finding], str, str | None]:
    """Run the check; return its findings, the path it looked at last, and how it failed to end, if so."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}
    with subprocess.Popen(
        [sys.executable, "-m", "eegarchive.check", str(path)],
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
        try:
            while (line := lines.get(timeout=_PATIENCE_SECONDS)) is not None:
                said = json.loads(line)
                where = said.get("at", where)
                done = done or "done" in said
                if "finding" in said:
                    findings.append(Finding(**said["finding"]))
                if progress is not None and "bytes" in said:
                    progress(said["bytes"])
        except (queue.Empty, ValueError):
            child.kill()
            return findings, printable(where), f"didn't end within {_PATIENCE_SECONDS:g} s"
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
    if code < 0:
        try:
            return f"crashed libhdf5 ({signal.Signals(-code).name})"
        except ValueError:
            return f"crashed libhdf5 (signal {-code})"
    return f"failed (exit code {code})"
