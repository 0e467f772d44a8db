"""`eegarchive attach`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.cli._shared import progress_bar, tell, timeout_option
from eegarchive.exchange import attach
from eegarchive.verification import bytes_to_check


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("detached", type=click.Path(path_type=Path))
@click.option("--copy", is_flag=True, help="Take the freeze in whole, instead of a link to the file.")
@timeout_option
def command(archive: Path, detached: Path, copy: bool, timeout: float) -> None:
    """Make a detached freeze one of an archive, after it was checked with the archive's samples.

    The file has to lie beside the archive, and to stay there, unless the freeze is copied.

    \b
    Examples:
      eegarchive attach night.h5 night.N2.h5
      eegarchive attach night.h5 downloads/night.N2.h5 --copy
    """
    with progress_bar(bytes_to_check(detached), "checking") as progress:
        report = attach(archive, detached, copy=copy, timeout=timeout, progress=progress)
    if report.copied:
        tell(str(archive), f"has the freeze {report.tag}, whole; {detached} isn't needed any more")
        return
    tell(str(archive), f"has the freeze {report.tag}, which lies in {detached.name}: keep that beside it")
    if report.base_name != archive.name:
        tell(
            str(detached),
            f"other tools look for {report.base_name}, the name of its base; eegarchive takes {archive.name}",
        )
