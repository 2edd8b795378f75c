"""Proves by one native search that all lines of a block are alike: flat JSON objects of the same columns in one order.

Most files of JSON lines are written by one program, so their lines differ in the values only. The columns of one line
then make a regular expression that matches a block of such lines and nothing else. Arrow runs it (`RE2
<https://github.com/google/re2/wiki/Syntax>`_, time linear in the text) without holding the interpreter lock. What
matches is valid JSON, has no column twice and nothing nested, and can be cut into lines at ``}`` line feed ``{``.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_MOST_COLUMNS = 64
"""RE2 falls back to a method ten times slower when a pattern needs too many states (beyond 100 columns)."""

# A string may hold escapes of characters, and of surrogates in pairs only; UTF-8 is checked before.
_STRING = (
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r'|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))*"'
)
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_VALUE = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"

_NAME = re.compile(r'"([^"\\]+)":( ?)')
_VALUE_AND_END = re.compile(_VALUE + r"(?:,( ?)|\}\n?\Z)")


class Layout:
    """The columns of a file of flat JSON lines.

    Args:
        names: The columns in order, as they are written: JSON text without the quotes, without backslashes.
        blank: What stands behind commas and colons: nothing or one blank.
    """

    def __init__(self, names: tuple[str, ...], blank: str) -> None:
        texts = [re.escape(name) for name in names]
        columns = f",{blank}".join(f'"{text}":{blank}{_VALUE}' for text in texts)
        self.names = names
        self.blank = blank
        self._lines = rf"\A(?:\{{{columns}\}}\n)+\z"
        self._null = f',{blank}"(?:{"|".join(texts)})":{blank}null'
        first = f'{{"{names[0]}":{blank}null'.encode()
        self._first_nulls = ((first + f",{blank}".encode(), b"{"), (first + b"}", b"{}"))

    def holds(self, block: bytes) -> bool:
        """Whether `block`, valid UTF-8, is one or more lines of this layout, each ended by a line feed."""
        return bool(pc.match_substring_regex(_cell(block), self._lines)[0].as_py())

    def without_nulls(self, block: bytes) -> bytes:
        """A `block` that the layout holds, without the columns that are null.

        That each text taken out is a column is proved so: its first quote stands behind a comma, a brace or a blank, so
        it is not escaped; there is no backslash before the second one. Two such quotes that follow one another enclose
        either a string, which is a name if a colon follows, or what stands between two strings, which ends in a
        comma, a colon, a brace or a blank, as no name does here.
        """
        block = pc.replace_substring_regex(_cell(block), self._null, "")[0].as_buffer().to_pybytes()
        for column, instead in self._first_nulls:
            block = block.replace(column, instead)
        return block


def learn(line: bytes) -> Layout | None:
    """The layout of a line, or None if it is not written in one of the two usual styles, or too wide, or not flat."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    names: list[str] = []
    blanks: set[str] = set()
    place = 1 if text.startswith("{") else len(text)
    more = True
    while more:
        name = _NAME.match(text, place)
        value = _VALUE_AND_END.match(text, name.end()) if name else None
        if name is None or value is None or name[1].endswith((",", ":", "{", "[", " ")):
            return None
        names.append(name[1])
        more = value[1] is not None
        blanks.update((name[2], value[1]) if more else (name[2],))
        place = value.end()
    if not 0 < len(set(names)) == len(names) <= _MOST_COLUMNS or len(blanks) != 1:
        return None
    return Layout(tuple(names), blanks.pop())


def _cell(text: bytes) -> pa.Array:
    """A column of one text, which is not copied."""
    ends = b"\0\0\0\0" + len(text).to_bytes(4, "little")
    return pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(text))
