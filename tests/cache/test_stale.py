"""Which values hold for a state, after every operation there is (spec H-9); freezes' own caches."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing.referee import findings

import eegarchive
from eegarchive import EditableArchive, StaleValue

C, OTHER = "EEG Fpz-Cz", "EEG Pz-Oz"
BASES = ("clock", "samples", "state")


def put_all(night: EditableArchive) -> None:
    """A value for each basis with the channel C, with another one, with none, and with one that names nothing."""
    for basis in BASES:
        for strata in ({"CH": C}, {"CH": OTHER}, {}, {"CH": "nothing"}, {"CH2": C}):
            night.cache["p"].put(basis, 1.0, strata, basis=basis)


def holding(cache: Any) -> set[str]:
    """Which of them hold: by `get` and by all else."""
    found, names = set(), {"CH=C": {"CH": C}, "CH=OTHER": {"CH": OTHER}, "none": {}}
    for basis in BASES:
        for shown, strata in names.items():
            entry = cache.entry(basis, strata, stale=True)
            if entry.stale is None:
                found.add(f"{basis} {shown}")
                assert cache.get(basis, strata) == 1.0
            else:
                with pytest.raises(StaleValue, match=entry.stale) as caught:
                    cache.get(basis, strata)
                assert "\n" not in str(caught.value)
                assert cache.get(basis, strata, stale=True) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        selected = {
            f"{entry.variable} {shown}"
            for entry in cache.select()
            for shown, strata in names.items()
            if entry.strata == strata
        }
        assert sum(map(len, cache.blocks())) == len(cache.select())
    assert selected == found
    assert sum(line["stale"] for line in cache.summary()) == len(cache) - len(cache_rows(cache))
    return found


def cache_rows(cache: Any) -> list[Any]:
    return [entry for entry in cache.select(stale=True) if entry.stale is None]


ALL_CLOCK = {"clock CH=C", "clock CH=OTHER", "clock none"}
ALL_SAMPLES = {"samples CH=C", "samples CH=OTHER", "samples none"}
WITHOUT_C = (ALL_CLOCK | {"samples CH=OTHER"}) - {"clock CH=C"}


def noop(night: EditableArchive) -> None:
    pass


def restructure(night: EditableArchive) -> None:
    night.set_epochs(30)
    night.mask(drop_epochs="1")
    night.restructure(preserve_cache=True)


def restructure_nothing(night: EditableArchive) -> None:
    night.set_epochs(30)
    night.restructure()


def swap(night: EditableArchive) -> None:
    night.rename_signal(C, "was")
    night.rename_signal(OTHER, C)


def thaw_source(night: EditableArchive) -> None:
    night.thaw("source", preserve_cache=True)


EVERYTHING = ALL_CLOCK | ALL_SAMPLES | {f"state {name}" for name in ("CH=C", "CH=OTHER", "none")}
OPERATIONS: dict[str, tuple[Callable[[EditableArchive], object], set[str]]] = {
    "nothing": (noop, EVERYTHING),
    "filter": (lambda night: night.filter(1, 30, [C]), WITHOUT_C),
    "resample": (lambda night: night.resample(50, [C]), WITHOUT_C),
    "write samples": (lambda night: night.write_samples(C, 5, [1.0, 2.0], rounded=True), WITHOUT_C),
    "write the same samples": (
        lambda night: night.write_samples(C, 0, night.signals[C].digital[:9] + 1, digital=True),
        WITHOUT_C,
    ),
    "scale": (lambda night: night.set_signal(C, scale_factor=2.0), WITHOUT_C),
    "offset": (lambda night: night.set_signal(C, add_offset=2.0), WITHOUT_C),
    "describe": (lambda night: night.set_signal(C, sensor="gold"), ALL_CLOCK | ALL_SAMPLES),
    "rename": (lambda night: night.rename_signal(C, "new"), WITHOUT_C),
    "swap names": (swap, ALL_CLOCK - {"clock CH=C", "clock CH=OTHER"}),
    "drop": (lambda night: night.drop_signals([C]), WITHOUT_C),
    "drop others": (
        lambda night: night.keep_signals([C, OTHER]),
        (ALL_CLOCK | ALL_SAMPLES) - {"samples none"},
    ),
    "copy": (lambda night: night.copy_signal(C, "copy"), ALL_CLOCK | ALL_SAMPLES),
    "mask": (lambda night: night.mask(drop_epochs="1"), ALL_CLOCK | ALL_SAMPLES),
    "annotations": (lambda night: night.add_annotations([1.0], [2.0], ["x"]), ALL_CLOCK | ALL_SAMPLES),
    "restructure": (restructure, ALL_CLOCK),
    "restructure nothing": (restructure_nothing, ALL_CLOCK | ALL_SAMPLES),
    "thaw": (thaw_source, EVERYTHING),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_holds_after_an_operation(psg: Path, name: str) -> None:
    operation, expected = OPERATIONS[name]
    with eegarchive.edit(psg) as night:
        put_all(night)
        operation(night)
        assert holding(night.cache["p"]) == expected
    with eegarchive.open(psg) as archive:
        assert holding(archive.cache["p"]) == expected
    assert findings(psg) == []


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("nothing", "thaw")])
def test_the_way_back_makes_all_of_it_hold_again(psg: Path, name: str) -> None:
    with eegarchive.edit(psg) as night:
        put_all(night)
        OPERATIONS[name][0](night)
        night.thaw("source", preserve_cache=True)
        assert holding(night.cache["p"]) == EVERYTHING


@pytest.mark.parametrize("channel", ["3Hz +5/-5 V", "3Hz +5%2F-5 V"])
def test_a_channel_by_its_label_or_its_name(fresh: Callable[[], Path], channel: str) -> None:
    path = fresh()
    with eegarchive.edit(path) as night:
        name = "3Hz +5%2F-5 V"
        assert night.signals[name].label.strip() == "3Hz +5/-5 V"
        night.cache["p"].put("x", 1, CH=channel)
        night.copy_signal(name, "other")
        assert night.cache["p"].get("x", CH=channel) == 1
        night.filter(1, 30, [name])
        with pytest.raises(StaleValue, match=r"the samples of .* are others now"):
            night.cache["p"].get("x", CH=channel)
        night.drop_signals([name])
        with pytest.raises(StaleValue, match="no signal"):
            night.cache["p"].get("x", CH=channel)


def test_two_frozen_states_are_ambiguous_on_a_third_and_the_error_names_them(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        for number, tag in enumerate(("N1", "N2")):
            night.add_annotations([float(number)], [1.0], ["x"])
            night.cache["p"].put("x", number)
            night.cache["p"].put("y" + tag, number)
            night.freeze(tag)
        night.add_annotations([9.0], [1.0], ["x"])
        for read in (
            lambda cache: cache.get("x"),
            lambda cache: cache.get("x", stale=True),
            lambda cache: cache.columns("x"),
            lambda cache: cache.select(),
        ):
            with pytest.raises(eegarchive.EEGArchiveError, match="the freeze N1 and the freeze N2") as caught:
                read(night.cache["p"])
            assert str(caught.value).startswith(f"{psg}: cache 'p': x (no strata): ")
        assert night.cache["p"].columns("yN1")["yN1"].to_list() == [0]  # others are no hindrance
        assert [line["states"] for line in night.cache["p"].summary()] == [["N1", "N2"], ["N1"], ["N2"]]
    with eegarchive.open(psg) as archive:
        assert archive.freezes["N1"].cache["p"].get("x") == 0
        assert archive.freezes["N2"].cache["p"].get("x") == 1
    for tag, value in (("N1", 0), ("N2", 1)):
        with eegarchive.open(f"{psg}@{tag}") as archive:
            assert archive.cache["p"].get("x") == value
            assert archive.cache["p"].columns("x")["x"].to_list() == [value]
            assert archive.cache["p"].entry("x").stale is None


@pytest.mark.parametrize("bulk", [False, True])
def test_stale_values_of_several_frozen_states_in_bulk(psg: Path, bulk: bool) -> None:
    rng = np.random.default_rng(3)
    keys = rng.permutation(50)
    with eegarchive.edit(psg) as night:
        for number, tag in enumerate(("N1", "N2", "N3")):
            night.write_samples(C, 0, [float(number)], rounded=True)
            night.cache["p"].put_columns({"CH": [C] * 50, "E": keys, "x": keys * 10 + number}, ["CH", "E"])
            night.freeze(tag)
        night.write_samples(C, 0, [9.0], rounded=True)
        night.cache["p"].put_columns({"CH": [C] * 20, "E": keys[:20], "x": -keys[:20]}, ["CH", "E"])
        cache = night.cache["p"]
        assert len(cache) == 170
        found = cache.columns("x", stale=True)
        got = dict(zip(found["E"].to_list(), found["x"].to_list(), strict=True))
        assert len(found["x"]) == 50
        assert got == {e: cache.get("x", CH=C, E=e, stale=True) for e in range(50)}
        assert all((got[e] == -e) == (e in keys[:20]) for e in range(50) if e)
        with pytest.warns(eegarchive.OddInput, match="30 stale values left out"):
            assert sorted(cache.columns("x")["E"].to_list()) == sorted(keys[:20].tolist())
        assert cache.remove("x", stale=True) == 150
        assert len(cache) == 20


def test_a_frozen_states_value_survives_a_new_one_and_others_go(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", "source")
        night.add_annotations([0.0], [1.0], ["x"])
        night.cache["p"].put("x", "lost")
        night.add_annotations([1.0], [1.0], ["x"])
        night.cache["p"].put("x", "now")
        assert len(night.cache["p"]) == 2
        assert night.cache["p"].get("x") == "now"
        assert night.freezes["source"].cache["p"].get("x") == "source"
        night.cache["p"].put("x", "later")
        night.add_annotations([2.0], [1.0], ["x"])
        assert len(night.cache["p"]) == 2
        with pytest.raises(eegarchive.EEGArchiveError, match="the freeze source and the state"):
            night.cache["p"].get("x")
    with eegarchive.open(f"{psg}@source") as archive:
        assert archive.cache["p"].get("x") == "source"


def test_a_freeze_has_what_was_put_before_and_what_is_of_its_state(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("before", 1)
        night.freeze("N2")
        night.cache["p"].put("after", 2)  # of the very same state
        night.add_annotations([0.0], [1.0], ["x"])
        night.cache["p"].put("later", 3)
        assert sorted(night.freezes["N2"].cache["p"].variables) == ["after", "before"]
        assert night.freezes["N2"].cache["p"].get("after") == 2
        assert night.cache["p"].entry("before").origin.freeze == "source"
        assert night.cache["p"].entry("later").origin.freeze == ""
        with pytest.raises(eegarchive.EEGArchiveError, match="a freeze's cache can't be changed"):
            night.freezes["N2"].cache["p"].put("x", 1)
        with pytest.raises(eegarchive.NotInArchive, match="'later'; did you mean 'after'"):
            night.freezes["N2"].cache["p"].get("later")
    with eegarchive.open(f"{psg}@N2") as archive:
        assert archive.cache["p"].get("before") == 1
        assert sorted(archive.cache["p"].variables) == ["after", "before"]
        assert list(archive.cache) == ["p"]


def test_a_tag_given_in_the_same_edit_is_known_to_what_is_put_then(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([0.0], [1.0], ["x"])
        night.cache["p"].put("a", 1)
        night.freeze("N2")
        night.cache["p"].put("b", 1)
        assert [night.cache["p"].entry(name).origin.freeze for name in "ab"] == ["", "N2"]
        night.remove_freeze("N2")
        night.cache["p"].put("c", 1)
        assert night.cache["p"].entry("c").origin.freeze == ""


def test_restructure_empties_or_keeps(psg: Path) -> None:
    def cut(night: EditableArchive, epoch: int, **options: bool) -> None:
        night.set_epochs(30)
        night.mask(drop_epochs=epoch)
        night.restructure(**options)

    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1)
        night.freeze("N1")
        cut(night, 1, preserve_cache=True)
        assert list(night.cache) == ["p"]
        night.restructure()  # drops nothing
        assert list(night.cache) == ["p"]
        cut(night, 2)
        assert list(night.cache) == []
        night.cache["p"].put("y", 2)
        assert night.freezes["N1"].cache["p"].get("x") == 1
    with eegarchive.open(psg) as archive:
        assert archive.cache["p"].variables == {"y": "int"}
        parameters = [row for row in archive.history["parameters"] if "preserve" in row]
        assert parameters == ['{"preserve_cache": true}']


@pytest.mark.parametrize("preserve", [False, True])
def test_thaw_restores_or_keeps(psg: Path, preserve: bool) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1)
        night.freeze("N1")
        night.add_annotations([0.0], [1.0], ["x"])
        night.cache["p"].put("x", 2)
        night.cache["q"].put("y", 3)
        night.thaw("N1", preserve_cache=preserve)
        assert list(night.cache) == (["p", "q"] if preserve else ["p"])
        assert night.cache["p"].get("x") == 1
        assert len(night.cache["p"]) == 1 + preserve
        night.cache["p"].put("z", 4)
    with eegarchive.open(psg) as archive:
        assert list(archive.cache) == (["p", "q"] if preserve else ["p"])
        assert (archive.cache["p"].get("x"), archive.cache["p"].get("z")) == (1, 4)
    assert findings(psg) == []
