"""`eegarchive export`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive import layout
from eegarchive.archive import Archive, open_archive
from eegarchive.bridges.export import export
from eegarchive.cli._shared import overwrite_option, progress_bar, tell
from eegarchive.exporting import ExportReport, bytes_to_export
from eegarchive.operations import counted


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="What to write: .edf, .bdf, .fif, .zarr, or a table as .csv or .parquet.",
)
@click.option(
    "--table",
    metavar="NAME",
    help="annotations, epochs, segments, signals, history, freezes, warnings, or cache:NAME.",
)
@overwrite_option
def command(archive: str, output: Path, table: str | None, overwrite: bool) -> None:
    """Write a state as a file of another format: the recording as the file it came from, byte for byte.

    Any other state is a new EDF or BDF: digital samples are as they were recorded; computed signals are quantised,
    and the largest error is told; where there are gaps it is an EDF+D. FIF (names end in raw.fif) has the signals of
    one sampling rate as MNE reads them, Zarr all samples as they are stored, CSV and Parquet one table.

    \b
    Examples:
      eegarchive export night.h5@source -o night_again.edf
      eegarchive export night.h5@N2 -o n2-raw.fif
      eegarchive export night.h5 -o night.zarr
      eegarchive export night.h5 -o stages.parquet --table annotations
      eegarchive export night.h5@N2 -o psd.csv --table cache:psd
    """
    with open_archive(archive) as opened:
        with progress_bar(bytes_to_export(opened, output), "exporting") as progress:
            report = export(opened, output, table=table, overwrite=overwrite, progress=progress)
        for line in _lines(opened, report, table):
            tell(str(output), line)


def _lines(archive: Archive, report: ExportReport, table: str | None) -> list[str]:
    """What was written, and how exactly."""
    if report.source_sha256 is not None:
        if layout.ANONYMIZED in archive.provenance:
            return [f"the anonymized recording, not the original's bytes; SHA-256 {report.source_sha256}"]
        return [f"the source's bytes, SHA-256 {report.source_sha256}"]
    if table is not None:
        what = "value" if table.startswith("cache:") else "row"
        return [f"{report.kind}, {counted(report.count, what)} of {table}, exactly"]
    if report.kind == "Zarr":
        return [f"Zarr, {counted(report.count, 'signal')}, all samples as they are stored"]
    if report.kind == "FIF":
        return ["FIF, 64-bit floats, exactly as MNE has them of the archive"]
    shifted = f", starts {report.shifted:g} s into the recording" if report.shifted else ""
    units = {name: archive.signals[name].units for name in report.quantised}
    return [
        f"{report.kind}{shifted}",
        *(
            f"{name} is quantised, by {error:.3g} {units[name]} at most"
            for name, error in report.quantised.items()
        ),
    ]
