"""An archive's caches by name."""

from __future__ import annotations

from collections.abc import Iterator

from eegarchive.cache.computing import Cache
from eegarchive.cache.store import CacheStore
from eegarchive.cache.tables import stored_names
from eegarchive.errors import NotInArchive
from eegarchive.state import State


class Caches:
    """The caches of a state by name.

    A name that there is no cache of gives an empty one, which comes to be with its first value. A freeze's caches are
    those that it was made with, and what was computed on it since.
    """

    def __init__(self, state: State, store: CacheStore | None = None) -> None:
        self._state = state
        self._file = state._file
        self._store = store
        self._held: dict[str, Cache] = {}

    def __iter__(self) -> Iterator[str]:
        with self._file.reading():
            return iter(self._names())

    def _names(self) -> list[str]:
        working = stored_names(self._file.h5) if self._store is None else self._store.names()
        if not self._state._path:
            return working
        own = stored_names(self._file.group(self._state._path))
        since = [name for name in working if name not in own and len(self[name])]
        return sorted([*own, *since], key=lambda name: name.encode("utf-8"))

    def __len__(self) -> int:
        with self._file.reading():
            return len(self._names())

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> Cache:
        if name not in self._held:
            self._held[name] = Cache(self._state, name, self._store)
        return self._held[name]

    def existing(self, name: str) -> Cache:
        """A cache that has values.

        Raises
        ------
        NotInArchive
            If there is none of that name; the message lists those that there are.
        """
        if name not in self:
            listed = ", ".join(self) or "none"
            raise NotInArchive(f"{self._file.path}: no cache {name!r}; there are {listed}")
        return self[name]

    def __delitem__(self, name: str) -> None:
        self.existing(name).clear()

    def clear(self) -> None:
        """Remove all of them; only inside `eegarchive.edit`."""
        for name in list(self):
            self[name].clear()

    def __repr__(self) -> str:
        if self._file.closed:
            return "<Caches: closed>"
        return f"<Caches: {', '.join(self) or 'none'}>"
