"""Turns lines of JSON objects into the bodies that `JsonLines` holds, without building a value of them.

Four ways, each of which gives up where it is not sure:

1. One native search proves that all lines of a block have the same flat layout (`json_layout.py`).
2. One native call checks a block and gives each line's columns; a few searches over the whole block prove that no
   object has a column twice, nulls are cut out, and one split cuts the block into lines.
3. The same call gives the place of each value; lines that need a change are put together again from these.
4. The same line by line, which names the bad lines, and stops where an object of several lines may begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from airbyte_cdk.sources.file_based.parsers.json_layout import Layout, learn
from airbyte_cdk.sources.file_based.parsers.json_text import BLANKS, INVALID, NoValue, is_closed, is_utf8, reason

_COLUMNS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ROWS = msgspec.json.Decoder(dict[str, Any])

_LARGEST_BLOCK = 1024 * 1024
"""Larger blocks hold huge lines: these are checked one by one."""
_CHECKED_BYTES = 256 * 1024
_MOST_LAYOUTS = 32
_FEW_NULLS = 8  # if at most one line in so many has a null, these lines are put right one by one


def column_values(text: bytes) -> dict[str, bytes]:
    """The columns of one JSON object, and the text of each value. A column given twice has its last value.

    Raises one of `INVALID` if `text` is not a valid JSON object.
    """
    return {name: bytes(value) for name, value in _COLUMNS.decode(text).items()}


def checked_columns(line: bytes) -> dict[str, Any]:
    """The columns of one JSON object, and a view on the text of each value.

    Raises:
        NoValue: `line` is not a valid JSON object; the message says why.
    """
    if not is_utf8(line):  # the decoder notices it in some places only
        raise NoValue("not valid UTF-8")
    try:
        return _COLUMNS.decode(line)
    except INVALID as error:
        raise NoValue(reason(error)) from None


def rows_of_lines(block: bytes, reserved: frozenset[str]) -> list[dict[str, Any]] | None:
    """The objects of a block as Python values, if each line is one valid object; None where that is not sure.

    Integers keep all their digits. What only `bodies` can deal with, such as ``NaN``, is not sure.

    Args:
        block: Whole lines; a line end after the last one may be missing.
        reserved: Columns that are to be left out: not sure if one seems to be there.
    """
    if len(block) > _LARGEST_BLOCK or not is_utf8(block):
        return None
    if reserved and (b"\\" in block or any(name.encode() in block for name in reserved)):
        return None
    rows: list[dict[str, Any]] = []
    start = 0
    try:
        while start < len(block):
            # What is decoded at once should fit the processor's cache.
            end = block.rfind(b"\n", start, start + _CHECKED_BYTES) + 1 or block.find(b"\n", start) + 1 or len(block)
            rows += _ROWS.decode_lines(block[start:end])
            start = end
    except INVALID:
        return None
    # In valid JSON a line end between `}` and `{` is between objects: that many of them leave one object a line.
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    return rows if len(rows) == lines == block.count(b"}\n{") + 1 and block.startswith(b"{") else None


class Bodies:
    """Makes bodies of the lines of one file.

    Args:
        reserved: Columns to leave out.
        keep_nulls: Whether top-level nulls stay.
        reject: Called with the number of a bad line and the reason.
        leave_unclosed: Whether a bad line that begins an object and does not close it is left, with all that follow.

    Attributes:
        left: Number of bytes that were left of the last block.
    """

    def __init__(
        self,
        reserved: frozenset[str],
        keep_nulls: bool,
        reject: Callable[[int, str], None],
        *,
        leave_unclosed: bool = False,
    ) -> None:
        self._reserved = reserved
        self._keep_nulls = keep_nulls
        self._reject = reject
        self._leave_unclosed = leave_unclosed
        self.left = 0
        self._names: dict[str, bytes] = {}
        self._layout: Layout | None = None
        self._layouts_left = _MOST_LAYOUTS

    def of_block(self, block: bytes, first_line: int) -> list[bytes]:
        """The body of each good line of `block`, in order; `left` is set.

        Args:
            block: Whole lines; a line end after the last one may be missing.
            first_line: Number of the first one, for `reject`.
        """
        self.left = 0
        checked = len(block) <= _LARGEST_BLOCK and is_utf8(block)
        if checked:
            bodies = self._of_like_lines(block)
            if bodies is not None:
                return bodies
        bodies = []
        start = 0
        while start < len(block):
            # What is decoded at once should fit the processor's cache.
            end = block.rfind(b"\n", start, start + _CHECKED_BYTES) + 1 or block.find(b"\n", start) + 1 or len(block)
            piece = block[start:end]
            valid = checked or (len(piece) <= _LARGEST_BLOCK and is_utf8(piece))
            found = self._of_valid_lines(piece) if valid else None
            bodies += self._one_by_one(piece, first_line) if found is None else found
            if self.left:
                self.left += len(block) - end
                break
            first_line += piece.count(b"\n")
            start = end
        return bodies

    def _of_like_lines(self, block: bytes) -> list[bytes] | None:
        """The bodies of valid UTF-8, if all lines have the layout known or that of the first one; else None."""
        if not block.endswith(b"\n"):
            block += b"\n"
        if self._layout is None or not self._layout.holds(block):
            if self._layouts_left == 0:
                return None
            self._layouts_left -= 1
            learned = learn(block, self._layout)
            if learned is None or not self._reserved.isdisjoint(learned.names) or not learned.holds(block):
                return None
            self._layout = learned
        nulls = 0 if self._keep_nulls else block.count(b"null")
        count = block.count(b"\n")
        if nulls * _FEW_NULLS > count:
            block = self._layout.without_nulls(block)
        bodies = block[1:-2].split(b"}\n{")
        if len(bodies) != count or not block.endswith(b"}\n"):
            return None
        return [self._without_null(body) if b"null" in body else body for body in bodies] if nulls else bodies

    def _of_valid_lines(self, block: bytes) -> list[bytes] | None:
        """The bodies, if each line holds one valid object; else None."""
        try:
            rows = _COLUMNS.decode_lines(block)
        except INVALID:
            return None
        bodies = self._of_plain_lines(block, rows)
        if bodies is not None:
            return bodies
        lines = [line for line in (line.strip(BLANKS) for line in block.split(b"\n")) if line]
        if len(rows) != len(lines):
            return None
        # As many lines as objects are one object each only if each line begins and ends one.
        if lines and (b"\n".join(lines).count(b"}\n{") != len(lines) - 1 or lines[0][:1] != b"{"):
            return None
        return list(map(self._body, lines, rows))

    def _of_plain_lines(self, block: bytes, rows: list[dict[str, Any]]) -> list[bytes] | None:
        """The bodies, if no line needs a change beyond leaving out nulls; None where the text does not tell.

        Args:
            block: Text of as many valid objects as there are `rows`.
            rows: The columns of each.
        """
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        # Every object has each of its columns at least once. So if there are only that many names, no column is there
        # twice, and nothing is nested. A name ends in `":`, unless there is white space before the colon; what else
        # looks like a name (in a string) makes the count too high, never too low.
        spaced = (b" " in block and b" :" in block) or b"\t" in block or b"\r" in block
        if spaced or block.count(b'":') != sum(map(len, rows)):
            return None
        if self._reserved and (b"\\" in block or any(name.encode() in block for name in self._reserved)):
            return None
        # In valid JSON a line end is outside of strings, and `}` is followed by `{` only between objects.
        if not (block.startswith(b"{") and block.endswith((b"}\n", b"}"))):
            return None
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        nulls = not self._keep_nulls and b"null" in block
        if nulls:
            if b"\\" in block:
                return None
            for end in (b'":null', b'": null'):
                without = _without_nulls(block, end)
                if without is None:
                    return None
                block = without
            nulls = b"null" in block
        bodies = block[1 : -2 if block.endswith(b"\n") else -1].split(b"}\n{")
        if not len(bodies) == lines == len(rows):
            return None
        bodies = [body.strip(b" ,") for body in bodies]  # a column cut out at the beginning leaves its comma
        return [self._without_null(body) if b"null" in body else body for body in bodies] if nulls else bodies

    def _one_by_one(self, block: bytes, first_line: int) -> list[bytes]:
        bodies = []
        start = 0
        for number, line in enumerate(block.split(b"\n"), first_line):
            text = line.strip(BLANKS)
            try:
                if text:
                    bodies.append(self._body(text, checked_columns(text)))
            except NoValue as error:
                if self._leave_unclosed and text.startswith(b"{") and not is_closed(text):
                    self.left = len(block) - start
                    break
                self._reject(number, str(error))
            start += len(line) + 1
        return bodies

    def _without_null(self, body: bytes) -> bytes:
        line = b"{" + body + b"}"
        return self._body(line, _COLUMNS.decode(line))

    def _body(self, line: bytes, row: dict[str, Any]) -> bytes:
        """The body of one valid object.

        Args:
            line: Its text, without white space around it.
            row: Its columns, and the text of each value.
        """
        names = line.count(b'":') + line.count(b" :") + line.count(b"\t:") + line.count(b"\r:")
        for value in row.values() if names != len(row) else ():
            # What looks like a name inside a value is none of the object's own.
            text = memoryview(value)
            if text.nbytes > 4:
                nested = bytes(text)
                names -= nested.count(b'":') + nested.count(b" :") + nested.count(b"\t:") + nested.count(b"\r:")
        has_null = not self._keep_nulls and b"null" in line and any(map(_is_null, row.values()))
        if names == len(row) and not has_null and self._reserved.isdisjoint(row):
            body = line[1:-1].strip()
        else:
            body = b",".join(
                [
                    self._name(name) + bytes(value)
                    for name, value in row.items()
                    if name not in self._reserved and (self._keep_nulls or not _is_null(value))
                ]
            )
        return body.replace(b"\r", b"") if b"\r" in body else body

    def _name(self, name: str) -> bytes:
        """A column's name as JSON text, with its colon."""
        text = self._names.get(name)
        if text is None:
            text = msgspec.json.encode(name) + b":"
            if len(self._names) < 10_000:  # some files have names that are data, such as ids
                self._names[name] = text
        return text


def _is_null(value: Any) -> bool:
    text = memoryview(value)
    return text.nbytes == 4 and bytes(text) == b"null"


def _without_nulls(block: bytes, end: bytes) -> bytes | None:
    """`block` without the columns whose text ends in `end`; None where the text does not tell what they are.

    There is no backslash in `block`, so each quote begins or ends a string. The quote in `end` ends a name, unless it
    begins a string; then it follows one of ``:,[{`` or a blank, and nothing is changed.

    Args:
        block: Valid JSON objects without nested ones, one a line.
        end: The end of a name, a colon, and ``null``.
    """
    parts = block.split(end)
    if len(parts) == 1:
        return block
    last = parts.pop()
    kept = []
    for part in parts:
        if part.endswith((b":", b",", b"[", b"{", b" ", b'"')):
            return None
        head = part[: part.rfind(b'"')].rstrip(b" ")
        kept.append(head[:-1] if head.endswith(b",") else head)
    kept.append(last)
    return b"".join(kept)
