"""Luna's interval annotations (.annot).

Source: Luna's reference, "Interval annotations" and "It's about time". Columns are class, instance,
channel, start, stop and meta; class, instance, start, stop; or class, start, stop.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from eegarchive import edf, stages
from eegarchive.scoring.events import Events, ScoringError, events_of
from eegarchive.scoring.text import (
    Problem,
    checked_row,
    exact_number,
    format_number,
    load_text,
    numbered_lines,
    one_line,
    place,
    seconds,
    shown,
    shown_path,
    since_start,
)

COLUMNS = ("class", "instance", "channel", "start", "stop", "meta")
_HEADERS = (list(COLUMNS), ["class", "instance", "start", "stop"], ["class", "start", "stop"])
_UNTIL_NEXT = ("...", "-")
_DAY = 86400
_WORD = re.compile(r'"[^"]*"|\S+')
_ELAPSED = re.compile(r"0\+(\d{1,6}):([0-5]?\d):([0-5]?\d(?:\.\d*)?)", re.ASCII)
_CLOCK = re.compile(
    r"(?:(\d{1,2})[-/]([A-Za-z]{3}|\d{1,2})[-/](\d{4}|\d{2})[- ])?"
    r"(\d{1,2})[:.]([0-5]\d)[:.]([0-5]\d(?:\.\d*)?) ?([AaPp][Mm])?",
    re.ASCII,
)
_EPOCH = re.compile(r"e:(\d{1,9})", re.ASCII)
#: Enough for the sum of any two floats to be exact.
_EXACT = decimal.Context(prec=1100)


@dataclass(frozen=True)
class _Clock:
    """What times in a file count from."""

    start: datetime.datetime | None
    epoch_length: Fraction

    def onset(self, text: str) -> Fraction:
        """The seconds that a start column states."""
        epoch = self._epoch(text)
        return self._time(text, Fraction(0)) if epoch is None else epoch - self.epoch_length

    def end(self, text: str, start_text: str, onset: Fraction) -> Fraction | None:
        """The seconds that a stop column states; None if it is missing."""
        if text == ".":
            return None if self._epoch(start_text) is None else onset + self.epoch_length
        if text.startswith("+"):
            return onset + exact_number(text[1:], "the duration")
        epoch = self._epoch(text)
        return self._time(text, onset) if epoch is None else epoch

    def _epoch(self, text: str) -> Fraction | None:
        """The end of an epoch `e:N`, counted from 1."""
        if not text.startswith("e:"):
            return None
        match = _EPOCH.fullmatch(text)
        if match is None or int(match[1]) == 0:
            raise Problem(
                f"the epoch {shown(text)}; expected e:1, e:2, ... (what e:N:N means differs between Luna's "
                "program and its documentation)"
            )
        return int(match[1]) * self.epoch_length

    def _time(self, text: str, earliest: Fraction) -> Fraction:
        """Seconds, elapsed time or time of day; the latter is the first from `earliest` on."""
        elapsed = _ELAPSED.fullmatch(text)
        if elapsed:
            return int(elapsed[1]) * 3600 + int(elapsed[2]) * 60 + Fraction(elapsed[3])
        clock = _CLOCK.fullmatch(text)
        if clock is None:
            return exact_number(text, "the time")
        if self.start is None:
            raise Problem(f"the time of day {shown(text)}, but the recording's start isn't known; give start")
        time = _time_of_day(clock, text)
        if clock[1]:
            return (
                since_start(datetime.datetime.combine(_date(clock, text), datetime.time()), self.start) + time
            )
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        late = time + since_start(midnight, self.start) - earliest
        return earliest + late % _DAY


def _time_of_day(clock: re.Match[str], text: str) -> Fraction:
    """Seconds since midnight."""
    hour = int(clock[4])
    if clock[7]:
        if not 1 <= hour <= 12:
            raise Problem(f"the time {shown(text)}; expected an hour from 1 to 12 before am or pm")
        hour = hour % 12 + (12 if clock[7].lower() == "pm" else 0)
    if hour > 23:
        raise Problem(f"the time {shown(text)}; expected an hour from 0 to 23")
    return hour * 3600 + int(clock[5]) * 60 + Fraction(clock[6])


def _date(clock: re.Match[str], text: str) -> datetime.date:
    """Day, month, year in that order, as in EDF; two digits of a year mean 1985 to 2084."""
    month, year = clock[2].upper(), int(clock[3])
    if len(clock[3]) == 2:
        year += 2000 if year < 85 else 1900
    try:
        number = edf.MONTHS.index(month) + 1 if month.isalpha() else int(month)
        return datetime.date(year, number, int(clock[1]))
    except ValueError:
        raise Problem(f"the date {shown(text)}; expected day-month-year") from None


@dataclass(frozen=True)
class _Line:
    """One data line; `end` is None where the line states none, or where the next line's onset is meant."""

    number: int
    text: str
    kind: str
    channel: str
    onset: Fraction
    end: Fraction | None
    until_next: bool


