"""Other processes: Python code that runs elsewhere, and answers line by line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREPARED = """
import hashlib, os, select, sys, time
import h5py
import eegarchive
from tests.transactions import nights
path = sys.argv[1]

def say(what):
    print(what, flush=True)

def wait():
    sys.stdin.readline()
"""


class Other:
    """Another process."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self.id = child.pid
        self._child, self._stdin, self._stdout = child, child.stdin, child.stdout

    def hear(self) -> str:
        """Its next line."""
        return self._stdout.readline().rstrip("\n")

    def go_on(self) -> None:
        """End its `wait()`."""
        self._stdin.write("\n")
        self._stdin.flush()

    def ended_well(self) -> bool:
        """Wait for its end."""
        self._stdin.close()
        return self._child.wait(60) == 0


@contextmanager
def other_process(code: str, path: Path) -> Iterator[Other]:
    """Run code, in which `path`, `say` and `wait` are known, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PREPARED + code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        try:
            yield Other(child)
        finally:
            child.kill()
