"""Check every clause of the specification that a file can break, and recompute every digest.

This is the part of `verify` that touches the file through HDF5. It runs in a process of its own
(`python -m eegarchive.check FILE`), since a damaged file can crash libhdf5 itself, and writes one JSON
object a line: where it is, and what it found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eegarchive import digest, layout
from eegarchive.check_cache import check_caches
from eegarchive.check_windows import check_windows
from eegarchive.description import decode
from eegarchive.exporting import rebuilt_sha256
from eegarchive.findings import FOREIGN, Findings, Progress, Report
from eegarchive.state import State, Table, pieces_by_signal
from eegarchive.storage import guard, virtual
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import AttributeValue, read_attributes, read_table
from eegarchive.storage.samples import Piece, StoredSamples, check_pieces
from eegarchive.storage.workers import spread

_BLOCK_SAMPLES = 2**20
_MEMORY_LIMIT = 8 * 2**30

#: The argument of a check whose caller has the file locked.
NO_LOCK = "--no-lock"


class Checker:
    """One check of one archive."""

    def __init__(self, path: Path, report: Report, progress: Progress, locking: bool = True) -> None:
        self._path = path
        self._locking = locking
        self._progress = progress
        self._found = found = Findings(report, progress)
        self._error, self._looking_at = found.error, found.looking_at

    def run(self) -> None:
        """Check everything; what is wrong goes to the report."""
        file = None
        with self._looking_at("/"):
            file = ArchiveFile(self._path, self._locking)
        if file is None:
            return
        with contextlib.closing(file), file.reading():
            with self._looking_at("/"):
                self._check_structure(file)
            if self._found.errors:
                return  # what follows would follow links and read sizes that can't be trusted
            self._check_data(file)
            self._check_states(file)
            check_caches(file, self._found)
            check_windows(file, self._found, self._progress)
            self._check_edf(file)
            with self._looking_at("/"):
                decode(read_attributes(file.h5))  # raises
            with self._looking_at("/"):
                self._check_totals(file)

    # -- structure ------------------------------------------------------------------------------

    def _check_structure(self, file: ArchiveFile) -> None:
        """Links, types, storage and attributes of every object, without reading data."""
        seen: set[int] = set()
        for path, found in guard.walk(file.h5):
            self._progress(path)
            address = guard.address(found)
            if address in seen:
                continue
            seen.add(address)
            with self._looking_at(path):
                if isinstance(found, h5py.Dataset):
                    guard.check_dataset(found)
                read_attributes(found)
        self._check_attributes("/", read_attributes(file.h5), layout.ROOT_ATTRIBUTES)
        known = {
            *layout.STATE_TABLES,
            layout.SIGNALS,
            layout.DATA,
            layout.EDF,
            layout.FREEZES,
            layout.HISTORY,
        }
        self._check_members(file.h5, known, {layout.CACHE, layout.WINDOWS})
        edf = {
            layout.EDF_HEADER,
            layout.EDF_TAIL,
            layout.EDF_ANNOTATIONS,
            layout.EDF_CHANNELS,
            layout.EDF_WARNINGS,
        }
        self._check_members(guard.group_at(file.h5, layout.EDF), edf)
        freezes = guard.group_at(file.h5, layout.FREEZES)
        for tag in guard.names(freezes):
            if not re.fullmatch(layout.TAG_PATTERN, tag):
                self._error(
                    f"/{layout.FREEZES}/{tag}", "isn't a tag: 1 to 64 letters, digits, '.', '_', '-'", FOREIGN
                )
            group = guard.group_at(freezes, tag)
            self._check_members(group, {*layout.STATE_TABLES, layout.SIGNALS}, {layout.CACHE})
            self._check_attributes(group.name, read_attributes(group), layout.FREEZE_ATTRIBUTES)
        if layout.SOURCE_FREEZE not in guard.names(freezes):
            self._error(f"/{layout.FREEZES}", f"the freeze {layout.SOURCE_FREEZE!r} is missing")
        for path, columns in layout.TABLES.items():
            states = ["", *(f"{layout.FREEZES}/{tag}/" for tag in guard.names(freezes))]
            for prefix in states if path in layout.STATE_TABLES else [""]:
                with self._looking_at(f"/{prefix}{path}"):
                    parent, _, name = f"{prefix}{path}".rpartition("/")
                    self._check_widths(file.dataset(parent, name), columns)

    def _check_members(self, group: h5py.Group, known: set[str], optional: set[str] | None = None) -> None:
        found = set(guard.names(group))
        for name in sorted(known - found):
            self._error(group.name, f"{name!r} is missing")
        for name in sorted(found - known - (optional or set())):
            self._found.warning(f"{group.name.rstrip('/')}/{name}", "isn't part of the format", FOREIGN)

    def _check_attributes(
        self, path: str, found: dict[str, AttributeValue], expected: dict[str, layout.AttributeType]
    ) -> None:
        types = {"str": str, "i8": int, "f8": float}
        for name, kind in expected.items():
            if name not in found:
                self._error(path, f"the attribute {name!r} is missing")
            elif not isinstance(found[name], types[kind]):
                self._error(path, f"the attribute {name!r} is {type(found[name]).__name__}, expected {kind}")

    def _check_widths(self, dataset: h5py.Dataset, columns: tuple[layout.Column, ...]) -> None:
        self._found.check_widths(read_table(dataset, columns), columns, str(dataset.name))

    # -- stored signals -------------------------------------------------------------------------

    def _check_data(self, file: ArchiveFile) -> None:
        """Every object of /data holds what its name and attributes say."""
        group = guard.group_at(file.h5, layout.DATA)
        for name in guard.names(group):
            path = f"/{layout.DATA}/{name}"
            with self._looking_at(path):
                dataset = guard.dataset_at(group, name)
                attributes = read_attributes(dataset)
                self._check_attributes(
                    path, attributes, {**layout.SIGNAL_ATTRIBUTES, layout.SAMPLES_DIGEST: "str"}
                )
                if dataset.dtype.str not in layout.SAMPLE_TYPES:
                    self._error(path, f"samples of type {dataset.dtype}", FOREIGN)
                samples = self._hash(StoredSamples(dataset))
                if samples != attributes.get(layout.SAMPLES_DIGEST):
                    self._error(path, f"its samples aren't what {layout.SAMPLES_DIGEST} says")
                if digest.signal_digest(dataset.dtype, dataset.shape[0], samples, attributes) != name:
                    self._error(path, "its samples and attributes aren't what its name says")

    def _hash(self, stored: StoredSamples) -> str:
        """SHA-256 of samples, read ahead while the last block is hashed."""
        found = hashlib.sha256()

        def read(start: int) -> np.ndarray[Any, Any]:
            out = np.empty(min(_BLOCK_SAMPLES, stored.length - start), stored.dtype)
            stored.read(start, start + len(out), out)
            return out

        for start in range(0, stored.length, 4 * _BLOCK_SAMPLES):
            stop = min(start + 4 * _BLOCK_SAMPLES, stored.length)
            for block in spread(read, range(start, stop, _BLOCK_SAMPLES)):
                found.update(block)
                self._progress(block.nbytes)
        return found.hexdigest()

    # -- states ---------------------------------------------------------------------------------

    def _check_states(self, file: ArchiveFile) -> None:
        tags = guard.names(guard.group_at(file.h5, layout.FREEZES))
        for prefix in ("", *(f"{layout.FREEZES}/{tag}" for tag in tags)):
            with self._looking_at(f"/{prefix}"):
                self._check_state(file, prefix)
            if prefix:
                with self._looking_at(f"/{prefix}"):
                    group = file.group(prefix)
                    if digest.contents_digest(group) != read_attributes(group)[layout.CONTENTS_DIGEST]:
                        self._error(
                            f"/{prefix}", f"what it holds isn't what its {layout.CONTENTS_DIGEST} says"
                        )

    def _check_state(self, file: ArchiveFile, prefix: str) -> None:
        """What is shown is what the pieces table says, and both are what the digest says."""
        below = f"{prefix}/" if prefix else ""
        group = file.group(f"{below}{layout.SIGNALS}")
        table = Table(file, f"{below}{layout.PIECES}", layout.STATE_TABLES[layout.PIECES])
        pieces = pieces_by_signal(table)
        if set(pieces) != set(guard.names(group)):
            self._error(group.name, "its members aren't the signals of the pieces table")
            return
        described = []
        for name, parts in pieces.items():
            with self._looking_at(f"{group.name}/{name}"):
                shown = guard.dataset_at(group, name, may_be_virtual=True)
                attributes = read_attributes(shown)
                self._check_attributes(str(shown.name), attributes, layout.SIGNAL_ATTRIBUTES)
                self._check_rendering(file, shown, parts)
                if digest.normalised(parts) != parts:
                    self._error(
                        f"/{below}{layout.PIECES}",
                        f"the pieces of {name!r} could be fewer: neighbours continue each other",
                        FOREIGN,
                    )
                described.append((name, attributes, parts))
        for path, attributes in ((str(group.name), read_attributes(group)), (table.path, table.attributes)):
            if attributes:
                self._error(f"/{path.lstrip('/')}", f"has attributes: {', '.join(attributes)}", FOREIGN)
        state = State(file, prefix)
        self._check_lengths(state, described)
        tables = {
            name: digest.table_digest(t.rows(), t.attributes)
            for name, t in ((n, state._table(n)) for n in layout.STATE_TABLES)
            if name != layout.PIECES
        }
        found = digest.state_digest(described, tables)
        if found != state.digest:
            self._error(f"/{prefix}", "the state isn't what its digest says")

    def _check_rendering(self, file: ArchiveFile, shown: h5py.Dataset, parts: list[Piece]) -> None:
        """The link or virtual dataset that other tools see shows what the pieces say (spec P-5, P-6)."""
        data = guard.group_at(file.h5, layout.DATA)
        check_pieces(parts, file.stored, shown.dtype, str(shown.name))
        if not shown.is_virtual:
            whole = len(parts) == 1 and guard.address(guard.member(data, parts[0].data)) == guard.address(
                shown
            )
            if not whole or (parts[0].start, parts[0].stop) != (0, shown.shape[0]):
                self._error(str(shown.name), "isn't the stored data that the pieces table names", FOREIGN)
            return
        expected = virtual.expected_mapping(parts)
        if virtual.mapping(shown) != expected or shown.shape != (sum(map(len, parts)),):
            self._error(
                str(shown.name),
                "the virtual dataset shows something else than the pieces table says",
                FOREIGN,
            )
        if not virtual.has_conspicuous_fill(shown):
            self._error(str(shown.name), "the virtual dataset's fill value could pass for a sample", FOREIGN)

    def _check_lengths(
        self, state: State, described: list[tuple[str, dict[str, AttributeValue], list[Piece]]]
    ) -> None:
        """Segments and signals agree in length (spec T-5)."""
        for name, attributes, parts in described:
            expected = state.duration * float(attributes["sampling_rate"])
            if abs(sum(map(len, parts)) - expected) > 0.5:
                self._error(
                    f"/{state._path}",
                    f"signal {name!r} has {sum(map(len, parts))} samples, its segments {expected:.10g}",
                    FOREIGN,
                )

    # -- the way back to EDF, and totals --------------------------------------------------------

    def _check_edf(self, file: ArchiveFile) -> None:
        group = file.group(layout.EDF)
        for path, found in guard.walk(group, f"/{layout.EDF}"):
            with self._looking_at(path):
                stated = read_attributes(found).get(layout.BYTES_DIGEST)
                if (
                    isinstance(found, h5py.Dataset)
                    and found.dtype.names is None
                    and self._hash(StoredSamples(found)) != stated
                ):
                    self._error(path, f"its bytes aren't what its {layout.BYTES_DIGEST} says")
        with self._looking_at(f"/{layout.EDF}"):
            root = read_attributes(file.h5)
            if rebuilt_sha256(file, self._progress) != root["source_sha256"]:
                self._error(f"/{layout.EDF}", "the EDF bytes it gives aren't the source's")

    def _check_totals(self, file: ArchiveFile) -> None:
        root = read_attributes(file.h5)
        source = read_attributes(file.group(f"{layout.FREEZES}/{layout.SOURCE_FREEZE}"))
        if source.get(layout.STATE_DIGEST) != root["source_digest"]:
            self._error("/", "source_digest isn't the digest of the freeze `source`")
        history = Table(file, layout.HISTORY, layout.HISTORY_COLUMNS)["digest_after"]
        if not len(history) or history[-1] != root[layout.STATE_DIGEST]:
            self._error(f"/{layout.HISTORY}", "its last row doesn't lead to the working state")
        if digest.archive_digest(file.h5) != root[layout.ARCHIVE_DIGEST]:
            self._error("/", f"what the archive holds isn't what its {layout.ARCHIVE_DIGEST} says")


def main(path: str, locking: bool = True) -> None:
    """Check one file, which its caller has locked if `locking` is off; write JSON lines to standard output."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, resource.RLIM_INFINITY))

    def say(what: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    def progress(what: str | int) -> None:
        say({"at": what} if isinstance(what, str) else {"bytes": what})

    Checker(Path(path), lambda finding: say({"finding": asdict(finding)}), progress, locking).run()
    say({"done": True})


if __name__ == "__main__":
    main(sys.argv[1], NO_LOCK not in sys.argv[2:])
