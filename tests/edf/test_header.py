"""What single header fields and labels say: texts, numbers, dates, kinds of channels and annotations."""

from __future__ import annotations

import datetime
import io
from fractions import Fraction

import pytest

from eegarchive import channels, edf, stages

from .builder import Recording


def header_of(**fields: bytes) -> edf.Header:
    return edf.read_header(io.BytesIO(Recording(fields=fields).build()), "night.edf")


def start_of(
    startdate: str, recording: str = "", starttime: str = "16.13.05"
) -> tuple[str | None, list[str]]:
    """The start that a header gives, and the codes of what was odd about it."""
    header = header_of(
        startdate=startdate.encode(), recording=recording.encode(), starttime=starttime.encode()
    )
    start = header.start()
    return start.isoformat() if start else None, [oddity.code for oddity in header.oddities]


@pytest.mark.parametrize(
    ("startdate", "date"),
    [
        ("24.04.89", "1989-04-24"),
        ("01.01.85", "1985-01-01"),
        ("31.12.84", "2084-12-31"),
        ("29.02.00", "2000-02-29"),
        ("31.12.99", "1999-12-31"),
        ("1.2.3", "2003-02-01"),
        ("24/04/89", "1989-04-24"),
        ("24-04-89", "1989-04-24"),
        (" 4:04:89", "1989-04-04"),
    ],
)
def test_two_digit_years_lie_from_1985_to_2084(startdate: str, date: str) -> None:
    assert start_of(startdate) == (f"{date}T16:13:05", [])


@pytest.mark.parametrize(
    ("startdate", "recording", "date", "odd"),
    [
        ("24.04.89", "Startdate 24-APR-1989 X X X", "1989-04-24", False),
        ("24.04.89", "Startdate 24-apr-2189", "2189-04-24", False),
        ("01.02.yy", "Startdate 01-FEB-2091 X X X", "2091-02-01", False),
        ("01.02.YY", "Startdate 01-FEB-2091 X X X", "2091-02-01", False),
        ("01.02.91", "Startdate X X X X", "1991-02-01", False),
        ("01.02.91", "Startdate 31-FEB-1991 X X X", "1991-02-01", False),
        ("01.02.91", "Startdate 01-MRZ-1991 X X X", "1991-02-01", False),
        ("01.02.91", "Startdate 01-FEB-0000 X X X", "1991-02-01", False),
        ("01.02.91", "from Startdate 02-FEB-1992", "1991-02-01", False),
        ("01.02.91", "Startdate 02-FEB-1991 X X X", "1991-02-02", True),
        ("01.02.91", "Startdate 01-FEB-1992 X X X", "1992-02-01", True),
        ("42.00.00", "Startdate 02-FEB-1991 X X X", "1991-02-02", True),
        ("", "Startdate 02-FEB-1991 X X X", "1991-02-02", True),
        ("02.03.yy", "Startdate 02-FEB-2091 X X X", "2091-02-02", True),
    ],
)
def test_date_of_the_recording_field_counts_where_there_is_one(
    startdate: str, recording: str, date: str, odd: bool
) -> None:
    assert start_of(startdate, recording) == (f"{date}T16:13:05", ["start-dates-differ"] * odd)


@pytest.mark.parametrize(
    ("startdate", "starttime"),
    [
        ("42.00.00", "26.00.99"),
        ("30.02.00", "00.00.00"),
        ("24.04.89", "24.00.00"),
        ("24.04.89", "23.59.60"),
        ("24.04.89", "12.30"),
        ("", ""),
        ("dd.mm.yy", "hh.mm.ss"),
        ("24.04.yy", "16.13.05"),
        ("1989-4-1", "16.13.05"),
    ],
)
def test_impossible_start_is_unknown(startdate: str, starttime: str) -> None:
    assert start_of(startdate, starttime=starttime) == (None, ["start-unknown"])


def test_start_is_in_local_time_without_a_zone() -> None:
    assert header_of().start() == datetime.datetime(1989, 4, 24, 16, 13, 0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"EEG Fpz-Cz      ", "EEG Fpz-Cz"),
        (b"  EEG \0 \0\0", "  EEG"),
        (b"        ", ""),
        (b"", ""),
        ("µV".encode(), "µV"),
        (b"\xb5V", "µV"),
        (b"\xc3\x28", "Ã("),
        (b"a\0b", "a\ufffdb"),
        (b"\0a\0", "\ufffda"),
        (b"\x1b[2J", "\x1b[2J"),
        (bytes(range(128, 256)), bytes(range(128, 256)).decode("latin-1")),
    ],
)
def test_text_is_utf8_where_valid_else_latin1_without_padding(raw: bytes, text: str) -> None:
    assert edf.decode_text(raw) == text


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"256     ", 256),
        (b"  -32768", -32768),
        (b"+1", 1),
        (b"007", 7),
        (b"1.028400", Fraction(10284, 10000)),
        (b"0.1", Fraction(1, 10)),
        (b"60.00\0\0\0", 60),
        (b"1,5", Fraction(3, 2)),
        (b"5.", 5),
        (b".5", Fraction(1, 2)),
        (b"-.5", Fraction(-1, 2)),
        (b"1e3", 1000),
        (b"1E+03", 1000),
        (b"1.e-006", Fraction(1, 10**6)),
        (b"1e+0000", 1),
        (b"9e-99", Fraction(9, 10**99)),
        (b"-0", 0),
    ],
)
def test_number_is_exact(raw: bytes, number: Fraction) -> None:
    assert edf.decode_number(raw) == number


