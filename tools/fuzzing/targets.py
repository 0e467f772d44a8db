"""What is fuzzed: for each kind of input, good ones to begin with, how to spoil one, and how to use it."""

from __future__ import annotations

import datetime
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import eegarchive
from eegarchive import tal, verification
from eegarchive.cache.files import luna_lines, read_values
from eegarchive.errors import EEGArchiveError
from eegarchive.scoring import FORMATS, read_events, write_events
from eegarchive.storage import journal, seal
from eegarchive.storage.pages import PAGE_BYTES
from fuzzing import mutating, uses
from fuzzing.structures import lie

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "spec" / "reference" / "1.0"
RECORDINGS = ROOT / "tests" / "data"
START = datetime.datetime(2016, 1, 1, 22, 0)

#: Told which part of the use begins.
Stage = Callable[[str], None]
#: Spoil an input in a folder, and use it.
Try = Callable[[random.Random, Path, Stage], None]


def _use(path: Path, folder: Path, stage: Stage, use: uses.Use, refusals: list[EEGArchiveError]) -> None:
    stage(use.__name__)
    try:
        uses.quietly(use, path, folder)
    except EEGArchiveError as error:
        refusals.append(error)


def _use_all(path: Path, folder: Path, stage: Stage, rng: random.Random) -> None:
    """Use an archive in all ways that read it and in one that changes it; raise the first refusal."""
    refusals: list[EEGArchiveError] = []
    for use in uses.READING.values():
        _use(path, folder, stage, use, refusals)
    if rng.random() < 0.3:
        change = rng.choice((uses.edit, uses.edit, uses.edit, uses.remove, uses.remove, uses.compact))
        _use(path, folder, stage, change, refusals)
    if refusals:
        stage("")
        stage("refusing")
        raise refusals[0]


def archive(folder: Path) -> Try:
    """Archives: bytes changed, with HDF5's checksums and the seal made right; or contents that lie."""
    seeds = []
    for name in (
        "edf_trailing_byte_bad_date",
        "cache_values",
        "windows_prepared",
        "edfplusc_duplicate_labels",
    ):
        raw = (REFERENCE / f"{name}.h5").read_bytes()
        seeds.append((raw, mutating.checked_regions(raw)))

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        raw, regions = rng.choice(seeds)
        path = here / "night.h5"
        path.write_bytes(raw)
        if rng.random() < 0.6:
            lie(rng, path)
        else:
            path.write_bytes(_with_bytes_changed(rng, raw, regions))
        _use_all(path, here, stage, rng)

    return attempt


def _with_bytes_changed(rng: random.Random, raw: bytes, regions: list[tuple[int, int]]) -> bytes:
    if rng.random() < 0.2:
        return mutating.mangle(rng, raw)
    found = raw[: -seal.SEAL_BYTES]
    for _ in range(rng.randint(1, 3)):  # in metadata: what lies between is compressed samples
        start, end = rng.choice(regions)
        found = (
            found[:start]
            + mutating.mangle(rng, found[start:end], most=2, keep_length=True)[: end - start]
            + found[end:]
        )
    found = mutating.mend_checksums(found, regions)
    parts = (found[at : at + seal.BLOCK_BYTES] for at in range(0, len(found), seal.BLOCK_BYTES))
    total = sum(seal.block_digest(number, part) for number, part in enumerate(parts))
    return found + seal.line(seal.digits_of(total))


def edf(folder: Path) -> Try:
    """EDF and BDF files: headers whose fields lie, bytes changed, records missing."""
    names = (
        "edf_trailing_byte_bad_date.edf",
        "edfplusc_hypnogram_annotations_only.edf",
        "edfplusc_duplicate_labels.edf",
    )
    whole = [(RECORDINGS / name).read_bytes() for name in names]
    whole += [
        path.read_bytes()[:40_000] for path in sorted(RECORDINGS.glob("*.[be]df")) if path.name not in names
    ]

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        raw = rng.choice(whole)
        if rng.random() < 0.7:
            raw = _odd_fields(rng, raw)
        if rng.random() < 0.6:
            raw = mutating.mangle(rng, raw)
        source = here / rng.choice(("night.edf", "night.bdf"))
        source.write_bytes(raw)
        stage("convert")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", eegarchive.OddInput)
            eegarchive.convert(source, here / "night.h5")
        stage("source bytes")
        eegarchive.export(f"{here / 'night.h5'}@source", here / "again.edf")
        if (here / "again.edf").read_bytes() != raw:
            raise RuntimeError("the source's bytes didn't come back")
        _use_all(here / "night.h5", here, stage, rng)

    return attempt


