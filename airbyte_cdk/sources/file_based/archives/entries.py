"""The members of one archive that are wanted, and the account of what is left out."""

from __future__ import annotations

import logging
from collections.abc import Callable

from airbyte_cdk.sources.file_based.archives.member import Entry
from airbyte_cdk.sources.file_based.archives.naming import member_name


class Entries:
    """Collects the members of an archive while its index is read.

    Args:
        wanted: Which members to keep, by name.

    Attributes:
        found: Member by name, see `naming.member_name`.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.found: dict[str, Entry] = {}
        self._wanted = wanted
        self._repeated: list[str] = []
        self._special: list[str] = []

    def add(self, raw_name: str, entry: Entry | None) -> bool:
        """Keep a member if it is wanted. Of several of one name the last one counts, as if the archive was unpacked.

        Args:
            raw_name: As the archive has it.
            entry: None for what is no file.

        Returns:
            Whether it was kept.
        """
        name = member_name(raw_name)
        if not self._wanted(name):
            return False
        if entry is None or not name:
            self._special.append(name or raw_name)
            return False
        if self.found.pop(name, None) is not None:
            self._repeated.append(name)
        self.found[name] = entry
        return True

    def clear(self) -> None:
        """Forget all: the archive turned out to be unusable."""
        for kept in (self.found, self._special, self._repeated):
            kept.clear()

    def tell(self, uri: str, logger: logging.Logger) -> None:
        """Log what was left out."""
        if self._special:
            logger.warning(
                "Archive %s: %d entries are links, devices or the like and are left out, the first is %s.",
                uri,
                len(self._special),
                self._special[0],
            )
        if self._repeated:
            logger.warning(
                "Archive %s: %d members have the name of a later one (parts '.' and '..' do not count) and are left "
                "out, the first is %s.",
                uri,
                len(self._repeated),
                self._repeated[0],
            )
