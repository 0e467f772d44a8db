"""Archives as entities of an RO-Crate 1.1, by the package rocrate."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eegarchive import provenance
from eegarchive.archive import Archive
from eegarchive.description import as_json
from eegarchive.errors import EEGArchiveError, MissingBase
from eegarchive.layout import ARCHIVE_DIGEST, CONTENTS_DIGEST, STATE_DIGEST
from eegarchive.lineage import Operation, history

METADATA = "ro-crate-metadata.json"
_VERSION = "1.1"
#: What the context of version 1.1 lacks.
_TERMS = {"sha256": "http://schema.org/sha256"}
_FORMAT = "application/x-hdf5"
#: Fields of a description that are told, if they are stated.
_FIELDS = ("subject", "session", "task", "run")
_HASH_DIGITS = 12


@dataclass(frozen=True)
class About:
    """What is said of a crate as a whole."""

    name: str
    description: str | None
    license: str | None


@dataclass(frozen=True)
class Base:
    """The archive that a detached file needs beside it; without a path if it isn't there."""

    name: str
    source_digest: str
    path: Path | None


@dataclass(frozen=True)
class Described:
    """What a crate says of one archive: its path inside, where it was, what a manifest says, facts, and its history."""

    inside: str
    path: Path
    entry: dict[str, Any]
    text: str
    operations: tuple[Operation, ...]
    base: Base | None

    @property
    def id(self) -> str:
        """What the file is called in the crate's metadata."""
        return quote(self.inside)

    def base_in(self, others: Iterable[Described]) -> Described | None:
        """The base of a detached freeze, if it is in the crate, in the same folder."""
        path = None if self.base is None else self.base.path
        return next((other for other in self._beside(others) if other.path == path), None)

    def _beside(self, others: Iterable[Described]) -> list[Described]:
        folder = posixpath.dirname(self.inside)
        return [other for other in others if posixpath.dirname(other.inside) == folder]

    def lacking(self, others: Sequence[Described]) -> list[str]:
        """Names of the files that this one needs and the crate lacks."""
        lacking = [] if self.base is None or self.base_in(others) else [self.base.name]
        near = {other.entry["name"]: other.entry["freezes"] for other in self._beside(others)}
        for tag, freeze in sorted(self.entry["freezes"].items()):
            if (
                "file" in freeze
                and near.get(freeze["file"], {}).get(tag, {}).get(CONTENTS_DIGEST) != freeze[CONTENTS_DIGEST]
            ):
                lacking.append(freeze["file"])
        return lacking


def describe(archive: Archive, inside: str, entry: dict[str, Any]) -> Described:
    """What is to be said of an archive; `inside` is its path in the crate, `entry` what a manifest says of it."""
    base = None
    if "base" in entry:
        path = None if archive.base is None else archive.base.resolve()
        base = Base(entry["base"]["name"], entry["base"]["source_digest"], path)
    return Described(
        inside,
        Path(archive.path).resolve(),
        entry,
        ". ".join(_sentences(archive, entry)) + ".",
        tuple(history(archive)),
        base,
    )


def _sentences(archive: Archive, entry: dict[str, Any]) -> Iterator[str]:
    kind = entry["provenance"].get("source_kind", "")
    hours, rest = divmod(round(archive.duration), 3600)
    length = f"{hours}:{rest // 60:02d}:{rest % 60:02d} h"
    yield f"EEG or sleep recording, converted from {kind}: {length}, {len(archive.signals)} signals{_kinds(archive)}"
    stated = {name: as_json(value) for name, value in archive.description.items() if name in _FIELDS}
    if stated:
        yield ", ".join(f"{name} {stated[name]}" for name in _FIELDS if name in stated)
    if "base" in entry:
        yield f"One state of it, which needs the archive of the whole recording ({entry['base']['name']}) beside it"
    yield f"States kept: {', '.join(sorted(entry['freezes']))}"


def _kinds(archive: Archive) -> str:
    """How many signals of each kind there are; nothing where that is only known by a base that is missing."""
    try:
        kinds = Counter(signal.kind for signal in archive.signals.values())
    except MissingBase:
        return ""
    return f" ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})"


