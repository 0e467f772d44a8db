"""Values to a file and back, exactly: JSON, CSV and Parquet."""

from __future__ import annotations

import io
import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eegarchive.cache.columns import DTYPES, FILLERS, Block, Column
from eegarchive.cache.files import dump_text, read_values, write_values
from eegarchive.errors import EEGArchiveError, TargetExists

FORMATS = ["json", "csv", "parquet"]
LOOKING_LIKE = [
    "",
    ".",
    "NA",
    "null",
    "TRUE",
    "1",
    "1.5",
    "007",
    "-0",
    "nan",
    '"',
    '"a"',
    "1\n2",
    "a,b",
    "\r",
    "[]",
    " ",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.sampled_from(LOOKING_LIKE),
)
INTS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1, 0]))
NUMS = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.0, 1e22]))
OF_TYPE: dict[str, Any] = {"num": NUMS, "int": INTS, "text": TEXTS, "bool": st.booleans()}
LEVELS: dict[str, Any] = {**OF_TYPE, "num": st.floats(allow_nan=False)}
NAMES = TEXTS.filter(lambda name: name not in ("variable", "type", "value", "num", "int", "text", "bool"))


def column(kind: str, values: list[Any]) -> Column:
    """None is missing."""
    missing = np.array([value is None for value in values], bool)
    held = np.empty(len(values), DTYPES[kind])
    held[:] = [FILLERS[kind] if value is None else value for value in values]
    return Column(kind, held, missing)


def block(rows: list[tuple[str, dict[str, Any], Any]], kind: str, types: dict[str, str]) -> Block:
    """Scalars, or vectors where values are lists."""
    names = np.empty(len(rows), object)
    names[:] = [variable for variable, _, _ in rows]
    levels = {name: column(t, [strata.get(name) for _, strata, _ in rows]) for name, t in types.items()}
    values = [value for _, _, value in rows]
    if rows and isinstance(values[0], list):
        offsets = np.cumsum([0, *map(len, values)])
        return Block(names, levels, column(kind, list(itertools.chain(*values))), offsets)
    return Block(names, levels, column(kind, values))


def exactly(value: Any) -> Any:
    """A value that is equal only to the same one of the same type."""
    return (type(value).__name__, repr(value))


def content(blocks: list[Block]) -> dict[Any, Any]:
    """What the blocks say, whatever way it is split into blocks."""
    found = {}
    for one in blocks:
        levels = {name: levels.to_list() for name, levels in one.factors.items()}
        values: list[Any] = one.values.to_list()
        if one.offsets is not None:
            values = [values[a:b] for a, b in itertools.pairwise(one.offsets.tolist())]
        assert len(values) == len(one)
        for i, variable in enumerate(one.variables.tolist()):
            strata = {n: exactly(own[i]) for n, own in levels.items() if own[i] is not None}
            key = (variable, tuple(sorted(strata.items())))
            assert key not in found
            found[key] = (one.values.type, one.offsets is not None, exactly(values[i]))
    return found


@st.composite
def caches(draw: st.DrawFn) -> list[Block]:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    types = {name: draw(st.sampled_from(list(OF_TYPE))) for name in names}
    strata = st.fixed_dictionaries({}, optional={name: LEVELS[kind] for name, kind in types.items()})
    keys = draw(
        st.lists(
            st.tuples(TEXTS, strata),
            max_size=12,
            unique_by=lambda key: (key[0], tuple(sorted(key[1].items()))),
        )
    )
    rows: dict[tuple[str, bool], list[Any]] = {}
    for variable, levels in keys:
        kind = draw(st.sampled_from(list(OF_TYPE)))
        vector = draw(st.booleans())
        value = st.one_of(st.none(), OF_TYPE[kind])
        drawn = draw(st.lists(value, max_size=4) if vector else value)
        rows.setdefault((kind, vector), []).append((variable, levels, drawn))
    return [block(own, kind, types) for (kind, _), own in rows.items()]


