"""`eegarchive thaw`."""

from __future__ import annotations

import click

from eegarchive.cli._shared import tell, timeout_option
from eegarchive.editing import edit


@click.command()
@click.argument("archive")
@click.argument("tag")
@click.option("--remove", is_flag=True, help="Remove the freeze then.")
@click.option("--preserve-cache", is_flag=True, help="Leave the cache as it is.")
@click.option("--discard", is_flag=True, help="Don't keep a working state that is in no freeze.")
@timeout_option
def command(
    archive: str, tag: str, remove: bool, preserve_cache: bool, discard: bool, timeout: float
) -> None:
    """Make the working state what a freeze has kept, its cache too.

    A working state that is in no freeze is kept as one with a tag of its own, unless --discard is given.

    \b
    Examples:
      eegarchive thaw night.h5 N2
      eegarchive thaw night.h5 source --discard
    """
    with edit(archive, timeout) as night:
        report = night.thaw(tag, remove=remove, preserve_cache=preserve_cache, keep_unsaved=not discard)
    if report.kept_as is not None:
        tell(archive, f"the working state was in no freeze; it is kept as {report.kept_as}")
    removed = ", which is removed" if remove else ""
    cache = ", with the cache as it was" if preserve_cache else ""
    tell(archive, f"the working state is that of {tag}{removed}{cache}")
