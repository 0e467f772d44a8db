"""`eegarchive tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eegarchive.cli._shared import echo_json, json_option, table
from eegarchive.cli._shared import listed as listed_names
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from eegarchive.luna.database import Database


class _Listing(click.Command):
    """Takes `-r F CH` as `-r F -r CH`, as Luna's destrat does."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Give each word behind -r, -c and -v an option of its own."""
        spread: list[str] = []
        option = ""
        for word in args:
            if word in ("-r", "-c", "-v"):
                option = word
            elif word.startswith(("-", "+")) or not option:
                option = ""
                spread.append(word)
            else:
                spread += [part for name in word.split(",") for part in (option, name)]
        return super().parse_args(context, spread)


@click.command(cls=_Listing)
@click.argument("database", metavar="DB")
@click.argument("wanted", required=False, metavar="[+COMMAND]")
@click.option("-r", "rows", multiple=True, metavar="FACTOR...", help="A row for each level of these.")
@click.option("-c", "across", multiple=True, metavar="FACTOR...", help="A column for each level of these.")
@click.option("-v", "variables", multiple=True, metavar="VARIABLE...", help="These variables only.")
@json_option
def command(
    database: str,
    wanted: str | None,
    rows: tuple[str, ...],
    across: tuple[str, ...],
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print outputs that `eegarchive run --db` has put into a database; without a COMMAND, what there is.

    -r and -c name all factors of the table that is meant. Values are separated by tabs, at full precision, NA where one
    is missing.

    \b
    Examples:
      eegarchive tables out.db
      eegarchive tables out.db +HEADERS
      eegarchive tables out.db +PSD -r F CH -c STG -v PSD > psd.tsv
    """
    from eegarchive.luna.database import Database
    from eegarchive.luna.folder import text_of
    from eegarchive.luna.pivot import pivot

    if wanted is None and (rows or across or variables):
        raise click.UsageError("-r, -c and -v need a command, as +PSD")
    with Database(database) as found:
        if wanted is None:
            _list(found, as_json)
            return
        shown = pivot(found, wanted.removeprefix("+"), rows, across, variables)
    if as_json:
        echo_json({"schema": "eegarchive.tables/1", "columns": shown.columns, "rows": shown.rows})
        return
    for row in [shown.columns, *shown.rows]:
        click.echo("\t".join(printable(text_of(value)) for value in row))


def _list(database: Database, as_json: bool) -> None:
    """Print which tables there are."""
    stored = [(own, *database.count(own)) for own in database.tables()]
    if as_json:
        listed = [
            {
                "name": own.name,
                "command": own.command,
                "factors": list(own.factors),
                "variables": list(own.variables),
                "rows": rows,
                "archives": archives,
            }
            for own, rows, archives in stored
        ]
        echo_json({"schema": "eegarchive.tables/1", "tables": listed})
        return
    lines = [["command", "factors", "archives", "rows", "variables"]]
    lines += [
        [own.command, " ".join(own.factors) or "-", str(archives), str(rows), listed_names(own.variables)]
        for own, rows, archives in stored
    ]
    for line in table(lines, right=(2, 3)):
        click.echo(line)
