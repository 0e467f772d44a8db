"""A state of a session: signals, segments, annotations, epochs. The working state and every freeze."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError, InvalidArchive, NotInArchive
from eegarchive.frames import frame_of, signal_columns
from eegarchive.layout import (
    ANNOTATIONS,
    CLOCK_START,
    EPOCHS,
    MAX_SECONDS,
    PIECES,
    SEGMENTS,
    SIGNAL_ATTRIBUTES,
    SIGNALS,
    STATE_DIGEST,
    STATE_TABLES,
    Column,
)
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import (
    AttributeValue,
    decode,
    read_attribute,
    read_attributes,
    read_table,
    text_column,
)
from eegarchive.storage.samples import Piece, Put, check_pieces, copy, read_pieces
from eegarchive.storage.workers import spread

if TYPE_CHECKING:
    import pandas

#: A time this close to a sample (in samples) is on it: what decimal times leave of rounding.
_ON_SAMPLE = 1e-6
#: Reads of fewer samples in all are quicker in the calling thread than in the pool.
_SPREAD_SAMPLES = 500_000


class Table:
    """One table of an archive; `table["onset"]` is a column, `to_frame()` all of it in pandas."""

    def __init__(self, file: ArchiveFile, path: str, columns: Sequence[Column]) -> None:
        self._file = file
        self._columns = {column.name: column for column in columns}
        self.path = path

    def _dataset(self) -> h5py.Dataset:
        parent, _, name = self.path.rpartition("/")
        return self._file.dataset(parent, name)

    def rows(self) -> npt.NDArray[Any]:
        """The rows as they are stored: a structured array with UTF-8 bytes as texts."""
        with self._file.reading():
            return read_table(self._dataset(), tuple(self._columns.values()))

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """The table's own attributes."""
        with self._file.reading():
            return read_attributes(self._dataset())

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Every column by name: numbers, or `str` objects."""
        rows = self.rows()
        return {name: self._column(rows, name) for name in self._columns}

    def _column(self, rows: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        if self._columns[name].type == "str":
            return np.array([*text_column(rows, name, self.path), None], object)[:-1]
        values = np.ascontiguousarray(rows[name])
        return values.astype(bool) if self._columns[name].type == "u1" else values

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            raise NotInArchive(f"{self.path}: no column {name!r}; there are {', '.join(self._columns)}")
        return self._column(self.rows(), name)

    def __len__(self) -> int:
        with self._file.reading():
            return int(self._dataset().shape[0])

    def __repr__(self) -> str:
        if self._file.closed:
            return f"<Table {self.path}: closed>"
        return f"<Table {self.path}: {len(self)} rows of {', '.join(self._columns)}>"

    def to_frame(self) -> pandas.DataFrame:
        """The table as a pandas data frame (needs pandas: the extra `eegarchive[pandas]`)."""
        return frame_of(self.columns())


class _Segments(Table):
    """The table of segments, with times that can be reckoned with."""

    def rows(self) -> npt.NDArray[Any]:
        rows = super().rows()
        start, duration = rows["start"], rows["duration"]
        if not ((np.abs(start) <= MAX_SECONDS) & (duration >= 0) & (duration <= MAX_SECONDS)).all():
            raise InvalidArchive(f"{self._file.path}: /{self.path}: a segment's times aren't possible")
        return rows


class Digital:
    """A signal's samples as they are stored, indexed like an array."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def __getitem__(self, index: slice | int) -> Any:
        return self._signal._get(index, self._signal.dtype, copy)

    def __setitem__(self, index: slice | int, samples: npt.ArrayLike) -> None:
        self._signal._set(index, samples, digital=True)

    def __len__(self) -> int:
        return len(self._signal)


@dataclass(frozen=True)
class Description:
    """What a state says of one signal: its attributes, and the stored data that it is made of."""

    attributes: Mapping[str, AttributeValue]
    dtype: np.dtype[Any]
    pieces: tuple[Piece, ...]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))


