"""Open an archive for reading."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from eegarchive.cache import Caches, CacheStore
from eegarchive.description import Value, decode, is_field
from eegarchive.detached import DetachedFile, open_attached, open_file
from eegarchive.errors import MissingBase
from eegarchive.frames import frame_of
from eegarchive.layout import (
    CONTENTS_DIGEST,
    EDF,
    EDF_WARNING_COLUMNS,
    EDF_WARNINGS,
    FREEZE_ATTRIBUTES,
    FREEZES,
    HISTORY,
    HISTORY_COLUMNS,
    SOURCE_FREEZE,
)
from eegarchive.provenance import Provenance
from eegarchive.state import State, Table, no_such_freeze
from eegarchive.storage import guard
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import AttributeValue, read_attributes

if TYPE_CHECKING:
    import pandas


class CachedState(State):
    """A state of an archive, with the values that were derived from it.

    Attributes
    ----------
    cache : Caches
        Caches by name.
    """

    def __init__(self, file: ArchiveFile, path: str, store: CacheStore | None = None) -> None:
        super().__init__(file, path)
        self.cache = Caches(self, store)

    def to_raw(
        self,
        picks: str | Sequence[str] | None = None,
        *,
        rate: float | None = None,
        resample: float | None = None,
        gaps: Literal["annotate", "split"] = "annotate",
        use_kinds: bool = False,
        preload: bool | str = False,
        verbose: Any = None,
    ) -> Any:
        """Make MNE's Raw of the state; it reads lazily, and shows this state whatever is done to the archive later.

        Of a recording of one sampling rate it is what `mne.io.read_raw_edf` or `read_raw_bdf` gives, to the last
        bit. Of several rates, it has the one that most EEG signals have (most signals, if none is EEG).

        Parameters
        ----------
        picks : str or sequence of str, optional
            Names, labels or kinds of signals.
        rate : float, optional
            Take the signals of this rate.
        resample : float, optional
            Take signals of all rates, and resample those of another rate to this one as
            :meth:`~eegarchive.EditableArchive.resample` does, each whole channel at once; trigger channels hold
            their codes.
        gaps : {'annotate', 'split'}
            Time without data is zeros under an annotation `BAD_ACQ_SKIP`, which MNE's filters and epochs leave
            out; or each segment becomes a Raw of its own, in a list.
        use_kinds : bool
            Have the archive's kinds as channel types. As MNE reads EDF, all channels but triggers are EEG.
        preload : bool or str
            As in MNE. Inside an edit it is always preloaded.
        verbose : bool, str or int, optional
            As in MNE.

        Returns
        -------
        mne.io.BaseRaw, or a list of them

        Raises
        ------
        NotInArchive
            If there is no such signal or rate.
        EEGArchiveError
            If there are no samples, the picks differ in rate, or MNE isn't there.
        """
        from eegarchive.interop.mne_raw import to_raw

        return to_raw(
            self,
            picks,
            rate=rate,
            resample=resample,
            gaps=gaps,
            use_kinds=use_kinds,
            preload=preload,
            verbose=verbose,
        )

    def to_epochs(
        self,
        name: str = "epoch",
        *,
        mask: bool = True,
        preload: bool = False,
        verbose: Any = None,
        **raw: Any,
    ) -> Any:
        """Make MNE's Epochs of the epochs that are set, with what is known of each as metadata.

        Metadata are the table's `epoch`, `start`, `duration` and `masked`, and the sleep stage in the middle of each
        epoch: in `stage`, or in `stage_SET` for each set where several have stages.

        Parameters
        ----------
        name : str
            What the event is called that each epoch is made from.
        mask : bool
            Drop masked epochs, with the reason `MASKED` in the drop log.
        preload : bool
        verbose : bool, str or int, optional
            As in MNE.
        **raw
            Further arguments of :meth:`to_raw`: which signals, and at which rate.

        Returns
        -------
        mne.Epochs
            Without baseline correction. Epochs that reach into time without data are dropped as `BAD_ACQ_SKIP`,
            others under an annotation BAD... by its text.

        Raises
        ------
        EEGArchiveError
            If no epochs are set, or they differ in length.
        """
        from eegarchive.interop.mne_epochs import to_epochs

        return to_epochs(self, name, mask=mask, preload=preload, verbose=verbose, **raw)

    def to_xarray(self, picks: str | Sequence[str] | None = None) -> Any:
        """Make an xarray Dataset of the state, one variable for each signal; it shows this state for ever.

        Values are physical, as 64-bit floats, and read when they are asked for: by dask, in chunks, where it is
        installed. `time` has the seconds on the recording clock, gaps left out. Signals of several rates have a
        dimension for each rate, `time_100Hz` and so on.

        Parameters
        ----------
        picks : str or sequence of str, optional
            Names, labels or kinds of signals.

        Returns
        -------
        xarray.Dataset
            Variables have the signals' attributes, such as `units`, `kind` and `sampling_rate`; the dataset has
            `digest`, that of the state, and `recording_start`. Inside an edit everything is read at once.

        Raises
        ------
        NotInArchive
            If there is no such signal.
        EEGArchiveError
            If xarray isn't there.
        """
        from eegarchive.interop.xarrays import to_xarray

        return to_xarray(self, picks)


class Freezes(Mapping[str, CachedState]):
    """The freezes of an archive by tag; each reads like the archive itself.

    One that is attached lies in a file beside the archive, which is opened when the freeze is asked for.
    """

    def __init__(
        self, file: ArchiveFile, store: CacheStore | None = None, history: Callable[[], Table] | None = None
    ) -> None:
        self._file = file
        self._store = store
        self._history = history
        self._opened: dict[str, DetachedFile] = {}

    def __iter__(self) -> Iterator[str]:
        with self._file.reading():
            return iter(guard.names(self._file.group(FREEZES)))

    def __len__(self) -> int:
        with self._file.reading():
            return len(self._file.group(FREEZES))

    def __contains__(self, tag: object) -> bool:
        return tag in list(self)

    def attributes(self) -> dict[str, dict[str, AttributeValue]]:
        """What each freeze says of itself, by tag: when it was made, the note, its digests.

        Of an attached one `file` is the file that it lies in; if that is missing, no more is known than its digest.
        """
        found: dict[str, dict[str, AttributeValue]] = {}
        with self._file.reading():
            attached = self._file.attached_freezes()
            for tag in self:
                found[tag] = {}
                if tag in attached:
                    found[tag] = {"file": attached[tag].file, CONTENTS_DIGEST: attached[tag].contents_digest}
                with contextlib.suppress(MissingBase):
                    file = self.file_of(tag)
                    with file.reading():
                        found[tag] |= read_attributes(file.group(f"{FREEZES}/{tag}"))
        return found

    def columns(self) -> dict[str, list[Any]]:
        """A table of the freezes, oldest first."""
        made = self._made()
        found = sorted(
            self.attributes().items(),
            key=lambda freeze: (str(freeze[1].get("created", "")), made.get(freeze[0], math.inf), freeze[0]),
        )
        return {
            "tag": [tag for tag, _ in found],
            **{name: [attributes.get(name, "") for _, attributes in found] for name in FREEZE_ATTRIBUTES},
            "file": [attributes.get("file", "") for _, attributes in found],
        }

    def _made(self) -> dict[str, int]:
        """Which operation made each freeze, for those of one second; as far as the history can be understood."""
        columns = {} if self._history is None else self._history().columns()
        found: dict[str, int] = {}
        pairs = zip(columns.get("operation", ()), columns.get("parameters", ()), strict=True)
        for number, (operation, parameters) in enumerate(pairs):
            if operation == "convert":
                found[SOURCE_FREEZE] = number
            if operation == "freeze":
                with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                    found[str(json.loads(parameters)["tag"])] = number
        return found

    def to_frame(self) -> pandas.DataFrame:
        """The table of the freezes as a pandas data frame."""
        return frame_of(self.columns())

    def __getitem__(self, tag: str) -> CachedState:
        if tag not in self:
            raise no_such_freeze(str(self._file.path), tag, list(self))
        file = self.file_of(tag)
        return CachedState(file, f"{FREEZES}/{tag}", self._store if file is self._file else None)

    def file_of(self, tag: str) -> ArchiveFile:
        """The file in which a freeze lies: the archive's, or the one that is attached.

        Raises
        ------
        MissingBase
            If that file isn't there.
        InvalidArchive
            If it isn't the freeze that was attached.
        """
        with self._file.reading():
            link = self._file.attached_freezes().get(tag)
            if link is None:
                return self._file
            if tag not in self._opened:
                self._opened[tag] = open_attached(self._file, tag, link)
            return self._opened[tag]

    def close(self) -> None:
        """Close the files of attached freezes."""
        while self._opened:
            self._opened.popitem()[1].close()


class Archive(CachedState):
    """A session's archive, open for reading: its working state, or the freeze it was opened at.

    A detached freeze reads like an archive that is opened at that freeze.

    Opening reads no samples. An archive may be used from several threads and after a fork, and pickles
    as its path; every process has a handle of its own.

    Attributes
    ----------
    freezes : Freezes
        Every freeze by its tag.
    history : Table
        What was done, one row for each operation.
    tag : str or None
        The freeze that it is opened at.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        freeze: str | None = None,
        base: str | os.PathLike[str] | None = None,
    ) -> None:
        self._open(open_file(path, base), freeze)

    def _open(self, file: ArchiveFile, freeze: str | None, store: CacheStore | None = None) -> None:
        self._home = file
        self.freezes = Freezes(file, store, lambda: self.history)
        detached = isinstance(file, DetachedFile)
        try:
            if freeze is None and isinstance(file, DetachedFile):
                freeze = file.tag
            if freeze is not None and freeze not in self.freezes:
                raise no_such_freeze(str(file.path), freeze, list(self.freezes))
            where = f"{FREEZES}/{freeze}" if freeze is not None else ""
            own = file if freeze is None else self.freezes.file_of(freeze)
            super().__init__(own, where, store if own is file else None)
        except BaseException:
            self.freezes.close()
            file.close()
            raise
        self.tag = freeze
        self.history = Table(file, f"{where}/{HISTORY}" if detached else HISTORY, HISTORY_COLUMNS)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._home.path, "freeze": self.tag, "base": self.base}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["freeze"], state["base"])  # type: ignore[misc]

    def close(self) -> None:
        """Close the archive."""
        self.freezes.close()
        self._home.close()

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return str(self._home.path)

    @property
    def base(self) -> Path | None:
        """Where the base of a detached freeze is; None if it is missing, and for archives."""
        return self._home.base if isinstance(self._home, DetachedFile) else None

    @property
    def base_name(self) -> str | None:
        """What the base of a detached freeze was called; None for archives."""
        return self._home.base_name if isinstance(self._home, DetachedFile) else None

    @property
    def warnings(self) -> Table:
        """What was odd in the source and kept; of a detached freeze its base has it."""
        return Table(self._home.recording, f"{EDF}/{EDF_WARNINGS}", EDF_WARNING_COLUMNS)

    @property
    def provenance(self) -> Provenance:
        """How the archive came to be: the root's attributes other than the description's."""
        return Provenance({key: value for key, value in self._root().items() if not is_field(key)})

    def _root(self) -> dict[str, AttributeValue]:
        with self._home.reading():
            return read_attributes(self._home.h5)

    @property
    def description(self) -> dict[str, Value]:
        """Who and what was recorded, as far as anyone has said it: subject, session, task, age and so on, typed."""
        return decode(self._root())

    @property
    def edf_header(self) -> dict[str, AttributeValue]:
        """The fields of the source's EDF header, as text without padding; of a detached freeze its base has them."""
        with self._home.reading():
            return read_attributes(self._home.recording.group(EDF))

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = f"@{self.tag}" if self.tag else ""
        if self._home.closed:
            return f"<Archive {self.path}{shown}: closed>"
        return f"<Archive {self.path}{shown}: {len(self.signals)} signals, {self.duration:.10g} s>"


