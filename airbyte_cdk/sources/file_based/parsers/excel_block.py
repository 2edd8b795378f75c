"""What readers of workbooks give: stretches of rows of one worksheet, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime, time, timedelta

    import pyarrow as pa

    Cell: TypeAlias = bool | int | float | str | datetime | time | timedelta | None
    """Value of one cell. None is a blank cell; a date is the datetime of its midnight."""
    Column: TypeAlias = "pa.Array | Sequence[Cell]"
    """Cells of one column: of Arrow if all are of one type."""


EXACT = 2**53
"""Integers up to here are floats without loss."""


class BadWorkbook(ValueError):
    """A workbook, or what follows in it, cannot be read. The text says why, without any value of a cell."""


@dataclass(slots=True)
class Block:
    """Some rows of a worksheet, without a gap between them.

    Attributes:
        first_row: Number of the first row as spreadsheet programs show it, from 1.
        num_rows: Number of rows.
        columns: Cells by index of the column, from 0, as many as there are rows. Columns that are not here are blank.
        errors: How many of the cells hold an error such as ``#DIV/0!`` instead of a value; they are blank here.
    """

    first_row: int
    num_rows: int
    columns: Mapping[int, Column] = field(default_factory=dict)
    errors: int = 0
