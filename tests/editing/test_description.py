"""Fields of the description, set and dropped in an edit."""

from __future__ import annotations

import datetime
import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import findings
from eegarchive.description import Unstated, decode, encode, parse
from eegarchive.lineage import operations

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    TEXTS,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))),
    st.lists(TEXTS, min_size=1, max_size=4, unique=True).map(
        lambda levels: eegarchive.Category(levels[-1], levels)
    ),
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return type(b) is float and math.isnan(b)
    return (
        type(a) is type(b)
        and a == b
        and getattr(a, "levels", 0) == getattr(b, "levels", 0)
        and (not isinstance(a, datetime.datetime) or a.utcoffset() == b.utcoffset())
        and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))
    )


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_encoded_is_decoded(fields: dict[str, Any]) -> None:
    found = decode(encode(fields))
    assert set(found) == set(fields)
    assert all(same(fields[name], found[name]) for name in fields)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=3))
def test_fields_are_set_over_others(psg: Path, edits: list[dict[str, Any]]) -> None:
    expected: dict[str, Any] = {}
    with eegarchive.edit(psg) as night:
        night.drop_description(*night.description)
    for fields in edits:
        expected |= fields
        with eegarchive.edit(psg) as night:
            night.describe(fields)
    with eegarchive.open(psg) as archive:
        found = archive.description
    assert set(found) == set(expected)
    assert all(same(expected[name], found[name]) for name in expected)


@pytest.mark.clause("O-10", "R-6")
def test_the_state_stays_and_the_history_has_no_values(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        digest = archive.digest
    with eegarchive.edit(psg) as night:
        night.describe({"subject": "Jane Doe"}, age=34)
        assert night.description == {"subject": "Jane Doe", "age": 34}
        night.describe()
        night.describe(age=None)
        night.drop_description("subject")
        night.freeze("here")
    with eegarchive.open(psg) as archive:
        assert archive.digest == digest
        assert archive.description == {"age": None}
        assert archive.freezes["here"].digest == digest
        done = operations(archive)[1:4]
        words = [str(row) for row in eegarchive.history(archive)[1:4]]
    assert [(row.operation, row.parameters) for row in done] == [
        ("describe", {"fields": ["subject", "age"]}),
        ("describe", {"fields": ["age"]}),
        ("drop-description", {"fields": ["subject"]}),
    ]
    assert words == [
        "describe the recording: subject, age",
        "describe the recording: age",
        "drop the fields subject of the description",
    ]
    assert findings(psg) == []
    eegarchive.compact(psg)
    assert b"Jane Doe" not in psg.read_bytes()


def test_a_value_of_another_type_takes_the_place_of_one(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.describe(x=eegarchive.Category("a", ["a", "b"]))
    with eegarchive.edit(psg) as night:
        night.describe(x="plain")
    with eegarchive.open(psg) as archive:
        found = archive.description["x"]
        assert (type(found), found) == (str, "plain")
        assert not [name for name in archive._root() if name.startswith(("attr_type", "attr_levels"))]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"a b": 1}, "letters, digits and _"),
        ({"1a": 1}, "no digit first"),
        ({"x": 2**63}, "beyond 64-bit"),
        ({"x": [1]}, "list can't be kept"),
        ({"x": 1j}, "complex can't be kept"),
        ({"x": "a\0"}, "NUL"),
        ({"x": "\ud800"}, "UTF-8"),
        ({"x": "y" * 60_001}, "60000 at most"),
        ({"x": np.datetime64("2024-01-01T00:00:00.000000001")}, "finer than microseconds"),
        ({"good": 1, "x": ()}, "tuple can't be kept"),
        ({"sex": Unstated("x")}, "isn't one of the levels F, M"),
        ({"age": Unstated("old")}, "age=old: isn't a whole number"),
    ],
)
def test_what_cannot_be_kept_changes_nothing(psg: Path, fields: dict[str, Any], message: str) -> None:
    with eegarchive.edit(psg) as night:
        night.describe(sex=eegarchive.Category("F", ["F", "M"]), age=3)
    with eegarchive.edit(psg) as night:
        before = night.description
        with pytest.raises(eegarchive.EEGArchiveError, match=message):
            night.describe(fields)
        assert night.description == before
        assert len(night.history) == 2
    with (
        pytest.raises(eegarchive.NotInArchive, match="no field 'x'; there are age, sex"),
        eegarchive.edit(psg) as night,
    ):
        night.drop_description("age", "x")
    with eegarchive.open(psg) as archive:
        assert archive.description == before


