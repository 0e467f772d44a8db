"""From an EDF header and its TALs to a state: signal attributes, segments and annotations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import channels, edf, layout, stages, tal
from eegarchive.errors import EDFError
from eegarchive.storage import objects
from eegarchive.storage.objects import AttributeValue

ANNOTATION_SET = "edf"
_MAX_TABLE_BYTES = 2**31


def signal_attributes(header: edf.Header, signal: edf.SignalHeader) -> dict[str, AttributeValue]:
    """Attributes of one signal (spec S-4, S-5): what it is and how to scale it, then its EDF fields."""
    calibration = signal.calibration
    scale, offset = calibration or (1.0, 0.0)
    found: dict[str, AttributeValue] = {
        "label": signal.label,
        "kind": channels.kind_of(signal.label),
        "units": signal.texts["physical_dimension"] if calibration else "",
        "sampling_rate": float(header.sampling_rate(signal)),
        "scale_factor": scale,
        "add_offset": offset,
    }
    for name in layout.EDF_SIGNAL_ATTRIBUTES:
        found[name] = signal.samples_per_record if name == "samples_per_record" else signal.texts[name]
    return found


class Timekeeper:
    """Collects record onsets and annotations while the records are read, then gives the tables."""

    def __init__(self, header: edf.Header) -> None:
        self._header = header
        self._signals = [s.index for s in header.signals if s.is_annotation]
        self._clock = next(
            (s.index for s in header.signals if s.is_annotation and s.samples_per_record), None
        )
        self._onsets: list[npt.NDArray[np.float64]] = []
        self._annotations: dict[int, list[tal.Annotation]] = {index: [] for index in self._signals}
        self._report = tal.TalReport()
        self._records = dict.fromkeys(self._signals, 0)
        self._pieces: dict[int, bytes] = {}

    def take(self, signal: int, raw: npt.NDArray[np.uint8]) -> None:
        """Take one annotation signal's bytes in the next records, shape (records, bytes)."""
        width = self._header.signals[signal].samples_per_record * self._header.sample_bytes
        if raw.shape[1] < width:  # a huge record comes in parts
            kept = self._pieces.pop(signal, b"") + raw.tobytes()
            if len(kept) < width:
                self._pieces[signal] = kept
                return
            raw = np.frombuffer(kept, np.uint8).reshape(1, width)
        keeps_time = signal == self._clock
        onsets, found = tal.parse_records(raw, self._records[signal], keeps_time, self._report)
        self._records[signal] += len(raw)
        self._annotations[signal] += found
        if keeps_time:
            self._onsets.append(onsets)

    @property
    def kind(self) -> str:
        """The recording's kind; where the header doesn't state it, what the records show."""
        stated = self._header.stated_kind
        if "+" in stated or not self._signals:
            return stated
        return f"{stated}+{'D' if len(self._starts()[0]) > 1 else 'C'}"

    def _starts(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Start times of the contiguous runs of records, and the number of records in each."""
        header = self._header
        ordinary = any(not s.is_annotation and s.samples_per_record for s in header.signals)
        if header.num_records == 0 or not ordinary:
            return np.empty(0), np.empty(0, np.int64)
        duration = float(header.record_duration or 1)
        stated = np.concatenate(self._onsets) if self._onsets else np.full(header.num_records, np.nan)
        first = 0.0 if np.isnan(stated[0]) else float(stated[0])
        if header.stated_kind.endswith("+C") or np.isnan(stated).all():
            return np.array([first]), np.array([header.num_records])
        # how far each record is from where a recording without gaps has it; unstated ones follow on
        late = stated - first - np.arange(header.num_records) * duration
        late[0] = 0.0
        known = np.maximum.accumulate(np.where(np.isnan(late), 0, np.arange(len(late))))
        late = late[known]
        breaks = _breaks(late, self._tolerance())
        counts = np.diff([*breaks, header.num_records])
        starts = stated[breaks]  # all known: a record that states no time never breaks
        starts[0] = first
        return starts, counts.astype(np.int64)

    def _tolerance(self) -> float:
        """Half a sample of the fastest signal: records that near to the end of the last continue it."""
        header = self._header
        rates = [float(header.sampling_rate(s)) for s in header.signals if not s.is_annotation]
        return 0.5 / max([*rates, 1.0])

    def segment_rows(self) -> npt.NDArray[np.void]:
        """Rows of the segments table; none for a recording of annotations only."""
        header = self._header
        starts, counts = self._starts()
        duration = header.record_duration or 1
        durations = [float(int(count) * duration) for count in counts]
        self._report_times(starts, durations)
        return objects.make_rows(
            layout.STATE_TABLES[layout.SEGMENTS], {"start": starts, "duration": durations}
        )

    def _report_times(self, starts: npt.NDArray[np.float64], durations: list[float]) -> None:
        header = self._header
        if "+" not in header.stated_kind and self._signals and len(starts) > 1:
            header.oddities.append(
                edf.Oddity(
                    "gaps-not-stated",
                    f"{len(starts) - 1} gaps between records, which the header doesn't state; they are kept",
                )
            )
        ends = starts[:-1] + durations[:-1]
        back = int(np.count_nonzero(starts[1:] < ends - self._tolerance()))
        if back:
            header.oddities.append(
                edf.Oddity("records-go-back", f"{back} records start before the end of the one before")
            )
        if header.stated_kind.endswith("+C") and len(starts) and self._onsets:
            stated = np.concatenate(self._onsets)
            expected = np.arange(len(stated)) * float(header.record_duration) + np.nan_to_num(stated[:1])
            with np.errstate(invalid="ignore"):
                off = int(np.count_nonzero(np.abs(stated - expected) > self._tolerance()))
            if off and header.record_duration:
                header.oddities.append(
                    edf.Oddity(
                        "gaps-in-continuous",
                        f"{off} records state another time than a continuous recording has; "
                        f"the header says {header.stated_kind}, which counts",
                    )
                )
        for code in sorted(self._report.counts):
            count, where = self._report.counts[code], self._report.first[code]
            header.oddities.append(
                edf.Oddity(code, f"{count} {tal.MEANINGS[code]}; the first in record {where}")
            )

    def annotation_rows(self) -> npt.NDArray[np.void]:
        """Rows of the annotations table, in order of onset; equal ones by signal, then by record."""
        found = sorted(itertools.chain(*self._annotations.values()), key=lambda a: a.onset)
        texts = [a.text for a in found]
        longest = max((len(text.encode("utf-8")) for text in texts), default=0)
        if longest * len(found) > _MAX_TABLE_BYTES:
            raise EDFError(
                f"{len(found)} annotations, the longest of {longest} bytes, are more than a table can hold"
            )
        values: dict[str, Any] = {
            "onset": np.array([a.onset for a in found], float),
            "duration": np.array([a.duration for a in found], float),
            "text": texts,
            "kind": [stages.kind_of(text) for text in texts],
            "channel": [stages.channel_of(text) for text in texts],
            "set": [ANNOTATION_SET] * len(found),
        }
        return objects.make_rows(layout.STATE_TABLES[layout.ANNOTATIONS], values)


def _breaks(late: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.int64]:
    """Numbers of the records that start a contiguous run: where lateness has changed by more than allowed.

    Jumps are found for all records at once; a run that drifts away slowly is cut where it has drifted
    too far.
    """
    jumps = np.flatnonzero(np.abs(np.diff(late)) > tolerance) + 1
    edges = [0, *jumps.tolist(), len(late)]
    starts: list[int] = []
    for a, b in itertools.pairwise(edges):
        at = a
        while at < b:
            starts.append(at)
            at = _first_apart(late, at, b, tolerance)
    return np.array(starts, np.int64)


def _first_apart(late: npt.NDArray[np.float64], start: int, stop: int, tolerance: float) -> int:
    """First record of [start, stop) that isn't as late as `start` is; `stop` if all are.

    The stretches looked at grow, so that neither many short runs nor a few long ones take long.
    """
    at, length = start, 64
    while at < stop:
        apart = np.abs(late[at : min(at + length, stop)] - late[start]) > tolerance
        if apart.any():
            return at + int(np.argmax(apart))
        at, length = at + length, 2 * length
    return stop
