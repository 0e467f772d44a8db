"""Operations on signals."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive import layout, processing
from eegarchive.channels import kind_of
from eegarchive.draft import Draft
from eegarchive.editing.session import DraftSignals, Session
from eegarchive.errors import EEGArchiveError
from eegarchive.operations import signals
from eegarchive.state import Description, Signal, stretches
from eegarchive.storage.container import EditedFile
from eegarchive.storage.objects import AttributeValue
from eegarchive.storage.samples import Piece
from eegarchive.storage.transaction import Transaction

#: `SignalOperations.write_samples`.
Write = Callable[..., float]
#: Called with the number of bytes done since the last call.
Progress = Callable[[int], None]


class SignalOperations(Session):
    """Signals: which there are, what they say of themselves, and their samples."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self.signals = EditableSignals(self._edited, lambda: self.draft, self.write_samples)

    def keep_signals(self, names: Iterable[str]) -> None:
        """Keep some signals, given by name or label, in their present order."""
        listed = list(names)
        self._record("keep-signals", {"signals": listed}, signals.keep(self.draft, listed))

    def drop_signals(self, names: Iterable[str]) -> None:
        """Drop some signals, given by name or label."""
        listed = list(names)
        self._record("drop-signals", {"signals": listed}, signals.drop(self.draft, listed))

    def copy_signal(self, name: str, label: str) -> Signal:
        """Add a signal of exactly the same samples under another label; no data are written."""
        draft, new = signals.copy(self.draft, name, label)
        self._record("copy-signal", {"signal": name, "label": label}, draft)
        return self.signals[new]

    def rename_signal(self, name: str, label: str) -> Signal:
        """Give a signal another label, and the name that follows from it."""
        draft, new = signals.rename(self.draft, name, label)
        self._record("rename-signal", {"signal": name, "label": label}, draft)
        return self.signals[new]

    def set_signal(self, name: str, **attributes: AttributeValue) -> None:
        """Set attributes of a signal: kind, units, or any other but what follows from its samples."""
        draft = signals.set_attributes(self.draft, name, attributes)
        self._record("set-signal", {"signal": name, "attributes": attributes}, draft)

    def write_samples(
        self, name: str, start: int, values: npt.ArrayLike, *, digital: bool = False, rounded: bool = False
    ) -> float:
        """Replace a stretch of a signal; only the new samples are stored, the others stay where they are.

        Parameters
        ----------
        name : str
        start : int
            Number of the first sample that is replaced.
        values : (samples,) array_like
            Physical values, or stored ones if `digital` is set.
        rounded : bool
            Round physical values to the steps that the signal is stored in. Without it a value between two
            steps is an error.

        Returns
        -------
        float
            The largest error of rounding, in physical units.
        """
        name = signals.resolve(self.draft, name)
        signal = self.draft.signals[name]
        samples, error = (
            (signals.check_digital(signal, values, name), 0.0)
            if digital
            else signals.to_digital(signal, values, name, rounded)
        )
        stop = start + samples.size
        if samples.ndim != 1 or not 0 <= start < stop <= len(signal):
            raise EEGArchiveError(
                f"signal {name!r} has samples 0 to {len(signal)}; these are for {start} to {stop}"
            )
        piece = self._store.store([samples], signal.dtype, len(samples), signal.attributes)
        draft = signals.with_stretch(self.draft, name, start, piece)
        parameters = {"signal": name, "start": start, "stop": stop, "data": piece.data}
        self._record("write-samples", {**parameters, "rounding_error": error or None}, draft)
        return error

    def add_signal(
        self,
        label: str,
        values: npt.ArrayLike,
        sampling_rate: float,
        *,
        units: str = "",
        kind: str | None = None,
        **attributes: AttributeValue,
    ) -> Signal:
        """Add a signal that was computed elsewhere, behind the others.

        Parameters
        ----------
        label : str
        values : (samples,) array_like
            Physical values; float32, float64, int16 and int32 are stored as they are. As many as the state has
            at this rate, its segments one after the other.
        sampling_rate : float
        units : str
        kind : str, optional
            What it measures; by default what its label tells.
        """
        samples = np.asarray(values)
        dtype = samples.dtype.newbyteorder("<")
        if samples.ndim != 1 or dtype.str not in layout.SAMPLE_TYPES:
            raise EEGArchiveError(
                f"signal {label!r}: {samples.ndim}-dimensional {samples.dtype}; expected one dimension of float32, "
                "float64, int16 or int32"
            )
        name = signals.new_name(self.draft, label)
        given = {"kind": kind_of(label) if kind is None else kind, "units": units, **attributes}
        stated: dict[str, AttributeValue] = {
            "label": label,
            "sampling_rate": float(sampling_rate),
            "scale_factor": 1.0,
            "add_offset": 0.0,
            **signals.check_attributes(name, given),
        }
        piece = self._store_computed(name, [samples], dtype, len(samples), stated)
        draft = self.draft.with_signal(name, Description(stated, dtype, (piece,)))
        parameters = {"label": label, "sampling_rate": float(sampling_rate), "data": piece.data}
        self._record("add-signal", {**parameters, "attributes": attributes or None}, draft)
        return self.signals[name]

    def resample(
        self,
        sampling_rate: float,
        channels: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> list[str]:
        """Resample some signals (all eeg, eog, emg and ecg ones if not given) to another rate, as float32; which.

        It is MNE's polyphase method, applied to each segment by itself; see :mod:`eegarchive.processing`.
        `progress` is called with the bytes of new samples since the last call.
        """
        return self._process(
            "resample",
            {"sampling_rate": float(sampling_rate)},
            channels,
            lambda read, spans, rate: processing.resampled(read, spans, rate, float(sampling_rate)),
            lambda spans, rate: sum(processing.resampled_lengths(spans, rate, float(sampling_rate))),
            float(sampling_rate),
            0.0,
            progress,
        )

    def filter(
        self,
        low: float | None = None,
        high: float | None = None,
        channels: Iterable[str] | None = None,
        progress: Progress | None = None,
        *,
        transition: float | None = None,
        ripple: float | None = None,
    ) -> list[str]:
        """Filter some signals by a zero-phase FIR, MNE's unless told otherwise, as float32; which.

        If not given, they are the eeg, eog, emg and ecg ones of a rate that allows it.

        Parameters
        ----------
        low, high : float, optional
            Edges of the pass band in Hz; `low` alone is a high-pass, `high` alone a low-pass.
        channels : iterable of str, optional
            Names or labels.
        progress : callable, optional
            Called with the bytes of new samples since the last call.
        transition, ripple : float, optional
            Width of the transition band in Hz, and largest deviation of the gain: both together ask for a filter
            with Kaiser's window, which sees zeros beyond the ends of segments, as in Luna.
        """
        return self._process(
            "filter",
            {"low": low, "high": high, "transition": transition, "ripple": ripple},
            channels,
            lambda read, spans, rate: processing.filtered(read, spans, rate, low, high, transition, ripple),
            lambda spans, rate: spans[-1][1] if spans else 0,
            None,
            processing.lowest_rate(low, high),
            progress,
        )

    def _process(
        self,
        operation: str,
        parameters: dict[str, Any],
        channels: Iterable[str] | None,
        compute: Callable[[processing.Read, Any, float], Iterator[npt.NDArray[np.float32]]],
        length: Callable[[Any, float], int],
        new_rate: float | None,
        lowest_rate: float,
        progress: Progress | None,
    ) -> list[str]:
        """Replace signals by ones computed from them; which."""
        draft = self.draft
        names = (
            signals.electric(draft, lowest_rate)
            if channels is None
            else [signals.resolve(draft, key) for key in channels]
        )
        if not names:
            raise EEGArchiveError(
                f"{operation}: name signals; none of this state is eeg, eog, emg or ecg, and fast enough"
            )
        designs = {}
        for name in names:
            old = draft.signals[name]
            rate = float(old.attributes["sampling_rate"])
            spans = stretches(draft.segments.columns["duration"], rate, len(old))
            attributes = signals.computed_attributes(old.attributes, new_rate or rate)
            dtype = np.dtype("<f4")
            source = self.signals[name]
            try:
                if operation == "filter":
                    designs[f"{rate:g} Hz"] = processing.filter_parameters(
                        rate, *(parameters[key] for key in ("low", "high", "transition", "ripple"))
                    )
                blocks = _told(compute(functools.partial(_samples, source), spans, rate), progress)
                piece = self._store_computed(name, blocks, dtype, length(spans, rate), attributes)
            except EEGArchiveError as error:
                raise type(error)(f"signal {name!r}: {error}") from None
            draft = draft.with_signal(name, Description(attributes, dtype, (piece,)))
        self._record(operation, {**parameters, "signals": names, "design": designs or None}, draft)
        return names

    def _store_computed(
        self,
        name: str,
        blocks: Iterable[npt.NDArray[Any]],
        dtype: np.dtype[Any],
        length: int,
        attributes: Mapping[str, AttributeValue],
    ) -> Piece:
        """Store the samples of a new signal, if they are as many as its rate gives."""
        rate = float(attributes["sampling_rate"])
        if not (np.isfinite(rate) and rate >= 0):
            raise EEGArchiveError(f"signal {name!r}: a sampling rate of {rate!r}")
        expected = signals.expected_length(self.draft, rate)
        if length != expected:
            raise EEGArchiveError(
                f"signal {name!r}: {length} samples; at {rate:g} Hz this state has {expected}"
            )
        piece = self._store.store(blocks, dtype, length, attributes)
        self._transaction.check()
        return piece


def _samples(signal: Signal, start: int, stop: int) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = signal[start:stop]
    return values


def _told(blocks: Iterable[npt.NDArray[Any]], progress: Progress | None) -> Iterator[npt.NDArray[Any]]:
    """The same blocks, each told of."""
    for block in blocks:
        yield block
        if progress is not None:
            progress(block.nbytes)


class EditableSignal(Signal):
    """A signal in an edit: `signal[a:b] = values` replaces a stretch, `signal.digital[a:b] = samples` too."""

    def __init__(
        self, file: EditedFile, name: str, look_up: Callable[[str], Description], write: Write
    ) -> None:
        super().__init__(file, name, look_up)
        self._write = write

    def _set(self, index: slice | int, values: npt.ArrayLike, digital: bool) -> None:
        if not isinstance(index, slice):
            index = slice(index, index + 1 or None)
        start, stop, step = index.indices(len(self))
        samples = np.asarray(values)
        samples = np.broadcast_to(samples, max(0, stop - start)) if samples.ndim == 0 else samples
        if step != 1 or len(samples) != stop - start:
            raise EEGArchiveError(
                f"signal {self.name!r}: {len(samples)} values for the samples {start} to {stop}"
            )
        self._write(self.name, start, samples, digital=digital)


class EditableSignals(DraftSignals):
    """The signals of the working state in an edit, which can be written."""

    def __init__(self, file: EditedFile, draft: Callable[[], Draft], write: Write) -> None:
        super().__init__(file, draft)
        self._edited, self._write = file, write

    def _signal(self, name: str) -> Signal:
        return EditableSignal(self._edited, name, self.describe, self._write)
