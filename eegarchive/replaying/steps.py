"""How each operation that a history can have is done again."""

from __future__ import annotations

import importlib
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.archive import Archive
from eegarchive.editing import EditableArchive
from eegarchive.editing.applying import identify
from eegarchive.errors import EEGArchiveError
from eegarchive.findings import DIGEST
from eegarchive.layout import SAMPLES_DIGEST
from eegarchive.lineage import Operation
from eegarchive.operations import annotating, counted, cropping
from eegarchive.state import Description, State
from eegarchive.storage.objects import AttributeValue, read_attributes

#: Attributes that `add_signal` makes itself.
_MADE = ("label", "sampling_rate", SAMPLES_DIGEST)


class CannotReplay(EEGArchiveError):
    """An operation can't be done again; the message says why."""


@dataclass(frozen=True)
class Done:
    """How an operation was done again.

    Attributes
    ----------
    taken : str
        What was taken from the archive.
    not_run : str
        Why it wasn't computed anew.
    not_done : str
        Why it couldn't be done at all.
    """

    taken: str = ""
    not_run: str = ""
    not_done: str = ""


@dataclass(frozen=True)
class Inputs:
    """What operations may be done again from, beside their parameters.

    Attributes
    ----------
    archive : Archive
        The one whose history it is.
    states : dict of str to State
        What it has kept, by what that is called.
    run_code : bool
        Whether functions that the history names are imported and run.
    """

    archive: Archive
    states: Mapping[str, State]
    run_code: bool

    def samples(self, name: Any) -> tuple[npt.NDArray[Any], dict[str, AttributeValue]]:
        """A stored signal of the archive, and its attributes without the samples' digest.

        Raises
        ------
        CannotReplay
            If it isn't there, or can't be read.
        """
        if not (isinstance(name, str) and DIGEST.fullmatch(name)):
            raise CannotReplay("the history doesn't say which samples it was given")
        file = self.archive._file
        try:
            with file.reading():
                stored = file.stored(name)
                attributes = read_attributes(stored.dataset)
                samples = np.empty(stored.length, stored.dtype)
                stored.read(0, stored.length, samples)
        except EEGArchiveError as error:
            raise CannotReplay(f"the samples that it was given aren't in the file: {error}") from None
        return samples, {key: value for key, value in attributes.items() if key != SAMPLES_DIGEST}


Redo = Callable[[EditableArchive, Operation, Inputs], Done]


# -- computed from parameters ---------------------------------------------------------------------


