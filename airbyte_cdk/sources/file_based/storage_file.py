"""A file as a listing of `FsspecStreamReader` gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from airbyte_cdk.sources.file_based.remote_file import RemoteFile


class StorageFile(RemoteFile):
    """One file of a storage, with what the listing tells about it.

    Attributes:
        size: Bytes, or None if the listing does not tell.
        version: Changes whenever the content does (an ETag, a generation), or None if the listing does not tell.
    """

    size: int | None = None
    version: str | None = None

    @property
    def known_size(self) -> int | None:
        """Bytes, as the listing told."""
        return self.size

    def opened(self, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A binary handle on the content.

        Args:
            open_stored: Opens a file that the storage itself holds; a member of an archive opens its archive with it.
        """
        return open_stored(self)
