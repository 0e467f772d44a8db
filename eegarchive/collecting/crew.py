"""Processes that work for others: results in order, and the death of one of them harms no other's work."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from eegarchive.storage.workers import limit_cores, num_cores

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Crew:
    """Some processes; none if `jobs` is 1, and all is done in this one.

    Use it in a `with` block.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool = self._new(jobs) if jobs > 1 else None

    def _new(self, jobs: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, context, limit_cores, (max(1, num_cores() // self._jobs),))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def results(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task]
    ) -> Iterator[tuple[_Task, _Result | None]]:
        """Each task with its result, in order; None if its process died of it.

        No more than one result for each process waits to be taken.
        """
        if self._pool is None:
            for task in tasks:
                yield task, work(task)
            return
        waiting: deque[tuple[_Task, Future[_Result]]] = deque()
        for task in tasks:
            waiting.append((task, self._submit(work, task)))
            if len(waiting) > self._jobs:
                first, future = waiting.popleft()
                yield first, self._result(work, first, future)
        while waiting:
            first, future = waiting.popleft()
            yield first, self._result(work, first, future)

    def _submit(self, work: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
        assert self._pool is not None
        try:
            return self._pool.submit(work, task)
        except BrokenProcessPool:
            self._pool = self._new(self._jobs)
            return self._pool.submit(work, task)

    def _result(
        self, work: Callable[[_Task], _Result], task: _Task, future: Future[_Result]
    ) -> _Result | None:
        """The result of one task; with a process all die that are under way, so it gets one for itself then."""
        with contextlib.suppress(BrokenProcessPool):
            return future.result()
        with self._new(1) as pool, contextlib.suppress(BrokenProcessPool):
            return pool.submit(work, task).result()
        return None
