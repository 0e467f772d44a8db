"""`eegarchive convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from eegarchive.anonymizing import review_edf
from eegarchive.batch import Outcome, convert_many, plan, total_bytes
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
from eegarchive.cli._shared import bytes_text, echo_json, progress_bar, read_fields
from eegarchive.scrubbing import Anonymization
from eegarchive.storage.codec import CODECS
from eegarchive.storage.guard import printable

_SHOWN_WARNINGS = 5


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Archive (one input) or folder to write; default: beside each input.",
)
@click.option(
    "--codec",
    type=click.Choice(list(CODECS)),
    default="portable",
    show_default=True,
    help="portable opens everywhere; fast and small need the bitshuffle plugin.",
)
@click.option(
    "--verify/--no-verify",
    default=True,
    help="Read each archive back and compare it with its source (default).",
)
@click.option("--overwrite", is_flag=True, help="Replace archives that are there.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Recordings to convert at the same time.",
)
@click.option("--seed", type=int, help="A seed to record with the provenance.")
@click.option(
    "--attr",
    "description",
    multiple=True,
    metavar="KEY[:TYPE]=VALUE",
    callback=read_fields,
    help="A field that describes the recording, as subject=S1 or age:int=34; may be repeated.",
)
@click.option(
    "--bids/--no-bids",
    default=True,
    help="Take fields from names as BIDS has them, and participants.tsv (default).",
)
@click.option(
    "--annotations",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A scoring of the recording to import as a set of its own: EDF+, NSRR, Luna, BIDS, CSV.",
)
@click.option("--anonymize", is_flag=True, help="Take out who was recorded; see eegarchive anonymize --help.")
@shift_option
@keep_option
@annotations_option
@dry_run_option
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.pass_context
def command(
    context: click.Context,
    inputs: tuple[Path, ...],
    output: Path | None,
    codec: str,
    verify: bool,
    overwrite: bool,
    jobs: int,
    seed: int | None,
    description: dict[str, Any],
    bids: bool,
    annotations: Path | None,
    anonymize: bool,
    shift_days: int | None,
    keep: tuple[str, ...],
    keep_annotations: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Turn EDF and BDF recordings into archives, byte for byte.

    INPUT is a file, or a folder that is searched for .edf, .bdf and .rec files; its tree is kept below
    the output folder. Each archive is read back from disk and compared with its source before it gets
    its name. Run again after an interruption, it skips what is done and whole.

    A field that --attr gives is text, unless its TYPE is stated (int, num, bool, date, datetime, none, text), or
    BIDS has a field of that name, whose type it gets then.

    \b
    Examples:
      eegarchive convert night.edf
      eegarchive convert recordings/ -o archives/ --jobs 4
      eegarchive convert night.edf -o night.h5 --attr subject=S001 --attr age:int=34
      eegarchive convert night.edf --annotations hypnogram.edf
      eegarchive convert night.edf --anonymize --dry-run
      eegarchive convert night.edf --anonymize --keep age,sex -o P07.h5
    """
    options = Anonymization(shift_days, keep, keep_annotations) if anonymize else None
    if options is None and (shift_days is not None or keep or keep_annotations or dry_run):
        raise click.UsageError("--shift-days, --keep, --keep-annotations and --dry-run are for --anonymize")
    if options is not None and annotations is not None:
        raise click.UsageError(
            "--annotations come in as they are; convert with them, then anonymize the archive"
        )
    pairs = plan(inputs, output)
    if annotations is not None and len(pairs) != 1:
        raise click.UsageError(
            f"--annotations belong to one recording, these are {len(pairs)}; convert them one by one"
        )
    if options is not None and dry_run:
        _review([source for source, _ in pairs], options, bids, as_json)
        return
    with progress_bar(total_bytes(pairs, verify), "converting") as progress:

        def finished(outcome: Outcome) -> None:
            if not as_json:
                _show(outcome)

        report = convert_many(
            inputs,
            output,
            jobs=jobs,
            codec=codec,
            verify=verify,
            overwrite=overwrite,
            seed=seed,
            description=description,
            bids=bids,
            annotations=annotations,
            anonymize=options,
            progress=progress,
            finished=finished,
        )
    if as_json:
        echo_json(
            {"schema": "eegarchive.convert/1", "outcomes": [_as_json(outcome) for outcome in report.outcomes]}
        )
    elif len(report.outcomes) > 1:
        done = [outcome.report for outcome in report.outcomes if outcome.report]
        before, after = sum(r.source_bytes for r in done), sum(r.archive_bytes for r in done)
        sizes = f"{bytes_text(before)} became {bytes_text(after)}"
        click.echo(
            f"{report.count('converted')} converted ({sizes}), "
            f"{report.count('skipped')} skipped, {report.count('failed')} failed"
        )
    if report.count("failed"):
        context.exit(1)


def _review(sources: Sequence[Path], options: Anonymization, bids: bool, as_json: bool) -> None:
    """List what anonymizing would remove, change and keep."""
    found = [(source, review_edf(source, options, bids=bids)) for source in sources]
    if as_json:
        recordings = [{"source": str(source), "reviewed": items_json(items)} for source, items in found]
        echo_json({"schema": "eegarchive.anonymize/1", "recordings": recordings})
        return
    for source, items in found:
        if len(found) > 1:
            click.echo(f"{printable(str(source))}:")
        for line in review_lines(items):
            click.echo(line)


def _show(outcome: Outcome) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():
        source = printable(str(outcome.source))
        if outcome.report is None:
            if outcome.status == "failed":
                click.echo(f"eegarchive: error: {printable(outcome.error)}", err=True)
            else:
                click.echo(f"{source}: skipped, {printable(str(outcome.target))} is there and whole")
            return
        report = outcome.report
        for oddity in report.oddities[:_SHOWN_WARNINGS]:
            click.echo(f"{source}: warning: {printable(oddity.message)}", err=True)
        if len(report.oddities) > _SHOWN_WARNINGS:
            click.echo(
                f"{source}: warning: {len(report.oddities) - _SHOWN_WARNINGS} more; eegarchive info lists them",
                err=True,
            )
        checked = "read back and equal" if report.verified else "not read back"
        imported = f"; {report.imported} annotations imported" if report.imported else ""
        ratio = report.archive_bytes / report.source_bytes
        click.echo(
            f"{source} -> {printable(str(outcome.target))}: {report.kind}, "
            f"{bytes_text(report.source_bytes)} became {bytes_text(report.archive_bytes)} ({ratio:.2f}), "
            f"{checked}{imported}"
        )
        if report.reviewed:
            click.echo(f"{printable(str(outcome.target))}: anonymized, {outcome_line(report.reviewed)}")
        for line in suspect_lines(report.reviewed):
            click.echo(f"eegarchive: {line}", err=True)


def _as_json(outcome: Outcome) -> dict[str, object]:
    found: dict[str, object] = {
        "source": str(outcome.source),
        "target": str(outcome.target),
        "status": outcome.status,
    }
    if outcome.error:
        found["error"] = outcome.error
    if outcome.report is not None:
        report = outcome.report
        found |= {
            "kind": report.kind,
            "source_bytes": report.source_bytes,
            "archive_bytes": report.archive_bytes,
            "source_sha256": report.source_sha256,
            "digest": report.digest,
            "verified": report.verified,
            "imported": report.imported,
            "seconds": report.seconds,
            **({"reviewed": items_json(report.reviewed)} if report.reviewed else {}),
            "warnings": [{"code": oddity.code, "message": oddity.message} for oddity in report.oddities],
        }
    return found
