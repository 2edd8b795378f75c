"""Zip archives: their central directory, and their members.

Format: `APPNOTE.TXT <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>`_. The central directory, at the end,
tells where each member is; the member repeats its name there. The directory is read by `zipfile`. Members are decoded
here: `zipfile` would read the directory again for each, and cuts a member that is longer than declared.
"""

from __future__ import annotations

import logging
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.handles import (
    READ_BYTES,
    MemberStream,
    Window,
    expect_ranges,
    is_seekable,
    load_ahead,
    read_exactly,
)
from airbyte_cdk.sources.file_based.archives.zip_codecs import Undecodable, Unsupported, decoded

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.archives.member import ArchiveMember
    from airbyte_cdk.sources.file_based.storage_file import StorageFile

_TAIL = 64 * 1024
"""The end of the directory is in here, and all of a small one, unless it is followed by a long comment."""

_LONGEST_TAIL = 2 * _TAIL

_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = 256  # bytes of the extra field in front of a member, unless there are more
_UTF8 = 0x800
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UNIX = 3


class ZipEntry(NamedTuple):
    """Where a member is, and how it is stored.

    Attributes:
        place: Of its local header in the archive; -1 if the directory says that it is outside.
        packed: Bytes it takes in the archive.
        size: Bytes of its content.
        crc: CRC-32 of its content.
        method: Of the compression.
        flags: General purpose bits.
        raw_name: As it is in the archive.
    """

    place: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    raw_name: bytes

    @property
    def span(self) -> int:
        """Bytes of the header and the data; some more, as the header is known only once it is read."""
        return _LOCAL.size + len(self.raw_name) + _EXTRA + self.packed

    def opened(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A handle on the member's content, see `ArchiveMember.opened`. It cannot seek, as the CRC is checked."""
        if self.flags & _ENCRYPTED or self.method == 99:
            raise ArchiveError(member.uri, "is encrypted, which is not supported")
        if self.place < 0:
            raise ArchiveError(member.uri, "is missing: by the archive's directory it is outside of the archive")
        with ExitStack() as stack:
            handle = open_stored(member.archive)
            stack.callback(handle.close)
            expect_ranges(handle)
            pieces = _content(self, member.uri, handle)
            stack.pop_all()
        return cast("BinaryIO", MemberStream(pieces, handle.close))


class Listing:
    """The members of one zip archive.

    Args:
        wanted: Which members to keep, by name.

    Attributes:
        entries: Member by name.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.entries: dict[str, ZipEntry] = {}
        self._wanted = wanted
        self._repeated: list[str] = []
        self._special: list[str] = []

    def read(self, handle: Any, uri: str) -> None:
        """Read the directory. Raises ArchiveError, or what the storage raises."""
        if not is_seekable(handle):
            raise ArchiveError(uri, "cannot be read from its end, where the directory is: its storage cannot seek")
        window = Window(handle, at_end=True)
        if window.size == 0:
            raise ArchiveError(uri, "is empty, so it is not a zip archive")
        try:
            declared = _declared(window, uri)
            with zipfile.ZipFile(cast("BinaryIO", window)) as opened:
                infos = opened.infolist()
        except ArchiveError:
            raise
        except Exception as error:  # zipfile raises errors of many kinds over damaged bytes
            if window.error is not None:
                raise window.error from None
            raise ArchiveError(uri, f"cannot be read as a zip archive: its directory is damaged ({error})") from error
        if declared not in (len(infos), len(infos) & 0xFFFF):
            raise ArchiveError(uri, f"is damaged: its directory has {len(infos)} entries, and declares {declared}")
        for info in infos:
            self._add(info, window.size)

    def _add(self, info: zipfile.ZipInfo, archive_size: int) -> None:
        name, raw = _names(info)
        if name.endswith("/") and info.file_size == 0:
            return
        if not self._wanted(name):
            return
        if _is_special(info):
            self._special.append(name)
            return
        if self.entries.pop(name, None) is not None:
            self._repeated.append(name)
        self.entries[name] = ZipEntry(
            info.header_offset if 0 <= info.header_offset < archive_size else -1,
            info.compress_size,
            info.file_size,
            info.CRC,
            info.compress_type,
            info.flag_bits,
            raw,
        )

    def tell(self, uri: str, logger: logging.Logger) -> None:
        """Log what was left out."""
        tell_left_out(uri, self._special, self._repeated, logger)


def _is_special(info: zipfile.ZipInfo) -> bool:
    """Whether an entry is a link, a device or the like. What `zip` was given by a pipe is marked as a pipe."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    return kind == stat.S_IFLNK or (kind not in (0, stat.S_IFREG) and info.file_size == 0)


def tell_left_out(uri: str, special: list[str], repeated: list[str], logger: logging.Logger) -> None:
    """Log which entries of an archive were left out."""
    if special:
        logger.warning(
            "Archive %s: %d entries are links, devices or the like and are left out, the first is %s.",
            uri,
            len(special),
            special[0],
        )
    if repeated:
        logger.warning(
            "Archive %s: %d members have the name of a later one and are left out, the first is %s.",
            uri,
            len(repeated),
            repeated[0],
        )


def _declared(window: Window, uri: str) -> int:
    """How many entries the directory should have. It also brings the end of the archive into the window."""
    for size in (_TAIL, _LONGEST_TAIL):
        window.seek(max(window.size - size, 0))
        tail = window.read()
        at = tail.rfind(b"PK\x05\x06")
        if at >= 20 + 56 or len(tail) < size:
            break
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveError(uri, "is not a zip archive, or its end is missing")
    _, disk, first_disk, _, entries, _, _, _ = _END.unpack_from(tail, at)
    if 0 not in (disk, first_disk) and 0xFFFF not in (disk, first_disk):
        raise ArchiveError(uri, "is the last part of a zip archive in several parts, which is not supported")
    large = at - 20 - 56  # the end record of ZIP64, and its locator
    if entries == 0xFFFF and large >= 0 and tail[large : large + 4] == b"PK\x06\x06":
        return int.from_bytes(tail[large + 32 : large + 40], "little")
    return int(entries)


def _names(info: zipfile.ZipInfo) -> tuple[str, bytes]:
    """The name of an entry, and its bytes in the archive."""
    name = info.orig_filename  # `filename` is cut at a NUL
    if info.flag_bits & _UTF8:
        return name, name.encode()
    raw = name.encode("cp437")
    if not name.isascii():
        if info.filename != name and "\0" not in name:
            return info.filename, raw  # from the extra field for Unicode names
        try:  # many tools write UTF-8 without saying so; text in another code page is hardly ever valid UTF-8
            return raw.decode(), raw
        except UnicodeDecodeError:
            pass
    return name, raw


def _content(entry: ZipEntry, uri: str, handle: BinaryIO) -> Iterator[bytes]:
    """The content of a member in pieces. The last piece is given only when size and CRC were found right."""
    handle.seek(entry.place)
    head = read_exactly(handle, min(entry.span, READ_BYTES))
    body = _after_header(entry, uri, head)
    if body > len(head):
        handle.seek(entry.place + body)
    packed = _packed(handle, head[body:], entry, uri)
    crc = done = 0
    held = b""
    try:
        for piece in decoded(packed, entry.method, entry.flags, entry.size):
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
    if magic != b"PK\x03\x04" or name != entry.raw_name or method != entry.method:
        raise ArchiveError(uri, "is not where the archive's directory says: the archive is damaged, or was replaced")
    if flags & _ENCRYPTED:
        raise ArchiveError(uri, "is encrypted, which is not supported")
    return int(_LOCAL.size + name_bytes + extra_bytes)


def _packed(handle: BinaryIO, head: bytes, entry: ZipEntry, uri: str) -> Iterator[bytes]:
    """The stored bytes of a member, the first of which were read already."""
    head = head[: entry.packed]
    if head:
        yield head
    left = entry.packed - len(head)
    if left:
        load_ahead(handle, handle.tell(), handle.tell() + left)
    while left > 0:
        piece = handle.read(min(left, READ_BYTES))
        if not piece:
            raise ArchiveError(uri, f"is cut off: {left} of its {entry.packed} stored bytes are missing")
        left -= len(piece)
        yield piece
