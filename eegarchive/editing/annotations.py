"""Operations on annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eegarchive.editing.session import Session
from eegarchive.operations import annotating
from eegarchive.operations.epochs import DEFAULT_LENGTH
from eegarchive.scoring import read_events

DEFAULT_SET = "user"
#: Of so many annotations at most the history has the onsets, by which a replay finds them among others.
_MOST_ONSETS = 64


def _few(onsets: Sequence[float] | npt.NDArray[Any]) -> list[float] | None:
    """Onsets as the history has them; None if there are many."""
    listed: list[float] = np.atleast_1d(np.asarray(onsets, np.float64)).tolist()
    return listed if len(listed) <= _MOST_ONSETS else None


class AnnotationOperations(Session):
    """Annotations: add, import, drop, rename."""

    def add_annotations(
        self,
        onset: Sequence[float] | npt.NDArray[Any],
        duration: Sequence[float] | npt.NDArray[Any],
        text: Sequence[str],
        *,
        kind: Sequence[str] | None = None,
        channel: Sequence[str] | None = None,
        annotation_set: str = DEFAULT_SET,
    ) -> None:
        """Add annotations.

        Parameters
        ----------
        onset, duration : sequence of float
            Seconds on the recording clock; a duration of NaN isn't known.
        text : sequence of str
        kind, channel : sequence of str, optional
            By default what the texts tell: the sleep stage, or the text itself; what follows `@@`.
        annotation_set : str
            Who scored, or where from; several sets stand beside each other.
        """
        draft = annotating.add(self.draft, onset, duration, text, kind, channel, annotation_set)
        parameters = {"count": len(text), "annotation_set": annotation_set, "onsets": _few(onset)}
        self._record("add-annotations", parameters, draft)

    def import_annotations(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        annotation_set: str | None = None,
        epoch_length: float = DEFAULT_LENGTH,
    ) -> int:
        """Add the annotations of a file, as a set named by the file unless given; how many there were.

        Parameters
        ----------
        path : path-like
            A separate EDF+ hypnogram, NSRR XML, Luna .annot or .eannot, BIDS events.tsv or CSV.
        format : str, optional
            One of `eegarchive.scoring.FORMATS`; by default what name and content tell.
        epoch_length : float
            Seconds that a line of .eannot stands for.
        """
        path = Path(path)
        found = read_events(path, start=self.start, epoch_length=epoch_length, format=format)
        name = path.stem if annotation_set is None else annotation_set
        draft = annotating.add(
            self.draft, found.onset, found.duration, found.text, found.kind, found.channel, name
        )
        parameters = {"file": path.name, "count": len(found.text), "annotation_set": name, "format": format}
        self._record("import-annotations", {**parameters, "onsets": _few(found.onset)}, draft)
        return len(found.text)

    def drop_annotations(self, kind: str | None = None, annotation_set: str | None = None) -> int:
        """Drop the annotations of a kind (or text), of a set, or of both; how many there were."""
        flags = annotating.select(self.draft, kind, annotation_set)
        parameters = {"kind": kind, "annotation_set": annotation_set}
        self._record("drop-annotations", parameters, annotating.drop(self.draft, flags))
        return int(flags.sum())

    def rename_annotations(
        self,
        kind: str | None = None,
        annotation_set: str | None = None,
        *,
        text: str | None = None,
        new_set: str | None = None,
    ) -> int:
        """Give the annotations of a kind (or text) and set another text, another set, or both; how many."""
        flags = annotating.select(self.draft, kind, annotation_set)
        draft = annotating.rename(self.draft, flags, text, new_set)
        parameters = {"kind": kind, "annotation_set": annotation_set, "text": text, "new_set": new_set}
        self._record("rename-annotations", parameters, draft)
        return int(flags.sum())
