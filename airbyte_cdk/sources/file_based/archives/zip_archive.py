"""Zip archives: their members.

Format: `APPNOTE.TXT <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>`_. The central directory, at the end,
tells where each member is; the member repeats its name there. Members are decoded here: `zipfile` would read the
directory again for each, and cuts a member that is longer than declared.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.handles import (
    READ_BYTES,
    MemberStream,
    Window,
    expect_ranges,
    is_seekable,
    load_ahead,
)
from airbyte_cdk.sources.file_based.archives.shared import SHARED, SMALL_BYTES
from airbyte_cdk.sources.file_based.archives.zip_codecs import Undecodable, Unsupported, decoded
from airbyte_cdk.sources.file_based.archives.zip_directory import Record, directory

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.archives.entries import Entries
    from airbyte_cdk.sources.file_based.archives.member import ArchiveMember
    from airbyte_cdk.sources.file_based.storage_file import StorageFile

_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = 256  # bytes of the extra field in front of a member, unless there are more
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UNIX = 3


class ZipEntry(NamedTuple):
    """Where a member is, and how it is stored: see `Record`."""

    place: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    raw_name: bytes

    @property
    def order(self) -> tuple[int, int]:
        """As the archive holds them."""
        return 0, self.place

    @property
    def in_order(self) -> bool:
        """False: each member is compressed by itself."""
        return False

    @property
    def span(self) -> int:
        """Bytes of the header and the data; some more, as the header is known only once it is read."""
        return _LOCAL.size + len(self.raw_name) + _EXTRA + self.packed

    def opened(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A handle on the member's content, see `ArchiveMember.opened`. It cannot seek, as the CRC is checked."""
        if self.flags & _ENCRYPTED or self.method == 99:
            raise _encrypted(member.uri)
        if self.place < 0:
            raise ArchiveError(member.uri, "is missing: by the archive's directory it is outside of the archive")
        if self.span <= SMALL_BYTES:
            pieces = _content(self, member.uri, self._small(member, open_stored))
            return cast("BinaryIO", MemberStream(pieces, lambda: None))
        with ExitStack() as stack:
            handle = open_stored(member.archive)
            stack.callback(handle.close)
            expect_ranges(handle)
            pieces = _content(self, member.uri, self._large(member.uri, handle))
            stack.pop_all()
        return cast("BinaryIO", MemberStream(pieces, handle.close))

    def _small(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> Iterator[bytes]:
        """The stored bytes of the member, in one piece."""
        data = SHARED.part(member.archive, open_stored, self.place, self.span)
        body = _after_header(self, member.uri, data)
        if body + self.packed > self.span:
            data = SHARED.part(member.archive, open_stored, self.place, body + self.packed)
        yield data[body : body + self.packed]

    def _large(self, uri: str, handle: BinaryIO) -> Iterator[bytes]:
        """The stored bytes of the member."""
        handle.seek(self.place)
        head = read_exactly(handle, min(self.span, READ_BYTES))
        body = _after_header(self, uri, head)
        if body > len(head):
            handle.seek(self.place + body)
        head = head[body : body + self.packed]
        if head:
            yield head
        left = self.packed - len(head)
        if left:
            load_ahead(handle, handle.tell(), handle.tell() + left)
        while left > 0 and (piece := handle.read(min(left, READ_BYTES))):
            left -= len(piece)
            yield piece


def read_members(handle: Any, uri: str, entries: Entries) -> None:
    """Read the directory of an archive.

    Raises:
        ArchiveError: It is damaged, or no zip archive; there are no `entries` then.
        Exception: What the storage raises.
    """
    if not is_seekable(handle):
        reason = (
            "cannot be read from its end, where the directory of a zip archive is: its storage does not tell its size, "
            "or cannot seek. A tar archive can be read from its start"
        )
        raise ArchiveError(uri, reason)
    try:
        for record in directory(Window(handle, at_end=True), uri):
            if record.raw_name.endswith((b"/", b"\\")) and record.size == 0:
                continue  # a folder
            entries.add(record.name, None if _is_special(record) else _entry(record))
    except ArchiveError:
        entries.clear()
        raise


def _entry(record: Record) -> ZipEntry:
    return ZipEntry(record.place, record.packed, record.size, record.crc, record.method, record.flags, record.raw_name)


def _is_special(record: Record) -> bool:
    """Whether an entry is a link, a device or the like. What `zip` was given by a pipe is marked as a pipe."""
    kind = stat.S_IFMT(record.attributes >> 16) if record.system == _UNIX else 0
    return kind == stat.S_IFLNK or (kind not in (0, stat.S_IFREG) and record.size == 0)


def _encrypted(uri: str) -> ArchiveError:
    reason = "is encrypted, which is not supported: unpack it in the storage, or leave it out by the stream's globs"
    return ArchiveError(uri, reason)


def _content(entry: ZipEntry, uri: str, packed: Iterator[bytes]) -> Iterator[bytes]:
    """The content of a member in pieces. The last piece is given only when size and CRC were found right."""
    crc = done = 0
    held = b""
    try:
        for piece in decoded(_whole(packed, entry, uri), entry.method, entry.flags, entry.size):
            done += len(piece)
            if done > entry.size:
                break
            crc = zlib.crc32(piece, crc)
            if held:
                yield held
            held = piece
    except Unsupported as error:
        raise ArchiveError(uri, f"is compressed by {error}, which is not supported") from None
    except Undecodable as error:
        raise ArchiveError(uri, f"is damaged within {_place(done)}: its compressed data {error}") from None
    if done != entry.size:
        raise ArchiveError(uri, f"is damaged: it is not {entry.size} bytes long, as the archive declares")
    if crc != entry.crc:
        raise ArchiveError(uri, "is damaged: its content does not fit its check sum (CRC-32)")
    if held:
        yield held


def _place(done: int) -> str:
    return f"what follows byte {done} of its content"


def _after_header(entry: ZipEntry, uri: str, head: bytes) -> int:
    """Where the data of a member begins in the bytes read from its place on."""
    if len(head) < _LOCAL.size:
        raise ArchiveError(uri, "is missing: the archive ends before it")
    magic, _, flags, method, _, _, _, _, _, name_bytes, extra_bytes = _LOCAL.unpack_from(head)
    name = head[_LOCAL.size : _LOCAL.size + name_bytes]
    same_name = name.replace(b"\\", b"/") == entry.raw_name.replace(b"\\", b"/")
    if magic != b"PK\x03\x04" or not same_name or method != entry.method:
        raise ArchiveError(uri, "is not where the archive's directory says: the archive is damaged, or was replaced")
    if flags & _ENCRYPTED:
        raise _encrypted(uri)
    return int(_LOCAL.size + name_bytes + extra_bytes)


def _whole(packed: Iterator[bytes], entry: ZipEntry, uri: str) -> Iterator[bytes]:
    """The stored bytes of a member; raises if they are not all there."""
    left = entry.packed
    for piece in packed:
        left -= len(piece)
        yield piece
    if left:
        raise ArchiveError(uri, f"is cut off: {left} of its {entry.packed} stored bytes are missing")
