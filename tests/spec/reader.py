"""A second reader, written from the pages of spec/ alone: h5py, hashlib, struct and numpy, nothing of eegarchive.

It trusts the file; what a careful reader refuses is the business of the tests that break files.
"""

from __future__ import annotations

import hashlib
import re
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
    plain = re.compile("[A-Za-z0-9_]+")
    named = [name if plain.fullmatch(name) else f"hex:{hexed(name)}" for name in rows.dtype.names]
    columns = [f"column {name} {type_name(rows.dtype[i])}" for i, name in enumerate(named)]
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


#: Label, source and extent of a signal (H-8).
Source = tuple[str, str, str]


def value_of(row: Any, kind: str) -> Any:
    """H-5: a scalar, or an element of a vector; None if it is missing."""
    return None if row["missing"] else plain(row["value"], kind)


def plain(value: Any, kind: str) -> Any:
    return {"num": float, "int": int, "text": bytes.decode, "bool": bool}[kind](value)


class Entry:
    """One entry of a cache (H-1)."""

    def __init__(self, row: Any, kind: str, value: Any, origins: list[dict[str, str]]) -> None:
        self.variable = row["variable"].decode()
        names = row["factors"].decode().split(",") if row["factors"] else []
        types = {"f": "num", "i": "int", "S": "text", "u": "bool"}
        self.strata = {name: plain(row[name], types[row.dtype[name].kind]) for name in names}
        self.kind, self.value = kind, value
        self.origin = origins[row["origin"]]

    @property
    def key(self) -> Any:
        """H-6."""
        return self.variable, frozenset(self.strata.items())


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
        length = "x".join(map(str, dataset.shape))
        return sha256_of_lines(signal_lines(dataset.dtype, length, stated, own))

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
        if path in ("/cache", "/windows"):
            for name in sorted(found, key=str.encode):
                lines.append(f"{path[1:]} {hexed(name)} {attributes_of(found[name])['contents_digest']}")
            return lines
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

    def cache_lines(self, cache: Any) -> list[str]:
        """D-6."""
        lines = ["eegarchive contents 1", *attribute_lines(attributes_of(cache), "contents_digest")]
        for name in sorted(cache, key=str.encode):
            lines += self.lines_of(f"/{name}", cache[name])
        return lines

    # -- caches ---------------------------------------------------------------------------------------------

    def entries(self, cache: Any) -> list[Entry]:
        """H-2 to H-5, H-7: all entries of a cache."""
        origins = [{name: row[name].decode() for name in row.dtype.names} for row in cache["origins"][()]]
        found = []
        for kind in ("num", "int", "text", "bool"):
            if kind in cache:
                for row in cache[kind][()]:
                    found.append(Entry(row, kind, value_of(row, kind), origins))
            if f"{kind}_vectors" in cache:
                elements = [value_of(row, kind) for row in cache[f"{kind}_elements"][()]]
                for row in cache[f"{kind}_vectors"][()]:
                    found.append(Entry(row, kind, elements[row["start"] : row["stop"]], origins))
        return found

    def sources(self, prefix: str) -> dict[str, Source]:
        """H-8: what the signals of a state are made of."""
        found = {}
        for name, parts in self.pieces(prefix).items():
            own = self.attributes(prefix, name)
            values = attribute_lines(
                {key: own[key] for key in ("add_offset", "sampling_rate", "scale_factor")}
            )
            data = [f"data {stored}" for stored in sorted({stored for stored, _, _ in parts})]
            pieces = [f"piece {stored} {a} {b}" for stored, a, b in parts]
            found[name] = (
                str(own["label"]),
                sha256_of_lines(["eegarchive source 1", *values, *data]),
                sha256_of_lines(["eegarchive extent 1", *values, *pieces]),
            )
        return found

    def stated_sources(self, cache: Any) -> dict[str, dict[str, Source]]:
        """H-8, by the state's digest."""
        found: dict[str, dict[str, Source]] = {}
        for row in cache["sources"][()]:
            state, name, *rest = (raw.decode() for raw in row.tolist())
            found.setdefault(state, {})[name] = (rest[0], rest[1], rest[2])
        return found

    def holds(self, entry: Entry, then: dict[str, Source], state: str, now: dict[str, Source]) -> bool:
        """H-9."""
        if entry.origin["state"] == state:
            return True
        if entry.origin["basis"] == "state":
            return False
        own: list[str] = []
        level = entry.strata.get("CH")
        if isinstance(level, str):
            labelled = [name for name, (label, _, _) in then.items() if label.strip() == level.strip()]
            own = [level] if level in then else labelled if len(labelled) == 1 else []
        which = 1 if entry.origin["basis"] == "clock" else 2
        if which == 2 and not own:
            own = list(then)
        return all(name in now and now[name][which] == then[name][which] for name in own)

    def answers(self, prefix: str, name: str) -> list[tuple[Entry, list[Entry]]]:
        """H-10: an entry of each key of a cache, and those that are the key's value: one; none if all are stale."""
        state, now = str(attributes_of(self.h5[prefix])["digest"]), self.sources(prefix)
        found: dict[Any, list[Entry]] = {}
        sources: dict[str, dict[str, Source]] = {}
        for place in dict.fromkeys(["/", prefix]):
            cache = self.h5[place].get("cache", {}).get(name)
            if cache is not None:
                for entry in self.entries(cache):
                    if place == prefix or entry.origin["state"] == state:
                        found.setdefault(entry.key, []).append(entry)
                sources = {**sources, **self.stated_sources(cache)}
        answers = []
        for entries in found.values():
            own = [entry for entry in entries if entry.origin["state"] == state][:1]
            holding = [
                entry
                for entry in entries
                if self.holds(entry, sources.get(entry.origin["state"], {}), state, now)
            ]
            answers.append((entries[0], own or holding))
        return answers

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
