"""`eegarchive cache`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from eegarchive.archive import open_archive
from eegarchive.cache import Cache
from eegarchive.cache.columns import TYPES, Block
from eegarchive.cache.files import READ_FORMATS, WRITTEN_FORMATS, dump_text, luna_lines
from eegarchive.cache.origins import BASES
from eegarchive.cli._collect import collect, names_of, stale_option, variables_option
from eegarchive.cli._shared import (
    echo_json,
    json_option,
    overwrite_option,
    table,
    tell,
    timeout_option,
)
from eegarchive.editing import edit
from eegarchive.errors import NotInArchive
from eegarchive.operations import counted

_DUMP_FORMATS = ("table", "luna", "csv", "json", "parquet")
_type_option = click.option(
    "--type", "types", type=click.Choice(TYPES), multiple=True, help="Only values of this type."
)


@click.group()
def command() -> None:
    """Values derived from the recording: list, dump, import, export, copy, collect, remove them.

    \b
    Examples:
      eegarchive cache list night.h5
      eegarchive cache import night.h5 psd psd.txt --factors CH,F --variables PSD
      eegarchive cache dump night.h5 psd
      eegarchive cache collect nights/ --name psd -o psd.parquet
    """


@command.command("list")
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@json_option
def list_(archive: str, as_json: bool) -> None:
    """List caches and what is in them; `stale` is what doesn't hold for the state any more.

    \b
    Examples:
      eegarchive cache list night.h5
      eegarchive cache list night.h5@N2 --json
    """
    with open_archive(archive) as opened:
        found = [{"cache": name, **line} for name in opened.cache for line in opened.cache[name].summary()]
    if as_json:
        echo_json({"schema": "eegarchive.cache-list/1", "values": found})
        return
    if not found:
        tell(archive, "no caches")
        return
    rows = [["cache", "variable", "type", "factors", "values", "missing", "stale", "computed on"]]
    for line in found:
        rows.append(
            [
                line["cache"],
                line["variable"],
                line["type"],
                ",".join(line["factors"]) or "-",
                str(line["values"]),
                str(line["missing"] or "-"),
                str(line["stale"] or "-"),
                ", ".join(line["states"]),
            ]
        )
    for text in table(rows, right=(4, 5, 6)):
        click.echo(text)


@command.command("dump")
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.argument("name")
@_type_option
@variables_option
@click.option(
    "--format",
    type=click.Choice(_DUMP_FORMATS),
    default="table",
    show_default=True,
    help="How to print them.",
)
@stale_option
def dump(
    archive: str, name: str, types: tuple[str, ...], variables: list[str] | None, format: str, stale: bool
) -> None:
    """Print the values of a cache: aligned, as Luna prints them, or exactly (csv, json, parquet).

    \b
    Examples:
      eegarchive cache dump night.h5 p1
      eegarchive cache dump night.h5 p1 --type num --format luna
      eegarchive cache dump night.h5@N2 p1 --format json > p1.json
    """
    with open_archive(archive) as opened:
        cache = opened.cache.existing(name)
        if format == "parquet":
            if sys.stdout.isatty():
                raise click.UsageError(
                    "Parquet isn't for a terminal; use `cache export`, or send it to a file"
                )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "values"
                cache.export_file(path, variables, types=types or TYPES, format=format, stale=stale)
                sys.stdout.buffer.write(path.read_bytes())
            return
        blocks = cache.blocks(variables, types=types or TYPES, stale=stale)
        if not blocks:
            raise NotInArchive(f"{opened.path}: cache {name!r}: has no such values")
    if format in ("csv", "json"):
        dump_text(blocks, sys.stdout, name=name, format=format)  # type: ignore[arg-type]
        return
    for line in luna_lines(blocks, name=name) if format == "luna" else _aligned(blocks):
        click.echo(line)


def _aligned(blocks: Sequence[Block]) -> Iterator[str]:
    """Values in a table: one line each, a column for each factor."""
    factors = list(dict.fromkeys(name for block in blocks for name in block.factors))
    rows = [["variable", *factors, "type", "value"]]
    for block in blocks:
        levels = [
            block.factors[name].to_list() if name in block.factors else [None] * len(block)
            for name in factors
        ]
        kind = block.values.type + ("[]" if block.offsets is not None else "")
        for i, variable in enumerate(block.variables.tolist()):
            strata = ["-" if own[i] is None else _text(own[i]) for own in levels]
            rows.append([variable, *strata, kind, _value(block, i)])
    yield from table(rows)


def _value(block: Block, i: int) -> str:
    """One value for people."""
    if block.offsets is not None:
        return f"({block.offsets[i + 1] - block.offsets[i]} elements)"
    return "missing" if block.values.missing[i] else _text(block.values.values[i])


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@command.command("import")
@click.argument("archive")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--factors",
    callback=names_of,
    metavar="NAME,...",
    help="Columns that are factors: CH,F (F:num states a type).",
)
@click.option(
    "--variables",
    callback=names_of,
    metavar="NAME,...",
    help="Columns that are variables; default: all the others.",
)
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Only rows of this ID; default: this recording's. Repeatable.",
)
@click.option(
    "--command",
    "prefix",
    default="",
    metavar="NAME",
    help="Put the name of a command before variables: NAME:SR.",
)
@click.option(
    "--format", type=click.Choice(list(READ_FORMATS)), help="What the file is; default: what its name tells."
)
@click.option(
    "--basis",
    type=click.Choice(BASES),
    default="clock",
    show_default=True,
    help="What the values hold for: see the docs.",
)
@timeout_option
def import_(
    archive: str,
    name: str,
    file: Path,
    factors: list[str] | None,
    variables: list[str] | None,
    ids: tuple[str, ...],
    prefix: str,
    format: str | None,
    basis: Any,
    timeout: float,
) -> None:
    """Keep the values of a file: a long table of Luna's, CSV, Parquet, or what `cache export` wrote.

    Of a table of several recordings only the rows of this one are taken: those with its ID, which is the name of the
    archive or of the EDF, or its attribute `id` or `subject`.

    \b
    Examples:
      eegarchive cache import night.h5 psd psd.txt --factors CH,F --variables PSD
      eegarchive cache import night.h5 cohort all.csv --factors STAGE --id S001
    """
    with edit(archive, timeout) as night:
        count = night.cache[name].import_file(
            file, factors or (), variables, ids=ids or None, prefix=prefix, format=format, basis=basis
        )
    tell(archive, f"{counted(count, 'value')} of {file} kept in the cache {name}")


@command.command("export")
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@_type_option
@variables_option
@click.option(
    "--format", type=click.Choice(list(WRITTEN_FORMATS)), help="Default: what the file's name tells."
)
@stale_option
@overwrite_option
def export(
    archive: str,
    name: str,
    file: Path,
    types: tuple[str, ...],
    variables: list[str] | None,
    format: str | None,
    stale: bool,
    overwrite: bool,
) -> None:
    """Write the values of a cache to a file, exactly: .csv, .json or .parquet.

    \b
    Example:
      eegarchive cache export night.h5 psd psd.parquet
    """
    with open_archive(archive) as opened:
        count = opened.cache.existing(name).export_file(
            file, variables, types=types or TYPES, format=format, stale=stale, overwrite=overwrite
        )
    tell(str(file), f"{counted(count, 'value')} written")


@command.command("clear")
@click.argument("archive")
@click.argument("name", required=False)
@timeout_option
def clear(archive: str, name: str | None, timeout: float) -> None:
    """Remove a cache, or all of them. Freezes keep theirs.

    \b
    Example:
      eegarchive cache clear night.h5 psd
    """
    with edit(archive, timeout) as night:
        names = list(night.cache) if name is None else [name]
        for each in names:
            del night.cache[each]
    tell(archive, f"{counted(len(names), 'cache')} removed")


@command.command("rm")
@click.argument("archive")
@click.argument("name")
@click.argument("strata", nargs=-1, metavar="[FACTOR=LEVEL]...")
@click.option("--variable", metavar="NAME", help="Only values of this variable.")
@click.option("--stale", is_flag=True, help="Only values that don't hold for the state any more.")
@timeout_option
def rm(
    archive: str, name: str, strata: tuple[str, ...], variable: str | None, stale: bool, timeout: float
) -> None:
    """Remove values of a cache: of a variable, of some strata, or what is stale.

    \b
    Examples:
      eegarchive cache rm night.h5 psd CH=C3 --variable PSD
      eegarchive cache rm night.h5 psd --stale
    """
    if not (strata or variable or stale):
        raise click.UsageError("say which: --variable, FACTOR=LEVEL or --stale; `cache clear` removes all")
    with edit(archive, timeout) as night:
        cache = night.cache.existing(name)
        count = cache.remove(variable, _strata(cache, strata), stale=stale)
        if not (count or stale):
            raise NotInArchive(f"{night.path}: cache {name!r}: has no such values")
    tell(archive, f"{counted(count, 'value')} of the cache {name} removed")


def _strata(cache: Cache, pairs: Sequence[str]) -> dict[str, Any]:
    """Levels as a factor's type has them."""
    known, found = cache.factors, {}
    for pair in pairs:
        factor, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r}: expected FACTOR=LEVEL")
        if factor not in known:
            raise NotInArchive(
                f"cache {cache.name!r}: no factor {factor!r}; there are {', '.join(known) or 'none'}"
            )
        kind = type(known[factor][0])
        try:
            found[factor] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError):
            raise click.UsageError(f"{pair!r}: levels of {factor} are such as {known[factor][0]!r}") from None
    return found


@command.command("copy")
@click.argument("source", metavar="FROM[@TAG]")
@click.argument("target", metavar="TO")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@timeout_option
def copy(source: str, target: str, names: tuple[str, ...], timeout: float) -> None:
    """Copy caches into another archive of the same recording, with where their values came from.

    \b
    Example:
      eegarchive cache copy cluster/night.h5 night.h5 psd
    """
    with open_archive(source) as other:
        wanted = [other.cache.existing(name) for name in names or other.cache]
        with edit(target, timeout) as night:
            count = sum(night.cache[cache.name].copy_from(cache) for cache in wanted)
    tell(target, f"{counted(count, 'value')} of {counted(len(wanted), 'cache')} copied from {source}")


command.add_command(collect)
