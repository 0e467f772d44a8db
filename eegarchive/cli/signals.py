"""`eegarchive signals`."""

from __future__ import annotations

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
from eegarchive.layout import EDF_SIGNAL_ATTRIBUTES, SIGNAL_ATTRIBUTES
from eegarchive.storage.objects import AttributeValue
from eegarchive.summary import summarize_signals

_TYPES = {"str": str, "i8": int, "f8": float}


@click.group(cls=ArchiveGroup, invoke_without_command=True)
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
@click.pass_context
def command(context: click.Context, archive: str, as_json: bool) -> None:
    """List signals; or keep, drop, copy, rename them, or set what they say of themselves.

    A NAME is a signal's name or its label.

    \b
    Examples:
      eegarchive signals night.h5
      eegarchive signals night.h5 keep C3 C4
      eegarchive signals night.h5 rename "EEG Fpz-Cz" Fpz-Cz
      eegarchive signals night.h5 set C3 kind=eeg units=uV
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


def _typed(key: str, text: str, present: AttributeValue | None) -> AttributeValue:
    """A value as the type that the attribute has."""
    stated = {**SIGNAL_ATTRIBUTES, **EDF_SIGNAL_ATTRIBUTES}.get(key)
    kind = _TYPES[stated] if stated else str if present is None else type(present)
    try:
        found: AttributeValue = kind(text)
    except ValueError:
        raise click.UsageError(f"{key}={text}: expected a number") from None
    return found
