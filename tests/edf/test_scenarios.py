"""Every named recording converts, says what was odd, and exports byte for byte; what can't be read is refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive import records, verify

from .builder import Recording, annotations
from .scenarios import COUNTS, HEADERS, KINDS, LABELS, LIMITS, RATES, Scenario, eeg, plus
from .scenarios_plus import ANNOTATED, BENT

SCENARIOS = [*KINDS, *RATES, *COUNTS, *HEADERS, *LABELS, *LIMITS, *ANNOTATED, *BENT]
NAMED = {scenario.name: pytest.param(scenario, id=scenario.name) for scenario in SCENARIOS}
#: Converted in small blocks too.
CUT_UP = (
    *(scenario.name for scenario in KINDS),
    "channels at different and non-integer rates",
    "a signal without samples",
    "last record of EDF+D cut short",
    "several annotation signals",
    "equal onsets in several annotation signals",
    "annotations only",
    "first annotation signal of no size",
    "missing terminators",
    "text that runs into the next record",
    "garbage in place of lists",
)
#: Checked against the whole specification too.
VERIFIED = (
    "labels with slashes",
    "labels with control characters",
    "several annotation signals",
    "annotations only",
    "no signals, but records",
    "header alone",
    "text too long to be one",
)


def converted(raw: bytes, folder: Path, suffix: str = ".edf") -> tuple[eegarchive.ConvertReport, list[str]]:
    """Convert bytes to `folder`/night.h5; return the report and the warnings' texts."""
    source = folder / f"night{suffix}"
    source.write_bytes(raw)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        report = eegarchive.convert(source, folder / "night.h5")
    assert {item.category for item in raised} <= {eegarchive.OddInput}
    return report, [str(item.message) for item in raised]


def exported(archive: Path, kind: str) -> bytes:
    """The bytes that an archive exports."""
    target = archive.with_name("exported" + (".bdf" if kind.startswith("BDF") else ".edf"))
    eegarchive.export(archive, target)
    return target.read_bytes()


def rows_of_annotations(archive: eegarchive.Archive) -> list[tuple[float, float | None, str]]:
    table = archive.annotations
    columns = (table["onset"].tolist(), table["duration"].tolist(), table["text"].tolist())
    return [
        (onset, None if np.isnan(length) else length, text)
        for onset, length, text in zip(*columns, strict=True)
    ]


FACTS: dict[str, Callable[[eegarchive.Archive], Any]] = {
    "kind": lambda a: a.provenance["source_kind"],
    "segments": lambda a: list(
        zip(a.segments["start"].tolist(), a.segments["duration"].tolist(), strict=True)
    ),
    "rates": lambda a: [s.sampling_rate for s in a.signals.values()],
    "types": lambda a: [s.dtype.str for s in a.signals.values()],
    "names": lambda a: list(a.signals),
    "labels": lambda a: [s.label for s in a.signals.values()],
    "units": lambda a: [s.units for s in a.signals.values()],
    "transducers": lambda a: [s.attributes["transducer"] for s in a.signals.values()],
    "physical": lambda a: [s[:].tolist() for s in a.signals.values()],
    "annotations": rows_of_annotations,
    "annotation kinds": lambda a: a.annotations["kind"].tolist(),
    "channels": lambda a: a.annotations["channel"].tolist(),
    "start": lambda a: a.start.isoformat() if a.start else None,
    "tail": lambda a: a._file.dataset("edf", "tail")[()].tobytes(),
}


@pytest.mark.parametrize("scenario", NAMED.values())
def test_recording_exports_byte_for_byte_and_says_what_was_odd(scenario: Scenario, tmp_path: Path) -> None:
    raw = scenario.recording.build()
    report, raised = converted(raw, tmp_path)
    assert exported(tmp_path / "night.h5", report.kind) == raw
    assert [oddity.code for oddity in report.oddities] == list(scenario.warnings)
    assert raised == [f"{report.source}: {oddity.message}" for oddity in report.oddities]
    assert not re.search(r"[\x00-\x1f\x7f]", "".join(raised))
    with eegarchive.open(tmp_path / "night.h5") as archive:
        assert archive.warnings["code"].tolist() == list(scenario.warnings)
        assert archive.warnings["message"].tolist() == [oddity.message for oddity in report.oddities]
        facts = dict(scenario.facts)
        message = str(facts.pop("messages", ""))
        assert any(message in text for text in archive.warnings["message"]) or not message
        assert {fact: FACTS[fact](archive) for fact in facts} == facts
        check_samples(archive, scenario.recording, scenario.whole)


def check_samples(archive: eegarchive.Archive, recording: Recording, whole: int | None) -> None:
    """The archive's signals hold the description's samples, in its order, in `whole` records."""
    count = recording.num_records if whole is None else whole
    ordinary = [s for s in recording.signals if b"Annotations" not in s.header(recording.bdf)["label"]]
    found = [signal.digital[:].tolist() for signal in archive.signals.values()]
    stated = [
        signal.samples(recording.num_records)[: count * signal.samples_per_record] for signal in ordinary
    ]
    assert found == stated


