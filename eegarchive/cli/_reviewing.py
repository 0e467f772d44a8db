"""What `anonymize` and `convert --anonymize` have in common: options, and what is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from eegarchive.cli._shared import table
from eegarchive.operations import counted
from eegarchive.scrubbing import Item
from eegarchive.storage.guard import printable

_Command = TypeVar("_Command", bound=Callable[..., Any])

shift_option: Callable[[_Command], _Command] = click.option(
    "--shift-days",
    type=int,
    metavar="N",
    help="Move dates by N days, which may be negative; without it recordings start on 1985-01-01.",
)
keep_option: Callable[[_Command], _Command] = click.option(
    "--keep",
    metavar="FIELD,...",
    callback=lambda context, parameter, value: _fields(value),
    help="Keep age, sex, or other fields of the description.",
)
annotations_option: Callable[[_Command], _Command] = click.option(
    "--keep-annotations",
    multiple=True,
    metavar="TEXT",
    help="Keep annotations of this text too, * for any characters; may be repeated.",
)
dry_run_option: Callable[[_Command], _Command] = click.option(
    "--dry-run", is_flag=True, help="Write nothing; list what would be removed, changed and kept."
)


def _fields(value: str | None) -> tuple[str, ...]:
    from eegarchive.description import is_field_name

    names = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    for name in names:
        if not is_field_name(name):
            raise click.BadParameter(f"{name!r} isn't the name of a field; expected age,sex for one")
    return names


def review_lines(items: Sequence[Item]) -> Iterator[str]:
    """Everything that was found, by what becomes of it."""
    headings = {
        "removed": "removed",
        "changed": "changed",
        "kept": "kept: look whether any of these says who was recorded",
    }
    for fate, heading in headings.items():
        rows = [
            [item.where, str(item.count), item.value + (f" -> {item.becomes}" if item.becomes else "")]
            for item in items
            if item.fate == fate
        ]
        if rows:
            yield heading
            yield from (f"  {line}" for line in table(rows, right=(1,)))
    yield from suspect_lines(items)


def suspect_lines(items: Sequence[Item]) -> Iterator[str]:
    """Warnings of what was kept although a word of it was removed elsewhere."""
    for item in items:
        if item.suspect:
            yield printable(
                f"warning: {item.where} {item.value!r} is kept and has {item.suspect!r}, which was removed elsewhere"
            )


def outcome_line(items: Sequence[Item]) -> str:
    """How much was removed, changed and kept."""
    counts = {fate: sum(item.fate == fate for item in items) for fate in ("removed", "changed", "kept")}
    said = f"{counted(counts['removed'], 'text')} removed, {counts['changed']} changed, {counts['kept']} kept"
    return f"{said}; --dry-run lists them for a person to look through"


def items_json(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Everything that was found, for JSON."""
    return [asdict(item) for item in items]
