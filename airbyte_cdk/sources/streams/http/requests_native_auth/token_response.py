"""What a token endpoint answers: the values in it, wherever they stand, and when the token expires."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.datetime_helpers import AirbyteDateTime, ab_datetime_now, ab_datetime_parse
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["ExpiryError", "ResponseKeysMaxRecurtionReached", "expires_at", "find", "in_seconds"]

DEEPEST = 5
"""Levels below the root in which a value is searched."""


class ResponseKeysMaxRecurtionReached(AirbyteTracedException):
    """The access token was not found in the levels that are searched, and the answer has more of them."""


class ExpiryError(AirbyteTracedException, ValueError):
    """The endpoint says in a way that was not configured when the token expires."""

    def __init__(self, reason: str) -> None:
        text = f"The answer of the token endpoint does not say when the token expires: {reason}."
        super().__init__(internal_message=text, message=text, failure_type=FailureType.system_error)


def find(answer: Any, name: str, *, required: bool = False) -> Any:
    """The value named `name`: at the root, where null counts too, else the first in depth; None if there is none.

    Raises:
        ResponseKeysMaxRecurtionReached: a `required` value is not found, and there are levels that are too deep.
    """
    if isinstance(answer, Mapping) and name in answer:
        return answer[name]
    value, cut = _search(answer, name, 0)
    if value is None and cut and required:
        text = f"The answer of the token endpoint has no {name} in its first {DEEPEST} levels."
        raise ResponseKeysMaxRecurtionReached(text, text, FailureType.config_error)
    return value


def _search(node: Any, name: str, level: int) -> tuple[Any, bool]:
    """The value, and whether something was left out because it is too deep."""
    if not isinstance(node, (Mapping, list)):
        return None, False
    if level > DEEPEST:
        return None, True
    if isinstance(node, Mapping) and name in node:
        return node[name], False
    cut = False
    for child in node.values() if isinstance(node, Mapping) else node:
        value, cut_here = _search(child, name, level + 1)
        if value is not None:
            return value, False
        cut = cut or cut_here
    return None, cut


def in_seconds(value: Any) -> AirbyteDateTime:
    """The point in time that many whole seconds from now.

    Raises:
        ExpiryError: `value` is not a number of seconds.
    """
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        return AirbyteDateTime.from_datetime(ab_datetime_now() + timedelta(seconds=int(seconds)))
    except (ValueError, OverflowError):
        raise ExpiryError(f"a {type(value).__name__} that is not a number of seconds") from None


def expires_at(value: Any, current: datetime, *, is_time: bool, format: str | None) -> AirbyteDateTime:
    """When a token expires.

    Args:
        value: What the endpoint says; None for nothing: then `current` holds if it lies ahead, else one hour from now.
        current: The expiry of the token before.
        is_time: `value` is a point in time, and no number of seconds.
        format: `strptime` format of such a point in time. Other ways to write it are understood too.

    Raises:
        ExpiryError: `value` is not what `is_time` says, or a point in time is expected without a `format`.
    """
    if value is None:
        known = AirbyteDateTime.from_datetime(current)
        return known if known > ab_datetime_now() else in_seconds(3600)
    if not is_time:
        return in_seconds(value)
    if format is None:
        raise ExpiryError("it is configured to be a point in time, but token_expiry_date_format is not set")
    if isinstance(value, str):
        # Earlier releases never looked at the format, so that anything may stand there.
        with suppress(ValueError):
            return AirbyteDateTime.from_datetime(datetime.strptime(value, format))
    try:
        return ab_datetime_parse(value)
    except ValueError:
        raise ExpiryError(f"a {type(value).__name__} that is not a point in time") from None
