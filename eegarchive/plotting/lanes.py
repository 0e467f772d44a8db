"""What is known of a stretch of time beside its samples, in lanes: sleep stages, annotations, epochs, gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eegarchive.plotting.clock import Clock
from eegarchive.plotting.sheet import (
    BLUE,
    GAP,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    SOFT,
    VERMILION,
    label,
    words,
)
from eegarchive.state import State

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Stages from the top of a hypnogram down; those of `_RARE` have a line only where they occur.
STAGES = ("?", "M", "W", "R", "N1", "N2", "N3", "N4")
_RARE = ("?", "M", "N4")
STAGE_COLOURS = {
    "?": SOFT, "M": SOFT, "W": ORANGE, "R": VERMILION, "N1": SKY, "N2": BLUE, "N3": "#003a66", "N4": PINK,
}  # fmt: skip
#: More lanes than this, and the rarest kinds share one.
MOST_LANES = 12
#: More marks than this go into a PDF or SVG as pixels.
_MANY_MARKS = 5_000
#: Stages that follow each other this closely (in seconds) are joined by a line.
_JOINED_SECONDS = 1e-3

#: So few epochs are drawn each by itself.
_FEW_EPOCHS = 100

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lane:
    """Events of one kind: what it is called, when they are, and of which channels."""

    name: str
    onset: Floats
    end: Floats
    channel: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What a state says of [begin, end) beside its samples.

    Attributes
    ----------
    hypnograms : dict
        Onsets, ends and stages by the set of annotations they are from.
    lanes : list of Lane
        Annotations that are no sleep stages, by kind.
    epochs : dict
        The columns of the epochs that reach into the stretch.
    num_epochs : int
        How many epochs the state has in all.
    """

    hypnograms: dict[str, tuple[Floats, Floats, npt.NDArray[Any]]]
    lanes: list[Lane]
    epochs: dict[str, npt.NDArray[Any]]
    num_epochs: int

    @classmethod
    def of(cls, state: State, begin: float, end: float) -> Known:
        """Read it."""
        columns = state.annotations.columns()
        onset, lasts = columns["onset"], np.nan_to_num(columns["duration"])
        is_stage = np.isin(columns["kind"].astype(str), STAGES)
        hypnograms = {}
        for name in dict.fromkeys(columns["set"][is_stage]):
            rows = np.flatnonzero(is_stage & (columns["set"] == name))
            rows = rows[np.argsort(onset[rows], kind="stable")]
            until = onset[rows] + lasts[rows]
            following = np.append(onset[rows][1:], max(end, until.max()))
            until = np.where(lasts[rows] > 0, until, following)
            seen = (onset[rows] < end) & (until > begin)
            if seen.any():
                hypnograms[str(name)] = (onset[rows][seen], until[seen], columns["kind"][rows][seen])
        rows = np.flatnonzero(~is_stage & (onset < end) & ((onset + lasts > begin) | (onset >= begin)))
        kinds = columns["kind"][rows]
        common = [kind for kind, _ in Counter(kinds.tolist()).most_common()]
        alone = common if len(common) <= MOST_LANES else common[: MOST_LANES - 1]
        groups = [(kind, rows[kinds == kind]) for kind in alone]
        if len(common) > len(alone):
            rest = rows[~np.isin(kinds.astype(str), np.array(alone, str))]
            groups.append((f"{len(common) - len(alone)} more kinds", rest))
        lanes = [
            Lane(str(kind), onset[own], onset[own] + lasts[own], tuple(columns["channel"][own].tolist()))
            for kind, own in groups
        ]
        epochs = state.epochs.columns()
        inside = (epochs["start"] < end) & (epochs["start"] + epochs["duration"] > begin)
        shown = {name: values[inside] for name, values in epochs.items()}
        return cls(hypnograms, lanes, shown, len(inside))


def levels(known: Known) -> list[str]:
    """Stages that have a line in the hypnogram, from the top down."""
    there = {stage for _, _, stages in known.hypnograms.values() for stage in stages}
    return [stage for stage in STAGES if stage not in _RARE or stage in there]


def draw_hypnogram(panel: Axes, known: Known, name: str) -> None:
    """Draw one set's stages as a line in steps, thick and coloured where a stage lasts."""
    from matplotlib.collections import LineCollection

    onset, until, stages = _merged(*known.hypnograms[name])
    shown = levels(known)
    height = np.array([-shown.index(stage) for stage in stages], float)
    joined = onset[1:] - until[:-1] < _JOINED_SECONDS
    steps = np.stack(
        [np.stack([onset[1:], height[:-1]], axis=1), np.stack([onset[1:], height[1:]], axis=1)], axis=1
    )
    panel.add_collection(LineCollection(list(steps[joined]), colors=SOFT, linewidths=0.6))
    flat = np.stack([np.stack([onset, height], axis=1), np.stack([until, height], axis=1)], axis=1)
    colours = [STAGE_COLOURS[stage] for stage in stages]
    panel.add_collection(LineCollection(list(flat), colors=colours, linewidths=2.6, capstyle="butt"))
    panel.set_ylim(-len(shown) + 0.4, 0.6)
    panel.set_yticks([-i for i in range(len(shown))], labels=shown, **words(7))