def _nothing(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    """What changes no state isn't done again."""
    return Done()


def _anonymize(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    """What led to a state before people were taken out isn't known; nothing, if it was the recording itself."""
    if operation.digest_after != night.digest:
        raise CannotReplay("what was done before was taken out with the people; replay the original archive")
    return Done()


def _called(method: str, *positional: str) -> Redo:
    """An operation whose parameters are the arguments of a method; some have no name there."""

    def redo(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
        named = dict(operation.parameters)
        arguments = [named.pop(name) for name in positional]
        getattr(night, method)(*arguments, **named)
        return Done()

    return redo


def _mask(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    parameters = dict(operation.parameters)
    for name in ("keep_epochs", "drop_epochs"):
        if parameters.get(name) == "":  # a list of none
            parameters[name] = []
    night.mask(**parameters)
    return Done()


def _set_signal(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    night.set_signal(operation.parameters["signal"], **operation.parameters["attributes"])
    return Done()


def _filter(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    parameters = operation.parameters
    design = {name: parameters.get(name) for name in ("transition", "ripple")}
    night.filter(parameters.get("low"), parameters.get("high"), parameters["signals"], **design)
    return Done()


# -- with samples from the archive ----------------------------------------------------------------


def _write_samples(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    parameters = operation.parameters
    samples, _ = inputs.samples(parameters["data"])
    night.write_samples(parameters["signal"], parameters["start"], samples, digital=True)
    return Done("the samples that were written")


def _add_signal(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    parameters = operation.parameters
    samples, attributes = inputs.samples(parameters["data"])
    given = {key: value for key, value in attributes.items() if key not in _MADE}
    night.add_signal(parameters["label"], samples, parameters["sampling_rate"], **given)  # type: ignore[arg-type]
    return Done("the samples of the new signal")


def _add_raw(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    """Put together what another program made, from the samples that were stored of it (spec O-9)."""
    parameters = operation.parameters
    before = night.draft
    data, renamed = parameters.get("data", {}), parameters.get("renamed", {})
    gone = {*parameters.get("dropped", ()), *parameters.get("changed", ())}
    order = {renamed.get(name, name): number for number, name in enumerate(before.signals)}
    draft = replace(before, signals={name: s for name, s in before.signals.items() if name not in gone})
    if "times" in parameters:
        draft = cropping.crop(draft, *parameters["times"])
    for name in (*parameters.get("changed", ()), *parameters.get("added", ())):
        samples, attributes = inputs.samples(data.get(name))
        piece = night._store.store([samples], samples.dtype, len(samples), attributes)
        draft = draft.with_signal(name, Description(attributes, samples.dtype, (piece,)))
    draft = replace(draft, signals={renamed.get(name, name): s for name, s in draft.signals.items()})
    for name, changed in parameters.get("attributes", {}).items():
        signal = draft.signals[name]
        marked = {k: v for k, v in {**signal.attributes, **changed}.items() if v is not None}
        draft = draft.with_signal(name, replace(signal, attributes=marked))
    names = sorted(draft.signals, key=lambda name: order.get(name, len(order)))
    draft = replace(draft, signals={name: draft.signals[name] for name in names})
    taken = ["the samples that MNE changed"] if data else []
    if parameters.get("annotations_added") or parameters.get("annotations_dropped"):
        label, draft = _with_table(draft, operation, inputs)
        taken.append(f"the annotations of {label}")
    night._record("add-raw", parameters, draft)
    return Done(" and ".join(taken))


def _with_table(draft: Any, operation: Operation, inputs: Inputs) -> tuple[str, Any]:
    """A draft with the annotations of a kept state, if that makes it the recorded one."""
    for label, state in inputs.states.items():
        rows = state.annotations.rows()
        found = replace(draft, annotations=replace(draft.annotations, rows=rows))
        if found.digest == operation.digest_after:
            return label, found
    raise CannotReplay(
        "the annotations that were added or dropped are neither in the history nor in a freeze"
    )


# -- with annotations from the archive ------------------------------------------------------------

_Row = tuple[Any, ...]


def _add_annotations(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    """Annotations aren't in the history; a state that was kept later may have them.

    Those of the set that are only there, and have the recorded onsets, are taken, if they make the recorded state or
    are as many as were added.
    """
    count, group = operation.parameters["count"], operation.parameters["annotation_set"]
    onsets = operation.parameters.get("onsets")
    ours = Counter(_keys(night, group))
    alike: tuple[str, list[Any]] | None = None
    if not count:
        night.add_annotations([], [], [], annotation_set=group)
        return Done()
    for label, state in inputs.states.items():
        columns = _new_annotations(state, ours, group, onsets)
        onset, duration, text, kind, channel = columns
        if len(text) != count:
            continue
        alike = alike or (label, columns)
        added = annotating.add(night.draft, onset, duration, text, kind, channel, group)
        if added.digest == operation.digest_after:
            alike = label, columns
            break
    if alike is None:
        what = f"the {counted(count, 'annotation')} of the set {group!r}"
        raise CannotReplay(f"{what} are neither in the history nor, as they were, in a freeze")
    label, (onset, duration, text, kind, channel) = alike
    night.add_annotations(onset, duration, text, kind=kind, channel=channel, annotation_set=group)
    return Done(f"the annotations of the set {group!r} of {label}")


def _keys(state: State, group: str) -> list[_Row]:
    """The annotations of a set, each as what is equal if it is the same."""
    columns = state.annotations.columns()
    rows = zip(
        columns["onset"].view(np.int64).tolist(),
        columns["duration"].view(np.int64).tolist(),  # NaN equals NaN
        *(columns[name].tolist() for name in ("text", "kind", "channel", "set")),
        strict=True,
    )
    return [row for row in rows if row[-1] == group]


def _new_annotations(
    state: State, ours: Counter[_Row], group: str, onsets: Sequence[float] | None
) -> list[Any]:
    """Onset, duration, text, kind and channel of the annotations of a set that aren't among ours.

    Of one onset the table has those first that were added first, so these are taken.
    """
    left, found = Counter(ours), []
    wanted = None if onsets is None else Counter(np.array(onsets, np.float64).view(np.int64).tolist())
    for row in _keys(state, group):
        if left[row]:
            left[row] -= 1
        elif wanted is None:
            found.append(row)
        elif wanted[row[0]]:
            wanted[row[0]] -= 1
            found.append(row)
    columns: list[Any] = [[row[i] for row in found] for i in range(5)]
    return [np.array(times, np.int64).view(np.float64) for times in columns[:2]] + columns[2:]


# -- by functions of the user's -------------------------------------------------------------------


def _apply(night: EditableArchive, operation: Operation, inputs: Inputs) -> Done:
    """Run the function again, if that was asked for and it is the same; else take what it gave."""
    parameters = operation.parameters
    names, given = parameters["signals"], parameters.get("parameters", {})
    function, why = _function(operation, inputs.run_code)
    if function is not None:
        try:
            night.apply(function, names, **given)
        except Exception as error:  # the user's own
            line = str(error).partition("\n")[0]
            raise CannotReplay(f"{parameters['function']} raised {type(error).__name__}: {line}") from error
        return Done()
    data = parameters.get("data", {})
    try:
        kept = {name: inputs.samples(data.get(name))[0] for name in names}
    except CannotReplay as error:
        raise CannotReplay(f"{why}; and {error}") from None
    for name in names:
        night.apply(_Again(kept[name]), name)
    return Done("the samples that it gave", why)


class _Again:
    """A function that gives samples which are known, stretch after stretch."""

    def __init__(self, samples: npt.NDArray[Any]) -> None:
        self._samples, self._at = samples, 0

    def __call__(self, samples: npt.NDArray[np.float64], sampling_rate: float) -> npt.NDArray[Any]:
        start, self._at = self._at, self._at + len(samples)
        return self._samples[start : self._at]


def _function(operation: Operation, run_code: bool) -> tuple[Callable[..., Any] | None, str]:
    """The function that an operation names; or None, and why it isn't run. Imports nothing unless `run_code`."""
    parameters = operation.parameters
    name = str(parameters["function"])
    module, _, path = name.partition(":")
    if module in ("__main__", "__mp_main__", "None", "") or not path or "<" in path:
        return None, f"{name} isn't importable"
    if not run_code:
        return None, f"{name} wasn't run; --run-code (run_code=True) imports and runs it"
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module may raise anything while it is imported
        return None, f"{name} isn't importable here ({type(error).__name__}: {error})"
    if not callable(found):
        return None, f"{name} is no function here"
    now = identify(found)
    stated = parameters.get("source_sha256"), parameters.get("code_sha256")
    same_python = (
        str(operation.versions.get("python")).split(".")[:2] == platform.python_version().split(".")[:2]
    )
    pairs = [(stated[0], now.source_sha256), (stated[1] if same_python else None, now.code_sha256)]
    known = [(then, here) for then, here in pairs if then is not None and here is not None]
    if any(then != here for then, here in known):
        return None, f"{name}: its code has changed"
    if not known:
        return None, f"{name}: nothing tells whether its code is the same"
    return found, ""


#: Every operation that a line of history can have but `convert`, with which it begins.
STEPS: dict[str, Redo] = {
    "epochs": _called("set_epochs"),
    "mask": _mask,
    "restructure": _called("restructure"),
    "keep-signals": _called("keep_signals", "signals"),
    "drop-signals": _called("drop_signals", "signals"),
    "copy-signal": _called("copy_signal", "signal", "label"),
    "rename-signal": _called("rename_signal", "signal", "label"),
    "set-signal": _set_signal,
    "write-samples": _write_samples,
    "add-signal": _add_signal,
    "add-raw": _add_raw,
    "resample": _called("resample", "sampling_rate", "signals"),
    "filter": _filter,
    "apply": _apply,
    "add-annotations": _add_annotations,
    "import-annotations": _add_annotations,
    "drop-annotations": _called("drop_annotations"),
    "rename-annotations": _called("rename_annotations"),
    "anonymize": _anonymize,
    "run": _nothing,
    "freeze": _nothing,
    "prepare-windows": _nothing,
    "remove-windows": _nothing,
    "describe": _nothing,
    "drop-description": _nothing,
}
