"""Which annotation texts stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eegarchive import stages
from eegarchive.scrubbing import TextRule
from eegarchive.scrubbing.texts import EVENTS

RULE = TextRule(labels=["EEG C3-M2"])


@pytest.mark.parametrize(
    "text",
    [
        "Sleep stage N2",
        "Sleep stage ?",
        "W",
        "Movement time",
        "Obstructive apnea",
        "LIGHTS_OFF",
        "K-complex",
        "",
        "qrs",
    ],
)
def test_stages_and_standard_events_stay(text: str) -> None:
    assert RULE.text(text) == text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("Hans Mueller", "removed"),
        ("Mueller", "removed"),
        ("Müller", "x"),  # "removed" would be longer than its bytes in Latin-1
        ("Sleep stage N2, says Dr Mueller", "removed"),
        ("Arousal@@EEG C3-M2", "Arousal@@EEG C3-M2"),
        ("Arousal@@Mueller", "Arousal"),
        ("Sleep stage N2@@Mueller", "Sleep stage N2"),
        ("Mueller@@EEG C3-M2", "removed"),
        ("@@Mueller", "removed"),
        ("  ", "x"),
        ("Alma", "x"),
    ],
)
def test_everything_else_goes(text: str, becomes: str) -> None:
    assert RULE.text(text) == becomes


def test_patterns_add_texts() -> None:
    rule = TextRule(["T*", "type A"], ["Cz"])
    assert [rule.text(text) for text in ("T0", "type A", "type B", "t0", "T1@@Cz", "T1@@Fz")] == [
        "T0",
        "type A",
        "x",
        "x",
        "T1@@Cz",
        "T1",
    ]


def test_a_standard_kind_stays_where_its_text_cannot() -> None:
    assert RULE.row("Stage 2 sleep|2", "N2", "") == ("N2", "N2", "")
    assert RULE.row("seen by Mueller", "seen by Mueller", "Mueller") == ("removed", "removed", "")
    assert RULE.row("seen by Mueller", "Mueller", "") == ("removed", "removed", "")
    assert RULE.row("Arousal", "Mueller", "EEG C3-M2") == ("Arousal", "Arousal", "EEG C3-M2")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_what_stands_instead_is_never_longer_nor_a_stage_and_stays_as_it_is(text: str) -> None:
    new = RULE.text(text)
    assert len(new.encode()) <= min(len(text.encode()), len(text.encode("latin-1", "replace")))
    assert RULE.text(new) == new
    assert bool(new) == bool(text)
    if new != text and "@@" not in text:
        assert stages.kind_of(new) == new


def test_the_list_is_as_texts_are_compared() -> None:
    assert all(event == " ".join(event.lower().split()) and event for event in EVENTS)
    assert all("-" not in event and "_" not in event for event in EVENTS)


def test_the_documentation_lists_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "anonymize.md").read_text(encoding="utf-8")
    listed = page.partition("being equal:\n\n")[2].partition(".\n")[0]
    assert set(" ".join(listed.split()).split(", ")) == EVENTS
