"""An EDF or BDF header without what says who was recorded, when, where and by whom."""

from __future__ import annotations

import dataclasses
import datetime
import re

from eegarchive import edf
from eegarchive.scrubbing.policy import Anonymization
from eegarchive.scrubbing.review import Review

#: Fields of a signal that are numbers, and nothing else.
_NUMBERS = frozenset(
    ["physical_minimum", "physical_maximum", "digital_minimum", "digital_maximum", "samples_per_record"]
)
#: Fields of a signal that stay as they are, for a person to look at.
_SHOWN = {"label": "label", "physical_dimension": "unit", "prefiltering": "prefilter"}
_PATIENT = re.compile(r"\S+ ([FM]) (\S+)(?: .*)?", re.DOTALL)
_SEX = re.compile(r"\S+ ([FM])\b.*", re.DOTALL)
_DATE = re.compile(r"(\d\d)-([A-Za-z]{3})-(\d{4})")
_KIND = re.compile(r"(?:EDF|BDF)\+[CD]|24BIT")
#: An older person is given as one of this age; ages above the other aren't believed.
OLDEST = 90
_IMPOSSIBLE = 130
_FEBRUARY_29 = (2, 29)


def scrubbed_header(header: edf.Header, options: Anonymization, review: Review, where: str) -> bytes:
    """The header's bytes without what names people, dates and devices; of as many signals and records.

    Raises
    ------
    EEGArchiveError
        If the shifted date can't be said.
    """
    stated = header.start()
    start = options.start(stated, _time(header), where)
    review.changed("start", stated.isoformat(" ") if stated else "", start.isoformat(" "))
    count = len(header.signals)
    patient = _patient(header, stated, start, options, review)
    recording = f"Startdate {_date(start)} X X X"
    review.changed("patient", header.texts["local_patient_identification"], patient)
    review.changed("recording", header.texts["local_recording_identification"], recording)
    size = edf.FILE_HEADER_BYTES + count * edf.SIGNAL_HEADER_BYTES
    kind = _KIND.match(header.texts["reserved"])
    review.removed("reserved", _KIND.sub("", header.texts["reserved"], count=1))
    fields = {
        "local_patient_identification": patient,
        "local_recording_identification": recording,
        "startdate": f"{start:%d.%m.%y}",
        "starttime": f"{start:%H.%M.%S}",
        "bytes_in_header": str(size),
        "reserved": kind[0] if kind else "",
        "num_data_records": str(header.num_records),
        "record_duration": _number(_raw_field(header, "record_duration")) or "0",
        "num_signals": str(count),
    }
    parts = [b"\xffBIOSEMI" if header.is_bdf else b"0".ljust(8)]
    parts += [fields[name].encode("ascii").ljust(width)[:width] for name, width in edf.FILE_FIELDS[1:]]
    at = edf.FILE_HEADER_BYTES
    for name, width in edf.SIGNAL_FIELDS:
        for signal in header.signals:
            parts.append(_signal_field(signal, name, header.raw[at : at + width], review))
            at += width
    _tell_extra(header.raw[at:], review)
    return b"".join(parts)


def age_at(birth: datetime.date, start: datetime.date) -> int | None:
    """Whole years, those above 90 as 90; None if nobody is as old."""
    years = start.year - birth.year - ((start.month, start.day) < (birth.month, birth.day))
    return min(years, OLDEST) if 0 <= years <= _IMPOSSIBLE else None


def _tell_extra(extra: bytes, review: Review) -> None:
    if extra.strip(b" \0"):
        review.removed("header's further bytes", edf.decode_text(extra))


def _time(header: edf.Header) -> datetime.time:
    """The time of day; midnight if the header's can't be read."""
    texts = {**header.texts, "startdate": "01.01.85", "local_recording_identification": ""}
    found = dataclasses.replace(header, texts=texts, oddities=[]).start()
    return found.time() if found else datetime.time()


def _patient(
    header: edf.Header,
    stated: datetime.datetime | None,
    start: datetime.datetime,
    options: Anonymization,
    review: Review,
) -> str:
    """The patient field: sex if it is to be kept, and a day of birth that says the age and no more."""
    text = header.texts["local_patient_identification"]
    sex = _SEX.fullmatch(text)
    shown = sex[1] if sex and "sex" in options.keep else "X"
    born = "X"
    found = _PATIENT.fullmatch(text)
    day = _day(found[2]) if found else None
    if "age" in options.keep and day and stated:
        age = age_at(day, stated.date())
        if age is not None:
            review.kept("age", f"{age} or older" if age == OLDEST else str(age))
            born = _date(_years_before(start, age))
    if shown != "X":
        review.kept("sex", shown)
    return f"X {shown} {born} X"


def _years_before(start: datetime.datetime, years: int) -> datetime.datetime:
    day = start.replace(day=28) if (start.month, start.day) == _FEBRUARY_29 else start
    return day.replace(year=start.year - years)


def _day(text: str) -> datetime.date | None:
    match = _DATE.fullmatch(text)
    if match is None or match[2].upper() not in edf.MONTHS:
        return None
    try:
        return datetime.date(int(match[3]), edf.MONTHS.index(match[2].upper()) + 1, int(match[1]))
    except ValueError:
        return None


def _date(day: datetime.datetime) -> str:
    return f"{day:%d}-{edf.MONTHS[day.month - 1]}-{day.year:04d}"


def _signal_field(signal: edf.SignalHeader, name: str, raw: bytes, review: Review) -> bytes:
    """One field of a signal: numbers as they are, its label, unit and filters too; everything else is gone."""
    width, text = len(raw), edf.decode_text(raw)
    if signal.is_annotation:
        if name == "label":
            return signal.label.strip().encode("ascii").ljust(width)
        if name not in _NUMBERS:
            review.removed(name.replace("_", " "), text)
            return b" " * width
    if name in _SHOWN:
        review.kept(_SHOWN[name], text)
        return raw
    if name in _NUMBERS and edf.decode_number(raw) is not None:
        return raw
    review.removed(name.replace("_", " ") if name != "reserved" else "reserved of a signal", text)
    return b" " * width


def _number(raw: bytes) -> str:
    """A field's number as it stands there; empty if it is none."""
    return raw.strip(b" \0").decode("ascii") if edf.decode_number(raw) is not None else ""


def _raw_field(header: edf.Header, wanted: str) -> bytes:
    at = 0
    for name, width in edf.FILE_FIELDS:
        if name == wanted:
            return header.raw[at : at + width]
        at += width
    raise KeyError(wanted)
