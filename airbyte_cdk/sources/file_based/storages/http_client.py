"""The requests of the storage `http`: what is asked, and what the answers tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from airbyte_cdk.sources.file_based.access.network import (
    CONNECT_SECONDS,
    READ_SECONDS,
    content_range,
    http_time,
    whole_number,
)
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble
from airbyte_cdk.sources.file_based.storages.http_errors import (
    HttpError,
    explained,
    refused,
)
from airbyte_cdk.sources.file_based.storages.http_urls import shown
from airbyte_cdk.sources.file_based.storages.rest import tuned

_PUBLIC_HEADERS = ("user-agent", "accept", "accept-language")
"""Even where a user sets them, they are meant for every host."""
_REFUSES_HEAD = (400, 403, 404, 405, 410, 501)
"""What servers answer to HEAD though they have the file; those that fail now and then (5xx) are asked by HEAD again."""
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd")
"""Of `Content-Encoding <https://www.rfc-editor.org/rfc/rfc9110#section-8.4>`_: none, or those that the first bytes of
the content tell, which are undone where compressed files are."""


class Details(NamedTuple):
    """What the headers of an answer tell about a file.

    Attributes:
        size: Bytes as stored, or None.
        modified: ``Last-Modified`` as naive UTC, or None.
        version: The ETag as it is; without one ``<Last-Modified>; <size>``, or None without these, too.
    """

    size: int | None
    modified: datetime | None
    version: str | None


class _Session(requests.Session):
    """Keeps its private headers to the host, port and scheme for which they are meant.

    Attributes:
        private: The names of these headers.
    """

    def __init__(self, private: Mapping[str, str]) -> None:
        super().__init__()
        self.private = [name for name in private if name.lower() not in _PUBLIC_HEADERS]
        self.headers.update({"User-Agent": "airbyte-cdk", **private})
        tuned(self)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called for each redirect."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            for name in self.private:
                prepared_request.headers.pop(name, None)


class HttpClient:
    """Asks web servers, each time once. May be used by several threads.

    Args:
        private: Headers of each request that no host may get by a redirect.
        home: A URL: only its host, port and scheme get the private headers. None: those of every URL that is asked for.
    """

    def __init__(self, private: Mapping[str, str], home: str | None = None) -> None:
        self._session = _Session(private)
        self._home = home
        self._get_for_head: set[str] = set()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """The answer, of any status, before its body: that is to be read with `read`, and the answer closed."""
        return self._send("GET", url, {"Accept-Encoding": "identity", **(headers or {})})

    def details(self, url: str) -> Details:
        """What a server tells about a file without sending it: HEAD, or GET of its first byte where HEAD gives nothing.

        Raises:
            HttpError: There is no such file, or the server does not tell.
        """
        host = urlsplit(url).netloc
        if host in self._get_for_head:
            return self.first_byte(url)
        try:
            with self._send("HEAD", url, {"Accept-Encoding": "identity"}) as response:
                pass
        except HttpError as error:
            if error.unanswered:
                return self.first_byte(url)
            raise
        # An answer to HEAD has no body, and some servers say that its length is 0.
        if response.ok and response.headers.get("Content-Length") != "0":
            refuse_folder(response, url)
            return details(response)
        status = response.status_code
        if not response.ok:
            refusal = refused(response, url)
            if refusal.failure.retry_after is not None or not (status in _REFUSES_HEAD or status >= 500):
                raise refusal
        found = self.first_byte(url)
        if status in _REFUSES_HEAD:
            self._get_for_head.add(host)
        return found

    def first_byte(self, url: str) -> Details:
        """What a server tells about a file with its first byte; some tell the size only so.

        Raises:
            HttpError: There is no such file, or the server does not tell.
        """
        with self.get(url, {"Range": "bytes=0-0"}) as response:
            found = details(response)
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and not found.size:
                return found._replace(size=0)
            if not response.ok:
                raise refused(response, url)
            refuse_folder(response, url)
            if response.status_code == HTTPStatus.PARTIAL_CONTENT:
                read(response, 1, url)  # a connection that was read to the end is used again
            return found

    def _send(self, method: str, url: str, headers: Mapping[str, str | None]) -> requests.Response:
        if self._home is not None and self._session.should_strip_auth(self._home, url):
            headers = {**dict.fromkeys(self._session.private), **headers}
        with explained(url):
            return self._session.request(
                method,
                url,
                headers=headers,  # type: ignore[arg-type]  # None keeps one of the session's back
                stream=method != "HEAD",
                allow_redirects=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )

    def close(self) -> None:
        """Let go of all connections."""
        self._session.close()


def read(response: requests.Response, n: int, url: str) -> bytes:
    """What the connection has of a body, at most `n` bytes, exactly as they were sent; ``b""`` at its end.

    Raises:
        HttpError: The body broke off before its announced end, among others.
    """
    with explained(url):
        data: bytes | None = response.raw.read1(n, decode_content=False)
        return data or b""


def details(response: requests.Response) -> Details:
    """What the headers of an answer tell."""
    size = _total(response)
    text = response.headers.get("Last-Modified")
    modified = http_time(text)
    version = response.headers.get("ETag")
    if not version and modified is not None and size is not None:
        version = f"{text}; {size}"
    return Details(size, modified, version or None)


def refuse_folder(response: requests.Response, url: str) -> None:
    """Raise HttpError if the server took a URL for that of a folder: it redirected to the same with a slash."""
    asked, given = urlsplit(url).path, urlsplit(str(response.url)).path
    if response.history and given.endswith("/") and not asked.endswith("/"):
        raise HttpError(Failure(Trouble.MISSING, f"{shown(url)} is a folder, not a file"))


def refuse_encoding(response: requests.Response, url: str) -> None:
    """Raise HttpError if a body is encoded, against what was asked for, in a way that its first bytes do not tell."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        reason = f"the server sends {shown(url)} with the content encoding {encoding}, although none was asked for"
        raise HttpError(Failure(Trouble.OTHER, reason), response.status_code)


def _total(response: requests.Response) -> int | None:
    if response.status_code in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        return content_range(response.headers.get("Content-Range"))[2]
    return whole_number(response.headers.get("Content-Length"))
