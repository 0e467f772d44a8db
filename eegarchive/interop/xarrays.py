"""A state as an xarray Dataset, read lazily."""

from __future__ import annotations

import importlib.util
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import layout
from eegarchive.errors import EEGArchiveError, NotInArchive
from eegarchive.interop.dimensions import dimensions_of, sample_times
from eegarchive.state import Description, State
from eegarchive.storage.container import ArchiveFile, EditedFile
from eegarchive.storage.samples import read_pieces

try:
    import xarray
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as missing:
    raise EEGArchiveError(f"this needs xarray ({missing}); pip install 'eegarchive[xarray]'") from None

#: Samples that dask takes as one chunk: 8 MB of values.
_CHUNK = 2**20


class _View:
    """A view of an archive's file that all signals of a dataset share; every process opens its own."""

    def __init__(self, path: str, state: str) -> None:
        self.path, self.state = path, state
        self._file: ArchiveFile | None = None

    def file(self) -> ArchiveFile:
        if self._file is None:
            opened = ArchiveFile(self.path)
            self._file = opened  # two threads may come here at once: either view does
            weakref.finalize(self, opened.close)
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "state": self.state, "_file": None}


class SignalArray(BackendArray):
    """Physical values of one signal, as xarray reads them: when it is asked for them.

    They are what the state said when this was made: stored samples never change.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, view: _View, name: str, described: Description) -> None:
        self._view, self._name = view, name
        self._pieces = described.pieces
        self._scale = float(described.attributes["scale_factor"])
        self._offset = float(described.attributes["add_offset"])
        self.shape = (len(described),)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._get)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "eegarchive", self._view.path, self._view.state, self._name

    def _get(self, key: tuple[slice | int, ...]) -> Any:
        (index,) = key
        whole = index if isinstance(index, slice) else slice(int(index), int(index) + 1)
        places = range(*whole.indices(self.shape[0]))
        start, stop = (places[0], places[-1] + 1) if places else (0, 0)  # xarray asks forwards
        values = np.empty(stop - start)
        file = self._view.file()
        with file.reading():
            read_pieces(self._pieces, file.stored, start, stop, values, self._calibrate)
        return values[:: places.step] if isinstance(index, slice) else values[0]

    def _calibrate(self, samples: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        np.multiply(samples, self._scale, out=out, dtype=np.float64)
        out += self._offset


def to_xarray(state: State, picks: str | Sequence[str] | None = None) -> Any:
    """Make xarray's Dataset of a state: see :meth:`eegarchive.archive.CachedState.to_xarray`."""
    with state._file.reading():
        described = {name: state.signals.describe(name) for name in _chosen(state, picks)}
        segments = state.segments.columns()
        start, digest = state.start, state.digest
        dimensions = dimensions_of(described)
        coordinates = {}
        for name, dimension in dimensions.items():
            if dimension not in coordinates:
                rate = float(described[name].attributes["sampling_rate"])
                times = sample_times(segments, rate, len(described[name]))
                about = {"units": "s", "long_name": "time on the recording clock", "sampling_rate": rate}
                coordinates[dimension] = (dimension, times, about)
        view = _View(str(state._file.path), digest)
        variables = {}
        for name, own in described.items():
            array = SignalArray(view, name, own)
            attributes = {key: value for key, value in own.attributes.items() if key not in _OF_STORAGE}
            lazy = indexing.LazilyIndexedArray(array)
            variables[name] = xarray.Variable(
                (dimensions[name],), lazy, {"long_name": _label(own), **attributes}
            )
        about = {"digest": digest, **({} if start is None else {layout.CLOCK_START: start.isoformat()})}
        made = xarray.Dataset(variables, coordinates, about)
        if isinstance(state._file, EditedFile):  # nobody can read it later
            view._file = state._file
            made.load()
            return made
    if importlib.util.find_spec("dask") is None:
        return made
    return made.chunk(dict.fromkeys(coordinates, _CHUNK))


#: What tells how samples are stored, which the values aren't any more.
_OF_STORAGE = ("scale_factor", "add_offset", layout.SAMPLES_DIGEST)


def _label(described: Description) -> str:
    return str(described.attributes["label"]).strip()


def _chosen(state: State, picks: str | Sequence[str] | None) -> list[str]:
    """Signals by name or label, else by kind; those without samples are left out."""
    signals = {name: signal for name, signal in state.signals.items() if len(signal)}
    if picks is None:
        return list(signals)
    found: dict[str, None] = {}
    for pick in [picks] if isinstance(picks, str) else picks:
        of_kind = [name for name, signal in signals.items() if signal.kind == pick]
        try:
            own = [state.signals[pick].name]
        except NotInArchive:
            if not of_kind:
                raise
            own = of_kind
        found |= dict.fromkeys(own)
    return list(found)
