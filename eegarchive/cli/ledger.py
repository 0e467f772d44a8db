"""`eegarchive ledger`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from eegarchive.accounting import DEFAULT_REPEATS, Ledger, bytes_to_measure, ledger
from eegarchive.accounting.measuring import ms_text
from eegarchive.archive import open_archive
from eegarchive.cli._shared import bytes_text, echo_json, json_option, overwrite_option, progress_bar, table
from eegarchive.plotting.sheet import check_target, need_matplotlib, save
from eegarchive.storage.files import refuse_existing
from eegarchive.storage.guard import printable


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A picture to write: .png, .pdf or .svg."
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=DEFAULT_REPEATS,
    show_default=True,
    help="How often to write and read each format.",
)
@json_option
@overwrite_option
def command(archive: str, output: Path | None, repeats: int, as_json: bool, overwrite: bool) -> None:
    """Measure what a recording costs as EDF, FIF, Zarr, features in Parquet, and archive; and what it loses.

    Time to write, to read, and to read one window; bytes; and the difference of every sample from the EDF's. Formats
    whose package isn't installed are left out.

    \b
    Examples:
      eegarchive ledger night.h5
      eegarchive ledger night.h5@N2 -o ledger.png --json
    """
    if output is not None:
        need_matplotlib()
        refuse_existing(check_target(output), overwrite)
    with (
        open_archive(archive) as opened,
        progress_bar(bytes_to_measure(opened, repeats), "measuring") as told,
    ):
        found = ledger(opened, repeats=repeats, progress=told)
    if output is not None:
        save(found.figure(), output, overwrite)
    if as_json:
        echo_json(found.to_dict())
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: Ledger) -> Iterator[str]:
    rows = [["format", "write", "read", f"{found.window:.4g}-s window", "size", "differs from the EDF"]]
    for cost in found.costs:
        times = cost.medians()
        shown = ["-" if time is None else ms_text(time) for time in times.values()]
        rows.append([cost.format, *shown, bytes_text(cost.bytes), _residual(cost.format, found)])
    yield from table(rows, right=(1, 2, 3, 4))
    lost = {cost.format: cost.limits for cost in found.costs if cost.limits}
    for name, limits in lost.items():
        yield printable(f"{name}: {limits}")
    for name, reason in found.left_out.items():
        yield printable(f"left out: {name}: {reason}")


def _residual(name: str, found: Ledger) -> str:
    residual = found[name].residual
    if residual is None:
        return "is the EDF" if name == "EDF" else "has no samples"
    if residual.is_exact:
        return f"exactly zero, {residual.samples} samples"
    return (
        f"by {residual.largest_steps:.2g} digital steps at most, in {residual.different / residual.samples:.1%} "
        f"of {residual.samples} samples"
    )
