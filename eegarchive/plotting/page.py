"""A page of traces as a reader of EEG knows it: channels one below the other, seconds, scale bars, annotations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.plotting import streaming
from eegarchive.plotting.clock import Clock
from eegarchive.plotting.lanes import Known, draw_gaps, draw_lanes, lane_rows
from eegarchive.plotting.sheet import BLUE, GREEN, GRID, INK, SOFT, label, stacked, width_of, words
from eegarchive.state import Signal, State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DEFAULT_SECONDS = 30.0
#: The traces are 300 mm wide, so that 30 seconds go by at 10 mm/s.
_TRACE_WIDTH = 300 / 25.4
_MM = 25.4
_COLUMNS = 1700
_TOP, _BOTTOM = 0.6, 0.75
#: Traces are cut off this many rows from their own, and at the panel's edge.
_CLIP_ROWS = 1.5
#: Kinds of which all signals with the same unit are drawn to one scale, as are those of other kinds in volts.
_ONE_SCALE = ("eeg", "eog", "emg", "ecg", "seeg", "ecog", "meg")
#: What a microvolt is in units of voltage.
_MICROVOLT = {"V": 1e-6, "mV": 1e-3, "uV": 1.0, "µV": 1.0, "μV": 1.0, "nV": 1e3}
#: How much of a row a typical trace takes.
_FILL = 0.8
_MOST_SECOND_LINES = 120

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Row:
    """One signal of the page: its line, the middle of it, and units for each millimetre."""

    signal: Signal
    times: Values
    values: Values
    middle: float
    per_mm: float = 1.0


def check_page(state: State, start: float | None, duration: float | None) -> tuple[float, float]:
    """Begin and end of a page, if there is anything to see on it; 30 s, or the whole of a shorter recording."""
    clock = Clock.of(state)
    where = state._file.path
    if not len(state.signals):
        raise EEGArchiveError(f"{where}: has no signals to draw traces of; leave start and duration out")
    begin = float(clock.starts[0]) if start is None and len(clock.starts) else float(start or 0.0)
    duration = min(_DEFAULT_SECONDS, clock.end - clock.begin) if duration is None else duration
    if not (math.isfinite(begin) and math.isfinite(duration) and duration > 0):
        raise EEGArchiveError(f"{where}: a page from {begin:g} s of {duration:g} s; give seconds above 0")
    if not ((clock.starts < begin + duration) & (clock.ends > begin)).any():
        there = [f"{a:.10g}-{b:.10g} s" for a, b in zip(clock.starts[:5], clock.ends[:5], strict=True)]
        more = f" and {len(clock.starts) - 5} more" if len(clock.starts) > 5 else ""
        raise EEGArchiveError(
            f"{where}: no data from {begin:.10g} to {begin + duration:.10g} s; there are {', '.join(there)}{more}"
        )
    return begin, begin + duration


def draw_page(
    state: State,
    title: str,
    signals: Sequence[Signal],
    span: tuple[float, float],
    sensitivity: float | None,
    told: Callable[[int], None],
) -> Figure:
    """Draw it; `told` hears of the samples of each signal that was read."""
    begin, end = span
    clock = Clock.of(state)
    known = Known.of(state, begin, end)
    count = len(signals)
    row = min(max(7.0 / count, 0.085), 2.2)
    size = min(8.0, row * 72 * 0.8)
    lanes = lane_rows(known, stages_as_lane=True)
    names = [label(signal.name) for signal in signals]
    left = max(width_of(names, size), width_of(lanes, 6.5), 0.8) + 0.2
    rows = _scaled(_read(signals, clock, span, told), row * _MM, sensitivity)
    bars = _bars(rows, row * _MM)
    right = max(width_of([text for _, _, text in bars], size), 0.3) + 0.35
    heights, gaps = [row * count], [0.04]
    if lanes:
        heights, gaps = [0.16 * len(lanes) + 0.05, *heights], [0.02, *gaps]
    figure, panels = stacked(heights, gaps, left + _TRACE_WIDTH + right, (left, right, _TOP, _BOTTOM))
    width, height = map(float, figure.get_size_inches())
    traces = panels[-1]
    if lanes:
        draw_lanes(panels[0], known, begin, end, stages_as_lane=True)
    draw_gaps(traces, clock, begin, end)
    traces.set_ylim(-count + 0.4, 0.6)
    cut = _draw_traces(traces, rows, row * _MM)
    _draw_marks(traces, known, [signal.name for signal in signals], [signal.label for signal in signals])
    traces.set_yticks([-i for i in range(count)], labels=names, **words(size))
    traces.tick_params(axis="y", length=0)
    for i, length, text in bars:
        traces.plot(
            [1.006, 1.006],
            [-i - length / 2, -i + length / 2],
            transform=traces.get_yaxis_transform(),
            color=INK,
            linewidth=1.2,
            solid_capstyle="butt",
            clip_on=False,
            gid="scale bar",
        )
        traces.text(
            1.012, -i, text, va="center", ha="left", transform=traces.get_yaxis_transform(), **words(size)
        )
    _draw_seconds(panels, clock, begin, end)
    when = f"{clock.text(begin)}, {end - begin:g} s from {begin:.10g} s"
    figure.text(0.1 / width, 1 - 0.1 / height, title, ha="left", va="top", **words(10, fontweight="bold"))
    figure.text(0.1 / width, 1 - 0.32 / height, when, ha="left", va="top", **words(7.5, color=SOFT))
    foot = _foot(rows, end - begin, cut)
    figure.text(0.1 / width, 0.1 / height, foot, ha="left", va="bottom", **words(6.5, color=SOFT))
    return figure


def _read(
    signals: Sequence[Signal], clock: Clock, span: tuple[float, float], told: Callable[[int], None]
) -> list[_Row]:
    rows = []
    for signal in signals:
        times, values = streaming.trace(signal, clock, *span, _COLUMNS)
        finite = values[np.isfinite(values)]
        rows.append(_Row(signal, times, values, float(np.median(finite)) if len(finite) else 0.0))
        told(len(signal))
    return rows


def _scaled(rows: Sequence[_Row], row_mm: float, sensitivity: float | None) -> list[_Row]:
    """Give every row its scale: the one asked for where it is in volts, else one that fits."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        finite = row.values[np.isfinite(row.values)]
        spread = float(np.subtract(*np.percentile(finite, [99, 1]))) if len(finite) else 0.0
        groups.setdefault(_group(row.signal), []).append(spread)
    fitting = {}
    for group, spreads in groups.items():
        there = [spread for spread in spreads if spread > 0]
        fitting[group] = _round_up(float(np.median(there)) / (_FILL * row_mm)) if there else 1.0
    return [
        _Row(
            row.signal,
            row.times,
            row.values,
            row.middle,
            sensitivity * _MICROVOLT[row.signal.units]
            if sensitivity is not None and row.signal.units in _MICROVOLT
            else fitting[_group(row.signal)],
        )
        for row in rows
    ]