class Signal:
    """One signal of a state; indexing gives physical values as float64, `digital` the stored samples.

    It says at any time what its state says of it then, after an edit too.

    Attributes
    ----------
    name : str
        Its name in the file, unique in the state.
    """

    def __init__(self, file: ArchiveFile, name: str, look_up: Callable[[str], Description]) -> None:
        self._file = file
        self._look_up = look_up
        self.name = name

    @property
    def description(self) -> Description:
        """Its attributes, type and pieces."""
        with self._file.reading():
            return self._look_up(self.name)

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """All its attributes."""
        return dict(self.description.attributes)

    @property
    def label(self) -> str:
        """Its label as the recording has it."""
        return str(self.description.attributes["label"])

    @property
    def kind(self) -> str:
        """What it measures: eeg, eog, emg and so on."""
        return str(self.description.attributes["kind"])

    @property
    def units(self) -> str:
        """Unit of its physical values."""
        return str(self.description.attributes["units"])

    @property
    def sampling_rate(self) -> float:
        """Samples per second."""
        return float(self.description.attributes["sampling_rate"])

    @property
    def scale_factor(self) -> float:
        """What a stored sample is multiplied by to give the physical value."""
        return float(self.description.attributes["scale_factor"])

    @property
    def add_offset(self) -> float:
        """What is added then."""
        return float(self.description.attributes["add_offset"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored samples."""
        return self.description.dtype

    def __len__(self) -> int:
        return len(self.description)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Which stored data the signal is made of."""
        return self.description.pieces

    @property
    def digital(self) -> Digital:
        """The samples as they are stored."""
        return Digital(self)

    def __getitem__(self, index: slice | int) -> Any:
        return self._get(index, np.dtype(np.float64), self.calibrate)

    def __setitem__(self, index: slice | int, values: npt.ArrayLike) -> None:
        self._set(index, values, digital=False)

    def _set(self, index: slice | int, values: npt.ArrayLike, digital: bool) -> None:
        raise EEGArchiveError(f"{self._file.path}: is open for reading; to change it, use eegarchive.edit")

    def calibrate(self, samples: npt.NDArray[Any], out: npt.NDArray[np.float64]) -> None:
        """Put the physical values of stored samples into `out`."""
        np.multiply(samples, self.scale_factor, out=out, dtype=np.float64)
        np.add(out, self.add_offset, out=out)

    def _get(self, index: slice | int, dtype: np.dtype[Any], put: Put) -> Any:
        with self._file.reading():
            if isinstance(index, slice):
                start, stop, step = index.indices(len(self))
                if step < 0:
                    raise IndexError("signals are read forwards; reverse the result")
                out = np.empty(max(0, stop - start), dtype)
                self.read_into(out, start, start + len(out), put)
                return out[::step]
            at = int(index)
            length = len(self)
            at += length if at < 0 else 0
            if not 0 <= at < length:
                raise IndexError(f"sample {index} of a signal of {length}")
            return self._get(slice(at, at + 1), dtype, put)[0]

    def read_into(self, out: npt.NDArray[Any], start: int, stop: int, put: Put) -> None:
        """Put samples [start, stop) into `out` by way of `put`: `copy`, or `calibrate`."""
        with self._file.reading():
            read_pieces(self.pieces, self._file.stored, start, stop, out, put)

    def __repr__(self) -> str:
        if self._file.closed:
            return f"<Signal {self.name}: closed>"
        return f"<Signal {self.name}: {len(self)} samples at {self.sampling_rate:g} Hz, {self.kind}, {self.units}>"


class Signals(Mapping[str, Signal]):
    """The signals of a state in recording order, by name or by label; each is looked up when asked for."""

    def __init__(self, file: ArchiveFile, path: str) -> None:
        self._file = file
        self._path = path

    def _pieces(self) -> dict[str, list[Piece]]:
        """Pieces of all signals; read once until the archive changes."""
        below = self._path.rpartition(SIGNALS)[0]

        def load() -> dict[str, list[Piece]]:
            return pieces_by_signal(Table(self._file, f"{below}{PIECES}", STATE_TABLES[PIECES]))

        with self._file.reading():
            return self._file.cached((PIECES, self._path), load)

    def describe(self, name: str) -> Description:
        """What the state says of the signal of this name."""
        pieces = self._pieces()
        if name not in pieces:
            raise self._none(name)
        return self._file.cached((SIGNALS, self._path, name), lambda: self._load(name, pieces[name]))

    def _load(self, name: str, pieces: Sequence[Piece]) -> Description:
        """Build a signal from its pieces; the link or virtual dataset lends its attributes alone."""
        shown = self._file.shown(self._path, name, pieces[0].data if pieces else None)
        where = f"{self._file.path}: signal {name!r}"
        check_pieces(pieces, self._file.stored, shown.dtype, where)
        attributes = read_attributes(shown)
        for attribute, kind in SIGNAL_ATTRIBUTES.items():
            if attribute not in attributes:
                raise InvalidArchive(f"{where} lacks the attribute {attribute!r}")
            if not isinstance(attributes[attribute], str if kind == "str" else float):
                raise InvalidArchive(f"{where}: the attribute {attribute!r} isn't of its type")
        self._check_length(sum(map(len, pieces)), float(attributes["sampling_rate"]), where)
        return Description(attributes, shown.dtype, tuple(pieces))

    def _check_length(self, samples: int, rate: float, where: str) -> None:
        """Refuse a signal that its segments don't fit (spec T-5): its times would be nonsense."""
        below = self._path.rpartition(SIGNALS)[0]

        def load() -> float:
            return math.fsum(
                _Segments(self._file, f"{below}{SEGMENTS}", STATE_TABLES[SEGMENTS]).rows()["duration"]
            )

        seconds = self._file.cached(("seconds", self._path), load)
        if not (0 <= rate < math.inf and abs(samples - seconds * rate) <= 0.5):
            raise InvalidArchive(
                f"{where}: has {samples} samples at {rate:g} Hz, its segments {seconds:.10g} s; run `eegarchive verify`"
            )

    def length(self, name: str) -> int:
        """How many samples the pieces of a signal have, which are known even where its data are missing."""
        return sum(map(len, self._pieces()[name]))

    def _none(self, name: str) -> EEGArchiveError:
        where = f"{self._file.path}: {self._path}"
        return NotInArchive(f"{where}: no signal {name!r}; there are {', '.join(self) or 'none'}")

    def columns(self) -> dict[str, list[Any]]:
        """A table of the signals: what each attribute says of each, None where it has none."""
        with self._file.reading():
            found = {name: self.describe(name) for name in self}
        return signal_columns({name: (own.attributes, own.dtype, len(own)) for name, own in found.items()})

    def to_frame(self) -> pandas.DataFrame:
        """The table of the signals as a pandas data frame."""
        return frame_of(self.columns())

    def _signal(self, name: str) -> Signal:
        return Signal(self._file, name, self.describe)

    def __getitem__(self, key: str) -> Signal:
        with self._file.reading():
            if key in list(self):
                self.describe(key)  # so that a broken one is refused here
                return self._signal(key)
            labelled = [s for s in self.values() if s.label.strip() == key.strip()]
        if len(labelled) == 1:
            return labelled[0]
        if labelled:
            raise NotInArchive(
                f"{self._file.path}: {self._path}: {len(labelled)} signals are labelled {key!r}; "
                f"name one: {', '.join(s.name for s in labelled)}"
            )
        raise self._none(key)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._pieces()))

    def __len__(self) -> int:
        return len(self._pieces())


