"""Ranges of bytes as the requests that read them best: near ones by one, long ones by several."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

Range = tuple[int, int]
"""The bytes ``[start, end)``."""

GAP = 128 * 1024
"""Bytes between two ranges that are read along, as that is quicker than a request of its own."""
PART = 16 * 1024 * 1024
"""Bytes of one request. A connection to AWS gives less than 100 MB/s; longer ranges use several."""


def read_joined(ranges: Sequence[Range], read: Callable[[list[Range]], Iterable[bytes]]) -> list[bytes]:
    """The bytes of each range, in the order given; fewer only at the end of the file.

    Args:
        ranges: May be empty, or overlap.
        read: Gives the bytes of each of the parts to be asked for. They do not overlap, and have `PART` bytes at most.
    """
    spans = joined(ranges)
    parts = [(at, min(at + PART, end)) for start, end in spans for at in range(start, end, PART)]
    blocks = iter(read(parts))
    texts = [b"".join(islice(blocks, -(-(end - start) // PART))) for start, end in spans]
    starts = [start for start, _ in spans]
    found = []
    for start, end in ranges:
        at = bisect_right(starts, start) - 1
        found.append(texts[at][start - starts[at] : end - starts[at]] if end > start else b"")
    return found


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges that hold all of `ranges`: in order, apart from each other by more than `GAP`, none empty."""
    spans: list[Range] = []
    for start, end in sorted((start, end) for start, end in ranges if end > start):
        if spans and start - spans[-1][1] <= GAP:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans
