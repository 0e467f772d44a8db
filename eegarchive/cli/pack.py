"""`eegarchive pack`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from eegarchive.cli._shared import base_option, bytes_text, overwrite_option, progress_bar, tell
from eegarchive.exchange import pack
from eegarchive.operations import counted


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new archive.")
@click.option(
    "--materialize",
    is_flag=True,
    help="Store virtual datasets whole, for tools that know none; it takes more space.",
)
@base_option
@overwrite_option
def command(file: Path, output: Path, materialize: bool, base: Path | None, overwrite: bool) -> None:
    """Write one archive that needs no other file, of a detached freeze or of an archive with attached ones.

    Of a detached freeze it is an archive of the recording with that freeze as its working state, too.

    \b
    Examples:
      eegarchive pack night.N2.h5 -o whole.h5
      eegarchive pack night.h5 -o plain.h5 --materialize
    """
    with progress_bar(os.path.getsize(file), "packing") as progress:
        report = pack(
            file, output, materialize=materialize, base=base, overwrite=overwrite, progress=progress
        )
    taken = f", with the freeze {', '.join(report.taken)}" if report.taken else ""
    whole = f", {counted(report.materialized, 'signal')} stored whole" if materialize else ""
    tell(str(output), f"{bytes_text(report.size)}{taken}{whole}; needs no other file")
