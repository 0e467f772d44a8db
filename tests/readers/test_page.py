"""The code in docs/readers.md gives what the recording has."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from readers.programs import DATA, EXAMPLES, NODE, SHELL, decode, has_r_package, need, numbers

PAGE = (EXAMPLES.parents[1] / "docs" / "readers.md").read_text("utf-8")
CACHES = re.search(r"^<!-- caches -->\n```python\n(.*?)^```\n", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", PAGE.replace(CACHES[0] if CACHES else "", ""), re.DOTALL | re.MULTILINE
)
CODE = dict(BLOCKS)


def test_page_has_one_block_for_each_language() -> None:
    assert sorted(CODE) == ["javascript", "julia", "matlab", "python", "r", "sh"]
    assert len(BLOCKS) == len(CODE)


@pytest.fixture
def night(psg: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the archive that the page's code reads, as working directory."""
    monkeypatch.chdir(psg.parent)
    return psg.rename("night.h5").absolute()


def run_block(command: list[str], name: str, code: str) -> str:
    Path(name).write_text(code, "utf-8")
    result = subprocess.run([*command, name], capture_output=True, encoding="utf-8")
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


@pytest.mark.parametrize(
    ("stem", "name", "index"),
    [("edf_sleep_psg_30s_records", "EEG Fpz-Cz", 0), ("edfplusd_oximetry_gaps", "HR", 1)],
)
def test_python_of_the_page_gives_values_and_times(
    stem: str, name: str, index: int, archives: dict[str, Path], night: Path
) -> None:
    shutil.copy(archives[stem], night)
    found: dict[str, np.ndarray] = {}
    exec(CODE["python"].replace("EEG Fpz-Cz", name), found)
    truth = decode(DATA / f"{stem}.edf", index)
    values = truth.samples * truth.scale_factor + truth.add_offset
    np.testing.assert_array_equal(found["values"], values)
    assert len(found["times"]) == len(values)
    if index:  # three segments at 0.25 Hz
        assert found["times"][[0, 680, 681, 2201, 2202]].tolist() == [0, 2720, 5631, 11711, 13656]
        assert found["texts"][2:] == ["Desaturation", "Hypoxemia"]


def test_python_of_the_page_gives_values_of_a_cache(night: Path) -> None:
    assert CACHES is not None
    with eegarchive.edit(night) as archive:
        for frequency, power in ((0.5, 1.0), (8.5, 2.0), (9.0, None)):
            archive.cache["power"].put("PSD", power, CH="C3", F=frequency)
        archive.cache["power"].put("PSD", 3.0, CH="C4", F=8.5)
        archive.cache["power"].put("SD", 3.0, CH="C3", F=8.5)
        archive.cache["power"].put("PSD", 3.0, F=8.5)
        archive.freeze("first")
        archive.drop_signals(["EEG Fpz-Cz"])
        archive.cache["power"].put("PSD", 4.0, CH="C3", F=8.5)
    found: dict[str, Any] = {}
    exec(CACHES[1], found)
    assert found["psd"] == {8.5: 4.0}
    with eegarchive.edit(night) as archive:
        archive.thaw("first")
    exec(CACHES[1], found)
    assert found["psd"] == {0.5: 1.0, 8.5: 2.0}


def test_r_of_the_page_gives_values(night: Path) -> None:
    need((has_r_package, "rhdf5"))
    code = CODE["r"] + 'cat(sprintf("%.17g", values[1:3]), nrow(segments), nrow(annotations))\n'
    check_printed(run_block(["Rscript"], "page.R", code).split(), "1 0")


def test_javascript_of_the_page_gives_values(night: Path) -> None:
    need(*NODE.wants)
    Path("node_modules").symlink_to(EXAMPLES / "node_modules")
    code = CODE["javascript"] + 'console.log([...values.slice(0, 3), 1, 0].join(" "));\n'
    check_printed(run_block(["node"], "page.mjs", code).split(), "1 0")


def check_printed(printed: list[str], rest: str) -> None:
    truth = decode(DATA / "edf_sleep_psg_30s_records.edf", 0)
    assert numbers(printed[:3]) == (truth.samples[:3] * truth.scale_factor + truth.add_offset).tolist()
    assert printed[3:] == rest.split()


def test_commands_of_the_page_show_the_digest_that_the_samples_have(night: Path) -> None:
    need(*SHELL.wants)
    truth = decode(DATA / "edf_sleep_psg_30s_records.edf", 0)
    digest = hashlib.sha256(truth.samples.astype("<i2").tobytes()).hexdigest()
    printed = run_block(["bash", "-e"], "page.sh", CODE["sh"])
    assert printed.count(digest) == 2
