"""What a check finds, and how whatever goes wrong with an object becomes a finding about it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError, MissingBase, UnsafeArchive, UnsupportedVersion
from eegarchive.layout import Column
from eegarchive.storage import guard
from eegarchive.storage.damage import HDF5_ERRORS, first_line

DAMAGED = "the file is damaged: restore it from a copy, or convert the recording again"
#: What a digest, and a moment (spec R-5), look like.
DIGEST = re.compile(r"[0-9a-f]{64}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FOREIGN = "the file was written or changed by something else: do not trust it"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    severity : str
        "error": data or meaning are affected. "warning": contents agree with their digests, but the
        file isn't as the specification has it.
    path : str
        HDF5 path of the object.
    message, advice : str
        What is wrong, and what to do.
    """

    severity: str
    path: str
    message: str
    advice: str


Report = Callable[[Finding], None]
#: Told the path that is looked at next, or a number of bytes that were read.
Progress = Callable[[str | int], None]


class Findings:
    """Where findings go.

    Attributes
    ----------
    errors : int
        How many there were so far.
    """

    def __init__(self, report: Report, progress: Progress) -> None:
        self._report = report
        self._progress = progress
        self.errors = 0

    def error(self, path: str, message: str, advice: str = DAMAGED) -> None:
        """Report an error."""
        self.errors += 1
        self._report(Finding("error", guard.printable(path), guard.printable(message), advice))

    def warning(self, path: str, message: str, advice: str) -> None:
        """Report a warning."""
        self._report(Finding("warning", guard.printable(path), guard.printable(message), advice))

    @contextlib.contextmanager
    def looking_at(self, path: str) -> Iterator[None]:
        """Turn whatever goes wrong with an object into a finding about it."""
        self._progress(path)
        try:
            yield
        except EEGArchiveError as error:
            self.error(path, str(error), _advice(error))
        except HDF5_ERRORS as error:
            self.error(path, f"can't be read ({type(error).__name__}: {first_line(error)})")

    def check_widths(self, rows: npt.NDArray[Any], columns: Sequence[Column], path: str) -> None:
        """Texts of a table decode, and each text column is as wide as its longest value (spec T-3)."""
        for column in columns:
            if column.type != "str":
                continue
            texts = np.ascontiguousarray(rows[column.name])
            width = texts.dtype.itemsize
            used = np.flatnonzero(texts.view(np.uint8).reshape(len(texts), width).any(axis=0))
            longest = int(used[-1]) + 1 if len(used) else 1
            if width != longest:
                self.error(
                    path,
                    f"column {column.name} is {width} bytes wide, its longest value {longest}",
                    FOREIGN,
                )
            for raw in set(texts.tolist()):
                raw.decode("utf-8")
                if b"\0" in raw:
                    self.error(path, f"column {column.name} has a text with NUL inside", FOREIGN)
                    break


def json_object(text: str) -> dict[str, Any] | None:
    """A JSON object out of a file; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _advice(error: EEGArchiveError) -> str:
    if isinstance(error, UnsupportedVersion):
        return "upgrade eegarchive"
    if isinstance(error, MissingBase):
        return "bring the file that is needed, and check again"
    return FOREIGN if isinstance(error, UnsafeArchive) else DAMAGED
