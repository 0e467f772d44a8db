"""`eegarchive freezes`."""

from __future__ import annotations

from typing import Any

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import bytes_text, echo_json, json_option, table, tell, timeout_option
from eegarchive.editing import edit
from eegarchive.summary import summarize_freezes


@click.command()
@click.argument("archive")
@json_option
@click.option("--remove", metavar="TAG", help="Remove a freeze.")
@timeout_option
def command(archive: str, as_json: bool, remove: str | None, timeout: float) -> None:
    """List freezes, or remove one. A * marks those that the working state is equal to.

    \b
    Examples:
      eegarchive freezes night.h5
      eegarchive freezes night.h5 --remove N2
    """
    if remove is not None:
        if as_json:
            raise click.UsageError("--json and --remove: give one of them")
        with edit(archive, timeout) as night:
            freed = night.remove_freeze(remove)
        tell(
            archive,
            f"{remove} is removed; compact would free {bytes_text(freed)} (eegarchive compact {archive})",
        )
        return
    with open_archive(archive) as opened:
        found = summarize_freezes(opened)
    if as_json:
        echo_json({"schema": "eegarchive.freezes/1", "freezes": found})
        return
    rows = [["", "tag", "created", "digest", "signals", "data", "epochs", "note"]]
    rows += [
        [
            "*" if freeze["current"] else "",
            freeze["tag"],
            freeze["created"],
            freeze["digest"][:12],
            *_contents(freeze),
            " ".join(filter(None, [freeze["note"], _place(freeze)])),
        ]
        for freeze in found
    ]
    for line in table(rows, right=(4, 5)):
        click.echo(line)


def _contents(freeze: dict[str, Any]) -> list[str]:
    """How much is in a freeze; nothing is known of one whose file is missing."""
    if freeze["missing"]:
        return ["", "", ""]
    masked = f" ({freeze['masked']} masked)" if freeze["masked"] else ""
    return [str(freeze["signals"]), f"{freeze['duration']:.10g} s", f"{freeze['epochs']}{masked}"]


def _place(freeze: dict[str, Any]) -> str:
    """Where a freeze lies that is attached."""
    if not freeze["file"]:
        return ""
    return f"[in {freeze['file']}, which is missing]" if freeze["missing"] else f"[in {freeze['file']}]"
