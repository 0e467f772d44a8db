"""`eegarchive windows`."""

from __future__ import annotations

from typing import Literal

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import (
    ArchiveGroup,
    bytes_text,
    echo_json,
    json_option,
    table,
    tell,
    timeout_option,
)
from eegarchive.editing import edit
from eegarchive.operations import counted
from eegarchive.storage.codec import CODECS
from eegarchive.summary import summarize_windows


@click.group(cls=ArchiveGroup, invoke_without_command=True)
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
@click.pass_context
def command(context: click.Context, archive: str, as_json: bool) -> None:
    """List the sets of windows that were prepared for training, prepare one, or remove one.

    \b
    Examples:
      eegarchive windows night.h5
      eegarchive windows night.h5 prepare w30s --length 30 --picks eeg --target stage
      eegarchive windows night.h5 rm w30s
    """
    context.obj = archive
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json lists windows; it goes with no command")
        return
    with open_archive(archive) as opened:
        found = summarize_windows(opened)
    if as_json:
        echo_json({"schema": "eegarchive.windows/1", "windows": found})
        return
    if not found:
        tell(archive, "no windows were prepared (eegarchive windows ARCHIVE prepare NAME)")
        return
    rows = [["name", "windows", "channels", "samples", "rate", "type", "stored", "prepared", ""]]
    rows += [
        [
            one["name"],
            str(one["windows"]),
            str(one["channels"]),
            str(one["samples"]),
            f"{one['sampling_rate']:g} Hz",
            one["dtype"],
            bytes_text(one["stored_bytes"]),
            one["time"],
            "stale" if one["stale"] else "",
        ]
        for one in found
    ]
    for line in table(rows, right=(1, 2, 3, 6)):
        click.echo(line)


@command.command()
@click.argument("name")
@click.option(
    "--length", type=float, default=2.0, show_default=True, metavar="SECONDS", help="How long one is."
)
@click.option(
    "--step", type=float, metavar="SECONDS", help="From one's start to the next; default: the length."
)
@click.option(
    "--picks", multiple=True, metavar="SIGNAL", help="Name, label or kind of signals; may be repeated."
)
@click.option("--target", metavar="WHAT", help="stage, epoch:COLUMN or description:NAME.")
@click.option("--set", "annotation_set", metavar="SET", help="Annotations to take targets from.")
@click.option("--with-masked", is_flag=True, help="Take windows in masked epochs too.")
@click.option("--dtype", type=click.Choice(["float32", "digital"]), help="Physical values, or as recorded.")
@click.option("--codec", type=click.Choice(list(CODECS)), default="none", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a set of that name.")
@timeout_option
@click.pass_obj
def prepare(
    archive: str,
    name: str,
    length: float,
    step: float | None,
    picks: tuple[str, ...],
    target: str | None,
    annotation_set: str | None,
    with_masked: bool,
    dtype: Literal["float32", "digital"] | None,
    codec: str,
    overwrite: bool,
    timeout: float,
) -> None:
    """Cut the working state into windows and store them under NAME."""
    with edit(archive, timeout) as night:
        count = night.prepare_windows(
            name,
            length,
            step,
            picks=picks or None,
            target=target,
            annotation_set=annotation_set,
            drop_masked=not with_masked,
            dtype=dtype,
            codec=codec,
            overwrite=overwrite,
        )
    tell(archive, f"{counted(count, 'window')} of {length:g} s stored as {name}")


@command.command("rm")
@click.argument("name")
@timeout_option
@click.pass_obj
def remove(archive: str, name: str, timeout: float) -> None:
    """Remove a set of windows."""
    with edit(archive, timeout) as night:
        night.remove_windows(name)
    tell(archive, f"the windows {name} are removed; compact frees their room (eegarchive compact {archive})")
