"""Values from files and into files, and from one archive into another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eegarchive.cache.columns import TYPES
from eegarchive.cache.origins import Basis
from eegarchive.cache.reader import CacheReader
from eegarchive.cache.writer import CacheWriter
from eegarchive.description import decode
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.storage.objects import read_attributes

#: Fields of the description that may say what a recording is called in tables of others.
_NAMING_FIELDS = ("ID", "id", "subject")


class CacheExchange(CacheWriter):
    """One cache, and files of values."""

    def import_file(
        self,
        path: str | os.PathLike[str],
        factors: Sequence[str] = (),
        variables: Sequence[str] | None = None,
        *,
        ids: Sequence[str] | None = None,
        prefix: str = "",
        format: str | None = None,
        basis: Basis = "clock",
        last: bool = False,
    ) -> int:
        """Keep the values of a file.

        That is Luna's long table as `destrat` writes it, CSV, Parquet, or what :meth:`export_file` wrote.

        Parameters
        ----------
        path : path-like
        factors : sequence of str
            Columns that are factors; `F:num` states the type of its levels.
        variables : sequence of str, optional
            Columns that are variables; `SR:int` states the type of its values. All others if not given.
        ids : sequence of str, optional
            Only rows with one of these in the column `ID`. By default what this recording may be called (:meth:`ids`).
        prefix : str
            A command, to stand before the names of variables: `HEADERS` makes `HEADERS:SR` of `SR`.
        format : {"luna", "csv", "parquet", "json"}, optional
            What the file is; by default what its name tells.
        basis : {"clock", "samples", "state"}
            See :meth:`put`.
        last : bool
            Of rows with one key, keep the last, as Luna does, instead of refusing them. Text tables only.

        Returns
        -------
        int
            How many values that were.

        Raises
        ------
        EEGArchiveError
            If the file has a bad row, lacks a factor, or has a key twice; with the line's number. Nothing is kept then.
        """
        from eegarchive.cache import files  # as long as all else that an archive needs

        self._writable()
        blocks = files.read_values(
            path,
            factors=factors,
            variables=variables,
            identity=self.ids() if ids is None else ids,
            prefix=prefix,
            format=format,
            last=last,
        )
        parameters = {
            "file": Path(path).name,
            "factors": list(factors),
            **({} if variables is None else {"variables": list(variables)}),
            **({} if ids is None else {"ids": list(ids)}),
            **({"prefix": prefix} if prefix else {}),
            **({"last": True} if last else {}),
        }
        return self.add_blocks(blocks, basis=basis, operation="import", parameters=parameters)

    def ids(self) -> list[str]:
        """What this recording may be called in a table of several: by its file, its source, or its description."""
        with self._file.reading():
            root = read_attributes(self._file.h5)
        found = [self._file.path.stem, Path(str(root["source_name"])).stem]
        fields = decode(root)
        stated = (fields.get(name) for name in _NAMING_FIELDS)
        return list(dict.fromkeys([*found, *(str(name) for name in stated if name is not None)]))

    def export_file(
        self,
        path: str | os.PathLike[str],
        variables: Sequence[str] | None = None,
        *,
        types: Sequence[str] = TYPES,
        format: str | None = None,
        stale: bool = False,
        overwrite: bool = False,
    ) -> int:
        """Write values to a file, exactly: CSV, JSON or Parquet; how many that were.

        Parameters
        ----------
        path : path-like
        variables : sequence of str, optional
            All if not given.
        types : sequence of str
        format : {"csv", "json", "parquet"}, optional
            By default what the path's suffix tells.
        stale : bool
            With values that don't hold any more; else they are left out with a warning.
        overwrite : bool
            Replace a file that is there.
        """
        from eegarchive.cache import files

        blocks = self.blocks(variables, types=types, stale=stale)
        if not blocks:
            raise NotInArchive(f"{self._file.path}: cache {self.name!r}: has no such values")
        return files.write_values(blocks, path, name=self.name, format=format, overwrite=overwrite)

    def copy_from(self, other: CacheReader) -> int:
        """Keep all values of another archive's cache, with where they came from; how many that were.

        They hold for this state as far as its samples are those that they were computed from.

        Raises
        ------
        EEGArchiveError
            If that archive is of another recording.
        """
        store, entries = self._writable(), other._view().entries
        with self._file.reading(), other._file.reading():
            sources = [read_attributes(file.h5)["source_sha256"] for file in (self._file, other._file)]
        if sources[0] != sources[1]:
            raise EEGArchiveError(
                f"{self._file.path}: is of another recording than {other._file.path} (their source_sha256 differ)"
            )
        added = [
            (entries.block(kind, np.arange(len(part))), part.origins) for kind, part in entries.parts.items()
        ]
        store.add(self.name, added, entries.origins, entries.sources)
        return len(entries)
