"""A script on many archives: each wholly or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from eegarchive.collecting.crew import Crew
from eegarchive.collecting.sources import Source, sources_in
from eegarchive.editing import edit
from eegarchive.errors import EEGArchiveError, ScriptError, describe
from eegarchive.exporting import Progress
from eegarchive.luna.database import Database
from eegarchive.luna.folder import prepare_folder, write_tables
from eegarchive.luna.run import Run, resolved
from eegarchive.luna.script import Command, parse
from eegarchive.luna.tables import Table
from eegarchive.luna.words import WORDS, check
from eegarchive.storage.files import refuse_same
from eegarchive.storage.guard import printable
from eegarchive.storage.locks import EDIT_WAIT_SECONDS

_Paths = str | os.PathLike[str]


@dataclass(frozen=True)
class Ran:
    """What became of one archive.

    Attributes
    ----------
    source : Source
        Which archive; `source.id` is its ID in the tables.
    status : {"done", "failed", "not run"}
    tables : list of Table
        What the script has put out; empty if that went to a folder or database.
    printed : list of str
        Lines that it has shown beside that.
    log : list of str
        What was done, line by line.
    oddities : list of str
        Lines of the log that tell what the script can't have meant: no such annotation, nothing recorded ...
    error : str
        One line, if it failed; the archive is what it was then.
    """

    source: Source
    status: Literal["done", "failed", "not run"]
    tables: list[Table] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    error: str = ""
    _kind: type[EEGArchiveError] = field(default=EEGArchiveError, repr=False)


@dataclass
class RunReport:
    """What became of all archives, in order.

    Attributes
    ----------
    outcomes : list of Ran
    written : list of Path
        The files in the folder.
    """

    outcomes: list[Ran] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many archives ended so: done, failed or not run."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True)
class _Task:
    """A script for one archive."""

    source: Source
    commands: tuple[Command, ...]
    text: str
    name: str
    variables: dict[str, str]
    timeout: float
    overwrite: bool


def run(
    archives: _Paths | Sequence[_Paths],
    script: str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    database: str | os.PathLike[str] | None = None,
    form: Literal["tsv", "parquet"] = "tsv",
    jobs: int = 1,
    keep_going: bool = False,
    overwrite: bool = False,
    timeout: float = EDIT_WAIT_SECONDS,
    progress: Progress | None = None,
    finished: Callable[[Ran], None] | None = None,
) -> RunReport:
    """Run a script in Luna's command language on archives.

    The script is looked at as a whole before anything is run. On each archive it is one transaction: if a command
    fails, the archive is what it was, and has no outputs.

    Parameters
    ----------
    archives : path-like, or sequence of path-like
        Archives, and folders that are searched for them.
    script : str or Path
        The script itself; or, as a Path, the file that it is in.
    variables : mapping of str to str, optional
        What stands for `${name}`.
    folder : path-like, optional
        Write outputs as long tables there, one file for each command and set of factors; see
        :func:`eegarchive.luna.folder.write_tables`.
    database : path-like, optional
        Put outputs into this SQLite database, see :mod:`eegarchive.luna.database`. What an archive has in a table is
        replaced if the script puts out that table again.
    form : {"tsv", "parquet"}
        Format of the files in the folder.
    jobs : int
        Archives at the same time, each in a process of its own if more than one.
    keep_going : bool
        Go on with the others if one fails; else no further one is begun.
    overwrite : bool
        Replace tables that are in the folder, and files that commands write.
    timeout : float
        Seconds to wait for others who write or read an archive.
    progress : callable, optional
        Called with the number of commands done since the last call.
    finished : callable, optional
        Called with each outcome, in the order of the archives.

    Returns
    -------
    RunReport
        Outputs are in it if they go neither to a folder nor to a database.

    Raises
    ------
    ScriptError
        If the script can't be run as it is written. Nothing was done then.
    TargetExists
        If there are tables in the folder, and `overwrite` isn't set. Nothing was done then.
    EEGArchiveError
        If an archive failed, and `keep_going` isn't set; those before it are done.
    """
    text, name = _read(script)
    given = dict(variables or {})
    commands = _commands(text, name, given)
    sources = _sources(archives)
    tasks = [_Task(source, tuple(commands), text, name, given, timeout, overwrite) for source in sources]
    report = RunReport()
    with contextlib.ExitStack() as stack:
        sinks, into = _sinks(stack, sources, folder, database, form, overwrite)
        crew = stack.enter_context(Crew(min(jobs, len(tasks))))
        failed: list[Ran] = []

        def wanted() -> Iterator[_Task]:
            for task in tasks:
                if failed and not keep_going:
                    return
                yield task

        told = None if jobs > 1 and len(tasks) > 1 else progress
        for task, ran in crew.results(_Work(told), wanted()):
            outcome = ran or Ran(task.source, "failed", error=f"{task.source}: its process died")
            if outcome.status == "done":
                for sink in sinks:
                    sink.add(task.source.id, outcome.tables)
            else:
                failed.append(outcome)
            if sinks:
                outcome = replace(outcome, tables=[])
            if finished is not None:
                finished(outcome)
            report.outcomes.append(outcome)
            if told is None and progress is not None:
                progress(len(commands))
        if into is not None and folder is not None:
            report.written = write_tables(into, Path(folder), form, overwrite)
    begun = len(report.outcomes)
    report.outcomes += [Ran(task.source, "not run") for task in tasks[begun:]]
    if failed and not keep_going:
        raise failed[0]._kind(_stopped(failed[0], report))
    return report


def commands_to_run(
    archives: _Paths | Sequence[_Paths], script: str | Path, variables: Mapping[str, str] | None = None
) -> int:
    """How many commands `progress` of :func:`run` will be told of in all.

    Raises
    ------
    ScriptError
        If the script can't be run as it is written.
    """
    text, name = _read(script)
    return len(_commands(text, name, variables or {})) * len(_sources(archives))


def _commands(text: str, name: str, variables: Mapping[str, str]) -> list[Command]:
    with _in_script(name):
        commands = parse(text, variables)
        check(commands)
    return commands


def _sources(archives: _Paths | Sequence[_Paths]) -> list[Source]:
    return sources_in([archives] if isinstance(archives, str | os.PathLike) else archives)


def _read(script: str | Path) -> tuple[str, str]:
    """A script's text, and the name of its file."""
    if isinstance(script, str):
        return script, ""
    try:
        return script.read_text(encoding="utf-8-sig"), script.name
    except UnicodeDecodeError as error:
        raise ScriptError(
            f"{printable(str(script))}: isn't text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from None


@contextlib.contextmanager
def _in_script(name: str) -> Iterator[None]:
    """Have errors say in which script."""
    try:
        yield
    except EEGArchiveError as error:
        if name:
            error.args = (f"{printable(name)}: {error}",)
        raise


def _sinks(
    stack: contextlib.ExitStack,
    sources: Sequence[Source],
    folder: str | os.PathLike[str] | None,
    database: str | os.PathLike[str] | None,
    form: str,
    overwrite: bool,
) -> tuple[list[Database], Database | None]:
    """The databases that take the outputs, and the one of them that becomes files."""
    sinks, into = [], None
    if database is not None:
        for source in sources:
            refuse_same(source.path, Path(database))
        sinks.append(stack.enter_context(Database(database, create=True)))
    if folder is not None:
        prepare_folder(Path(folder), form, overwrite)
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix=".run-", dir=folder))
        into = stack.enter_context(Database(Path(scratch) / "tables.db", create=True))
        sinks.append(into)
    return sinks, into


