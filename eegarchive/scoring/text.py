"""Text files: bytes to text, numbers and moments from text and back, and where a fault lies."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from eegarchive.scoring.events import Row, ScoringError, text_fault
from eegarchive.storage.guard import printable

#: A file of annotations is a few megabytes; a larger one is something else.
MAX_FILE_BYTES = 2**28
#: A moment further from the recording's start has a wrong date.
MAX_DISTANCE = datetime.timedelta(days=366)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
#: The exact sum of any two floats is shorter.
_MAX_NUMBER_CHARACTERS = 1200
_SHOWN_CHARACTERS = 60
_BREAKS = re.compile(r"\r\n|\r|\n")


class Problem(Exception):
    """What is wrong with one line or element; `place` adds the file and the line."""


@contextlib.contextmanager
def place(path: Path, line: int) -> Iterator[None]:
    """Turn a `Problem` inside into a ScoringError that names file and line."""
    try:
        yield
    except Problem as problem:
        raise ScoringError(f"{shown_path(path)}: line {line}: {problem}") from None


def shown_path(path: Path) -> str:
    """A path as messages show it."""
    return printable(str(path))


def shown(text: str) -> str:
    """A text from a file as messages show it: quoted, escaped, cut."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return f"'{printable(cut)}'"


def load_bytes(path: Path) -> bytes:
    """All bytes of a file, unless they are too many."""
    with open(path, "rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ScoringError(
            f"{shown_path(path)}: more than {MAX_FILE_BYTES} bytes; that is no annotation file"
        )
    return raw


def load_text(path: Path) -> str:
    """A file's text: UTF-8, with or without a byte order mark, else Latin-1."""
    raw = load_bytes(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def lines_of(text: str) -> list[str]:
    """Lines, however they end; none of an empty text."""
    return _BREAKS.split(text) if text else []


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers; those without anything but white space are left out."""
    return [(i, line) for i, line in enumerate(lines_of(text), 1) if line.strip()]


def one_line(text: str) -> str:
    """A text with spaces where it has tabs and line breaks, for formats that can't hold them."""
    return re.sub(r"[\t\r\n]", " ", text)


def exact_number(text: str, what: str) -> Fraction:
    """The number that a text states, exactly."""
    stripped = text.strip()
    if len(stripped) > _MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(stripped):
        raise Problem(f"{what} is {shown(text)}; expected a number")
    return Fraction(stripped)


def number(text: str, what: str) -> float:
    """The number that a text states, as the nearest float."""
    return seconds(exact_number(text, what), what)


def seconds(exact: Fraction, what: str) -> float:
    """The nearest float."""
    try:
        return float(exact)
    except OverflowError:
        raise Problem(f"{what} is too large a number") from None


def format_number(value: float) -> str:
    """The shortest decimal that reads back as the same float, without an exponent."""
    return np.format_float_positional(value, unique=True, trim="-")


def since_start(moment: datetime.datetime, start: datetime.datetime | None) -> Fraction:
    """Seconds from the recording's start to a moment, exactly."""
    if start is None:
        raise Problem("a date or time of day, but the recording's start isn't known; give start")
    distance = moment - start
    if abs(distance) > MAX_DISTANCE:
        raise Problem(f"{moment} is more than a year from the recording's start {start}; check the dates")
    return Fraction(distance // datetime.timedelta(microseconds=1), 10**6)


def checked_row(onset: float, duration: float, text: str, kind: str, channel: str) -> Row:
    """A row that an Events takes, or a Problem."""
    if duration < 0:
        raise Problem(f"a duration of {format_number(duration)} s; expected 0 or more")
    for value in (text, kind, channel):
        fault = text_fault(value)
        if fault:
            raise Problem(fault)
    return onset, duration, text, kind, channel
