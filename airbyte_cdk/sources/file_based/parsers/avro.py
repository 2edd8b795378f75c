"""Avro files: block by block, natively where the schema allows it, and exactly in any case.

Format: https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.config.avro_format import AvroFormat
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.avro_container import BadHeader, Block, Container, Damage
from airbyte_cdk.sources.file_based.parsers.avro_exact import ExactReader
from airbyte_cdk.sources.file_based.parsers.avro_native import Refused, open_native
from airbyte_cdk.sources.file_based.parsers.avro_schema import BadSchema, columns_of, parse
from airbyte_cdk.sources.file_based.parsers.base import (
    FileRead,
    FileTypeParser,
    in_pieces,
    options_of,
    without_reserved,
)
from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream, open_bytes
from airbyte_cdk.sources.file_based.rejects import RejectKind

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.parsers.avro_schema import AvroType
    from airbyte_cdk.sources.file_based.rejects import Rejects
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

REFUSALS = 3
"""After so many refused batches, the native reader is not asked again in the same file."""


class AvroParser(FileTypeParser):
    """Reads Avro files. A row with a bad value is rejected alone, a broken block costs its own rows only."""

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns that the file's header declares. Nothing else of the file is read.

        Raises:
            SchemaInferenceError: the file is not an Avro file of records.
        """
        double_as_string = options_of(config, AvroFormat).double_as_string
        try:
            with open_bytes(file, stream_reader, logger) as handle:
                container = Container(handle.read)
                if container.empty:
                    return {}
                root = parse(container.schema)
        except (BadHeader, BadSchema, BrokenStream) as error:
            raise SchemaInferenceError(
                FileBasedSourceError.SCHEMA_INFERENCE_ERROR, file=file.uri, details=str(error)
            ) from error
        return columns_of(root, double_as_string)

    def batches(self, read: FileRead) -> Iterator[pa.RecordBatch | JsonLines]:
        """The file's good rows, block after block.

        Rejected are: the file if its header or schema cannot be read, stretches between two sync markers that hold no
        readable block, and single rows with a value that has no form on the wire (bytes that are not UTF-8).
        """
        try:
            with open_bytes(read.file, read.stream_reader, read.logger) as handle:
                container = Container(handle.read)
                if not container.empty:
                    root = parse(container.schema)
                    read.described.update(columns_of(root, options_of(read.config, AvroFormat).double_as_string))
                    yield from _rows(container, root, read)
        except (BadHeader, BadSchema) as error:
            read.rejects.add("file", str(error), RejectKind.UNREADABLE)
        except BrokenStream as error:
            read.rejects.add("file", error.reason, RejectKind.UNREADABLE)


def _rows(container: Container, root: AvroType, read: FileRead) -> Iterator[pa.RecordBatch | JsonLines]:
    double_as_string = options_of(read.config, AvroFormat).double_as_string
    native = open_native(root, double_as_string)
    exact = ExactReader(root, double_as_string, read.reserved, read.keep_nulls, read.batch_bytes, read.rejects)
    names = 150 + sum(len(name) + 4 for name, _ in root.fields)
    first_row = 1
    refused = 0
    for blocks in _gathered(container, names, read.batch_bytes, read.rejects):
        if native is not None and refused < REFUSALS:
            try:
                batch = native.read(blocks)
            except Refused:
                refused += 1
                yield from exact.read(blocks, first_row)
            else:
                yield from exact.flush()
                yield from in_pieces(without_reserved(batch, read), read)
        else:
            yield from exact.read(blocks, first_row)
        first_row += sum(block.count for block in blocks)
    yield from exact.flush()


def _gathered(container: Container, names: int, batch_bytes: int, rejects: Rejects) -> Iterator[list[Block]]:
    """Runs of blocks that make about one batch of output; what lies between blocks is rejected."""
    blocks: list[Block] = []
    size = 0
    try:
        for block in container.blocks():
            if isinstance(block, Damage):
                rejects.add(block.place, block.reason, RejectKind.UNREADABLE)
                continue
            blocks.append(block)
            size += block.count * names + 2 * len(block.data)
            if size >= batch_bytes:
                yield blocks
                blocks, size = [], 0
    except BrokenStream as error:
        if blocks:
            yield blocks
        rejects.add(f"byte {error.offset} to the end", error.reason, RejectKind.UNREADABLE)
        return
    if blocks:
        yield blocks
