"""The dataset: windows of one or many archives, by number."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from eegarchive.archive import Archive, open_archive
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import WINDOW_TARGET
from eegarchive.storage.container import EditedFile
from eegarchive.windowing import planning
from eegarchive.windowing.readers import Readers, Source, check_fresh
from eegarchive.windowing.sets import WindowSet
from eegarchive.windowing.targets import Target, Values, targets

if TYPE_CHECKING:
    import pandas

Paths = str | os.PathLike[str] | Archive | Iterable[str | os.PathLike[str] | Archive]
Item = tuple[Any, Any, list[int]]
#: How many bytes of decoded samples a process keeps: a night of 20 signals at 256 Hz has 295 MB.
MEMORY_BYTES = 512 * 2**20
LENGTH = 2.0


@dataclass(frozen=True)
class Channels:
    """What all recordings of a dataset have in common."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    units: tuple[str, ...]
    sampling_rate: float
    samples: int

    def differs(self, other: Channels) -> str | None:
        """What differs, and how; None if nothing does."""
        for what, mine, its in (
            ("signals", self.names, other.names),
            ("units", self.units, other.units),
            ("sampling rate", (f"{self.sampling_rate:.10g} Hz",), (f"{other.sampling_rate:.10g} Hz",)),
            ("samples in a window", (str(self.samples),), (str(other.samples),)),
        ):
            if mine != its:
                first = next((pair for pair in zip(mine, its, strict=False) if pair[0] != pair[1]), None)
                shown = f"{first[0]!r} and {first[1]!r}" if first else f"{len(mine)} and {len(its)}"
                return f"the {what} differ: {shown}"
        return None


@dataclass(frozen=True)
class Part:
    """The windows of one recording."""

    source: Source
    channels: Channels
    numbers: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    onsets: npt.NDArray[np.float64]
    targets: Values
    #: Each window's place in a set that was prepared.
    rows: npt.NDArray[np.int64]


class Windows(Sequence[Item]):
    """Windows by number, as :func:`windows` makes them: a map-style dataset.

    `dataset[k]` is `(samples, target, [i, start, stop])`: physical values as float32 (channels, samples) in the
    signals' own units; and the window's number in its recording, its first sample, and the one behind its last.

    Attributes
    ----------
    recordings : list of str
        Archives, with the tag of the freeze behind an `@`.
    channels, kinds, units : tuple of str
        Of the signals, in the order of the rows of `samples`.
    sampling_rate : float
    transform : callable or None
    """

    def __init__(self, parts: Sequence[Part], transform: Callable[[Any], Any] | None, memory: int) -> None:
        common = parts[0].channels
        self.recordings = [part.source.where for part in parts]
        self.channels, self.kinds, self.units = common.names, common.kinds, common.units
        self.sampling_rate = common.sampling_rate
        self.transform = transform
        self._samples = common.samples
        self._sources = [part.source for part in parts]
        self._memory = memory
        self._recording = np.repeat(np.arange(len(parts)), [len(part.numbers) for part in parts])
        self._numbers = np.concatenate([part.numbers for part in parts])
        self._starts = np.concatenate([part.starts for part in parts])
        self._onsets = np.concatenate([part.onsets for part in parts])
        self._rows = np.concatenate([part.rows for part in parts])
        self._targets = _joined([part.targets for part in parts], self.recordings)
        self._open()

    def _open(self) -> None:
        self._readers = Readers(self._sources, self._memory)
        weakref.finalize(self, self._readers.close)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_readers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: SupportsIndex) -> Item:  # type: ignore[override]  # slices are no items
        return self._items([self._at(index)])[0]

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[Item]:
        """Several windows, in the order asked for; what lies together in the file is read together."""
        wanted = np.array([self._at(index) for index in indices], np.int64)
        order = np.lexsort((self._starts[wanted], self._recording[wanted]))
        edges = np.flatnonzero(np.diff(self._recording[wanted[order]])) + 1
        found = [item for places in np.split(wanted[order], edges) for item in self._items(places.tolist())]
        return [found[place] for place in np.argsort(order).tolist()]

    def _at(self, index: SupportsIndex) -> int:
        at = operator.index(index)
        at += len(self) if at < 0 else 0
        if not 0 <= at < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return at

    def _items(self, places: Sequence[int]) -> list[Item]:
        """Some windows of one recording."""
        if not places:
            return []
        rows, starts = ([int(numbers[at]) for at in places] for numbers in (self._rows, self._starts))
        with self._readers.use(int(self._recording[places[0]])) as reader:
            samples = reader.read(rows, starts, self._samples)
        found: list[Item] = []
        for window, at, start in zip(samples, places, starts, strict=True):
            target = self._targets[at]
            if isinstance(target, np.generic):
                target = target.item()
            given = window if self.transform is None else self.transform(window)
            found.append((given, target, [int(self._numbers[at]), start, start + self._samples]))
        return found

    def __iter__(self) -> Iterator[Item]:
        return (self[at] for at in range(len(self)))

    @property
    def targets(self) -> Values:
        """Target of each window."""
        return self._targets.copy()

    @property
    def metadata(self) -> dict[str, npt.NDArray[Any]]:
        """A table of the windows by column: recording (number), i, start, stop, onset (seconds), target."""
        return {
            "recording": self._recording.copy(),
            "i": self._numbers.copy(),
            "start": self._starts.copy(),
            "stop": self._starts + self._samples,
            "onset": self._onsets.copy(),
            "target": self.targets,
        }

    def to_frame(self) -> pandas.DataFrame:
        """The same table as a pandas data frame, with the names of the recordings."""
        import pandas

        frame = pandas.DataFrame(self.metadata)
        frame["recording"] = pandas.Categorical(np.array(self.recordings, object)[self._recording])
        return frame

    def close(self) -> None:
        """Close the archives, and let go of samples in memory; reading opens them again."""
        self._readers.close()

    def __repr__(self) -> str:
        shape = f"{len(self.channels)} channels, {self._samples} samples at {self.sampling_rate:g} Hz"
        return f"<Windows: {len(self)} of {len(self.recordings)} recordings, {shape}>"


