"""Check every clause of the specification that a file can break, and recompute every digest.

This is the part of `verify` that touches the file through HDF5. It runs in a process of its own
(`python -m eegarchive.check FILE`), since a damaged file can crash libhdf5 itself, and writes one JSON
object a line: where it is, and what it found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eegarchive import digest, layout
from eegarchive.check_cache import check_caches
from eegarchive.check_links import SignalsCheck, check_attached, outside_paths, virtual_base
from eegarchive.check_windows import check_windows
from eegarchive.description import decode
from eegarchive.detached import DetachedFile, open_file
from eegarchive.exporting import rebuilt_sha256
from eegarchive.findings import FOREIGN, Finding, Findings, Progress, Report
from eegarchive.state import State, Table, pieces_by_signal
from eegarchive.storage import guard, handles
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import AttributeValue, read_attributes, read_table
from eegarchive.storage.samples import Piece, StoredSamples
from eegarchive.storage.workers import spread

_BLOCK_SAMPLES = 2**20
_MEMORY_LIMIT = 8 * 2**30
#: For a file that may mean harm, beside what the program itself takes.
_STRICT_MEMORY_LIMIT = 2**30

#: Arguments: that the caller has the file locked, which base a detached freeze has, and not to read all of that.
_NO_LOCK, _BASE, _SECONDS = "--no-lock", "--base=", "--seconds="
#: That the caller has only read the base, whose samples needn't be hashed again.
_TRUST_BASE = "--trust-base"


class Checker:
    """One check of one archive, or of one detached freeze."""

    def __init__(
        self,
        path: Path,
        report: Report,
        progress: Progress,
        locking: bool = True,
        base: str | None = None,
        trust_base: bool = False,
    ) -> None:
        self._path = path
        self._trust_base = trust_base
        self._base = base
        self._locking = locking
        self._progress = progress
        self._found = found = Findings(report, progress)
        self._error, self._looking_at = found.error, found.looking_at

    def run(self) -> None:
        """Check everything; what is wrong goes to the report."""
        file = None
        with self._looking_at("/"):
            file = open_file(self._path, self._base, self._locking)
        if file is None:
            return
        with contextlib.closing(file), file.reading():
            with self._looking_at("/"):
                self._check_structure(file)
            if self._found.errors:
                return  # what follows would follow links and read sizes that can't be trusted
            self._check_data(file)
            if isinstance(file, DetachedFile):
                self._check_base(file)
            if not isinstance(file, DetachedFile) or file.base is not None:
                self._check_states(file)
                check_caches(file, self._found)
            self._check_contents_digests(file)
            if not isinstance(file, DetachedFile):
                check_attached(file, self._found)
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
        for path, found in guard.walk(file.h5, leave_out=outside_paths(file)):
            self._progress(path)
            address = guard.address(found)
            if address in seen:
                continue
            seen.add(address)
            with self._looking_at(path):
                if isinstance(found, h5py.Dataset):
                    guard.check_dataset(found, virtual_base(file, path))
                read_attributes(found)
        self._check_attributes("/", read_attributes(file.h5), layout.ROOT_ATTRIBUTES)
        if isinstance(file, DetachedFile):
            self._check_attributes("/", read_attributes(file.h5), layout.DETACHED_ATTRIBUTES)
            self._check_members(file.h5, {layout.DATA, layout.FREEZES})
            if layout.HISTORY not in guard.names(file.group(f"{layout.FREEZES}/{file.tag}")):
                self._error(f"/{layout.FREEZES}/{file.tag}", f"{layout.HISTORY!r} is missing")
        else:
            self._check_root(file)
        freezes = guard.group_at(file.h5, layout.FREEZES)
        if not isinstance(file, DetachedFile) and layout.SOURCE_FREEZE not in guard.names(freezes):
            self._error(f"/{layout.FREEZES}", f"the freeze {layout.SOURCE_FREEZE!r} is missing")
        self._check_freezes(file, freezes)
        self._check_tables(file)

    def _check_root(self, file: ArchiveFile) -> None:
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

    def _check_freezes(self, file: ArchiveFile, freezes: h5py.Group) -> None:
        for tag in guard.names(freezes):
            if not re.fullmatch(layout.TAG_PATTERN, tag):
                self._error(
                    f"/{layout.FREEZES}/{tag}", "isn't a tag: 1 to 64 letters, digits, '.', '_', '-'", FOREIGN
                )
        for tag in file.own_freezes():
            group = guard.group_at(freezes, tag)
            optional = {layout.CACHE, layout.HISTORY}
            self._check_members(group, {*layout.STATE_TABLES, layout.SIGNALS}, optional)
            self._check_attributes(group.name, read_attributes(group), layout.FREEZE_ATTRIBUTES)

    def _check_tables(self, file: ArchiveFile) -> None:
        """Every table has its columns, as wide as they need be."""
        paths = {
            f"{state}/{name}".lstrip("/"): name for state in file.states() for name in layout.STATE_TABLES
        }
        for tag in file.own_freezes():
            if layout.HISTORY in guard.names(file.group(f"{layout.FREEZES}/{tag}")):
                paths[f"{layout.FREEZES}/{tag}/{layout.HISTORY}"] = layout.HISTORY
        if not isinstance(file, DetachedFile):
            paths |= {name: name for name in layout.TABLES}
        for path, name in paths.items():
            with self._looking_at(f"/{path}"):
                parent, _, own = path.rpartition("/")
                self._check_widths(file.dataset(parent, own), layout.TABLES[name])

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
        signals = SignalsCheck(file, self._found, self._progress)
        for prefix in file.states():
            with self._looking_at(f"/{prefix}"):
                self._check_state(file, prefix, signals)

    def _check_contents_digests(self, file: ArchiveFile) -> None:
        """What a freeze has beside its state is what its digest says; so is its own history."""
        for tag in file.own_freezes():
            path = f"{layout.FREEZES}/{tag}"
            with self._looking_at(f"/{path}"):
                group = file.group(path)
                stated = read_attributes(group)
                if digest.contents_digest(group) != stated[layout.CONTENTS_DIGEST]:
                    self._error(f"/{path}", f"what it holds isn't what its {layout.CONTENTS_DIGEST} says")
                if layout.HISTORY in guard.names(group):
                    self._check_history(file, f"{path}/{layout.HISTORY}", stated[layout.STATE_DIGEST])

    def _check_history(self, file: ArchiveFile, path: str, state: AttributeValue) -> None:
        """A history leads to a state."""
        history = Table(file, path, layout.HISTORY_COLUMNS)["digest_after"]
        if not len(history) or history[-1] != state:
            what = "the working state" if path == layout.HISTORY else "the freeze's state"
            self._error(f"/{path}", f"its last row doesn't lead to {what}")

    def _check_base(self, file: DetachedFile) -> None:
        """The samples that the base has to have are what their names say (spec X-7)."""
        path = f"/{layout.FREEZES}/{file.tag}/{layout.PIECES}"
        with self._looking_at(path):
            base = file.recording
            for name in sorted(file.needed):
                stored = file.stored(name)
                stated = read_attributes(stored.dataset).get(layout.SAMPLES_DIGEST)
                if not self._trust_base and self._hash(stored) != stated:
                    self._error(
                        path, f"{base.path.name}, its base: the samples of /{layout.DATA}/{name} are damaged"
                    )

    def _check_state(self, file: ArchiveFile, prefix: str, signals: SignalsCheck) -> None:
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
                shown = file.shown(f"{below}{layout.SIGNALS}", name, parts[0].data)
                attributes = read_attributes(shown)
                self._check_attributes(f"{group.name}/{name}", attributes, layout.SIGNAL_ATTRIBUTES)
                signals.check(group, name, shown, parts)
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
        if isinstance(file, DetachedFile):
            own = read_attributes(file.group(f"{layout.FREEZES}/{file.tag}"))
            if own.get(layout.STATE_DIGEST) != root[layout.STATE_DIGEST]:
                self._error("/", f"its digest isn't that of the freeze {file.tag!r}")
        else:
            source = read_attributes(file.group(f"{layout.FREEZES}/{layout.SOURCE_FREEZE}"))
            if source.get(layout.STATE_DIGEST) != root["source_digest"]:
                self._error("/", "source_digest isn't the digest of the freeze `source`")
            self._check_history(file, layout.HISTORY, root[layout.STATE_DIGEST])
        if digest.archive_digest(file.h5) != root[layout.ARCHIVE_DIGEST]:
            self._error("/", f"what it holds isn't what its {layout.ARCHIVE_DIGEST} says")


def arguments(
    path: Path,
    locking: bool,
    base: str | os.PathLike[str] | None,
    seconds: int | None = None,
    trust_base: bool = False,
) -> list[str]:
    """What the child process is called with."""
    given = [] if base is None else [f"{_BASE}{os.fspath(base)}"]
    limits = [] if seconds is None else [f"{_SECONDS}{seconds}"]
    limits += [_TRUST_BASE] if trust_base else []
    return [str(path), *([] if locking else [_NO_LOCK]), *given, *limits]


def _limit(seconds: int | None) -> None:
    """Bound memory, and if `seconds` are given, be stricter: 1 GiB more, that much time, no writing."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        if seconds is None:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, resource.RLIM_INFINITY))
            return
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        own = 3 * 2**30  # where the system doesn't tell: libraries alone map a gigabyte
        with contextlib.suppress(OSError):
            own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = own + _STRICT_MEMORY_LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(
    path: str,
    locking: bool = True,
    base: str | None = None,
    seconds: int | None = None,
    trust_base: bool = False,
) -> None:
    """Check one file, which its caller has locked if `locking` is off; write JSON lines to standard output."""
    _limit(seconds)
    handles.undoes_crashes = seconds is None  # nor of a base beside a file that may mean harm

    def say(what: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    def progress(what: str | int) -> None:
        say({"at": what} if isinstance(what, str) else {"bytes": what})

    def report(finding: Finding) -> None:
        say({"finding": asdict(finding)})

    Checker(Path(path), report, progress, locking, base, trust_base).run()
    say({"done": True})


if __name__ == "__main__":
    given = [argument.removeprefix(_BASE) for argument in sys.argv[2:] if argument.startswith(_BASE)]
    allowed = [argument.removeprefix(_SECONDS) for argument in sys.argv[2:] if argument.startswith(_SECONDS)]
    main(
        sys.argv[1],
        _NO_LOCK not in sys.argv[2:],
        given[0] if given else None,
        int(allowed[0]) if allowed else None,
        _TRUST_BASE in sys.argv[2:],
    )
