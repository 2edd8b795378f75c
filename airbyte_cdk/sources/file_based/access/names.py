"""Names of files as uris: names are bytes, and not always text; uris are text that can be written anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPE = re.compile(rb"\\x([89a-f][0-9a-f]|5c)")


def uri_of(name: bytes) -> str:
    """A name or path as text: as it is if it is UTF-8, other bytes as ``\\xNN``.

    What would then look like such bytes, but is text, has its backslash as ``\\x5c``: no two names have one uri.
    """
    if b"\\x" in name:
        name = _ESCAPE.sub(lambda escape: rb"\x5c" + escape[0][1:], name)
    return name.decode("utf-8", "backslashreplace")


def name_of(uri: str) -> bytes:
    """The name or path that `uri_of` gives as this text."""
    name = uri.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), name) if b"\\x" in name else name


def can_be(names: Sequence[str]) -> bool:
    """Whether the uri of a file or folder can have these parts: names that a folder can hold, as `uri_of` has them."""
    try:
        return all(name not in ("", ".", "..") and "\0" not in name and uri_of(name_of(name)) == name for name in names)
    except UnicodeEncodeError:
        return False


def printable(text: str) -> str:
    """A text in which half surrogates stand for bytes that are not UTF-8, as in Python, with ``\\xNN`` instead."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)
