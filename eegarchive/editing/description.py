"""Operations on what is said of the recording as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from h5py import h5a

from eegarchive.description import attributes_of, encode, resolve
from eegarchive.editing.session import Session
from eegarchive.errors import NotInArchive
from eegarchive.storage import objects


class DescriptionOperations(Session):
    """Set and drop fields of the description. They are of the archive, not of a state: no digest of one changes."""

    def describe(self, fields: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set fields of the description; others stay as they are.

        Parameters
        ----------
        fields, **more
            Text, numbers, booleans, dates, :class:`eegarchive.Category`; None is missing. They come back as they
            were given. The history has their names, but not their values: what is dropped is gone.

        Raises
        ------
        EEGArchiveError
            If a name or a value can't be kept. Nothing has changed then.

        Examples
        --------
        >>> night.describe(age=34, sex="F")
        """
        fields = {**(fields or {}), **more}
        fields = resolve(fields, self.description)
        attributes = encode(fields)
        if not fields:
            return
        self._note("describe", {"fields": list(fields)}, self.digest)
        self._remove(fields)
        objects.write_attributes(self._edited.h5, attributes)

    def drop_description(self, *names: str) -> None:
        """Drop fields of the description.

        Raises
        ------
        NotInArchive
            If there is no such field.
        """
        there = self.description
        for name in names:
            if name not in there:
                raise NotInArchive(
                    f"{self.path}: its description has no field {name!r}; there are {', '.join(there) or 'none'}"
                )
        if not names:
            return
        self._note("drop-description", {"fields": list(dict.fromkeys(names))}, self.digest)
        self._remove(names)

    def _remove(self, names: Iterable[str]) -> None:
        root = self._edited.h5.id
        for name in names:
            for attribute in attributes_of(name):
                if h5a.exists(root, attribute.encode()):
                    h5a.delete(root, attribute.encode())
