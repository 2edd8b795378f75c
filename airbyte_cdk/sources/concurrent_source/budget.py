"""A bound on the bytes that are in flight between the workers and the output."""

from __future__ import annotations

from threading import Condition


class Closed(Exception):
    """The budget was closed: what waits for bytes gives up."""


class Budget:
    """Bytes that may be in flight; workers wait for them, the output gives them back.

    Args:
        capacity: Bytes in all. An item larger than that is admitted when nothing else is in flight, so that one huge
            row delays the others but never stops the sync.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._closed = False
        self._changed = Condition()

    def acquire(self, nbytes: int) -> None:
        """Wait until `nbytes` fit. Raises `Closed` when the budget is closed meanwhile."""
        with self._changed:
            while not self._closed and self._used and self._used + nbytes > self._capacity:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._used += nbytes

    def release(self, nbytes: int) -> None:
        """Give `nbytes` back."""
        with self._changed:
            self._used -= nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """Wake up every waiter with `Closed`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
