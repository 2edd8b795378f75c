"""What storages over a network have in common: times to wait, statuses, headers, and what no answer means."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from airbyte_cdk.sources.file_based.access.hosts import is_host
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble, naive_utc

CONNECT_SECONDS = 10
"""Longest time until a connection stands."""
READ_SECONDS = 60
"""Longest time without a single byte."""

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""How `http.client` tells what a proxy answers to CONNECT."""
_PROXY_ERRORS = (
    "ProxyError",
    "ProxyConnectionError",
    "InvalidProxyURL",
    "ProxySchemeUnknown",
    "ProxySchemeUnsupported",
)
"""Classes of requests, urllib3 and botocore."""
_PERHAPS_PROXY_ERRORS = (
    "InvalidURL",
    "InvalidSchema",
    "LocationParseError",
    "LocationValueError",
    "UnicodeError",
    "UnicodeEncodeError",
)
"""Of a URL that cannot be used: that of the server or that of the proxy."""
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
        # urllib3 has `reason`, Azure `inner_exception`, botocore `kwargs`, paramiko `errors` by address
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        errors = getattr(cause, "errors", None)
        waiting += errors.values() if isinstance(errors, dict) else []
        kwargs = getattr(cause, "kwargs", None)
        waiting.append(kwargs.get("error") if isinstance(kwargs, dict) else None)
        waiting += [getattr(cause, "inner_exception", None), *cause.args]


def network_failure(
    error: BaseException, host: str | None, option: str, broken: tuple[type[BaseException], ...] = ()
) -> Failure | None:
    """What it means that a server gave no answer, or only the beginning of one; None if it is not that.

    Names that do not resolve and connections that are refused may be a slip in the config as well as a network that is
    down for a minute. They are told alike: tried again, with a reason that names the option. What a proxy does is not
    laid on the server, see `proxy_failure`; what could not even be sent is for the user to correct.

    Args:
        error: Raised by a library; what counts is the error of the system that it wraps.
        host: The server that is asked, with its port; None if only the error may know.
        option: What the user wrote the server's name into, such as "`endpoint`".
        broken: What the library raises for connections that broke, beside the errors of the system.
    """
    if (proxy := proxy_failure(error)) is not None:
        return proxy
    chain = list(causes(error))
    asked = _asked(chain).netloc.rpartition("@")[2] or None
    correct = f"; if it stays so, correct {option}"
    if asked is not None and host is not None and asked != host and not asked.endswith(f".{host}"):
        correct = ""  # a service beside the storage, such as one that gives tokens
    host = asked or host or "the server"
    for cause in chain:
        if _is_bad_header(cause):
            return Failure(
                Trouble.CONFIG,
                "a header cannot be sent, as it holds a line break or another character that it must not; correct "
                "`credentials`",
            )
        if isinstance(cause, UnicodeError):
            return Failure(Trouble.CONFIG, f"the name {host} cannot be that of a host; correct {option}")
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


def _is_bad_header(error: BaseException) -> bool:
    """Whether a library did not send a request because of a header: the texts of these errors hold its value."""
    if isinstance(error, UnicodeEncodeError):
        return error.encoding == "latin-1"
    return isinstance(error, ValueError) and (
        type(error).__name__ == "InvalidHeader" or str(error).startswith("Invalid header")
    )


def _asked(chain: list[BaseException]) -> SplitResult:
    """The URL that a request was for, if one of the errors knows the request."""
    for cause in chain:
        url = getattr(getattr(cause, "request", None), "url", None)
        if isinstance(url, str):
            return urlsplit(url)
    return urlsplit("")


def proxy_failure(error: BaseException) -> Failure | None:
    """What it means that the proxy of this machine's environment let no request through; None if it is not that.

    Args:
        error: As for `network_failure`.
    """
    chain = list(causes(error))
    names = {type(cause).__name__ for cause in chain}
    if not names.intersection((*_PROXY_ERRORS, *_PERHAPS_PROXY_ERRORS)):
        return None
    proxy = _proxy(_asked(chain).scheme, _shown_proxy(chain))
    if proxy is not None and proxy.problem is not None:
        return Failure(Trouble.CONFIG, proxy.problem)
    if not names.intersection(_PROXY_ERRORS):
        return None
    told = str(proxy or _PROXY)
    for cause in chain:
        if isinstance(cause, ssl.SSLError) and any(sign in str(cause).upper() for sign in _NOT_TLS):
            return Failure(Trouble.CONFIG, f"{told} does not speak TLS; {_PROXY_FORM}")
        if answer := _TUNNEL.match(str(cause)):
            status = int(answer[1])
            if status == 407:
                return proxy_wants_credentials()
            trouble = Trouble.TEMPORARY if is_transient(status) else Trouble.CONFIG
            return Failure(trouble, f"{told} answered {status} instead of letting the request through")
    return Failure(Trouble.TEMPORARY, f"{told} cannot be reached; if it stays so, correct the variable")


def proxy_wants_credentials() -> Failure:
    """What it means that a request is answered with the status 407, which is that of a proxy."""
    told = _proxy("", None) or _PROXY
    return Failure(Trouble.CONFIG, f"{told} wants credentials (407); write it as http://user:password@host:port")


_PROXY = "the proxy that an environment variable of this machine names"
_PROXY_FORM = "write it as http://host:port"


class _Proxy(NamedTuple):
    """A proxy that an environment variable names.

    Attributes:
        variable: The name of the variable.
        address: Host and port; "" if there is none.
        problem: What is wrong with it, as a clause; or None.
    """

    variable: str
    address: str
    problem: str | None = None

    def __str__(self) -> str:
        return f"the proxy {self.address} that the environment variable {self.variable} names"


def _proxy(scheme: str, address: str | None) -> _Proxy | None:
    """The proxy of requests of a scheme ("" if that is not known), or the one at an address."""
    names = [f"{scheme}_proxy"] if scheme else ["https_proxy", "http_proxy"]
    variables = [variable for name in (*names, "all_proxy") for variable in (name, name.upper())]
    set_ = [_parsed_proxy(variable, text) for variable in variables if (text := os.environ.get(variable, "").strip())]
    there = [proxy for proxy in set_ if address and proxy.address == address]
    return next(iter([*there, *set_]), None)


def _shown_proxy(chain: list[BaseException]) -> str | None:
    """The address of the proxy, if one of the errors knows it: those of botocore do."""
    for cause in chain:
        kwargs = getattr(cause, "kwargs", None)
        if isinstance(kwargs, dict) and isinstance(kwargs.get("proxy_url"), str):
            return str(kwargs["proxy_url"]).rpartition("/")[2].rpartition("@")[2]
    return None


def _parsed_proxy(variable: str, text: str) -> _Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        valid = is_host(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        problem = f"the environment variable {variable} does not hold the URL of a proxy; {_PROXY_FORM}"
        return _Proxy(variable, "", problem)
    address = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https"):
        problem = f"the environment variable {variable} names a proxy of a kind that cannot be used; {_PROXY_FORM}"
        return _Proxy(variable, address, problem)
    return _Proxy(variable, address)


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
