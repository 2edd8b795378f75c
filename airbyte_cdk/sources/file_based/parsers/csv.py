"""Reads CSV files, https://www.rfc-editor.org/rfc/rfc4180 in the wider grammar of Python's `csv` module.

A file is read once, forward only. Its text is cut into blocks at row ends (`csv_blocks`); each block is parsed by
pyarrow (`csv_fast`), or, if that refuses it or might read it otherwise, as a whole by Python (`csv_exact`), so that
no row is sent twice and each bad row is known by its line. Cells are then cast to the catalog's types (`csv_cast`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.config.csv_format import InferenceType
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, SchemaInferenceError
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser
from airbyte_cdk.sources.file_based.parsers.csv_blocks import Block, Blocks
from airbyte_cdk.sources.file_based.parsers.csv_cast import ColumnCast, Texts, infer_type, type_of
from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect
from airbyte_cdk.sources.file_based.parsers.csv_exact import read_columns
from airbyte_cdk.sources.file_based.parsers.csv_fast import FastReader
from airbyte_cdk.sources.file_based.parsers.csv_header import Header, config_error, read_header
from airbyte_cdk.sources.file_based.parsers.csv_text import Utf8Text
from airbyte_cdk.sources.file_based.parsers.handles import open_bytes
from airbyte_cdk.sources.file_based.rejects import Rejects

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

INFERENCE_CHARACTERS = 1_000_000
"""Discovery reads rows of a file until they have this many characters, separators included."""

_ENVELOPE = 250  # bytes of a RECORD line beside its data: stream, time, metadata columns


class CsvParser(FileTypeParser):
    """Reads CSV files in any dialect and encoding, and casts their cells to the types of the catalog.

    Rejected, each with its line: rows with more or fewer values than columns, rows with bytes that the encoding does
    not know, rows longer than 16 MB, and what follows a quote that is never closed.
    """

    @property
    def file_read_mode(self) -> FileReadMode:
        """Text."""
        return FileReadMode.READ

    def check_config(self, config: FileBasedStreamConfig) -> tuple[bool, str | None]:
        """Whether delimiter, quote and escape can be told apart."""
        problem = Dialect.of(_options(config)).problem()
        return problem is None, problem

    def batches(self, read: FileRead) -> Iterator[pa.RecordBatch | JsonLines]:
        """The file's good rows; see `FileTypeParser.batches`.

        Columns are in the file's order, without those that `read.schema` does not have. Cells that could not be cast
        are counted by column in one warning at the end.

        Raises:
            AirbyteTracedException: (config_error) the options contradict each other or do not fit the header row.
        """
        options = _options(read.config)
        texts = _texts(options)
        # Most output lines are four times as long as the CSV row, for the column names that they repeat.
        with _opened(read, read.batch_bytes // 4, read.rejects) as rows:
            header = rows.header
            found = [] if header is None else [_column_cast(name, read, texts) for name in header.names]
            kept = [position for position, column_cast in enumerate(found) if column_cast is not None]
            casts = [column_cast for column_cast in found if column_cast is not None]
            names = [column_cast.name for column_cast in casts]
            line_bytes = _ENVELOPE + sum(len(name.encode()) + 6 for name in names)
            try:
                for columns in rows.columns(kept):
                    if not casts:
                        yield JsonLines([b""] * len(columns[0]))
                        continue
                    done = [to_type(column) for to_type, column in zip(casts, columns, strict=True)]
                    batch = pa.RecordBatch.from_arrays(done, names)
                    pieces = max(round((batch.nbytes + line_bytes * batch.num_rows) / read.batch_bytes), 1)
                    size = -(-batch.num_rows // pieces)
                    for start in range(0, batch.num_rows, size):
                        yield batch.slice(start, size)
            finally:
                _warn_of_failures(casts, read)

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns in header order; see `FileTypeParser.infer_schema`.

        All are strings unless the option `inference_type` asks for more. Then each column has the narrowest of
        boolean, integer, number and string that takes all its values (other than null values) in the first
        `INFERENCE_CHARACTERS` of the file. Bad rows are passed over.
        """
        options = _options(config)
        read = FileRead(config, file, stream_reader, logger)
        with _opened(read, INFERENCE_CHARACTERS, Rejects()) as rows:
            if rows.header is None:
                if rows.broken:
                    raise SchemaInferenceError(
                        FileBasedSourceError.SCHEMA_INFERENCE_ERROR, file=file.uri, reason=": ".join(rows.broken)
                    )
                return {}
            names = rows.header.names
            if options.inference_type is InferenceType.NONE:
                return {name: {"type": "string"} for name in names}
            distinct: list[set[str]] = [set() for _ in names]
            left = INFERENCE_CHARACTERS
            for columns in rows.columns(range(len(names))):
                lengths = pc.cumulative_sum(_characters(columns))
                count = pc.sum(pc.less(lengths, left)).as_py() + 1
                for found, column in zip(distinct, columns, strict=True):
                    found.update(column.slice(0, count).unique().to_pylist())
                if count <= len(lengths):
                    break
                left -= lengths[-1].as_py()
        texts = _texts(options)
        return {name: {"type": infer_type(found, texts)} for name, found in zip(names, distinct, strict=True)}


