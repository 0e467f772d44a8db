"""CACHE: record outputs in a cache; import, dump or clear one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eegarchive.cache.columns import Block, Column, ValueType, column_of
from eegarchive.cache.files import READ_FORMATS, luna_lines
from eegarchive.luna.run import SIGNAL_FACTORS, Recorder, Run
from eegarchive.luna.script import Command
from eegarchive.luna.words import WORDS
from eegarchive.storage.guard import printable

#: Types that `dump` is asked for, and those of the values that it prints. Outputs that are integers are
#: numbers in Luna, whose own integers are vectors of positions.
_DUMPED: dict[str, tuple[ValueType, ...]] = {
    "num": ("num", "int"),
    "int": ("int",),
    "text": ("text",),
    "str": ("text",),
    "bool": ("bool",),
}
#: Of files that aren't Luna's long tables; those may be called anything.
_SUFFIXES = frozenset(suffix for own in READ_FORMATS.values() for suffix in own)
_JOBS = ("record", "import", "dump", "clear")


def run_cache(run: Run, command: Command) -> None:
    """CACHE cache=c record=... | cache=c import=file | dump num=c | clear.

    `record=CMD,VAR,F1,F2` keeps all further values of a variable that have just these factors, TAG's and E
    among them; names are in any order and in any letters. `import=FILE factors=F1,F2 v=VAR cmd=CMD` reads a
    long table. `dump num=c` (or int, text, str, bool) prints a cache as Luna does. `clear` empties all
    caches.

    Raises
    ------
    ScriptError
        If that isn't what is written.
    EEGArchiveError
        If a file can't be read as a table; with file and line.
    """
    given = command.parameters
    jobs = [job for job in _JOBS if (given.flag(job) if job in ("dump", "clear") else job in given)]
    if len(jobs) > 1:
        raise command.error(f"does one thing at a time, not {' and '.join(jobs)}")
    if not jobs:
        run.odd(command, f"nothing to do without {', '.join(_JOBS)}")
    elif jobs == ["record"]:
        _record(run, command)
    elif jobs == ["import"]:
        _import(run, command)
    elif jobs == ["dump"]:
        _dump(run, command)
    else:
        names = list(run.night.cache)
        run.night.cache.clear()
        run.log(f"emptied {len(names)} caches{': ' if names else ''}{', '.join(map(printable, names))}")


def _record(run: Run, command: Command) -> None:
    name = command.parameters.need("cache")
    found, *names = command.parameters.list("record")
    if not names:
        raise command.error(f"record={found}: expected a command and a variable, as record=PSD,PSD,CH,B")
    if found.upper() not in WORDS:
        near = difflib.get_close_matches(found.upper(), WORDS, n=1)
        raise command.error(
            f"record={','.join([found, *names])}: there is no command {printable(found)}"
            + (f"; did you mean {near[0]}?" if near else "; the command comes first, as record=PSD,PSD,CH,B")
        )
    run.recorders.append(Recorder(name, found.upper(), tuple(names), command.line))


def _import(run: Run, command: Command) -> None:
    given = command.parameters
    cache = run.night.cache[given.need("cache")]
    path, factors = given.need("import"), given.list("factors")
    count = cache.import_file(
        path,
        factors,
        given.list("v") if "v" in given else None,
        ids=list(dict.fromkeys([run.id, *cache.ids()])),
        prefix=given.get("cmd", "") or "",
        format=None if Path(path).suffix.lower() in _SUFFIXES else "luna",
        last=not factors,
    )
    if not factors:
        run.odd(command, "without factors=... the last row of a text table counts alone")
    run.log(f"read {count} values from {printable(path)} into the cache {printable(cache.name)}")


def _dump(run: Run, command: Command) -> None:
    given = command.parameters
    asked = [kind for kind in _DUMPED if kind in given]
    if len(asked) != 1:
        raise command.error(f"dump needs one of {', '.join(f'{kind}=...' for kind in _DUMPED)}")
    kind, name = asked[0], given.need(asked[0])
    if name not in run.night.cache:
        there = ", ".join(map(printable, run.night.cache)) or "none"
        run.odd(command, f"there is no cache {printable(name)}; there are {there}")
    blocks = map(_without_missing, run.night.cache[name].blocks(types=_DUMPED[kind], stale=True))
    shown = [_shown(run, _as_number(block) if kind == "num" else block) for block in blocks]
    lines = list(luna_lines(shown, name=name))[1:]
    run.show("\n".join([f"cache: {printable(name)}[{kind}]", *lines]))


def _without_missing(block: Block) -> Block:
    """A block without its missing scalars: Luna has none in caches."""
    if block.offsets is not None or not block.values.missing.any():
        return block
    there = np.flatnonzero(~block.values.missing)
    factors = {name: column.take(there) for name, column in block.factors.items()}
    return Block(block.variables[there], factors, block.values.take(there))


def _as_number(block: Block) -> Block:
    """Integers as numbers, so that Luna's order goes across both."""
    column = block.values
    if column.type != "int":
        return block
    return replace(block, values=Column("num", column.values.astype(float), column.missing))


def _shown(run: Run, block: Block) -> Block:
    """A block with Luna's labels in place of the signals' names."""
    factors = {
        name: _labelled(run, column) if name in SIGNAL_FACTORS and column.type == "text" else column
        for name, column in block.factors.items()
    }
    return replace(block, factors=factors)


def _labelled(run: Run, column: Column) -> Column:
    names: Sequence[str | None] = column.to_list()
    return column_of([None if name is None else run.label(name) for name in names], "CH")
