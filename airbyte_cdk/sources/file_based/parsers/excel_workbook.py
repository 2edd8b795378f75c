"""Opens workbooks: .xlsx by a reader that streams, older and other formats (.xls, .xlsb, .ods) by calamine.

What a file is, its first bytes and its parts tell, not its name.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.parsers.excel_block import EXACT, BadWorkbook, Block
from airbyte_cdk.sources.file_based.parsers.excel_package import content_errors, main_part
from airbyte_cdk.sources.file_based.parsers.excel_xlsx import XlsxWorkbook
from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream, WatchedFile, open_random
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    import logging

    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.parsers.excel_block import Cell
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

_ZIP = b"PK"
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of .xls files, and of workbooks that are encrypted with a password."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""Name of the stream in which such a file has the workbook."""
READ_BYTES = 2 * 1024 * 1024
"""Wanted size of one request to a storage."""
BLOCK_ROWS = 8192
"""Rows that are handed on at once."""


class Workbook(Protocol):
    """An open workbook.

    Attributes:
        sheets: Names of the worksheets, in order.
    """

    sheets: list[str]

    def blocks(self, sheet: str) -> Iterator[Block]:
        """The rows of a worksheet up to its last cell, in order and without gaps, from row 1 on.

        Raises:
            BadWorkbook: What follows cannot be read.
        """


@contextmanager
def open_workbook(
    file: RemoteFile, stream_reader: AbstractFileBasedStreamReader, logger: logging.Logger
) -> Iterator[Workbook | None]:
    """The file opened as a workbook, or None if it has no bytes.

    Raises:
        BadWorkbook: It is none, or is broken, or encrypted.
        Exception: What the storage raises.
    """
    try:
        with open_random(file, stream_reader, logger) as handle:
            source = WatchedFile(handle)
            try:
                yield _opened(io.BufferedReader(source, READ_BYTES))
            except BadWorkbook:
                if source.error is not None:
                    raise source.error from None
                raise
    except BrokenStream as error:
        raise BadWorkbook(f"its compressed content is broken: {error.reason}") from error


def _opened(source: io.BufferedReader) -> Workbook | None:
    start = source.read(len(_COMPOUND))
    if not start:
        return None
    source.seek(0)
    if start.startswith(_ZIP):
        with content_errors():
            archive = zipfile.ZipFile(source)
        if main_part(archive).endswith(".xml"):
            return XlsxWorkbook(archive)
        source.seek(0)
    elif start != _COMPOUND:
        raise BadWorkbook("it is not an Excel workbook; its content is that of another format")
    return _CalamineWorkbook(source)


class _CalamineWorkbook:
    """A workbook that calamine reads: the sheet is held whole, as calamine's own cells."""

    def __init__(self, source: io.BufferedReader) -> None:
        try:
            import python_calamine
        except ImportError as error:
            raise AirbyteTracedException(
                internal_message="python_calamine is not installed",
                message="Workbooks other than .xlsx are read with the library python-calamine, which is not installed. "
                "Run: pip install 'airbyte-cdk[file-based]'",
                failure_type=FailureType.system_error,
                exception=error,
            ) from error
        try:
            with _library_errors("it is not an Excel workbook, or its content is broken"):
                self._workbook: Any = python_calamine.CalamineWorkbook.from_filelike(source)
        except BadWorkbook as error:
            if isinstance(error.__cause__, python_calamine.PasswordError) or _holds(source, _ENCRYPTED):
                raise BadWorkbook("it is protected with a password; store it without one") from error
            raise
        worksheet = python_calamine.SheetTypeEnum.WorkSheet
        self.sheets = [sheet.name for sheet in self._workbook.sheets_metadata if sheet.typ == worksheet]

    def blocks(self, sheet: str) -> Iterator[Block]:
        """See `Workbook.blocks`."""
        with _library_errors("the worksheet is broken"):
            found = self._workbook.get_sheet_by_name(sheet)
        if found.start is None:
            return
        first_column = found.start[1]
        rows = found.iter_rows()
        row = 1
        while block := list(islice(rows, BLOCK_ROWS)):
            yield _block(row, first_column, block)
            row += len(block)


@contextmanager
def _library_errors(reason: str) -> Iterator[None]:
    """Raises BadWorkbook for whatever the library has to say about broken content."""
    try:
        yield
    except BaseException as error:
        # a failed assertion in native code is not an Exception; neither is what ends a program, which passes
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise BadWorkbook(reason) from error
        raise


def _block(first_row: int, first_column: int, rows: list[list[Any]]) -> Block:
    columns = {}
    for index, column in enumerate(zip(*rows, strict=True), first_column):
        cells = list(map(_cell, column))
        if any(cell is not None for cell in cells):
            columns[index] = cells
    return Block(first_row, len(rows), columns)


def _cell(cell: Any) -> Cell:
    """A value of calamine in the form that a block has."""
    if cell == "":
        return None
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < EXACT else cell
    if isinstance(cell, date) and not isinstance(cell, datetime):
        return datetime(cell.year, cell.month, cell.day)
    value: Cell = cell
    return value


def _holds(source: io.BufferedReader, content: bytes) -> bool:
    """Whether the file holds these bytes."""
    source.seek(0)
    tail = b""
    while data := source.read(1024 * 1024):
        if content in tail + data:
            return True
        tail = data[-len(content) :]
    return False
