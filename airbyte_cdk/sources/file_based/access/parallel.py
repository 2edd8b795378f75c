"""Several generators as one, each run ahead by a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import Full, Queue
from threading import Event
from typing import TypeVar

T = TypeVar("T")

WAITING = 16
"""Chunks that may wait for the consumer."""
CHUNK = 256
"""Items that are handed over at once: a hand-over costs more than an item."""
POLL_SECONDS = 0.1


def merged(sources: Sequence[Iterable[T]], workers: int) -> Iterator[T]:
    """The items of all sources, in no order between sources; a single source is iterated as it is.

    What a source raises is raised here, and ends the others. When the consumer stops early, the sources are left at
    their next item.

    Args:
        sources: Iterated each by one thread.
        workers: Most threads at once.
    """
    if len(sources) == 1:
        yield from sources[0]
        return
    ready: Queue[list[T] | BaseException | None] = Queue(WAITING)
    stopped = Event()

    def put(found: list[T] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(found, timeout=POLL_SECONDS)
                return True
            except Full:
                continue
        return False

    def run(source: Iterable[T]) -> None:
        try:
            items = iter(source)
            while not stopped.is_set() and (chunk := list(islice(items, CHUNK))):
                if not put(chunk):
                    return
            put(None)
        except BaseException as error:
            put(error)

    with ThreadPoolExecutor(min(workers, max(1, len(sources))), thread_name_prefix="airbyte-list") as pool:
        try:
            for source in sources:
                pool.submit(run, source)
            left = len(sources)
            while left:
                found = ready.get()
                if found is None:
                    left -= 1
                elif isinstance(found, BaseException):
                    raise found
                else:
                    yield from found
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
