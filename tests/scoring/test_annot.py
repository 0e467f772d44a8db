"""Luna's .annot files."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from eegarchive.scoring import Events, ScoringError, read_events, write_events

from .made import START, events, file_of, rows


def read(
    folder: Path, *lines: str | bytes, start: datetime.datetime | None = START, **options: float
) -> Events:
    return read_events(file_of(folder, "a.annot", *lines), start=start, **options)


#: The example of "It's about time" in Luna's documentation: all of these are the same 30 s.
SAME = [
    "a01   .   e:5                 .",
    "a02   .   e:5                 e:5",
    "a03   .   120                 150",
    "a04   .   120                 +30",
    "a05   .   21:25:23            21:25:53",
    "a06   .   9:25:23pm           9:25:53pm",
    "a08   .   21:25:23            +30",
    "a09   .   0+00:02:00          0+00:02:30",
    "a10   .   0+00:02:00          +30",
    "a11   .   29-07-16-21:25:23   29-07-16-21:25:53",
    "a12   .   29-07-16-21:25:23   +30",
    "a21   .   29/Jul/2016-21:25:23  21:25:53",
    "a23   .   29-07-2016-9:25:23pm  +30",
    "a22   .   21.25.23.000        21.25.53.0",
]


@pytest.mark.parametrize("line", SAME)
def test_the_ways_to_state_a_time(line: str, tmp_path: Path) -> None:
    found = read(tmp_path, line)
    assert rows(found) == [(120, 30, line[:3], line[:3], "")]


def test_until_the_next_line_whatever_its_class(tmp_path: Path) -> None:
    found = read(tmp_path, "N2 . 0 ...", "N3\t.\t21:24:23\t-", "x 90.5 100", "W 200 ...")
    assert [r[:3] for r in rows(found)] == [
        (0, 60, "N2"),
        (60, 30.5, "N3"),
        (90.5, 9.5, "x"),
        (200, None, "W"),
    ]


def test_lines_that_wait_go_by_the_file_and_not_by_time(tmp_path: Path) -> None:
    found = read(tmp_path, "c 500 510", "a 0 ...", "b 20 30")
    assert [r[:3] for r in rows(found)] == [(0, 20, "a"), (20, 10, "b"), (500, 10, "c")]


def test_six_columns_with_header_comments_and_meta(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "# a3 | with meta-data | val1[txt] val2[num]",
        "class\tinstance\tchannel\tstart\tstop\tmeta",
        "",
        "arousal\t.\t.\t10.20\t12.50\t.",
        "a3\tA\tC3,C4\t30\t+30\tW|0.98",
        "Sleep stage N2\t.\t.\te:3\te:4\t.",
        "N3\tN3\t.\t150\t180\t.",
    )
    assert rows(found) == [
        (10.2, 2.3, "arousal", "arousal", ""),
        (30, 30, "a3/A", "a3", "C3,C4"),
        (60, 60, "Sleep stage N2", "N2", ""),
        (150, 30, "N3", "N3", ""),
    ]


def test_spaces_separate_where_tabs_do_not(tmp_path: Path) -> None:
    found = read(
        tmp_path, "class  instance  start  stop", "class1 \tinterval1   0.00 30.00", '"Sleep stage W" . 30 60'
    )
    assert rows(found) == [
        (0, 30, "class1/interval1", "class1", ""),
        (30, 30, "Sleep stage W", "W", ""),
    ]


def test_meta_columns_of_their_own(tmp_path: Path) -> None:
    header = "class\tinstance\tchannel\tstart\tstop\tmeta\tamp\tfrq"
    assert len(read(tmp_path, header, "spindle\t.\tC3\t1\t2\t.\t12.2\t11.1")) == 1
    with pytest.raises(ScoringError, match=r"line 2: 7 columns; expected 8"):
        read(tmp_path, header, "spindle\t.\tC3\t1\t2\t.\t12.2")


@pytest.mark.parametrize(
    ("time", "onset"),
    [
        ("21:23:23", 0),
        ("21:23:22", 86399),
        ("00:00:00", 9397),
        ("21:23:23.25", 0.25),
        ("12:00:00am", 9397),
        ("1:00:00AM", 12997),
    ],
)
def test_a_time_of_day_is_the_next_one(time: str, onset: float, tmp_path: Path) -> None:
    assert read(tmp_path, f"x\t{time}\t+1").onset.tolist() == [onset]


def test_a_stop_is_the_next_time_of_day_after_its_start(tmp_path: Path) -> None:
    assert rows(read(tmp_path, "x 0+25:00:00 22:23:33"))[0][:2] == (90000, 10)
    assert rows(read(tmp_path, "x 21:20:00 21:30:00"))[0][:2] == (86197, 600)


def test_a_start_inside_a_second_counts_exactly(tmp_path: Path) -> None:
    found = read(tmp_path, "x 21:23:24 21:23:24.1", start=START.replace(microsecond=300000))
    assert rows(found)[0][:2] == (0.7, 0.1)


def test_dates_before_the_start_are_negative(tmp_path: Path) -> None:
    assert read(tmp_path, "x 28-07-16-21:25:23 +30").onset.tolist() == [120 - 86400]
    assert read(tmp_path, "x 01-08-84-21:25:23 +30", start=START.replace(year=2084)).onset.tolist() == [
        259320
    ]
    assert read(tmp_path, "x 30-07-85-21:25:23 +30", start=START.replace(year=1985)).onset.tolist() == [86520]


def test_epochs_are_as_long_as_asked(tmp_path: Path) -> None:
    assert rows(read(tmp_path, "x e:3 .", epoch_length=0.1))[0][:2] == (0.2, 0.1)


def test_without_times_an_annotation_is_about_the_whole(tmp_path: Path) -> None:
    assert rows(read(tmp_path, "x . . ")) == [(0, 0, "x", "x", "")]


def test_a_missing_stop_is_no_duration(tmp_path: Path) -> None:
    assert np.isnan(read(tmp_path, "x 5 .").duration[0])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x\t1", "2 columns; expected 6"),
        ("x . . 1 2", "5 columns; expected 6"),
        ("x soon 2", "the time is 'soon'; expected a number"),
        ("x 1 later", "the time is 'later'; expected a number"),
        ("x 1 +", "the duration is ''; expected a number"),
        ("x 2 1", "stops before it starts"),
        ("x 2 +-1", "stops before it starts"),
        ("x e:0 .", "the epoch 'e:0'; expected e:1"),
        ("x e:2:20 .", "differs between Luna's program and its documentation"),
        ("x 24:00:00 +1", "the time '24:00:00'; expected an hour from 0 to 23"),
        ("x 13:00:00pm +1", "expected an hour from 1 to 12 before am or pm"),
        ("x 31-02-16-10:00:00 +1", "the date '31-02-16-10:00:00'; expected day-month-year"),
        ("x 29-Foo-16-10:00:00 +1", "expected day-month-year"),
        ("x 29-07-18-21:25:23 +1", "is more than a year from the recording's start"),
        ("x 1e999 2", "the time is '1e999'; expected a number"),
        ("x inf 2", "the time is 'inf'; expected a number"),
        ("x ١ 2", "expected a number"),
        ("x" * 65537 + " 1 2", "a text of 65537 bytes; 65536 at most"),
        ("x\0 1 2", "a text holds a NUL character"),
        ("x \x1b[2J 2", "the time is '\\u001b[2J'"),
    ],
)
def test_faults_name_the_line(line: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ScoringError) as caught:
        read(tmp_path, "# comment", "good 1 2", line)
    assert "a.annot: line 3: " in str(caught.value)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_time_of_day_needs_the_start(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="the recording's start isn't known; give start"):
        read(tmp_path, "x 21:25:23 +30", start=None)


def test_a_line_that_waits_needs_a_later_one(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="line 1: stops before it starts"):
        read(tmp_path, "x 5 ...", "y 5 6")


def test_a_wrong_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="line 1: the header 'class start'; expected 'class instance"):
        read(tmp_path, "class start", "x 1 2")


def test_an_event_before_the_recording_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"'x' starts 0\.5 s before the recording"):
        write_events(tmp_path / "a.annot", events((-0.5, 1, "x")))
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_plain(tmp_path: Path) -> None:
    write_events(tmp_path / "a.annot", events((0.1, 0.2, "Sleep stage N2"), (30, 30, "#1"), channel="C3"))
    assert (tmp_path / "a.annot").read_text().splitlines() == [
        "class\tinstance\tchannel\tstart\tstop\tmeta",
        "Sleep stage N2\t.\tC3\t0.1\t0.3\t.",
        '"#1"\t.\tC3\t30\t60\t.',
    ]
