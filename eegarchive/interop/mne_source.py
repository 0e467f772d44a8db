"""What a lazily read MNE Raw reads from: chosen signals of a state, placed on one row of equally spaced samples."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import layout, processing
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.interop.mne_channels import Channel, calibrate
from eegarchive.interop.views import View, reading
from eegarchive.state import State, stretches
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.samples import read_pieces
from eegarchive.storage.workers import spread

#: Reads of fewer samples in all are quicker in the calling thread.
_SPREAD_SAMPLES = 500_000
#: A time this close to a sample (in samples) is on it.
_ON_SAMPLE = 1e-6
#: What sums of decimal times leave of rounding, in seconds.
_SAME_TIME = 1e-6


@dataclass(frozen=True)
class Run:
    """A segment of the state, by its number: samples [start, stop) of the row are those from `first` on."""

    segment: int
    start: int
    stop: int
    first: int


class Source:
    """Channels of one rate over one stretch of the recording clock; what lies in gaps is 0.

    It says for ever what the state said when it was made: stored samples never change. It pickles.

    Attributes
    ----------
    channels : list of Channel
    rate : float
        Samples per second of all of them.
    begin : float
        Where on the recording clock the first sample lies.
    runs : list of Run
    first : int
        Samples from the start of the source's recording to the first one.
    segments : (segments, 2) float64
        Start and duration of each of the state's segments.
    types : list of str
        MNE's types of the channels, where they are known.
    """

    def __init__(
        self, state: State, channels: Sequence[Channel], rate: float, segment: int | None = None
    ) -> None:
        self.channels, self.rate = list(channels), rate
        self.path, self._base = str(state._file.path), state._file.base
        segments = state.segments.columns()
        if not len(segments["start"]):
            raise EEGArchiveError(f"{self.path}: there are no samples")
        self.segments = np.stack([segments["start"], segments["duration"]], axis=1)
        self.types: list[str] = []
        spans = stretches(segments["duration"], rate, self._expected(segments["duration"]))
        chosen = list(range(len(spans))) if segment is None else [segment]
        starts = segments["start"][chosen]
        self.begin = float(starts[0])
        self.runs = _runs(self.path, (starts - self.begin) * rate, spans, chosen)
        self._lengths = [stop - start for start, stop in spans]
        self.first = round((self.begin - origin(state)) * rate)
        self._spans = {
            c.rate: stretches(segments["duration"], c.rate, c.count) for c in channels if c.rate != rate
        }
        #: Whole channels that were resampled, by their place.
        self._resampled: dict[int, npt.NDArray[np.float32]] = {}
        self._file: ArchiveFile | None = state._file
        #: What it reads by once it has been detached.
        self._view: View | None = None
        self._puts = [channel.put() for channel in self.channels]

    def _expected(self, durations: npt.NDArray[np.float64]) -> int:
        """How many samples each channel has at the rate of all."""
        own = {channel.count for channel in self.channels if channel.rate == self.rate}
        if len(own) > 1:
            raise InvalidArchive(
                f"{self.path}: signals of {self.rate:.10g} Hz have {' and '.join(map(str, sorted(own)))} samples"
            )
        return own.pop() if own else round(math.fsum(durations) * self.rate)

    def detach(self) -> None:
        """Have a view of the file of its own, so that the caller may close his."""
        self._view, self._file = View(self.path, self._base), None
        self._view.file()

    def let_go(self) -> None:
        """Read no more: for a source inside an edit, whose file ends with it."""
        self._file = None

    def keep_units(self) -> None:
        """Give values in the signals' own units from now on, not in volts, and triggers like any other."""
        self.channels = [
            replace(channel, is_trigger=False, attributes={**channel.attributes, "units": ""})
            for channel in self.channels
        ]
        self._puts = [channel.put() for channel in self.channels]

    def _opened(self) -> ArchiveFile:
        if self._view is not None:
            return self._view.file()
        if self._file is None:
            raise EEGArchiveError(f"{self.path}: the edit that this was read in has ended; read it again")
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_resampled": {}}

    @property
    def count(self) -> int:
        """How many samples the row has, gaps included."""
        return self.runs[-1].stop

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Samples [start, stop) between the segments; none between two means less than one."""
        return [(a.stop, b.start) for a, b in itertools.pairwise(self.runs)]

    def places(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The samples of the row nearest to times on the recording clock, each counted from its segment's start."""
        starts = self.segments[[run.segment for run in self.runs], 0]
        home = np.maximum(np.searchsorted(starts, times + _SAME_TIME, side="right") - 1, 0)
        rows = np.array([run.start for run in self.runs])
        found: npt.NDArray[np.int64] = rows[home] + np.rint((times - starts[home]) * self.rate).astype(
            np.int64
        )
        return found

    def read(self, out: npt.NDArray[np.float64], rows: Sequence[int], start: int, stop: int) -> None:
        """Put samples [start, stop) of some channels into `out`: (channels, samples)."""
        file = self._opened()
        runs = [run for run in self.runs if run.start < stop and start < run.stop]
        if sum(min(run.stop, stop) - max(run.start, start) for run in runs) < stop - start:
            out[...] = 0.0

        def fill(i: int) -> None:
            row = rows[i]
            for run in runs:
                a, b = max(run.start, start), min(run.stop, stop)
                self._read_run(file, row, run, a - run.start, b - run.start, out[i, a - start : b - start])

        pieces = (piece for row in rows for piece in self.channels[row].pieces)
        with reading(file, pieces):
            several = spread if out.size >= _SPREAD_SAMPLES and len(rows) > 1 else map
            for _ in several(fill, range(len(rows))):
                pass
        if stop - start == self.count:
            self._resampled.clear()  # whoever has read all of it has it

    def _read_run(
        self, file: ArchiveFile, row: int, run: Run, start: int, stop: int, out: npt.NDArray[np.float64]
    ) -> None:
        """Read samples [start, stop) of a run."""
        channel, first = self.channels[row], run.first
        if channel.rate == self.rate:
            read_pieces(channel.pieces, file.stored, first + start, first + stop, out, self._puts[row])
        elif channel.is_trigger:
            self._hold(file, row, self._spans[channel.rate][run.segment], start, stop, out)
        else:
            np.multiply(
                self._whole(file, row)[first + start : first + stop], channel.gain, out=out, dtype=np.float64
            )

    def _hold(
        self,
        file: ArchiveFile,
        row: int,
        span: tuple[int, int],
        start: int,
        stop: int,
        out: npt.NDArray[np.float64],
    ) -> None:
        """Codes have no values in between: each sample is the last one that was there at its time."""
        channel, (first, last) = self.channels[row], span
        places = np.arange(start, stop) * (channel.rate / self.rate)
        own = np.clip(first + np.floor(places + _ON_SAMPLE).astype(np.int64), first, last - 1)
        values = np.empty(int(own[-1] - own[0]) + 1)
        read_pieces(channel.pieces, file.stored, int(own[0]), int(own[-1]) + 1, values, self._puts[row])
        out[...] = values[own - own[0]]

    def _whole(self, file: ArchiveFile, row: int) -> npt.NDArray[np.float32]:
        """A resampled channel, all of it at once: then no read has edges of its own."""
        if row not in self._resampled:
            channel = self.channels[row]
            scale, offset = (float(channel.attributes[name]) for name in ("scale_factor", "add_offset"))
            put = functools.partial(calibrate, scale, offset, 1.0)

            def read(start: int, stop: int) -> npt.NDArray[np.float64]:
                values = np.empty(stop - start)
                read_pieces(channel.pieces, file.stored, start, stop, values, put)
                return values

            spans = self._spans[channel.rate]
            lengths = processing.resampled_lengths(spans, channel.rate, self.rate)
            if lengths != self._lengths:
                raise EEGArchiveError(
                    f"{self.path}: {channel.name!r}: a segment has no whole number of samples at {self.rate:.10g} Hz"
                )
            parts = list(processing.resampled(read, spans, channel.rate, self.rate))
            self._resampled[row] = np.concatenate(parts)
        return self._resampled[row]


def origin(state: State) -> float:
    """Where on the recording clock the source's first sample lies, which is MNE's sample 0."""
    with state._file.reading():
        file, found = state._file.recording, state
        if layout.SOURCE_FREEZE in guard.names(file.group(layout.FREEZES)):
            found = State(file, f"{layout.FREEZES}/{layout.SOURCE_FREEZE}")
        starts = found.segments["start"]
    return float(starts[0]) if len(starts) else 0.0


def _runs(
    where: str,
    exact: npt.NDArray[np.float64],
    spans: Sequence[tuple[int, int]],
    chosen: Sequence[int],
) -> list[Run]:
    """Place segments on the row, each at the sample nearest to its start.

    Raises
    ------
    EEGArchiveError
        If one starts before the end of the one before.
    """
    runs: list[Run] = []
    for place, segment in zip(exact.tolist(), chosen, strict=True):
        first, last = spans[segment]
        end = runs[-1].stop if runs else 0
        if place < end - 1.0:
            raise EEGArchiveError(
                f"{where}: a segment starts before the one before it ends, which MNE's Raw can't show; "
                "take them one by one (gaps='split')"
            )
        at = max(end, round(place))
        runs.append(Run(segment, at, at + last - first, first))
    return runs
