"""`eegarchive run`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eegarchive.cli._shared import (
    cell,
    echo_json,
    json_option,
    overwrite_option,
    progress_bar,
    table,
    timeout_option,
)
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from eegarchive.luna.runner import Ran
    from eegarchive.luna.tables import Table

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SCRIPT_SUFFIXES = (".txt", ".luna", ".cmd")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="ARCHIVE... [SCRIPT.txt] [NAME=VALUE]...")
@click.option("-s", "--script", metavar="COMMANDS", help="The script itself, in place of a file.")
@click.option("-o", "--output", metavar="FOLDER", help="Write outputs there, one long table for each kind.")
@click.option("--db", "database", metavar="FILE", help="Put outputs into this SQLite database.")
@click.option(
    "--format", "form", type=click.Choice(["tsv", "parquet"]), default="tsv", show_default=True,
    help="Format of the tables in the folder.",
)  # fmt: skip
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Archives at once."
)
@click.option("--keep-going", is_flag=True, help="Go on with the other archives if one fails.")
@click.option("--quiet", "-q", is_flag=True, help="Tell only what looks wrong, not all that was done.")
@overwrite_option
@json_option
@timeout_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    script: str | None,
    output: str | None,
    database: str | None,
    form: str,
    jobs: int,
    keep_going: bool,
    quiet: bool,
    overwrite: bool,
    as_json: bool,
    timeout: float,
) -> None:
    """Run a script in Luna's command language on archives, or on all in a folder.

    On each archive the script does all or nothing. Outputs are printed, unless they go to a folder (-o) or a database
    (--db), which `eegarchive tables` prints. SCRIPT is the last file, and ends in .txt, .luna or .cmd.

    \b
    Examples:
      eegarchive run night.h5 pipeline.txt
      eegarchive run night.h5 -s 'MASK ifnot=N2 & RE & PSD sig=C3 spectrum dB'
      eegarchive run archives/ pipeline.txt eeg=C3,C4 --jobs 4 --db out.db
    """
    from eegarchive.luna.runner import commands_to_run, run

    archives, text, variables = _sorted_out(words, script)
    shown: list[Ran] = []

    def finished(ran: Ran) -> None:
        shown.append(ran)
        if not as_json:
            _show(ran, quiet, keep_going)

    total = commands_to_run(archives, text, variables)
    try:
        with progress_bar(total, "running", "command") as progress:
            report = run(
                archives,
                text,
                variables=variables,
                folder=output,
                database=database,
                form="parquet" if form == "parquet" else "tsv",
                jobs=jobs,
                keep_going=keep_going,
                overwrite=overwrite,
                timeout=timeout,
                progress=progress,
                finished=finished,
            )
    finally:
        if as_json:
            echo_json({"schema": "eegarchive.run/1", "archives": [_as_json(ran) for ran in shown]})
    if report.count("failed"):
        context.exit(1)


def _sorted_out(words: Sequence[str], script: str | None) -> tuple[list[str], str | Path, dict[str, str]]:
    """Archives, the script and variables, of the words of a command line."""
    variables: dict[str, str] = {}
    names = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and _VARIABLE.fullmatch(name) and not os.path.exists(word):
            variables[name] = value
        else:
            names.append(word)
    if script is not None:
        text: str | Path = script
    elif names and names[-1].lower().endswith(_SCRIPT_SUFFIXES):
        text = Path(names.pop())
    else:
        raise click.UsageError(
            f"no script: name a file that ends in {', '.join(_SCRIPT_SUFFIXES)} behind the archives, or give -s"
        )
    if not names:
        raise click.UsageError("no archive: name at least one before the script")
    if wrong := [name for name in names if name.lower().endswith(_SCRIPT_SUFFIXES)]:
        raise click.UsageError(f"{wrong[0]}: is a second script; give one, as a file or by -s")
    return names, text, variables


def _show(ran: Ran, quiet: bool, tell_errors: bool) -> None:
    """Print what became of an archive: its log to standard error, what it has put out to standard output."""
    where = printable(ran.source.id)
    for line in ran.oddities if quiet else ran.log:
        click.echo(f"{where}: {printable(line)}", err=True)
    if ran.status == "failed" and tell_errors:
        click.echo(f"eegarchive: error: {printable(ran.error)}", err=True)
    for line in ran.printed:
        click.echo(printable(line))
    for found in ran.tables:
        click.echo(f"\n{printable(found.name)}")
        for line in _lines(found, ran.source.id):
            click.echo(line)


def _lines(found: Table, id: str) -> Iterator[str]:
    """A table as aligned lines."""
    columns = {"ID": [id] * len(found), **{name: own.to_list() for name, own in found.columns.items()}}
    numeric = [i for i, own in enumerate(found.columns.values(), 1) if own.type in ("num", "int")]
    rows = [list(columns), *(list(map(cell, row)) for row in zip(*columns.values(), strict=True))]
    yield from table(rows, right=numeric)


def _as_json(ran: Ran) -> dict[str, Any]:
    return {
        "path": str(ran.source),
        "ID": ran.source.id,
        "status": ran.status,
        "error": ran.error or None,
        "log": ran.log,
        "oddities": ran.oddities,
        "printed": ran.printed,
        "tables": [
            {
                "name": found.name,
                "command": found.command,
                "factors": list(found.factors),
                "columns": {name: own.to_list() for name, own in found.columns.items()},
            }
            for found in ran.tables
        ],
    }
