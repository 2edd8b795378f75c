"""A quick copy of JSON-like values."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

T = TypeVar("T")
_ATOMS = frozenset((str, int, float, bool, type(None)))


def json_copy(value: T) -> T:
    """A copy that shares nothing that can change, as `copy.deepcopy` makes it, but several times as fast."""
    return _copied(value)  # type: ignore[no-any-return]


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {key: item if type(item) in _ATOMS else _copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _ATOMS else _copied(item) for item in value]
    return deepcopy(value)