def windows(
    paths: Paths,
    length: float = LENGTH,
    step: float | None = None,
    *,
    picks: str | Sequence[str] | None = None,
    freeze: str | None = None,
    target: Target | None = None,
    annotation_set: str | None = None,
    drop_masked: bool = True,
    transform: Callable[[Any], Any] | None = None,
    prepared: str | None = None,
    stale: bool = False,
    memory: int = MEMORY_BYTES,
) -> Windows:
    """Windows of one or many archives, as a map-style dataset for torch's DataLoader and others.

    Parameters
    ----------
    paths : path-like, Archive, or several
        Archives; `night.h5@N2` is a freeze. Of an open archive, its file and freeze are taken.
    length, step : float
        Seconds that a window lasts, and from one window's start to the next one's; the length if not given.
        Neither is shorter than a sample.
    picks : str or sequence of str, optional
        Names, labels or kinds ("eeg") of signals; all signals if not given. They must have one sampling rate.
    freeze : str, optional
        Tag of the freeze to read of each archive.
    target : str, mapping or callable, optional
        What each window is to be learned as; -1 for all if not given. "stage": 0 to 4 for W, N1, N2, N3 (and N4),
        R. A mapping of kinds or texts of annotations to values: the value whose annotations cover more than half
        of the window. "epoch:COLUMN": that column of the first epoch that holds the window's middle.
        "description:NAME": a field of the description. A function of :class:`WindowInfo`. Windows that none of
        this gives a value (an unscored stage, a function's None, NaN) are dropped.
    annotation_set : str, optional
        Which annotations to take targets from, where several sets have such.
    drop_masked : bool
        Leave windows out that overlap a masked epoch.
    transform : callable, optional
        What is done to the samples of each window when it is read.
    prepared : str, optional
        Read the windows that :meth:`EditableArchive.prepare_windows` has stored under this name, with the length,
        step, picks and target that they were prepared with.
    stale : bool
        Read prepared windows even if they were cut from another state than the archive's.
    memory : int
        Bytes of decoded samples that a process keeps for the next windows.

    Returns
    -------
    Windows

    Raises
    ------
    EEGArchiveError
        If the signals differ in sampling rate, or the recordings in signals, units or rate.
    NotInArchive
        If there is no such signal, freeze, annotation or set.
    StaleValue
        If prepared windows are of another state. Also later, if an archive is changed while it is used.

    Notes
    -----
    No window crosses a gap: each segment's first window begins at its first sample. Targets are worked out now, so
    that the dataset can be pickled; each process opens the archives itself.

    Examples
    --------
    >>> night = eegarchive.windows("night.h5", length=30, picks="eeg", target="stage")
    >>> loader = torch.utils.data.DataLoader(night, batch_size=64, shuffle=True, num_workers=4)
    """
    several = [paths] if isinstance(paths, str | os.PathLike | Archive) else list(paths)
    if not several:
        raise EEGArchiveError("windows of no archive")
    if prepared is not None and (length, step, picks, target, annotation_set, drop_masked) != (
        LENGTH, None, None, None, None, True
    ):  # fmt: skip
        raise EEGArchiveError(
            f"the windows of the set {prepared!r} are as they were prepared: "
            "length, step, picks, target, annotation_set and drop_masked can't be given again"
        )
    if stale and prepared is None:
        raise EEGArchiveError("stale is for prepared windows")
    picks = planning.listed_picks(picks)
    parts = []
    for one in several:
        with _opened(one, freeze) as archive:
            if prepared is not None:
                parts.append(_prepared(archive, prepared, stale))
            else:
                step_seconds = float(length if step is None else step)
                parts.append(
                    cut(archive, float(length), step_seconds, picks, target, annotation_set, drop_masked)
                )
        differs = parts[0].channels.differs(parts[-1].channels)
        if differs is not None:
            raise EEGArchiveError(f"{parts[0].source.where} and {parts[-1].source.where}: {differs}")
    return Windows(parts, transform, memory)


