"""Luna's dump: compared with what Luna (lunapi 1.7.0) printed, and with Luna itself where it is installed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from eegarchive.cache.columns import Block
from eegarchive.cache.files import luna_lines, read_values

from .test_files_exact import block, column

PRINTED = """\
cache: p1[num]
value: X2=1

value: x=7

strata: CH=AA
value: x=1.23456e+06

strata: CH=B
value: x=1e+300

strata: CH=a
value: x=-1.5e-07

strata: CH=A
strata: F=1
value: x=0.1

strata: CH=C3
strata: E=1
value: x=1

strata: CH=É
strata: F=1
value: x=123456

strata: A=7
strata: B=1
strata: C=1
value: x=1

"""


def tables(folder: Path) -> dict[str, list[str]]:
    """Files that Luna imported, and the factors of each."""
    made = {
        "a": ("ID CH E x\nid1 C3 1 1\n", ["CH", "E"]),
        "b": ("ID CH F x\nid1 A 1 0.1\nid1 É 1 123456.5\n", ["CH", "F"]),
        "c": ("ID CH x\nid1 B 1e300\nid1 a -1.5e-7\nid1 AA 1234565\n", ["CH"]),
        "e": ("ID x X2\nid1 7 1\n", []),
        "f": ("ID A B C x\nid1 7 1 1 1\n", ["A", "B", "C"]),
    }
    found = {}
    for name, (text, factors) in made.items():
        (folder / f"{name}.txt").write_text(text.replace(" ", "\t"), encoding="utf-8")
        found[str(folder / f"{name}.txt")] = factors
    return found


def read(folder: Path) -> list[Block]:
    found = []
    for path, factors in tables(folder).items():
        header = Path(path).read_text(encoding="utf-8").partition("\n")[0].split("\t")[1:]
        variables = [f"{name}:num" for name in header if name not in factors]
        found += read_values(path, factors=factors, variables=variables, identity=["id1"])
    return found


def test_numbers_are_as_luna_prints_them(tmp_path: Path) -> None:
    assert "".join(f"{line}\n" for line in luna_lines(read(tmp_path), name="p1")) == PRINTED


def test_luna_itself_prints_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lunapi = pytest.importorskip("lunapi", reason="lunapi isn't installed")
    instance = lunapi.proj().inst("id1")
    instance.attach_edf(str(Path(__file__).parents[1] / "data" / "edf_sleep_psg_30s_records.edf"))
    for path, factors in tables(tmp_path).items():
        stated = f" factors={','.join(factors)}" if factors else ""
        instance.eval(f"CACHE cache=p1 import={path}{stated}")
    capfd.readouterr()
    instance.eval("CACHE cache=p1 dump num=p1")
    out, err = capfd.readouterr()
    assert PRINTED in out + err


def test_levels_that_are_numbers_are_in_the_order_of_their_texts() -> None:
    blocks = [block([("x", {"F": f}, 1.0) for f in (2.0, 13.5, 10.0)], "num", {"F": "num"})]
    lines = [line for line in luna_lines(blocks, name="p") if line.startswith("strata")]
    assert lines == ["strata: F=10", "strata: F=13.5", "strata: F=2"]


def test_types_vectors_and_what_is_missing() -> None:
    blocks = [
        block([("SR", {"CH": "C3"}, 128), ("SR", {"CH": "C4"}, None)], "int", {"CH": "text"}),
        block(
            [("p", {"CH": "C3"}, list(range(695))), ("q", {"CH": "C3"}, []), ("r", {}, [5])],
            "int",
            {"CH": "text"},
        ),
        block([("ok", {"N": True}, True), ("ok", {"N": False}, False)], "bool", {"N": "bool"}),
        block([("t", {}, "a\nvalue: b"), ("u", {}, "(3 element vector)")], "text", {}),
        block([("n", {}, math.nan), ("i", {}, -math.inf), ("z", {}, -0.0)], "num", {}),
    ]
    assert list(luna_lines(blocks, name="p1")) == [
        *["cache: p1[num]", "value: i=-inf", "", "value: n=nan", "", "value: z=-0", ""],
        *["cache: p1[int]", "strata: CH=C3", "value: SR=128", "", "strata: CH=C4", "value: SR=NA", ""],
        *[
            "strata: CH=C3",
            "value: (695 element vector)",
            "",
            "strata: CH=C3",
            "value: (0 element vector)",
            "",
        ],
        *["value: r=5", ""],
        *["cache: p1[text]", "value: t=a\\u000avalue: b", "", "value: u=(3 element vector)", ""],
        *["cache: p1[bool]", "strata: N=0", "value: ok=0", "", "strata: N=1", "value: ok=1", ""],
    ]


def test_no_values_are_no_lines() -> None:
    empty = Block(np.array([], object), {}, column("num", []))
    assert list(luna_lines([empty], name="p1")) == []