def _group(signal: Signal) -> tuple[str, str]:
    """Signals that are drawn to one scale have the same group."""
    alike = signal.kind in _ONE_SCALE or signal.units in _MICROVOLT
    return (signal.kind, signal.units) if alike else (signal.name, "")


def _round_up(value: float) -> float:
    """The next of 1, 2, 3, 5, 7, 10, 15 … that isn't below."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 5, 7, 10, 15) if step * power >= value * (1 - 1e-9))


def _bars(rows: Sequence[_Row], row_mm: float) -> list[tuple[int, float, str]]:
    """A scale bar for the first row of each scale: the row, its length in rows, what it stands for."""
    found, seen = [], set()
    for i, row in enumerate(rows):
        group = _group(row.signal)
        if group in seen:
            continue
        seen.add(group)
        whole = row.per_mm * row_mm
        power = 10.0 ** math.floor(math.log10(whole))
        value = max(step * power for step in (0.5, 1, 2, 5) if step * power <= whole * 0.9 + 1e-12)
        units = label(row.signal.units, 8)
        found.append((i, value / whole, f"{value:g} {units}".strip()))
    return found


def _draw_traces(panel: Axes, rows: Sequence[_Row], row_mm: float) -> int:
    """Draw the lines, as far as the panel and `_CLIP_ROWS` let them go; how many of them were cut off."""
    cut, (bottom, top) = 0, panel.get_ylim()
    for i, row in enumerate(rows):
        heights = (row.values - row.middle) / (row.per_mm * row_mm)
        low, high = max(-_CLIP_ROWS, bottom + i), min(_CLIP_ROWS, top + i)
        cut += bool(((heights < low) | (heights > high)).any())
        panel.plot(
            row.times,
            np.clip(heights, low, high) - i,
            color=(INK, BLUE)[i % 2] if len(rows) > 1 else INK,
            linewidth=0.5,
            solid_joinstyle="round",
            gid="trace",
        )
    return cut


def _draw_marks(panel: Axes, known: Known, names: Sequence[str], labels: Sequence[str]) -> None:
    """Shade annotations of single channels on their rows, and masked epochs everywhere."""
    at = {text.strip(): i for i, text in reversed([*enumerate(labels)])}
    at |= {text: i for i, text in enumerate(names)}
    for lane in known.lanes:
        for onset, end, channel in zip(lane.onset, lane.end, lane.channel, strict=True):
            if channel in at:
                panel.broken_barh(
                    [(onset, max(end - onset, 0.05))],
                    (-at[channel] - 0.45, 0.9),
                    facecolor=GREEN,
                    alpha=0.25,
                    edgecolor="none",
                    zorder=0.8,
                )
    epochs = known.epochs
    masked = epochs["masked"]
    spans = zip(epochs["start"][masked], epochs["duration"][masked], strict=True)
    panel.broken_barh(
        list(spans),
        (0, 1),
        transform=panel.get_xaxis_transform(),
        facecolor=INK,
        alpha=0.1,
        edgecolor="none",
        zorder=0.6,
    )


def _draw_seconds(panels: Sequence[Axes], clock: Clock, begin: float, end: float) -> None:
    traces = panels[-1]
    at, texts = clock.ticks(begin, end, 12)
    if end - begin <= _MOST_SECOND_LINES:
        seconds = np.arange(math.ceil(begin), math.floor(end) + 1)
        traces.vlines(
            seconds, 0, 1, transform=traces.get_xaxis_transform(), colors=GRID, linewidth=0.5, zorder=0.7
        )
    for panel in panels:
        panel.set_xlim(begin, end)
        panel.vlines(
            at, 0, 1, transform=panel.get_xaxis_transform(), colors="#a6a6a6", linewidth=0.7, zorder=0.7
        )
        panel.set_xticks([])
    traces.set_xticks(at, labels=texts, **words(7))
    traces.set_xlabel(clock.axis_label, **words(7.5, color=SOFT))


def _foot(rows: Sequence[_Row], seconds: float, cut: int) -> str:
    scales: dict[str, None] = {}
    for row in rows:
        if row.signal.kind in _ONE_SCALE or row.signal.units in _MICROVOLT:
            scales[f"{row.signal.kind} {row.per_mm:g} {label(row.signal.units, 8)}/mm"] = None
    parts = [f"{_TRACE_WIDTH * _MM / seconds:.3g} mm/s", *list(scales)[:6], "positive up"]
    parts.append("each trace around its median")
    if cut:
        parts.append(f"{cut} cut off ({_CLIP_ROWS:g} rows away, or at the edge)")
    return "   ".join(parts)