def test_values_of_numpy_and_pandas_are_those_of_python(psg: Path) -> None:
    pandas = pytest.importorskip("pandas")
    moment = datetime.datetime(2024, 3, 1, 22, 15, 0, 5)
    given = {
        "a": (np.int32(3), 3), "b": (np.float32(0.1), float(np.float32(0.1))), "c": (np.bool_(True), True),
        "d": (np.str_("x"), "x"), "e": (pandas.NA, None), "f": (pandas.NaT, None),
        "g": (pandas.Timestamp(moment), moment), "h": (np.datetime64(moment), moment),
        "i": (np.datetime64("2024-03-01"), datetime.date(2024, 3, 1)), "j": (np.datetime64("NaT"), None),
    }  # fmt: skip
    with eegarchive.edit(psg) as night:
        night.describe({name: value for name, (value, _) in given.items()})
        found = night.description
    for name, (_, expected) in given.items():
        assert (type(found[name]), found[name]) == (type(expected), expected), name


def test_a_category_is_its_text_and_pickles() -> None:
    level = eegarchive.Category("F", ("F", "M"), ordered=True)
    assert level == "F"
    assert json.dumps({"sex": level}) == '{"sex": "F"}'
    again = pickle.loads(pickle.dumps(level))
    assert (again, again.levels, again.ordered, type(again)) == (level, ("F", "M"), True, eegarchive.Category)
    assert eval(repr(level), {"Category": eegarchive.Category}).levels == ("F", "M")
    assert type(str(level)) is str


def test_fields_are_targets_of_windows(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.describe(sex=eegarchive.Category("F", ["F", "M"]), age=34, well=True, gone=None)
    for name, expected in (("sex", "F"), ("age", 34), ("well", True)):
        windows = eegarchive.windows(psg, 2.0, picks="eeg", target=f"description:{name}")
        assert windows[0][1] == expected
    assert len(eegarchive.windows(psg, 2.0, picks="eeg", target="description:gone")) == 0


def test_recordings_without_the_field_are_left_out_of_windows(psg: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(psg, tmp_path / "other.h5"))
    with eegarchive.edit(psg) as night:
        night.describe(sex=None)
    with eegarchive.edit(other) as night:
        night.describe(sex="F")
    windows = eegarchive.windows([psg, other], 2.0, picks="eeg", target="description:sex")
    alone = eegarchive.windows(other, 2.0, picks="eeg", target="description:sex")
    assert len(windows) == len(alone) > 0
    assert windows[0][1] == "F"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.datetime64("20000-01-01"), "years 1 to 9999"),
        (np.datetime64("20000-01-01T00:00:00", "us"), "years 1 to 9999"),
        (np.datetime64("-0001-01-01"), "years 1 to 9999"),
        (np.datetime64(10**17, "s"), "years 1 to 9999"),  # it wraps around in microseconds
        (np.datetime64("2020-01-01T00:00:00.0000001"), "finer than microseconds"),
    ],
)
def test_moments_that_python_hasnt_are_refused(value: Any, words: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=words):
        encode({"when": value})


def test_moments_of_numpy_before_1970() -> None:
    given = {"day": np.datetime64("1950-02-03"), "moment": np.datetime64("1969-12-31T23:59:59.5")}
    assert decode(encode(given)) == {
        "day": datetime.date(1950, 2, 3),
        "moment": datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000),
    }


def test_names_are_as_long_as_others() -> None:
    assert decode(encode({"x" * 255: 1})) == {"x" * 255: 1}
    with pytest.raises(eegarchive.EEGArchiveError, match="255 characters at most"):
        encode({"x" * 256: 1})


@pytest.mark.parametrize(
    ("text", "kind"), [("1_000", "int"), ("1_0.5", "num"), ("1e400", "num"), ("-1e999", "num")]
)
def test_texts_that_are_no_numbers(text: str, kind: str) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="number"):
        parse("age", text, kind)


def test_infinity_is_a_number() -> None:
    assert parse("x", "-inf", "num") == -math.inf
