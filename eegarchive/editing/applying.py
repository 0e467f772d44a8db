"""Signals computed by a function of the user's, with a record of which function it was."""

from __future__ import annotations

import hashlib
import json
import reprlib
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.draft import Draft
from eegarchive.editing.signals import SignalOperations
from eegarchive.errors import EEGArchiveError
from eegarchive.operations.signals import computed_attributes, resolve
from eegarchive.state import Description, Signal, stretches
from eegarchive.storage.samples import Piece

#: Physical values of a stretch, its sampling rate, and what is given by name: as many values.
Function = Callable[..., Any]


@dataclass(frozen=True)
class Code:
    """What tells one function from another, later and elsewhere.

    Attributes
    ----------
    name : str
        Module and qualified name.
    source_sha256 : str or None
        SHA-256 of its source text, where that can be had.
    code_sha256 : str or None
        Its fingerprint, helpers and globals included: of one minor version of Python. None where it holds what
        can't be compared.
    """

    name: str
    source_sha256: str | None
    code_sha256: str | None


def identify(function: Function) -> Code:
    """What tells a function from another one of the same name."""
    import inspect  # other edits do without

    from eegarchive.cache.fingerprint import fingerprint

    named = function if hasattr(function, "__qualname__") else type(function)
    try:
        text = textwrap.dedent(inspect.getsource(function)).encode("utf-8", "surrogatepass")
        source = hashlib.sha256(text).hexdigest()
    except (OSError, TypeError):  # typed at a prompt, compiled, or an object that can be called
        source = None
    try:
        code = fingerprint(function).code
    except EEGArchiveError:
        code = None
    return Code(f"{getattr(named, '__module__', None)}:{named.__qualname__}", source, code)


class ApplyOperations(SignalOperations):
    """A function of the user's as an operation."""

    def apply(self, function: Function, signals: str | Iterable[str], /, **parameters: Any) -> list[str]:
        """Replace signals by what a function makes of them, as float32; their names.

        The function is called as `function(samples, sampling_rate, **parameters)` for each segment of each signal by
        itself, so that it never sees two stretches with a gap between them as one. What needs a whole signal (its
        mean, for one) is worked out before and given as a parameter.

        Parameters
        ----------
        function : callable
            It gets physical values as float64, may change them, and gives as many.
        signals : str or iterable of str
            Names or labels.
        **parameters
            What JSON can say: text, numbers, booleans, None, lists and dictionaries with texts as keys.

        Raises
        ------
        EEGArchiveError
            If a parameter can't be said in JSON, or the function gives another number of values, or some that
            float32 can't hold. What the function raises itself goes on to the caller. Nothing has changed then.

        Notes
        -----
        The history has the function's module and name, the SHA-256 of its source text and of its code, and the
        parameters. `eegarchive replay` runs it again only if it is asked to (`--run-code`), can import it, and finds
        the same code: a function of a module, not one of `__main__`, a notebook, a lambda or a closure.

        Examples
        --------
        >>> night.apply(cleaning.notch, ["C3", "C4"], frequency=50.0)
        """
        given = _plain(parameters)
        draft, keys = self.draft, [signals] if isinstance(signals, str) else signals
        names = list(dict.fromkeys(resolve(draft, key) for key in keys))
        if not names:
            raise EEGArchiveError("apply: no signal is named")
        code, data = identify(function), {}
        for name in names:
            new = self._applied(self.draft, name, function, given)
            draft, data[name] = draft.with_signal(name, new), new.pieces[0].data
        stated = {"function": code.name, "source_sha256": code.source_sha256, "code_sha256": code.code_sha256}
        self._record("apply", {**stated, "parameters": given or None, "signals": names, "data": data}, draft)
        return names

    def _applied(
        self, draft: Draft, name: str, function: Function, parameters: dict[str, Any]
    ) -> Description:
        """A signal whose samples are what a function makes of those there are."""
        old, dtype = draft.signals[name], np.dtype("<f4")
        rate = float(old.attributes["sampling_rate"])
        attributes = computed_attributes(old.attributes, rate)
        spans = stretches(draft.segments.columns["duration"], rate, len(old))
        blocks = _computed(self.signals[name], spans, rate, function, parameters)
        piece: Piece = self._store_computed(name, blocks, dtype, len(old), attributes)
        return Description(attributes, dtype, (piece,))


def _computed(
    signal: Signal, spans: list[tuple[int, int]], rate: float, function: Function, parameters: dict[str, Any]
) -> Iterator[npt.NDArray[np.float32]]:
    for start, stop in spans:
        samples = signal[start:stop]
        values = np.asarray(function(samples, rate, **parameters))
        where = f"signal {signal.name!r}: the function gave, for samples {start} to {stop},"
        if values.shape != (stop - start,) or values.dtype.kind not in "fiub":
            raise EEGArchiveError(
                f"{where} {values.dtype} of shape {values.shape}; expected {stop - start} numbers"
            )
        with np.errstate(over="ignore"):
            stored = values.astype(np.float32)
        if (np.isinf(stored) & np.isfinite(values)).any():
            raise EEGArchiveError(f"{where} a value of {np.max(np.abs(values)):g}, which float32 can't hold")
        yield stored


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON gives them back, so that a replay calls with the same ones."""
    plain = {}
    for name, value in parameters.items():
        try:
            plain[name] = json.loads(json.dumps(value, allow_nan=False))
            is_plain = bool(plain[name] == value)
        except (TypeError, ValueError, RecursionError):
            is_plain = False
        if not is_plain:
            raise EEGArchiveError(
                f"apply: the parameter {name!r} is {type(value).__name__} {reprlib.repr(value)}, which JSON can't "
                "give back; give text, numbers, booleans, None, lists, or dictionaries with texts as keys"
            )
    return plain
