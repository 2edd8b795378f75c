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
from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect
from airbyte_cdk.sources.file_based.rejects import Rejects

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


def read_rows(block: Block, dialect: Dialect) -> list[tuple[int, list[str]]]:
    """The rows of a block that are not empty, each with the number of its first line.

    Bytes that are not UTF-8 become lone surrogates (``surrogateescape``).
    """
    text = block.data.decode("utf-8", "surrogateescape")
    rows = []
    line = block.line
    with _long_cells():
        reader = csv.reader(io.StringIO(text, newline=""), **dialect.reader_arguments())
        for cells in reader:
            if cells:
                rows.append((line, cells))
            line = block.line + reader.line_num
    return rows


def is_text(cells: list[str]) -> bool:
    """Whether all bytes of the cells could be decoded."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def values(count: int) -> str:
    """``1 value``, ``2 values``."""
    return f"{count} value{'' if count == 1 else 's'}"


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
    good: list[list[str]] = []
    for line, cells in read_rows(block, dialect):
        count = len(cells)
        if not width <= count <= width + blanks:
            columns = f"{width} column{'' if width == 1 else 's'}"
            rejects.add(f"line {line}", f"{values(count)} for {columns}")
        elif any(cell.strip() for cell in cells[width:]):
            rejects.add(f"line {line}", "a value under a blank header")
        elif not is_text(cells):
            rejects.add(f"line {line}", f"not {encoding} text")
        else:
            good.append(cells)
    if not good:
        return [pa.array([], pa.string()) for _ in range(width)]
    return [pa.array(column, pa.string()) for column, _ in zip(zip(*good, strict=False), range(width), strict=False)]
