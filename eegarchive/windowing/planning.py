"""Where windows lie: which signals they are of, which samples, and which of them masked epochs drop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.state import Signal, State, first_samples

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
#: What sums of decimal times leave of rounding: seconds, and parts of a sample.
_SAME_TIME = 1e-6
_ON_SAMPLE = 1e-6
#: No recording lasts that long: thirty years.
_MAX_SECONDS = 1e9
#: As many as fit into memory with what is known of each.
_MOST_WINDOWS = 10**8


@dataclass(frozen=True)
class Plan:
    """Windows of one state, in order.

    Attributes
    ----------
    numbers : (windows,) int64
        Each window's number among all that fit into the recording, dropped ones too.
    starts : (windows,) int64
        Its first sample among those of a signal.
    onsets : (windows,) float64
        Time of that sample on the recording clock.
    samples : int
        How many samples each window has.
    rate : float
        Samples per second.
    """

    numbers: Integers
    starts: Integers
    onsets: Floats
    samples: int
    rate: float

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def ends(self) -> Floats:
        """Where each window ends on the recording clock."""
        return self.onsets + self.samples / self.rate

    def only(self, kept: npt.NDArray[np.bool_]) -> Plan:
        """The windows of which `kept` holds."""
        return Plan(self.numbers[kept], self.starts[kept], self.onsets[kept], self.samples, self.rate)


def listed_picks(picks: str | Iterable[str] | None) -> list[str] | None:
    """Names, labels or kinds as a list; None stays None.

    Raises
    ------
    EEGArchiveError
        If one isn't a text.
    """
    if picks is None:
        return None
    if not isinstance(picks, Iterable) or isinstance(picks, bytes):
        raise EEGArchiveError(f"picks are names, labels or kinds of signals, not {picks!r}")
    listed = [picks] if isinstance(picks, str) else list(picks)
    for one in listed:
        if not isinstance(one, str):
            raise EEGArchiveError(f"picks are names, labels or kinds of signals, not {one!r}")
    return [str(one) for one in listed]


def pick(state: State, picks: Sequence[str] | None, where: str) -> list[Signal]:
    """The signals that windows are of: by name, label or kind; all of them if `picks` is None.

    Raises
    ------
    NotInArchive
        If there is no such signal.
    EEGArchiveError
        If there is none at all, or they differ in sampling rate.
    """
    signals = list(state.signals.values())
    if picks is not None:
        found: dict[str, Signal] = {}
        names = list(state.signals)
        labels = {signal.label.strip() for signal in signals}
        for wanted in picks:
            if wanted in names or wanted.strip() in labels:
                chosen = [state.signals[wanted]]  # which says so if several have that label
            else:
                chosen = [signal for signal in signals if signal.kind == wanted]
            if not chosen:
                kinds = ", ".join(dict.fromkeys(signal.kind for signal in signals))
                raise NotInArchive(
                    f"{where}: no signal or kind {wanted!r}; there are {', '.join(names)}, of {kinds}"
                )
            found.update((signal.name, signal) for signal in chosen)
        signals = list(found.values())
    if not signals:
        raise EEGArchiveError(f"{where}: windows of no signals")
    rates: dict[float, list[str]] = {}
    for signal in signals:
        rates.setdefault(signal.sampling_rate, []).append(signal.name)
    if len(rates) > 1:
        listed = "; ".join(f"{rate:g} Hz: {', '.join(names)}" for rate, names in rates.items())
        raise EEGArchiveError(
            f"{where}: windows need one sampling rate, these signals have {listed}. "
            "Pick signals of one rate, or resample them"
        )
    return signals


def plan(state: State, rate: float, length: float, step: float) -> Plan:
    """All windows that fit into a state's segments; none crosses a gap.

    Window k of a segment begins at its first sample at or behind `k * step` seconds, and has as many samples as
    `length` has, rounded.
    """
    for what, value in (("length", length), ("step", step)):
        if not (0 < value < _MAX_SECONDS):
            raise EEGArchiveError(f"the {what} of windows is a time in seconds, not {value!r}")
        if value * rate < 1 - _ON_SAMPLE:
            raise EEGArchiveError(
                f"the {what} of windows is {value:g} s, but a sample at {rate:.10g} Hz lasts {1 / rate:g} s"
            )
    samples = round(length * rate)
    columns = state.segments.columns()
    edges = first_samples(columns["duration"], rate)
    first, sizes = edges[:-1], np.diff(edges)
    most = np.maximum(0, np.floor((sizes - samples) / (step * rate) + _ON_SAMPLE).astype(np.int64) + 1)
    most[sizes < samples] = 0
    if most.sum() > _MOST_WINDOWS:
        raise EEGArchiveError(f"that gives {most.sum()} windows, {_MOST_WINDOWS} at most; take longer steps")
    of = np.repeat(np.arange(len(sizes)), most)
    k = np.arange(len(of)) - np.repeat(np.cumsum(most) - most, most)
    within = np.ceil(k * (step * rate) - _ON_SAMPLE).astype(np.int64)
    fits = within + samples <= sizes[of]
    within, of = within[fits], of[fits]
    return Plan(
        np.arange(len(of)), first[of] + within, columns["start"][of] + within / rate, samples, float(rate)
    )


def unmasked(windows: Plan, state: State) -> npt.NDArray[np.bool_]:
    """Which windows overlap no masked epoch."""
    epochs = state.epochs.columns()
    out = epochs["masked"].astype(bool)
    starts, ends = epochs["start"][out], (epochs["start"] + epochs["duration"])[out]
    return covered(windows, starts, ends) <= _SAME_TIME


def covered(windows: Plan, starts: Floats, ends: Floats) -> Floats:
    """How many seconds of each window lie in at least one of some intervals."""
    real = ends > starts  # not where an end is NaN
    starts, ends = starts[real], ends[real]
    if not len(starts):
        return np.zeros(len(windows))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = np.concatenate([[True], starts[1:] > ends[:-1]])
    starts, ends = starts[apart], ends[np.append(np.flatnonzero(apart)[1:] - 1, len(ends) - 1)]
    edges = np.stack([starts, ends], axis=1).ravel()
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])
    totals = np.stack([before[:-1], before[1:]], axis=1).ravel()
    return np.asarray(np.interp(windows.ends, edges, totals) - np.interp(windows.onsets, edges, totals))