def _odd_fields(rng: random.Random, raw: bytes) -> bytes:
    """Header fields exchanged for odd ones of the same width."""
    from eegarchive.edf import FILE_FIELDS, SIGNAL_FIELDS

    found = bytearray(raw)
    count = max(1, int(raw[252:256].strip() or b"1")) if raw[252:256].strip().isdigit() else 1
    fields, at = [], 0
    for name, width in FILE_FIELDS:
        fields.append((name, at, width))
        at += width
    for name, width in SIGNAL_FIELDS:
        fields += [(name, at + i * width, width) for i in range(count)]
        at += width * count
    for _ in range(rng.randint(1, 4)):
        _, at, width = rng.choice(fields)
        text = rng.choice(
            (*mutating.NUMBERS, *mutating.NUMBERS, *mutating.TEXTS, "EDF+C", "EDF+D", "31.12.84", "99.99.99")
        )
        found[at : at + width] = text.encode("utf-8", "surrogatepass")[:width].ljust(width)
    return bytes(found)


def tals(folder: Path) -> Try:
    """Annotation signals of EDF+."""
    tokens = (
        "+0\x14\x14\0",
        "+0",
        "+30",
        "-1.5",
        "\x14",
        "\x15",
        "\0",
        "\0\0",
        "text",
        "\x14\x14",
        "+1\x1530\x14N2\x14\0",
        "\xff",
    )

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        raw = mutating.assemble(rng, tokens)
        width = rng.choice((0, 1, 2, 3, 4, 8, 31, 32, 33, 64, 200))
        raw = raw[: len(raw) - len(raw) % width] if width else b""
        block = np.frombuffer(raw, np.uint8).reshape(-1, width) if width else np.zeros((3, 0), np.uint8)
        stage("parse")
        report = tal.TalReport()
        onsets, found = tal.parse_records(block, 0, rng.random() < 0.5, report)
        if len(onsets) != len(block) or np.isinf(onsets).any():
            raise RuntimeError("onsets are none")
        for one in found:
            if (
                not np.isfinite(one.onset)
                or np.isinf(one.duration)
                or len(one.text.encode("utf-8")) > 3 * tal.MAX_TEXT_BYTES
            ):
                raise RuntimeError(f"{one!r} is no annotation")

    return attempt


