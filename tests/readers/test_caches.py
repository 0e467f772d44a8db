"""The examples in tools/readers read from a cache what was put in, by the reference file's expectation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import eegarchive
from readers.programs import EXAMPLES, NODE, PYFIVE, SHELL, Reader, has_r_package

REFERENCE = EXAMPLES.parents[1] / "spec" / "reference" / "1.0" / "cache_values"
EXPECTED = json.loads(REFERENCE.with_suffix(".json").read_text("utf-8"))
READERS = (
    Reader("h5dump", ("bash", "cache.sh"), SHELL.wants),
    Reader("rhdf5", ("Rscript", "cache_rhdf5.R"), ((has_r_package, "rhdf5"), (has_r_package, "bit64"))),
    Reader("hdf5r", ("Rscript", "cache_hdf5r.R"), ((has_r_package, "hdf5r"),)),
    Reader("h5wasm", ("node", "cache.mjs"), NODE.wants),
    Reader("h5py", (sys.executable, "cache_h5py.py"), ((None, "h5py"),)),
    Reader("pyfive", (sys.executable, "cache_pyfive.py"), PYFIVE.wants),
)
EVERY_READER = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def read(text: str, kind: str) -> Any:
    """What an example printed for a value or a level, as expectations have it."""
    if kind == "num":
        return float(text).hex()
    return text != "0" if kind == "bool" else text


def entries(printed: str, factors: dict[str, str]) -> list[dict[str, Any]]:
    """The entries that an example printed."""
    found = []
    for line in printed.splitlines():
        kind, variable, strata, *values = line.split("\t")
        levels = {}
        for part in filter(None, strata.split("; ")):
            (name,) = (name for name in factors if part.startswith(f"{name}="))
            levels[name] = [factors[name], read(part.removeprefix(f"{name}="), factors[name])]
        own = kind.removesuffix("[]")
        shown = [None if value == "missing" else read(value, own) for value in values]
        value = {"vector": shown} if kind != own else {"value": shown[0]}
        found.append({"variable": variable, "strata": dict(sorted(levels.items())), "type": own, **value})
    return found


def in_order(found: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in found)


@EVERY_READER
@pytest.mark.parametrize("cache", ["power", "odd names"])
def test_example_gives_what_was_put_in(reader: Reader, cache: str) -> None:
    keep = ("variable", "strata", "type", "value", "vector")
    expected = [
        {key: entry[key] for key in keep if key in entry}
        for entry in EXPECTED["freezes"]["A"]["caches"][cache]
    ]
    factors = {name: kind for entry in expected for name, (kind, _) in entry["strata"].items()}
    result = reader.run(REFERENCE.with_suffix(".h5"), cache, "/freezes/A")
    assert result.stderr == ""
    assert result.returncode == 0
    assert in_order(entries(result.stdout, factors)) == in_order(expected)
    working = reader.run(REFERENCE.with_suffix(".h5"), cache)
    assert len(working.stdout.splitlines()) == len(expected) + 2 * (cache == "power")


def test_the_reference_has_what_examples_could_get_wrong() -> None:
    shown = json.dumps(EXPECTED["freezes"]["A"]["caches"], ensure_ascii=False)
    for wanted in ("-9223372036854775808", "9223372036854775807", '"nan"', '"-inf"', "-0x0.0p+0", "p-1022"):
        assert wanted in shown
    for wanted in ("späte Nacht 😴 ", '"value": null', '"vector": []', '["ein", null, ""]', "Länge (m)"):
        assert wanted in shown


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Path:
    """An archive with a flipped bit in a cache."""
    path = tmp_path_factory.mktemp("damaged") / "night.h5"
    path.write_bytes(archives["edf_sleep_psg_30s_records"].read_bytes())
    values = np.random.default_rng(1).normal(size=30_000)
    with eegarchive.edit(path) as night:
        night.cache["big"].put_columns({"E": np.arange(30_000), "power": values}, ["E"])
    with h5py.File(path) as h5:
        chunk = h5["cache/big/num"].id.get_chunk_info(0)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 16]))
    return path


@EVERY_READER
def test_example_gives_no_values_of_a_damaged_cache(reader: Reader, damaged: Path) -> None:
    result = reader.run(damaged, "big")
    assert result.returncode != 0
    assert "num\t" not in result.stdout
