"""Options of a config that its model does not know, such as misspelt ones; they are ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.v1 import BaseModel

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def unknown_options(given: Any, parsed: Any) -> list[str]:
    """The paths of the unknown options, such as ``provider.prefixx``.

    A name that is not written as names of options are is shown as ``*``: it may be a secret in the wrong place.

    Args:
        given: The config, or a part of it.
        parsed: What its model made of it.
    """
    return list(dict.fromkeys(_unknown(given, parsed, "")))


def _unknown(given: Any, parsed: Any, path: str) -> Iterator[str]:
    if isinstance(given, list) and isinstance(parsed, list):
        for number, (item, model) in enumerate(zip(given, parsed, strict=False)):
            yield from _unknown(item, model, f"{path}[{number}]")
    if not isinstance(given, Mapping) or not isinstance(parsed, BaseModel):
        return
    known = {field.alias: field.name for field in parsed.__fields__.values()}
    for name, value in given.items():
        here = f"{path}.{name if _NAME.fullmatch(name) else '*'}".removeprefix(".")
        if name in known:
            yield from _unknown(value, getattr(parsed, known[name]), here)
        else:
            yield here
