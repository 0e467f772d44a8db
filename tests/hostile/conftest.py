"""The archive that is spoilt, and the fuzzer's parts, which lie in tools."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eegarchive import verification
from eegarchive.check import Checker
from eegarchive.findings import Finding

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

#: Set to try each hostile file in every way; by default the slow ways get some each.
ALL = bool(os.environ.get("EEGARCHIVE_HOSTILE"))


def some(name: str, of: Sequence[Any], count: int) -> list[Any]:
    """Some of several, others for each name; all of them if the environment asks for it."""
    if ALL:
        return list(of)
    start = zlib.crc32(name.encode("utf-8", "backslashreplace"))
    return [of[(start + number) % len(of)] for number in range(count)]


def opened_by(script: str, arguments: Sequence[Path], python_path: str, log: Path) -> set[str]:
    """Paths that a script tries to open, libraries and HDF5 included, while strace writes them into a log."""
    watched = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", str(log)]
    done = subprocess.run(
        [*watched, sys.executable, "-c", script, *map(str, arguments)],
        env={"PYTHONPATH": python_path, "PATH": "/usr/bin:/bin"},
        check=False,
    )
    if "Operation not permitted" in log.read_text()[:200]:
        pytest.skip("strace may not watch here")
    assert done.returncode == 0
    return set(re.findall(r'"([^"]*)"', log.read_text()))


@pytest.fixture
def checks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `verify` check in the process that calls it, which here is a child that is watched."""

    def check(_: Any, given: list[str], seconds: int | None) -> tuple[list[Finding], str, None]:
        found: list[Finding] = []
        base = next((text.partition("=")[2] for text in given if text.startswith("--base=")), None)
        locking, trusts = "--no-lock" not in given, "--trust-base" in given
        Checker(Path(given[0]), found.append, lambda _: None, locking, base, trusts).run()
        return found, "/", None

    monkeypatch.setattr(verification, "_run_check", check)
