"""Tables that come from elsewhere: Luna's long format, CSV, Parquet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eegarchive.cache.columns import Block
from eegarchive.cache.files import read_values
from eegarchive.cache.files.cells import kinds_of
from eegarchive.errors import EEGArchiveError

LUNA = "ID\tCH\tF\tPSD\tN\nid1\tC3\t2\t1.5\t7\nid1\tC3\t10\t.\t8\nid2\tC3\t2\t3.5\t9\n"


def written(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return path


def listed(blocks: list[Block]) -> dict[str, tuple[str, list[Any]]]:
    """Type and values of each variable."""
    found = {}
    for block in blocks:
        (name,) = set(block.variables.tolist())
        found[name] = (block.values.type, block.values.to_list())
    return found


def values(folder: Path, *cells: str, stated: str = "") -> tuple[str, list[Any]]:
    """What a column of these cells is."""
    rows = "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    path = written(folder, f"E,X\n{rows}")
    return listed(read_values(path, factors=["E"], variables=[f"X{stated}"]))["X"]


# -- Luna's long format -------------------------------------------------------------------------------


def test_lunas_table_of_one_recording(tmp_path: Path) -> None:
    blocks = read_values(written(tmp_path, LUNA, "a.txt"), factors=["CH", "F"], identity=["id1", "x"])
    assert listed(blocks) == {"PSD": ("num", [1.5, None]), "N": ("int", [7, 8])}
    assert blocks[0].factors["F"].type == "int"
    assert blocks[0].factors["F"].to_list() == [2, 10]
    assert blocks[0].factors["CH"].to_list() == ["C3", "C3"]


def test_a_command_stands_before_the_variables(tmp_path: Path) -> None:
    path = written(tmp_path, "ID\tCH\tSR\nid1\tC3\t128\n", "a.txt")
    assert listed(read_values(path, factors=["CH"], prefix="HEADERS")) == {"HEADERS:SR": ("int", [128])}


def test_a_table_without_factors(tmp_path: Path) -> None:
    (block,) = read_values(written(tmp_path, "ID\tNR\nid1\t300\n", "a.txt"))
    assert block.factors == {}
    assert block.values.to_list() == [300]


def test_spaces_separate_cells_unless_the_header_has_a_tab(tmp_path: Path) -> None:
    spaced = written(tmp_path, "ID  CH   X\nid1 C3   1\n", "a.txt")
    assert read_values(spaced, factors=["CH"])[0].factors["CH"].to_list() == ["C3"]
    tabbed = written(tmp_path, "ID\tCH\tX\nid1\tEEG Fpz Cz\t1\n", "b.txt")
    assert read_values(tabbed, factors=["CH"])[0].factors["CH"].to_list() == ["EEG Fpz Cz"]


def test_only_the_variables_that_were_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, LUNA, "a.txt")
    assert list(listed(read_values(path, factors=["CH", "F"], variables=["N"], identity=["id2"]))) == ["N"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("CH\tID\tX\n", {}, "line 1: the first column is 'CH'; expected ID"),
        (LUNA, {"identity": ["id3"]}, "a.txt: no row is of 'id3'; there are rows of 'id1', 'id2'"),
        (LUNA, {"factors": ["CH", "B"]}, "there is no column 'B'; there are 'ID', 'CH', 'F', 'PSD', 'N'"),
        (LUNA, {"variables": ["SR"]}, "there is no column 'SR'; there are"),
        (LUNA, {"factors": ["F:str"]}, "there is no column 'F:str'.*NAME:num"),
        (LUNA, {"factors": ["CH", "CH:text"]}, "the column 'CH' is named twice"),
        (LUNA, {"factors": ["F"], "variables": ["F"]}, "'F' is named as a factor and as a variable"),
        (LUNA, {"factors": ["CH", "F", "PSD", "N"]}, "no column is left for a variable"),
        (LUNA, {"variables": []}, "no column is left for a variable"),
        (
            LUNA,
            {"factors": ["CH", "F"]},
            "line 4: CH=C3, F=2 again, as in line 2.*ID 'id1', the other of 'id2'",
        ),
        (
            LUNA,
            {"factors": ["CH"], "identity": ["id1"]},
            "line 3: CH=C3 again, as in line 2; .*name all columns",
        ),
        (LUNA, {"identity": ["id1"]}, "line 3: no strata again, as in line 2"),
        (LUNA, {"factors": ["PSD"], "identity": ["id1"]}, "line 3: the level of PSD is missing"),
        (LUNA.replace("\t8\n", "\n"), {}, "line 3: 4 cells; expected 5"),
        (LUNA.replace("\t9\n", "\t9\t\n"), {"identity": ["id1"]}, "line 4: 6 cells; expected 5"),
        (LUNA.replace("id2", "\nid2"), {}, "line 4: is empty, with rows behind it"),
        (LUNA.replace("PSD", "N"), {}, "the header has the column 'N' twice"),
        (LUNA.replace("PSD", ""), {"factors": ["CH", "F"]}, "the header has a column without a name"),
        (
            LUNA.replace("1.5", "1,5"),
            {"factors": ["CH", "F"]},
            "line 2: PSD is '1,5'; expected a number, as in most rows",
        ),
        (
            LUNA.replace("3.5", "nix"),
            {"factors": ["CH", "F"]},
            "line 4: PSD is 'nix'; expected a number.*PSD:text",
        ),
        (
            LUNA.replace("id1\tC3\t10", "id1\tC3\tnan"),
            {"factors": ["CH", "F"]},
            "line 3: the level of F is NaN",
        ),
        (LUNA.replace("C3\t10", "C\0\t10"), {"factors": ["CH", "F"]}, "line 3: CH has a NUL"),
        ("", {}, "line 1: is empty; expected a header"),
        ("\n\n", {}, "line 1: is empty; expected a header"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, text, "a.txt")
    with pytest.raises(EEGArchiveError, match=message) as caught:
        read_values(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_levels_that_are_equal_are_one_key_however_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, "F,X\n1.0,1\n2,2\n1,3\n")
    with pytest.raises(EEGArchiveError, match=r"line 4: F=1\.0 again, as in line 2"):
        read_values(path, factors=["F"])
    assert len(read_values(path, factors=["F:text"])[0]) == 3


def test_a_key_of_many_factors(tmp_path: Path) -> None:
    names = [f"F{i}" for i in range(12)]
    rows = [",".join(str((i * (k + 1)) % 97) for k in range(12)) for i in range(97)]
    text = ",".join([*names, "X"]) + "\n" + "".join(f"{row},1\n" for row in rows)
    assert len(read_values(written(tmp_path, text), factors=names)[0]) == 97
    with pytest.raises(EEGArchiveError, match=r"line 99: .* again, as in line 43"):
        read_values(written(tmp_path, text + rows[41] + ",2\n"), factors=names)


def test_keys_of_more_combinations_than_an_integer_has(tmp_path: Path) -> None:
    names = [f"F{i}" for i in range(22)]  # of 7 levels each, and none: 2**66 keys
    rows = [",".join([str(i)] * 22) for i in range(7)]
    rows.append(",".join(["2"] + ["0"] * 21))
    text = ",".join([*names, "X"]) + "\n" + "".join(f"{row},1\n" for row in rows)
    assert len(read_values(written(tmp_path, text), factors=names)[0]) == 8


def test_a_table_without_rows_has_no_values(tmp_path: Path) -> None:
    assert read_values(written(tmp_path, "ID\tX\n", "a.txt"), identity=["id1"]) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_line_ends_byte_order_mark_and_empty_lines_at_the_end(tmp_path: Path, end: str, name: str) -> None:
    text = LUNA if name == "a.txt" else LUNA.replace("\t", ",")
    raw = b"\xef\xbb\xbf" + (text + "\n\n").replace("\n", end).encode()
    blocks = read_values(written(tmp_path, raw, name), factors=["CH", "F"], identity=["id1"])
    assert listed(blocks) == {"PSD": ("num", [1.5, None]), "N": ("int", [7, 8])}


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path, name: str) -> None:
    text = LUNA if name == "a.txt" else LUNA.replace("\t", ",")
    with pytest.raises(EEGArchiveError, match="line 3: isn't text in UTF-8"):
        read_values(
            written(
                tmp_path,
                text.encode().replace(b"id1\tC3\t10", b"id1\tC\xff\t10").replace(b",10,", b",\xff,"),
                name,
            )
        )


def test_lines_are_counted_through_more_rows_than_are_read_at_a_time(tmp_path: Path) -> None:
    rows = [f"id{i % 2}\t{i // 2}\t{i}" for i in range(50_000)]
    path = written(tmp_path, "ID\tE\tX\n" + "\n".join(rows) + "\n", "a.txt")
    (block,) = read_values(path, factors=["E"], identity=["id1"])
    assert np.array_equal(block.values.values, np.arange(1, 50_000, 2))
    assert np.array_equal(block.factors["E"].values, np.arange(25_000))
    rows[41_001] = "id1\t20500\tX"
    path = written(tmp_path, "ID\tE\tX\n" + "\n".join(rows) + "\n", "a.txt")
    with pytest.raises(EEGArchiveError, match="line 41003: X is 'X'"):
        read_values(path, factors=["E"], identity=["id1"])


# -- CSV ----------------------------------------------------------------------------------------------


def test_csv_needs_no_id(tmp_path: Path) -> None:
    path = written(tmp_path, "CH,SR\nC3,128\n")
    assert listed(read_values(path, factors=["CH"], identity=["id1"])) == {"SR": ("int", [128])}


def test_the_id_can_be_a_factor(tmp_path: Path) -> None:
    (block,) = read_values(written(tmp_path, "ID,SR\na,128\nb,256\n"), factors=["ID"])
    assert block.factors["ID"].to_list() == ["a", "b"]


def test_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    path = written(tmp_path, 'CH,"X"\r\n"a,""b""",one\r\n"c\r\nd",two\r\ne,"1"\r\ne,2\r\n')
    with pytest.raises(EEGArchiveError, match="line 6: CH=e again, as in line 5"):
        read_values(path, factors=["CH"], variables=["X:text"])
    path = written(tmp_path, 'CH,"X"\r\n"a,""b""",one\r\n"c\r\nd",two\r\n')
    (block,) = read_values(path, factors=["CH"])
    assert block.factors["CH"].to_list() == ['a,"b"', "c\r\nd"]


