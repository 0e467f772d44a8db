"""The ledger as a picture: costs, residuals, provenance."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from eegarchive.accounting.measuring import Cost, Residual, ms_text
from eegarchive.plotting.sheet import BLUE, ORANGE, SOFT, label, plain, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eegarchive.accounting import Ledger

#: Inches.
_WIDTH, _LEFT, _BARS, _CARD = 14.4, 1.55, 4.6, 10.15
_ROW, _TOP, _BETWEEN, _BOTTOM = 0.42, 1.15, 0.75, 0.95
_LINE = 0.165
#: Right edges, or left one of the last, of the columns beside the bars, in inches from the sheet's left edge.
_COLUMNS = {"MB": 7.35, "of EDF": 8.15, "one window": 9.25}
_CARD_CHARACTERS = 54
#: Steps of the EDF between which colours go from one end to the other.
_LOW_STEPS, _HIGH_STEPS = 1e-6, 1.0


def draw(ledger: Ledger) -> Figure:
    """Draw it."""
    from matplotlib.figure import Figure

    compared = [(cost, cost.residual) for cost in ledger.costs if cost.residual is not None]
    upper, lower = _ROW * len(ledger.costs), _ROW * max(1, len(compared))
    card = _card_lines(ledger)
    total = max(_TOP + upper + _BETWEEN + lower + _BOTTOM, _TOP + _LINE * len(card) + 0.3)
    figure = Figure(figsize=(_WIDTH, total), facecolor="white")

    def panel(bottom: float, height: float, name: str) -> Axes:
        axes = figure.add_axes(
            (_LEFT / _WIDTH, bottom / total, _BARS / _WIDTH, height / total), facecolor="white", label=name
        )
        plain(axes)
        return axes

    def text(x: float, y: float, what: str, size: float, **more: object) -> None:
        figure.text(x / _WIDTH, y / total, what, **words(size, **more))

    text(0.15, total - 0.15, label(ledger.archive.rpartition("/")[2], 80), 11, va="top", fontweight="bold")
    text(0.15, total - 0.4, _facts(ledger), 8, va="top", color=SOFT)
    at = total - _TOP - upper
    text(0.15, at + upper + 0.12, "Cost: write and read all of it", 9, fontweight="bold")
    for name, x in _COLUMNS.items():
        text(x, at + upper + 0.12, name, 7.5, ha="right", color=SOFT)
    _draw_costs(panel(at, upper, "cost"), ledger)
    size = next(cost.bytes for cost in ledger.costs if cost.format == "EDF")
    for i, cost in enumerate(ledger.costs):
        y = at + upper - (i + 0.5) * _ROW
        window = cost.medians()["window"]
        cells = (
            f"{cost.bytes / 1e6:.3g}",
            f"{cost.bytes / size:.2f}",
            "" if window is None else ms_text(window),
        )
        for x, cell in zip(_COLUMNS.values(), cells, strict=True):
            text(x, y, cell, 7.5, ha="right", va="center")
    at -= _BETWEEN + lower
    text(0.15, at + lower + 0.12, "Residual: all samples against the EDF", 9, fontweight="bold")
    strips = panel(at, lower, "residual")
    _draw_residuals(strips, compared, ledger.seconds, total)
    for i, (_, residual) in enumerate(compared):
        y = at + lower - (i + 0.5) * _ROW
        text(_LEFT + _BARS + 0.15, y, _verdict(residual), 7.5, va="center", linespacing=1.15)
    text(0.15, 0.12, _foot(ledger), 7, va="bottom", color=SOFT)
    text(_CARD, total - _TOP + 0.12, "Provenance", 9, fontweight="bold")
    for i, (key, value) in enumerate(card):
        y = total - _TOP - 0.05 - i * _LINE
        text(_CARD, y, key, 7, va="top", fontfamily="DejaVu Sans Mono", color=SOFT)
        text(_CARD + 1.2, y, value, 7, va="top", fontfamily="DejaVu Sans Mono")
    return figure


def _facts(ledger: Ledger) -> str:
    signals = f"{ledger.signals} signal{'s' * (ledger.signals != 1)}"
    hours = f"{ledger.seconds / 3600:.2f} h" if ledger.seconds >= 3600 else f"{ledger.seconds:.6g} s"
    return f"{ledger.kind}   {signals}   {hours}   {ledger.samples:,} samples"


def _foot(ledger: Ledger) -> str:
    return (
        f"Medians of {ledger.repeats} after a warm-up, files in memory; windows of {ledger.window:.4g} s, all signals, "
        "at random.\nAn archive's write has its check and its sync to the disk in it; the others do neither, but the "
        "EDF's, which is synced. EDF and FIF by MNE."
    )


def _draw_costs(panel: Axes, ledger: Ledger) -> None:
    medians = [cost.medians() for cost in ledger.costs]
    longest = max(
        value for found in medians for value in (found["write"], found["read"]) if value is not None
    )
    for kind, colour, shift in (("write", ORANGE, 0.19), ("read", BLUE, -0.19)):
        for i, found in enumerate(medians):
            value = found[kind]
            if value is not None:
                panel.barh(-i + shift, value, height=0.34, color=colour, gid=kind)
            shown = "not measured" if value is None else ms_text(value)
            panel.text(
                (value or 0.0) + longest * 0.012,
                -i + shift,
                f"{kind} {shown}",
                va="center_baseline",
                **words(6.5),
            )
    panel.set_xlim(0, longest * 1.28)
    _name_rows(panel, [cost.format for cost in ledger.costs])


def _name_rows(panel: Axes, names: list[str]) -> None:
    panel.set_ylim(-len(names) + 0.5, 0.5)
    panel.set_yticks([-i for i in range(len(names))], labels=[label(name) for name in names], **words(8))
    panel.tick_params(axis="y", length=0)
    panel.spines["bottom"].set_visible(False)


def _draw_residuals(
    panel: Axes, compared: list[tuple[Cost, Residual]], seconds: float, height: float
) -> None:
    """A strip for each format: the largest difference of each part of the time, white where all is equal."""
    import matplotlib
    from matplotlib.colors import LogNorm

    colours = matplotlib.colormaps["viridis"].with_extremes(bad="white")
    norm = LogNorm(_LOW_STEPS, _HIGH_STEPS)
    hours = seconds >= 2 * 3600
    last = seconds / 3600 if hours else seconds
    shown = None
    for i, (_, residual) in enumerate(compared):
        parts = np.array(residual.parts)
        if residual.is_exact:
            panel.barh(-i, last, height=0.6, facecolor="white", edgecolor=SOFT, linewidth=0.6)
            panel.text(last / 2, -i, "exactly zero", ha="center", va="center", **words(7.5))
            continue
        strip = np.ma.masked_less_equal(np.nan_to_num(parts), 0)[None, :]
        shown = panel.imshow(
            np.clip(strip, _LOW_STEPS, _HIGH_STEPS),
            aspect="auto",
            extent=(0, last, -i - 0.3, -i + 0.3),
            cmap=colours,
            norm=norm,
            interpolation="nearest",
        )
    panel.set_xlim(0, last)
    _name_rows(panel, [cost.format for cost, _ in compared])
    panel.set_xticks([0, last], labels=["0", f"{last:.4g} {'h' if hours else 's'}"], **words(7))
    if shown is None:
        return
    box = panel.get_position()
    scale = panel.figure.add_axes(
        (box.x1 + 0.15 / _WIDTH, box.y0 - 0.3 / height, 2.6 / _WIDTH, 0.1 / height), label="steps"
    )
    bar = panel.figure.colorbar(shown, cax=scale, orientation="horizontal")
    bar.minorticks_off()
    ends = {_LOW_STEPS: "≤ 1e-6", 1e-3: "0.001", _HIGH_STEPS: "≥ 1 digital step"}
    bar.set_ticks(list(ends), labels=list(ends.values()))
    scale.tick_params(labelsize=6.5, length=2)
    for tick in scale.get_xticklabels():
        tick.set_fontfamily("DejaVu Sans")


def _verdict(residual: Residual) -> str:
    signals = f"{residual.signals} signal{'s' * (residual.signals != 1)}"
    if residual.is_exact:
        return f"all {residual.samples:,} samples equal,\n{signals}"
    share = residual.different / residual.samples
    where = f"{residual.largest:.2g} {label(residual.units, 8)}".strip()
    return (
        f"at most {residual.largest_steps:.2g} steps ({where} in {label(residual.signal, 16)});\n"
        f"{share:.1%} of {residual.samples:,} differ, {signals}"
    )


def _card_lines(ledger: Ledger) -> list[tuple[str, str]]:
    """The card's keys and values, long values on several lines."""
    lost = {cost.format: cost.limits for cost in ledger.costs if cost.limits}
    blocks = [
        ("", ledger.provenance),
        ("What each can't hold of it", lost),
        ("Left out", ledger.left_out),
    ]
    lines: list[tuple[str, str]] = []
    for title, found in blocks:
        if title and found:
            lines += [("", ""), (title, "")]
        for key, value in found.items():
            parts = textwrap.wrap(label(value, 300), _CARD_CHARACTERS - 16) or [""]
            keys = [label(key, 18), *[""] * (len(parts) - 1)]
            lines += list(zip(keys, parts, strict=True))
    return lines
