"""`eegarchive.export`: a state, or a table of it, as a file that another program reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from eegarchive.archive import Archive, open_archive
from eegarchive.bridges.tables import TABLES, export_table
from eegarchive.errors import EEGArchiveError
from eegarchive.exporting import ExportReport, Progress, export_edf
from eegarchive.storage.files import refuse_existing, refuse_same

#: Suffixes of what a whole state is written as, and of what a table of it is.
STATE_SUFFIXES = (".edf", ".bdf", ".fif", ".zarr")
TABLE_SUFFIXES = (".csv", ".parquet")


def export(
    archive: str | os.PathLike[str] | Archive,
    target: str | os.PathLike[str],
    *,
    table: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> ExportReport:
    """Write a state, or a table of it, as a file of another format; it appears whole or not at all.

    The target's suffix says which:

    - `.edf`, `.bdf`: the state that came from the source becomes the source again, byte for byte: the bytes are
      hashed on their way out, and the file gets its name only if they are the source's. Any other state is
      written anew: digital samples as they are, computed ones quantised.
    - `.fif`: the signals of one sampling rate as MNE has them, in 64-bit floats, which is exact.
    - `.zarr`: the whole state in a store of Zarr version 3, an array for each signal, its samples as they are
      stored.
    - `.csv`, `.parquet`: one table, exactly; see `table`.

    Parameters
    ----------
    archive : path-like or Archive
        `night.h5`, `night.h5@TAG`, or an open archive.
    target : path-like
        What to write. FIF's names end in raw.fif, as MNE wants it.
    table : str, optional
        annotations, epochs, segments, signals, history, freezes, warnings, or cache:NAME. For CSV and Parquet.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the bytes written since the last call; see :func:`eegarchive.exporting.bytes_to_export`.
    **options
        For FIF, those of :meth:`Archive.to_raw`: `picks`, `rate`, `resample`.

    Returns
    -------
    ExportReport

    Raises
    ------
    TargetExists
        If the target is there and `overwrite` isn't set.
    NotInArchive
        If there is no such table.
    EEGArchiveError
        If the format can't say what the state has, the suffix is none that is known or, for the source, the other
        one; or a library that the format needs isn't there.
    VerificationFailed, InvalidArchive
        If the archive is damaged; nothing is written.

    Warns
    -----
    OddInput
        If signals are left out, or texts aren't ASCII.
    """
    target = Path(target)
    suffix = target.suffix.lower()
    if suffix not in STATE_SUFFIXES + TABLE_SUFFIXES:
        raise EEGArchiveError(
            f"{target}: expected {', '.join(STATE_SUFFIXES + TABLE_SUFFIXES)} at the name's end"
        )
    if (table is not None) != (suffix in TABLE_SUFFIXES):
        what = (
            f"one table ({', '.join(TABLES)}, cache:NAME): table=, --table"
            if table is None
            else "whole states"
        )
        raise EEGArchiveError(f"{target}: {suffix} is for {what}")
    if options and suffix != ".fif":
        raise TypeError(f"{', '.join(options)}: for FIF only")
    refuse_existing(target, overwrite)
    if not isinstance(archive, Archive):
        with open_archive(archive) as opened:
            return export(opened, target, table=table, overwrite=overwrite, progress=progress, **options)
    refuse_same(Path(archive.path), target)
    with archive._file.reading():  # no edit comes in between
        if table is not None:
            return ExportReport(
                target,
                suffix[1:].capitalize() if suffix == ".parquet" else "CSV",
                count=export_table(archive, table, target, overwrite),
            )
        if suffix == ".fif":
            from eegarchive.interop.mne_fif import write_fif
            from eegarchive.interop.mne_raw import mne

            try:
                with mne.use_log_level("error"):  # what is left out, `write_fif` warns of
                    written = write_fif(archive, target, overwrite, **options)
            except UnicodeEncodeError as error:
                odd = next((name for name in archive.signals if not name.isascii()), error.object)
                raise EEGArchiveError(
                    f"{target}: FIF has names in ASCII only, unlike {odd!r}; rename it, or write .zarr"
                ) from None
            return ExportReport(written[0], "FIF")
        if suffix == ".zarr":
            from eegarchive.bridges.zarr_store import write_zarr

            return ExportReport(target, "Zarr", count=write_zarr(archive, target, overwrite, progress))
        return export_edf(archive, target, overwrite=overwrite, progress=progress)
