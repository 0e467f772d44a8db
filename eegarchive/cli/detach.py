"""`eegarchive detach`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.cli._shared import bytes_text, overwrite_option, tell
from eegarchive.exchange import detach
from eegarchive.operations import counted


@click.command()
@click.argument("archive", metavar="ARCHIVE@TAG")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The new file; by default night.TAG.h5 beside night.h5.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The archive that it will lie beside, if that has more than the recording itself.",
)
@overwrite_option
def command(archive: str, output: Path | None, base: Path | None, overwrite: bool) -> None:
    """Write a freeze as a small file, for those who have the recording.

    It has the freeze's tables, cache, history and provenance, and the samples that aren't in every archive of the
    recording; for the others it needs its base, an archive of the same recording, beside it.

    \b
    Examples:
      eegarchive detach night.h5@N2
      eegarchive detach night.h5@N2 -o night.N2.h5
    """
    report = detach(archive, output, base=base, overwrite=overwrite)
    own = f", {counted(report.own, 'stored signal')} of its own" if report.own else ""
    tell(
        str(report.path),
        f"the freeze {report.tag}, {bytes_text(report.size)}{own}; needs {report.base_name} beside it",
    )
