"""Raw-file mode: files are copied to the staging directory as they are, and one record stands for each copy.

A copy lies at ``<staging directory>/<fresh folder>/<relative path>``: what a storage calls its files decides the
relative path only, which cannot lead out of the fresh folder.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteRecordMessageFileReference,
    FailureType,
    Type,
)
from airbyte_cdk.sources.file_based.access.download import download
from airbyte_cdk.sources.file_based.access.part_files import new_part_path, sweep
from airbyte_cdk.sources.file_based.exceptions import DuplicatedFilesError, FileSizeLimitError, RawFilePathError
from airbyte_cdk.sources.file_based.file_record_data import FileRecordData
from airbyte_cdk.sources.utils.files_directory import get_files_directory

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.abstract_file_based_stream import AbstractFileBasedStream
    from airbyte_cdk.sources.file_based.access.storage_access import StorageAccess
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile, UploadableRemoteFile
    from airbyte_cdk.sources.file_based.storage_file import StorageFile

LONGEST_NAME = 255
"""Bytes that the name of a file may have, on all usual filesystems."""

Uploaded = tuple[FileRecordData, AirbyteRecordMessageFileReference]
"""The columns of the record that stands for a copy, and where the copy is."""


def copied(stream: AbstractFileBasedStream, file: RemoteFile) -> AirbyteMessage:
    """Copy one file to the staging directory; the RECORD that stands for the copy.

    Raises:
        AirbyteTracedException: The staging directory cannot be used, or is full: no file can be copied.
        Exception: What the reader's `upload` raises about this file.
    """
    data, reference = stream.stream_reader.upload(file, get_files_directory(), stream.logger)
    record = AirbyteRecordMessage(
        stream=stream.name,
        namespace=stream.namespace,
        data=data.dict(exclude_none=True),
        emitted_at=time.time_ns() // 1_000_000,
        file_reference=reference,
    )
    return AirbyteMessage(type=Type.RECORD, record=record)


def refuse_duplicates(stream: str, files: Iterable[RemoteFile]) -> None:
    """Raise DuplicatedFilesError if copies without their directories would have one name."""
    paths: dict[str, list[str]] = defaultdict(list)
    for file in files:
        path = str(getattr(file, "source_file_relative_path", file.uri))
        paths[os.path.basename(path)].append(path)
    duplicates = [{name: same} for name, same in paths.items() if len(same) > 1]
    if duplicates:
        raise DuplicatedFilesError(duplicates, stream=stream)


# Paths -------------------------------------------------------------------------------------------------------------


class Paths(NamedTuple):
    """Where a file was, and where its copy goes.

    Attributes:
        relative: The path of the copy as the destination shall know it.
        local: The path of the copy on this disk. Its directory exists.
        name: Base name of the file.
        folder: Its directory in the storage.
    """

    relative: str
    local: str
    name: str
    folder: str


def transfer_paths(path: str, staging: str, *, preserve: bool) -> Paths:
    """The paths of the copy of one file, in a fresh folder of the staging directory.

    Args:
        path: Path of the file in its storage. Leading slashes are dropped.
        staging: The staging directory.
        preserve: Whether the copy keeps the directories of the file.

    Raises:
        RawFilePathError: There can be no file of this path: it has a part ``.`` or ``..``, a backslash (which other
            systems take for a slash), a NUL, no base name, or it is too long.
    """
    name = os.path.basename(path)
    relative = path.lstrip("/") if preserve else name
    if (problem := _problem(relative)) is not None:
        raise RawFilePathError(f"it cannot be copied: {problem}", file=path)
    fresh = os.path.join(os.path.abspath(staging), str(uuid4()))
    local = os.path.join(fresh, relative)
    try:
        os.makedirs(os.path.dirname(local))
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise RawFilePathError(f"it cannot be copied: {error.strerror}", file=path) from error
    return Paths(relative, local, name, os.path.dirname(path))


def _problem(relative: str) -> str | None:
    """Why a path cannot be that of a copy; None if it can."""
    parts = relative.split("/")
    if not parts[-1]:
        return "its path ends with a slash, so that the copy has no name"
    if "." in parts or ".." in parts:
        return "its path has a part '.' or '..', which could lead out of the staging directory"
    if "\\" in relative:
        return "its path has a backslash, which some systems take for a slash"
    if "\0" in relative:
        return "its path has a NUL character"
    try:
        longest = max(len(os.fsencode(part)) for part in parts)
    except UnicodeEncodeError:
        return "its path has characters that no file name can have"
    if longest > LONGEST_NAME:
        return f"its path has a name of {longest} bytes, and {LONGEST_NAME} are the most that a file may have"
    return None


class Copies:
    """The copies of one sync whose records were not sent: nobody knows of them, so they go when the sync ends."""

    def __init__(self) -> None:
        self._unsent: dict[str, tuple[str, str]] = {}
        self._swept: set[str] = set()
        self._closed = False
        self._lock = Lock()

    def begin(self, local: str, staging: str, part: str) -> None:
        """Note that a copy is being made. The first one of a staging directory sweeps it.

        Args:
            local: Where the copy will be.
            staging: The staging directory.
            part: Where its part file is.

        Raises:
            RuntimeError: The sync has ended.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the sync for which {local} would be copied has ended")
            self._unsent[local] = staging, part
            if staging not in self._swept:
                self._swept.add(staging)
                sweep(staging)

    def forget(self, local: str) -> None:
        """Note that there is no such copy any more, or that its record is sent now."""
        with self._lock:
            self._unsent.pop(local, None)

    def sent(self, message: Any) -> None:
        """Note that a message is sent now, if it is the record that stands for a copy."""
        reference = getattr(getattr(message, "record", None), "file_reference", None)
        if reference is not None:
            self.forget(reference.staging_file_url)

    def close(self) -> None:
        """Remove all copies whose records were not sent, also those under way; none can be begun any more."""
        with self._lock:
            self._closed = True
            unsent, self._unsent = self._unsent, {}
        for local, (staging, part) in unsent.items():
            _remove(part)
            _remove_copy(local, staging)


