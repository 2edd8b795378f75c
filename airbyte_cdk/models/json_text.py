"""Python values as JSON text: by orjson, and where it refuses, by the json module with the same forms."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Mapping
from datetime import date, time
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
    """What orjson would print, also for integers of more than 64 bits, keys that are not text, and lone surrogates.

    Keys are printed as the json module does (``null``, ``true``, digits). NaN and infinities become null; datetimes,
    UUIDs, enums and dataclasses take their text.

    Raises:
        TypeError: A value has no form in JSON (Decimal, bytes, ...). The text is the name of its type.
        ValueError: An integer is longer than Python prints, or a value contains itself.
        RecursionError: A value is nested too deeply.
    """
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """The value made of the types that the json module knows."""
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (date, time, UUID)):
        return orjson.loads(dumps(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return {name: _plain(getattr(value, name)) for name in names if not name.startswith("_")}
    raise TypeError(type(value).__name__)


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise TypeError(type(key).__name__)
