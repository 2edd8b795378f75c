"""What storages over a network have in common: times to wait, statuses, headers, and what no answer means."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble, naive_utc

CONNECT_SECONDS = 10
"""Longest time until a connection stands."""
READ_SECONDS = 60
"""Longest time without a single byte."""

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPIPE, errno.EADDRNOTAVAIL)


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


def network_failure(
    error: BaseException, host: str | None, option: str, broken: tuple[type[BaseException], ...] = ()
) -> Failure | None:
    """What it means that a server gave no answer, or only the beginning of one; None if it is not that.

    Names that do not resolve and connections that are refused may be a slip in the config as well as a network that is
    down for a minute. They are told alike: tried again, with a reason that names the option.

    Args:
        error: Raised by a library; what counts is the error of the system that it wraps.
        host: The server that is asked, with its port; None if only the error may know.
        option: What the user wrote the server's name into, such as "`endpoint`".
        broken: What the library raises for connections that broke, beside the errors of the system.
    """
    chain = list(causes(error))
    asked = _asked_host(chain)
    correct = f"; if it stays so, correct {option}"
    if asked is not None and host is not None and asked != host and not asked.endswith(f".{host}"):
        correct = ""  # a service beside the storage, such as one that gives tokens
    host = asked or host or "the server"
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", "") or "it cannot be verified"
            return Failure(Trouble.CONFIG, f"the certificate of {host} is not trusted ({why}); check {option}")
        if isinstance(cause, ssl.SSLError) and any(sign in str(cause).upper() for sign in _NOT_TLS):
            return Failure(Trouble.CONFIG, f"{host} does not speak TLS; write http:// in {option}, or another port")
        if isinstance(cause, socket.gaierror):
            name = urlsplit(f"//{host}").hostname or host
            return Failure(Trouble.TEMPORARY, f"the name {name} cannot be resolved{correct}")
        if isinstance(cause, ConnectionRefusedError):
            return Failure(Trouble.TEMPORARY, f"{host} refuses connections{correct}")
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return Failure(Trouble.TEMPORARY, f"{host} did not answer in time")
    system = next((cause for cause in chain if isinstance(cause, OSError) and cause.errno), None)
    if any(isinstance(cause, (HTTPException, ConnectionError, ssl.SSLError, *broken)) for cause in chain) or (
        system is not None and system.errno in _UNREACHABLE
    ):
        why = os.strerror(system.errno) if system is not None and system.errno else type(chain[-1]).__name__
        return Failure(Trouble.TEMPORARY, f"the connection to {host} broke off ({why})")
    return None


def _asked_host(chain: list[BaseException]) -> str | None:
    """The host that a request was for, with its port, if one of the errors knows the request."""
    for cause in chain:
        url = getattr(getattr(cause, "request", None), "url", None)
        if isinstance(url, str):
            return urlsplit(url).netloc.rpartition("@")[2] or None
    return None


def is_transient(status: int) -> bool:
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
