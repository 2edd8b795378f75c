"""What a parser is: it infers the columns of one file, and reads its rows as batches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airbyte_cdk.models.batch import Table
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.rejects import Rejects
from airbyte_cdk.utils.overriding import nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

Options = TypeVar("Options")

BATCH_BYTES = 4 * 1024 * 1024
"""Batches are cut at about this many bytes of output lines."""


@dataclass
class FileRead:
    """All that a parser needs to read one file.

    Attributes:
        config: The stream's config; `config.format` is the parser's own options model.
        file: The file.
        stream_reader: Opens it (`open_file(file, mode, encoding, logger)`).
        logger: For what a user should see. Never a data value.
        schema: JSON schema properties by column name as the catalog has them, or None when the stream is schemaless
            or nothing is known; rows are cast to it where the format is untyped.
        reserved: Names of the metadata columns: same-named columns of the file are dropped (the stream's own win).
        keep_nulls: True if top-level nulls are to be printed (schemaless streams): `JsonLines` then keeps them.
        as_rows: True if the rows become Python objects before they are printed: then a batch may be `Rows`, and
            `JsonLines` may hold numbers that readers take for infinite, which are otherwise replaced by null.
        rejects: Takes the bad rows.
        batch_bytes: Wanted size of a batch, in bytes of output.
        described: How discovery describes the columns of this file. Filled in, before its first batch, by the parser of
            a format that types its columns.
    """

    config: FileBasedStreamConfig
    file: RemoteFile
    stream_reader: AbstractFileBasedStreamReader
    logger: logging.Logger
    schema: Mapping[str, Mapping[str, Any]] | None = None
    reserved: frozenset[str] = frozenset()
    keep_nulls: bool = False
    as_rows: bool = False
    rejects: Rejects = field(default_factory=Rejects)
    batch_bytes: int = BATCH_BYTES
    described: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class FileTypeParser(ABC):
    """Reads files of one format.

    A new format implements `infer_schema` and `batches`, and `check_config` if some of its options do not fit together.
    A connector that overrides `parse_records` instead of `batches` (the published per-record hook) is read record by
    record, with the same results.
    """

    @property
    def parser_max_n_files_for_schema_inference(self) -> int | None:
        """Most files that discovery may look at for this format; None if the format sets no limit."""
        return None

    @property
    def parser_max_n_files_for_parsability(self) -> int | None:
        """Most files whose first record `check` may parse; 0 means that files are only opened; None is no limit."""
        return None

    def get_parser_defined_primary_key(self, config: FileBasedStreamConfig) -> str | None:
        """Name of the column that identifies a record of this format by nature, or None."""
        return None

    def check_config(self, config: FileBasedStreamConfig) -> tuple[bool, str | None]:
        """Whether the format options can be used, and if not, a sentence that says why; by default all can."""
        return True, None

    @abstractmethod
    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns of one file: a JSON schema property by column name, in the file's order.

        An empty file gives an empty mapping. Raises RecordParseError or another BaseFileBasedSourceError that names
        file and place if the content cannot be read.
        """

    @property
    def file_read_mode(self) -> FileReadMode:
        """How files of this format are opened by code of a connector, and when `check` only opens them.

        The parsers themselves read bytes, of text too: line ends and encodings are their business, not the handle's.
        """
        return FileReadMode.READ_BINARY

    def batches(self, read: FileRead) -> Iterator[Table]:
        """The file's good rows in order; the bad ones go to `read.rejects`.

        Content that cannot be read is rejected with its place, never raised; what raises is the storage, a config
        that cannot be used, or a bug. Nothing is yielded that is later found bad.
        """
        raise NotImplementedError(f"{type(self).__name__} reads neither batches nor records")

    def parse_records(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
        discovered_schema: Mapping[str, Any] | None,
    ) -> Iterable[dict[str, Any]]:
        """The file's good rows as Python mappings; raises RecordParseError at the end if there were bad ones.

        Columns without a value are None. Numbers with a fraction or an exponent are floats.
        """
        from airbyte_cdk.models.batch import Batch
        from airbyte_cdk.models.wire import rows
        from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, RecordParseError

        schema = None
        if discovered_schema is not None and not config.schemaless:
            schema = discovered_schema.get("properties", discovered_schema)
        read = FileRead(config, file, stream_reader, logger, schema, keep_nulls=True, as_rows=True)
        for table in self.batches(read):
            yield from rows(Batch(table))
        if read.rejects:
            error = RecordParseError(
                FileBasedSourceError.ERROR_PARSING_RECORD, filename=file.uri, details=read.rejects.summary()
            )
            error.rejects = read.rejects
            raise error


def options_of(config: FileBasedStreamConfig, kind: type[Options]) -> Options:
    """The format options of a stream. Raises ValueError if they are of another format."""
    if not isinstance(config.format, kind):
        raise ValueError(f"expected the options of {kind.__name__}, got {type(config.format).__name__}")
    return config.format


def without_reserved(batch: pa.RecordBatch, read: FileRead) -> pa.RecordBatch:
    """The batch without columns of reserved names."""
    dropped = [name for name in batch.schema.names if name in read.reserved]
    return batch.drop_columns(dropped) if dropped else batch


def in_pieces(batch: pa.RecordBatch, read: FileRead) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of equal numbers of rows that make about `read.batch_bytes` of output; none without rows.

    Up to twice that size it stays whole.
    """
    from airbyte_cdk.models.arrow_kinds import dense_bytes
    from airbyte_cdk.models.wire import line_width

    rows = batch.num_rows
    if rows == 0:
        return
    printed = sum(map(dense_bytes, batch.columns)) + rows * line_width(batch.schema)
    pieces = min(rows, -(-printed // (2 * read.batch_bytes)))
    step = -(-rows // pieces)
    for start in range(0, rows, step):
        yield batch.slice(start, step)


def brings_own_records(parser: FileTypeParser) -> bool:
    """Whether the parser's class overrides `parse_records` on top of (or without) its `batches`."""
    return nearest(parser, ("batches", "parse_records"), FileTypeParser) == "parse_records"
