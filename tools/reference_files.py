"""Make the reference files of spec/reference: small archives, whole and broken, and what a reader must answer.

Run `python tools/reference_files.py` after the format has changed. Each `NAME.h5` gets a `NAME.json`. The
broken ones are made from whole ones by raw HDF5 edits, so that no writer of ours stands between.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np

import eegarchive
from eegarchive import digest, layout
from eegarchive.archive import CachedState
from eegarchive.cache import Cache
from eegarchive.storage import objects, seal
from eegarchive.storage.objects import AttributeValue, read_attributes
from eegarchive.storage.samples import Piece

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = ROOT / "tests" / "data"
FOLDER = ROOT / "spec" / "reference" / layout.FORMAT_VERSION
PAGE = ROOT / "spec" / "digests.md"
SCHEMA = "eegarchive.reference/1"
#: The moment all files say they were made at.
EPOCH = "1700000000"
WHOLE = (
    "edfplusc_duplicate_labels.edf",
    "edf_trailing_byte_bad_date.edf",
    "edfplusc_hypnogram_annotations_only.edf",
    "bdf_ecg_noninteger_rate.bdf",
)
#: What broken files are made of, and the signal of it that has a chunk of its own.
BASE = "edf_trailing_byte_bad_date"
BASE_SIGNAL = "3Hz +5%2F-5 V"
SMALL_BASE = "edfplusc_hypnogram_annotations_only"
#: The archive with caches.
CACHED = "cache_values"
#: The archive with a set of windows.
PREPARED = "windows_prepared"
#: A detached freeze, whose base is the archive that broken files are made of.
DETACHED = "detached_middle"
_SHOWN_SAMPLES = 5
_SHOWN_ROWS = 5


# -- raw edits ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def edited(path: Path, redigest: bool = True, reseal: bool = True) -> Iterator[h5py.File]:
    """Open an archive for raw edits; then bring its outer digests and its seal up to date, if asked."""
    with open(path, "rb") as file:
        sealed = seal.find(file.fileno())
    if sealed is not None:
        os.truncate(path, sealed[0])
    with h5py.File(path, "r+", libver=layout.LIBVER, locking=False) as h5:
        yield h5
        if redigest:
            freezes = [h5[layout.FREEZES][tag] for tag in h5[layout.FREEZES]]
            for above in (h5, *freezes):
                for part in (*above.get(layout.CACHE, {}).values(), *above.get(layout.WINDOWS, {}).values()):
                    objects.write_attribute(part, layout.CONTENTS_DIGEST, digest.part_digest(part))
            for freeze in freezes:
                objects.write_attribute(freeze, layout.CONTENTS_DIGEST, digest.contents_digest(freeze))
            objects.write_attribute(h5, layout.ARCHIVE_DIGEST, digest.archive_digest(h5))
    if reseal:
        seal.append(path)


def replace_table(
    h5: h5py.File, path: str, rows: Any, attributes: Mapping[str, AttributeValue] | None = None
) -> None:
    """Put other rows in place of a table; attributes stay as they were if none are given."""
    parent, _, name = path.rpartition("/")
    group = h5[parent] if parent else h5
    kept = read_attributes(group[name]) if attributes is None else attributes
    del group[name]
    objects.link(objects.write_table(h5, rows, kept), group, name)


def write_signals(h5: h5py.File, parts: Mapping[str, Sequence[Piece]]) -> None:
    """Make the working state's signals of these pieces: the pieces table, links and virtual datasets."""
    described = [(name, piece) for name, pieces in parts.items() for piece in pieces]
    rows = objects.make_rows(
        layout.STATE_TABLES[layout.PIECES],
        {
            "signal": [name for name, _ in described],
            "data": [piece.data for _, piece in described],
            "start": [piece.start for _, piece in described],
            "stop": [piece.stop for _, piece in described],
        },
    )
    replace_table(h5, layout.PIECES, rows)
    for name, pieces in parts.items():
        stored = h5[layout.DATA][pieces[0].data]
        attributes = read_attributes(h5[layout.SIGNALS].get(name, stored))
        if name in h5[layout.SIGNALS]:
            del h5[layout.SIGNALS][name]
        if len(pieces) == 1 and len(pieces[0]) == len(stored):
            objects.link(stored, h5[layout.SIGNALS], name)
        else:
            attributes.pop(layout.SAMPLES_DIGEST, None)
            objects.link(virtual_dataset(h5, pieces, attributes), h5[layout.SIGNALS], name)


