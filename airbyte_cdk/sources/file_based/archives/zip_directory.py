"""The central directory of a zip archive, which is at its end and tells where each member is.

`zipfile` would do, but for one thing: a single name that is not in the encoding that it declares makes it refuse the
whole archive.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from airbyte_cdk.sources.file_based.archives.errors import ArchiveError

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.archives.handles import Window

_TAIL = 64 * 1024
"""The end of the directory is in here, and all of a small one, unless it is followed by a long comment."""

_LONGEST_TAIL = 2 * _TAIL

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_RECORD = struct.Struct("<4s4B4H3L5H2L")
_UTF8 = 0x800
_FULL = 0xFFFFFFFF  # of four bytes: the number is in the extra field
_ZIP_64, _UNICODE_NAME = 0x0001, 0x7075


class Record(NamedTuple):
    """What the directory tells of one entry.

    Attributes:
        name: As text; half surrogates stand for bytes that are not in its encoding.
        raw_name: As it is in the archive.
        place: Of its local header in the archive; -1 if the directory says that it is outside.
        packed: Bytes it takes in the archive.
        size: Bytes of its content.
        crc: CRC-32 of its content.
        method: Of the compression.
        flags: General purpose bits.
        system: Number of the system on which it was made.
        attributes: As that system has them.
    """

    name: str
    raw_name: bytes
    place: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    system: int
    attributes: int


class _End(NamedTuple):
    """What the end of the directory tells of it."""

    entries: int
    size: int
    offset: int
    after: int  # place of the byte behind the directory


def directory(window: Window, uri: str) -> Iterator[Record]:
    """The entries of an archive, as its directory has them.

    Raises:
        ArchiveError: The directory is missing or damaged; also after some entries.
        Exception: What the storage raises.
    """
    end = _end(window, uri)
    start = end.after - end.size
    if start < 0:
        raise ArchiveError(uri, f"is damaged: its directory declares {end.size} bytes, and there are {end.after}")
    window.seek(start)
    data = window.read(end.size)
    moved = start - end.offset  # places count from the first member, in front of which there may be other bytes
    at = count = 0
    while at < len(data):
        if len(data) - at < _RECORD.size or data[at : at + 4] != b"PK\x01\x02":
            raise ArchiveError(uri, f"is damaged: entry {count + 1} of its directory is no entry")
        record, at = _record(data, at, moved, uri)
        yield record if 0 <= record.place < start else record._replace(place=-1)
        count += 1
    if end.entries not in (count, count & 0xFFFF):
        raise ArchiveError(uri, f"is damaged: its directory has {count} entries, and declares {end.entries}")


def _end(window: Window, uri: str) -> _End:
    if window.size == 0:
        raise ArchiveError(uri, "is empty, so it is not a zip archive")
    for size in (_TAIL, _LONGEST_TAIL):
        begin = max(window.size - size, 0)
        window.seek(begin)
        tail = window.read()
        at = tail.rfind(b"PK\x05\x06")
        if at >= _LOCATOR_64.size + _END_64.size or len(tail) < size:
            break
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveError(uri, "is not a zip archive, or its end is missing")
    _, disk, first_disk, _, entries, directory_size, offset, _ = _END.unpack_from(tail, at)
    if 0 not in (disk, first_disk) and 0xFFFF not in (disk, first_disk):
        raise ArchiveError(uri, "is the last part of a zip archive in several parts, which is not supported")
    large = at - _LOCATOR_64.size - _END_64.size
    if large >= 0 and tail[large : large + 4] == b"PK\x06\x06" and tail[at - _LOCATOR_64.size :][:4] == b"PK\x06\x07":
        *_, entries, directory_size, offset = _END_64.unpack_from(tail, large)
        at = large
    return _End(entries, directory_size, offset, begin + at)


def _record(data: bytes, at: int, moved: int, uri: str) -> tuple[Record, int]:
    """An entry, and where the next one begins."""
    (_, _, system, _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes, comment_bytes, _, _,
     attributes, place) = _RECORD.unpack_from(data, at)  # fmt: skip
    at += _RECORD.size
    raw_name = data[at : at + name_bytes]
    extra = dict(_extra_fields(data[at + name_bytes : at + name_bytes + extra_bytes]))
    large = extra.get(_ZIP_64, b"")
    numbers = [size, packed, place]
    for which, number in enumerate(numbers):
        if number == _FULL and large:
            if len(large) < 8:
                raise ArchiveError(uri, "is damaged: an entry of its directory lacks a size or place beyond 4 GB")
            numbers[which], large = int.from_bytes(large[:8], "little"), large[8:]
    size, packed, place = numbers
    name = _name(raw_name, flags, extra.get(_UNICODE_NAME, b""))
    record = Record(name, raw_name, place + moved, packed, size, crc, method, flags, system, attributes)
    return record, at + name_bytes + extra_bytes + comment_bytes


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def _name(raw: bytes, flags: int, unicode_name: bytes) -> str:
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    if len(unicode_name) > 5 and unicode_name[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
        return unicode_name[5:].decode("utf-8", "surrogateescape")
    try:  # many tools write UTF-8 without saying so; text in another code page is hardly ever valid UTF-8
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")
