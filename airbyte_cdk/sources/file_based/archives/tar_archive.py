"""Tar archives, plain or compressed: their headers, and their members.

Formats: `pax <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>`_ and `GNU tar
<https://www.gnu.org/software/tar/manual/html_node/Standard.html>`_, read by `tarfile`. Headers stand between the
contents. Each has a check sum, other than the contents and long names: damage of those is noticed only if the archive
is compressed. The compression is recognised by the first bytes, as some storages undo it.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from airbyte_cdk.sources.file_based.access.raw_io import putting_back, read_exactly
from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.handles import (
    READ_BYTES,
    MemberSlice,
    MemberStream,
    Window,
    expect_ranges,
    is_seekable,
)
from airbyte_cdk.sources.file_based.archives.naming import is_plain_tar, member_name
from airbyte_cdk.sources.file_based.archives.shared import SHARED, SMALL_BYTES
from airbyte_cdk.sources.file_based.archives.tar_streams import IDLE, TarStream
from airbyte_cdk.sources.file_based.compression import MAGIC_BYTES, Codec, codec_of

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.archives.entries import Entries
    from airbyte_cdk.sources.file_based.archives.member import ArchiveMember
    from airbyte_cdk.sources.file_based.storage_file import StorageFile

_BLOCK = tarfile.BLOCKSIZE

_HEADER_LIMIT = 16 * READ_BYTES
"""What belongs to a header is a name or a few attributes: more than this is damage, or an attack on the memory."""


class Content:
    """How the content of one archive is read; its members share it.

    Attributes:
        seekable: Whether a member can be read from its place on: the archive is not compressed, its handle can seek.
        codec: How the archive is compressed, None if it is not.
        end: Where its last member ends: no stream is kept for what follows.
    """

    def __init__(self, seekable: bool, codec: Codec | None) -> None:
        self.seekable = seekable
        self.codec = codec
        self.end = 0


class TarEntry(NamedTuple):
    """Where a member is.

    Attributes:
        place: Of its first byte in the decompressed archive; its header is the block before.
        size: Bytes.
        stamp: Check sum (CRC-32) of its header.
        sparse: Whether it is stored without its holes.
        content: Of the archive.
        names: Under how many other names it is given before: hard links are further names of one content.
    """

    place: int
    size: int
    stamp: int
    sparse: bool
    content: Content
    names: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """As the archive holds them; further names of a member come after all others, which need one pass only."""
        return self.names, self.place

    @property
    def in_order(self) -> bool:
        """Whether the archive can only be read from its start on."""
        return not self.content.seekable

    def opened(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        """A handle on the member's content, see `ArchiveMember.opened`; it can seek if the archive's can."""
        if self.sparse:
            raise ArchiveError(member.uri, "is stored as a sparse file, which is not supported")
        if self.content.seekable:
            return self._sliced(member, open_stored)
        return self._streamed(member, open_stored)

    def _sliced(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        if self.size <= SMALL_BYTES:
            data = SHARED.part(member.archive, open_stored, self.place - _BLOCK, _BLOCK + self.size)
            return self._whole(data, member.uri)
        with ExitStack() as stack:
            handle = open_stored(member.archive)
            stack.callback(handle.close)
            expect_ranges(handle)
            handle.seek(self.place - _BLOCK)
            if self.size <= READ_BYTES:
                return self._whole(read_exactly(handle, _BLOCK + self.size), member.uri)
            self.check_header(read_exactly(handle, _BLOCK), member.uri)
            stack.pop_all()
        return cast("BinaryIO", MemberSlice(handle, self.place, self.size, lambda: _cut_off(member.uri)))

    def _whole(self, data: bytes, uri: str) -> BinaryIO:
        """The member as it follows its header in `data`."""
        self.check_header(data[:_BLOCK], uri)
        if len(data) < _BLOCK + self.size:
            raise _cut_off(uri)
        return io.BytesIO(data[_BLOCK:])

    def check_header(self, block: bytes, uri: str) -> None:
        """Raise ArchiveError if this is not the header of the member."""
        if zlib.crc32(block) != self.stamp:
            reason = "is no longer where it was when the archive was listed: the archive was replaced, or is damaged"
            raise ArchiveError(uri, reason)

    def _streamed(self, member: ArchiveMember, open_stored: Callable[[StorageFile], BinaryIO]) -> BinaryIO:
        stream = IDLE.take(self.content, self.place - _BLOCK)
        if stream is None:
            handle = open_stored(member.archive)
            stream = TarStream(handle.read, handle.close, self.content.codec, member.archive.uri)
        reading = _Reading(self, stream, member.uri)
        return cast("BinaryIO", MemberStream(reading.pieces(), reading.close))


class _Reading:
    """One member being read from a stream, which then goes on to the next member."""

    def __init__(self, entry: TarEntry, stream: TarStream, uri: str) -> None:
        self._entry = entry
        self._stream = stream
        self._uri = uri
        self._sound = True

    def pieces(self) -> Iterator[bytes]:
        """The content of the member."""
        self._sound = False
        try:
            self._stream.seek(self._entry.place - _BLOCK)
            self._entry.check_header(self._stream.read(_BLOCK), self._uri)
            left = self._entry.size
            while left > 0:
                piece = self._stream.take(left)
                if not piece:
                    raise _cut_off(self._uri)
                left -= len(piece)
                self._sound = True
                yield piece
                self._sound = False
        except ArchiveError as error:
            raise error if error.uri == self._uri else ArchiveError(self._uri, f"is lost: {error}") from None
        self._sound = True

    def close(self) -> None:
        content = self._entry.content
        if self._sound and self._stream.tell() < content.end:
            IDLE.give(content, self._stream)
        else:
            self._stream.close()


def read_members(handle: Any, uri: str, entries: Entries) -> None:
    """Read all headers of an archive.

    The members before the damaged place of a plain archive are in `entries` if this raises. Those of a compressed one
    are not, as the check sum of its content comes last.

    Raises:
        ArchiveError: It is damaged, or no tar archive.
        Exception: What the storage raises.
    """
    window = Window(handle, at_end=False) if is_plain_tar(uri) and is_seekable(handle) else None
    head = read_exactly(window or handle, MAGIC_BYTES)
    if not head:
        raise ArchiveError(uri, "is empty, so it is not a tar archive")
    codec = codec_of(head, uri)
    content = Content(codec is None and is_seekable(handle), codec)
    if content.seekable:
        window = window or Window(handle, at_end=False)
        window.seek(0)
        _Headers(window, content, uri, entries).read()
        return
    if window is not None:
        handle.seek(0)
        head = b""
    try:
        stream = TarStream(putting_back(head, handle.read), handle.close, codec, uri)
        _Headers(stream, content, uri, entries).read()
    except ArchiveError:
        entries.clear()
        raise


class _Headers:
    """The headers of one archive, read to its end."""

    def __init__(self, source: Window | TarStream, content: Content, uri: str, entries: Entries) -> None:
        self._source = source
        self._content = content
        self._uri = uri
        self._entries = entries
        self._files: dict[str, TarEntry] = {}  # all of them: a hard link may be wanted though its target is not

    def read(self) -> None:
        source, uri = self._source, self._uri
        blocks = _Blocks(source, uri)
        try:
            tar = _Tar(fileobj=cast("BinaryIO", blocks), encoding="utf-8", errors="surrogateescape")
            header = tar.next()
            while header is not None:
                tar.members.clear()  # it would keep them all
                if header.size < 0:
                    raise ArchiveError(uri, f"is damaged: a header before byte {source.tell()} has a negative size")
                stamp = zlib.crc32(blocks.last)
                following = tar.next()  # raises if the content in between is not whole
                if following is None:
                    _check_end(blocks.last)
                self._add(header, stamp)
                header = following
        except ArchiveError:
            raise
        except Exception as error:  # tarfile raises errors of many kinds over damaged bytes
            if source.error is not None:
                raise source.error from None
            raise ArchiveError(uri, f"is not a tar archive, or damaged before byte {source.tell()}: {error}") from error
        while rest := source.take(READ_BYTES):
            if rest.count(0) != len(rest):
                reason = f"has data behind its end mark, before byte {source.tell()}: it is damaged, or several in one"
                raise ArchiveError(uri, reason)

    def _add(self, header: tarfile.TarInfo, stamp: int) -> None:
        if header.isdir():
            return
        # a link's content is that of the file of this name before it
        name = member_name(header.linkname if header.islnk() else header.name)
        entry = self._files.get(name)
        if not header.islnk():
            entry = TarEntry(header.offset_data, header.size, stamp, header.issparse(), self._content)
            entry = entry if header.isreg() else None
        if self._entries.add(header.name, entry) and entry is not None:
            self._content.end = max(self._content.end, entry.place + entry.size)
            entry = entry._replace(names=entry.names + 1)
        if entry is not None:
            self._files[name] = self._files[member_name(header.name)] = entry


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]  # the type stubs do not have it


class _Blocks:
    """What `tarfile` reads of an archive: headers, and the names and attributes that belong to them.

    Attributes:
        last: What the last read gave. After a header it is the header's own block, unless the file is sparse.
    """

    def __init__(self, source: Window | TarStream, uri: str) -> None:
        self.tell = source.tell
        self.seek = source.seek
        self.last = b""
        self._read = source.read
        self._uri = uri

    def read(self, n: int) -> bytes:
        """The next `n` bytes. Raises ArchiveError if a header tells that what belongs to it is very long."""
        if not 0 <= n <= _HEADER_LIMIT:
            raise ArchiveError(self._uri, f"is damaged: a header in it declares to be {n} bytes long")
        self.last = self._read(n)
        return self.last


def _check_end(block: bytes) -> None:
    """Raise if this is not an end mark: `TarFile.next` takes a damaged or missing header for the end, too."""
    if len(block) < _BLOCK:
        raise tarfile.ReadError("it is cut off, its end mark is missing")
    if block.count(0) != _BLOCK:
        raise tarfile.ReadError("a header is damaged")


def _cut_off(uri: str) -> ArchiveError:
    return ArchiveError(uri, "is cut off: the archive ends within it")
