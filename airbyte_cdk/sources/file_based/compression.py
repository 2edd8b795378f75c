"""Decompresses gzip, bzip2, xz and Zstandard data while it streams, and hands out all that can be decoded.

Formats: gzip `RFC 1952 <https://www.rfc-editor.org/rfc/rfc1952>`_, Zstandard `RFC 8878
<https://www.rfc-editor.org/rfc/rfc8878>`_, `xz <https://tukaani.org/xz/xz-file-format.txt>`_, bzip2. Why the decoders
of the standard library: ``docs/design/compression.md``.
"""

from __future__ import annotations

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INPUT_BYTES = 256 * 1024
OUTPUT_BYTES = 512 * 1024
"""A decoder releases the GIL once a call, and may wait for it 5 ms each time: hence large pieces in and out."""

FIRST_INPUT_BYTES = 8 * 1024
"""What follows a member is copied by the decoder; files of thousands of small members would be copied over and over."""

MAGIC_BYTES = 10
"""So many first bytes are enough to recognise each format."""


class BrokenStream(Exception):
    """Compressed data that breaks off or is damaged. All bytes that could be decoded were handed out before.

    Args:
        reason: A short clause for the user, with the place in the compressed file.
        offset: Number of decompressed bytes handed out: what is missing begins there.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return self.reason


class Member(Protocol):
    """Decodes one member (frame, stream) of a compressed file, as `bz2.BZ2Decompressor` does."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class DamagedDeflate(Exception):
    """Deflated data cannot be decoded further; `decoded` is what its last piece still gave."""

    def __init__(self, reason: str, decoded: bytes) -> None:
        super().__init__(reason)
        self.decoded = decoded


class Inflate:
    """One deflated stream, with the interface of `bz2.BZ2Decompressor`.

    Args:
        wbits: What is around it, as `zlib.decompressobj` takes it: `GZIP` or `BARE`.
    """

    GZIP = 31
    BARE = -15

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits=wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the end was decoded, and the checksum, if there is one, agreed."""
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end in the data given last."""
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes, at most `max_length`; raises DamagedDeflate, which carries the last bytes that decode."""
        data = self._inflate.unconsumed_tail + data
        before = self._inflate.copy()
        try:
            decoded = self._inflate.decompress(data, max_length)
        except zlib.error as error:
            raise DamagedDeflate(str(error), _decodable(before, data)) from None
        self.needs_input = not self._inflate.unconsumed_tail and len(decoded) < max_length
        return decoded


def _decodable(inflate: zlib._Decompress, data: bytes) -> bytes:
    """What `inflate` gives before it fails on `data`, found by halving the input."""
    decoded = []
    length = len(data)
    while length > 0:
        trial = inflate.copy()
        try:
            decoded.append(trial.decompress(data[:length]))
        except zlib.error:
            length //= 2
        else:
            inflate, data = trial, data[length:]
    return b"".join(decoded)


@dataclass(frozen=True)
class Codec:
    """A compressed format.

    Attributes:
        name: As users know it.
        suffix: Of its file names.
        magic: Matches the first bytes of a member.
        magic_prefix: The bytes that all members begin with; a file that ends within them is broken.
        new_member: Makes a decoder for one member.
    """

    name: str
    suffix: str
    magic: re.Pattern[bytes]
    magic_prefix: bytes
    new_member: Callable[[], Member]


# The magic of bzip2 is plain text ("BZh9"), so its block or end mark is asked for, too. A skippable frame of Zstandard
# begins with one of sixteen magics.
CODECS = (
    Codec("gzip", ".gz", re.compile(rb"\x1f\x8b\x08"), b"\x1f\x8b\x08", lambda: Inflate(Inflate.GZIP)),
    Codec(
        "bzip2",
        ".bz2",
        re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
        b"BZh",
        bz2.BZ2Decompressor,
    ),
    Codec(
        "Zstandard",
        ".zst",
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
        b"\x28\xb5\x2f\xfd",
        zstd.ZstdDecompressor,
    ),
    Codec(
        "xz",
        ".xz",
        re.compile(rb"\xfd7zXZ\x00"),
        b"\xfd7zXZ\x00",
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    ),
)


def codec_of(head: bytes, name: str) -> Codec | None:
    """How a file is compressed, or None.

    The first bytes decide. A name such as ``a.csv.gz`` decides nothing, since many storages decompress such a file when
    they open it; except that a file so named which ends inside the format's magic is taken as a broken one.

    Args:
        head: The first `MAGIC_BYTES` bytes, or all if there are fewer.
        name: The file's name.
    """
    for codec in CODECS:
        if codec.magic.match(head):
            return codec
    if head and len(head) < MAGIC_BYTES:
        for codec in CODECS:
            if name.lower().endswith(codec.suffix) and codec.magic_prefix.startswith(head):
                return codec
    return None


class _Input:
    """The compressed bytes of a file, and how far they have been taken."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._rest = b""
        self.position = 0
        """Number of bytes taken, as a place in the file."""

    def take(self, n: int) -> bytes:
        """Up to `n` bytes, none at the end of the file."""
        if not self._rest:
            self._rest = self._read(INPUT_BYTES)
        taken, self._rest = self._rest[:n], self._rest[n:]
        self.position += len(taken)
        return taken

    def put_back(self, data: bytes) -> None:
        """Undo the taking of the last bytes."""
        self._rest = data + self._rest
        self.position -= len(data)

    def skip_zeros(self) -> None:
        """Pass over zero bytes."""
        while data := self.take(INPUT_BYTES):
            if rest := data.lstrip(b"\0"):
                self.put_back(rest)
                return

    def peek(self, n: int) -> bytes:
        """The next `n` bytes, or all if there are fewer."""
        while len(self._rest) < n and (more := self._read(INPUT_BYTES)):
            self._rest += more
        return self._rest[:n]


