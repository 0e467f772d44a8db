"""Every way in which a program can use an archive, as functions of its path and a folder for what they write."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from click.testing import CliRunner

import eegarchive
from eegarchive.check import Checker
from eegarchive.cli import main
from eegarchive.findings import Finding
from eegarchive.summary import summarize_signals, summarize_windows

#: More samples than this of one signal are read at their ends alone.
_MOST_SAMPLES = 2**22

Use = Callable[[Path, Path], object]


def read(path: Path, folder: Path) -> None:
    """All that a reader gives of each state."""
    with eegarchive.open(path) as archive:
        tags = [None, *archive.freezes]
    for tag in tags:
        with eegarchive.open(path, tag) as archive:
            archive.provenance, archive.description, archive.edf_header, archive.digest, repr(archive)
            archive.read([]), archive.start, archive.duration
            for table in (archive.segments, archive.annotations, archive.epochs, archive.history):
                table.columns(), table.attributes, repr(table)
            archive.warnings.columns()
            for signal in archive.signals.values():
                repr(signal), signal.attributes, signal.pieces
                for part in _parts(len(signal)):
                    signal.digital[part], signal[part]
            _read_caches(archive)
            for freeze in archive.freezes.values():
                repr(freeze)


def _parts(length: int) -> list[slice]:
    if length <= _MOST_SAMPLES:
        return [slice(0, length)]
    return [slice(0, 1000), slice(length - 1000, length)]


def _read_caches(archive: eegarchive.Archive) -> None:
    for name in archive.cache:
        cache = archive.cache[name]
        cache.summary(), cache.blocks(stale=True), repr(cache), cache.factors, cache.variables
        for variable in cache.variables:
            cache.select(variable, stale=True)


def read_seconds(path: Path, folder: Path) -> None:
    """Physical values of one signal by the recording clock."""
    with eegarchive.open(path) as archive:
        for name in itertools.islice(archive.signals, 2):
            rows = archive.segments.rows()
            if len(rows):
                start, length = float(rows["start"][0]), float(rows["duration"][0])
                with contextlib.suppress(ValueError):  # a stretch that isn't in one segment, as documented
                    archive.read([name], start, start + min(length, 1.0))


def info(path: Path, folder: Path) -> None:
    """What `info` and its kin show."""
    with eegarchive.open(path) as archive:
        eegarchive.summarize(archive)
        summarize_signals(archive)
        summarize_windows(archive)


def history(path: Path, folder: Path) -> None:
    """What was done, of each state."""
    with eegarchive.open(path) as archive:
        tags = list(archive.freezes)
    for tag in (None, *tags):
        eegarchive.history(path, tag)


def compare(path: Path, folder: Path) -> None:
    """Differences between the working state and the source."""
    with eegarchive.open(path) as a, eegarchive.open(path, "source") as b:
        repr(eegarchive.diff(a, b))


def export(path: Path, folder: Path) -> None:
    """The working state and the source as EDF."""
    for number, name in enumerate((str(path), f"{path}@source")):
        eegarchive.export(name, folder / f"out{number}.edf", overwrite=True)


def export_tables(path: Path, folder: Path) -> None:
    """Annotations and history as text."""
    with eegarchive.open(path) as archive:
        eegarchive.export_annotations(archive, folder / "out.annot", overwrite=True)
    for table in ("annotations", "epochs", "segments", "signals", "history", "freezes", "warnings"):
        eegarchive.export(path, folder / "out.csv", table=table, overwrite=True)


def raw(path: Path, folder: Path) -> None:
    """MNE's Raw, with its data."""
    with eegarchive.open(path) as archive:
        rates = {signal.sampling_rate for signal in archive.signals.values()}
        for rate in sorted(rates)[:2]:
            archive.to_raw(rate=rate, preload=True, verbose="ERROR")


def windows(path: Path, folder: Path) -> None:
    """Windows cut from the working state, and those of each prepared set."""
    with eegarchive.open(path) as archive:
        sets = [found["name"] for found in summarize_windows(archive)]
        names = list(archive.signals)[:1]
    for prepared in sets:
        found = eegarchive.windows(path, prepared=prepared, stale=True)
        for i in range(min(3, len(found))):
            found[i]
    if names:
        found = eegarchive.windows(path, 1.0, picks=names, target=None)
        for i in range(min(3, len(found))):
            found[i]


