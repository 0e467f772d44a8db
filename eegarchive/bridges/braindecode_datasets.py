"""Children of braindecode's concatenated datasets that read from archives."""

from __future__ import annotations

import contextlib
import math
import operator
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from eegarchive.archive import Archive
from eegarchive.errors import EEGArchiveError, StaleValue
from eegarchive.interop.mne_raw import source_of
from eegarchive.windowing import Windows
from eegarchive.windowing.dataset import MEMORY_BYTES
from eegarchive.windowing.readers import Readers, SetReader, Source, StateReader

try:
    import mne
    from braindecode.datasets import BaseConcatDataset as BaseConcatDataset
    from braindecode.datasets import EEGWindowsDataset as EEGWindowsDataset
    from braindecode.datasets import RawDataset as RawDataset
    from braindecode.datasets import WindowsDataset
except ImportError as missing:
    raise EEGArchiveError(
        f"this needs braindecode ({missing}); pip install 'eegarchive[braindecode]'"
    ) from None


def raw_of(source: Source) -> Any:
    """The Raw that windows were cut from: their signals, in their own units and not in volts.

    Raises
    ------
    StaleValue
        If the archive's state isn't the windows' any more.
    """
    with Archive(source.path, source.freeze) as archive:
        if archive.digest != source.state:
            raise StaleValue(f"{source.where}: the recording was changed since its windows were counted")
        raw = archive.to_raw(list(source.signals), verbose="error")
    read = source_of(raw)
    keys = () if read is None else tuple(channel.key for channel in read.channels)
    if read is None or keys != source.signals:
        raise EEGArchiveError(
            f"{source.where}: MNE names these signals ambiguously: {', '.join(source.signals)}"
        )
    for listed, channel in zip(raw.info["chs"], read.channels, strict=True):
        listed["unit_mul"] = round(math.log10(channel.gain))
    read.keep_units()
    return raw


class ArchiveWindowsDataset(EEGWindowsDataset):  # type: ignore[misc]
    """Windows of one recording, read directly from its archive; its Raw is made when it is asked for.

    As soon as the Raw isn't what the archive gives any more (loaded, filtered, cropped, other channels), items are
    read from it.

    Parameters
    ----------
    windows : Windows
        All windows, untransformed.
    first : int
        Which of them is the first of this recording.
    source : Source
        What they are read from.
    metadata, description, transform
        As those of `EEGWindowsDataset`.
    """

    def __init__(
        self, windows: Windows, first: int, source: Source, metadata: Any, description: Any, transform: Any
    ) -> None:
        self._all, self._first, self._source = windows, first, source
        self._raw: Any = None
        self._untouched: Any = None
        super().__init__(None, metadata, description, transform)
        self._crops = self.crop_inds.copy()
        self.window_kwargs: list[Any] = []

    @property
    def raw(self) -> Any:
        """The recording's Raw, in the units that the windows have."""
        if self._raw is None:
            self._raw = raw_of(self._source)
            self._untouched = _shape(self._raw)
        return self._raw

    @raw.setter
    def raw(self, value: Any) -> None:
        self._raw, self._untouched = value, None
        self._ch_pos = None

    @property
    def ch_pos(self) -> Any:
        """Positions of the electrodes, as braindecode has them."""
        self.raw  # noqa: B018  # makes it, if it isn't there
        return super().ch_pos

    def _make_mne_info(self) -> Any:
        return self.raw.info

    def __getitem__(self, index: int) -> Any:
        at = range(len(self))[operator.index(index)]
        crop = self.crop_inds[at]
        is_touched = self._raw is not None and _shape(self._raw) != self._untouched
        if is_touched or at >= len(self._crops) or (crop != self._crops[at]).any():
            self.raw  # noqa: B018
            return super().__getitem__(at)
        samples = self._all[self._first + at][0]
        if self.transform is not None:
            samples = self.transform(samples)
        item = samples, self.y[at], crop.tolist()
        return (*item, self.ch_pos) if self.return_ch_pos else item


