"""The files of a storage, with the members of archives in place of the archives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from airbyte_cdk.sources.file_based.access.errors import Answers
from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.listing import matching_members
from airbyte_cdk.sources.file_based.archives.member import ArchiveMember
from airbyte_cdk.sources.file_based.archives.naming import SEPARATOR, is_archive, may_hold
from airbyte_cdk.sources.file_based.storage_file import StorageFile

Open = Callable[[StorageFile], BinaryIO]


def expanded(
    files: Iterable[StorageFile], globs: Sequence[str], open_stored: Open, logger: logging.Logger
) -> Iterator[StorageFile]:
    """The files, with the members that globs want in place of each archive into which globs reach.

    A file may be named as a member is: ``a.zip#b.csv`` beside ``a.zip``. If the archive has that member, the member
    keeps the uri, whatever the order of the listing; for the file a `NamedAsMember` is given.

    Args:
        files: All that match, and all archives into which globs reach.
        globs: Of the stream.
        open_stored: Opens an archive.
        logger: For what a user should know about members left out.

    Raises:
        Exception: What the storage raises.
    """
    answers = Answers()
    opened: dict[str, StorageFile] = {}
    members: dict[str, set[str]] = {}

    def given(file: StorageFile) -> Iterator[StorageFile]:
        if is_archive(file.uri) and may_hold(file.uri, globs):
            opened[file.uri] = file
            yield from matching_members(file, globs, open_stored, logger, answers)
        else:
            yield file

    def has_member(archive: StorageFile, uri: str) -> bool:
        if archive.uri not in members:
            found = matching_members(archive, globs, open_stored, logger, answers)
            members[archive.uri] = {member.uri for member in found if isinstance(member, ArchiveMember)}
        return uri in members[archive.uri]

    named_as_members = []
    for file in files:
        if SEPARATOR not in file.uri or not any(_archives_in(file.uri)):
            yield from given(file)
        else:
            named_as_members.append(file)
    for file in sorted(named_as_members, key=lambda file: file.uri):
        for found in given(file):
            own = getattr(found, "archive", None)
            others = [opened[uri] for uri in _archives_in(found.uri) if uri in opened and opened[uri] is not own]
            archive = next((archive for archive in others if has_member(archive, found.uri)), None)
            yield found if archive is None else NamedAsMember.of(found, archive.uri)


def _archives_in(uri: str) -> Iterator[str]:
    """The uris of the archives of which a file may be a member, by its uri."""
    end = uri.find(SEPARATOR)
    while end >= 0:
        if is_archive(uri[:end]):
            yield uri[:end]
        end = uri.find(SEPARATOR, end + 1)


class NamedAsMember(StorageFile):
    """Stands for a file whose uri is that of a member of an archive, so that only one of them can be read.

    Attributes:
        stored: The uri that both have.
        archive: The uri of the archive.
    """

    stored: str
    archive: str

    @classmethod
    def of(cls, file: StorageFile, archive: str) -> NamedAsMember:
        """The stand-in for a file. Its uri is another one, for the member keeps the uri that both have."""
        return cls(
            uri=f"{file.uri} (beside the archive)",
            last_modified=file.last_modified,
            size=file.size,
            stored=file.uri,
            archive=archive,
        )

    def opened(self, open_stored: Open) -> BinaryIO:
        """Nothing can be opened.

        Raises:
            ArchiveError: always, with the names.
        """
        raise ArchiveError(
            self.stored,
            f"is also the name of a member of the archive {self.archive}, which is read in its place: rename the file "
            "or the archive, or leave the file out by the globs",
        )