@pytest.mark.parametrize("scenario", [NAMED[name] for name in CUT_UP])
@pytest.mark.parametrize("block_bytes", [6, 35])
def test_records_larger_than_a_block_give_the_same_archive(
    scenario: Scenario, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = scenario.recording.build()
    (tmp_path / "whole").mkdir()
    expected, _ = converted(raw, tmp_path / "whole")
    monkeypatch.setattr(records, "BLOCK_BYTES", block_bytes)
    report, _ = converted(raw, tmp_path)
    assert (report.digest, report.kind, report.oddities) == (
        expected.digest,
        expected.kind,
        expected.oddities,
    )
    assert exported(tmp_path / "night.h5", report.kind) == raw


@pytest.mark.parametrize("scenario", [NAMED[name] for name in VERIFIED])
def test_archive_of_an_odd_recording_verifies(scenario: Scenario, tmp_path: Path) -> None:
    converted(scenario.recording.build(), tmp_path)
    assert verify(tmp_path / "night.h5") == []


def test_version_byte_and_not_the_suffix_tells_edf_from_bdf(tmp_path: Path) -> None:
    raw = Recording(bdf=True).build()
    report, _ = converted(raw, tmp_path, ".edf")
    assert report.kind == "BDF"
    with pytest.raises(eegarchive.EEGArchiveError, match=r"name the file \*\.bdf"):
        eegarchive.export(tmp_path / "night.h5", tmp_path / "wrong.edf")
    assert exported(tmp_path / "night.h5", report.kind) == raw


def header_with(**fields: bytes) -> bytes:
    return Recording(fields=fields).build()


REFUSALS = {
    "empty file": (b"", "ends at byte 0"),
    "text file": (b"Subject,Age,Sex\n" + 40 * b"S001,54,F\n", "byte 0: .*b'Subject,'"),
    "truncated first header": (header_with()[:255], "ends at byte 255"),
    "truncated signal headers": (header_with()[:511], "ends at byte 511, inside its header of 512"),
    "version 1": (header_with(version=b"1"), "byte 0: .*b'1       '"),
    "version empty": (header_with(version=b""), "byte 0: "),
    "GDF": (header_with(version=b"GDF 2.20"), "byte 0: .*b'GDF 2.20'"),
    "BIOSEMI without its first byte": (header_with(version=b"BIOSEMI"), "byte 0: .*b'BIOSEMI '"),
    "number of signals unreadable": (
        header_with(num_signals=b"one", header_bytes=b"500"),
        "byte 252: .*b'one '",
    ),
    "number of signals and header size unreadable": (
        header_with(num_signals=b"?", header_bytes=b"?"),
        "byte 252: .*b.\\?   ",
    ),
    "number of signals negative": (header_with(num_signals=b"-1"), "byte 252: .*b'-1  '"),
    "number of signals broken": (header_with(num_signals=b"1.5", header_bytes=b"?"), "byte 252: .*b'1.5 '"),
    "number of signals astronomic": (header_with(num_signals=b"9e99"), "ends at byte 536"),
    "header size of no signals, number unreadable": (
        header_with(num_signals=b"", header_bytes=b"0"),
        "byte 252: .*b'    '",
    ),
    "samples per record unreadable": (
        Recording([eeg(), eeg(samples_per_record=b"x\ny")]).build(),
        r"byte 696: signal 1 \('EEG Fpz-Cz'\) has b'x\\ny     '",
    ),
    "samples per record negative": (Recording([eeg(samples_per_record=b"-4")]).build(), "byte 472: signal 0"),
    "samples per record broken": (Recording([eeg(samples_per_record=b"4.5")]).build(), "byte 472: signal 0"),
    "samples per record astronomic": (
        Recording([eeg(samples_per_record=b"9e19")]).build(),
        "byte 472: signal 0",
    ),
    "samples per record of annotations": (
        plus(annotations(b"", b"", b"", fields={"samples_per_record": b"many"})).build(),
        "byte 472: signal 0",
    ),
    "record duration unreadable": (Recording(record_duration="one").build(), "byte 244: .*b'one     '"),
    "record duration empty": (Recording(record_duration="").build(), "byte 244: "),
    "record duration negative": (Recording(record_duration="-1").build(), "byte 244: .*b'-1      '"),
    "record duration infinite": (Recording(record_duration="inf").build(), "byte 244: .*b'inf     '"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_not_edf_is_refused_and_leaves_no_file(raw: bytes, message: str, tmp_path: Path) -> None:
    source = tmp_path / "night.edf"
    source.write_bytes(raw)
    with pytest.raises(eegarchive.EDFError, match=message) as raised:
        eegarchive.convert(source)
    assert str(raised.value).startswith(f"{source}: ")
    assert str(raised.value).isprintable()
    assert list(tmp_path.iterdir()) == [source]
