"""What a state says of a recording, in MNE's words: channel types, filters, subject."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Sequence
from typing import Any

from eegarchive import layout
from eegarchive.interop.mne_channels import Channel
from eegarchive.state import State
from eegarchive.storage.objects import read_attribute

#: Attribute of a signal that MNE knows as another type than the one its name gives.
TYPE_ATTRIBUTE = "mne_type"
#: Attribute of a signal that is among MNE's bad channels.
BAD_ATTRIBUTE = "bad"
#: Kinds of signals, and the types that MNE has for them; "misc" for all others.
_TYPES = {
    **{kind: kind for kind in ("eeg", "eog", "ecg", "emg", "seeg", "ecog", "stim", "temperature")},
    "effort": "resp",
    "spo2": "bio",
    "pulse": "bio",
}
_SEXES = {"M": 1, "F": 2}
_NUMBERS = {"hand": int, "height": float, "weight": float}


def channel_types(channels: Sequence[Channel], use_kinds: bool) -> list[str]:
    """MNE's type of each channel: as its EDF reader gives it, or by the archive's kinds."""
    found = []
    for channel in channels:
        usual = "stim" if channel.is_trigger else "eeg"
        if use_kinds and not channel.is_trigger:
            usual = _TYPES.get(channel.kind, "misc")
        found.append(str(channel.attributes.get(TYPE_ATTRIBUTE, usual)))
    return found


def kind_of_type(mne_type: str) -> str | None:
    """The archive's kind of a channel of a type; None if the type doesn't tell."""
    return {"resp": "effort", "bio": None, "misc": None}.get(
        mne_type, mne_type if mne_type in _TYPES else "misc"
    )


def band(channels: Sequence[Channel], rate: float) -> tuple[float, float]:
    """Edges of the band that MNE's EDF reader finds; the whole one if what is stated contradicts itself."""
    high, low = _filters(channels)
    low = low or rate / 2
    return (high, low) if high <= low else (0.0, rate / 2)


def _filters(channels: Sequence[Channel]) -> tuple[float, float]:
    """The highest high-pass and the lowest low-pass that EDF's prefiltering fields state; 0 if none."""
    stated = {"HP": set[float](), "LP": set[float]()}
    for channel in channels:
        if channel.is_trigger:
            continue
        text = str(channel.attributes.get("prefiltering", "")).strip()
        for name, values in stated.items():
            found = re.findall(rf"{name}:\s*([a-zA-Z0-9,.]+)(?:Hz)?", text)
            number = found[-1].replace("Hz", "").replace(",", ".") if found else ""
            if number == "DC":
                values.add(0.0)
            elif number.replace(".", "", 1).isdigit():
                values.add(float(number))
    return max(stated["HP"], default=0.0), min(stated["LP"], default=0.0)


def subject(state: State) -> dict[str, Any]:
    """The parts of EDF+'s patient field, under MNE's names."""
    with state._file.reading():
        text = str(
            read_attribute(state._file.recording.group(layout.EDF), "local_patient_identification") or ""
        )
    parts = text.rstrip().split(" ")
    found: dict[str, Any] = {"his_id": parts[0]}
    if len(parts) < 4:
        return found
    found["sex"] = _SEXES.get(parts[1], 0)
    names = parts[3].split("_")
    keys = {2: ("first_name", "last_name"), 3: ("first_name", "middle_name", "last_name")}.get(len(names))
    found.update(zip(keys, names, strict=True) if keys else {"last_name": parts[3]})
    with contextlib.suppress(ValueError):
        found["birthday"] = datetime.datetime.strptime(parts[2], "%d-%b-%Y").date()
    for part in parts[4:]:
        key, _, value = part.partition("=")
        if key in _NUMBERS:
            with contextlib.suppress(ValueError):
                found[key] = _NUMBERS[key](value)
    return found