def decompressed(read: Callable[[int], bytes], codec: Codec) -> Iterator[bytes]:
    """The content of a compressed file, in pieces of at most `OUTPUT_BYTES`.

    All members (frames, streams) of the file are decoded one after the other; zero bytes after a member, with which
    tapes and block devices fill up, are skipped.

    Args:
        read: Gives up to n bytes of the compressed file, ``b""`` at its end. What it raises is passed on.
        codec: The file's format.

    Raises:
        BrokenStream: The data breaks off or is damaged, or is followed by something else. All bytes that can be decoded
            were yielded before; if a bzip2, Zstandard or xz file is damaged, possibly up to `OUTPUT_BYTES` fewer.
    """
    source = _Input(read)
    handed = 0
    while True:
        size = FIRST_INPUT_BYTES
        member = codec.new_member()
        while not member.eof:
            piece = source.take(size) if member.needs_input else b""
            size = min(2 * size, INPUT_BYTES)
            if member.needs_input and not piece:
                raise BrokenStream(f"the {codec.name} data breaks off at byte {source.position} of the file", handed)
            try:
                decoded = member.decompress(piece, OUTPUT_BYTES)
            except (DamagedDeflate, OSError, ValueError, EOFError, lzma.LZMAError, zstd.ZstdError) as error:
                if isinstance(error, DamagedDeflate) and error.decoded:
                    handed += len(error.decoded)
                    yield error.decoded
                reason = f"the {codec.name} data is damaged before byte {source.position} of the file ({error})"
                raise BrokenStream(reason, handed) from None
            if decoded:
                handed += len(decoded)
                yield decoded
        source.put_back(member.unused_data)
        source.skip_zeros()
        head = source.peek(MAGIC_BYTES)
        if not head:
            return
        if not codec.magic.match(head) and not codec.magic_prefix.startswith(head):
            reason = f"the {codec.name} data ends at byte {source.position} of the file, and something else follows"
            raise BrokenStream(reason, handed)
