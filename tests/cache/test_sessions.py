"""Caches over whole sessions, against plain dicts: any order of putting, removing, freezing, thawing and failing."""

from __future__ import annotations

import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from editing.referee import findings
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

import eegarchive
from cache.plain import key_of, same

NAMES = st.sampled_from(["p", "naïve 😴"])
VARIABLES = st.sampled_from(["a", "b"])
STRATA = st.sampled_from(
    [
        {},
        {"E": 1},
        {"E": 2},
        {"CH": "EEG Fpz-Cz"},
        {"CH": "EEG Fpz-Cz", "E": 1},
        {"CH": "EEG Pz-Oz", "OK": True},
    ]
)
SINGLE = st.sampled_from(
    [
        ("int", 5),
        ("num", 5.0),
        ("num", float("nan")),
        ("text", ""),
        ("bool", True),
        ("num", None),
        ("int", [1, None, 3]),
    ]
)
TAGS = st.sampled_from(["A", "B"])
BASES = st.sampled_from(["clock", "samples", "state"])

#: Values of one cache by key and by state.
Held = dict[tuple[Any, ...], dict[str, tuple[str, Any]]]


@dataclass
class Model:
    """What the archive holds: caches by name, those of freezes, and the freezes' states."""

    caches: dict[str, Held] = field(default_factory=dict)
    frozen: dict[str, tuple[str, dict[str, Held]]] = field(default_factory=dict)

    def put(self, name: str, key: tuple[Any, ...], state: str, value: tuple[str, Any]) -> None:
        states = self.caches.setdefault(name, {}).setdefault(key, {})
        kept = {digest for digest, _ in self.frozen.values()}
        for other in list(states):
            if other != state and other not in kept:
                del states[other]
        states[state] = value

    def remove(self, name: str, keys: list[tuple[Any, ...]]) -> None:
        for key in keys:
            del self.caches[name][key]
        if not self.caches[name]:
            del self.caches[name]


