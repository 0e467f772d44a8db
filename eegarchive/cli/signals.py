"""`eegarchive signals`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import (
    ArchiveGroup,
    echo_json,
    json_option,
    listed,
    signal_lines,
    tell,
    timeout_option,
)
from eegarchive.editing import edit
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import EDF_SIGNAL_ATTRIBUTES, SIGNAL_ATTRIBUTES
from eegarchive.storage.objects import AttributeValue
from eegarchive.summary import summarize_signals

if TYPE_CHECKING:
    import numpy.typing as npt

_TYPES = {"str": str, "i8": int, "f8": float}


@click.group(cls=ArchiveGroup, invoke_without_command=True)
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
@click.pass_context
def command(context: click.Context, archive: str, as_json: bool) -> None:
    """List signals; or keep, drop, copy, rename, set, write or add them.

    A NAME is a signal's name or its label.

    \b
    Examples:
      eegarchive signals night.h5
      eegarchive signals night.h5 keep C3 C4
      eegarchive signals night.h5 rename "EEG Fpz-Cz" Fpz-Cz
      eegarchive signals night.h5 add "C3 envelope" envelope.npy --rate 256 --units uV
    """
    context.obj = archive
    if context.invoked_subcommand is not None:
        return
    with open_archive(archive) as opened:
        found = summarize_signals(opened)
    if as_json:
        echo_json({"schema": "eegarchive.signals/1", "signals": found})
        return
    for line in signal_lines(found):
        click.echo(line)


@command.command("keep")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@timeout_option
@click.pass_obj
def keep(archive: str, names: tuple[str, ...], timeout: float) -> None:
    """Keep these signals, in their present order, and drop the others.

    \b
    Example:
      eegarchive signals night.h5 keep C3 C4
    """
    with edit(archive, timeout) as night:
        night.keep_signals(names)
        left = list(night.signals)
    tell(archive, f"{len(left)} signals are left: {listed(left)}")


@command.command("drop")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@timeout_option
@click.pass_obj
def drop(archive: str, names: tuple[str, ...], timeout: float) -> None:
    """Drop these signals.

    \b
    Example:
      eegarchive signals night.h5 drop "EMG submental"
    """
    with edit(archive, timeout) as night:
        night.drop_signals(names)
        left = list(night.signals)
    tell(archive, f"{len(left)} signals are left: {listed(left)}")


@command.command("copy")
@click.argument("name")
@click.argument("label")
@timeout_option
@click.pass_obj
def copy(archive: str, name: str, label: str, timeout: float) -> None:
    """Add a signal of the same samples under another label. No data are written.

    \b
    Example:
      eegarchive signals night.h5 copy C3 "C3 raw"
    """
    with edit(archive, timeout) as night:
        new = night.copy_signal(name, label).name
    tell(archive, f"{new} is a copy of {name}")


@command.command("rename")
@click.argument("name")
@click.argument("label")
@timeout_option
@click.pass_obj
def rename(archive: str, name: str, label: str, timeout: float) -> None:
    """Give a signal another label, and the name that follows from it.

    \b
    Example:
      eegarchive signals night.h5 rename "EEG Fpz-Cz" Fpz-Cz
    """
    with edit(archive, timeout) as night:
        new = night.rename_signal(name, label).name
    tell(archive, f"{name} is now {new}")


@command.command("set")
@click.argument("name")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE...")
@timeout_option
@click.pass_obj
def set_(archive: str, name: str, values: tuple[str, ...], timeout: float) -> None:
    """Set attributes of a signal: kind, units, or any other.

    A value is a number where the format or the signal has one of that KEY; else it is text.

    \b
    Example:
      eegarchive signals night.h5 set C3 kind=eeg units=uV
    """
    stated = [value.partition("=") for value in values]
    if not all(key and equals for key, equals, _ in stated):
        raise click.UsageError(f"{' '.join(values)}: expected KEY=VALUE, such as kind=eeg")
    with edit(archive, timeout) as night:
        signal = night.signals[name]
        attributes = {key: _typed(key, text, signal.attributes.get(key)) for key, _, text in stated}
        night.set_signal(signal.name, **attributes)
    tell(archive, f"{name} has {', '.join(f'{key}={value}' for key, value in attributes.items())}")


@command.command("add")
@click.argument("label")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--rate", type=float, required=True, metavar="HZ", help="Samples per second.")
@click.option("--units", default="", metavar="TEXT", help="Unit of the values.")
@click.option("--kind", metavar="TEXT", help="What it measures; by default what its label tells.")
@timeout_option
@click.pass_obj
def add(
    archive: str, label: str, file: str, rate: float, units: str, kind: str | None, timeout: float
) -> None:
    """Add a signal that was computed elsewhere: a NumPy array (.npy) of as many samples as the state has.

    \b
    Example:
      eegarchive signals night.h5 add "C3 envelope" envelope.npy --rate 256 --units uV
    """
    values = _load(file)
    with edit(archive, timeout) as night:
        new = night.add_signal(label, values, rate, units=units, kind=kind)
        tell(archive, f"{new.name} added: {len(new)} samples at {rate:g} Hz")


@command.command("write")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--start", type=int, required=True, metavar="N", help="Number of the first sample to replace.")
@click.option("--digital", is_flag=True, help="The values are as stored, not physical.")
@click.option("--rounded", is_flag=True, help="Round physical values to the steps that are stored.")
@timeout_option
@click.pass_obj
def write(
    archive: str, name: str, file: str, start: int, digital: bool, rounded: bool, timeout: float
) -> None:
    """Replace a stretch of a signal by a NumPy array (.npy). The recording itself stays in the freeze source.

    \b
    Example:
      eegarchive signals night.h5 write C3 clean.npy --start 76800 --rounded
    """
    values = _load(file)
    with edit(archive, timeout) as night:
        error = night.write_samples(name, start, values, digital=digital, rounded=rounded)
    largest = f", rounded by {error:.3g} at most" if error else ""
    tell(archive, f"{len(values)} samples of {name} written from {start} on{largest}")


def _load(file: str) -> npt.NDArray[Any]:
    """The array in a file; nothing is unpickled."""
    import numpy as np

    try:
        found: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError):
        raise EEGArchiveError(f"{file}: isn't a NumPy array of numbers (.npy)") from None
    if not isinstance(found, np.ndarray) or found.ndim != 1:
        raise EEGArchiveError(f"{file}: expected one array of one dimension")
    return found


def _typed(key: str, text: str, present: AttributeValue | None) -> AttributeValue:
    """A value as the type that the attribute has."""
    stated = {**SIGNAL_ATTRIBUTES, **EDF_SIGNAL_ATTRIBUTES}.get(key)
    kind = _TYPES[stated] if stated else str if present is None else type(present)
    try:
        found: AttributeValue = kind(text)
    except ValueError:
        raise click.UsageError(f"{key}={text}: expected a number") from None
    return found
