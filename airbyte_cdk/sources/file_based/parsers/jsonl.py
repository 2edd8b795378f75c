"""JSON Lines, and other files of JSON objects.

A file whose first line (blank ones aside) is one whole JSON object has one object a line; a bad line is rejected alone.
In any other file, such as one of pretty-printed objects or a ``.json`` file that is one array of objects, objects are
cut by their nesting, and from the first error on the rest is rejected; unless a line follows that is one whole object,
from which on the file is read line by line.

Rows stay text: what is between the braces is written as it stands, so integers of any size and all digits of a number
arrive. Text must be UTF-8; a byte order mark is skipped. Strings with half a surrogate pair (``"\\ud800"``), NaN and
Infinity are not valid: such rows are rejected.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, RecordParseError
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser
from airbyte_cdk.sources.file_based.parsers.handles import open_bytes
from airbyte_cdk.sources.file_based.parsers.json_lines import Bodies, column_values
from airbyte_cdk.sources.file_based.parsers.json_objects import Objects
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
_ENVELOPE_BYTES = 150  # about what an output line has beside the body


class JsonlParser(FileTypeParser):
    """Reads files of JSON objects. Rows are batches of `JsonLines`."""

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

    def batches(self, read: FileRead) -> Iterator[JsonLines]:
        """The file's good objects in order; see `FileTypeParser.batches`."""
        with open_bytes(read.file, read.stream_reader, read.logger, "utf-8") as stream:
            text = Text(stream)
            if text.startswith((_BOM,)):
                text.place += len(_BOM)
            text.peek()
            blocks = _lines(text, read) if text.object_line() else _objects(text, read)
            waiting: list[bytes] = []
            size = 0
            for bodies in blocks:
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


def _lines(text: Text, read: FileRead) -> Iterator[list[bytes]]:
    """Bodies of the objects of a file, or the rest of one, that has one a line."""
    rejects = read.rejects
    bodies = Bodies(read.reserved, read.keep_nulls, lambda number, why: rejects.add(f"line {number}", why))
    line = text.line
    try:
        while block := text.lines():
            found = bodies.of_block(block, line)
            line = text.line
            del block  # it may be a huge line, and the consumer is next
            yield found
    except NoValue as error:
        rejects.add(f"line {line} (byte {text.position}) to the end", str(error), RejectKind.UNREADABLE)
        return
    if text.broken is not None:
        cut: list[str] = []
        last = Bodies(read.reserved, read.keep_nulls, lambda _, why: cut.append(why)).of_block(text.rest(), line)
        yield last  # what looks whole is whole: no valid object is the beginning of another
        place = text.position if cut else text.broken.offset
        rejects.add(f"byte {place} to the end", text.broken.reason, RejectKind.UNREADABLE)


def _objects(text: Text, read: FileRead) -> Iterator[list[bytes]]:
    """Bodies of the objects of a file, cut by their nesting."""
    rejects = read.rejects
    lines: list[bytes] = []
    starts: list[int] = []
    size = 0
    warned = False
    bodies = Bodies(read.reserved, read.keep_nulls, lambda number, why: rejects.add(f"byte {starts[number]}", why))
    objects = Objects(text, rejects)
    for found in objects:
        if found.spans_lines and not warned:
            warned = True
            read.logger.warning(
                "File %s of stream %s has JSON objects that span several lines. They are read, but slower than one "
                "object a line, and an error in one of them costs those that follow.",
                read.file.uri,
                read.config.name,
            )
        lines.append(found.line)
        starts.append(found.start)
        size += len(found.line)
        if size >= BLOCK_BYTES:
            yield bodies.of_block(b"\n".join(lines), 0)
            lines, starts, size = [], [], 0
    yield bodies.of_block(b"\n".join(lines), 0)
    if objects.lines_follow:
        yield from _lines(text, read)


def _type_of(value: bytes) -> str:
    """JSON schema type of a JSON value, given as text."""
    known = _TYPES.get(value[:1])
    if known is not None:
        return known
    # Readers take integers beyond 64 bits for floating-point numbers.
    is_integer = len(value) <= 20 and _INTEGER.fullmatch(value) and -(1 << 63) <= int(value) < 1 << 64
    return "integer" if is_integer else "number"
