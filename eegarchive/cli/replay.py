"""`eegarchive replay`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import echo_json, json_option, progress_bar, table, tell
from eegarchive.lineage import history
from eegarchive.operations import counted
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from eegarchive.replaying import ReplayReport, StateDifference, StepReport

_MOST = 10
_DIGITS = 12


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), metavar="EDF",
    help="Begin with this EDF or BDF. Default: the bytes that the archive has of its own.",
)  # fmt: skip
@click.option(
    "--base", type=click.Path(path_type=Path), metavar="FILE", help="The archive that a detached file needs."
)
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=0.0, metavar="X",
    help="Computed samples that differ by X at most, in physical units, are the same.",
)  # fmt: skip
@click.option(
    "--run-code", is_flag=True,
    help="Import and run the functions that the history names. Only for files that you trust.",
)  # fmt: skip
@json_option
@click.pass_context
def command(
    context: click.Context,
    archive: str,
    source: Path | None,
    base: Path | None,
    tolerance: float,
    run_code: bool,
    as_json: bool,
) -> None:
    """Run the history of a state again from the recording, in a scratch archive, and compare digests step by step.

    The archive isn't changed. Ends with exit code 1 if the state differs, or a step can't be done again.

    \b
    Examples:
      eegarchive replay night.h5@N2
      eegarchive replay night.N2.h5 --from night.edf --tolerance 1e-6
    """
    from eegarchive.replaying import replay  # `--help` does without

    with open_archive(archive, base=base) as opened:
        total = len(history(opened))
        with progress_bar(total, "replaying", unit="step") as progress:
            report = replay(opened, source=source, tolerance=tolerance, run_code=run_code, progress=progress)
    if as_json:
        shown = {**asdict(report), "source": None if report.source is None else str(report.source)}
        echo_json({"schema": "eegarchive.replay/1", "ok": report.ok, **shown})
    else:
        _show(archive, report)
    if not report.ok:
        context.exit(1)


def _show(archive: str, report: ReplayReport) -> None:
    for line in table([[str(step.number), step.outcome, step.text] for step in report.steps], right=(0,)):
        click.echo(line)
    for step in report.steps:
        for line in _notes(step):
            click.echo(printable(f"step {step.number}: {line}"))
    first = report.first_difference
    if first is not None:
        compared = next((step for step in report.steps if step.difference is not None), None)
        if compared is not None and compared.difference is not None:
            where = f"compared behind step {compared.number} with {compared.difference.state}"
            click.echo(printable(f"first difference: step {first.number}, {first.text}; {where}"))
            for line in _differences(compared.difference):
                click.echo(printable(f"  {line}"))
        changed = [
            f"{name} {then or 'none'}, now {now or 'none'}"
            for name, (then, now) in first.versions.items()
            if name != "git"  # of the folder that each was run in
        ]
        click.echo(printable(f"versions at step {first.number}: {'; '.join(changed) or 'the same as now'}"))
    if report.unchecked:
        click.echo(printable(f"not checked: the file's own samples ({report.unchecked})"))
    tell(archive, _verdict(report))


def _notes(step: StepReport) -> Iterator[str]:
    if step.taken:
        yield f"taken from the archive: {step.taken}"
    if step.why:
        yield step.why


def _differences(difference: StateDifference) -> Iterator[str]:
    listed = [*map(str, difference.samples), *map(str, difference.values)]
    yield from listed[:_MOST]
    if len(listed) > _MOST:
        yield f"and {len(listed) - _MOST} more (--json lists all)"
    if difference.unread:
        yield f"samples can't be compared: {difference.unread}"


def _verdict(report: ReplayReport) -> str:
    steps = counted(len(report.steps), "step")
    if report.verdict == "same":
        taken = (
            f"; {counted(len(report.taken), 'step')} with what was taken from the archive"
            if report.taken
            else ""
        )
        return f"same, digest {report.digest[:_DIGITS]} after {steps}{taken}"
    if report.verdict == "close":
        largest = report.difference.largest if report.difference is not None else 0.0
        return f"same within {report.tolerance:g} (at most {largest:.3g} apart, in the signals' units); digests differ"
    if report.verdict == "differs":
        return (
            f"differs: its history gives {report.replayed_digest[:_DIGITS]}, it is {report.digest[:_DIGITS]}"
        )
    left = [step for step in report.steps if step.outcome in ("not run", "not replayed")]
    rest = "what is left gives another state" if report.difference else "all else gives the recorded state"
    return f"can't be replayed: {len(left)} of {steps} couldn't be done again; {rest}"