def load() -> Any:
    """The class of crates.

    Raises
    ------
    EEGArchiveError
        If rocrate isn't there.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as missing:
        raise EEGArchiveError(f"crates need rocrate ({missing}): pip install 'eegarchive[crate]'") from None
    return ROCrate


def metadata_text(about: About, described: Sequence[Described]) -> str:
    """The text of a crate's metadata file.

    Raises
    ------
    EEGArchiveError
        If rocrate isn't there.
    """
    made = load()(version=_VERSION)
    made.metadata.extra_terms.update(_TERMS)
    made.name = about.name
    made.description = about.description or f"EEG or sleep recordings: {len(described)} archives"
    made.datePublished = provenance.now()
    made.metadata["sdDatePublished"] = provenance.now()
    entities = _Entities(made)
    if about.license:
        made.license = entities.license(about.license)
    for one in described:
        entities.add_file(one)
    for one in described:
        entities.add_base(one, described)
    return json.dumps(made.metadata.generate(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


class _Entities:
    """Entities of one crate, each made once."""

    def __init__(self, crate: Any) -> None:
        self._crate = crate

    def add_file(self, one: Described) -> None:
        """An archive, what its digests are, and how it came to be."""
        stated = {
            "name": one.entry["name"],
            "description": one.text,
            "contentSize": str(one.entry["size"]),
            "sha256": one.entry["sha256"],
            "encodingFormat": _FORMAT,
            "dateCreated": str(one.entry["provenance"].get("created", "")),
        }
        file = self._crate.add_file(dest_path=one.inside, properties=stated)
        digests = [
            self._digest(one, ARCHIVE_DIGEST, one.entry[ARCHIVE_DIGEST], "of all contents of the file")
        ]
        digests.append(self._digest(one, STATE_DIGEST, one.entry[STATE_DIGEST], "of the state that it shows"))
        for tag, freeze in sorted(one.entry["freezes"].items()):
            if "file" in freeze:
                value, what = freeze[CONTENTS_DIGEST], f"of all of a freeze that lies in {freeze['file']}"
            else:
                value, what = freeze[STATE_DIGEST], freeze["note"] or "of a state that is kept"
            digests.append(self._digest(one, f"freeze {tag}", value, what))
        file["additionalProperty"] = digests
        self._add_action(one, file)

    def add_base(self, one: Described, others: Sequence[Described]) -> None:
        """What a detached file needs: an archive of the crate, or one that is elsewhere."""
        if one.base is None:
            return
        base = one.base_in(others)
        file = self._crate.dereference(one.id)
        if base is not None:
            file["isBasedOn"] = self._crate.dereference(base.id)
            return
        elsewhere = {
            "@type": "CreativeWork",
            "name": one.base.name,
            "description": f"An archive, not in this crate, with the source digest {one.base.source_digest}",
        }
        file["isBasedOn"] = self._entity(f"#base-{one.base.source_digest[:_HASH_DIGITS]}", elsewhere)

    def license(self, text: str) -> Any:
        """A license by its URL, or as the text that it is."""
        if not re.fullmatch(r"https?://\S+", text):
            return text
        return self._entity(text, {"@type": "CreativeWork", "name": text})

    def _digest(self, one: Described, name: str, value: str, what: str) -> Any:
        stated = {"@type": "PropertyValue", "name": name, "value": value, "description": what}
        return self._entity(f"#{one.id}/{quote(name)}", stated)

    def _add_action(self, one: Described, file: Any) -> None:
        lines = [f"{i}. {operation}" for i, operation in enumerate(one.operations, 1)]
        versions = dict.fromkeys(
            str(operation.versions.get("eegarchive", "")) for operation in one.operations
        )
        stated = {
            "@type": "CreateAction",
            "name": f"How {one.entry['name']} came to be",
            "description": "\n".join(lines),
            "instrument": [self._software(version) for version in versions if version],
            "result": file,
            "startTime": one.operations[0].time,
            "endTime": one.operations[-1].time,
        }
        digest = one.entry["source_sha256"]
        if digest:
            source = {
                "@type": "CreativeWork",
                "name": str(one.entry["provenance"].get("source_name", "")),
                "description": "The recording that was converted; not in this crate",
                "sha256": digest,
            }
            stated["object"] = self._entity(f"#source-{digest[:_HASH_DIGITS]}", source)
        action = self._entity(f"#history/{one.id}", stated)
        self._crate.root_dataset.append_to("mentions", action)

    def _software(self, version: str) -> Any:
        stated = {"@type": "SoftwareApplication", "name": "eegarchive", "softwareVersion": version}
        return self._entity(f"#eegarchive-{quote(version)}", stated)

    def _entity(self, name: str, properties: dict[str, Any]) -> Any:
        from rocrate.model.contextentity import ContextEntity

        return self._crate.dereference(name) or self._crate.add(
            ContextEntity(self._crate, name, properties=properties)
        )
