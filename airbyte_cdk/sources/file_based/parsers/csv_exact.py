"""The exact CSV reader: Python's `csv` module over one block, with the line of each row.

It reads what the fast reader refuses or might read otherwise. Slower, but it can tell good rows from bad ones.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from airbyte_cdk.sources.file_based.parsers.csv_blocks import LONGEST_ROW, Block
from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect, is_utf8
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects
from airbyte_cdk.utils.wording import counted

_lock = threading.Lock()
_readers = 0
_limit_before = 0


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raises the length limit of the `csv` module, which is global to the process, while a block is read."""
    global _readers, _limit_before
    with _lock:
        if _readers == 0:
            _limit_before = csv.field_size_limit(4 * LONGEST_ROW)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                csv.field_size_limit(_limit_before)


def read_rows(block: Block, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The rows of a block that are not empty, each with the number of its first line.

    Bytes that are not UTF-8 become lone surrogates (``surrogateescape``).
    """
    text = block.data.decode("utf-8", "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), **dialect.reader_arguments())
    line = block.line
    for cells in reader:
        if cells:
            yield line, cells
        line = block.line + reader.line_num


def first_cells(block: Block, dialect: Dialect) -> list[str]:
    """The cells of the first row of a block that is not empty; see `read_rows`."""
    with _long_cells():
        return next(read_rows(block, dialect))[1]


def is_text(cells: list[str]) -> bool:
    """Whether all bytes of the cells could be decoded."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_columns(
    block: Block, dialect: Dialect, width: int, blanks: int, rejects: Rejects, encoding: str
) -> list[pa.Array]:
    """The good rows of a block as columns of text.

    Args:
        block: The rows.
        dialect: Their grammar.
        width: Number of columns.
        blanks: How many more cells a row may have, all blank (they stand under blank header cells).
        rejects: Takes the bad rows: too many or too few cells, text under a blank header, undecodable bytes.
        encoding: Name of the file's encoding, for messages.

    Returns:
        `width` arrays of type string, of equal length.
    """
    sound = is_utf8(block.data)
    good: list[list[str]] = []
    with _long_cells():
        for line, cells in read_rows(block, dialect):
            count = len(cells)
            if not width <= count <= width + blanks:
                why = f"{counted(count, 'value')} for {counted(width, 'column')}"
                rejects.add(f"line {line}", why, RejectKind.WIDTH)
            elif count > width and any(cell.strip() for cell in cells[width:]):
                rejects.add(f"line {line}", "a value under a blank header", RejectKind.WIDTH)
            elif not sound and not is_text(cells):
                rejects.add(f"line {line}", f"not {encoding} text")
            else:
                good.append(cells)
    if not good:
        return [pa.array([], pa.string()) for _ in range(width)]
    columns = zip(*good, strict=False)  # rows may differ in the number of their blank cells
    return [pa.array(column, pa.string()) for column, _ in zip(columns, range(width), strict=False)]