@contextmanager
def _making(reader: AbstractFileBasedStreamReader, local: str, staging: str) -> Iterator[str]:
    """The path for the part file of a copy. If the block fails, nothing is left of the copy."""
    part = new_part_path(staging)
    copies = reader.copies
    try:
        if copies is not None:
            copies.begin(local, staging, part)
        yield part
    except BaseException:
        _remove_copy(local, staging)
        if copies is not None:
            copies.forget(local)
        raise


def _remove_copy(local: str, staging: str) -> None:
    """Remove a copy with the folders that were made for it."""
    _remove(local)
    _remove_empty(os.path.dirname(local), staging)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _remove_empty(directory: str, staging: str) -> None:
    """Remove `directory` and those above it as long as they are empty, below the staging directory only."""
    top = os.path.join(os.path.abspath(staging), "")
    while directory.startswith(top):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            pass  # it was not made
        except OSError:
            return
        directory = os.path.dirname(directory)


# Copying -----------------------------------------------------------------------------------------------------------


class FileTransfer:
    """Copies files through the reader that listed them, for connectors that do so by themselves."""

    def upload(
        self, file: RemoteFile, stream_reader: AbstractFileBasedStreamReader, logger: logging.Logger
    ) -> Iterator[Uploaded]:
        """What the reader's `upload` returns for `file`, and raises, with the staging directory."""
        yield stream_reader.upload(file=file, local_directory=get_files_directory(), logger=logger)


def upload_stored(
    reader: AbstractFileBasedStreamReader,
    access: StorageAccess,
    file: StorageFile,
    staging: str,
    logger: logging.Logger,
) -> Uploaded:
    """Copy a file of a storage access to the staging directory; see `download`. No limit but the disk.

    Args:
        reader: The reader that listed the file.
        access: Its storage; one that tries again.
        file: The file.
        staging: The staging directory.
        logger: Told when it is done, and now and then how far it is.

    Raises:
        RawFilePathError: Its path cannot be that of a copy.
        AirbyteTracedException: It does not fit on the disk.
        Exception: What the access raises.
    """
    paths = reader._get_file_transfer_paths(file.uri, staging)
    local = paths[reader.LOCAL_FILE_PATH]
    started = time.monotonic()
    with _making(reader, local, staging) as part:
        size = download(access, file.uri, file.size, file.version, local, logger, part)
    logger.info(f"Copied {file.file_uri_for_logging}, {size:,} bytes, in {time.monotonic() - started:.1f} s")
    return _uploaded(reader, paths, size, source_uri=file.uri, mime_type=file.mime_type)


def upload_by_itself(
    reader: AbstractFileBasedStreamReader, file: UploadableRemoteFile, staging: str, logger: logging.Logger
) -> Uploaded:
    """Let a connector's own file copy itself to the staging directory.

    Raises:
        FileSizeLimitError: It is larger than the reader's `FILE_SIZE_LIMIT`.
        RawFilePathError: Its path cannot be that of a copy.
        Exception: What its `download_to_local_directory` raises.
    """
    name, size = file.file_uri_for_logging, file.size
    if size > reader.FILE_SIZE_LIMIT:
        message = (
            f"The file {name} has {size:,} bytes, and this connector copies files of at most "
            f"{reader.FILE_SIZE_LIMIT:,} bytes. Leave it out by the stream's globs."
        )
        raise FileSizeLimitError(message=message, internal_message=message, failure_type=FailureType.config_error)
    paths = reader._get_file_transfer_paths(file.source_file_relative_path, staging)
    local = paths[reader.LOCAL_FILE_PATH]
    logger.info(f"Copying {name}, {size:,} bytes")
    started = time.monotonic()
    with _making(reader, local, staging):
        file.download_to_local_directory(local)
    logger.info(f"Copied {name}, {size:,} bytes, in {time.monotonic() - started:.1f} s")
    return _uploaded(
        reader,
        paths,
        size,
        source_uri=file.source_uri,
        id=file.id,
        created_at=file.created_at,
        updated_at=file.updated_at,
        mime_type=file.mime_type,
    )


def _uploaded(reader: AbstractFileBasedStreamReader, paths: Mapping[str, str], size: int, **more: Any) -> Uploaded:
    data = FileRecordData(folder=paths[reader.FILE_FOLDER], file_name=paths[reader.FILE_NAME], bytes=size, **more)
    reference = AirbyteRecordMessageFileReference(
        staging_file_url=paths[reader.LOCAL_FILE_PATH],
        source_file_relative_path=paths[reader.FILE_RELATIVE_PATH],
        file_size_bytes=size,
    )
    return data, reference