class Sessions(RuleBasedStateMachine):
    """Rules are edits' steps; an edit is open between `begin` and `end`."""

    archive: Path

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(shutil.copy(self.archive, Path(self.folder.name) / "night.h5"))
        self.count = 0
        self.edit: Any = None
        with eegarchive.open(self.path) as archive:
            self.model = Model(frozen={"source": (archive.digest, {})})
        self.begin()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            try:
                if self.edit is not None:
                    self.end()
                assert findings(self.path) == []
            finally:
                self.folder.cleanup()

    def begin(self) -> None:
        self.before = copy.deepcopy(self.model)
        self.edit = eegarchive.edit(self.path)
        self.night = self.edit.__enter__()

    def end(self) -> None:
        self.edit.__exit__(None, None, None)
        self.edit = None
        with eegarchive.open(self.path) as archive:
            self.compare(archive)
            for tag, (digest, caches) in self.model.frozen.items():
                freeze = archive.freezes[tag]
                assert freeze.digest == digest
                expected = {
                    name: self.of_freeze(digest, caches.get(name, {}), self.model.caches.get(name, {}))
                    for name in {*caches, *self.model.caches}
                }
                names = sorted((name for name in expected if expected[name]), key=lambda name: name.encode())
                assert list(freeze.cache) == names
                for name in names:
                    assert self.all_of(freeze.cache[name]) == expected[name]

    def of_freeze(self, digest: str, own: Held, working: Held) -> dict[Any, Any]:
        """What a freeze was made with, and what was computed on its state since."""
        since = {key: {digest: states[digest]} for key, states in working.items() if digest in states}
        return {
            (key, state): value for key, states in {**own, **since}.items() for state, value in states.items()
        }

    def compare(self, archive: Any) -> None:
        assert list(archive.cache) == sorted(self.model.caches, key=lambda name: name.encode())
        for name, held in self.model.caches.items():
            expected = {
                (key, state): value for key, states in held.items() for state, value in states.items()
            }
            assert self.all_of(archive.cache[name]) == expected
            assert len(archive.cache[name]) == len(expected)

    def all_of(self, cache: Any) -> dict[Any, Any]:
        """Every entry there is, whatever holds."""
        view = cache._view()
        found = {}
        for kind, part in view.entries.parts.items():
            for row in range(len(part)):
                entry = view.entry(kind, row)
                place = key_of(entry.variable, entry.strata), entry.origin.state
                assert place not in found
                found[place] = entry.type, same(entry.type, entry.value)
        return found

    # -- rules ----------------------------------------------------------------------------------

    @rule(name=NAMES, variable=VARIABLES, strata=STRATA, value=SINGLE, basis=BASES)
    def put(
        self, name: str, variable: str, strata: dict[str, Any], value: tuple[str, Any], basis: str
    ) -> None:
        self.night.cache[name].put(variable, value[1], strata, type=value[0], basis=basis)
        self.model.put(name, key_of(variable, strata), self.night.digest, (value[0], same(*value)))

    @rule(
        name=NAMES, variable=VARIABLES, channel=st.booleans(), numbers=st.sets(st.integers(1, 4), min_size=1)
    )
    def put_columns(self, name: str, variable: str, channel: bool, numbers: set[int]) -> None:
        columns: dict[str, Any] = {"E": sorted(numbers), variable: [f"{n}" for n in sorted(numbers)]}
        if channel:
            columns["CH"] = ["EEG Fpz-Cz" if n % 2 else None for n in sorted(numbers)]
        self.night.cache[name].put_columns(columns, [factor for factor in ("CH", "E") if factor in columns])
        for n in numbers:
            strata = {"E": n, **({"CH": "EEG Fpz-Cz"} if channel and n % 2 else {})}
            self.model.put(name, key_of(variable, strata), self.night.digest, ("text", f"{n}"))

    @rule(name=NAMES, variable=st.none() | VARIABLES, strata=STRATA)
    def remove(self, name: str, variable: str | None, strata: dict[str, Any]) -> None:
        wanted = key_of("", strata)[1]
        held = self.model.caches.get(name, {})
        keys = [key for key in held if variable in (None, key[0]) and wanted <= key[1]]
        assert self.night.cache[name].remove(variable, strata) == sum(len(held[key]) for key in keys)
        if keys:
            self.model.remove(name, keys)

    @rule(name=NAMES)
    def clear(self, name: str) -> None:
        self.night.cache[name].clear()
        self.model.caches.pop(name, None)

    @rule(name=NAMES, variable=VARIABLES)
    def put_what_is_refused(self, name: str, variable: str) -> None:
        for strata in (
            {"new": 1, "E": float("nan")},
            {"new": 1, "value": 2},
            {"new": 1, "E": "text", "CH": None},
        ):
            with pytest.raises(eegarchive.EEGArchiveError):
                self.night.cache[name].put(variable, 1, strata)
        with pytest.raises(eegarchive.EEGArchiveError, match="is given twice"):
            self.night.cache[name].put_columns({"E": [1, 1], variable: [1, 2]}, ["E"])

    @rule(tag=TAGS)
    def freeze(self, tag: str) -> None:
        self.night.freeze(tag, overwrite=True)
        self.model.frozen[tag] = self.night.digest, copy.deepcopy(self.model.caches)

    @rule(tag=TAGS | st.just("source"), preserve=st.booleans(), remove=st.booleans())
    def thaw(self, tag: str, preserve: bool, remove: bool) -> None:
        if tag not in self.model.frozen:
            with pytest.raises(eegarchive.NotInArchive):
                self.night.thaw(tag)
            return
        remove = remove and tag != "source"
        self.night.thaw(tag, preserve_cache=preserve, remove=remove)
        if not preserve:
            self.model.caches = copy.deepcopy(self.model.frozen[tag][1])
        if remove:
            del self.model.frozen[tag]

    @rule()
    def restructure_nothing(self) -> None:
        self.night.set_epochs(30)
        self.night.mask(clear=True)
        self.night.restructure()

    @precondition(lambda self: self.edit and self.night.duration > 90)
    @rule(preserve=st.booleans())
    def restructure(self, preserve: bool) -> None:
        self.night.set_epochs(30)
        self.night.mask(first=max(1, round(self.night.duration / 30) - 1))
        drops = any(self.night.epochs["masked"])
        self.night.restructure(preserve_cache=preserve)
        if drops and not preserve:
            self.model.caches.clear()

    @rule()
    def annotate(self) -> None:
        self.count += 1
        self.night.add_annotations([0.0], [float(self.count)], ["x"])

    @rule(value=st.integers(0, 5))
    def write_samples(self, value: int) -> None:
        self.night.write_samples("EEG Fpz-Cz", 0, [value], digital=True)

    @rule(reads=st.booleans())
    def reopen(self, reads: bool) -> None:
        if reads:
            self.compare(self.night)
        self.end()
        self.begin()

    @rule()
    def fail(self) -> None:
        error = RuntimeError("inside the edit")
        with pytest.raises(RuntimeError):
            if not self.edit.__exit__(RuntimeError, error, None):
                raise error
        self.model = self.before
        self.begin()

    @invariant()
    def names(self) -> None:
        if getattr(self, "edit", None) is not None:
            assert list(self.night.cache) == sorted(self.model.caches, key=lambda name: name.encode())


