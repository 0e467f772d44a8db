"""`eegarchive cache collect`, and the options that other commands for caches have too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eegarchive.cli._shared import echo_json, json_option, overwrite_option, progress_bar, tell
from eegarchive.operations import counted
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from eegarchive.collecting import Collected


def names_of(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """A list with commas between."""
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


variables_option = click.option(
    "--variables", callback=names_of, metavar="NAME,...", help="Only these variables; default: all."
)
stale_option = click.option(
    "--stale", is_flag=True, help="With values that don't hold for the state any more."
)


@click.command("collect")
@click.argument(
    "paths", nargs=-1, required=True, metavar="ARCHIVE|FOLDER...", type=click.Path(path_type=Path)
)
@click.option("--name", required=True, metavar="NAME", help="The cache.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The table: .parquet, .csv or .tsv.",
)
@variables_option
@click.option("--wide", is_flag=True, help="A column for each variable, in place of a row for each value.")
@click.option("--freeze", metavar="TAG", help="Values of this freeze of each archive.")
@stale_option
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Archives read at the same time."
)
@overwrite_option
@json_option
@click.pass_context
def collect(
    context: click.Context,
    paths: tuple[Path, ...],
    name: str,
    output: Path,
    variables: list[str] | None,
    wide: bool,
    freeze: str | None,
    stale: bool,
    jobs: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Gather a cache of many archives into one table, with the archives' names in the column ID.

    An archive that fails is listed, and doesn't stop the others. Folders are searched for .h5 files.

    \b
    Examples:
      eegarchive cache collect nights/ --name psd -o psd.parquet
      eegarchive cache collect nights/ --name psd --wide --freeze N2 --jobs 4 -o psd.csv
    """
    from eegarchive import collecting  # the other commands do without

    total = 2 * len(collecting.sources_in(paths, freeze))
    with progress_bar(total, "collecting", " steps") as progress:
        report = collecting.collect(
            paths,
            name,
            output,
            variables=variables,
            wide=wide,
            freeze=freeze,
            stale=stale,
            jobs=jobs,
            overwrite=overwrite,
            progress=progress,
        )
    outcomes = report.outcomes
    if as_json:
        echo_json(
            {
                "schema": "eegarchive.cache-collect/1",
                "target": str(report.target),
                "columns": report.columns,
                "archives": [_outcome(outcome) for outcome in outcomes],
            }
        )
    else:
        _show(outcomes)
        rows = sum(outcome.rows for outcome in outcomes)
        counts = [f"{report.count('no cache')} without the cache", f"{report.count('failed')} failed"]
        tell(
            str(output),
            f"{counted(rows, 'row')} of {counted(report.count('done'), 'archive')}; {', '.join(counts)}",
        )
    if report.count("failed"):
        context.exit(1)


def _show(outcomes: Sequence[Collected]) -> None:
    for outcome in outcomes:
        if outcome.status == "failed":
            click.echo(f"eegarchive: error: {printable(outcome.error)}", err=True)
        elif outcome.stale:
            left_out = f"{counted(outcome.stale, 'stale value')} left out"
            click.echo(f"eegarchive: warning: {outcome.source}: {left_out}", err=True)


def _outcome(outcome: Collected) -> dict[str, Any]:
    return {
        "path": str(outcome.source.path),
        "freeze": outcome.source.freeze,
        "id": outcome.source.id,
        "status": outcome.status,
        "rows": outcome.rows,
        "values": outcome.values,
        "stale": outcome.stale,
        **({"error": outcome.error} if outcome.error else {}),
    }