def lane_rows(known: Known, stages_as_lane: bool) -> list[str]:
    """Names of the lanes from the top down."""
    names = ["stage"] * bool(stages_as_lane and known.hypnograms)
    names += ["epochs"] * bool(known.num_epochs)
    return names + [f"{label(lane.name, 22)} ({len(lane.onset)})" for lane in known.lanes]


def draw_lanes(panel: Axes, known: Known, begin: float, end: float, stages_as_lane: bool) -> None:
    """Draw annotations, epochs and, on a page of traces, stages as lanes."""
    names = lane_rows(known, stages_as_lane)
    at = 0
    if "stage" in names:
        onset, until, stages = next(iter(known.hypnograms.values()))
        _bars(panel, at, onset, until, [STAGE_COLOURS[stage] for stage in stages])
        for left, right, stage in _wide(onset, until, stages, begin, end):
            _inside(panel, (left + right) / 2, at, stage, INK if stage in ("W", "N1", "N4") else "white")
        at -= 1
    if "epochs" in names:
        _draw_epochs(panel, at, known, begin, end)
        at -= 1
    for lane in known.lanes:
        _marks(panel, at, lane, begin)
        at -= 1
    panel.set_ylim(at + 0.4, 0.6)
    panel.set_yticks([-i for i in range(len(names))], labels=names, **words(6.5))
    panel.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)


def _inside(panel: Axes, x: float, at: int, text: str, colour: str) -> None:
    panel.text(x, at, text, ha="center", va="center_baseline", **words(6, color=colour))


def _merged(onset: Floats, until: Floats, what: npt.NDArray[Any]) -> tuple[Floats, Floats, npt.NDArray[Any]]:
    """Make one of those that follow each other and are the same: borders would be seen as stripes."""
    if not len(onset):
        return onset, until, what
    begins = np.append(True, (onset[1:] - until[:-1] >= _JOINED_SECONDS) | (what[1:] != what[:-1]))
    return onset[begins], until[np.append(begins[1:], True)], what[begins]


def _draw_epochs(panel: Axes, at: int, known: Known, begin: float, end: float) -> None:
    epochs = known.epochs
    start, until, masked = epochs["start"], epochs["start"] + epochs["duration"], epochs["masked"]
    apart = start, until - (end - begin) / 2000, masked
    bars = apart if len(start) < _FEW_EPOCHS else _merged(start, until, masked)
    for flag, colour in ((False, SKY), (True, INK)):
        own = bars[2] == flag
        _bars(panel, at, bars[0][own], bars[1][own], colour)
    numbers = [f"{n} masked" if m else f"{n}" for n, m in zip(epochs["epoch"], masked, strict=True)]
    for left, right, number in _wide(start, until, numbers, begin, end):
        colour = "white" if number.endswith("masked") else INK
        _inside(panel, (left + right) / 2, at, number, colour)


def _wide(
    onset: Floats, until: Floats, texts: Iterable[Any], begin: float, end: float
) -> list[tuple[float, float, str]]:
    """Those bars, cut to the stretch, that have room for their text."""
    cut = [(max(a, begin), min(b, end), str(t)) for a, b, t in zip(onset, until, texts, strict=True)]
    return [(a, b, t) for a, b, t in cut if b - a > (end - begin) * 0.008 * (len(t) + 1)]


def _bars(panel: Axes, at: int, onset: Floats, until: Floats, colours: Any) -> None:
    panel.hlines(
        np.full(len(onset), at),
        onset,
        until,
        colors=colours,
        linewidth=7,
        capstyle="butt",
        rasterized=len(onset) > _MANY_MARKS,
    )


def _marks(panel: Axes, at: int, lane: Lane, begin: float) -> None:
    """A bar as long as each event, and a line at its onset, for those that last no time too."""
    many = len(lane.onset) > _MANY_MARKS
    lasting = lane.end > lane.onset
    panel.hlines(
        np.full(int(lasting.sum()), at),
        lane.onset[lasting],
        lane.end[lasting],
        colors=GREEN,
        linewidth=5,
        capstyle="butt",
        alpha=0.55,
        rasterized=many,
    )
    onset = lane.onset[lane.onset >= begin]
    # one at the very beginning would be cut to half its width
    panel.vlines(onset, at - 0.36, at + 0.36, colors="#00513b", linewidth=0.8, rasterized=many, clip_on=False)


def draw_gaps(panel: Axes, clock: Clock, begin: float, end: float) -> None:
    """Shade the time that the state has no data of."""
    gaps = clock.gaps(begin, end)
    if gaps:
        panel.broken_barh(
            gaps,
            (0, 1),
            transform=panel.get_xaxis_transform(),
            facecolor=GAP,
            edgecolor="none",
            zorder=0.5,
            rasterized=len(gaps) > _MANY_MARKS,
        )
