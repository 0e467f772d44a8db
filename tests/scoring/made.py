"""Events and files for the tests of this folder."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from eegarchive import stages
from eegarchive.scoring import Events

START = datetime.datetime(2016, 7, 29, 21, 23, 23)


def events(*rows: tuple[float, float, str], channel: str = "") -> Events:
    """Events of these onsets, durations and texts, whose kinds follow from the texts."""
    onset, duration, text = zip(*rows, strict=True) if rows else ((), (), ())
    return Events(
        np.array(onset, float),
        np.array(duration, float),
        list(text),
        [stages.kind_of(t) for t in text],
        [channel] * len(rows),
    )


def rows(found: Events) -> list[tuple[float, float | None, str, str, str]]:
    """All columns, row by row, as plain values that compare; None where no duration is stated."""
    durations = [None if np.isnan(d) else float(d) for d in found.duration]
    return list(zip(found.onset.tolist(), durations, found.text, found.kind, found.channel, strict=True))


def file_of(folder: Path, name: str, *lines: str | bytes) -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_bytes(b"".join(ln if isinstance(ln, bytes) else f"{ln}\n".encode() for ln in lines))
    return path


def texts(forbidden: str = "", min_size: int = 0) -> st.SearchStrategy[str]:
    """Texts of any characters that a table can hold, without some."""
    letters = st.characters(exclude_categories=("Cs",), exclude_characters="\0" + forbidden)
    likely = st.sampled_from(
        ["Sleep stage N2", "wake", "N3", "apnea", "a/b", ".", "n/a", '"', "#x", "class", "a,b;c"]
    )
    either = st.one_of(likely, st.text(letters, max_size=20))
    return either.filter(lambda t: len(t) >= min_size and not any(c in t for c in forbidden))


def seconds(least: float = -1e9) -> st.SearchStrategy[float]:
    """Numbers of seconds, tiny and huge ones too; no negative zero."""
    return st.floats(least, 1e9).map(lambda x: x + 0.0)


def made_events(
    text: st.SearchStrategy[str],
    onset: st.SearchStrategy[float],
    unstated: bool = True,
    kinds: Sequence[str] = (),
    channel: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Events]:
    """Events in order; kinds follow from the texts unless some are given."""
    duration = st.one_of(seconds(0), st.just(np.nan)) if unstated else seconds(0)
    row = st.tuples(
        onset, duration, text, st.sampled_from(kinds or ("",)), st.just("") if channel is None else channel
    )

    def build(found: list[tuple[float, float, str, str, str]]) -> Events:
        ordered = sorted(found, key=lambda r: r[0])
        columns = [list(c) for c in zip(*ordered, strict=True)] or [[], [], [], [], []]
        kind = columns[3] if kinds else [stages.kind_of(t) for t in columns[2]]
        return Events(np.array(columns[0], float), np.array(columns[1], float), columns[2], kind, columns[4])

    return st.lists(row, max_size=8).map(build)
