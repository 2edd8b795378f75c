"""Excel workbooks: one worksheet, whose first row names the columns.

Cells are typed. A number keeps all its digits; a date is ``2024-01-02T00:00:00.000000``, a time of day ``03:04:05``, a
duration ``P1DT6H0M0S``. A blank cell, and one that holds an error such as ``#DIV/0!``, is null. Text is never taken for
anything else: ``NA`` stays ``NA``. Of merged cells the first one has the value.

.xlsx files are streamed, whatever their size; of .xls, .xlsb and .ods files the sheet is held whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airbyte_cdk.sources.file_based.config.excel_format import ExcelFormat
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser, in_pieces, options_of
from airbyte_cdk.sources.file_based.parsers.excel_block import BadWorkbook, Block
from airbyte_cdk.sources.file_based.parsers.excel_columns import (
    ColumnNames,
    as_declared,
    column_names,
    declared_types,
    kinds,
    property_of,
)
from airbyte_cdk.sources.file_based.parsers.excel_workbook import open_workbook
from airbyte_cdk.sources.file_based.rejects import RejectKind
from airbyte_cdk.utils.wording import counted

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.parsers.excel_block import Cell
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

LISTED_SHEETS = 20
"""So many sheets of a workbook are named in a message."""


class ExcelParser(FileTypeParser):
    """Reads one worksheet of each workbook."""

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns, by all cells of the worksheet: number, boolean, date-time or text.

        A column that has cells of several kinds is text. One without any value is a number.

        Raises:
            SchemaInferenceError: The workbook or a part of it cannot be read, or it does not have the sheet.
        """
        found: dict[int, set[str]] = {}
        rows = 0
        try:
            with _open_sheet(config, file, stream_reader, logger) as sheet:
                for block in sheet.blocks():
                    rows += block.num_rows
                    for index, column in block.columns.items():
                        found.setdefault(index, set()).update(kinds(column))
        except BadWorkbook as error:
            raise SchemaInferenceError(
                FileBasedSourceError.SCHEMA_INFERENCE_ERROR, file=file.uri, details=str(error)
            ) from error
        width = max([len(sheet.names), *(index + 1 for index in found)])
        names = sheet.names[:width]
        return {name: property_of(found.get(index, set()), rows > 0) for index, name in enumerate(names)}

    def batches(self, read: FileRead) -> Iterator[pa.RecordBatch]:
        """The file's rows below the header, blank ones between others included.

        Rejected are: the file if it is not a workbook, is encrypted or does not have the sheet, and all that follows a
        place where its content is broken.
        """
        row, errors = 0, 0
        try:
            with _open_sheet(read.config, read.file, read.stream_reader, read.logger) as sheet:
                for block in sheet.blocks():
                    errors += block.errors
                    yield from _ready(block, sheet.names, read)
                    row = block.first_row + block.num_rows - 1
        except BadWorkbook as error:
            read.rejects.add(f"row {row + 1} to the end" if row else "file", str(error), RejectKind.UNREADABLE)
        if errors:
            read.logger.warning(
                f"File {read.file.uri}: {counted(errors, 'cell')} with an error such as #DIV/0! instead of a value, "
                "sent as null"
            )


class _Sheet:
    """One worksheet.

    Attributes:
        names: Names of its columns, known once the first block was asked for.
    """

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.names = column_names([])

    def blocks(self) -> Iterator[Block]:
        """The rows below the header."""
        first = next(self._blocks, None)
        if first is None:
            return
        header: dict[int, Cell] = {}
        for index, column in first.columns.items():
            cell = column[0]
            header[index] = cell.as_py() if isinstance(cell, pa.Scalar) else cell
        width = max((index + 1 for index, cell in header.items() if cell is not None), default=0)
        self.names = column_names([header.get(index) for index in range(width)])
        if first.num_rows > 1:
            rest = {index: column[1:] for index, column in first.columns.items()}
            yield replace(first, first_row=2, num_rows=first.num_rows - 1, columns=rest)
        yield from self._blocks


@contextmanager
def _open_sheet(
    config: FileBasedStreamConfig,
    file: RemoteFile,
    stream_reader: AbstractFileBasedStreamReader,
    logger: logging.Logger,
) -> Iterator[_Sheet]:
    """The sheet that the options ask for; a file without any byte is a sheet without rows. Raises `BadWorkbook`."""
    with open_workbook(file, stream_reader, logger) as workbook:
        if workbook is None:
            yield _Sheet(iter(()))
        else:
            yield _Sheet(workbook.blocks(_chosen(workbook.sheets, options_of(config, ExcelFormat).sheet_name)))


def _chosen(sheets: list[str], wanted: str | None) -> str:
    """Name of the sheet that is meant by a name, or by a number from 1. Raises `BadWorkbook` if it is not there."""
    if not sheets:
        raise BadWorkbook("it has no worksheet")
    if wanted is None or not wanted.strip():
        return sheets[0]
    if wanted in sheets:
        return wanted
    number = wanted.strip()
    if number.isdecimal() and 1 <= int(number) <= len(sheets):
        return sheets[int(number) - 1]
    listed = ", ".join(map(repr, sheets[:LISTED_SHEETS]))
    more = f" and {len(sheets) - LISTED_SHEETS} more" if len(sheets) > LISTED_SHEETS else ""
    raise BadWorkbook(
        f"it has no sheet {wanted!r}, which the option sheet_name asks for; its sheets are {listed}{more}"
    )


def _ready(block: Block, names: ColumnNames, read: FileRead) -> Iterator[pa.RecordBatch]:
    """The rows of a block in batches of bounded size."""
    width = max([1, len(names), *(index + 1 for index in block.columns)])
    schema = read.schema or {}
    arrays: list[pa.Array] = []
    kept: list[str] = []
    for index, name in enumerate(names[:width]):
        if name in read.reserved:
            continue
        column = block.columns.get(index)
        kept.append(name)
        arrays.append(
            pa.nulls(block.num_rows) if column is None else as_declared(column, declared_types(schema.get(name)))
        )
    if not arrays:
        return
    batch = pa.RecordBatch.from_arrays(arrays, kept)
    for piece in in_pieces(batch, read):
        yield pa.RecordBatch.from_arrays(list(map(_plain, piece.columns)), kept)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode().cast(pa.string()) if pa.types.is_dictionary(array.type) else array