class State:
    """A state of a session, read lazily.

    Attributes
    ----------
    signals : Signals
        Signals by name or label, in recording order.
    segments, annotations, epochs : Table
    """

    def __init__(self, file: ArchiveFile, path: str) -> None:
        self._file = file
        self._path = path
        self.segments: Table = _Segments(
            file, f"{path}/{SEGMENTS}" if path else SEGMENTS, STATE_TABLES[SEGMENTS]
        )
        self.annotations = self._table(ANNOTATIONS)
        self.epochs = self._table(EPOCHS)
        self.signals = Signals(file, f"{path}/{SIGNALS}" if path else SIGNALS)

    def _table(self, name: str) -> Table:
        path = f"{self._path}/{name}" if self._path else name
        return Table(self._file, path, STATE_TABLES[name])

    @property
    def start(self) -> datetime.datetime | None:
        """Zero of the recording clock in local time, where the recording states it."""
        stated = str(self.segments.attributes.get(CLOCK_START, ""))
        try:
            return datetime.datetime.fromisoformat(stated) if stated else None
        except ValueError:
            where = f"{self._file.path}: /{self.segments.path}"
            raise InvalidArchive(f"{where}: its {CLOCK_START} is no time: {stated[:40]!r}") from None

    @property
    def duration(self) -> float:
        """Seconds of data, gaps left out."""
        return math.fsum(self.segments["duration"])

    def read(
        self,
        channels: Sequence[str] | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> npt.NDArray[np.float64]:
        """Physical values of some signals over a stretch of the recording clock.

        Parameters
        ----------
        channels : sequence of str, optional
            Names or labels; all signals if not given.
        start, stop : float, optional
            Seconds on the recording clock: samples at times t with start <= t < stop. From the first to
            the last sample if not given.

        Returns
        -------
        (channels, samples) float64

        Raises
        ------
        NotInArchive
            If there is no such signal.
        ValueError
            If the signals differ in sampling rate, or the stretch isn't covered by one segment: gaps are
            never closed.
        """
        with self._file.reading():
            return self._read(channels, start, stop)

    def _read(
        self, channels: Sequence[str] | None, start: float | None, stop: float | None
    ) -> npt.NDArray[np.float64]:
        picked = [self.signals[name] for name in (self.signals if channels is None else channels)]
        if not picked:
            return np.empty((0, 0))
        rates = sorted({signal.sampling_rate for signal in picked})
        if len(rates) > 1:
            raise ValueError(
                f"signals of several sampling rates ({', '.join(f'{rate:g}' for rate in rates)} Hz); read them by rate"
            )
        first, last = self._sample_range(rates[0], start, stop)
        out = np.empty((len(picked), last - first))

        def fill(i: int) -> None:
            signal = picked[i]
            if last > len(signal):
                raise InvalidArchive(
                    f"{self._file.path}: {signal.name} ends at sample {len(signal)}, its segments at {last}"
                )
            signal.read_into(out[i], first, last, signal.calibrate)

        several = spread if out.size >= _SPREAD_SAMPLES else map
        for _ in several(fill, range(len(picked))):
            pass
        return out

    def _sample_range(self, rate: float, start: float | None, stop: float | None) -> tuple[int, int]:
        """Sample numbers of [start, stop) seconds, which must lie in one segment."""
        segments = self._file.cached((SEGMENTS, self._path), self.segments.columns)
        begins, lasts = segments["start"], segments["duration"]
        if not len(begins):
            return 0, 0
        ends = begins + lasts
        start = float(begins[0]) if start is None else float(start)
        stop = float(ends[-1]) if stop is None else float(stop)
        slack = _ON_SAMPLE / rate if rate else 0.0
        inside = (begins - slack <= start) & (stop <= ends + slack) & (start <= stop)
        if not inside.any():
            listed = ", ".join(f"{a:.10g}-{b:.10g} s" for a, b in zip(begins[:5], ends[:5], strict=True))
            more = f" and {len(begins) - 5} more" if len(begins) > 5 else ""
            raise ValueError(
                f"{start:.10g}-{stop:.10g} s isn't within one segment of the recording; there are {listed}{more}"
            )
        i = int(np.argmax(inside))
        before = round(math.fsum(lasts[:i]) * rate)
        offsets = [math.ceil((t - float(begins[i])) * rate - _ON_SAMPLE) for t in (start, stop)]
        return before + max(0, offsets[0]), before + max(0, offsets[1])

    @property
    def digest(self) -> str:
        """The state's digest as the archive records it; `verify` computes it anew."""
        with self._file.reading():
            return str(read_attribute(self._file.group(self._path), STATE_DIGEST) or "")

    def close(self) -> None:
        """Close the archive."""
        self._file.close()


def pieces_by_signal(table: Table) -> dict[str, list[Piece]]:
    """Pieces of each signal, in the table's order, which is the signals' order."""
    rows = table.rows()
    texts = {raw: decode(raw, table.path) for name in ("signal", "data") for raw in set(rows[name].tolist())}
    found: dict[str, list[Piece]] = {}
    for signal, data, start, stop in rows.tolist():
        found.setdefault(texts[signal], []).append(Piece(texts[data], start, stop))
    return found


def first_samples(durations: npt.NDArray[np.float64], rate: float) -> npt.NDArray[np.int64]:
    """Number of each segment's first sample, and behind them how many there are in all (spec T-5)."""
    return np.rint(np.cumsum([0.0, *durations]) * rate).astype(np.int64)


def stretches(
    durations: npt.NDArray[np.float64], rate: float, length: int | None = None
) -> list[tuple[int, int]]:
    """Sample numbers [start, stop) of each segment, of a signal of `length` samples if that is given (spec T-5)."""
    edges = first_samples(durations, rate)
    if length is not None and len(durations):
        edges[-1] = length
    return list(itertools.pairwise(edges.tolist()))


def no_such_freeze(where: str, tag: str, tags: Sequence[str]) -> EEGArchiveError:
    """The error for an unknown tag; it lists the ones there are."""
    return NotInArchive(f"{where}: no freeze {tag!r}; there are {', '.join(tags) or 'none'}")
