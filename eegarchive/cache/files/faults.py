"""Where in a file a fault lies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from eegarchive.errors import EEGArchiveError
from eegarchive.scoring.text import shown_path


class Fault(Exception):
    """What is wrong with a file, or with one of its rows; `place` adds the file and the line.

    Parameters
    ----------
    text : str
        What is wrong, and what to do.
    row : int, optional
        The row, counted from 0 among those that were taken.
    """

    def __init__(self, text: str, row: int | None = None) -> None:
        super().__init__(text)
        self.row = row


@contextlib.contextmanager
def place(path: str | os.PathLike[str], name: Callable[[int], str]) -> Iterator[None]:
    """Turn a `Fault` inside into an error that names the file, and the row as `name` does."""
    try:
        yield
    except Fault as fault:
        where = "" if fault.row is None else f": {name(fault.row)}"
        raise EEGArchiveError(f"{shown_path(Path(path))}{where}: {fault}") from None
