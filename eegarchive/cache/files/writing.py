"""Values to files, exactly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO

from eegarchive.cache.columns import Block
from eegarchive.cache.files import exact_csv, exact_json, parquet
from eegarchive.cache.files.reading import READ_FORMATS, format_of
from eegarchive.storage.files import new_file

#: Names of the formats, and the suffixes of files that have them.
WRITTEN_FORMATS = {name: suffixes for name, suffixes in READ_FORMATS.items() if name != "luna"}


def write_values(
    blocks: Sequence[Block],
    path: str | os.PathLike[str],
    *,
    name: str,
    format: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write values to a file from which `read_values` reads the same ones.

    Parameters
    ----------
    blocks : sequence of Block
    path : path-like
        The file; it appears whole or not at all.
    name : str
        The cache's name; CSV has no place for it.
    format : {"csv", "parquet", "json"}, optional
        Found by the suffix.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    int
        How many values were written.

    Raises
    ------
    EEGArchiveError
        If the format isn't known, or can't hold the values.
    TargetExists
        If the file is there and `overwrite` isn't set.
    """
    path = Path(path)
    kind = format_of(path, format, WRITTEN_FORMATS)
    with new_file(path, overwrite) as temporary:
        if kind == "parquet":
            parquet.write(blocks, temporary, name)
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as stream:
                dump_text(blocks, stream, name=name, format="csv" if kind == "csv" else "json")
    return sum(map(len, blocks))


def dump_text(blocks: Sequence[Block], stream: TextIO, *, name: str, format: Literal["csv", "json"]) -> None:
    """Write values as text to a stream: see `write_values`.

    Parameters
    ----------
    blocks : sequence of Block
    stream : text stream
        One that leaves line ends as they are (`newline=""`).
    name : str
        The cache's name.
    format : {"csv", "json"}
    """
    if format == "csv":
        exact_csv.dump(blocks, stream)
    else:
        stream.writelines(exact_json.parts(blocks, name))