@pytest.mark.parametrize(
    "raw",
    [b"", b"        ", b".", b"-", b"e3", b"1e", b"1e999", b"1 0", b"- 1", b"1_000", b"0x10", b"nan", b"inf",
     b"1,000.5", b"1.2.3", b"++1", b"12ab", b"\xb2", b"1\0" b"2", b"\x1b[1m", "١".encode()],
)  # fmt: skip
def test_garbage_is_no_number(raw: bytes) -> None:
    assert edf.decode_number(raw) is None


def test_sampling_rate_is_an_exact_fraction() -> None:
    header = header_of(record_duration=b"1.0284")
    assert header.sampling_rate(header.signals[0]) == Fraction(40000, 10284)


def test_calibration_maps_the_digital_limits_to_the_physical_ones() -> None:
    scale, offset = header_of().signals[0].calibration or (0.0, 0.0)
    assert -32768 * scale + offset == pytest.approx(-440, rel=1e-14)
    assert 32767 * scale + offset == pytest.approx(510, rel=1e-14)


KINDS_OF_CHANNELS = {
    "eeg": "EEG Fpz-Cz|EEG F4-A1|EEG1|EEG(sec)|EEG_C3|C3-M2|C3/M2|C3:A2|C3_M2|Fc5.|Cz..|FCz|AF7|TP9|PO8|Oz|Fp1-F7"
    "|Cz-REF|A1|M2|EEG A1-A2|T3|P7|FFC1h|O1-Avg|EEG Fp1-LE",
    "eog": "E1-M2|E2|LOC|ROC|ROC-A1|EOG horizontal|EOG(L)|HEOG|VEOG|EOG ROC-A2",
    "emg": "Chin1|ChinL|Chin EMG|EMG submental|EMG1|EMG Tib|LLeg|RLEG|Left Leg|Leg 1|LAT|RAT|PLM l",
    "ecg": "ECG I|EKG|ECG1-ECG2|EEG EKG-REF|EKG2",
    "spo2": "SaO2|SpO2|SpO2 BeatToBeat|Oximetry",
    "pulse": "Pulse|HR|PR|Heart Rate|Pleth|Plethysmogram|PPG",
    "flow": "Flow|Airflow|Flow.40ms|CPAP Flow|Resp nasal|Resp oro-nasal|Thermistor|Cannula",
    "pressure": "Nasal Pressure|CPAP|EPAP|MaskPress.2s|Press Patient",
    "effort": "THOR RES|ABDO RES|Thorax|Abdomen|Resp chest|RIP Sum|Effort THO",
    "snore": "Snore|SNORE.2s",
    "position": "Position|POS|Body|BodyPos",
    "temperature": "Temp rectal|TEMP|Body Temp",
    "light": "Light|LUX",
    "sound": "Sound|Mic|Audio",
    "movement": "Acc X|Activity|Movement",
    "stim": "Status|STATUS|Event marker|Trigger|STI 014|Stim|Markers",
    "seeg": "SEEG LA1",
    "ecog": "ECoG 12",
    "meg": "MEG 0111",
    "misc": "X1 DC|DC01|CO2|EtCO2|Leak|Crc16|RespRate.2s||. .|Battery|Fz9999|Ref",
}


@pytest.mark.parametrize(
    ("label", "kind"),
    [(label, kind) for kind, labels in KINDS_OF_CHANNELS.items() for label in labels.split("|")],
)
def test_label_tells_the_kind_of_channel(label: str, kind: str) -> None:
    assert channels.kind_of(label) == kind
    assert channels.kind_of(f"  {label.lower()} ") == kind


KINDS_OF_ANNOTATIONS = {
    "W": "Sleep stage W|sleep stage w|SLEEP STAGE 0|Wake|W|Stage W|Sleep_stage_W| Sleep stage W |Awake",
    "N1": "Sleep stage N1|Sleep stage 1|N1|Stage 1|Sleep stage S1|S1",
    "N2": "Sleep stage N2|Sleep stage 2|n2|Stage2|Sleep stage 2@@EEG C3-M2",
    "N3": "Sleep stage N3|Sleep stage 3|N3|S3|Stage: 3",
    "N4": "Sleep stage 4|N4|Sleep stage N4|S4",
    "R": "Sleep stage R|Sleep stage REM|REM|Sleep stage 5",
    "M": "Movement time|Sleep stage M|Sleep stage MT|movement time@@C3",
    "?": "Sleep stage ?|Sleep stage U|Sleep stage unscored",
    "Arousal": "Arousal|Arousal@@C3-M2| Arousal ",
    "1": "1",
    "A": "A",
    "Stage fright": "Stage fright",
    "Lights off": "Lights off",
    "Movement": "Movement",
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [(text, kind) for kind, texts in KINDS_OF_ANNOTATIONS.items() for text in texts.split("|")],
)
def test_text_tells_the_kind_of_annotation(text: str, kind: str) -> None:
    assert stages.kind_of(text) == kind


@pytest.mark.parametrize("text", ["", "R", "?", "0", "2", "5", "M", "S", "N"])
def test_lone_character_that_could_mean_anything_is_no_stage(text: str) -> None:
    assert stages.kind_of(text) == text


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("Arousal@@C3-M2", "C3-M2"),
        ("Arousal", ""),
        ("Arousal@@", ""),
        ("a@@b@@c", "b@@c"),
        ("a@b", ""),
        ("@@ C3 ", "C3"),
    ],
)
def test_suffix_of_an_annotation_names_its_channel(text: str, channel: str) -> None:
    assert stages.channel_of(text) == channel