@pytest.mark.parametrize("format", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(blocks=caches())
def test_what_is_written_is_read(tmp_path: Path, format: str, blocks: list[Block]) -> None:
    path = tmp_path / f"values.{format}"
    assert write_values(blocks, path, name="p1", overwrite=True) == sum(map(len, blocks))
    assert content(read_values(path)) == content(blocks)


@pytest.mark.parametrize("format", FORMATS)
def test_texts_that_look_like_something_else_stay_texts(tmp_path: Path, format: str) -> None:
    for i, text in enumerate(LOOKING_LIKE):
        blocks = [block([(text, {"CH": text}, text), (text, {}, text)], "text", {"CH": "text"})]
        blocks.append(block([(text, {"CH": "x"}, [text])], "text", {"CH": "text"}))
        write_values(blocks, tmp_path / f"{i}.{format}", name="p")
        assert content(read_values(tmp_path / f"{i}.{format}")) == content(blocks)


def test_a_level_in_csv_may_be_a_plain_na(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("variable,type,CH,missing,value\nx,num,NA,0,2\nx,num,,0,1\n")
    assert read_values(path)[0].factors["CH"].to_list() == ["NA", None]


def sample() -> list[Block]:
    types = {"CH": "text", "F": "num"}
    return [
        block([("PSD", {"CH": "C3", "F": 13.5}, 1.5), ("PSD", {"CH": "C3", "F": 2.0}, None)], "num", types),
        block([("N", {"CH": "10"}, 2**63 - 1), ("N", {}, 0)], "int", types),
        block([("P", {"CH": "C3"}, [1.0, None, math.nan]), ("P", {"CH": "C4"}, [])], "num", types),
    ]


def test_the_json_is_what_the_specification_says() -> None:
    stream = io.StringIO()
    dump_text(sample(), stream, name="p1", format="json")
    found = json.loads(stream.getvalue())
    assert found == {
        "schema": "eegarchive.cache/1",
        "cache": "p1",
        "factors": {"CH": "text", "F": "num"},
        "values": [
            {"variable": "PSD", "type": "num", "strata": {"CH": "C3", "F": 13.5}, "value": 1.5},
            {"variable": "PSD", "type": "num", "strata": {"CH": "C3", "F": 2.0}, "value": None},
            {"variable": "N", "type": "int", "strata": {"CH": "10"}, "value": 9223372036854775807},
            {"variable": "N", "type": "int", "strata": {}, "value": 0},
            {"variable": "P", "type": "num", "strata": {"CH": "C3"}, "value": [1.0, None, "NaN"]},
            {"variable": "P", "type": "num", "strata": {"CH": "C4"}, "value": []},
        ],
    }


def test_the_csv_is_what_the_docstring_says() -> None:
    stream = io.StringIO(newline="")
    dump_text(sample(), stream, name="p1", format="csv")
    assert stream.getvalue().split("\r\n") == [
        "variable,type,CH,F,missing,value",
        "PSD,num,C3,13.5,0,1.5",
        "PSD,num,C3,2.0,1,",
        'N,int,"""10""",,0,9223372036854775807',
        "N,int,,,0,0",
        'P,num_vector,C3,,0,"[1.0, null, ""NaN""]"',
        "P,num_vector,C4,,0,[]",
        "",
    ]


def test_parquet_has_one_value_column_for_one_kind_and_else_one_for_each(tmp_path: Path) -> None:
    from pyarrow import parquet

    write_values(sample()[:1], tmp_path / "one.parquet", name="p1")
    one = parquet.read_table(tmp_path / "one.parquet")
    assert one.column_names == ["variable", "type", "CH", "F", "value"]
    assert one.schema.metadata[b"eegarchive.cache"] == b"p1"
    write_values(sample(), tmp_path / "three.parquet", name="p1")
    three = parquet.read_table(tmp_path / "three.parquet")
    assert three.column_names == ["variable", "type", "CH", "F", "num", "int", "num_vector"]
    assert three.column("num").to_pylist() == [1.5, None, None, None, None, None]
    assert repr(three.column("num_vector").to_pylist()[4:]) == "[[1.0, None, nan], []]"


@pytest.mark.parametrize("format", FORMATS)
def test_levels_of_one_factor_that_are_integers_here_and_numbers_there_are_numbers(
    tmp_path: Path, format: str
) -> None:
    blocks = [
        block([("A", {"F": 1}, 1)], "int", {"F": "int"}),
        block([("B", {"F": 0.5}, 2)], "int", {"F": "num"}),
    ]
    write_values(blocks, tmp_path / f"a.{format}", name="p")
    (found,) = read_values(tmp_path / f"a.{format}")
    assert found.factors["F"].type == "num"
    assert found.factors["F"].to_list() == [1.0, 0.5]


@pytest.mark.parametrize("format", FORMATS)
def test_levels_that_do_not_go_together_are_refused(tmp_path: Path, format: str) -> None:
    blocks = [block([("A", {"F": 2**53 + 1}, 1)], "int", {"F": "int"})]
    with pytest.raises(EEGArchiveError, match="factor F"):
        write_values(
            [*blocks, block([("B", {"F": 0.5}, 2)], "int", {"F": "num"})], tmp_path / f"a.{format}", name="p"
        )
    with pytest.raises(EEGArchiveError, match="factor F"):
        write_values(
            [*blocks, block([("B", {"F": "x"}, 2)], "int", {"F": "text"})], tmp_path / f"a.{format}", name="p"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_more_values_than_are_written_at_a_time(tmp_path: Path, format: str) -> None:
    count = 150_000
    names = np.full(count, "x", object)
    levels = {"I": Column("int", np.arange(count), np.zeros(count, bool))}
    values = Column("int", np.arange(2 * count), np.arange(2 * count) % 7 == 0)
    blocks = [Block(names, levels, values, np.arange(count + 1) * 2)]
    write_values(blocks, tmp_path / f"a.{format}", name="p")
    (found,) = read_values(tmp_path / f"a.{format}")
    assert np.array_equal(found.factors["I"].values, np.arange(count))
    assert np.array_equal(found.offsets, blocks[0].offsets)
    assert np.array_equal(found.values.missing, values.missing)
    assert np.array_equal(found.values.values[~values.missing], values.values[~values.missing])


@pytest.mark.parametrize("format", FORMATS)
def test_variables_are_chosen_and_get_a_prefix(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format}"
    write_values(sample(), path, name="p1")
    found = read_values(path, factors=["CH"], variables=["N"], prefix="C", identity=["x"])
    assert [name for one in found for name in one.variables] == ["C:N", "C:N"]
    with pytest.raises(EEGArchiveError, match=r"no variable 'X'; there are 'PSD', 'N', 'P'"):
        read_values(path, variables=["X"])
    with pytest.raises(EEGArchiveError, match="no factor 'X'; there are 'CH', 'F'"):
        read_values(path, factors=["X"])


def test_csv_takes_levels_as_the_type_that_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("variable,type,E,missing,value\nx,num,1,0,2\nx,num,2,1,\n")
    assert read_values(path)[0].factors["E"].type == "int"
    assert read_values(path, factors=["E:num"])[0].factors["E"].type == "num"
    assert read_values(path, factors=["E:text"])[0].factors["E"].to_list() == ["1", "2"]


@pytest.mark.parametrize("format", ["json", "parquet"])
def test_a_type_that_is_not_the_files_is_refused(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format}"
    write_values(sample(), path, name="p1")
    assert read_values(path, factors=["CH:text"])
    with pytest.raises(EEGArchiveError, match="the levels of CH are text, not num"):
        read_values(path, factors=["CH:num"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,float,1,0,2", "line 3: the type 'float'"),
        ("x,num,1,2,2", "line 3: missing is '2'; expected 0 or 1"),
        ("x,num,1,1,2", "line 3: has a value, but missing is 1"),
        ("x,num,1,0,", "line 3: has no value, but missing is 0"),
        ("x,num,1,0,1e999", "line 3: value is '1e999'"),
        ("x,int,1,0,1.5", "line 3: value is '1.5'; expected an integer"),
        ("x,num_vector,1,0,1.5", "line 3: the value is '1.5'; expected an array"),
        ("x,num_vector,1,0,[1", r"line 3: the value '\[1' isn't an array of JSON"),
        ('x,num_vector,1,0,"[1,""a""]"', "line 3: an element of the value is 'a'; expected a number"),
        ("x,num_vector,1,1,[1]", "line 3: has a value, but missing is 1"),
        ("a,num,3,0,2", "line 3: 'a' of E=3 again, as in line 2"),
        ("x,num,nan,0,2", "line 3: the level of E is NaN"),
        ("x,num,B,0,2", "line 3: E is 'B'; expected a number"),
        ('x,num,"""B",0,2', "line 3: E is '\"B', which isn't a text of JSON"),
        ("x,num,1,2", "line 3: 4 cells; expected 5"),
    ],
)
def test_what_is_wrong_in_exact_csv_is_told_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"variable,type,E,missing,value\na,num,3,0,1\n{row}\n")
    with pytest.raises(EEGArchiveError, match=message) as caught:
        read_values(path)
    assert str(path) in str(caught.value)


def document(*values: Any, factors: Any = None) -> dict[str, Any]:
    return {
        "schema": "eegarchive.cache/1",
        "cache": "p",
        "factors": factors or {"E": "int"},
        "values": list(values),
    }


def entry(**changed: Any) -> dict[str, Any]:
    return {"variable": "x", "type": "num", "strata": {"E": 1}, "value": 1.5} | changed


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([1], "isn't a cache in JSON"),
        ({"schema": "eegarchive.cache/2"}, "isn't a cache in JSON"),
        (document(factors={"E": "float"}), "factors: expected"),
        (document() | {"values": {}}, "values: expected an array"),
        (document(entry(), {}), "value 2: expected an object with strata, type, value, variable"),
        (document(entry(type="float")), "value 1: the type 'float'"),
        (document(entry(variable=None)), "value 1: the variable is null"),
        (document(entry(variable=3)), "value 1: the variable is '3'; expected a text"),
        (document(entry(strata={"E": None})), "value 1: strata: expected levels of E"),
        (document(entry(strata={"F": 1})), "value 1: strata: expected levels of E"),
        (document(entry(strata={"E": 1.5})), "value 1: the level of E is '1.5'; expected an integer"),
        (document(entry(value="1.5")), "value 1: the value is '1.5'; expected a number, 'NaN'"),
        (document(entry(value=True)), "value 1: the value is 'true'"),
        (document(entry(type="int", value=2**63)), "value 1: the value is beyond a 64-bit"),
        (document(entry(value=2**53 + 1)), "value 1: the value is an integer beyond"),
        (document(entry(type="text", value="a\0")), "value 1: the value has a NUL"),
        (document(entry(), entry(strata={"E": 2}, value=[1, [2]])), "value 2: an element of the value"),
        (document(entry(), entry(type="int", value=1)), "value 2: 'x' of E=1 again, as in value 1"),
    ],
)
def test_what_is_wrong_in_json_is_told(tmp_path: Path, found: Any, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(found))
    with pytest.raises(EEGArchiveError, match=message):
        read_values(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n\n", "line 3: isn't JSON"),
        ('{"a": 1, "a": 2}', "has the name 'a' twice"),
        ('{"a": NaN}', "NaN isn't JSON"),
        ("[" * 100_000, "isn't such JSON"),
        ('{"a": ' + "1" * 5000 + "}", "isn't such JSON"),
        (
            json.dumps(document(entry())).replace("1.5", "1e400"),
            "value 1: the value is beyond a 64-bit float",
        ),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(EEGArchiveError, match=message):
        read_values(path)


def test_integers_of_type_num_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document(entry(value=2), entry(strata={}, value=[1, 2.5]))))
    assert content(read_values(path)) == content(
        [block([("x", {"E": 1}, 2.0)], "num", {"E": "int"}), block([("x", {}, [1.0, 2.5])], "num", {})]
    )


