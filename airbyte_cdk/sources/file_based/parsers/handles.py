"""Opens files for the parsers: as plain decompressed bytes, in order or at random.

Published connectors return many kinds of handle from `open_file`. All that is asked of one is ``read(n)`` with a given
n, and ``close()`` or the context manager protocol if it has them.
"""

from __future__ import annotations

import codecs
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.raw_io import ALL, ByRead, gathered, putting_back, read_exactly
from airbyte_cdk.sources.file_based.compression import MAGIC_BYTES, BrokenStream, codec_of, decompressed
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.parsers.temporary import temporary_disk

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

__all__ = ["READ_BYTES", "BrokenStream", "ByteStream", "WatchedFile", "open_bytes", "open_random"]

READ_BYTES = 1024 * 1024
"""Wanted size of one read from a storage."""


class ByteStream(ByRead):
    """The content of a file in order, decompressed.

    Args:
        pieces: Gives the next bytes, of any number greater than zero, given how many are wanted; ``b""`` at the end.
    """

    def __init__(self, pieces: Callable[[int], bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._piece = b""
        self._taken = 0
        self._broken: BrokenStream | None = None

    def read(self, n: int = -1, /) -> bytes:
        """Exactly `n` bytes, or fewer before the end of the file; ``b""`` at its end; all the rest if `n` is negative.

        Raises:
            BrokenStream: Compressed data is broken, and all that can be decoded was returned by earlier calls.
            Exception: What the storage raises, as it is.
        """
        data = b"" if self._broken else gathered(self._next, n if n >= 0 else ALL)
        if self._broken and not data:
            raise self._broken
        return data

    def _next(self, wanted: int) -> bytes:
        if self._taken >= len(self._piece):
            try:
                self._piece, self._taken = self._pieces(max(min(wanted, 1 << 30), READ_BYTES)), 0
            except BrokenStream as broken:
                self._broken, self._piece, self._taken = broken, b"", 0
        part = self._piece
        if self._taken or len(part) > wanted:
            part = part[self._taken : self._taken + wanted]
        self._taken += len(part)
        return part


class WatchedFile(ByRead):
    """A file that remembers what its storage raised: libraries take some of that for broken content.

    Args:
        handle: The file, which can be sought.

    Attributes:
        handle: The same.
        size: Its bytes.
        error: What the storage raised last, None if nothing.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        super().__init__()
        self.handle = handle
        self.error: BaseException | None = None
        handle.seek(0, io.SEEK_END)
        self.size = handle.tell()
        handle.seek(0)

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self.handle.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        if whence == io.SEEK_CUR:
            offset += self.handle.tell()
        elif whence == io.SEEK_END:
            offset += self.size
        if offset < 0:
            # readers of archives search there; as an OSError it is expected, as a ValueError broken content
            raise io.UnsupportedOperation("a place before the start of the file")
        try:
            self.handle.seek(offset)
            return offset
        except BaseException as error:
            self.error = error
            raise

    def read(self, n: int = -1, /) -> bytes:
        """Exactly `n` bytes, fewer only before the end of the file: handles of some storages give fewer at a time."""
        try:
            return self.handle.read(n) if n < 0 else read_exactly(self.handle, n)
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def open_bytes(
    file: RemoteFile,
    stream_reader: AbstractFileBasedStreamReader,
    logger: logging.Logger,
    encoding_if_text: str | None = None,
) -> Iterator[ByteStream]:
    """The content of `file` in order, decompressed if its first bytes are those of a compressed format.

    Args:
        encoding_if_text: Of a format that is text. Some connectors return text though bytes are asked for: it is
            encoded back so, or as UTF-8. Others refuse to open a file for bytes: they are asked for text.

    Raises:
        OSError: The reader returned no handle, or something that cannot be read.
        Exception: What the reader raises, as it is.
    """
    with ExitStack() as stack:
        handle = _opened(file, stream_reader, logger, stack, encoding_if_text)
        read = _byte_reader(file, handle, encoding_if_text or "utf-8")
        head = _head(read)
        pieces = putting_back(head, read)
        codec = codec_of(head, file.uri)
        if codec is not None:
            pieces = _one_by_one(decompressed(pieces, codec))
        yield stack.enter_context(ByteStream(pieces))


@contextmanager
def open_random(
    file: RemoteFile, stream_reader: AbstractFileBasedStreamReader, logger: logging.Logger
) -> Iterator[IO[bytes]]:
    """The content of `file` as a binary file that can be read, sought and told.

    It is the storage's own handle where that can seek. A compressed file, or one whose handle cannot, is first copied:
    a small one to memory, others to a temporary file, which is gone when the context ends, however it ends.

    Raises:
        BrokenStream: The file is compressed, and its data is broken.
        TemporaryDiskFull: There is no room for the copy.
        OSError: The reader returned no handle, or something that cannot be read.
        Exception: What the reader raises, as it is.
    """
    with ExitStack() as stack:
        handle = _opened(file, stream_reader, logger, stack)
        if _is_plain_and_seekable(file, handle):
            yield handle
            return
    with open_bytes(file, stream_reader, logger) as content:
        start = read_exactly(content, READ_BYTES)
        if len(start) < READ_BYTES:
            with io.BytesIO(start) as copy:
                yield copy
            return
        with temporary_disk(file.known_size), tempfile.TemporaryFile(prefix="airbyte-cdk-") as large:
            large.write(start)
            while data := content.read(READ_BYTES):
                large.write(data)
            large.seek(0)
            yield cast("IO[bytes]", large)


def _opened(
    file: RemoteFile,
    stream_reader: AbstractFileBasedStreamReader,
    logger: logging.Logger,
    stack: ExitStack,
    encoding: str | None = None,
) -> Any:
    """The reader's own handle, which `stack` closes; of text, where a reader that is asked for bytes refuses."""
    opened: Any
    try:
        opened = stream_reader.open_file(file, FileReadMode.READ_BINARY, None, logger)
    except (ValueError, NotImplementedError):
        if encoding is None:
            raise
        opened = stream_reader.open_file(file, FileReadMode.READ, encoding, logger)
    if hasattr(opened, "__enter__"):
        handle = stack.enter_context(opened)
        handle = opened if handle is None else handle
    else:
        handle = opened
        if hasattr(handle, "close"):
            stack.callback(handle.close)
    if not hasattr(handle, "read"):
        what = "nothing" if handle is None else f"a {type(handle).__name__}, which cannot be read,"
        raise OSError(
            f"{FileBasedSourceError.ERROR_READING_FILE.value} The storage's reader returned {what} for file {file.uri}."
        )
    return handle


def _byte_reader(file: RemoteFile, handle: Any, encoding: str) -> Callable[[int], bytes]:
    """``read(n)`` of `handle`, as bytes in any case; they may be more than n if it gives text."""
    encoder: codecs.IncrementalEncoder | None = None

    def read(n: int) -> bytes:
        nonlocal encoder
        data = handle.read(n)
        if isinstance(data, bytes):
            return data
        if isinstance(data, str):
            if encoder is None:
                # A lone surrogate cannot be encoded; passed on, it makes one bad row and not a failed file.
                errors = "surrogatepass" if codecs.lookup(encoding).name.startswith("utf") else "strict"
                encoder = codecs.getincrementalencoder(encoding)(errors)
            return encoder.encode(data, final=not data)
        if isinstance(data, bytearray | memoryview):
            return bytes(data)
        raise OSError(
            f"{FileBasedSourceError.ERROR_READING_FILE.value} The handle of file {file.uri} gave "
            f"{type(data).__name__}, not bytes."
        )

    return read


def _head(read: Callable[[int], bytes]) -> bytes:
    """The first bytes, at least `MAGIC_BYTES` unless the file is shorter."""
    head = read(READ_BYTES)
    while 0 < len(head) < MAGIC_BYTES and (more := read(READ_BYTES)):
        head += more
    return head


def _one_by_one(chunks: Iterator[bytes]) -> Callable[[int], bytes]:
    return lambda _: next(chunks, b"")


def _is_plain_and_seekable(file: RemoteFile, handle: Any) -> bool:
    """Whether a handle, just opened, gives bytes at any place, and the file is not compressed.

    A handle that reads from a storage in another way if it knows that reads are at random is told so.
    """
    try:
        if not handle.seekable():
            return False
        if hasattr(handle, "expect_random_access"):
            handle.expect_random_access()
        head = handle.read(MAGIC_BYTES)
        if not isinstance(head, bytes) or codec_of(head, file.uri) is not None:
            return False
        handle.seek(0, io.SEEK_END)
        size = handle.tell()
        handle.seek(0)
        again = handle.read(len(head))
        handle.seek(0)
        return bool(again == head and size >= len(head) and handle.tell() == 0)
    except FileAccessError:
        raise  # it was tried often enough
    except (AttributeError, TypeError, ValueError, NotImplementedError, OSError):
        return False  # a storage that fails will fail again when the file is opened to be copied
