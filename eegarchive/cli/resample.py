"""`eegarchive resample`."""

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


@click.command()
@click.argument("archive")
@click.option("--rate", type=float, required=True, metavar="HZ", help="The new sampling rate.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="A signal, by name or label; may be repeated. Default: all of kind eeg, eog, emg and ecg.",
)
@timeout_option
def command(archive: str, rate: float, channels: tuple[str, ...], timeout: float) -> None:
    """Resample signals by MNE's polyphase method, each segment by itself; as float32. Needs eegarchive[mne].

    \b
    Example:
      eegarchive resample night.h5 --rate 100 --channel C3 --channel C4
    """
    with edit(archive, timeout) as night:
        total = sum(
            4 * len(signal) * rate / signal.sampling_rate for signal in computed_signals(night, channels)
        )
        with progress_bar(round(total), "resampling") as progress:
            names = night.resample(rate, channels or None, progress)
    tell(archive, f"{counted(len(names), 'signal')} at {rate:g} Hz: {listed(names)}")
