"""Cells in the XML of one worksheet of an .xlsx file, without the file ever being held whole.

A block of whole rows is cut from the stream, and its cells are found by one regular expression, which knows the form
in which nearly all programs write them. A block in any other form (other attributes, formatted text, entities,
comments) goes through an XML parser. Both give the same cells.

Format: ECMA-376 part 1, 18.3.1.4 (c) and 18.3.1.73 (row),
https://ecma-international.org/publications-and-standards/standards/ecma-376/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from airbyte_cdk.sources.file_based.parsers.excel_block import BadWorkbook
from airbyte_cdk.sources.file_based.parsers.excel_package import parse_fragment

RawCell: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]
"""Letters of the column, number of the row, style, type, and value (text, where the cell holds it); b"" if missing."""

READ_BYTES = 512 * 1024

_CELL = re.compile(
    rb'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: s="([0-9]+)")?(?: t="([A-Za-z]+)")?'
    rb"(?:/>|>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)?"
    rb"(?:(?:<v>|<is><t>|<is><t xml:space=\"preserve\">)([^<&\r]*)(?:</v>|</t></is>)|<v ?/>)?</c>)"
)
_HIDING = (b"<!", b"<?", b":c ", b":c>")
"""What may hide a cell from the expression, or make one of what is none: comments, other prefixes."""
_SHEET_DATA = re.compile(rb"<(\w+:)?sheetData\s*(/?)>")


def row_blocks(read: Callable[[int], bytes]) -> Iterator[list[RawCell]]:
    """The cells of a worksheet in their order, those of some rows at a time.

    Args:
        read: Gives the next bytes of the worksheet's XML, at most as many as asked for; b"" at the end.

    Raises:
        BadWorkbook: What follows is not a worksheet, or is cut off. All cells given before are good.
    """
    head = read(READ_BYTES)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadWorkbook("its XML is not in UTF-8")
    while (found := _SHEET_DATA.search(head)) is None:
        more = read(READ_BYTES)
        if not more:
            if b"<" in head and b"sheetData" not in head:
                return  # a sheet without cells
            raise BadWorkbook("a worksheet is cut off")
        head += more
    if found[2]:
        return
    prefix = found[1] or b""
    row_end, data_end = b"</%brow>" % prefix, b"</%bsheetData>" % prefix
    exact = ExactCells()
    rest = head[found.end() :]
    del head
    while True:
        end = rest.find(data_end)
        cut = end if end >= 0 else rest.rfind(row_end) + len(row_end)
        if end >= 0 or cut >= len(row_end):
            block, rest = rest[:cut], rest[cut:]
            if block:
                cells = None if prefix else plain_cells(block)
                yield exact.cells(block) if cells is None else exact.passed(cells)
            if end >= 0:
                return
        more = read(READ_BYTES)
        if not more:
            raise BadWorkbook("the worksheet is cut off")
        rest += more


def plain_cells(block: bytes) -> list[RawCell] | None:
    """The cells of a block of whole rows, or None if it is not in the usual form."""
    cells: list[RawCell] = _CELL.findall(block)
    if len(cells) != block.count(b"<c") or any(hiding in block for hiding in _HIDING):
        return None
    return cells


class ExactCells:
    """Cells of blocks of whole rows, by an XML parser.

    Cells and rows that do not say where they are follow the ones before them, also over several blocks.
    """

    def __init__(self) -> None:
        self._row = 0

    def passed(self, cells: list[RawCell]) -> list[RawCell]:
        """The cells of a block that was read in another way; takes note of its last row."""
        if cells:
            self._row = int(cells[-1][1])
        return cells

    def cells(self, block: bytes) -> list[RawCell]:
        """The cells of a block. Raises `BadWorkbook` if it is not XML."""
        found = _Handlers(self._row)
        parse_fragment(block, found.start, found.end, found.text)
        self._row = found.row
        return found.cells


class _Handlers:
    """Collects cells while the XML parser calls."""

    def __init__(self, row: int) -> None:
        self.cells: list[RawCell] = []
        self.row = row
        self._column = 0
        self._path: list[str] = []
        self._at: tuple[bytes, bytes, bytes, bytes] = (b"", b"", b"", b"")  # all but the value
        self._value: list[str] = []
        self._inline: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        if len(self._path) == 2 and name == "row":
            self.row = _whole(attributes["r"]) if "r" in attributes else self.row + 1
            self._column = 0
        elif len(self._path) == 3 and name == "c":
            self._start_cell(attributes)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        if place is None:
            self._column += 1
            letters = letters_of(self._column - 1)
        else:
            letters = place.rstrip("0123456789").encode()
            self._column = index_of(letters) + 1
            self.row = _whole(place[len(letters) :])
        style, kind = attributes.get("s", ""), attributes.get("t", "")
        self._at = (letters, b"%d" % self.row, style.encode(), kind.encode())
        self._value, self._inline = [], []

    def end(self, name: str) -> None:
        if len(self._path) == 3 and self._path[-1] == "c":
            text = self._inline if self._at[3] == b"inlineStr" else self._value
            self.cells.append((*self._at, "".join(text).encode()))
        self._path.pop()

    def text(self, text: str) -> None:
        inner = self._path[3:]
        if inner == ["v"]:
            self._value.append(text)
        elif inner in (["is", "t"], ["is", "r", "t"]):  # not `rPh`, which says how the text is read aloud
            self._inline.append(text)


def _whole(digits: str) -> int:
    if not digits.isdecimal():
        raise BadWorkbook("a row has no number")
    return int(digits)


def index_of(letters: bytes) -> int:
    """Index of a column from 0 by its letters: 0 is A, 26 is AA. Raises `BadWorkbook` for anything else."""
    index = 0
    for letter in letters:
        if not 65 <= letter <= 90:
            raise BadWorkbook("a cell is in no column")
        index = index * 26 + letter - 64
    if not 1 <= index <= MOST_COLUMNS:
        raise BadWorkbook("a cell is in no column")
    return index - 1


MOST_COLUMNS = 16384
"""As many as spreadsheet programs allow."""


def letters_of(index: int) -> bytes:
    """Letters of a column, by its index from 0."""
    letters = b""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = b"%c" % (65 + letter) + letters
    return letters
