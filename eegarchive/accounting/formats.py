"""How a recording is written in each format and read back, as people do it with that format's own library."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eegarchive.accounting.source import Group, Source, Values
from eegarchive.archive import Archive, open_archive
from eegarchive.conversion import convert
from eegarchive.errors import OddInput
from eegarchive.state import Signal
from eegarchive.storage.workers import spread

#: What EEGDash's tutorial gives Braindecode for Zarr: values in a chunk, and the level of zstd.
ZARR_CHUNK_VALUES, ZARR_LEVEL = 5_000_000, 5
#: Parquet has this of each signal for every window.
FEATURES: dict[str, Callable[..., Any]] = {"mean": np.mean, "std": np.std, "min": np.min, "max": np.max}
#: Fewer samples are read quicker one signal after the other.
_SPREAD_SAMPLES = 500_000
#: What MNE multiplies a signal of this unit by to have volts.
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "μV": 1e-6}

Window = Callable[[float, float], object]


class Opened(Protocol):
    """A file that is open for reading."""

    groups: list[Group]
    #: For the signals of each group: what the EDF's values are multiplied by there; NaN if they can't be compared.
    factors: list[Values]

    def read(self, group: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Samples [start, stop) of all signals of a group."""


@dataclass(frozen=True)
class Format:
    """One way to keep a recording.

    Attributes
    ----------
    name : str
    write : callable
        Given the EDF and a new folder, write into it.
    open : callable or None
        Given the folder, open what was written, as a context manager; None if there are no samples in it.
    limits : str
        What of this recording it can't hold.
    """

    name: str
    write: Callable[[Source, Path], object]
    open: Callable[[Source, Path], AbstractContextManager[Opened]] | None
    limits: str


# -- the archive --------------------------------------------------------------------------------


def archive_format(codec: str) -> Format:
    """The archive itself, by a codec."""

    def write(source: Source, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OddInput)  # told of when the recording was converted
            convert(source.path, folder / "night.h5", codec=codec, overwrite=True)

    return Format(f"archive, {codec}", write, _open_archive, "")


class _OpenArchive:
    def __init__(self, archive: Archive, source: Source) -> None:
        self.groups = source.groups
        self.factors = [np.ones(len(group.signals)) for group in source.groups]
        self._archive = archive
        signals = [signal for signal in archive.signals.values() if len(signal)]
        self._signals: list[list[Signal]] = [[signals[i] for i in group.signals] for group in source.groups]

    def read(self, group: int, start: int, stop: int) -> Values:
        """Samples of a group, in physical units."""
        signals = self._signals[group]
        out = np.empty((len(signals), stop - start))

        def fill(i: int) -> None:
            signals[i].read_into(out[i], start, stop, signals[i].calibrate)

        with self._archive._file.reading():
            for _ in (spread if out.size >= _SPREAD_SAMPLES else map)(fill, range(len(signals))):
                pass
        return out


@contextmanager
def _open_archive(source: Source, folder: Path) -> Iterator[Opened]:
    with open_archive(folder / "night.h5") as archive:
        yield _OpenArchive(archive, source)


# -- MNE ----------------------------------------------------------------------------------------


