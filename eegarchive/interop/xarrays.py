"""A state as an xarray Dataset, read lazily."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import layout
from eegarchive.errors import EEGArchiveError
from eegarchive.interop.dimensions import dimensions_of, sample_times
from eegarchive.interop.picks import chosen
from eegarchive.interop.views import View, reading
from eegarchive.state import Description, State
from eegarchive.storage.container import EditedFile
from eegarchive.storage.samples import read_pieces

try:
    import xarray
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as missing:
    raise EEGArchiveError(f"this needs xarray ({missing}); pip install 'eegarchive[xarray]'") from None

#: Samples that dask takes as one chunk: 8 MB of values.
_CHUNK = 2**20


class SignalArray(BackendArray):
    """Physical values of one signal, as xarray reads them: when it is asked for them.

    They are what the state said when this was made: stored samples never change.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, view: View, digest: str, name: str, described: Description) -> None:
        self._view, self._digest, self._name = view, digest, name
        self._pieces = described.pieces
        self._scale = float(described.attributes["scale_factor"])
        self._offset = float(described.attributes["add_offset"])
        self.shape = (len(described),)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._get)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "eegarchive", self._view.path, self._digest, self._name

    def _get(self, key: tuple[slice | int, ...]) -> Any:
        (index,) = key
        whole = index if isinstance(index, slice) else slice(int(index), int(index) + 1)
        places = range(*whole.indices(self.shape[0]))
        start, stop = (places[0], places[-1] + 1) if places else (0, 0)  # xarray asks forwards
        values = np.empty(stop - start)
        file = self._view.file()
        with reading(file, self._pieces):
            read_pieces(self._pieces, file.stored, start, stop, values, self._calibrate)
        return values[:: places.step] if isinstance(index, slice) else values[0]

    def _calibrate(self, samples: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        np.multiply(samples, self._scale, out=out, dtype=np.float64)
        out += self._offset


def to_xarray(state: State, picks: str | Sequence[str] | None = None) -> Any:
    """Make xarray's Dataset of a state: see :meth:`eegarchive.archive.CachedState.to_xarray`."""
    with state._file.reading():
        described = {name: state.signals.describe(name) for name, own in state.signals.items() if len(own)}
        if picks is not None:
            known = {name: found.attributes for name, found in described.items()}
            described = {name: described[name] for name in chosen(str(state._file.path), known, picks)}
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
        is_edited = isinstance(state._file, EditedFile)
        view = View(str(state._file.path), state._file.base, state._file if is_edited else None)
        variables = {}
        for name, own in described.items():
            array = SignalArray(view, digest, name, own)
            attributes = {key: value for key, value in own.attributes.items() if key not in _OF_STORAGE}
            lazy = indexing.LazilyIndexedArray(array)
            variables[name] = xarray.Variable(
                (dimensions[name],), lazy, {"long_name": _label(own), **attributes}
            )
        about = {"digest": digest, **({} if start is None else {layout.CLOCK_START: start.isoformat()})}
        made = xarray.Dataset(variables, coordinates, about)
        if is_edited:  # nobody can read it later
            made.load()
            return made
    if importlib.util.find_spec("dask") is None:
        return made
    return made.chunk(dict.fromkeys(coordinates, _CHUNK))


#: What tells how samples are stored, which the values aren't any more.
_OF_STORAGE = ("scale_factor", "add_offset", layout.SAMPLES_DIGEST)


def _label(described: Description) -> str:
    return str(described.attributes["label"]).strip()
