"""`eegarchive plot`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import overwrite_option, progress_bar
from eegarchive.plotting import plot, samples_to_plot


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The picture: .png, .pdf or .svg.",
)
@click.option(
    "--channels",
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="A signal, by name or label; may be repeated.",
)
@click.option("--start", type=float, metavar="SECONDS", help="Draw a page of traces from here on.")
@click.option("--duration", type=float, metavar="SECONDS", help="How long the page is. Default: 30.")
@click.option("--sensitivity", type=float, metavar="UV/MM", help="Microvolts for each millimetre of a page.")
@click.option("--envelope", is_flag=True, help="Envelopes in place of spectrograms.")
@overwrite_option
def command(
    archive: str,
    output: Path,
    channels: tuple[str, ...],
    start: float | None,
    duration: float | None,
    sensitivity: float | None,
    envelope: bool,
    overwrite: bool,
) -> None:
    """Draw a whole recording, or a page of traces. Needs eegarchive[plot].

    The whole: hypnogram, annotations, epochs and masks, gaps, and spectrograms or envelopes of a few signals, or of
    those named. A page has all signals, or those named.

    \b
    Examples:
      eegarchive plot night.h5 -o night.png
      eegarchive plot night.h5@N2 -o page.pdf --start 3600 --channels C3 --channels C4
    """
    with open_archive(archive) as opened:
        chosen = channels or None
        total = samples_to_plot(opened, chosen, start is not None or duration is not None)
        with progress_bar(total, "drawing") as progress:
            plot(
                opened,
                output,
                channels=chosen,
                start=start,
                duration=duration,
                sensitivity=sensitivity,
                envelope=envelope,
                overwrite=overwrite,
                progress=progress,
            )
