"""Cuts CSV text into blocks of whole rows, each with the line where it starts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect
from airbyte_cdk.sources.file_based.parsers.csv_text import Utf8Text
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects

LONGEST_ROW = 16 * 1024 * 1024
"""Bytes of UTF-8 text that one row may have. A longer one is rejected and passed over without being held."""

_LONGEST_SKIPPED_ROW = 64 * 1024
_UNCLOSED = "a quoted value is never closed"
_LOOK_AHEAD = 8  # bytes: the longest token is a doubled quote of four UTF-8 bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a file.

    Attributes:
        data: UTF-8 text (not yet validated).
        line: Number of its first physical line, from 1. Lines end with ``\\n``, ``\\r\\n`` or ``\\r``.
        offset: Position of its first byte in the file's text as UTF-8, without byte order mark.
    """

    data: bytes
    line: int
    offset: int


class State(Enum):
    """Where a scan of CSV text stands."""

    CELL_START = 0
    UNQUOTED = 1
    QUOTED = 2


class RowScanner:
    """Finds row ends by the grammar of Python's `csv`, over text that comes piece by piece.

    Attributes:
        state: Where the scan stopped.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.state = State.CELL_START

    def scan(self, data: bytes, pos: int, final: bool, enough: int | None = None) -> tuple[int, int]:
        """Scan on from `pos` in `data`.

        Args:
            data: The text.
            pos: Where the last scan of the same text stopped, at first 0.
            final: Whether the file ends with `data`.
            enough: Stop at the first row end from this position on, instead of scanning everything.

        Returns:
            The position after the last row end that was found (0 if none), and where the scan stopped.
        """
        dialect = self._dialect
        delimiter, quote, escape = dialect.delimiter_bytes, dialect.quote_bytes, dialect.escape_bytes
        size = len(data)
        limit = size if final else size - _LOOK_AHEAD
        end = 0
        while pos < size:
            if self.state is State.CELL_START:
                if pos > limit:
                    break
                if data.startswith(quote, pos):
                    self.state = State.QUOTED
                    pos += len(quote)
                else:
                    self.state = State.UNQUOTED
                continue
            quoted = self.state is State.QUOTED
            stop = (dialect.quoted_stop if quoted else dialect.cell_stop).search(data, pos)
            if stop is None:
                pos = max(pos, limit)  # a token may be cut by the end of the piece
                break
            if stop.start() > limit:
                pos = stop.start()
                break
            token, pos = stop.group(), stop.end()
            if token == escape:
                pos = min(pos + 1, size)
            elif quoted:
                if dialect.double_quote and data.startswith(quote, pos):
                    pos += len(quote)
                else:
                    self.state = State.UNQUOTED
                    if escape and dialect.double_quote and data.startswith(escape, pos):
                        pos += len(escape)  # plain text in this one place
            elif token == delimiter:
                self.state = State.CELL_START
            else:
                if token == b"\r" and data.startswith(b"\n", pos):
                    pos += 1
                self.state = State.CELL_START
                end = pos
                if enough is not None and end >= enough:
                    break
        return end, pos


class Blocks:
    """The rows of a file as blocks of about `size` bytes; reads forward only.

    Args:
        text: The file's text.
        dialect: Its grammar.
        size: Wanted bytes of a block. A row that is longer makes a longer block, up to `LONGEST_ROW`.
        rejects: Takes what cannot be cut into rows: an unclosed quote, an over-long row, a broken stream.
    """

    def __init__(self, text: Utf8Text, dialect: Dialect, size: int, rejects: Rejects) -> None:
        self._text = text
        self._dialect = dialect
        self._size = max(size, 1)
        self._rejects = rejects
        self._data = b""
        self._ended = False
        self._line = 1
        self._offset = 0

    def skip_rows(self, count: int) -> None:
        """Pass over `count` rows, which may be any text.

        A row is skipped as a CSV row, even over several lines, if its quotes are well placed; otherwise (a title with
        a lone quote) as one physical line. Blank lines count.
        """
        for _ in range(count):
            self._fill(_LONGEST_SKIPPED_ROW)
            data = self._data[:_LONGEST_SKIPPED_ROW]
            final = self._final and len(data) == len(self._data)
            end, _ = RowScanner(self._dialect).scan(data, 0, final, enough=0)
            if end and _well_placed(data[:end], self._dialect):
                self._take(end)
            else:
                self._skip_line()

    def first_row(self) -> Block | None:
        """The next row that is not empty, without passing over it; None if there is none or it never ends."""
        while True:
            end = self._first_end()
            row = Block(self._data[:end], self._line, self._offset)
            if end == 0:
                return None
            if row.data.strip(b"\r\n"):
                return row
            self._take(end)

    def reject_row(self) -> None:
        """Reject the row that `first_row` could not find the end of."""
        self._scan()

    def take(self, row: Block) -> None:
        """Pass over the row that `first_row` has given."""
        self._take(len(row.data))

    @property
    def at_end(self) -> bool:
        """Whether nothing is left, not even a row that never ends."""
        self._fill(self._size)
        return not self._data

    @property
    def text(self) -> Utf8Text:
        """The file's text, which says whether it broke off."""
        return self._text

    def __iter__(self) -> Iterator[Block]:
        while True:
            self._fill(self._size)
            if not self._data:
                break
            end = self._cut() or self._scan()
            if end:
                yield self._take(end)
        if self._text.broken:
            self._rejects.add(*self._text.broken, RejectKind.UNREADABLE)

    @property
    def _final(self) -> bool:
        """Whether the data ends the file. The end of a broken stream does not end a row."""
        return self._ended and not self._text.broken

    def _fill(self, size: int) -> None:
        if self._ended or len(self._data) >= size:
            return
        pieces, held = [self._data], len(self._data)
        while held < size:
            piece = self._text.read(size - held)
            if not piece:
                self._ended = True
                break
            pieces.append(piece)
            held += len(piece)
        self._data = b"".join(pieces)

    def _take(self, end: int) -> Block:
        block = Block(self._data[:end], self._line, self._offset)
        self._data = self._data[end:]
        self._line += _line_ends(block.data)
        self._offset += end
        return block

    def _cut(self) -> int:
        """A row end late in the data, found without looking at each cell; 0 if that cannot be proven."""
        data, dialect, final = self._data, self._dialect, self._final
        if len(data) > 2 * self._size:  # read for the sake of a long row before
            data, final = data[: self._size], False
        if dialect.is_plain(data):
            return len(data) if final else _last_line_end(data, len(data))
        end = len(data) if final else self._last_even_line_end(data)
        if end and dialect.matches(dialect.whole_file if final else dialect.whole_rows, data[:end]):
            return end
        return 0

    def _last_even_line_end(self, data: bytes) -> int:
        """The last line end that an even number of quotes precedes: most often a row end."""
        quote = self._dialect.quote_bytes
        escaped = (self._dialect.escape_bytes or b"") + quote
        has_escape = self._dialect.escape_bytes is not None
        end = _last_line_end(data, len(data))
        odd = (data.count(quote, 0, end) - (data.count(escaped, 0, end) if has_escape else 0)) % 2
        while end and odd:
            before = data.rfind(quote, 0, end)
            if not (has_escape and data.endswith(escaped, 0, before + len(quote))):
                odd = 0
            end = _last_line_end(data, before)
        return end

    def _scan(self) -> int:
        """A row end at about the wanted size, read on if there is none; 0 if the row there had to be rejected."""
        scanner = RowScanner(self._dialect)
        end, pos = scanner.scan(self._data, 0, self._final, enough=self._size)
        while not end and not self._ended:
            if len(self._data) >= LONGEST_ROW:
                self._pass_over(scanner, pos)
                return 0
            self._fill(min(2 * len(self._data) + _LOOK_AHEAD, LONGEST_ROW))
            end, pos = scanner.scan(self._data, pos, self._final, enough=self._size)
        if end:
            return end
        if self._final and scanner.state is not State.QUOTED:
            return len(self._data)
        if self._final:
            self._rejects.add(f"line {self._line} to the end", _UNCLOSED, RejectKind.UNREADABLE)
        self._take(len(self._data))
        return 0

    def _pass_over(self, scanner: RowScanner, pos: int) -> None:
        """Drop the over-long row at the start of the data, piece by piece, and say how it ended."""
        line, end = self._line, 0
        while not end:
            # Kept: what the scan has not decided on, and a "\r" that may be half of a line end.
            done = pos - 1 if pos and self._data[pos - 1] == 0x0D else pos
            self._take(done)
            self._fill(1024 * 1024)
            end, pos = scanner.scan(self._data, pos - done, self._final, enough=0)
            if self._ended and not end:
                break
        self._take(end or len(self._data))
        if not end and self._text.broken:
            return
        if not end and scanner.state is State.QUOTED:
            self._rejects.add(f"line {line} to the end", _UNCLOSED, RejectKind.UNREADABLE)
        else:
            self._rejects.add(f"line {line}", f"the row is longer than {LONGEST_ROW >> 20} MB")

    def _first_end(self) -> int:
        """Where the first row in the data ends; 0 if there is none, or it ends nowhere in `LONGEST_ROW`."""
        self._fill(self._size)
        scanner, end, pos = RowScanner(self._dialect), 0, 0
        while True:
            end, pos = scanner.scan(self._data, pos, self._final, enough=0)
            if end:
                return end
            if self._ended or len(self._data) >= LONGEST_ROW:
                whole = self._final and scanner.state is not State.QUOTED
                return len(self._data) if whole else 0
            self._fill(min(2 * len(self._data) + _LOOK_AHEAD, LONGEST_ROW))

    def _skip_line(self) -> None:
        while True:
            ends = [at for at in (self._data.find(b"\n"), self._data.find(b"\r", 0, len(self._data) - 1)) if at >= 0]
            if ends:
                at = min(ends)
                self._take(at + (2 if self._data.startswith(b"\r\n", at) else 1))
                return
            if self._ended:
                self._take(len(self._data))
                return
            self._take(len(self._data) - 1)  # the last byte may be half of a line end
            self._fill(_LONGEST_SKIPPED_ROW)


def _last_line_end(data: bytes, size: int) -> int:
    """Position after the last line end in ``data[:size]``, 0 if none; a last ``\\r`` may be half of one."""
    return max(data.rfind(b"\n", 0, size), data.rfind(b"\r", 0, max(size - 1, 0))) + 1


def _line_ends(data: bytes) -> int:
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _well_placed(row: bytes, dialect: Dialect) -> bool:
    """Whether quotes of a row enclose whole cells."""
    if row.count(b"\n") + row.count(b"\r") < 2 or dialect.is_plain(row):
        return True
    arguments = {**dialect.reader_arguments(), "strict": True}
    try:
        return len(list(csv.reader(io.StringIO(row.decode("utf-8", "surrogateescape"), newline=""), **arguments))) == 1
    except csv.Error:
        return False
