"""How a state came to be: the operations that led to it, in words."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eegarchive.archive import Archive, open_archive
from eegarchive.errors import InvalidArchive, MissingBase, NotInArchive
from eegarchive.freezing import own_history
from eegarchive.layout import HISTORY, SOURCE_FREEZE
from eegarchive.state import State, Table, no_such_freeze

#: How many signals of an operation are named one by one.
_NAMED = 4
_HASH_DIGITS = 12


@dataclass(frozen=True)
class Operation:
    """One row of an archive's history.

    Attributes
    ----------
    number : int
        Which row it is, counted from 1.
    operation : str
    parameters : dict
        What it was given, and what it found that it went by.
    time : str
        When it was done, UTC.
    versions : dict
        Versions of what did it.
    digest_before, digest_after : str
        Digests of the working state; before the first there was none.
    """

    number: int
    operation: str
    parameters: dict[str, Any]
    time: str
    versions: dict[str, Any]
    digest_before: str
    digest_after: str

    def __str__(self) -> str:
        say = _WORDS.get(self.operation, _any)
        try:
            return say(self.parameters) if say is not _any else f"{self.operation}: {_any(self.parameters)}"
        except (AttributeError, KeyError, TypeError, ValueError):  # parameters of another writer
            return f"{self.operation}: {_any(self.parameters)}"


def history(archive: str | os.PathLike[str] | Archive, tag: str | None = None) -> list[Operation]:
    """List the operations that led to a state, from the conversion on.

    A thaw takes the state back to where its freeze was made, so what had been done since then isn't in the
    list; see :func:`operations` for all that was ever done. Freezes on the way are listed.

    Parameters
    ----------
    archive : path-like or Archive
        `night.h5`, `night.h5@N2`, or an open archive.
    tag : str, optional
        The freeze; by default the one the archive is opened at, or the working state.

    Raises
    ------
    NotInArchive
        If there is no such freeze.
    InvalidArchive
        If the history doesn't lead to the state.
    """
    if not isinstance(archive, Archive):
        with open_archive(archive) as opened:
            return history(opened, tag)
    tag = archive.tag if tag is None else tag
    if tag is not None and tag not in archive.freezes:
        raise no_such_freeze(archive.path, tag, list(archive.freezes))
    state = archive if tag == archive.tag else archive.freezes[str(tag)]
    with state._file.reading():
        found, expected = _own_line(state), state.digest
    if found is None:
        found = _line(operations(archive), tag, lambda other: _line_of_other(archive, other))
    if not found or found[-1].digest_after != expected:
        what = "the working state" if tag is None else f"the freeze {tag!r}"
        raise InvalidArchive(f"{archive.path}: /{HISTORY} doesn't lead to {what}; run `eegarchive verify`")
    return found


def operations(archive: Archive) -> list[Operation]:
    """List all that was ever done to an archive, in order; of a detached freeze, what led to it."""
    return _rows(archive.history, archive.path)


def _own_line(state: State) -> list[Operation] | None:
    """The history that a freeze from elsewhere has brought with it; None if it has none of its own."""
    own = own_history(state)
    return None if own is None else _rows(own, str(state._file.path))


def _line_of_other(archive: Archive, tag: str) -> list[Operation]:
    """The line of a freeze from elsewhere, as far as it is there."""
    with contextlib.suppress(NotInArchive, MissingBase):
        state = archive.freezes[tag]
        with state._file.reading():
            return _own_line(state) or []
    return []


def _rows(table: Table, where: str) -> list[Operation]:
    columns = table.columns()
    names = ("operation", "parameters", "time", "versions", "digest_before", "digest_after")
    found = []
    for number, row in enumerate(zip(*(columns[name] for name in names), strict=True), 1):
        operation, parameters, time, versions, before, after = row
        try:
            stated = [json.loads(text) for text in (parameters, versions)]
        except (ValueError, RecursionError):
            stated = [None]
        if not all(isinstance(value, dict) for value in stated):
            raise InvalidArchive(
                f"{where}: /{table.path}: row {number}: parameters or versions aren't a JSON object"
            )
        found.append(Operation(number, operation, stated[0], time, stated[1], before, after))
    return found


def _line(
    operations: Sequence[Operation], tag: str | None, other: Callable[[str], list[Operation]]
) -> list[Operation]:
    """Go through all that was done; the line of operations that ends in the state of a tag.

    `other` gives the line of a freeze that was made elsewhere.
    """
    line: list[Operation] = []
    frozen: dict[str, list[Operation]] = {}
    foreign = _foreign(operations)
    for at, operation in enumerate(operations):
        if at in foreign:
            continue
        named = str(operation.parameters.get("tag"))
        if operation.operation == "thaw":
            rows = operations[_stated(operation, at)]
            line = list(rows) or (frozen[named] if named in frozen else other(named))
        elif operation.operation == "remove-freeze":
            frozen.pop(named, None)
        elif operation.operation != "attach":
            line = [*line, operation]
        if operation.operation == "attach":
            frozen.pop(named, None)
        if operation.operation == "convert":
            frozen[SOURCE_FREEZE] = line
        elif operation.operation == "freeze":
            frozen[named] = line
    return line if tag is None else frozen.get(tag, [])


def _stated(thaw: Operation, at: int) -> slice:
    """Which rows are the history of a freeze that came from elsewhere, as its thaw, row `at`, says; none for others."""
    count, first = thaw.parameters.get("rows", 0), thaw.parameters.get("first")
    if not isinstance(count, int) or not 0 < count <= at:
        return slice(at, at)
    first = at - count if not isinstance(first, int) or not 0 <= first <= at - count else first
    return slice(first, first + count)


def _foreign(operations: Sequence[Operation]) -> set[int]:
    """Rows that were never done here: the histories of thawed freezes from elsewhere."""
    found: set[int] = set()
    for at, operation in enumerate(operations):
        if operation.operation == "thaw" and "first" not in operation.parameters:
            rows = _stated(operation, at)
            found.update(range(rows.start, rows.stop))
    return found


# -- in words ---------------------------------------------------------------------------------------


def _any(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _convert(parameters: Mapping[str, Any]) -> str:
    return f"convert the recording of SHA-256 {parameters['source_sha256'][:_HASH_DIGITS]}"


def _epochs(parameters: Mapping[str, Any]) -> str:
    length, step, offset = (parameters[name] for name in ("length", "step", "offset"))
    every = f", one every {step:.10g} s" if step != length else ""
    behind = f", from {offset:.10g} s into each segment" if offset else ""
    return f"set epochs of {length:.10g} s{every}{behind}"


def _mask(parameters: Mapping[str, Any]) -> str:
    parts = [name for name in ("flip", "clear") if parameters.get(name)]
    how = "all of " if parameters.get("all_of") else ""
    how = f" covered by {how}" if parameters.get("whole_epoch") else f" with {how}"
    for verb in ("keep", "drop"):
        if verb in parameters:
            listed = parameters[verb]
            listed = [listed] if isinstance(listed, str) else listed
            parts.append(f"{verb} epochs{how}{', '.join(listed)}")
        if f"{verb}_epochs" in parameters:
            parts.append(f"{verb} epochs {parameters[f'{verb}_epochs']}")
        if f"{verb}_times" in parameters:
            start, stop = parameters[f"{verb}_times"]
            parts.append(f"{verb} {start:.10g}-{stop:.10g} s")
    if "annotation_set" in parameters:
        parts.append(f"by the set {parameters['annotation_set']}")
    if "first" in parameters:
        parts.append(f"keep the first {parameters['first']}")
    if "random" in parameters:
        seed = f" (seed {parameters['seed']})" if "seed" in parameters else ""
        parts.append(f"keep {parameters['random']} at random{seed}")
    return f"mask: {', '.join(parts) or 'nothing'}"


def _restructure(parameters: Mapping[str, Any]) -> str:
    whole = ", data records kept whole" if parameters.get("whole_records") else ""
    return f"restructure: drop masked epochs{whole}"


def _write_samples(parameters: Mapping[str, Any]) -> str:
    error = parameters.get("rounding_error")
    rounded = f", rounded by {error:.3g} at most" if error else ""
    return f"write samples {parameters['start']} to {parameters['stop']} of {parameters['signal']}{rounded}"


def _set_signal(parameters: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name}={value}" for name, value in parameters["attributes"].items())
    return f"set {values} of {parameters['signal']}"


def _filter(parameters: Mapping[str, Any]) -> str:
    low, high = parameters.get("low"), parameters.get("high")
    if low is None:
        band = f"below {high:.10g} Hz"
    else:
        band = f"above {low:.10g} Hz" if high is None else f"{low:.10g}-{high:.10g} Hz"
    return f"filter to {band}: {_listed(parameters['signals'])}"


def _apply(parameters: Mapping[str, Any]) -> str:
    given = "".join(f", {name}={value!r}" for name, value in parameters.get("parameters", {}).items())
    return f"apply {parameters['function']}{given}: {_listed(parameters['signals'])}"


def _selected(parameters: Mapping[str, Any]) -> str:
    kind, group = parameters.get("kind"), parameters.get("annotation_set")
    of_kind = "annotations" if kind is None else f"annotations {kind!r}"
    return of_kind if group is None else f"{of_kind} of the set {group}"


def _rename_annotations(parameters: Mapping[str, Any]) -> str:
    text, group = parameters.get("text"), parameters.get("new_set")
    new = [] if text is None else [f"text {text!r}"]
    new += [] if group is None else [f"set {group}"]
    return f"rename {_selected(parameters)} to {' and '.join(new)}"


def _freeze(parameters: Mapping[str, Any]) -> str:
    note = f": {parameters['note']}" if parameters.get("note") else ""
    return f"freeze as {parameters['tag']}{note}"


def _add_raw(parameters: Mapping[str, Any]) -> str:
    kinds = ("changed", "added", "dropped")
    parts = [f"{kind} {_listed(parameters[kind])}" for kind in kinds if parameters.get(kind)]
    parts += [f"{old} renamed to {new}" for old, new in parameters.get("renamed", {}).items()]
    if "times" in parameters:
        start, stop = parameters["times"]
        parts.append(f"cropped to {start:.10g}-{stop:.10g} s")
    for name in ("added", "dropped"):
        if parameters.get(f"annotations_{name}"):
            parts.append(f"{parameters[f'annotations_{name}']} annotations {name}")
    rate = f"at {parameters['sampling_rate']:.10g} Hz"
    return f"take over what MNE made of the signals {rate}: {'; '.join(parts) or 'nothing changed'}"


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "convert": _convert,
    "epochs": _epochs,
    "mask": _mask,
    "restructure": _restructure,
    "keep-signals": lambda p: f"keep signals {_listed(p['signals'])}",
    "drop-signals": lambda p: f"drop signals {_listed(p['signals'])}",
    "copy-signal": lambda p: f"copy signal {p['signal']} as {p['label']}",
    "rename-signal": lambda p: f"rename signal {p['signal']} to {p['label']}",
    "set-signal": _set_signal,
    "write-samples": _write_samples,
    "add-signal": lambda p: f"add signal {p['label']} at {p['sampling_rate']:.10g} Hz",
    "add-raw": _add_raw,
    "resample": lambda p: f"resample to {p['sampling_rate']:.10g} Hz: {_listed(p['signals'])}",
    "filter": _filter,
    "apply": _apply,
    "add-annotations": lambda p: f"add {p['count']} annotations to the set {p['annotation_set']}",
    "import-annotations": lambda p: (
        f"import {p['count']} annotations of {p['file']} as the set {p['annotation_set']}"
    ),
    "drop-annotations": lambda p: f"drop {_selected(p)}",
    "rename-annotations": _rename_annotations,
    "freeze": _freeze,
    "attach": lambda p: f"attach {p['file']} as {p['tag']}",
    "run": lambda p: (
        f"{'go on with' if p.get('continued') else 'run'} {p.get('script') or 'a script'} "
        f"of SHA-256 {p['sha256'][:_HASH_DIGITS]}"
    ),
    "prepare-windows": lambda p: f"prepare windows of {p['length']:.10g} s as {p['name']}",
    "remove-windows": lambda p: f"remove the windows {p['name']}",
    "describe": lambda p: f"describe the recording: {_listed(p['fields'])}",
    "drop-description": lambda p: f"drop the fields {_listed(p['fields'])} of the description",
}
