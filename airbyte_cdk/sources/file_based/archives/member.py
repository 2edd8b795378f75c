"""Files that archives give: their members, and what stands for an archive that cannot be listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from airbyte_cdk.sources.file_based.storage_file import StorageFile


class Entry(Protocol):
    """Where a member is in its archive."""

    @property
    def size(self) -> int:
        """Bytes of its content."""

    @property
    def order(self) -> tuple[int, int]:
        """Grows from member to member, in the order in which the archive is read best."""

    @property
    def in_order(self) -> bool:
        """Whether a member is reached only by passing all that is before it: see `RemoteFile.reading_group`."""

    def opened(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A handle on the member's content."""


class ArchiveMember(StorageFile):
    """One member of an archive. Its uri is the archive's with ``#`` and its path in it: ``sales.zip#2024/june.csv``.

    Listings of `FsspecStreamReader` give it, and `open_file` opens it, as any other file. `last_modified` and `version`
    are those of the archive: an archive that was replaced is read again whole. The times within archives do not tell
    what changed; many tools write a constant, or the time of the original file. `size` is that of the member's content.

    Attributes:
        archive: The archive, a `StorageFile`.
        entry: Where the member is in it.
    """

    archive: Any
    entry: Any

    @property
    def reading_order(self) -> tuple[str, int, int]:
        """Sorts the members of one archive as it holds them."""
        order: tuple[int, int] = self.entry.order
        return self.archive.uri, *order

    @property
    def reading_group(self) -> str | None:
        """The archive, if it is compressed as a whole: in their order its members are decompressed only once."""
        return self.archive.uri if self.entry.in_order else None

    def opened(self, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A handle on the content, which is decompressed and checked while it is read; closing it closes the archive.

        Raises:
            ArchiveError: also when reading: the member is encrypted, damaged, cut off, or of a kind that is not known.
            Exception: what the storage raises.
        """
        entry: Entry = self.entry
        return entry.opened(self, open_stored)


class BrokenArchive(StorageFile):
    """Stands for an archive whose members cannot be listed, or not all of them; opening it says why.

    Attributes:
        error: Why: an `ArchiveError`, or what the storage raised.
    """

    error: Any

    def opened(self, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """Nothing can be opened.

        Raises:
            Exception: always, the error.
        """
        error: Exception = self.error
        raise error
