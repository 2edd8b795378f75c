"""A window on a file of JSON text, and what is asked of JSON text without building its values.

`msgspec <https://jcristharif.com/msgspec/>`_ checks text natively while it skips it (`msgspec.Raw`): grammar, numbers,
escapes, surrogate pairs; not whether strings are UTF-8, which `is_utf8` is for.
"""

from __future__ import annotations

import codecs
import re

import msgspec

from airbyte_cdk.sources.file_based.compression import BrokenStream
from airbyte_cdk.sources.file_based.parsers.handles import ByteStream

BLOCK_BYTES = 1000 * 1024
"""Text is taken from the file in blocks of this size."""

LARGEST_VALUE = 512 * 1024 * 1024
"""A single line or object may have so many bytes; about three times as much memory is needed for it."""

BLANKS = b" \t\r\n"
INVALID = (msgspec.DecodeError, RecursionError, ValueError, OverflowError)
"""What a msgspec decoder raises on text that it does not take."""

_RETRIED_BYTES = 1 << 20
"""Inside of an object that breaks off after more bytes, only objects of one line are looked for: any other try may take
as long as the first one."""

_MOST_BLANKS = 1 << 20  # so much white space is held to count its lines

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BLANK = re.compile(rb"[ \t\r\n]*")
_LINE_REST = re.compile(rb"[ \t\r]*\n?")
_BRACE_LINE = re.compile(rb"\n[ \t\r\n]*\{")
_PLACE = re.compile(r"\(byte (\d+)\)")
_ANY = msgspec.json.Decoder(msgspec.Raw)
_CLOSES_ITSELF = (b"{", b"[", b'"')  # a number or a literal may go on behind the window


class NoValue(Exception):
    """There is no valid JSON here; the message says why, without any data.

    Attributes:
        position: Number of bytes before the one that is not valid, or less; None where the text ends too early.
    """

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason)
        self.position = position


