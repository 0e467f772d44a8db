"""`eegarchive verify`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from eegarchive.check_manifests import check_manifest
from eegarchive.cli._shared import base_option, echo_json, json_option, progress_bar
from eegarchive.errors import EEGArchiveError, describe
from eegarchive.exchange import links_out
from eegarchive.findings import Finding
from eegarchive.operations import counted
from eegarchive.storage.guard import printable
from eegarchive.verification import bytes_to_check, verify


@click.command()
@click.argument("archives", nargs=-1, metavar="ARCHIVE...", type=click.Path(path_type=Path))
@click.option(
    "--untrusted",
    is_flag=True,
    help="For files that may mean harm: little memory and time, nothing undone or written.",
)
@click.option("--portable", is_flag=True, help="Refuse files that need others beside them.")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check against a manifest instead: the archives given, or all that it lists beside it.",
)
@base_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    archives: tuple[Path, ...],
    untrusted: bool,
    portable: bool,
    manifest: Path | None,
    base: Path | None,
    as_json: bool,
) -> None:
    """Check archives: every byte against the seal, every clause of the format, every digest.

    Prints a line for each finding and ends with exit code 1 if anything is wrong.

    \b
    Examples:
      eegarchive verify night.h5
      eegarchive verify archives/*.h5 --json
      eegarchive verify --untrusted from-elsewhere.h5
      eegarchive verify --portable whole.h5
      eegarchive verify --manifest night.json
    """
    if manifest is not None:
        if untrusted or portable or base is not None:
            raise click.UsageError("--manifest goes with archives alone; verify them once more for the rest")
        good = f"{counted(len(archives), 'file') if archives else 'the files beside it'} as listed"
        results = [_checked_by_manifest(manifest, archives)]
    else:
        if not archives:
            raise click.UsageError("name archives, or a --manifest")
        good = "whole; every byte, clause and digest agrees"
        results = [_verified(path, base, untrusted, portable) for path in archives]
    for entry in results:
        entry["ok"] = not entry["findings"] and "error" not in entry
        if not as_json:
            _show(entry, good)
    if as_json:
        echo_json({"schema": "eegarchive.verify/1", "archives": results})
    if not all(entry["ok"] for entry in results):
        context.exit(1)


def _verified(path: Path, base: Path | None, untrusted: bool, portable: bool) -> dict[str, object]:
    def look(progress: Callable[[int], None] | None) -> list[Finding]:
        found = verify(path, progress=progress, base=base, untrusted=untrusted)
        is_whole = all(finding.severity != "error" for finding in found)
        return [*found, *links_out(path)] if portable and is_whole else found

    def total() -> int:
        return path.stat().st_size if untrusted else bytes_to_check(path)

    return _entry(path, total, look)


def _checked_by_manifest(manifest: Path, archives: Sequence[Path]) -> dict[str, object]:
    def look(progress: Callable[[int], None] | None) -> list[Finding]:
        return check_manifest(manifest, archives or None, progress=progress)

    def total() -> int:
        return sum(os.path.getsize(path) for path in archives)

    return _entry(manifest, total, look)


def _entry(
    path: Path,
    total: Callable[[], int],
    look: Callable[[Callable[[int], None] | None], list[Finding]],
) -> dict[str, object]:
    entry: dict[str, object] = {"path": str(path), "findings": []}
    try:
        with progress_bar(total(), f"checking {printable(path.name)}") as progress:
            entry["findings"] = [asdict(finding) for finding in look(progress)]
    except (EEGArchiveError, OSError) as error:
        entry["error"] = describe(error)
    return entry


def _show(entry: dict[str, object], good: str) -> None:
    path = printable(str(entry["path"]))
    if "error" in entry:
        click.echo(f"eegarchive: error: {printable(str(entry['error']))}", err=True)
    elif entry["ok"]:
        click.echo(f"{path}: {good}")
    else:
        findings = entry["findings"]
        assert isinstance(findings, list)
        for finding in findings:
            click.echo(
                f"{path}: {finding['severity']}: {finding['path']}: {finding['message']} ({finding['advice']})"
            )
