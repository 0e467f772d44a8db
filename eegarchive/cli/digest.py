"""`eegarchive digest`."""

from __future__ import annotations

import click

from eegarchive.archive import open_archive


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
def command(archive: str) -> None:
    """Print the digest of a state. Archives made separately from one recording by the same operations agree.

    \b
    Example:
      eegarchive digest night.h5@N2
    """
    with open_archive(archive) as opened:
        click.echo(opened.digest)