@pytest.mark.parametrize("text", ['A,X\n1,2\n"1,2\n3,4\n', 'A,X\n1,2\n"1"2,3\n'])
def test_broken_quotes(tmp_path: Path, text: str) -> None:
    with pytest.raises(EEGArchiveError, match="line 3: isn't CSV"):
        read_values(written(tmp_path, text), factors=["A"])


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    import csv

    before = 131_072
    csv.field_size_limit(before)
    path = written(tmp_path, f"X,Y\n{'a' * 200_000},1\n")
    assert listed(read_values(path, variables=["Y"])) == {"Y": ("int", [1])}
    assert csv.field_size_limit() == before
    with pytest.raises(EEGArchiveError, match="line 2: X has 200000 bytes of text"):
        read_values(path)


def test_a_name_with_a_colon_is_a_name_first(tmp_path: Path) -> None:
    path = written(tmp_path, "A:B,X:num,X\n1,2,3\n")
    found = listed(read_values(path, variables=["A:B:text", "X:num", "X:int"]))
    assert found == {"A:B": ("text", ["1"]), "X:num": ("int", [2]), "X": ("int", [3])}


# -- types --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["1", "+5", "-9223372036854775808"], ("int", [1, 5, -(2**63)])),
        (["1", "2.5", "1e3", ".5", "5."], ("num", [1.0, 2.5, 1000.0, 0.5, 5.0])),
        (["inf", "-inf", "Infinity", "-INF"], ("num", [math.inf, -math.inf, math.inf, -math.inf])),
        (["1", "NA", ".", "", "null"], ("int", [1, None, None, None, None])),
        (["NA", "."], ("num", [None, None])),
        (["TRUE", "False", "true", "NA"], ("bool", [True, False, True, None])),
        (["N2", "TRUE", "na"], ("text", ["N2", "TRUE", "na"])),
        (["007", "12"], ("text", ["007", "12"])),
        (["0012", "abc"], ("text", ["0012", "abc"])),
        (["0", "10"], ("int", [0, 10])),
        (["T", "F"], ("text", ["T", "F"])),
        (["0.1", "0.30000000000000004"], ("num", [0.1, 0.30000000000000004])),
        (["1_000", "0x10"], ("text", ["1_000", "0x10"])),
        (["١"], ("text", ["١"])),
        ([" 1"], ("text", [" 1"])),
    ],
)
def test_a_column_is_what_its_cells_are(
    tmp_path: Path, cells: list[str], found: tuple[str, list[Any]]
) -> None:
    assert values(tmp_path, *cells) == found


