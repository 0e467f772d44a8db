"""Values, pandas series and tables as JSON that gives each of them back with its type."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas

from eegarchive.errors import EEGArchiveError

#: The only key of an object that stands for a value which JSON has no form for.
_TYPE, _VALUE = "type", "value"


def encode(value: Any, what: str) -> Any:
    """A value as JSON: text, bool, int, float and None as they are, others as `{"type": ..., "value": ...}`.

    Raises
    ------
    EEGArchiveError
        If it is of a type that wouldn't come back exactly; `what` says which value it is.
    """
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, pandas.Series):
        return {_TYPE: "series", _VALUE: encode_series(value, what)}
    if isinstance(value, pandas.Timestamp | pandas.Timedelta):
        series = pandas.Series([value]).astype(_dtype_of(value))
        return {_TYPE: type(value).__name__, _VALUE: encode_series(series, what)}
    if value is pandas.NaT or value is pandas.NA:
        return {_TYPE: "NaT" if value is pandas.NaT else "NA", _VALUE: None}
    if isinstance(value, np.generic | np.ndarray):
        return {
            _TYPE: "numpy",
            _VALUE: _encode_array(np.asarray(value), what),
            "shape": list(np.shape(value)),
        }
    if isinstance(value, str):  # one of another type that is equal to it
        return str(value)
    if type(value) in (datetime.datetime, datetime.date):
        return {_TYPE: type(value).__name__, _VALUE: value.isoformat()}
    if isinstance(value, list):
        return [encode(one, what) for one in value]
    if isinstance(value, tuple):
        return {_TYPE: "tuple", _VALUE: [encode(one, what) for one in value]}
    if isinstance(value, dict):
        pairs = [[encode(key, what), encode(one, what)] for key, one in value.items()]
        return {_TYPE: "dict", _VALUE: pairs}
    raise EEGArchiveError(f"{what}: {type(value).__name__} {str(value)[:40]!r} can't be kept exactly")


def decode(given: Any) -> Any:
    """What :func:`encode` was given."""
    if isinstance(given, list):
        return [decode(one) for one in given]
    if not isinstance(given, dict):
        return given
    kind, value = given[_TYPE], given[_VALUE]
    if kind == "dict":
        return {decode(key): decode(one) for key, one in value}
    if kind == "tuple":
        return tuple(decode(one) for one in value)
    if kind == "numpy":
        found = _decode_array(value).reshape(given["shape"])
        return found if given["shape"] else found[()]
    if kind in ("Timestamp", "Timedelta"):
        return decode_series(value).iloc[0]
    if kind in ("NaT", "NA"):
        return getattr(pandas, kind)
    if kind in ("datetime", "date"):
        return getattr(datetime, kind).fromisoformat(value)
    return decode_series(value)


def _dtype_of(value: Any) -> Any:
    if isinstance(value, pandas.Timedelta):
        return np.dtype(f"m8[{value.unit}]")
    return pandas.DatetimeTZDtype(value.unit, value.tz) if value.tz else np.dtype(f"M8[{value.unit}]")


def _encode_array(array: Any, what: str) -> dict[str, Any]:
    kind = array.dtype.kind
    flat = np.ascontiguousarray(array).reshape(-1)
    if kind in "mM":
        values = flat.view(np.int64).tolist()
    elif kind in "biufU":
        values = flat.astype(np.float64 if kind == "f" else array.dtype).tolist()
    elif kind == "O":
        values = [encode(one, what) for one in flat.tolist()]
    else:
        raise EEGArchiveError(f"{what}: values of type {array.dtype} can't be kept exactly")
    return {"dtype": array.dtype.str if kind != "O" else "object", "values": values}


def _decode_array(given: dict[str, Any]) -> Any:
    dtype = np.dtype(given["dtype"])
    if dtype.kind in "mM":
        return np.array(given["values"], np.int64).view(dtype)
    if dtype.kind == "O":
        return _objects(decode(given["values"]))
    return np.array(given["values"], dtype)


def _objects(values: list[Any]) -> Any:
    found = np.empty(len(values), object)
    for i, value in enumerate(values):
        found[i] = value
    return found


# -- pandas -------------------------------------------------------------------------------------


def encode_series(series: Any, what: str) -> dict[str, Any]:
    """A series: its values with their type, its index and its name."""
    return {
        **_encode_values(series, what),
        "index": _encode_index(series.index, what),
        "name": encode(series.name, what),
    }


def decode_series(given: dict[str, Any]) -> Any:
    """What :func:`encode_series` was given."""
    index = _decode_index(given["index"])
    return pandas.Series(_decode_values(given), index=index, name=decode(given["name"]))


def _encode_values(values: Any, what: str) -> dict[str, Any]:
    dtype = values.dtype
    array = values.array
    if isinstance(dtype, pandas.CategoricalDtype):
        return {
            "pandas": "category",
            "categories": _encode_values(dtype.categories, what),
            "ordered": bool(dtype.ordered),
            "codes": array.codes.tolist(),
        }
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return {
            "pandas": "datetimetz",
            "unit": dtype.unit,
            "zone": str(dtype.tz),
            "values": array.asi8.tolist(),
        }
    if isinstance(dtype, np.dtype):
        return _encode_array(values.to_numpy(), what)
    is_missing = np.asarray(values.isna())
    plain = [None if gone else one for one, gone in zip(array.tolist(), is_missing, strict=True)]
    return {"pandas": "array", "type": str(dtype), "values": [encode(one, what) for one in plain]}


def _decode_values(given: dict[str, Any]) -> Any:
    kind = given.get("pandas")
    if kind is None:
        return _decode_array(given)
    if kind == "category":
        categories = pandas.Index(_decode_values(given["categories"]))
        return pandas.Categorical.from_codes(given["codes"], categories, ordered=given["ordered"])
    if kind == "datetimetz":
        naive = np.array(given["values"], np.int64).view(f"M8[{given['unit']}]")
        return pandas.DatetimeIndex(naive).tz_localize("UTC").tz_convert(given["zone"]).array
    return pandas.array(decode(given["values"]), dtype=given["type"])


def _encode_index(index: Any, what: str) -> dict[str, Any]:
    if isinstance(index, pandas.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": encode(index.name, what)}
    if isinstance(index, pandas.MultiIndex):
        raise EEGArchiveError(f"{what}: a table with an index of several levels can't be kept; reset it")
    return {**_encode_values(index, what), "name": encode(index.name, what)}


def _decode_index(given: dict[str, Any]) -> Any:
    if "range" in given:
        start, stop, step = given["range"]
        return pandas.RangeIndex(start, stop, step, name=decode(given["name"]))
    values = _decode_values(given)
    return pandas.Index(values, dtype=getattr(values, "dtype", None), name=decode(given["name"]))


def encode_frame(frame: Any, what: str) -> dict[str, Any]:
    """A table: its columns with their types, and its index."""
    return {
        "columns": [
            [encode(name, what), _encode_values(frame[name], f"{what}: column {name!r}")]
            for name in frame.columns
        ],
        "index": _encode_index(frame.index, what),
    }


def decode_frame(given: dict[str, Any]) -> Any:
    """What :func:`encode_frame` was given."""
    index = _decode_index(given["index"])
    columns = {decode(name): _decode_values(values) for name, values in given["columns"]}
    return pandas.DataFrame(columns, index=index)
