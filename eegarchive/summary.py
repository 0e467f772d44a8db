"""What a person wants to know first about an archive."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from eegarchive.archive import Archive
from eegarchive.cache.tables import stored_names
from eegarchive.description import as_json
from eegarchive.differences import same_cache
from eegarchive.errors import MissingBase
from eegarchive.layout import ROOT_ATTRIBUTES, STATE_DIGEST
from eegarchive.provenance import Provenance
from eegarchive.savings import compact_savings
from eegarchive.state import Signal, State
from eegarchive.storage.objects import AttributeValue
from eegarchive.windowing.sets import WindowSet, set_names

SCHEMA = "eegarchive.info/1"


def summarize(archive: Archive) -> dict[str, Any]:
    """Facts about an open archive (or the freeze it is opened at), ready for JSON; reads no samples.

    Returns
    -------
    dict
        With the keys schema, path, freeze, base (None for an archive; of a detached freeze its name, and where it
        was found), saved_as (tags of the freezes that the state is equal to), recording, signals, annotations,
        epochs, freezes, caches, windows, size, provenance, description, warnings.
        Times are in seconds, sizes in bytes; what isn't known is None.
    """
    segments = archive.segments.columns()
    epochs = archive.epochs.columns()
    header, warnings = _of_source(archive)
    provenance = archive.provenance
    stored = os.path.getsize(archive.path)
    start = archive.start
    ends = segments["start"] + segments["duration"]
    return {
        "schema": SCHEMA,
        "path": archive.path,
        "freeze": archive.tag,
        "base": _base(archive),
        "saved_as": saved_as(archive),
        "recording": {
            "kind": provenance["source_kind"],
            "patient": header.get("local_patient_identification", ""),
            "recording": header.get("local_recording_identification", ""),
            "start": start.isoformat() if start else None,
            "duration": archive.duration,
            "segments": len(ends),
            "gaps": float(np.sum(segments["start"][1:] - ends[:-1])) if len(ends) else 0.0,
        },
        "signals": summarize_signals(archive),
        "annotations": summarize_annotations(archive),
        "epochs": {
            "count": len(epochs["epoch"]),
            "masked": int(np.sum(epochs["masked"])),
            "duration": float(epochs["duration"][0]) if len(epochs["duration"]) else None,
        },
        "freezes": _freezes(archive),
        "caches": _caches(archive),
        "windows": summarize_windows(archive),
        "size": {
            "archive": stored,
            "source": provenance["source_size"],
            "ratio": stored / max(1, int(provenance["source_size"])),
            "codec": _codec(archive),
            "compact_saves": 0 if archive.base_name else compact_savings(archive),
        },
        "provenance": _complete(provenance),
        "description": {name: as_json(value) for name, value in archive.description.items()},
        "warnings": [
            {"code": code, "message": message}
            for code, message in zip(*(warnings.get(key, ()) for key in ("code", "message")), strict=True)
        ],
    }


def _complete(provenance: Provenance) -> dict[str, AttributeValue]:
    """What the root says; every attribute that it must have is there, or looking it up raises."""
    lacking = [name for name in ROOT_ATTRIBUTES if name not in provenance]
    return {name: provenance[name] for name in (*provenance, *lacking)}


def _base(archive: Archive) -> dict[str, str | None] | None:
    """What a detached freeze was made beside, and which file that is here."""
    if archive.base_name is None:
        return None
    return {"name": archive.base_name, "path": None if archive.base is None else str(archive.base)}


def _of_source(archive: Archive) -> tuple[dict[str, AttributeValue], dict[str, Any]]:
    """What is known of the source: its header, and what was odd in it; nothing where a base is missing."""
    try:
        return archive.edf_header, archive.warnings.columns()
    except MissingBase:
        return {}, {}


def summarize_signals(state: State) -> list[dict[str, Any]]:
    """Facts about each signal of a state, in order; where a base is missing, no more than names and lengths."""
    found = []
    for name in state.signals:
        try:
            found.append(_signal(state.signals[name]))
        except MissingBase:
            facts = dict.fromkeys(("label", "kind", "units", "sampling_rate", "samples", "type"))
            ranges = {key: [None, None] for key in ("physical_range", "digital_range")}
            found.append({"name": name, **facts, "samples": state.signals.length(name), **ranges})
    return found


def _signal(signal: Signal) -> dict[str, Any]:
    attributes = signal.attributes
    return {
        "name": signal.name,
        "label": signal.label,
        "kind": signal.kind,
        "units": signal.units,
        "sampling_rate": signal.sampling_rate,
        "samples": len(signal),
        "type": signal.dtype.name,
        "physical_range": [attributes.get(key) for key in ("physical_minimum", "physical_maximum")],
        "digital_range": [attributes.get(key) for key in ("digital_minimum", "digital_maximum")],
    }


def summarize_annotations(state: State) -> list[dict[str, Any]]:
    """Kinds of annotations by set, most frequent first."""
    columns = state.annotations.columns()
    counts = Counter(zip(columns["set"], columns["kind"], strict=True))
    return [
        {"set": name, "kind": kind, "count": count}
        for (name, kind), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _freezes(archive: Archive) -> list[dict[str, Any]]:
    """What each freeze says of itself, oldest first."""
    columns = archive.freezes.columns()
    names = ("tag", "created", "note", "digest", "file")
    return [
        dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)
    ]


def _caches(archive: Archive) -> list[str]:
    """Names of the caches that the archive's state was stored with."""
    with archive._file.reading():
        return stored_names(archive._file.group(archive._path))


def summarize_windows(archive: Archive) -> list[dict[str, Any]]:
    """Facts about each set of windows; `stale` says whether it is of another state."""
    with archive._home.reading():
        found = [WindowSet(archive._home, name).info() for name in set_names(archive._home)]
    return [{**asdict(info), "stale": info.state != archive.digest} for info in found]


def summarize_freezes(archive: Archive) -> list[dict[str, Any]]:
    """Facts about each freeze, oldest first; `current` says whether the archive's state is equal to it."""
    same = saved_as(archive)
    found = []
    for freeze in _freezes(archive):
        try:
            state = archive.freezes[freeze["tag"]]
        except MissingBase:
            unknown = dict.fromkeys(("signals", "duration", "epochs", "masked"))
            found.append({**freeze, "current": False, **unknown, "missing": True})
            continue
        masked = state.epochs["masked"]
        found.append(
            {
                **freeze,
                "current": freeze["tag"] in same,
                "missing": False,
                "signals": len(state.signals),
                "duration": state.duration,
                "epochs": len(masked),
                "masked": int(np.sum(masked)),
            }
        )
    return found


def saved_as(archive: Archive) -> list[str]:
    """Tags of the freezes that the archive's state is equal to, its cache too."""
    digest = archive.digest
    return [
        tag
        for tag, attributes in archive.freezes.attributes().items()
        if attributes.get(STATE_DIGEST) == digest and same_cache(archive, archive.freezes[tag])
    ]


def _codec(archive: Archive) -> str | None:
    """The codec of the state's signals; None if all are too small to be compressed."""
    with contextlib.suppress(MissingBase):
        for signal in archive.signals.values():
            for piece in signal.pieces:
                codec = archive._file.stored(piece.data).codec
                if codec is not None:
                    return codec.name
    return None
