"""Finding values in memory: both forms of keys, and what messages say of a key that isn't there."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from cache.plain import Value, column, found_in, model_of, values
from eegarchive.cache import keys
from eegarchive.cache.columns import Block
from eegarchive.cache.entries import Entries
from eegarchive.cache.joining import with_blocks
from eegarchive.cache.keys import Radix
from eegarchive.cache.origins import Origin
from eegarchive.cache.parts import Vocabulary

EXAMPLES = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["integers", "bytes"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Keys as integers, and as bytes as if there were too many combinations."""
    if request.param == "bytes":
        monkeypatch.setattr(keys, "_MOST_KEYS", 0)
    return str(request.param)


def origin(state: str) -> Origin:
    return Origin(state, "", "clock", "put", "", "", "{}", "{}", "2024-05-01T12:00:00Z")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300), st.integers(0, 2)), min_size=1), st.data())
@EXAMPLES
def test_keys_are_in_the_order_of_their_digits(form: str, rows: list[tuple[int, ...]], data: Any) -> None:
    digits = [np.array(digit, np.int32) for digit in zip(*rows, strict=True)]
    radix = Radix([6, 301, 3])
    found = radix.keys(digits)
    assert (found.dtype == np.int64) == (form == "integers")
    assert np.argsort(found, kind="stable").tolist() == sorted(range(len(rows)), key=lambda i: rows[i])
    first, second, _ = data.draw(
        st.sampled_from(rows) | st.tuples(st.integers(0, 5), st.integers(0, 300), st.just(0))
    )
    low, high = radix.places(np.sort(found), [first, second])
    assert [row for row in sorted(rows) if row[:2] == (first, second)] == sorted(rows)[low:high]


def test_the_form_goes_by_the_number_of_combinations() -> None:
    assert Radix([2**31, 2**30]).keys([np.array([1], np.int32)] * 2).dtype == np.int64
    assert Radix([2**31, 2**31]).keys([np.array([1], np.int32)] * 2).dtype.kind == "S"
    largest = np.array([2**31 - 1], np.int32)
    assert Radix([2**31, 2**31 - 1]).keys([largest, largest - 1]).tolist() == [(2**31 - 1) ** 2 + 2**31 - 2]


@given(values(max_size=8), st.data())
@EXAMPLES
def test_both_forms_find_the_same(form: str, found: list[Value], data: Any) -> None:
    entries = Entries()
    expected: dict[Any, dict[str, Any]] = {}
    for number, one in enumerate(found):
        state = data.draw(st.sampled_from(["a", "b", "c"]))
        factors = {
            name: column({str: "text", int: "int", float: "num", bool: "bool"}[type(level)], [level])
            for name, level in one.strata.items()
        }
        block = Block(np.array([one.variable], object), factors, column("int", [number]))
        entries = with_blocks(entries, [(block, np.zeros(1, np.int32))], [origin(state)], {}, {"a", "b"})
        states = expected.setdefault(one.key, {})
        for other in set(states) - {"a", "b", state}:
            del states[other]
        states[state] = number
    for one in found:
        places = entries.find(one.variable, one.strata)
        got = {entries.origin(*place).state: entries.parts[place[0]].value(place[1]) for place in places}
        assert got == expected[one.key]
        assert entries.find(one.variable + "?", one.strata) == []
        assert entries.find(one.variable, {**one.strata, "other factor": 1}) == []
    assert len(entries) == sum(map(len, expected.values()))


@pytest.mark.usefixtures("form")
def test_archives_with_both_forms(psg: Path) -> None:
    found = [Value("x", {"E": e, "CH": ch}, "int", e) for e in range(20) for ch in ("C3", "C4", "")] + [
        Value("x", {"E": 3}, "num", 0.5),
        Value("y", {}, "text", None),
    ]
    with eegarchive.edit(psg) as night:
        for one in found:
            night.cache["p"].put(one.variable, one.value, one.strata, type=one.type)
        with pytest.raises(eegarchive.EEGArchiveError, match="x of E=1, CH=C3: is given twice"):
            night.cache["p"].put_columns({"E": [1, 1], "CH": ["C3"] * 2, "x": [1, 2]}, ["E", "CH"])
    with eegarchive.open(psg) as archive:
        assert found_in(archive.cache["p"]) == model_of(found)