def open_archive(
    path: str | os.PathLike[str],
    freeze: str | None = None,
    base: str | os.PathLike[str] | None = None,
) -> Archive:
    """Open an archive, or a detached freeze, for reading; no samples are read.

    Parameters
    ----------
    path : path-like
        The archive; `night.h5@N2` means its freeze `N2`, where no file has that whole name.
    freeze : str, optional
        Tag of a freeze to open in place of the working state.
    base : path-like, optional
        The base of a detached freeze. If it isn't given it is looked for beside the file; where it is missing,
        samples can't be read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidArchive, UnsafeArchive, UnsupportedVersion
        If it isn't an archive that this version reads.
    NotInArchive
        If there is no such freeze.
    MissingBase
        If the base that is given is the wrong one.
    """
    if freeze is None:
        path, freeze = split_tag(path)
    return Archive(path, freeze, base)


def read_raw(
    path: str | os.PathLike[str],
    freeze: str | None = None,
    picks: str | Sequence[str] | None = None,
    preload: bool | str = False,
    **options: Any,
) -> Any:
    """Read an archive as MNE's Raw.

    Parameters
    ----------
    path : path-like
        `night.h5`, or `night.h5@N2`.
    freeze : str, optional
        Tag of a freeze in place of the working state.
    picks : str or sequence of str, optional
        Names, labels or kinds of signals.
    preload : bool or str
        As in MNE.
    **options
        Further arguments of :meth:`Archive.to_raw`.

    Returns
    -------
    mne.io.BaseRaw
    """
    with open_archive(path, freeze) as archive:
        return archive.to_raw(picks, preload=preload, **options)


def split_tag(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Split `night.h5@N2` into path and tag; a file that has the whole name is meant as it is."""
    text = os.fspath(path)
    before, at, tag = text.rpartition("@")
    if at and before and tag and "/" not in tag and not os.path.exists(text):
        return before, tag
    return text, None