def virtual_dataset(
    h5: h5py.File,
    pieces: Sequence[Piece],
    attributes: Mapping[str, AttributeValue],
    *,
    source_file: str = ".",
    fill: Any = None,
) -> h5py.Dataset:
    """Create a virtual dataset over /data that no group holds yet."""
    dtype = h5[layout.DATA][pieces[0].data].dtype
    length = sum(map(len, pieces))
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    creation.set_attr_phase_change(512, 0)
    lowest = np.iinfo(dtype).min if dtype.kind == "i" else np.nan
    creation.set_fill_value(np.asarray(lowest if fill is None else fill, dtype))
    at = 0
    for piece in pieces:
        source = f"/{layout.DATA}/{piece.data}"
        there = h5py.h5s.create_simple((len(h5[source]),))
        there.select_hyperslab((piece.start,), (len(piece),))
        here = h5py.h5s.create_simple((length,))
        here.select_hyperslab((at,), (len(piece),))
        creation.set_virtual(here, source_file.encode(), source.encode(), there)
        at += len(piece)
    made = h5py.h5d.create(
        h5.id,
        None,
        h5py.h5t.py_create(dtype, logical=True),
        h5py.h5s.create_simple((length,)),
        dcpl=creation,
    )
    dataset = h5py.Dataset(made)
    objects.write_attributes(dataset, attributes)
    return dataset


def _state_digest(h5: h5py.File) -> str:
    """Digest of the working state as it stands in the file."""
    signals: list[tuple[str, dict[str, AttributeValue], list[Piece]]] = []
    for row in h5[layout.PIECES][()]:
        name = row["signal"].decode()
        piece = Piece(row["data"].decode(), int(row["start"]), int(row["stop"]))
        if not signals or signals[-1][0] != name:
            signals.append((name, read_attributes(h5[layout.SIGNALS][name]), [piece]))
        else:
            signals[-1][2].append(piece)
    tables = {
        name: digest.table_digest(h5[name][()], read_attributes(h5[name]))
        for name in (layout.SEGMENTS, layout.ANNOTATIONS, layout.EPOCHS)
    }
    return digest.state_digest(signals, tables)


def record_state(h5: h5py.File, operation: str = "by hand") -> None:
    """Write the working state's digest where it belongs: the root, and a new row of the history."""
    found = _state_digest(h5)
    before = read_attributes(h5)[layout.STATE_DIGEST]
    objects.write_attribute(h5, layout.STATE_DIGEST, found)
    old = h5[layout.HISTORY][()]
    values: dict[str, list[str]] = {
        column.name: [raw.decode() for raw in old[column.name]] for column in layout.HISTORY_COLUMNS
    }
    added = {
        "operation": operation,
        "parameters": "{}",
        "time": values["time"][-1],
        "versions": "{}",
        "digest_before": str(before),
        "digest_after": found,
    }
    for column, text in added.items():
        values[column].append(text)
    replace_table(h5, layout.HISTORY, objects.make_rows(layout.HISTORY_COLUMNS, values))


