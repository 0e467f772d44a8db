"""ANNOTS, DROP-ANNOTS, WRITE: lists of annotations; the state as EDF."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eegarchive import exporting
from eegarchive.luna.annots import (
    NANOSECONDS,
    NONE,
    Events,
    Flags,
    Masked,
    clock,
    events_of,
    masked,
    names_in,
    nanoseconds,
    overlapping,
    seconds_of_day,
)
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command, Parameters
from eegarchive.storage.guard import printable

#: Which annotations a mask leaves.
_RULES = ("all", "any", "start")


def run_annots(run: Run, command: Command) -> None:
    """List annotations that a mask leaves: by class, by instance, and each; with `epoch` those of each epoch."""
    given = command.parameters
    rules = [rule for rule in _RULES if given.flag(rule)]
    if len(rules) > 1:
        raise command.error(f"{' and '.join(rules)}: only one of them")
    events = events_of(run)
    if "annot" in given:
        events = events.only(_asked(run, command, events))
    state = masked(run, events)
    hidden = {"all": state.some_masked, "start": ~state.start_unmasked}.get(
        rules[0] if rules else "any", ~state.some_unmasked
    )
    show_masked = given.flag("show-masked")
    if given.flag("epoch"):
        _put_epochs(run, events, hidden, show_masked)
        return
    if not show_masked:
        events, state = events.only(~hidden), _only(state, ~hidden)
    _put_sums(run, events, [events.names], ["ANNOT"])
    _put_sums(run, events, [events.names, events.instances], ["ANNOT", "INST"])
    _put_each(run, events, state if show_masked else None)


def _asked(run: Run, command: Command, events: Events) -> Flags:
    """Which annotations `annot` lists."""
    found = np.zeros(len(events), bool)
    for name in command.parameters.list("annot"):
        hits = events.called(name)
        if not hits.any():
            run.odd(command, f"there are no annotations {printable(name)}")
        found |= hits
    return found


def _only(state: Masked, which: Flags) -> Masked:
    return Masked(**{name: values[which] for name, values in vars(state).items()})


def _put_sums(run: Run, events: Events, columns: Sequence[list[str]], factors: Sequence[str]) -> None:
    """Put out how many there are of a class, or instance, and how long they last in all."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for key, length in zip(zip(*columns, strict=True), (events.stops - events.starts).tolist(), strict=True):
        sums[key][0] += 1
        sums[key][1] += length
    keys = sorted(sums)
    run.put_columns(
        "ANNOTS",
        {factor: [key[i] for key in keys] for i, factor in enumerate(factors)},
        {"COUNT": [sums[key][0] for key in keys], "DUR": [sums[key][1] / NANOSECONDS for key in keys]},
    )


def _put_each(run: Run, events: Events, state: Masked | None) -> None:
    """Put out each annotation: when, how long, and how it stands to the mask."""
    order = sorted(
        range(len(events)),
        key=lambda i: (events.names[i], events.instances[i], events.starts[i], events.stops[i]),
    )
    starts, stops = events.starts[order], events.stops[order]
    factors: dict[str, Any] = {
        "ANNOT": [events.names[i] for i in order],
        "INST": [events.instances[i] for i in order],
        "T1": starts,
        "T2": stops,
    }
    values: dict[str, Any] = {
        "CH": [events.channels[i] for i in order],
        "DUR": (stops - starts) / NANOSECONDS,
    }
    midnight = seconds_of_day(run)
    day = 86400 * NANOSECONDS
    for name, times in (("START", starts), ("STOP", stops)):
        values[name] = times / NANOSECONDS
        values[f"{name}_ELAPSED_HMS"] = [_elapsed(time) for time in times.tolist()]
        values[f"{name}_HMS"] = [
            None if midnight is None else clock((time + midnight) % day, 3) for time in times.tolist()
        ]
    if state is not None:
        flags = {
            "ALL_MASKED": ~state.some_unmasked,
            "ALL_UNMASKED": ~state.some_masked,
            "SOME_MASKED": state.some_masked,
            "SOME_UNMASKED": state.some_unmasked,
            "START_MASKED": state.start_masked,
        }
        values |= {name: own[order].astype(np.int64) for name, own in flags.items()}
    run.put_columns("ANNOTS", factors, values)


def _elapsed(time: int) -> str:
    return clock(time, 3) if time >= 0 else f"-{clock(-time, 3)}"


