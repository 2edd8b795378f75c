"""Small members: read through handles that stay open, so that neighbours come from what was read before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.archives.handles import expect_ranges

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storage_file import StorageFile

SMALL_BYTES = 256 * 1024
"""Members that take up to so many bytes in their archive are small: a request costs as much as they do."""
_BLOCK = 64 * 1024
"""Reads begin and end at multiples of this: whichever of a few neighbours comes first, it brings the others along."""
KEPT_ARCHIVES = 4
"""So many archives stay open for the next of their small members, with a few MB each that were read already."""


class SharedArchives:
    """Handles on archives, through which any number of threads read small parts.

    The last `KEPT_ARCHIVES` that were used stay open. A handle that fails is not used again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[int, _Shared] = OrderedDict()

    def part(self, archive: StorageFile, open_stored: Callable[[StorageFile], BinaryIO], place: int, n: int) -> bytes:
        """`n` bytes of an archive from a place on, fewer only at its end.

        Args:
            archive: The archive. The same file listed again counts as another one: it may be of another version.
            open_stored: Opens it; the handle can seek.
            place: Of the first byte.
            n: Bytes.

        Raises:
            Exception: What the storage raises.
        """
        with self._lock:
            shared = self._kept.setdefault(id(archive), _Shared(archive))
            self._kept.move_to_end(id(archive))
            shared.users += 1
        failed = True
        try:
            data = shared.part(open_stored, place, n)
            failed = False
            return data
        finally:
            self._give_back(shared, failed=failed)

    def close(self) -> None:
        """Close all that nobody reads, and the others as soon as they are read."""
        with self._lock:
            kept = list(self._kept.values())
            unused = self._drop(kept)
        for shared in unused:
            shared.close()

    def _give_back(self, shared: _Shared, *, failed: bool) -> None:
        with self._lock:
            shared.users -= 1
            surplus = list(self._kept.values())[:-KEPT_ARCHIVES]
            unused = self._drop([*surplus, shared] if failed or shared.dropped else surplus)
        for old in unused:
            old.close()

    def _drop(self, archives: list[_Shared]) -> list[_Shared]:
        """Keep archives no longer; those of them that nobody reads are to be closed."""
        for shared in archives:
            shared.dropped = True
            if self._kept.get(id(shared.archive)) is shared:
                del self._kept[id(shared.archive)]
        return [shared for shared in archives if not shared.users]


class _Shared:
    """One archive; it is opened by its first reader.

    Attributes:
        archive: The archive.
        users: Threads that read it.
        dropped: Its last user closes it.
    """

    def __init__(self, archive: StorageFile) -> None:
        self.archive = archive
        self.users = 0
        self.dropped = False
        self._handle: Any = None
        self._lock = Lock()

    def part(self, open_stored: Callable[[StorageFile], BinaryIO], place: int, n: int) -> bytes:
        with self._lock:
            if self._handle is None:
                self._handle = self._opened(open_stored)
            read_at = getattr(self._handle, "read_at", None)
            if read_at is None:  # a handle with one position is for one thread at a time
                self._handle.seek(place)
                return read_exactly(self._handle, n)
        start = place - place % _BLOCK
        end = -(-(place + n) // _BLOCK) * _BLOCK
        data: bytes = read_at(start, end - start)
        return data[place - start : place - start + n]

    def _opened(self, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        with ExitStack() as stack:
            handle = open_stored(self.archive)
            stack.callback(handle.close)
            expect_ranges(handle)
            stack.pop_all()
        return handle

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()


SHARED = SharedArchives()
