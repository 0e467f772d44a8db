"""`eegarchive export`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import overwrite_option, progress_bar, tell
from eegarchive.exporting import bytes_to_export, export


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The .edf or .bdf file to write."
)
@overwrite_option
def command(archive: str, output: Path, overwrite: bool) -> None:
    """Write a state as EDF or BDF: the recording as the file it came from, byte for byte; any other as a new file.

    In a new file digital samples are as they were recorded. Computed signals are quantised, and the largest error
    is told. Where there are gaps it is an EDF+D.

    \b
    Examples:
      eegarchive export night.h5@source -o night_again.edf
      eegarchive export night.h5@N2 -o n2.edf
    """
    with open_archive(archive) as opened:
        units = {name: signal.units for name, signal in opened.signals.items()}
        with progress_bar(bytes_to_export(opened, output), "exporting") as progress:
            report = export(opened, output, overwrite=overwrite, progress=progress)
    if report.source_sha256 is not None:
        tell(str(output), f"the source's bytes, SHA-256 {report.source_sha256}")
        return
    shifted = f", starts {report.shifted:g} s into the recording" if report.shifted else ""
    tell(str(output), f"{report.kind}{shifted}")
    for name, error in report.quantised.items():
        tell(str(output), f"{name} is quantised, by {error:.3g} {units[name]} at most")
