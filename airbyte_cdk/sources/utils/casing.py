"""Names in the case that streams are named in."""

from __future__ import annotations

import re

__all__ = ["camel_to_snake"]

_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_END_OF_WORD = re.compile(r"([a-z0-9])([A-Z])")


def camel_to_snake(s: str) -> str:
    """A class name in snake case: ``HTTPStream`` gives ``http_stream``."""
    return _END_OF_WORD.sub(r"\1_\2", _WORD.sub(r"\1_\2", s)).lower()
