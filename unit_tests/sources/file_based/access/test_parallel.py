"""Several generators as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice

import pytest

from airbyte_cdk.sources.file_based.access.parallel import CHUNK, merged


def numbers(start: int, stop: int, over: threading.Event) -> Iterator[int]:
    yield from range(start, stop)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("sources", [0, 1, 2, 20])
def test_gives_every_item_of_every_source_once(workers: int, sources: int) -> None:
    each = 3 * CHUNK + 1
    found = list(merged([partial(numbers, n * each, (n + 1) * each) for n in range(sources)], workers))
    assert sorted(found) == list(range(sources * each))


def test_what_a_source_raises_is_raised() -> None:
    def broken(over: threading.Event) -> Iterator[int]:
        yield 1
        raise ValueError("page 2")

    with pytest.raises(ValueError, match="page 2"):
        list(merged([partial(numbers, 0, 10), broken], 2))


def test_an_error_does_not_wait_for_the_other_sources() -> None:
    told = threading.Event()

    def waits(over: threading.Event) -> Iterator[int]:
        yield from ()
        assert over.wait(20)
        told.set()

    def broken(over: threading.Event) -> Iterator[int]:
        yield from ()
        raise ValueError("denied")

    began = time.monotonic()
    with pytest.raises(ValueError, match="denied"):
        list(merged([waits, broken], 2))
    assert time.monotonic() - began < 10
    assert told.wait(10)


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    endless = merged([lambda over: count()] * 3, 3)
    assert len(list(islice(endless, 5000))) == 5000
    endless.close()  # type: ignore[attr-defined]  # a generator
    assert within(10, lambda: threading.active_count() == before)


def test_the_first_items_are_handed_over_at_once() -> None:
    """A consumer of a few does not wait until a source has found a whole chunk."""
    taken: list[int] = []

    def slow(over: threading.Event) -> Iterator[int]:
        for number in range(CHUNK):
            taken.append(number)
            yield number
            if number:
                over.wait(20)

    found = merged([slow, partial(numbers, 0, 0)], 2)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # a generator
    assert len(taken) <= 3


def test_sources_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def waits(over: threading.Event) -> Iterator[int]:
        yield meeting.wait()

    assert sorted(merged([waits, waits], 2)) == [0, 1]