def test_a_negative_zero_is_a_number(tmp_path: Path) -> None:
    kind, found = values(tmp_path, "1", "-0")
    assert (kind, repr(found)) == ("num", "[1.0, -0.0]")


def test_nan_is_a_number_and_not_missing(tmp_path: Path) -> None:
    kind, found = values(tmp_path, "nan", "NaN", "-nan", "NA")
    assert kind == "num"
    assert found[3] is None
    assert np.isnan(found[:3]).all()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1.5", "1,5"], "line 3: 3 cells"),
        (["1", "12abc"], "line 3: X is '12abc'; expected a number"),
        (['"1,5"', '"-2,25e3"'], "line 2: X is '1,5'; expected a number with a point; X:text"),
        (["1", "0x10"], "line 3: X is '0x10'"),
        (["1", "1_000"], "line 3: X is '1_000'"),
        (["1", " 2"], "line 3: X is ' 2'"),
        (["1", "٢"], "line 3: X is"),
        (["1", "TRUE"], "line 3: X is 'TRUE'"),
        (["N2", "NA", "N3", "1"], "line 5: X is '1'; expected no number"),
        (["N2", "NA", "1"], "line 2: X is 'N2'; expected a number"),
        (["1.5", "007"], "line 3: X is '007'"),
        (["1", "2", "1e400"], "line 4: X is '1e400'; expected a number that a 64-bit float can hold"),
        (
            ["1", "9223372036854775808"],
            "line 3: X is '9223372036854775808'; expected a 64-bit signed integer; X:num",
        ),
        (["1", "-9223372036854775809"], "line 3: X is '-9223372036854775809'"),
        (["1", "9" * 5000], "line 3: X is '999"),
        (["1.5", "1.5\x1b"], r"line 3: X is '1.5\\u001b'"),
    ],
)
def test_a_column_of_numbers_has_no_others(tmp_path: Path, cells: list[str], message: str) -> None:
    with pytest.raises(EEGArchiveError, match=message):
        values(tmp_path, *cells)


