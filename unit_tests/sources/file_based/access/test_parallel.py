"""Several generators as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from airbyte_cdk.sources.file_based.access.parallel import CHUNK, merged


def numbers(start: int, stop: int) -> Iterator[int]:
    yield from range(start, stop)


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("sources", [0, 1, 2, 20])
def test_gives_every_item_of_every_source_once(workers: int, sources: int) -> None:
    each = 3 * CHUNK + 1
    found = list(merged([numbers(n * each, (n + 1) * each) for n in range(sources)], workers))
    assert sorted(found) == list(range(sources * each))


def test_what_a_source_raises_is_raised() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("page 2")

    with pytest.raises(ValueError, match="page 2"):
        list(merged([numbers(0, 10), broken()], 2))


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    endless = merged([count(), count(), count()], 3)
    assert len(list(islice(endless, 5000))) == 5000
    endless.close()  # type: ignore[attr-defined]  # a generator
    assert threading.active_count() == before


def test_sources_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def waits() -> Iterator[int]:
        yield meeting.wait()

    assert sorted(merged([waits(), waits()], 2)) == [0, 1]
