"""The EDF that formats are measured against: its samples, read from the file's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import edf, records

Values = npt.NDArray[np.float64]

#: Samples of all signals together that are handled at a time.
_BLOCK_SAMPLES = 2**20


@dataclass(frozen=True)
class Group:
    """Signals of one sampling rate, in the order in which a reader gives them.

    Attributes
    ----------
    signals : tuple of int
        Numbers of signals of the EDF.
    rate : float
    samples : int
        How many each has.
    """

    signals: tuple[int, ...]
    rate: float
    samples: int

    def blocks(self) -> list[tuple[int, int]]:
        """All sample numbers in stretches of a bounded size."""
        step = max(1, _BLOCK_SAMPLES // len(self.signals))
        return [(at, min(at + step, self.samples)) for at in range(0, self.samples, step)]


class Source:
    """An EDF or BDF file, its samples by signal.

    Attributes
    ----------
    header : edf.Header
    signals : list of edf.SignalHeader
        Those that have samples.
    groups : list of Group
        All signals, from the highest rate down.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.header = edf.read_header(file, str(path))
        self.signals = [s for s in self.header.signals if not s.is_annotation and s.samples_per_record]
        widths = [s.samples_per_record * self.header.sample_bytes for s in self.header.signals]
        self._columns = np.cumsum([0, *widths])
        counts = sorted({s.samples_per_record for s in self.signals}, reverse=True)
        self.groups = [self._group(count) for count in counts]
        self.scales = np.array([abs((s.calibration or (1.0, 0.0))[0]) for s in self.signals])
        shape = (self.header.num_records, self.header.record_bytes)
        self._bytes: npt.NDArray[Any] = (
            np.memmap(path, np.uint8, "r", len(self.header.raw), shape)
            if all(shape)
            else np.empty(shape, np.uint8)
        )

    def _group(self, count: int) -> Group:
        own = [i for i, signal in enumerate(self.signals) if signal.samples_per_record == count]
        rate = float(self.header.sampling_rate(self.signals[own[0]]))
        return Group(tuple(own), rate, count * self.header.num_records)

    @property
    def num_samples(self) -> int:
        """Samples of all signals."""
        return sum(group.samples * len(group.signals) for group in self.groups)

    @property
    def seconds(self) -> float:
        """How long the data last."""
        return max(group.samples / group.rate for group in self.groups) if self.groups else 0.0

    def read(self, group: Group, start: int, stop: int) -> Values:
        """Physical values of samples [start, stop) of a group's signals."""
        out = np.empty((len(group.signals), stop - start))
        for row, number in zip(out, group.signals, strict=True):
            signal = self.signals[number]
            row[:] = self._digital(signal, start, stop)
            scale, offset = signal.calibration or (1.0, 0.0)
            row *= scale
            row += offset
        return out

    def _digital(self, signal: edf.SignalHeader, start: int, stop: int) -> npt.NDArray[Any]:
        count, size = signal.samples_per_record, self.header.sample_bytes
        left = int(self._columns[signal.index])
        first, last = start // count, -(-stop // count)
        own = self._bytes[first:last, left : left + count * size]
        samples = records.decode_samples(np.ascontiguousarray(own), self.header.is_bdf)
        return samples[start - first * count : stop - first * count]
