"""Endpoints that a user writes, checked and made whole. Only the standard library: options models import this."""

from __future__ import annotations

from urllib.parse import urlsplit

from airbyte_cdk.sources.file_based.access.hosts import is_host

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
