"""Small pieces of messages for users."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number and a noun that takes an s.

    >>> counted(1, "file"), counted(0, "bad row")
    ('1 file', '0 bad rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
