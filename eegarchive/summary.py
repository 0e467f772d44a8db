"""What a person wants to know first about an archive."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np

from eegarchive.archive import Archive
from eegarchive.state import Signal

SCHEMA = "eegarchive.info/1"


def summarize(archive: Archive) -> dict[str, Any]:
    """Facts about an open archive (or the freeze it is opened at), ready for JSON; reads no samples.

    Returns
    -------
    dict
        With the keys schema, path, freeze, recording, signals, annotations, epochs, freezes, caches,
        size, provenance, attributes, warnings. Times are in seconds, sizes in bytes; what isn't known
        is None.
    """
    segments = archive.segments.columns()
    epochs = archive.epochs.columns()
    provenance = archive.provenance
    stored = os.path.getsize(archive.path)
    start = archive.start
    ends = segments["start"] + segments["duration"]
    return {
        "schema": SCHEMA,
        "path": archive.path,
        "freeze": archive.freeze,
        "recording": {
            "kind": provenance["source_kind"],
            "patient": archive.edf_header["local_patient_identification"],
            "recording": archive.edf_header["local_recording_identification"],
            "start": start.isoformat() if start else None,
            "duration": archive.duration,
            "segments": len(ends),
            "gaps": float(np.sum(segments["start"][1:] - ends[:-1])) if len(ends) else 0.0,
        },
        "signals": [_signal(signal) for signal in archive.signals.values()],
        "annotations": _annotations(archive),
        "epochs": {
            "count": len(epochs["epoch"]),
            "masked": int(np.sum(epochs["masked"])),
            "duration": float(epochs["duration"][0]) if len(epochs["duration"]) else None,
        },
        "freezes": list(archive.freezes),
        "caches": [],
        "size": {
            "archive": stored,
            "source": provenance["source_size"],
            "ratio": stored / int(provenance["source_size"]),
            "codec": _codec(archive),
        },
        "provenance": provenance,
        "attributes": archive.attributes,
        "warnings": [
            {"code": code, "message": message}
            for code, message in zip(
                *(archive.warnings.columns()[key] for key in ("code", "message")), strict=True
            )
        ],
    }


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


def _annotations(archive: Archive) -> list[dict[str, Any]]:
    """Kinds of annotations by set, most frequent first."""
    columns = archive.annotations.columns()
    counts = Counter(zip(columns["set"], columns["kind"], strict=True))
    return [
        {"set": name, "kind": kind, "count": count}
        for (name, kind), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _codec(archive: Archive) -> str | None:
    """The codec of the state's signals; None if all are too small to be compressed."""
    for signal in archive.signals.values():
        for piece in signal.pieces:
            codec = archive._file.stored(piece.data).codec
            if codec is not None:
                return codec.name
    return None
