"""The request to a token endpoint: tried again while that may help, and failing with a reason a user can act on."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from airbyte_cdk.interrupts import check_interrupted, requested
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.exceptions import SHOWN_BODY, DefaultBackoffException
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["TokenRefused", "provider_error", "request_token"]

BUDGET = 300.0
"""Seconds after which an endpoint that does not answer, or cannot, is given up."""
LONGEST_WAIT = 60.0
"""Seconds; no wait between two attempts is longer, unless the endpoint asks for it."""
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and seconds without a byte of the answer."""

_NETWORK = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_CODE = re.compile(r"[A-Za-z]{3,}\d{4,}")
_LONGEST_CODE = 64
_POLL = 0.1

_logger = logging.getLogger("airbyte")


class TokenRefused(AirbyteTracedException, requests.HTTPError):
    """The token endpoint refused to give a token (status 4xx); `response` is what it answered."""

    def __init__(self, response: requests.Response, message: str) -> None:
        text = f"The token endpoint answered {response.status_code}: {filter_secrets(response.text)[:SHOWN_BODY]}"
        super().__init__(internal_message=text, message=message, failure_type=FailureType.config_error)
        self.response = response
        self.request = response.request


def request_token(
    endpoint: str,
    *,
    body: Mapping[str, Any] | None,
    params: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
    rejected: Callable[[int, Any], bool],
) -> Any:
    """POST to a token endpoint; the JSON that it answers.

    An answer of 408, 429 or 5xx, and any failure of the network, is tried again with random waits that grow, for five
    minutes in all.

    Args:
        endpoint: URL.
        body: Sent as a form.
        params: Added to the URL.
        headers: Headers.
        rejected: Whether an answer (status and JSON) says that the refresh token is of no use any more.

    Raises:
        TokenRefused: a config_error: the endpoint answered with another 4xx.
        DefaultBackoffException: a transient_error: it still answered with one of those that are tried again.
        AirbyteTracedException: a transient_error if it cannot be reached or answers no JSON, a config_error if the
            endpoint is not a URL or leads nowhere, a system_error for anything else.
    """
    shown = _without_query(endpoint)

    def send() -> requests.Response:
        # `auth` set to nothing: else requests would take a password from ~/.netrc in place of our header.
        response = requests.post(
            endpoint, data=body, params=params, headers=headers, timeout=TIMEOUT, auth=lambda request: request
        )
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise DefaultBackoffException(response.request, response, _busy(shown, response.status_code))
        return response

    try:
        response = _patient(shown)(send)
    except AirbyteTracedException:
        raise
    except _NETWORK as error:
        text = f"The token endpoint {shown} cannot be reached ({type(error).__name__}). Try again later."
        raise AirbyteTracedException(text, text, FailureType.transient_error, error) from error
    except requests.RequestException as error:
        text = f"The token endpoint {shown} cannot be used ({type(error).__name__}). Check its URL."
        raise AirbyteTracedException(text, text, FailureType.config_error, error) from error
    except Exception as error:
        text = f"The request to the token endpoint {shown} could not be sent ({type(error).__name__})."
        raise AirbyteTracedException(text, text, FailureType.system_error, error) from error
    return _answer(response, shown, rejected)


def _patient(shown: str) -> Retrying:
    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        said = error.response if isinstance(error, requests.RequestException) else None
        reason = type(error).__name__ if said is None else f"status {said.status_code}"
        _logger.info("The token endpoint %s gave no token (%s); trying again.", shown, reason)

    return Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, (DefaultBackoffException, *_NETWORK)) and not requested()
        ),
        wait=wait_random_exponential(multiplier=1, max=LONGEST_WAIT),
        stop=stop_before_delay(BUDGET),
        sleep=_pause,
        before_sleep=tell,
        reraise=True,
    )


def _pause(seconds: float) -> None:
    """Sleep, unless the process is told to stop."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not requested():
        check_interrupted()
        time.sleep(min(left, _POLL))
    check_interrupted()


def _answer(response: requests.Response, shown: str, rejected: Callable[[int, Any], bool]) -> Any:
    try:
        answer = response.json()
    except ValueError as error:
        if response.ok:
            text = f"The token endpoint {shown} answered {response.status_code} with something else than JSON."
            raise AirbyteTracedException(text, text, FailureType.transient_error, error) from error
        answer = None
    if response.ok:
        return answer
    detail = provider_error(answer)
    if rejected(response.status_code, answer):
        message = (
            "Refresh token was rejected by the OAuth provider: it has expired, was withdrawn, or was used before. "
            f"Connect the account again in the settings of this source.{detail}"
        )
    else:
        message = (
            f"The token endpoint {shown} gave no access token (status {response.status_code}). "
            f"Check the credentials in the settings of this source.{detail}"
        )
    raise TokenRefused(response, message)


def provider_error(answer: Any) -> str:
    """A sentence with the error code of an answer and the code its description begins with; empty if it has none.

    No more of the description: what providers write there may quote what was sent.
    """
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, str) or not error:
        return ""
    code = _CODE.match(str(answer.get("error_description") or ""))
    parts = [error[:_LONGEST_CODE], *([code[0][:_LONGEST_CODE]] if code else [])]
    return f" Provider error: {filter_secrets(': '.join(parts))}"


def _busy(shown: str, status: int) -> str:
    if status == 429:
        return f"The token endpoint {shown} gets too many requests (status 429). Try again later."
    return f"The token endpoint {shown} does not work at the moment (status {status}). Try again later."


def _without_query(url: str) -> str:
    """The URL without what may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
