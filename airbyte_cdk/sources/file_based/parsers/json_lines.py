"""Turns lines of JSON objects into the bodies that `JsonLines` holds, without building a value of them.

Three ways, each of which gives up where it is not sure:

1. All lines of a block have the same columns (in any order): one native call checks the block, a few searches over the
   whole block prove that there is neither a duplicate column nor a null, and one split cuts it.
2. One native call gives each line's columns and the place of each value; lines that need a change are put together
   again from these.
3. The same line by line, which names the bad lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from airbyte_cdk.sources.file_based.parsers.json_text import BLANKS, INVALID, is_utf8, reason

_COLUMNS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SCALAR = str | int | float | bool | None

_LARGEST_BLOCK = 1024 * 1024
"""Larger blocks hold huge lines, whose values should not be built, not even one."""
_MOST_COLUMNS = 500
_MOST_LAYOUTS = 32
_MOST_NULL_COLUMNS = 100
_FEW_NULLS = 8  # if at most one line in so many has a null, these lines are mended one by one

_BEFORE_NULL = re.compile(rb'([,{] *)"([^"\\]*)": *\Z')
_AFTER_NULL = re.compile(rb" *(?:, *|\})")
_LONGEST_BEFORE_NULL = 256


def column_values(text: bytes) -> dict[str, bytes]:
    """The columns of one JSON object, and the text of each value. A column given twice has its last value.

    Raises one of `INVALID` if `text` is not a valid JSON object.
    """
    return {name: bytes(value) for name, value in _COLUMNS.decode(text).items()}


class _Layout:
    """A set of columns, and a decoder that takes only objects which have them all.

    Args:
        names: The columns.
        nested: Those which hold objects or arrays: these are skipped, the others are cheaper to build than to skip.
    """

    def __init__(self, names: tuple[str, ...], nested: frozenset[str]) -> None:
        fields = {f"f{i}": name for i, name in enumerate(names)}
        model = msgspec.defstruct(
            "Line",
            [(field, msgspec.Raw if name in nested else _SCALAR) for field, name in fields.items()],
            rename=fields,
            gc=False,
        )
        self.names = names
        self.nested = nested
        self._decoder = msgspec.json.Decoder(model)
        self._nested_values = [attrgetter(field) for field, name in fields.items() if name in nested]

    def decode(self, block: bytes) -> tuple[int, bytes]:
        """Number of objects in `block`, and the text of all their nested values. Raises one of `INVALID`."""
        rows = self._decoder.decode_lines(block)
        return len(rows), b",".join(value for values in self._nested_values for value in map(values, rows))


class Bodies:
    """Makes bodies of the lines of one file.

    Args:
        reserved: Columns to leave out.
        keep_nulls: Whether top-level nulls stay.
        reject: Called with the number of a bad line and the reason.
    """

    def __init__(self, reserved: frozenset[str], keep_nulls: bool, reject: Callable[[int, str], None]) -> None:
        self._reserved = reserved
        self._keep_nulls = keep_nulls
        self._reject = reject
        self._layout: _Layout | None = None
        self._layouts_left = _MOST_LAYOUTS
        self._names: dict[str, bytes] = {}

    def of_block(self, block: bytes, first_line: int) -> list[bytes]:
        """The body of each good line of `block`, in order.

        Args:
            block: Whole lines; a line end after the last one may be missing.
            first_line: Number of the first one, for `reject`.
        """
        if len(block) <= _LARGEST_BLOCK and is_utf8(block):
            bodies = self._of_uniform_lines(block)
            if bodies is None:
                bodies = self._of_valid_lines(block)
            if bodies is not None:
                return bodies
        return self._one_by_one(block, first_line)

    def _of_uniform_lines(self, block: bytes) -> list[bytes] | None:
        """The bodies, if all lines have the columns of one layout and nothing is in the way; else None."""
        decoded = self._decode_uniform(block)
        if decoded is None or self._layout is None:
            return None
        count, nested = decoded
        if b"\r" in block:
            block = block.replace(b"\r", b"")  # in valid JSON it is white space
        # Every object has each column of the layout at least once. So if there are only that many names, none is there
        # twice. A name ends in `":`, unless there is white space before the colon; what else looks like a name (in a
        # string) makes the count too high, never too low.
        if b" :" in block or b"\t" in block:
            return None
        if block.count(b'":') - nested.count(b'":') != count * len(self._layout.names):
            return None
        nulls = 0 if self._keep_nulls else block.count(b"null")
        if nulls * _FEW_NULLS > count and b"null" not in nested:
            block = _without_nulls(block, nulls, count // _FEW_NULLS)
        # In valid JSON a line end is outside of strings, and `}` is followed by `{` only between objects.
        if not (block.startswith(b"{") and block.endswith((b"}\n", b"}"))):
            return None
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        bodies = block[1 : -2 if block.endswith(b"\n") else -1].split(b"}\n{")
        if not len(bodies) == lines == count:
            return None
        bodies = list(map(bytes.strip, bodies))
        return [self._without_null(body) if b"null" in body else body for body in bodies] if nulls else bodies

    def _decode_uniform(self, block: bytes) -> tuple[int, bytes] | None:
        """What `_Layout.decode` gives, with the layout known or with one learned from the first line; else None."""
        if self._layout is not None:
            try:
                return self._layout.decode(block)
            except INVALID:
                pass
        if self._layouts_left > 0:
            try:
                values = column_values(block[: block.find(b"\n") + 1] or block)
                names = tuple(values)
                nested = frozenset(name for name, value in values.items() if value[:1] in (b"{", b"["))
                known = self._layout
                if known is None or (known.names, known.nested) != (names, nested):
                    self._layouts_left -= 1
                    self._layout = None
                    if 0 < len(names) <= _MOST_COLUMNS and self._reserved.isdisjoint(names):
                        self._layout = _Layout(names, nested)
                        return self._layout.decode(block)
            except INVALID:
                pass
        return None

    def _of_valid_lines(self, block: bytes) -> list[bytes] | None:
        """The bodies, if each line holds one valid object; else None."""
        try:
            rows = _COLUMNS.decode_lines(block)
        except INVALID:
            return None
        lines = [line for line in (line.strip(BLANKS) for line in block.split(b"\n")) if line]
        if len(rows) != len(lines):
            return None
        # As many lines as objects are one object each only if each line begins and ends one.
        if lines and (b"\n".join(lines).count(b"}\n{") != len(lines) - 1 or lines[0][:1] != b"{"):
            return None
        # A name ends in `":`. So if there are only as many as columns, no column is there twice, nothing is nested,
        # and a line can only need a change for its nulls or its names.
        spaced = b" :" in block or b"\t" in block or b"\r" in block
        flat = not spaced and block.count(b'":') == sum(map(len, rows))
        if not flat or b"\\" in block or any(name.encode() in block for name in self._reserved):
            return list(map(self._body, lines, rows))
        if self._keep_nulls or b"null" not in block:
            return [line[1:-1].strip() for line in lines]
        return [
            self._body(line, row) if b"null" in line else line[1:-1].strip()
            for line, row in zip(lines, rows, strict=True)
        ]

    def _one_by_one(self, block: bytes, first_line: int) -> list[bytes]:
        bodies = []
        for number, line in enumerate(block.split(b"\n"), first_line):
            text = line.strip(BLANKS)
            if not text:
                continue
            try:
                row = _COLUMNS.decode(text)
            except INVALID as error:
                self._reject(number, reason(error))
                continue
            if is_utf8(text):
                bodies.append(self._body(text, row))
            else:
                self._reject(number, "not valid UTF-8")
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


def _without_nulls(block: bytes, nulls: int, few: int) -> bytes:
    """`block` without most of the columns that are null.

    Each null found is taken out together with all others of the same column, in one native search. That the text taken
    out is a whole column is proved so: a quote after white space, a comma or a brace is not escaped; nor is the next
    quote, since no backslash stands between; and two quotes that follow one another enclose either a string, which is a
    name if a colon follows, or the text between two strings, which ends in one of ``,:{[`` or in white space.

    Args:
        block: Valid JSON objects, of which no nested value holds the text ``null``.
        nulls: How often it holds the text ``null``.
        few: As many may be left.
    """
    place = 0
    tries = _MOST_NULL_COLUMNS
    while nulls > few and tries > 0:
        tries -= 1
        place = block.find(b"null", place)
        if place < 0:
            break
        before = _BEFORE_NULL.search(block[max(0, place - _LONGEST_BEFORE_NULL) : place])
        column, instead = b"", b""
        if before is not None and before[2][-1:] not in (b",", b":", b"{", b"[", b" "):
            column = before[0] + b"null"
            if column.startswith(b"{"):
                after = _AFTER_NULL.match(block, place + 4)
                column += after[0] if after else b""
                instead = b"{}" if column.endswith(b"}") else b"{"
        if not column:
            place += 4  # part of a text, or an unusual form
            nulls -= 1
            continue
        size = len(block)
        block = block.replace(column, instead)
        nulls -= (size - len(block)) // (len(column) - len(instead))
        place = max(0, place - len(column))
    return block
