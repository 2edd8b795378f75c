"""Access to files over HTTP: listed by `http_urls` or `http_index`, asked for details and read with `requests`."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event
from typing import TypeVar

import requests

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.network import content_range
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    Retried,
    StorageAccess,
    Trouble,
    anything,
    differ,
    naive_utc,
)
from airbyte_cdk.sources.file_based.storages.http_client import (
    HttpClient,
    details,
    read,
    refuse_encoding,
    refuse_folder,
)
from airbyte_cdk.sources.file_based.storages.http_errors import HttpError, refused, settled
from airbyte_cdk.sources.file_based.storages.http_index import IndexedFolder
from airbyte_cdk.sources.file_based.storages.http_parallel import in_parallel
from airbyte_cdk.sources.file_based.storages.http_urls import Member, UrlList, shown
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

T = TypeVar("T")
LOGGER = logging.getLogger("airbyte")

LISTING_THREADS = 8
"""Requests for details or index pages at once."""
RANGE_THREADS = 4
"""Requests for parts of one file at once."""
READ_BYTES = 256 * 1024
"""Most of one read: what a broken connection can take along with it."""

_LEADING_DOTS = re.compile(r"/\.+(?=[^/.])")


class HttpAccess(StorageAccess):
    """The files that a list of URLs names, or that the index pages of a folder list.

    Size, time and version of each wanted file come from a request of their own, as index pages tell times to the
    minute only, and sizes rounded. Without ``Last-Modified`` a file counts as changed at the moment of the listing: it
    is read in each sync, so no change is lost.

    Args:
        source: Tells uris and their URLs.
        client: Asks.
    """

    def __init__(self, source: UrlList | IndexedFolder, client: HttpClient) -> None:
        self.title = source.title
        self._source = source
        self._client = client
        self._ignores_ranges = False

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """The wanted files; `Listed.modified` is the time of the listing where the server tells none.

        A file or folder that an index page lists, but that is not there, is left out with a warning; if nothing that is
        wanted is there, this raises. Members of a range of URLs that are not there are left out with one message; a URL
        without a range raises. A file of an index page that the server forbids is given without size and version, so
        that reading it tells.
        """

        def retried(request: Callable[[], T], over: Event = over, /) -> T:
            return self.retried(request, over)

        now = _now()
        pool = ThreadPoolExecutor(LISTING_THREADS, thread_name_prefix="airbyte-http")
        try:
            if isinstance(self._source, UrlList):
                yield from self._named(self._source, prefix, wanted, pool, now, retried)
            else:
                missing: list[str] = []
                uris = self._source.uris(prefix, recursive, enter, pool, retried, self.watch, missing)
                yield from self._indexed(filter(wanted, uris), missing, pool, now, retried)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # what is tried again is not waited for

    def _indexed(
        self,
        uris: Iterator[str],
        missing: list[str],
        pool: ThreadPoolExecutor,
        now: datetime,
        retried: Retried,
    ) -> Iterator[Listed]:
        def one(uri: str) -> Listed | None:
            try:
                return settled(lambda: self._listed(uri, self._url(uri), now), retried)
            except HttpError as error:
                if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    return Listed(uri, None, now)
                if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                    LOGGER.warning(f"{self.title}: {uri} is listed by an index page, but is not there: {error}")
                    missing.append(uri)
                    return None
                if error.failure.trouble is Trouble.MISSING:
                    reason = f"{error}: its index page lists it without a slash at its end; globs can leave it out"
                    raise HttpError(Failure(Trouble.CONFIG, reason)) from None
                raise

        found = 0
        for listed in in_parallel(one, uris, pool):
            if listed is not None:
                found += 1
                yield listed
        if missing and not found:
            more = f" and {len(missing) - 1:,} more" if missing[1:] else ""
            reason = (
                f"its index pages list {min(missing)!r}{more}, but nothing of that is there: check base_url and globs"
            )
            raise HttpError(Failure(Trouble.CONFIG, reason))

    def _named(
        self,
        source: UrlList,
        prefix: str,
        wanted: Callable[[str], bool],
        pool: ThreadPoolExecutor,
        now: datetime,
        retried: Retried,
    ) -> Iterator[Listed]:
        asked: Counter[str] = Counter()
        missing: Counter[str] = Counter()
        hidden: set[str] = set()

        def one(member: Member) -> tuple[Member, Listed | None]:
            try:
                return member, settled(lambda: self._listed(member.uri, member.url, now), retried)
            except HttpError as error:
                if error.failure.trouble is not Trouble.MISSING:
                    raise
                if not member.pattern.ranges:
                    raise HttpError(Failure(Trouble.CONFIG, f"{error}: correct urls"), error.status) from None
                return member, None

        def asked_for(uri: str) -> bool:
            if not uri.startswith(prefix):
                return False
            if wanted(uri):
                return True
            without_dots = _LEADING_DOTS.sub("/", uri)
            if without_dots != uri and wanted(without_dots):
                hidden.add(uri)
            return False

        def members() -> Iterator[Member]:
            try:
                yield from source.members(asked_for)
            except ValueError as error:
                raise HttpError(Failure(Trouble.CONFIG, str(error))) from None

        for member, listed in in_parallel(one, members(), pool):
            asked[member.pattern.shown] += 1
            if listed is None:
                missing[member.pattern.shown] += 1
            else:
                yield listed
        for pattern, number in missing.items():
            LOGGER.info(f"{self.title}: {number:,} of {asked[pattern]:,} files of {pattern} do not exist")
        if hidden:
            LOGGER.warning(
                f"{self.title}: {len(hidden):,} files are left out, as wildcards of globs do not stand for names that "
                f"begin with a dot. Write these names into the globs to read them, such as {min(hidden)!r}."
            )

    def _listed(self, uri: str, url: str, now: datetime) -> Listed:
        found = self._client.details(url)
        return Listed(uri, found.size, found.modified or now, found.version)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """The content as it is stored, whatever encoding the server says it has.

        A server that ignores ranges sends all of it: what is before `start` is read and left out.
        """
        return self._part(uri, start, None, version)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """The ranges, several at once; in one go where the server ignores ranges."""
        if self._ignores_ranges or len(ranges) < 2:
            return self._in_one_go(uri, ranges, version)
        with ThreadPoolExecutor(RANGE_THREADS, thread_name_prefix="airbyte-http") as pool:
            first = self._range(uri, ranges[0], version)
            if self._ignores_ranges:
                return self._in_one_go(uri, ranges, version)
            return [first, *in_parallel(lambda part: self._range(uri, part, version), ranges[1:], pool)]

    def _range(self, uri: str, part: tuple[int, int], version: str | None) -> bytes:
        start, end = part
        if end <= start:
            return b""
        content = self._part(uri, start, end, version)
        try:
            return read_exactly(content, end - start, self.watch())
        finally:
            content.close()

    def _in_one_go(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None) -> list[bytes]:
        """The ranges in the order in which they lie in the file, of as few answers as they need."""
        parts: dict[tuple[int, int], bytes] = {}
        content: _HttpContent | None = None
        try:
            for start, end in sorted(set(ranges)):
                if end <= start:
                    parts[start, end] = b""
                    continue
                if content is None or not content.skip_to(start, end):
                    if content is not None:
                        content.close()
                    content = self._part(uri, start, end, version)
                parts[start, end] = read_exactly(content, end - start, self.watch())
        finally:
            if content is not None:
                content.close()
        return [parts[part] for part in ranges]

    def info(self, uri: str) -> Listed:
        """Size, time and version now; the time is this moment where the server tells none.

        A server whose answer to HEAD has no size is asked for the first byte as well: a part tells the size of the
        whole. The listing does not ask so much.
        """
        url, now = self._url(uri), _now()
        listed = self._listed(uri, url, now)
        if listed.size is not None:
            return listed
        found = self._client.first_byte(url)
        return Listed(uri, found.size, found.modified or now, found.version)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """What an exception means."""
        if isinstance(error, HttpError):
            return error.failure
        if isinstance(error, AirbyteTracedException):
            trouble = Trouble.CONFIG if error.failure_type is FailureType.config_error else Trouble.OTHER
            return Failure(trouble, error.message or type(error).__name__)
        if isinstance(error, ConnectionError | TimeoutError):
            return Failure(Trouble.TEMPORARY, f"the connection failed ({type(error).__name__})")
        return Failure(Trouble.OTHER, type(error).__name__)

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def _url(self, uri: str) -> str:
        url = self._source.url(uri)
        if url is None:
            raise HttpError(Failure(Trouble.MISSING, f"{self.title} has no file of this name"))
        return url

    def _part(self, uri: str, start: int, end: int | None, version: str | None) -> _HttpContent:
        """The content from `start`, to `end` if the server can give parts."""
        url = self._url(uri)
        headers = {}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if version and version.startswith('"'):
                # so that a part is never one of other content, even if the answer does not name its version
                headers["If-Range"] = version
        response = self._client.get(url, headers)
        try:
            return self._begun(response, url, start, end, version)
        except BaseException:
            response.close()
            raise

    def _begun(
        self, response: requests.Response, url: str, start: int, end: int | None, version: str | None
    ) -> _HttpContent:
        status = response.status_code
        found = details(response)
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            size = found.size if found.size is not None else self._client.details(url).size
            if size is None or size < start:
                raise _changed(url)
            return _HttpContent(response, url, size, version, size, size, size)
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise refused(response, url)
        refuse_folder(response, url)
        refuse_encoding(response, url)
        if differ(found.version, version):
            raise _changed(url)
        at, stop = 0, found.size
        if status == HTTPStatus.PARTIAL_CONTENT:
            first, last, _ = content_range(response.headers.get("Content-Range"))
            if first != start or last is None:
                reason = f"the server answered with another part of {shown(url)} than was asked for"
                raise HttpError(Failure(Trouble.OTHER, reason), status)
            at, stop = start, last + 1
        elif start or end is not None:
            self._ignores_ranges = True
        content = _HttpContent(response, url, found.size, found.version, at, stop, end)
        if not content.skip_to(start, end):
            raise _changed(url)
        return content


class _HttpContent(Content):
    """The body of one answer.

    Args:
        response: Its body has not been read yet.
        url: Of the file.
        size: Of the whole file, if known.
        version: Of the content.
        at: Where in the file the body begins.
        stop: Where it ends, if known.
        end: Where to end before that.
    """

    def __init__(
        self,
        response: requests.Response,
        url: str,
        size: int | None,
        version: str | None,
        at: int,
        stop: int | None,
        end: int | None,
    ) -> None:
        self.size = size
        self.version = version
        self._response = response
        self._url = url
        self._at = at
        self._stop = stop
        self._end = end

    def read(self, n: int) -> bytes:
        """The next bytes; raises HttpError if the body ends before its announced end."""
        left = n if self._end is None else min(n, self._end - self._at)
        if self._stop is not None:
            left = min(left, self._stop - self._at)
        data = read(self._response, min(left, READ_BYTES), self._url) if left > 0 else b""
        self._at += len(data)
        if not data and n > 0 and self._is_short():
            raise HttpError(Failure(Trouble.TEMPORARY, f"the server sent only a part of {shown(self._url)}"))
        return data

    def _is_short(self) -> bool:
        ends = [end for end in (self._end, self.size) if end is not None]
        return self.size is not None and self._at < min(ends)

    def skip_to(self, start: int, end: int | None) -> bool:
        """Go on at `start` and end at `end`; False if that is not in what is left of this body."""
        if start < self._at:
            return False
        if self._stop is not None and (start > self._stop or start == self._stop != self.size):
            return False
        self._end = None
        while self._at < start:
            if not self.read(start - self._at):
                return False
        self._end = end
        return True

    def close(self) -> None:
        """Let go of the connection, which is used again if the body was read to its end."""
        self._response.close()


def _changed(url: str) -> HttpError:
    return HttpError(Failure(Trouble.CHANGED, f"{shown(url)} is no longer the content that was listed"))


def _now() -> datetime:
    return naive_utc(datetime.now(UTC))
