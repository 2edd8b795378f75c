"""The bytes of a CSV file as UTF-8 text without a byte order mark, whatever its encoding, in one pass."""

from __future__ import annotations

import codecs
from typing import Protocol

from airbyte_cdk.sources.file_based.parsers.handles import BrokenStream

_MARK = "\udcff"
_MARK_ERRORS = "airbyte_cdk.csv.mark"
_BOM = "\ufeff"
_BOM_BYTES = _BOM.encode()


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Puts a lone surrogate where a byte cannot be decoded: it is not valid UTF-8, so its row is found and rejected."""
    if isinstance(error, UnicodeDecodeError):
        return _MARK, error.end
    raise error


codecs.register_error(_MARK_ERRORS, _mark)


class Readable(Protocol):
    """What `Utf8Text` reads from."""

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes; empty at the end."""


class Utf8Text:
    """Reads a binary handle as UTF-8.

    UTF-8 input passes through unchecked (blocks are validated later); other encodings are decoded piece by piece, and
    what cannot be decoded becomes bytes that are not UTF-8. A byte order mark at the start is removed.

    Args:
        handle: Gives the file's bytes.
        encoding: Name of a Python text codec.

    Attributes:
        broken: After a stream that could not be decompressed or decoded to its end: where that is, and why. All text
            before it has been handed out; the last row may be cut short.
        undecodable: Whether that is because the codec gave up (utf-16 without byte order mark).

    Raises:
        LookupError: `encoding` is not a text encoding.
    """

    def __init__(self, handle: Readable, encoding: str) -> None:
        info = codecs.lookup(encoding)
        if not getattr(info, "_is_text_encoding", True) or info.incrementaldecoder is None:
            raise LookupError(f"{encoding!r} is not a text encoding")
        self.broken: tuple[str, str] | None = None
        self.undecodable = False
        self._handle = handle
        self._encoding = encoding
        self._decoder = None if info.name in ("utf-8", "utf-8-sig") else info.incrementaldecoder(_MARK_ERRORS)
        self._offset = 0
        self._started = False

    def read(self, n: int) -> bytes:
        """About `n` bytes of UTF-8 text; empty only at the end."""
        data = self._read(n)
        if not self._started:
            while len(data) < len(_BOM_BYTES) and _BOM_BYTES.startswith(data) and (more := self._read(n)):
                data += more
            self._started = True
            if data.startswith(_BOM_BYTES):
                return data[len(_BOM_BYTES) :] or self._read(n)
        return data

    def _read(self, n: int) -> bytes:
        while self.broken is None:
            try:
                raw = self._handle.read(n)
            except BrokenStream as broken:
                self.broken = (f"byte {broken.offset} to the end", broken.reason)
                break
            if self._decoder is None:
                return raw
            try:
                text = self._decoder.decode(raw, final=not raw)
            except UnicodeError:  # what this codec does not leave to the error handler
                self.broken = (f"byte {self._offset} to the end", f"not {self._encoding} text")
                self.undecodable = True
                break
            self._offset += len(raw)
            if text or not raw:
                return text.encode("utf-8", "surrogatepass")
        return b""
