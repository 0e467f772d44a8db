"""A state as a FIF file, which appears whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eegarchive.errors import EEGArchiveError, OddInput
from eegarchive.interop.mne_annotations import as_fif_has
from eegarchive.interop.mne_raw import source_of, to_raw
from eegarchive.state import State
from eegarchive.storage import disk
from eegarchive.storage.files import refuse_existing, refuse_same, rename_new

_ENDINGS = ("raw.fif", "eeg.fif", "ieeg.fif")


def write_fif(
    state: State, path: str | os.PathLike[str], overwrite: bool = False, **options: Any
) -> list[Path]:
    """Write a state as FIF, in 64-bit floats: MNE reads back what it has of the archive, to the last bit.

    Parameters
    ----------
    state : State
    path : path-like
        Ending in raw.fif, eeg.fif or ieeg.fif, as MNE wants it. Beyond 2 GB MNE makes several files of it, with
        numbers behind the name.
    overwrite : bool
        Replace an existing file.
    **options
        As for :func:`eegarchive.interop.mne_raw.to_raw`: which signals, and at which rate.

    Returns
    -------
    list of Path
        The files, the one of this name first.

    Raises
    ------
    TargetExists
        If a file is there and `overwrite` isn't set; none is written.

    EEGArchiveError
        If the name isn't one of FIF, or the recording began outside of 1901-2038, which FIF can't tell.

    Warns
    -----
    OddInput
        If signals of other sampling rates are left out, or annotations have characters that FIF doesn't have.
    """
    path = Path(path)
    if not path.name.endswith(_ENDINGS):
        raise EEGArchiveError(
            f"{path}: MNE wants names that end in {', '.join(_ENDINGS)}; such as night-raw.fif"
        )
    refuse_existing(path, overwrite)
    refuse_same(Path(state._file.path), path)
    if options.get("gaps", "annotate") != "annotate":
        raise EEGArchiveError("FIF is of one Raw; leave out gaps='split'")
    raw = to_raw(state, verbose="error", **options)
    source = source_of(raw)
    assert source is not None
    if not ({"picks", "rate", "resample"} & set(options)):
        others = [name for name in state.signals if state.signals[name].sampling_rate != source.rate]
        if others:
            warnings.warn(
                f"{path}: {len(others)} signals of other sampling rates than {source.rate:.10g} Hz are left out "
                f"({', '.join(others[:5])}); choose by rate=, or resample=",
                OddInput,
                stacklevel=2,
            )
    _check(path, raw)
    folder = path.resolve().parent
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=folder) as temporary:
        seconds = (_block(source.gaps, max(1, round(source.rate))) - 0.5) / source.rate
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Acquisition skips detected")
            raw.save(Path(temporary) / path.name, fmt="double", buffer_size_sec=seconds, verbose="error")
        made = sorted(Path(temporary).iterdir(), key=lambda part: (len(part.name), part.name))  # -1 … -10
        targets = [folder / part.name for part in made]
        for target in targets:
            refuse_existing(target, overwrite)
        _put(made, targets, overwrite)
    return [path.with_name(target.name) for target in targets]


def _check(path: Path, raw: Any) -> None:
    """Tell what FIF can't hold before anything is written."""
    start = raw.info["meas_date"]
    if start is not None and not -(2**31) < start.timestamp() < 2**31 - 1:
        raise EEGArchiveError(
            f"{path}: the recording began on {start:%Y-%m-%d}; FIF has dates from 1901-12-14 to 2038-01-19 only"
        )
    odd = [text for text in raw.annotations.description.tolist() if as_fif_has(text) != text]
    if odd:
        warnings.warn(
            f"{path}: MNE writes {len(odd)} texts of annotations with &#NUMBER; for characters that Latin-1 doesn't "
            f"have, such as {odd[0]!r}",
            OddInput,
            stacklevel=3,
        )


def _block(gaps: Sequence[tuple[int, int]], usual: int) -> int:
    """How many samples MNE is to write at a time.

    Where all gaps are whole blocks it leaves them out of the file, and annotates them once more on reading.
    """
    edges = [edge for gap in gaps if gap[0] < gap[1] for edge in gap]
    return usual if not edges else next(n for n in itertools.count(usual) if any(e % n for e in edges))


def _put(made: list[Path], targets: list[Path], overwrite: bool) -> None:
    """Give the files their names: the first one, which leads to the others, at last."""
    placed: list[Path] = []
    try:
        for part, target in reversed(list(zip(made, targets, strict=True))):
            with open(part, "rb+") as file:
                disk.sync(file.fileno())
            if overwrite:
                disk.rename(part, target)
            else:
                rename_new(part, target)
                placed.append(target)
        disk.sync_folder(targets[0].parent)
    except BaseException:
        for target in placed:
            with contextlib.suppress(OSError):
                disk.remove(target)
        raise
