"""One thread pool for each process, made when first needed and never inherited over a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_THREAD_NAME = "eegarchive"

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


_limit: int | None = None


def limit_cores(count: int) -> None:
    """Let this process use at most `count` cores; several such processes then share the machine."""
    global _limit
    _limit = max(1, count)


def num_cores() -> int:
    """Cores this process may use."""
    if _limit is not None:
        return _limit
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def pool() -> ThreadPoolExecutor:
    """The process's pool, one thread for each core."""
    global _pool
    with _lock:
        if _pool is None:
            made = ThreadPoolExecutor(num_cores(), thread_name_prefix=_THREAD_NAME)
            starter = threading.Thread(target=_start_all, args=(made,), daemon=True)
            starter.start()
            starter.join()
            _pool = made
        return _pool


def _start_all(made: ThreadPoolExecutor) -> None:
    """Start a pool's threads, where no Ctrl-C comes: Python waits for ever for one whose start it cut off."""
    go = threading.Event()
    for _ in range(num_cores()):
        made.submit(go.wait)
    go.set()


def spread(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Results in order, computed by the pool; by the caller itself where that is one of its threads."""
    if threading.current_thread().name.startswith(_THREAD_NAME):
        return map(function, items)
    return pool().map(function, items)


def _forget() -> None:
    global _pool, _lock
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
