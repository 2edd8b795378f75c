"""Worksheets of .xlsx files, a stretch of rows at a time.

Held whole are only the shared texts of the workbook (as Arrow text) and its list of styles.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.sources.file_based.parsers.excel_block import EXACT, BadWorkbook, Block
from airbyte_cdk.sources.file_based.parsers.excel_dates import Kind, cell_value, timestamps
from airbyte_cdk.sources.file_based.parsers.excel_package import Package, unescaped
from airbyte_cdk.sources.file_based.parsers.excel_sheet import RawCell, index_of, row_blocks

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.parsers.excel_block import Cell, Column

BLANK_ROWS = 4096
"""A longer stretch of blank rows is a block of its own."""
_DIGITS = re.compile(rb"-?[0-9]+")
_NUMBERS = frozenset((b"", b"n"))
_TRUE = frozenset((b"1", b"true"))


class XlsxWorkbook:
    """An open .xlsx workbook.

    Args:
        archive: Its ZIP archive.

    Attributes:
        sheets: Names of the worksheets, in order.

    Raises:
        BadWorkbook: It cannot be read.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._package = Package(archive)
        self.sheets = list(self._package.sheets)

    def blocks(self, sheet: str) -> Iterator[Block]:
        """The rows of a worksheet up to its last cell with a value, in order, without gaps.

        Raises:
            BadWorkbook: What follows cannot be read.
        """
        values = _Values(self._package)
        given = seen = 0
        with self._package.opened(self._package.sheets[sheet]) as read:
            for cells in _header_apart(row_blocks(read)):
                for stretch in _stretches(cells):
                    if stretch.first_row <= seen:
                        raise BadWorkbook("its rows are not in order")
                    seen = stretch.first_row + stretch.num_rows - 1
                    block = _block(stretch, values)
                    if block is None:
                        continue
                    while (blank := block.first_row - given - 1) > 0:
                        yield Block(given + 1, min(blank, BLANK_ROWS))
                        given += min(blank, BLANK_ROWS)
                    yield block
                    given += block.num_rows


def _header_apart(blocks: Iterator[list[RawCell]]) -> Iterator[list[RawCell]]:
    """The blocks, with row 1 as a block of its own: the cells below it are of other types."""
    first = next(blocks, [])
    yield [cell for cell in first if cell[1] == b"1"]
    yield [cell for cell in first if cell[1] != b"1"]
    yield from blocks


@dataclass(slots=True)
class _RawColumn:
    """Cells of one column in some rows: a value each, and the row of each (from 0) unless there is one in every row."""

    rows: Sequence[int] | None
    styles: Sequence[bytes]
    types: Sequence[bytes]
    values: Sequence[bytes]


@dataclass(slots=True)
class _Stretch:
    """Rows of which hardly any are blank."""

    first_row: int
    num_rows: int
    columns: Mapping[int, _RawColumn]


def _stretches(cells: list[RawCell]) -> Iterator[_Stretch]:
    """Cells in the order of their rows, column by column."""
    if not cells:
        return
    regular = _regular(cells)
    if regular is not None:
        yield regular
        return
    numbers = sorted(map(int, {cell[1] for cell in cells}))
    long_gap = next((at for at in range(1, len(numbers)) if numbers[at] - numbers[at - 1] > BLANK_ROWS), None)
    if long_gap is not None:
        later = numbers[long_gap]
        yield from _stretches([cell for cell in cells if int(cell[1]) < later])
        yield from _stretches([cell for cell in cells if int(cell[1]) >= later])
        return
    first = numbers[0]
    groups: defaultdict[bytes, list[RawCell]] = defaultdict(list)
    for cell in cells:
        groups[cell[0]].append(cell)
    columns = {}
    for letters, group in groups.items():
        _, rows, styles, types, values = zip(*group, strict=True)
        columns[index_of(letters)] = _RawColumn([int(row) - first for row in rows], styles, types, values)
    yield _Stretch(first, numbers[-1] - first + 1, columns)


def _regular(cells: list[RawCell]) -> _Stretch | None:
    """The cells if they stand in the same columns in every row, and no row is blank."""
    first = cells[0][1]
    width = 1
    while width < len(cells) and cells[width][1] == first:
        width += 1
    count, rest = divmod(len(cells), width)
    if rest:
        return None
    numbers = tuple([b"%d" % number for number in range(int(first), int(first) + count)])
    columns = {}
    for at in range(width):
        letters, rows, styles, types, values = zip(*cells[at::width], strict=True)
        # cells between two of one row are of that row
        if letters.count(letters[0]) != count or (at in (0, width - 1) and rows != numbers):
            return None
        columns[index_of(letters[0])] = _RawColumn(None, styles, types, values)
    return _Stretch(int(first), count, columns) if len(columns) == width else None


def _block(stretch: _Stretch, values: _Values) -> Block | None:
    """The rows of a stretch without blank ones at its end, which are often styled and nothing else; None if all are."""
    num_rows = max(map(_last_row, stretch.columns.values()))
    if not num_rows:
        return None
    columns: dict[int, Column] = {}
    for index, raw in stretch.columns.items():
        column = values.column(raw)
        if column is not None:
            whole = column if raw.rows is None else _spread(column, raw.rows, stretch.num_rows)
            columns[index] = whole[:num_rows]
    return Block(stretch.first_row, num_rows, columns, values.taken_errors())


def _last_row(raw: _RawColumn) -> int:
    """Number from 1 of the last row in which the column is not blank, 0 if there is none."""
    for place in range(len(raw.values) - 1, -1, -1):
        if raw.values[place]:
            return 1 + (place if raw.rows is None else raw.rows[place])
    return 0


