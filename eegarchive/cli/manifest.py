"""`eegarchive manifest`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from eegarchive.cli._shared import overwrite_option, progress_bar, tell
from eegarchive.manifests import manifest, manifest_text
from eegarchive.storage.files import new_file, refuse_existing


@click.command()
@click.argument("archives", nargs=-1, required=True, metavar="ARCHIVE...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@overwrite_option
def command(archives: tuple[Path, ...], output: Path | None, overwrite: bool) -> None:
    """Write hashes, digests of the contents and provenance of archives as JSON, small enough to be signed.

    The same archives give the same bytes. docs/publishing.md tells how to sign it.

    \b
    Examples:
      eegarchive manifest night.h5
      eegarchive manifest *.h5 -o manifest.json
      eegarchive verify --manifest manifest.json
    """
    if output is not None:
        refuse_existing(output, overwrite)
    total = 0
    for path in archives:
        with contextlib.suppress(OSError):  # told when it is opened
            total += path.stat().st_size
    with progress_bar(total, "hashing") as progress:
        text = manifest_text(manifest(*archives, progress=progress))
    if output is None:
        click.echo(text, nl=False)
        return
    with new_file(output, overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
    tell(str(output), f"lists {len(archives)} file{'s' if len(archives) > 1 else ''}")
