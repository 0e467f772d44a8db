"""A sheet of panels, one above the other; texts that matplotlib draws as they are; the file."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegarchive.errors import EEGArchiveError
from eegarchive.storage.files import new_file
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
DPI = 150
FONT = "DejaVu Sans"
INK, SOFT, GRID, GAP = "#1a1a1a", "#666666", "#d9d9d9", "#e4e4e4"
#: Okabe and Ito's colours, which the colour-blind can tell apart.
BLUE, SKY, GREEN, ORANGE, VERMILION, PINK = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"
_POINTS_PER_INCH = 72
#: Average width of a character in its height.
_CHARACTER_WIDTH = 0.62


def need_matplotlib() -> None:
    """Raise a line of advice where matplotlib isn't installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise EEGArchiveError(f'pictures need matplotlib ({error}): pip install "eegarchive[plot]"') from None


def check_target(target: str | os.PathLike[str]) -> Path:
    """The path of a picture to write, if its suffix is one that can be written."""
    path = Path(target)
    if path.suffix.lower() not in FORMATS:
        raise EEGArchiveError(f"{path}: a picture is named *{', *'.join(FORMATS)}")
    return path


def save(figure: Figure, target: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a figure as PNG, PDF or SVG, by the suffix; the same figure gives the same bytes of PNG."""
    path = check_target(target)
    kind = path.suffix.lower()[1:]
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    with new_file(path, overwrite) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=undated, facecolor="white")


def stacked(
    heights: Sequence[float], gaps: Sequence[float], width: float, margins: tuple[float, float, float, float]
) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels one above the other.

    Parameters
    ----------
    heights, gaps : sequence of float
        Inches of each panel, and above each.
    width : float
        Inches of all.
    margins : (left, right, top, bottom)
        Inches.
    """
    from matplotlib.figure import Figure

    left, right, top, bottom = margins
    total = top + sum(heights) + sum(gaps) + bottom
    figure = Figure(figsize=(width, total), facecolor="white")
    axes, at = [], total - top
    for height, gap in zip(heights, gaps, strict=True):
        at -= gap + height
        box = (left / width, at / total, (width - left - right) / width, height / total)
        axes.append(figure.add_axes(box, facecolor="white"))
    for panel in axes:
        plain(panel)
    return figure, axes


def plain(panel: Axes) -> None:
    """Give a panel our own look, whatever the user's settings are."""
    panel.grid(False)
    panel.set_title("")
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(SOFT)
        spine.set_linewidth(0.6)
    panel.tick_params(colors=INK, labelsize=7, width=0.6, length=2.5, direction="out", which="both")
    panel.set_xticks([])
    panel.set_yticks([])


def words(size: float, **more: Any) -> dict[str, Any]:
    """Keywords for a text of this size: nothing in it is a formula."""
    return {"fontsize": size, "fontfamily": FONT, "color": INK, "parse_math": False, **more}


def label(text: str, most: int = 26) -> str:
    """A text as it can be drawn: on one line, in characters that the font has, and not too long."""
    shown = "".join(c if ord(c) in _drawn() else "\N{REPLACEMENT CHARACTER}" for c in printable(text.strip()))
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


@functools.cache
def _drawn() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont(FONT)).get_charmap())


def width_of(texts: Sequence[str], size: float) -> float:
    """Inches that the longest of some texts takes, about."""
    return max(map(len, texts), default=0) * size * _CHARACTER_WIDTH / _POINTS_PER_INCH
