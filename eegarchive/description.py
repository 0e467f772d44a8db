"""What is said of a recording as a whole: subject, session, task, age and so on, as typed fields of the root.

Text, integers and floats are attributes of HDF5 as they are. Whatever else there is stands as one of them, with a
second attribute that says what it is (spec R-7), so that any reader shows it and ours gives it back exactly.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.layout import DESCRIPTION_PREFIX, LEVELS_PREFIX, MAX_NAME_BYTES, TYPE_PREFIX
from eegarchive.storage.objects import AttributeValue, check_text

#: A field of a description; a category is a text.
Value = str | int | float | bool | datetime.datetime | datetime.date | None
_INT64 = range(-(2**63), 2**63)


class Category(str):
    """A text that is one of several levels; it is equal to its text.

    Parameters
    ----------
    value : str
    levels : iterable of str
        All that it could be, in their order.
    ordered : bool
        Whether the order means something.

    Examples
    --------
    >>> eegarchive.Category("F", ["F", "M"])
    Category('F', ('F', 'M'))
    """

    __slots__ = ("levels", "ordered")
    levels: tuple[str, ...]
    ordered: bool

    def __new__(cls, value: str, levels: Iterable[str], ordered: bool = False) -> Category:
        """Make one, of a text that is among the levels."""
        found = super().__new__(cls, value)
        found.levels, found.ordered = tuple(map(str, levels)), bool(ordered)
        if str(value) not in found.levels or len(set(found.levels)) < len(found.levels):
            listed = ", ".join(found.levels) or "none"
            raise EEGArchiveError(f"{str(value)!r} isn't one of the levels {listed}, each of them once")
        return found

    def __getnewargs__(self) -> tuple[str, tuple[str, ...], bool]:  # type: ignore[override]
        return str(self), self.levels, self.ordered

    def __repr__(self) -> str:
        return f"Category({str(self)!r}, {self.levels}{', ordered=True' if self.ordered else ''})"


class Unstated(str):
    """A text whose type nobody has stated: it gets that of the field in whose place it comes."""

    __slots__ = ()


def encode(fields: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The root's attributes for some fields.

    Raises
    ------
    EEGArchiveError
        If a name isn't allowed, or a value is of no type that comes back exactly.
    """
    found: dict[str, AttributeValue] = {}
    for name, value in fields.items():
        check_field_name(name)
        stored, kind = _stored(name, plain(name, value))
        found[DESCRIPTION_PREFIX + name] = stored
        if kind:
            found[TYPE_PREFIX + name] = kind
        if isinstance(value, Category):
            levels = json.dumps(value.levels, ensure_ascii=False)
            check_text(f"the levels of {name}", levels)
            found[LEVELS_PREFIX + name] = levels
    return found


def attributes_of(name: str) -> tuple[str, str, str]:
    """Names of all attributes that a field may have."""
    return DESCRIPTION_PREFIX + name, TYPE_PREFIX + name, LEVELS_PREFIX + name


def decode(root: Mapping[str, AttributeValue]) -> dict[str, Value]:
    """The fields that a root's attributes state, in name order.

    Raises
    ------
    InvalidArchive
        If a value isn't what its type says.
    """
    cut = len(DESCRIPTION_PREFIX)
    return {key[cut:]: _value(key[cut:], root) for key in sorted(root) if key.startswith(DESCRIPTION_PREFIX)}


def is_field(attribute: str) -> bool:
    """Whether an attribute of the root is part of a description."""
    return attribute.startswith((DESCRIPTION_PREFIX, TYPE_PREFIX, LEVELS_PREFIX))


def is_field_name(name: object) -> bool:
    """Whether a field may have this name (spec R-4)."""
    return isinstance(name, str) and name.isascii() and name.isidentifier()


def check_field_name(name: object) -> None:
    """Refuse what isn't a name."""
    if not is_field_name(name):
        raise EEGArchiveError(f"the field {name!r}: a name has letters, digits and _ only, no digit first")
    assert isinstance(name, str)
    if len(name) > MAX_NAME_BYTES:
        raise EEGArchiveError(f"the field {name[:40]!r}...: a name has {MAX_NAME_BYTES} characters at most")


