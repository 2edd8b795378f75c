"""Errors of object stores that are read over HTTP with `requests`, and what they mean."""

from __future__ import annotations

import requests
import urllib3

from airbyte_cdk.sources.file_based.access.network import is_transient, proxy_wants_credentials, retry_after
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble


class StatusError(OSError):
    """A storage answered with a status that is not a success.

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
    if error.status == 407:
        return proxy_wants_credentials()
    if error.status == 412:
        return Failure(Trouble.CHANGED, "the file was changed since it was listed")
    if error.status in (429, 503):
        return Failure(Trouble.TEMPORARY, f"the storage asks to slow down ({error.named})", error.retry_after)
    if is_transient(error.status):
        return Failure(Trouble.TEMPORARY, f"the storage has a fault at the moment ({error.named})", error.retry_after)
    return Failure(Trouble.OTHER, f"the storage refuses the request ({error.named})")


BROKEN = (
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError,
)
"""What `requests` and `urllib3` raise for a connection that failed or broke off."""
