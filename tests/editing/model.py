"""A session in plain memory: what an archive must be after the same operations."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from editing.referee import Epoch, Stretch, grid, kept_samples, seconds_left, segments, touches
from eegarchive.state import State


@dataclass
class Signal:
    """Samples as they are stored, and attributes."""

    samples: np.ndarray
    attributes: dict[str, Any]


@dataclass
class ModelState:
    """A state with everything in lists."""

    signals: dict[str, Signal]
    segments: list[Stretch]
    annotations: list[tuple[float, float, str, str, str, str]] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)

    def copy(self) -> ModelState:
        return copy.deepcopy(self)

    @property
    def duration(self) -> float:
        return sum(b - a for a, b in self.segments)

    def set_epochs(self, length: float, step: float) -> bool:
        """Whether there are any."""
        found = grid(self.segments, length, step, 0.0)
        known = {(e.start, e.stop): e.number for e in self.epochs}
        stays = all(stretch in known for stretch in found)
        if found:
            self.epochs = [
                Epoch(known[stretch] if stays else i + 1, *stretch, False) for i, stretch in enumerate(found)
            ]
        return bool(found)

    def mask(self, out: set[int]) -> None:
        """Mask the epochs of these numbers, besides those that are."""
        self.epochs = [e._replace(masked=e.masked or e.number in out) for e in self.epochs]

    def having(self, kind: str) -> set[int]:
        """Numbers of the epochs that an annotation of a kind touches."""
        return {
            e.number
            for e in self.epochs
            for onset, duration, _, own, *_ in self.annotations
            if own == kind and touches(onset, duration, (e.start, e.stop))
        }

    def restructure(self, records: tuple[list[tuple[int, int]], int] | None) -> None:
        """Cut out what is masked, second by second."""
        if not any(e.masked for e in self.epochs):
            return
        left = seconds_left(self.segments, self.epochs, records)
        for signal in self.signals.values():
            kept = kept_samples(self.segments, left, signal.attributes["sampling_rate"])
            signal.samples = signal.samples[kept]
        self.segments = left
        self.epochs = [e for e in self.epochs if not e.masked]

    def add(self, events: list[tuple[float, float, str, str]]) -> None:
        """Add annotations (onset, duration, text, set) whose kind is their text."""
        self.annotations += [(a, d, text, text, "", group) for a, d, text, group in events]
        self.annotations.sort(key=lambda row: row[0])


def of(state: State) -> ModelState:
    """What a state is, read whole."""
    signals = {}
    for name, signal in state.signals.items():
        attributes = signal.attributes
        attributes.pop("samples_sha256", None)
        signals[name] = Signal(signal.digital[:], attributes)
    columns = state.annotations.columns()
    annotations = list(zip(*(columns[name].tolist() for name in columns), strict=True))
    columns = state.epochs.columns()
    epochs = [
        Epoch(n, a, a + d, bool(m))
        for n, a, d, m in zip(*(columns[name].tolist() for name in columns), strict=True)
    ]
    return ModelState(signals, segments(state), annotations, epochs)


def assert_equal(found: ModelState, expected: ModelState) -> None:
    """Two states are the same in all they hold."""
    assert list(found.signals) == list(expected.signals)
    for name, signal in expected.signals.items():
        assert found.signals[name].samples.dtype == signal.samples.dtype
        np.testing.assert_array_equal(found.signals[name].samples, signal.samples, err_msg=name)
        assert found.signals[name].attributes == signal.attributes
    assert found.segments == expected.segments
    assert found.epochs == expected.epochs
    assert [_comparable(row) for row in found.annotations] == [
        _comparable(row) for row in expected.annotations
    ]


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if isinstance(value, float) and math.isnan(value) else value for value in row)
