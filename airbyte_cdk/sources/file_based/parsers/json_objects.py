"""Cuts JSON objects out of text by their nesting: pretty-printed objects, several on a line, or one array of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from airbyte_cdk.sources.file_based.parsers.json_text import NoValue, Text
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class JsonObject(NamedTuple):
    """A valid JSON object (its strings may be invalid UTF-8).

    Attributes:
        line: Its text, without line feeds.
        start: Place of its first byte in the file.
        spans_lines: Whether it spans several lines of the file, and is not an item of an array.
    """

    line: bytes
    start: int
    spans_lines: bool


class Objects:
    """The objects in a text: one after the other with or without white space between them, or the items of one array.

    An item of the array that is no object is rejected alone. At any other error, all that follows is rejected, unless a
    line follows that is one whole object, and that cannot be a part of what was begun before it.

    Args:
        text: The text.
        rejects: Takes the places of what is no object.

    Attributes:
        lines_follow: After the last object: whether the text goes on, with one object a line.
    """

    def __init__(self, text: Text, rejects: Rejects) -> None:
        self._text = text
        self._rejects = rejects
        self._in_array = False
        self._begun = 0, 1  # place and line of the value that is read
        self.lines_follow = False

    def __iter__(self) -> Iterator[JsonObject]:
        text = self._text
        try:
            yield from self._objects()
        except NoValue as error:
            self._go_on_behind(error)
        else:
            if text.broken is not None:
                self._rejects.add(f"byte {text.broken.offset} to the end", text.broken.reason, RejectKind.UNREADABLE)

    def _go_on_behind(self, error: NoValue) -> None:
        text, (start, line) = self._text, self._begun
        if not self._in_array and not text.startswith(_UTF16_MARKS):
            # where the first line has closed all that it opened, no object inside of another one can follow
            closed = text.line_is_closed()
            self.lines_follow = text.to_object_line(lambda position: closed or position == error.position)
        if self.lines_follow:
            last = text.line - 1
            self._rejects.add(f"line {line}" if line == last else f"lines {line} to {last}", str(error))
            return
        why = f"{error}; {text.broken.reason}" if text.broken is not None else str(error)
        self._rejects.add(f"byte {start} to the end", why, RejectKind.UNREADABLE)

    def _objects(self) -> Iterator[JsonObject]:
        text = self._text
        if text.startswith(_UTF16_MARKS):
            raise NoValue("the file is UTF-16 text, but JSON must be UTF-8")
        self._in_array = in_array = text.peek() == b"["
        if in_array:
            text.place += 1
            if text.peek() == b"]":
                return self._expect_end()
        while True:
            mark = text.peek()
            if not mark and not in_array:
                return None
            self._begun = start, _ = text.position, text.line
            value = text.value()
            if mark == b"{":
                spans_lines = b"\n" in value
                # The negative indent takes all white space between the tokens out, and changes nothing else.
                line = msgspec.json.format(value, indent=-1) if spans_lines else value
                yield JsonObject(line, start, spans_lines and not in_array)
            elif in_array:
                self._rejects.add(f"byte {start}", "not a JSON object")
            else:
                raise NoValue("not a JSON object")
            if in_array:
                mark = text.peek()
                if mark == b"]":
                    return self._expect_end()
                if mark != b",":
                    self._begun = text.position, text.line
                    raise NoValue("the array is not closed" if not mark else "not valid JSON: expected ',' or ']'")
                text.place += 1

    def _expect_end(self) -> None:
        """Pass over the end of the array, behind which nothing may follow."""
        self._text.place += 1
        self._in_array = False
        if self._text.peek():
            self._begun = self._text.position, self._text.line
            raise NoValue("something follows the array")
