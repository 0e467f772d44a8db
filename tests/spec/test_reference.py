"""The reference files: what the package and the second reader answer is what their expectations say."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive

from .breaking import ROOT, reference
from .reader import Reader, attributes_of, seal_of, sha256_of_lines

FOLDER = ROOT / "spec" / "reference" / "1.0"
EXPECTED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
WHOLE = [name for name, expected in EXPECTED.items() if not {"broken", "detached"} & set(expected)]
DETACHED = [name for name, expected in EXPECTED.items() if "detached" in expected]
BROKEN = [name for name, expected in EXPECTED.items() if "broken" in expected]


def test_every_file_has_its_expectation() -> None:
    assert {path.stem for path in FOLDER.glob("*.h5")} == set(EXPECTED) == {*WHOLE, *DETACHED, *BROKEN}
    assert len(WHOLE) >= 5
    assert len(BROKEN) >= 9
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 640_000


@pytest.mark.parametrize("name", WHOLE)
def test_whole_archives_are_whole(name: str) -> None:
    assert eegarchive.verify(FOLDER / f"{name}.h5") == []


@pytest.mark.clause("V-2", "D-5", "D-6", "D-7")
@pytest.mark.parametrize("name", WHOLE)
def test_the_package_answers_as_expected(name: str) -> None:
    assert json.loads(json.dumps(reference.expectation(FOLDER / f"{name}.h5"))) == EXPECTED[name]


@pytest.mark.clause("X-1", "X-2", "X-3", "X-4")
@pytest.mark.parametrize("name", DETACHED)
def test_the_package_answers_as_expected_of_detached_freezes(name: str) -> None:
    assert eegarchive.verify(FOLDER / f"{name}.h5") == []
    found = reference.detached_expectation(FOLDER / f"{name}.h5")
    assert json.loads(json.dumps(found)) == EXPECTED[name]


def state_of(reader: Reader, prefix: str) -> dict[str, Any]:
    """What an expectation says of a state, by the second reader."""
    segments, own = reader.table(prefix + "segments")
    rows = reader.table(prefix + "annotations")[0]
    first = []
    for row in rows[:5]:
        texts = {key: row[key].decode() for key in ("text", "kind", "channel", "set")}
        duration = None if math.isnan(row["duration"]) else float(row["duration"])
        first.append({"onset": float(row["onset"]), "duration": duration, **texts})
    signals = []
    for name, pieces in reader.pieces(prefix).items():
        samples, described = reader.samples(prefix, name), reader.attributes(prefix, name)
        signals.append(
            {
                "name": name,
                **{key: described[key] for key in ("label", "kind", "units", "sampling_rate")},
                "type": samples.dtype.str[1:],
                "length": len(samples),
                "pieces": [list(piece) for piece in pieces],
                "samples_sha256": hashlib.sha256(samples.tobytes()).hexdigest(),
                "first": samples[:5].tolist(),
                "last": samples[-5:].tolist(),
                "physical_first": [float(value).hex() for value in reader.physical(prefix, name)[:5]],
            }
        )
    return {
        "recording_start": own["recording_start"],
        "segments": [[float(row["start"]), float(row["duration"])] for row in segments],
        "epochs": len(reader.table(prefix + "epochs")[0]),
        "annotations": {"count": len(rows), "first": first},
        "signals": signals,
        **caches_of(reader, prefix),
    }


def caches_of(reader: Reader, prefix: str) -> dict[str, Any]:
    """What an expectation says of the caches of a state, by the second reader."""
    names = {name for place in ("/", prefix) for name in reader.h5[place].get("cache", {})}
    found: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(names, key=str.encode):
        for entry, values in reader.answers(prefix, name):
            types = {bool: "bool", int: "int", float: "num", str: "text"}
            levels = {
                factor: [types[type(level)], exact(level)] for factor, level in sorted(entry.strata.items())
            }
            answer: dict[str, Any] = {"variable": entry.variable, "strata": levels}
            if values:
                (given,) = values
                vector = isinstance(given.value, list)
                value = [exact(each) for each in given.value] if vector else exact(given.value)
                own = {key: given.origin[key] for key in ("state", "freeze", "basis", "operation")}
                answer |= {"type": given.kind, "vector" if vector else "value": value, **own}
            else:
                answer["stale"] = True
            found.setdefault(name, []).append(answer)
        found[name].sort(key=lambda answer: json.dumps([answer["variable"], answer["strata"]]))
    return {"caches": found} if found else {}


def exact(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    return str(value) if type(value) is int else value


@pytest.mark.clause("E-8", "S-3", "S-9", "P-8", "T-4", "T-6", "D-5", "D-6", "D-7", "I-2")
@pytest.mark.clause("H-1", "H-2", "H-3", "H-4", "H-5", "H-6", "H-7", "H-8", "H-9", "H-10")
@pytest.mark.parametrize("name", WHOLE)
def test_the_second_reader_answers_as_expected(name: str) -> None:
    expected = EXPECTED[name]
    with Reader(FOLDER / f"{name}.h5") as reader:
        rebuilt = reader.rebuilt()
        assert expected["source"] == {
            "name": reader.root["source_name"],
            "size": len(rebuilt),
            "sha256": hashlib.sha256(rebuilt).hexdigest(),
            "kind": reader.root["source_kind"],
        }
        contents = {tag: reader.contents_lines(reader.h5["freezes"][tag]) for tag in reader.tags()}
        assert expected["digests"] == {
            "digest": sha256_of_lines(reader.state_lines("/")),
            "source_digest": sha256_of_lines(reader.state_lines("/freezes/source/")),
            "archive_digest": sha256_of_lines(reader.archive_lines()),
            "contents_digests": {tag: sha256_of_lines(lines) for tag, lines in contents.items()},
        }
        for place in ("/", *(f"/freezes/{tag}" for tag in reader.tags())):
            for cache in reader.h5[place].get("cache", {}).values():
                assert sha256_of_lines(reader.cache_lines(cache)) == attributes_of(cache)["contents_digest"]
        for windows in reader.h5.get("windows", {}).values():
            assert sha256_of_lines(reader.cache_lines(windows)) == attributes_of(windows)["contents_digest"]
            samples = windows["samples"][()]
            assert (
                hashlib.sha256(samples.tobytes()).hexdigest()
                == attributes_of(windows["samples"])["samples_sha256"]
            )
            assert attributes_of(windows)["state"] == reader.root["digest"]
            for row, stored in zip(windows["rows"][()], samples, strict=True):
                for channel, values in zip(windows["channels"][()], stored, strict=True):
                    all_samples = reader.samples("/", channel["name"].decode())
                    np.testing.assert_array_equal(values, all_samples[row["start"] : row["stop"]])
        assert expected["working"] == state_of(reader, "/")
        assert expected["freezes"] == {tag: state_of(reader, f"/freezes/{tag}/") for tag in reader.tags()}
        covered, stated = reader.sealed()
        assert seal_of(covered) == stated
        assert attributes_of(reader.h5)["format_version"] == expected["format_version"]


@pytest.mark.clause("C-2", "V-3", "G-1", "G-3", "K-5", "I-4", "D-8", "C-6")
@pytest.mark.parametrize("name", BROKEN)
def test_broken_archives_are_refused_or_found(name: str) -> None:
    path, expected = FOLDER / f"{name}.h5", EXPECTED[name]
    found = [(finding.severity, finding.path) for finding in eegarchive.verify(path)]
    for wanted in expected["findings"]:
        pattern = wanted["path"].replace("[", "[[]")
        assert any(s == wanted["severity"] and fnmatch.fnmatchcase(p, pattern) for s, p in found), wanted
    if expected["open"] == "refuse":
        with pytest.raises(eegarchive.InvalidArchive):
            eegarchive.open(path)
    else:
        with eegarchive.open(path) as archive:
            for signal in expected.get("refuse_to_read", []):
                with pytest.raises(eegarchive.InvalidArchive):
                    archive.signals[signal][:]
            if "refuse_cache" in expected:
                with pytest.raises(eegarchive.InvalidArchive):
                    archive.cache[expected["refuse_cache"]].summary()


def without_versions(expected: dict[str, Any]) -> dict[str, Any]:
    """An expectation without what depends on the versions of the program that wrote the file."""
    digests = {key: value for key, value in expected["digests"].items() if key != "archive_digest"}
    cached = {tag for tag, state in expected["freezes"].items() if "caches" in state}
    contents = {tag: value for tag, value in digests["contents_digests"].items() if tag not in cached}
    return {**expected, "digests": {**digests, "contents_digests": contents}}


@pytest.mark.clause("C-13", "D-9")
def test_made_again_they_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", reference.EPOCH)
    reference.generate(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()}
    for name, expected in EXPECTED.items():
        made = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        if name in WHOLE:
            assert without_versions(made) == without_versions(expected)
            with Reader(tmp_path / f"{name}.h5") as one, Reader(FOLDER / f"{name}.h5") as two:
                for signal in one.pieces("/"):
                    assert np.array_equal(one.samples("/", signal), two.samples("/", signal))
        else:
            assert made == expected
