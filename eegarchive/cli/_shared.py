"""What several verbs print alike."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eegarchive.errors import EEGArchiveError
from eegarchive.storage.guard import printable
from eegarchive.storage.locks import EDIT_WAIT_SECONDS

if TYPE_CHECKING:
    from eegarchive.editing import EditableArchive
    from eegarchive.exporting import Progress
    from eegarchive.state import Signal

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: For every verb that changes an archive.
timeout_option: Callable[[_Command], _Command] = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=EDIT_WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for others who write or read the archive.",
)
#: For every verb that lists something.
json_option: Callable[[_Command], _Command] = click.option(
    "--json", "as_json", is_flag=True, help="Print everything as JSON."
)
#: For verbs that read detached freezes.
base_option: Callable[[_Command], _Command] = click.option(
    "--base",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The base of a detached freeze, where it isn't found beside the file.",
)
overwrite_option: Callable[[_Command], _Command] = click.option(
    "--overwrite", is_flag=True, help="Replace a file that is there."
)


class ArchiveGroup(click.Group):
    """A verb with an archive and then, if anything is to be done with it, a command."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Take options behind the archive as the group's own, unless a command follows it."""
        context.allow_interspersed_args = not any(word in self.commands for word in arguments[1:])
        return super().parse_args(context, arguments)


def read_fields(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """Fields of a description: KEY=VALUE, whose type is that of the field there is, or KEY:TYPE=VALUE."""
    from eegarchive.description import PARSED, Unstated, is_field_name, parse

    found: dict[str, Any] = {}
    for value in values:
        stated, equals, text = value.partition("=")
        key, colon, kind = stated.partition(":")
        if not (equals and is_field_name(key) and (not colon or kind in PARSED)):
            raise click.BadParameter(
                f"{value!r}: expected KEY=VALUE or KEY:TYPE=VALUE, letters, digits and _ in KEY, "
                f"TYPE one of {', '.join(PARSED)}"
            )
        try:
            found[key] = parse(key, text, kind) if colon else Unstated(text)
        except EEGArchiveError as error:
            raise click.BadParameter(str(error)) from None
    return found


def tell(archive: str, what: str) -> None:
    """Print a line about an archive."""
    click.echo(printable(f"{archive}: {what}"))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a row, the first of them if there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def echo_json(what: Any) -> None:
    """Print JSON; NaN and infinities, which it lacks, become null."""
    click.echo(json.dumps(_finite(what), indent=2, ensure_ascii=False))


def _finite(what: Any) -> Any:
    if isinstance(what, dict):
        return {key: _finite(value) for key, value in what.items()}
    if isinstance(what, list | tuple):
        return [_finite(value) for value in what]
    if isinstance(what, float) and not math.isfinite(what):
        return None
    return what


@contextmanager
def progress_bar(total: int, label: str, unit: str = "B") -> Iterator[Progress]:
    """A bar with the time left, in bytes if nothing else is said, on standard error; none where that is no terminal."""
    from tqdm import tqdm

    size = shutil.get_terminal_size()  # 80 by 24 where the terminal doesn't say; tqdm would show nothing
    with tqdm(
        total=total,
        desc=label,
        unit=unit,
        unit_scale=unit == "B",
        leave=False,
        ncols=size.columns,
        nrows=size.lines,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
    ) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Lines of aligned columns; those in `right` are aligned to the right. Text is made safe to print."""
    safe = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def cell(value: Any) -> str:
    """A value of a table for people: numbers to six digits, NA where one is missing."""
    if value is None:
        return "NA"
    return (
        f"{value:.6g}"
        if isinstance(value, float)
        else str(int(value) if value is True or value is False else value)
    )


def bytes_text(count: float) -> str:
    """A number of bytes for people: 1 kB is 1000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration_text(seconds: float) -> str:
    """A length of time: 8:07:00 h, 0:01:10.5 h."""
    whole, rest = divmod(seconds, 1)
    minutes, second = divmod(int(whole), 60)
    fraction = f"{rest:.6f}".rstrip("0").rstrip(".")[1:] if rest >= 1e-6 else ""
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}{fraction}"


def computed_signals(
    night: EditableArchive, channels: Sequence[str], lowest_rate: float = 0.0
) -> list[Signal]:
    """The signals that a filter or a new rate is for: these, or the ones that it takes if none is named."""
    from eegarchive.operations.signals import electric  # other verbs do without

    return [night.signals[name] for name in channels or electric(night.draft, lowest_rate)]


def signal_lines(signals: Sequence[dict[str, Any]], most: int | None = None) -> Iterator[str]:
    """A table of signals, as `summarize_signals` tells of them; the first of them if there are many."""
    if not signals:
        yield "none"
        return
    rows = [["name", "kind", "rate", "units", "range", "samples"]]
    for signal in signals[:most]:
        low, high = signal["physical_range"]
        rows.append(
            [
                signal["name"],
                signal["kind"] or "?",
                "?" if signal["sampling_rate"] is None else f"{signal['sampling_rate']:g} Hz",
                signal["units"] or "",
                signal["type"] or "?" if low is None else f"{low} .. {high}",
                str(signal["samples"]),
            ]
        )
    yield from table(rows, right=(2, 5))
    rest = signals[len(rows) - 1 :]
    if rest:
        kinds = Counter(signal["kind"] for signal in rest)
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield f"and {len(rest)} more: {counted} (--json lists all)"