def _put_epochs(run: Run, events: Events, hidden: Flags, show_masked: bool) -> None:
    """Put out which annotations touch which epochs."""
    epochs = run.epochs()
    begins = nanoseconds(epochs["start"])
    ends = nanoseconds(epochs["start"] + epochs["duration"])
    rows = []
    for i, (number, is_masked) in enumerate(
        zip(epochs["epoch"].tolist(), epochs["masked"].tolist(), strict=True)
    ):
        if is_masked and not show_masked:
            continue
        touched = overlapping(events.starts, events.stops, begins[i : i + 1], ends[i : i + 1])
        if not show_masked:
            touched &= ~hidden
        for at in np.flatnonzero(touched).tolist():
            interval = f"{events.starts[at] / NANOSECONDS:.2f}->{events.stops[at] / NANOSECONDS:.2f}"
            where = (events.names[at], events.channels[at], number, events.instances[at], interval)
            rows.append((*where, int(hidden[at]), int(is_masked)))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(7)]
    run.put_columns(
        "ANNOTS",
        dict(zip(("ANNOT", "CH", "E", "INST", "INTERVAL"), columns, strict=False)),
        dict(zip(("AMASK", "EMASK"), columns[5:], strict=True)),
    )


def run_drop_annots(run: Run, command: Command) -> None:
    """Drop the annotations of some classes; without `annot` all."""
    events = events_of(run)
    if "annot" not in command.parameters:
        which = np.ones(len(events), bool)
    else:
        which = np.zeros(len(events), bool)
        for name, hits in names_in(events, command.parameters.list("annot")).items():
            if not hits.any():
                run.odd(command, f"there are no annotations {printable(name)}")
            which |= hits
    if which.any():
        _drop(run, command, events, which)
        run.log(f"dropped {int(which.sum())} annotations")


def _drop(run: Run, command: Command, events: Events, which: Flags) -> None:
    """Drop annotations by kind and set, or by text and set, if that takes these and no others."""
    columns = run.night.annotations.columns()
    chosen = np.zeros(len(events), bool)
    chosen[events.rows[which]] = True
    wanted: list[tuple[str, str, Flags]] = []
    for kind, group in sorted(set(zip(columns["kind"][chosen], columns["set"][chosen], strict=True))):
        own = (columns["kind"] == kind) & (columns["set"] == group)
        names = [kind] if chosen[own].all() else sorted(set(columns["text"][own & chosen]))
        for name in names:
            hits = ((columns["kind"] == name) | (columns["text"] == name)) & (columns["set"] == group)
            if not chosen[hits].all():
                raise command.error(
                    f"{printable(name)} is also the kind of other annotations; drop them all, or none"
                )
            wanted.append((name, group, hits))
    left = np.ones(len(events), bool)
    for name, group, hits in wanted:
        if left[hits].any():
            run.night.drop_annotations(name, group)
            left &= ~hits


def run_write(run: Run, command: Command) -> None:
    """Write the state as EDF or BDF, after a restructure if epochs are masked, as in Luna.

    The file is whole at once, and stays if a later command of the script fails.
    """
    target = _target(run, command)
    if len(run.night.epochs) and run.night.epochs["masked"].any():
        from eegarchive.luna.commands import epoching

        epoching.run_re(run, replace(command, name="RE", parameters=Parameters({}, command.line, "RE")))
        if run.is_empty:
            raise command.error("no epochs are left; nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    report = exporting.export_edf(run.night, target, overwrite=run.overwrite)
    for name, error in report.quantised.items():
        run.log(f"{run.label(name)} is written as integers, off by {error:.3g} at most")
    run.log(f"wrote {report.kind}: {target}")


def _target(run: Run, command: Command) -> Path:
    given = command.parameters
    if not {"edf", "edf-dir", "edf-tag"} & set(given):
        raise command.error(
            "needs edf=..., edf-tag=... or edf-dir=..., so that the recording itself isn't meant"
        )
    suffix = ".bdf" if str(run.night.provenance["source_kind"]).startswith("BDF") else ".edf"
    whole = given.get("edf")
    if whole is not None:
        if "edf-tag" in given or "edf-dir" in given:
            raise command.error("edf= is the whole name; edf-tag= and edf-dir= make one")
        return Path(whole if Path(whole).suffix.lower() in (".edf", ".bdf") else f"{whole}{suffix}")
    tag = given.get("edf-tag")
    name = run.id if tag is None else f"{run.id}-{tag}"
    if NONE * 2 in name or "/" in name or "\\" in name:
        raise command.error(f"{printable(name)!r} can't be a file's name")
    return Path(given.get("edf-dir") or ".") / f"{name}{suffix}"
