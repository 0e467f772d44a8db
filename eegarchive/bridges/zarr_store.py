"""A whole state as a Zarr store of version 3.

`signals/NAME` has the samples as they are stored, with `scale_factor` and `add_offset` as xarray applies them, and
all other attributes; `segments`, `annotations` and `epochs` have an array for each column. Each chunk has a CRC-32C,
and each signal `samples_sha256`, the SHA-256 of its samples, little-endian: a store says nothing of a chunk that is
missing, and reads it as zeros.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from eegarchive import layout
from eegarchive.archive import Archive
from eegarchive.description import as_json
from eegarchive.errors import EEGArchiveError
from eegarchive.exporting import Progress
from eegarchive.interop.dimensions import dimensions_of
from eegarchive.state import Signal, Table
from eegarchive.storage import disk
from eegarchive.storage.files import refuse_existing

_CHUNK_BYTES = 2**20
#: Where a name looks as if `node_name` had made it.
_ESCAPES = re.compile("%(?=25|2E|5C|5F|7A)")
_TABLES = (layout.SEGMENTS, layout.ANNOTATIONS, layout.EPOCHS)


def write_zarr(archive: Archive, target: Path, overwrite: bool, progress: Progress | None = None) -> int:
    """Write a state to a new store, which appears whole or not at all; how many signals it has.

    Raises
    ------
    EEGArchiveError
        If zarr 3 isn't there, or what would be replaced is no store.
    TargetExists
        If the target is there and `overwrite` isn't set.
    """
    try:
        import zarr
        from zarr.codecs import BloscCodec, Crc32cCodec
    except ImportError as missing:
        raise EEGArchiveError(
            f"writing Zarr needs zarr 3 ({missing}): pip install 'eegarchive[zarr]'"
        ) from None
    refuse_existing(target, overwrite)
    if os.path.lexists(target) and not any((target / name).is_file() for name in ("zarr.json", ".zgroup")):
        raise EEGArchiveError(f"{target}: isn't a Zarr store; it isn't replaced")
    target = Path(os.path.realpath(target)) if overwrite else target

    def create(group: Any, name: str, dtype: str, length: int, itemsize: int, **more: Any) -> Any:
        packed = BloscCodec(cname="zstd", clevel=5, shuffle="shuffle", typesize=itemsize)
        return group.create_array(
            name,
            shape=(length,),
            dtype=dtype,
            chunks=(max(1, min(length, _CHUNK_BYTES // itemsize)),),
            compressors=[packed, Crc32cCodec()],
            config={"write_empty_chunks": True},
            **more,
        )

    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        made = Path(folder) / "made"
        root = zarr.open_group(made, mode="w", zarr_format=3, attributes=_about(archive))
        signals = root.create_group("signals")
        dimensions = dimensions_of({name: archive.signals.describe(name) for name in archive.signals})
        for name, signal in archive.signals.items():
            array = create(
                signals,
                node_name(name),
                signal.dtype.name,
                len(signal),
                signal.dtype.itemsize,
                dimension_names=(dimensions[name],),
            )
            digest = _copy(signal, array, progress)
            array.attrs.update({**signal.attributes, "name": name, layout.SAMPLES_DIGEST: digest})
        for name in _TABLES:
            group = root.create_group(name)
            table: Table = getattr(archive, name)
            for column, values in table.columns().items():
                is_text = values.dtype == object
                dtype, itemsize = ("string", 8) if is_text else (values.dtype.name, values.dtype.itemsize)
                array = create(group, column, dtype, len(values), itemsize, dimension_names=("row",))
                array[:] = values
        _sync(made)
        _put(made, target, Path(folder) / "old", overwrite)
    return len(archive.signals)


def node_name(name: str) -> str:
    """A signal's name in the store, another one for each signal.

    A backslash would part folders there, and a few names aren't free.
    """
    escaped = _ESCAPES.sub("%25", name).replace("\\", "%5C")
    taken = (
        escaped.startswith("__") or escaped in ("zarr.json", ".zgroup", ".zattrs") or not escaped.strip(".")
    )
    return f"%{ord(escaped[0]):02X}{escaped[1:]}" if taken else escaped


def _about(archive: Archive) -> dict[str, Any]:
    start = archive.start
    return {
        "eegarchive": "state 1",
        "digest": archive.digest,
        layout.CLOCK_START: start.isoformat() if start else None,
        "description": {name: _finite(as_json(value)) for name, value in archive.description.items()},
        "provenance": archive.provenance.to_dict(),
    }


def _finite(value: Any) -> Any:
    """NaN and infinities, which JSON lacks, by the names that Zarr has for them."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _copy(signal: Signal, array: Any, progress: Progress | None) -> str:
    """Copy all samples, chunk by chunk; their SHA-256."""
    digest, step = hashlib.sha256(), array.chunks[0]
    for start in range(0, len(signal), step):
        samples = signal.digital[start : start + step]
        digest.update(samples)
        array[start : start + len(samples)] = samples
        if progress is not None:
            progress(samples.nbytes)
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            with open(Path(path) / name, "rb+") as file:
                disk.sync(file.fileno())
        disk.sync_folder(Path(path))


def _put(made: Path, target: Path, old: Path, overwrite: bool) -> None:
    """Give the store its name; one that had it before goes, if the new one is there."""
    refuse_existing(target, overwrite)
    replaced = os.path.lexists(target)
    if replaced:
        disk.rename(target, old)
    try:
        disk.rename(made, target)
    except BaseException:
        if replaced:
            disk.rename(old, target)
        raise
    disk.sync_folder(target.parent)
