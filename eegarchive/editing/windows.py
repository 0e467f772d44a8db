"""Operations on sets of windows: cut them once and store them, so that one read gives one window."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5s

from eegarchive import digest, layout, provenance
from eegarchive.editing.session import Session
from eegarchive.errors import EEGArchiveError, NotInArchive, TargetExists
from eegarchive.state import Signal
from eegarchive.storage import guard, objects
from eegarchive.storage.codec import CODECS, Codec, encode_plain, encode_portable
from eegarchive.storage.objects import AttributeValue, make_rows
from eegarchive.storage.workers import spread
from eegarchive.windowing.blocks import Blocks
from eegarchive.windowing.dataset import LENGTH, Part, cut
from eegarchive.windowing.planning import Plan, listed_picks
from eegarchive.windowing.sets import check_set_name, set_names
from eegarchive.windowing.targets import Target, Values

#: What a set is called until it is whole; no set can have this name.
_UNFINISHED = "not finished"
#: How many windows are made before they are stored.
BATCH = 64
#: How chunks are made without HDF5.
_ENCODERS: dict[str, Callable[[npt.NDArray[Any]], bytes]] = {
    "none": encode_plain,
    "portable": encode_portable,
}


class WindowOperations(Session):
    """Prepare windows, remove them."""

    def prepare_windows(
        self,
        name: str,
        length: float = LENGTH,
        step: float | None = None,
        *,
        picks: str | Sequence[str] | None = None,
        target: Target | None = None,
        annotation_set: str | None = None,
        drop_masked: bool = True,
        dtype: Literal["float32", "digital"] | None = None,
        codec: str = "none",
        overwrite: bool = False,
    ) -> int:
        """Cut the working state into windows and store them, for `eegarchive.windows(path, prepared=name)`.

        Parameters
        ----------
        name : str
            Up to 64 letters, digits, `.`, `_`, `-`.
        length, step, picks, target, annotation_set, drop_masked
            As for :func:`eegarchive.windows`.
        dtype : {"float32", "digital"}, optional
            Store physical values, or the samples as the signals have them: exact, and half the room for 16-bit ones.
            Digital, if the signals have integers of one type and nothing is said.
        codec : {"none", "fast", "small", "portable"}
            How windows are compressed; not at all is quickest to read.
        overwrite : bool
            Replace a set of that name.

        Returns
        -------
        int
            How many windows there are.

        Raises
        ------
        TargetExists
            If there is a set of that name.
        EEGArchiveError
            If there would be no windows, or the signals' samples are of several types and `dtype` is "digital".

        Notes
        -----
        Nothing brings the windows up to date when the state changes: they are refused as stale then. Freezes and
        thaws leave them alone, so that they hold again when their state is thawed.
        """
        check_set_name(name)
        if dtype not in (None, "float32", "digital"):
            raise EEGArchiveError(f"windows are stored as 'float32' or 'digital', not {dtype!r}")
        if codec not in CODECS:
            raise EEGArchiveError(f"codec {codec!r}; there are {', '.join(CODECS)}")
        if name in set_names(self._edited) and not overwrite:
            raise TargetExists(f"{self.path}: there is a set of windows {name!r}; overwrite=True replaces it")
        step = float(length if step is None else step)
        picks = listed_picks(picks)
        part = cut(self, float(length), step, picks, target, annotation_set, drop_masked)
        if not len(part.numbers):
            raise EEGArchiveError(f"{self.path}: no window of {length:g} s is left to prepare")
        signals = [self.signals[signal] for signal in part.source.signals]
        types = {signal.dtype for signal in signals}
        if dtype is None:
            dtype = "digital" if len(types) == 1 and signals[0].dtype.kind == "i" else "float32"
        elif dtype == "digital" and len(types) > 1:
            listed = ", ".join(sorted(kind.name for kind in types))
            raise EEGArchiveError(
                f"{self.path}: samples of several types ({listed}); prepare them as float32"
            )
        parameters = {
            "length": float(length),
            "step": step,
            "picks": picks,
            "target": _told(target),
            "annotation_set": annotation_set,
            "drop_masked": drop_masked,
            "dtype": dtype,
        }
        is_digital = dtype == "digital"
        new = NewWindows(
            Plan(part.numbers, part.starts, part.onsets, part.channels.samples, part.channels.sampling_rate),
            part.targets,
            _channels(signals, is_digital),
            signals[0].dtype if is_digital else np.dtype("<f4"),
            _cut_batches(part, signals, is_digital),
            parameters,
        )
        stated = {**parameters, "codec": codec, "overwrite": overwrite or None}
        store_windows(self, name, new, CODECS[codec], stated)
        return len(part.numbers)

    def remove_windows(self, name: str) -> None:
        """Remove a set of windows; `compact` gives its room back.

        Raises
        ------
        NotInArchive
            If there is none of that name.
        """
        names = set_names(self._edited)
        if name not in names:
            raise NotInArchive(
                f"{self.path}: no set of windows {name!r}; there are {', '.join(names) or 'none'}"
            )
        self._note("remove-windows", {"name": name}, self.digest)
        _drop(self, name)


@dataclass(frozen=True)
class NewWindows:
    """Windows that are to be stored as a set.

    Attributes
    ----------
    plan : Plan
        Which they are.
    targets : (windows,) array
    channels : mapping
        The columns of the table of channels (spec W-5).
    dtype : numpy.dtype
        Of the samples.
    batches : iterable of lists of arrays
        The samples of each window (channels, samples), in order.
    parameters : mapping
        What they were made with; None for what wasn't asked for.
    """

    plan: Plan
    targets: Values
    channels: Mapping[str, Sequence[Any]]
    dtype: np.dtype[Any]
    batches: Iterable[Sequence[npt.NDArray[Any]]]
    parameters: Mapping[str, Any]


def store_windows(
    session: Session, name: str, new: NewWindows, codec: Codec, stated: Mapping[str, Any]
) -> None:
    """Store windows of the working state as a set, in place of one of that name, and write that down.

    Parameters
    ----------
    session : Session
    name : str
    new : NewWindows
    codec : Codec
    stated : mapping
        What the history is told of it, beside the name.

    Raises
    ------
    EEGArchiveError
        If a target is a text that a table can't hold. What fails leaves nothing, and an older set as it was.
    """
    if new.targets.dtype.kind == "O":
        for text in set(new.targets.tolist()):
            objects.check_text(f"{session.path}: a target", text)
    above = _sets(session) or objects.create_group(session._edited.h5, layout.WINDOWS)
    try:
        _write(session, objects.create_group(above, _UNFINISHED), new, codec)
        session._note("prepare-windows", {"name": name, **stated}, session.digest)
    except BaseException:
        _drop(session, _UNFINISHED)
        raise
    if name in guard.names(above):
        del above[name]
    objects.rename(above, _UNFINISHED, name)


def _sets(session: Session) -> h5py.Group | None:
    root = session._edited.h5
    return guard.group_at(root, layout.WINDOWS) if layout.WINDOWS in guard.names(root) else None


def _drop(session: Session, name: str) -> None:
    sets = _sets(session)
    if sets is not None and name in guard.names(sets):
        del sets[name]
    if sets is not None and not guard.names(sets):
        del session._edited.h5[layout.WINDOWS]


def _write(session: Session, group: h5py.Group, new: NewWindows, codec: Codec) -> None:
    """Store everything of a set, window by window."""
    shape = (len(new.plan), len(new.channels["name"]), new.plan.samples)
    dataset = objects.create_array(group, layout.WINDOW_SAMPLES, new.dtype, shape, codec)
    samples = _Samples(dataset, codec)
    for batch in new.batches:
        samples.append(batch)
        session._transaction.check()
    objects.write_attribute(dataset, layout.SAMPLES_DIGEST, samples.digest)
    _link_table(group, layout.WINDOW_ROWS, *_rows(new.plan, new.targets))
    _link_table(group, layout.WINDOW_CHANNELS, layout.WINDOW_CHANNEL_COLUMNS, new.channels)
    parameters = {key: value for key, value in new.parameters.items() if value is not None}
    attributes: dict[str, AttributeValue] = {
        "state": session.digest,
        "sampling_rate": float(new.plan.rate),
        "parameters": json.dumps(parameters, sort_keys=True),
        "time": provenance.now(),
        "versions": json.dumps(provenance.versions(), sort_keys=True),
    }
    objects.write_attributes(group, {**attributes, layout.CONTENTS_DIGEST: "0" * 64})
    objects.write_attribute(group, layout.CONTENTS_DIGEST, digest.part_digest(group))


class _Samples:
    """Writes windows one behind the other."""

    def __init__(self, dataset: h5py.Dataset, codec: Codec) -> None:
        self._dataset = dataset
        self._encode = _ENCODERS.get(codec.name)
        self._hash = hashlib.sha256()
        self._at = 0

    def append(self, windows: Sequence[npt.NDArray[Any]]) -> None:
        """Store some windows; they are encoded on all cores."""
        for window in windows:
            self._hash.update(window)
        if self._encode is None:
            block = np.stack(windows)
            space = self._dataset.id.get_space()
            space.select_hyperslab((self._at, 0, 0), block.shape)
            self._dataset.id.write(h5s.create_simple(block.shape), space, block)
        else:
            flat = [window.reshape(-1) for window in windows]
            for i, raw in enumerate(spread(self._encode, flat)):
                self._dataset.id.write_direct_chunk((self._at + i, 0, 0), raw, 0)
        self._at += len(windows)

    @property
    def digest(self) -> str:
        """SHA-256 of all that was stored."""
        return self._hash.hexdigest()


def _cut_batches(part: Part, signals: Sequence[Signal], is_digital: bool) -> Iterator[list[npt.NDArray[Any]]]:
    """The samples of windows that are cut from signals."""
    blocks = Blocks(signals, None, 0)
    for at in range(0, len(part.starts), BATCH):
        yield [
            _window(blocks, start, part.channels.samples, is_digital)
            for start in part.starts[at : at + BATCH].tolist()
        ]


def _window(blocks: Blocks, start: int, length: int, is_digital: bool) -> npt.NDArray[Any]:
    parts = blocks.read(start, start + length)
    return np.concatenate(parts, axis=1) if is_digital else blocks.physical(parts)


def _rows(plan: Plan, targets: Values) -> tuple[tuple[layout.Column, ...], dict[str, Any]]:
    """Columns of a set's table of windows, and what is in them."""
    kinds: dict[str, layout.ColumnType] = {"i": "i8", "f": "f8", "b": "u1", "O": "str"}
    target = layout.Column(layout.WINDOW_TARGET, kinds[targets.dtype.kind])
    values = {
        "i": plan.numbers,
        "start": plan.starts,
        "stop": plan.starts + plan.samples,
        "onset": plan.onsets,
        layout.WINDOW_TARGET: targets,
    }
    return (*layout.WINDOW_COLUMNS, target), values


def _channels(signals: Sequence[Signal], is_digital: bool) -> dict[str, Sequence[Any]]:
    """What a set says of the channels."""
    return {
        "name": [signal.name for signal in signals],
        "label": [signal.label for signal in signals],
        "kind": [signal.kind for signal in signals],
        "units": [signal.units for signal in signals],
        "scale_factor": [signal.scale_factor if is_digital else 1.0 for signal in signals],
        "add_offset": [signal.add_offset if is_digital else 0.0 for signal in signals],
    }


def _link_table(
    group: h5py.Group, name: str, columns: Sequence[layout.Column], values: Mapping[str, Any]
) -> None:
    objects.link(objects.write_table(group, make_rows(columns, values)), group, name)


def _told(target: Target | None) -> Any:
    """A target as parameters tell it: a function by its name, values as JSON has them, NaN as None."""
    if callable(target):
        return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', type(target).__name__)}"
    if not isinstance(target, Mapping):
        return target
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in target.items()}
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in plain.items()
    }
