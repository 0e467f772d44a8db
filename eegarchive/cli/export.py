"""`eegarchive export`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import progress_bar
from eegarchive.export import export
from eegarchive.storage.guard import printable


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The .edf or .bdf file to write."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def command(archive: str, output: Path, overwrite: bool) -> None:
    """Write an archive's recording as the EDF or BDF file it came from, byte for byte.

    \b
    Example:
      eegarchive export night.h5 -o night_again.edf
    """
    with (
        open_archive(archive) as opened,
        progress_bar(int(opened.provenance["source_size"]), "exporting") as progress,
    ):
        digest = export(opened, output, overwrite=overwrite, progress=progress)
    click.echo(f"{printable(str(output))}: the source's bytes, SHA-256 {digest}")
