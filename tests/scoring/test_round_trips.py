"""What is written reads back equal, as far as each format can say it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eegarchive.scoring import Events, read_events, write_events

from .made import START, events, made_events, rows, seconds, texts

quickly = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through(found: Events, suffix: str, **options: object) -> Events:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"scoring{suffix}"
        write_events(path, found, **options)  # type: ignore[arg-type]
        return read_events(path, **options)  # type: ignore[arg-type]


@quickly
@given(made_events(texts(), seconds(), kinds=("W", "N2", "arousal"), channel=texts()))
def test_csv_loses_nothing(found: Events) -> None:
    assert rows(through(found, ".csv")) == rows(found)


@quickly
@given(
    made_events(
        texts("\t\r\n").filter(lambda t: t != "n/a"),
        seconds(),
        kinds=("W", "N2", "arousal"),
        channel=texts("\t\r\n").filter(lambda c: c != "n/a"),
    )
)
def test_bids_keeps_what_a_line_can_hold(found: Events) -> None:
    assert rows(through(found, ".tsv")) == rows(found)


@quickly
@given(made_events(texts("\t\r\n"), seconds(0), unstated=False, channel=texts("\t\r\n")))
def test_annot_keeps_what_a_line_can_hold(found: Events) -> None:
    assert rows(through(found, ".annot")) == rows(found)


@quickly
@given(made_events(texts("\x14\x15\r\n@", min_size=1), seconds()), st.booleans())
def test_edf_keeps_texts_without_its_own_separators(found: Events, dated: bool) -> None:
    assert rows(through(found, ".edf", start=START if dated else None)) == rows(found)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".annot", ".edf"])
def test_extreme_numbers_read_back_equal_and_have_no_exponent(suffix: str, tmp_path: Path) -> None:
    numbers = [5e-324, 1e-7, 0.1 + 0.2, 1 / 3, 123456789.123456789, 1e9 + 1e-7, 1e22, 1.7976931348623157e308]
    found = events(*((onset, numbers[-1 - i], "x") for i, onset in enumerate(sorted(numbers))))
    path = tmp_path / f"numbers{suffix}"
    write_events(path, found)
    assert rows(read_events(path)) == rows(found)
    assert b"e-" not in path.read_bytes()
    assert b"e+" not in path.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".annot", ".edf"])
def test_no_events_are_a_file_too(suffix: str) -> None:
    assert len(through(events(), suffix)) == 0


def test_what_bids_cannot_say_becomes_spaces_or_nothing() -> None:
    found = through(events((0, np.nan, "a\tb\r\nc"), (1, 0, "n/a"), (2, 0, "")), ".tsv")
    assert rows(found) == [(0, None, "a b  c", "a b  c", ""), (1, 0, "", "", ""), (2, 0, "", "", "")]


def test_what_annot_cannot_say_becomes_spaces_or_zero() -> None:
    found = through(events((0.5, np.nan, "a\tb\nc"), (1, 2, "")), ".annot")
    assert rows(found) == [(0.5, 0, "a b c", "a b c", ""), (1, 2, "", "", "")]


def test_what_edf_cannot_say_becomes_spaces() -> None:
    found = through(events((0, np.nan, "a\x14b\x15c\nd"), (1, np.nan, ""), (2, 3, "")), ".edf")
    assert [r[:3] for r in rows(found)] == [(0, None, "a b c d"), (1, None, " "), (2, 3, "")]


def test_annot_keeps_a_kind_as_the_class() -> None:
    concept = events((0, 30, "Stage 2 sleep|2"))
    stage = Events(concept.onset, concept.duration, concept.text, ["N2"], [""])
    once = through(stage, ".annot")
    assert rows(once) == [(0, 30, "N2/Stage 2 sleep|2", "N2", "")]
    assert rows(through(once, ".annot")) == rows(once)


def test_edf_states_the_stage_in_words_of_its_own() -> None:
    kinds = ["W", "N1", "N2", "N3", "N4", "R", "M", "?"]
    codes = [f"concept|{i}" for i in range(8)]
    found = through(Events(np.arange(8) * 30.0, np.full(8, 30.0), codes, kinds, [""] * 8), ".edf")
    assert found.kind == kinds
    kind_of_its_own = Events(np.zeros(1), np.ones(1), ["x"], ["y"], [""])
    assert rows(through(kind_of_its_own, ".edf")) == [(0, 1, "x", "x", "")]
    assert found.text[2:5] == ["Sleep stage N2", "Sleep stage N3", "Sleep stage 4"]


def test_edf_states_the_channel_behind_the_text() -> None:
    assert rows(through(events((0, 1, "spindle"), channel="C3"), ".edf")) == [
        (0, 1, "spindle@@C3", "spindle", "C3")
    ]
    assert through(events((0, 1, "spindle@@C3"), channel="C3"), ".edf").text == ["spindle@@C3"]
    assert through(events((0, 1, "spindle@@C3"), channel="O1"), ".edf").text == ["spindle@@O1"]
    assert through(events((0, 1, "spindle@@C3")), ".edf").text == ["spindle@@C3"]
    staged = Events(np.zeros(1), np.ones(1), ["x@@C3"], ["N1"], ["C3"])
    assert rows(through(staged, ".edf")) == [(0, 1, "Sleep stage N1@@C3", "N1", "C3")]
