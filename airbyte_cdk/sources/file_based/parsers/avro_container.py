"""The container of Avro files: a header, then blocks of rows, each ended by the file's sync marker.

Format: https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
_STEP = 1024 * 1024
"""Bytes that are read from the storage at a time."""


class BadHeader(ValueError):
    """The file does not begin as an Avro file does. The text says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as they follow each other in the file, decompressed.

    Attributes:
        offset: Byte of the file at which the block begins.
        count: Number of rows that it declares.
        data: The rows in Avro's binary encoding.
    """

    offset: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of the file that holds no readable block.

    Attributes:
        offset: Byte at which it begins.
        end: Byte at which reading goes on, or None if it lasts to the end.
        reason: What is broken.
    """

    offset: int
    end: int | None
    reason: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"byte {self.offset} to the end" if self.end is None else f"bytes {self.offset} to {self.end}"


class Container:
    """One Avro file that is read from its first byte to its last, without going back.

    Args:
        read: Gives up to that many next bytes, and b"" at the end.

    Attributes:
        schema: JSON text of the schema that the rows were written with.
        codec: Name of the compression of its blocks.
        empty: True if the file has no byte at all; then it has no schema either.

    Raises:
        BadHeader: it is not an Avro file, or its header is incomplete.
        AirbyteTracedException: a config_error, if the library for its codec is missing.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = bytearray()
        self._at = 0  # position in the buffer
        self._base = 0  # byte of the file at which the buffer begins
        self.schema = ""
        self.codec = "null"
        self._sync = b""
        self.empty = not self._has(1)
        if not self.empty:
            self._header()
        self._decompress = decompressor(self.codec)

    def blocks(self) -> Iterator[Block | Damage]:
        """The blocks in order; after a broken one, reading goes on behind the next sync marker."""
        while self._has(1):
            self._drop(self._at)
            offset = self._base
            try:
                count, size = self._long(), self._long()
                if count < 0 or size < 0:
                    raise ValueError("a block of negative size")
                packed = self._body(size)
            except ValueError as error:
                yield Damage(offset, self._resync(), str(error))
                continue
            try:
                data = self._decompress(packed)
            except Exception as error:  # each codec has its own kind
                reason = f"{self.codec} data that cannot be decompressed ({type(error).__name__})"
                yield Damage(offset, self._base + self._at, reason)
                continue
            yield Block(offset, count, data)

    def _header(self) -> None:
        if not self._has(len(MAGIC)) or self._take(len(MAGIC)) != MAGIC:
            raise BadHeader("it does not begin as an Avro file does")
        try:
            meta: dict[str, bytes] = {}
            while count := self._long():
                if count < 0:
                    count = -count
                    self._long()
                for _ in range(count):
                    key = self._take(self._long()).decode()
                    meta[key] = self._take(self._long())
            self._sync = self._take(SYNC_BYTES)
            self.schema = meta.get("avro.schema", b"").decode()
            self.codec = meta.get("avro.codec", b"").decode() or "null"
        except ValueError as error:
            raise BadHeader("its header is broken or incomplete") from error

    def _has(self, size: int) -> bool:
        """Whether `size` bytes lie ahead; they are then in the buffer."""
        while len(self._buffer) - self._at < size:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        piece = self._read(_STEP)
        self._buffer += piece
        return bool(piece)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._base += size
        self._at = 0

    def _take(self, size: int) -> bytes:
        if size < 0 or not self._has(size):
            raise ValueError(_TRUNCATED)
        self._at += size
        with memoryview(self._buffer) as view:
            return bytes(view[self._at - size : self._at])

    def _long(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if not self._has(1):
                raise ValueError(_TRUNCATED)
            byte = self._buffer[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise ValueError("a number that is too long")

    def _body(self, size: int) -> bytes:
        """The bytes of a block of that size; then the sync marker behind it is passed, too.

        A block never reaches beyond the next marker, whatever size it claims: no more than that is ever held.
        """
        searched = self._at
        while len(self._buffer) - self._at < size + SYNC_BYTES:
            if 0 <= self._buffer.find(self._sync, searched) < self._at + size:
                raise ValueError("a block that ends before its declared size")
            searched = max(self._at, len(self._buffer) - SYNC_BYTES + 1)
            if not self._more():
                raise ValueError(_TRUNCATED)
        body = self._take(size)
        if self._take(SYNC_BYTES) != self._sync:
            raise ValueError("a block that does not end with the sync marker")
        return body

    def _resync(self) -> int | None:
        """Go behind the next sync marker after the beginning of the present block; its byte, or None at the end."""
        self._at = 0
        while (found := self._buffer.find(self._sync, self._at)) < 0:
            self._drop(max(0, len(self._buffer) - SYNC_BYTES + 1))
            if not self._more():
                self._drop(len(self._buffer))
                return None
        self._drop(found + SYNC_BYTES)
        return self._base


_TRUNCATED = "the file ends within a block"


def decompressor(codec: str) -> Callable[[bytes], bytes]:
    """What undoes the compression that the specification calls `codec`.

    Raises:
        BadHeader: no such codec is known.
        AirbyteTracedException: a config_error, if this machine's Python or Arrow lacks the library.
    """
    if codec == "null":
        return bytes
    if codec == "deflate":
        return lambda data: zlib.decompress(data, wbits=-15)
    try:
        if codec == "bzip2":
            import bz2

            return bz2.decompress
        if codec == "xz":
            import lzma

            return lzma.decompress
    except ImportError:  # Python can be built without them
        raise _missing(codec) from None
    through_arrow = {"snappy": ("snappy", _snappy), "zstandard": ("zstd", _zstandard), "lz4": ("lz4_raw", _lz4)}
    if codec not in through_arrow:
        raise BadHeader(f"its blocks are compressed with the unknown codec {codec!r}")
    library, function = through_arrow[codec]
    if not pa.Codec.is_available(library):
        raise _missing(codec)
    return function


def _missing(codec: str) -> AirbyteTracedException:
    message = (
        f"Avro files compressed with {codec} cannot be read, since this installation of Python or pyarrow was built "
        f"without it. Install a complete one, or write the files with the codec deflate."
    )
    return AirbyteTracedException(internal_message=message, message=message, failure_type=FailureType.config_error)


def _snappy(data: bytes) -> bytes:
    packed, checksum = data[:-4], data[-4:]
    size = shift = 0
    for byte in packed[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    # the format's own limit; a damaged size must not make Arrow ask for gigabytes
    if size > 64 * len(packed) + 64:
        raise ValueError("an impossible size")
    unpacked: bytes = pa.decompress(packed, decompressed_size=size, codec="snappy", asbytes=True)
    if zlib.crc32(unpacked) != int.from_bytes(checksum, "big"):
        raise ValueError("a wrong checksum")
    return unpacked


def _zstandard(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.py_buffer(data), "zstd") as stream:
        return bytes(stream.read())


def _lz4(data: bytes) -> bytes:
    size = int.from_bytes(data[:4], "little")
    if size > 256 * len(data):
        raise ValueError("an impossible size")
    return bytes(pa.decompress(data[4:], decompressed_size=size, codec="lz4_raw", asbytes=True))
