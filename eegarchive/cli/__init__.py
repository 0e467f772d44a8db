"""The command line: one module for each verb, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from eegarchive._version import __version__

#: Verbs, and the line that `eegarchive --help` shows for each.
VERBS = {
    "convert": "Turn EDF and BDF recordings into archives.",
    "info": "Show what is in an archive.",
    "export": "Write an archive's recording as EDF or BDF.",
    "verify": "Check archives, every byte and every digest.",
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
        from eegarchive.batch import describe
        from eegarchive.errors import EEGArchiveError

        try:
            return super().invoke(context)
        except (EEGArchiveError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            click.echo(f"eegarchive: error: {describe(error)}", err=True)
            context.exit(1)


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
