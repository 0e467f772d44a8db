"""Break archives by raw HDF5 edits, and see what a checker says."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np

from eegarchive.check import Checker
from eegarchive.findings import Finding
from eegarchive.layout import STATE_TABLES
from eegarchive.storage import objects
from eegarchive.storage.codec import CODECS
from eegarchive.storage.samples import Piece

from .reader import attributes_of, sha256_of_lines, signal_lines

ROOT = Path(__file__).parents[2]


def load_tool(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_tool("reference_files")
edited = reference.edited
replace_table = reference.replace_table
record_state = reference.record_state
virtual_dataset = reference.virtual_dataset
write_signals = reference.write_signals


def findings(path: Path) -> list[Finding]:
    """What a check finds, without a process of its own."""
    found: list[Finding] = []
    Checker(path, found.append, lambda _: None).run()
    return found


def errors(path: Path) -> dict[str, str]:
    """Messages of errors by path; of several the first."""
    found: dict[str, str] = {}
    for finding in findings(path):
        if finding.severity == "error":
            found.setdefault(finding.path, finding.message)
    return found


def first_signal(h5: h5py.File) -> tuple[str, str, int]:
    """Name, stored name and length of the first signal, which is chunked."""
    row = h5["pieces"][()][0]
    return row["signal"].decode(), row["data"].decode(), int(row["stop"])


def whole(h5: h5py.File) -> dict[str, list[Piece]]:
    """Pieces of the working state as they are."""
    found: dict[str, list[Piece]] = {}
    for row in h5["pieces"][()]:
        piece = Piece(row["data"].decode(), int(row["start"]), int(row["stop"]))
        found.setdefault(row["signal"].decode(), []).append(piece)
    return found


def store(
    h5: h5py.File,
    samples: Any,
    attributes: Mapping[str, Any],
    name: str | None = None,
    codec: str = "portable",
) -> str:
    """Put a signal in /data, under the name that is right for it unless another is given."""
    made = objects.create_dataset(h5, samples.dtype, len(samples), len(samples), CODECS[codec])
    made.write_direct(samples)
    own = {**attributes, "samples_sha256": reference.hashlib.sha256(samples.tobytes()).hexdigest()}
    objects.write_attributes(made, own)
    lines = signal_lines(samples.dtype, len(samples), own["samples_sha256"], attributes_of(made))
    name = name or sha256_of_lines(lines)
    objects.link(made, h5["data"], name)
    return name


def copy_of(path: Path, to: Path) -> Path:
    return Path(shutil.copy(path, to))


def table_of(name: str, rows: Sequence[Sequence[Any]]) -> Any:
    """Rows of a state's table from tuples."""
    columns = STATE_TABLES[name]
    values = {column.name: [row[i] for row in rows] for i, column in enumerate(columns)}
    return objects.make_rows(
        columns, {key: np.array(v) if v and not isinstance(v[0], str) else v for key, v in values.items()}
    )
