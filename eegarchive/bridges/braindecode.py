"""To braindecode's data sets, and from them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from eegarchive import layout
from eegarchive.archive import Archive
from eegarchive.errors import EEGArchiveError
from eegarchive.storage.codec import PORTABLE
from eegarchive.storage.files import refuse_existing
from eegarchive.windowing import Windows

Paths = str | os.PathLike[str] | Archive | Iterable[str | os.PathLike[str] | Archive]


def to_braindecode(
    source: Windows | Paths,
    *,
    freeze: str | None = None,
    picks: str | Sequence[str] | None = None,
    target_name: str | Sequence[str] | None = None,
    target_transform: Callable[[Any], Any] | None = None,
) -> Any:
    """Make braindecode's data set of windows, or of whole archives; it reads lazily.

    Parameters
    ----------
    source : Windows, path-like, Archive, or several
        What :func:`eegarchive.windows` gave: then there is one `EEGWindowsDataset` for each recording, whose items
        are those of `source`, its `transform` included. Or archives: then each is what it was in
        :func:`from_braindecode`, or else a `RawDataset` of its Raw.
    freeze : str, optional
        Tag of the freeze to read of each archive.
    picks : str or sequence of str, optional
        Names, labels or kinds of the signals that a Raw is to have.
    target_name : str or sequence of str, optional
        Fields of the description that are the target of a `RawDataset`.
    target_transform : callable, optional
        As in braindecode.

    Returns
    -------
    braindecode.datasets.BaseConcatDataset
        It pickles, and reads in the workers of a DataLoader.

    Raises
    ------
    StaleValue
        If an archive from braindecode was changed since, or windows are stale: no Raw fits them.
    EEGArchiveError
        If braindecode isn't there.

    Notes
    -----
    The description is that of the archive. Windows are in the signals' own units, mostly microvolts, and so is
    what `.raw` has for them (`unit_mul` of MNE's channels says so), what `preprocess` works on and what `save` writes:
    items are the same after each. A Raw of a `RawDataset` is in volts, as MNE has it. Where a recording has gaps,
    its Raw has them too, and `start` and `stop` of items count its samples.

    Examples
    --------
    >>> night = eegarchive.windows(["sub-01.h5", "sub-02.h5"], length=30, picks="eeg", target="stage")
    >>> splits = eegarchive.to_braindecode(night).split("subject")
    """
    from eegarchive.bridges.braindecode_loading import BaseConcatDataset, of_archives, of_windows

    if isinstance(source, Windows):
        if freeze is not None or picks is not None or target_name is not None:
            raise EEGArchiveError(
                "freeze, picks and target_name are for archives; windows have chosen theirs"
            )
        return BaseConcatDataset(of_windows(source), target_transform)
    several = [source] if isinstance(source, str | os.PathLike | Archive) else list(source)
    if not several:
        raise EEGArchiveError("a data set of no archive")
    wanted = target_name if target_name is None or isinstance(target_name, str) else tuple(target_name)
    return BaseConcatDataset(of_archives(several, freeze, picks, wanted), target_transform)


def from_braindecode(
    concat: Any,
    folder: str | os.PathLike[str],
    *,
    codec: str = PORTABLE.name,
    overwrite: bool = False,
) -> list[Path]:
    """Make an archive of each recording of a data set of braindecode's, for :func:`to_braindecode`.

    Parameters
    ----------
    concat : braindecode.datasets.BaseConcatDataset
        In memory or lazy: what braindecode's `load_concat_dataset`, `load_from_zarr` and `pull_from_hub` give.
    folder : path-like
        Where `0.h5`, `1.h5` and so on are written, in the order of the recordings; with zeros in front, so that
        they sort.
    codec : {"portable", "fast", "small", "none"}
        As in :func:`eegarchive.convert`.
    overwrite : bool
        Replace archives of these names.

    Returns
    -------
    list of Path

    Raises
    ------
    TargetExists
        If there is one of the archives; nothing was written.
    EEGArchiveError
        If a description or a table has a value that wouldn't come back exactly, for one. Nothing was written.

    Notes
    -----
    A data set has no EDF any more, and floats as EDF would be rounded. So an archive's source is an EDF that
    has only the length and the start, and says so; the samples are a working state and the freeze `braindecode`, as
    64-bit floats (32-bit ones are exact in them), which `add-raw` in the history tells of. Data sets of MNE's Epochs
    have no recording: their windows are the prepared set `braindecode`, which `eegarchive.windows(...,
    prepared="braindecode")` reads too. Descriptions, window tables with their types, arguments of preprocessing and
    windowing, MNE's info and annotations are in the cache `braindecode`, as JSON; what of the description an archive
    can state is its description as well. Nothing is pickled.
    """
    from eegarchive.bridges import braindecode_saving as saving

    children = list(concat.datasets)
    width = len(str(max(0, len(children) - 1)))
    stems = [f"{number:0{width}d}" for number in range(len(children))]
    folder = Path(folder)
    targets = [folder / f"{stem}{layout.SUFFIX}" for stem in stems]
    for target in targets:
        refuse_existing(target, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".from-braindecode-") as unfinished:
        made = []
        for number, (child, stem) in enumerate(zip(children, stems, strict=True)):
            made.append(saving.save(child, Path(unfinished), stem, f"{number} of {len(children)}", codec))
        for one, target in zip(made, targets, strict=True):
            refuse_existing(target, overwrite)
            os.replace(one, target)
    return targets
