"""What goes wrong with requests of the storage `http`, explained without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from airbyte_cdk.sources.file_based.access.network import (
    causes,
    is_transient,
    network_failure,
    proxy_failure,
    proxy_wants_credentials,
    retry_after,
)
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Retried, Trouble
from airbyte_cdk.sources.file_based.storages.http_urls import shown
from airbyte_cdk.sources.file_based.storages.rest_failures import BROKEN

T = TypeVar("T")

_UNANSWERED = (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError)


class HttpError(OSError):
    """A request that did not give what was asked for; its text holds no query, no header and no content.

    Attributes:
        failure: What it means.
        status: Of the answer, or None if there was none.
        unanswered: The connection stood, but no whole answer came.
    """

    def __init__(self, failure: Failure, status: int | None = None, *, unanswered: bool = False) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.status = status
        self.unanswered = unanswered


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turns what `requests` and `urllib3` raise for a URL into `HttpError`, whose text and causes have no secrets."""
    try:
        yield
    except HttpError:
        raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
        unanswered = any(isinstance(cause, _UNANSWERED) for cause in causes(error))
        raise HttpError(_no_answer(error, url), unanswered=unanswered) from None


def refused(response: requests.Response, url: str) -> HttpError:
    """The error that an answer of an unwanted status means."""
    status = response.status_code
    after = retry_after(response.headers.get("Retry-After"))
    name = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    said = f"the server answered {status} {name}".rstrip() + f" for {shown(url)}"
    if is_transient(status) or (status == 403 and after is not None):
        return HttpError(Failure(Trouble.TEMPORARY, said, after), status)
    if status in (401, 403):
        return HttpError(Failure(Trouble.CONFIG, f"{said}: check credentials, headers and the URL"), status)
    if status == 407:
        return HttpError(proxy_wants_credentials(), status)
    if status in (404, 410):
        return HttpError(Failure(Trouble.MISSING, said), status)
    if status == 412:
        return HttpError(Failure(Trouble.CHANGED, said), status)
    return HttpError(Failure(Trouble.OTHER, said), status)


def settled(request: Callable[[], T], retried: Retried) -> T:
    """What a request of a listing gives, tried again while its error is temporary.

    Raises:
        HttpError: As the request raised it, if it is not temporary.
        Exception: What `retried` raises when it gives up.
    """

    def attempt() -> T | HttpError:
        try:
            return request()
        except HttpError as error:
            if error.failure.trouble is Trouble.TEMPORARY:
                raise
            return error

    result = retried(attempt)
    if isinstance(result, HttpError):
        raise result
    return result


def _no_answer(error: BaseException, url: str) -> Failure:
    """What it means that there is no answer, or only the beginning of one."""
    chain = list(causes(error))

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if (proxy := proxy_failure(error)) is not None:
        return proxy
    if caused_by(requests.TooManyRedirects):
        return Failure(Trouble.CONFIG, f"{shown(url)} is redirected again and again: check the URL")
    wrong = requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema, requests.exceptions.InvalidURL
    if caused_by(*wrong):
        return Failure(Trouble.CONFIG, f"{shown(url)} cannot be asked for, or is redirected to what cannot")
    return network_failure(error, urlsplit(url).netloc.rpartition("@")[2], "the URL", BROKEN) or Failure(
        Trouble.OTHER, f"{type(error).__name__} while asking for {shown(url)}"
    )
