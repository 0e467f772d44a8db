"""XML scorings of the NSRR and of Compumedics Profusion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eegarchive.scoring import ScoringError, read_events

from .made import file_of, rows

NSRR = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<PSGAnnotation>
<SoftwareVersion>Compumedics</SoftwareVersion>
<EpochLength>30</EpochLength>
<ScoredEvents>
<ScoredEvent>
<EventType/>
<EventConcept>Recording Start Time</EventConcept>
<Start>0</Start>
<Duration>32520.0</Duration>
<ClockTime>00.00.00 22.58.00</ClockTime>
</ScoredEvent>
<ScoredEvent>
<EventType>Respiratory|Respiratory</EventType>
<EventConcept>SpO2 desaturation|SpO2 desaturation</EventConcept>
<Start>3604.4</Start>
<Duration>26.2</Duration>
<SignalLocation>SaO2</SignalLocation>
<SpO2Nadir>87.0</SpO2Nadir>
</ScoredEvent>
<ScoredEvent>
<EventType>Stages|Stages</EventType>
<EventConcept>Stage 2 sleep|2</EventConcept>
<Start>30.0</Start>
<Duration>90.0</Duration>
</ScoredEvent>
</ScoredEvents>
</PSGAnnotation>
"""
PROFUSION = """<CMPStudyConfig>
<EpochLength>20</EpochLength>
<ScoredEventSettings><ScoredEventSetting><Name>Hypopnea</Name></ScoredEventSetting></ScoredEventSettings>
<ScoredEvents>
<ScoredEvent><Name>Hypopnea</Name><Start>25.5</Start><Duration>12</Duration><Input>ABDO RES</Input></ScoredEvent>
</ScoredEvents>
<SleepStages><SleepStage>0</SleepStage><SleepStage>2</SleepStage><SleepStage>9</SleepStage></SleepStages>
</CMPStudyConfig>
"""


def one(**fields: str) -> str:
    """A document with one event of these fields."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<PSGAnnotation>\n<ScoredEvents>\n<ScoredEvent>{inside}</ScoredEvent>\n</ScoredEvents>\n</PSGAnnotation>"


def test_nsrr(tmp_path: Path) -> None:
    assert rows(read_events(file_of(tmp_path, "a.xml", NSRR))) == [
        (30, 90, "Stage 2 sleep|2", "N2", ""),
        (3604.4, 26.2, *["SpO2 desaturation|SpO2 desaturation"] * 2, "SaO2"),
    ]


def test_profusion(tmp_path: Path) -> None:
    assert rows(read_events(file_of(tmp_path, "a.xml", PROFUSION))) == [
        (0, 20, "0", "W", ""),
        (20, 20, "2", "N2", ""),
        (25.5, 12, "Hypopnea", "Hypopnea", "ABDO RES"),
        (40, 20, "9", "?", ""),
    ]


def test_stages_take_the_asked_epoch_length_where_the_file_states_none(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.xml", PROFUSION.replace("<EpochLength>20</EpochLength>", ""))
    assert read_events(path, epoch_length=4).onset.tolist() == [0, 4, 8, 25.5]


@pytest.mark.parametrize(
    ("concept", "kind"),
    [
        ("Wake|0", "W"), ("Stage 1 sleep|1", "N1"), ("Stage 2 sleep|2", "N2"), ("Stage 3 sleep|3", "N3"),
        ("Stage 4 sleep|4", "N4"), ("REM sleep|5", "R"), ("Movement|6", "M"), ("Unscored|9", "?"),
        ("a|b|2", "N2"), ("Else|7", "Else|7"), ("Sleep stage N2", "N2"),
    ],
)  # fmt: skip
def test_codes_of_stages(concept: str, kind: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.xml", one(EventType="Stages|Stages", EventConcept=concept, Start="0"))
    found = read_events(path)
    assert (found.text, found.kind) == ([concept], [kind])
    assert np.isnan(found.duration[0])


def test_a_code_of_another_type_is_no_stage(tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.xml", one(EventType="Arousals|Arousals", EventConcept="Arousal|2", Start="0"))
    assert read_events(path).kind == ["Arousal|2"]


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (one(EventConcept="x"), "line 3: the ScoredEvent 'x' has no Start; expected seconds"),
        (one(Start="1"), "line 3: a ScoredEvent without EventConcept or Name"),
        (one(EventConcept="x", Start="soon"), "line 3: Start is 'soon'; expected a number"),
        (one(EventConcept="x", Start="1", Duration="-2"), "line 3: a duration of -2 s; expected 0 or more"),
        (one(EventConcept="x" * 65537, Start="1"), "line 3: a text of more than 65536 characters"),
        ("<html></html>", "line 1: the element 'html'; expected PSGAnnotation or CMPStudyConfig"),
        ("<PSGAnnotation>", "isn't XML that can be read: no element found"),
        ('<?xml version="1.0" encoding="nonsense"?><PSGAnnotation/>', "isn't XML that can be read"),
        (PROFUSION.replace("<EpochLength>20<", "<EpochLength>0<"), "line 2: EpochLength is '0'"),
        (PROFUSION.replace("<SleepStage>2</", "<SleepStage></"), "line 7: an empty SleepStage"),
        ("<PSGAnnotation>" + "<a>" * 60, "line 1: elements lie more than 50 deep"),
    ],
)
def test_faults_name_the_line(document: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ScoringError) as caught:
        read_events(file_of(tmp_path, "bad.xml", document))
    assert "bad.xml: " in str(caught.value)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE PSGAnnotation SYSTEM "http://localhost/none.dtd">',
        '<!DOCTYPE PSGAnnotation [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE PSGAnnotation [<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;&a;">]>',
    ],
)
def test_a_document_type_is_refused_whatever_it_says(doctype: str, tmp_path: Path) -> None:
    document = doctype + one(EventConcept="&x;", Start="0")
    with pytest.raises(ScoringError, match="has a document type"):
        read_events(file_of(tmp_path, "bad.xml", document))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "a.xml", one(EventConcept="Schläft &lt;gut&gt;", Start="0").encode(encoding))
    assert read_events(path).text == ["Schläft <gut>"]