class _OpenRaw:
    """MNE's Raw: one sampling rate, in volts."""

    def __init__(self, raw: Any, source: Source) -> None:
        self._raw = raw
        most = max(group.samples for group in source.groups)
        self.groups = [Group(tuple(range(len(source.signals))), float(raw.info["sfreq"]), raw.n_times)]
        factors = [_VOLTS.get(signal.texts["physical_dimension"], 1.0) for signal in source.signals]
        kinds = raw.get_channel_types()
        whole = len(kinds) == len(factors) and raw.n_times == most
        own = {i for group in source.groups if group.samples == most for i in group.signals}
        self.factors = [
            np.array(
                [
                    factor if whole and i in own and kinds[i] != "stim" else np.nan
                    for i, factor in enumerate(factors)
                ]
            )
        ]

    def read(self, group: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Samples of all channels, in volts."""
        values: npt.NDArray[Any] = self._raw[:, start:stop][0]
        return values


@contextmanager
def open_edf(source: Source, folder: Path) -> Iterator[Opened]:
    """The EDF as MNE reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield _OpenRaw(_read_edf(source), source)


def _read_edf(source: Source) -> Any:
    import mne

    read = mne.io.read_raw_bdf if source.header.is_bdf else mne.io.read_raw_edf
    return read(source.path, preload=False, verbose="ERROR")


def write_fif(source: Source, folder: Path) -> None:
    """FIF by MNE, in its default precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _read_edf(source).save(folder / "night_raw.fif", overwrite=True, verbose="ERROR")


@contextmanager
def open_fif(source: Source, folder: Path) -> Iterator[Opened]:
    """FIF as MNE reads it."""
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield _OpenRaw(mne.io.read_raw_fif(folder / "night_raw.fif", preload=False, verbose="ERROR"), source)


# -- Zarr ---------------------------------------------------------------------------------------


def write_zarr(source: Source, folder: Path) -> None:
    """Zarr (v3) as Braindecode has it: float32, zstd, chunks of many values; one array for each sampling rate."""
    import zarr

    root = zarr.open_group(folder / "night.zarr", mode="w")
    for i, group in enumerate(source.groups):
        columns = min(group.samples, max(1, ZARR_CHUNK_VALUES // len(group.signals)))
        array = root.create_array(
            str(i),
            shape=(len(group.signals), group.samples),
            chunks=(len(group.signals), columns),
            dtype="float32",
            compressors=zarr.codecs.ZstdCodec(level=ZARR_LEVEL),
        )
        for start in range(0, group.samples, columns):
            part = np.empty((len(group.signals), min(columns, group.samples - start)), np.float32)
            for left, right in Group(group.signals, group.rate, part.shape[1]).blocks():
                part[:, left:right] = source.read(group, start + left, start + right)
            array[:, start : start + part.shape[1]] = part


class _OpenZarr:
    def __init__(self, root: Any, source: Source) -> None:
        self.groups = source.groups
        self.factors = [np.ones(len(group.signals)) for group in source.groups]
        self._arrays = [root[str(i)] for i in range(len(source.groups))]

    def read(self, group: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Samples of a group, in physical units as float32."""
        values: npt.NDArray[Any] = self._arrays[group][:, start:stop]
        return values


@contextmanager
def open_zarr(source: Source, folder: Path) -> Iterator[Opened]:
    """The arrays, chunk by chunk."""
    import zarr

    yield _OpenZarr(zarr.open_group(folder / "night.zarr", mode="r"), source)


# -- features in Parquet ------------------------------------------------------------------------


def features_of(source: Source, window: float) -> dict[str, npt.NDArray[Any]]:
    """Columns with a few figures of each signal, a row for each window of so many seconds."""
    rows = int(source.seconds / window + 1e-9)
    columns: dict[str, npt.NDArray[Any]] = {"window": np.arange(rows), "start": np.arange(rows) * window}
    for group in source.groups:
        length = max(1, round(window * group.rate))
        found = np.full((len(FEATURES), len(group.signals), rows), np.nan)
        for row in range(min(rows, group.samples // length)):
            values = source.read(group, row * length, (row + 1) * length)
            for k, function in enumerate(FEATURES.values()):
                found[k, :, row] = function(values, axis=1)
        for j, number in enumerate(group.signals):
            for k, name in enumerate(FEATURES):
                columns[f"{number} {source.signals[number].label} {name}"] = found[k, j]
    return columns


def write_parquet(columns: dict[str, npt.NDArray[Any]], folder: Path) -> None:
    """Features by pyarrow."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "features.parquet")


def read_parquet(folder: Path, window: int | None = None) -> Any:
    """The table of features, or the row of one window."""
    import pyarrow.parquet

    wanted = None if window is None else [("window", "==", window)]
    return pyarrow.parquet.read_table(folder / "features.parquet", filters=wanted)
