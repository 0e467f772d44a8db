"""Typed values in columns, some of which may be missing: what a cache takes and gives.

A value is `num` (float64), `int` (int64), `text` or `bool`. Missing is none of them: not NaN, not 0, not "".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.storage.objects import check_text

ValueType = Literal["num", "int", "text", "bool"]
#: What a value, and a level of a factor, can be.
TYPES: tuple[ValueType, ...] = get_args(ValueType)
#: How each type lies in memory.
DTYPES: dict[str, np.dtype[Any]] = {
    "num": np.dtype(np.float64),
    "int": np.dtype(np.int64),
    "text": np.dtype(object),
    "bool": np.dtype(bool),
}
#: What stands where a value is missing.
FILLERS: dict[str, Any] = {"num": np.nan, "int": 0, "text": "", "bool": False}
#: Beyond it floats leave integers out.
EXACT_INTEGERS = 2**53
_INTEGERS = np.iinfo(np.int64)


@dataclass(frozen=True, eq=False)
class Column:
    """Values of one type.

    Attributes
    ----------
    type : {"num", "int", "text", "bool"}
    values : (n,) array
        float64, int64, `str` objects, or bool; anything where `missing` holds.
    missing : (n,) bool array
    """

    type: ValueType
    values: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Any) -> Column:
        """Some of the values, by numpy's indexing."""
        return Column(self.type, self.values[index], self.missing[index])

    def to_list(self) -> list[Any]:
        """Values as Python's own, None where one is missing."""
        found: list[Any] = self.values.tolist()
        for i in np.flatnonzero(self.missing).tolist():
            found[i] = None
        return found


@dataclass(frozen=True, eq=False)
class Block:
    """Some of a cache's values: of one type, and all scalars or all vectors.

    Attributes
    ----------
    variables : (n,) array of str
        The variable of each value.
    factors : mapping of str to Column
        Levels of each factor; missing where the value has no such factor.
    values : Column
        One for each; of vectors, the elements of all, one vector behind the other.
    offsets : (n + 1,) int64 array, optional
        Of vectors: the i-th is `values[offsets[i]:offsets[i + 1]]`.
    """

    variables: npt.NDArray[Any]
    factors: Mapping[str, Column]
    values: Column
    offsets: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.variables)


