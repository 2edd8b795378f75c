"""Cuts JSON objects out of text by their nesting: pretty-printed objects, several on a line, or one array of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from airbyte_cdk.sources.file_based.parsers.json_text import NoValue, Text

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
            spans_lines = b"\n" in value
            # The negative indent takes all white space between the tokens out, and changes nothing else.
            line = msgspec.json.format(value, indent=-1) if spans_lines else value
            yield JsonObject(line, start, spans_lines and not in_array)
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
