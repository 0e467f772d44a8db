"""BIDS events and CSV in their dialects."""

from __future__ import annotations

import datetime
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from eegarchive.scoring import ScoringError, read_events, write_events

from .made import START, events, file_of, rows

TWO = [(0, 30, "Sleep stage W", "W", ""), (30.5, None, "arousal", "arousal", "")]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.csv", ["onset,duration,text", "0,30,Sleep stage W", "30.5,,arousal"]),
        ("a.csv", ["duration,ONSET , Label ", "30, 0 ,Sleep stage W", "nan,3.05e1,arousal"]),
        ("a.csv", ["onset;duration;stage", "0,0;30;Sleep stage W", "30,5;;arousal"]),
        ("a.csv", ['"onset"\t"duration"\t"description"', '0\t30\t"Sleep stage W"', "30.5\tNaN\tarousal"]),
        ("a.csv", ["onset,duration,text,,", "0,30,Sleep stage W,,", "30.5,,arousal,,"]),
        ("a.csv", ["onset,duration,text,set", "", "0,30,Sleep stage W,me", ",,,", "30.5,,arousal,you"]),
        ("a.tsv", ["onset\tduration\ttrial_type", "0\t30\tSleep stage W", "30.5\tn/a\tarousal"]),
        ("a.tsv", ["onset\tduration\tsample\tvalue", "0\t30\t0\tSleep stage W", "30.5\tn/a\t9\tarousal"]),
        ("a.tsv", ["onset\tduration\tvalue\ttrial_type", "0\t30\t7\tSleep stage W", "30.5\tn/a\t8\tarousal"]),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_dialects(name: str, lines: list[str], end: bytes, tmp_path: Path) -> None:
    path = file_of(tmp_path, name, *(line.encode() + end for line in lines))
    assert rows(read_events(path)) == TWO


def test_rows_come_in_order_of_onset_and_equal_ones_in_that_of_the_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text", "5,0,c", "1,0,b", "5,0,a", "-2,0,d")
    assert read_events(path).text == ["d", "b", "c", "a"]


def test_kind_and_channel_are_taken_where_they_are_stated(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, "a.csv", "onset,duration,text,kind,channel", "0,1,2,N2,C3", "1,1,wake,,", "2,1,x@@O1,,"
    )
    assert rows(read_events(path)) == [
        (0, 1, "2", "N2", "C3"),
        (1, 1, "wake", "W", ""),
        (2, 1, "x@@O1", "x", ""),
    ]


def test_without_a_column_the_text_names_the_channel(tmp_path: Path) -> None:
    assert read_events(file_of(tmp_path, "a.csv", "onset,duration,text", "2,1,x@@O1")).channel == ["O1"]


def test_quoted_texts_may_have_separators_quotes_and_lines(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text", '0,1,"a, ""b""\nc"', "2,1,d")
    assert read_events(path).text == ['a, "b"\nc', "d"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text\n1,2,Müde\n".encode(encoding))
    assert read_events(path).text == ["Müde"]


@pytest.mark.parametrize("dated", [True, False])
def test_what_mne_writes(dated: bool, tmp_path: Path) -> None:
    orig = START.replace(tzinfo=datetime.UTC) if dated else None
    made = mne.Annotations([0.5, 90, 90000.125], [30, 0, 1.5], ["Sleep stage W", "a, b", "x"], orig_time=orig)
    made.save(tmp_path / "annot.csv")
    start = START - datetime.timedelta(seconds=10)
    late = 10 if dated else 0
    found = read_events(tmp_path / "annot.csv", start=start if dated else None)
    assert rows(found) == [
        (0.5 + late, 30, "Sleep stage W", "W", ""),
        (90 + late, 0, "a, b", "a, b", ""),
        (90000.125 + late, 1.5, "x", "x", ""),
    ]


def test_pandas_reads_what_is_written(tmp_path: Path) -> None:
    made = events((0, 0.1, "wake"), (0.1 + 0.2, np.nan, "a, b"))
    for name, separator, text in (("a.csv", ",", "text"), ("a.tsv", "\t", "trial_type")):
        write_events(tmp_path / name, made)
        table = pd.read_csv(tmp_path / name, sep=separator)
        assert table["onset"].tolist() == pytest.approx(made.onset)
        assert table["duration"].isna().tolist() == [False, True]
        assert table[text].tolist() == made.text


def test_bids_has_its_columns_first(tmp_path: Path) -> None:
    write_events(tmp_path / "a.tsv", events((0, np.nan, "wake")))
    assert (
        tmp_path / "a.tsv"
    ).read_text() == "onset\tduration\ttrial_type\tkind\tchannel\n0\tn/a\twake\tW\tn/a\n"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("1,2", "2 columns; expected 3, as in the header"),
        ("1,2,x,y", "4 columns; expected 3"),
        ("soon,2,x", "the onset is 'soon'; expected a number"),
        (",2,x", "the onset is ''; expected a number"),
        ("1,5,2", "no fault"),
        ("1,-5,2", "a duration of -5 s; expected 0 or more"),
        ("1,a,2", "the duration is 'a'; expected a number"),
        ("inf,1,2", "the onset is 'inf'"),
        ("1e99,1,2", "no fault"),
        ("9" * 5000 + ",1,2", "the onset is '9999"),
        ("9" * 1200 + ",1,2", "the onset is too large a number"),
        ("2016-07-29 25:00:00,1,x", "the onset '2016-07-29 25:00:00'; expected seconds, or a date and time"),
        (
            "2016-07-29 21:00:00,1,x",
            "a date or time of day, but the recording's start isn't known; give start",
        ),
        ("1,2," + "x" * 65537, "a text of 65537 bytes"),
        ("1,2," + "x" * 140000, "isn't CSV: field larger than field limit"),
        ('1,2,"x', "isn't CSV: unexpected end of data"),
        ("1,2,a\0b", "a text holds a NUL character"),
    ],
)
def test_faults_name_the_line(line: str, fault: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text", '0,1,"two\nlines"', line)
    if fault == "no fault":
        assert len(read_events(path)) == 2
        return
    with pytest.raises(ScoringError) as caught:
        read_events(path)
    assert f"a.csv: line 4: {fault}" in str(caught.value)


def test_a_time_zone_in_a_date_is_ignored(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text", "2016-07-29T21:23:24+02:00,1,x")
    assert read_events(path, start=START).onset.tolist() == [1]


def test_a_date_far_from_the_start_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.csv", "onset,duration,text", "2018-07-29 21:23:23,1,x")
    with pytest.raises(ScoringError, match="more than a year from the recording's start 2016"):
        read_events(path, start=START)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (
            "time,duration,text",
            "line 1: the header 'time duration text'; expected onset, duration and one of",
        ),
        ("onset,duration,colour", "expected onset, duration and one of trial_type, text"),
        ("onset,duration,text,text", "has a name twice"),
        ("", "is empty; expected a header"),
    ],
)
def test_headers(header: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ScoringError) as caught:
        read_events(file_of(tmp_path, "a.csv", header))
    assert fault in str(caught.value)
