"""Authenticators whose header is known beforehand."""

from __future__ import annotations

import base64
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import cycle

import requests
from requests.auth import AuthBase

__all__ = [
    "AbstractHeaderAuthenticator",
    "BasicHttpAuthenticator",
    "MultipleTokenAuthenticator",
    "TokenAuthenticator",
]


class AbstractHeaderAuthenticator(AuthBase, ABC):
    """Adds one header to every request."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to the request."""
        r.headers.update(self.get_auth_header())
        return r

    def get_auth_header(self) -> dict[str, str]:
        """The header; none if its name is empty."""
        return {self.auth_header: self.token} if self.auth_header else {}

    @property
    @abstractmethod
    def auth_header(self) -> str:
        """Name of the header."""

    @property
    @abstractmethod
    def token(self) -> str:
        """Value of the header."""


class TokenAuthenticator(AbstractHeaderAuthenticator):
    """Sends a token that does not change: ``Authorization: Bearer <token>``.

    Args:
        token: The token.
        auth_method: Word before it.
        auth_header: Name of the header.
    """

    def __init__(self, token: str, auth_method: str = "Bearer", auth_header: str = "Authorization") -> None:
        self._token = token
        self._auth_method = auth_method
        self._auth_header = auth_header

    @property
    def auth_header(self) -> str:
        """Name of the header."""
        return self._auth_header

    @property
    def token(self) -> str:
        """Value of the header: method and token."""
        return f"{self._auth_method} {self._token}"


class BasicHttpAuthenticator(TokenAuthenticator):
    """Sends user name and password (https://www.rfc-editor.org/rfc/rfc7617, in UTF-8).

    Args:
        username: The user.
        password: The password.
        auth_method: Word before the encoded pair.
        auth_header: Name of the header.
    """

    def __init__(
        self, username: str, password: str = "", auth_method: str = "Basic", auth_header: str = "Authorization"
    ) -> None:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        super().__init__(pair, auth_method, auth_header)


class MultipleTokenAuthenticator(AbstractHeaderAuthenticator):
    """Sends the next of several tokens with each request, and starts again after the last; threads may share it.

    Args:
        tokens: The tokens, at least one.
        auth_method: Word before the token.
        auth_header: Name of the header.

    Raises:
        ValueError: there is no token.
    """

    def __init__(self, tokens: Iterable[str], auth_method: str = "Bearer", auth_header: str = "Authorization") -> None:
        self._tokens = list(tokens)
        if not self._tokens:
            raise ValueError("there must be at least one token")
        self._auth_method = auth_method
        self._auth_header = auth_header
        self._turns = cycle(self._tokens)
        self._lock = threading.Lock()

    @property
    def auth_header(self) -> str:
        """Name of the header."""
        return self._auth_header

    @property
    def token(self) -> str:
        """Value of the header: method and the next token."""
        with self._lock:
            return f"{self._auth_method} {next(self._turns)}"
