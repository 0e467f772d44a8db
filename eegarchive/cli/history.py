"""`eegarchive history`."""

from __future__ import annotations

from dataclasses import asdict

import click

from eegarchive.cli._shared import echo_json, json_option, table
from eegarchive.lineage import history

_DIGITS = 12


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
def command(archive: str, as_json: bool) -> None:
    """Show the operations that led to a state: number, time, digest of the state if it changed, operation.

    What was done and then left by a thaw isn't shown. The table /history has all.

    \b
    Examples:
      eegarchive history night.h5
      eegarchive history night.h5@N2 --json
    """
    found = history(archive)
    if as_json:
        echo_json(
            {
                "schema": "eegarchive.history/1",
                "operations": [{**asdict(operation), "text": str(operation)} for operation in found],
            }
        )
        return
    rows = [
        [
            str(operation.number),
            operation.time,
            "" if operation.digest_before == operation.digest_after else operation.digest_after[:_DIGITS],
            str(operation),
        ]
        for operation in found
    ]
    for line in table(rows, right=(0,)):
        click.echo(line)
