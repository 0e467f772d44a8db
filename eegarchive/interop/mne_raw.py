"""A state as MNE's Raw, read lazily."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eegarchive.errors import EEGArchiveError
from eegarchive.interop.mne_annotations import Shown, marks, shown
from eegarchive.interop.mne_channels import Channel, channels_of, choose
from eegarchive.interop.mne_info import band, channel_types, subject
from eegarchive.interop.mne_source import Source
from eegarchive.state import State
from eegarchive.storage.container import EditedFile

try:
    import mne as mne
except ImportError as missing:
    raise EEGArchiveError(f"this needs MNE-Python ({missing}); pip install 'eegarchive[mne]'") from None

_HAS_EXTRAS = "extras" in inspect.signature(mne.Annotations).parameters


class RawArchive(mne.io.BaseRaw):  # type: ignore[misc]
    """A state of an archive as MNE's Raw; samples are read when they are asked for.

    It shows for ever what the state was when it was made, whatever is done to the archive since. It pickles, and
    reads in forked and in spawned processes, from several threads too. Made by :func:`to_raw`.
    """

    def __init__(
        self,
        info: Any,
        source: Source,
        units: dict[str, str],
        preload: bool | str = False,
        verbose: Any = None,
    ) -> None:
        super().__init__(
            info,
            preload=preload,
            first_samps=[source.first],
            last_samps=[source.first + source.count - 1],
            filenames=[Path(source.path)],
            raw_extras=[{"source": source}],
            orig_format="double",
            orig_units=units,
            verbose=verbose,
        )

    def _read_segment_file(
        self, data: Any, idx: Any, fi: int, start: int, stop: int, cals: Any, mult: Any
    ) -> None:
        source: Source = self._raw_extras[fi]["source"]
        rows = np.arange(len(source.channels))[idx]
        out = data if mult is None else np.empty((len(rows), stop - start))
        source.read(out, rows.tolist(), start - source.first, stop - source.first)
        if mult is not None:
            data[:] = mult @ out
        elif (cals != 1).any():
            data *= cals


def source_of(raw: Any) -> Source | None:
    """What a Raw was made from, if :func:`to_raw` made it, whatever was done to it since."""
    found = [extra.get("source") for extra in raw._raw_extras if isinstance(extra, dict)]
    return found[0] if len(found) == 1 and isinstance(found[0], Source) else None


def to_raw(
    state: State,
    picks: str | Sequence[str] | None = None,
    *,
    rate: float | None = None,
    resample: float | None = None,
    gaps: Literal["annotate", "split"] = "annotate",
    use_kinds: bool = False,
    preload: bool | str = False,
    verbose: Any = None,
) -> Any:
    """Make MNE's Raw of a state: see :meth:`eegarchive.archive.CachedState.to_raw`."""
    if gaps not in ("annotate", "split"):
        raise EEGArchiveError(f"gaps={gaps!r}: 'annotate' or 'split'")
    with state._file.reading():
        path = str(state._file.path)
        channels = channels_of(state)
        picked = choose(path, channels, picks, rate, resample)
        if not picked:
            raise EEGArchiveError(
                f"{path}: there are no samples that MNE's Raw could have; annotations are in `.annotations`"
            )
        used = picked[0].rate if resample is None else float(resample)
        left_out = [c for c in channels if c.rate != used and c not in picked]
        if picks is None and rate is None and left_out:
            with nullcontext() if verbose is None else mne.utils.use_log_level(verbose):
                mne.utils.logger.info(
                    f"{path}: {len(left_out)} signals of other sampling rates than {used:.10g} Hz are left out; "
                    "take them by rate=, or all by resample="
                )
        pieces = range(len(state.segments)) if gaps == "split" else [None]
        sources = [Source(state, picked, used, piece) for piece in pieces]
        if not any(source.count for source in sources):
            raise EEGArchiveError(
                f"{path}: at {used:.10g} Hz there is no sample in its {state.duration:.10g} s"
            )
        info = _info(state, picked, used, use_kinds)
        columns = state.annotations.columns()
        found = [
            shown(columns, channels, picked, source.begin, source.count / used) + marks(source)
            for source in sources
        ]
        inside = isinstance(state._file, EditedFile)
        raws = []
        for source, annotations in zip(sources, found, strict=True):
            source.types = channel_types(picked, use_kinds)
            if not inside:
                source.detach()
            units = {c.name: str(c.attributes["units"]) for c in picked}
            raw = RawArchive(info.copy(), source, units, preload or inside, verbose)
            raw.set_annotations(_annotations(path, annotations), emit_warning=False)
            if inside:
                source.let_go()
            raws.append(raw)
    return raws if gaps == "split" else raws[0]


def _annotations(path: str, listed: Sequence[Shown]) -> Any:
    extras: dict[str, Any] = {}
    if _HAS_EXTRAS and any(one.extras for one in listed):
        extras["extras"] = [one.extras or None for one in listed]
    try:
        return mne.Annotations(
            [one.onset for one in listed],
            [one.duration for one in listed],
            [one.text for one in listed],
            ch_names=[one.channels for one in listed],
            **extras,
        )
    except ValueError as error:  # some texts have a meaning to its files
        raise EEGArchiveError(f"{path}: MNE can't have these annotations: {error}") from None


def _info(state: State, picked: Sequence[Channel], rate: float, use_kinds: bool) -> Any:
    """The measurement info that MNE's EDF reader makes."""
    constants = mne.io.constants.FIFF
    types = channel_types(picked, use_kinds)
    info = mne.create_info([c.name for c in picked], rate, types, verbose="error")
    for channel, kind in zip(info["chs"], types, strict=True):
        channel["unit"] = constants.FIFF_UNIT_NONE if kind == "stim" else constants.FIFF_UNIT_V
        channel["coord_frame"] = constants.FIFFV_COORD_HEAD
    start = state.start
    if start is not None:
        info.set_meas_date(start.replace(tzinfo=datetime.UTC))
    with info._unlock():
        info["subject_info"] = subject(state)
        info["highpass"], info["lowpass"] = band(picked, rate)
        if any(channel.rate != rate for channel in picked):  # no resampled signal has more, as in MNE
            info["lowpass"] = min(info["lowpass"], rate / 2)
    info["bads"] = [c.name for c in picked if c.attributes.get("bad")]
    return info
