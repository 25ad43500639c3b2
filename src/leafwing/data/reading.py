"""Many pieces of work through one task: here at first, in a crew of helper processes when it pays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from leafwing.data.crew import Fetch, Task, with_crew

X = TypeVar("X")
T = TypeVar("T")

CHUNK = 16
FIRST_LOOK = 0.4
"""Seconds of work in this process before deciding."""
WORTH_A_CREW = 1.5
"""Seconds of work that must remain: helpers take about 0.3 s to start."""


def work_through(
    fetches: Iterable[Fetch[X]],
    task: Task[X, T],
    total: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    chunk: int = CHUNK,
) -> Iterator[T]:
    """Yield ``task(fetch())`` for all, in any order.

    The first pieces are done in this process; when what remains would take longer than helpers need to
    start, ``workers`` helper processes take over. So small sets start at once and large ones use all cores.

    Args:
        fetches: what to work on, consumed a little ahead of the work; each is called in this process.
        task: what to do; travels to the helpers, so it must be picklable, defined at a module's top level.
        total: how many there are, for progress.
        workers: helpers; default one a core, 1 keeps all work here.
        progress: called in this thread with (done, total).
        chunk: how many travel together.
    """
    source = iter(fetches)
    chunks = iter(lambda: list(islice(source, chunk)), [])
    workers = workers or cores()
    done = 0
    for results in _taken(chunks, task, total, workers):
        done += len(results)
        if progress is not None:
            progress(done, total)
        yield from results


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _taken(chunks: Iterator[list[Fetch[X]]], task: Task[X, T], total: int, workers: int) -> Iterator[list[T]]:
    start, done = time.monotonic(), 0
    for chunk in chunks:
        yield [task(fetch()) for fetch in chunk]
        done += len(chunk)
        spent = time.monotonic() - start
        if workers > 1 and spent >= FIRST_LOOK and spent / done * (total - done) > WORTH_A_CREW:
            yield from with_crew(chunks, task, workers)
            return
