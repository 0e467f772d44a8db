"""Looking at a figure: what texts there are, where they lie, what lines show."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> tuple[list[str], npt.NDArray[Any]]:
    """Visible texts, and their boxes in pixels (left, bottom, right, top)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text.get_alpha() != 0
    ]
    boxes = [text.get_window_extent(canvas.get_renderer()).extents for text in found]
    return [text.get_text() for text in found], np.array(boxes).reshape(-1, 4)


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts of which one lies over the other by more than a pixel."""
    names, boxes = texts(figure)
    left, bottom, right, top = boxes.T
    across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    along = np.minimum(top[:, None], top) - np.maximum(bottom[:, None], bottom)
    pairs = np.argwhere(np.triu((across > 1) & (along > 1), k=1))
    return [(names[i], names[j]) for i, j in pairs]


def cut_off(figure: Figure) -> list[str]:
    """Texts that reach over the sheet's edge."""
    names, boxes = texts(figure)
    width, height = figure.bbox.width, figure.bbox.height
    outside = (boxes[:, 0] < 0) | (boxes[:, 1] < 0) | (boxes[:, 2] > width) | (boxes[:, 3] > height)
    return [names[i] for i in np.flatnonzero(outside)]


def lines(figure: Figure, gid: str) -> list[Any]:
    """Lines that were drawn as this."""
    return [line for panel in figure.axes for line in panel.lines if line.get_gid() == gid]
