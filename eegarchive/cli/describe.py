"""`eegarchive describe`."""

from __future__ import annotations

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import echo_json, json_option, listed, read_fields, table, tell, timeout_option
from eegarchive.description import as_json as json_value
from eegarchive.description import as_text, type_name
from eegarchive.editing import edit


@click.command()
@click.argument("archive", metavar="ARCHIVE")
@click.argument("fields", nargs=-1, metavar="[KEY[:TYPE]=VALUE]...", callback=read_fields)
@click.option("--drop", multiple=True, metavar="KEY", help="A field to drop; may be repeated.")
@json_option
@timeout_option
def command(
    archive: str, fields: dict[str, object], drop: tuple[str, ...], as_json: bool, timeout: float
) -> None:
    """Show what is said of the recording as a whole: subject, session, task, age and so on. Or set such fields.

    A field keeps the type that it has, and a new one is text, unless a TYPE is stated: text, int, num, bool, date,
    datetime, none (with an empty value).

    \b
    Examples:
      eegarchive describe night.h5
      eegarchive describe night.h5 subject=007 age:int=34 medicated:bool=false
      eegarchive describe night.h5 --drop age
    """
    if fields or drop:
        with edit(archive, timeout) as night:
            night.drop_description(*drop)
            night.describe(fields)
        done = [
            f"{verb} {listed(list(names))}" for verb, names in (("dropped", drop), ("set", fields)) if names
        ]
        tell(archive, "; ".join(done))
        return
    with open_archive(archive) as opened:
        found = opened.description
    if as_json:
        values = {
            name: {"type": type_name(value), "value": json_value(value)} for name, value in found.items()
        }
        echo_json({"schema": "eegarchive.describe/1", "description": values})
        return
    if not found:
        tell(archive, "isn't described; eegarchive describe ARCHIVE subject=S1")
        return
    for line in table([[name, type_name(value), as_text(value)] for name, value in found.items()]):
        click.echo(line)