def test_cells_with_line_breaks_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(EEGArchiveError, match="line 3: X is"):
        values(tmp_path, "1.5", '"1.5\n2.5"')
    assert kinds_of(["1.5\n2.5", "1.5"]) == ["text", "number"]


@pytest.mark.parametrize(
    ("stated", "cells", "found"),
    [
        (":text", ["1", "12abc", "NA"], ("text", ["1", "12abc", None])),
        (":num", ["1", "007"], ("num", [1.0, 7.0])),
        (":num", ["NA"], ("num", [None])),
        (":int", ["1", "007", "NA"], ("int", [1, 7, None])),
        (":int", ["NA"], ("int", [None])),
        (":bool", ["1", "0", "TRUE", "."], ("bool", [True, False, True, None])),
        (":num", ["99999999999999999999"], ("num", [1e20])),
    ],
)
def test_a_type_can_be_stated(tmp_path: Path, stated: str, cells: list[str], found: Any) -> None:
    assert values(tmp_path, *cells, stated=stated) == found


@pytest.mark.parametrize(
    ("stated", "cell", "message"),
    [
        (":num", "abc", "expected a number"),
        (":num", "TRUE", "expected a number"),
        (":int", "1.0", "expected an integer"),
        (":int", "0" * 2000 + "1", "expected a 64-bit signed integer"),
        (":bool", "2", "expected true or false"),
        (":bool", "yes", "expected true or false"),
    ],
)
def test_a_stated_type_is_kept(tmp_path: Path, stated: str, cell: str, message: str) -> None:
    with pytest.raises(EEGArchiveError, match=f"line 3: X is .*; {message}"):
        values(tmp_path, "1", cell, stated=stated)