def plain(name: str, value: Any) -> Value:
    """A value of Python's for one of NumPy's or pandas'.

    Raises
    ------
    EEGArchiveError
        If there is none that is equal to it.
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        unit = np.datetime_data(value.dtype)[0]
        year = int(value.astype("M8[Y]").astype(np.int64)) + 1970
        if not datetime.MINYEAR <= year <= datetime.MAXYEAR:
            raise EEGArchiveError(
                f"{name}: {value} isn't in the years {datetime.MINYEAR} to {datetime.MAXYEAR}"
            )
        precise = value.astype("M8[us]")
        if precise.astype(value.dtype) != value:
            raise EEGArchiveError(
                f"{name}: {value} is finer than microseconds, which are the finest that is kept"
            )
        value = precise.astype("M8[D]" if unit in ("Y", "M", "W", "D") else "M8[us]").item()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Unstated):
        return str(value)
    if isinstance(value, str | bool | float | int | datetime.date):
        return value
    raise EEGArchiveError(
        f"{name}: {type(value).__name__} can't be kept; text, numbers, booleans, dates, a Category and None can"
    )


def _stored(name: str, value: Value) -> tuple[AttributeValue, str]:
    """What stands in the file, and what it is if that doesn't say it."""
    if value is None:
        return "", "none"
    if isinstance(value, bool):
        return int(value), "bool"
    if isinstance(value, datetime.datetime):
        if getattr(value, "nanosecond", 0):
            raise EEGArchiveError(
                f"{name}: {value} is finer than microseconds, which are the finest that is kept"
            )
        return value.isoformat(), "datetime"
    if isinstance(value, datetime.date):
        return value.isoformat(), "date"
    if isinstance(value, str):
        check_text(name, value)
        kind = ("ordered" if value.ordered else "category") if isinstance(value, Category) else ""
        return str(value), kind
    if isinstance(value, int) and value not in _INT64:
        raise EEGArchiveError(f"{name}: {value} is beyond 64-bit integers")
    return value, ""


def _value(name: str, root: Mapping[str, AttributeValue]) -> Value:
    value, kind, levels = (root.get(attribute) for attribute in attributes_of(name))
    try:
        if kind == "none" and value == "":
            return None
        if kind == "bool" and value in (0, 1) and isinstance(value, int):
            return bool(value)
        if kind == "datetime" and isinstance(value, str):
            return datetime.datetime.fromisoformat(value)
        if kind == "date" and isinstance(value, str):
            return datetime.date.fromisoformat(value)
        if kind in ("category", "ordered") and isinstance(value, str):
            listed = json.loads(str(levels))
            if isinstance(listed, list) and all(isinstance(level, str) for level in listed):
                return Category(value, listed, kind == "ordered")
    except (ValueError, RecursionError, EEGArchiveError):
        pass
    else:
        if kind not in TYPES:
            return value  # none is stated, or one of a later version
    raise InvalidArchive(
        f"/: the attribute {DESCRIPTION_PREFIX}{name} isn't {kind}, as {TYPE_PREFIX}{name} says"
    )


#: What the second attribute may say.
TYPES = ("none", "bool", "datetime", "date", "category", "ordered")


# -- values as text ---------------------------------------------------------------------------------


def parse(name: str, text: str, kind: str) -> Value:
    """A value from text, as a type of :data:`PARSED`.

    Raises
    ------
    EEGArchiveError
        If the text isn't such a value.
    """
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if (kind == "none" and text) or (kind in ("int", "num") and "_" in text):
            raise ValueError
        found: Value = _PARSERS[kind](text)
        if isinstance(found, float) and math.isinf(found) and "inf" not in text.lower():
            raise ValueError  # it is beyond what a float holds
        return found
    except (ValueError, KeyError):
        raise EEGArchiveError(
            f"{name}={text}: isn't {_ARTICLES[kind]}; {name}:text={text} takes it as text"
        ) from None


_PARSERS: dict[str, Any] = {
    "text": str,
    "int": int,
    "num": float,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "none": lambda _: None,
}
_ARTICLES = {
    "int": "a whole number",
    "num": "a number",
    "bool": "true or false",
    "datetime": "a moment in ISO 8601",
    "date": "a date in ISO 8601",
    "none": "empty",
}
#: Types that text may be said to be.
PARSED = ("text", "int", "num", "bool", "datetime", "date", "none")


def resolve(given: Mapping[str, Any], present: Mapping[str, Value]) -> dict[str, Value]:
    """Fields that are given, those of unstated type in the type of the field that is there.

    Raises
    ------
    EEGArchiveError
        If a text isn't of that type.
    """
    found: dict[str, Value] = {}
    for name, value in given.items():
        if isinstance(value, Unstated):
            old = present.get(name)
            if isinstance(old, Category):
                value = Category(str(value), old.levels, old.ordered)
            else:
                value = parse(name, str(value), "text" if old is None else type_name(old))
        found[name] = value
    return found


def type_name(value: Value) -> str:
    """What a value is, in a word."""
    if value is None:
        return "none"
    kinds = (Category, str, bool, int, float, datetime.datetime, datetime.date)
    words = ("category", "text", "bool", "int", "num", "datetime", "date")
    return next(word for kind, word in zip(kinds, words, strict=True) if isinstance(value, kind))


def as_text(value: Value) -> str:
    """A value for people; a missing one is n/a."""
    if value is None:
        return "n/a"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_json(value: Value) -> str | int | float | bool | None:
    """A value as JSON has it: dates are texts in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime.date) else value
