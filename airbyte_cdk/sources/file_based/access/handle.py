"""A file of a storage as a binary file object."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.range_cache import RangeCache
from airbyte_cdk.sources.file_based.access.raw_io import ALL, ByRead, gathered
from airbyte_cdk.sources.file_based.access.read_ahead import PIECE_BYTES, ReadAhead
from airbyte_cdk.sources.file_based.access.storage_access import Content, Failure, StorageAccess, Trouble, differ
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

T = TypeVar("T")
LOGGER = logging.getLogger("airbyte")

SMALL_FILE = PIECE_BYTES
"""Files up to so many bytes are loaded whole, by one request."""
HEAD_BYTES = 64
"""Enough to recognise a compressed file."""
TAIL_BYTES = 64 * 1024
"""Formats that are read at random have their table of contents at the end (Parquet's reader asks for so much)."""
SMALLEST_READ = 64 * 1024
"""Bytes: no read of the storage asks for fewer, unless the file ends."""
SKIPPED_BYTES = 1024 * 1024
"""A seek forward by at most so much reads on, where a stream is open: a new request costs more."""


class StorageHandle(ByRead):
    """A file of a storage: read in order with bounded read-ahead, or at random by ranges. Nothing is asked of the
    storage before the first read (or `expect_random_access`), unless the size is wanted and not known, as `seekable`
    does, which whatever makes it text calls.

    What is read is of one version: that found at the first request. If that is not the listed one, a warning says so.
    `read` gives all that was asked for, unless the file ends before.

    Errors of the storage are raised as `FileAccessError`.

    Args:
        access: The storage, best with retries (`RetryingAccess`).
        uri: The file.
        size: Its bytes as listed, or None.
        version: Its version as listed, or None.
        logger: Told if the file is not as it was listed.
    """

    def __init__(
        self,
        access: StorageAccess,
        uri: str,
        *,
        size: int | None = None,
        version: str | None = None,
        logger: logging.Logger = LOGGER,
    ) -> None:
        super().__init__()
        self._file = _File(access, uri, size, version, logger)
        self._position = 0
        self._stream: ReadAhead | None = None
        self._piece = b""
        self._piece_at = 0
        self._ranges: RangeCache | None = None

    def seekable(self) -> bool:
        """Whether any place can be read, the end as well: the storage tells the size. It is asked if the listing did
        not tell.

        Raises:
            FileAccessError: The storage fails.
        """
        self._check_open()
        return self._file.known_size() is not None

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; the next read goes on from there. Asks the storage only for a size that is not known.

        Raises:
            io.UnsupportedOperation: The storage does not tell the size, and the place is relative to the end.
            ValueError: The place is before the start.
        """
        self._check_open()
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            size = self._file.known_size()
            if size is None:
                raise io.UnsupportedOperation(f"the size of file {self._file.uri} is not known")
            offset += size
        elif whence != io.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
        if offset < 0:
            raise ValueError("a position cannot be negative")
        self._position = offset
        return offset

    def read(self, n: int | None = -1, /) -> bytes:
        """Exactly `n` bytes, or fewer before the end of the file; all the rest if `n` is negative.

        Raises:
            FileAccessError: The storage fails, or the file changed while it was read.
        """
        self._check_open()
        return gathered(self._next, ALL if n is None or n < 0 else n)

    def read_at(self, position: int, n: int) -> bytes:
        """`n` bytes at a position, fewer only at the end of the file; the handle's own position stays. Any number of
        threads may call this at once.

        Raises:
            io.UnsupportedOperation: Random access is not expected, or not possible.
            FileAccessError: As `read`.
        """
        self._check_open()
        ranges = self._ranges
        if ranges is None:
            raise io.UnsupportedOperation(f"file {self._file.uri} is read in order")
        at = position

        def some(wanted: int) -> bytes:
            nonlocal at
            data = self._file.explained(lambda: ranges.read(at, wanted))
            at += len(data)
            return data

        return gathered(some, n)

    def expect_random_access(self, *, ends: bool = True) -> None:
        """Read by ranges from now on. Loads the first and the last bytes at once, or the whole of a small file.

        Where the storage does not tell the size, reads stay in order.

        Args:
            ends: False for those who know where to read: only what they read is loaded, if the size and the version
                were listed. A file that is not of that version then raises.
        """
        self._check_open()
        if self._ranges is not None:
            return
        loaded = self._file.ends() if ends or not self._file.is_pinned else []
        if loaded is None:
            return
        self._close_stream()
        assert self._file.size is not None
        self._ranges = RangeCache(self._file.load, self._file.size)
        for start, data in loaded:
            self._ranges.put(start, data)

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Load byte ranges ``[start, end)`` in the background, in the order in which they will be read.

        Several are loaded at once, within a bound of memory; the others follow as these are read. Does nothing unless
        random access is expected.
        """
        if self._ranges is not None:
            self._ranges.prefetch(ranges)

    def release(self, start: int, end: int) -> None:
        """What was announced of the bytes ``[start, end)`` is not needed any more: it makes room for others."""
        if self._ranges is not None:
            self._ranges.release(start, end)

    def close(self) -> None:
        """Let go of connections and threads."""
        # the end of the interpreter stops daemon threads wherever they are: one of them may hold a lock
        if not self.closed and not sys.is_finalizing():
            self._close_stream()
            if self._ranges is not None:
                self._ranges.close()
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _next(self, wanted: int) -> bytes:
        data = self._some(wanted)
        self._position += len(data)
        return data

    def _some(self, wanted: int) -> bytes:
        """At least one byte at the position, at most `wanted`; ``b""`` at the end."""
        if self._ranges is not None:
            ranges = self._ranges
            return self._file.explained(lambda: ranges.read(self._position, wanted))
        if self._file.is_at_end(self._position):
            return b""  # and keep the last piece
        if not 0 <= self._position - self._piece_at < len(self._piece):
            self._load_piece(wanted)
        if self._file.size is not None:
            wanted = min(wanted, self._file.size - self._position)  # a file that grows is given as it was when opened
        offset = self._position - self._piece_at
        if offset == 0 and len(self._piece) <= wanted:
            return self._piece
        return self._piece[offset : offset + max(0, wanted)]

    def _load_piece(self, wanted: int) -> None:
        stream = self._stream
        if stream is None or not 0 <= self._position - stream.at <= SKIPPED_BYTES:
            self._close_stream()
            stream = self._stream = ReadAhead(self._file.open(self._position), self._position)
        wanted = max(wanted, SMALLEST_READ)
        while True:
            at = stream.at
            piece = self._file.explained(partial(stream.piece, wanted))
            if not piece or at + len(piece) > self._position:
                break
        if not piece:
            at = self._position
        self._piece, self._piece_at = piece, at

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class _File:
    """What is known of the file, and how to get its bytes. Shared with the loading threads, unlike the handle: a
    handle that nobody holds any more is closed."""

    def __init__(
        self, access: StorageAccess, uri: str, size: int | None, version: str | None, logger: logging.Logger
    ) -> None:
        self.uri = uri
        self.size = size
        self.is_opened = False
        self._access = access
        self._version = version
        self._logger = logger

    @property
    def is_pinned(self) -> bool:
        """Whether it is known what the content must be."""
        return self.size is not None and self._version is not None

    def is_at_end(self, position: int) -> bool:
        """Whether it is sure that there is nothing at this position."""
        return self.is_opened and self.size is not None and position >= self.size

    def known_size(self) -> int | None:
        """The size; asks the storage if the listing did not tell."""
        if self.size is None and not self.is_opened:
            info = self.explained(lambda: self._access.info(self.uri))
            self._found(info.size, info.version)
        return self.size

    def open(self, at: int) -> Content:
        """The content from byte `at` on."""
        pinned = self._version if self.is_opened else None
        content = self.explained(lambda: self._access.open(self.uri, at, pinned))
        try:
            self._found(content.size, content.version)
        except BaseException:
            content.close()
            raise
        return content

    def ends(self) -> list[tuple[int, bytes]] | None:
        """The first and last bytes (with their places), or None if the size is not known.

        They are of the version found here, of which all further reads must be.
        """
        for attempt in range(3):
            if self.size is None or self._version is None or attempt:
                info = self.explained(lambda: self._access.info(self.uri))
                self._found(info.size, info.version, anew=True)
            if self.size is None:
                return None
            ranges = [(0, self.size)]
            if self.size > SMALL_FILE:
                ranges = [(0, HEAD_BYTES), (self.size - TAIL_BYTES, self.size)]
            elif not self.size:
                return []
            try:
                loaded = self._access.ranges(self.uri, ranges, self._version)
            except Exception as error:
                if self._access.failure(error, self.uri).trouble is not Trouble.CHANGED or attempt == 2:
                    raise self._error(error) from error
                continue
            self._check(ranges, loaded)
            self.is_opened = True
            return [(start, data) for (start, _), data in zip(ranges, loaded, strict=True)]
        raise AssertionError("the last attempt returns or raises")

    def load(self, start: int, end: int) -> bytes:
        """The bytes of a range."""
        loaded = self.explained(lambda: self._access.ranges(self.uri, [(start, end)], self._version))
        self._check([(start, end)], loaded)
        return loaded[0]

    def explained(self, call: Callable[[], T]) -> T:
        """What the call gives; what it raises as an error that names storage and file."""
        try:
            return call()
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> Exception:
        if isinstance(error, FileAccessError | AirbyteTracedException):
            return error
        return FileAccessError(self._access.title, self.uri, self._access.failure(error, self.uri))

    def _check(self, ranges: list[tuple[int, int]], loaded: list[bytes]) -> None:
        for (start, end), data in zip(ranges, loaded, strict=True):
            if len(data) != end - start:
                raise self._changed(f"it ends before byte {end:,}, and had {self.size:,} bytes before")

    def _found(self, size: int | None, version: str | None, *, anew: bool = False) -> None:
        """Compare what is found with what was known before, and take it over."""
        same = not (differ(size, self.size) or differ(version, self._version))
        if self.is_opened and not same and not anew:
            raise self._changed("it is another one than at the first read")
        if not same:
            self._logger.warning(
                f"{self._access.title}: file {self.uri} was changed after it was listed. It is read as it is now, and "
                "will be read again in the next sync."
            )
        self.size, self._version = size, version or self._version
        self.is_opened = True

    def _changed(self, how: str) -> FileAccessError:
        reason = f"it was changed while it was read: {how}; the next sync will read it as it is then"
        return FileAccessError(self._access.title, self.uri, Failure(Trouble.CHANGED, reason))