class _Rows:
    """The rows of an open file, as columns of text.

    Attributes:
        header: Its columns, None if it has no row.
    """

    def __init__(
        self, blocks: Blocks, dialect: Dialect, header: Header | None, encoding: str, rejects: Rejects
    ) -> None:
        self.header = header
        self._blocks = blocks
        self._dialect = dialect
        self._encoding = encoding
        self._rejects = rejects

    @property
    def broken(self) -> tuple[str, str] | None:
        """Where and why the file broke off, if it did so far."""
        return self._blocks.text.broken

    def columns(self, wanted: list[int] | range) -> Iterator[list[pa.Array]]:
        """For each block that has good rows the wanted columns; one column without meaning if none is wanted."""
        header = self.header or Header(())
        fast = FastReader(self._dialect, len(header.names), header.blanks, wanted)
        for block in self._blocks:
            columns = fast.read(block)
            if columns is None:
                columns = self._exact(block, header, wanted)
            if len(columns[0]):
                yield columns

    def _exact(self, block: Block, header: Header, wanted: list[int] | range) -> list[pa.Array]:
        columns = read_columns(block, self._dialect, len(header.names), header.blanks, self._rejects, self._encoding)
        return [columns[position] for position in wanted] or columns[:1]


@contextmanager
def _opened(read: FileRead, block_bytes: int, rejects: Rejects) -> Iterator[_Rows]:
    options, uri = _options(read.config), read.file.uri
    dialect = Dialect.of(options)
    if problem := dialect.problem():
        raise config_error(f"The CSV format of stream {read.config.name} cannot be used: {problem}.")
    with open_bytes(read.file, read.stream_reader, read.logger, encoding_if_text=options.encoding) as handle:
        try:
            text = Utf8Text(handle, options.encoding)
        except LookupError as error:
            raise config_error(f"The CSV format of stream {read.config.name} cannot be used: {error}.") from error
        blocks = Blocks(text, dialect, block_bytes, rejects)
        header = read_header(blocks, dialect, options, uri, read.logger)
        yield _Rows(blocks, dialect, header, options.encoding, rejects)


def _options(config: FileBasedStreamConfig) -> CsvFormat:
    return cast("CsvFormat", config.format)


def _texts(options: CsvFormat) -> Texts:
    return Texts(options.null_values, options.strings_can_be_null, options.true_values, options.false_values)


def _column_cast(name: str, read: FileRead, texts: Texts) -> ColumnCast | None:
    """How the column of this name is cast; None if it is dropped."""
    if name in read.reserved:
        return None
    if read.schema is None:
        return ColumnCast(name, None, texts)
    if name not in read.schema:  # the catalog may have been written by hand, or by a release that kept the blanks
        name = next((known for known in read.schema if known.strip() == name), name)
    return ColumnCast(name, type_of(read.schema[name]), texts) if name in read.schema else None


def _characters(columns: list[pa.Array]) -> pa.Array:
    """Characters of each row, separators included."""
    total = pa.array([len(columns) - 1] * len(columns[0]), pa.int64())
    for column in columns:
        total = pc.add(total, pc.utf8_length(column))
    return total


def _warn_of_failures(casts: list[ColumnCast], read: FileRead) -> None:
    failed = [f"{column.name} ({column.failed} not {column.kind})" for column in casts if column.failed]
    if failed:
        read.logger.warning(
            "Stream %s, file %s: values that could not be cast to the type in the catalog were kept as text: %s.",
            read.config.name,
            read.file.uri,
            ", ".join(failed),
        )