def flip_bit(path: Path, at: int) -> None:
    """Turn one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


# -- the files ----------------------------------------------------------------------------------------------


def _convert(name: str, target: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(RECORDINGS / name, target, overwrite=True)


def _drop_ten_seconds(path: Path) -> None:
    """The working state without seconds 50 to 60, and with a second name for one signal."""
    with edited(path) as h5:
        parts: dict[str, list[Piece]] = {}
        for row in h5[layout.PIECES][()]:
            name, own = row["signal"].decode(), row["data"].decode()
            rate = float(h5[layout.SIGNALS][name].attrs["sampling_rate"])
            a, b = round(50 * rate), round(60 * rate)
            parts[name] = [Piece(own, 0, a), Piece(own, b, int(row["stop"]))]
        parts["copy"] = list(parts[BASE_SIGNAL])
        write_signals(h5, parts)
        columns = layout.STATE_TABLES[layout.SEGMENTS]
        rows = objects.make_rows(columns, {"start": [0.0, 60.0], "duration": [50.0, 50.0]})
        replace_table(h5, layout.SEGMENTS, rows)
        record_state(h5)


def _put_values(path: Path) -> None:
    """Caches with values of every kind, of two states, some of which are stale in the end."""
    first = {"CH": BASE_SIGNAL}
    with eegarchive.edit(path) as night:
        cache = night.cache["power"]
        for frequency, power in ((8.5, 1.25), (9.0, -0.0), (0.1, 5e-324)):
            cache.put("PSD", power, first, F=frequency)
        cache.put("PSD", None, first, F=13.5)
        cache.put("PSD", float("nan"), {"CH": "0.2Hz Blk 1/0uV"}, F=8.5)  # a label, not a name
        cache.put("PSD", float("inf"), F=-0.0)
        cache.put("total", float("-inf"), parameters={"low": None, "high": 1e300})
        for number, value in enumerate((-(2**63), 2**63 - 1, 0, None)):
            cache.put("extremes", value, N=number, type="int")
        for stage, text in (("N2", "späte Nacht 😴 "), ("R", ""), ("日本語", "a,b")):
            cache.put("note", text, STAGE=stage)
        cache.put("note", None, STAGE="W")
        cache.put("good", True, LIGHTS_OFF=True, basis="state")
        cache.put("good", False, LIGHTS_OFF=False, F=8.5)
        cache.put("spectrum", [1.5, None, float("nan"), -1.0], first, operation="spectra")
        cache.put("spectrum", [2.0], {"CH": "none of them"})
        cache.put("nothing", [], E=1, type="num")
        cache.put("words", ["ein", None, ""])
        cache.put("peaks", 704, first, basis="samples")
        night.cache["odd names"].put("Größe [m]", 1, {"Länge (m)": 2**63 - 1, "=1+1": True, "x y": " z "})
        night.freeze("A", "with values")
        night.set_signal(BASE_SIGNAL, add_offset=1.0)
        cache.put("PSD", 2.5, first, F=8.5)
        cache.put("total", 10, basis="state")


def _detach(folder: Path) -> None:
    """A detached freeze: a signal as it was, one with a stretch dropped and a few samples of its own."""
    with tempfile.TemporaryDirectory() as nowhere, contextlib.chdir(nowhere):
        changed = Path(shutil.copy(folder / f"{BASE}.h5", Path(nowhere) / "changed.h5"))
        with eegarchive.edit(changed) as night:
            night.copy_signal(BASE_SIGNAL, "copy")
            night.signals["copy"].digital[100:103] = [1, 2, 3]
            night.cache["power"].put("total", 1.5, CH=BASE_SIGNAL)
            night.freeze("middle", "three samples replaced in a copy")
        target = folder / f"{DETACHED}.h5"
        eegarchive.detach(f"{changed}@middle", target, base=folder / f"{BASE}.h5", overwrite=True)


def detached_expectation(path: Path) -> dict[str, Any]:
    """What any reader must read from a detached freeze that lies beside its base."""
    with eegarchive.open(path) as archive:
        freeze = read_attributes(archive._file.group(f"{layout.FREEZES}/{archive.tag}"))
        return {
            "schema": SCHEMA,
            "detached": archive.tag,
            "base": archive.base_name,
            "digests": {name: str(freeze[name]) for name in (layout.STATE_DIGEST, layout.CONTENTS_DIGEST)},
            "history": archive.history["operation"].tolist(),
            "freeze": _state(archive),
        }


def _detached_elsewhere(path: Path) -> None:
    """A signal is a link to data in another file than the base."""
    with edited(path, redigest=False) as h5:
        signals = h5[layout.FREEZES]["middle"][layout.SIGNALS]
        link = signals.get(BASE_SIGNAL, getlink=True)
        del signals[BASE_SIGNAL]
        signals[BASE_SIGNAL] = h5py.ExternalLink("elsewhere.h5", link.path)


def _put_few_values(path: Path) -> None:
    """A cache that is easy to break: two scalars with different factors, two vectors."""
    with eegarchive.edit(path) as night:
        cache = night.cache["small"]
        cache.put("a", 1.0, E=1)
        cache.put("a", 2.0, E=2, STAGE="N2")
        cache.put("b", [1, 2, 3], E=1)
        cache.put("b", [4, None], E=2)


@contextlib.contextmanager
def _rows_of(path: Path, table: str, redigest: bool = True) -> Iterator[Any]:
    """The rows of a table of a small cache, to be changed."""
    _put_few_values(path)
    with edited(path, redigest) as h5:
        name = f"{layout.CACHE}/small/{table}"
        rows = h5[name][()]
        yield rows
        replace_table(h5, name, rows)


def _cache_offsets(path: Path) -> None:
    with _rows_of(path, "int_vectors") as rows:
        rows["stop"][1] = 6


def _cache_doubled_key(path: Path) -> None:
    with _rows_of(path, "int_vectors") as rows:
        rows["E"] = 1


def _cache_origin(path: Path) -> None:
    with _rows_of(path, "num") as rows:
        rows["origin"][1] = 7


def _cache_factors(path: Path) -> None:
    with _rows_of(path, "num") as rows:
        rows["factors"] = [b"E", b"E,NIGHT"]


def _cache_digest(path: Path) -> None:
    with _rows_of(path, "num", redigest=False) as rows:
        rows["value"][0] = 9.0


def _flipped_bit(path: Path) -> None:
    with edited(path, redigest=False) as h5:
        chunk = h5[layout.SIGNALS][BASE_SIGNAL].id.get_chunk_info(0)
    flip_bit(path, chunk.byte_offset + chunk.size // 2)


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _no_seal(path: Path) -> None:
    os.truncate(path, path.stat().st_size - seal.SEAL_BYTES)


def _external_link(path: Path) -> None:
    with edited(path, redigest=False) as h5:
        del h5[layout.SEGMENTS]
        h5[layout.SEGMENTS] = h5py.ExternalLink("elsewhere.h5", "/segments")


def _soft_link(path: Path) -> None:
    with edited(path, redigest=False) as h5:
        del h5[layout.EPOCHS]
        h5[layout.EPOCHS] = h5py.SoftLink(f"/{layout.FREEZES}/{layout.SOURCE_FREEZE}/{layout.EPOCHS}")


def _wrong_digest(path: Path) -> None:
    with edited(path) as h5:
        objects.write_attribute(h5, layout.STATE_DIGEST, "0" * 64)


def _missing_table(path: Path) -> None:
    with edited(path) as h5:
        del h5[layout.EPOCHS]


def _newer_major(path: Path) -> None:
    with edited(path) as h5:
        objects.write_attribute(h5, "format_version", "2.0")
        objects.write_attribute(h5, layout.ARCHIVE_DIGEST, digest.archive_digest(h5))


def _virtual_elsewhere(path: Path) -> None:
    with edited(path, redigest=False) as h5:
        shown = h5[layout.SIGNALS][BASE_SIGNAL]
        own = h5[layout.PIECES][()]["data"][0].decode()
        made = virtual_dataset(
            h5, [Piece(own, 0, len(shown))], read_attributes(shown), source_file="elsewhere.h5"
        )
        del h5[layout.SIGNALS][BASE_SIGNAL]
        objects.link(made, h5[layout.SIGNALS], BASE_SIGNAL)


#: Each broken file: what it is made of, how, what is wrong, whether a reader must refuse to open it and
#: (if not) which signal it must refuse to read, and what a checker must find.
BROKEN: dict[str, tuple[str, Callable[[Path], None], str, dict[str, Any]]] = {
    "broken_flipped_bit": (
        BASE,
        _flipped_bit,
        "one bit of a stored chunk is turned, the seal is the old one",
        {
            "open": "accept",
            "refuse_to_read": [BASE_SIGNAL],
            "findings": [("error", "seal"), ("error", "/data/*")],
        },
    ),
    "broken_cut_short": (
        BASE,
        _cut_short,
        "the second half of the file is missing",
        {"open": "refuse", "findings": [("error", "seal"), ("error", "/")]},
    ),
    "broken_no_seal": (
        SMALL_BASE,
        _no_seal,
        "the file ends where HDF5's part ends",
        {"open": "accept", "findings": [("error", "seal")]},
    ),
    "broken_external_link": (
        SMALL_BASE,
        _external_link,
        "/segments is an external link",
        {"open": "accept", "findings": [("error", "/")]},
    ),
    "broken_soft_link": (
        SMALL_BASE,
        _soft_link,
        "/epochs is a soft link",
        {"open": "accept", "findings": [("error", "/")]},
    ),
    "broken_wrong_digest": (
        SMALL_BASE,
        _wrong_digest,
        "the digest of the working state is zeros; archive digest and seal were made anew",
        {"open": "accept", "findings": [("error", "/")]},
    ),
    "broken_missing_table": (
        SMALL_BASE,
        _missing_table,
        "there is no /epochs; archive digest and seal were made anew",
        {"open": "accept", "findings": [("error", "/"), ("error", "/epochs")]},
    ),
    "broken_newer_major": (
        SMALL_BASE,
        _newer_major,
        "format_version is 2.0",
        {"open": "refuse", "findings": [("error", "/")]},
    ),
    "broken_virtual_elsewhere": (
        BASE,
        _virtual_elsewhere,
        "a signal is a virtual dataset over another file",
        {
            "open": "accept",
            "refuse_to_read": [BASE_SIGNAL],
            "findings": [("error", f"/signals/{BASE_SIGNAL}")],
        },
    ),
    "broken_detached_elsewhere": (
        DETACHED,
        _detached_elsewhere,
        "a signal of a detached freeze is an external link to another file than its base",
        {
            "open": "accept",
            "refuse_to_read": [BASE_SIGNAL],
            "findings": [("error", "/")],
        },
    ),
    "broken_cache_offsets": (
        SMALL_BASE,
        _cache_offsets,
        "a vector of a cache ends behind the last element",
        {"open": "accept", "refuse_cache": "small", "findings": [("error", "/cache/small/int_vectors")]},
    ),
    "broken_cache_doubled_key": (
        SMALL_BASE,
        _cache_doubled_key,
        "two entries of a cache have the same variable, strata and state",
        {"open": "accept", "findings": [("error", "/cache/small")]},
    ),
    "broken_cache_origin": (
        SMALL_BASE,
        _cache_origin,
        "an entry has an origin that isn't there",
        {"open": "accept", "refuse_cache": "small", "findings": [("error", "/cache/small/num")]},
    ),
    "broken_cache_factors": (
        SMALL_BASE,
        _cache_factors,
        "an entry has a factor without a column",
        {"open": "accept", "refuse_cache": "small", "findings": [("error", "/cache/small/num")]},
    ),
    "broken_cache_digest": (
        SMALL_BASE,
        _cache_digest,
        "a value of a cache isn't the one that contents_digest covers; the seal was made anew",
        {"open": "accept", "findings": [("error", "/cache/small")]},
    ),
}


def generate(folder: Path) -> None:
    """Write every reference file and its expectation."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    with tempfile.TemporaryDirectory() as nowhere, contextlib.chdir(nowhere):
        for name in WHOLE:  # outside of any checkout, so that the files name no commit
            _convert(name, folder / f"{Path(name).stem}.h5")
    shutil.copy(folder / f"{BASE}.h5", folder / "virtual_pieces.h5")
    _drop_ten_seconds(folder / "virtual_pieces.h5")
    shutil.copy(folder / f"{BASE}.h5", folder / f"{CACHED}.h5")
    with tempfile.TemporaryDirectory() as nowhere, contextlib.chdir(nowhere):
        _put_values(folder / f"{CACHED}.h5")
    shutil.copy(folder / f"{BASE}.h5", folder / f"{PREPARED}.h5")
    with eegarchive.edit(folder / f"{PREPARED}.h5") as night:
        night.set_epochs(10)
        night.prepare_windows("w2s", 2.0, 20.0, picks=BASE_SIGNAL, target="epoch:epoch")
    for stem in [*(Path(name).stem for name in WHOLE), "virtual_pieces", CACHED, PREPARED]:
        _write_json(folder / f"{stem}.json", expectation(folder / f"{stem}.h5"))
    _detach(folder)
    _write_json(folder / f"{DETACHED}.json", detached_expectation(folder / f"{DETACHED}.h5"))
    (folder / f"{BASE}.txt").write_text(digest_texts(folder / f"{BASE}.h5"), encoding="ascii")
    for stem, (base, spoil, what, answer) in BROKEN.items():
        shutil.copy(folder / f"{base}.h5", folder / f"{stem}.h5")
        spoil(folder / f"{stem}.h5")
        findings = [{"severity": severity, "path": path} for severity, path in answer["findings"]]
        _write_json(
            folder / f"{stem}.json",
            {"schema": SCHEMA, "broken": what, **answer, "findings": findings},
        )


