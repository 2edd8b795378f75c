"""What storages over a network have in common: times to wait, statuses, headers, and errors inside of errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from airbyte_cdk.sources.file_based.access.storage_access import naive_utc

CONNECT_SECONDS = 10
"""Longest time until a connection stands."""
READ_SECONDS = 60
"""Longest time without a single byte."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, the outermost first: libraries keep the cause in different places."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        # urllib3 has `reason`, Azure `inner_exception`, botocore `kwargs`
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        kwargs = getattr(cause, "kwargs", None)
        waiting.append(kwargs.get("error") if isinstance(kwargs, dict) else None)
        waiting += [getattr(cause, "inner_exception", None), *cause.args]


def is_passing(status: int) -> bool:
    """Whether an HTTP status tells of what passes: a server that is busy, or has a fault for now."""
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def retry_after(text: str | None) -> float | None:
    """Seconds that a header ``Retry-After`` asks to wait: a number, or the time at which to come again.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    try:
        return max(0.0, float(text or ""))
    except ValueError:
        time = http_time(text)
        return None if time is None else max(0.0, (time - naive_utc(datetime.now(UTC))).total_seconds())


def http_time(text: str | None) -> datetime | None:
    """The time that a header holds, as naive UTC, or None."""
    try:
        return naive_utc(parsedate_to_datetime(text or ""))
    except (ValueError, TypeError, OverflowError):
        return None


def whole_number(text: str | None) -> int | None:
    """The number that a header holds, or None."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def content_range(text: str | None) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size of the whole that a header `Content-Range
    <https://www.rfc-editor.org/rfc/rfc9110#section-14.4>`_ tells; None for each that it does not."""
    unit, _, rest = (text or "").partition(" ")
    places, _, total = rest.partition("/")
    first, _, last = places.partition("-")
    if unit.lower() != "bytes":
        return None, None, None
    return whole_number(first), whole_number(last), whole_number(total)
