"""What holds for every recording and every input of the parts that take recordings apart."""

from __future__ import annotations

import itertools
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import channels, records, tal
from eegarchive.recording import _breaks

from .builder import FILE_WIDTHS, SIGNAL_WIDTHS, Recording, Signal, annotations, clocked
from .builder import tal as encode_tal

FEW = settings(max_examples=100, deadline=None, derandomize=True)
MANY = settings(max_examples=400, deadline=None, derandomize=True)

# -- whole recordings ---------------------------------------------------------------------------

ODD_BYTES = st.binary(max_size=8)
#: Onset, duration (NaN if there is none) and text of an annotation.
Stated = tuple[float, float, str]
LABELS = st.one_of(
    st.sampled_from(["EEG C3-M2", "Flow", "Flow#1", "C3/M2", ".", "..", "", " ", "a\0b", "Größe", "%2F"]).map(
        str.encode
    ),
    st.binary(max_size=16),
).filter(lambda label: b"Annotations" not in label)
TEXTS = (
    st.text(max_size=8).map(lambda text: text.replace("\0", "").replace("\x14", "")).filter(lambda text: text)
)


@st.composite
def signals(draw: st.DrawFn, num_records: int, bdf: bool) -> Signal:
    """An ordinary signal with any samples; each field may hold any bytes that still leave a signal."""
    spr = draw(st.integers(0, 9))
    lowest = -(2**23) if bdf else -(2**15)
    count = num_records * spr
    samples = draw(st.lists(st.integers(lowest, -lowest - 1), min_size=count, max_size=count))
    names = ("dimension", "physical_minimum", "physical_maximum", "digital_minimum", "digital_maximum")
    fields = draw(st.dictionaries(st.sampled_from(names), ODD_BYTES, max_size=3))
    return Signal(draw(LABELS), spr, samples, fields)


@st.composite
def listed(
    draw: st.DrawFn, num_records: int, sample_bytes: int, keeps_time: bool
) -> tuple[Signal, list[Stated]]:
    """An annotation signal and what it says; its records may lie anywhere in time, or hold garbage."""
    at, stated, raws = 0.0, [], []
    for _ in range(num_records):
        at += draw(st.sampled_from([1.0, 1.0, 1.0, 1.5, 60.0, -3.0]))
        raw = encode_tal(at) if keeps_time else b""
        for _ in range(draw(st.integers(0, 2))):
            onset, length = draw(st.integers(-5, 9)) / 4, draw(st.none() | st.integers(0, 99))
            text = draw(TEXTS)
            raw += encode_tal(onset, text, duration=length)
            stated.append((onset, np.nan if length is None else float(length), text))
        raws.append(raw + draw(st.sampled_from([b"", b"", b"\x01garbage\0", b"\0\0"])))
    width = -(-max(map(len, raws), default=0) // sample_bytes) + 1
    return annotations(*raws, width=width), stated


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Recording, list[Stated]]:
    """A recording of any kind, and its annotations by signal and record."""
    bdf, num_records = draw(st.booleans()), draw(st.integers(0, 5))
    own: list[Signal] = draw(st.lists(signals(num_records, bdf), max_size=4))
    stated: list[Stated] = []
    at = 0
    for i in range(draw(st.integers(0, 2))):
        signal, said = draw(listed(num_records, 3 if bdf else 2, keeps_time=i == 0))
        at = draw(st.integers(at, len(own)))
        own.insert(at, signal)
        stated, at = stated + said, at + 1
    names = ("patient", "recording", "startdate", "starttime", "reserved", "num_records")
    fields = draw(st.dictionaries(st.sampled_from(names), ODD_BYTES, max_size=3))
    duration = draw(st.sampled_from(["1", "0.5", "30", "1.0284", "0", "1e-3"]))
    kind = draw(st.sampled_from(["", "EDF+C", "EDF+D", "24BIT"]))
    tail = draw(st.binary(max_size=3)) if any(s.samples_per_record for s in own) else b""
    return Recording(own, num_records, duration, kind, bdf, fields, tail=tail), stated


