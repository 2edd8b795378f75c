"""Proves by one native search that all lines of a block are alike: flat JSON objects of some columns in one order.

Most files of JSON lines are written by one program, so their lines differ in the values, and in the columns they lack.
The columns of a few lines then make a regular expression for whole blocks of such lines. Arrow runs it (`RE2
<https://github.com/google/re2/wiki/Syntax>`_, time linear in the text) without holding the interpreter lock, so that
another file is read at the same time. What matches has no column twice and nothing nested, and is valid JSON if each
line feed stands between ``}`` and ``{``, where the lines are cut anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_MOST_COLUMNS = 64
"""RE2 falls back to a method many times slower when a pattern needs too many states (beyond 100 columns)."""
_LEARNED_LINES = 100

# A string may hold escapes of characters, and of surrogates in pairs only; that it is UTF-8 is checked before.
_STRING = (
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))*\""
)
_PLAIN_STRING = r'"[^"\\\x00-\x1f]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_VALUE = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"

_COLUMN = re.compile(rf'"([^"\\\x00-\x1f]+)":( ?){_VALUE}(?:,( ?)|\}}\Z)')


class Layout:
    """The columns of a file of flat JSON lines.

    Args:
        names: The columns in order, as they are written: JSON text without the quotes, without backslashes.
        blank: What stands behind commas and colons: nothing or one blank.
    """

    def __init__(self, names: Sequence[str], blank: str) -> None:
        self.names = names
        self.blank = blank
        texts = [re.escape(name) for name in names]
        columns = "".join(rf'(?:"{text}":{blank}{_VALUE}(?:,{blank}|\}}))?' for text in texts)
        self._lines = rf"\A(?:\{{{columns}\n)+\z"
        self._plain_lines = self._lines.replace(_STRING, _PLAIN_STRING)  # searched a quarter faster
        self._null = rf',{blank}"(?:{"|".join(texts)})":{blank}null'
        self._first_null = f'{{"{names[0]}":{blank}null,{blank}'.encode()

    def holds(self, block: bytes) -> bool:
        """Whether `block`, valid UTF-8, is one or more lines of this layout, each ended by a line feed.

        Each column may be there or not, so each may end in a comma or a brace. That each line ends in a brace is left
        to the caller, who cuts at ``}``, line feed, ``{``: it must give as many lines as there are line feeds. That no
        other column ends in one is looked up here; where a string does, the answer is no.
        """
        if block.count(b"}") != block.count(b"\n") and b'}"' in block:
            return False
        lines = self._lines if b"\\" in block else self._plain_lines
        return bool(pc.match_substring_regex(_cell(block), lines)[0].as_py())

    def without_nulls(self, block: bytes) -> bytes:
        """A `block` that the layout holds, without columns that are null; where a line begins with one, it may be left.

        That each text taken out is a column is proved so: its first quote stands behind a comma, a brace or a blank, so
        it is not escaped; there is no backslash before the second one. Two such quotes that follow one another enclose
        either a string, which is a name if a colon follows, or what stands between two strings, which ends in a
        comma, a colon, a brace or a blank, as no name does here.
        """
        cell = pc.replace_substring_regex(_cell(block), self._null, "")
        return bytes(cell[0].as_buffer()).replace(self._first_null, b"{")


def learn(block: bytes, known: Layout | None) -> Layout | None:
    """A layout for the first lines of `block` and all lines that `known` holds.

    None if it would be the same as `known`, or if a line is not flat, not in one of the two usual styles, or too wide.
    """
    names = list(known.names) if known else []
    blanks = {known.blank} if known else set()
    for line in block.split(b"\n", _LEARNED_LINES)[:_LEARNED_LINES]:
        if not line:
            continue
        found = _columns(line.decode())
        if found is None:
            return None
        blanks |= found[1]
        place = 0
        for name in found[0]:
            if name in names:
                place = names.index(name) + 1
            else:
                names.insert(place, name)
                place += 1
    if not 0 < len(names) <= _MOST_COLUMNS or len(blanks) != 1 or (known and len(names) == len(known.names)):
        return None
    return Layout(names, blanks.pop())


def _columns(line: str) -> tuple[list[str], set[str]] | None:
    """Names of the columns of a line, and the blanks behind its commas and colons; None if it is not flat."""
    names: list[str] = []
    blanks: set[str] = set()
    place = 1
    while place < len(line):
        column = _COLUMN.match(line, place)
        if column is None or column[1].endswith((",", ":", "{", "[", " ")):
            return None
        names.append(column[1])
        blanks.update(blank for blank in column.group(2, 3) if blank is not None)
        place = column.end()
    return names, blanks


def _cell(text: bytes) -> pa.Array:
    """A column of one text, which is not copied."""
    ends = b"\0\0\0\0" + len(text).to_bytes(4, "little")
    return pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(text))
