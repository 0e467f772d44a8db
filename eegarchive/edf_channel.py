"""One signal of a state on its way into EDF: its header texts, and the bytes of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import edf, records
from eegarchive.edf_layout import clean, shortest
from eegarchive.errors import EEGArchiveError
from eegarchive.state import Signal
from eegarchive.storage.samples import copy

_LIMITS = ("physical_minimum", "physical_maximum", "digital_minimum", "digital_maximum")
_LIMIT_CHARACTERS = 8
_BLOCK_SAMPLES = 2**19
#: A scale may differ from the signal's by this much of a digital step, at any value.
_SAME_SCALE = 1e-6
#: A floating-point signal whose values have fewer levels between their extremes isn't written.
_FEWEST_LEVELS = 100


class Channel:
    """A signal on its way into the file: its header texts, and the bytes of its samples."""

    def __init__(self, signal: Signal, texts: dict[str, str], is_bdf: bool, where: str) -> None:
        self.name = signal.name
        self.texts = texts
        self._signal = signal
        self._is_bdf = is_bdf
        self._where = where

    def read(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes [start, start + count) of its samples."""
        size = 3 if self._is_bdf else 2
        first, samples = start // size, count // size
        return records.encode_samples(self._digital(first, first + samples), self._is_bdf)

    def _digital(self, start: int, stop: int) -> npt.NDArray[Any]:
        samples = np.empty(stop - start, self._signal.dtype)
        self._signal.read_into(samples, start, stop, copy)
        lowest, highest = digital_range(self._is_bdf)
        if self._signal.dtype.itemsize > 2 and (samples.min() < lowest or samples.max() > highest):
            advice = "BDF has 24 bits" if self._is_bdf else "write a *.bdf"
            raise EEGArchiveError(
                f"{self._where}: has values outside {lowest} to {highest} in samples {start} to {stop}; {advice}"
            )
        return samples


class Quantised(Channel):
    """A floating-point signal; `error` grows to the largest difference that quantising made."""

    error = 0.0

    def _digital(self, start: int, stop: int) -> npt.NDArray[Any]:
        values = np.empty(stop - start)
        self._signal.read_into(values, start, stop, self._signal.calibrate)
        calibration = _calibration(self.texts)
        assert calibration is not None, "the limits were chosen to define a scale"
        scale, offset = calibration
        digital = np.rint((values - offset) / scale)  # within the digital range, as the limits enclose all
        self.error = max(self.error, float(np.abs(digital * scale + offset - values).max()))
        return digital.astype("<i4")


def make_channel(
    signal: Signal, segments: Mapping[str, npt.NDArray[Any]], is_bdf: bool, where: str
) -> Channel:
    """Decide how a signal is written; a floating-point one is read once for its range.

    Raises
    ------
    EEGArchiveError
        If EDF can't say its values.
    """
    where = f"{where}: signal {signal.name!r}"
    if clean(signal.label).strip() in edf.ANNOTATION_LABELS:
        raise EEGArchiveError(
            f"{where}: readers take one labelled {signal.label!r} for annotations; rename it"
        )
    if not (np.isfinite(signal.scale_factor) and signal.scale_factor and np.isfinite(signal.add_offset)):
        raise EEGArchiveError(
            f"{where}: its scale is {signal.scale_factor} and its offset {signal.add_offset}; correct them"
        )
    texts = {name: str(signal.attributes.get(name, "")) for name, _ in edf.SIGNAL_FIELDS}
    texts["label"] = signal.label
    if signal.dtype.kind == "f":
        limits = _enclosing_limits(*_physical_range(signal, segments, where), is_bdf, where)
        return Quantised(signal, {**texts, **limits, "physical_dimension": signal.units}, is_bdf, where)
    texts |= _same_limits(signal, texts, is_bdf, where)
    if signal.units or _calibration(texts):  # an uncalibrated signal has no units, whatever EDF says
        texts["physical_dimension"] = signal.units
    return Channel(signal, texts, is_bdf, where)


def digital_range(is_bdf: bool) -> tuple[int, int]:
    """The least and the greatest sample that a file can hold."""
    highest = 2 ** (23 if is_bdf else 15) - 1
    return -highest - 1, highest


def _calibration(texts: Mapping[str, str]) -> tuple[float, float] | None:
    """Scale and offset that a reader takes from the four limits."""
    limits = {name: edf.decode_number(texts[name].encode()) for name in _LIMITS}
    floats = {name: None if number is None else float(number) for name, number in limits.items()}
    return edf.SignalHeader(0, "", {}, samples_per_record=0, **floats).calibration


