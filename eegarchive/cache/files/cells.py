"""Cells of a text file as columns, typed by what they say.

A cell is a number only as a whole: `1,5`, `12abc`, `0x10`, `1_000` and `1e400` are none. A column's type is what
all of its cells are, so that one bad cell is found, and not taken for text:

- all integers: `int`; all numbers (`inf` and `nan` in any case are such): `num`; TRUE and FALSE: `bool`;
- no cell a number: `text`. Digits behind a leading zero (`007`) are a label, as text is, and so are the integers of
  a column that has such labels;
- numbers and anything else: an error, for levels of factors too. A factor's type would hang on the file otherwise:
  `1`, `2` in one recording and `1`, `2`, `SIGMA` in the next; stating the type once (`B:text`) settles it for all.

Empty cells, `.`, `NA` and `null` are missing; a column without any other is `num`.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.cache.columns import DTYPES, Column, ValueType
from eegarchive.cache.files.faults import Fault
from eegarchive.errors import EEGArchiveError
from eegarchive.scoring.text import shown
from eegarchive.storage.objects import check_text

_CELL = re.compile(
    r"""(?P<missing>|\.|NA|null)
      | (?P<bool>TRUE|True|true|FALSE|False|false)
      | (?P<label>[+-]?0\d+)
      | (?P<num>-0)                                    # integers have no negative zero
      | (?P<int>[+-]?\d+)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<special>[+-]?(?i:inf|infinity|nan))""",
    re.ASCII | re.VERBOSE,
)
#: Lines that are what most cells of a large file are, three times as fast as one by one.
_DECIMALS = re.compile(r"(?:-?(?:0|[1-9]\d*)\.\d+(?:e[+-]?\d+)?\n)*+", re.ASCII)
_TOGETHER = 1024
#: With more different cells than this, and than half of them, equal ones are no longer looked for.
_MANY = 10_000
_NUMBERS = {"int", "num", "number", "special"}
#: What cells of each type can be, and how messages name that.
_ALLOWED: dict[ValueType, tuple[set[str], str]] = {
    "num": ({"missing", "label", *_NUMBERS}, "a number"),
    "int": ({"missing", "label", "int"}, "an integer"),
    "text": ({"missing", "label", "bool", "text", *_NUMBERS}, "a text"),
    "bool": ({"missing", "bool"}, "true or false"),
}
#: What stands in for missing cells, to be parsed with the others.
#: A number as some countries write it; silently a text, it would be lost to whoever computes.
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+(?:[eE][-+]?[0-9]+)?")
_FILLERS: dict[ValueType, str] = {"num": "nan", "int": "0", "text": "", "bool": "0"}
#: Longer ones are none of 64 bits, but for their leading zeros.
_INTEGER_CHARACTERS = 1000


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a column: its texts, all of them used, but not each only once, and which one each row has."""

    texts: list[str]
    codes: npt.NDArray[np.int32]

    def take(self, rows: npt.NDArray[np.int64]) -> Cells:
        """The cells of some rows."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        return Cells([self.texts[code] for code in used.tolist()], codes.astype(np.int32))

    def first(self, code: int) -> int:
        """The first row that has a text."""
        return int((self.codes == code).argmax())


class Collector:
    """Collects the cells of a column, part by part; equal texts are kept once.

    Parameters
    ----------
    values : bool
        Whether it is a column of values: not worth the search if many of them turn out to be different.
    """

    def __init__(self, values: bool = False) -> None:
        self._most = _MANY if values else sys.maxsize
        # A plain dictionary of texts and integers: the garbage collector leaves that alone.
        self._first_rows: dict[str, int] = {}
        self._parts: list[npt.NDArray[np.int64]] = []
        self._size = 0
        self._others: list[str] = []

    def add(self, cells: Sequence[str]) -> None:
        """Take the cells of more rows."""
        if len(self._first_rows) > max(self._most, self._size // 2):
            self._others.extend(cells)
            return
        rows = map(self._first_rows.setdefault, cells, itertools.count(self._size))
        self._parts.append(np.fromiter(rows, np.int64, len(cells)))
        self._size += len(cells)

    def cells(self) -> Cells:
        """All that were taken."""
        distinct = len(self._first_rows)
        codes = np.zeros(self._size, np.int32)
        codes[list(self._first_rows.values())] = np.arange(distinct)
        codes = codes[np.concatenate([np.zeros(0, np.int64), *self._parts])]
        others = np.arange(distinct, distinct + len(self._others), dtype=np.int32)
        return Cells([*self._first_rows, *self._others], np.concatenate([codes, others]))


def kinds_of(texts: Sequence[str]) -> list[str]:
    """What each cell says: the name of a group of the pattern above, or text."""
    match = _CELL.fullmatch
    kinds: list[str] = []
    for first in range(0, len(texts), _TOGETHER):
        part = texts[first : first + _TOGETHER]
        joined = "\n".join([*part, ""])
        if _DECIMALS.fullmatch(joined) and joined.count("\n") == len(part):
            kinds += ["number"] * len(part)
        else:
            kinds += [found.lastgroup or "text" if (found := match(text)) else "text" for text in part]
    return kinds


def column_of_cells(
    cells: Cells, what: str, stated: ValueType | None = None, kinds: Sequence[str] | None = None
) -> Column:
    """Cells as a column.

    Parameters
    ----------
    cells : Cells
    what : str
        Name of the column.
    stated : {"num", "int", "text", "bool"}, optional
        The type to take them as, whatever others they could be; 0 and 1 are booleans then, 007 a number.
    kinds : sequence of str, optional
        What each of the texts is, as `kinds_of` says it.

    Raises
    ------
    Fault
        With the row of the first cell that is of another type.
    """
    kinds = kinds_of(cells.texts) if kinds is None else kinds
    kind = stated or _type_by_content(cells, kinds, what)
    missing = np.fromiter(map("missing".__eq__, kinds), bool, len(kinds))
    texts = cells.texts
    if missing.any():
        texts = [_FILLERS[kind] if gone else text for text, gone in zip(texts, missing.tolist(), strict=True)]
    allowed, name = _ALLOWED[kind]
    if set(kinds) - allowed:
        also = ("0", "1") if kind == "bool" else ()
        _refuse(
            cells, [k not in allowed and t not in also for k, t in zip(kinds, texts, strict=True)], what, name
        )
    distinct = np.empty(len(texts), DTYPES[kind])
    distinct[:] = _PARSERS[kind](cells, texts, kinds, what)
    return Column(kind, distinct[cells.codes], missing[cells.codes])


def _refuse(cells: Cells, wrong: Sequence[bool] | npt.NDArray[np.bool_], what: str, expected: str) -> None:
    """Raise at the first row that has one of some texts, if there are any."""
    codes = np.flatnonzero(wrong)
    if len(codes):
        row = int(np.flatnonzero(np.isin(cells.codes, codes))[0])
        raise Fault(f"{what} is {shown(cells.texts[cells.codes[row]])}; expected {expected}", row)


def _type_by_content(cells: Cells, kinds: Sequence[str], what: str) -> ValueType:
    found = set(kinds) - {"missing"}
    if found and found <= {"int"}:
        return "int"
    if found <= _NUMBERS:
        return "num"
    if found <= {"bool"}:
        return "bool"
    if found <= {"int", "label"} or found <= {"text", "label", "bool"}:
        commas = [bool(_DECIMAL_COMMA.fullmatch(text)) for text in cells.texts]
        _refuse(cells, commas, what, f"a number with a point; {what}:text takes the column as text")
        return "text"
    numbers = np.array([kind in _NUMBERS for kind in kinds], bool)
    others = np.array([kind not in (*_NUMBERS, "missing") for kind in kinds], bool)
    if numbers[cells.codes].sum() >= others[cells.codes].sum():
        _refuse(cells, others, what, f"a number, as in most rows; {what}:text takes the column as text")
    _refuse(cells, numbers, what, f"no number, as in most rows; {what}:text takes the column as text")
    raise AssertionError("a column of several kinds has an odd cell")


def _floats(cells: Cells, texts: list[str], kinds: Sequence[str], what: str) -> list[float]:
    values = list(map(float, texts))
    over = np.isinf(values)
    for code in np.flatnonzero(over).tolist():
        over[code] = kinds[code] != "special"
    _refuse(cells, over, what, "a number that a 64-bit float can hold")
    return values


def _integers(cells: Cells, texts: list[str], _kinds: Sequence[str], what: str) -> list[int]:
    values = [int(text) if len(text) <= _INTEGER_CHARACTERS else 2**63 for text in texts]
    _refuse(
        cells,
        [not -(2**63) <= value < 2**63 for value in values],
        what,
        f"a 64-bit signed integer; {what}:num takes the column as numbers, {what}:text as text",
    )
    return values


def _texts(cells: Cells, texts: list[str], _kinds: Sequence[str], what: str) -> list[str]:
    for code, text in enumerate(texts):
        try:
            check_text(what, text)
        except EEGArchiveError as error:
            raise Fault(str(error), cells.first(code)) from None
    return texts


def _booleans(_cells: Cells, texts: list[str], _kinds: Sequence[str], _what: str) -> list[bool]:
    return [text == "1" or text.lower() == "true" for text in texts]


_PARSERS: dict[ValueType, Callable[[Cells, list[str], Sequence[str], str], Sequence[Any]]] = {
    "num": _floats,
    "int": _integers,
    "text": _texts,
    "bool": _booleans,
}
