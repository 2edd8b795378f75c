"""One function over many items, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 32
"""Items that are worked on, or whose results wait."""


def in_parallel(function: Callable[[T], R], items: Iterable[T], pool: Executor, ahead: int = AHEAD) -> Iterator[R]:
    """The results for all items, in their order; what the function raises is raised here.

    Items are taken as results are: a generator is not run through.
    """
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
