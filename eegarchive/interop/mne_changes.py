"""What a Raw that was processed in MNE has in place of what a state has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.interop.mne_annotations import EDGE, GAP, Shown, as_fif_has, marks, shown
from eegarchive.interop.mne_channels import Channel, channels_of
from eegarchive.interop.mne_info import band, channel_types
from eegarchive.interop.mne_raw import mne, source_of
from eegarchive.interop.mne_source import Source, origin
from eegarchive.state import State

#: Samples of one channel that are compared, or handed on, at a time.
_BLOCK_SAMPLES = 2**20
#: MNE rounds onsets to microseconds, and FIF has them in 32 bits.
_SAME_ONSET, _SAME_PART = 5e-6, 1.2e-7

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A channel of the Raw, and what it is of the state.

    Attributes
    ----------
    row : int
        Its number in the Raw.
    name, type : str
        As MNE has them.
    own : Channel or None
        The signal of the state that it is or was; None for a new one.
    is_same : bool
        Whether every sample is that signal's.
    is_renamed : bool
        Whether it had another name in the Raw at first.
    type_before : str
        The type that MNE had for it before.
    """

    row: int
    name: str
    type: str
    own: Channel | None
    is_same: bool
    is_renamed: bool
    type_before: str


class Processed:
    """A Raw beside the state that it was made from.

    Attributes
    ----------
    rate : float
    changes : list of Change
        One for each of its channels.
    dropped : list of str
        Names of signals that it had, and has no more.
    begin, end : float
        The stretch of the recording clock that it covers.
    is_cropped : bool
        Whether the state covers more.
    """

    def __init__(self, state: State, raw: Any) -> None:
        if not isinstance(raw, mne.io.BaseRaw):
            raise EEGArchiveError(f"{type(raw).__name__}: isn't one of MNE's Raw objects")
        if len(raw._raw_extras) > 1:
            raise EEGArchiveError("this Raw was put together from several; add each by itself")
        if raw.preload and np.iscomplexobj(raw._data):
            raise EEGArchiveError("this Raw has complex samples, which an archive can't hold")
        self._raw = raw
        self.rate = float(raw.info["sfreq"])
        self._source = source_of(raw)
        self._channels = channels_of(state)
        here = {channel.key: channel for channel in self._channels}
        had = self._channels if self._source is None else self._source.channels
        self._known = {c.name: here[c.key] for c in had if c.key in here}
        self._shown = self._shown_channels()
        self._base = Source(state, [c for c in self._shown if c.rate == self.rate], self.rate)
        self._place(state)
        self.changes = [self._change(row, name) for row, name in enumerate(raw.ch_names)]
        used = {change.own.key for change in self.changes if change.own is not None}
        self.dropped = [channel.key for channel in self._shown if channel.key not in used]

    def _shown_channels(self) -> list[Channel]:
        """The signals that the Raw had at first: of one from elsewhere, all of the rates of those it has."""
        if self._source is not None:
            return list(self._known.values())
        rates = {self._known[name].rate for name in self._raw.ch_names if name in self._known}
        return [channel for channel in self._channels if channel.rate in rates]

    def _place(self, state: State) -> None:
        """Find the Raw's samples on the recording clock."""
        raw, base, source = self._raw, self._base, self._source
        count = int(raw.n_times)
        if source is not None:
            if not np.array_equal(source.segments, base.segments):
                raise EEGArchiveError(
                    "the archive's segments have changed since this Raw was made; make it anew"
                )
            self._zero = source.begin - source.first / source.rate
        elif raw.first_samp == 0 and abs(count - base.count) <= 1:
            self._zero = base.begin
        else:
            self._zero = origin(state)
        slack = 0 if source is not None and source.rate == self.rate else 1
        first = round((self._zero + raw.first_samp / self.rate - base.begin) * self.rate)
        last = first + count
        first, self._shift = (0 if abs(first) <= slack else first), first
        last = base.count if abs(last - base.count) <= slack else last
        runs = [run for run in base.runs if run.start < last and first < run.stop]
        if not runs or first < 0 or last > base.count:
            raise EEGArchiveError(
                f"this Raw covers {self._clock(first):.10g}-{self._clock(last):.10g} s of the recording clock, and "
                f"the archive has {base.begin:.10g}-{self._clock(base.count):.10g} s; give raws from elsewhere the "
                "first_samp of what they are made from"
            )
        #: Stretches of data in the Raw's own sample numbers, and in the state's row.
        self._spans = [(max(run.start, first), min(run.stop, last)) for run in runs]
        whole = runs[-1].stop <= last
        self.begin = (
            float(base.segments[runs[0].segment, 0]) + (self._spans[0][0] - runs[0].start) / self.rate
        )
        start, duration = base.segments[runs[-1].segment].tolist()
        self.end: float = start + (duration if whole else (last - runs[-1].start) / self.rate)
        self.is_cropped = first > 0 or not whole or len(runs) < len(base.runs)

    def _clock(self, sample: int) -> float:
        return self._base.begin + sample / self.rate

    def count(self) -> int:
        """How many samples each channel has, gaps left out."""
        return sum(b - a for a, b in self._spans)

    def blocks(self, row: int) -> Iterator[Values]:
        """The samples of one channel, gaps left out."""
        for _, values in self._blocks(row):
            yield values

    def _blocks(self, row: int) -> Iterator[tuple[int, Values]]:
        count = self._raw.n_times
        for first, last in self._spans:
            # a resampled Raw may lack the last sample, or begin half a sample late
            shift = min(max(self._shift, last - count), first)
            for a in range(first, last, _BLOCK_SAMPLES):
                b = min(last, a + _BLOCK_SAMPLES)
                values = self._raw.get_data([row], a - shift, b - shift, verbose="error")[0]
                if len(values) != b - a:
                    raise EEGArchiveError(
                        f"channel {self._raw.ch_names[row]!r}: {count} samples are fewer than the archive's time holds"
                    )
                yield a, values

    def _change(self, row: int, name: str) -> Change:
        own = self._known.get(name)
        was = self._renamed(row) if own is None else None
        is_same = was is not None or (own is not None and self._is_same(row, own))
        own = own or was
        return Change(
            row, name, self._raw.get_channel_types([row])[0], own, is_same, was is not None, self._type(own)
        )

    def _renamed(self, row: int) -> Channel | None:
        """The signal, gone under its own name, that has the very samples of a channel with a name that is new."""
        if self._source is None:
            return None
        number = int(self._raw.info["chs"][row]["logno"]) - 1  # which channel it was at first
        if not 0 <= number < len(self._source.channels):
            return None
        was = self._source.channels[number].name
        found = None if was in self._raw.ch_names else self._known.get(was)
        return found if found is not None and self._is_same(row, found) else None

    def _type(self, own: Channel | None) -> str:
        """The type that MNE had at first for a signal."""
        if own is None:
            return "eeg"
        if self._source is not None:
            types = {c.key: t for c, t in zip(self._source.channels, self._source.types, strict=True)}
            return types[own.key]
        return channel_types([own], use_kinds=False)[0]

    def _is_same(self, row: int, own: Channel) -> bool:
        """Whether a channel has the very samples that the state gives for one of its signals."""
        places = [i for i, channel in enumerate(self._base.channels) if channel.key == own.key]
        if not places:
            return False
        for first, values in self._blocks(row):
            theirs = np.empty((1, len(values)))
            self._base.read(theirs, places, first, first + len(values))
            if not np.array_equal(values.view(np.int64), theirs[0].view(np.int64)):
                return False
        return True

    def prefiltering(self) -> str | None:
        """EDF's words for the edges of MNE's filters; None if they are what the state says already."""
        info = self._raw.info
        if (info["highpass"], info["lowpass"]) == band(self._base.channels or self._shown, self.rate):
            return None
        edges = [("HP", info["highpass"])] if info["highpass"] > 0 else []
        edges += [("LP", info["lowpass"])] if info["lowpass"] < self.rate / 2 else []
        return " ".join(f"{name}:{np.format_float_positional(edge, trim='-')}Hz" for name, edge in edges)

    def units_in_volts(self, row: int) -> bool:
        """Whether MNE has a channel in volts."""
        return bool(self._raw.info["chs"][row]["unit"] == mne.io.constants.FIFF.FIFF_UNIT_V)

    def bads(self) -> list[str]:
        """Names of the channels that are marked as bad."""
        return list(self._raw.info["bads"])

    def described(self) -> dict[str, Any]:
        """What MNE itself tells of how the Raw was processed, as JSON can have it."""
        info = self._raw.info
        found = {
            "highpass": float(info["highpass"]),
            "lowpass": float(info["lowpass"]),
            "custom_ref_applied": int(info["custom_ref_applied"]),
            "projs": [f"{p['desc']}{' (applied)' if p['active'] else ''}" for p in info["projs"]],
            "description": info["description"],
            "line_freq": info["line_freq"],
            "proc_history": [
                {key: str(record[key]) for key in ("creator", "date", "experimenter") if key in record}
                for record in info["proc_history"]
            ],
        }
        return {key: value for key, value in found.items() if value not in (None, [], "")}

    def annotations(self, state: State) -> tuple[list[int], list[Shown]]:
        """Rows of the state's table that the Raw has no more, and what it has that the table hasn't.

        Onsets of the latter are on the recording clock.
        """
        raw, duration = self._raw, self._raw.n_times / self.rate
        begin = self._zero + raw.first_time
        columns = state.annotations.columns()
        # rounding decides whether MNE has what only touches the ends
        is_exact = self._source is not None and self._source.rate == self.rate
        edge = 2 * _SAME_ONSET if is_exact else 2 / self.rate
        own = shown(columns, self._channels, self._shown, begin - edge, duration + 2 * edge)
        for one in own:
            one.onset -= edge
        texts = {one.text for one in own}
        from_fif = {as_fif_has(text): text for text in texts if as_fif_has(text) not in texts}
        listed = raw.annotations
        extras = getattr(listed, "extras", None) or [None] * len(listed)
        theirs = [
            Shown(
                float(onset) - raw.first_time,
                float(last),
                from_fif.get(str(text), str(text)),
                tuple(map(str, names)),
                dict(extra or {}),
            )
            for onset, last, text, names, extra in zip(
                listed.onset, listed.duration, listed.description, listed.ch_names, extras, strict=True
            )
        ]
        gone, new = _compare(own, theirs, duration, edge)
        first = -edge if is_exact else edge
        gone = [
            one
            for one in gone
            if one.onset < duration - edge and (one.onset >= first or one.onset + one.duration > edge)
        ]
        gaps = marks(self._base)
        new = [one for one in new if not (one.text in (GAP, EDGE) and self._is_mark(one, gaps, begin))]
        for one in new:
            one.onset += begin
        return sorted(row for one in gone for row in one.rows), new

    def _is_mark(self, one: Shown, gaps: Sequence[Shown], begin: float) -> bool:
        """Whether an annotation is one that `to_raw` made for a gap, or what a crop left of it."""
        start, slack = one.onset + begin - self._base.begin, 2 / self.rate
        return any(
            gap.onset - slack <= start and start + one.duration <= gap.onset + gap.duration + slack
            for gap in gaps
        )


