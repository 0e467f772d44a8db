"""Scorings in XML: the National Sleep Research Resource's, and Compumedics Profusion's, where they come from.

Both have `ScoredEvents`; Profusion lists stages apart, a code for each epoch. Sources: the NSRR's EDF
editor and translator, files of its cohorts (SHHS, MESA). Expat is used directly: it knows line numbers,
and a document type, with which entities and outside files come, can be refused before it is read.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

import numpy as np

from eegarchive import stages, tal
from eegarchive.scoring.events import Events, Row, ScoringError, events_of
from eegarchive.scoring.text import Problem, checked_row, load_bytes, number, place, shown, shown_path
from eegarchive.storage.guard import printable

ROOTS = ("PSGAnnotation", "CMPStudyConfig")
STAGE_CODES = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N4", "5": "R", "6": "M", "9": "?"}
#: States how long the recording is; Luna and the NSRR's own tools don't count it as an event either.
_START_MARK = "Recording Start Time"
_MAX_DEPTH = 50


def read(path: Path, epoch_length: float) -> Events:
    """Scored events and stages; an `EpochLength` in the file goes before `epoch_length`."""
    raw = load_bytes(path)
    document = _Document(path)
    parser = expat.ParserCreate(_forced_encoding(raw))
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = document.doctype
    parser.StartElementHandler = lambda name, _: document.open(name, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda _: document.close()
    parser.CharacterDataHandler = lambda text: document.characters(text, parser.CurrentLineNumber)
    try:
        parser.Parse(raw, True)
    except ScoringError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter for encodings nobody knows
        raise ScoringError(
            f"{shown_path(path)}: isn't XML that can be read: {printable(str(error))}"
        ) from None
    return document.events(epoch_length)


def _forced_encoding(raw: bytes) -> str | None:
    """Latin-1 for bytes that aren't UTF-8, whatever the file says; else what it says. UTF-16 expat knows."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return None


class _Document:
    """Takes elements as they come and keeps what is about events."""

    def __init__(self, path: Path) -> None:
        self._file = path
        self._open: list[str] = []
        self._line = 0
        self._text = ""
        self._fields: dict[str, str] = {}
        self._event_line = 0
        self._epoch_length: tuple[str, int] | None = None
        self._codes: list[tuple[str, int]] = []
        self._rows: list[Row] = []

    def doctype(self, *_: object) -> None:
        raise ScoringError(
            f"{shown_path(self._file)}: has a document type (DOCTYPE), which scorings have no use for; remove it"
        )

    def open(self, name: str, line: int) -> None:
        name = name.rpartition(":")[2]
        with place(self._file, line):
            if not self._open and name not in ROOTS:
                raise Problem(f"the element {shown(name)}; expected {' or '.join(ROOTS)}")
            if len(self._open) == _MAX_DEPTH:
                raise Problem(f"elements lie more than {_MAX_DEPTH} deep; that is no scoring")
        self._open.append(name)
        self._line, self._text = line, ""
        if self._open[1:] == ["ScoredEvents", "ScoredEvent"]:
            self._fields, self._event_line = {}, line

    def characters(self, text: str, line: int) -> None:
        with place(self._file, line):
            if len(self._text) + len(text) > tal.MAX_TEXT_BYTES:
                raise Problem(f"a text of more than {tal.MAX_TEXT_BYTES} characters")
        self._text += text

    def close(self) -> None:
        match self._open[1:]:
            case ["EpochLength"]:
                self._epoch_length = (self._text, self._line)
            case ["SleepStages", "SleepStage"]:
                self._codes.append((self._text.strip(), self._line))
            case ["ScoredEvents", "ScoredEvent", field]:
                self._fields[field] = self._text.strip()
            case ["ScoredEvents", "ScoredEvent"]:
                self._end_event()
        self._open.pop()
        self._text = ""

    def _end_event(self) -> None:
        fields = self._fields
        text = fields.get("EventConcept") or fields.get("Name") or ""
        if text == _START_MARK:
            return
        with place(self._file, self._event_line):
            if not text:
                raise Problem("a ScoredEvent without EventConcept or Name; expected one of them")
            if not fields.get("Start"):
                raise Problem(f"the ScoredEvent {shown(text)} has no Start; expected seconds")
            duration = fields.get("Duration")
            self._rows.append(
                checked_row(
                    number(fields["Start"], "Start"),
                    number(duration, "Duration") if duration else np.nan,
                    text,
                    _kind(fields.get("EventType", ""), text),
                    fields.get("SignalLocation") or fields.get("Input") or "",
                )
            )

    def events(self, epoch_length: float) -> Events:
        if self._epoch_length is not None and self._codes:
            text, line = self._epoch_length
            with place(self._file, line):
                epoch_length = number(text, "EpochLength")
                if epoch_length <= 0:
                    raise Problem(f"EpochLength is {shown(text)}; expected more than 0")
        rows = []
        for i, (code, line) in enumerate(self._codes):
            with place(self._file, line):
                if not code:
                    raise Problem("an empty SleepStage; expected the code of a stage")
                kind = STAGE_CODES.get(code, code)
                rows.append(checked_row(i * epoch_length, epoch_length, code, kind, ""))
        return events_of(rows + self._rows)


def _kind(event_type: str, text: str) -> str:
    """The kind: for a stage by the code behind the `|`, where it is one of the NSRR's."""
    if event_type.partition("|")[0].strip().lower() == "stages":
        return STAGE_CODES.get(text.rpartition("|")[2].strip(), stages.kind_of(text))
    return stages.kind_of(text)