def digest_texts(path: Path) -> str:
    """The text behind every digest of an archive, each with a heading and its digest."""
    made: list[tuple[list[str], str]] = []
    plain = digest._sha256

    def noted(lines: Iterable[str]) -> str:
        kept = list(lines)
        made.append((kept, plain(kept)))
        return made[-1][1]

    out: list[str] = []

    def show(heading: str) -> None:
        out.extend([f"== {heading}", *made[-1][0], f"== SHA-256 {made[-1][1]}", ""])

    with mock.patch.object(digest, "_sha256", noted), h5py.File(path, "r") as h5:
        for name, stored in sorted(h5[layout.DATA].items()):
            own = read_attributes(stored)
            digest.signal_digest(stored.dtype, len(stored), str(own[layout.SAMPLES_DIGEST]), own)
            show(f"D-3 /{layout.DATA}/{name}")
        for name in layout.TABLES:
            digest.table_digest(h5[name][()], read_attributes(h5[name]))
            show(f"D-4 /{name}")
        _state_digest(h5)
        show("D-5 /")
        digest.contents_digest(h5[layout.FREEZES][layout.SOURCE_FREEZE])
        show(f"D-6 /{layout.FREEZES}/{layout.SOURCE_FREEZE}")
        digest.archive_digest(h5)
        show("D-7 /")
    return "\n".join(out)


