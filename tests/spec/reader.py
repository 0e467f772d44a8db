"""A second reader, written from the pages of spec/ alone: h5py, hashlib, struct and numpy, nothing of eegarchive.

It trusts the file; what a careful reader refuses is the business of the tests that break files.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Attributes = dict[str, str | int | float]
SEAL_START = b"\neegarchive-seal 1 "
SEAL_BYTES = 84
#: F-1: the members of a state.
STATE = {"signals", "segments", "annotations", "epochs", "pieces"}


def sha256_of_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256(text_of(lines)).hexdigest()


def text_of(lines: Iterable[str]) -> bytes:
    """D-1: ASCII lines, each ended by a line feed."""
    return "".join(line + "\n" for line in lines).encode("ascii")


def hexed(text: str) -> str:
    return text.encode("utf-8").hex()


def attributes_of(obj: Any) -> Attributes:
    """C-7: text, int64 or float64."""
    found: Attributes = {}
    for name, value in obj.attrs.items():
        assert np.ndim(value) == 0, name
        if isinstance(value, bytes):
            found[name] = value.rstrip(b"\0").decode("utf-8")
        elif isinstance(value, np.float64):
            found[name] = float(value)
        else:
            assert isinstance(value, np.int64), (name, type(value))
            found[name] = int(value)
    return found


def attribute_lines(attributes: Attributes, *but: str) -> list[str]:
    """D-2."""
    lines = []
    for name in sorted(set(attributes) - set(but), key=str.encode):
        value = attributes[name]
        if isinstance(value, str):
            lines.append(f"attribute {hexed(name)} s {hexed(value)}")
        elif isinstance(value, int):
            lines.append(f"attribute {hexed(name)} i {struct.pack('<q', value).hex()}")
        else:
            lines.append(f"attribute {hexed(name)} f {struct.pack('<d', value).hex()}")
    return lines


def type_name(dtype: np.dtype[Any]) -> str:
    return f"{dtype.kind}{dtype.itemsize}"


def signal_lines(dtype: np.dtype[Any], length: int, samples_sha256: str, attributes: Attributes) -> list[str]:
    """D-3."""
    return [
        "eegarchive signal 1",
        f"type {type_name(dtype)}",
        f"length {length}",
        f"samples {samples_sha256}",
        *attribute_lines(attributes, "samples_sha256"),
    ]


def table_lines(rows: Any, attributes: Attributes) -> list[str]:
    """D-4."""
    columns = [f"column {name} {type_name(rows.dtype[name])}" for name in rows.dtype.names]
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    return [
        "eegarchive table 1",
        *columns,
        f"rows {len(rows)}",
        f"bytes {digest}",
        *attribute_lines(attributes),
    ]


def seal_of(raw: bytes) -> str:
    """I-2, I-3."""
    total = 0
    for number in range((len(raw) + 65_535) // 65_536):
        block = raw[number * 65_536 : (number + 1) * 65_536]
        total += int.from_bytes(hashlib.sha256(struct.pack("<Q", number) + block).digest(), "big")
    return f"{total % 2**256:064x}"


class Reader:
    """One archive, open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.h5 = h5py.File(path, "r")
        self.root = attributes_of(self.h5)
        assert self.root["format"] == "eegarchive"
        assert str(self.root["format_version"]).split(".")[0] == "1"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.h5.close()

    def tags(self) -> list[str]:
        return sorted(self.h5["freezes"], key=str.encode)

    # -- a state; prefix is "/" or "/freezes/<tag>/" --------------------------------------------------------

    def table(self, path: str) -> tuple[Any, Attributes]:
        return self.h5[path][()], attributes_of(self.h5[path])

    def pieces(self, prefix: str) -> dict[str, list[tuple[str, int, int]]]:
        """P-1, P-3: each signal's pieces, in the order of the signals."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for row in self.table(prefix + "pieces")[0]:
            piece = row["data"].decode(), int(row["start"]), int(row["stop"])
            found.setdefault(row["signal"].decode(), []).append(piece)
        return found

    def samples(self, prefix: str, name: str) -> Any:
        """P-8: by the pieces, never through what renders them."""
        parts = [self.h5["data"][data][a:b] for data, a, b in self.pieces(prefix)[name]]
        return np.concatenate(parts)

    def attributes(self, prefix: str, name: str) -> Attributes:
        return attributes_of(self.h5[prefix + "signals"][name])

    def physical(self, prefix: str, name: str) -> Any:
        """S-3."""
        own = self.attributes(prefix, name)
        return self.samples(prefix, name).astype("<f8") * own["scale_factor"] + own["add_offset"]

    def times(self, prefix: str, name: str) -> Any:
        """T-5: the time of every sample."""
        rate = float(self.attributes(prefix, name)["sampling_rate"])
        segments = self.table(prefix + "segments")[0]
        edges = [round(float(np.sum(segments["duration"][:i])) * rate) for i in range(len(segments) + 1)]
        parts = [
            row["start"] + np.arange(b - a) / rate
            for row, a, b in zip(segments, edges, edges[1:], strict=False)
        ]
        return np.concatenate([np.empty(0), *parts])

    # -- digests --------------------------------------------------------------------------------------------

    def signal_digest(self, dataset: Any) -> str:
        own = attributes_of(dataset)
        stated = str(own.get("samples_sha256", ""))
        return sha256_of_lines(signal_lines(dataset.dtype, dataset.shape[0], stated, own))

    def table_digest(self, path: str) -> str:
        return sha256_of_lines(table_lines(*self.table(path)))

    def state_lines(self, prefix: str) -> list[str]:
        """D-5."""
        lines = ["eegarchive state 1"]
        for name, parts in self.pieces(prefix).items():
            lines.append(f"signal {hexed(name)}")
            lines += attribute_lines(self.attributes(prefix, name), "samples_sha256")
            lines += [f"piece {data} {a} {b}" for data, a, b in parts]
        tables = ("annotations", "epochs", "segments")
        return lines + [f"table {name} {self.table_digest(prefix + name)}" for name in tables]

    def below(self, group: Any, path: str = "") -> Iterable[tuple[str, Any]]:
        for name in sorted(group, key=str.encode):
            yield f"{path}/{name}", group[name]
            if isinstance(group[name], h5py.Group):
                yield from self.below(group[name], f"{path}/{name}")

    def dataset_lines(self, path: str, dataset: Any) -> list[str]:
        """D-6."""
        own = attributes_of(dataset)
        if dataset.is_virtual:
            sources = []
            for source in dataset.virtual_sources():
                there = [source.src_space.get_select_bounds()[i][0] for i in (0, 1)]
                here = [source.vspace.get_select_bounds()[i][0] for i in (0, 1)]
                name = source.dset_name.removeprefix("/data/")
                sources.append((here[0], f"source {name} {there[0]} {there[1] + 1} {here[0]} {here[1] + 1}"))
            return [
                f"virtual {hexed(path)} {type_name(dataset.dtype)} {dataset.shape[0]}",
                *(line for _, line in sorted(sources)),
                *attribute_lines(own),
            ]
        if "sha256" in own:
            return [f"bytes {hexed(path)} {dataset.shape[0]}", *attribute_lines(own)]
        if dataset.dtype.names is not None:
            return [f"table {hexed(path)} {sha256_of_lines(table_lines(dataset[()], own))}"]
        return [f"signal {hexed(path)} {self.signal_digest(dataset)}"]

    def contents_lines(self, freeze: Any) -> list[str]:
        """D-6."""
        lines = ["eegarchive contents 1", *attribute_lines(attributes_of(freeze), "contents_digest")]
        for name in sorted(set(freeze) - STATE, key=str.encode):
            lines += self.lines_of(f"/{name}", freeze[name])
        return lines

    def lines_of(self, path: str, found: Any) -> list[str]:
        """D-6."""
        if isinstance(found, h5py.Dataset):
            return self.dataset_lines(path, found)
        lines = [f"group {hexed(path)}", *attribute_lines(attributes_of(found))]
        for name in sorted(found, key=str.encode):
            lines += self.lines_of(f"{path}/{name}", found[name])
        return lines

    def archive_lines(self) -> list[str]:
        """D-7."""
        lines = ["eegarchive archive 1", *attribute_lines(self.root, "archive_digest")]
        for name in sorted(set(self.h5) - STATE, key=str.encode):
            found = self.h5[name]
            if name != "freezes":
                lines += self.lines_of(f"/{name}", found)
                continue
            lines += [f"group {hexed('/freezes')}", *attribute_lines(attributes_of(found))]
            for tag in self.tags():
                lines.append(f"freeze {hexed(tag)} {attributes_of(found[tag])['contents_digest']}")
        return lines

    # -- the way back ---------------------------------------------------------------------------------------

    def rebuilt(self) -> bytes:
        """E-8."""
        edf = self.h5["edf"]
        own = attributes_of(edf)
        records, width = int(own["num_records"]), int(own["sample_bytes"])
        columns = []
        for row in edf["channels"][()]:
            name, count = row["name"].decode(), int(row["samples_per_record"])
            if row["is_annotation"]:
                raw = edf["annotations"][name][()]
            else:
                samples = self.samples("/freezes/source/", name)
                raw = samples.view("u1").reshape(len(samples), samples.itemsize)[:, :width]
            columns.append(np.ascontiguousarray(raw).reshape(records, count * width))
        data = np.concatenate(columns, axis=1).tobytes() if columns else b""
        return edf["header"][()].tobytes() + data + edf["tail"][()].tobytes()

    def sealed(self) -> tuple[bytes, str]:
        """I-1: what the seal covers, and the seal the file carries."""
        raw = self.path.read_bytes()
        line = raw[-SEAL_BYTES:]
        assert line.startswith(SEAL_START)
        assert line.endswith(b"\n")
        return raw[:-SEAL_BYTES], line[len(SEAL_START) : -1].decode("ascii")