class Text:
    """A file of JSON text, of which a part is held in memory.

    Attributes:
        place: Where the file was read to, as a place in the part held.
        ended: Whether nothing follows the part held.
        broken: Why nothing follows, if that is a broken compressed file.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._data = b""
        self._start = 0
        self._counted = 0  # place up to which lines were counted
        self._line = 1
        self._barren = 0, ""  # up to which position no object of several lines is looked for, and why
        self.place = 0
        self.ended = False
        self.broken: BrokenStream | None = None

    @property
    def position(self) -> int:
        """Where the file was read to: number of bytes before."""
        return self._start + self.place

    @property
    def line(self) -> int:
        """Number of the line to which the file was read, from 1."""
        if self.place >= self._counted:
            self._line += self._data.count(b"\n", self._counted, self.place)
        else:
            self._line -= self._data.count(b"\n", self.place, self._counted)
        self._counted = self.place
        return self._line

    def more(self) -> None:
        """Hold more of the file: a block, or half as much again as is held, so that a huge value is not searched over
        and over. What was read is let go.

        Raises:
            NoValue: More than `LARGEST_VALUE` bytes would be held.
        """
        self._let_go()
        if len(self._data) > LARGEST_VALUE:
            raise NoValue(f"a single value of more than {LARGEST_VALUE >> 20} MB")
        try:
            data = self._stream.read(max(BLOCK_BYTES, len(self._data) // 2))
        except BrokenStream as broken:
            self.broken = broken
            data = b""
        self.ended = not data
        self._data = self._data + data if self._data else data

    def startswith(self, marks: tuple[bytes, ...]) -> bool:
        """Whether one of `marks` is next."""
        while len(self._data) - self.place < max(map(len, marks)) and not self.ended:
            self.more()
        return self._data.startswith(marks, self.place)

    def peek(self) -> bytes:
        """The next byte that is not white space, before which `place` is then; ``b""`` at the end."""
        while True:
            byte = self._data[self.place : self.place + 1]
            if byte and byte not in BLANKS:
                return byte
            match = _BLANK.match(self._data, self.place)
            self.place = match.end() if match else self.place
            if self.place == len(self._data):
                if self.ended:
                    return b""
                self.more()

    def lines(self, most: int) -> bytes:
        """The next whole lines, at least one; ``b""`` at the end. A last line without an end is one, unless the
        compressed file is broken there.

        Args:
            most: If it is less than `BLOCK_BYTES`, only one line may have more bytes.

        Raises:
            NoValue: A line has more than `LARGEST_VALUE` bytes.
        """
        searched = self.place
        while True:
            limit = self.place + most if most < BLOCK_BYTES else len(self._data)
            cut = self._data.rfind(b"\n", searched, limit) + 1 or self._data.find(b"\n", max(searched, limit)) + 1
            if cut or self.ended:
                break
            searched = len(self._data) - self.place
            self.more()
        if self.ended and self.broken is None and not cut:
            cut = len(self._data)
        if cut <= self.place:
            return b""
        return self._taken(cut)

    def give_back(self, block: bytes, n: int) -> None:
        """Let the last `n` bytes of `block`, which was taken last, be next again."""
        if n <= self.place:
            self.place -= n
            return
        line = self.line - block.count(b"\n", len(block) - n)
        self._start, self._data = self.position - n, block[-n:] + self._data[self.place :]
        self.place, self._counted, self._line = 0, 0, line

    def line_ahead(self) -> bytes:
        """The rest of the line, without its end; it stays next.

        Raises:
            NoValue: It has more than `LARGEST_VALUE` bytes.
        """
        while (end := self._data.find(b"\n", self.place)) < 0 and not self.ended:
            self.more()
        return self._data[self.place : end if end >= 0 else None]

    def pass_line(self) -> None:
        """Go to the next line, however long this one is."""
        while (end := self._data.find(b"\n", self.place)) < 0 and not self.ended:
            self.place = len(self._data)
            self.more()
        self.place = end + 1 if end >= 0 else len(self._data)

    def _taken(self, end: int) -> bytes:
        taken = self._data[self.place : end]
        self.place = end
        if len(taken) > BLOCK_BYTES:
            self._let_go()  # rather than hold a huge text twice
        return taken

    def _let_go(self) -> None:
        _ = self.line  # counted while the text is held
        self._start, self._data, self.place, self._counted = self.position, self._data[self.place :], 0, 0

    def rest(self) -> bytes:
        """What is held and was not read."""
        return self._data[self.place :]

    def value(self) -> bytes:
        """The JSON value that is next, white space not being so.

        Raises:
            NoValue: What is next is not a valid JSON value. (Invalid UTF-8 inside strings is not noticed.)
        """
        while True:
            end = self._value_end(self.place)
            if end is not None:
                return self._taken(end)
            self.more()

    def object_line(self) -> int:
        """Length of the line that begins here, if it is one whole JSON object; otherwise 0.

        Such a line begins with a brace. Its length counts its line end, if there is one.
        """
        try:
            return self._object_line()
        except NoValue:
            return 0

    def _object_line(self) -> int:
        while True:
            start = self.place
            line_end = self._data.find(b"\n", start)
            whole_line = line_end >= 0 or self.ended
            line_end = line_end if line_end >= 0 else len(self._data)
            if start < len(self._data) or whole_line:
                if not self._data.startswith(b"{", start):
                    return 0
                if whole_line and self._data[max(start, line_end - 8) : line_end].rstrip(BLANKS)[-1:] not in b"}":
                    return 0
                end = self._value_end(start)
                if end is None and whole_line:
                    return 0
                if end is not None:
                    if end > line_end or self._data[end:line_end].strip(BLANKS):
                        return 0
                    if whole_line:
                        return min(line_end + 1, len(self._data)) - start
            self.more()

    def object_lines(self) -> int:
        """Length of the one or more lines that begin here, with a brace, and are one whole JSON object.

        Raises:
            NoValue: They are not.
        """
        barren, why = self._barren
        if self.position < barren:
            if length := self.object_line():
                return length
            raise NoValue(why)
        try:
            while (end := self._value_end(self.place)) is None:
                self.more()
        except NoValue as error:
            broken = error.position if error.position is not None else self._start + len(self._data)
            if broken - self.position > _RETRIED_BYTES:
                self._barren = broken, str(error)
            raise
        length = end - self.place
        while rest := _LINE_REST.match(self._data, self.place + length):
            end = rest.end()
            if self._data[end - 1 : end] == b"\n" or (self.ended and end == len(self._data)):
                return end - self.place
            if end < len(self._data):
                break
            self.more()
        raise NoValue("not valid JSON: something follows the object")

    def take(self, length: int) -> bytes:
        """The next `length` bytes, which are held."""
        return self._taken(self.place + length)

    def to_object(self, here: bool = False) -> tuple[bool, int]:
        """Go to the next line from which on one or more lines are a whole JSON object that is no part of another one.

        Behind a part, a comma or a closing bracket follows; behind an object whose line is indented, a brace must.

        Args:
            here: Whether a line begins here, which may be that line.

        Returns:
            Whether there is one (if not, nothing is left), and the number of the last line before that is not blank.
        """
        last = self.line
        indented = False
        while not here or not self._is_apart(indented):
            here = True
            while (found := _BRACE_LINE.search(self._data, self.place)) is None:
                if self.ended:
                    self.place = max(self.place, _without_blanks(self._data, len(self._data)))
                    last = self.line
                    self.place = len(self._data)
                    return False, last
                kept = max(self.place, _without_blanks(self._data, len(self._data)))
                self.place = kept if len(self._data) - kept <= _MOST_BLANKS else len(self._data) - 1
                self.more()
            self.place = found.start()
            last = self.line
            self.place = found.end() - 1
            indented = self._data[self.place - 1] != 10
        return True, last

    def _is_apart(self, indented: bool) -> bool:
        """Whether a whole object begins here, and ends a line, that is no part of another one."""
        try:
            length = self.object_lines()
            while True:
                blank = _BLANK.match(self._data, self.place + length)
                end = blank.end() if blank else len(self._data)
                if end < len(self._data):
                    return self._data[end] in b"{" if indented else self._data[end] not in b",]}"
                if self.ended:
                    return not indented
                self.more()
        except NoValue:
            return False

    def _value_end(self, place: int) -> int | None:
        """Where in `_data` the value at `place` ends; None if more must be held to know. Raises NoValue."""
        data = self._data
        with memoryview(data) as whole, whole[place:] as rest:
            try:
                _ANY.decode(rest)
            except INVALID as error:
                message = str(error)
                at = _PLACE.search(message)
                end = place + int(at[1]) if at else len(data)
                if "trailing characters" in message:
                    # The place is one behind the first character that does not belong to the value.
                    return _without_blanks(data, end - 1)
                # A number that is cut off looks like an invalid one. An error without a place may be a cut, too.
                if not self.ended and end >= len(data) - 1 and not isinstance(error, RecursionError):
                    return None
                if isinstance(error, RecursionError):
                    raise NoValue(reason(error), self._start + place) from None
                raise NoValue(reason(error), self._start + end if at else None) from None
        end = _without_blanks(data, len(data))
        if end == len(data) and not self.ended and not data.startswith(_CLOSES_ITSELF, place):
            return None
        return end


def _without_blanks(data: bytes, end: int) -> int:
    """Where `data` up to `end` ends without the white space at its end."""
    while end and data[end - 1] in BLANKS:
        end -= 1
    return end


def is_closed(line: bytes) -> bool:
    """Whether as many brackets are closed as are opened in `line`, strings aside."""
    line = _STRING.sub(b"", line)
    return line.count(b"{") == line.count(b"}") and line.count(b"[") == line.count(b"]")


def is_utf8(data: bytes) -> bool:
    """Whether `data` is valid UTF-8."""
    if data.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # Step by step, as the text of a huge value takes up to four times the memory.
        for i in range(0, len(data), 1 << 20):
            decoder.decode(data[i : i + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def reason(error: Exception) -> str:
    """Why a decoder did not take a text, in a short clause without any data value."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return "not a JSON object"
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    if isinstance(error, msgspec.DecodeError):
        text = str(error).removeprefix("JSON is malformed: ")
        if text == "Input data was truncated":
            text = "it ends too early, or inside an escape"  # half a surrogate pair at the end is reported so, too
        return f"not valid JSON: {text}"
    return "not valid JSON"
