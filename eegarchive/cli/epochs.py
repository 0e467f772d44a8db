"""`eegarchive epochs`."""

from __future__ import annotations

import click

from eegarchive.cli._shared import tell, timeout_option
from eegarchive.editing import edit
from eegarchive.operations import counted
from eegarchive.operations.epochs import DEFAULT_LENGTH


@click.command()
@click.argument("archive")
@click.option(
    "--length",
    type=float,
    default=DEFAULT_LENGTH,
    show_default=True,
    metavar="SECONDS",
    help="How long an epoch is.",
)
@click.option(
    "--step", type=float, metavar="SECONDS", help="From one epoch's start to the next; default: the length."
)
@click.option(
    "--offset",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="From a segment's start to its first epoch.",
)
@timeout_option
def command(archive: str, length: float, step: float | None, offset: float, timeout: float) -> None:
    """Cut the recording into epochs; each segment between gaps starts its own grid. None is masked then.

    \b
    Examples:
      eegarchive epochs night.h5
      eegarchive epochs night.h5 --length 4 --step 2
    """
    with edit(archive, timeout) as night:
        count = night.set_epochs(length, step, offset)
    every = "" if step in (None, length) else f", one every {step:g} s"
    tell(archive, f"{counted(count, 'epoch')} of {length:g} s{every}")
