"""Convert many recordings: folders, several processes, and a second run that skips what is done."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from eegarchive.archive import Archive
from eegarchive.conversion import ConvertReport, convert
from eegarchive.errors import EEGArchiveError, TargetExists, describe
from eegarchive.exporting import Progress
from eegarchive.layout import SUFFIX
from eegarchive.lineage import operations
from eegarchive.scrubbing import Anonymization, Review, scrubbed_edf
from eegarchive.storage import seal
from eegarchive.storage.workers import limit_cores, num_cores

#: What is taken from a folder; files named one by one may have any suffix.
SUFFIXES = (".edf", ".bdf", ".rec")
#: What archives are called: never an input, often a forgotten -o.
_ARCHIVES = (SUFFIX, ".hdf5")
_READ_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Outcome:
    """What became of one input: a report, a reason to skip it, or an error."""

    source: Path
    target: Path
    status: Literal["converted", "skipped", "failed"]
    report: ConvertReport | None = None
    error: str = ""


@dataclass
class BatchReport:
    """What became of all inputs."""

    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many inputs ended so: converted, skipped or failed."""
        return sum(outcome.status == status for outcome in self.outcomes)


def plan(
    inputs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None = None
) -> list[tuple[Path, Path]]:
    """Pairs of source and target for inputs that may be files and folders.

    Folders are searched at any depth for .edf, .bdf and .rec files, and their tree is kept below the
    output folder. The output is a file if there is one input file and the name ends in .h5 or .hdf5; else
    a folder. Without it archives go beside their sources.

    Raises
    ------
    EEGArchiveError
        If an input doesn't exist, or is named like an archive, a folder has no recordings, or two sources would get
        one target.
    """
    out = None if output is None else Path(output)
    paths = [Path(path) for path in inputs]
    for path in paths:
        if path.suffix.lower() in _ARCHIVES and not path.is_dir():
            raise EEGArchiveError(
                f"{path}: is named like an archive, not like a recording; name the archive to write as output (-o)"
            )
    if (
        out is not None
        and len(paths) == 1
        and not paths[0].is_dir()
        and out.suffix.lower() in _ARCHIVES
        and not out.is_dir()
    ):
        return [(paths[0], out)]
    if out is not None and os.path.lexists(out) and not out.is_dir():
        raise EEGArchiveError(f"{out}: is a file, where a folder for several archives is needed")
    pairs: dict[Path, Path] = {}
    for path in paths:
        for source, relative in _sources(path):
            target = (source.parent if out is None else out / relative.parent) / f"{source.stem}{SUFFIX}"
            if target in pairs and pairs[target] != source:
                raise EEGArchiveError(
                    f"{source} and {pairs[target]} would both become {target}; convert them one by one with -o"
                )
            pairs[target] = source
    return [(source, target) for target, source in pairs.items()]


def _sources(path: Path) -> Iterator[tuple[Path, Path]]:
    """Recordings of one input, with their paths relative to it."""
    if not path.is_dir():
        yield path, Path(path.name)
        return
    found = sorted(
        p
        for p in path.rglob("*")
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )
    if not found:
        raise EEGArchiveError(f"{path}: no {', '.join(SUFFIXES)} files in this folder")
    for source in found:
        yield source, source.relative_to(path)


def convert_many(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    jobs: int = 1,
    codec: str = "portable",
    verify: bool = True,
    overwrite: bool = False,
    seed: int | None = None,
    description: Mapping[str, Any] | None = None,
    bids: bool = True,
    annotations: str | os.PathLike[str] | None = None,
    anonymize: Anonymization | None = None,
    progress: Progress | None = None,
    finished: Callable[[Outcome], None] | None = None,
) -> BatchReport:
    """Convert files and folders of recordings; one that fails doesn't stop the others.

    A target that is there, whole, and made from the same source is skipped. Any other existing target is
    a failure, unless `overwrite` is set.

    Parameters
    ----------
    inputs, output
        As for :func:`plan`.
    jobs : int
        Recordings converted at the same time, each in a process of its own if more than one.
    codec, verify, overwrite, seed, description, bids
        As for :func:`eegarchive.convert`.
    annotations : path-like, optional
        As for :func:`eegarchive.convert`; for one recording.
    anonymize : Anonymization, optional
        As for :func:`eegarchive.convert`. A target is skipped if it is the recording anonymized in this way.
    progress : callable, optional
        Called with the bytes done since the last call; see :func:`total_bytes`.
    finished : callable, optional
        Called with each outcome as it comes.

    Raises
    ------
    EEGArchiveError
        If the inputs can't be paired with targets, or annotations are given for several recordings; nothing
        was converted then.
    """
    pairs = plan(inputs, output)
    if annotations is not None and len(pairs) != 1:
        raise EEGArchiveError(
            f"{annotations}: annotations belong to one recording, these are {len(pairs)}; convert them one by one"
        )
    options: dict[str, Any] = {
        "codec": codec,
        "verify": verify,
        "overwrite": overwrite,
        "seed": seed,
        "description": dict(description or {}),
        "bids": bids,
        "annotations": None if annotations is None else Path(annotations),
        "anonymize": anonymize,
    }
    outcomes: dict[Path, Outcome] = {}

    def keep(outcome: Outcome) -> None:
        outcomes[outcome.target] = outcome
        if finished is not None:
            finished(outcome)

    if jobs <= 1 or len(pairs) <= 1:
        for source, target in pairs:
            keep(_convert_one(source, target, options, progress))
    else:
        _in_processes(pairs, min(jobs, len(pairs)), options, progress, keep)
    return BatchReport([outcomes[target] for _, target in pairs])


