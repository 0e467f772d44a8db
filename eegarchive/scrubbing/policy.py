"""What a person asked for: how dates change, and what is kept beside what always is."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from eegarchive.description import is_field_name
from eegarchive.errors import EEGArchiveError

#: What an EDF header's two-digit year can say.
YEARS = range(1985, 2085)
#: The day that recordings start on if dates aren't shifted.
NEUTRAL_DAY = datetime.date(1985, 1, 1)


@dataclass(frozen=True)
class Anonymization:
    """How to anonymize a recording.

    Attributes
    ----------
    shift_days : int, optional
        Move all dates by so many days; without it recordings start on 1985-01-01. The time of day stays. The
        number isn't kept in the result.
    keep : tuple of str
        Fields to keep: `age` and `sex`, of the EDF header too, and any other of the description.
    keep_annotations : tuple of str
        Annotation texts to keep beside the standard ones, `*` standing for any characters.

    Raises
    ------
    EEGArchiveError
        If a field to keep can't be one.
    """

    shift_days: int | None = None
    keep: tuple[str, ...] = ()
    keep_annotations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.keep:
            if not is_field_name(name):
                raise EEGArchiveError(
                    f"{name!r} can't be kept: name age, sex or another field of the description"
                )

    def start(self, stated: datetime.datetime | None, time: datetime.time, where: str) -> datetime.datetime:
        """The moment that a recording starts at, then.

        Parameters
        ----------
        stated : datetime, optional
            When it did start, where that is known.
        time : datetime.time
            The time of day.
        where : str
            What messages call the recording.

        Raises
        ------
        EEGArchiveError
            If an EDF header can't say it.
        """
        if stated is None or self.shift_days is None:
            return datetime.datetime.combine(NEUTRAL_DAY, time)
        try:
            moved = stated + datetime.timedelta(days=self.shift_days)
        except OverflowError:
            moved = None
        if moved is None or moved.year not in YEARS:
            raise EEGArchiveError(
                f"{where}: starts in {stated.year}; shifted by {self.shift_days} days that isn't in "
                f"{YEARS[0]} to {YEARS[-1]}, which is what EDF can say; shift by another number"
            )
        return moved

    def parameters(self) -> dict[str, Any]:
        """What was asked for, as the result's history says it: without texts, and without the number of days."""
        stated = {
            "dates": NEUTRAL_DAY.isoformat() if self.shift_days is None else "shifted",
            "keep": sorted(set(self.keep)),
            "annotation_patterns": len(set(self.keep_annotations)),
        }
        return {name: value for name, value in stated.items() if value}

    def summary(self) -> str:
        """The same in words."""
        stated = self.parameters()
        dates = "dates shifted" if self.shift_days is not None else f"dates from {stated['dates']} on"
        kept = f"; kept {', '.join(stated['keep'])}" if "keep" in stated else ""
        count = stated.get("annotation_patterns", 0)
        more = f"; annotations of {count} more pattern{'s' if count > 1 else ''} kept" if count else ""
        return f"{dates}{kept}{more}"
