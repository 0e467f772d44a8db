"""Signals: which there are, what they are called and say of themselves, and what they are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import digest
from eegarchive.channels import link_names
from eegarchive.draft import Draft, cut
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.layout import EDF_SIGNAL_ATTRIBUTES, SAMPLES_DIGEST, SIGNAL_ATTRIBUTES
from eegarchive.state import Description
from eegarchive.storage.objects import AttributeValue, check_text
from eegarchive.storage.samples import Piece

#: What is filtered and resampled if nothing is named.
ELECTRIC_KINDS = ("eeg", "eog", "emg", "ecg")
#: Attributes that tell of digital limits and records, which computed samples don't have.
_OF_RECORDS = (
    "physical_minimum",
    "physical_maximum",
    "digital_minimum",
    "digital_maximum",
    "samples_per_record",
    "reserved",
)
#: What 24-bit samples can be; they are stored as 32-bit integers.
_BDF_LIMITS = (-(2**23), 2**23 - 1)
_TYPES = {"str": str, "i8": int, "f8": float}


def resolve(draft: Draft, key: str) -> str:
    """The name of the signal that has this name or, if it is the only one, this label.

    Raises
    ------
    NotInArchive
        If there is none, or several.
    """
    if key in draft.signals:
        return key
    found = [n for n, s in draft.signals.items() if str(s.attributes["label"]).strip() == key.strip()]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotInArchive(f"{len(found)} signals are labelled {key!r}; name one: {', '.join(found)}")
    raise NotInArchive(f"no signal {key!r}; there are {', '.join(draft.signals) or 'none'}")


def electric(draft: Draft, above: float = 0.0) -> list[str]:
    """Names of the signals that are filtered and resampled if none is named: of a rate above some."""
    return [
        name
        for name, signal in draft.signals.items()
        if signal.attributes["kind"] in ELECTRIC_KINDS and float(signal.attributes["sampling_rate"]) > above
    ]


def keep(draft: Draft, keys: Iterable[str]) -> Draft:
    """Keep some signals, in their present order."""
    names = {resolve(draft, key) for key in keys}
    return replace(draft, signals={name: s for name, s in draft.signals.items() if name in names})


def drop(draft: Draft, keys: Iterable[str]) -> Draft:
    """Drop some signals."""
    names = {resolve(draft, key) for key in keys}
    return replace(draft, signals={name: s for name, s in draft.signals.items() if name not in names})


def copy(draft: Draft, key: str, label: str) -> tuple[Draft, str]:
    """Add a signal of the same samples under another label, behind the others; its name too."""
    found = draft.signals[resolve(draft, key)]
    name = new_name(draft, label)
    return draft.with_signal(name, replace(found, attributes={**found.attributes, "label": label})), name


def rename(draft: Draft, key: str, label: str) -> tuple[Draft, str]:
    """Give a signal another label and the name that follows from it; it keeps its place."""
    old = resolve(draft, key)
    signal = draft.signals[old]
    name = new_name(draft, label, but=old)
    signal = replace(signal, attributes={**signal.attributes, "label": label})
    signals = {name if own == old else own: signal if own == old else s for own, s in draft.signals.items()}
    return replace(draft, signals=signals), name


def new_name(draft: Draft, label: str, but: str | None = None) -> str:
    """The name that a new signal's label gives.

    Raises
    ------
    EEGArchiveError
        If a signal has it already.
    """
    check_text(f"the label {label[:40]!a}", label)
    (name,) = link_names([label])
    if name in draft.signals and name != but:
        raise EEGArchiveError(
            f"there is a signal {name!r} already; choose another name, or drop that one first"
        )
    if len(name.encode("utf-8")) > 255 or not label.strip():
        raise EEGArchiveError(f"{label!r} can't be a signal's name; choose one of 1 to 255 bytes")
    return name


def set_attributes(draft: Draft, key: str, values: Mapping[str, AttributeValue]) -> Draft:
    """Give a signal's attributes other values, or give it further ones.

    Raises
    ------
    EEGArchiveError
        For what follows from the samples, and values of another type than the format has.
    """
    name = resolve(draft, key)
    signal = draft.signals[name]
    return draft.with_signal(
        name, replace(signal, attributes={**signal.attributes, **check_attributes(name, values)})
    )


def check_attributes(name: str, values: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Attributes as they are stored, if a user may give a signal these.

    Raises
    ------
    EEGArchiveError
    """
    checked: dict[str, AttributeValue] = {}
    for attribute, value in values.items():
        if attribute in (SAMPLES_DIGEST, "sampling_rate", "label"):
            hint = "; rename the signal" if attribute == "label" else ""
            raise EEGArchiveError(f"signal {name!r}: {attribute} can't be set{hint}")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]{0,63}", attribute):
            raise EEGArchiveError(f"signal {name!r}: {attribute!r} can't be an attribute's name")
        stated = {**SIGNAL_ATTRIBUTES, **EDF_SIGNAL_ATTRIBUTES}.get(attribute)
        kinds = (str, int, float) if stated is None else (_TYPES[stated],)
        if stated == "f8" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise EEGArchiveError(f"signal {name!r}: {attribute} is {value!r}, expected {wanted}")
        if isinstance(value, str):
            check_text(f"signal {name!r}: {attribute}", value)
        elif not math.isfinite(value) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
            raise EEGArchiveError(
                f"signal {name!r}: {attribute} is {value!r}, not a finite number of 64 bits"
            )
        elif attribute == "scale_factor" and value == 0:
            raise EEGArchiveError(f"signal {name!r}: a scale_factor of 0 makes all values equal")
        checked[attribute] = value
    return checked