def _stopped(failed: Ran, report: RunReport) -> str:
    """The error that ended a run, and what became of the other archives."""
    if len(report.outcomes) == 1:
        return failed.error
    others = f"{report.count('done')} archives were done, {report.count('not run')} weren't begun"
    return f"{failed.error} ({others}; --keep-going goes on)"


class _Work:
    """What a process does with a task."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def __call__(self, task: _Task) -> Ran:
        log: list[str] = []
        left = len(task.commands)
        try:
            with edit(_place(task.source), task.timeout) as night, _in_script(task.name):
                run = Run(night, task.source.id, log.append, task.overwrite)
                with night.script(task.text, task.name, task.variables):
                    for command in task.commands:
                        _do(run, command)
                        left -= self._tell(1)
                run.tell_unmatched()
                tables = run.tables.finished()
                for name in run.tables.replaced:
                    run.log(f"{name}: later outputs replaced earlier ones; TAG keeps them apart")
            return Ran(task.source, "done", tables, run.printed, log, run.oddities)
        except (EEGArchiveError, OSError) as error:
            kind = type(error) if isinstance(error, EEGArchiveError) else EEGArchiveError
            return Ran(task.source, "failed", log=log, error=describe(error), _kind=kind)
        finally:
            self._tell(left)

    def _tell(self, count: int) -> int:
        if self._progress is not None and count:
            self._progress(count)
        return count


def _place(source: Source) -> str:
    return f"{source.path}@{source.freeze}" if source.freeze else str(source.path)


def _do(run: Run, command: Command) -> None:
    """Do one command; errors say which."""
    word = WORDS[command.name]
    if run.is_empty and not word.takes_empty:
        run.odd(command, "left out, since no epochs are left")
        return
    try:
        word.load()(run, resolved(command, run.id))
    except ScriptError:
        raise  # it says so already
    except EEGArchiveError as error:
        raise type(error)(f"line {command.line}: {command.name}: {error}") from None
    except OSError as error:  # of a file that the command names
        raise EEGArchiveError(f"line {command.line}: {command.name}: {describe(error)}") from error
