"""A stream reader and the other side of its storage, for `StreamReaderSuite`."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

LOGGER = logging.getLogger("airbyte.test")


class Put(Protocol):
    """Writes a file into the storage."""

    def __call__(self, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """Write `data` over whatever is at `uri`; if `modified` is given (naive UTC), with that time of last change.

        An empty file whose uri ends in ``/`` is a mark for a folder, or a folder. Called by several threads at once.
        """


@dataclass
class StorageUnderTest:
    """A reader and the other side of its storage. `airbyte_cdk.test.stream_reader_suite` has an example.

    Attributes:
        reader: The reader, with its config.
        put: Writes a file that the reader then finds at that uri.
        remove: Deletes one.
        empty: A reader of the same kind over a storage without any file.
        forbid: Takes the right to read a file away, and gives the reader that shall then be refused.
        sets_times: Whether `put` can set the time of last change.
        clock_skew: How far the storage's clock and that of this machine may be apart.
        many: Files for the test of a listing of several pages: more than a page holds.
        gaps: What does not work, and why: names of cases, such as ``trailing_slash``. The name of a case is that of
            the test without ``test_``, or what stands in brackets behind it.
    """

    reader: AbstractFileBasedStreamReader
    put: Put
    remove: Callable[[str], None]
    empty: AbstractFileBasedStreamReader | None = None
    forbid: Callable[[str], AbstractFileBasedStreamReader] | None = None
    sets_times: bool = False
    clock_skew: timedelta = timedelta(seconds=5)
    many: int = 1100
    gaps: Mapping[str, str] = field(default_factory=dict)
    has_tree: bool = field(default=False, init=False, repr=False)

    def files(self, *globs: str, prefix: str | None = None) -> list[RemoteFile]:
        """The files that match, sorted by uri."""
        files = self.reader.get_matching_files(list(globs), prefix, LOGGER)
        return sorted(files, key=lambda file: file.uri)

    def uris(self, *globs: str, prefix: str | None = None) -> list[str]:
        """Their uris, in order."""
        return [file.uri for file in self.files(*globs, prefix=prefix)]

    def file(self, uri: str) -> RemoteFile:
        """The file of this uri, as a listing gives it."""
        folder = uri.rpartition("/")[0]
        (found,) = [file for file in self.files(f"{folder}/**") if file.uri == uri]
        return found

    def opened(self, file: RemoteFile, reader: AbstractFileBasedStreamReader | None = None) -> Any:
        """A binary handle on a file, by `reader` or by the one under test."""
        return (reader or self.reader).open_file(file, FileReadMode.READ_BINARY, None, LOGGER)

    def content(self, file: RemoteFile, reader: AbstractFileBasedStreamReader | None = None) -> bytes:
        """All bytes of a file, as it is stored."""
        with self.opened(file, reader) as handle:
            return b"".join(pieces(handle))


def pieces(handle: Any, size: int = 1 << 20) -> Iterable[bytes]:
    """What is left of a handle's content, at most `size` bytes at once."""
    while piece := handle.read(size):
        yield piece


def part(handle: Any, start: int, size: int) -> bytes:
    """The bytes of a handle from `start` on; fewer than `size` only at its end."""
    handle.seek(start)
    found = b""
    while len(found) < size and (piece := handle.read(size - len(found))):
        found += piece
    return found


def noise(size: int, seed: int) -> bytes:
    """Bytes that no compression and no confusion of files can pass."""
    return random.Random(seed).randbytes(size)


def digest(data: bytes) -> str:
    """Short enough for the message of a failed assertion."""
    return f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()[:16]}"
