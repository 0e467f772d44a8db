"""One archive under a script: its state, what is put out, and what is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import column_of
from eegarchive.editing import EditableArchive
from eegarchive.luna.labels import luna_labels, matching
from eegarchive.luna.script import Command
from eegarchive.luna.tables import Tables

if TYPE_CHECKING:
    from eegarchive.draft import Draft

#: Factors whose levels are signals: names in the archive's caches, Luna's labels in tables.
SIGNAL_FACTORS = ("CH", "CH1", "CH2")
_KIND_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


@dataclass
class Recorder:
    """Outputs that are to be kept in a cache: `CACHE cache=c record=PSD,PSD,CH,B`.

    Attributes
    ----------
    cache : str
        Which cache.
    command : str
    names : tuple of str
        The variable and all its factors, in any order.
    line : int
        Where in the script it was asked for.
    matched : int
        How many values it has recorded.
    """

    cache: str
    command: str
    names: tuple[str, ...]
    line: int = 0
    matched: int = 0
    _wanted: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._wanted = sorted(name.lower() for name in self.names)

    def takes(self, command: str, variable: str, factors: Sequence[str]) -> bool:
        """Whether it is for this variable with exactly these factors; capitals don't count."""
        return (
            self.command.lower() == command.lower()
            and sorted(name.lower() for name in (variable, *factors)) == self._wanted
        )


