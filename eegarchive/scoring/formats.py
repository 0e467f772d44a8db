"""Which format a file has, and which module reads or writes it."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eegarchive.scoring import annot, eannot, edfplus, nsrr, tables
from eegarchive.scoring.events import Events, ScoringError
from eegarchive.scoring.text import numbered_lines, shown_path
from eegarchive.storage.files import new_file

#: Names of the formats and the suffixes that files of each have.
FORMATS: dict[str, tuple[str, ...]] = {
    "edf": (".edf", ".bdf"),
    "nsrr": (".xml",),
    "annot": (".annot",),
    "eannot": (".eannot",),
    "bids": (".tsv",),
    "csv": (".csv",),
}
_WRITTEN = tuple(name for name in FORMATS if name != "nsrr")
_SNIFFED_BYTES = 4096


def read_events(
    path: str | os.PathLike[str],
    *,
    start: datetime.datetime | None = None,
    epoch_length: float = 30.0,
    format: str | None = None,
) -> Events:
    """Annotations from a file.

    Parameters
    ----------
    path : path-like
        The file. Texts are UTF-8 (a byte order mark is fine), else Latin-1.
    start : datetime, optional
        The recording's start, local time (a time zone is ignored). Files that state dates or times of
        day need it. Onsets of an EDF+ file are shifted by the difference to its own start, if it states one.
    epoch_length : float
        Seconds of an epoch, for files that count epochs and don't say how long they are.
    format : str, optional
        One of `FORMATS`; found by the suffix, or else by the content:

        - `edf`: EDF+ or BDF+ with annotations, with or without signals.
        - `nsrr`: XML of the NSRR (`PSGAnnotation`) or of Compumedics Profusion (`CMPStudyConfig`).
          The stage codes 0 to 6 and 9 become kinds; texts stay as they are.
        - `annot`: Luna's interval annotations. An instance that says something becomes part of the
          text, `class/instance`, and the class alone decides the kind. Meta-data are left out.
        - `eannot`: a label for each epoch, a line each.
        - `bids`: `events.tsv` with `onset`, `duration`, and `trial_type` or another text column.
        - `csv`: a header line with the same columns; separated by commas, semicolons (then numbers may
          have decimal commas) or tabs. Onsets may be dates with times, as MNE writes them.

    Returns
    -------
    Events
        In order of onset.

    Raises
    ------
    ScoringError
        If anything in the file isn't understood; it says where, and what was expected.
    EDFError
        If an EDF or BDF header can't be read.
    """
    file = Path(path)
    if not (np.isfinite(epoch_length) and epoch_length > 0):
        raise ScoringError(f"an epoch length of {epoch_length} s; expected more than 0")
    start = None if start is None else start.replace(tzinfo=None)
    match _checked(format) or _by_suffix(file) or _by_content(file):
        case "edf":
            return edfplus.read(file, start)
        case "nsrr":
            return nsrr.read(file, epoch_length)
        case "annot":
            return annot.read(file, start, epoch_length)
        case "eannot":
            return eannot.read(file, epoch_length)
        case "bids":
            return tables.read_bids(file, start)
        case _:
            return tables.read_csv(file, start)


def write_events(
    path: str | os.PathLike[str],
    events: Events,
    *,
    start: datetime.datetime | None = None,
    format: str | None = None,
    overwrite: bool = False,
    epochs: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None,
) -> None:
    """Write annotations to a file, which appears whole or not at all.

    Numbers read back equal. What a format can't hold:

    - `csv`: nothing is lost.
    - `bids`: tabs and line breaks in texts become spaces; an empty text and `n/a` are the same.
    - `annot`: tabs and line breaks become spaces, a duration that isn't stated becomes 0. A kind that
      doesn't follow from the text is written as the class, with the text as the instance. Luna knows no
      time before the recording's start: such an event is refused.
    - `edf`: line breaks and the characters 20 and 21 become spaces, and so does an empty text without a
      duration. A channel is added to the text as `@@channel`. A stage that doesn't follow from the text replaces it by
      the text that EDF+ has for it (`Sleep stage N2`); other kinds aren't written.
    - `eannot`: the sleep stage at the middle of each epoch and nothing else, `?` where there is none. Where
      stages overlap, the one that began last counts; one without a duration lasts until the next.

    Parameters
    ----------
    path : path-like
        The file to make.
    events : Events
        What to write.
    start : datetime, optional
        The recording's start, local time (a time zone is ignored), for the header of EDF+.
    format : str, optional
        `edf`, `annot`, `eannot`, `bids` or `csv`; found by the suffix.
    overwrite : bool
        Whether a file of that name may be replaced.
    epochs : (start, duration), optional
        Start on the recording clock and duration of each epoch, in seconds; needed for `eannot`.

    Raises
    ------
    ScoringError
        If the format can't be written or can't hold the events.
    TargetExists
        If the file is there and `overwrite` isn't set.
    """
    file = Path(path)
    found = _checked(format) or _by_suffix(file)
    if found not in _WRITTEN:
        asked = "a file of that suffix" if found is None else f"the format {found!r}"
        raise ScoringError(
            f"{shown_path(file)}: {asked} can't be written; these formats can: {', '.join(_WRITTEN)}"
        )
    if found == "edf" and file.suffix.lower() == ".bdf":
        raise ScoringError(f"{shown_path(file)}: annotations are written as EDF+; give it the suffix .edf")
    raw = _encoded(found, file, events, None if start is None else start.replace(tzinfo=None), epochs)
    with new_file(file, overwrite) as temporary:
        temporary.write_bytes(raw)


def _encoded(
    format: str,
    path: Path,
    events: Events,
    start: datetime.datetime | None,
    epochs: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None,
) -> bytes:
    match format:
        case "edf":
            return edfplus.encode(path, events, start)
        case "annot":
            return annot.encode(path, events)
        case "eannot":
            if epochs is None:
                raise ScoringError(f"{shown_path(path)}: a file of epochs; give epochs, or set them first")
            return eannot.encode(events, *epochs)
        case "bids":
            return tables.encode_bids(events)
        case _:
            return tables.encode_csv(events)


def _checked(format: str | None) -> str | None:
    if format is not None and format not in FORMATS:
        raise ScoringError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    return format


def _by_suffix(path: Path) -> str | None:
    return next((name for name, suffixes in FORMATS.items() if path.suffix.lower() in suffixes), None)


def _by_content(path: Path) -> str:
    """The format of a file whose suffix says nothing."""
    with open(path, "rb") as file:
        head = file.read(_SNIFFED_BYTES)
    if head.startswith((b"0       ", b"\xffBIOSEMI")):
        return "edf"
    text = head.decode("utf-8-sig", "replace")
    if text.lstrip().startswith("<"):
        return "nsrr"
    lines = [line for _, line in numbered_lines(text) if not line.startswith("#")]
    if lines and tables.is_header(lines[0]):
        return "csv"
    words = len(lines[0].split()) if lines else 0
    if words >= 3:
        return "annot"
    if words == 1:
        return "eannot"
    raise ScoringError(
        f"{shown_path(path)}: neither its suffix nor its content says what it is; give format, "
        f"one of {', '.join(FORMATS)}"
    )
