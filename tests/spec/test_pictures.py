"""Pictures in spec/ are what the tools print for the reference files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .breaking import ROOT

FOLDER = ROOT / "spec" / "reference" / "1.0"


def pictures() -> list[tuple[str, str, list[str]]]:
    """Page, command, and lines of every picture."""
    found = []
    for page in sorted((ROOT / "spec").glob("*.md")):
        for block in re.findall(
            r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                found.append((page.stem, command, shown.splitlines()))
    return found


def printed_by(command: str) -> list[str]:
    done = subprocess.run(command, shell=True, cwd=FOLDER, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def tools_are_1_10() -> bool:
    if shutil.which("h5dump") is None:
        return False
    return (
        "Version 1.10" in subprocess.run(["h5dump", "-V"], capture_output=True, text=True, check=False).stdout
    )


@pytest.mark.skipif(not tools_are_1_10(), reason="the pictures are of HDF5 1.10's tools")
@pytest.mark.parametrize(
    ("page", "command", "shown"), pictures(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_picture_is_what_is_printed(page: str, command: str, shown: list[str]) -> None:
    lines = printed_by(command)
    at, free = 0, False
    for expected in shown:
        if expected == "...":
            free = True
            continue
        if free:
            assert expected in lines[at:], f"{page}: {expected!r}"
            at = lines.index(expected, at)
        assert lines[at : at + 1] == [expected], page
        at, free = at + 1, False
    assert free or at == len(lines)


def test_every_page_with_clauses_has_a_picture() -> None:
    pages = {
        page.stem for page in (ROOT / "spec").glob("*.md") if "## Clauses" in page.read_text(encoding="utf-8")
    }
    assert {page for page, _, _ in pictures()} == pages
    assert all(
        Path(FOLDER / name).exists()
        for _, command, _ in pictures()
        for name in re.findall(r"\S+\.h5", command)
    )
