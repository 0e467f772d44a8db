"""Write an archive anew without what says who was recorded: every state, the header's bytes, the provenance."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive import digest, edf, freezing, layout
from eegarchive.anonymizing.recordings import drain, scrubbed_source
from eegarchive.anonymizing.states import Carrier, only_pieces, scrubbed_attributes
from eegarchive.archive import Freezes, split_tag
from eegarchive.cache.tables import stored_names
from eegarchive.conversion import (
    Conversion,
    anonymous_root,
    check_read_back,
    kept_fields,
    write_anonymous_history,
)
from eegarchive.description import decode, encode
from eegarchive.draft import DraftStore
from eegarchive.errors import EEGArchiveError, InvalidArchive, VerificationFailed
from eegarchive.exporting import Progress
from eegarchive.scrubbing import Anonymization, Item, Review
from eegarchive.state import Description, State, Table
from eegarchive.storage import guard, objects, seal
from eegarchive.storage.codec import PORTABLE, Codec
from eegarchive.storage.container import ArchiveFile, EditedFile
from eegarchive.storage.files import drop_from_memory, named_failures, new_file, refuse_existing, refuse_same
from eegarchive.storage.handles import IsDetached
from eegarchive.storage.objects import read_attribute, read_attributes
from eegarchive.storage.samples import StoredSamples
from eegarchive.verification import check_contents
from eegarchive.windowing.sets import set_names

_BLOCK_SAMPLES = 2**20
#: Attributes of the root that name files, folders, programs or moments; they are gone or others.
_ROOT = {
    "source_name": "source file",
    "source_sha256": "digest of the source",
    "command": "command",
    "host_python": "host",
    "git_commit": "commit",
    "seed": "seed",
    "created_by": "made by",
}


@dataclass(frozen=True)
class AnonymizeReport:
    """What anonymizing an archive did, or would do.

    Attributes
    ----------
    path : Path
    target : Path or None
        The new archive; None if nothing was to be written.
    reviewed : list of Item
        What was removed, changed and kept.
    tags : dict
        New tags of freezes by old ones.
    digest : str
        Digest of the new working state; empty if nothing was written.
    archive_bytes : int
    seconds : float
    """

    path: Path
    target: Path | None
    reviewed: list[Item]
    tags: dict[str, str]
    digest: str = ""
    archive_bytes: int = 0
    seconds: float = 0.0

    def items(self, fate: str) -> list[Item]:
        """What was removed, or changed, or kept."""
        return [item for item in self.reviewed if item.fate == fate]


def anonymize(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    shift_days: int | None = None,
    keep: Sequence[str] = (),
    keep_annotations: Sequence[str] = (),
    keep_tags: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> AnonymizeReport:
    """Write an archive without what says who was recorded; a person has to look through what is kept.

    The new archive is one of the scrubbed recording: samples, times, masks and epochs of every state are the same,
    header, texts, dates, notes and history are not. Caches and prepared windows are left out. It is checked before it
    gets its name.

    Parameters
    ----------
    path : path-like
        A whole archive; it isn't changed.
    target : path-like
        The archive to write; not needed with `dry_run`.
    shift_days : int, optional
        Move all dates by so many days; without it the recording starts on 1985-01-01. The time of day stays.
    keep : sequence of str
        Fields to keep: `age` and `sex`, of the EDF header too, or any other of the description.
    keep_annotations : sequence of str
        Annotation texts to keep beside the standard ones, `*` standing for any characters.
    keep_tags : bool
        Keep the tags of freezes, which are `freeze-1` and so on otherwise.
    dry_run : bool
        Write nothing; the report says what would be done.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called with the bytes done since the last call; see :func:`bytes_to_anonymize`.

    Returns
    -------
    AnonymizeReport

    Raises
    ------
    EEGArchiveError
        If the archive needs other files, or a date can't be shifted by so much.
    TargetExists
        If the target is there and `overwrite` isn't set.
    InvalidArchive, VerificationFailed
        If the archive is damaged, or what was read back isn't what was written. No file is left.
    """
    began = time.perf_counter()
    path, tag = split_tag(path)
    if tag is not None:
        raise EEGArchiveError(f"{path}@{tag}: an archive is anonymized as a whole; name it without a freeze")
    path = Path(path)
    new = None if target is None or dry_run else Path(target)
    if new is None and not dry_run:
        raise EEGArchiveError(f"{path}: name the archive to write, or ask for a dry run")
    if new is not None:
        refuse_same(path, new)
        refuse_existing(new, overwrite)
    options = Anonymization(shift_days, tuple(keep), tuple(keep_annotations))
    with contextlib.closing(_opened(path)) as file, file.reading():
        work = _Anonymizing(file, options, keep_tags)
        if new is None:
            work.look()
            return AnonymizeReport(path, None, work.review.items(), work.tags)
        with new_file(new, overwrite) as temporary:
            with named_failures(new), h5py.File(objects.create_file(temporary)) as h5:
                source_sha256, state_digest = work.write(h5, temporary, progress)
            sealed = seal.compute(temporary, temporary.stat().st_size)
            check_read_back(temporary, path, source_sha256, progress)
            seal.append(temporary, sealed)
            _check(temporary, path)
            size = temporary.stat().st_size
    return AnonymizeReport(
        path, new, work.review.items(), work.tags, state_digest, size, time.perf_counter() - began
    )


def bytes_to_anonymize(path: str | os.PathLike[str]) -> int:
    """How many bytes `progress` will be told of in all, about."""
    with contextlib.closing(_opened(Path(path))) as file, file.reading():
        size = read_attribute(file.h5, "source_size")
        return 2 * size if isinstance(size, int) else 0


def _opened(path: Path) -> ArchiveFile:
    """An archive that stands alone.

    Raises
    ------
    EEGArchiveError
        If it needs other files.
    """
    try:
        file = ArchiveFile(path)
    except IsDetached:
        raise EEGArchiveError(
            f"{path}: is a detached freeze, which needs another file; make one archive of it first (eegarchive pack)"
        ) from None
    with file.reading():
        attached = sorted(file.attached_freezes())
    if attached:
        file.close()
        raise EEGArchiveError(
            f"{path}: the freeze {attached[0]!r} lies in another file; take it in first (eegarchive attach --copy, "
            "or eegarchive pack)"
        )
    return file


def _check(temporary: Path, path: Path) -> None:
    """Check every byte, clause and digest of the new archive, from disk."""
    drop_from_memory(temporary)
    found = check_contents(temporary, None, locking=False)
    wrong = [f"{finding.path}: {finding.message}" for finding in found if finding.severity == "error"]
    if not seal.is_intact(temporary):
        wrong.append("its bytes have changed")
    if wrong:
        raise VerificationFailed(
            f"{path}: what was written isn't whole ({wrong[0]}); it was removed. Run `eegarchive verify` on the "
            "archive, check the disk and memory"
        )


class _NewFile(EditedFile):
    """The new archive while it is written, before it has a seal."""

    def __init__(self, h5: h5py.File, path: Path) -> None:
        self.path = path
        self._h5 = h5
        self._kept: dict[tuple[str, ...], Any] = {}
        self._closed = False


@dataclass
class _Anonymizing:
    """One archive's way into another."""

    file: ArchiveFile
    options: Anonymization
    keep_tags: bool
    review: Review = field(default_factory=Review)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._freezes = Freezes(
            self.file, history=lambda: Table(self.file, layout.HISTORY, layout.HISTORY_COLUMNS)
        )
        listed = self._freezes.columns()
        self._notes = dict(zip(listed["tag"], listed["note"], strict=True))
        for tag in listed["tag"]:
            if tag != layout.SOURCE_FREEZE:
                self.tags[tag] = tag if self.keep_tags else f"freeze-{len(self.tags) + 1}"
        self.root = read_attributes(self.file.h5)
        self.fields = self._tell_root()

    def _tell_root(self) -> dict[str, Any]:
        """Review what the root, the freezes and what is left out say; the fields that stay."""
        review = self.review
        for name, where in _ROOT.items():
            review.removed(where, str(self.root.get(name, "")))
        fields = kept_fields(decode(self.root), self.options.keep, review)
        for old, new in self.tags.items():
            review.changed("tag", old, new)
            review.removed("note", str(self._notes.get(old) or ""))
        history = Table(self.file, layout.HISTORY, layout.HISTORY_COLUMNS)
        count = len(history)
        review.removed("history", f"{count} operation{'s' if count > 1 else ''}")
        states = [self.file.h5, *(self.file.group(f"{layout.FREEZES}/{tag}") for tag in self._notes)]
        for name in sorted({name for state in states for name in stored_names(state)}):
            review.removed("cache", name)
        for name in set_names(self.file):
            review.removed("windows", name)
        return fields

    def look(self) -> None:
        """Find everything, write nothing."""
        header, stream = scrubbed_source(self.file, self.options, self.review)
        after = edf.read_header(stream, str(self.file.path)).start()
        drain(stream)
        carrier = self._carrier(header, after)
        for _, state in self._states():
            carrier.draft(state, carrier.signals(state))

    def write(self, h5: h5py.File, temporary: Path, progress: Progress | None) -> tuple[str, str]:
        """Write the whole archive; the SHA-256 of its source, and the digest of its working state."""
        header, stream = scrubbed_source(self.file, self.options, self.review)
        scrubbed = edf.read_header(stream, str(self.file.path))
        written = Conversion(h5, stream, scrubbed, self._codec()).run(progress)
        carrier = self._carrier(header, scrubbed.start())
        root = anonymous_root(scrubbed, written, self.options)
        objects.write_attributes(h5, {**root, **encode(self.fields)})
        frozen = _States(self.file, _NewFile(h5, temporary), carrier).write(self._states(), self.tags)
        last = str(read_attribute(h5, layout.STATE_DIGEST))
        write_anonymous_history(h5, written, self.options, frozen, last)
        objects.write_attribute(h5, layout.ARCHIVE_DIGEST, digest.archive_digest(h5))
        return written.source_sha256, last

    def _carrier(self, header: edf.Header, after: Any) -> Carrier:
        labels = [signal.label for signal in header.signals]
        return Carrier(header.start(), after, self.options.keep_annotations, labels, self.review)

    def _states(self) -> list[tuple[str, State]]:
        """Every state but `source`, the working state last, under the tag ""."""
        return [*((tag, self._freezes[tag]) for tag in self.tags), ("", State(self.file, ""))]

    def _codec(self) -> Codec:
        """The codec that the archive's samples have."""
        for name in guard.names(self.file.group(layout.DATA)):
            codec = self.file.stored(name).codec
            if codec is not None:
                return codec
        return PORTABLE