def _spread(column: Column, rows: Sequence[int], num_rows: int) -> Column:
    """The cells in their rows, with blanks between them."""
    if isinstance(column, pa.Array):
        places: list[int | None] = [None] * num_rows
        for place, row in enumerate(rows):
            places[row] = place
        return column.take(pa.array(places, pa.int32()))
    cells: list[Cell] = [None] * num_rows
    for cell, row in zip(column, rows, strict=True):
        cells[row] = cell
    return cells


class _Values:
    """Makes values of the cells of one workbook."""

    def __init__(self, package: Package) -> None:
        self._since_1904 = package.since_1904
        styles = package.styles()
        self._kinds = {b"%d" % number: kind for number, kind in enumerate(styles)}
        self._kinds[b""] = styles[0] if styles else Kind.NUMBER
        self._strings = package.shared_strings()
        blank = pc.equal(self._strings, "")
        self._blank_strings = pc.indices_nonzero(blank).cast(pa.int32())
        self._errors = 0

    def taken_errors(self) -> int:
        """How many cells held an error since the last call."""
        errors, self._errors = self._errors, 0
        return errors

    def column(self, raw: _RawColumn) -> Column | None:
        """The values of one column, None if all are blank. Raises `BadWorkbook` if a shared text is missing."""
        types = set(raw.types)
        if b"" in raw.values:  # blank cells may be of any type
            types = {kind for kind, value in zip(raw.types, raw.values, strict=True) if value}
        if not types:
            return None
        try:
            column = self._uniform(types, raw)
        except pa.ArrowInvalid:
            column = None
        except UnicodeError:
            raise BadWorkbook("a text is not UTF-8") from None
        if column is not None:
            return column
        return [self._cell(*cell) for cell in zip(raw.styles, raw.types, raw.values, strict=True)]

    def _uniform(self, types: set[bytes], raw: _RawColumn) -> pa.Array | None:
        """The values of a column whose cells are all alike; None if they are not."""
        if types <= _NUMBERS:
            kinds = {self._kinds.get(style, Kind.NUMBER) for style in set(raw.styles)}
            if len(kinds) > 1:
                return None
            return self._numbers(_texts(raw.values), kinds.pop())
        if len(types) > 1:
            return None
        match types.pop():
            case b"s":
                return self._shared(_texts(raw.values).cast(pa.int32()))
            case b"inlineStr" | b"str":
                return None if any(b"_x" in text for text in raw.values) else _texts(raw.values)
            case b"b":
                return pa.array([value in _TRUE if value else None for value in raw.values], pa.bool_())
        return None

    def _numbers(self, texts: pa.Array, kind: Kind) -> pa.Array | None:
        if kind is Kind.MOMENT:
            return timestamps(texts.cast(pa.float64()), self._since_1904)
        if kind is Kind.DURATION:
            return None
        try:
            return texts.cast(pa.int64())
        except pa.ArrowInvalid:
            floats = texts.cast(pa.float64())
        largest = pc.max(pc.abs(floats)).as_py()
        if not largest < EXACT or not pc.all(pc.is_finite(floats)).as_py():
            return None
        return floats.cast(pa.int64()) if pc.all(pc.equal(pc.floor(floats), floats)).as_py() else floats

    def _shared(self, numbers: pa.Array) -> pa.Array:
        bounds = pc.min_max(numbers)
        if bounds["min"].as_py() < 0 or bounds["max"].as_py() >= len(self._strings):
            raise BadWorkbook("a cell refers to a shared text that is missing")
        if len(self._blank_strings):
            blank = pc.is_in(numbers, self._blank_strings)
            numbers = pc.if_else(blank, pa.scalar(None, pa.int32()), numbers)
        return pa.DictionaryArray.from_arrays(numbers, self._strings)

    def _cell(self, style: bytes, kind: bytes, value: bytes) -> Cell:
        if not value:
            return None
        match kind:
            case b"" | b"n":
                return self._number(value, self._kinds.get(style, Kind.NUMBER))
            case b"s":
                number = int(value) if value.isdigit() else -1
                if not 0 <= number < len(self._strings):
                    raise BadWorkbook("a cell refers to a shared text that is missing")
                shared: str = self._strings[number].as_py()
                return shared or None
            case b"b":
                return value in _TRUE
            case b"e":
                self._errors += 1
                return None
            case b"d":
                return _iso(value.decode())
        try:
            return unescaped(value.decode()) or None
        except UnicodeError:
            raise BadWorkbook("a text is not UTF-8") from None

    def _number(self, text: bytes, kind: Kind) -> Cell:
        if kind is Kind.NUMBER and _DIGITS.fullmatch(text) and len(text) < 4000:
            return int(text)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            return text.decode(errors="replace")  # no program writes it, but nothing is lost
        cell = cell_value(value, kind, self._since_1904)
        if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT:
            return int(cell)
        return cell


def _texts(values: Sequence[bytes]) -> pa.Array:
    """The values as text; those without any byte are null."""
    return pa.array([value or None for value in values] if b"" in values else values, pa.string())


def _iso(text: str) -> Cell:
    """A date or time in ISO 8601; any other text as it is."""
    readers: tuple[Callable[[str], datetime | time], ...] = (datetime.fromisoformat, time.fromisoformat)
    for read in readers:
        try:
            moment = read(text)
        except ValueError:
            continue
        if moment.tzinfo is None:
            return moment
    return text
