"""Cuts JSON text into objects by their nesting, and finds the next one behind an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from airbyte_cdk.sources.file_based.parsers.json_lines import checked_columns
from airbyte_cdk.sources.file_based.parsers.json_text import BLANKS, NoValue, Text, is_closed
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_SHORT_RUN = 5
"""So many lines without an object that spans several are read one by one before blocks of lines are looked at again."""


class JsonObject(NamedTuple):
    """One JSON object of a file.

    Attributes:
        line: Its text, without line ends.
        place: Where it is, for `Rejects`.
        spans_lines: Whether it spans several lines in a file that is no array.
    """

    line: bytes
    place: str
    spans_lines: bool


class Objects:
    """The objects in a text: one after the other with or without white space between them, or the items of one array.

    An item of the array that is no object is rejected alone. At any other error, all is rejected up to the next lines
    that are a whole object.

    Args:
        text: The text.
        rejects: Takes the places of what is no object.

    Attributes:
        lines_follow: After the last object: whether the text goes on, with objects that begin and end lines.
    """

    def __init__(self, text: Text, rejects: Rejects) -> None:
        self._text = text
        self._rejects = rejects
        self._begun = 0, 1  # position and line of what is read
        self._at_line = False  # whether what is not understood begins a line, which may be whole
        self._after_array = False
        self.lines_follow = False

    def __iter__(self) -> Iterator[JsonObject]:
        text = self._text
        if text.startswith(_UTF16_MARKS):
            why = "the file is UTF-16 text, but JSON must be UTF-8"
            self._rejects.add(f"byte {text.position} to the end", why, RejectKind.UNREADABLE)
            return
        try:
            yield from self._items() if text.peek() == b"[" else self._objects()
        except NoValue as error:
            self._go_on_behind(error)
        else:
            if text.broken is not None:
                self._rejects.add(f"byte {text.broken.offset} to the end", text.broken.reason, RejectKind.UNREADABLE)

    def _go_on_behind(self, error: NoValue) -> None:
        text, (start, line) = self._text, self._begun
        self.lines_follow, last = text.to_object(here=self._at_line)
        if not self.lines_follow:
            why = f"{error}; {text.broken.reason}" if text.broken is not None else str(error)
            self._rejects.add(f"byte {start} to the end", why, RejectKind.UNREADABLE)
        elif text.position > start:
            self._rejects.add(_lines(line, last), str(error))
        elif not self._after_array:
            self._rejects.add(f"line {line}", str(error))

    def _objects(self) -> Iterator[JsonObject]:
        text = self._text
        while mark := text.peek():
            start, _ = self._begun = text.position, text.line
            value = text.value()
            if mark != b"{":
                raise NoValue("not a JSON object")
            yield _object(value, f"byte {start}", b"\n" in value)

    def _items(self) -> Iterator[JsonObject]:
        text = self._text
        text.place += 1
        mark = text.peek()
        while mark != b"]":
            start, _ = self._begun = text.position, text.line
            value = text.value()
            if value.startswith(b"{"):
                yield _object(value, f"byte {start}", False)
            else:
                self._rejects.add(f"byte {start}", "not a JSON object")
            mark = self._next()
            if mark not in (b",", b"]"):
                raise NoValue("the array is not closed" if not mark else "not valid JSON: expected ',' or ']'")
            if mark == b",":
                text.place += 1
                text.peek()
                self._at_line = False
        text.place += 1
        if self._next():
            self._after_array = True
            raise NoValue("something follows the array")

    def _next(self) -> bytes:
        """The next byte that is not white space, of which it is remembered where it is."""
        before = self._text.line
        mark = self._text.peek()
        self._begun = self._text.position, before
        self._at_line = self._text.line > before
        return mark


class LineObjects:
    """The objects that are next, each of which begins a line and ends one, maybe another one.

    What is wrong is rejected up to the next such object. They end after some lines without one that spans several, and
    at the end of the text.

    Args:
        text: The text. A line begins where it was read to.
        rejects: Takes the places of what is no object.

    Attributes:
        broken_off: Whether an object is not whole because the file is broken; this is rejected already.
    """

    def __init__(self, text: Text, rejects: Rejects) -> None:
        self._text = text
        self._rejects = rejects
        self.broken_off = False

    def __iter__(self) -> Iterator[JsonObject]:
        text = self._text
        run = 0
        while run < _SHORT_RUN and (mark := text.peek()):
            run += 1
            line = text.line
            if mark != b"{":
                _, why = _alone(text)
                if text.broken is not None:
                    return  # it may be cut off
                self._rejects.add(f"line {line}", why)
                text.pass_line()
                continue
            try:
                value = text.take(text.object_lines()).rstrip(BLANKS)
            except NoValue as error:
                self._pass_over(line, error)
                continue
            spans_lines = b"\n" in value
            if spans_lines:
                run = 0
            yield _object(value, _lines(line, line + value.count(b"\n") if spans_lines else line), spans_lines)

    def _pass_over(self, line: int, error: NoValue) -> None:
        text = self._text
        start = text.position
        closed, why = _alone(text)
        if closed:
            self._rejects.add(f"line {line}", why)
            text.pass_line()
            return
        found, last = text.to_object()
        why = why if last == line else str(error)
        if not found and text.broken is not None:
            self.broken_off = True
            self._rejects.add(f"byte {start} to the end", f"{why}; {text.broken.reason}", RejectKind.UNREADABLE)
        elif not found and last > line:
            self._rejects.add(_lines(line, last), why, RejectKind.UNREADABLE)
        else:
            self._rejects.add(_lines(line, last), why)


def _alone(text: Text) -> tuple[bool, str]:
    """Whether the next line closes all that it opens, and why it is no object by itself."""
    closed = False
    try:
        line = text.line_ahead().strip(BLANKS)
        closed = is_closed(line)
        checked_columns(line)
    except NoValue as error:
        return closed, str(error)
    return closed, "not a JSON object"


def _object(value: bytes, place: str, spans_lines: bool) -> JsonObject:
    # The negative indent takes all white space between the tokens out, and changes nothing else.
    return JsonObject(msgspec.json.format(value, indent=-1) if b"\n" in value else value, place, spans_lines)


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first >= last else f"lines {first} to {last}"
