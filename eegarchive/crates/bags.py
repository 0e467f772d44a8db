"""What makes a folder a BagIt bag (RFC 8493): the files beside its payload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from eegarchive import provenance
from eegarchive._version import __version__

DATA_FOLDER = "data"


def write_tags(bag: Path, payload: Mapping[str, str], size: int, name: str) -> None:
    """Write declaration, information and manifests of a bag.

    Parameters
    ----------
    bag : Path
        The folder, which has its payload already.
    payload : mapping
        SHA-256 of each file, by its path in the bag.
    size : int
        Bytes of all of them.
    name : str
        What the bag is, in a line.
    """
    information = {
        "Bag-Software-Agent": f"eegarchive {__version__}",
        "Bagging-Date": provenance.now()[:10],
        "External-Description": " ".join(name.split()),
        "Payload-Oxum": f"{size}.{len(payload)}",
    }
    texts = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": "".join(f"{key}: {value}\n" for key, value in information.items()),
        "manifest-sha256.txt": _lines(payload),
    }
    tags = {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in texts.items()}
    texts["tagmanifest-sha256.txt"] = _lines(tags)
    for name, text in texts.items():
        (bag / name).write_bytes(text.encode("utf-8"))


def _lines(hashes: Mapping[str, str]) -> str:
    return "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes))
