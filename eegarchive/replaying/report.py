"""What a replay has found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

#: Of a step: the recorded state; one within the tolerance; another one; another digest that no kept state could be
#: compared with; not done again, but its samples are in the archive; not done again at all.
Outcome = Literal["same", "close", "differs", "not compared", "not run", "not replayed"]
#: Of the whole.
Verdict = Literal["same", "close", "differs", "not replayable"]


@dataclass(frozen=True)
class SamplesDiffer:
    """Where the samples of a signal aren't those of the archive.

    Attributes
    ----------
    signal : str
    first : int
        The first sample that differs.
    count, total : int
        How many differ, and how many there are.
    largest : float
        The largest difference of physical values; infinite where only one is a number.
    units : str
        Of `largest`.
    is_computed : bool
        Whether the samples are floating-point numbers.
    """

    signal: str
    first: int
    count: int
    total: int
    largest: float
    units: str
    is_computed: bool

    def __str__(self) -> str:
        by = f"by {self.largest:.3g} {self.units}".rstrip() + " at most"
        many = f"{self.count} of {self.total} samples differ"
        return f"{self.signal}: {many} {by}; the first is sample {self.first}"


@dataclass(frozen=True)
class ValueDiffers:
    """The first value of a table, or an attribute of a signal or table, that isn't the archive's.

    Attributes
    ----------
    where : str
        `epochs: row 3, masked`, for one.
    archive, replay : object
        The value in the archive, and what the replay gave; None where there is none.
    """

    where: str
    archive: Any
    replay: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.archive!r} in the archive, {self.replay!r} now"


@dataclass(frozen=True)
class StateDifference:
    """What a replayed state has otherwise than the archive's.

    Attributes
    ----------
    state : str
        What it was compared with: `the freeze 'N2'`, `the working state`.
    samples : list of SamplesDiffer
    values : list of ValueDiffers
        Signals that only one has, attributes, and of each table the first value that differs.
    unread : str
        Why samples couldn't be compared, if so.
    """

    state: str
    samples: list[SamplesDiffer] = field(default_factory=list)
    values: list[ValueDiffers] = field(default_factory=list)
    unread: str = ""

    @property
    def largest(self) -> float:
        """The largest difference of computed samples, each in its signal's units; infinite if anything else differs."""
        if self.values or self.unread or not all(signal.is_computed for signal in self.samples):
            return math.inf
        return max((signal.largest for signal in self.samples), default=0.0)


@dataclass(frozen=True)
class StepReport:
    """What became of one operation.

    Attributes
    ----------
    number : int
        Its row in the history, counted from 1.
    operation, text : str
        Its name, and in words.
    outcome : str
        "same": it gave the recorded digest. "close": another one, within the tolerance. "differs". "not compared":
        another digest, and the archive has kept no state with the recorded one. "not run": it wasn't done
        again, its samples were taken from the archive. "not replayed": it couldn't be done again.
    digest, replayed_digest : str
        The recorded one, and that of the replay's state behind this step.
    taken : str
        What was taken from the archive because the history hasn't got it.
    why : str
        Why it wasn't done again, or what else there is to say.
    difference : StateDifference or None
    versions : dict
        Versions that were others then: (then, now).
    """

    number: int
    operation: str
    text: str
    outcome: Outcome
    digest: str
    replayed_digest: str
    taken: str = ""
    why: str = ""
    difference: StateDifference | None = None
    versions: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReplayReport:
    """What running a history again has given.

    Attributes
    ----------
    path : str
    tag : str or None
        The freeze; None for the working state.
    source : Path or None
        The EDF or BDF that it began with; None for the bytes that the archive has.
    tolerance : float
    verdict : str
        "same": the state follows from the recording by its history, digest for digest. "close": computed samples
        differ by no more than the tolerance, nothing else does. "differs". "not replayable": a step could not
        be done again, or wasn't since it is user code.
    digest, replayed_digest : str
    steps : list of StepReport
    difference : StateDifference or None
        Of the state that was asked for, at the end.
    unchecked : str
        Why it isn't known whether the file's samples are what their digests say, if so.
    """

    path: str
    tag: str | None
    source: Path | None
    tolerance: float
    verdict: Verdict
    digest: str
    replayed_digest: str
    steps: list[StepReport]
    difference: StateDifference | None
    unchecked: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is the same, within the tolerance."""
        return self.verdict in ("same", "close")

    @property
    def first_difference(self) -> StepReport | None:
        """The first step that didn't give the recorded state."""
        return next((step for step in self.steps if step.outcome != "same"), None)

    @property
    def taken(self) -> list[StepReport]:
        """Steps with something that was taken from the archive."""
        return [step for step in self.steps if step.taken]
