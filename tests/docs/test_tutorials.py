"""What the documentation tells people to do works, and prints what it says."""

from __future__ import annotations

import difflib
import importlib.util
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from docs.pages import CHECKOUT, Block, Runner, blocks, rewritten, run, settled

import eegarchive

TUTORIALS = sorted((CHECKOUT / "docs" / "tutorials").glob("*.md"))
#: Packages beside those that eegarchive always has.
NEEDED = {
    "first-night": ("matplotlib", "mne", "pandas", "pyarrow"),
    "luna-freezes": ("pandas",),
    "luna-scripts": ("pandas",),
    "three-labs": ("mne",),
    "prepared-data": ("matplotlib", "mne", "pandas", "pyarrow", "pyedflib", "scipy"),
}
#: Pages whose blocks stand each for itself, and print what nobody compares.
REFERENCE = [
    CHECKOUT / "README.md",
    *(CHECKOUT / "docs" / f"{name}.md" for name in ("cache", "replay", "luna")),
]
SOURCE = CHECKOUT / "tests" / "data" / "edf_sleep_psg_30s_records.edf"
STAGES = (0, 1, 2, 2, 2, 3, 3, 2, 5, 5)
_RUN = ("eegarchive ", "cmp ")
_IMPORT = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    for package in NEEDED[page.stem]:
        pytest.importorskip(package)
    folder = tmp_path / "page"
    folder.mkdir()
    printed = list(run(page, folder))
    assert len(printed) > 20
    wrong = [
        "\n".join(
            difflib.unified_diff(
                settled(one.shown).splitlines(), settled(one.found).splitlines(), one.where, "printed", n=1
            )
        )
        for one in printed
        if one.differs()
    ]
    assert not wrong, "\n\n".join([*wrong, f"tests/docs/pages.py {page} writes what is printed now"])


def test_the_tutorials_are_those_that_are_known() -> None:
    assert {page.stem for page in TUTORIALS} == set(NEEDED)


def _examples() -> list[pytest.ParameterSet]:
    found = []
    for page in REFERENCE:
        text = page.read_text() if page.exists() else ""
        for block in blocks(text):
            if block.kind == "python" or (not block.kind and "eegarchive " in block.text):
                found.append(pytest.param(block, page, id=f"{page.name}:{block.line}"))
    return found


def _prepare(folder: Path, text: str) -> None:
    """What the examples speak of: night.edf, its archive, scorings, a table of Luna's, folders of recordings."""
    folder.mkdir()
    times = 30 if "200-250" in text else 1  # so many epochs
    recorded = SOURCE.read_bytes()
    size = int(recorded[184:192])
    header = recorded[:236] + b"%-8d" % (10 * times) + recorded[244:size]
    (folder / "night.edf").write_bytes(header + recorded[size:] * times)
    stages = STAGES * times
    lines = [f"Sleep stage {'R' if stage == 5 else stage or 'W'}\n" for stage in stages]
    (folder / "scorer.eannot").write_text("".join(lines))
    events = [
        "<ScoredEvent><EventType>Stages|Stages</EventType>"
        f"<EventConcept>Stage|{stage}</EventConcept><Start>{30 * i}</Start><Duration>30</Duration></ScoredEvent>"
        for i, stage in enumerate(stages)
    ]
    scoring = f"<EpochLength>30</EpochLength><ScoredEvents>{''.join(events)}</ScoredEvents>"
    (folder / "scorer.xml").write_text(f"<PSGAnnotation>{scoring}</PSGAnnotation>")
    rows = ["ID CH F PSD", "night EEG_Fpz-Cz 1.5 0.25", "night EEG_Fpz-Cz 2 0.5"]
    (folder / "psd.txt").write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    eegarchive.convert(folder / "night.edf", folder / "night.h5")
    for name in ("recordings", "nights"):
        (folder / name).mkdir()
    shutil.copy(SOURCE, folder / "recordings" / "one.edf")
    for name in ("one", "two") if "nights/" in text else ():
        shutil.copy(folder / "night.h5", folder / "nights" / f"{name}.h5")
        with eegarchive.edit(folder / "nights" / f"{name}.h5") as night:
            night.cache["psd"].put("PSD", 0.25, CH="EEG Fpz-Cz", F=1.5)
    if "import_annotations" in text or "annotations night.h5 import" in text:
        return
    with eegarchive.edit(folder / "night.h5") as night:
        night.import_annotations(folder / "scorer.eannot")
        night.set_epochs(30)
        night.freeze("scored")
        night.mask(keep="N2")
        night.restructure()
        night.freeze("N2")
        night.thaw("scored")


@pytest.mark.parametrize(("block", "page"), _examples())
def test_an_example_runs(block: Block, page: Path, tmp_path: Path) -> None:
    for package in _IMPORT.findall(block.text) if block.kind == "python" else ():
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} isn't installed")
    folder = tmp_path / "page"
    _prepare(folder, block.text)
    runner = Runner(folder)
    if block.kind == "python":
        runner.python(replace(block, text=f"import eegarchive\n{block.text}", line=block.line - 1), str(page))
        return
    for line in block.text.splitlines():
        if not line.startswith(_RUN):
            continue
        if line.startswith("eegarchive convert night.edf"):
            (folder / "night.h5").unlink(missing_ok=True)
        code, printed = runner.shell(line)
        wanted = 1 if line.startswith("eegarchive diff") else 0
        assert code == wanted, f"{page.name}: {line}\n{printed}"


@pytest.mark.skipif(not REFERENCE[1].exists(), reason="docs/cache.md isn't in this checkout")
def test_the_page_on_caches_has_examples() -> None:
    assert any(block.kind == "python" for block in blocks(REFERENCE[1].read_text()))


def test_a_page_that_shows_something_else_is_found_and_put_right(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo one; echo two\none\nthree\n```\n\n"
        "```python\nprint('2026-11-21T13:00:00Z', 5)\n```\n\n```text\n2020-01-01T00:00:00Z 5\n```\n\n"
        "```python\nprint(6)\n```\n\n```console\n$ printf '%s\\n' a \\\n>   b\na\nb\n```\n"
    )
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    assert [one.differs() for one in run(page, folders[0])] == [True, False, True, False]
    right = rewritten(page, folders[1])
    assert right == page.read_text().replace("three", "two").replace(
        "print(6)\n```\n", "print(6)\n```\n\n```text\n6\n```\n"
    )
    page.write_text(right)
    assert not any(one.differs() for one in run(page, folders[2]))
    page.write_text("```console\n$ ls nowhere\n```\n")
    with pytest.raises(AssertionError, match="ls nowhere ended with"):
        list(run(page, folders[0]))


def test_only_what_varies_is_left_out_of_a_comparison() -> None:
    assert settled("made 2026-11-21T13:00:00Z by eegarchive 0.1.0, 143 kB (0.78)\n") == settled(
        "made   2020-01-01T00:00:00Z by eegarchive 2.10.3, 1.2 MB (0.80)"
    )
    assert settled("4 of 10 epochs are left") != settled("3 of 10 epochs are left")
    assert settled("left: 120 of 300 s in 2 segments") != settled("left: 120 of 301 s in 2 segments")
    assert settled("8.055 True") != settled("8.056 True")
