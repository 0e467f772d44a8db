"""Looks for texts in a file, in whatever form: in its bytes, and in everything that any HDF5 reader gets out of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file's bytes; each link's name, each attribute, the decoded values of each dataset."""
    yield "the file", path.read_bytes()
    with h5py.File(path, "r") as h5:
        yield from _object("/", h5)


def _object(where: str, found: h5py.Group | h5py.Dataset) -> Iterator[tuple[str, bytes]]:
    for name, value in found.attrs.items():
        yield f"{where}@{name}", name.encode() + b" " + _bytes(value)
    if isinstance(found, h5py.Dataset):
        values = found[()]
        yield where, np.asarray(values).tobytes()
        if values.dtype.names:  # without the padding between columns, too
            for column in values.dtype.names:
                yield f"{where}[{column}]", b"\n".join(_bytes(value) for value in values[column].tolist())
        return
    for name in found:
        yield f"{where}{name}", name.encode()
        yield from _object(f"{where}{name}/", found[name])


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def forms(text: str) -> dict[str, bytes]:
    """A text as it may stand in bytes, in lower case."""
    utf8 = text.encode()
    found = {
        "UTF-8": utf8,
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "hex": utf8.hex().encode(),
        "JSON": json.dumps(text)[1:-1].encode(),
        "underscores": text.replace(" ", "_").encode(),
        "Latin-1": text.encode("latin-1", "ignore"),
        # the middle of what stands for it in base64, wherever it begins in three bytes
        **{
            f"base64 {shift}": base64.b64encode(b"\0" * shift + utf8)[4 if shift else 0 : -4]
            for shift in range(3)
        },
    }
    return {name: form.lower() for name, form in found.items() if len(form) >= 3}


def leaks(path: Path, texts: Iterable[str]) -> list[str]:
    """Where one of some texts is found, upper and lower case being equal."""
    places = [(where, raw.lower()) for where, raw in contents(path)]
    return [
        f"{text!r} as {form} in {where}"
        for text in dict.fromkeys(texts)
        for form, raw in forms(text).items()
        for where, held in places
        if raw in held
    ]
