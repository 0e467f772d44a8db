"""A whole recording on one sheet: hypnogram, annotations, epochs, gaps, spectrograms and envelopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eegarchive.operations import counted
from eegarchive.plotting import streaming
from eegarchive.plotting.clock import Clock
from eegarchive.plotting.lanes import Known, draw_gaps, draw_hypnogram, draw_lanes, lane_rows, levels
from eegarchive.plotting.sheet import BLUE, GAP, INK, SOFT, label, stacked, width_of, words
from eegarchive.state import Signal, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More signals than this are drawn as envelopes in one panel.
_MOST_PANELS = 8
#: How many signals of the brain are shown where none is asked for.
_BRAIN_CHANNELS = 2
_BRAIN = ("eeg", "seeg", "ecog", "meg")
_HIGHEST_HZ = 30.0
#: A spectrogram of a slower signal, or of a shorter recording, would say nothing.
_LOWEST_RATE, _SHORTEST_SECONDS = 20.0, 20.0
_COLUMNS = 1200
_WIDTH, _RIGHT, _TOP, _BOTTOM = 13.0, 0.85, 0.62, 0.55
_NAME_SIZE = 7.5


def default_channels(state: State) -> list[Signal]:
    """Two signals of the brain, one of each other kind, then what there is more."""
    signals = [signal for signal in state.signals.values() if signal.kind != "stim"]
    brain = [signal for signal in signals if signal.kind in _BRAIN][:_BRAIN_CHANNELS]
    first = {signal.kind: signal for signal in reversed(signals) if signal.kind not in _BRAIN}
    chosen = {signal.name for signal in [*brain, *first.values()]}
    chosen.update(
        [s.name for s in signals if s.name not in chosen and s.kind not in _BRAIN][
            : max(0, _MOST_PANELS - len(chosen))
        ]
    )
    return [signal for signal in signals if signal.name in chosen][:_MOST_PANELS]


def draw_overview(
    state: State,
    title: str,
    signals: Sequence[Signal],
    envelopes: bool,
    told: Callable[[int], None],
) -> Figure:
    """Draw it; `told` hears of the samples of each signal that was read."""
    clock = Clock.of(state)
    known = Known.of(state, clock.begin, clock.end)
    stacks = len(signals) > _MOST_PANELS
    rows = lane_rows(known, stages_as_lane=False)
    row = 0.16
    heights = [0.17 * len(levels(known)) + 0.1 for _ in known.hypnograms]
    gaps = [0.16] * len(heights)
    if rows:
        heights, gaps = [*heights, 0.17 * len(rows) + 0.05], [*gaps, 0.12]
    if stacks:
        row = max(0.1, min(0.16, 9 / len(signals)))
        heights, gaps = [*heights, row * len(signals)], [*gaps, 0.12]
    else:
        tall = 1.0 if len(signals) <= 4 else 0.75
        heights, gaps = [*heights, *[tall] * len(signals)], [*gaps, *[0.12] * len(signals)]
    if not heights:
        heights, gaps = [0.6], [0.1]
    names = [label(signal.name) for signal in signals]
    left = max(1.75, width_of(rows, 6.5) + 0.2, (width_of(names, _NAME_SIZE) + 0.75) if not stacks else 0.0)
    figure, panels = stacked(heights, gaps, _WIDTH, (left, _RIGHT, _TOP, _BOTTOM))
    height = float(figure.get_size_inches()[1])
    figure.text(0.12 / _WIDTH, 1 - 0.1 / height, title, ha="left", va="top", **words(10, fontweight="bold"))
    figure.text(
        0.12 / _WIDTH,
        1 - 0.32 / height,
        _facts(state, clock, known, len(signals)),
        ha="left",
        va="top",
        **words(7.5, color=SOFT),
    )
    rest = iter(panels)
    for name in known.hypnograms:
        panel = next(rest)
        draw_gaps(panel, clock, clock.begin, clock.end)
        draw_hypnogram(panel, known, name)
        _name(panel, left, f"stages\n{label(name)}", 0.7)
    if rows:
        panel = next(rest)
        draw_gaps(panel, clock, clock.begin, clock.end)
        draw_lanes(panel, known, clock.begin, clock.end, stages_as_lane=False)
    if stacks:
        _draw_stack(next(rest), clock, signals, row, told)
    else:
        for signal, panel in zip(signals, rest, strict=False):
            _draw_signal(panel, clock, signal, envelopes, left)
            told(len(signal))
    if not (known.hypnograms or rows or signals):
        panels[0].text(
            0.5,
            0.5,
            "no signals, annotations or epochs",
            ha="center",
            transform=panels[0].transAxes,
            **words(9),
        )
    _draw_times(panels, clock)
    return figure


def _facts(state: State, clock: Clock, known: Known, shown: int) -> str:
    parts = [f"starts {clock.origin:%Y-%m-%d %H:%M:%S}" if clock.origin is not None else "start unknown"]
    total = len(state.signals)
    parts.append(f"{shown} of {total} signals" if shown < total else counted(total, "signal"))
    if len(clock.starts):
        lasts = float(np.sum(clock.ends - clock.starts))
        pieces = f" in {len(clock.starts)} segments" if len(clock.starts) > 1 else ""
        parts.append(
            f"{lasts / 3600:.2f} h of data{pieces}" if lasts >= 3600 else f"{lasts:g} s of data{pieces}"
        )
    if known.num_epochs:
        masked = int(known.epochs["masked"].sum())
        parts.append(f"{known.num_epochs} epochs, {masked} masked" + (" (black)" if masked else ""))
    if clock.gaps(clock.begin, clock.end):
        parts.append("grey: no data in this state")
    return "   ".join(parts)


def _name(panel: Axes, left: float, text: str, room: float) -> None:
    """A panel's name at the sheet's left edge."""
    width = float(panel.get_position().width) * _WIDTH
    panel.text(
        (0.12 - left) / width,
        0.5,
        text,
        ha="left",
        va="center",
        transform=panel.transAxes,
        **words(_NAME_SIZE),
    )


def _draw_signal(panel: Axes, clock: Clock, signal: Signal, envelopes: bool, left: float) -> None:
    _name(panel, left, f"{label(signal.name)}\n{label(signal.kind)}", 0.75)
    draw_gaps(panel, clock, clock.begin, clock.end)
    lasts = float(np.sum(clock.ends - clock.starts))
    with_spectrum = (
        signal.kind in _BRAIN and signal.sampling_rate >= _LOWEST_RATE and lasts >= _SHORTEST_SECONDS
    )
    if with_spectrum and not envelopes:
        _draw_spectrogram(panel, clock, signal)
    else:
        _draw_envelope(panel, clock, signal)


def _draw_spectrogram(panel: Axes, clock: Clock, signal: Signal) -> None:
    import matplotlib

    frequencies, power = streaming.spectrogram(signal, clock, clock.begin, clock.end, _COLUMNS, _HIGHEST_HZ)
    there = power[power > 0]
    if not there.size:
        _draw_envelope(panel, clock, signal)
        return
    decibels = np.full(power.shape, np.nan)
    np.log10(power, out=decibels, where=power > 0)
    decibels *= 10
    low, high = np.percentile(decibels[np.isfinite(decibels)], [5, 99])
    step = float(frequencies[1] - frequencies[0])
    shown = panel.imshow(
        np.ma.masked_invalid(decibels),
        origin="lower",
        aspect="auto",
        extent=(clock.begin, clock.end, -step / 2, float(frequencies[-1]) + step / 2),
        cmap=matplotlib.colormaps["viridis"].with_extremes(bad=GAP),
        vmin=low,
        vmax=max(high, low + 1),
        interpolation="nearest",
    )
    panel.set_ylim(0, float(frequencies[-1]))
    ticks = [hz for hz in (0, 10, 20, 30) if hz <= frequencies[-1] + step]
    panel.set_yticks(ticks, labels=[f"{hz} Hz" for hz in ticks], **words(6.5))
    box = panel.get_position()
    scale = panel.figure.add_axes((box.x1 + 0.008, box.y0, 0.007, box.height))
    bar = panel.figure.colorbar(shown, cax=scale)
    bar.outline.set_visible(False)
    ends = [float(low), float(max(high, low + 1))]
    bar.set_ticks(ends, labels=[f"{end:.0f} dB" for end in ends])
    scale.tick_params(labelsize=6, colors=INK, length=0)
    for text in scale.get_yticklabels():
        text.set(fontfamily="DejaVu Sans", color=INK)
    scale.get_yticklabels()[0].set_verticalalignment("bottom")
    scale.get_yticklabels()[-1].set_verticalalignment("top")


def _draw_envelope(panel: Axes, clock: Clock, signal: Signal) -> None:
    times, values = streaming.trace(signal, clock, clock.begin, clock.end, _COLUMNS)
    panel.plot(times, values, color=BLUE, linewidth=0.5, rasterized=True)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [0.2, 99.8]) if len(finite) else (0.0, 0.0)
    if high <= low:
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    middle = [(low + high) / 2] if high <= low else [low, high]
    spread = (high - low) or max(1.0, abs(high))
    panel.set_ylim(low - 0.06 * spread, high + 0.06 * spread)
    units = f" {label(signal.units, 6)}" if signal.units else ""
    panel.set_yticks(middle, labels=[f"{value:.4g}{units}" for value in middle], **words(6.5))
    if not len(finite):
        panel.text(0.5, 0.5, "no samples", ha="center", va="center", transform=panel.transAxes, **words(8))


def _draw_stack(
    panel: Axes, clock: Clock, signals: Sequence[Signal], row: float, told: Callable[[int], None]
) -> None:
    """Envelopes of many signals, each in its own row and of its own height."""
    draw_gaps(panel, clock, clock.begin, clock.end)
    for i, signal in enumerate(signals):
        times, values = streaming.trace(signal, clock, clock.begin, clock.end, _COLUMNS)
        finite = values[np.isfinite(values)]
        if len(finite):
            low, high = np.percentile(finite, [0.5, 99.5])
            middle, spread = (low + high) / 2, (high - low) or 1.0
            inside = np.clip((values - middle) / spread * 0.85, -0.5, 0.5)
            panel.plot(times, inside - i, color=(BLUE, INK)[i % 2], linewidth=0.4, rasterized=True)
        told(len(signal))
    panel.set_ylim(-len(signals) + 0.4, 0.6)
    size = min(7.0, row * 72 * 0.8)
    panel.set_yticks(
        [-i for i in range(len(signals))], labels=[label(signal.name) for signal in signals], **words(size)
    )
    panel.tick_params(axis="y", length=0)


def _draw_times(panels: Sequence[Axes], clock: Clock) -> None:
    at, texts = clock.ticks(clock.begin, clock.end, 14)
    for panel in panels:
        panel.set_xlim(clock.begin, clock.end)
        panel.set_xticks(at, labels=[])
    panels[-1].spines["bottom"].set_visible(True)
    panels[-1].set_xticks(at, labels=texts, **words(7))
    panels[-1].set_xlabel(clock.axis_label, **words(7.5, color=SOFT))
