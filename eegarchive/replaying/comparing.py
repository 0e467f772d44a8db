"""Two states of one history, value by value: what the archive has, and what a replay gave."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import digest
from eegarchive.errors import InvalidArchive, MissingBase
from eegarchive.layout import PIECES, SAMPLES_DIGEST, STATE_TABLES
from eegarchive.replaying.report import SamplesDiffer, StateDifference, ValueDiffers
from eegarchive.state import Signal, State, Table
from eegarchive.storage.objects import read_attributes
from eegarchive.storage.samples import StoredSamples, copy

_BLOCK_SAMPLES = 2**18
_TABLES = [name for name in STATE_TABLES if name != PIECES]


def check_state(state: State) -> None:
    """Hold a state against its digest, and the samples that it is made of against their names.

    Raises
    ------
    InvalidArchive
        If it isn't what its digest says, so that equal digests would prove nothing.
    """
    file = state._file
    with file.reading():
        signals = {name: state.signals.describe(name) for name in state.signals}
        described = ((name, s.attributes, digest.normalised(s.pieces)) for name, s in signals.items())
        tables = {name: _digest_of(getattr(state, name)) for name in _TABLES}
        if digest.state_digest(described, tables) != state.digest:
            raise InvalidArchive(
                f"{file.path}: /{state._path}: isn't what its digest says; run `eegarchive verify`"
            )
        for data in sorted({piece.data for signal in signals.values() for piece in signal.pieces}):
            stored = file.stored(data)
            attributes = read_attributes(stored.dataset)
            if digest.signal_digest(stored.dtype, stored.length, _hashed(stored), attributes) != data:
                raise InvalidArchive(
                    f"{file.path}: {stored.where}: its samples aren't what its name says; run `eegarchive verify`"
                )


def _digest_of(table: Table) -> str:
    return digest.table_digest(table.rows(), table.attributes)


def _hashed(stored: StoredSamples) -> str:
    found = hashlib.sha256()
    for start in range(0, stored.length, 4 * _BLOCK_SAMPLES):
        block = np.empty(min(4 * _BLOCK_SAMPLES, stored.length - start), stored.dtype)
        stored.read(start, start + len(block), block)
        found.update(block)
    return found.hexdigest()


def compare(archive: State, replay: State, label: str) -> StateDifference:
    """What the replay's state has otherwise than the archive's.

    Samples are read where the two aren't made of the same stored data.
    """
    try:
        with archive._file.reading(), replay._file.reading():
            return _compared(archive, replay, label)
    except MissingBase as error:
        return StateDifference(label, unread=str(error))


def _compared(archive: State, replay: State, label: str) -> StateDifference:
    theirs, ours = list(archive.signals), list(replay.signals)
    values, samples = list(_signal_lists(theirs, ours)), []
    for name in theirs:
        if name not in ours:
            continue
        a, b = archive.signals[name], replay.signals[name]
        values += _attributes(f"signal {name}", _described(a), _described(b))
        if len(a) != len(b) or digest.normalised(a.pieces) == digest.normalised(b.pieces):
            continue
        differs = _samples(a, b)
        samples += [differs] if differs is not None else []
    for name in _TABLES:
        values += _table(getattr(archive, name), getattr(replay, name), name)
    return StateDifference(label, samples, values)


def _signal_lists(archive: list[str], replay: list[str]) -> Iterator[ValueDiffers]:
    if set(archive) != set(replay):
        for name in archive:
            if name not in replay:
                yield ValueDiffers(f"signal {name}", "there", None)
        for name in replay:
            if name not in archive:
                yield ValueDiffers(f"signal {name}", None, "there")
    elif archive != replay:
        yield ValueDiffers("order of the signals", archive, replay)


def _described(signal: Signal) -> dict[str, Any]:
    return {**signal.attributes, "type": signal.dtype.name, "length": len(signal)}


def _attributes(where: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[ValueDiffers]:
    for name in sorted({*a, *b} - {SAMPLES_DIGEST}):
        if repr(a.get(name)) != repr(b.get(name)):  # 1 isn't 1.0
            yield ValueDiffers(f"{where}: {name}", a.get(name), b.get(name))


def _samples(a: Signal, b: Signal) -> SamplesDiffer | None:
    """Read two signals of one length side by side; None if no sample differs."""
    first, count, largest = -1, 0, 0.0
    for start in range(0, len(a), _BLOCK_SAMPLES):
        stop = min(start + _BLOCK_SAMPLES, len(a))
        stored = [_stored(signal, start, stop) for signal in (a, b)]
        differing = np.flatnonzero(_differ(stored[0], stored[1]))
        if not len(differing):
            continue
        first = start + int(differing[0]) if first < 0 else first
        count += len(differing)
        values = []
        for signal, samples in zip((a, b), stored, strict=True):
            values.append(np.empty(len(differing)))
            signal.calibrate(samples[differing], values[-1])
        largest = max(largest, _largest(values[0], values[1]))
    is_computed = a.dtype.kind == b.dtype.kind == "f"
    return SamplesDiffer(a.name, first, count, len(a), largest, a.units, is_computed) if count else None


def _stored(signal: Signal, start: int, stop: int) -> npt.NDArray[Any]:
    samples = np.empty(stop - start, signal.dtype)
    signal.read_into(samples, start, stop, copy)
    return samples


def _differ(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where samples differ: to the last bit, if they are of one type."""
    if a.dtype != b.dtype:
        return np.ones(len(a), bool)
    bits = f"i{a.dtype.itemsize}"
    return np.asarray(a.view(bits) != b.view(bits))


def _largest(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    both = np.isnan(a) & np.isnan(b)
    with np.errstate(invalid="ignore"):
        apart = np.where(both | (a == b), 0.0, np.abs(a - b))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0))


def _table(a: Table, b: Table, name: str) -> Iterator[ValueDiffers]:
    """Attributes that differ, and the first value in the order of rows."""
    yield from _attributes(name, a.attributes, b.attributes)
    old, new = a.columns(), b.columns()
    rows = min(len(a), len(b))
    places = []
    for column in old:
        one, other = old[column][:rows], new[column][:rows]
        if one.dtype.kind == "f":
            one, other = one.view(np.int64), other.view(np.int64)  # NaN equals NaN
        differing = np.flatnonzero(one != other)
        places += [(int(differing[0]), column)] if len(differing) else []
    if places:
        row, column = min(places, key=lambda place: place[0])
        yield ValueDiffers(
            f"{name}: row {row + 1}, {column}", *(_value(side[column][row]) for side in (old, new))
        )
    if len(a) != len(b):
        yield ValueDiffers(f"{name}: rows", len(a), len(b))


def _value(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
