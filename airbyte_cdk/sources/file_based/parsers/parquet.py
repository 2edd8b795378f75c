"""Parquet files: row group by row group, in batches of bounded size.

Format: https://parquet.apache.org/docs/file-format/ (read with Apache Arrow).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

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
from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream, WatchedFile, open_random
from airbyte_cdk.sources.file_based.parsers.parquet_chunks import ChunkAhead

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

COLUMN_BUFFER = 1024 * 1024
"""Bytes that are read ahead in each column of a row group (a row group is never held whole)."""
ALL_BUFFERS = 64 * 1024 * 1024
"""Bytes that these buffers may take together: wide files get smaller ones."""


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
        columns: dict[str, Mapping[str, Any]] = {}
        try:
            with _open(file, stream_reader, logger) as parquet:
                if parquet is None:
                    return {}
                for name, column in zip(parquet.names, parquet.schema_arrow, strict=True):
                    columns[name] = property_of(column.type, decimal_as_float)
        except BadFile as error:
            raise SchemaInferenceError(
                FileBasedSourceError.SCHEMA_INFERENCE_ERROR, file=file.uri, details=str(error)
            ) from error
        return columns | {name: {"type": "string"} for name in partitions(file.uri)}

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
                for group in range(parquet.num_row_groups):
                    parquet.chunks.reading(group)
                    yield from _row_group(parquet, group, read)
        except BadFile as error:
            read.rejects.add("file", str(error))


class BadFile(ValueError):
    """The file cannot be read as Parquet at all. The text says why."""


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


def distinct_names(names: list[str]) -> list[str]:
    """The names of columns, no two the same: the last column of a name keeps it, the others are numbered.

    >>> distinct_names(["a", "a", "b", "a"])
    ['a_1', 'a_2', 'b', 'a']
    """
    left, seen, taken = Counter(names), Counter[str](), set(names)
    distinct = []
    for name in names:
        seen[name] += 1
        new = name
        if seen[name] < left[name]:
            new = f"{name}_{seen[name]}"
            while new in taken:
                new += "_"
            taken.add(new)
        distinct.append(new)
    return distinct


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


class _Parquet:
    """One open Parquet file.

    Args:
        source: The file.

    Attributes:
        schema_arrow: Its columns.
        names: Their names, no two the same.
        chunks: Told which row group is read.
    """

    def __init__(self, source: WatchedFile) -> None:
        self._source = source
        with self._content_errors():
            footer = pq.read_metadata(pa.PythonFile(source, mode="r"))
        # one column's buffer is not larger than its share, nor than its largest chunk
        share = ALL_BUFFERS // max(1, footer.num_columns)
        self._buffer = max(4096, min(COLUMN_BUFFER, share))
        with self._content_errors():
            self._file = pq.ParquetFile(
                pa.PythonFile(source, mode="r"),
                metadata=footer,
                pre_buffer=False,
                buffer_size=self._buffer,
                page_checksum_verification=True,
            )
            self.schema_arrow: pa.Schema = self._file.schema_arrow
        self.names = distinct_names(self.schema_arrow.names)
        self.chunks = ChunkAhead(source.handle, footer)

    @property
    def num_row_groups(self) -> int:
        return int(self._file.metadata.num_row_groups)

    def row_group(self, group: int) -> pq.RowGroupMetaData:
        return self._file.metadata.row_group(group)

    def rows(self, group: int, size: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Batches of `size` rows of one row group: all columns, or just those of the paths `columns`.

        Raises `BadFile` where its content is broken.
        """
        with self._content_errors():
            # one thread: the engine has its own, and a thread a column would hold as many pages at once
            for batch in self._file.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
                yield batch.rename_columns(self.names) if columns is None else batch

    @contextmanager
    def _content_errors(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            if self._source.error is not None:
                raise self._source.error from None
            raise BadFile(_short(error)) from error


def _short(error: Exception) -> str:
    """The first sentence of an error of Arrow."""
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    if "magic bytes" in line or "footer" in line.lower():
        return "not a Parquet file, or its end is missing"
    return line[:150].rstrip(". ")


def _row_group(parquet: _Parquet, group: int, read: FileRead) -> Iterator[pa.RecordBatch]:
    total = parquet.row_group(group).num_rows
    place = f"row group {group + 1}"
    done = 0
    reason = "it has fewer rows than it declares"
    try:
        size = _rows_a_batch(parquet, group, read.batch_bytes)
    except BadFile:
        size = 1024  # the probe met what the loop below will meet and place
    while True:
        try:
            start = 0
            for batch in parquet.rows(group, size):
                end = start + batch.num_rows
                if end > done:
                    yield from _ready(batch.slice(max(0, done - start)), read, place, max(done, start))
                    done = end
                start = end
        except BadFile as error:
            reason = str(error)
            if size > 1:
                # the rows before the broken page are good: come closer to it in smaller steps
                size = max(1, size // 16)
                continue
        break
    if done < total:
        rows = "" if done == 0 else f", rows {done + 1} to {total}"
        read.rejects.add(place + rows, reason, rows=total - done)


def _ready(batch: pa.RecordBatch, read: FileRead, place: str, first: int) -> Iterator[pa.RecordBatch]:
    """The good rows of `batch`, whose first row is number `first` (from 0) of its row group, cut to size."""
    batch = _with_partitions(batch, partitions(read.file.uri))
    exact, bad = wire_exact(without_reserved(batch, read), options_of(read.config, ParquetFormat).decimal_as_float)
    for row, reason in sorted(bad.items()):
        read.rejects.add(f"{place}, row {first + row + 1}", reason)
    yield from in_pieces(exact, exact.nbytes + exact.num_rows * line_width(exact.schema), read)


def _with_partitions(batch: pa.RecordBatch, values: dict[str, str]) -> pa.RecordBatch:
    for name, value in values.items():
        column = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
        index = batch.schema.get_field_index(name)
        batch = batch.append_column(name, column) if index < 0 else batch.set_column(index, name, column)
    return batch


def _rows_a_batch(parquet: _Parquet, group: int, batch_bytes: int) -> int:
    """How many rows of a row group make about `batch_bytes` of output.

    Judged by the sizes in the footer. They count a repeated text once (dictionary encoding), so that such columns
    are judged by their first rows.
    """
    meta = parquet.row_group(group)
    if meta.num_rows == 0:
        return 1
    total = 0
    repeated: list[str] = []
    for i in range(meta.num_columns):
        column = meta.column(i)
        total += max(column.total_uncompressed_size, 8 * column.num_values)
        if column.physical_type.endswith("BYTE_ARRAY") and column.has_dictionary_page:
            repeated.append(column.path_in_schema)
    row = line_width(parquet.schema_arrow) + total / meta.num_rows
    probed = 64
    if repeated and meta.num_rows > probed:
        first = next(parquet.rows(group, probed, repeated), None)
        if first is not None:
            row += first.nbytes / first.num_rows
    return int(max(1, min(batch_bytes / row, 65536)))
