"""Parts of one file, loaded by ranges: on demand, or ahead by a few threads."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from threading import Condition, Thread

LOADERS = 4
"""Ranges that are on their way at once."""
AHEAD_BYTES = 32 * 1024 * 1024
"""So many bytes may be announced, loaded, and not yet read."""
KEPT_BYTES = 8 * 1024 * 1024
"""So many bytes that were read already are kept, for those who read twice or in small steps."""
RANGE_BYTES = 4 * 1024 * 1024
"""Longer announced ranges are cut: their pieces load side by side."""
GAP_BYTES = 64 * 1024
"""Announced ranges that lie closer together are loaded as one: a request costs as much as such a gap, or more."""
SMALLEST_READ = 64 * 1024
"""A read of bytes that nobody announced asks for so many at least, and for twice as many as before when it goes on
where the one before ended."""
LARGEST_READ = 4 * 1024 * 1024
"""Bytes: reads that nobody announced do not grow beyond this."""


class _Part:
    """Some bytes of the file, from the moment when they are wanted.

    Attributes:
        announced: Loaded, or to be loaded, for a read that is still to come: not pushed out by others.
    """

    __slots__ = ("announced", "data", "end", "error", "loading", "start")

    def __init__(self, start: int, end: int, *, announced: bool = False, data: bytes | None = None) -> None:
        self.start = start
        self.end = end
        self.data = data
        self.error: BaseException | None = None
        self.loading = False
        self.announced = announced


_start = attrgetter("start")


class RangeCache:
    """Reads a file of known size at random places, and loads announced ranges ahead.

    Threads run only while there is something to load; they are daemons, since a request that hangs in the network
    must not keep the process alive. Several threads may read at once; a part that two of them want is loaded once.

    Args:
        load: Gives the bytes of a range, whole, or raises.
        size: Bytes of the file.
    """

    def __init__(self, load: Callable[[int, int], bytes], size: int) -> None:
        self._load = load
        self._size = size
        self._parts: list[_Part] = []  # by start; they never overlap
        self._queue: deque[_Part] = deque()
        self._kept: OrderedDict[int, _Part] = OrderedDict()
        self._kept_bytes = 0
        self._ahead_bytes = 0
        self._loaders = 0
        self._closed = False
        self._changed = Condition()
        self._read_end = -1
        self._step = SMALLEST_READ

    def put(self, start: int, data: bytes) -> None:
        """Keep bytes that were loaded already, until they are pushed out."""
        with self._changed:
            for first, last in self._uncovered(start, start + len(data)):
                part = _Part(first, last, data=data[first - start : last - start])
                insort(self._parts, part, key=_start)
                self._keep(part)

    def read(self, at: int, n: int) -> bytes:
        """At most `n` bytes at `at`, at least one; ``b""`` at the end of the file.

        Raises:
            Exception: what `load` raises.
        """
        n = min(n, self._size - at)
        if n <= 0:
            return b""
        with self._changed:
            part, mine = self._wanted(at, n)
        if mine:
            self._fill(part)
        with self._changed:
            while part.data is None and part.error is None:
                self._changed.wait()
            if part.error is not None:
                self._forget(part)  # another read may try again
                raise part.error
            assert part.data is not None
            end = min(at + n, part.end)
            if end == part.end:
                self._was_read(part)
            elif part.start in self._kept:
                self._kept.move_to_end(part.start)
            if at == part.start and end == part.end:
                return part.data
            return part.data[at - part.start : end - part.start]

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Announce ranges ``[start, end)`` that are to be read soon, in the order in which they are."""
        with self._changed:
            for start, end in _joined(ranges):
                for first, last in self._uncovered(max(start, 0), min(end, self._size)):
                    for cut in range(first, last, RANGE_BYTES):
                        part = _Part(cut, min(cut + RANGE_BYTES, last), announced=True)
                        insort(self._parts, part, key=_start)
                        self._queue.append(part)
            self._start_loaders()

    def release(self, start: int, end: int) -> None:
        """What was announced of the bytes ``[start, end)`` is not needed any more."""
        with self._changed:
            for part in [part for part in self._parts if part.start >= start and part.end <= end and part.announced]:
                if part in self._queue:
                    self._queue.remove(part)
                    self._parts.remove(part)
                else:
                    self._was_read(part)
            self._start_loaders()

    def close(self) -> None:
        """Forget all; the loaders end as soon as their requests return."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._parts.clear()
            self._kept.clear()
            self._changed.notify_all()

    def _wanted(self, at: int, n: int) -> tuple[_Part, bool]:
        """The part that holds the byte, and whether the caller must load it."""
        i = bisect_right(self._parts, at, key=_start)
        if i and self._parts[i - 1].end > at:
            part = self._parts[i - 1]
            if part.data is None and not part.loading and part.error is None:
                self._queue.remove(part)
                self._ahead_bytes += part.end - part.start
                part.loading = True
                return part, True
            return part, False
        self._step = min(2 * self._step, LARGEST_READ) if at == self._read_end else SMALLEST_READ
        limit = self._parts[i].start if i < len(self._parts) else self._size
        part = _Part(at, min(at + max(n, self._step), limit))
        part.loading = True
        self._read_end = part.end
        self._parts.insert(i, part)
        return part, True

    def _uncovered(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        i = max(0, bisect_right(self._parts, start, key=_start) - 1)
        for part in self._parts[i:]:
            if part.start >= end:
                break
            if part.start > start:
                yield start, part.start
            start = max(start, part.end)
        if start < end:
            yield start, end

    def _start_loaders(self) -> None:
        while self._loaders < min(LOADERS, len(self._queue)) and self._has_room():
            self._loaders += 1
            Thread(target=self._run, name="airbyte-prefetch", daemon=True).start()

    def _has_room(self) -> bool:
        part = self._queue[0]
        return not self._ahead_bytes or self._ahead_bytes + part.end - part.start <= AHEAD_BYTES

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed or not self._queue or not self._has_room():
                    self._loaders -= 1
                    return
                part = self._queue.popleft()
                part.loading = True
                self._ahead_bytes += part.end - part.start
            self._fill(part)

    def _fill(self, part: _Part) -> None:
        error = None
        data = None
        try:
            data = self._load(part.start, part.end)
        except BaseException as raised:
            error = raised
        with self._changed:
            part.data, part.error, part.loading = data, error, False
            if data is not None and not part.announced:
                self._keep(part)
            self._changed.notify_all()

    def _was_read(self, part: _Part) -> None:
        if part.announced:
            part.announced = False
            self._ahead_bytes -= part.end - part.start
            if part.data is not None:
                self._keep(part)
            self._start_loaders()

    def _keep(self, part: _Part) -> None:
        self._kept[part.start] = part
        self._kept_bytes += part.end - part.start
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.end - oldest.start
            self._parts.remove(oldest)

    def _forget(self, part: _Part) -> None:
        if part in self._parts:
            self._parts.remove(part)
            if part.announced:
                self._ahead_bytes -= part.end - part.start


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The ranges in their order, with those that nearly touch the one before as one."""
    before: tuple[int, int] | None = None
    for start, end in ranges:
        if start >= end:
            continue
        if before is not None and before[0] <= start <= before[1] + GAP_BYTES and end - before[0] <= RANGE_BYTES:
            before = (before[0], max(before[1], end))
            continue
        if before is not None:
            yield before
        before = (start, end)
    if before is not None:
        yield before
