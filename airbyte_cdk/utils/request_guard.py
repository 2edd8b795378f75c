"""What a connector may reach over HTTP in the vendor's cloud: public hosts, over TLS."""

from __future__ import annotations

import importlib
import importlib.util
import ipaddress
import socket
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["allow_public_requests_only", "refusal"]

_MARK = "_allows_public_requests_only"


def refusal(url: str) -> str | None:
    """Why a request to `url` is refused, or None if it is allowed. An unknown host is for the request to report."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return f"Requests must use https; this one would go to {parts.hostname} over {parts.scheme or 'no scheme'}."
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, proto=socket.IPPROTO_TCP)
    except (OSError, ValueError, UnicodeError):
        return None
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if not ip.is_global:
            return f"Requests to hosts of a private network are not allowed: {parts.hostname}."
    return None


def allow_public_requests_only() -> None:
    """Make `requests` refuse other URLs than https ones to public hosts, with a config error.

    Does nothing where `requests` is not installed.
    """
    if importlib.util.find_spec("requests") is None:
        return
    requests: Any = importlib.import_module("requests")
    send = requests.Session.send
    if hasattr(send, _MARK):
        return

    @wraps(send)
    def guarded(self: Any, request: Any, **kwargs: Any) -> Any:
        reason = refusal(str(request.url))
        if reason is not None:
            raise AirbyteTracedException(reason, reason, FailureType.config_error)
        return send(self, request, **kwargs)

    setattr(guarded, _MARK, True)
    requests.Session.send = guarded
