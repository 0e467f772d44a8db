"""What the Brain Imaging Data Structure says of a recording: in its file's name, and in `participants.tsv`."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eegarchive.description import Category, Value, is_field_name
from eegarchive.errors import EEGArchiveError

_NAME = re.compile(r"sub-[A-Za-z0-9+]+(_[a-z]+-[A-Za-z0-9+]+)*_[A-Za-z0-9]+")
#: Short names of entities in file names, and what they mean; others keep theirs.
_ENTITIES = {
    "sub": "subject",
    "ses": "session",
    "acq": "acquisition",
    "proc": "processing",
    "rec": "reconstruction",
    "desc": "description",
}
_TABLE, _SIDECAR = "participants.tsv", "participants.json"
#: From the file's folder up: data type, session, subject, root.
_LEVELS_UP = 4
_MISSING = "n/a"
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WAY_OUT = "mend it, or leave BIDS alone (bids=False, --no-bids)"


def describe(source: str | os.PathLike[str]) -> dict[str, Value]:
    """The fields that BIDS has for a recording; none if its file isn't named as BIDS wants.

    Entities of the name are texts: `sub-01_ses-02_task-rest_run-1_eeg.edf` has subject "01". The row of the
    participant is taken from the `participants.tsv` above the file, with the type that all values of a column have:
    whole numbers, numbers, one of the `Levels` that `participants.json` has; else text, as it stands. `n/a` is
    missing, which is None. The name goes before the table.

    Raises
    ------
    EEGArchiveError
        If the table or its sidecar can't be understood.
    """
    path = Path(os.path.abspath(source))
    fields = entities(path.name)
    if not fields:
        return {}
    above = next((folder for folder in path.parents[:_LEVELS_UP] if (folder / _TABLE).is_file()), None)
    row = {} if above is None else _participant(above, f"sub-{fields['subject']}")
    return {**row, **fields}


def entities(file_name: str) -> dict[str, Value]:
    """What a file's name says; nothing if it isn't one of BIDS."""
    stem = file_name.partition(".")[0]
    if not _NAME.fullmatch(stem):
        return {}
    pairs = [part.split("-", 1) for part in stem.split("_")[:-1]]
    found: dict[str, Value] = {_ENTITIES.get(key, key): value for key, value in pairs}
    return found if len(found) == len(pairs) else {}


def _participant(folder: Path, participant: str) -> dict[str, Value]:
    """The participant's row of a table, by field."""
    path = folder / _TABLE
    header, rows = _read_table(path)
    if "participant_id" not in header:
        raise EEGArchiveError(f"{path}: has no column participant_id; {_WAY_OUT}")
    ids = [row[header.index("participant_id")] for row in rows]
    if participant not in ids:
        return {}
    if ids.count(participant) > 1:
        raise EEGArchiveError(f"{path}: has {participant} {ids.count(participant)} times; {_WAY_OUT}")
    at, levels = ids.index(participant), _levels(folder / _SIDECAR)
    found: dict[str, Value] = {}
    for number, column in enumerate(header):
        if column == "participant_id":
            continue
        name = _field_name(column)
        if not name or name in found:
            raise EEGArchiveError(f"{path}: the column {column!r} has no name of its own; {_WAY_OUT}")
        found[name] = _typed([row[number] for row in rows], levels.get(column, ()), at)
    return found


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    lines = [line.removesuffix("\r") for line in _read(path).split("\n")]
    cells = [line.split("\t") for line in lines]
    header = cells[0]
    rows = []
    for number, row in enumerate(cells[1:], 2):
        if row == [""]:
            continue
        if len(row) != len(header):
            raise EEGArchiveError(
                f"{path}: line {number} has {len(row)} columns, the header {len(header)}; {_WAY_OUT}"
            )
        rows.append(row)
    return header, rows


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EEGArchiveError(f"{path}: byte {error.start} isn't UTF-8; {_WAY_OUT}") from None


def _levels(path: Path) -> dict[str, Sequence[str]]:
    """Levels of the columns for which the sidecar lists them."""
    if not path.is_file():
        return {}
    try:
        stated = json.loads(_read(path))
    except ValueError as error:
        raise EEGArchiveError(f"{path}: isn't JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(stated, Mapping):
        raise EEGArchiveError(f"{path}: isn't an object of JSON; {_WAY_OUT}")
    found: dict[str, Any] = {
        column: about.get("Levels") for column, about in stated.items() if isinstance(about, Mapping)
    }
    return {column: list(levels) for column, levels in found.items() if isinstance(levels, Mapping)}


def _field_name(column: str) -> str:
    """A column's name as a field's: what isn't a letter, digit or `_` becomes `_`."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", column.strip()).strip("_")
    return name if not name or is_field_name(name) else f"_{name}"


def _typed(column: Sequence[str], levels: Sequence[str], at: int) -> Value:
    """One value of a column, as the type that all its values have."""
    present = [text for text in column if text != _MISSING]
    text = column[at]
    if text == _MISSING:
        return None
    if levels and set(present) <= set(levels):
        return Category(text, levels)
    if all(map(_INTEGER.fullmatch, present)):
        return int(text)
    if all(_NUMBER.fullmatch(other) and math.isfinite(float(other)) for other in present):
        return float(text)
    return text
