"""What object stores have in common that are read over HTTP with `requests`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from airbyte_cdk.sources.file_based.access.errors import SAME_PAGE, AnswerError
from airbyte_cdk.sources.file_based.access.network import content_range, network_failure, proxy_failure
from airbyte_cdk.sources.file_based.access.ranges import read_joined
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    NothingLeft,
    StorageAccess,
    Trouble,
    anything,
)
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.storages.rest_failures import (
    BROKEN,
    BrokenBody,
    ChangedError,
    NotThisStorage,
    StatusError,
    status_failure,
)

CONNECTIONS = 32
"""Connections kept open to one server."""
RANGES_AT_ONCE = 4
"""Requests for parts of one file at once."""
PIECE_BYTES = 256 * 1024
"""Most bytes of a body that one read asks the connection for."""

WHOLE_BYTES = 1 << 30
"""More than an answer has that is read whole."""

S = TypeVar("S", bound=requests.Session)


def tuned(session: S) -> S:
    """`session` with room for parallel reads, with no retries of its own and no credentials but those it is given."""
    adapter = HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.auth = _as_it_is  # else ~/.netrc replaces the Authorization header
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Body(Content):
    """The rest of a file as the body of a response, byte by byte as it is stored.

    Raises:
        BrokenBody: The response does not begin at `start`.

    Args:
        response: With the status 200 or 206, its body not yet read.
        start: The byte of the file that was asked for.
        version: Of the content.
    """

    def __init__(self, response: requests.Response, start: int, version: str | None) -> None:
        self._response = response
        self.version = version
        length = response.headers.get("Content-Length")
        self._left = int(length) if length is not None else None
        first: int | None = 0
        self.size = self._left
        if response.status_code == 206:
            first, _, self.size = content_range(response.headers.get("Content-Range"))
        if first != start:
            response.close()
            raise BrokenBody("the server did not answer with the range of bytes that it was asked for")

    def read(self, n: int) -> bytes:
        """As `Content.read`: what the connection has, without waiting for more."""
        if self._left == 0:
            return b""
        # Content-Encoding is part of how the file is stored, and undone by the framework: sizes and offsets hold
        data: bytes = self._response.raw.read1(min(n, PIECE_BYTES), decode_content=False)
        if self._left is not None:
            if not data:
                raise BrokenBody(f"the body ended {self._left} bytes before its announced end")
            self._left -= len(data)
        return data

    def close(self) -> None:
        """As `Content.close`. A connection whose body was read to its end is used again."""
        self._response.close()


def whole(response: requests.Response, watch: Watch) -> bytes:
    """All of a body that has not been read yet, decoded; the connection is used again.

    Raises:
        TooSlow: It does not come fast enough.
        Exception: What `requests` and `urllib3` raise for a body that breaks off.
    """
    with response:
        return watch.read_all(partial(response.raw.read1, decode_content=True), WHOLE_BYTES)


class Page(NamedTuple):
    """One page of a listing.

    Attributes:
        files: Without markers of folders.
        marker: Asks for the next page; None on the last one.
        folders: With their last ``/``, if the listing does not go into them.
    """

    files: list[Listed]
    marker: str | None
    folders: Sequence[str] = ()

    def told(self, enter: Callable[[str], object]) -> list[Listed]:
        """The files, after `enter` was told the folders."""
        for folder in self.folders:
            enter(folder.removesuffix("/"))
        return self.files


class RestAccess(StorageAccess):
    """Access to an object store over HTTP: its pages, bodies and failures; what it says is for the subclass.

    Args:
        title: As `StorageAccess.title`.
        prefix: Files whose uri does not begin with it are not listed.
        page_size: Files asked for in one page; None for as many as the storage gives.
        url: Address of the storage.
    """

    flat = True
    _host_option = "`endpoint`"

    def __init__(self, title: str, prefix: str, page_size: int | None, url: str) -> None:
        self.title = title
        self.prefix = prefix
        self._page_size = page_size
        self._host = urlsplit(url).netloc

    @abstractmethod
    def _page(self, prefix: str, recursive: bool, marker: str | None) -> Page:
        """One page of the listing below a prefix. Raises StatusError."""

    @abstractmethod
    def _get(self, uri: str, byte_range: str | None, version: str | None) -> requests.Response:
        """The answer to a request for content. Raises StatusError, or ChangedError for another version."""

    @abstractmethod
    def _version(self, response: requests.Response) -> str | None:
        """The version of the content in an answer."""

    @abstractmethod
    def _refusal(self, error: StatusError, uri: str | None) -> Failure | None:
        """What a status means that is not the same for all storages."""

    @abstractmethod
    def _library_failure(self, error: BaseException) -> Failure | None:
        """What an exception of the storage's library means, unless it is one of the network."""

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """As `StorageAccess.files`; the next page is fetched while one is consumed."""
        if self.prefix.startswith(prefix):
            prefix = self.prefix
        elif not prefix.startswith(self.prefix):
            return
        ahead = ThreadPoolExecutor(1, thread_name_prefix="airbyte-page")
        try:
            page = self._asked(prefix, recursive, None, over)
            last: str | None = None
            while page.marker is not None:
                if page.marker == last:
                    raise AnswerError(Trouble.OTHER, SAME_PAGE)
                last = page.marker
                coming = ahead.submit(self._asked, prefix, recursive, page.marker, over)
                yield from page.told(enter)
                page = coming.result()
            yield from page.told(enter)
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)

    def _asked(self, prefix: str, recursive: bool, marker: str | None, over: Event) -> Page:
        return self.retried(lambda: self._page(prefix, recursive, marker), over)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """As `StorageAccess.open`, by one request."""
        try:
            response = self._get(uri, f"bytes={start}-" if start else None, version)
        except StatusError as error:
            if error.status != 416:
                raise
            now = self.info(uri)
            if now.size != start:
                raise ChangedError(f"the file ends before byte {start}") from error
            return NothingLeft(now)
        return Body(response, start, self._version(response))

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """As `StorageAccess.ranges`, by several requests at once; near ones are read by one."""
        return read_joined(ranges, lambda parts: self._parts(uri, parts, version))

    def _parts(self, uri: str, parts: list[tuple[int, int]], version: str | None) -> list[bytes]:
        if len(parts) <= 1:
            return [self._part(uri, start, end, version) for start, end in parts]
        with ThreadPoolExecutor(min(len(parts), RANGES_AT_ONCE), thread_name_prefix="airbyte-range") as pool:
            return list(pool.map(lambda part: self._part(uri, part[0], part[1], version), parts))

    def _part(self, uri: str, start: int, end: int, version: str | None) -> bytes:
        try:
            response = self._get(uri, f"bytes={start}-{end - 1}", version)
        except StatusError as error:
            if error.status == 416:
                return b""
            raise
        body = Body(response, start, None)
        try:
            return read_exactly(body, end - start, self.watch())
        finally:
            body.close()

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """As `StorageAccess.failure`."""
        if isinstance(error, StatusError):
            return self._refusal(error, uri) or status_failure(error)
        if isinstance(error, ChangedError):
            return Failure(Trouble.CHANGED, "the file was changed since it was listed")
        if isinstance(error, NotThisStorage):
            return Failure(Trouble.CONFIG, f"{error}; correct {self._host_option}")
        if isinstance(error, BrokenBody):
            return Failure(Trouble.TEMPORARY, str(error))
        if isinstance(error, AnswerError):
            return error.failure
        return (
            proxy_failure(error)
            or self._library_failure(error)
            or network_failure(error, self._host, self._host_option, BROKEN)
            or Failure(Trouble.OTHER, f"an unexpected error ({type(error).__name__})")
        )