def test_sessions(archives: dict[str, Path]) -> None:
    class OnTheArchive(Sessions):
        archive = archives["edf_sleep_psg_30s_records"]

    run_state_machine_as_test(
        OnTheArchive,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_an_exception_leaves_the_caches_as_they_were(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1)
        night.cache["q"].put("x", 1)
    before = psg.read_bytes()
    with pytest.raises(RuntimeError), eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 2)
        night.cache["q"].clear()
        night.cache["r"].put("x", 3)
        night.freeze("N2")
        raise RuntimeError
    assert psg.read_bytes() == before
    with eegarchive.open(psg) as archive:
        assert list(archive.cache) == ["p", "q"]
        assert archive.cache["p"].get("x") == 1


def test_nothing_goes_on_after_the_edit(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("x", 1)
    for step in (
        lambda: cache.put("x", 2),
        lambda: cache.put_columns({"x": [2]}),
        lambda: cache.get("x"),
        lambda: cache.select(),
        lambda: cache.remove("x"),
        lambda: cache.clear(),
        lambda: list(night.cache),
    ):
        with pytest.raises(eegarchive.EEGArchiveError, match="the edit has ended"):
            step()
    assert repr(cache) == "<Cache p: closed>"
    assert repr(night.cache) == "<Caches: closed>"


def test_an_edit_that_only_reads_caches_writes_nothing(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1)
    before = psg.read_bytes()
    with eegarchive.edit(psg) as night:
        assert night.cache["p"].get("x") == 1
        assert list(night.cache) == ["p"]
        assert len(night.cache["other"]) == 0
    assert psg.read_bytes() == before


def test_a_factor_that_no_value_has_any_more_is_free_for_levels_of_another_type(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1, F="text", G=1)
        night.cache["p"].put("y", 1, G=1)
        assert night.cache["p"].remove("x") == 1
        night.cache["p"].put("x", 2, F=1.5)
        assert night.cache["p"].get("x", F=1.5) == 2
        assert night.cache["p"].factors == {"G": [1], "F": [1.5]}


def test_one_state_after_another_leaves_one_value_whether_joined_or_not(psg: Path) -> None:
    for reads in (False, True):
        with eegarchive.edit(psg) as night:
            night.add_annotations([0.0], [1.0], ["x"])
            night.cache["p"].put("x", 1)
            if reads:
                assert night.cache["p"].get("x") == 1
            night.add_annotations([0.0], [2.0], ["x"])
            night.cache["p"].put("x", 2)
            night.add_annotations([0.0], [3.0], ["x"])
            assert len(night.cache["p"]) == 1
            assert night.cache["p"].get("x") == 2
            night.thaw("source")


def test_states_that_come_again_leave_one_value(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        for number in range(3):
            night.mask(clear=True)
            night.cache["p"].put("x", number)
            night.mask(drop_epochs="1")
            night.cache["p"].put("x", -number)
        night.add_annotations([0.0], [1.0], ["x"])
        assert night.cache["p"].get("x") == -2
        assert len(night.cache["p"]) == 1
