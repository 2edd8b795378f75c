"""Cuts JSON objects out of text by their nesting: pretty-printed objects, several on a line, or one array of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airbyte_cdk.sources.file_based.parsers.json_text import NoValue, Text

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A valid JSON object (its strings may be invalid UTF-8).

    Attributes:
        line: Its text, without line ends.
        place: Where it begins in the file, ``byte 17``.
        spans_lines: Whether it spans several lines of the file, and is no item of an array.
    """

    line: bytes
    place: str
    spans_lines: bool


def objects(text: Text, reject: Callable[[str, str], None]) -> Iterator[JsonObject]:
    """The objects in `text`: one after the other with or without white space between them, or the items of one array.

    An item of the array that is no object is rejected alone. At the first error of any other kind, all that follows is
    rejected.

    Args:
        reject: Called with a place in the file and a reason.
    """
    try:
        yield from _objects(text, reject)
    except NoValue as error:
        why = f"{error}; {text.broken.reason}" if text.broken is not None else str(error)
        reject(f"byte {text.position} to the end", why)
    else:
        if text.broken is not None:
            reject(f"byte {text.broken.offset} to the end", text.broken.reason)


def _objects(text: Text, reject: Callable[[str, str], None]) -> Iterator[JsonObject]:
    if text.startswith(_UTF16_MARKS):
        raise NoValue("the file is UTF-16 text, but JSON must be UTF-8")
    in_array = text.peek() == b"["
    if in_array:
        text.place += 1
        if text.peek() == b"]":
            return _expect_end(text)
    while True:
        mark = text.peek()
        if not mark and not in_array:
            return None
        start = text.position
        value = text.value()
        if mark == b"{":
            # Valid JSON has line ends between its tokens only, so they may go.
            line = value.translate(None, b"\r\n") if b"\n" in value or b"\r" in value else value
            yield JsonObject(line, f"byte {start}", not in_array and b"\n" in value)
        elif in_array:
            reject(f"byte {start}", "not a JSON object")
        else:
            text.place -= len(value)
            raise NoValue("not a JSON object")
        if in_array:
            mark = text.peek()
            if mark == b"]":
                return _expect_end(text)
            if mark != b",":
                raise NoValue("the array is not closed" if not mark else "not valid JSON: expected ',' or ']'")
            text.place += 1


def _expect_end(text: Text) -> None:
    """Pass over the end of the array, behind which nothing may follow."""
    text.place += 1
    if text.peek():
        raise NoValue("something follows the array")
