"""Any operations, freezes, thaws, removals, failures and compactions in any order, against a model in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from transactions.faults import Crash, Fault, FaultyDisk

import eegarchive
from editing import model
from editing.model import ModelState, Signal
from editing.referee import GAPS, PSG, Recording, findings, operations
from eegarchive.storage import disk
from eegarchive.storage.transaction import recover

#: What changes something on the disk.
STEPS = ("write_at", "resize", "sync", "create", "remove", "sync_folder")
TAGS = st.sampled_from(["A", "B", "C"])
KINDS = ("N7", "Arousal", "früh", "event 1")
LABELS = st.sampled_from(["x", "y", "z", "C3/M2"])
SEEDS = st.integers(0, 2**32 - 1)
NUMBERS = st.integers(0, 50)

is_editing = precondition(lambda self: self.edit is not None)
is_idle = precondition(lambda self: self.edit is None)


class Stop(Exception):
    """What breaks an edit off."""


class Archives(RuleBasedStateMachine):
    """One archive, in an edit or out of it, and the model of what it is."""

    folder: Path
    made: dict[str, Path]

    def __init__(self) -> None:
        super().__init__()
        self.own = Path(tempfile.mkdtemp(dir=self.folder))
        self.edit: AbstractContextManager[eegarchive.EditableArchive] | None = None
        self.reader: eegarchive.Archive | None = None
        self.digests: dict[str, str] = {}

    @initialize(recording=st.sampled_from([PSG, GAPS]))
    def convert(self, recording: Recording) -> None:
        self.recording = recording
        self.path = Path(shutil.copy(self.made[recording.stem], self.own / "night.h5"))
        self.reader = eegarchive.open(self.path)
        self.now = model.of(self.reader)
        self.freezes = {"source": self.now.copy()}
        self.history = 1
        self.committed = self.now.copy(), dict(self.freezes), self.history

    def teardown(self) -> None:
        if self.edit is not None:
            self.edit.__exit__(None, None, None)
        if self.reader is not None:
            self.reader.close()
        shutil.rmtree(self.own)

    # -- edits ------------------------------------------------------------------------------------

    @is_idle
    @rule()
    def begin(self) -> None:
        self.before = self.path.read_bytes()
        self.edit = eegarchive.edit(self.path)
        self.night = self.edit.__enter__()

    def _end(self, error: BaseException | None = None) -> BaseException | None:
        """End the edit as `with` would; what it raises."""
        edit, self.edit = self.edit, None
        assert edit is not None
        try:
            edit.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        except (OSError, eegarchive.EEGArchiveError) as raised:
            return raised
        return error  # which goes on to the caller

    def _undo(self) -> None:
        now, freezes, self.history = self.committed
        self.now, self.freezes = now.copy(), dict(freezes)

    @is_editing
    @rule()
    def commit(self) -> None:
        assert self._end() is None
        self.committed = self.now.copy(), dict(self.freezes), self.history

    @is_editing
    @rule()
    def break_off(self) -> None:
        raw = self.before
        assert isinstance(self._end(Stop()), Stop)
        assert self.path.read_bytes() == raw
        self._undo()

    @is_editing
    @rule(name=st.sampled_from(STEPS), step=st.integers(0, 3))
    def commit_on_a_broken_disk(self, name: str, step: int) -> None:
        """Some step of the commit fails; then nothing was changed, or it had not come so far."""
        left = step
        undo = pytest.MonkeyPatch()

        def failing(real: Callable[..., object]) -> Callable[..., object]:
            def run(*arguments: object) -> object:
                nonlocal left
                left -= 1
                if left == -1:
                    raise OSError(5, "the disk is broken")
                return real(*arguments)

            return run

        undo.setattr(disk, name, failing(getattr(disk, name)))
        try:
            raised = self._end()
        finally:
            undo.undo()
        if raised is None:
            self.committed = self.now.copy(), dict(self.freezes), self.history
        else:
            assert "the disk is broken" in str(raised)
            assert self.path.read_bytes() == self.before
            self._undo()

    @is_editing
    @rule(
        step=st.integers(0, 24),
        torn=st.sampled_from(["", "head", "sectors"]),
        after=st.sampled_from(["", "create"]),
    )
    def crash_in_the_commit(self, step: int, torn: str, after: str) -> None:
        """The process ends at some step: whoever opens the archive next finds the old or the new one."""
        try:
            with FaultyDisk(Fault(step, torn, after=after)):
                assert self._end() is None
        except Crash:
            with eegarchive.open(self.path) as archive:
                is_new = len(archive.history) != self.committed[2]
            recover(self.path, 1.0)
            assert os.listdir(self.path.parent) == [self.path.name]
            if not is_new:
                assert self.path.read_bytes() == self.before
                self._undo()
                return
        self.committed = self.now.copy(), dict(self.freezes), self.history

    @is_idle
    @rule()
    def open_anew(self) -> None:
        assert self.reader is not None
        self.reader.close()
        self.path = self.path.rename(self.path.with_name(f"night {os.urandom(2).hex()}.h5"))
        self.reader = eegarchive.open(self.path)

    @is_idle
    @rule()
    def compact(self) -> None:
        assert self.reader is not None
        before = self.reader.digest
        eegarchive.compact(self.path)
        assert self.reader.digest == before

    # -- operations -------------------------------------------------------------------------------

    def _refused(self, error: type[Exception], operation: Callable[[], object]) -> None:
        """An operation that raises has changed nothing: the invariants look."""
        with pytest.raises(error):
            operation()

    @is_editing
    @rule(length=st.integers(4, 30), step=st.integers(4, 30))
    def set_epochs(self, length: int, step: int) -> None:
        unit = 4 if self.recording is GAPS else 1
        length, step = (n * unit * (4 if self.recording is GAPS else 1) for n in (length, step))
        if self.now.set_epochs(length, step):
            assert self.night.set_epochs(length, step) == len(self.now.epochs)
            self.history += 1
        else:
            self._refused(eegarchive.EEGArchiveError, lambda: self.night.set_epochs(length, step))

    def _mask(self, out: set[int], **arguments: object) -> None:
        was = sum(e.masked for e in self.now.epochs)
        self.now.mask(out)
        report = self.night.mask(**arguments)  # type: ignore[arg-type]
        self.history += 1
        assert report.masked == sum(e.masked for e in self.now.epochs) == was + report.newly_masked

    @is_editing
    @precondition(lambda self: self.now.epochs)
    @rule(first=NUMBERS, count=st.integers(1, 8), keep=st.booleans())
    def mask_numbers(self, first: int, count: int, keep: bool) -> None:
        every = [e.number for e in self.now.epochs]
        hit = every[first % len(every) :][:count]
        if keep:
            self._mask(set(every) - set(hit), keep_epochs=hit)
        else:
            self._mask(set(hit), drop_epochs=f"{hit[0]}-{hit[-1]}")

    @is_editing
    @precondition(lambda self: self.now.epochs)
    @rule(kind=st.sampled_from(KINDS), keep=st.booleans())
    def mask_kind(self, kind: str, keep: bool) -> None:
        if kind not in {row[3] for row in self.now.annotations}:
            self._refused(eegarchive.NotInArchive, lambda: self.night.mask(drop=kind))
            return
        has = self.now.having(kind)
        if keep:
            self._mask({e.number for e in self.now.epochs} - has, keep=kind)
        else:
            self._mask(has, drop=kind)

    @is_editing
    @precondition(lambda self: self.now.epochs)
    @rule(clear=st.booleans())
    def flip_or_clear(self, clear: bool) -> None:
        self.now.epochs = [e._replace(masked=not e.masked and not clear) for e in self.now.epochs]
        self.night.mask(clear=clear, flip=not clear)
        self.history += 1

    @is_editing
    @precondition(lambda self: self.now.epochs)
    @rule(whole=st.booleans())
    def restructure(self, whole: bool) -> None:
        if all(e.masked for e in self.now.epochs):
            self._refused(eegarchive.EEGArchiveError, lambda: self.night.restructure(whole))
            return
        self.now.restructure((list(self.recording.segments), self.recording.record) if whole else None)
        self.night.restructure(whole)
        self.history += 1

    def _name(self, number: int) -> str | None:
        names = list(self.now.signals)
        return names[number % len(names)] if names else None

    @is_editing
    @rule(number=NUMBERS)
    def drop_signal(self, number: int) -> None:
        name = self._name(number)
        if name is None:
            self._refused(eegarchive.NotInArchive, lambda: self.night.drop_signals(["x"]))
            return
        del self.now.signals[name]
        self.night.drop_signals([name])
        self.history += 1

    @is_editing
    @rule(number=NUMBERS, label=LABELS, renamed=st.booleans())
    def copy_or_rename(self, number: int, label: str, renamed: bool) -> None:
        old, new = self._name(number), label.replace("/", "%2F")
        operation = self.night.rename_signal if renamed else self.night.copy_signal
        if old is None or (new in self.now.signals and not (renamed and new == old)):
            self._refused(eegarchive.EEGArchiveError, lambda: operation(old or "x", label))
            return
        signal = self.now.signals[old]
        made = Signal(signal.samples.copy(), {**signal.attributes, "label": label})
        if renamed:
            self.now.signals = {
                (new if name == old else name): made if name == old else s
                for name, s in self.now.signals.items()
            }
        else:
            self.now.signals[new] = made
        assert operation(old, label).name == new
        self.history += 1

    @is_editing
    @rule(
        number=NUMBERS,
        value=st.one_of(st.integers(-5, 5), st.floats(-1, 1), st.sampled_from(["", "uV", "früh"])),
    )
    def set_signal(self, number: int, value: object) -> None:
        if (name := self._name(number)) is not None:
            self.now.signals[name].attributes |= {"note": value}
            self.night.set_signal(name, note=value)  # type: ignore[arg-type]
            self.history += 1

    @is_editing
    @rule(number=NUMBERS, seed=SEEDS)
    def write_samples(self, number: int, seed: int) -> None:
        if (name := self._name(number)) is None or not len(self.now.signals[name].samples):
            return
        samples, dice = self.now.signals[name].samples, np.random.default_rng(seed)
        start = int(dice.integers(len(samples)))
        stop = int(dice.integers(start + 1, len(samples) + 1))
        samples[start:stop] = dice.integers(-1000, 1000, stop - start)
        self.night.signals[name].digital[start:stop] = samples[start:stop].copy()
        self.history += 1

    @is_editing
    @rule(label=LABELS, seed=SEEDS, dtype=st.sampled_from(["<f4", "<f8", "<i2"]))
    def add_signal(self, label: str, seed: int, dtype: str) -> None:
        name, rate = label.replace("/", "%2F"), 0.25 if self.recording is GAPS else 1.0
        samples = (100 * np.random.default_rng(seed).normal(size=round(self.now.duration * rate))).astype(
            dtype
        )
        if name in self.now.signals:
            self._refused(eegarchive.EEGArchiveError, lambda: self.night.add_signal(label, samples, rate))
            return
        self.night.add_signal(label, samples, rate, units="uV", kind="misc")
        attributes = {"label": label, "kind": "misc", "units": "uV", "sampling_rate": rate}
        self.now.signals[name] = Signal(samples, {**attributes, "scale_factor": 1.0, "add_offset": 0.0})
        self.history += 1

    @is_editing
    @rule(
        events=st.lists(
            st.tuples(
                st.integers(-20, 700).map(lambda n: n / 2),
                st.sampled_from([0.0, 0.5, 30.0, 1000.0, float("nan")]),
                st.sampled_from(KINDS),
            ),
            max_size=5,
        ),
        group=st.sampled_from(["me", "you"]),
    )
    def add_annotations(self, events: list[tuple[float, float, str]], group: str) -> None:
        self.now.add([(*event, group) for event in events])
        self.night.add_annotations(*([event[i] for event in events] for i in range(3)), annotation_set=group)
        self.history += 1

    @is_editing
    @rule(
        kind=st.sampled_from([*KINDS, None]),
        group=st.sampled_from(["me", "you", None]),
        renamed=st.booleans(),
    )
    def drop_or_rename_annotations(self, kind: str | None, group: str | None, renamed: bool) -> None:
        hit = [kind in (None, row[3]) and group in (None, row[5]) for row in self.now.annotations]
        if not any(hit):
            self._refused(eegarchive.NotInArchive, lambda: self.night.drop_annotations(kind, group))
        elif renamed:
            assert self.night.rename_annotations(kind, group, text="event 1", new_set="you") == sum(hit)
            self.now.annotations = [
                (*row[:2], "event 1", "event 1", "", "you") if here else row
                for row, here in zip(self.now.annotations, hit, strict=True)
            ]
            self.history += 1
        else:
            assert self.night.drop_annotations(kind, group) == sum(hit)
            self.now.annotations = [
                row for row, here in zip(self.now.annotations, hit, strict=True) if not here
            ]
            self.history += 1

    @is_editing
    @rule(number=NUMBERS)
    def there_and_back(self, number: int) -> None:
        """Equal states have equal digests, whatever came between."""
        before, history = self.night.digest, self.history
        if (name := self._name(number)) is not None and "aside" not in self.now.signals:
            self.night.copy_signal(name, "aside")
            self.night.drop_signals(["aside"])
            history += 2
        self.night.add_annotations([1e6], [0.0], ["last"], annotation_set="last")
        self.night.drop_annotations("last")
        assert self.night.digest == before
        self.history = history + 2

    # -- freezes ----------------------------------------------------------------------------------

    @is_editing
    @rule(tag=TAGS, overwrite=st.booleans())
    def freeze(self, tag: str, overwrite: bool) -> None:
        if tag in self.freezes and not overwrite:
            self._refused(eegarchive.TargetExists, lambda: self.night.freeze(tag))
            return
        self.night.freeze(tag, overwrite=overwrite)
        self.freezes[tag] = self.now.copy()
        self.history += 1
        assert self.night.freezes[tag].digest == self.night.digest

    @is_editing
    @rule(tag=st.one_of(TAGS, st.just("source")), remove=st.booleans(), keep_unsaved=st.booleans())
    def thaw(self, tag: str, remove: bool, keep_unsaved: bool) -> None:
        thaw = {"remove": remove, "keep_unsaved": keep_unsaved}
        if tag not in self.freezes or (remove and tag == "source"):
            self._refused(eegarchive.EEGArchiveError, lambda: self.night.thaw(tag, **thaw))
            return
        digest, kept = self.night.freezes[tag].digest, {s.digest for s in self.night.freezes.values()}
        unsaved = self.night.digest not in kept
        report = self.night.thaw(tag, **thaw)
        assert self.night.digest == digest
        assert (report.kept_as is not None) == (unsaved and keep_unsaved)
        if report.kept_as is not None:
            self.freezes[report.kept_as] = self.now
        self.now = self.freezes[tag].copy()
        if remove:
            del self.freezes[tag]
        self.history += 1 + remove + (report.kept_as is not None)

    @is_editing
    @rule(tag=TAGS)
    def remove_freeze(self, tag: str) -> None:
        if tag not in self.freezes:
            self._refused(eegarchive.NotInArchive, lambda: self.night.remove_freeze(tag))
            return
        assert self.night.remove_freeze(tag) >= 0
        del self.freezes[tag]
        self.history += 1

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def the_archive_is_the_model(self) -> None:
        if self.reader is None:
            return
        if self.edit is not None:
            self._agree(self.night, self.now, self.freezes, self.history)
        self._agree(self.reader, *self.committed)  # nobody sees half an edit
        if self.edit is None:
            assert findings(self.path) == []

    @staticmethod
    def _agree(
        night: eegarchive.Archive, now: ModelState, freezes: dict[str, ModelState], history: int
    ) -> None:
        model.assert_equal(model.of(night), now)
        assert set(night.freezes) == set(freezes)
        for tag, frozen in freezes.items():
            model.assert_equal(model.of(night.freezes[tag]), frozen)
        assert len(operations(night)) == history
        assert night.history["digest_after"][-1] == night.digest


def test_any_operations_in_any_order(tmp_path: Path, archives: dict[str, Path]) -> None:
    machine = type("Machine", (Archives,), {"folder": tmp_path, "made": archives})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=int(os.environ.get("EEGARCHIVE_EXAMPLES", "8")),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
