"""`eegarchive info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eegarchive.archive import open_archive
from eegarchive.cli._shared import (
    base_option,
    bytes_text,
    duration_text,
    echo_json,
    json_option,
    signal_lines,
    table,
)
from eegarchive.layout import ANONYMIZED
from eegarchive.storage.guard import printable
from eegarchive.summary import summarize

_SHOWN_ROWS = 24
#: Gaps of a few kilobytes are in every archive.
_WORTH_SAVING = 10_000


@click.command()
@click.argument("archive", metavar="ARCHIVE[@TAG]")
@base_option
@json_option
def command(archive: str, base: Path | None, as_json: bool) -> None:
    """Show what is in an archive: recording, channels, annotations, freezes, size, provenance.

    \b
    Examples:
      eegarchive info night.h5
      eegarchive info night.h5@source --json
    """
    with open_archive(archive, base=base) as opened:
        found = summarize(opened)
    if as_json:
        echo_json(found)
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: dict[str, Any]) -> list[str]:
    recording, size, provenance = found["recording"], found["size"], found["provenance"]
    gaps = (
        f", {recording['segments']} segments with {duration_text(recording['gaps'])} of gaps"
        if recording["segments"] > 1
        else ""
    )
    frozen = {freeze["tag"]: freeze["digest"] for freeze in found["freezes"]}
    spare = size["compact_saves"]
    saved = f"; compact would save {bytes_text(spare)}" if spare >= _WORTH_SAVING else ""
    pairs = [
        *_file_lines(found),
        (
            "recording",
            f"{recording['kind']}, start {(recording['start'] or 'unknown').replace('T', ' ')}, "
            f"{duration_text(recording['duration'])} of data{gaps}",
        ),
        ("patient", recording["patient"]),
        ("identification", recording["recording"]),
    ]
    lines = list(table([pair for pair in pairs if pair[1]]))
    lines += [
        "",
        f"signals ({len(found['signals'])})",
        *(f"  {line}" for line in signal_lines(found["signals"], _SHOWN_ROWS)),
    ]
    lines += _annotation_lines(found["annotations"])
    epochs = found["epochs"]
    rest = [
        (
            "epochs",
            f"{epochs['count']} of {epochs['duration']:g} s, {epochs['masked']} masked"
            if epochs["count"]
            else "none set",
        ),
        ("state", _saved(found)),
        ("caches", ", ".join(found["caches"]) or "none"),
        ("windows", ", ".join(f"{w['name']}{' (stale)' if w['stale'] else ''}" for w in found["windows"])),
        ("description", ", ".join(f"{key} {_said(value)}" for key, value in found["description"].items())),
        (
            "size",
            f"{bytes_text(size['archive'])}, {size['ratio']:.2f} of the source's "
            f"{bytes_text(size['source'])}; codec {size['codec'] or 'none needed'}{saved}",
        ),
        ("source", f"{provenance['source_name']}, SHA-256 {provenance['source_sha256']}"),
        (
            "made",
            f"{provenance['created']} by {provenance['created_by']}, "
            f"HDF5 {provenance.get('version_hdf5', '?')}, commit {_short(str(provenance['git_commit']))}",
        ),
        ("anonymized", str(provenance.get(ANONYMIZED, ""))),
        ("digest", frozen.get(found["freeze"], provenance["digest"])),
    ]
    lines += ["", *table([pair for pair in rest if pair[1]])]
    lines += _freeze_lines(found["freezes"])
    if found["warnings"]:
        lines += ["", f"warnings ({len(found['warnings'])}): kept as they are in the source"]
        lines += [f"  {printable(warning['message'])}" for warning in found["warnings"][:_SHOWN_ROWS]]
        lines += _more(len(found["warnings"]))
    return lines


def _file_lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Which file it is; of a detached freeze, what it needs and whether that is there."""
    base, tag = found["base"], found["freeze"]
    if base is None:
        return [("archive", found["path"] + (f"@{tag}" if tag else ""))]
    there = base["path"] or f"MISSING: put {base['name']} beside it (or --base FILE); no samples without it"
    return [("detached", f"{found['path']}, the freeze {tag}"), ("base", there)]


def _said(value: Any) -> str:
    """A field of the description, as `describe` shows it."""
    return "n/a" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _short(commit: str) -> str:
    return commit if " " in commit else commit[:12]


def _saved(found: dict[str, Any]) -> str:
    """Whether the state that is shown can be thawed again."""
    if found["freeze"]:
        return f"frozen as {found['freeze']}"
    tags = found["saved_as"]
    return f"that of the freeze {', '.join(tags)}" if tags else "in no freeze; eegarchive freeze keeps it"


def _freeze_lines(freezes: list[dict[str, Any]]) -> list[str]:
    rows = [[freeze["tag"], freeze["created"], freeze["note"]] for freeze in freezes[:_SHOWN_ROWS]]
    return ["", f"freezes ({len(freezes)})", *(f"  {line}" for line in table(rows)), *_more(len(freezes))]


def _annotation_lines(annotations: list[dict[str, Any]]) -> list[str]:
    if not annotations:
        return []
    total = sum(entry["count"] for entry in annotations)
    rows = [[entry["kind"], str(entry["count"]), entry["set"]] for entry in annotations[:_SHOWN_ROWS]]
    return [
        "",
        f"annotations ({total})",
        *(f"  {line}" for line in table(rows, right=(1,))),
        *_more(len(annotations)),
    ]


def _more(count: int) -> list[str]:
    return [f"  and {count - _SHOWN_ROWS} more (--json lists all)"] if count > _SHOWN_ROWS else []
