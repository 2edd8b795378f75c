"""Answers `check` for a stream over files."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models.batch import Batch
from airbyte_cdk.sources.file_based.exceptions import (
    BaseFileBasedSourceError,
    CheckAvailabilityError,
    CustomFileBasedException,
    FileBasedSourceError,
)
from airbyte_cdk.sources.file_based.file_errors import explains_itself
from airbyte_cdk.sources.file_based.parsers.base import FileRead, brings_own_records
from airbyte_cdk.sources.file_based.schema_helpers import SchemaType, fitting_columns, nonconforming_column
from airbyte_cdk.utils.overriding import overrides
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.abstract_file_based_stream import AbstractFileBasedStream
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile
    from airbyte_cdk.sources.source import Source

CHECKED_FILES = 3
"""Of each stream, so many listed files are tried, if the reader lists quickly: else only the first one."""
CHECK_BYTES = 64 * 1024


class AbstractFileBasedAvailabilityStrategy(ABC):
    """Answers whether a stream can be read."""

    @abstractmethod
    def check_availability(
        self, stream: Any, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether the stream's files can be listed, and if not, why."""

    @abstractmethod
    def check_availability_and_parsability(
        self, stream: AbstractFileBasedStream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether the stream's files can be listed and parsed, and if not, why."""


@dataclass
class DefaultFileBasedAvailabilityStrategy(AbstractFileBasedAvailabilityStrategy):
    """Lists a stream and reads the beginning of its first files.

    Args:
        stream_reader: The source's reader.
    """

    stream_reader: AbstractFileBasedStreamReader

    def check_availability(
        self, stream: Any, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether at least one file matches."""
        try:
            self._check_list_files(stream)
        except CheckAvailabilityError as error:
            return False, str(error)
        return True, None

    def check_availability_and_parsability(
        self, stream: AbstractFileBasedStream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether at least one file matches, and the first ones can be opened and parsed."""
        valid, message = stream.get_parser().check_config(stream.config)
        if not valid:
            return False, message
        try:
            own = overrides(self, "_check_list_files", DefaultFileBasedAvailabilityStrategy)
            count = CHECKED_FILES if getattr(stream.stream_reader, "lists_quickly", False) is True else 1
            for file in [self._check_list_files(stream)] if own else self._first_files(stream, count):
                self._check_parse_record(stream, file, logger)
        except CheckAvailabilityError as error:
            return False, str(error)
        return True, None

    def _check_list_files(self, stream: AbstractFileBasedStream) -> RemoteFile:
        """The first file of the stream. Raises CheckAvailabilityError if there is none or listing fails."""
        return self._first_files(stream, 1)[0]

    @staticmethod
    def _first_files(stream: AbstractFileBasedStream, count: int) -> list[RemoteFile]:
        """The first `count` files of the stream, at least one; raises as `_check_list_files`."""
        try:
            files = list(islice(stream.get_files(), count))
        except CustomFileBasedException as error:
            raise CheckAvailabilityError(str(error), stream=stream.name) from error
        except AirbyteTracedException:
            raise
        except Exception as error:
            raise _failed(FileBasedSourceError.ERROR_LISTING_FILES, error, stream=stream.name) from error
        if not files:
            raise CheckAvailabilityError(_empty(stream), stream=stream.name)
        return files

    def _check_parse_record(self, stream: AbstractFileBasedStream, file: RemoteFile, logger: logging.Logger) -> None:
        """Read the beginning of a file. Raises CheckAvailabilityError that says what is wrong with it."""
        parser = stream.get_parser()
        try:
            if parser.parser_max_n_files_for_parsability == 0:
                with stream.stream_reader.open_file(file, parser.file_read_mode, None, logger) as handle:
                    handle.read(1)  # some handles ask the storage for nothing before
                    return
            record, described = self._first_record(stream, file, logger)
        except (AirbyteTracedException, CheckAvailabilityError):
            raise
        except Exception as error:
            where = {"stream": stream.name, "file": file.file_uri_for_logging}
            raise _failed(FileBasedSourceError.ERROR_READING_FILE, error, **where) from error
        schema = stream.catalog_schema or stream.config.get_input_schema()
        policy = stream.validation_policy
        if record is None or not schema or not policy.validate_schema_before_sync:
            return
        known = fitting_columns(described, schema.get("properties", {}))
        if (column := nonconforming_column(record, schema, known)) is not None:
            raise CheckAvailabilityError(
                FileBasedSourceError.ERROR_VALIDATING_RECORD,
                stream=stream.name,
                file=file.file_uri_for_logging,
                column=column,
            )

    @staticmethod
    def _first_record(
        stream: AbstractFileBasedStream, file: RemoteFile, logger: logging.Logger
    ) -> tuple[Mapping[str, Any] | None, SchemaType]:
        """The first record of a file, or None if it has none, and its columns as far as the format types them."""
        from airbyte_cdk.models.wire import rows

        parser = stream.get_parser()
        given = stream.config.get_input_schema()
        if brings_own_records(parser):
            records = parser.parse_records(stream.config, file, stream.stream_reader, logger, given)
            return next(iter(records), None), {}
        read = FileRead(
            stream.config,
            file,
            stream.stream_reader,
            logger,
            schema=given["properties"] if given else None,
            keep_nulls=True,
            as_rows=True,
            batch_bytes=CHECK_BYTES,
        )
        for table in parser.batches(read):
            if table.num_rows:
                return next(iter(rows(Batch(table)))), read.described
        if read.rejects:
            raise CheckAvailabilityError(
                FileBasedSourceError.ERROR_PARSING_RECORD,
                stream=stream.name,
                file=file.file_uri_for_logging,
                details=read.rejects.summary(),
            )
        return None, read.described


def _failed(otherwise: FileBasedSourceError, error: Exception, **where: str) -> CheckAvailabilityError:
    """The error with its own words, if it has some for the user; else with general ones."""
    if isinstance(error, BaseFileBasedSourceError) or explains_itself(error):
        return CheckAvailabilityError(str(error), **where)
    return CheckAvailabilityError(otherwise, **where, details=f"{type(error).__name__}: {error}")


def _empty(stream: AbstractFileBasedStream) -> str:
    """That a stream has no file."""
    below = stream.stream_reader.listed_below
    only = f" Only files whose name begins with the option `prefix`, which is {below}, are listed." if below else ""
    return FileBasedSourceError.EMPTY_STREAM.value + only