def test_levels_have_types_too(tmp_path: Path) -> None:
    path = written(tmp_path, "B,X\n1,1\n2,2\nSIGMA,3\n")
    with pytest.raises(EEGArchiveError, match=r"line 4: B is 'SIGMA'.*B:text takes the column as text"):
        read_values(path, factors=["B"])
    assert read_values(path, factors=["B:text"])[0].factors["B"].to_list() == ["1", "2", "SIGMA"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(numbers=st.lists(st.floats(), min_size=1, max_size=30), digits=st.booleans())
def test_numbers_are_exact(tmp_path: Path, numbers: list[float], digits: bool) -> None:
    texts = [repr(x) if digits else f"{x:.25e}" for x in numbers]
    assert repr(values(tmp_path, *texts, stated=":num")) == repr(("num", numbers))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_integers_are_exact(tmp_path: Path, numbers: list[int]) -> None:
    assert values(tmp_path, *map(str, numbers)) == ("int", numbers)


def test_columns_of_many_different_and_of_few_cells(tmp_path: Path) -> None:
    different = [f"t{i}" if i < 20_000 else f"t{i % 7}" for i in range(40_000)]
    rows = "".join(f"{i},{text},{text[-1]}\n" for i, text in enumerate(different))
    found = listed(read_values(written(tmp_path, "E,X,Y\n" + rows), factors=["E"]))
    assert found["X"] == ("text", different)
    assert found["Y"] == ("int", [int(text[-1]) for text in different])


# -- Parquet ------------------------------------------------------------------------------------------


def parquet(folder: Path, columns: dict[str, Any], **schema: Any) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(values, schema.get(name)) for name, values in columns.items()}
    pq.write_table(pa.table(arrays), folder / "a.parquet", row_group_size=2)
    return folder / "a.parquet"


def test_a_parquet_table(tmp_path: Path) -> None:
    import pyarrow as pa

    path = parquet(
        tmp_path,
        {
            "ID": ["a", "b", "a"],
            "CH": ["C3", "C3", "Ö"],
            "n": [1.5, math.nan, None],
            "f": [1.5, 2.5, None],
            "i": [1, 2, None],
            "b": [True, None, False],
            "t": ["x", None, ""],
            "v": [[1, None], [], [3]],
            "x.y": [1, 2, 3],
            "nothing": [None, None, None],
        },
        CH=pa.dictionary(pa.int8(), pa.string()),
        f=pa.float32(),
        i=pa.uint64(),
        t=pa.large_string(),
        v=pa.list_(pa.int16()),
    )
    blocks = read_values(path, factors=["CH"], identity=["a"])
    found = listed(blocks)
    assert found == {
        "n": ("num", [1.5, None]),
        "f": ("num", [1.5, None]),
        "i": ("int", [1, None]),
        "b": ("bool", [True, False]),
        "t": ("text", ["x", ""]),
        "v": ("int", [1, None, 3]),
        "x.y": ("int", [1, 3]),
        "nothing": ("num", [None, None]),
    }
    assert blocks[5].offsets is not None
    assert blocks[5].offsets.tolist() == [0, 2, 3]
    assert blocks[0].factors["CH"].to_list() == ["C3", "Ö"]
    (other,) = read_values(path, factors=["CH"], variables=["n"], identity=["b"])
    assert np.isnan(other.values.values).all()
    assert not other.values.missing.any()