class StoredSamples:
    """Samples of several recordings as they are stored, some of which stay decoded in memory.

    Parameters
    ----------
    sources : sequence of Source
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._open()

    def _open(self) -> None:
        self._readers = Readers(self._sources, MEMORY_BYTES)
        weakref.finalize(self, self._readers.close)

    def __getstate__(self) -> dict[str, Any]:
        return {"_sources": self._sources}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def read(self, number: int, start: int, stop: int) -> Any:
        """Samples [start, stop) of a recording as float32."""
        with self._readers.use(number) as reader:
            assert isinstance(reader, StateReader)
            return np.concatenate(reader.stored(start, stop), axis=1, dtype=np.float32, casting="same_kind")


class RestoredWindowsDataset(EEGWindowsDataset):  # type: ignore[misc]
    """Windows as they were in braindecode, read directly as long as their Raw is what the archive gives.

    Parameters
    ----------
    store : StoredSamples
    number : int
        Which of its recordings it is.
    raw, metadata, description, last_target_only
        As those of `EEGWindowsDataset`.
    """

    def __init__(
        self,
        store: StoredSamples,
        number: int,
        raw: Any,
        metadata: Any,
        description: Any,
        last_target_only: bool,
    ) -> None:
        super().__init__(raw, metadata, description, last_target_only=last_target_only)
        self._store, self._number = store, number
        self._restored, self._untouched = raw, _shape(raw)

    def __getitem__(self, index: int) -> Any:
        at = range(len(self))[operator.index(index)]
        crop = self.crop_inds[at].tolist()
        is_touched = self._raw is not self._restored or _shape(self._raw) != self._untouched
        if is_touched or not 0 <= crop[1] < crop[2] <= self._raw.n_times:
            return super().__getitem__(at)
        samples = self._store.read(self._number, crop[1], crop[2])
        if self.transform is not None:
            samples = self.transform(samples)
        item = samples, self.y[at], crop
        return (*item, self.ch_pos) if self.return_ch_pos else item


class ArchiveEpochsDataset(WindowsDataset):  # type: ignore[misc]
    """Windows without a recording, read from a set in an archive; MNE's Epochs are made when they are asked for.

    Parameters
    ----------
    windows : Windows
        The set's windows, by their start.
    places : (windows,) int array
        Where each window stands among them.
    info : mne.Info
    events : (windows, 3) int array
    event_id : dict
    tmin : float
    metadata, description, targets_from, last_target_only
        As those of `WindowsDataset`.
    """

    def __init__(
        self,
        windows: Windows,
        places: Any,
        info: Any,
        events: Any,
        event_id: dict[str, int],
        tmin: float,
        annotations: Any,
        metadata: Any,
        description: Any,
        targets_from: str,
        last_target_only: bool,
    ) -> None:
        super(WindowsDataset, self).__init__(description)  # its own __init__ wants the Epochs
        self._all, self._places, self._info = windows, places, info
        self._events, self._event_id, self._tmin = events, event_id, tmin
        self._annotations = annotations
        self._windows: Any = None
        self._fast_disk = False
        self.targets_from, self.last_target_only = targets_from, last_target_only
        self.metadata = metadata
        self.crop_inds = metadata.loc[
            :, ["i_window_in_trial", "i_start_in_trial", "i_stop_in_trial"]
        ].to_numpy()
        if targets_from == "metadata":
            self.y = metadata.loc[:, "target"].to_list()
        self.raw_preproc_kwargs: list[Any] = []
        self.window_preproc_kwargs: list[Any] = []

    @property
    def windows(self) -> Any:
        """All windows as MNE's Epochs, in memory."""
        if self._windows is None:
            self._windows = mne.EpochsArray(
                self._stored(),
                self._info.copy(),
                self._events,
                self._tmin,
                self._event_id,
                baseline=None,
                proj=False,
                metadata=self.metadata,
                verbose="error",
            )
            if self._annotations is not None:
                self._windows.set_annotations(self._annotations)
        return self._windows

    @windows.setter
    def windows(self, value: Any) -> None:
        self._windows = value
        self._ch_pos = None

    def _stored(self) -> Any:
        """All windows as they are stored: items have them as float32."""
        (source,) = self._all._sources
        with contextlib.closing(SetReader(source)) as reader:
            return np.stack([reader.stored(int(place)) for place in self._places]).astype(np.float64)

    def _make_mne_info(self) -> Any:
        return self._info

    def __getitem__(self, index: int) -> Any:
        if self._windows is not None:
            return super().__getitem__(index)
        at = range(len(self))[operator.index(index)]
        samples = self._all[int(self._places[at])][0]
        if self.transform is not None:
            samples = self.transform(samples)
        if self.targets_from == "metadata":
            target = self.y[at]
        else:
            is_target = np.array(self._info.get_channel_types()) == "misc"
            target = samples[is_target, -1] if self.last_target_only else samples[is_target, :]
            samples = samples[~is_target, :]
        item = samples, target, self.crop_inds[at].tolist()
        return (*item, self.ch_pos) if self.return_ch_pos else item


def _shape(raw: Any) -> Any:
    """What decides which samples a Raw gives that isn't loaded."""
    if raw.preload:
        return "loaded"
    return (
        tuple(map(int, raw._first_samps)),
        tuple(map(int, raw._last_samps)),
        tuple(tuple(map(int, picks)) for picks in raw._read_picks),
        tuple(raw._cals.tolist()),
        raw._projector is None,
        raw._comp is None,
    )