class _States:
    """Puts states of an archive into another one, in which the scrubbed recording is."""

    def __init__(self, old: ArchiveFile, new: EditedFile, carrier: Carrier) -> None:
        self._old, self._new, self._carrier = old, new, carrier
        #: Names of stored signals in the new archive by those in the old one.
        self._names = dict(self._recorded())

    def _recorded(self) -> Iterator[tuple[str, str]]:
        """Stored signals of the recording itself."""
        where = f"{layout.FREEZES}/{layout.SOURCE_FREEZE}"
        old, new = State(self._old, where), State(self._new, where)
        for name in old.signals:
            pair = tuple(state.signals.describe(name).pieces[0].data for state in (old, new))
            samples = [
                read_attribute(file.stored(data).dataset, layout.SAMPLES_DIGEST)
                for file, data in zip((self._old, self._new), pair, strict=True)
            ]
            if samples[0] != samples[1]:
                raise InvalidArchive(
                    f"{self._old.path}: /{layout.DATA}/{pair[0]}: its samples aren't what {layout.SAMPLES_DIGEST} "
                    "says; run `eegarchive verify`. Nothing was written"
                )
            yield pair[0], pair[1]

    def write(self, states: Sequence[tuple[str, State]], tags: Mapping[str, str]) -> list[tuple[str, str]]:
        """Write states, each a freeze of its new tag, the one without a tag as the working state; (tag, digest)."""
        frozen = []
        for tag, state in states:
            store = DraftStore(self._new)
            shown = store.load()
            signals = self._settled(state, store)
            draft = self._carrier.draft(
                state,
                {
                    name: shown.signals[name] if shown.signals.get(name) == signal else signal
                    for name, signal in signals.items()
                },
            )
            store.render(draft)
            objects.write_attribute(self._new.h5, layout.STATE_DIGEST, draft.digest)
            if tag:
                freezing.link_state(self._new, tags[tag], "")
                frozen.append((tags[tag], draft.digest))
        return frozen

    def _settled(self, state: State, store: DraftStore) -> dict[str, Description]:
        """A state's signals, made of data that are stored here."""
        signals = self._carrier.signals(state)
        for signal in signals.values():
            for piece in signal.pieces:
                if piece.data not in self._names:
                    self._names[piece.data] = self._copied(piece.data, store)
        return only_pieces(signals, self._names)

    def _copied(self, name: str, store: DraftStore) -> str:
        """Store a signal's samples with scrubbed attributes; its name."""
        stored = self._old.stored(name)
        attributes = read_attributes(stored.dataset)
        scrubbed = scrubbed_attributes(attributes, self._carrier.review)
        piece = store.store(_blocks(stored), stored.dtype, stored.length, scrubbed)
        found = read_attribute(self._new.stored(piece.data).dataset, layout.SAMPLES_DIGEST)
        if found != attributes.get(layout.SAMPLES_DIGEST):
            raise InvalidArchive(
                f"{self._old.path}: /{layout.DATA}/{name}: its samples aren't what {layout.SAMPLES_DIGEST} says; "
                "run `eegarchive verify`. Nothing was written"
            )
        return piece.data


def _blocks(stored: StoredSamples) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, stored.length, _BLOCK_SAMPLES):
        out = np.empty(min(_BLOCK_SAMPLES, stored.length - start), stored.dtype)
        stored.read(start, start + len(out), out)
        yield out
