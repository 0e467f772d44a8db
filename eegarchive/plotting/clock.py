"""Sample numbers and times of a state, and where ticks stand on its clock."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive.layout import FREEZES, SOURCE_FREEZE
from eegarchive.state import State, first_samples

#: A time this close to a sample (in samples) is on it.
_ON_SAMPLE = 1e-6
_DAY = 86_400
#: Distances between ticks in seconds.
_STEPS = (
    *(m * 10.0**e for e in (-3, -2, -1) for m in (1, 2, 5)),
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200, _DAY),
)


@dataclass(frozen=True)
class Clock:
    """The recording clock of a state: its segments, and when zero was.

    Attributes
    ----------
    starts, ends : (segments,) float64
        Seconds.
    origin : datetime or None
    begin, end : float
        What there is of the recording: from the first to the last second that the source or the state has, or
        that annotations speak of where there are no samples.
    """

    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    origin: datetime.datetime | None
    begin: float
    end: float

    @classmethod
    def of(cls, state: State) -> Clock:
        """The clock of a state."""
        segments = state.segments.columns()
        starts, ends = segments["start"], segments["start"] + segments["duration"]
        source = State(state._file.recording, f"{FREEZES}/{SOURCE_FREEZE}").segments.columns()
        begins = np.concatenate([starts, source["start"]])
        stops = np.concatenate([ends, source["start"] + source["duration"]])
        if not (stops > begins).any():
            annotations = state.annotations.columns()
            begins, stops = (
                annotations["onset"],
                annotations["onset"] + np.nan_to_num(annotations["duration"]),
            )
        begin, end = (float(begins.min()), float(stops.max())) if len(begins) else (0.0, 0.0)
        return cls(starts, ends, state.start, begin, end if end > begin else begin + 1.0)

    def firsts(self, rate: float) -> npt.NDArray[np.int64]:
        """Number of each segment's first sample, and how many there are in all (spec T-5)."""
        return first_samples(self.ends - self.starts, rate)

    def times(self, samples: npt.NDArray[np.int64], rate: float) -> npt.NDArray[np.float64]:
        """Seconds at which samples lie."""
        firsts = self.firsts(rate)[:-1]
        at = np.searchsorted(firsts, samples, side="right") - 1
        found: npt.NDArray[np.float64] = self.starts[at] + (samples - firsts[at]) / rate
        return found

    def samples(self, rate: float, begin: float, end: float) -> tuple[int, int]:
        """Numbers [first, stop) of the samples that hold somewhere in [begin, end)."""
        firsts = self.firsts(rate)
        k = int(np.searchsorted(self.ends, begin, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left")) - 1
        if k >= len(self.starts) or last < k:
            return 0, 0
        first = firsts[k] + max(0, math.floor((begin - self.starts[k]) * rate + _ON_SAMPLE))
        stop = firsts[last] + math.ceil((end - self.starts[last]) * rate - _ON_SAMPLE)
        return int(first), int(max(first, min(stop, firsts[last + 1])))

    def gaps(self, begin: float, end: float) -> list[tuple[float, float]]:
        """Start and length of what isn't in a segment between two times; none where there are no segments."""
        if not len(self.starts):
            return []
        lefts = np.clip([begin, *self.ends], begin, end)
        rights = np.clip([*self.starts, end], begin, end)
        lasts = rights - lefts
        return [(float(a), float(b)) for a, b in zip(lefts, lasts, strict=True) if b > _ON_SAMPLE]

    def text(self, seconds: float, digits: int = 0, with_seconds: bool = True) -> str:
        """A time as people read it: of day where the recording states when it began, else since its start."""
        total = round((seconds + self._of_day()) * 10**digits)
        whole, fraction = divmod(abs(total), 10**digits)
        minutes, second = divmod(whole, 60)
        hour = minutes // 60 % 24 if self.origin is not None else minutes // 60
        shown = f"{hour:02d}:{minutes % 60:02d}" if self.origin is not None else f"{hour}:{minutes % 60:02d}"
        shown += f":{second:02d}" if with_seconds else ""
        return ("-" if total < 0 else "") + shown + (f".{fraction:0{digits}d}" if digits else "")

    def _of_day(self) -> float:
        if self.origin is None:
            return 0.0
        at = self.origin
        return at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6

    def ticks(self, begin: float, end: float, most: int) -> tuple[list[float], list[str]]:
        """Where ticks stand, at round times, and what they say; fewer than `most` where seconds have to be told."""
        step = next((s for s in _STEPS if (end - begin) / s <= (most if s >= 60 else 0.6 * most)), None)
        if step is None:
            step = _DAY * math.ceil((end - begin) / _DAY / most)
        shift = self._of_day()
        numbers = range(
            math.ceil((begin + shift - _ON_SAMPLE) / step), math.floor((end + shift + _ON_SAMPLE) / step) + 1
        )
        digits = max(0, -math.floor(math.log10(step) + _ON_SAMPLE))
        at = [n * step - shift for n in numbers]
        return at, [self.text(t, digits, with_seconds=step < 60) for t in at]

    @property
    def axis_label(self) -> str:
        """What the time axis shows."""
        return "time of day" if self.origin is not None else "time from zero of the recording clock"
