"""The contract between the framework and a storage: list files, open one, upload one."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.file_based import globs as glob_rules
from airbyte_cdk.sources.file_based import raw_files
from airbyte_cdk.sources.file_based.config.validate_config_transfer_modes import (
    include_identities_stream,
    preserve_directory_structure,
    use_file_transfer,
)
from airbyte_cdk.sources.file_based.remote_file import RemoteFile, UploadableRemoteFile

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteRecordMessageFileReference
    from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
    from airbyte_cdk.sources.file_based.file_record_data import FileRecordData


class FileReadMode(Enum):
    """How a file is opened; the values are the modes of Python's `open`."""

    READ = "r"
    READ_BINARY = "rb"


class AbstractFileBasedStreamReader(ABC):
    """Gives the framework access to one storage.

    A connector implements the `config` setter, `get_matching_files` and `open_file`. The framework sets `config`
    before any other call, and calls from one thread only, unless the source allows more (`_concurrency_level`).

    `FsspecStreamReader` is this contract over any fsspec filesystem.
    """

    DATE_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
    FILE_RELATIVE_PATH = "file_relative_path"
    FILE_NAME = "file_name"
    LOCAL_FILE_PATH = "local_file_path"
    FILE_FOLDER = "file_folder"
    FILE_SIZE_LIMIT = 1_500_000_000

    lists_quickly: bool = False
    """Whether it lists only what the globs can reach, page by page, so that `check` can ask for some more files."""

    copies: raw_files.Copies | None = None
    """The raw files that the last sync copied; None before the first one. Once that has ended, nothing is copied."""

    def __init__(self) -> None:
        self._config: AbstractFileBasedSpec | None = None

    @property
    def config(self) -> AbstractFileBasedSpec | None:
        """The parsed config of the source, or None before it is known."""
        return self._config

    @config.setter
    @abstractmethod
    def config(self, value: AbstractFileBasedSpec) -> None:
        """Keep the parsed config; an implementation checks here that it is of its own spec class."""

    @property
    def listed_below(self) -> str:
        """What the names of all files begin with that can be listed, whatever the globs: an option of the storage."""
        return ""

    @abstractmethod
    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        """List the files that match any of `globs`, as a stream.

        Args:
            globs: Patterns over the file's uri, see `file_matches_globs`.
            prefix: The stream's `legacy_prefix`, or None.
            logger: For what a user should see.

        Raises:
            Exception: whatever the storage raises; a traced exception reaches the user unchanged. A listing that
                fails must raise: a shorter listing would be taken as complete.
        """

    @abstractmethod
    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        """Open one file for reading, as a context manager.

        In binary mode the handle needs ``read(n)``; Parquet also needs ``seek`` and ``tell``. Compressed content may
        be returned as it is stored: the framework recognises and undoes gzip, bzip2, zstd and xz.
        """

    def release(self) -> None:  # noqa: B027  most keep nothing open
        """Let go of what is kept open between files. Called at the end of a command; the reader can still be used."""

    def limit_retries(self, seconds: float | None) -> None:  # noqa: B027  most do not retry by themselves
        """Give a storage up that gave nothing for so many seconds; None for as long as usual.

        Called with a short time before a `check`, for whose answer somebody waits.
        """

    def filter_files_by_globs_and_start_date(
        self, files: Iterable[RemoteFile], globs: list[str]
    ) -> Iterable[RemoteFile]:
        """The files that match any glob, are not older than the config's `start_date`, each uri once."""
        start = self._start_date()
        seen: set[str] = set()
        for file in files:
            if not self.file_matches_globs(file, globs) or file.uri in seen:
                continue
            seen.add(file.uri)
            if start is None or file.last_modified >= start:
                yield file

    def _start_date(self) -> datetime | None:
        start = self.config.start_date if self.config else None
        return self._parse_start_date(start) if start else None

    def _parse_start_date(self, date_string: str) -> datetime:
        """The date as naive UTC, which is what `RemoteFile.last_modified` is."""
        for form in (self.DATE_TIME_FORMAT, "%Y-%m-%dT%H:%M:%SZ"):
            try:
                return datetime.strptime(date_string, form)
            except ValueError:
                continue
        from dateutil import parser

        parsed = parser.parse(date_string)
        return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed

    @staticmethod
    def file_matches_globs(file: RemoteFile, globs: list[str]) -> bool:
        """Whether the file's uri matches at least one glob; rules in `airbyte_cdk.sources.file_based.globs`."""
        return glob_rules.matches(file.uri, globs)

    @staticmethod
    def get_prefixes_from_globs(globs: list[str]) -> set[str]:
        """The prefixes that must be listed to find every match; an empty set means the whole storage."""
        return glob_rules.prefixes(globs)

    def use_file_transfer(self) -> bool:
        """Whether files are copied as they are instead of being parsed."""
        return use_file_transfer(self.config) if self.config else False

    def preserve_directory_structure(self) -> bool:
        """Whether copied files keep their folders; True unless the config says otherwise."""
        return preserve_directory_structure(self.config) if self.config else True

    def include_identities_stream(self) -> bool:
        """Whether the source has a stream of identities beside its file permissions."""
        return include_identities_stream(self.config) if self.config else False

    def upload(
        self, file: RemoteFile, local_directory: str, logger: logging.Logger
    ) -> tuple[FileRecordData, AirbyteRecordMessageFileReference]:
        """Copy one file to a fresh folder in `local_directory`, for a raw-file transfer.

        This copies `UploadableRemoteFile`s of at most `FILE_SIZE_LIMIT` bytes; override it for others.

        Returns:
            What the record says about the file, and where the copy is.

        Raises:
            TypeError: The file cannot copy itself.
            FileSizeLimitError: It is too large; this ends the stream.
            Exception: What concerns this file only: the others go on.
        """
        if not isinstance(file, UploadableRemoteFile):
            raise TypeError(
                f"{type(self).__name__} cannot copy a {type(file).__name__}: make it an UploadableRemoteFile, or "
                "override `upload`"
            )
        return raw_files.upload_by_itself(self, file, local_directory, logger)

    def _get_file_transfer_paths(self, source_file_relative_path: str, staging_directory: str) -> dict[str, str]:
        """Where a copied file goes: a fresh folder under `staging_directory`, with or without its own folders.

        Raises:
            RawFilePathError: The path cannot be that of a copy, for instance because it would lead out of there.
        """
        preserve = self.preserve_directory_structure()
        paths = raw_files.transfer_paths(source_file_relative_path, staging_directory, preserve=preserve)
        return {
            self.FILE_RELATIVE_PATH: paths.relative,
            self.LOCAL_FILE_PATH: paths.local,
            self.FILE_NAME: paths.name,
            self.FILE_FOLDER: paths.folder,
        }
