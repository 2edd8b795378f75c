"""Which bytes of a Parquet file are read next, announced to a handle that can load them ahead.

A row group holds one chunk of bytes a column, see https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

AHEAD_BYTES = 8 * 1024 * 1024
"""Row groups are announced until so much is ahead of the one that is being read, and at least the next one."""
ROUND_BYTES = 16 * 1024 * 1024
"""A row group is read column beside column: of larger ones, the first part of each column is announced first."""
PART_BYTES = 1024 * 1024

Range = tuple[int, int]


class ChunkAhead:
    """Announces the chunks of the row groups that come next.

    Args:
        handle: Has `prefetch` and `release`, as `StorageHandle`; any other is left alone.
        row_groups: How many row groups the file has.
        chunks_of: Gives the bytes of the columns of a row group.
    """

    def __init__(self, handle: Any, row_groups: int, chunks_of: Callable[[int], list[Range]]) -> None:
        self._handle = handle if hasattr(handle, "prefetch") and hasattr(handle, "release") else None
        self._row_groups = row_groups
        self._chunks_of = chunks_of
        self._next = 0
        self._ahead: list[tuple[int, list[Range]]] = []  # row groups that were announced and not yet finished

    def reading(self, group: int) -> None:
        """Tell that the reading of a row group begins, and that those before it are finished."""
        if self._handle is None:
            return
        while self._ahead and self._ahead[0][0] < group:
            _, chunks = self._ahead.pop(0)
            if chunks:
                self._handle.release(chunks[0][0], chunks[-1][1])
        new: list[Range] = []
        waiting = sum(_total(chunks) for number, chunks in self._ahead if number > group)
        while self._next < self._row_groups and (self._next <= group + 1 or waiting < AHEAD_BYTES):
            chunks = sorted(self._chunks_of(self._next))
            self._ahead.append((self._next, chunks))
            new += in_reading_order(chunks)
            waiting += _total(chunks) if self._next > group else 0
            self._next += 1
        if new:
            self._handle.prefetch(new)


def in_reading_order(chunks: Sequence[Range]) -> list[Range]:
    """Chunks of one row group in the order in which they are read: large ones in parts, taking turns."""
    rounds = -(-_total(chunks) // ROUND_BYTES)
    if rounds <= 1:
        return list(chunks)
    parts: list[tuple[float, Range]] = []
    for start, end in chunks:
        count = max(1, min(rounds, (end - start) // PART_BYTES))
        cuts = [start + (end - start) * i // count for i in range(count + 1)]
        parts += [(i / count, (cuts[i], cuts[i + 1])) for i in range(count)]
    parts.sort(key=lambda part: part[0])
    return [part for _, part in parts]


def _total(ranges: Iterable[Range]) -> int:
    return sum(end - start for start, end in ranges)
