"""Pages of documentation that are run: their blocks in order, in a folder of their own.

In a block `console`, lines that begin with `$ ` are commands (`> ` goes on with one), and what stands below each is
what it prints. What a block `python` prints stands in the block `text` below it.

    python tests/docs/pages.py docs/tutorials/*.md     # writes what is printed now into the pages
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
#: What the pages say in place of the folder that they are run in.
SHOWN_FOLDER = "/home/you/nights"

_FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ERROR = "error: "
#: What is another one at each run, on each machine or with each version, and what stands for it in a comparison.
_VARIES = (
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{12}\b", "DIGEST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\d[\d.]* [kMG]?B\b", "SIZE"),
    (r"SIZE \(\d\.\d+\)|\d\.\d+ of the source's SIZE", "SIZE"),
    (r"; compact would save SIZE", ""),
    (r"commit (not available|[0-9a-f]+).*", "COMMIT"),
    (r"\b\d+\.\d+(\.\w+)+\b", "VERSION"),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and where that lies in the page."""

    kind: str
    text: str
    line: int
    start: int
    stop: int


@dataclass(frozen=True)
class Printed:
    """What one step of a page has printed, and what the page says that it prints."""

    where: str
    shown: str
    found: str

    def differs(self) -> bool:
        return settled(self.shown) != settled(self.found)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(
            match["kind"],
            match["text"],
            page.count("\n", 0, match.start()) + 2,
            match.start("text"),
            match.end("text"),
        )
        for match in _FENCE.finditer(page)
    ]


def settled(text: str) -> str:
    """A text without what is another one each time: times, sizes, digests, versions, widths of columns."""
    for pattern, name in _VARIES:
        text = re.sub(pattern, name, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


class Runner:
    """Runs commands and Python in a folder; Python's names are kept from block to block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder.parent / f"{folder.name}-bin"
        tools.mkdir(exist_ok=True)
        command = tools / "eegarchive"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m eegarchive.cli "$@"\n')
        command.chmod(0o755)
        path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        self.environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": path,
            "CHECKOUT": str(CHECKOUT),
        }
        self._module = types.ModuleType("page")

    def shell(self, command: str) -> tuple[int, str]:
        """Exit code of a command, and what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode, self._as_shown(done.stdout.decode())

    def python(self, block: Block, page: str) -> str:
        """What a block of Python prints."""
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.text, page, "exec")
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(code, self._module.__dict__)
        return self._as_shown(printed.getvalue())

    def _as_shown(self, text: str) -> str:
        return text.replace(str(self.folder), SHOWN_FOLDER)


def _commands(transcript: str) -> Iterator[tuple[str, str, int]]:
    """Each command of a transcript, what is shown below it, and in which of its lines it stands."""
    lines = transcript.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for number, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        rest = number + 1
        while rest < stop and lines[rest].startswith("> "):
            rest += 1
        yield "\n".join(line[2:] for line in lines[number:rest]), "\n".join(lines[rest:stop]), number


def run(path: Path, folder: Path) -> Iterator[Printed]:
    """Run a page block by block; what each command and each block of Python prints.

    Raises
    ------
    AssertionError
        If a command fails, and the page doesn't show an error, or the other way round.
    """
    runner, found = Runner(folder), blocks(path.read_text())
    followers: list[Block | None] = [*found[1:], None]
    with _log_level_kept():
        for block, after in zip(found, followers, strict=True):
            where = f"{path.name}:{block.line}"
            if block.kind == "console":
                for command, shown, number in _commands(block.text):
                    code, printed = runner.shell(command)
                    yield Printed(f"{path.name}:{block.line + number}: {command}", shown, printed)
                    fails = _ERROR in printed
                    assert (code != 0) == fails, f"{where}: {command} ended with {code}:\n{printed}"
            elif block.kind == "python":
                shown = after.text if after is not None and after.kind == "text" else ""
                yield Printed(where, shown, runner.python(block, str(path)))


@contextlib.contextmanager
def _log_level_kept() -> Iterator[None]:
    if importlib.util.find_spec("mne") is None:
        yield
        return
    import mne

    level = mne.set_log_level(return_old_level=True)
    try:
        yield
    finally:
        mne.set_log_level(level)


def rewritten(path: Path, folder: Path) -> str:
    """A page that shows what is printed now, where what it shows differs."""
    page = path.read_text()
    printed = run(path, folder)
    parts, at = [], 0
    found = blocks(page)
    for number, block in enumerate(found):
        if block.kind == "console":
            lines = []
            for command, _, _ in _commands(block.text):
                one = next(printed)
                told = one.found if one.differs() else one.shown
                lines += ["$ " + command.replace("\n", "\n> "), *told.rstrip().splitlines()]
            parts += [page[at : block.start], *(f"{line}\n" for line in lines)]
            at = block.stop
        elif block.kind == "python":
            one = next(printed)
            after = found[number + 1] if number + 1 < len(found) else None
            if not one.differs():
                continue
            if after is not None and after.kind == "text":
                parts += [page[at : after.start], one.found]
                at = after.stop
            else:
                end = block.stop + len("```\n")
                parts += [page[at:end], f"\n```text\n{one.found}```\n"]
                at = end
    return "".join([*parts, page[at:]])


def main() -> None:
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent).resolve() / "page"
            folder.mkdir()
            page = rewritten(Path(name), folder)
        Path(name).write_text(page)


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT))
    main()
