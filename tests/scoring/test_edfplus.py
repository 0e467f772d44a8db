"""EDF+ files of annotations: real ones, made ones, and what other readers see in ours."""

from __future__ import annotations

import datetime
import shutil
import warnings
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from edf.builder import Recording, Signal, annotations, clocked, tal

from eegarchive.errors import EDFError
from eegarchive.scoring import ScoringError, read_events, write_events

from .made import START, events, rows

DATA = Path(__file__).parents[1] / "data"
HYPNOGRAM = DATA / "edfplusc_hypnogram_annotations_only.edf"
NIGHT = datetime.datetime(1989, 4, 24, 16, 13)


def test_a_real_hypnogram() -> None:
    found = read_events(HYPNOGRAM)
    assert len(found) == 154
    assert rows(found)[:2] == [(0, 30630, "Sleep stage W", "W", ""), (30630, 120, "Sleep stage 1", "N1", "")]
    assert {"W", "N1", "N2", "N3", "N4", "R"} <= set(found.kind)


def test_every_recording_gives_what_mne_reads(recording: Path) -> None:
    if "plus" not in recording.stem:
        with pytest.raises(ScoringError, match="without an annotation signal"):
            read_events(recording)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mne.read_annotations(recording)
    # MNE counts from the first sample, we from the header's start: so do the archive's annotations
    first = 0.3945312 if recording.stem in ("edfplusc_subsecond_start", "edfplusc_utf8_annotations") else 0
    found = read_events(recording)
    assert sorted(found.text) == sorted(expected.description)
    assert found.onset == pytest.approx(np.sort(expected.onset) + first)


def test_other_readers_see_the_same(tmp_path: Path) -> None:
    path = tmp_path / "made.edf"
    made = events(
        (-1.5, np.nan, "lights off"), (0, 30, "Sleep stage W"), (30, 0, "Ärger 😴"), (1e5 + 0.125, 1e-9, "x")
    )
    write_events(path, made, start=START)
    by_mne = mne.read_annotations(path)
    assert by_mne.onset.tolist() == made.onset.tolist()
    assert by_mne.duration.tolist() == np.nan_to_num(made.duration).tolist()
    assert by_mne.description.tolist() == made.text
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getStartdatetime() == START
        assert reader.signals_in_file == 0
        onset, duration, text = reader.readAnnotations()
    assert onset == pytest.approx(made.onset, abs=1e-7)  # EDFlib counts in 100 ns
    assert duration == pytest.approx(np.nan_to_num(made.duration, nan=-1), abs=1e-7)
    assert text.tolist() == made.text
    by_edfio = edfio.read_edf(path)
    assert (by_edfio.startdate, by_edfio.starttime) == (START.date(), START.time())
    assert [(a.onset, a.duration, a.text) for a in by_edfio.annotations] == [r[:3] for r in rows(made)]


def test_many_annotations_take_many_records_that_all_readers_follow(tmp_path: Path) -> None:
    path = tmp_path / "many.edf"
    made = events(*((i * 0.5, 0.25, f"event {i}") for i in range(9000)))
    write_events(path, made, start=START)
    assert path.stat().st_size > 3 * 61440
    assert int(path.read_bytes()[236:244]) > 3
    assert rows(read_events(path)) == rows(made)
    assert mne.read_annotations(path).description.tolist() == made.text
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.readAnnotations()[2].tolist() == made.text
    assert [a.text for a in edfio.read_edf(path).annotations] == made.text


def test_a_text_that_would_not_read_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"long\.edf: the event at 1\.5 s has a text too long for EDF\+"):
        write_events(tmp_path / "long.edf", events((1.5, 1, "x" * 2**16)))
    assert not (tmp_path / "long.edf").exists()


def test_a_text_longer_than_a_record_should_be(tmp_path: Path) -> None:
    made = events((0, 1, "x"), (1, 1, "é" * (2**15 - 1)), (2, 1, "y"))
    write_events(tmp_path / "long.edf", made)
    assert rows(read_events(tmp_path / "long.edf")) == rows(made)


@pytest.mark.parametrize("year", [1951, 1989, 2016, 2084, 2085, 2151])
def test_the_century_is_kept(year: int, tmp_path: Path) -> None:
    start = START.replace(year=year)
    write_events(tmp_path / "made.edf", events((7, 1, "x")), start=start)
    assert read_events(tmp_path / "made.edf", start=start).onset.tolist() == [7]
    assert (tmp_path / "made.edf").read_bytes()[
        168:176
    ] == f"29.07.{year % 100 if year <= 2084 else 'yy'}".encode()
    if year <= 2084:  # edfio 0.4.18 doesn't take the letters yy, which EDF+ has for later years
        assert edfio.read_edf(tmp_path / "made.edf").startdate == start.date()


def test_a_start_inside_a_second_moves_the_onsets(tmp_path: Path) -> None:
    start = START.replace(microsecond=250000)
    write_events(tmp_path / "made.edf", events((1, 1, "x")), start=start)
    assert b"+1.25\x15" in (tmp_path / "made.edf").read_bytes()
    assert read_events(tmp_path / "made.edf", start=start).onset.tolist() == [1]


def test_without_a_start_nothing_is_claimed_and_nothing_shifted(tmp_path: Path) -> None:
    write_events(tmp_path / "made.edf", events((7, 1, "x")))
    assert b"Startdate X X X X " in (tmp_path / "made.edf").read_bytes()
    assert read_events(tmp_path / "made.edf", start=START).onset.tolist() == [7]