def _same_limits(signal: Signal, texts: Mapping[str, str], is_bdf: bool, where: str) -> dict[str, str]:
    """Limits that give an integer signal the scale it has: its own where they do, else what fits."""
    lowest, highest = digital_range(is_bdf and signal.dtype.itemsize > 2)
    scale, offset = signal.scale_factor, signal.add_offset
    ends = np.array([lowest, highest], float)

    def same(limits: Mapping[str, str]) -> bool:
        other = _calibration(limits) or (1.0, 0.0)
        values, wanted = ends * other[0] + other[1], ends * scale + offset
        return bool((np.abs(values - wanted) <= _SAME_SCALE * abs(scale)).all())

    own = {name: texts[name] for name in _LIMITS}
    stated = [edf.decode_number(own[name].encode()) for name in ("digital_minimum", "digital_maximum")]
    inside = all(number is None or lowest <= number <= highest for number in stated)
    if inside and any(own.values()) and same(own):
        return own
    pairs = [(lowest, highest), (-highest, highest)]
    if None not in stated and inside:
        pairs.insert(0, (int(stated[0] or 0), int(stated[1] or 0)))
    pairs += [pair for k in range(4, -1, -1) for pair in ((-(10**k), 10**k), (0, 10**k))]
    for low, high in pairs:
        physical = [_limit_text(value * scale + offset, ROUND_HALF_EVEN) for value in (low, high)]
        limits = dict(zip(_LIMITS, (*(text or "" for text in physical), str(low), str(high)), strict=True))
        if _calibration(limits) and same(limits):
            return limits
    advice = "or write a *.bdf" if not is_bdf else "or make the signal floating point"
    raise EEGArchiveError(
        f"{where}: no limits of 8 characters say exactly its scale {scale!r} and offset {offset!r} for digital "
        f"values from {lowest} to {highest}; change its units {advice}"
    )


def _enclosing_limits(low: float, high: float, is_bdf: bool, where: str) -> dict[str, str]:
    """Limits over the whole digital range that are just outside the physical extremes."""
    below, above = _limit_text(low, ROUND_FLOOR), _limit_text(high, ROUND_CEILING)
    if below is None or above is None:
        raise EEGArchiveError(
            f"{where}: its values go from {low:.6g} to {high:.6g}, more than the header's 8 characters can say; "
            "change its units"
        )
    if below == above:  # a constant that the limits say exactly; a reader needs two of them
        above = _limit_text(float(below) + 1, ROUND_FLOOR)
        if above is None:
            below, above = _limit_text(float(below) - 1, ROUND_FLOOR), below
    lowest, highest = digital_range(is_bdf)
    limits = dict(zip(_LIMITS, (below or "", above or "", str(lowest), str(highest)), strict=True))
    calibration = _calibration(limits)
    if calibration is None or 0 < high - low < _FEWEST_LEVELS * calibration[0]:
        raise EEGArchiveError(
            f"{where}: between its extremes {low:.6g} and {high:.6g} the header's 8 characters leave fewer than "
            f"{_FEWEST_LEVELS} levels; change its units"
        )
    return limits


def _limit_text(value: float, rounding: str) -> str | None:
    """The decimal of at most 8 characters that is next to a value in the direction of `rounding`."""
    for digits in range(_LIMIT_CHARACTERS - 2, -1, -1):
        rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding) if abs(value) < 1e9 else None
        text = shortest(rounded + 0) if rounded is not None else ""
        if 0 < len(text) <= _LIMIT_CHARACTERS:
            return text
    return None


def _physical_range(
    signal: Signal, segments: Mapping[str, npt.NDArray[Any]], where: str
) -> tuple[float, float]:
    """Extremes of a floating-point signal's physical values, all of which must be finite."""
    low, high = np.inf, -np.inf
    for start in range(0, len(signal), _BLOCK_SAMPLES):
        values = np.empty(min(_BLOCK_SAMPLES, len(signal) - start))
        signal.read_into(values, start, start + len(values), signal.calibrate)
        finite = np.isfinite(values)
        if not finite.all():
            at = int(np.argmin(finite))
            raise EEGArchiveError(
                f"{where}: is {values[at]} at {_time(start + at, signal, segments):.10g} s (sample {start + at}), "
                "which EDF can't say; replace such values, or leave that stretch or the signal out"
            )
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def _time(sample: int, signal: Signal, segments: Mapping[str, npt.NDArray[Any]]) -> float:
    """Seconds on the recording clock at which a sample lies (spec T-5)."""
    firsts = np.rint(np.cumsum([0.0, *segments["duration"][:-1]]) * signal.sampling_rate)
    at = int(np.searchsorted(firsts, sample, side="right")) - 1
    return float(segments["start"][at] + (sample - firsts[at]) / signal.sampling_rate)
