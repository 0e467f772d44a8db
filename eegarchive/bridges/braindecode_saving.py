"""A recording of braindecode's in an archive: its samples as a working state, all else as exact JSON in a cache."""

from __future__ import annotations

import contextlib
import copy
import datetime
import importlib.metadata
import json
import math
import warnings
from collections import UserDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import description, edf, layout
from eegarchive.archive import Archive
from eegarchive.bridges import braindecode_values as exact
from eegarchive.conversion import convert
from eegarchive.edf_layout import header_bytes
from eegarchive.editing import EditableArchive, edit
from eegarchive.editing.windows import BATCH, NewWindows, store_windows
from eegarchive.errors import EEGArchiveError
from eegarchive.interop.mne_raw import mne
from eegarchive.storage.codec import CODECS
from eegarchive.windowing.planning import Plan

#: The freeze, the cache, its variable, and the set of windows that a recording from braindecode has.
NAME, RECORD = "braindecode", "recording"
KWARGS = ("raw_preproc_kwargs", "window_kwargs", "window_preproc_kwargs")
#: A signal that the source needs to have a length; the state hasn't got it.
_PLACEHOLDER = "no samples"
#: Years that two digits can tell.
_YEARS = range(1985, 2085)
#: Characters of JSON in one text of the cache, all ASCII.
_TEXT_CHARACTERS = 50_000
#: What MNE's info says of a channel's values that aren't in volts.
UNIT_POWERS = {-3: "mV", -6: "uV", -9: "nV"}


def save(child: Any, folder: Path, stem: str, which: str, codec: str) -> Path:
    """Make an archive of one recording, `STEM.h5` in a folder."""
    target = folder / f"{stem}{layout.SUFFIX}"
    is_epochs = hasattr(child, "windows")
    about = record(child, stem)
    signals = child.windows if is_epochs else child.raw
    source = folder / f"{stem}.edf"
    source.write_bytes(_source(signals.info["meas_date"], _seconds(child, signals, is_epochs)))
    convert(source, target, codec=codec, description=_fields(child.description), bids=False)
    source.unlink()
    with edit(target) as night:
        night.drop_signals([_PLACEHOLDER])
        if is_epochs:
            _add_windows(night, child)
        else:
            _add_raw(night, signals)
        text = json.dumps(about, sort_keys=True)
        parts = [text[at : at + _TEXT_CHARACTERS] for at in range(0, len(text), _TEXT_CHARACTERS)]
        night.cache[NAME].put(RECORD, parts, basis="state", operation="from_braindecode")
        version = importlib.metadata.version("braindecode")
        night.freeze(NAME, note=f"{type(child).__name__} {which}, from braindecode {version}")
    return target


def record(child: Any, what: str) -> dict[str, Any]:
    """All of a recording but its samples, as JSON can have it."""
    described = child.description
    found: dict[str, Any] = {
        "description": None if described is None else exact.encode_series(described, f"{what}: description"),
        "target_name": getattr(child, "target_name", None),
        "kwargs": {
            name: exact.encode(getattr(child, name), f"{what}: {name}")
            for name in KWARGS
            if hasattr(child, name)
        },
    }
    if hasattr(child, "metadata"):
        found["metadata"] = exact.encode_frame(child.metadata, f"{what}: metadata")
        found["targets_from"] = child.targets_from
        found["last_target_only"] = child.last_target_only
    if hasattr(child, "windows"):
        epochs = child.windows
        found["kind"] = "epochs"
        found["events"] = epochs.events.tolist()
        found["event_id"] = {str(name): int(number) for name, number in epochs.event_id.items()}
        found["tmin"] = float(epochs.tmin)
        found["order"] = _order(child).tolist()
    else:
        epochs = child.raw
        found["kind"] = "windows" if "metadata" in found else "raw"
    found["info"] = epochs.info.to_json_dict()
    found["annotations"] = _annotations(epochs.annotations)
    return found


def load(archive: Archive) -> dict[str, Any] | None:
    """What :func:`record` has found of the recording; None if it isn't from braindecode.

    Raises
    ------
    StaleValue
        If the state isn't the one that came from there.
    """
    if NAME not in archive.cache or RECORD not in archive.cache[NAME].variables:
        return None
    found: dict[str, Any] = json.loads("".join(archive.cache[NAME].get(RECORD)))
    return found


def info_of(about: Mapping[str, Any]) -> Any:
    """MNE's info, as it was."""
    return mne.Info.from_json_dict(about["info"])


def annotations_of(about: Mapping[str, Any]) -> Any:
    """MNE's annotations, as they were; None if there were none at all."""
    given = about["annotations"]
    if given is None:
        return None
    stated = given["orig_time"]
    extras = {"extras": exact.decode(given["extras"])} if given["extras"] else {}
    return mne.Annotations(
        given["onset"],
        given["duration"],
        given["description"],
        None if stated is None else datetime.datetime.fromisoformat(stated),
        [tuple(names) for names in given["ch_names"]],
        **extras,
    )


def _annotations(listed: Any) -> dict[str, Any] | None:
    if listed is None:
        return None
    extras = [dict(one) if one else None for one in getattr(listed, "extras", None) or []]
    return {
        "onset": listed.onset.tolist(),
        "duration": listed.duration.tolist(),
        "description": [str(text) for text in listed.description],
        "ch_names": [[str(name) for name in names] for names in listed.ch_names],
        "orig_time": None if listed.orig_time is None else listed.orig_time.isoformat(),
        "extras": exact.encode(extras, "annotations") if any(extras) else None,
    }