def read(path: Path, start: datetime.datetime | None, epoch_length: float) -> Events:
    """Events of all classes."""
    clock = _Clock(start, Fraction(epoch_length))
    lines = [(i, line) for i, line in numbered_lines(load_text(path)) if not line.startswith("#")]
    width = len(COLUMNS)
    if lines and _words(lines[0][1])[0].lower() == "class":
        with place(path, lines[0][0]):
            width = _header_width(lines[0][1])
        del lines[0]
    found = []
    for i, line in lines:
        with place(path, i):
            found.append(_parse(i, line, width, clock))
    rows = []
    for this, following in itertools.zip_longest(found, found[1:]):
        with place(path, this.number):
            until = following.onset if this.until_next and following is not None else None
            end = this.end if until is None else until
            if end is not None and (end < this.onset or end == until == this.onset):
                raise Problem("stops before it starts; expected a stop at or after the start")
            onset = seconds(this.onset, "the start")
            duration = np.nan if end is None else seconds(end - this.onset, "the duration")
            rows.append(checked_row(onset, duration, this.text, this.kind, this.channel))
    return events_of(rows)


def _words(line: str) -> list[str]:
    return _WORD.findall(line)


def _header_width(line: str) -> int:
    """The number of columns that a header line names."""
    names = [name.lower() for name in _words(line)]
    if names not in _HEADERS and names[: len(COLUMNS)] != list(COLUMNS):
        expected = "', '".join(" ".join(header) for header in _HEADERS)
        raise Problem(f"the header {shown(line)}; expected '{expected}'")
    return max(len(names), len(COLUMNS))


def _parse(number: int, line: str, width: int, clock: _Clock) -> _Line:
    name, instance, channel, start, stop = _fields(line, width)
    whole, until_next = start == stop == ".", stop in _UNTIL_NEXT
    onset = Fraction(0) if whole else clock.onset(start)  # as Luna has it: about the whole, put at its start
    end = onset if whole else None if until_next else clock.end(stop, start, onset)
    text = name if instance in ("", name) else f"{name}/{instance}"
    return _Line(number, text, stages.kind_of(name), channel, onset, end, until_next)


def _fields(line: str, width: int) -> tuple[str, str, str, str, str]:
    """Class, instance, channel, start and stop; tabs separate them, or else white space."""
    counts = (3, 4, width)
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) not in counts:
        fields = _words(line)
    if len(fields) == 3:
        fields[1:1] = [".", "."]
    elif len(fields) == 4:
        fields.insert(2, ".")
    elif len(fields) != width:
        raise Problem(
            f"{len(fields)} columns; expected {width} ({' '.join(COLUMNS)}), 4 (without channel and meta) "
            "or 3 (class start stop), separated by tabs if they hold spaces"
        )
    return _value(fields[0]), _value(fields[1]), _value(fields[2]), fields[3], fields[4]


def _value(field: str) -> str:
    """A text column's value: `.` is missing, quotes around it are taken off."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        return field[1:-1]
    return "" if field == "." else field


def encode(path: Path, events: Events) -> bytes:
    """All six columns, tabs between them."""
    if len(events) and events.onset[0] < 0:
        raise ScoringError(
            f"{shown_path(path)}: the event {shown(events.text[0])} starts {format_number(-events.onset[0])} s "
            "before the recording, which .annot can't say; leave it out, or write another format"
        )
    columns = zip(
        events.onset.tolist(), events.duration.tolist(), events.text, events.kind, events.channel, strict=True
    )
    lines = ["\t".join(COLUMNS)]
    for onset, duration, text, kind, channel in columns:
        name, instance = _class_and_instance(text, kind)
        fields = (
            _field(name),
            _field(instance),
            _field(channel),
            format_number(onset),
            _stop(onset, duration),
        )
        lines.append("\t".join((*fields, ".")))
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _class_and_instance(text: str, kind: str) -> tuple[str, str]:
    """The pair that reads back as `text` of that kind, or comes nearest."""
    if stages.kind_of(text) == kind:
        return text, ""
    name, _, instance = text.partition("/")
    return (name, instance) if instance and stages.kind_of(name) == kind else (kind, text)


def _field(text: str) -> str:
    text = one_line(text)
    if not text:
        return "."
    quoted = text == "." or text[0] in '#"' or text != text.strip() or text.lower().startswith("class")
    return f'"{text}"' if quoted else text


def _stop(onset: float, duration: float) -> str:
    """The exact sum, so that the difference reads back as the same duration."""
    if np.isnan(duration):
        return format_number(onset)
    terms = (decimal.Decimal(format_number(onset)), decimal.Decimal(format_number(duration)))
    total = f"{_EXACT.add(*terms):f}"
    return total.rstrip("0").rstrip(".") if "." in total else total
