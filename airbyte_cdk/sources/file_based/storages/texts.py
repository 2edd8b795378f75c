"""Texts of options as people paste them. Only the standard library: options models import this."""

from __future__ import annotations

from typing import Any


def stripped(value: Any) -> Any:
    """A text without the blanks and line breaks around it, which come along when it is copied; others as they are.

    Raises:
        ValueError: There is a line break, or another control character, within.
    """
    if not isinstance(value, str):
        return value
    value = value.strip()
    if any(character < " " or character == "\x7f" for character in value):
        raise ValueError("must not hold a line break or another control character; copy it again")
    return value


def word(value: Any) -> Any:
    """As `stripped`, of what is sent in a header, such as a token.

    Raises:
        ValueError: It is not one word of ASCII characters.
    """
    value = stripped(value)
    if isinstance(value, str) and not all("!" <= character <= "~" for character in value):
        raise ValueError("must be one word of ASCII characters; copy it again")
    return value


def one_line(value: Any) -> Any:
    """A password without the line break at its end that a file has; blanks around it count.

    Raises:
        ValueError: There is a line break within.
    """
    if not isinstance(value, str):
        return value
    value = value.rstrip("\r\n")
    if "\n" in value or "\r" in value:
        raise ValueError("must not hold a line break; copy it again")
    return value
