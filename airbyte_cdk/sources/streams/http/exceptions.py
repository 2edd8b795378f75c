"""Errors of single HTTP requests. Each is an error of `requests` and a traced one at once.

Whoever catches `requests.HTTPError` finds the response in it; whoever lets it pass gets a TRACE ERROR with the right
failure type.
"""

from __future__ import annotations

import requests

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["BaseBackoffException", "DefaultBackoffException"]

SHOWN_BODY = 1000
"""Characters of a response that an error shows to developers."""


class BaseBackoffException(AirbyteTracedException, requests.HTTPError):
    """A request failed in a way that another attempt may put right.

    Args:
        request: The request that was sent.
        response: What came back: a response, or the error that came instead of one.
        error_message: For the user; without it, the text names the URL, the status and the start of the body.
        failure_type: ``transient_error`` unless given.
    """

    def __init__(
        self,
        request: requests.PreparedRequest | None,
        response: requests.Response | Exception | None,
        error_message: str = "",
        failure_type: FailureType | None = None,
    ) -> None:
        url = request.url if request is not None else None
        if isinstance(response, requests.Response):
            text = f"Request to {url} failed with status {response.status_code}: {response.text[:SHOWN_BODY]}"
        else:
            text = f"Request to {url} failed: {response!r}"
        super().__init__(
            internal_message=text,
            message=error_message or None,
            failure_type=failure_type or FailureType.transient_error,
            exception=response if isinstance(response, Exception) else None,
        )
        self.request = request
        self.response = response if isinstance(response, requests.Response) else None


class DefaultBackoffException(BaseBackoffException):
    """The server could not answer just now."""
