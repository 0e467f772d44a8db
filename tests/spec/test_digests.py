"""Clauses of spec/digests.md."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import shutil
import warnings
from pathlib import Path

import pytest

import eegarchive
from eegarchive import digest
from eegarchive.storage import objects
from eegarchive.storage.codec import CODECS

from .breaking import ROOT, edited, errors, findings, first_signal
from .reader import Reader, attributes_of, sha256_of_lines, signal_lines, table_lines, text_of

FOLDER = ROOT / "spec" / "reference" / "1.0"
NAME = "edf_trailing_byte_bad_date"


def sections() -> dict[str, tuple[list[str], str]]:
    """Lines and digest of each section of the reference texts."""
    text = (FOLDER / f"{NAME}.txt").read_text(encoding="ascii")
    pattern = re.compile(r"^== (.*)\n((?:(?!==).*\n)*)== SHA-256 (\w+)$", re.MULTILINE)
    return {match[1]: (match[2].splitlines(), match[3]) for match in pattern.finditer(text)}


@pytest.mark.clause("D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7")
def test_the_reference_texts_are_what_the_second_reader_makes() -> None:
    with Reader(FOLDER / f"{NAME}.h5") as reader:
        stored = {f"D-3 /data/{name}": found for name, found in reader.h5["data"].items()}
        expected = {}
        for heading, found in stored.items():
            own = attributes_of(found)
            expected[heading] = signal_lines(found.dtype, len(found), str(own["samples_sha256"]), own)
        for name in (
            "segments",
            "annotations",
            "epochs",
            "pieces",
            "history",
            "edf/channels",
            "edf/warnings",
        ):
            expected[f"D-4 /{name}"] = table_lines(*reader.table(name))
        expected["D-5 /"] = reader.state_lines("/")
        expected["D-6 /freezes/source"] = reader.contents_lines(reader.h5["freezes/source"])
        expected["D-7 /"] = reader.archive_lines()
        assert {heading: lines for heading, (lines, _) in sections().items()} == expected
        for lines, stated in sections().values():
            assert hashlib.sha256(text_of(lines)).hexdigest() == stated
        found = sections()
        assert found["D-5 /"][1] == reader.root["digest"]
        assert (
            found["D-6 /freezes/source"][1] == attributes_of(reader.h5["freezes/source"])["contents_digest"]
        )
        assert found["D-7 /"][1] == reader.root["archive_digest"]
        assert all(stored[f"D-3 /data/{name}"] for name in reader.h5["data"])
        assert all(found[f"D-3 /data/{name}"][1] == name for name in reader.h5["data"])


@pytest.mark.clause("D-3", "D-4", "D-5", "D-6", "D-7")
def test_the_pages_examples_are_the_reference_texts() -> None:
    page = (ROOT / "spec" / "digests.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```digest ([^\n]*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert sorted({heading.split()[0] for heading, _ in examples}) == ["D-3", "D-4", "D-5", "D-6", "D-7"]
    for heading, shown in examples:
        lines, stated = sections()[heading]
        whole = "".join(f"{line}\n" for line in [*lines, f"== SHA-256 {stated}"])
        pattern = "".join("*\n" if line == "..." else f"{line}\n" for line in shown.splitlines())
        assert fnmatch.fnmatchcase(
            whole, pattern.removesuffix("*\n") + ("*" if pattern.endswith("*\n") else "")
        )


@pytest.mark.clause("D-2")
def test_lines_of_odd_attributes(small: Path) -> None:
    odd = {"µ": "é\n ", "a": "", "b": -1, "c": 2**62, "d": -0.0, "e": float("nan"), "B": float("inf")}
    with edited(small) as h5:
        objects.write_attributes(objects.create_group(h5, "later"), odd)
    assert {finding.severity for finding in findings(small)} == {"warning"}
    with Reader(small) as reader:
        lines = reader.archive_lines()
        assert sha256_of_lines(lines) == reader.root["archive_digest"]
        at = lines.index("group " + b"/later".hex())
        names = [bytes.fromhex(line.split(" ")[1]).decode() for line in lines[at + 1 : at + 8]]
        assert names == ["B", "a", "b", "c", "d", "e", "µ"]
        assert lines[at + 2] == "attribute 61 s "
        assert lines[at + 3] == "attribute 62 i ffffffffffffffff"
        assert lines[at + 5] == "attribute 64 f 0000000000000080"


@pytest.mark.clause("D-4")
def test_the_digest_of_a_table_covers_its_attributes_and_rows(small: Path) -> None:
    with Reader(small) as reader:
        rows, own = reader.table("/pieces")
        plain = digest.table_digest(rows, own)
        assert plain == reader.table_digest("/pieces")
        assert digest.table_digest(rows, {"more": 1}) != plain
        assert digest.table_digest(rows[::-1].copy(), own) != plain
        assert digest.table_digest(rows[:1], own) != plain


@pytest.mark.clause("D-8")
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("attribute of a stored signal", "/data/"),
        ("rows of a state's table", "/"),
        ("attribute of a state's table", "/"),
        ("rows of another table", "/"),
        ("attribute of the root", "/"),
        ("attribute of edf", "/"),
        ("another member", "/"),
        ("digest", "/"),
        ("archive_digest", "/"),
    ],
)
def test_what_differs_from_its_digest_is_found(small: Path, change: str, path: str) -> None:
    with edited(small, redigest=change == "digest") as h5:
        _, stored, _ = first_signal(h5)
        if change == "attribute of a stored signal":
            objects.write_attribute(h5["data"][stored], "transducer", "another")
            path += stored
        elif change == "rows of a state's table":
            rows = h5["segments"][()]
            rows["start"] += 1
            h5["segments"][...] = rows
        elif change == "attribute of a state's table":
            objects.write_attribute(h5["segments"], "recording_start", "2020-01-01T00:00:00")
        elif change == "rows of another table":
            rows = h5["edf/warnings"][()]
            rows["code"][0] = b"other"
            h5["edf/warnings"][...] = rows
        elif change == "attribute of the root":
            objects.write_attribute(h5, "source_name", "another")
        elif change == "attribute of edf":
            objects.write_attribute(h5["edf"], "startdate", "01.01.01")
        elif change == "another member":
            objects.create_group(h5, "more")
        else:
            objects.write_attribute(h5, change, "0" * 64)
    assert path in errors(small)


@pytest.mark.clause("D-9", "R-6")
@pytest.mark.parametrize("codec", CODECS)
def test_a_states_digest_depends_on_the_recording_alone(
    archives: dict[str, Path], tmp_path: Path, codec: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    source = Path(shutil.copy(recording, tmp_path / "another name.edf"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(source, tmp_path / "a.h5", codec=codec, seed=7, description={"key": "value"})
    with Reader(tmp_path / "a.h5") as one, Reader(archives[recording.stem]) as two:
        assert one.root["digest"] == two.root["digest"]
        assert sorted(one.h5["data"]) == sorted(two.h5["data"])
        assert one.root["archive_digest"] != two.root["archive_digest"]
