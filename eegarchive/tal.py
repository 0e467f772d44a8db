r"""Time-stamped annotation lists (TALs) of EDF+: record onsets and annotations from bytes.

A record's bytes hold TALs, each `onset[\x15duration]\x14text\x14...\x00` (EDF+, section 2.2.2).
The time-keeping TALs of ordinary records are parsed for all records at once; only records that hold
more, or that bend the rules, are taken apart one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

ONSET_MAX_BYTES = 32
#: A longer text is no annotation: a cell of a table is as wide as the longest.
MAX_TEXT_BYTES = 2**16
_TOKEN = re.compile(rb"[^\0]+\0?")
_TAL = re.compile(rb"([+-]?\d+(?:\.\d*)?)(?:\x15(\d*(?:\.\d*)?))?\x14(.*)", re.DOTALL)
_NUMBER_BYTES = np.zeros(256, bool)
_NUMBER_BYTES[list(b"+-0123456789.")] = True


@dataclass(frozen=True)
class Annotation:
    """One annotation as the recording states it; `duration` is NaN where none is stated."""

    onset: float
    duration: float
    text: str


@dataclass
class TalReport:
    """What was odd in the TALs, counted; the first place of each kind is kept for the message."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, record: int) -> None:
        """Count one oddity found in `record`."""
        self.counts[code] = self.counts.get(code, 0) + 1
        self.first[code] = min(record, self.first.get(code, record))


def parse_records(
    block: npt.NDArray[np.uint8], first_record: int, keeps_time: bool, report: TalReport
) -> tuple[npt.NDArray[np.float64], list[Annotation]]:
    """Onsets and annotations of some records of one annotation signal.

    Parameters
    ----------
    block : (records, bytes) array
        The signal's bytes in consecutive records.
    first_record : int
        Number of the block's first record, for messages.
    keeps_time : bool
        Whether the signal is the file's first annotation signal, whose first TAL in each record gives
        the record's onset.
    report : TalReport
        Receives what bends the rules.

    Returns
    -------
    onsets : (records,) float64
        Seconds from the file's start time; NaN where a record states none.
    annotations : list of Annotation
        In file order.
    """
    onsets = np.full(len(block), np.nan)
    if block.shape[1] == 0:
        return onsets, []
    plain = _parse_time_keeping(block, onsets) if keeps_time else ~block.any(axis=1)
    annotations: list[Annotation] = []
    for i in np.flatnonzero(~plain):
        onsets[i] = _parse_record(block[i].tobytes(), first_record + int(i), keeps_time, report, annotations)
    return onsets, annotations


def _parse_time_keeping(
    block: npt.NDArray[np.uint8], onsets: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Fill in the onsets of records that hold a time-keeping TAL and nothing else; return which do."""
    if block.shape[1] < 4:
        return np.zeros(len(block), bool)
    head = block[:, :ONSET_MAX_BYTES]
    at = np.argmax(head == 0x14, axis=1)
    inside = np.arange(head.shape[1]) < at[:, None]
    text = np.where(inside, head, 0).astype(np.uint8)
    plain = (at > 0) & (at + 2 < block.shape[1])
    rows = np.arange(len(block))
    plain &= block[rows, np.minimum(at + 1, block.shape[1] - 1)] == 0x14
    plain &= np.where(inside, _NUMBER_BYTES[text], True).all(axis=1)
    plain &= np.count_nonzero(block, axis=1) == at + 2
    # a sign at the start and nowhere else, one point at most, and a digit after the sign: the grammar
    digit = (text >= ord("0")) & (text <= ord("9"))
    signs = (text == ord("+")) | (text == ord("-"))
    plain &= signs[:, 0] & ~signs[:, 1:].any(axis=1) & digit[:, 1] & ((text == ord(".")).sum(axis=1) <= 1)
    if plain.any():
        onsets[plain] = text[plain].view(f"S{head.shape[1]}").reshape(-1).astype(np.float64)
    return np.asarray(plain, bool)


def _parse_record(
    raw: bytes, record: int, keeps_time: bool, report: TalReport, out: list[Annotation]
) -> float:
    """Take one record's TALs apart; return the record's onset, or NaN."""
    record_onset = np.nan
    for number, token in enumerate(_TOKEN.findall(raw)):
        match = _TAL.fullmatch(token.removesuffix(b"\0"))
        onset = float(match[1]) if match else np.inf
        duration = float(match[2]) if match and match[2] not in (None, b"", b".") else np.nan
        if match is None or np.isinf(onset) or np.isinf(duration) or len(match[3]) > MAX_TEXT_BYTES:
            report.add("tal-unreadable", record)
            continue
        if match[1][:1] not in b"+-":
            report.add("tal-onset-unsigned", record)
        if not match[3].endswith(b"\x14") or not token.endswith(b"\0"):
            report.add("tal-unterminated", record)
        texts = match[3].removesuffix(b"\x14").split(b"\x14")
        if keeps_time and number == 0:
            if texts[0]:
                report.add("tal-time-not-empty", record)
            else:
                record_onset = onset
        for text in texts:
            if text or not np.isnan(duration):
                out.append(Annotation(onset, duration, _decode(text, record, report)))
    if keeps_time and np.isnan(record_onset):
        report.add("tal-no-record-onset", record)
    return float(record_onset)


def _decode(raw: bytes, record: int, report: TalReport) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        report.add("tal-not-utf8", record)
        return raw.decode("latin-1")


#: What the counted oddities mean, for people.
MEANINGS = {
    "tal-unreadable": "TALs that can't be read; they are kept for export",
    "tal-onset-unsigned": "TALs without a sign before the onset",
    "tal-unterminated": "TALs that aren't terminated",
    "tal-time-not-empty": "records whose first TAL has a text where the empty one that keeps time belongs",
    "tal-no-record-onset": "records without a time-keeping TAL; they are taken to follow the one before",
    "tal-not-utf8": "annotation texts that aren't UTF-8; they are read as Latin-1",
}
