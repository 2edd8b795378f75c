"""What an authenticator may be able to do besides adding headers. The methods count, not the base classes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import requests

__all__ = ["ResponseAwareAuthenticator", "TokenRotatingAuthenticator"]


@runtime_checkable
class ResponseAwareAuthenticator(Protocol):
    """Learns from responses, for example how many calls a token has left."""

    def update_from_response(self, request: requests.PreparedRequest, response: requests.Response) -> None:
        """Take note of the response to an attempt."""


@runtime_checkable
class TokenRotatingAuthenticator(Protocol):
    """Has several tokens, so that a limit of one need not be waited for."""

    def has_alternative_token(self, request: requests.PreparedRequest) -> bool:
        """Whether another attempt would be made with another token."""
        ...
