"""Binary files that are made of a way to get the next bytes."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from airbyte_cdk.sources.file_based.access.watch import Watch

ALL = 1 << 62
"""More bytes than any file has."""


class Readable(Protocol):
    """What gives its next bytes."""

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes, none only at the end."""
        ...


def read_exactly(source: Readable, n: int, watch: Watch | None = None) -> bytes:
    """The next `n` bytes of a source, fewer only at its end.

    Raises:
        TooSlow: They do not come fast enough for the watch.
    """
    return gathered(source.read, n) if watch is None else watch.read_all(source.read, n)


def gathered(read: Callable[[int], bytes], n: int) -> bytes:
    """The next `n` bytes, fewer only at the end. What `read` raises is passed on.

    Args:
        read: Gives at most as many bytes as it is asked for, none only at the end.
        n: Bytes wanted in all.
    """
    parts: list[bytes] = []
    while n > 0 and (part := read(n)):
        parts.append(part)
        n -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def putting_back(head: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """As `read`, but gives `head` first, whatever number is asked for."""
    waiting = [head] if head else []
    return lambda n: waiting.pop() if waiting else read(n)


class ByRead(io.RawIOBase):
    """A binary file for reading, all of it by its `read`, which subclasses write."""

    def readable(self) -> bool:
        """True."""
        return True

    @abstractmethod
    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes, none only at the end; all the rest if `n` is negative."""

    def readall(self) -> bytes:
        """All the rest."""
        return self.read(-1)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` or a part of it, as `read` gives the bytes; their number."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
