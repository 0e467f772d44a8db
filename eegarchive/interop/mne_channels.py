"""The signals of a state as channels of MNE's: their names, their values, and which of them are asked for."""

from __future__ import annotations

import functools
import itertools
import math
import numbers
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.interop.picks import chosen
from eegarchive.state import Description, State
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.samples import Piece, Put

#: What a value in these units is multiplied by to be in volts; any other stays as it is. The first three are
#: what MNE's reader knows.
_TO_VOLTS = {
    **dict.fromkeys(("\u03bcV", "\u00b5V", "\x83\xcaV", "uV"), 1e-6),
    "mV": 1e-3,
    "nV": 1e-9,
}
#: What MNE takes as trigger channels, and the bits of their samples that it keeps.
_STIM_NAMES = ("status", "trigger")
_STIM_BITS = 2**17 - 1


@dataclass(frozen=True)
class Channel:
    """A signal as a channel of MNE's.

    Attributes
    ----------
    key : str
        Name in the archive.
    name : str
        Name in MNE: the label, numbered where several are equal.
    is_trigger : bool
        Whether MNE takes it as a trigger channel by its name.
    """

    key: str
    name: str
    is_trigger: bool
    attributes: Mapping[str, AttributeValue]
    dtype: np.dtype[Any]
    pieces: tuple[Piece, ...]

    @property
    def rate(self) -> float:
        """Samples per second."""
        return float(self.attributes["sampling_rate"])

    @property
    def kind(self) -> str:
        """What the archive says that it measures."""
        return str(self.attributes["kind"])

    @property
    def gain(self) -> float:
        """What a physical value is multiplied by."""
        return 1.0 if self.is_trigger else volts(str(self.attributes["units"]))

    @property
    def count(self) -> int:
        """How many samples it has."""
        return sum(map(len, self.pieces))

    def put(self) -> Put:
        """What turns stored samples into MNE's values: the operations, and their order, are MNE's own."""
        scale, offset = float(self.attributes["scale_factor"]), float(self.attributes["add_offset"])
        if self.is_trigger and self.dtype.kind == "i":
            return functools.partial(_trigger, scale, offset, self.dtype.itemsize == 4)
        if self.dtype.kind == "f" and scale * self.gain == 1.0 and offset == 0.0:
            return _as_stored  # volts, which the archive shows in other units
        return functools.partial(calibrate, scale, offset, self.gain)


def volts(units: str) -> float:
    """What a value in some units is multiplied by for MNE: volts where it is a voltage."""
    return _TO_VOLTS.get(units, 1.0)


def calibrate(
    scale: float, offset: float, gain: float, samples: npt.NDArray[Any], out: npt.NDArray[Any]
) -> None:
    """Put values into `out` by the operations of MNE's EDF reader, in its order."""
    np.multiply(samples, scale, out=out, dtype=np.float64)
    out += offset
    out *= gain


def _trigger(
    scale: float, offset: float, is_bdf: bool, samples: npt.NDArray[Any], out: npt.NDArray[Any]
) -> None:
    values = samples if is_bdf else samples * scale + offset
    out[...] = np.bitwise_and(values.astype(np.int64), _STIM_BITS)


def _as_stored(samples: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    out[...] = samples


def channels_of(state: State) -> list[Channel]:
    """Every signal of a state that has samples, as MNE would name it."""
    described: dict[str, Description] = {key: state.signals.describe(key) for key in state.signals}
    names = unique_names([str(found.attributes["label"]).strip() for found in described.values()])
    low = [name.lower() for name in names]
    triggers = {low.index(name) for name in _STIM_NAMES if name in low}
    return [
        Channel(key, name, i in triggers, found.attributes, found.dtype, found.pieces)
        for i, (name, (key, found)) in enumerate(zip(names, described.items(), strict=True))
        if len(found) and float(found.attributes["sampling_rate"]) > 0
    ]


def unique_names(labels: Sequence[str]) -> list[str]:
    """Names that differ: equal labels get `-0`, `-1` and so on, as in MNE."""
    names = list(labels)
    for stem, count in Counter(labels).items():
        if count > 1:
            for number, at in enumerate([i for i, label in enumerate(labels) if label == stem]):
                tries = itertools.chain([number], string.ascii_lowercase, itertools.count(count))
                names[at] = next(name for end in tries if (name := f"{stem}-{end}") not in names)
    return names


def choose(
    where: str,
    channels: Sequence[Channel],
    picks: str | Sequence[str] | None,
    rate: float | None,
    resample: float | None,
) -> list[Channel]:
    """The channels of one rate that are asked for; of any, if they are to be resampled.

    Raises
    ------
    NotInArchive
        If there is no such signal, kind or rate.
    EEGArchiveError
        If the picks have several rates, or an argument is none of these.
    """
    if rate is not None and resample is not None:
        raise EEGArchiveError("rate and resample: choose one of them")
    for name, value in (("rate", rate), ("resample", resample)):
        if value is not None and not (isinstance(value, numbers.Real) and 0 < value < math.inf):
            raise EEGArchiveError(f"{name}={value!r}: a sampling rate is a number of samples per second")
    picked = list(channels)
    if picks is not None:
        by_key = {channel.key: channel for channel in channels}
        attributes = {key: channel.attributes for key, channel in by_key.items()}
        names = {key: channel.name for key, channel in by_key.items()}
        picked = [by_key[key] for key in chosen(where, attributes, picks, names)]
    if resample is not None:
        return picked
    rates = Counter(channel.rate for channel in picked)
    listed = ", ".join(f"{count} of {own:.10g} Hz" for own, count in sorted(rates.items(), reverse=True))
    if rate is not None:
        found = [c for c in picked if abs(c.rate - rate) <= 1e-9 * rate]
        if not found:
            raise NotInArchive(f"{where}: no signals of {rate:.10g} Hz; there are {listed or 'none'}")
        return found
    if len(rates) > 1 and picks is not None:
        raise EEGArchiveError(
            f"{where}: the picks differ in sampling rate ({listed}); choose one by rate=, or give resample="
        )
    most = usual_rate(picked)
    return [channel for channel in picked if channel.rate == most]


def usual_rate(channels: Sequence[Channel]) -> float:
    """The rate that most EEG signals have, or most signals if there is none; the higher of two. 0 for none."""
    asked = [channel for channel in channels if channel.kind == "eeg"] or channels
    rates = Counter(channel.rate for channel in asked)
    return max(rates, key=lambda own: (rates[own], own), default=0.0)
