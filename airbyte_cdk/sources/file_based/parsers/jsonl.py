"""JSON Lines, and other files of JSON objects.

A file whose first line (blank ones aside) is one whole JSON object has objects that begin and end lines: one a line,
and some may span several. In any other file, such as one that is one array of objects, they are cut by their nesting.

A bad line is rejected alone. Where it begins an object that is broken farther on, all is rejected up to the next line
from which on there is a whole object; so is an error in a file that is cut by nesting. From there on, objects begin and
end lines.

Rows stay text: what is between the braces is written as it stands, so integers of any size and all digits of a number
arrive. Text must be UTF-8; a byte order mark is skipped. Strings with half a surrogate pair (``"\\ud800"``), NaN and
Infinity are not valid: such rows are rejected.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models.batch import JsonLines, Rows
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, RecordParseError
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser
from airbyte_cdk.sources.file_based.parsers.handles import open_bytes
from airbyte_cdk.sources.file_based.parsers.json_lines import Bodies, column_values, rows_of_lines
from airbyte_cdk.sources.file_based.parsers.json_objects import JsonObject, LineObjects, Objects
from airbyte_cdk.sources.file_based.parsers.json_text import BLOCK_BYTES, NoValue, Text
from airbyte_cdk.sources.file_based.rejects import RejectKind
from airbyte_cdk.sources.file_based.schema_helpers import merge_properties

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

INFERRED_CHARACTERS = 1_000_000
"""Discovery looks at objects of a file until it has seen so many characters."""

_UNHEARD = logging.Logger("airbyte.unheard")  # reading tells the user, discovery need not
_UNHEARD.addHandler(logging.NullHandler())
_BOM = b"\xef\xbb\xbf"
_INTEGER = re.compile(rb"-?[0-9]+")
_TYPES = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
_FEWEST_BYTES = 4 * 1024  # a block of lines may be so small where another object that spans lines is expected
_ENVELOPE_BYTES = 150  # about what an output line has beside the body


class JsonlParser(FileTypeParser):
    """Reads files of JSON objects. Rows are batches of `JsonLines`, or of `Rows` where they are to be Python values."""

    @property
    def file_read_mode(self) -> FileReadMode:
        """Text."""
        return FileReadMode.READ

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The columns of the objects in the first `INFERRED_CHARACTERS` characters, at least of one object.

        Objects and arrays are not described further. An integer beyond 64 bits makes a column a number. Bad lines are
        passed over.

        Raises:
            RecordParseError: There are bad lines and no good one.
        """
        read = FileRead(config, file, stream_reader, _UNHEARD, keep_nulls=True, batch_bytes=BLOCK_BYTES)
        types: dict[str, set[str]] = {}
        characters = 0
        for table in self.batches(read):
            assert isinstance(table, JsonLines)  # `Rows` only where they are asked for
            for body in table.bodies:
                for name, value in column_values(b"{" + body + b"}").items():
                    types.setdefault(name, set()).add(_type_of(value))
                characters += 2 + len(body.decode())
                if characters >= INFERRED_CHARACTERS:
                    break
            if characters >= INFERRED_CHARACTERS:
                break
        if read.rejects and not characters:
            raise RecordParseError(
                FileBasedSourceError.ERROR_PARSING_RECORD, filename=file.uri, details=read.rejects.summary()
            )
        return {name: merge_properties({"type": t} for t in sorted(found)) for name, found in types.items()}

    def batches(self, read: FileRead) -> Iterator[JsonLines | Rows]:
        """The file's good objects in order; see `FileTypeParser.batches`."""
        with open_bytes(read.file, read.stream_reader, read.logger, "utf-8") as stream:
            text = Text(stream)
            if text.startswith((_BOM,)):
                text.place += len(_BOM)
            waiting: list[bytes] = []
            size = 0
            for bodies in _Blocks(text, read):
                if isinstance(bodies, Rows):
                    if waiting:
                        yield JsonLines(_move(waiting, []))
                    size = 0
                    yield bodies
                    continue
                size += sum(map(len, bodies)) + _ENVELOPE_BYTES * len(bodies)
                _move(bodies, waiting)
                if size >= read.batch_bytes:
                    size = 0
                    yield JsonLines(_move(waiting, []))
            if waiting:
                yield JsonLines(waiting)


