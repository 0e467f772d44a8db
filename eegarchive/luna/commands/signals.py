"""COPY, SIGNALS, RENAME, RESAMPLE, FILTER: which signals there are, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eegarchive.luna.labels import luna_labels
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command, Parameters
from eegarchive.storage.guard import printable

_TAKEN = ("new", "pretag", "tag")
_CHOICES = ("drop", "keep", "pick", "req")


def run_copy(run: Run, command: Command) -> None:
    """Copy signals under new labels: `tag=V2` of C3 is C3_V2, `pretag=V2` is V2_C3. Samples are shared, so exact."""
    given = command.parameters
    how = [key for key in _TAKEN if key in given]
    if len(how) != 1:
        raise command.error(
            f"needs exactly one of {', '.join(_TAKEN)}, this has {' and '.join(how) or 'none'}"
        )
    text = given.need(how[0])
    names = run.signals(command)
    if how == ["new"] and len(names) > 1:
        raise command.error(f"new={text}: is one label, for {len(names)} signals; use tag=")
    for name in names:
        label = _copied_label(run, name, how[0], text)
        if _taken_by(run, label) is not None:
            run.log(f"{run.label(name)} isn't copied: there is a signal {printable(label)} already")
            continue
        run.night.copy_signal(name, label)
        if not given.flag("silent"):
            run.log(f"copied {run.label(name)} to {printable(label)}")


def _copied_label(run: Run, name: str, how: str, text: str) -> str:
    """What a copy is called; a tag is set off by an underscore, if it doesn't bring one."""
    if how == "new":
        return text
    label = run.night.signals[name].label.strip()
    if sum(signal.label.strip() == label for signal in run.night.signals.values()) > 1:
        label = run.label(name)
    if how == "pretag":
        return f"{text.removesuffix('_')}_{label}"
    return f"{label}_{text.removeprefix('_')}"


def _taken_by(run: Run, label: str) -> str | None:
    """The signal that has a label, as Luna compares them: capitals and special characters don't count."""
    (wanted,) = luna_labels([label])
    return next((name for name, own in run.labels.items() if own.lower() == wanted.lower()), None)


def run_signals(run: Run, command: Command) -> None:
    """Keep some signals, drop some, keep those that must be there, or the first of a list."""
    given = command.parameters
    how = [key for key in _CHOICES if key in given]
    if len(how) != 1:
        raise command.error(
            f"needs exactly one of {', '.join(_CHOICES)}, this has {' and '.join(how) or 'none'}"
        )
    if "rename" in given and how != ["pick"]:
        raise command.error("rename= is for what pick= picks")
    before = list(run.night.signals)
    found = run.signals(command, key=how[0])
    if how == ["pick"]:
        _pick(run, command, before, found)
        return
    if how == ["drop"]:
        kept = [name for name in before if name not in found]
    else:
        kept = [name for name in before if name in found]
        if how == ["req"]:
            _refuse_missing(run, command)
        if not kept:
            raise command.error(
                f"keep={given.get('keep')}: there is none of them; there are {_listed(run, before)}"
            )
    _keep(run, before, kept)


def _keep(run: Run, before: Sequence[str], kept: Sequence[str]) -> None:
    dropped = [name for name in before if name not in kept]
    if dropped:
        shown = _listed(run, dropped)
        run.night.drop_signals(dropped)
        run.log(f"dropped {shown}")


def _pick(run: Run, command: Command, before: Sequence[str], found: Sequence[str]) -> None:
    """Keep the first of a list, drop the others of it, and leave the rest."""
    if not found:
        there = _listed(run, before)
        raise command.error(
            f"pick={command.parameters.get('pick')}: there is none of them; there are {there}"
        )
    run.log(f"picked {run.label(found[0])}")
    _keep(run, before, [name for name in before if name not in found[1:]])
    label = command.parameters.get("rename")
    if label is not None:
        _rename(run, command, [found[0]], [label])


def _refuse_missing(run: Run, command: Command) -> None:
    for pattern in command.parameters.list("req"):
        alone = Parameters({"req": pattern}, command.line, command.name)
        if not run.signals(replace(command, parameters=alone), key="req"):
            raise command.error(
                f"req={pattern}: there is no such signal; there are {_listed(run, list(run.night.signals))}"
            )


def run_rename(run: Run, command: Command) -> None:
    """Give signals other labels: as many in `new` as in `sig`, in the same order."""
    labels = command.parameters.list("new")
    command.parameters.need("new")
    command.parameters.need("sig")
    _rename(run, command, run.signals(command), labels)


def _rename(run: Run, command: Command, names: Sequence[str], labels: Sequence[str]) -> None:
    if len(names) != len(labels):
        raise command.error(
            f"{len(names)} signals and {len(labels)} new labels; there must be as many "
            f"({_listed(run, names) or 'no signal'}: {', '.join(map(printable, labels))})"
        )
    for name, label in zip(names, labels, strict=True):
        if _taken_by(run, label) not in (None, name):
            raise command.error(
                f"there is a signal {printable(label)} already; drop or rename that one first"
            )
        old = run.label(name)
        if run.night.signals[name].label != label:
            run.night.rename_signal(name, label)
            run.log(f"renamed {old} to {printable(label)}")


def run_resample(run: Run, command: Command) -> None:
    """Resample signals to `sr` Hz, each segment by itself, as float32.

    By MNE's polyphase method, not by Luna's; nothing is rounded to 16 bits.
    """
    rate = command.parameters.number("sr")
    if rate is None or rate <= 0:
        raise command.error("needs sr=..., the new sampling rate in Hz, above 0")
    names = [name for name in run.signals(command) if run.night.signals[name].sampling_rate != rate]
    if names:
        run.night.resample(rate, names)
        run.log(f"resampled to {rate:g} Hz: {_listed(run, names)}")


def run_filter(run: Run, command: Command) -> None:
    """Filter signals by Luna's Kaiser-window FIR, each segment by itself, as float32.

    Beyond a segment's ends there are zeros, as in Luna; nothing is rounded to 16 bits.
    """
    given = command.parameters
    how = [key for key in ("bandpass", "highpass", "lowpass") if key in given]
    if len(how) != 1:
        raise command.error(
            f"needs one of bandpass, highpass, lowpass, this has {' and '.join(how) or 'none'}"
        )
    edges = given.numbers(how[0]) or []
    if len(edges) != (2 if how == ["bandpass"] else 1):
        raise command.error(
            f"{how[0]}={given.get(how[0])}: needs {'two frequencies' if how == ['bandpass'] else 'one frequency'}"
        )
    transition, ripple = given.number("tw"), given.number("ripple")
    if transition is None or ripple is None:
        raise command.error("needs tw=..., the transition width in Hz, and ripple=..., as tw=1 ripple=0.02")
    given.need("sig")
    names = run.signals(command)
    if not names:
        return
    low = edges[0] if how != ["lowpass"] else None
    high = edges[-1] if how != ["highpass"] else None
    run.night.filter(low, high, names, transition=transition, ripple=ripple)
    if not given.flag("silent"):
        run.log(f"filtered: {_listed(run, names)}")


def _listed(run: Run, names: Sequence[str]) -> str:
    return ", ".join(printable(run.label(name)) for name in names)
