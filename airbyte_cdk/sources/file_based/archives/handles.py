"""Handles on archives and on their members."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from airbyte_cdk.sources.file_based.access.raw_io import ByRead, read_exactly

READ_BYTES = 1024 * 1024
"""Wanted size of one read from a storage."""

_FIRST_STEP = 64 * 1024
_LAST_STEP = 4 * READ_BYTES


def is_seekable(handle: Any) -> bool:
    """Whether a handle says that it can be read at any place, from its end as well."""
    seekable = getattr(handle, "seekable", None)
    return bool(seekable is not None and seekable())


def expect_ranges(handle: Any, *, at_end: bool = False) -> None:
    """Tell a handle of a storage that parts of the file will be read; others need not know.

    Args:
        at_end: Whether what is at the end of the file will be among them.
    """
    expect = getattr(handle, "expect_random_access", None)
    if expect is not None:
        expect(ends=at_end)


def load_ahead(handle: Any, start: int, end: int) -> None:
    """Tell a handle of a storage that a part will be read from its start to its end."""
    prefetch = getattr(handle, "prefetch", None)
    if prefetch is not None:
        prefetch([(start, end)])


class Window:
    """The index of an archive, read with few requests: what is near the last read is at hand.

    Reads that follow one another make the window grow, a leap makes it small again.

    Args:
        handle: The archive; it can seek.
        at_end: Whether the index is at the end.

    Attributes:
        size: Bytes of the archive.
        error: What the storage raised: the libraries that read indexes may have kept it to themselves.
    """

    def __init__(self, handle: Any, *, at_end: bool) -> None:
        self._handle = handle
        self._start = 0
        self._data = b""
        self._step = _FIRST_STEP
        self._position = 0
        self.error: BaseException | None = None
        expect_ranges(handle, at_end=at_end)
        handle.seek(0, io.SEEK_END)
        self.size: int = handle.tell()

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, counted as `io.IOBase.seek` counts; the place that was reached."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a place before the file")
        self._position = base + offset
        return self._position

    def read(self, n: int = -1) -> bytes:
        """The next `n` bytes, fewer only at the end of the archive."""
        rest = max(self.size - self._position, 0)
        n = rest if n is None or n < 0 else min(n, rest)
        if n == 0:
            return b""
        begin = self._position - self._start
        if begin < 0 or begin + n > len(self._data):
            self._load(n)
            begin = 0
        self._position += n
        return self._data[begin : begin + n]

    take = read

    def _load(self, n: int) -> None:
        near = self._start <= self._position <= self._start + len(self._data) + _FIRST_STEP
        self._step = min(2 * self._step, _LAST_STEP) if near and self._data else _FIRST_STEP
        wanted = min(max(n, self._step), self.size - self._position)
        try:
            self._handle.seek(self._position)
            data = read_exactly(self._handle, wanted)
            if len(data) < wanted:
                raise OSError(f"the file ended at byte {self._position + len(data)} of {self.size}")
        except BaseException as error:
            self.error = error
            raise
        self._start, self._data = self._position, data


class MemberStream(ByRead):
    """The content of a member, from its start to its end.

    Args:
        pieces: The content.
        close: Lets go of the archive.
    """

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        super().__init__()
        self._pieces = pieces
        self._close = close
        self._piece = b""
        self._taken = 0
        self._error: BaseException | None = None

    def read(self, n: int = -1, /) -> bytes:
        """Up to `n` bytes, none only at the end; all the rest if `n` is negative."""
        if self.closed:
            raise ValueError("the file is closed")
        if n is None or n < 0:
            return b"".join(iter(lambda: self.read(READ_BYTES), b""))
        if self._taken >= len(self._piece):
            self._piece, self._taken = self._next(), 0
        data = self._piece[self._taken : self._taken + n] if self._taken or n < len(self._piece) else self._piece
        self._taken += len(data)
        return data

    def _next(self) -> bytes:
        if self._error is not None:
            raise self._error  # what is missing must not look like the end
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self._error = error
            raise

    def close(self) -> None:
        """Let go of the archive."""
        if not self.closed:
            super().close()
            self._piece = b""
            self._close()


class MemberSlice(ByRead):
    """A part of an archive as a file: the content of a member that is stored as it is. It can seek.

    Args:
        handle: The archive; it is closed with the slice.
        start: Place of the first byte.
        size: Bytes.
        cut_off: Makes the error to raise if the archive ends before the slice does.
    """

    def __init__(self, handle: BinaryIO, start: int, size: int, cut_off: Callable[[], Exception]) -> None:
        super().__init__()
        self._handle = handle
        self._start = start
        self._size = size
        self._cut_off = cut_off
        self._position = 0
        self._in_order = 0
        self._ahead = False

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place of the next byte in the slice."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place in the slice."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the file")
        self._position = base + offset
        return self._position

    def read(self, n: int = -1, /) -> bytes:
        """Up to `n` bytes, none only at the end; all the rest if `n` is negative."""
        left = max(self._size - self._position, 0)
        whole = n is None or n < 0
        n = left if whole else min(n, left)
        if n == 0:
            return b""
        place = self._start + self._position
        if self._handle.tell() != place:
            self._handle.seek(place)
        data = read_exactly(self._handle, n) if whole else self._handle.read(n)
        if not data or (whole and len(data) < n):
            raise self._cut_off()
        if self._position == self._in_order:
            self._in_order += len(data)
            if self._in_order >= READ_BYTES and not self._ahead:
                self._ahead = True  # more than a look at its first bytes: it is read as a whole
                self.prefetch([(self._in_order, self._size)])
        self._position += len(data)
        return data

    def expect_random_access(self, *, ends: bool = True) -> None:
        """Pass on that parts of the file will be read; its ends are not those of the archive."""
        self._ahead = True
        expect_ranges(self._handle)

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Pass on which parts ``[start, end)`` will be read."""
        for start, end in ranges:
            load_ahead(self._handle, self._start + start, self._start + end)

    def release(self, start: int, end: int) -> None:
        """Pass on that a part is not needed any more."""
        release = getattr(self._handle, "release", None)
        if release is not None:
            release(self._start + start, self._start + end)

    def close(self) -> None:
        """Close the archive."""
        if not self.closed:
            super().close()
            self._handle.close()
