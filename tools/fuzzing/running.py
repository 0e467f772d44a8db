"""Run one input in a child process, with limits on time and memory and an eye on the files that it opens."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eegarchive.errors import EEGArchiveError

SECONDS = 10.0
MEMORY = 2**30
#: What comes of an input: the first three are as it should be, "unmade" says nothing.
FINE = ("used", "refused", "checked", "unmade")
#: Where a library may look for its own parts, apart from Python's and ours.
_SYSTEM = ("/proc/", "/sys/", "/usr/", "/lib", "/etc/ld.so", "/etc/localtime", "/dev/null", "/dev/urandom")
_OPENING = (
    "open",
    "os.listdir",
    "os.scandir",
    "os.rename",
    "os.remove",
    "os.link",
    "os.symlink",
    "os.truncate",
)
_FORBIDDEN = (
    "subprocess.Popen",
    "os.exec",
    "os.system",
    "socket.connect",
    "pickle.find_class",
    "os.posix_spawn",
)
#: What we start ourselves: git for its commit, and ourselves to verify what was compacted.
_OWN_PROGRAMS = ("git", sys.executable)


@dataclass(frozen=True)
class Outcome:
    """What came of one input.

    Attributes
    ----------
    kind : str
        One of `FINE`, or "exception", "crash", "hang", "memory", "outside".
    detail : str
        Where and how, on one line.
    seconds : float
    memory : int
        Bytes by which the child grew.
    """

    kind: str
    detail: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def is_fine(self) -> bool:
        """Whether nothing is to be mended."""
        return self.kind in FINE


def run(job: Callable[[Callable[[str], None]], None], folder: Path) -> Outcome:
    """Run a job in a forked child.

    Parameters
    ----------
    job : callable
        Gets a function to be told which part of it begins; "" as long as the input is being made.
    folder : Path
        The only one in which it may open files.
    """
    read_end, write_end = os.pipe()
    began = time.monotonic()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _run_here(job, folder, write_end)  # never returns
    os.close(write_end)
    said, ended = _listen(read_end, began + SECONDS)
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    return _outcome(said, ended, status, time.monotonic() - began)


def _listen(descriptor: int, until: float) -> tuple[list[dict[str, Any]], bool]:
    """What the child says, and whether it ended in time."""
    raw = b""
    while (rest := until - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], rest)[0]:
            continue
        part = os.read(descriptor, 65_536)
        if not part:
            return [json.loads(line) for line in raw.splitlines()], True
        raw += part
    return [json.loads(line) for line in raw.splitlines() if line.endswith(b"}")], False


def _outcome(said: list[dict[str, Any]], ended: bool, status: int, seconds: float) -> Outcome:
    stage = ""
    last: dict[str, Any] = {"kind": "", "detail": "", "memory": 0}
    for line in said:
        stage = line.get("stage", stage)
        last.update({key: value for key, value in line.items() if key != "stage"})
    memory = int(last["memory"])
    outside = [line["outside"] for line in said if "outside" in line]
    if outside:
        return Outcome("outside", f"{stage}: opened {outside[0]}", seconds, memory)
    if not ended:
        return Outcome("hang" if stage else "unmade", stage, seconds)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        if stage == "check":  # it runs in a process of its own: then it's a finding
            return Outcome("checked", f"check: {name}", seconds)
        return Outcome("crash" if stage else "unmade", f"{stage}: {name}", seconds)
    kind, detail = str(last["kind"]), f"{stage}: {last['detail']}".strip(": ")
    if kind == "exception" and not stage:
        return Outcome("unmade", detail, seconds)
    if memory > MEMORY:
        return Outcome("memory", f"{stage}: {memory >> 20} MiB", seconds, memory)
    return Outcome(kind or "crash", detail, seconds, memory)


def _run_here(job: Callable[[Callable[[str], None]], None], folder: Path, descriptor: int) -> None:
    def say(**what: Any) -> None:
        os.write(descriptor, json.dumps(what).encode() + b"\n")

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            if arguments[0] not in _OWN_PROGRAMS:
                say(outside=f"{event} {arguments[:1]!r}")
        elif event in _OPENING and not _may_open(
            arguments[0], allowed, event == "open" and not arguments[2] & os.O_NOFOLLOW
        ):
            say(outside=f"{event} {os.fspath(arguments[0])!r}")

    try:
        sys.path[:] = [
            path for path in sys.path if path and not str(folder).startswith(os.path.abspath(path))
        ]
        allowed = _allowed(folder)
        before = _memory("VmRSS")
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.chdir(folder)
        tempfile.tempdir = str(folder)
        limit = _memory("VmSize") + 2 * MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MEMORY, 4 * MEMORY))
        sys.addaudithook(watch)
        try:
            job(lambda stage: say(stage=stage))
            found = {"kind": "used"}
        except EEGArchiveError as error:
            found = {"kind": "refused", "detail": f"{type(error).__name__}: {error}"}
        except BaseException as error:
            found = {"kind": "exception", "detail": _place(error)}
        say(**found, memory=max(0, _memory("VmHWM") - before))
    finally:
        os._exit(0)


def _place(error: BaseException) -> str:
    """The error, and the last frames of ours that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "eegarchive" in frame.filename
    ]
    return f"{type(error).__name__} at {' > '.join(ours[-3:])}: {str(error)[:200]}"


def _allowed(folder: Path) -> tuple[str, ...]:
    own = [str(folder.resolve()), str(Path(__file__).resolve().parents[2] / "eegarchive")]
    python = {sys.prefix, sys.base_prefix, *sys.path}
    return (*(f"{path.rstrip('/')}/" for path in (*own, *python)), f"{own[0]}", *_SYSTEM)


def _may_open(what: Any, allowed: tuple[str, ...], follows: bool) -> bool:
    """Whether a path is where a child may open files; with links followed, if its opener does."""
    if isinstance(what, int) or what is None:
        return True
    with contextlib.suppress(OSError, ValueError, TypeError):
        text = os.path.abspath(os.fsdecode(what))
        return text.startswith(allowed) and (not follows or os.path.realpath(text).startswith(allowed))
    return True  # what can't be a path can't be opened


def _memory(field: str) -> int:
    """One of the figures of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system doesn't tell {field}")
