"""Python values as JSON text and back: by orjson, and where it refuses or loses digits, exactly."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson


def quoted(text: str) -> str:
    """A text as a JSON string."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:  # half of a surrogate pair, which UTF-8 cannot hold
        return json.dumps(text)


def dumps(value: Any) -> bytes:
    """`value` by orjson; a time of day always by its `isoformat`.

    orjson 3.13.0 prints the microseconds 010000 to 099999 of a time without their leading zero.

    Raises:
        TypeError: orjson refuses a value; `slow_dumps` may take it.
    """
    return orjson.dumps(value, default=_time_text, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _time_text(value: Any) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(type(value).__name__)


_told = False


def tell_slow(what: str) -> None:
    """Say once in a process, in a WARN log line, that `what` (such as a stream) needs `slow_dumps`."""
    global _told
    if not _told:
        _told = True
        logging.getLogger("airbyte").warning(
            f"{what} has integers of more than 64 bits, keys that are not text, or the like: it is printed by a slower "
            "JSON encoder, as are others like it."
        )


def slow_dumps(value: Any) -> bytes:
    """What orjson would print, also for what it refuses: longer integers, other keys, lone surrogates, any depth.

    Keys are printed as the json module does (``null``, ``true``, digits). NaN and infinities become null; datetimes,
    UUIDs, enums and dataclasses take their text.

    Raises:
        TypeError: A value has no form in JSON (Decimal, bytes, ...). The text is the name of its type.
        ValueError: A value contains itself.
    """
    parts: list[str] = []
    # no recursion, which ends long before the depth of values that were read from valid JSON; from the outside in:
    # what is left of a container, its closing bracket, and which container it is
    open_ones: list[tuple[Iterator[tuple[str, Any]], str, int]] = [(iter([("", value)]), "", 0)]
    inside: set[int] = set()
    while open_ones:
        left, end, identity = open_ones[-1]
        for before, item in left:
            parts.append(before)
            container = _container(item)
            if container is None:
                parts.append(_scalar(item))
                continue
            if id(item) in inside:
                raise ValueError("a value contains itself")
            inside.add(id(item))
            begin, inner, closing = container
            parts.append(begin)
            open_ones.append((inner, closing, id(item)))
            break
        else:
            parts.append(end)
            inside.discard(identity)
            open_ones.pop()
    return "".join(parts).encode()


def _container(value: Any) -> tuple[str, Iterator[tuple[str, Any]], str] | None:
    """The brackets of an object or array, and between them its values, each with what is printed before it."""
    if isinstance(value, Mapping):
        return "{", _members(value), "}"
    if isinstance(value, (list, tuple)):
        return "[", (("," if number else "", item) for number, item in enumerate(value)), "]"
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Enum)):
        names = (field.name for field in dataclasses.fields(value))
        return "{", _members({name: getattr(value, name) for name in names if not name.startswith("_")}), "}"
    return None


def _members(mapping: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    comma = ""
    for key, item in mapping.items():
        yield f"{comma}{json.dumps(_key(key))}:", item
        comma = ","


def _scalar(value: Any) -> str:
    if isinstance(value, Enum):
        return slow_dumps(value.value).decode()
    if value is None or isinstance(value, (str, bool)):
        return json.dumps(value)
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:  # Python's limit of 4300 digits
            return str(Decimal(int(value)))
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else "null"
    if isinstance(value, (date, time, UUID)):
        return dumps(value).decode()
    raise TypeError(type(value).__name__)


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise TypeError(type(key).__name__)


# Text that becomes Python values

_TOGETHER = 128
"""Rows whose text is read by one call."""
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19


def loads_bodies(bodies: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The objects whose texts, without their braces, are `bodies`; see `loads`."""
    for start in range(0, len(bodies), _TOGETHER):
        yield from _loads_together(bodies[start : start + _TOGETHER])


def _loads_together(bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    """Several objects in one go, unless one of them must be read with care."""
    text = b"[{%b}]" % b"},{".join(bodies)
    if _LONG_INTEGER not in text.translate(_DIGITS_TO_ZERO):
        try:
            found: list[dict[str, Any]] = orjson.loads(text)
            return found
        except ValueError:
            pass
    return [loads(b"{%b}" % body) for body in bodies]


def loads(text: bytes, exact: bool = True) -> dict[str, Any]:
    """One JSON object. NaN and infinities may be spelled, and if `exact`, integers may have any length."""
    if not exact or _LONG_INTEGER not in text.translate(_DIGITS_TO_ZERO):  # orjson makes floats of longer integers
        try:
            row: dict[str, Any] = orjson.loads(text)
            return row
        except ValueError:
            pass
    slow: dict[str, Any] = json.loads(text, parse_int=_integer)
    return slow


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python's limit of 4300 digits
        return int(Decimal(digits))
