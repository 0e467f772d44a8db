"""Values from files: which format a file has, and which module reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from eegarchive.cache.columns import Block
from eegarchive.cache.files import exact_csv, exact_json, parquet, text
from eegarchive.errors import EEGArchiveError
from eegarchive.scoring.text import shown, shown_path

#: Names of the formats, and the suffixes of files that have them.
READ_FORMATS: dict[str, tuple[str, ...]] = {
    "luna": (".txt", ".tsv", ".tab"),
    "csv": (".csv",),
    "parquet": (".parquet", ".pq"),
    "json": (".json",),
}


def read_values(
    path: str | os.PathLike[str],
    *,
    factors: Sequence[str] = (),
    variables: Sequence[str] | None = None,
    identity: Sequence[str] | None = None,
    prefix: str = "",
    format: str | None = None,
    last: bool = False,
) -> list[Block]:
    """Values from a file.

    The type of a column is what all its cells are: integers, numbers (`nan` and `inf` too), TRUE and FALSE, or
    text; `.`, `NA`, `null` and empty cells are missing. A column with labels such as `007` is text. Numbers are
    read exactly, and only whole cells are such: not `1,5`, not `12abc`.

    Parameters
    ----------
    path : path-like
        The file. Texts are UTF-8.
    factors : sequence of str
        Columns that are factors. A type may follow, to be taken as that whatever they look like: `CH:text`.
    variables : sequence of str, optional
        Columns that are variables, `PSD` or `PSD:num`. None: all but the factors and `ID`.
    identity : sequence of str, optional
        Take only rows with one of these in the column `ID`, if there is one. None: all rows.
    prefix : str
        Stands before the variables' names, with a colon: `HEADERS` makes `HEADERS:SR` of `SR`.
    format : str, optional
        One of `READ_FORMATS`; found by the suffix:

        - `luna`: a long table as `destrat` writes it. The header begins with `ID`; cells are separated by tabs
          if it has one, else by spaces.
        - `csv`: commas and quotes as in RFC 4180, and a header.
        - `parquet`: any table of numbers, integers, booleans, texts, and lists of these. Needs pyarrow.
        - `json`: as `write_values` writes it.

        CSV and Parquet as `write_values` writes them are known by their columns and metadata. Like JSON, they say
        what the factors, variables and types are: `factors` may be left out, and `variables` chooses among the
        variables' names.
    last : bool
        Of rows with one key, take the last, instead of refusing them. Not for Parquet, nor for exact files.

    Returns
    -------
    list of Block
        One for each variable of a table, or for each kind of values of an exact file.

    Raises
    ------
    EEGArchiveError
        With file and line (or row) of what can't be understood: rows with too few or too many cells, numbers that
        are none, levels that are missing, two rows with one key, columns and IDs that aren't there.
    """
    path = Path(path)
    kind = format_of(path, format, READ_FORMATS)
    if kind == "parquet":
        return parquet.read(path, factors, variables, identity, prefix)
    if kind == "json":
        return exact_json.read(path, factors, variables, prefix)
    with text.opened(path, luna=kind == "luna") as (header, batches):
        if kind == "csv" and exact_csv.is_exact(header):
            return exact_csv.read(path, header, batches, factors, variables, prefix)
        return text.read_table(path, header, batches, factors, variables, identity, prefix, last)


def format_of(path: Path, stated: str | None, formats: Mapping[str, tuple[str, ...]]) -> str:
    """Name of a file's format, stated or by its suffix.

    Raises
    ------
    EEGArchiveError
        If it is none of those there are.
    """
    if stated is not None:
        if stated not in formats:
            raise EEGArchiveError(f"there is no format {shown(stated)}; there are {', '.join(formats)}")
        return stated
    for name, suffixes in formats.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join(suffix for suffixes in formats.values() for suffix in suffixes)
    raise EEGArchiveError(
        f"{shown_path(path)}: its suffix is none of {known}; state the format ({', '.join(formats)})"
    )