def refresh_page(texts: str) -> None:
    """Put excerpts of the texts into the page that explains them."""
    sections = re.findall(r"^== (D-\S+ .*)\n((?:(?!==).*\n)*== SHA-256 .*)$", texts, re.MULTILINE)
    page = PAGE.read_text(encoding="utf-8")
    for heading, text in sections:
        block = re.compile(rf"^```digest {re.escape(heading)}\n.*?^```", re.MULTILINE | re.DOTALL)
        lines = text.splitlines()
        if heading.startswith(("D-5", "D-7")):
            lines = _shortened(lines, with_digest=heading.startswith("D-5"))
        shown = "\n".join([f"```digest {heading}", *lines, "```"])
        page = block.sub(lambda _, shown=shown: shown, page)  # type: ignore[misc]
    PAGE.write_text(page, encoding="utf-8")


def _shortened(lines: Sequence[str], with_digest: bool) -> list[str]:
    """A long text without all but the first of attributes that follow each other.

    Without its digest if that depends on the versions of the programs that made the file.
    """
    shown: list[str] = []
    for before, line in itertools.pairwise(["", *lines]):
        first, kind = before.partition(" ")[0], line.partition(" ")[0]
        if (kind == "attribute" and kind == first) or (kind == "==" and not with_digest):
            shown += ["..."] if shown[-1] != "..." else []
        elif before.startswith("member") and kind == "table":
            shown.append("...")
        else:
            shown.append(line)
    return shown


