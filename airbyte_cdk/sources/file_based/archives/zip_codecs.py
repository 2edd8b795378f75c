"""Decodes the compression methods of zip archives, with bounded memory."""

from __future__ import annotations

import bz2
import lzma
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator

from airbyte_cdk.sources.file_based.compression import OUTPUT_BYTES, Member

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STORED = 0

_METHODS = {
    1: "Shrink",
    2: "Reduce",
    3: "Reduce",
    4: "Reduce",
    5: "Reduce",
    6: "Implode",
    9: "Deflate64",
    10: "DCL Implode",
    18: "TERSE",
    19: "LZ77",
    94: "MP3",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
_LZMA_MEMORY = 1 << 30
_END_MARK = 0x2  # flag: LZMA data has an end mark


class Unsupported(Exception):
    """A compression method that is not known; the text names it."""


class Undecodable(Exception):
    """Compressed data that breaks off or is damaged; the text says so."""


def decoded(packed: Iterable[bytes], method: int, flags: int, size: int) -> Iterator[bytes]:
    """The content of a member, in pieces.

    Args:
        packed: Its data.
        method: Number of the compression method.
        flags: General purpose bits of the member.
        size: Declared bytes of the content; only LZMA data without an end mark depends on it.

    Raises:
        Unsupported: The method is not known.
        Undecodable: The data is damaged, or ends too soon.
        Exception: What `packed` raises.
    """
    if method == STORED:
        yield from packed
        return
    if method == 14:
        packed = _with_lzma_header(packed, None if flags & _END_MARK else size)
    decoder = _decoder(method)
    for piece in packed:
        data = piece
        while True:
            try:
                content = decoder.decompress(data, OUTPUT_BYTES)
            except (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError, zstd.ZstdError) as error:
                raise Undecodable(f"is damaged ({error})") from None
            if content:
                yield content
            if decoder.eof:
                return
            if decoder.needs_input:
                break
            data = b""
    raise Undecodable("ends too soon")


def _decoder(method: int) -> Member:
    if method == 8:
        return _Deflate()
    if method == 12:
        return bz2.BZ2Decompressor()
    if method == 14:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)
    if method in (20, 93):
        return zstd.ZstdDecompressor()
    if method == 95:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
    name = _METHODS.get(method)
    raise Unsupported(f"method {method} ({name})" if name else f"method {method}")


class _Deflate:
    """Raw deflate data, with the interface of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=-15)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self.needs_input = not self._inflate.unconsumed_tail and len(content) < max_length
        return content


def _with_lzma_header(packed: Iterable[bytes], size: int | None) -> Iterator[bytes]:
    """LZMA data of a zip member as an .lzma file: the same properties, then the size of the content.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 5.8.8.
    """
    pieces = iter(packed)
    head = b""
    while len(head) < 9 and (piece := next(pieces, b"")):
        head += piece
    if len(head) < 9 or struct.unpack_from("<H", head, 2) != (5,):
        raise Undecodable("has no LZMA properties")
    yield head[4:9] + (b"\xff" * 8 if size is None else struct.pack("<Q", size))
    yield head[9:]
    yield from pieces
