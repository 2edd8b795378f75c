"""Parquet files: row group by row group, in batches of bounded size.

Format: https://parquet.apache.org/docs/file-format/ (read with Apache Arrow).
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airbyte_cdk.models.arrow_kinds import dense_bytes, dictionary_arrays
from airbyte_cdk.models.wire import line_width
from airbyte_cdk.sources.file_based.arrow_types import property_of, unprintable, wire_exact
from airbyte_cdk.sources.file_based.config.parquet_format import ParquetFormat
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.base import (
    FileRead,
    FileTypeParser,
    in_pieces,
    options_of,
    without_reserved,
)
from airbyte_cdk.sources.file_based.parsers.column_names import distinct_names
from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream, WatchedFile, open_random
from airbyte_cdk.sources.file_based.parsers.parquet_chunks import ChunkAhead
from airbyte_cdk.sources.file_based.rejects import RejectKind

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

COLUMN_BUFFER = 1024 * 1024
"""Bytes that are read ahead in each column of a row group (a row group is never held whole)."""
ALL_BUFFERS = 64 * 1024 * 1024
"""Bytes that these buffers may take together: wide files get smaller ones."""
PROBED_ROWS = 64
MOST_ROWS = 65536
LARGEST_BATCH = 8
"""No batch is meant to be larger than so many times the wanted size, whatever the rows are like."""


class ParquetParser(FileTypeParser):
    """Reads Parquet files. A broken row group costs its own rows only; a file's Hive partitions become columns."""

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns in the file's footer, then its Hive partitions. Nothing else of the file is read.

        Raises:
            SchemaInferenceError: the file is not a Parquet file, or its footer is broken.
        """
        decimal_as_float = options_of(config, ParquetFormat).decimal_as_float
        try:
            with _open(file, stream_reader, logger) as parquet:
                if parquet is None:
                    return {}
                return _described(parquet, file.uri, decimal_as_float)
        except BadFile as error:
            raise SchemaInferenceError(
                FileBasedSourceError.SCHEMA_INFERENCE_ERROR, file=file.uri, details=str(error)
            ) from error

    def batches(self, read: FileRead) -> Iterator[pa.RecordBatch]:
        """The file's good rows, row group after row group.

        Rejected are: the file if it cannot be opened as Parquet, the rest of a row group from its first broken page
        on, and single rows with a value that has no form on the wire (binary that is not UTF-8).
        """
        try:
            with _open(read.file, read.stream_reader, read.logger) as parquet:
                if parquet is None:
                    return
                reason = unprintable(parquet.schema_arrow)
                if reason is not None:
                    raise BadFile(reason)
                if parquet.names != parquet.schema_arrow.names:
                    read.logger.warning(
                        "File %s: several columns have one name; the last one keeps it, the others are numbered.",
                        read.file.uri,
                    )
                as_float = options_of(read.config, ParquetFormat).decimal_as_float
                read.described.update(_described(parquet, read.file.uri, as_float))
                for group in range(parquet.num_row_groups):
                    parquet.begin(group)
                    yield from _row_group(parquet, group, read)
        except BadFile as error:
            read.rejects.add("file", str(error), RejectKind.UNREADABLE)


class BadFile(Exception):
    """The file, or what follows in it, cannot be read as Parquet. The text says why."""


class Encrypted(BadFile):
    """Columns of the file are encrypted, so that no row of it can be read."""


def _described(parquet: _Parquet, uri: str, decimal_as_float: bool) -> dict[str, Mapping[str, Any]]:
    """How discovery describes the columns of a file."""
    columns: dict[str, Mapping[str, Any]] = {
        name: property_of(kind, decimal_as_float)
        for name, kind in zip(parquet.names, parquet.schema_arrow.types, strict=True)
    }
    return columns | {name: {"type": "string"} for name in partitions(uri)}


def partitions(uri: str) -> dict[str, str]:
    """Hive partitions in the path of a file: value by column name, both URL-unquoted.

    Each path component ``name=value`` is one; the value is all that follows the first ``=``. The query of a URL
    (``https://...?signature=...``) is not part of the path.

    >>> partitions("sales/year=2024/region=a%20b/part-0.parquet")
    {'year': '2024', 'region': 'a b'}
    """
    path = uri.split("?", 1)[0] if "://" in uri else uri
    found: dict[str, str] = {}
    for component in path.split("/"):
        name, sign, value = component.partition("=")
        if sign:
            found[_printable(unquote(name))] = _printable(unquote(value))
    return found


def _printable(text: str) -> str:
    """The text without half surrogates, by which Python stands for bytes of a path that are not UTF-8."""
    return text.encode(errors="replace").decode()


@contextmanager
def _open(
    file: RemoteFile, stream_reader: AbstractFileBasedStreamReader, logger: logging.Logger
) -> Iterator[_Parquet | None]:
    """The file opened as Parquet, or None if it has no bytes. Raises `BadFile`, or what the storage raises."""
    try:
        with open_random(file, stream_reader, logger) as handle:
            source = WatchedFile(handle)
            yield _Parquet(source) if source.size > 0 else None
    except BrokenStream as error:
        raise BadFile(f"its compressed content is broken: {error.reason}") from error


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The bytes of one column in one row group.

    Attributes:
        column: Its number among the columns of values (nested ones have several).
        start, end: Where in the file it lies.
        decoded: Bytes of its values if none were repeated.
        values_a_row: How many there are in a row, on average.
        repeats_text: Whether it may hold the same text many times, stored once.
    """

    column: int
    start: int
    end: int
    decoded: int
    values_a_row: float
    repeats_text: bool


class _Parquet:
    """One open Parquet file.

    Args:
        source: The file.

    Attributes:
        schema_arrow: Its columns.
        names: Their names, no two the same.
    """

    def __init__(self, source: WatchedFile) -> None:
        self._source = source
        with self._content_errors():
            self._footer = pq.read_metadata(pa.PythonFile(source, mode="r"))
        # one column's buffer is not larger than its share, nor than its largest chunk
        share = ALL_BUFFERS // max(1, self._footer.num_columns)
        self._buffer = max(4096, min(COLUMN_BUFFER, share))
        self._file = self._opened(source)
        with self._content_errors():
            self.schema_arrow: pa.Schema = self._file.schema_arrow
            _read_names(self.schema_arrow)
        self.names = distinct_names(self.schema_arrow.names)
        self._unreadable = self._opened(_Unreadable(source.size))
        self._known: dict[int, list[_Chunk]] = {}
        self._ahead = ChunkAhead(source.handle, self.num_row_groups, self._ranges)

    @property
    def num_row_groups(self) -> int:
        return int(self._footer.num_row_groups)

    def num_rows(self, group: int) -> int:
        return int(self._footer.row_group(group).num_rows)

    def begin(self, group: int) -> None:
        """Take note that the reading of a row group begins, and that those before it are finished."""
        self._known = {number: chunks for number, chunks in self._known.items() if number >= group}
        self._ahead.reading(group)

    def columns(self, group: int) -> list[_Chunk]:
        """The chunks of one row group. Raises `BadFile` if the footer cannot be read there."""
        if group not in self._known:
            with self._content_errors():
                self._known[group] = self._chunks(group)
        return self._known[group]

    def rows(self, group: int, size: int) -> Iterator[pa.RecordBatch]:
        """Batches of `size` rows of one row group. Raises `BadFile` where its content is broken."""
        for batch in self._batches(self._file, group, size, None):
            yield batch.rename_columns(self.names)

    def first_rows(self, group: int, size: int, columns: Sequence[int]) -> pa.RecordBatch | None:
        """The first rows of some text columns with all texts that the row group repeats; None if it has no rows."""
        with self._content_errors():
            paths = [self._footer.schema.column(column).path for column in columns]
        return next(self._batches(self._opened(self._source, read_dictionary=paths), group, size, paths), None)

    def _batches(
        self, file: pq.ParquetFile, group: int, size: int, columns: list[str] | None
    ) -> Iterator[pa.RecordBatch]:
        with self._content_errors():
            # one thread: the engine has its own, and a thread a column would hold as many pages at once
            for batch in file.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
                if not all(map(_has_all_values, batch.columns)):
                    raise BadFile("a value that its dictionary does not have")
                yield batch

    def _opened(self, source: Any, **options: Any) -> pq.ParquetFile:
        with self._content_errors():
            return pq.ParquetFile(
                pa.PythonFile(source, mode="r"),
                metadata=self._footer,
                pre_buffer=False,
                buffer_size=self._buffer,
                page_checksum_verification=True,
                **options,
            )

    def _chunks(self, group: int) -> list[_Chunk]:
        # Where pyarrow's metadata of a column cannot be made, the process is aborted: nothing catches the error of C++.
        # To read a column makes the same metadata, before its first byte is asked for, and there the error is caught.
        try:
            next(self._unreadable.iter_batches(1, row_groups=[group], use_threads=False), None)
            return []  # no byte was asked for: there are no rows, or no columns
        except _NothingToRead:
            pass
        meta = self._footer.row_group(group)
        found = []
        for number in range(meta.num_columns):
            column = meta.column(number)
            start = column.data_page_offset
            if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
                start = column.dictionary_page_offset
            width = 8
            if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
                width = self._footer.schema.column(number).length
            found.append(
                _Chunk(
                    number,
                    start,
                    start + column.total_compressed_size,
                    max(column.total_uncompressed_size, width * column.num_values),
                    column.num_values / max(1, meta.num_rows),
                    column.has_dictionary_page and self._is_text(number),
                )
            )
        return found

    def _is_text(self, column: int) -> bool:
        described = self._footer.schema.column(column)
        return bool(described.physical_type == "BYTE_ARRAY" and described.logical_type.type != "DECIMAL")

    def _ranges(self, group: int) -> list[tuple[int, int]]:
        try:
            return [(chunk.start, chunk.end) for chunk in self.columns(group)]
        except BadFile:
            return []  # reading meets it, too, and knows what to do

    @contextmanager
    def _content_errors(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            if self._source.error is not None:
                raise self._source.error from None
            if isinstance(error, UnicodeDecodeError):
                raise BadFile("the name of a column is not UTF-8") from error
            if "crypt" in str(error):
                raise Encrypted("it is encrypted, or some of its columns are; store it without encryption") from error
            raise BadFile(_short(error)) from error


class _NothingToRead(Exception):
    """Bytes of a file were asked for."""


class _Unreadable(io.RawIOBase):
    """A file of which only the size is known."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        raise _NothingToRead


def _has_all_values(column: pa.Array) -> bool:
    """Whether the dictionaries of a column have each value that is asked of them, which Arrow does not look for."""
    for array in dictionary_arrays(column):
        bounds = pc.min_max(array.indices)
        if bounds["min"].is_valid and not 0 <= bounds["min"].as_py() <= bounds["max"].as_py() < len(array.dictionary):
            return False
    return True


def _read_names(schema: pa.Schema) -> None:
    """Raise UnicodeDecodeError if a name is not UTF-8, of which pyarrow tells only when it is asked for."""

    def read(field: pa.Field) -> None:
        _ = field.name
        for number in range(field.type.num_fields):
            read(field.type.field(number))

    for field in schema:
        read(field)


def _short(error: Exception) -> str:
    """The first sentence of an error of Arrow."""
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    if "magic bytes" in line or "footer" in line.lower():
        return "not a Parquet file, or its end is missing"
    return line[:150].rstrip(". ")


def _row_group(parquet: _Parquet, group: int, read: FileRead) -> Iterator[pa.RecordBatch]:
    total = parquet.num_rows(group)
    place = f"row group {group + 1}"
    done = 0
    reason = "it has fewer rows than it declares"
    try:
        size = _rows_a_batch(parquet, group, read.batch_bytes)
    except Encrypted:
        raise
    except BadFile:
        size = PROBED_ROWS  # the probe met what the loop below will meet and place
    while size:
        smaller = 0
        start = 0
        try:
            for batch in parquet.rows(group, size):
                end = start + batch.num_rows
                if end > done:
                    yield from _ready(batch.slice(max(0, done - start)), read, place, max(done, start))
                    done = end
                start = end
                nbytes = sum(map(dense_bytes, batch.columns))
                if batch.num_rows > 1 and nbytes > LARGEST_BATCH * read.batch_bytes:
                    smaller = max(1, size * read.batch_bytes // nbytes)  # rows become larger than they were
                    break
        except Encrypted:
            raise
        except BadFile as error:
            reason = str(error)
            # the rows before the broken page are good: come closer to it in smaller steps
            smaller = max(1, size // 16) if size > 1 else 0
        size = smaller
    if done < total:
        rows = "" if done == 0 else f", rows {done + 1} to {total}"
        read.rejects.add(place + rows, reason, RejectKind.UNREADABLE, rows=total - done)


def _ready(batch: pa.RecordBatch, read: FileRead, place: str, first: int) -> Iterator[pa.RecordBatch]:
    """The good rows of `batch`, whose first row is number `first` (from 0) of its row group, cut to size."""
    batch = _with_partitions(batch, partitions(read.file.uri))
    exact, bad = wire_exact(without_reserved(batch, read), options_of(read.config, ParquetFormat).decimal_as_float)
    for row, reason in sorted(bad.items()):
        read.rejects.add(f"{place}, row {first + row + 1}", reason)
    yield from in_pieces(exact, read)


def _with_partitions(batch: pa.RecordBatch, values: dict[str, str]) -> pa.RecordBatch:
    for name, value in values.items():
        column = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
        index = batch.schema.get_field_index(name)
        batch = batch.append_column(name, column) if index < 0 else batch.set_column(index, name, column)
    return batch


def _rows_a_batch(parquet: _Parquet, group: int, batch_bytes: int) -> int:
    """How many rows of a row group make about `batch_bytes` of output, and never much more than `LARGEST_BATCH` of it.

    Judged by the sizes in the footer. They count a repeated text once (dictionary encoding), so that such columns
    are judged by their first rows, and by the longest text that is repeated: it may stand in each row that follows.
    """
    chunks = parquet.columns(group)
    if not chunks:
        return MOST_ROWS
    num_rows = parquet.num_rows(group)
    row = line_width(parquet.schema_arrow) + sum(chunk.decoded for chunk in chunks) / num_rows
    longest = row
    repeated = [chunk for chunk in chunks if chunk.repeats_text]
    first = parquet.first_rows(group, PROBED_ROWS, [chunk.column for chunk in repeated]) if repeated else None
    if first is not None:
        row += sum(map(dense_bytes, first.columns)) / first.num_rows
        texts = [array.dictionary for column in first.columns for array in dictionary_arrays(column)]
        lengths = [pc.max(pc.binary_length(text)).as_py() or 0 for text in texts]
        longest += sum(length * chunk.values_a_row for length, chunk in zip(lengths, repeated, strict=False))
    return int(max(1, min(batch_bytes / row, LARGEST_BATCH * batch_bytes / longest, MOST_ROWS)))
