"""Operations on epochs and masks, and the restructure that goes by them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

import numpy as np

from eegarchive import edf, layout
from eegarchive.editing.session import Session
from eegarchive.operations import epochs, masks, restructure
from eegarchive.operations.masks import MaskReport, Numbers
from eegarchive.operations.restructure import RestructureReport
from eegarchive.state import State


class EpochOperations(Session):
    """Epochs, masks, restructure."""

    def set_epochs(
        self, length: float = epochs.DEFAULT_LENGTH, step: float | None = None, offset: float = 0.0
    ) -> int:
        """Cut every segment into whole epochs from its own start on; how many there are.

        Parameters
        ----------
        length : float
            Seconds.
        step : float, optional
            Seconds from one epoch's start to the next one's; the length if not given.
        offset : float
            Seconds from a segment's start to its first epoch.

        Notes
        -----
        No epoch is masked. Numbers count from 1; the same grid set again, after a restructure too, keeps them.
        """
        step = float(length if step is None else step)
        draft = epochs.set_epochs(self.draft, float(length), step, float(offset))
        self._record("epochs", {"length": float(length), "step": step, "offset": float(offset)}, draft)
        return len(draft.epochs.rows)

    def mask(
        self,
        keep: str | Sequence[str] | None = None,
        drop: str | Sequence[str] | None = None,
        *,
        keep_epochs: Numbers | None = None,
        drop_epochs: Numbers | None = None,
        keep_times: tuple[float, float] | None = None,
        drop_times: tuple[float, float] | None = None,
        first: int | None = None,
        random: int | None = None,
        seed: int | None = None,
        flip: bool = False,
        clear: bool = False,
        all_of: bool = False,
        whole_epoch: bool = False,
        annotation_set: str | None = None,
    ) -> MaskReport:
        """Mask epochs, which leaves them out. Masks add up: nothing but `flip` and `clear` unmasks one.

        Epochs of 30 s are set first where there are none.

        Parameters
        ----------
        keep, drop : str or sequence of str
            Kinds or texts of annotations, `*` standing for any characters: mask the epochs that don't have
            one, or that do. To have one is to overlap it.
        keep_epochs, drop_epochs : str, int or iterable of int
            Original epoch numbers: "200-250", "3,7,9-11", [3, 4].
        keep_times, drop_times : (float, float)
            Stretch of the recording clock in seconds; epochs that touch it.
        first, random : int
            Keep the first n, or n random ones, of the epochs that aren't masked; the history has the seed.
        flip, clear : bool
            Mask what isn't masked and the other way round; unmask all. Before all else.
        all_of : bool
            An epoch has to have an annotation of every kind given, not of any.
        whole_epoch : bool
            One annotation has to cover the whole epoch.
        annotation_set : str, optional
            Look at the annotations of this set only.

        Returns
        -------
        MaskReport

        Raises
        ------
        NotInArchive
            If there is no such annotation, epoch or time; the message says what there is.
        """
        draft = self.draft
        are_unset = not len(draft.epochs.rows)
        if are_unset:
            draft = epochs.set_epochs(draft, epochs.DEFAULT_LENGTH, epochs.DEFAULT_LENGTH, 0.0)
        kinds = {
            name: [value] if isinstance(value, str) else list(value)
            for name, value in (("keep", keep), ("drop", drop))
            if value is not None
        }
        numbers = {
            name: value
            if isinstance(value, str)
            else np.atleast_1d(list(value) if isinstance(value, Iterable) else value)
            for name, value in (("keep_epochs", keep_epochs), ("drop_epochs", drop_epochs))
            if value is not None
        }
        if random is not None and seed is None:
            seed = secrets.randbelow(2**31)  # so that the history tells which ones
        out = masks.masked(draft)
        out = ~out if flip else out
        out = np.zeros_like(out) if clear else out
        for name, patterns in kinds.items():
            has = masks.by_annotation(draft, patterns, all_of, whole_epoch, annotation_set)
            out = out | (has != (name == "keep"))
        for name, listed in numbers.items():
            out = out | (masks.by_number(draft, listed) != (name == "keep_epochs"))
        for times, wanted in ((keep_times, True), (drop_times, False)):
            if times is not None:
                out = out | (masks.by_time(draft, times) != wanted)
        if first is not None or random is not None:
            now = masks.with_mask(draft, out)[0]
            out = out | ~masks.chosen(now, first, random, seed)
        draft, report = masks.with_mask(draft, out)
        parameters = {
            **{name: value[0] if len(value) == 1 else value for name, value in kinds.items()},
            **{
                n: value if isinstance(value, str) else masks.ranges_text(value)
                for n, value in numbers.items()
            },
            "keep_times": keep_times,
            "drop_times": drop_times,
            "first": first,
            "random": random,
            "seed": seed,
            "flip": flip or None,
            "clear": clear or None,
            "all_of": all_of or None,
            "whole_epoch": whole_epoch or None,
            "annotation_set": annotation_set,
        }
        if are_unset:
            self.set_epochs()
        self._record("mask", parameters, draft)
        return report

    def restructure(self, whole_records: bool = False, *, preserve_cache: bool = False) -> RestructureReport:
        """Drop the masked epochs, and all time that is in no epoch; nothing, if no epoch is masked.

        Parameters
        ----------
        whole_records : bool
            Keep every data record of the EDF that an unmasked epoch touches, as Luna does, in place of
            cutting at the epochs' borders.
        preserve_cache : bool
            Keep the cache; otherwise it is emptied if samples are dropped.

        Raises
        ------
        EEGArchiveError
            If nothing would be left, or an epoch's border falls between two samples of a signal.

        Notes
        -----
        Times go on counting from the recording's start, and epochs keep their numbers. No sample is copied.
        """
        draft, report = restructure.restructure(self.draft, self._records() if whole_records else None)
        drops = draft.segments.digest != self.draft.segments.digest
        parameters = {"whole_records": whole_records or None, "preserve_cache": preserve_cache or None}
        self._record("restructure", parameters, draft)
        if drops and not preserve_cache:
            self._caches.clear()
        return report

    def _records(self) -> list[tuple[float, float]]:
        source = State(self._edited, f"{layout.FREEZES}/{layout.SOURCE_FREEZE}").segments.columns()
        stated = edf.decode_number(str(self.edf_header["record_duration"]).encode("ascii", "replace"))
        return restructure.touched_records(
            self.draft, source["start"], source["duration"], float(stated or 1)
        )
