"""Scripts: what one does is recorded operation by operation, and its text before them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping

from eegarchive.editing.session import Session
from eegarchive.storage.objects import check_text


class ScriptOperations(Session):
    """Scripts."""

    @contextlib.contextmanager
    def script(self, text: str, name: str = "", variables: Mapping[str, str] | None = None) -> Iterator[None]:
        """Write down that what is done in the `with` block is done by a script; nothing, if nothing is done.

        Parameters
        ----------
        text : str
            The script, before variables are filled in.
        name : str
            That of its file.
        variables : mapping of str to str, optional
            What was given for its variables.

        Raises
        ------
        EEGArchiveError
            If the text can't be stored.
        """
        check_text(f"{self._edited.path}: the script", text)
        script = {"script": name or None, "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()}
        was_changed = self._caches.has_changed
        self._record("run", {**script, "text": text, "variables": dict(variables) if variables else None})
        count = len(self._new_rows)
        self._script = script
        try:
            yield
        finally:
            self._script, self._goes_on = {}, False
        if len(self._new_rows) == count and self._caches.has_changed == was_changed:
            self._new_rows.pop()
