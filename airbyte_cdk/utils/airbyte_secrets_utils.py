"""What must not be seen: which values of a config are secrets, and how they are masked in text.

The values are kept for the whole process. They are masked in texts that people read (log messages, error texts,
connection status), never in whole protocol lines, so that no key or enum of the protocol can be hit.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["add_to_secrets", "filter_secrets", "get_secret_paths", "get_secrets", "update_secrets"]

MASK = "****"
SHORT = 4
"""Secrets of fewer characters are masked only where they stand as a whole value: a plain replacement of a text of one
or two letters would leave nothing readable."""

ANY = "*"
"""Path component that stands for every element of an array, and for every key of a free-form object."""

TRANSIENT = 100
"""Secrets kept of those that others soon take the place of."""

_lock = threading.Lock()
_secrets: dict[str, None] = {}
_transient: dict[str, None] = {}
_pattern: re.Pattern[str] | None = None


def get_secret_paths(spec: Mapping[str, Any]) -> list[list[str]]:
    """Where secrets stand in a config: the path of every ``airbyte_secret: true`` in a JSON schema.

    Branches (`oneOf`, `anyOf`, `allOf`) and local references are followed and leave no trace in a path; `ANY` stands
    for the elements of an array.
    """
    paths: dict[tuple[str, ...], None] = {}
    _collect(spec, spec, (), frozenset(), paths)
    return [list(path) for path in paths]


def _collect(
    root: Mapping[str, Any], node: Any, path: tuple[str, ...], refs: frozenset[str], paths: dict[tuple[str, ...], None]
) -> None:
    if not isinstance(node, Mapping):
        return
    if node.get("airbyte_secret") is True:
        paths[path] = None
    reference = node.get("$ref")
    if isinstance(reference, str) and reference not in refs:
        _collect(root, _resolve(root, reference), path, refs | {reference}, paths)
    for key in ("properties", "patternProperties"):
        children = node.get(key)
        if isinstance(children, Mapping):
            for name, child in children.items():
                _collect(root, child, (*path, name if key == "properties" else ANY), refs, paths)
    for key in ("oneOf", "anyOf", "allOf", "prefixItems", "items", "additionalProperties", "if", "then", "else"):
        children = node.get(key)
        below = (*path, ANY) if key in ("prefixItems", "items", "additionalProperties") else path
        for child in children if isinstance(children, list) else [children]:
            _collect(root, child, below, refs, paths)


def _resolve(root: Mapping[str, Any], reference: str) -> Any:
    node: Any = root
    if not reference.startswith("#/"):
        return None
    for part in reference[2:].split("/"):
        if not isinstance(node, Mapping):
            return None
        node = node.get(part.replace("~1", "/").replace("~0", "~"))
    return node


def get_secrets(connection_specification: Mapping[str, Any], config: Mapping[str, Any]) -> list[Any]:
    """The values that a config holds where the spec says `airbyte_secret`; where there is none, nothing is missed."""
    return [value for path in get_secret_paths(connection_specification) for value in _values(config, path) if value]


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield value
    elif path[0] == ANY:
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, Sequence) and not isinstance(value, str):
            for item in value:
                yield from _values(item, path[1:])
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])


def update_secrets(secrets: Iterable[Any]) -> None:
    """Forget the secrets known so far and keep these: texts, numbers, or whole objects, all of whose texts count."""
    with _lock:
        _secrets.clear()
        _transient.clear()
        _remember(secrets, _secrets)


def add_to_secrets(secret: Any, *, transient: bool = False) -> None:
    """Keep one more secret.

    Args:
        secret: A text, a number, or a whole object, all of whose texts count.
        transient: Another one will soon take its place, such as a token that was just fetched: only the latest
            `TRANSIENT` of these are kept.
    """
    with _lock:
        _remember([secret], _transient if transient else _secrets)


def _remember(secrets: Iterable[Any], place: dict[str, None]) -> None:
    global _pattern
    for secret in secrets:
        for text in _texts(secret):
            place.pop(text, None)
            place[text] = None
    while len(_transient) > TRANSIENT:
        del _transient[next(iter(_transient))]
    _pattern = _compile({**_secrets, **_transient})


def _texts(secret: Any) -> Iterator[str]:
    if isinstance(secret, str):
        if secret.strip():
            yield secret.strip()  # what is around it is not secret, and often not used
    elif isinstance(secret, Mapping):
        for value in secret.values():
            yield from _texts(value)
    elif isinstance(secret, (list, tuple, set, frozenset)):
        for value in secret:
            yield from _texts(value)
    elif isinstance(secret, (int, float)) and not isinstance(secret, bool):
        yield str(secret)


def _forms(secret: str) -> set[str]:
    """The secret as such, and as it looks in JSON, in a Python repr and in a URL."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
    }


def _compile(secrets: Iterable[str]) -> re.Pattern[str] | None:
    long = sorted({form for secret in secrets if len(secret) >= SHORT for form in _forms(secret)}, key=len)
    short = sorted({form for secret in secrets if len(secret) < SHORT for form in _forms(secret)}, key=len)
    parts = ["|".join(re.escape(form) for form in reversed(long))] if long else []
    if short:
        any_short = "|".join(re.escape(form) for form in reversed(short))
        # In quotes, after a colon or an equals sign, or the whole text.
        parts.append(rf"""(?<=["'`])(?:{any_short})(?=\\?["'`])""")
        parts.append(rf"(?<=[:=])(?:{any_short})(?![^\s,;&)\]}}])|(?<=[:=] )(?:{any_short})(?![^\s,;&)\]}}])")
        parts.append(rf"\A(?:{any_short})\Z")
    return re.compile("|".join(parts)) if parts else None


def filter_secrets(string: str) -> str:
    """`string` with every known secret replaced by asterisks."""
    pattern = _pattern
    return string if pattern is None else pattern.sub(MASK, string)