def journals(folder: Path) -> Try:
    """Journals beside an archive, of commits that were cut off, whole and spoilt."""
    path = Path(shutil.copy(REFERENCE / "edf_trailing_byte_bad_date.h5", folder / "night.h5"))
    old = path.read_bytes()
    with eegarchive.edit(path) as night:
        night.set_epochs(30)
        night.freeze("A")
    new = path.read_bytes()
    numbers = range(-(-len(old) // PAGE_BYTES))
    cut: list[tuple[int, bytes, bytes]] = [(n, _page(old, n), _page(new, n)) for n in numbers]
    kept = {n: (a, b) for n, a, b in cut if a != b}
    good = journal.Journal(len(old), len(new), kept).encode()

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        night = here / "night.h5"
        state = rng.choice((old, new, old + new[len(old) :], new[:8192] + old[8192:] + new[len(old) :]))
        raw = good
        if rng.random() < 0.9:
            raw = mutating.mangle(rng, good)
        honest = raw == good
        if not honest and rng.random() < 0.6:
            raw = _rehashed(rng, raw)
        if rng.random() < 0.2:
            state = mutating.mangle(rng, state, most=2)
            honest = False
        night.write_bytes(state)
        (here / "night.h5-journal").write_bytes(raw)
        stage("verify")
        found = verification._check_seal(night)
        if honest and (found or night.read_bytes() != old):
            raise RuntimeError("a commit that was cut off wasn't undone")
        _use_all(night, here, stage, rng)

    return attempt


def _page(raw: bytes, number: int) -> bytes:
    size = PAGE_BYTES
    return raw[number * size : (number + 1) * size].ljust(size, b"\0")


def _rehashed(rng: random.Random, raw: bytes) -> bytes:
    """A journal whose hash is right, and at times its number of pages too."""
    import hashlib

    body = bytearray(raw[:-32])
    if rng.random() < 0.5 and len(body) > 45:
        at = rng.choice((21, 29, 37, 45))
        body[at : at + 8] = rng.choice((0, 1, 100, 2**31, 2**40, 2**63, 2**64 - 1)).to_bytes(8, "little")
    return bytes(body) + hashlib.sha256(body).digest()


def caches(folder: Path) -> Try:
    """Files of values: tables as Luna writes them, CSV, Parquet and JSON."""
    path = REFERENCE / "cache_values.h5"
    seeds: list[tuple[str, bytes]] = []
    with eegarchive.open(path) as night, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in night.cache:
            for format in ("csv", "json", "parquet"):
                night.cache[name].export_file(folder / f"{name}.{format}", stale=True)
                seeds.append((format, (folder / f"{name}.{format}").read_bytes()))
            seeds.append(
                ("luna", "\n".join(luna_lines(night.cache[name].blocks(stale=True), name=name)).encode())
            )
    seeds.append(("luna", b"ID\tCH\tF\tPSD\nn1\tC3\t1.5\t2.5\nn1\tC4\t1.5\t.\n"))
    seeds.append(("csv", b"CH,F,PSD,N\nC3,1.5,2.5,1\nC4,1.5,NA,2\n"))
    tokens = (
        "ID\t",
        "ID ",
        "CH",
        "F",
        "PSD",
        "\t",
        ",",
        '"',
        "\n",
        "NA",
        ".",
        "TRUE",
        '{"schema": ',
        "}",
        "[",
        "]",
        "variable,",
    )

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        format, raw = rng.choice(seeds)
        raw = mutating.mangle(rng, raw, tokens) if rng.random() < 0.85 else mutating.assemble(rng, tokens)
        file = here / f"values.{format}"
        file.write_bytes(raw)
        factors = rng.choice(((), (), ("CH",), ("CH", "F"), ("CH:text", "F:num"), ("nothing",)))
        stage(f"read {format}")
        found = read_values(
            file, factors=factors, variables=rng.choice((None, None, ("PSD",))), format=format
        )
        if rng.random() < 0.2 and found:
            stage(f"import {format}")
            night = Path(shutil.copy(REFERENCE / "edf_trailing_byte_bad_date.h5", here / "night.h5"))
            with eegarchive.edit(night, timeout=1.0) as edited:
                edited.cache["own"].import_file(file, factors, ids=None, format=format)
            _use_all(night, here, stage, rng)

    return attempt


def scorings(folder: Path) -> Try:
    """Files of annotations and stages, of every format."""
    seeds: list[tuple[str, bytes]] = []
    whole = read_events(RECORDINGS / "edfplusc_hypnogram_annotations_only.edf")
    for format in FORMATS:
        if format != "nsrr":
            edges = np.arange(0.0, 3000.0, 30.0), np.full(100, 30.0)
            write_events(folder / f"out.{format}", whole, start=START, format=format, epochs=edges)
            seeds.append((format, (folder / f"out.{format}").read_bytes()[:20_000]))
    scored = (
        "<ScoredEvent><EventType>Arousals</EventType><EventConcept>Arousal</EventConcept><Start>1.5</Start>"
    )
    nsrr = (
        f"<?xml version='1.0'?><PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents>{scored}<Duration>3"
    )
    seeds.append(("nsrr", (nsrr + "</Duration></ScoredEvent></ScoredEvents></PSGAnnotation>").encode()))
    seeds.append(
        (
            "nsrr",
            b"<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages><SleepStage>2</SleepStage></SleepStages></CMPStudyConfig>",
        )
    )
    tokens = (
        *(
            "class",
            "#",
            "...",
            "-",
            "+",
            "e:",
            "0+",
            "10:20:30",
            "99:99:99",
            "onset,duration,text\n",
            "onset\tduration\ttrial_type\n",
        ),
        *(
            "<PSGAnnotation>",
            "<ScoredEvent>",
            "</ScoredEvent>",
            "<Start>",
            "&#0;",
            "<!ENTITY a 'b'>",
            "W",
            "N1",
            "R",
            "2016-01-01 00:00:00",
        ),
    )

    def attempt(rng: random.Random, here: Path, stage: Stage) -> None:
        format, raw = rng.choice(seeds)
        raw = mutating.mangle(rng, raw, tokens) if rng.random() < 0.8 else mutating.assemble(rng, tokens)
        file = here / f"events.{rng.choice((*FORMATS[format], 'x'))}"
        file.write_bytes(raw)
        stage(f"read {format}")
        found = read_events(file, start=START, format=rng.choice((format, format, None)))
        if rng.random() < 0.15:
            stage(f"import {format}")
            night = Path(shutil.copy(REFERENCE / "edf_trailing_byte_bad_date.h5", here / "night.h5"))
            with eegarchive.edit(night, timeout=1.0) as edited:
                edited.import_annotations(file, format=format)
            _use_all(night, here, stage, rng)
        elif rng.random() < 0.2:
            stage(f"write {format}")
            write_events(here / "again.csv", found, start=START)

    return attempt


TARGETS: dict[str, Callable[[Path], Try]] = {
    make.__name__: make for make in (archive, edf, tals, journals, caches, scorings)
}
