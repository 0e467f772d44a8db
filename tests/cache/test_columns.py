"""Values of any kind as columns: what type they get, and what is refused."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pandas
import pytest

from eegarchive import EEGArchiveError
from eegarchive.cache.columns import Block, Column, as_type, checked_block, column_of, joined, nothing


class Text(str, enum.Enum):  # noqa: UP042  # its str() is another text
    A = "a"


class Whole(enum.IntEnum):
    THREE = 3


NAN = float("nan")
TAKEN: list[tuple[Any, str, list[Any]]] = [
    ([1, 2], "int", [1, 2]),
    ([1, 2.5], "num", [1.0, 2.5]),
    ([1, None], "int", [1, None]),
    ([], "num", []),
    ([None], "num", [None]),
    (range(3), "int", [0, 1, 2]),
    ((n for n in (1, 2)), "int", [1, 2]),
    ([Text.A, "b", np.str_("c")], "text", ["a", "b", "c"]),
    ([Whole.THREE, np.int8(-128)], "int", [3, -128]),
    ([True, np.False_], "bool", [True, False]),
    ([-(2**63), 2**63 - 1], "int", [-(2**63), 2**63 - 1]),
    (np.array([1, 2], ">i2"), "int", [1, 2]),
    (np.array([1.5], ">f4"), "num", [1.5]),
    (np.array([0.5], np.longdouble), "num", [0.5]),
    (np.array(["a", "bc"]), "text", ["a", "bc"]),
    (np.array([True]), "bool", [True]),
    (np.ma.array([1, 2], mask=[True, False]), "int", [None, 2]),
    (np.ma.array([1, 2], mask=[True, False], dtype=object), "int", [None, 2]),
    (np.ma.array(["a", None], mask=[True, False], dtype=object), "num", [None, None]),
    (np.ma.array(["a", "b"], mask=[True, False]), "text", [None, "b"]),
    (np.ma.array([NAN, 2.0], mask=[True, False]), "num", [None, 2.0]),
    (pandas.Series([1, 2], dtype="uint8"), "int", [1, 2]),
    (pandas.Series([1, None], dtype="Int64"), "int", [1, None]),
    (pandas.Series([2**62 + 1, None], dtype="Int64"), "int", [2**62 + 1, None]),
    (pandas.Series([0.5, None], dtype="Float64"), "num", [0.5, None]),
    (pandas.Series([True, None], dtype="boolean"), "bool", [True, None]),
    (pandas.Series(["a", None], dtype="string"), "text", ["a", None]),
    (pandas.Series(["a", None], dtype="category"), "text", ["a", None]),
    (pandas.Series([3, None, 3], dtype="category"), "int", [3, None, 3]),
    (pandas.Series(["a", NAN, None, pandas.NA]), "text", ["a", None, None, None]),
    (pandas.Series([True, NAN], dtype=object), "bool", [True, None]),
    (pandas.Series([1, None, pandas.NA], dtype=object), "int", [1, None, None]),
    (pandas.Series([1, 0], dtype="Sparse[int]"), "int", [1, 0]),
    (pandas.Index([1, 2]), "int", [1, 2]),
    (pandas.RangeIndex(2), "int", [0, 1]),
]


@pytest.mark.parametrize("number", range(len(TAKEN)))
def test_values_are_taken(number: int) -> None:
    given, kind, expected = TAKEN[number]
    column = column_of(given, "x")
    assert column.type == kind
    assert column.to_list() == expected
    assert [type(value) for value in column.to_list()] == [type(value) for value in expected]


def test_nan_is_a_number_in_what_has_numbers() -> None:
    for given in (
        [1.0, NAN, None],
        np.array([1.0, NAN]),
        pandas.Series([1.0, NAN]),
        pandas.Series([1.0, NAN, None], dtype=object),
    ):
        column = column_of(given, "x")
        assert np.isnan(column.values[1])
        assert not column.missing[1]


REFUSED: list[tuple[Any, str]] = [
    (
        [1, "a"],
        r"x: 1 \(int\) and 'a' \(str\): expected numbers, integers, texts or booleans, all of one type",
    ),
    ([1, True], r"1 \(int\) and True \(bool\)"),
    ([1.5, 2**53 + 1], "9007199254740993, among floats, is beyond what a float holds exactly"),
    ([1.5, -(2**63)], "among floats"),
    ([1.5, np.int64(2**60)], "among floats"),
    ([np.longdouble("0.1")], "float64 can't hold exactly"),
    (np.array(["0.1"], np.longdouble), "float64 can't hold exactly"),
    ([2**63], "beyond a 64-bit signed integer"),
    ([-(2**63) - 1], "beyond a 64-bit signed integer"),
    ([10**5000], "an integer of 16610 bits is beyond a 64-bit signed integer"),
    ([10**5000, "a"], "an integer of 16610 bits"),
    (np.array([2**63], np.uint64), "beyond a 64-bit signed integer"),
    ([np.uint64(2**63)], "beyond a 64-bit signed integer"),
    (["a\0b"], "NUL"),
    (["\ud800"], "UTF-8"),
    (["é" * 30_001], "60002 bytes of text, 60000 at most"),
    ([b"a"], "bytes"),
    ([[1, 2], [3, 4]], "list"),
    ([np.array([1, 2])], "ndarray"),
    ({"a": 1}, "a dict is neither a scalar nor a vector"),
    ({1, 2}, "a set is neither"),
    (pandas.DataFrame({"a": [1]}), "a DataFrame is neither"),
    (np.ones((2, 2)), "has 2 dimensions"),
    (np.array([1j]), "complex128 is none of number"),
    (np.array([b"a"]), "is none of number"),
    (np.array(["2020"], "M8[D]"), "is none of number"),
    (pandas.Series(pandas.date_range("2020", periods=2)), "is none of number"),
    (pandas.Series(pandas.date_range("2020", periods=2, tz="UTC")), "expected numbers"),
    (Column("int", np.array([1.5]), np.zeros(1, bool)), "are no column of type int"),
    (Column("int", np.array([1]), np.zeros(2, bool)), "are no column of type int"),
    (Column("text", np.array(["a\0"], object), np.zeros(1, bool)), "NUL"),
    (Column("text", np.array([1], object), np.zeros(1, bool)), "a int among texts"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_values_are_refused(number: int) -> None:
    given, message = REFUSED[number]
    with pytest.raises(EEGArchiveError, match=message) as caught:
        column_of(given, "x")
    assert str(caught.value).startswith("x")
    assert len(str(caught.value)) < 200


def test_what_is_missing_may_hold_anything() -> None:
    column = column_of(Column("text", np.array([None, "a"], object), np.array([True, False])), "x")
    assert column.to_list() == [None, "a"]


def test_columns_are_joined() -> None:
    def parts(*values: Any) -> list[Column]:
        return [column_of(one, "x") for one in values]

    assert joined([], "x").to_list() == []
    assert joined(parts([1], [2.5]), "x").to_list() == [1.0, 2.5]
    assert joined(parts([None], ["a"], [None]), "x").to_list() == [None, "a", None]
    assert joined(parts([None], [1]), "x").type == "int"
    assert joined([nothing("text", 1), nothing("int", 1)], "x").type == "text"
    for large in (2**53 + 1, -(2**63)):
        with pytest.raises(EEGArchiveError, match="beyond what a float holds exactly"):
            joined(parts([large], [0.5]), "x")
    with pytest.raises(EEGArchiveError, match="all of one type"):
        joined(parts(["a"], [1]), "x")


def test_a_column_of_a_type() -> None:
    assert as_type(column_of([1, None], "x"), "num", "x").values.dtype == np.float64
    assert as_type(nothing("num", 2), "text", "x").type == "text"
    with pytest.raises(EEGArchiveError, match="x: is num, not int"):
        as_type(column_of([1.0], "x"), "int", "x")


def test_blocks_are_looked_at() -> None:
    names = np.array(["a", "b"], object)
    values = column_of([1, 2], "x")
    checked_block(Block(names, {"E": column_of([1, 2], "E")}, values))
    checked_block(Block(names, {}, values, np.array([0, 0, 2])))
    for bad in (
        Block(names, {"E": column_of([1], "E")}, values),
        Block(names, {}, column_of([1], "x")),
        Block(names, {}, values, np.array([0, 2])),
        Block(names, {}, values, np.array([0, 1, 1])),
        Block(names, {}, values, np.array([0, 3, 2])),
        Block(names, {}, values, np.array([1, 1, 2])),
        Block(names, {"E": Column("text", np.array(["a", "b\0"], object), np.zeros(2, bool))}, values),
    ):
        with pytest.raises(EEGArchiveError):
            checked_block(bad)