def expectation(path: Path) -> dict[str, Any]:
    """What any reader must read from a whole archive."""
    with eegarchive.open(path) as archive:
        provenance = archive.provenance
        return {
            "schema": SCHEMA,
            "format_version": provenance["format_version"],
            "source": {key: provenance[f"source_{key}"] for key in ("name", "size", "sha256", "kind")},
            "digests": {
                "digest": provenance["digest"],
                "source_digest": provenance["source_digest"],
                "archive_digest": provenance["archive_digest"],
                "contents_digests": {
                    tag: read_attributes(archive._file.group(f"freezes/{tag}"))["contents_digest"]
                    for tag in archive.freezes
                },
            },
            "working": _state(archive),
            "freezes": {tag: _state(state) for tag, state in archive.freezes.items()},
        }


def _state(state: CachedState) -> dict[str, Any]:
    annotations = state.annotations.columns()
    segments = state.segments.columns()
    caches = {name: _entries(state.cache[name]) for name in state.cache}
    return {
        "recording_start": state.segments.attributes[layout.CLOCK_START],
        "segments": np.transpose([segments["start"], segments["duration"]]).tolist(),
        "epochs": len(state.epochs),
        "annotations": {
            "count": len(annotations["onset"]),
            "first": [
                {name: _plain(values[i]) for name, values in annotations.items()}
                for i in range(min(_SHOWN_ROWS, len(annotations["onset"])))
            ],
        },
        "signals": [_signal(state.signals[name]) for name in state.signals],
        **({"caches": caches} if caches else {}),
    }