class Run:
    """An archive inside a transaction, to be changed and read by the commands of a script.

    Parameters
    ----------
    night : EditableArchive
    id : str
        What it is called in tables.
    log : callable, optional
        Called with each line that tells what was done.

    Attributes
    ----------
    night, id
    tags : dict of str to str
        Factors that TAG has set, with their levels; all outputs have them.
    tables : Tables
        Outputs so far.
    printed : list of str
        Lines that commands show in place of tables, as DESC does.
    oddities : list of str
        Lines of the log that tell what a script can't have meant.
    recorders : list of Recorder
        What CACHE wants recorded.
    overwrite : bool
        Whether files that commands write may replace others.
    is_empty : bool
        A restructure would have left nothing: until a THAW only commands run that need no samples.
    has_mask : bool
        Whether a MASK was run since the last RE, EPOCH or THAW, even one that masks nothing: `flip` goes by it.
    """

    def __init__(
        self,
        night: EditableArchive,
        id: str,
        log: Callable[[str], None] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.night = night
        self.id = id
        self.overwrite = overwrite
        self.tags: dict[str, str] = {}
        self.tables = Tables()
        self.printed: list[str] = []
        self.oddities: list[str] = []
        self.recorders: list[Recorder] = []
        self.is_empty = False
        self.has_mask = False
        self._log = log
        self._labels_of: tuple[Draft, dict[str, str]] | None = None
        #: With which factors each variable came, for recorders that match nothing.
        self._seen: dict[tuple[str, str], tuple[str, ...]] = {}

    # -- what is told ---------------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Tell what was done, in a line of its own."""
        if self._log is not None:
            self._log(text)

    def odd(self, command: Command, text: str) -> None:
        """Tell what a command found that its author can't have meant; people see that even if they want no log."""
        self._tell_odd(command.line, command.name, text)

    def _tell_odd(self, line: int, name: str, text: str) -> None:
        self.oddities.append(f"line {line}: {name}: {text}")
        self.log(self.oddities[-1])

    def show(self, text: str) -> None:
        """Print lines that are an output themselves."""
        self.printed += text.split("\n")

    # -- signals --------------------------------------------------------------------------------

    @property
    def labels(self) -> dict[str, str]:
        """Luna's labels of the signals, by their names in the archive, in order."""
        draft = self.night.draft
        if self._labels_of is None or self._labels_of[0] is not draft:
            stated = [str(signal.attributes["label"]) for signal in draft.signals.values()]
            self._labels_of = draft, dict(zip(draft.signals, luna_labels(stated), strict=True))
        return self._labels_of[1]

    def label(self, name: str) -> str:
        """What Luna calls a signal of the archive."""
        return self.labels.get(name, name)

    def signals(self, command: Command, key: str = "sig", kinds: Sequence[str] | None = None) -> list[str]:
        """Names in the archive of the signals that a command is about, in the order in which it lists them.

        Parameters
        ----------
        command : Command
        key : str
            The parameter that lists them: names, Luna's labels or the recording's, in any letters, with `*` for any
            characters; `${eeg}` for all of a kind. What isn't there is told in the log.
        kinds : sequence of str, optional
            Of which kinds they are where the parameter isn't given; of all by default.
        """
        signals = self.night.draft.signals
        if key not in command.parameters:
            return [
                name
                for name, signal in signals.items()
                if kinds is None or signal.attributes["kind"] in kinds
            ]
        names = {
            name: (name, self.labels[name], str(signal.attributes["label"]).strip())
            for name, signal in signals.items()
        }
        text = command.parameters.need(key)
        if whole := [name for name, own in names.items() if text in own]:
            return whole  # a label that has a comma
        found: dict[str, None] = {}
        for pattern in command.parameters.list(key):
            kind = _KIND_VARIABLE.fullmatch(pattern)
            hits = (
                [name for name, own in signals.items() if own.attributes["kind"] == kind[1].lower()]
                if kind
                else matching(pattern, names)
            )
            if not hits:
                self.odd(command, f"there is no signal {pattern}")
            found |= dict.fromkeys(hits)
        return list(found)

    # -- epochs ---------------------------------------------------------------------------------

    def epochs(self) -> dict[str, npt.NDArray[Any]]:
        """The table of epochs, by columns; epochs of 30 s are set where there are none."""
        if not len(self.night.epochs):
            count = self.night.set_epochs()
            self.log(f"set {count} epochs of 30 s, since there were none")
        return self.night.epochs.columns()

    def kept(self) -> dict[str, npt.NDArray[Any]]:
        """The epochs that aren't masked, by columns."""
        columns = self.epochs()
        there = ~columns["masked"]
        return {name: values[there] for name, values in columns.items()}

    # -- outputs --------------------------------------------------------------------------------

    def put(self, command_name: str, variable: str, value: Any, **strata: Any) -> None:
        """Put out one value.

        Parameters
        ----------
        command_name : str
        variable : str
        value : float, int, str, bool or None
            None is missing: NA in tables, and not recorded.
        **strata
            Levels by factor. Signals by their names in the archive.
        """
        levels = {**self.tags, **strata}
        shown = {
            name: self.label(level) if name in SIGNAL_FACTORS else level for name, level in levels.items()
        }
        self.tables.put(command_name, variable, value, shown)
        for recorder in self._recorders(command_name, variable, tuple(levels)):
            if value is not None:
                cache = self.night.cache[recorder.cache]
                cache.put(f"{command_name}:{variable}", value, levels, operation=command_name)
                recorder.matched += 1

    def put_columns(
        self, command_name: str, factors: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> None:
        """Put out many values at once.

        Parameters
        ----------
        command_name : str
        factors : mapping of str to sequence
            Levels for each row, none missing. Signals by their names in the archive.
        variables : mapping of str to sequence
            Values for each row, None where one is missing.
        """
        count = len(next(iter({**factors, **variables}.values()), ()))
        if not count:
            return
        levels = {**{name: np.full(count, level, object) for name, level in self.tags.items()}, **factors}
        labels = self.labels
        shown = {
            name: [labels.get(level, level) for level in values] if name in SIGNAL_FACTORS else values
            for name, values in levels.items()
        }
        self.tables.put_columns(command_name, shown, variables)
        for variable, values in variables.items():
            for recorder in self._recorders(command_name, variable, tuple(levels)):
                column = column_of(values, f"{command_name}: {variable}")
                there = np.flatnonzero(~column.missing)
                columns = {name: column_of(own, name).take(there) for name, own in levels.items()}
                columns[f"{command_name}:{variable}"] = column.take(there)
                cache = self.night.cache[recorder.cache]
                recorder.matched += cache.put_columns(columns, list(levels), operation=command_name)

    def _recorders(self, command: str, variable: str, factors: tuple[str, ...]) -> list[Recorder]:
        self._seen[command.lower(), variable.lower()] = factors
        return [recorder for recorder in self.recorders if recorder.takes(command, variable, factors)]

    def tell_unmatched(self) -> None:
        """Tell in the log which recorders have recorded nothing, and what there was in place of that."""
        for recorder in self.recorders:
            if recorder.matched:
                continue
            asked = ",".join([recorder.command, *recorder.names])
            near = [
                ",".join([recorder.command, variable.upper(), *sorted(factors)])
                for (command, variable), factors in self._seen.items()
                if command == recorder.command.lower() and variable in map(str.lower, recorder.names)
            ]
            there = f"; there was {' and '.join(near)}" if near else ""
            self._tell_odd(
                recorder.line,
                "CACHE",
                f"record={asked} matched no output (names of the variable and of all its factors){there}",
            )


def resolved(command: Command, id: str) -> Command:
    """A command with the archive's ID in place of `^` in its values, as in `file=^.txt`."""
    return command.with_values({"^": id})
