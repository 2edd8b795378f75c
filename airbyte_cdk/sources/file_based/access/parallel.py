"""Several generators as one, each run ahead by a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from queue import Empty, Full, Queue, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

WAITING = 16
"""Chunks that may wait for the consumer."""
CHUNK = 256
"""Most items that are handed over at once: a hand-over costs more than an item. The first chunks of each source are
smaller, for those who want a few items only."""
POLL_SECONDS = 0.1


def merged(sources: Sequence[Callable[[Event], Iterable[T]]], workers: int) -> Iterator[T]:
    """The items of all sources, in no order between sources; a single source is iterated in the caller's thread.

    What a source raises is raised here at once. Then, and when the consumer stops early, the sources are told to stop,
    and not waited for: their threads end as soon as they can, and do not keep the process alive.

    Args:
        sources: Each makes its iterable, given an event of its own that is set when no more items are wanted.
        workers: Most threads at once.
    """
    if len(sources) == 1:
        yield from sources[0](Event())
        return
    ready: Queue[list[T] | BaseException | None] = Queue(WAITING)
    stopped = Event()
    waiting: SimpleQueue[tuple[Callable[[Event], Iterable[T]], Event]] = SimpleQueue()
    events = [Event() for _ in sources]
    for source in zip(sources, events, strict=True):
        waiting.put(source)

    def put(found: list[T] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(found, timeout=POLL_SECONDS)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        try:
            while not stopped.is_set():
                source, over = waiting.get_nowait()
                items, size = iter(source(over)), 1
                while chunk := list(islice(items, size)):
                    if not put(chunk):
                        return
                    size = min(2 * size, CHUNK)
                put(None)
        except Empty:
            return
        except BaseException as error:
            put(error)

    try:
        for number in range(min(workers, len(sources))):
            # a daemon: a page that hangs in the network must not keep the process alive
            Thread(target=run, name=f"airbyte-list-{number}", daemon=True).start()
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
        for over in events:
            over.set()
