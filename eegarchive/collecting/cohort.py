"""Gather a cache of many archives: first what types there are, then the values, archive by archive."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from eegarchive.archive import open_archive
from eegarchive.cache import Cache
from eegarchive.cache.columns import Block
from eegarchive.collecting.crew import Crew
from eegarchive.collecting.rows import rows_of
from eegarchive.collecting.shapes import Layout, Shape, layout_of, shape_of
from eegarchive.collecting.sources import Source, sources_in
from eegarchive.collecting.tables import format_of, opened, rendered
from eegarchive.errors import EEGArchiveError, NotInArchive, OddInput, describe
from eegarchive.exporting import Progress
from eegarchive.storage.files import new_file, refuse_same
from eegarchive.storage.guard import printable


@dataclass(frozen=True)
class Collected:
    """What became of one archive.

    Attributes
    ----------
    source : Source
    status : {"done", "no cache", "failed"}
    rows : int
        Rows that the table has of it.
    values : int
        Values in them, missing ones too.
    stale : int
        Values that were left out since they don't hold for its state any more.
    error : str
        One line, if it failed.
    """

    source: Source
    status: Literal["done", "no cache", "failed"]
    rows: int = 0
    values: int = 0
    stale: int = 0
    error: str = ""


@dataclass
class CollectReport:
    """What became of all archives.

    Attributes
    ----------
    target : Path
    columns : list of str
        Those of the table.
    outcomes : list of Collected
        In the order of the table's rows.
    """

    target: Path
    columns: list[str]
    outcomes: list[Collected] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many archives ended so: done, no cache or failed."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True)
class _Task:
    """What is to be taken of one archive, and, once that is known, into which table."""

    source: Source
    name: str
    variables: tuple[str, ...] | None
    stale: bool
    shape: Shape | None = None
    layout: Layout | None = None
    format: str = ""


def collect(
    paths: Sequence[str | os.PathLike[str]],
    name: str,
    target: str | os.PathLike[str],
    *,
    variables: Sequence[str] | None = None,
    wide: bool = False,
    freeze: str | None = None,
    stale: bool = False,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CollectReport:
    """Gather a cache of many archives into one table; an archive that fails doesn't stop the others.

    A long table has the columns `ID`, `variable`, one for each factor, and `value`; where there are values of several
    types, one column for each instead (`num`, `int`, `text`, `bool`, `num_vector` ...). A wide one has `ID`, a column
    for each factor and one for each variable, and one row for all values of an archive with the same strata. Integers
    that come to stand among numbers become numbers. What is missing is null in Parquet and empty in text (where a
    text of no characters looks the same); NaN is NaN. Vectors are lists in Parquet and JSON in text.

    The rows of each archive stand together, archives in the order of :func:`sources_in`, whatever `jobs` is.

    Parameters
    ----------
    paths : sequence of path-like
        Archives and folders, as for :func:`sources_in`, which also says what `ID` is.
    name : str
        The cache.
    target : path-like
        The file; .parquet (needs pyarrow), .csv or .tsv. It appears whole or not at all.
    variables : sequence of str, optional
        All if not given.
    wide : bool
    freeze : str, optional
        Take the values of this freeze of each archive, for those that don't name another (`night.h5@N2`).
    stale : bool
        With values that don't hold any more; else they are left out, and counted.
    jobs : int
        Archives read at the same time, each in a process of its own if more than one. No more than the values of one
        archive for each are in memory.
    overwrite : bool
        Replace a file that is there.
    progress : callable, optional
        Called with 1 each time that an archive is done with: twice for each.

    Raises
    ------
    EEGArchiveError
        If no archive has such values, or a factor (or, in a wide table, a variable) has types in two archives that
        don't go together. Nothing is written then.
    TargetExists
        If the file is there and `overwrite` isn't set.
    """
    target = Path(target)
    form = format_of(target)
    sources = sources_in(paths, freeze)
    for source in sources:
        refuse_same(source.path, target)
    asked = None if variables is None else tuple(dict.fromkeys(variables))
    tasks = [_Task(source, name, asked, stale) for source in sources]

    def done(count: int) -> None:
        if progress is not None:
            progress(count)

    with new_file(target, overwrite) as temporary, Crew(min(jobs, len(sources))) as crew:
        found: dict[Source, Collected] = {}
        shapes: dict[Source, Shape] = {}
        for task, looked in crew.results(_look, tasks):
            found[task.source], shape = looked or (_died(task.source), Shape())
            if shape.variables:
                shapes[task.source] = shape
            done(1 if shape.variables else 2)
        _refuse_nothing(target, name, asked, list(found.values()), shapes)
        layout = layout_of({str(source): shape for source, shape in shapes.items()}, asked, wide)
        with opened(temporary, layout, form) as write:
            tasks = [
                replace(task, shape=shapes[task.source], layout=layout, format=form)
                for task in tasks
                if task.source in shapes
            ]
            for task, taken in crew.results(_take, tasks):
                found[task.source], rows = taken or (_died(task.source), None)
                if rows is not None:
                    write(rows)
                taken = rows = None  # not to be held while the next is read
                done(1)
        if all(found[source].status == "failed" for source in shapes):
            raise _nothing(target, name, list(found.values()))
    columns = [own.name for own in layout.fields]
    return CollectReport(target, columns, [found[source] for source in sources])


# -- one archive, in any process ----------------------------------------------------------------------


def _look(task: _Task) -> tuple[Collected, Shape]:
    """What an archive has, or why it has nothing."""
    try:
        blocks, outcome = _read(task)
    except (EEGArchiveError, OSError) as error:
        return _failed(task.source, error), Shape()
    return outcome, shape_of(blocks)


def _take(task: _Task) -> tuple[Collected, Any]:
    """The rows of an archive, or None and why there are none."""
    assert task.layout is not None
    try:
        blocks, outcome = _read(task)
        if shape_of(blocks) != task.shape:
            raise EEGArchiveError(f"{task.source}: was changed meanwhile; collect again")
    except (EEGArchiveError, OSError) as error:
        return _failed(task.source, error), None
    parts = rows_of(blocks, task.source.id, task.layout)
    rows = sum(part.count for part in parts)
    return replace(outcome, rows=rows), rendered(parts, task.layout, task.format)


def _read(task: _Task) -> tuple[list[Block], Collected]:
    """The values of an archive."""
    source = task.source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OddInput)
        with open_archive(source.path, source.freeze) as archive:
            cache = archive.cache[task.name]
            if not len(cache):
                return [], Collected(source, "no cache")
            blocks, stale = _chosen(cache, task)
    return blocks, Collected(source, "done", values=sum(map(len, blocks)), stale=stale)


def _chosen(cache: Cache, task: _Task) -> tuple[list[Block], int]:
    """The values that are asked for, and how many stale ones are left out."""
    view = cache._view()
    chosen, left_out = view.select(task.variables, {}, task.stale)
    return [view.entries.block(kind, rows) for kind, rows in chosen.items()], left_out


def _failed(source: Source, error: EEGArchiveError | OSError) -> Collected:
    return Collected(source, "failed", error=describe(error))


def _died(source: Source) -> Collected:
    return Collected(source, "failed", error=f"{source}: its process died")


# -- nothing to collect -------------------------------------------------------------------------------


def _refuse_nothing(
    target: Path,
    name: str,
    variables: Sequence[str] | None,
    found: Sequence[Collected],
    shapes: dict[Source, Shape],
) -> None:
    """Raise if there is nothing to write, or nothing of a variable that was asked for."""
    if not shapes:
        raise _nothing(target, name, found)
    there = {variable for shape in shapes.values() for variable in shape.variables}
    for variable in variables or ():
        if variable not in there:
            raise _nothing(target, name, found, printable(variable))


def _nothing(
    target: Path, name: str, found: Sequence[Collected], what: str = "such values"
) -> EEGArchiveError:
    """The error for values that no archive has, with what may be the reason."""
    reasons = []
    if stale := sum(outcome.stale for outcome in found):
        reasons.append(f"{stale} stale values were left out")
    if lacking := sum(outcome.status == "no cache" for outcome in found):
        reasons.append(f"{lacking} have no such cache")
    if failed := [outcome.error for outcome in found if outcome.status == "failed"]:
        reasons.append(f"{len(failed)} failed, the first: {failed[0]}")
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return NotInArchive(
        f"{printable(str(target))}: none of {len(found)} archives has {what} in a cache {name!r}{why}"
    )
