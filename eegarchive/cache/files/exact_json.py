"""Values as JSON, exactly.

The text is an object: `schema`, `cache` (the cache's name), `factors` (name to type of levels), and `values`, an object
in a line for each: `variable`, `type`, `strata` (factor to level), and `value`, which is an array for a vector.
Missing is null. NaN and the infinities of type num are the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eegarchive.cache.columns import TYPES, Block, Column, ValueType
from eegarchive.cache.files.exact import (
    KINDS,
    blocks_of_rows,
    decoded,
    decoded_vectors,
    encoded,
    encoded_values,
    slices,
    unified,
)
from eegarchive.cache.files.faults import Fault, place
from eegarchive.cache.files.tables import Values, ask
from eegarchive.scoring.text import shown
from eegarchive.storage.guard import printable

SCHEMA = "eegarchive.cache/1"
_NAMES = {"variable", "type", "strata", "value"}


def parts(blocks: Sequence[Block], name: str) -> Iterator[str]:
    """The text, in parts."""
    types, blocks = unified(blocks)
    head = {"schema": SCHEMA, "cache": name, "factors": types}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "values": ['
    separator = "\n"
    for block in slices(blocks):
        yield separator + ",\n".join(_lines(block))
        separator = ",\n"
    yield "\n]}\n"


def _lines(block: Block) -> list[str]:
    """One line for each value."""
    named = Column("text", block.variables, np.zeros(len(block), bool))
    levels = [_strata(factor, column) for factor, column in block.factors.items()]
    strata = (", ".join(filter(None, row)) for row in zip(*levels, strict=True))
    rows = zip(
        encoded(named),
        strata if levels else itertools.repeat("", len(block)),
        encoded_values(block),
        strict=True,
    )
    kind = block.values.type
    return [
        f'{{"variable": {variable}, "type": "{kind}", "strata": {{{keys}}}, "value": {value}}}'
        for variable, keys, value in rows
    ]


def _strata(factor: str, column: Column) -> list[str]:
    start = json.dumps(factor, ensure_ascii=False) + ": "
    found = [start + level for level in encoded(column)]
    for i in np.flatnonzero(column.missing).tolist():
        found[i] = ""
    return found


def read(path: Path, factors: Sequence[str], variables: Sequence[str] | None, prefix: str) -> list[Block]:
    """Values of such a text.

    Raises
    ------
    EEGArchiveError
        That names the line, or counts the values, up to what can't be understood.
    """
    with place(path, lambda line: f"line {line}"):
        document = _loaded(path)
        types = _types(document)
        for asked in ask(factors, list(types), "factor"):
            if asked.type not in (None, types[asked.name]):
                raise Fault(f"the levels of {asked.name} are {types[asked.name]}, not {asked.type}")
    with place(path, _name):
        return _blocks(document["values"], types, variables, prefix)


def _name(row: int) -> str:
    return f"value {row + 1}"


def _loaded(path: Path) -> Any:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Fault(f"isn't JSON: {printable(error.msg)}", error.lineno) from None
    except UnicodeDecodeError:
        raise Fault("isn't text in UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; arrays in arrays
        raise Fault(f"isn't such JSON as a cache is written to: {printable(str(error))}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Fault(f"an object has the name {shown(twice)} twice")
    return found


def _refuse_constant(text: str) -> None:
    raise Fault(f'{text} isn\'t JSON; it is written as the text "{text}"')


def _types(document: Any) -> dict[str, ValueType]:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise Fault(f"isn't a cache in JSON: expected an object with the schema '{SCHEMA}'")
    types = document.get("factors")
    if not isinstance(types, dict) or not all(kind in TYPES for kind in types.values()):
        raise Fault(f"factors: expected an object with one of {', '.join(TYPES)} for each factor")
    if not isinstance(document.get("values"), list):
        raise Fault("values: expected an array")
    return types


def _blocks(
    found: list[Any], types: Mapping[str, ValueType], wanted: Sequence[str] | None, prefix: str
) -> list[Block]:
    for row, value in enumerate(found):
        if not isinstance(value, dict) or value.keys() != _NAMES:
            raise Fault(f"expected an object with {', '.join(sorted(_NAMES))}", row)
        strata = value["strata"]
        if not isinstance(strata, dict) or not strata.keys() <= types.keys() or None in strata.values():
            raise Fault(f"strata: expected levels of {', '.join(types) or 'no factor'}", row)
        if value["type"] not in TYPES:
            raise Fault(f"the type {shown(str(value['type']))}; expected one of {', '.join(TYPES)}", row)
    variables = decoded([value["variable"] for value in found], "text", "the variable")
    if variables.missing.any():
        raise Fault("the variable is null; expected a text", int(variables.missing.argmax()))
    levels = {
        factor: decoded([value["strata"].get(factor) for value in found], kind, f"the level of {factor}")
        for factor, kind in types.items()
    }
    kinds = [value["type"] + "_vector" * isinstance(value["value"], list) for value in found]

    def values_of(kind: str, rows: Any) -> Values:
        own = [found[row]["value"] for row in rows.tolist()]
        type_, vectors = KINDS[kind]
        return (
            decoded_vectors(own, type_, "the value") if vectors else Values(decoded(own, type_, "the value"))
        )

    return blocks_of_rows(variables, kinds, levels, values_of, wanted, prefix, _name)