def computed_attributes(
    attributes: Mapping[str, AttributeValue], sampling_rate: float
) -> dict[str, AttributeValue]:
    """Attributes of floating-point samples that were computed from a signal with `attributes`."""
    kept = {name: value for name, value in attributes.items() if name not in _OF_RECORDS}
    return {**kept, "sampling_rate": float(sampling_rate), "scale_factor": 1.0, "add_offset": 0.0}


def to_digital(signal: Description, values: npt.ArrayLike, name: str, rounded: bool) -> tuple[Any, float]:
    """Samples as they are stored for physical values, and the largest error of rounding.

    Raises
    ------
    EEGArchiveError
        If a value lies outside what can be stored, isn't a number, or lies between two steps and `rounded`
        isn't set.
    """
    physical = np.asarray(values, np.float64)
    if signal.dtype.kind == "f":
        return ((physical - _offset(signal)) / _scale(signal)).astype(signal.dtype), 0.0
    if not np.isfinite(physical).all():
        raise EEGArchiveError(f"signal {name!r} is stored as integers, which have no NaN and no infinity")
    digital = np.rint((physical - _offset(signal)) / _scale(signal))
    error = float(np.max(np.abs(digital * _scale(signal) + _offset(signal) - physical), initial=0.0))
    if error > 1e-9 * max(abs(_scale(signal)), float(np.max(np.abs(physical), initial=0.0))) and not rounded:
        raise EEGArchiveError(
            f"signal {name!r} is stored in steps of {abs(_scale(signal)):.6g}, and some values lie between them (by "
            f"{error:.3g} at most); allow rounding (rounded=True), or add them as a signal of their own"
        )
    return check_digital(signal, digital, name), error


def check_digital(signal: Description, values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Samples of the type a signal is stored in.

    Raises
    ------
    EEGArchiveError
        If one lies outside of what the recording's format can hold, or isn't a whole number.
    """
    digital = np.asarray(values)
    if signal.dtype.kind == "f":
        return digital.astype(signal.dtype)
    info = np.iinfo(signal.dtype)
    is_bdf = signal.dtype.itemsize == 4 and "samples_per_record" in signal.attributes
    low, high = _BDF_LIMITS if is_bdf else (int(info.min), int(info.max))
    if digital.size and (digital.min() < low or digital.max() > high or (digital != np.rint(digital)).any()):
        raise EEGArchiveError(
            f"signal {name!r} is stored as whole numbers from {low} to {high}; "
            f"these go from {digital.min():g} to {digital.max():g}"
        )
    return digital.astype(signal.dtype)


def with_stretch(draft: Draft, name: str, start: int, new: Piece) -> Draft:
    """Replace the samples from `start` on by those of a stored piece."""
    signal = draft.signals[name]
    stop = start + len(new)
    pieces = (*cut(signal.pieces, [(0, start)]), new, *cut(signal.pieces, [(stop, len(signal))]))
    return draft.with_signal(name, replace(signal, pieces=tuple(digest.normalised(pieces))))


def expected_length(draft: Draft, sampling_rate: float) -> int:
    """How many samples a signal of a rate has in this state (spec T-5)."""
    return round(math.fsum(draft.segments.columns["duration"]) * sampling_rate)


def _scale(signal: Description) -> float:
    return float(signal.attributes["scale_factor"])


def _offset(signal: Description) -> float:
    return float(signal.attributes["add_offset"])
