"""`eegarchive freeze`."""

from __future__ import annotations

import click

from eegarchive.cli._shared import tell, timeout_option
from eegarchive.editing import edit


@click.command()
@click.argument("archive")
@click.argument("tag")
@click.option("--note", default="", metavar="TEXT", help="What there is to say of it.")
@click.option("--overwrite", is_flag=True, help="Replace a freeze of that tag.")
@timeout_option
def command(archive: str, tag: str, note: str, overwrite: bool, timeout: float) -> None:
    """Keep the working state (signals, epochs, masks, annotations, cache) under a tag. Nothing is copied.

    TAG is up to 64 letters, digits, '.', '_' and '-'.

    \b
    Example:
      eegarchive freeze night.h5 N2 --note "stage N2 only"
    """
    with edit(archive, timeout) as night:
        night.freeze(tag, note, overwrite)
        digest = night.digest
    tell(archive, f"frozen as {tag}, digest {digest}")
