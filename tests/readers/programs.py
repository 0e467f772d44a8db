"""The programs that read archives in these tests, and what a recording has, decoded from its bytes."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"
EXAMPLES = Path(__file__).parents[2] / "tools" / "readers"
ODD = "labels_and_extremes"
#: Values that readers could take for missing, or for something else than a 16-bit integer.
EXTREMES = np.array([-32768, -32767, 32767, -1, 0], "<i2")
REQUIRED = os.environ.get("EEGARCHIVE_READERS") == "required"


def has_program(name: str) -> bool:
    return shutil.which(name) is not None


def has_r_package(name: str) -> bool:
    asked = ["Rscript", "-e", f"quit(status = !nzchar(system.file(package = '{name}')))"]
    return has_program("Rscript") and subprocess.run(asked, capture_output=True).returncode == 0


def has_node_package(name: str) -> bool:
    return (EXAMPLES / "node_modules" / name).is_dir()


@functools.cache
def missing(kind: Callable[[str], bool] | None, name: str) -> str:
    """What to do about a program or package that isn't there; empty if it is."""
    if kind is not None:
        return "" if kind(name) else f"{name} is missing; tools/install-readers installs it"
    found = importlib.util.find_spec(name) is not None
    return "" if found else f"the Python package {name} is missing; pip install {name} installs it"


def need(*wants: tuple[Callable[[str], bool] | None, str]) -> None:
    """Skip the test if something isn't there; fail it where CI promises that all is."""
    lacks = [text for kind, name in wants if (text := missing(kind, name))]
    if lacks and REQUIRED:
        pytest.fail("; ".join(lacks))
    if lacks:
        pytest.skip("; ".join(lacks))


@dataclass(frozen=True)
class Reader:
    """One example, and what it needs."""

    name: str
    command: tuple[str, ...]
    wants: tuple[tuple[Callable[[str], bool] | None, str], ...]
    #: Whether it gives samples as 64-bit floats; if not, as they are stored.
    floats: bool = True
    #: Whether it reads tables that have texts.
    texts: bool = True

    def run(self, archive: Path, *rest: str, **environment: str) -> subprocess.CompletedProcess[str]:
        need(*self.wants)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}
        script = str(EXAMPLES / self.command[-1])
        return subprocess.run(
            [*self.command[:-1], script, str(archive), *rest],
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            env={**inherited, "LC_ALL": "C.UTF-8", **environment},
            timeout=60,
        )


def python(name: str, *packages: str, texts: bool = True) -> Reader:
    command = (sys.executable, f"read_{name}.py")
    return Reader(name, command, tuple((None, package) for package in packages), texts=texts)


SHELL = Reader("h5dump", ("bash", "read.sh"), ((has_program, "h5dump"), (has_program, "h5ls")), floats=False)
NODE = Reader("h5wasm", ("node", "read.mjs"), ((has_program, "node"), (has_node_package, "h5wasm")))
PYFIVE = python("pyfive", "pyfive")
READERS = (
    SHELL,
    Reader("rhdf5", ("Rscript", "read_rhdf5.R"), ((has_r_package, "rhdf5"),)),
    Reader("hdf5r", ("Rscript", "read_hdf5r.R"), ((has_r_package, "hdf5r"),)),
    NODE,
    python("h5py", "h5py"),
    PYFIVE,
    python("pytables", "tables"),
    python("xarray", "xarray", "h5netcdf"),
    python("netcdf4", "netCDF4", texts=False),
)


@dataclass(frozen=True)
class Truth:
    """One signal of an EDF or BDF, decoded from its bytes."""

    label: str
    units: str
    sampling_rate: float
    scale_factor: float
    add_offset: float
    samples: np.ndarray


def decode(recording: Path, index: int) -> Truth:
    """Signal number `index` of an EDF or BDF."""
    raw = recording.read_bytes()
    count = int(raw[252:256])
    widths = [16, 80, 8, 8, 8, 8, 8, 80, 8, 32]
    starts = 256 + count * np.cumsum([0, *widths])

    def field(number: int, signal: int) -> str:
        at = starts[number] + signal * widths[number]
        return raw[at : at + widths[number]].decode("latin-1").strip()

    per_record = [int(field(8, signal)) for signal in range(count)]
    size = 3 if raw[0] == 0xFF else 2
    records = np.frombuffer(raw[256 * (count + 1) :], np.uint8)
    records = records[: int(raw[236:244]) * sum(per_record) * size].reshape(-1, sum(per_record) * size)
    begin = sum(per_record[:index]) * size
    own = records[:, begin : begin + per_record[index] * size].reshape(-1, size)
    wide = np.zeros((len(own), 4), np.uint8)
    wide[:, 4 - size :] = own
    physical_minimum, physical_maximum, minimum, maximum = (float(field(n, index)) for n in (3, 4, 5, 6))
    scale = (physical_maximum - physical_minimum) / (maximum - minimum)
    return Truth(
        label=field(0, index),
        units=field(2, index),
        sampling_rate=per_record[index] / float(raw[244:252]),
        scale_factor=scale,
        add_offset=physical_minimum - minimum * scale,
        samples=wide.view("<i4")[:, 0] >> 8 * (4 - size),
    )


def parse(printed: str) -> dict[str, list[list[str]]]:
    """The rows an example printed, by their first column."""
    rows: dict[str, list[list[str]]] = {}
    for line in printed.splitlines():
        key, *columns = line.split("\t")
        rows.setdefault(key, []).append(columns)
    return rows


def numbers(columns: list[str]) -> list[float]:
    return [float(column) for column in columns]


def check_signal(shown: dict[str, list[list[str]]], truth: Truth) -> None:
    assert shown["label"] == [[truth.label]]
    assert shown["units"] == [[truth.units]]
    for name in ("sampling_rate", "scale_factor", "add_offset"):
        assert numbers(shown[name][0]) == [getattr(truth, name)]
    assert shown["samples"] == [[str(len(truth.samples))]]
    first = truth.samples[:5]
    assert numbers(shown["stored"][0]) == first.tolist()
    assert numbers(shown["physical"][0]) == (first * truth.scale_factor + truth.add_offset).tolist()