@pytest.mark.parametrize(("late", "first"), [(0, 0), (90, -90), (-3600, 3600), (48 * 3600, -48 * 3600)])
def test_onsets_shift_by_the_difference_of_the_starts(late: int, first: float) -> None:
    found = read_events(HYPNOGRAM, start=NIGHT + datetime.timedelta(seconds=late))
    assert found.onset[0] == first
    assert len(found) == 154


def test_a_time_zone_is_ignored() -> None:
    start = (NIGHT - datetime.timedelta(seconds=10)).replace(tzinfo=datetime.UTC)
    assert read_events(HYPNOGRAM, start=start).onset[0] == 10


def test_a_night_whose_date_is_left_out_still_has_its_time(tmp_path: Path) -> None:
    night = {"recording": b"Startdate X X X X", "startdate": b"01.01.85", "starttime": b"22.00.00"}
    raw = Recording([clocked(0, extra={0: tal(5, "x")})], 1, reserved="EDF+C", fields=night).build()
    (tmp_path / "a.edf").write_bytes(raw)
    assert read_events(tmp_path / "a.edf", start=datetime.datetime(1985, 1, 1, 22, 0, 10)).onset.tolist() == [
        -5
    ]


def test_a_shift_of_more_than_two_days_is_refused() -> None:
    with pytest.raises(
        ScoringError, match=r"starts at 1989-04-24 16:13:00, 2 days, 0:00:01 from .* without start"
    ):
        read_events(HYPNOGRAM, start=NIGHT + datetime.timedelta(hours=48, seconds=1))


def test_the_first_records_onset_does_not_count_twice(tmp_path: Path) -> None:
    signal = clocked(0.5, 1.5, 2.5, extra={1: tal(1.75, "x", duration=1)})
    path = tmp_path / "late.edf"
    path.write_bytes(Recording([Signal(), signal], reserved="EDF+C").build())
    assert rows(read_events(path, start=NIGHT)) == [(1.75, 1, "x", "x", "")]


@pytest.mark.parametrize("bdf", [False, True])
def test_several_annotation_signals_among_others(bdf: bool, tmp_path: Path) -> None:
    label = "BDF Annotations" if bdf else "EDF Annotations"
    first = annotations(*(tal(i) + tal(i + 0.5, f"a{i}") for i in range(3)), label=label)
    second = annotations(b"", tal(0.25, "b@@C3"), label=label)
    path = tmp_path / ("made.bdf" if bdf else "made.edf")
    path.write_bytes(
        Recording([first, Signal(), second], reserved="BDF+C" if bdf else "EDF+C", bdf=bdf).build()
    )
    found = read_events(path)
    assert found.text == ["b@@C3", "a0", "a1", "a2"]
    assert found.kind[0] == "b"
    assert found.channel == ["C3", "", "", ""]


def test_records_are_read_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("eegarchive.scoring.edfplus.BLOCK_BYTES", 400)
    signal = clocked(*range(20), extra={i: tal(i, f"e{i}") for i in range(20)})
    (tmp_path / "made.edf").write_bytes(Recording([signal, Signal()], 20, reserved="EDF+C").build())
    assert read_events(tmp_path / "made.edf").text == [f"e{i}" for i in range(20)]
    signal = clocked(*range(20), extra={17: b"+x\x14what\x14\0"})
    (tmp_path / "bad.edf").write_bytes(Recording([signal, Signal()], 20, reserved="EDF+C").build())
    with pytest.raises(ScoringError, match=r"record 17: an annotation that can't be read"):
        read_events(tmp_path / "bad.edf")


def test_an_annotation_that_cannot_be_read_is_refused_with_its_record(tmp_path: Path) -> None:
    signal = clocked(0, 1, 2, extra={2: b"+x\x14what\x14\0"})
    (tmp_path / "bad.edf").write_bytes(Recording([Signal(), signal], reserved="EDF+C").build())
    with pytest.raises(ScoringError, match=r"bad\.edf: record 2: an annotation that can't be read"):
        read_events(tmp_path / "bad.edf")


def test_a_text_that_grows_as_it_is_decoded_is_refused(tmp_path: Path) -> None:
    signal = clocked(0, extra={0: tal(1, b"\xe4" * 40000)}, width=30000)
    (tmp_path / "bad.edf").write_bytes(Recording([signal], 1, reserved="EDF+C").build())
    with pytest.raises(ScoringError, match=r"bad\.edf: the annotation at 1\.0 s: a text of 80000 bytes"):
        read_events(tmp_path / "bad.edf")


def test_a_huge_record_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eegarchive.scoring.edfplus.MAX_FILE_BYTES", 4000)
    with pytest.raises(ScoringError, match="records of 4108 bytes; that is no scoring"):
        read_events(HYPNOGRAM)


def test_a_recording_without_annotations_says_so(tmp_path: Path) -> None:
    path = shutil.copy(DATA / "edf_sleep_psg_30s_records.edf", tmp_path)
    with pytest.raises(ScoringError, match="EDF without an annotation signal; it has no annotations"):
        read_events(path)


def test_what_is_no_edf_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "no.edf").write_bytes(b"x" * 300)
    with pytest.raises(EDFError, match="neither EDF"):
        read_events(tmp_path / "no.edf")


def test_bdf_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"written as EDF\+; give it the suffix \.edf"):
        write_events(tmp_path / "made.bdf", events((0, 1, "x")))
