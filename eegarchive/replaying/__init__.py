"""Run the history of a state again from the recording, and compare what comes of it."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from eegarchive import provenance
from eegarchive.archive import Archive, open_archive
from eegarchive.conversion import convert
from eegarchive.editing import EditableArchive, edit
from eegarchive.errors import EEGArchiveError, InvalidArchive, MissingBase, OddInput
from eegarchive.exporting import export_edf
from eegarchive.layout import SOURCE_FREEZE
from eegarchive.lineage import Operation, history
from eegarchive.replaying.comparing import check_state, compare
from eegarchive.replaying.report import (
    Outcome,
    ReplayReport,
    SamplesDiffer,
    StateDifference,
    StepReport,
    ValueDiffers,
    Verdict,
)
from eegarchive.replaying.steps import STEPS, Done, Inputs
from eegarchive.state import State

__all__ = ["ReplayReport", "SamplesDiffer", "StateDifference", "StepReport", "ValueDiffers", "replay"]

#: Called with the number of steps done since the last call.
Progress = Callable[[int], None]
#: What parameters of another writer, or of nobody, raise in an operation.
_NOT_UNDERSTOOD = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
_SHA_DIGITS = 12


def replay(
    archive: str | os.PathLike[str] | Archive,
    *,
    source: str | os.PathLike[str] | None = None,
    tolerance: float = 0.0,
    run_code: bool = False,
    progress: Progress | None = None,
) -> ReplayReport:
    """Run a state's history again in a scratch archive, and compare it step by step. The archive isn't changed.

    Each operation is done again by the public functions, with the recorded parameters; after each the digest is
    compared with the recorded one. What the history hasn't got (samples that were added, annotations that were
    imported) is taken from the archive, and the report says so.

    Parameters
    ----------
    archive : path-like or Archive
        `night.h5`, `night.h5@N2`, a detached file, or an open one.
    source : path-like, optional
        The EDF or BDF to begin with; by default the bytes that the archive, or the base of a detached file, has.
    tolerance : float
        In physical units, whichever a signal has: computed (floating-point) samples that differ by no more are
        the same, and the verdict is "close".
    run_code : bool
        Import and run functions of the user's that the history names, if their code is the recorded one. It runs
        code whose name comes from the file: only for files that you trust. Without it none is imported, and
        what they gave is taken from the archive.
    progress : callable, optional
        Called with the number of steps done since the last call; they are as many as `history` lists.

    Returns
    -------
    ReplayReport

    Raises
    ------
    InvalidArchive
        If the history doesn't begin with a conversion or lead to the state, or the state isn't what its digest says.
    EDFError
        If the source can't be understood.
    MissingBase
        If there is no recording to begin with: of a detached file, neither its base nor `source`.
    EEGArchiveError
        If the tolerance is no number from 0 on.
    """
    if not isinstance(archive, Archive):
        with open_archive(archive) as opened:
            return replay(opened, source=source, tolerance=tolerance, run_code=run_code, progress=progress)
    if not 0 <= tolerance < math.inf:
        raise EEGArchiveError(f"a tolerance of {tolerance}; expected a number from 0 on, in physical units")
    line = history(archive)
    if line[0].operation != "convert":
        raise InvalidArchive(
            f"{archive.path}: its history begins with {line[0].operation!r}, not with a conversion"
        )
    unchecked = ""
    try:
        check_state(archive)
    except MissingBase as error:
        if source is None:
            raise
        unchecked = str(error)
    edf = None if source is None else Path(source)
    with tempfile.TemporaryDirectory(prefix="eegarchive-replay-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", OddInput)  # it was told when it was done first
        scratch = Path(folder) / "scratch.h5"
        began = _begin(archive, edf, scratch)
        with edit(scratch) as night:
            again = _Replay(archive, night, tolerance, run_code, progress)
            return again.run(line, edf, began, unchecked)


def _begin(archive: Archive, edf: Path | None, scratch: Path) -> str:
    """Convert the recording into the scratch archive; SHA-256 of its bytes."""
    exported = edf
    if exported is None:
        home = archive.path if archive.base_name is None else archive.base
        if home is None:
            raise MissingBase(
                f"{archive.path}: its recording isn't here: put {archive.base_name} beside it, or give the EDF (--from)"
            )
        with open_archive(home, SOURCE_FREEZE) as recorded:
            suffix = ".bdf" if str(recorded.provenance["source_kind"]).startswith("BDF") else ".edf"
            exported = scratch.with_suffix(suffix)
            export_edf(recorded, exported)
    found = convert(exported, scratch, codec="none", verify=False, bids=False).source_sha256
    if edf is None:
        exported.unlink()
    return found


class _Replay:
    """One replay: the archive, the scratch archive that is edited, and how they compare."""

    def __init__(
        self,
        archive: Archive,
        night: EditableArchive,
        tolerance: float,
        run_code: bool,
        progress: Progress | None,
    ) -> None:
        self.archive, self.night = archive, night
        self.tolerance, self.progress = tolerance, progress
        shown = "the working state" if archive.tag is None else f"the freeze {archive.tag!r}"
        #: What the archive has kept: the state that is asked for first.
        self.states: dict[str, State] = {shown: archive}
        for tag in archive.freezes:
            with contextlib.suppress(EEGArchiveError):  # one that is attached may be missing
                self.states.setdefault(f"the freeze {tag!r}", archive.freezes[tag])
        self.labels = {state.digest: label for label, state in reversed(self.states.items())}
        self.inputs = Inputs(archive, self.states, run_code)
        self._compared: dict[tuple[str, str], StateDifference] = {}

    def run(
        self, line: Sequence[Operation], edf: Path | None, source_sha256: str, unchecked: str
    ) -> ReplayReport:
        """Do all operations of a line again."""
        steps = [self._step(line[0], Done(), _other_recording(line[0], edf, source_sha256))]
        for operation in line[1:]:
            done = self._done(operation)
            steps.append(self._step(operation, done, done.not_done or done.not_run))
        target, found = self.archive.digest, self.night.digest
        difference = self._difference(target, found)
        return ReplayReport(
            path=self.archive.path,
            tag=self.archive.tag,
            source=edf,
            tolerance=self.tolerance,
            verdict=self._verdict(steps, difference),
            digest=target,
            replayed_digest=found,
            steps=steps,
            difference=difference,
            unchecked=unchecked,
        )

    def _done(self, operation: Operation) -> Done:
        """Do an operation again."""
        redo = STEPS.get(operation.operation)
        if redo is None:
            return Done(not_done=f"this version knows no operation {operation.operation!r}")
        try:
            return redo(self.night, operation, self.inputs)
        except EEGArchiveError as error:
            return Done(not_done=str(error).partition("\n")[0])
        except _NOT_UNDERSTOOD as error:
            return Done(not_done=f"its parameters can't be understood ({type(error).__name__}: {error})")

    def _step(self, operation: Operation, done: Done, why: str) -> StepReport:
        expected, found = operation.digest_after, self.night.digest
        outcome: Outcome = "same"
        difference = None
        if done.not_done:
            outcome = "not replayed"
        elif found != expected:
            difference = self._difference(expected, found)
            outcome = self._outcome(difference)
        elif done.not_run:
            outcome = "not run"
        if self.progress is not None:
            self.progress(1)
        return StepReport(
            number=operation.number,
            operation=operation.operation,
            text=str(operation),
            outcome=outcome,
            digest=expected,
            replayed_digest=found,
            taken=done.taken,
            why=why,
            difference=difference,
            versions=_other_versions(operation),
        )

    def _difference(self, expected: str, found: str) -> StateDifference | None:
        """What the present state has otherwise than the kept one of a digest, if that was kept and is another."""
        if found == expected or expected not in self.labels:
            return None
        if (expected, found) not in self._compared:
            label = self.labels[expected]
            self._compared[expected, found] = compare(self.states[label], self.night, label)
        return self._compared[expected, found]

    def _outcome(self, difference: StateDifference | None) -> Outcome:
        if difference is None:
            return "not compared"
        return "close" if difference.largest <= self.tolerance else "differs"

    def _verdict(self, steps: Sequence[StepReport], difference: StateDifference | None) -> Verdict:
        found = "same" if difference is None else self._outcome(difference)
        wrong = [step.outcome for step in steps if step.outcome not in ("same", "close")]
        left_out = [outcome for outcome in wrong if outcome in ("not run", "not replayed")]
        if left_out and (found != "differs" or wrong[0] in left_out):
            return "not replayable"
        return "same" if found == "same" else "close" if found == "close" else "differs"


def _other_recording(operation: Operation, edf: Path | None, sha256: str) -> str:
    """What to say of a recording that isn't the converted one, byte for byte."""
    stated = str(operation.parameters.get("source_sha256"))
    if edf is None or sha256 == stated:
        return ""
    return f"{edf} is another file: SHA-256 {sha256[:_SHA_DIGITS]}, not {stated[:_SHA_DIGITS]}"


def _other_versions(operation: Operation) -> dict[str, tuple[str | None, str | None]]:
    """Versions that were others when an operation was done: (then, now)."""
    then, now = operation.versions, provenance.versions_now()
    return {
        name: (then.get(name), now.get(name))
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    }
