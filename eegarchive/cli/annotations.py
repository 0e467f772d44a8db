"""`eegarchive annotations`."""

from __future__ import annotations

from pathlib import Path

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import (
    ArchiveGroup,
    echo_json,
    json_option,
    overwrite_option,
    table,
    tell,
    timeout_option,
)
from eegarchive.editing import edit
from eegarchive.editing.annotations import DEFAULT_SET
from eegarchive.exporting import export_annotations
from eegarchive.operations import counted
from eegarchive.operations.epochs import DEFAULT_LENGTH
from eegarchive.scoring import FORMATS
from eegarchive.summary import summarize_annotations

_format_option = click.option(
    "--format", type=click.Choice(list(FORMATS)), help="What the file is; default: what its name tells."
)
_kind_option = click.option("--kind", metavar="KIND", help="Only annotations of this kind or text.")
_set_option = click.option("--set", "annotation_set", metavar="SET", help="Only the annotations of this set.")


@click.group(cls=ArchiveGroup, invoke_without_command=True)
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
@click.pass_context
def command(context: click.Context, archive: str, as_json: bool) -> None:
    """List kinds and sets of annotations; or import, export, drop, rename annotations.

    Files are EDF+ (a separate hypnogram, for one), NSRR XML, Luna .annot and .eannot, BIDS events.tsv, CSV.

    \b
    Examples:
      eegarchive annotations night.h5
      eegarchive annotations night.h5 import scorer2.annot --set scorer2
      eegarchive annotations night.h5@N2 export n2.tsv --set scorer2
      eegarchive annotations night.h5 drop --kind Arousal
      eegarchive annotations night.h5 rename --set edf --new-set technician
    """
    context.obj = archive
    if context.invoked_subcommand is not None:
        return
    with open_archive(archive) as opened:
        found = summarize_annotations(opened)
    if as_json:
        echo_json({"schema": "eegarchive.annotations/1", "annotations": found})
        return
    if not found:
        tell(archive, "no annotations")
        return
    rows = [["kind", "count", "set"]]
    rows += [[entry["kind"], str(entry["count"]), entry["set"]] for entry in found]
    for line in table(rows, right=(1,)):
        click.echo(line)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--set", "annotation_set", metavar="SET", help="Name of the set; default: the file's name.")
@_format_option
@click.option(
    "--epoch-length",
    type=float,
    default=DEFAULT_LENGTH,
    show_default=True,
    metavar="SECONDS",
    help="How long an epoch is, for files that count epochs.",
)
@timeout_option
@click.pass_obj
def import_(
    archive: str,
    file: Path,
    annotation_set: str | None,
    format: str | None,
    epoch_length: float,
    timeout: float,
) -> None:
    """Add the annotations of a file, as a set beside the others.

    \b
    Example:
      eegarchive annotations night.h5 import scorer2.annot --set scorer2
    """
    name = file.stem if annotation_set is None else annotation_set
    with edit(archive, timeout) as night:
        count = night.import_annotations(file, format=format, annotation_set=name, epoch_length=epoch_length)
    tell(archive, f"{counted(count, 'annotation')} of {file} added, as the set {name}")


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@_set_option
@_format_option
@overwrite_option
@click.pass_obj
def export(archive: str, file: Path, annotation_set: str | None, format: str | None, overwrite: bool) -> None:
    """Write annotations to a file: .edf, .annot, .eannot, .tsv or .csv.

    \b
    Example:
      eegarchive annotations night.h5@N2 export n2.tsv --set scorer2
    """
    with open_archive(archive) as opened:
        count = export_annotations(
            opened, file, annotation_set=annotation_set, format=format, overwrite=overwrite
        )
    tell(str(file), f"{counted(count, 'annotation')} written")


@command.command("add")
@click.argument("text")
@click.option("--onset", type=float, required=True, metavar="SECONDS", help="On the recording clock.")
@click.option("--duration", type=float, default=float("nan"), metavar="SECONDS", help="Unknown if not given.")
@click.option("--set", "annotation_set", default=DEFAULT_SET, show_default=True, metavar="SET")
@timeout_option
@click.pass_obj
def add(archive: str, text: str, onset: float, duration: float, annotation_set: str, timeout: float) -> None:
    """Add one annotation.

    \b
    Example:
      eegarchive annotations night.h5 add Arousal --onset 3615.5 --duration 4
    """
    with edit(archive, timeout) as night:
        night.add_annotations([onset], [duration], [text], annotation_set=annotation_set)
    tell(archive, f"{text} added at {onset:.10g} s, to the set {annotation_set}")


@command.command("drop")
@_kind_option
@_set_option
@timeout_option
@click.pass_obj
def drop(archive: str, kind: str | None, annotation_set: str | None, timeout: float) -> None:
    """Drop annotations of a kind, of a set, or of both.

    \b
    Example:
      eegarchive annotations night.h5 drop --kind Arousal --set edf
    """
    if kind is None and annotation_set is None:
        raise click.UsageError("give --kind, --set or both")
    with edit(archive, timeout) as night:
        count = night.drop_annotations(kind, annotation_set)
    tell(archive, f"{counted(count, 'annotation')} dropped")


@command.command("rename")
@_kind_option
@_set_option
@click.option("--text", metavar="TEXT", help="Their new text; the kind follows from it.")
@click.option("--new-set", metavar="SET", help="Their new set.")
@timeout_option
@click.pass_obj
def rename(
    archive: str,
    kind: str | None,
    annotation_set: str | None,
    text: str | None,
    new_set: str | None,
    timeout: float,
) -> None:
    """Give annotations of a kind, of a set, or of both another text or set.

    \b
    Example:
      eegarchive annotations night.h5 rename --set edf --new-set technician
    """
    if kind is None and annotation_set is None:
        raise click.UsageError("give --kind, --set or both")
    if text is None and new_set is None:
        raise click.UsageError("give --text, --new-set or both")
    with edit(archive, timeout) as night:
        count = night.rename_annotations(kind, annotation_set, text=text, new_set=new_set)
    tell(archive, f"{counted(count, 'annotation')} renamed")
