"""The pieces of a content in order, loaded ahead of whoever reads them."""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread

from airbyte_cdk.sources.file_based.access.storage_access import Content

PIECE_BYTES = 1024 * 1024
"""Pieces are about so large: a hand-over between threads costs more than the copying of small parts into one."""
AHEAD_BYTES = 8 * PIECE_BYTES
"""So much may wait for the reader."""


class ReadAhead:
    """Reads a content in its reader's thread at first, later in a thread of its own that runs ahead.

    Small files, and files of which only the head is wanted, thus need no thread, and cost no bytes that nobody reads.

    Args:
        content: Closed by `close`.
        at: Byte of the file at which it begins.
    """

    def __init__(self, content: Content, at: int) -> None:
        self._content = content
        self._at = at
        self._direct = 0
        self._ready: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()
        self._thread: Thread | None = None

    @property
    def at(self) -> int:
        """Byte of the file at which the next piece begins."""
        return self._at

    def piece(self, wanted: int) -> bytes:
        """The next bytes, about `wanted` of them at first, whole pieces later; ``b""`` at the end.

        Raises:
            Exception: what the content raises.
        """
        if self._thread is None and self._direct >= PIECE_BYTES and self._is_long():
            # a daemon: a read that hangs in the network must not keep the process alive
            self._thread = Thread(target=self._run, name="airbyte-read-ahead", daemon=True)
            self._thread.start()
        if self._thread is None:
            piece = self._content.read(min(wanted, PIECE_BYTES))
            self._direct += len(piece)
        else:
            piece = self._next()
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Stop reading ahead, let go of the connection. The thread ends as soon as its last read returns."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        if self._thread is None:
            self._content.close()
        else:
            self._content.stop()

    def _is_long(self) -> bool:
        return self._content.size is None or self._content.size - self._at > PIECE_BYTES

    def _next(self) -> bytes:
        with self._changed:
            while not self._ready and not self._ended:
                self._changed.wait()
            if not self._ready:
                if self._error is not None:
                    raise self._error
                return b""
            piece = self._ready.popleft()
            self._waiting -= len(piece)
            self._changed.notify_all()
            return piece

    def _run(self) -> None:
        error = None
        try:
            while (piece := self._gathered()) and self._put(piece):
                pass
        except BaseException as raised:
            error = raised
        finally:
            self._content.close()
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def _gathered(self) -> bytes:
        parts: list[bytes] = []
        missing = PIECE_BYTES
        while missing > 0 and not self._closed:
            try:
                part = self._content.read(missing)
            except BaseException:
                if parts:
                    self._put(b"".join(parts))  # what came before the error is good
                raise
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _put(self, piece: bytes) -> bool:
        with self._changed:
            while self._waiting + len(piece) > AHEAD_BYTES and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._ready.append(piece)
            self._waiting += len(piece)
            self._changed.notify_all()
            return True
