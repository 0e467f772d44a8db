"""TAG, HEADERS, DESC: a factor for outputs; what recording and signals say of themselves."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegarchive import edf, layout
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.storage.objects import AttributeValue

#: Factors that commands give to their outputs themselves.
_OWN_FACTORS = ("ANNOT", "B", "C", "CH", "CH1", "CH2", "E", "EMASK", "F", "ID", "INST", "K", "MSEC", "N", "SP",
                "SPINDLE", "SS", "T", "TH")  # fmt: skip
_FACTOR = re.compile(r"[A-Za-z0-9_.-]+")
#: What Luna calls the kinds of signals.
_TYPES = {
    "eeg": "EEG", "eog": "EOG", "emg": "EMG", "ecg": "ECG", "flow": "AIRFLOW", "effort": "EFFORT",
    "spo2": "OXYGEN", "pulse": "HR", "snore": "SNORE", "position": "POSITION", "light": "LIGHT",
}  # fmt: skip
#: What stands for a text that is empty.
_NONE = "."
_SIGNALS_IN_LINE = 6


def run_tag(run: Run, command: Command) -> None:
    """TAG F/L, or tag=F/L: all outputs that follow have the factor F with level L; `.` removes, all or one."""
    text = command.parameters.single("tag")
    if text == _NONE:
        run.tags.clear()
        return
    factor, slash, level = text.partition("/")
    if not (factor and slash and level) or "/" in level:
        raise command.error(f"{text!r}: expected FACTOR/LEVEL, or a dot to remove all")
    if not _FACTOR.fullmatch(factor):
        raise command.error(f"{factor!r}: a factor is of letters, digits, '_', '.' and '-'")
    if factor.upper() in _OWN_FACTORS:
        raise command.error(f"{factor} is a factor of commands' own; take another name")
    if level == _NONE:
        run.tags.pop(factor, None)
    else:
        run.tags[factor] = level


@dataclass(frozen=True)
class _Recording:
    """What there is of a recording now: type, records, times; the span counts from the source's first sample on."""

    kind: str
    records: int
    record_duration: float
    start: datetime.datetime | None
    end: datetime.datetime | None
    seconds: float
    span: float

    @property
    def is_plus(self) -> bool:
        """Whether it has annotations of its own."""
        return "+" in self.kind


def _recording(run: Run) -> _Recording:
    night = run.night
    header = night.edf_header
    record = float(edf.decode_number(str(header["record_duration"]).encode("ascii", "replace")) or 0)
    segments = night.segments.columns()
    source = night.freezes[layout.SOURCE_FREEZE].segments.columns()
    kind = str(night.provenance["source_kind"])
    if run.is_empty or any(
        not np.array_equal(segments[name], source[name]) for name in ("start", "duration")
    ):
        kind = f"{kind[:3]}+D"
    if run.is_empty:
        return _Recording(kind, 0, record, night.start, night.start, 0.0, 0.0)
    ends = segments["start"] + segments["duration"]
    seconds = float(segments["duration"].sum())
    records = round(seconds / record) if record else int(header["num_records"])
    first = float(source["start"].min()) if len(source["start"]) else 0.0
    last = float(ends.max()) if len(ends) else first
    end = None if night.start is None else night.start + datetime.timedelta(seconds=last)
    return _Recording(kind, records, record, night.start, end, seconds, last - first)


def run_headers(run: Run, command: Command) -> None:
    """HEADERS [signals] [sig=...]: a row for the recording, and one for each signal."""
    found = _recording(run)
    names = run.signals(command)
    start, end = found.start, found.end
    values: dict[str, Any] = {
        "NR": found.records,
        "NS": len(names),
        "NS_ALL": len(run.night.signals) + found.is_plus,
        "EDF_ID": str(run.night.edf_header["local_patient_identification"]) or _NONE,
        "EDF_TYPE": found.kind,
        "REC_DUR": found.record_duration,
        "REC_DUR_SEC": found.seconds,
        "REC_DUR_HMS": _hms(found.seconds),
        "TOT_DUR_SEC": found.span,
        "TOT_DUR_HMS": _hms(found.span),
        "START_DATE": _date(start),
        "START_TIME": _time(start),
        "STOP_DATE": _date(end),
        "STOP_TIME": _time(end),
    }
    if command.parameters.flag("signals"):
        values["SIGNALS"] = ",".join(map(run.label, names))
    for name, value in values.items():
        run.put("HEADERS", name, value)
    positions = {name: number for number, name in enumerate(run.night.signals, 1)}
    rows = [_signal(run.night.signals[name].attributes, positions[name]) for name in names]
    if rows:
        run.put_columns("HEADERS", {"CH": names}, {key: [row[key] for row in rows] for key in rows[0]})


def _signal(attributes: Mapping[str, AttributeValue], position: int) -> dict[str, Any]:
    """What HEADERS says of a signal; one that was computed has no limits."""

    def number(name: str) -> float | None:
        value = edf.decode_number(str(attributes.get(name, "")).encode("ascii", "replace"))
        return None if value is None else float(value)

    digital = [number(f"digital_{end}") for end in ("maximum", "minimum")]
    return {
        "SR": float(attributes["sampling_rate"]),
        "PDIM": str(attributes["units"]) or _NONE,
        "TRANS": str(attributes.get("transducer", "")) or _NONE,
        "PMIN": number("physical_minimum"),
        "PMAX": number("physical_maximum"),
        "DMIN": None if digital[1] is None else int(digital[1]),
        "DMAX": None if digital[0] is None else int(digital[0]),
        "SENS": float(attributes["scale_factor"]),
        "POS": position,
        "TYPE": _TYPES.get(str(attributes["kind"]), "GENERIC"),
    }


def run_desc(run: Run, command: Command) -> None:
    """DESC [channels] [sig=...]: the recording in words; or the signals alone, one in each line."""
    names = run.signals(command)
    if command.parameters.flag("channels"):
        run.show("\n".join(map(run.label, names)))
        return
    found = _recording(run)
    lines = {"EDF filename": run.night.path, "ID": run.id}
    if found.is_plus:
        lines["Header start time"] = _time(found.start) or "unknown"
        lines["Last observed time"] = _time(found.end) or "unknown"
    else:
        lines["Clock time"] = f"{_time(found.start) or 'unknown'} - {_time(found.end) or 'unknown'}"
    lines["Duration"] = f"{_hms(found.seconds)}  {found.seconds:.10g} sec"
    if found.kind.endswith("+D"):
        lines["Duration (w/ gaps)"] = f"{_hms(found.span).replace(':', '.')}  {found.span:.10g} sec"
    total = len(run.night.signals)
    lines["# signals"] = str(total) if len(names) == total else f"{len(names)} selected (of {total})"
    if found.is_plus:
        lines["# EDF annotations"] = "1"
    shown = [f"{run.label(name)}[{run.night.signals[name].sampling_rate:g}]" for name in names]
    rows = [" ".join(shown[at : at + _SIGNALS_IN_LINE]) for at in range(0, len(shown), _SIGNALS_IN_LINE)] or [
        ""
    ]
    lines["Signals"] = f"\n{'':20}".join(rows)
    run.show("\n".join(f"{name:<18}: {text}" for name, text in lines.items()))


def _hms(seconds: float) -> str:
    whole = int(seconds + 1e-6)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _date(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%d.%m.%y")


def _time(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%H.%M.%S")