def _move(bodies: list[bytes], to: list[bytes]) -> list[bytes]:
    """Move all to the end of `to`, so that nothing is held twice; returns `to`."""
    to.extend(bodies)
    bodies.clear()
    return to


class _Blocks:
    """The objects of one file, as lists of bodies, or, if they are to become Python values, where it is quick as such.

    Args:
        text: The file's text.
        read: What is read.
    """

    def __init__(self, text: Text, read: FileRead) -> None:
        self._text = text
        self._read = read
        self._rejects = read.rejects
        self._places: list[str] = []
        self._cut_bodies = self._bodies(lambda number, why: self._rejects.add(self._places[number], why))
        self._warned = False

    def __iter__(self) -> Iterator[list[bytes] | Rows]:
        self._text.peek()
        if not self._text.object_line():
            objects = Objects(self._text, self._rejects)
            yield from self._cut(objects)
            if not objects.lines_follow:
                return
        yield from self._lines()

    def _lines(self) -> Iterator[list[bytes] | Rows]:
        """Of a file, or the rest of one, whose objects begin and end lines."""
        text = self._text
        bodies = self._bodies(lambda number, why: self._rejects.add(f"line {number}", why), leave_unclosed=True)
        objects = LineObjects(text, self._rejects)
        as_rows = self._read.as_rows and self._read.keep_nulls
        most = BLOCK_BYTES
        since = 0  # bytes behind the last object that was cut out
        while True:
            line = text.line
            try:
                block = text.lines(most)
            except NoValue as error:
                self._rejects.add(f"line {line}", str(error))
                text.pass_line()
                continue
            if not block:
                break
            if as_rows and (rows := rows_of_lines(block, self._read.reserved)) is not None:
                since += len(block)
                most = max(2 * since, _FEWEST_BYTES)
                yield Rows(rows, len(block), fresh=True)
                continue
            found = bodies.of_block(block, line)
            since += len(block) - bodies.left
            most = max(2 * since, _FEWEST_BYTES)
            if bodies.left:
                text.give_back(block, bodies.left)
                since = 0
            del block  # it may be a huge line, and the consumer is next
            yield found
            if bodies.left:
                yield from self._cut(objects)
        if text.broken is not None and not objects.broken_off:
            cut: list[str] = []
            last = self._bodies(lambda _, why: cut.append(why)).of_block(text.rest(), line)
            yield last  # what looks whole is whole: no valid object is the beginning of another
            place = text.position if cut else text.broken.offset
            self._rejects.add(f"byte {place} to the end", text.broken.reason, RejectKind.UNREADABLE)

    def _cut(self, objects: Iterable[JsonObject]) -> Iterator[list[bytes]]:
        """Of objects that are cut out one by one."""
        lines: list[bytes] = []
        size = 0
        for found in objects:
            if found.spans_lines and not self._warned:
                self._warned = True
                self._read.logger.warning(
                    "File %s of stream %s has JSON objects that span several lines. They are read, but slower than one "
                    "object a line.",
                    self._read.file.uri,
                    self._read.config.name,
                )
            lines.append(found.line)
            self._places.append(found.place)
            size += len(found.line)
            if size >= BLOCK_BYTES:
                yield self._of_cut(lines)
                lines, size = [], 0
        yield self._of_cut(lines)

    def _of_cut(self, lines: list[bytes]) -> list[bytes]:
        found = self._cut_bodies.of_block(b"\n".join(lines), 0) if lines else []
        self._places.clear()
        return found

    def _bodies(self, reject: Callable[[int, str], None], *, leave_unclosed: bool = False) -> Bodies:
        return Bodies(self._read.reserved, self._read.keep_nulls, reject, leave_unclosed=leave_unclosed)


def _type_of(value: bytes) -> str:
    """JSON schema type of a JSON value, given as text."""
    known = _TYPES.get(value[:1])
    if known is not None:
        return known
    # Readers take integers beyond 64 bits for floating-point numbers.
    is_integer = len(value) <= 20 and _INTEGER.fullmatch(value) and -(1 << 63) <= int(value) < 1 << 64
    return "integer" if is_integer else "number"
