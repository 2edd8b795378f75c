"""The content of compressed tar archives, which is read from its start on; the members of an archive share it."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Lock

from airbyte_cdk.sources.file_based.access.raw_io import gathered
from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.handles import READ_BYTES
from airbyte_cdk.sources.file_based.compression import BrokenStream, Codec, decompressed

IDLE_STREAMS = 8
"""So many decompressions are kept open between two members, of all archives together: one for each reader."""


class TarStream:
    """The decompressed bytes of an archive in order, with as much of a file's interface as `tarfile` needs.

    Args:
        read: Gives the next bytes of the archive, at most so many, none at its end.
        close: Closes it.
        codec: How it is compressed, None if it is not.
        uri: Names it in errors.

    Attributes:
        error: What the storage raised.
    """

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None], codec: Codec | None, uri: str) -> None:
        self.close = close
        self._uri = uri
        self._read = read
        self.error: BaseException | None = None
        watched = self._watched
        self._pieces = iter(lambda: watched(READ_BYTES), b"") if codec is None else decompressed(watched, codec)
        self._piece = b""
        self._taken = 0
        self._position = 0

    def _watched(self, n: int) -> bytes:
        try:
            return self._read(n)
        except BaseException as error:
            self.error = error
            raise

    def tell(self) -> int:
        """Number of bytes passed."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go forward to a place, or to the end if that comes before."""
        if whence != io.SEEK_SET or offset < self._position:
            raise ValueError("a stream cannot go back")
        while self._position < offset and self.take(offset - self._position):
            pass
        return self._position

    def take(self, n: int) -> bytes:
        """At most `n` bytes, none only at the end. Raises ArchiveError, or what the storage raises."""
        while self._taken >= len(self._piece):
            try:
                piece = next(self._pieces, None)
            except BrokenStream as broken:
                raise ArchiveError(self._uri, f"cannot be decompressed: {broken.reason}") from None
            if piece is None:
                return b""
            self._piece, self._taken = piece, 0
        data = self._piece[self._taken : self._taken + n]
        self._taken += len(data)
        self._position += len(data)
        return data

    def read(self, n: int) -> bytes:
        """Exactly `n` bytes, fewer only at the end. Raises ArchiveError, or what the storage raises."""
        return gathered(self.take, n)


class IdleStreams:
    """Streams that wait for the next member of their archive, for any number of threads.

    Kept are the last `IDLE_STREAMS` that were put back; others are closed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[tuple[object, TarStream]] = []

    def take(self, archive: object, place: int) -> TarStream | None:
        """The stream of an archive that is closest before a place, out of the pool.

        Args:
            archive: Tells archives apart, by identity.
            place: A byte of the content.
        """
        with self._lock:
            fit = [
                number
                for number, (owner, stream) in enumerate(self._idle)
                if owner is archive and stream.tell() <= place
            ]
            if not fit:
                return None
            return self._idle.pop(max(fit, key=lambda number: self._idle[number][1].tell()))[1]

    def give(self, archive: object, stream: TarStream) -> None:
        """Put a stream back, for a later member."""
        with self._lock:
            self._idle.append((archive, stream))
            surplus = self._idle[:-IDLE_STREAMS]
            del self._idle[:-IDLE_STREAMS]
        for _, old in surplus:
            old.close()

    def close(self) -> None:
        """Close all streams that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, stream in idle:
            stream.close()

    def __len__(self) -> int:
        return len(self._idle)


IDLE = IdleStreams()
