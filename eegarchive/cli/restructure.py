"""`eegarchive restructure`."""

from __future__ import annotations

import click

from eegarchive.cli._shared import tell, timeout_option
from eegarchive.editing import edit


@click.command()
@click.argument("archive")
@click.option(
    "--whole-records",
    is_flag=True,
    help="Keep every data record of the EDF that an unmasked epoch touches, as Luna does.",
)
@click.option("--preserve-cache", is_flag=True, help="Keep the caches; what no longer holds is stale then.")
@timeout_option
def command(archive: str, whole_records: bool, preserve_cache: bool, timeout: float) -> None:
    """Drop the masked epochs, exactly by sample. Times go on counting from the recording's start.

    No sample is copied or lost: every freeze keeps what it has. Caches are emptied, as Luna does.

    \b
    Example:
      eegarchive restructure night.h5
    """
    with edit(archive, timeout) as night:
        report = night.restructure(whole_records, preserve_cache=preserve_cache)
    tell(archive, str(report))
