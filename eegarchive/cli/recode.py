"""`eegarchive recode`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.cli._shared import progress_bar, timeout_option
from eegarchive.cli.compact import sizes_line
from eegarchive.compaction import bytes_to_compact, recode
from eegarchive.storage.codec import CODECS


@click.command()
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@click.option(
    "--codec",
    type=click.Choice(list(CODECS)),
    required=True,
    help="portable opens everywhere; fast and small need the bitshuffle plugin.",
)
@timeout_option
def command(archive: Path, codec: str, timeout: float) -> None:
    """Encode an archive's samples by another codec; no state and no digest changes.

    The new file takes the archive's place only after every freeze and every digest in it was checked.

    \b
    Example:
      eegarchive recode night.h5 --codec fast
    """
    with progress_bar(bytes_to_compact(archive), "recoding") as progress:
        report = recode(archive, codec, timeout=timeout, progress=progress)
    click.echo(f"{sizes_line(archive, report)}, codec {codec}")