def _entries(cache: Cache) -> list[dict[str, Any]]:
    """What a reader gives for each key of a cache: an entry, or that all there is is stale."""
    keys = [(entry.variable, entry.strata) for entry in cache.select(stale=True)]
    found = []
    for variable, strata in keys:
        levels = {name: [_type_of(level), _exact(level)] for name, level in sorted(strata.items())}
        answer: dict[str, Any] = {"variable": variable, "strata": levels}
        try:
            entry = cache.entry(variable, strata)
        except eegarchive.StaleValue:
            answer["stale"] = True
        else:
            several = isinstance(entry.value, np.ndarray)
            value = [_exact(each) for each in entry.value.tolist()] if several else _exact(entry.value)
            own = {name: getattr(entry.origin, name) for name in ("state", "freeze", "basis", "operation")}
            answer |= {"type": entry.type, "vector" if several else "value": value, **own}
        found.append(answer)
    return sorted(found, key=lambda answer: json.dumps([answer["variable"], answer["strata"]]))


def _type_of(level: Any) -> str:
    return {bool: "bool", int: "int", float: "num", str: "text"}[type(level)]


def _exact(value: Any) -> Any:
    """A value for JSON: numbers as texts, so that nothing rounds them."""
    if isinstance(value, float):
        return value.hex()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _signal(signal: Any) -> dict[str, Any]:
    stored = np.ascontiguousarray(signal.digital[:])
    return {
        "name": signal.name,
        "label": signal.label,
        "kind": signal.kind,
        "units": signal.units,
        "sampling_rate": signal.sampling_rate,
        "type": stored.dtype.str.lstrip("<"),
        "length": len(signal),
        "pieces": [[piece.data, piece.start, piece.stop] for piece in signal.pieces],
        "samples_sha256": hashlib.sha256(stored).hexdigest(),
        "first": stored[:_SHOWN_SAMPLES].tolist(),
        "last": stored[-_SHOWN_SAMPLES:].tolist(),
        "physical_first": [float(value).hex() for value in signal[:_SHOWN_SAMPLES]],
    }


def _plain(value: Any) -> Any:
    """A value for JSON; a duration that isn't stated is null."""
    if isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder.resolve()
    generate(folder)
    if folder == FOLDER:
        refresh_page((folder / f"{BASE}.txt").read_text(encoding="ascii"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(list(folder.iterdir()))} files, {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
