"""`eegarchive diff`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import echo_json, json_option, listed
from eegarchive.differences import Difference, EpochsChange, SegmentsChange, SignalChange, diff
from eegarchive.errors import EEGArchiveError, describe
from eegarchive.operations import counted
from eegarchive.operations.masks import ranges_text
from eegarchive.storage.guard import printable


@click.command()
@click.argument("a", metavar="A[@TAG]")
@click.argument("b", metavar="B[@TAG]")
@json_option
@click.pass_context
def command(context: click.Context, a: str, b: str, as_json: bool) -> None:
    """Show what the second of two states has otherwise than the first: + more, - less, ~ changed.

    Times are seconds on the recording clock. The exit code is 0 if the states are equal, 1 if they differ, 2 if
    that can't be told.

    \b
    Examples:
      eegarchive diff night.h5@source night.h5@N2
      eegarchive diff night.h5 other.h5 --json
    """
    try:
        with open_archive(a) as one, open_archive(b) as other:
            found = diff(one, other)
    except (EEGArchiveError, OSError) as error:
        click.echo(f"eegarchive: error: {printable(describe(error))}", err=True)
        context.exit(2)
    if as_json:
        echo_json({"schema": "eegarchive.diff/1", "equal": found.equal, **asdict(found)})
    else:
        for line in _lines(found):
            click.echo(printable(line))
    context.exit(0 if found.equal else 1)


def _lines(found: Difference) -> Iterator[str]:
    yield from (f"- signal {name}" for name in found.signals_removed)
    yield from (f"+ signal {name}" for name in found.signals_added)
    yield from (f"~ signal {name}: {_signal(change)}" for name, change in found.signals_changed.items())
    if found.signal_order is not None:
        yield f"~ order of signals: {', '.join(found.signal_order[1])}"
    if found.segments is not None:
        yield from _segments(found.segments)
    if found.epochs is not None:
        yield from _epochs(found.epochs)
    for change in found.annotations:
        for sign, count in (("-", change.removed), ("+", change.added)):
            if count:
                yield f"{sign} {counted(count, 'annotation')} {change.kind} ({change.set})"
    if found.annotation_order:
        yield "~ order of annotations"
    signs = {"removed": "-", "added": "+", "changed": "~"}
    yield from (f"{signs[what]} cache {path}" for path, what in found.cache.items())


def _signal(change: SignalChange) -> str:
    parts = [f"{name} {_value(old)} -> {_value(new)}" for name, (old, new) in change.attributes.items()]
    if change.samples:
        parts.append(f"samples {_stretches(change.samples)}")
    return "; ".join(parts)


def _value(value: object) -> str:
    return "(none)" if value is None else f"{value:.10g}" if isinstance(value, float) else repr(value)


def _stretches(stretches: Sequence[tuple[float, float]]) -> str:
    return listed([f"{start:.10g}-{stop:.10g} s" for start, stop in stretches])


def _segments(change: SegmentsChange) -> Iterator[str]:
    if change.removed:
        yield f"- time {_stretches(change.removed)}"
    if change.added:
        yield f"+ time {_stretches(change.added)}"
    if change.recording_start is not None:
        yield "~ recording start {} -> {}".format(*(start or "unknown" for start in change.recording_start))
    if change.count[0] != change.count[1]:
        yield f"~ segments {change.count[0]} -> {change.count[1]}"
    elif not (change.removed or change.added or change.recording_start):
        yield "~ segments"


def _epochs(change: EpochsChange) -> Iterator[str]:
    rows = (
        ("- epochs", change.removed),
        ("+ epochs", change.added),
        ("~ start or length of epochs", change.moved),
        ("~ masked now: epochs", change.masked),
        ("~ not masked now: epochs", change.unmasked),
    )
    yield from (f"{what} {ranges_text(numbers)} ({len(numbers)})" for what, numbers in rows if numbers)
    if change.duration is not None:
        old, new = ("none" if value is None else f"{value:.10g} s" for value in change.duration)
        yield f"~ length of epochs {old} -> {new}"
    elif not any(numbers for _, numbers in rows):
        yield "~ order of epochs"
