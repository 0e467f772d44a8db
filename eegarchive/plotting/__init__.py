"""Pictures of a state: the whole recording on one sheet, or a page of traces. Needs matplotlib."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eegarchive.archive import Archive, open_archive
from eegarchive.errors import EEGArchiveError
from eegarchive.plotting import sheet
from eegarchive.state import Signal, State
from eegarchive.storage.files import refuse_existing, refuse_same

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot", "samples_to_plot"]

#: Called with the number of samples gone through since the last call.
Progress = Callable[[int], None]


def plot(
    archive: str | os.PathLike[str] | State,
    target: str | os.PathLike[str] | None = None,
    *,
    channels: Sequence[str] | None = None,
    start: float | None = None,
    duration: float | None = None,
    sensitivity: float | None = None,
    envelope: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Figure:
    """Draw a state: an overview of all of it or, with `start` or `duration`, a page of traces.

    Signals are read block by block, and never held whole.

    Parameters
    ----------
    archive : path-like or State
        `night.h5`, `night.h5@TAG`, an open archive, or one of its freezes.
    target : path-like, optional
        A .png, .pdf or .svg to write.
    channels : sequence of str, optional
        Names or labels, in the order in which they are drawn. All on a page; on an overview two of the brain and one
        of each other kind.
    start : float, optional
        Seconds on the recording clock at which the page begins; the first sample if only `duration` is given.
    duration : float, optional
        Seconds of the page; 30 if only `start` is given, or a whole recording that is shorter.
    sensitivity : float, optional
        Microvolts for each millimetre, for signals in volts; by default what fits, told below the page.
    envelope : bool
        Draw envelopes on the overview where there would be spectrograms.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the samples gone through since the last call; they add up to :func:`samples_to_plot`.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; `figure.savefig` works on it.

    Raises
    ------
    NotInArchive
        If there is no such signal.
    EEGArchiveError
        If matplotlib is missing, the target can't be named so, or the page has no data.
    """
    sheet.need_matplotlib()
    if target is not None:
        refuse_existing(sheet.check_target(target), overwrite)
    if not isinstance(archive, State):
        with open_archive(archive) as opened:
            return plot(
                opened,
                target,
                channels=channels,
                start=start,
                duration=duration,
                sensitivity=sensitivity,
                envelope=envelope,
                overwrite=overwrite,
                progress=progress,
            )
    if target is not None:
        refuse_same(Path(archive._file.path), Path(target))
    with archive._file.reading():  # no edit comes in between
        figure = _draw(
            archive, channels, start, duration, sensitivity, envelope, progress or (lambda n: None)
        )
    if target is not None:
        sheet.save(figure, target, overwrite)
    return figure


def samples_to_plot(state: State, channels: Sequence[str] | None, is_page: bool) -> int:
    """How many samples `progress` will be told of in all."""
    return sum(map(len, _chosen(state, channels, is_page)))


def _draw(
    state: State,
    channels: Sequence[str] | None,
    start: float | None,
    duration: float | None,
    sensitivity: float | None,
    envelope: bool,
    told: Progress,
) -> Figure:
    from eegarchive.plotting.overview import draw_overview  # with matplotlib, once it is known to be there
    from eegarchive.plotting.page import check_page, draw_page

    where = state._file.path
    is_page = start is not None or duration is not None
    if sensitivity is not None and not (is_page and 0 < sensitivity < float("inf")):
        raise EEGArchiveError(
            f"{where}: a sensitivity of {sensitivity:g} uV/mm; it is above 0, and for a page (start, duration)"
        )
    title = sheet.label(os.path.basename(where) + _tag(state), 80)
    signals = _chosen(state, channels, is_page)
    if not is_page:
        return draw_overview(state, title, signals, envelope, told)
    return draw_page(state, title, signals, check_page(state, start, duration), sensitivity, told)


def _chosen(state: State, channels: Sequence[str] | None, is_page: bool) -> list[Signal]:
    from eegarchive.plotting.overview import default_channels

    if channels is not None:
        return [state.signals[name] for name in channels]
    return list(state.signals.values()) if is_page else default_channels(state)


def _tag(state: State) -> str:
    tag = state.tag if isinstance(state, Archive) else state._path.rpartition("/")[2]
    return f"@{tag}" if tag else ""
