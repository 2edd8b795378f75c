"""Lists the members of archives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from airbyte_cdk.sources.file_based.access.errors import Answers
from airbyte_cdk.sources.file_based.archives.entries import Entries
from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.member import ArchiveMember, BrokenArchive
from airbyte_cdk.sources.file_based.archives.naming import SEPARATOR, is_archive, is_zip, member_test
from airbyte_cdk.sources.file_based.storage_file import StorageFile
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def matching_members(
    archive: StorageFile,
    globs: Iterable[str],
    open_stored: Callable[[StorageFile], BinaryIO],
    logger: logging.Logger,
    answers: Answers | None = None,
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

    yield from members(archive, open_stored, logger, wanted_or_told, answers)
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
    answers: Answers | None = None,
) -> Iterator[ArchiveMember | BrokenArchive]:
    """The files in an archive, in no certain order. Directories, symbolic links and devices are not members.

    Names are those of `naming.member_name`.

    An archive that cannot be listed gives one `BrokenArchive`, so that other files are still read. So does a plain tar
    archive that is damaged somewhere, after its members before that place; a compressed one gives no member then, as
    the check sum of its content comes last.

    Args:
        archive: The archive.
        open_stored: Opens it. A zip archive needs a handle that can seek.
        logger: For what a user should know about members left out.
        wanted: Which members are given, by name.
        answers: Of the archives that were listed before. Once the storage has stopped to answer no other archive is
            opened, each is a `BrokenArchive`.

    Raises:
        AirbyteTracedException: As the storage raises it: it concerns all files.
    """
    # imported when the first archive is met: most syncs read none
    from airbyte_cdk.sources.file_based.archives import tar_archive, zip_archive

    read_members = zip_archive.read_members if is_zip(archive.uri) else tar_archive.read_members
    answers = answers or Answers()
    entries = Entries(wanted)
    failure: Exception | None = None
    try:
        if (silence := answers.silence(archive.uri)) is not None:
            raise silence
        with closing(open_stored(archive)) as handle:
            read_members(handle, archive.uri, entries)
    except AirbyteTracedException:
        raise
    except ArchiveError as error:
        failure = error
    except Exception as error:
        failure = error
        entries.clear()  # there is no use in opening for each member what could not be opened for all
    answers.note(failure)
    entries.tell(archive.uri, logger)
    for name, entry in entries.found.items():
        yield ArchiveMember(
            uri=f"{archive.uri}{SEPARATOR}{name}",
            last_modified=archive.last_modified,
            size=entry.size,
            version=archive.version,
            archive=archive,
            entry=entry,
        )
    if failure is not None:
        yield BrokenArchive(
            uri=archive.uri,
            last_modified=archive.last_modified,
            size=archive.size,
            version=archive.version,
            error=failure,
        )


def close_idle() -> None:
    """Close the archives that are kept open between two members: to be called when a sync ends."""
    from airbyte_cdk.sources.file_based.archives.shared import SHARED
    from airbyte_cdk.sources.file_based.archives.tar_streams import IDLE

    IDLE.close()
    SHARED.close()
