"""Data frames in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from pandas.testing import assert_frame_equal

import eegarchive

NAN = float("nan")
PLAIN = {
    "float64": [0.1, NAN, -0.0],
    "float32": [0.5, 0.1, float("inf")],
    "bool": [True, False, True],
    "object": ["a", "", "😴 "],
    "int8": [-128, 0, 127],
    "uint8": [0, 1, 255],
    "int16": [-(2**15), 0, 1],
    "uint16": [0, 1, 2**16 - 1],
    "int32": [-(2**31), 0, 1],
    "uint32": [0, 1, 2**32 - 1],
    "int64": [-(2**63), 0, 2**63 - 1],
    "uint64": [0, 1, 2**63 - 1],
}
NULLABLE = {
    "Int64": [1, None, 2**62 + 1],
    "UInt8": [1, None, 255],
    "Float64": [0.1, None, -1.0],
    "boolean": [True, None, False],
    "string": ["a", None, ""],
    "category": ["a", None, "b"],
}
BACK = {"f": "float64", "i": "int64", "u": "int64", "b": "bool", "O": "object"}
#: What comes back where something is missing.
MISSING = {"UInt8": "Int64", "string": "object", "category": "object"}


@pytest.mark.parametrize("dtype", [*PLAIN, *NULLABLE])
def test_columns_of_every_type(psg: Path, dtype: str) -> None:
    values = (PLAIN | NULLABLE)[dtype]
    frame = pandas.DataFrame({"E": [3, 1, 2], "x": pandas.Series(values, dtype=dtype)})
    with eegarchive.edit(psg) as night:
        assert night.cache["p"].put_frame(frame, ["E"]) == 3
    with eegarchive.open(psg) as archive:
        found = archive.cache["p"].to_frame("x")
    back = MISSING.get(dtype, dtype) if dtype in NULLABLE else BACK[np.dtype(dtype).kind]
    expected = pandas.DataFrame({"E": [3, 1, 2], "x": frame["x"].astype(back)})
    if dtype in ("string", "category"):
        expected["x"] = expected["x"].where(frame["x"].notna(), None)
    assert_frame_equal(found, expected)
    if dtype in PLAIN:
        assert found["x"].dtype == back
    else:
        assert (found["x"].isna() == frame["x"].isna()).all()


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "object", "category"])
def test_levels_of_every_type(psg: Path, dtype: str) -> None:
    levels = {"bool": [True, False], "object": ["C3", ""], "category": ["C3", "C4"]}.get(dtype, [5, -1])
    frame = pandas.DataFrame({"L": pandas.Series(levels, dtype=dtype), "x": [1.5, 2.5]})
    with eegarchive.edit(psg) as night:
        night.cache["p"].put_frame(frame, ["L"])
        night.cache["q"].put_frame(frame.set_index("L"), ["L"])
        night.cache["r"].put_frame(frame.assign(M=[1, 2]).set_index(["M", "L"]), ["L", "M"])
    with eegarchive.open(psg) as archive:
        plain = frame.assign(L=frame["L"].astype("object" if dtype == "category" else dtype))
        assert_frame_equal(archive.cache["p"].to_frame("x"), plain)
        assert_frame_equal(archive.cache["q"].to_frame("x"), plain)
        assert_frame_equal(archive.cache["p"].to_frame("x", index=True), plain.set_index("L"))
        assert_frame_equal(
            archive.cache["r"].to_frame("x", index=True),
            plain.assign(M=[1, 2])[["L", "M", "x"]].set_index(["L", "M"]),
        )


def test_a_frame_of_several_variables_comes_back(psg: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pandas.DataFrame(
        {
            "CH": np.repeat(["C3", "C4"], 50),
            "F": np.tile(np.arange(50) / 2, 2),
            "PSD": rng.normal(size=100),
            "N": rng.integers(0, 9, 100),
        }
    ).sample(frac=1, random_state=2, ignore_index=True)
    frame["CH"] = frame["CH"].astype(object)
    with eegarchive.edit(psg) as night:
        assert night.cache["p"].put_frame(frame, ["CH", "F"]) == 200
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p"]
        assert_frame_equal(cache.to_frame("PSD"), frame[["CH", "F", "PSD"]])
        assert_frame_equal(cache.to_frame("N"), frame[["CH", "F", "N"]])
        assert_frame_equal(
            cache.to_frame("PSD", CH="C3"),
            frame.loc[frame["CH"] == "C3", ["CH", "F", "PSD"]].reset_index(drop=True),
        )
        long = cache.to_frame()
        assert list(long) == ["variable", "CH", "F", "value"]
        assert long["value"].dtype == np.float64  # integers among numbers
        one = frame.iloc[7]
        assert cache.get("PSD", CH=one["CH"], F=one["F"]) == one["PSD"]


def test_factors_that_some_rows_lack(psg: Path) -> None:
    frame = pandas.DataFrame(
        {
            "CH": ["C3", None, None],
            "E": pandas.array([None, 2, None], "Int64"),
            "x": [1, 2, 3],
            "none": [None] * 3,
        }
    )
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put_frame(frame, ["CH", "E", "none"])
        assert (cache.get("x", CH="C3"), cache.get("x", E=2), cache.get("x")) == (1, 2, 3)
        assert cache.factors == {"CH": ["C3"], "E": [2]}
        back = cache.to_frame("x")
        assert back["E"].dtype == "Int64"
        assert back["CH"].tolist() == ["C3", None, None]


def test_vectors_and_several_types_come_as_objects(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p"]
        cache.put("v", [1, None, 3], CH="C3")
        cache.put("v", [], CH="C4")
        cache.put("t", "text", CH="C3")
        frame = cache.to_frame("v")
        assert [list(one) for one in frame["v"]] == [[1, np.ma.masked, 3], []]
        assert set(cache.to_frame()["variable"]) == {"v", "t"}
        with pytest.raises(eegarchive.EEGArchiveError, match=r"v: has vectors, which one column can't hold"):
            cache.columns("v")
        assert night.cache["none"].to_frame().shape == (0, 2)


@pytest.mark.parametrize(
    ("frame", "factors", "message"),
    [
        (pandas.DataFrame({"t": pandas.date_range("2020", periods=1)}), [], "is none of number"),
        (pandas.DataFrame({"x": [1]}), ["CH"], "no column 'CH' for the factor; there are x"),
        (pandas.DataFrame({"CH": ["a", "a"], "x": [1, 2]}), ["CH"], "x of CH=a: is given twice"),
        (pandas.DataFrame({"CH": [NAN], "x": [1]}), ["CH"], "the factor CH has NaN"),
        (pandas.DataFrame([[1, 2]], columns=["x", "x"]), [], "the frame has several columns 'x'"),
        (pandas.DataFrame([[1, 2]], columns=[1, "1"]), [], "the frame has several columns '1'"),
        (pandas.DataFrame({"x": [1]}, index=pandas.Index([1], name="x")), [], "several columns 'x'"),
        (pandas.DataFrame({"": [1]}), [], "a variable's name is a text, not ''"),
        (pandas.DataFrame({"value": [1], "x": [1]}), ["value"], "a factor can't be called 'value'"),
    ],
)
def test_frames_are_refused_with_nothing_changed(
    psg: Path, frame: pandas.DataFrame, factors: list[str], message: str
) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p"].put("x", 7, CH="kept")
        with pytest.raises(eegarchive.EEGArchiveError, match=message) as caught:
            night.cache["p"].put_frame(frame, factors)
        assert str(caught.value).startswith(f"{psg}: cache 'p': ")
        assert len(night.cache["p"]) == 1
        assert list(night.cache) == ["p"]
    with eegarchive.open(psg) as archive:
        assert archive.cache["p"].get("x", CH="kept") == 7


def test_columns_of_several_lengths(psg: Path) -> None:
    columns: dict[str, Any] = {"E": [1, 2], "x": [1]}
    with (
        eegarchive.edit(psg) as night,
        pytest.raises(eegarchive.EEGArchiveError, match=r"columns of several lengths: \{'E': 2, 'x': 1\}"),
    ):
        night.cache["p"].put_columns(columns, ["E"])


def test_an_empty_frame_makes_no_cache(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        assert night.cache["p"].put_frame(pandas.DataFrame({"E": [], "x": []}), ["E"]) == 0
        assert night.cache["p"].put_columns({}) == 0
        assert list(night.cache) == []
    with eegarchive.open(psg) as archive:
        assert list(archive.cache) == []
