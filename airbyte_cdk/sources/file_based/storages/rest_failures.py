"""Errors of object stores that are read over HTTP with `requests`, and what they mean."""

from __future__ import annotations

import errno
import socket
import ssl
from http.client import HTTPException

import requests
import urllib3

from airbyte_cdk.sources.file_based.access.network import causes, is_passing, retry_after
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble


class StatusError(OSError):
    """A storage answered with a status that is no success.

    Attributes:
        status: The HTTP status.
        code: The storage's own name for the error, or "".
        text: What the storage says about it, for people; or "".
        retry_after: Seconds that it asks to wait, or None.
    """

    def __init__(self, response: requests.Response, code: str = "", text: str = "") -> None:
        self.status: int = response.status_code
        self.code = code
        self.text = text
        self.retry_after = retry_after(response.headers.get("Retry-After"))
        super().__init__(f"the storage answered {self.named}")

    @property
    def named(self) -> str:
        """Status and code, for messages."""
        return f"{self.status} {self.code}".rstrip()


class ChangedError(OSError):
    """The file is no longer the one that was asked for."""


class BrokenBody(OSError):
    """A body ended before its announced end, or is not the one asked for."""


class NotThisStorage(OSError):
    """What answers at the endpoint does not speak the storage's protocol."""


def status_failure(error: StatusError) -> Failure:
    """What a status means wherever the storage has no rule of its own for it."""
    if error.status == 412:
        return Failure(Trouble.CHANGED, "the file was changed since it was listed")
    if error.status in (429, 503):
        return Failure(Trouble.TEMPORARY, f"the storage asks to slow down ({error.named})", error.retry_after)
    if is_passing(error.status):
        return Failure(Trouble.TEMPORARY, f"the storage has a fault at the moment ({error.named})", error.retry_after)
    return Failure(Trouble.OTHER, f"the storage refuses the request ({error.named})")


def network_failure(error: BaseException, answered: bool, host_options: str) -> Failure | None:
    """What an exception of the network means; None if it is none.

    Args:
        answered: Whether the server has answered before: then its name is right, and its resolution fails for now.
        host_options: The options that the name of the server is made from.
    """
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, socket.gaierror):
            if cause.errno == socket.EAI_AGAIN or answered:
                return Failure(Trouble.TEMPORARY, "the name of the server cannot be resolved at the moment")
            return Failure(Trouble.CONFIG, f"there is no server of this name; correct {host_options}")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(Trouble.CONFIG, "the certificate of the server is not trusted; check `endpoint`")
        if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return Failure(Trouble.CONFIG, "the server does not speak https; begin `endpoint` with http://")
    if any(isinstance(cause, ConnectionRefusedError) for cause in chain):
        return Failure(Trouble.TEMPORARY, "the server refuses connections; if it stays so, check `endpoint`")
    if any(isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for cause in chain):
        return Failure(Trouble.TEMPORARY, "the server did not answer in time")
    if any(isinstance(cause, BROKEN) or _is_of_the_network(cause) for cause in chain):
        return Failure(Trouble.TEMPORARY, f"the connection broke ({type(chain[-1]).__name__})")
    return None


BROKEN = (
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError,
    HTTPException,
    ConnectionError,
    ssl.SSLError,
)
"""What `requests`, and what is below it, raise for a connection that failed or broke off."""


def _is_of_the_network(error: BaseException) -> bool:
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPIPE)
    return isinstance(error, OSError) and error.errno in unreachable
