"""The command line: one module for each verb, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from eegarchive._version import __version__

#: Verbs, and the line that `eegarchive --help` shows for each.
VERBS = {
    "convert": "Turn EDF and BDF recordings into archives.",
    "info": "Show what is in an archive.",
    "export": "Write a state as EDF, BDF, FIF, Zarr, or a table of it as CSV or Parquet.",
    "verify": "Check archives, every byte and every digest.",
    "epochs": "Cut the recording into epochs.",
    "mask": "Mask epochs: by annotation, number or time.",
    "restructure": "Drop the masked epochs.",
    "signals": "List signals; keep, drop, copy, rename, set them.",
    "resample": "Resample signals to another rate.",
    "filter": "Filter signals.",
    "annotations": "List annotations; import, export, drop, rename them.",
    "freeze": "Keep the working state under a tag.",
    "thaw": "Get back the state that a freeze has kept.",
    "freezes": "List freezes, or remove one.",
    "cache": "Derived values: list, dump, import, export, copy, collect.",
    "windows": "Windows for training: list, prepare, remove.",
    "plot": "Draw a whole recording, or a page of traces.",
    "ledger": "Measure what a recording costs in each format.",
    "describe": "Show or set subject, session, age and other fields.",
    "run": "Run a Luna script on archives.",
    "tables": "Print tables that `run` put into a database.",
    "diff": "Show what differs between two states.",
    "history": "Show the operations that led to a state.",
    "digest": "Print the digest of a state.",
    "detach": "Write a freeze as a small file that needs its recording beside it.",
    "attach": "Make a detached file a freeze of an archive.",
    "pack": "Make one self-contained archive of a file that needs others.",
    "replay": "Run a state's history again, and compare.",
    "manifest": "Write hashes and provenance of archives as JSON.",
    "crate": "Make an RO-Crate and a BagIt bag of archives.",
    "anonymize": "Write an archive without what says who was recorded.",
    "compact": "Rewrite an archive to the smallest file.",
    "recode": "Encode an archive's samples by another codec.",
}


class _Verbs(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"eegarchive.cli.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, context: click.Context) -> Any:
        from eegarchive.errors import EEGArchiveError, OddInput, describe

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", OddInput)
                warnings.showwarning = _show_warning
                return super().invoke(context)
        except (EEGArchiveError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            from eegarchive.storage.guard import printable

            click.echo(f"eegarchive: error: {printable(describe(error))}", err=True)
            context.exit(1)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from eegarchive.storage.guard import printable

    click.echo(f"eegarchive: warning: {printable(str(message))}", err=True)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eegarchive", message="%(prog)s %(version)s")
def main() -> None:
    """One EEG or sleep recording session, one HDF5 file.

    An ARCHIVE may be written as night.h5@TAG to name one of its freezes.

    \b
    Example:
      eegarchive convert night.edf
      eegarchive info night.h5
    """


if __name__ == "__main__":
    sys.exit(main())
