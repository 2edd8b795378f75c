"""Names and addresses of hosts. Only the standard library: options models import this."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


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
