"""Folders to which several ways lead, as links do: which of them a listing takes."""

from __future__ import annotations

from collections.abc import Hashable

from airbyte_cdk.sources.file_based.access.storage_access import Enter


class LinkedFolders:
    """Decides for folders that a listing meets behind a link whether it is to list them there.

    A folder is listed once for the same wanted files: under its own path if the listing reaches that, else where it was
    first asked for. Without that, folders that link to each other would be listed once for each way between them.

    Args:
        prefix: Of the listing.
        enter: Of the listing.
    """

    def __init__(self, prefix: str, enter: Enter) -> None:
        self._prefix = prefix
        self._enter = enter
        self._taken: set[tuple[str, Hashable]] = set()

    def takes(self, uri: str, own: str) -> bool:
        """Whether a folder is to be listed under this uri, which `enter` has let pass.

        Args:
            uri: The way to it that was met.
            own: The uri of the same folder without any links.
        """
        wants = self._enter(uri)
        if (own, wants) in self._taken or (own != uri and self._reaches(own) and self._enter(own) == wants):
            return False
        self._taken.add((own, wants))
        return True

    def _reaches(self, own: str) -> bool:
        """Whether the listing comes to a folder by its own path."""
        names = own.split("/")
        ways = ("/".join(names[:depth]) for depth in range(self._prefix.count("/") + 1, len(names)))
        return own.startswith(self._prefix) and all(self._enter(way) for way in ways)
