"""Change an archive: operations on its working state, all or nothing, each recorded in its history."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from eegarchive.archive import split_tag
from eegarchive.editing.annotations import AnnotationOperations
from eegarchive.editing.applying import ApplyOperations
from eegarchive.editing.description import DescriptionOperations
from eegarchive.editing.epochs import EpochOperations
from eegarchive.editing.freezes import FreezeOperations, ThawReport
from eegarchive.editing.mne import AddRawReport, MNEOperations
from eegarchive.editing.scripts import ScriptOperations
from eegarchive.editing.windows import WindowOperations
from eegarchive.errors import EEGArchiveError
from eegarchive.storage.locks import EDIT_WAIT_SECONDS
from eegarchive.storage.transaction import begin

__all__ = ["AddRawReport", "EditableArchive", "ThawReport", "edit"]


class EditableArchive(
    EpochOperations,
    ApplyOperations,
    AnnotationOperations,
    FreezeOperations,
    MNEOperations,
    WindowOperations,
    DescriptionOperations,
    ScriptOperations,
):
    """An archive inside :func:`edit`: read like any other, and changed by its operations.

    Each operation is recorded in the history with its parameters, the versions, and the state's digest before
    and after. An operation that raises has changed nothing.
    """


@contextlib.contextmanager
def edit(path: str | os.PathLike[str], timeout: float = EDIT_WAIT_SECONDS) -> Iterator[EditableArchive]:
    """Change an archive: all that is done in the `with` block, or nothing if it raises.

    Parameters
    ----------
    path : path-like
    timeout : float
        Seconds to wait for another writer to end, and at the end for other programs that read the file.

    Yields
    ------
    EditableArchive
        The archive with operations; what is read from it is what they have made of it so far.

    Raises
    ------
    EEGArchiveError
        If an operation can't be done, or another process keeps the file.
    InvalidArchive
        If it isn't an archive, or has no seal.
    OSError
        If the disk is full, for one. The archive is what it was.

    Examples
    --------
    >>> with eegarchive.edit("night.h5") as night:
    ...     night.set_epochs(30)
    ...     night.mask(keep="N2")
    ...     night.restructure()
    ...     night.freeze("N2")
    """
    plain, tag = split_tag(path)
    if tag is not None:
        raise EEGArchiveError(
            f"{path}: a freeze can't be changed; thaw it first (eegarchive thaw {plain} {tag})"
        )
    real = os.path.realpath(plain)
    try:
        with begin(Path(real), timeout) as transaction:
            night = EditableArchive(transaction)
            try:
                yield night
                night.finish()
            finally:
                night.close()
    except EEGArchiveError as error:
        if real not in str(error):  # operations know of no file
            error.args = (f"{plain}: {error}",)
        raise