@FEW
@given(described=recordings(), block_bytes=st.sampled_from([6, 10, 64, 2**23]))
def test_any_recording_comes_back_byte_for_byte(
    described: tuple[Recording, list[Stated]], block_bytes: int
) -> None:
    recording, stated = described
    raw = recording.build()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK_BYTES", block_bytes)
        source, target, back = (Path(name) / f"night{suffix}" for suffix in (".rec", ".h5", ".edf"))
        source.write_bytes(raw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", eegarchive.OddInput)
            report = eegarchive.convert(source, target, codec="none")
        back = back.with_suffix(f".{report.kind[:3].lower()}")
        eegarchive.export(target, back)
        assert back.read_bytes() == raw
        with eegarchive.open(target) as archive:
            check_state(archive, recording, stated)


def check_state(archive: eegarchive.Archive, recording: Recording, stated: list[Stated]) -> None:
    """Samples and annotations are those of the description; segments cover the samples."""
    size = sum(s.samples_per_record for s in recording.signals) * recording.sample_bytes
    # bytes after the end that make up a record are one: the file's size tells how many there are
    whole = recording.num_records + (len(recording.tail) // size if size else 0)
    ordinary = [s for s in recording.signals if s.label != "EDF Annotations"]
    for found, put in zip(archive.signals.values(), ordinary, strict=True):
        samples = found.digital[:]
        assert samples.dtype == ("<i4" if recording.bdf else "<i2")
        assert len(samples) == whole * put.samples_per_record
        count = recording.num_records * put.samples_per_record
        assert samples[:count].tolist() == put.samples(recording.num_records)
    starts, lengths = archive.segments["start"], archive.segments["duration"]
    assert np.isfinite(starts).all()
    assert (lengths > 0).all()
    for found in archive.signals.values():
        assert round(lengths.sum() * found.sampling_rate) == len(found)
    table = archive.annotations
    rows = list(zip(table["onset"].tolist(), table["duration"].tolist(), table["text"].tolist(), strict=True))
    assert repr(rows) == repr(sorted(stated, key=lambda row: row[0]))
    assert set(table["set"]) <= {"edf"}


#: What tends to upset a parser.
NASTY = st.one_of(
    st.sampled_from(
        [b"9e99", b"9e-99", b"1e9", b"99999999", b"-1", b"-0", b"0", b"1,5", b"inf", b"4", b"3"]
    ).map(lambda number: number.ljust(8)),
    st.sampled_from([b"\0", b"\xff", b"\n", b"\x14", b"\x15", b"EDF+D", b"EDF Annotations ", b"\xffBIOSEMI"]),
    st.binary(min_size=1, max_size=9),
)
#: Where the header fields of a file of four signals start.
STARTS = list(
    itertools.accumulate([*FILE_WIDTHS.values(), *np.repeat([*SIGNAL_WIDTHS.values()], 4).tolist()])
)


@FEW
@given(
    bdf=st.booleans(),
    changes=st.lists(
        st.tuples(st.sampled_from(STARTS) | st.integers(0, 1600), NASTY), min_size=1, max_size=4
    ),
    cut=st.none() | st.integers(0, 1700),
    tail=st.binary(max_size=200),
)
def test_any_damage_to_a_file_is_kept_or_refused(
    bdf: bool, changes: list[tuple[int, bytes]], cut: int | None, tail: bytes
) -> None:
    clock = clocked(0, 1, 5, width=20, extra={1: encode_tal(1.5, "x", duration=3)})
    own = [Signal(), clock, Signal("C3/M2", 2), annotations(b"", encode_tal(3, "y"), width=8)]
    raw = bytearray(Recording(own, reserved="EDF+D", bdf=bdf).build())
    for at, new in changes:
        raw[at : at + len(new)] = new
    damaged = bytes(raw[:cut]) + tail
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "night.rec", Path(name) / "night.h5"
        source.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", eegarchive.OddInput)
            refusal = None
            try:
                report = eegarchive.convert(source, target, codec="none", verify=False)
            except eegarchive.EDFError as error:
                refusal = str(error)
        if refusal is not None:
            assert refusal.startswith(f"{source}: ")
            assert refusal.isprintable()
            assert list(Path(name).iterdir()) == [source]
            return
        assert all(oddity.message.isprintable() for oddity in report.oddities)
        back = target.with_suffix(f".{report.kind[:3].lower()}")
        eegarchive.export(target, back)
        assert back.read_bytes() == damaged
        with eegarchive.open(target) as archive:
            assert np.isfinite(archive.segments["start"]).all()
            assert np.isfinite(archive.annotations["onset"]).all()


# -- records ------------------------------------------------------------------------------------


@MANY
@given(raw=st.binary(max_size=60), is_bdf=st.booleans())
def test_decoding_and_encoding_samples_undo_each_other(raw: bytes, is_bdf: bool) -> None:
    width = 3 if is_bdf else 2
    raw = raw[: len(raw) // width * width]
    samples = records.decode_samples(np.frombuffer(raw, np.uint8).reshape(1, -1), is_bdf)
    expected = [int.from_bytes(raw[i : i + width], "little", signed=True) for i in range(0, len(raw), width)]
    assert samples.tolist() == expected
    assert records.encode_samples(samples, is_bdf).tobytes() == raw


@MANY
@given(data=st.data(), is_bdf=st.booleans())
def test_decoding_takes_a_signal_out_of_its_records(data: st.DataObject, is_bdf: bool) -> None:
    width = 3 if is_bdf else 2
    rows, before, count, after = (data.draw(st.integers(0, 4)) for _ in range(4))
    block = np.arange(rows * (before + count + after) * width, dtype=np.uint8)
    block = block.reshape(rows, (before + count + after) * width)
    own = block[:, before * width : (before + count) * width]
    assert records.encode_samples(records.decode_samples(own, is_bdf), is_bdf).tobytes() == own.tobytes()


@MANY
@given(
    widths=st.lists(st.integers(0, 12), max_size=5),
    sample_bytes=st.sampled_from([2, 3]),
    num_records=st.integers(0, 7),
    block_bytes=st.integers(3, 90),
)
def test_blocks_cover_every_byte_once_and_in_order(
    widths: list[int], sample_bytes: int, num_records: int, block_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK_BYTES", block_bytes)
        blocks = list(records.plan_blocks(widths, sample_bytes, num_records))
    width = sum(widths) * sample_bytes
    assert all(0 < block.rows * block.width <= block_bytes for block in blocks)
    if 0 < width <= block_bytes:
        assert all((block.rows, block.width) == (block_bytes // width, width) for block in blocks[:-1])
    # a byte's number in the file tells which signal and which byte of that signal's it is
    edges = np.cumsum([0, *widths]) * sample_bytes
    at = 0
    taken: list[list[int]] = [[] for _ in widths]
    for block in blocks:
        numbers = at + np.arange(block.rows * block.width).reshape(block.rows, block.width)
        at += numbers.size
        assert sum(part.width for part in block.parts) == block.width
        for part in block.parts:
            assert part.width % sample_bytes == 0
            taken[part.signal] += numbers[:, part.column : part.column + part.width].reshape(-1).tolist()
    assert at == width * num_records
    for signal, numbers_of_signal in enumerate(taken):
        assert numbers_of_signal == [
            record * width + byte
            for record in range(num_records)
            for byte in range(edges[signal], edges[signal + 1])
        ]


# -- annotations --------------------------------------------------------------------------------

#: What a record's bytes may be: proper time-keeping, nearly so, and anything.
RECORD_BYTES = st.one_of(
    st.decimals(-(10**6), 10**6, places=4).map(lambda onset: encode_tal(f"{onset:+f}")),
    st.from_regex(rb"[+-]?[0-9]{0,3}\.?[0-9]{0,3}\.?\x14{1,2}\x00{0,3}[+0-9.\x14\x15]{0,2}", fullmatch=True),
    st.text("+-.0123456789\x14\x15\0", max_size=40).map(str.encode),
    st.binary(max_size=12),
)


def slowly(
    block: np.ndarray, first: int, keeps_time: bool, report: tal.TalReport
) -> tuple[np.ndarray, list[tal.Annotation]]:
    """What `parse_records` gives, record by record."""
    found: list[tal.Annotation] = []
    onsets = [
        tal._parse_record(row.tobytes(), first + i, keeps_time, report, found) for i, row in enumerate(block)
    ]
    return np.array(onsets, float), found


@MANY
@given(raws=st.lists(RECORD_BYTES, min_size=1, max_size=6), spare=st.integers(0, 3), keeps_time=st.booleans())
def test_parsing_all_records_at_once_gives_what_parsing_each_does(
    raws: list[bytes], spare: int, keeps_time: bool
) -> None:
    width = max(map(len, raws)) + spare
    block = np.frombuffer(b"".join(raw.ljust(width, b"\0") for raw in raws), np.uint8).reshape(
        len(raws), width
    )
    quick, slow = tal.TalReport(), tal.TalReport()
    onsets, found = tal.parse_records(block, 7, keeps_time, quick)
    expected_onsets, expected = slowly(block, 7, keeps_time, slow)
    if width:
        assert repr(quick) == repr(slow)
    assert repr(found) == repr(expected)
    np.testing.assert_array_equal(onsets, expected_onsets)


def test_records_that_keep_time_alone_are_not_taken_apart_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tal, "_parse_record")
    stated = ["+0", "-1", "+0.5", "+5.", "+007", "+1234567890.123456789", "+9999999999999999999999999999.5"]
    raw = b"".join(encode_tal(onset).ljust(40, b"\0") for onset in stated)
    onsets, _ = tal.parse_records(np.frombuffer(raw, np.uint8).reshape(-1, 40), 0, True, tal.TalReport())
    assert onsets.tolist() == [float(onset) for onset in stated]
    empty, _ = tal.parse_records(np.zeros((3, 40), np.uint8), 0, False, tal.TalReport())
    assert np.isnan(empty).all()


@MANY
@given(
    lists=st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9).map(lambda i: i / 1000),
            st.none() | st.integers(0, 10**6).map(lambda i: i / 100),
            st.lists(TEXTS, min_size=1, max_size=3),
        ),
        max_size=4,
    )
)
def test_what_was_written_into_a_list_is_read_from_it(
    lists: list[tuple[float, float | None, list[str]]],
) -> None:
    raw = encode_tal(5) + b"".join(
        encode_tal(f"{onset:+.3f}", *texts, duration=length) for onset, length, texts in lists
    )
    report = tal.TalReport()
    onsets, found = tal.parse_records(np.frombuffer(raw, np.uint8).reshape(1, -1), 0, True, report)
    assert onsets.tolist() == [5.0]
    expected = [
        tal.Annotation(onset, np.nan if length is None else length, text)
        for onset, length, texts in lists
        for text in texts
    ]
    assert repr(found) == repr(expected)
    assert report.counts == {}


@MANY
@given(
    late=st.lists(st.integers(-40, 40).map(lambda i: i / 8), min_size=1, max_size=200).map(np.cumsum),
    tolerance=st.sampled_from([0.05, 0.5, 3.0]),
)
def test_runs_of_records_stay_within_the_tolerance_and_are_no_shorter_than_need_be(
    late: np.ndarray, tolerance: float
) -> None:
    starts = _breaks(late, tolerance)
    assert starts[0] == 0
    for start, stop in itertools.pairwise([*starts.tolist(), len(late)]):
        run = late[start:stop]
        assert (np.abs(run - run[0]) <= tolerance).all()
        assert (np.abs(np.diff(run)) <= tolerance).all()
        if stop < len(late):
            assert max(abs(late[stop] - late[stop - 1]), abs(late[stop] - run[0])) > tolerance


@pytest.mark.parametrize("at", [2, 63, 64, 65, 191, 192, 193, 400])
def test_drift_is_found_in_the_record_that_went_too_far(at: int) -> None:
    late = np.repeat([0.0, 0.6, 1.2], [at - 1, 1, 500])
    assert _breaks(late, 1.0).tolist() == [0, at]


# -- names --------------------------------------------------------------------------------------

ANY_LABELS = st.lists(
    st.one_of(
        st.sampled_from(["a", "a#1", "a#1#1", "a#2", "", ".", "..", "/", "%2F", "unnamed", " a"]),
        st.text(max_size=16),
    ),
    max_size=12,
)


@MANY
@given(labels=ANY_LABELS)
def test_names_are_unique_and_fit_for_paths_and_terminals(labels: list[str]) -> None:
    names = channels.link_names(labels)
    assert len(names) == len(labels)
    assert len(set(names)) == len(names)
    for name in names:
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert not {unicodedata.category(c) for c in name} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@MANY
@given(labels=ANY_LABELS)
def test_name_that_is_a_label_belongs_to_that_label(labels: list[str]) -> None:
    stripped = [label.strip() for label in labels]
    for name, label in zip(channels.link_names(labels), stripped, strict=True):
        assert name not in stripped or name == label