def edit(path: Path, folder: Path) -> None:
    """An edit that looks at all signals and epochs, adds to all tables, freezes and thaws."""
    with eegarchive.edit(path, timeout=1.0) as night:
        night.set_epochs(30)
        night.mask(drop_epochs="1")
        night.restructure()
        night.add_annotations([0.0], [1.0], ["found"])
        for name in itertools.islice(night.signals, 1):
            night.copy_signal(name, "another")
        night.freeze("by-fuzz")
        night.thaw("source")
        night.cache["own"].put("a", 1.0)
        night.describe(note="changed")


def remove(path: Path, folder: Path) -> None:
    """An edit that takes away freezes and caches."""
    with eegarchive.edit(path, timeout=1.0) as night:
        for tag in list(night.freezes):
            if tag != "source":
                night.remove_freeze(tag)
        for name in list(night.cache):
            del night.cache[name]


def compact(path: Path, folder: Path) -> None:
    """The smallest file of the same contents."""
    eegarchive.compact(path, timeout=1.0)


def plot(path: Path, folder: Path) -> None:
    """A page of traces."""
    eegarchive.plot(path, folder / "out.png", start=0.0, duration=5.0, overwrite=True)


def replay(path: Path, folder: Path) -> None:
    """The history, run again."""
    eegarchive.replay(path)


def manifest(path: Path, folder: Path) -> None:
    """Hashes and provenance."""
    json.dumps(eegarchive.manifest(path), allow_nan=False)


def anonymize(path: Path, folder: Path) -> None:
    """The archive without what says who it is."""
    eegarchive.anonymize(path, folder / "anonymous.h5", overwrite=True)


def pack(path: Path, folder: Path) -> None:
    """One file that needs no other, with plain datasets."""
    eegarchive.links_out(path)
    eegarchive.pack(path, folder / "packed.h5", materialize=True, overwrite=True)


def collect(path: Path, folder: Path) -> None:
    """Caches gathered, exported and copied."""
    with eegarchive.open(path) as archive:
        names = list(archive.cache)
        for name in names:
            archive.cache[name].export_file(folder / "cache.csv", stale=True, overwrite=True)
    for name in names:
        eegarchive.collect([path], name, folder / "collected.csv", overwrite=True)


#: Verbs that show something, or write beside the archive; the last ones change it. {} is the archive.
VERBS = (
    *("info {}", "info {} --json", "signals {}", "annotations {} --json", "freezes {}", "freezes {} --json"),
    *("history {}", "history {} --json", "describe {}", "describe {} --json", "digest {}", "windows {}"),
    *("cache list {}", "cache list {} --json", "cache dump {} own", "epochs {}", "diff {}@source {}"),
    *("export {} -o out.edf --overwrite", "export {} -o out.csv --table history --overwrite"),
    *("manifest {}", "replay {}", "replay {} --json", "anonymize {} --dry-run", "verify {} --portable"),
    *(
        "verify {}",
        "verify {} --json",
        "detach {}@A -o out.A.h5 --overwrite",
        "pack {} -o packed.h5 --overwrite",
    ),
    *("cache clear {}", "mask {} --drop-epochs 1", "thaw {} source --discard", "freezes {} --remove A"),
)
#: What text for a terminal never has: it would drive it.
_DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


def verbs(path: Path, folder: Path, chosen: Sequence[str] = VERBS) -> list[int]:
    """The command line, in this process: each verb ends with 0 or 1 (diff: 2), and prints only text; the exit codes.

    Raises
    ------
    RuntimeError
        If one doesn't.
    """
    codes = []
    for verb in chosen:
        done = CliRunner().invoke(main, [part.replace("{}", str(path)) for part in verb.split()])
        codes.append(done.exit_code)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code not in ((0, 1, 2) if verb.startswith("diff") else (0, 1)):
            raise RuntimeError(f"{verb}: exit code {done.exit_code}: {done.output!a:.200}")
        if drives := _DRIVES.search(done.output):
            raise RuntimeError(
                f"{verb}: printed {drives[0]!a} in {done.output[drives.start() - 60 :]!a:.200}"
            )
    return codes


def check(path: Path, folder: Path) -> list[Finding]:
    """All clauses and digests, without a process of its own."""
    found: list[Finding] = []
    Checker(path, found.append, lambda _: None).run()
    return found


#: What reads comes first; what changes the file last.
READING: dict[str, Use] = {
    use.__name__: use
    for use in (read, read_seconds, info, history, compare, export, export_tables, windows, check)
}
SLOW: dict[str, Use] = {
    use.__name__: use for use in (raw, plot, replay, manifest, anonymize, pack, collect, verbs)
}
CHANGING: dict[str, Use] = {use.__name__: use for use in (edit, remove, compact)}


def quietly(use: Use, path: Path, folder: Path) -> object:
    """Use an archive without warnings of ours; those of others are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return use(path, folder)
