"""`eegarchive anonymize`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.anonymizing import anonymize
from eegarchive.anonymizing.archives import AnonymizeReport, bytes_to_anonymize
from eegarchive.cli._reviewing import (
    annotations_option,
    dry_run_option,
    items_json,
    keep_option,
    outcome_line,
    review_lines,
    shift_option,
    suspect_lines,
)
from eegarchive.cli._shared import (
    bytes_text,
    echo_json,
    json_option,
    listed,
    overwrite_option,
    progress_bar,
    tell,
)


@click.command()
@click.argument("archive", metavar="ARCHIVE")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The archive to write.")
@shift_option
@keep_option
@annotations_option
@click.option(
    "--keep-tags", is_flag=True, help="Keep the tags of freezes, which are freeze-1, ... otherwise."
)
@dry_run_option
@overwrite_option
@json_option
def command(
    archive: str,
    output: Path | None,
    shift_days: int | None,
    keep: tuple[str, ...],
    keep_annotations: tuple[str, ...],
    keep_tags: bool,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write an archive without what says who was recorded, when, where and by whom, in every freeze.

    Gone are header fields, dates, devices, notes, history, caches and windows, and all annotation texts but sleep
    stages and standard events. Samples, times, epochs and masks stay; so do the labels, units and filters of
    signals, which a person has to look through. The archive itself isn't changed.

    \b
    Examples:
      eegarchive anonymize night.h5 --dry-run
      eegarchive anonymize night.h5 -o public.h5 --keep age,sex
      eegarchive anonymize night.h5 -o public.h5 --shift-days -4100 --keep-annotations "T*"
    """
    if output is None and not dry_run:
        raise click.UsageError("name the archive to write with -o, or ask for a --dry-run")
    with progress_bar(0 if dry_run else bytes_to_anonymize(archive), "anonymizing") as progress:
        report = anonymize(
            archive,
            None if dry_run else output,
            shift_days=shift_days,
            keep=keep,
            keep_annotations=keep_annotations,
            keep_tags=keep_tags,
            dry_run=dry_run,
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        echo_json(_as_json(report))
    elif dry_run:
        for line in review_lines(report.reviewed):
            click.echo(line)
    else:
        _show(report)


def _show(report: AnonymizeReport) -> None:
    target = str(report.target)
    tell(target, f"anonymized, {bytes_text(report.archive_bytes)}; {outcome_line(report.reviewed)}")
    left_out = [f"{i.where} {i.value}" for i in report.reviewed if i.where in ("cache", "windows")]
    if left_out:
        tell(target, f"left out: {listed(left_out)}")
    renamed = [f"{old} is {new}" for old, new in report.tags.items() if old != new]
    if renamed:
        tell(target, f"freezes: {listed(renamed)}")
    for line in suspect_lines(report.reviewed):
        click.echo(f"eegarchive: {line}", err=True)


def _as_json(report: AnonymizeReport) -> dict[str, object]:
    return {
        "schema": "eegarchive.anonymize/1",
        "archive": str(report.path),
        "target": None if report.target is None else str(report.target),
        "digest": report.digest or None,
        "tags": report.tags,
        "reviewed": items_json(report.reviewed),
    }
