"""`eegarchive verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from eegarchive.cli._shared import echo_json, progress_bar
from eegarchive.errors import EEGArchiveError, describe
from eegarchive.storage.guard import printable
from eegarchive.verification import bytes_to_check, verify


@click.command()
@click.argument("archives", nargs=-1, required=True, metavar="ARCHIVE...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(context: click.Context, archives: tuple[Path, ...], as_json: bool) -> None:
    """Check archives: every byte against the seal, every clause of the format, every digest.

    Prints a line for each finding and ends with exit code 1 if anything is wrong.

    \b
    Examples:
      eegarchive verify night.h5
      eegarchive verify archives/*.h5 --json
    """
    results = []
    for path in archives:
        entry: dict[str, object] = {"path": str(path), "findings": []}
        try:
            with progress_bar(bytes_to_check(path), f"checking {printable(path.name)}") as progress:
                entry["findings"] = [asdict(finding) for finding in verify(path, progress=progress)]
        except (EEGArchiveError, OSError) as error:
            entry["error"] = describe(error)
        entry["ok"] = not entry["findings"] and "error" not in entry
        results.append(entry)
        if not as_json:
            _show(entry)
    if as_json:
        echo_json({"schema": "eegarchive.verify/1", "archives": results})
    if not all(entry["ok"] for entry in results):
        context.exit(1)


def _show(entry: dict[str, object]) -> None:
    path = printable(str(entry["path"]))
    if "error" in entry:
        click.echo(f"eegarchive: error: {printable(str(entry['error']))}", err=True)
    elif entry["ok"]:
        click.echo(f"{path}: whole; every byte, clause and digest agrees")
    else:
        findings = entry["findings"]
        assert isinstance(findings, list)
        for finding in findings:
            click.echo(
                f"{path}: {finding['severity']}: {finding['path']}: {finding['message']} ({finding['advice']})"
            )