def _fields(described: Any) -> dict[str, Any]:
    """What of a description can be that of an archive."""
    found = {}
    for name, value in {} if described is None else described.items():
        with contextlib.suppress(EEGArchiveError):
            plain = description.plain(str(name), value)
            description.encode({name: plain})
            found[name] = plain
    return found


# -- the source ---------------------------------------------------------------------------------


def _seconds(child: Any, signals: Any, is_epochs: bool) -> int:
    """How long the source has to be, in whole seconds."""
    rate = float(signals.info["sfreq"])
    last = int(child.crop_inds[:, 2].max()) if is_epochs else int(signals.first_samp) + int(signals.n_times)
    return max(1, math.ceil(last / rate) + 1)


def _source(start: datetime.datetime | None, seconds: int) -> bytes:
    """An EDF that has nothing but a length and a start: one sample of 0 a second."""
    known = start is not None and start.year in _YEARS
    shown = start if start is not None and known else datetime.datetime(1985, 1, 1)
    fields = {
        "local_patient_identification": "",
        "local_recording_identification": "made for a data set of braindecode's; the samples are in the state",
        "startdate": f"{shown:%d.%m.%y}",
        "starttime": f"{shown:%H.%M.%S}",
        "bytes_in_header": str(edf.FILE_HEADER_BYTES + edf.SIGNAL_HEADER_BYTES),
        "reserved": "",
        "num_data_records": str(seconds),
        "record_duration": "1",
        "num_signals": "1",
    }
    signal = {
        "label": _PLACEHOLDER,
        "physical_minimum": "-32768",
        "physical_maximum": "32767",
        "digital_minimum": "-32768",
        "digital_maximum": "32767",
        "samples_per_record": "1",
    }
    return header_bytes(fields, [signal], is_bdf=False, where="the source") + bytes(2 * seconds)


# -- recordings ---------------------------------------------------------------------------------


class _Extras(UserDict[str, Any]):
    """What a Raw reads from, which nobody takes for a place in an archive."""


def _add_raw(night: EditableArchive, raw: Any) -> None:
    powers = {channel["ch_name"]: int(channel["unit_mul"]) for channel in raw.info["chs"]}
    report = night.add_raw(_single(raw))
    for name in report.added:
        power = powers.get(night.signals[name].label, 0)
        if power in UNIT_POWERS:
            night.set_signal(name, units=UNIT_POWERS[power], scale_factor=1.0)


def _single(raw: Any) -> Any:
    """The same Raw as one that wasn't put together from several, and wasn't read from an archive."""
    if len(raw._raw_extras) > 1:
        single = mne.io.RawArray(raw.get_data(), raw.info.copy(), first_samp=raw.first_samp, verbose="error")
        return single.set_annotations(raw.annotations)
    single = copy.copy(raw)
    single._raw_extras = [_Extras(extra) if isinstance(extra, dict) else extra for extra in raw._raw_extras]
    return single


# -- windows without a recording ----------------------------------------------------------------


def _order(child: Any) -> npt.NDArray[np.int64]:
    """Numbers of the windows by their start, as a set has them."""
    return np.argsort(np.asarray(child.crop_inds[:, 1], np.int64), kind="stable")


def _targets(child: Any) -> Any:
    """Targets as a set of windows can have them; their numbers, if it can't."""
    if child.targets_from == "metadata":
        values = child.metadata["target"]
        kind = getattr(values.dtype, "kind", "")
        if kind in "iub" and len(values):
            return values.to_numpy().astype(bool if kind == "b" else np.int64)
        if kind == "f":
            return values.to_numpy().astype(np.float64)
        if all(isinstance(value, str) for value in values):
            return np.array([*values, None], object)[:-1]
    return np.full(len(child.crop_inds), -1, np.int64)


def _add_windows(night: EditableArchive, child: Any) -> None:
    """Store Epochs as a set of windows: float32 if that is exact, float64 else."""
    epochs, order = child.windows, _order(child)
    if not len(order):
        raise EEGArchiveError(f"{night.path}: a data set without windows can't be stored")
    starts = child.crop_inds[order, 1].astype(np.int64)
    rate = float(epochs.info["sfreq"])
    names = list(epochs.ch_names)
    dtype = np.dtype("<f4") if _is_single(epochs) else np.dtype("<f8")
    channels = {
        "name": names,
        "label": names,
        "kind": list(epochs.get_channel_types()),
        "units": ["V"] * len(names),
        "scale_factor": [1.0] * len(names),
        "add_offset": [0.0] * len(names),
    }
    new = NewWindows(
        Plan(np.arange(len(order)), starts, starts / rate, len(epochs.times), rate),
        _targets(child)[order],
        channels,
        dtype,
        _batches(epochs, order, dtype),
        {"from": NAME},
    )
    codec = CODECS["none"]
    store_windows(night, NAME, new, codec, {"dtype": dtype.name, "codec": codec.name})


def _batches(epochs: Any, order: Any, dtype: np.dtype[Any]) -> Iterator[list[npt.NDArray[Any]]]:
    """The samples of Epochs, in an order."""
    for at in range(0, len(order), BATCH):
        block = epochs.get_data(item=order[at : at + BATCH], verbose="error")
        yield [np.ascontiguousarray(window, dtype) for window in block]


def _is_single(epochs: Any) -> bool:
    """Whether 32-bit floats hold every sample exactly."""
    for at in range(0, len(epochs), BATCH):
        block = epochs.get_data(item=slice(at, at + BATCH), verbose="error")
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            if not np.array_equal(block.astype(np.float32).astype(np.float64), block, equal_nan=True):
                return False
    return True
