"""Decodes the compression methods of zip archives, with bounded memory."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterable, Iterator

from airbyte_cdk.sources.file_based.compression import (
    CODECS,
    OUTPUT_BYTES,
    BrokenStream,
    DamagedDeflate,
    Inflate,
    Member,
    decompressed,
)

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
_FILE_FORMATS = {12: ".bz2", 20: ".zst", 93: ".zst", 95: ".xz"}
"""Methods whose data is a compressed file as any other: of one stream or frame, or of several."""

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
    codec = next((codec for codec in CODECS if codec.suffix == _FILE_FORMATS.get(method)), None)
    if codec is not None:
        pieces = iter(packed)
        try:
            yield from decompressed(lambda _: next(pieces, b""), codec)
        except BrokenStream as error:
            raise Undecodable(f"cannot be read: {error.reason}") from None
        return
    if method == 14:
        packed = _with_lzma_header(packed, None if flags & _END_MARK else size)
    decoder = _decoder(method)
    for piece in packed:
        data = piece
        while True:
            try:
                content = decoder.decompress(data, OUTPUT_BYTES)
            except (DamagedDeflate, EOFError, lzma.LZMAError) as error:
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
        return Inflate(Inflate.BARE)
    if method == 14:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)
    name = _METHODS.get(method)
    raise Unsupported(f"method {method} ({name})" if name else f"method {method}")


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