def test_a_parquet_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    from pyarrow import parquet

    write_values(sample()[:1], tmp_path / "a.parquet", name="p1")
    table = parquet.read_table(tmp_path / "a.parquet")
    parquet.write_table(table.drop_columns(["type"]), tmp_path / "b.parquet")
    with pytest.raises(EEGArchiveError, match="not its columns variable and type"):
        read_values(tmp_path / "b.parquet")
    parquet.write_table(table.drop_columns(["value"]), tmp_path / "c.parquet")
    with pytest.raises(EEGArchiveError, match="no column for values of the type num"):
        read_values(tmp_path / "c.parquet")


def test_a_factor_with_the_name_of_a_column_can_not_be_in_parquet(tmp_path: Path) -> None:
    blocks = [block([("x", {"type": "a"}, 1.0)], "num", {"type": "text"})]
    with pytest.raises(EEGArchiveError, match="can't hold the factor type"):
        write_values(blocks, tmp_path / "a.parquet", name="p")
    for format in ("json", "csv"):
        write_values(blocks, tmp_path / f"a.{format}", name="p")
        assert content(read_values(tmp_path / f"a.{format}")) == content(blocks)


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EEGArchiveError, match=r"pip install \"eegarchive\[parquet\]\""):
        write_values(sample(), tmp_path / "a.parquet", name="p")
    with pytest.raises(EEGArchiveError, match="pyarrow"):
        read_values(tmp_path / "a.parquet")


def test_a_file_is_replaced_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(TargetExists):
        write_values(sample(), path, name="p")
    assert path.read_text() == "old"
    assert write_values(sample(), path, name="p", overwrite=True) == 6


def test_the_format_is_told_by_the_suffix_or_stated(tmp_path: Path) -> None:
    with pytest.raises(EEGArchiveError, match=r"its suffix is none of \.csv"):
        write_values(sample(), tmp_path / "a.dat", name="p")
    with pytest.raises(EEGArchiveError, match="no format 'luna'"):
        write_values(sample(), tmp_path / "a.txt", name="p", format="luna")
    write_values(sample(), tmp_path / "a.dat", name="p", format="json")
    assert content(read_values(tmp_path / "a.dat", format="json")) == content(sample())
