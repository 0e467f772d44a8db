"""What is put comes back, to the last bit and with its type, by every way in and out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from editing.referee import findings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import eegarchive
from cache.plain import Value, column, found_in, key_of, model_of, same, values, values_of
from eegarchive.cache.columns import Block

EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Fresh = Callable[[], Path]


def put(cache: Any, one: Value) -> None:
    value = column(one.type, one.value) if one.is_vector else one.value
    cache.put(one.variable, value, one.strata, type=one.type)


def as_blocks(found: list[Value]) -> list[Block]:
    """Values as blocks, one for each type and shape."""
    last = list({one.key: one for one in found}.values())
    blocks = []
    for kind in dict.fromkeys((one.type, one.is_vector) for one in last):
        own = [one for one in last if (one.type, one.is_vector) == kind]
        names = dict.fromkeys(name for one in own for name in one.strata)
        factors = {}
        for name in names:
            levels = [one.strata.get(name) for one in own]
            types = {type(level) for level in levels} - {type(None)}
            joined = "num" if float in types else {int: "int", str: "text", bool: "bool"}[types.pop()]
            factors[name] = column(joined, levels)
        variables = np.array([*(one.variable for one in own), None], object)[:-1]
        if kind[1]:
            elements = column(kind[0], [e for one in own for e in one.value])
            offsets = np.cumsum([0, *(len(one.value) for one in own)])
            blocks.append(Block(variables, factors, elements, offsets))
        else:
            blocks.append(Block(variables, factors, column(kind[0], [one.value for one in own])))
    return blocks


@given(values(), st.integers(0, 12), st.booleans())
@EXAMPLES
@example([Value("x", {"F": 10}, "int", 1), Value("x", {"F": 10.0}, "int", 2)], 1, True)
@example([Value("x", {"F": 0.5}, "num", 1.0), Value("x", {"F": 2**53}, "num", 2.0)], 2, False)
@example([Value("x", {"CH": ""}, "text", ""), Value("x", {}, "text", None)], 0, False)
@example([Value("x", {}, "text", []), Value("y", {}, "num", [None, float("nan"), -0.0])], 0, False)
def test_values_put_one_by_one_come_back(fresh: Fresh, found: list[Value], cut: int, reopen: bool) -> None:
    path = fresh()
    for part in (found[:cut], found[cut:]):
        with eegarchive.edit(path) as night:
            for one in part:
                put(night.cache["p"], one)
                if reopen:
                    entry = night.cache["p"].entry(one.variable, one.strata)
                    assert (entry.type, same(entry.type, entry.value)) == (
                        one.type,
                        same(one.type, one.value),
                    )
    with eegarchive.open(path) as archive:
        assert found_in(archive.cache["p"]) == model_of(found)
        assert list(archive.cache) == (["p"] if found else [])
        for one in found:
            for name in one.strata:
                least = {name: one.strata[name]}
                some = {
                    key_of(entry.variable, entry.strata)
                    for entry in archive.cache["p"].select(one.variable, least)
                }
                assert some == {
                    key
                    for key in model_of(found)
                    if key[0] == one.variable and key_of("", least)[1] <= key[1]
                }
    assert findings(path) == []


@given(values(), st.integers(0, 12))
@EXAMPLES
def test_values_put_in_blocks_come_back_and_go_on(fresh: Fresh, found: list[Value], cut: int) -> None:
    path = fresh()
    with eegarchive.edit(path) as night:
        for part in (found[:cut], found[cut:]):
            assert night.cache["p"].add_blocks(as_blocks(part)) == len(model_of(part))
        assert found_in(night.cache["p"]) == model_of(found)
    with eegarchive.open(path) as archive:
        assert found_in(archive.cache["p"]) == model_of(found)
        blocks = archive.cache["p"].blocks()
    with eegarchive.edit(path) as night:
        night.cache["q"].add_blocks(blocks)
    with eegarchive.open(path) as archive:
        assert found_in(archive.cache["q"]) == model_of(found)
    assert findings(path) == []


@given(st.data())
@EXAMPLES
def test_columns_come_back(fresh: Fresh, data: st.DataObject) -> None:
    path = fresh()
    count = data.draw(st.integers(1, 20))
    psd = data.draw(st.lists(st.floats() | st.none(), min_size=count, max_size=count))
    rates = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count))
    numbers = data.draw(st.permutations(range(count)))
    given_columns = {
        "E": np.array(numbers, np.int16),
        "CH": [f"C{n % 3}" for n in numbers],
        "PSD": psd,
        "N": rates,
        "OK": np.array([n % 2 == 0 for n in numbers]),
    }
    with eegarchive.edit(path) as night:
        assert night.cache["p"].put_columns(given_columns, ["E", "CH"]) == 3 * count
    with eegarchive.open(path) as archive:
        cache = archive.cache["p"]
        found = cache.columns("PSD")
        assert list(found) == ["E", "CH", "PSD"]
        assert found["E"].values.tolist() == list(numbers)
        assert found["CH"].to_list() == given_columns["CH"]
        assert same("num", found["PSD"].to_list()) == same("num", psd)
        assert cache.columns("N")["N"].to_list() == rates
        assert cache.columns("OK")["OK"].to_list() == given_columns["OK"].tolist()
        assert cache.variables == {"PSD": "num", "N": "int", "OK": "bool"}
        assert sorted(cache.factors["E"]) == list(range(count))
        one = numbers[0]
        assert len(cache.columns("N", CH=f"C{one % 3}", E=one)["N"]) == 1


def test_types_come_back_as_they_were(psg: Path) -> None:
    given = {
        "i": 128, "f": 128.0, "t": "128", "b": True, "n": np.int8(-3), "h": np.float16(0.5), "z": np.array(7),
        "s": np.str_("x"), "o": np.True_, "e": None,
    }  # fmt: skip
    with eegarchive.edit(psg) as night:
        for name, value in given.items():
            night.cache["p"].put(name, value, CH="C3")
    with eegarchive.open(psg) as archive:
        found = {name: archive.cache["p"].get(name, CH="C3") for name in given}
    assert found == given
    assert [type(value) for value in found.values()] == [
        int, float, str, bool, int, float, int, str, bool, type(None)
    ]  # fmt: skip


def test_a_type_that_is_asked_for(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("a", 5, type="num")
        cache.put("b", [1, None], type="num")
        cache.put("c", None, type="text")
        cache.put("d", [], type="bool")
        assert type(cache.get("a")) is float
        assert cache.get("b").dtype == np.float64
        assert [cache.entry(name).type for name in "cd"] == ["text", "bool"]
        for value, kind, message in (
            (5.0, "int", "is num, not int"),
            (True, "int", "is bool, not int"),
            ("5", "num", "is text, not num"),
            (2**53 + 1, "num", "beyond what a float holds"),
            (1, "float", "there is no type 'float'; there are num, int, text, bool"),
        ):
            with pytest.raises(eegarchive.EEGArchiveError, match=message):
                cache.put("a", value, type=kind)
        assert cache.get("a") == 5


def test_a_missing_value_is_of_its_variables_type(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("n", 1, E=1)
        cache.put("n", None, E=2)
        cache.put("n", [], E=3)
        assert cache.variables == {"n": "int, int[]"}
        assert cache.columns("n", E=2)["n"].to_list() == [None]
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("n", None, E=4)
        assert night.cache["p"].entry("n", E=4).type == "int"


def test_missing_values_of_another_type_join(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("t", None, E=1)
        cache.put("t", "x", E=2)
        found = cache.columns("t")
        assert (found["t"].type, sorted(map(str, found["t"].to_list()))) == ("text", ["None", "x"])


def test_levels_are_equal_as_numbers_and_true_is_none(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("x", "int", F=10)
        cache.put("x", "num", F=10.0)
        cache.put("x", "half", F=10.5)
        assert len(cache) == 2
        assert cache.get("x", F=np.int8(10)) == cache.get("x", F=np.float32(10)) == "num"
        cache.put("y", 1, F=1)
        for level in (True, np.True_, "1", [1], None):
            with pytest.raises(eegarchive.NotInArchive):
                cache.get("y", F=level)
        for level in (True, "10"):
            with pytest.raises(eegarchive.EEGArchiveError, match="the factor F has levels of type num"):
                cache.put("x", "bad", F=level)
        cache.put("z", 1, A=np.True_)
        assert cache.get("z", A=True) == cache.get("z", A=np.True_) == 1
        with pytest.raises(eegarchive.NotInArchive):
            cache.get("z", A=1)
        assert cache.factors == {"F": [10.0, 10.5, 1.0], "A": [True]}


def test_zero_is_one_level_whatever_its_sign(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 1, F=-0.0)
        night.cache["p"].put("x", 2, F=0.0)
        assert len(night.cache["p"]) == 1
        with pytest.raises(eegarchive.EEGArchiveError, match=r"x of F=0\.0: is given twice"):
            night.cache["q"].put_columns({"F": [0.0, -0.0], "x": [1, 2]}, ["F"])


@pytest.mark.parametrize("bulk", [False, True])
def test_integers_beyond_floats_stay_exact_or_are_refused(psg: Path, bulk: bool) -> None:
    def put(cache: Any, level: Any) -> None:
        if bulk:
            cache.put_columns({"F": [level], "x": [1]}, ["F"])
        else:
            cache.put("x", 1, F=level)

    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        put(cache, 2**53 + 1)
        put(cache, 2**53)
        with pytest.raises(eegarchive.EEGArchiveError, match="beyond what a float holds exactly"):
            put(cache, 0.5)
        assert cache.factors == {"F": [2**53 + 1, 2**53]}
        put(night.cache["q"], 0.5)
        with pytest.raises(eegarchive.EEGArchiveError, match="beyond what a float holds exactly"):
            put(night.cache["q"], -(2**53) - 1)
        assert night.cache["q"].factors == {"F": [0.5]}


@pytest.mark.parametrize("name", ["x", "x\0"])
def test_what_was_refused_left_nothing(psg: Path, name: str) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        bad = [
            (1, {"F": float("nan")}),
            (1, {"F": 1.5, "G": None}),
            (1, {"G": "\ud800"}),
            (1, {"G": "a\0b"}),
            (1, {"G": 2**63}),
            (1, {"G": np.uint64(2**63)}),
            (1, {"G": object()}),
            (1, {"G/H": 1}),
            (1, {"value": 1}),
            (1, {"a,b": 1}),
            (1, {"\ud800": 1}),
            (1, {"": 1}),
            (b"x", {}),
            (2**63, {}),
            ("a\0", {}),
            ("\ud800", {}),
            ([1, "x"], {}),
            ([[1], [2]], {}),
            (np.ones((2, 2)), {}),
            ({"a": 1}, {}),
            ({1, 2}, {}),
            (1j, {}),
            (np.datetime64("2020-01-01"), {}),
        ]
        for value, strata in bad:
            with pytest.raises(eegarchive.EEGArchiveError) as caught:
                cache.put(name, value, strata)
            assert str(caught.value).startswith(f"{psg}: cache 'p': ")
            assert "\n" not in str(caught.value)
        assert len(cache) == 0
        cache.put("x", 1, F="text", G=2**60)  # nothing is known of F or G
        assert cache.get("x", F="text", G=2**60) == 1
        for odd in ("a/b", "", "\ud800", "..", "a\nb"):
            with pytest.raises(eegarchive.EEGArchiveError):
                night.cache[odd].put("x", 1)
    with eegarchive.open(psg) as archive:
        assert list(archive.cache) == ["p"]


def test_what_is_given_is_taken_as_it_was(psg: Path) -> None:
    vector = np.arange(3.0)
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("v", vector)
        night.cache["p"].put_columns({"E": np.arange(3), "x": vector}, ["E"])
        vector[:] = -1
        got = night.cache["p"].get("v")
        got[:] = -2
    with eegarchive.open(psg) as archive:
        assert archive.cache["p"].get("v").tolist() == [0, 1, 2]
        assert archive.cache["p"].columns("x")["x"].to_list() == [0, 1, 2]
        archive.cache["p"].get("v")[:] = 5
        assert archive.cache["p"].get("v").tolist() == [0, 1, 2]


def test_a_long_text_and_many_short_ones_need_no_more_memory_than_stored(psg: Path) -> None:
    texts = ["a"] * 200_000
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("long", "x" * 60_000)
        with pytest.raises(eegarchive.EEGArchiveError, match="60001 bytes of text, 60000 at most"):
            night.cache["p"].put("long", "x" * 60_001)
        night.cache["wide"].put_columns({"E": np.arange(200_000), "t": texts}, ["E"])
        assert night.cache["p"].get("long") == "x" * 60_000
    with pytest.raises(eegarchive.EEGArchiveError, match=r"cache 'wide': .* keep such in a cache of its own"):  # noqa: SIM117
        with eegarchive.edit(psg) as night:
            night.cache["wide"].put("t", "x" * 60_000, E=-1)
    with eegarchive.open(psg) as archive:
        assert archive.cache["p"].get("long") == "x" * 60_000
        assert len(archive.cache["wide"]) == 200_000


def test_many_factors(psg: Path) -> None:
    names = [f"factor {i}" for i in range(300)]
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("all", 1, dict.fromkeys(names, "x"))
        night.cache["p"].put("some", 2, dict.fromkeys(names[::2], "x"))
    with eegarchive.open(psg) as archive:
        assert archive.cache["p"].get("some", dict.fromkeys(names[::2], "x")) == 2
        assert len(archive.cache["p"].select("all", {names[7]: "x"})) == 1
    assert findings(psg) == []


def test_values_of_blocks_are_those_of_select(psg: Path) -> None:
    """The helper itself: what it takes for equal isn't always."""
    one, other = Value("x", {"F": True}, "int", 1), Value("x", {"F": 1}, "int", 1)
    assert model_of([one]) != model_of([other])
    assert same("num", 0.0) != same("num", -0.0)
    assert values_of(as_blocks([one])) == [one]


@pytest.mark.parametrize("count", [1, 63, 5_000, 40_000])
def test_tables_of_any_number_of_chunks_are_read_by_hdf5_too(psg: Path, count: int) -> None:
    values = np.random.default_rng(4).normal(size=count)
    with eegarchive.edit(psg) as night:
        night.cache["p"].put_columns({"E": np.arange(count), "x": values}, ["E"])
        night.cache["p"].put("v", values)
    with h5py.File(psg) as file:
        table = file["cache/p/num"]
        assert (table.chunks is not None and len(table) > table.chunks[0]) == (count >= 40_000)
        np.testing.assert_array_equal(table["value"], values)
        np.testing.assert_array_equal(table["E"], np.arange(count))
        np.testing.assert_array_equal(file["cache/p/num_elements"]["value"], values)
    assert findings(psg) == []
