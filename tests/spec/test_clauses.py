"""Every clause has a test, and every number that is named exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .breaking import ROOT


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "tools" / "clauses"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_clauses_and_tests_fit() -> None:
    done = run(ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_clauses_of_a_page_are_numbered_from_one() -> None:
    for page in sorted((ROOT / "spec").glob("*.md")):
        numbers = re.findall(r"^\*\*([A-Z])-(\d+)\*\*", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len({letter for letter, _ in numbers}) <= 1
        assert [int(number) for _, number in numbers] == list(range(1, len(numbers) + 1)), page.name


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A project of two clauses, two tests and a module."""
    for folder in ("tools", "spec", "tests", "eegarchive"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "tools" / "clauses", tmp_path / "tools")
    (tmp_path / "spec" / "a.md").write_text("**A-1** One (A-2).\n\n**A-2** Two.\n")
    (tmp_path / "eegarchive" / "a.py").write_text('"""Spec: A-1 to A-2."""\n#: (spec A-1, A-2 and A-1)\n')
    (tmp_path / "tests" / "test_a.py").write_text(
        'import pytest\n\n@pytest.mark.clause("A-1")\ndef test_one(): ...\n\n'
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.clause("A-2"))])\ndef test_two(x): ...\n'
    )
    return tmp_path


def test_a_project_that_fits(tiny: Path) -> None:
    assert run(tiny).returncode == 0
    listed = run(tiny, "--list").stdout
    assert "A-1\n    tests/test_a.py::test_one\nA-2\n    tests/test_a.py::test_two\n" in listed


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        ("spec/a.md", "**A-2** Two.", "**A-2** Two.\n\n**A-3** Three.", "A-3: no test"),
        ("spec/a.md", "**A-2** Two.", "**A-2** Two.\n\n**A-1** Again.", "A-1: stands 2 times"),
        ("spec/a.md", "(A-2)", "(B-7)", "B-7: a page cites it"),
        ("tests/test_a.py", '"A-1"', '"A-1", "A-9"', "A-9: a test bears it"),
        ("tests/test_a.py", '"A-2"', '"A-1"', "A-2: no test"),
        ("eegarchive/a.py", "A-1 to A-2", "A-1 to A-3", "A-3: code cites it"),
        ("eegarchive/a.py", "and A-1", "and Z-1", "Z-1: code cites it"),
    ],
)
def test_what_does_not_fit_is_said(tiny: Path, path: str, old: str, new: str, complaint: str) -> None:
    text = (tiny / path).read_text()
    assert old in text
    (tiny / path).write_text(text.replace(old, new))
    done = run(tiny)
    assert done.returncode == 1
    assert complaint in done.stderr
