"""`eegarchive compact`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.cli._shared import bytes_text, progress_bar, timeout_option
from eegarchive.compaction import CompactReport, bytes_to_compact, compact
from eegarchive.storage.guard import printable


@click.command()
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@timeout_option
def command(archive: Path, timeout: float) -> None:
    """Rewrite an archive to the smallest file: what no state is made of any more goes.

    The new file takes the archive's place only after every freeze and every digest in it was checked.

    \b
    Example:
      eegarchive freezes night.h5 --remove N2
      eegarchive compact night.h5
    """
    with progress_bar(bytes_to_compact(archive), "compacting") as progress:
        report = compact(archive, timeout=timeout, progress=progress)
    click.echo(sizes_line(archive, report))


def sizes_line(archive: Path, report: CompactReport) -> str:
    """What a rewrite did to the file's size."""
    return f"{printable(str(archive))}: {bytes_text(report.before)} -> {bytes_text(report.after)}"