def test_identities_that_are_numbers(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"ID": [1, 2, 2], "x": [1.5, 2.5, 3.5]})
    assert listed(read_values(path, identity=["1"])) == {"x": ("num", [1.5])}
    with pytest.raises(EEGArchiveError, match="no row is of '3'; there are rows of '1', '2'"):
        read_values(path, identity=["3"])
    with pytest.raises(EEGArchiveError, match="row 3: no strata again, as in row 2"):
        read_values(path, identity=["2"])


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": [[1], None]}, {}, "row 2: x is null; a vector can be empty"),
        ({"x": [b"a"]}, {}, "x has the type binary"),
        ({"x": [2**63], "y": [1]}, {}, "row 1: x is 9223372036854775808, beyond a 64-bit"),
        ({"F": [1.0, math.nan], "x": [1, 2]}, {"factors": ["F"]}, "row 2: the level of F is NaN"),
        ({"F": [1, None], "x": [1, 2]}, {"factors": ["F"]}, "row 2: the level of F is missing"),
        ({"F": [1, 2, 1], "x": [1, 2, 3]}, {"factors": ["F"]}, "row 3: F=1 again, as in row 1"),
        ({"x": ["a\0"]}, {}, "row 1: x has a NUL"),
        ({"x": [["a"], ["b", "a\0"]]}, {}, "row 2: an element of x has a NUL"),
        ({"x": [1]}, {"factors": ["F"]}, "there is no column 'F'; there are 'x'"),
        ({"x": [1.5]}, {"variables": ["x:int"]}, "row 1: x is 1.5, which can't be taken as int"),
        ({"x": [2]}, {"variables": ["x:bool"]}, "row 1: x is 2, which can't be taken as bool"),
        ({"x": [2**53 + 1]}, {"variables": ["x:num"]}, "can't be taken as num"),
        ({"x": [1.5]}, {"variables": ["x:text"]}, "'x' is num in the file, which can't be taken as text"),
        ({"x": ["a"]}, {"variables": ["x:num"]}, "row 1: x is 'a'; expected a number"),
        ({"x": [1], "__index_level_0__": [0]}, {}, "a column without a name"),
    ],
)
def test_what_is_wrong_in_parquet_is_told_with_its_row(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    import pyarrow as pa

    schema = {"x": pa.uint64()} if columns.get("x") == [2**63] else {}
    path = parquet(tmp_path, columns, **schema)
    with pytest.raises(EEGArchiveError, match=message):
        read_values(path, **options)


@pytest.mark.parametrize(
    ("column", "stated", "found"),
    [
        ([1, None], "text", ("text", ["1", None])),
        ([1, None], "num", ("num", [1.0, None])),
        ([1, 0, None], "bool", ("bool", [True, False, None])),
        ([1.0, None], "int", ("int", [1, None])),
        (["1", "NA", None], "int", ("int", [1, None, None])),
        ([None, None], "text", ("text", [None, None])),
        ([None, None], "int", ("int", [None, None])),
    ],
)
def test_a_type_can_be_stated_for_parquet(tmp_path: Path, column: list[Any], stated: str, found: Any) -> None:
    path = parquet(tmp_path, {"E": list(range(len(column))), "x": column})
    assert listed(read_values(path, factors=["E"], variables=[f"x:{stated}"])) == {"x": found}


def test_what_is_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(EEGArchiveError, match="can't be read as Parquet"):
        read_values(written(tmp_path, LUNA, "a.parquet"))
    with pytest.raises(FileNotFoundError):
        read_values(tmp_path / "none.parquet")


def test_a_frame_of_pandas(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"CH": pd.Categorical(["C3", "C4"]), "x": [1.5, None], "n": pd.array([1, None], "Int64")}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    found = listed(read_values(tmp_path / "a.parquet", factors=["CH"]))
    assert found == {"x": ("num", [1.5, None]), "n": ("int", [1, None])}


def test_formats_that_are_not_known(tmp_path: Path) -> None:
    path = written(tmp_path, LUNA, "a.out")
    with pytest.raises(EEGArchiveError, match=r"a\.out: its suffix is none of \.txt"):
        read_values(path)
    with pytest.raises(EEGArchiveError, match="no format 'xml'; there are luna, csv, parquet, json"):
        read_values(path, format="xml")
    assert len(read_values(path, factors=["ID", "CH", "F"], format="luna")) == 2


def test_of_rows_with_one_key_the_last_counts_if_asked_for(tmp_path: Path) -> None:
    table = tmp_path / "t.txt"
    table.write_text("ID\tCH\tF\tx\na\tC3\t1\t5\na\tC4\t1\t6\na\tC3\t2\t7\n")
    (found,) = read_values(table, factors=["CH"], variables=["x"], last=True)
    assert (found.factors["CH"].to_list(), found.values.to_list()) == (["C4", "C3"], [6, 7])
    by_variable = {
        block.variables.tolist()[0]: block.values.to_list() for block in read_values(table, last=True)
    }
    assert by_variable == {"CH": ["C3"], "F": [2], "x": [7]}
    with pytest.raises(EEGArchiveError, match="line 4"):
        read_values(table, factors=["CH"], variables=["x"])
