"""Operations on freezes: keep the working state, get one back, remove one."""

from __future__ import annotations

from dataclasses import dataclass

from eegarchive import freezing, layout, provenance
from eegarchive.editing.session import Session
from eegarchive.errors import EEGArchiveError
from eegarchive.state import no_such_freeze
from eegarchive.storage.objects import check_text


@dataclass(frozen=True)
class ThawReport:
    """What a thaw did: the tag, and the freeze that has kept the state that was there before, if one was made."""

    tag: str
    kept_as: str | None


class FreezeOperations(Session):
    """Freeze, thaw, remove."""

    def freeze(self, tag: str, note: str = "", overwrite: bool = False) -> None:
        """Keep the working state, masks and cache included, under a tag. Nothing is written again.

        Parameters
        ----------
        tag : str
            Up to 64 letters, digits, `.`, `_`, `-`; not `source`, which is the recording, and not `remove`.
        note : str
            What a person wants to say of it.
        overwrite : bool
            Replace a freeze of that tag.
        """
        freezing.check_tag(self._edited, tag, overwrite)
        check_text(f"{self._edited.path}: the note of {tag!r}", note)
        self._render()
        freezing.link_state(self._edited, tag, note)
        self._record("freeze", {"tag": tag, "note": note or None, "overwrite": overwrite or None})

    def thaw(
        self,
        tag: str,
        *,
        remove: bool = False,
        preserve_cache: bool = False,
        keep_unsaved: bool = False,
    ) -> ThawReport:
        """Make the working state what a freeze has kept, its cache too.

        Parameters
        ----------
        tag : str
        remove : bool
            Remove the freeze then.
        preserve_cache : bool
            Leave the cache as it is.
        keep_unsaved : bool
            If no freeze has the present state, make one of it first, with a tag of its own.

        Raises
        ------
        NotInArchive
            If there is no such freeze; the message lists the tags.
        """
        if tag not in freezing.tags(self._edited):
            raise no_such_freeze(str(self._edited.path), tag, freezing.tags(self._edited))
        freezing.refuse_attached(self._edited, tag)
        if remove and tag == layout.SOURCE_FREEZE:
            raise EEGArchiveError(f"{self._edited.path}: the freeze {tag!r} can't be removed")
        self._caches.write()
        kept_as = None
        if keep_unsaved and not freezing.is_kept(self._edited, self.digest):
            kept_as = self._unused_tag()
            self.freeze(kept_as, note=f"the working state before {tag} was thawed")
        parameters = {"tag": tag, "preserve_cache": preserve_cache or None, **self._take_history(tag)}
        self._note("thaw", parameters, self.freezes[tag].digest)
        freezing.restore_state(self._edited, tag)
        self._draft, self._goes_on = None, bool(self._script)
        if not preserve_cache:
            freezing.restore_cache(self._edited, tag)
            self._caches.forget()
        if remove:
            self.remove_freeze(tag)
        return ThawReport(tag, kept_as)

    def _take_history(self, tag: str) -> dict[str, int]:
        """Write down what led to a freeze that came from elsewhere; which rows of the history say that now."""
        own = freezing.own_history(self.freezes[tag])
        if own is None:
            return {}
        new, there = (list(zip(*table.columns().values(), strict=True)) for table in (own, self.history))
        for first in range(len(there) - len(new) + 1):
            if there[first : first + len(new)] == new:
                return {"first": first, "rows": len(new)}
        names = [column.name for column in layout.HISTORY_COLUMNS]
        self._new_rows += [dict(zip(names, row, strict=True)) for row in new]
        return {"rows": len(new)}

    def remove_freeze(self, tag: str) -> int:
        """Remove a freeze; how many bytes of the file `compact` can give back for it."""
        self._render()
        freed = freezing.remove(self._edited, tag)
        self._record("remove-freeze", {"tag": tag})
        return freed

    def _unused_tag(self) -> str:
        stem = "unsaved-" + provenance.now().translate({ord(c): None for c in "-:"})
        taken = freezing.tags(self._edited)
        return next(tag for i in range(len(taken) + 1) if (tag := stem + (f"-{i}" if i else "")) not in taken)
