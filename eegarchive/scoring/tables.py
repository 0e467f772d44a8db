"""Tables with a header line: BIDS `events.tsv`, and CSV in the dialects that spreadsheets and MNE write."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from eegarchive import stages
from eegarchive.scoring.events import Events, Row, ScoringError, events_of
from eegarchive.scoring.text import (
    Problem,
    checked_row,
    format_number,
    load_text,
    number,
    numbered_lines,
    one_line,
    place,
    seconds,
    shown,
    shown_path,
    since_start,
)
from eegarchive.storage.guard import printable

COLUMNS = ("onset", "duration", "text", "kind", "channel")
BIDS_COLUMNS = ("onset", "duration", "trial_type", "kind", "channel")
#: Columns that can hold the text, the best first.
TEXT_COLUMNS = ("trial_type", "text", "description", "label", "stage", "value")
CHANNEL_COLUMNS = ("channel", "ch_names")
MISSING = "n/a"
_SEPARATORS = ("\t", ";", ",")
#: Dates of this year are MNE's way to write onsets in a recording without a start.
_MNE_EPOCH = datetime.datetime(1970, 1, 1)


def is_header(line: str) -> bool:
    """Whether a line could be the header of such a table."""
    return "onset" in _names(line.split(_separator(line)))


def read_bids(path: Path, start: datetime.datetime | None) -> Events:
    """Events of a BIDS file: tabs, no quoting, `n/a` where a value is missing."""
    lines = numbered_lines(load_text(path))
    return _events(path, ((i, line.split("\t")) for i, line in lines), start, missing=MISSING)


def read_csv(path: Path, start: datetime.datetime | None) -> Events:
    """Events of a CSV file."""
    text = load_text(path)
    separator = _separator(text.lstrip().split("\n", 1)[0])
    return _events(path, _csv_rows(path, text, separator), start, decimal_comma=separator == ";")


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ScoringError(f"{shown_path(path)}: line {line}: isn't CSV: {printable(str(error))}") from None


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


def _names(fields: Sequence[str]) -> list[str]:
    return [field.strip().strip('"').lower() for field in fields]


def _events(
    path: Path,
    lines: Iterable[tuple[int, list[str]]],
    start: datetime.datetime | None,
    missing: str = "",
    decimal_comma: bool = False,
) -> Events:
    names: list[str] | None = None
    rows = []
    for line, fields in lines:
        with place(path, line):
            if names is None:
                names = _header(fields)
                continue
            if len(fields) != len(names):
                raise Problem(f"{len(fields)} columns; expected {len(names)}, as in the header")
            stated = ("" if field == missing else field for field in fields)
            rows.append(_row(dict(zip(names, stated, strict=True)), start, decimal_comma))
    if names is None:
        raise ScoringError(f"{shown_path(path)}: is empty; expected a header with onset, duration and a text")
    return events_of(rows)


def _header(fields: list[str]) -> list[str]:
    names = _names(fields)
    if any(name and names.count(name) > 1 for name in names):
        raise Problem(f"the header {shown(' '.join(names))} has a name twice")
    if not {"onset", "duration"} <= set(names) or not set(TEXT_COLUMNS) & set(names):
        raise Problem(
            f"the header {shown(' '.join(names))}; expected onset, duration and one of {', '.join(TEXT_COLUMNS)}"
        )
    return names


def _row(fields: dict[str, str], start: datetime.datetime | None, decimal_comma: bool) -> Row:
    if decimal_comma:
        fields |= {name: fields[name].replace(",", ".") for name in ("onset", "duration")}
    duration = fields["duration"].strip()
    text = next(fields[name] for name in TEXT_COLUMNS if name in fields)
    channels = [fields[name] for name in CHANNEL_COLUMNS if name in fields]
    return checked_row(
        _onset(fields["onset"].strip(), start),
        np.nan if duration.lower() in ("", "nan", MISSING) else number(duration, "the duration"),
        text,
        fields.get("kind") or stages.kind_of(text),
        channels[0] if channels else stages.channel_of(text),
    )


def _onset(text: str, start: datetime.datetime | None) -> float:
    """Seconds, or a date with a time."""
    if ":" not in text:
        return number(text, "the onset")
    try:
        moment = datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise Problem(f"the onset {shown(text)}; expected seconds, or a date and time (ISO 8601)") from None
    return seconds(since_start(moment, _MNE_EPOCH if moment.year == _MNE_EPOCH.year else start), "the onset")


def encode_csv(events: Events) -> bytes:
    """Commas, a point in numbers, and lines that end as RFC 4180 says."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(_written(events, ""))
    return out.getvalue().encode("utf-8")


def encode_bids(events: Events) -> bytes:
    """The columns that BIDS asks for, first and in its order, and two more."""
    lines = ["\t".join(BIDS_COLUMNS)]
    lines += ["\t".join(one_line(field) or MISSING for field in row) for row in _written(events, MISSING)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _written(events: Events, missing: str) -> Iterator[tuple[str, str, str, str, str]]:
    columns = (events.onset.tolist(), events.duration.tolist(), events.text, events.kind, events.channel)
    for onset, duration, text, kind, channel in zip(*columns, strict=True):
        stated = missing if np.isnan(duration) else format_number(duration)
        yield format_number(onset), stated, text, kind, channel
