"""`eegarchive filter`."""

from __future__ import annotations

import click

from eegarchive.cli._shared import (
    computed_signals,
    listed,
    progress_bar,
    tell,
    timeout_option,
)
from eegarchive.editing import edit
from eegarchive.operations import counted
from eegarchive.processing import lowest_rate


@click.command()
@click.argument("archive")
@click.option("--low", type=float, metavar="HZ", help="Lower edge of the band to keep; alone: a high-pass.")
@click.option("--high", type=float, metavar="HZ", help="Upper edge of the band to keep; alone: a low-pass.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="A signal, by name or label; may be repeated. Default: eeg, eog, emg and ecg, if fast enough.",
)
@timeout_option
def command(
    archive: str, low: float | None, high: float | None, channels: tuple[str, ...], timeout: float
) -> None:
    """Filter signals by MNE's zero-phase FIR, each segment by itself; as float32. Needs eegarchive[mne].

    \b
    Example:
      eegarchive filter night.h5 --low 0.3 --high 35 --channel C3
    """
    if low is None and high is None:
        raise click.UsageError("give --low, --high or both")
    with edit(archive, timeout) as night:
        total = sum(4 * len(signal) for signal in computed_signals(night, channels, lowest_rate(low, high)))
        with progress_bar(total, "filtering") as progress:
            names = night.filter(low, high, channels or None, progress)
    edges = (
        f"above {low:g} Hz"
        if high is None
        else f"below {high:g} Hz"
        if low is None
        else f"{low:g}-{high:g} Hz"
    )
    tell(archive, f"{counted(len(names), 'signal')} filtered, {edges}: {listed(names)}")