def column_of(values: Any, what: str) -> Column:
    """Take values as a column of the type that they have.

    Parameters
    ----------
    values : Column, array, pandas series, or sequence
        None and pandas.NA are missing; NaN is a number.
    what : str
        What they are, for messages.

    Raises
    ------
    EEGArchiveError
        If they are of several types (integers among floats are numbers), or one can't be kept exactly.
    """
    if isinstance(values, Column):
        return _checked(values, what)
    if isinstance(values, Mapping | Set) or hasattr(values, "columns"):
        raise EEGArchiveError(f"{what}: a {type(values).__name__} is neither a scalar nor a vector")
    if hasattr(values, "isna") and hasattr(values, "to_numpy"):
        return _of_pandas(values, what)
    if not isinstance(values, np.ndarray):
        values = list(values)
        return _of_objects(np.fromiter(values, object, len(values)), what)
    if values.ndim != 1:
        raise EEGArchiveError(f"{what}: has {values.ndim} dimensions; values are scalars or vectors")
    if isinstance(values, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(values)
        plain = values.data.copy()
        plain[missing] = None if values.dtype == object else np.zeros((), values.dtype)
        found = column_of(plain, what)
        return Column(found.type, found.values, found.missing | missing)
    return _of_objects(values, what) if values.dtype == object else _of_array(values, what)


def scalar_of(value: Any, what: str) -> tuple[ValueType, Any]:
    """Type of one value, and the value as Python's own; as :func:`column_of`, but quick for what is Python's own."""
    kind = type(value)
    if kind is float:
        return "num", value
    if kind is int and _INTEGERS.min <= value <= _INTEGERS.max:
        return "int", value
    if kind is str:
        check_text(what, value)
        return "text", value
    column = column_of([value], what)
    return column.type, column.to_list()[0]


def checked_block(block: Block) -> Block:
    """A block that someone else made, after a look at what it has.

    Raises
    ------
    EEGArchiveError
        If its columns don't fit each other, or hold what a cache can't.
    """
    values, count, offsets = block.values, len(block), block.offsets
    column_of(values, "the values")
    for name, column in block.factors.items():
        column_of(column, f"the factor {name}")
        if len(column) != count:
            raise EEGArchiveError(f"the factor {name}: {len(column)} levels for {count} values")
    edges = np.arange(count + 1) if offsets is None else np.asarray(offsets)
    if len(edges) != count + 1 or edges[0] != 0 or edges[-1] != len(values) or (np.diff(edges) < 0).any():
        raise EEGArchiveError(f"{len(values)} values and their offsets don't make {count}")
    return block


def joined(columns: Sequence[Column], what: str) -> Column:
    """Several columns as one, one behind the other.

    Raises
    ------
    EEGArchiveError
        If no type holds them all exactly.
    """
    kinds = [column.type for column in columns if not column.missing.all()]
    kind = common_type(kinds or [column.type for column in columns][:1], what)
    for column in columns:
        if column.type == "int" and kind == "num" and largest(column) > EXACT_INTEGERS:
            raise EEGArchiveError(f"{what}: an integer, among floats, is beyond what a float holds exactly")
    if not columns:
        return nothing(kind, 0)
    values = [
        np.asarray(column.values, DTYPES[kind])
        if column.type == kind or not column.missing.all()
        else nothing(kind, len(column)).values
        for column in columns
    ]
    return Column(kind, np.concatenate(values), np.concatenate([column.missing for column in columns]))


def largest(column: Column) -> int:
    """The largest magnitude among integers."""
    there = column.values[~column.missing]
    return max(abs(int(there.min())), abs(int(there.max()))) if len(there) else 0


def as_type(column: Column, kind: str, what: str) -> Column:
    """A column as one of a given type: integers as numbers, and what is all missing as anything.

    Raises
    ------
    EEGArchiveError
        If it is of another type.
    """
    if kind not in TYPES:
        raise EEGArchiveError(f"{what}: there is no type {kind!r}; there are {', '.join(TYPES)}")
    if column.missing.all():
        return nothing(kind, len(column))
    if column.type != kind and (column.type, kind) != ("int", "num"):
        raise EEGArchiveError(f"{what}: is {column.type}, not {kind}")
    if column.type == kind:
        return column
    if largest(column) > EXACT_INTEGERS:
        raise EEGArchiveError(f"{what}: an integer is beyond what a float holds exactly")
    return Column(kind, column.values.astype(DTYPES[kind]), column.missing)


def joined_factors(blocks: Sequence[Block]) -> dict[str, Column]:
    """Levels of all factors of some blocks of one cache; missing where a value has no such factor."""
    found = {}
    for name in dict.fromkeys(name for block in blocks for name in block.factors):
        kind = next(block.factors[name].type for block in blocks if name in block.factors)
        found[name] = joined([block.factors.get(name) or nothing(kind, len(block)) for block in blocks], name)
    return found


def nothing(kind: ValueType, count: int) -> Column:
    """A column in which all is missing."""
    return Column(kind, np.full(count, FILLERS[kind], DTYPES[kind]), np.ones(count, bool))


def _checked(column: Column, what: str) -> Column:
    """A column that someone else made, after a look at what it has."""
    values, missing = column.values, column.missing
    good = column.type in TYPES and values.dtype == DTYPES[column.type] and missing.dtype == np.dtype(bool)
    if not good or values.shape != missing.shape or values.ndim != 1:
        raise EEGArchiveError(
            f"{what}: {values.dtype} of shape {values.shape}, {missing.dtype} of {missing.shape} are no column of "
            f"type {column.type}"
        )
    if column.type == "text":
        there = values[~missing].tolist()
        if odd := set(map(type, there)) - {str}:
            raise EEGArchiveError(f"{what}: a {odd.pop().__name__} among texts")
        for text in set(there):
            check_text(what, text)
    return column


def _of_array(values: npt.NDArray[Any], what: str) -> Column:
    kind = values.dtype.kind
    missing = np.zeros(len(values), bool)
    if kind == "f":
        exact = values.astype(np.float64)
        if values.dtype.itemsize > 8 and not np.array_equal(
            exact.astype(values.dtype), values, equal_nan=True
        ):
            raise EEGArchiveError(f"{what}: {values.dtype} values that float64 can't hold exactly")
        return Column("num", exact, missing)
    if kind in "iu":
        if kind == "u" and len(values) and int(values.max()) > _INTEGERS.max:
            raise EEGArchiveError(f"{what}: {values.max()} is beyond a 64-bit signed integer")
        return Column("int", values.astype(np.int64), missing)
    if kind == "b":
        return Column("bool", values.astype(bool), missing)
    if kind in "UT":
        return _of_objects(values.astype(object), what)
    raise EEGArchiveError(f"{what}: {values.dtype} is none of number, integer, text and boolean")


def _of_objects(values: npt.NDArray[Any], what: str) -> Column:
    there = values.tolist()
    types = set(map(type, there))
    missing = np.zeros(len(values), bool)
    if any(_means_missing(kind) for kind in types):
        missing[:] = [_means_missing(type(value)) for value in there]
        types = {kind for kind in types if not _means_missing(kind)}
        there = values[~missing].tolist()
    kinds = {type_of(kind) for kind in types}
    kind = common_type(kinds, f"{what}: {_odd(there)}" if len(kinds) > 1 or None in kinds else what)
    if kind == "text":
        for text in set(there):
            check_text(what, text)
    elif kind == "int":
        there = list(map(int, there))
        if there and not _INTEGERS.min <= min(there) <= max(there) <= _INTEGERS.max:
            raise EEGArchiveError(f"{what}: {shown(max(there, key=abs))} is beyond a 64-bit signed integer")
    elif kind == "num" and types != {float}:
        for value in there:
            if isinstance(value, int | np.integer):
                if abs(int(value)) > EXACT_INTEGERS:
                    raise EEGArchiveError(
                        f"{what}: {shown(value)}, among floats, is beyond what a float holds exactly"
                    )
            elif float(value) != value and value == value:
                raise EEGArchiveError(f"{what}: {value} is a number that float64 can't hold exactly")
    out = np.full(len(values), FILLERS[kind], DTYPES[kind])
    out[~missing] = list(map(str.__str__, there)) if kind == "text" else there
    return Column(kind, out, missing)


def _of_pandas(values: Any, what: str) -> Column:
    """A series: what it says is missing is, but NaN among numbers, which is a number."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return column_of(values.to_numpy(), what)
    missing = np.asarray(values.isna(), bool)
    if isinstance(dtype, np.dtype):
        plain = values.to_numpy(copy=True)
        if {type_of(type(value)) for value in plain[~missing].tolist()} & {"text", "bool"}:
            plain[missing] = None  # pandas has NaN for texts that are missing
        return _of_objects(plain, what)
    kind = getattr(dtype, "kind", "O")
    if kind in "fiub" and hasattr(dtype, "numpy_dtype"):
        filled = values.fillna(False if kind == "b" else 0).to_numpy(dtype=dtype.numpy_dtype)
        found = _of_array(filled, what)
        return Column(found.type, found.values, missing)
    plain = np.array(values.astype(object), object)
    plain[missing] = None
    return _of_objects(plain, what)


def _means_missing(kind: type) -> bool:
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def _odd(values: Sequence[Any]) -> str:
    """What values of several types are, one of each."""
    kinds = {type(value): value for value in values}
    return " and ".join(f"{shown(value)} ({kind.__name__})" for kind, value in list(kinds.items())[:3])


def shown(value: Any) -> str:
    """A value for messages, an integer of any length too."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    return f"{value!r:.40}"


def type_of(kind: type) -> ValueType | None:
    """Type that values of a Python or numpy type have; None if a cache can't hold them."""
    if issubclass(kind, bool | np.bool_):
        return "bool"
    if issubclass(kind, int | np.integer):
        return "int"
    if issubclass(kind, float | np.floating):
        return "num"
    return "text" if issubclass(kind, str) else None


def common_type(kinds: Iterable[ValueType | None], what: str) -> ValueType:
    """The one type that values of several types are kept as; `num` for none.

    Raises
    ------
    EEGArchiveError
        If there is none but with a loss.
    """
    found = set(kinds)
    if found <= {"num", "int"}:
        return "int" if found == {"int"} else "num"
    (only, *others) = found
    if only is None or others:
        raise EEGArchiveError(f"{what}: expected numbers, integers, texts or booleans, all of one type")
    return only
