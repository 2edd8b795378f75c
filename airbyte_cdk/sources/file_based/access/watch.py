"""Whether a body comes fast enough to be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from airbyte_cdk.sources.file_based.access.raw_io import gathered

FIRST_READ = 32 * 1024
"""Bytes of the first read of a body, whose speed is not known yet."""
READ_SECONDS = 5.0
"""One read asks for what comes in so many seconds: a storage that blocks until all is there must not hide a body that
has become slow."""


class TooSlow(Exception):
    """A body that is not to be waited for any longer: the storage may be quicker when it is asked again."""


class Watch:
    """Watches the speed at which one body comes.

    Args:
        slowest: Bytes a second that must come; 0 if any speed will do.
        after: Seconds of waiting for bytes over which that speed is measured.
    """

    def __init__(self, slowest: int = 0, after: float = 0.0) -> None:
        self._slowest = slowest
        self._after = after
        self._most = FIRST_READ
        self._waited = 0.0
        self._got = 0
        self._is_slow = False

    def read(self, read: Callable[[int], bytes], n: int) -> bytes:
        """What ``read(n)`` gives, or the same of fewer bytes.

        Raises:
            TooSlow: What came up to now came too slowly. It was given all the same, by the calls before.
            Exception: What `read` raises.
        """
        if self._is_slow:
            raise TooSlow(f"the content came slower than {self._slowest:,} bytes a second for {self._after:g} seconds")
        began = time.monotonic()
        data = read(min(n, self._most))
        took = time.monotonic() - began
        self._most = max(FIRST_READ, int(len(data) * READ_SECONDS / took)) if took > 0 else n
        self._waited += took
        self._got += len(data)
        if self._waited >= self._after or self._got >= self._slowest * self._after:
            self._is_slow = bool(data) and self._got < self._slowest * self._waited
            self._waited, self._got = 0.0, 0
        return data

    def read_all(self, read: Callable[[int], bytes], n: int) -> bytes:
        """The next `n` bytes, fewer only where `read` gives none; raises as `read` does."""
        return gathered(partial(self.read, read), n)
