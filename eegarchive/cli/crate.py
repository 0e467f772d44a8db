"""`eegarchive crate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from eegarchive.cli._shared import bytes_text, echo_json, json_option, listed, progress_bar, tell
from eegarchive.crates import CrateReport, bytes_to_crate, crate
from eegarchive.storage.guard import printable


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER2",
    help="The new folder [FOLDER-crate].",
)
@click.option("--name", metavar="TEXT", help="What it is called [the folder's name].")
@click.option("--description", metavar="TEXT", help="What there is to say of it.")
@click.option("--license", metavar="URL", help="What others may do with it.")
@click.option("--link", is_flag=True, help="Hard links in place of copies: no edit may follow.")
@json_option
def command(
    folder: Path,
    output: Path | None,
    name: str | None,
    description: str | None,
    license: str | None,
    link: bool,
    as_json: bool,
) -> None:
    """Make an RO-Crate of all archives in a folder, in a BagIt bag.

    The bag has copies of the archives (*.h5); the folder stays as it is, and other files in it are left out.

    \b
    Example:
      eegarchive crate nights --license https://creativecommons.org/licenses/by/4.0/
    """
    total = bytes_to_crate(folder, link)
    if not (link or as_json):
        click.echo(f"copying {bytes_text(total / 3)} (--link makes no copies)", err=True)
    with progress_bar(total, "hashing" if link else "copying and hashing") as progress:
        report = crate(
            folder, output, name=name, description=description, license=license, link=link, progress=progress
        )
    if as_json:
        echo_json({"schema": "eegarchive.crate/1", **asdict(report)})
    else:
        _show(report)


def _show(report: CrateReport) -> None:
    count = len(report.archives)
    how = "linked" if report.linked else "copied"
    tell(
        report.path,
        f"{count} archive{'s' if count > 1 else ''}, {bytes_text(report.bytes)}, {how}; RO-Crate 1.1 in a BagIt bag",
    )
    for archive, needed in report.missing:
        tell(archive, f"needs {needed}, which isn't in the crate")
    if report.left_out:
        count = len(report.left_out)
        click.echo(
            printable(f"left out: {count} other file{'s' if count > 1 else ''}: {listed(report.left_out)}")
        )
