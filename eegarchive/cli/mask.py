"""`eegarchive mask`."""

from __future__ import annotations

import re

import click

from eegarchive.cli._shared import tell, timeout_option
from eegarchive.editing import edit

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"


def _times(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    if value is None:
        return None
    match = re.fullmatch(rf"({_NUMBER})-({_NUMBER})", value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r}: expected seconds such as 3600-7200")
    return float(match[1]), float(match[2])


@click.command()
@click.argument("archive")
@click.option(
    "--keep-if",
    multiple=True,
    metavar="KIND",
    help="Mask the epochs without such an annotation; may be repeated (any of them).",
)
@click.option(
    "--drop-if",
    multiple=True,
    metavar="KIND",
    help="Mask the epochs with such an annotation; may be repeated (any of them).",
)
@click.option("--keep-epochs", metavar="NUMBERS", help="Mask all others; such as 200-250 or 3,7,9-11.")
@click.option("--drop-epochs", metavar="NUMBERS", help="Mask these.")
@click.option(
    "--keep-times",
    callback=_times,
    metavar="A-B",
    help="Mask what doesn't touch seconds A to B of the recording.",
)
@click.option("--drop-times", callback=_times, metavar="A-B", help="Mask what touches them.")
@click.option("--first", type=click.IntRange(min=1), metavar="N", help="Keep the first N that aren't masked.")
@click.option("--random", type=click.IntRange(min=1), metavar="N", help="Keep N of them at random.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed for --random, to get the same ones again.")
@click.option("--flip", is_flag=True, help="Before all else, mask what isn't masked and the other way round.")
@click.option("--clear", is_flag=True, help="Before all else, unmask all epochs.")
@click.option("--all", "all_of", is_flag=True, help="An epoch needs annotations of every KIND, not of any.")
@click.option("--whole", "whole_epoch", is_flag=True, help="One annotation has to cover the whole epoch.")
@click.option("--set", "annotation_set", metavar="SET", help="Only look at the annotations of this set.")
@timeout_option
def command(
    archive: str,
    keep_if: tuple[str, ...],
    drop_if: tuple[str, ...],
    keep_epochs: str | None,
    drop_epochs: str | None,
    keep_times: tuple[float, float] | None,
    drop_times: tuple[float, float] | None,
    first: int | None,
    random: int | None,
    seed: int | None,
    flip: bool,
    clear: bool,
    all_of: bool,
    whole_epoch: bool,
    annotation_set: str | None,
    timeout: float,
) -> None:
    """Mask epochs: they are left out of what follows. Masks add up; only --flip and --clear unmask.

    KIND is a sleep stage (W, N1, N2, N3, R), or the text of an annotation; * stands for any characters. An epoch
    has an annotation that it overlaps. Epochs of 30 s are set first where there are none.

    \b
    Examples:
      eegarchive mask night.h5 --keep-if N2 --drop-if Arousal
      eegarchive mask night.h5 --keep-epochs 200-250
      eegarchive mask night.h5 --keep-times 3600-7200
    """
    if first is not None and random is not None:
        raise click.UsageError("--first and --random: give one of them")
    if seed is not None and random is None:
        raise click.UsageError("--seed goes with --random")
    if (all_of or whole_epoch or annotation_set is not None) and not (keep_if or drop_if):
        raise click.UsageError("--all, --whole and --set go with --keep-if or --drop-if")
    asked = (keep_epochs, drop_epochs, keep_times, drop_times, first, random)
    if not (keep_if or drop_if or flip or clear) and all(value is None for value in asked):
        raise click.UsageError("say which epochs to mask, such as --keep-if N2; see --help")
    with edit(archive, timeout) as night:
        report = night.mask(
            keep=keep_if or None,
            drop=drop_if or None,
            keep_epochs=keep_epochs,
            drop_epochs=drop_epochs,
            keep_times=keep_times,
            drop_times=drop_times,
            first=first,
            random=random,
            seed=seed,
            flip=flip,
            clear=clear,
            all_of=all_of,
            whole_epoch=whole_epoch,
            annotation_set=annotation_set,
        )
    tell(archive, str(report))
