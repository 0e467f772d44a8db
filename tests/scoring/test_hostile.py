"""Whatever a file holds, the answer is events or one of the package's own errors, on one line."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eegarchive.errors import EEGArchiveError
from eegarchive.scoring import FORMATS, read_events

from .made import START

DATA = Path(__file__).parents[1] / "data"
#: What lines of each format are made of.
PIECES = {
    "annot": [
        *("class", "#", ".", "...", "-", "+", "e:", "0+", '"', "\t", " "),
        *("10:20:30", "99:99:99", "1-1-16-", "am", "1e9"),
    ],
    "nsrr": [
        *(
            "<PSGAnnotation>",
            "<ScoredEvents>",
            "<ScoredEvent>",
            "</ScoredEvent>",
            "<Start>1</Start>",
            "<Name>x",
        ),
        *("<SleepStages>", "<SleepStage>2</SleepStage>", "&#0;", "</", ">", "<!DOCTYPE", "<a:b xmlns:a=''>"),
        "<?xml version='1.0' encoding='utf-7'?>",
    ],
    "csv": [
        *("onset,duration,text\n", "onset;duration;text\n", ",", ";", '"', "nan"),
        *("2016-01-01 00:00:00", "0001-01-01T00:00+23:59"),
    ],
    "bids": ["onset\tduration\ttrial_type\n", "\t", "n/a", "1", "-", "inf"],
    "eannot": ["W", "N1", " ", "\x85"],
}


def check(format: str, raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile"
        path.write_bytes(raw)
        message = "fine"
        try:
            read_events(path, format=format, start=START)
        except EEGArchiveError as error:
            message = str(error)
    assert re.fullmatch(r"[^\x00-\x1f]+", message)


@pytest.mark.parametrize("format", list(PIECES))
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_lines_of_pieces(format: str, data: st.DataObject) -> None:
    piece = st.one_of(
        st.sampled_from([*PIECES[format], "\n", "\r", "\0", "x", "1", "²", "٣"]), st.text(max_size=3)
    )
    pieces = data.draw(st.lists(piece, max_size=40))
    check(format, "".join(pieces).encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(format=st.sampled_from(list(FORMATS)), raw=st.binary(max_size=400))
@example(format="nsrr", raw=b"\xff\xfe<\0a\0")
def test_any_bytes(format: str, raw: bytes) -> None:
    check(format, raw)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 4619), value=st.integers(0, 255))
def test_a_hypnogram_with_one_byte_changed(at: int, value: int) -> None:
    raw = bytearray((DATA / "edfplusc_hypnogram_annotations_only.edf").read_bytes())
    raw[at] = value
    check("edf", bytes(raw))