def _compare(
    own: Sequence[Shown], theirs: Sequence[Shown], duration: float, edge: float
) -> tuple[list[Shown], list[Shown]]:
    """Which of our annotations are gone, and which of theirs are new."""
    groups: dict[Any, tuple[list[Shown], list[Shown]]] = defaultdict(lambda: ([], []))
    for side, listed in enumerate((own, theirs)):
        for one in listed:
            groups[one.text, frozenset(one.channels)][side].append(one)
    gone: list[Shown] = []
    new: list[Shown] = []
    for ours, others in groups.values():
        ours.sort(key=lambda one: (max(one.onset, 0.0), one.duration))
        others.sort(key=lambda one: (one.onset, one.duration))
        i = j = 0
        while i < len(ours) and j < len(others):
            if _same(ours[i], others[j], duration, edge):
                i, j = i + 1, j + 1
            elif max(ours[i].onset, 0.0) <= others[j].onset:
                gone.append(ours[i])
                i += 1
            else:
                new.append(others[j])
                j += 1
        gone += ours[i:]
        new += others[j:]
    return gone, new


def _same(own: Shown, other: Shown, duration: float, edge: float) -> bool:
    start = max(own.onset, 0.0)
    stop = max(start, min(own.onset + own.duration, duration))
    is_cut = own.onset < 0 or own.onset + own.duration > duration - edge
    slack = (edge if is_cut else _SAME_ONSET) + _SAME_PART * abs(other.onset)
    return abs(start - other.onset) <= slack and abs(stop - start - other.duration) <= slack