def _opened(one: str | os.PathLike[str] | Archive, freeze: str | None) -> Archive:
    if not isinstance(one, Archive):
        return open_archive(one, freeze)
    if isinstance(one._file, EditedFile):
        raise EEGArchiveError(f"{one.path}: is being edited; make windows of it when that is done")
    if freeze is not None and one.tag not in (None, freeze):
        raise EEGArchiveError(f"{one.path}: is open at the freeze {one.tag!r}, not {freeze!r}")
    return Archive(one.path, one.tag if freeze is None else freeze)


def cut(
    archive: Archive,
    length: float,
    step: float,
    picks: Sequence[str] | None,
    target: Target | None,
    annotation_set: str | None,
    drop_masked: bool,
) -> Part:
    """The windows of one archive's state."""
    where = archive.path + (f"@{archive.tag}" if archive.tag else "")
    with archive._file.reading():
        signals = planning.pick(archive, picks, where)
        plan = planning.plan(archive, signals[0].sampling_rate, length, step)
        if drop_masked:
            plan = plan.only(planning.unmasked(plan, archive))
        values, has = targets(archive, plan, target, annotation_set, where)
        plan, values = plan.only(has), values[has]
        source = Source(archive.path, archive.tag, archive.digest, tuple(s.name for s in signals))
        channels = Channels(
            source.signals,
            tuple(signal.kind for signal in signals),
            tuple(signal.units for signal in signals),
            plan.rate,
            plan.samples,
        )
    return Part(source, channels, plan.numbers, plan.starts, plan.onsets, values, np.arange(len(plan)))


def _prepared(archive: Archive, name: str, stale: bool) -> Part:
    """The windows of a set that was prepared."""
    with archive._file.reading():
        found = WindowSet(archive._file, name)
        check_fresh(found, archive, stale)
        rows, names = found.rows(), tuple(found.channels["name"])
        source = Source(archive.path, archive.tag, archive.digest, names, name, found.digest, stale)
        channels = Channels(
            names,
            tuple(found.channels["kind"]),
            tuple(found.channels["units"]),
            float(found.attributes["sampling_rate"]),
            found.shape[2],
        )
    places = np.arange(found.shape[0])
    return Part(source, channels, rows["i"], rows["start"], rows["onset"], rows[WINDOW_TARGET], places)


def _joined(values: Sequence[Values], recordings: Sequence[str]) -> Values:
    """Targets of all recordings in one array; whole numbers and others together are numbers."""
    kinds = {str(of.dtype.kind): name for of, name in zip(values, recordings, strict=True) if len(of)}
    if len(kinds) > 1 and set(kinds) != {"i", "f"}:
        listed = ", ".join(f"{np.dtype(kind).name} in {name}" for kind, name in kinds.items())
        raise EEGArchiveError(f"targets are of several types: {listed}")
    return np.concatenate([of for of in values if len(of)] or [values[0]])
