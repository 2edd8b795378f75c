"""Lists the members of archives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.member import ArchiveMember, BrokenArchive
from airbyte_cdk.sources.file_based.archives.naming import SEPARATOR, is_archive, is_zip, member_test
from airbyte_cdk.sources.file_based.storage_file import StorageFile


def matching_members(
    archive: StorageFile, globs: Iterable[str], open_stored: Callable[[StorageFile], BinaryIO], logger: logging.Logger
) -> Iterator[ArchiveMember | BrokenArchive]:
    """The members that globs want, by the rules of `naming.member_test`; otherwise as `members`."""
    wanted = member_test(archive.uri, globs)
    nested = 0

    def wanted_or_told(name: str) -> bool:
        nonlocal nested
        if wanted(name):
            return True
        nested += is_archive(name)
        return False

    yield from members(archive, open_stored, logger, wanted_or_told)
    if nested:
        logger.info(
            "Archive %s: %d members are archives themselves and are left out; archives are not opened within archives.",
            archive.uri,
            nested,
        )


def members(
    archive: StorageFile,
    open_stored: Callable[[StorageFile], BinaryIO],
    logger: logging.Logger,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[ArchiveMember | BrokenArchive]:
    """The regular files in an archive, in no certain order. Directories, links and devices are not members.

    Names are given exactly as the archive holds them, ``\\`` and ``..`` included; bytes of tar names that are not
    UTF-8 are shown as ``\\xe4``. Of several members of one name the last one counts, as if the archive was unpacked.

    An archive that cannot be listed gives one `BrokenArchive`, so that other files are still read. So does a plain tar
    archive that is damaged somewhere, after its members before that place; a compressed one gives no member then, as
    the check sum of its content comes last.

    Args:
        archive: The archive.
        open_stored: Opens it. A zip archive needs a handle that can seek.
        logger: For what a user should know about members left out.
        wanted: Which members are given, by name.

    Raises:
        Exception: What the storage raises.
    """
    # imported when the first archive is met: most syncs read none
    from airbyte_cdk.sources.file_based.archives import tar_archive, zip_archive

    listed = zip_archive.Listing(wanted) if is_zip(archive.uri) else tar_archive.Listing(wanted)
    reason = None
    with closing(open_stored(archive)) as handle:
        try:
            listed.read(handle, archive.uri)
        except ArchiveError as error:
            reason = error.reason
    listed.tell(archive.uri, logger)
    for name, entry in listed.entries.items():
        yield ArchiveMember(
            uri=f"{archive.uri}{SEPARATOR}{name}",
            last_modified=archive.last_modified,
            size=entry.size,
            version=archive.version,
            archive=archive,
            entry=entry,
        )
    if reason is not None:
        yield BrokenArchive(
            uri=archive.uri,
            last_modified=archive.last_modified,
            size=archive.size,
            version=archive.version,
            reason=reason,
        )


def close_idle() -> None:
    """Close the archives that are kept open between two members: to be called when a sync ends."""
    from airbyte_cdk.sources.file_based.archives.tar_streams import IDLE

    IDLE.close()