def total_bytes(pairs: Sequence[tuple[Path, Path]], verify: bool = True) -> int:
    """How many bytes `progress` will be told of in all, if nothing is skipped or fails."""
    return sum(_size(source) for source, _ in pairs) * (2 if verify else 1)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _in_processes(
    pairs: Sequence[tuple[Path, Path]],
    jobs: int,
    options: dict[str, Any],
    progress: Progress | None,
    keep: Callable[[Outcome], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    messages = context.SimpleQueue()
    cores = max(1, num_cores() // jobs)

    def forward() -> None:
        while (count := messages.get()) is not None:
            if progress is not None:
                progress(count)

    listener = threading.Thread(target=forward, daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (messages, cores))
    try:
        waiting = {pool.submit(_work, source, target, options): (source, target) for source, target in pairs}
        for future in as_completed(waiting):
            source, target = waiting[future]
            try:
                keep(future.result())
            except Exception as error:  # the process died: out of memory, killed
                keep(Outcome(source, target, "failed", error=f"{source}: its process died ({error})"))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    messages.put(None)
    listener.join()


_messages: Any = None


def _start_worker(messages: Any, cores: int) -> None:
    global _messages
    _messages = messages
    limit_cores(cores)


def _work(source: Path, target: Path, options: dict[str, Any]) -> Outcome:
    return _convert_one(source, target, options, _messages.put)


def _convert_one(source: Path, target: Path, options: dict[str, Any], progress: Progress | None) -> Outcome:
    """Convert one recording; what goes wrong becomes the outcome, and its bytes still count as done."""
    expected = total_bytes([(source, target)], options["verify"])
    done = 0

    def count(amount: int) -> None:
        nonlocal done
        done += amount
        if progress is not None:
            progress(amount)

    try:
        if not options["overwrite"] and os.path.lexists(target):
            if is_archive_of(target, source, options["anonymize"]):
                _refuse_without(options["annotations"], target)
                return Outcome(source, target, "skipped")
            raise TargetExists(
                f"{target}: exists and isn't a whole archive of {source}; move it away, or overwrite (--overwrite)"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Outcome(source, target, "converted", convert(source, target, progress=count, **options))
    except (EEGArchiveError, OSError) as error:
        return Outcome(source, target, "failed", error=describe(error))
    finally:
        count(max(0, expected - done))


def _refuse_without(annotations: Path | None, target: Path) -> None:
    """Raise if annotations that are asked for aren't in an archive that is there already."""
    if annotations is None:
        return
    with Archive(target) as archive:
        done = [operation.parameters.get("file") for operation in operations(archive)]
    if annotations.name not in done:
        raise TargetExists(
            f"{target}: exists, without the annotations of {annotations}; import them "
            "(eegarchive annotations ARCHIVE import FILE), or overwrite (--overwrite)"
        )


def is_archive_of(target: Path, source: Path, anonymize: Anonymization | None = None) -> bool:
    """Whether `target` is whole (by its seal) and was made from `source` as it is now.

    The source counts as unchanged if its name and size are the recorded ones and it is older than the
    archive; a younger one is read and its digest compared. One that is to be anonymized is scrubbed and compared,
    since its archive knows nothing of it.
    """
    try:
        before, after = source.stat(), target.stat()
        with Archive(target) as archive:
            provenance = archive.provenance
        if anonymize is not None:
            found = _scrubbed_sha256(source, anonymize)
            return found == provenance.get("source_sha256") and seal.is_intact(target) is True
        same = (
            provenance.get("source_name") == source.name and provenance.get("source_size") == before.st_size
        )
        if same and before.st_mtime > after.st_mtime:
            with open(source, "rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == provenance.get("source_sha256")
        return same and seal.is_intact(target) is True
    except (EEGArchiveError, OSError):
        return False


def _scrubbed_sha256(source: Path, options: Anonymization) -> str:
    digest = hashlib.sha256()
    with open(source, "rb", buffering=0) as file:
        stream = scrubbed_edf(file, str(source), options, Review())
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