@given(st.lists(st.sampled_from(["a", "b", "", "c"])), st.lists(st.sampled_from(["a", "b", "", "d"])))
@EXAMPLES
def test_a_vocabulary_gives_equal_values_one_code(first: list[str], second: list[str]) -> None:
    vocabulary = Vocabulary()
    texts = [*first, *second]
    codes = [
        code
        for part in (first, second)
        for code in vocabulary.add(np.array([*part, None], object)[:-1]).tolist()
    ]
    assert [list(vocabulary)[code] for code in codes] == texts
    assert list(vocabulary) == list(dict.fromkeys(texts))


def test_origins_that_a_file_has_twice_stay_apart() -> None:
    block = Block(np.array(["x", "y"], object), {}, column("int", [1, 2]))
    entries = with_blocks(Entries(), [(block, np.array([0, 1], np.int32))], [origin("a"), origin("b")], {})
    doubled = Entries(entries.variables, {}, entries.parts, [origin("a")] * 2, {})
    more = Block(np.array(["z"], object), {}, column("int", [3]))
    both = with_blocks(doubled, [(more, np.zeros(1, np.int32))], [origin("c")], {})
    states = {
        both.variable(kind, row): both.origin(kind, row).state
        for kind, part in both.parts.items()
        for row in range(len(part))
    }
    assert states == {"x": "a", "y": "a", "z": "c"}


def test_what_is_not_there_says_what_is(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        for number in range(12):
            night.cache["p"].put(f"variable{number}", number)
        night.cache["q"].put("PSD", 1.0, CH="C3", F=0.5)
    with eegarchive.open(psg) as archive:
        where = f"{psg}: cache "
        for name, variable, strata, message in (
            ("r", "x", {}, "'r': has no values; there are the caches p, q"),
            ("p", "zzz", {}, "'p': no variable 'zzz'; there are variable0, variable1, variable2, variable3, "
             "variable4, variable5, variable6, variable7 and 4 more"),
            ("q", "PSDS", {}, "'q': no variable 'PSDS'; did you mean 'PSD'?"),
            ("q", 5, {}, "'q': no variable 5; there are PSD"),
            ("q", ["PSD"], {}, "'q': no variable ['PSD']; did you mean 'PSD'?"),
            ("q", "PSD", {}, "'q': nothing for PSD (no strata); there is PSD of CH=C3, F=0.5, for one"),
            ("q", "PSD", {"CH": "C3"}, "'q': nothing for PSD of CH=C3; there is PSD of CH=C3, F=0.5, for one"),
            ("q", "PSD", {"CH": "C3", "F": "0.5"}, "'q': nothing for PSD of CH=C3, F=0.5: the levels of F are of "
             "type num, this one is text"),
            ("q", "PSD", {"X": [1]}, "'q': nothing for PSD of X=[1]: there is no factor 'X'; there are CH, F"),
        ):  # fmt: skip
            with pytest.raises(eegarchive.NotInArchive) as caught:
                archive.cache[name].get(variable, strata)
            assert str(caught.value).startswith(where + message)
        for read in (archive.cache["r"].columns, archive.cache["r"].to_frame, archive.cache["r"].entry):
            with pytest.raises(
                eegarchive.NotInArchive, match="'r': has no values; there are the caches p, q"
            ):
                read("x")
        with pytest.raises(eegarchive.NotInArchive, match=r"nothing for PSD of CH=C9; there is PSD of CH=C3"):
            archive.cache["q"].columns("PSD", CH="C9")
        with pytest.raises(eegarchive.EEGArchiveError, match="is open for reading; to put values"):
            archive.cache["q"].put("x", 1)


def test_stale_values_of_what_nobody_asked_for_are_no_matter(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("old", 1, basis="state")
        cache.put("text", "t", basis="state")
        cache.put("x", 2.0)
        night.add_annotations([0.0], [1.0], ["x"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cache.columns("x")["x"].to_list() == [2.0]
            assert len(cache.blocks(types=["num"])) == 1
            assert len(cache.blocks(["x"])) == 1
        with pytest.warns(eegarchive.OddInput, match="cache 'p': 2 stale values left out"):
            assert len(cache.blocks()) == 1
        with (
            pytest.raises(eegarchive.StaleValue, match=r"old \(no strata\): all of it is stale"),
            pytest.warns(eegarchive.OddInput),
        ):
            cache.columns("old")
