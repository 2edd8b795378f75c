"""Endpoints that a user writes, checked and made whole. Only the standard library: options models import this."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_FORMS = "write it as https://host, http://host:port or host:port"


def checked_endpoint(text: str | None) -> str | None:
    """The endpoint with its scheme (https unless another is given) and without a slash at its end; None for none.

    Raises:
        ValueError: It is not an http(s) address of a server, or holds what does not belong there, such as a token. The
            text is not repeated, as it may be secret.
    """
    text = (text or "").strip()
    if not text:
        return None
    url = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and is_host(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or any(ord(character) <= 32 for character in url):
        raise ValueError(f"is not the address of a server; {_FORMS}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"must hold no user, token or query; {_FORMS}")
    return url.rstrip("/")


def is_host(name: str | None) -> bool:
    """Whether a text can be an IP address or the name of a host.

    Names are not only those of DNS: the services of Docker Compose may have underscores.
    """
    name = name or ""
    try:
        ip_address(name)
        return True
    except ValueError:
        pass
    try:
        labels = name.encode("idna").decode().removesuffix(".").split(".")
    except UnicodeError:  # a label is empty or too long
        return False
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
