"""Index pages: the listings that web servers make of their folders."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from html.parser import HTMLParser
from http import HTTPStatus
from itertools import chain
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urljoin, urlsplit

import requests

from airbyte_cdk.sources.file_based.access.storage_access import Enter, Failure, Retried, Trouble
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.compression import CODECS, BrokenStream, decompressed
from airbyte_cdk.sources.file_based.storages.http_client import HttpClient, read
from airbyte_cdk.sources.file_based.storages.http_errors import HttpError, refused, settled
from airbyte_cdk.sources.file_based.storages.http_parallel import in_parallel
from airbyte_cdk.sources.file_based.storages.http_urls import shown

LOGGER = logging.getLogger("airbyte")

DEEPEST = 64
"""Folders inside of each other. More of them are taken for a link of the server that leads back."""

_HTML = ("text/html", "application/xhtml+xml")
_HEAD = 1024
_PIECE = 256 * 1024
_PAGE_HEADERS = {"Accept": "text/html, application/xhtml+xml;q=0.9", "Accept-Encoding": "gzip"}
_GZIP = {"gzip": CODECS[0], "x-gzip": CODECS[0]}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
# Titles and headings of the pages of Apache, nginx, lighttpd, Python, Jetty, Tomcat, rclone, Twisted and others
_TITLES = re.compile(r"\s*(index of|directory listing|directory:|listing of|contents of|files within)\b", re.IGNORECASE)
# Links that sort the page: Apache, lighttpd; Caddy, rclone, miniserve
_SORTING = re.compile(r"\?(C=[NMSD][;&]O=[AD]|sort=\w+&(amp;)?order=(asc|desc))$")


class Page(NamedTuple):
    """What one index page lists.

    Attributes:
        files: Their uris.
        folders: Their uris, without the last ``/``.
        with_query: How many further links have a query.
    """

    files: list[str]
    folders: list[str]
    with_query: int


class IndexedFolder:
    """The files below one URL, as index pages list them: each by the page of its folder.

    The uri of a file is its path below `base_url`, with %-escapes decoded once. A path that is not UTF-8 then, or that
    holds an escaped ``/``, stays as the page spells it. If a page is redirected, what it lists is where its links lead
    from there. Links to other hosts, to what is not below their page, or with a query are none of the files.
    """

    def __init__(self, base_url: str, client: HttpClient) -> None:
        self._base = base_url if base_url.endswith("/") else f"{base_url}/"
        self._client = client
        self._spelled: dict[str, str] = {}
        # of folders whose page is somewhere else than below that of the folder above: where
        self._places = {"": self._base}

    @property
    def title(self) -> str:
        """Names the folder in messages."""
        return f"HTTP folder {shown(self._base)}"

    def url(self, uri: str) -> str | None:
        """The URL of a file; None for what can be no file below the base."""
        return None if any(part in ("", ".", "..") for part in uri.split("/")) else self._below(uri)

    def uris(
        self,
        prefix: str,
        recursive: bool,
        enter: Enter,
        pool: Executor,
        retried: Retried,
        watch: Callable[[], Watch],
        missing: list[str],
    ) -> Iterator[str]:
        """The uris of all files that begin with `prefix`, page by page, level by level.

        A folder that a page lists, but that is not there, is left out with a warning, and added to `missing`.

        Raises:
            HttpError: A page that is needed cannot be had, or is not an index.
        """

        def page_of(folder: str) -> Page:
            return settled(lambda: self._asked(folder, watch()), retried)

        start = prefix.rpartition("/")[0]
        first = self._page_if_any(start, page_of)
        if first is None:
            page_of("")  # raises if it is not the folder, but all of it that is not there
            return
        seen = {start}
        with_query = 0
        pages: Iterable[Page | None] = [first]
        while pages:
            deeper: list[str] = []
            for page in pages:
                if page is None:
                    continue
                with_query += page.with_query
                yield from (uri for uri in page.files if uri.startswith(prefix))
                if recursive:
                    below = [uri for uri in page.folders if f"{uri}/".startswith(prefix) and uri not in seen]
                    seen.update(below)
                    deeper += [uri for uri in below if enter(uri)]
            pages = in_parallel(partial(self._met, page_of, missing), deeper, pool) if deeper else ()
        if with_query:
            LOGGER.warning(
                f"{self.title}: {with_query:,} links of its index pages have a query and are left out. Name those that "
                "are files under `urls`."
            )

    def _met(self, page_of: Callable[[str], Page], missing: list[str], folder: str) -> Page | None:
        """The page of a folder that another page lists; None if it is not there."""
        try:
            return page_of(folder)
        except HttpError as error:
            if error.failure.trouble is not Trouble.MISSING:
                raise
            missing.append(folder)
            LOGGER.warning(f"{self.title}: the folder {folder} is listed by an index page, but is not there: {error}")
            return None

    def _page_if_any(self, folder: str, page_of: Callable[[str], Page]) -> Page | None:
        if folder and self.url(folder) is None:
            return None
        try:
            return page_of(folder)
        except HttpError as error:
            if error.failure.trouble is Trouble.MISSING:
                return None
            raise

    def _asked(self, folder: str, watch: Watch) -> Page:
        path = f"{self._path(folder)}/" if folder else ""
        url = f"{self._below(folder)}/" if folder else self._base
        if folder.count("/") >= DEEPEST:
            raise _no_index(f"{shown(url)} is inside of {DEEPEST} folders: a link of the server seems to lead back")
        advice = "globs can leave the folder out" if folder else "check base_url"
        with self._client.get(url, _PAGE_HEADERS) as response:
            if response.status_code != HTTPStatus.OK:
                error = refused(response, url)
                if not folder and error.failure.trouble is Trouble.MISSING:
                    raise HttpError(Failure(Trouble.CONFIG, f"{error}: check base_url"), error.status)
                raise error
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            given = urlsplit(str(response.url))
            inside = given.path.rpartition("/")[0] + "/"
            elsewhere = bool(folder) and not unquote_to_bytes(inside).endswith(unquote_to_bytes(f"/{path}"))
            if kind not in _HTML or elsewhere:
                raise _no_index(f"{shown(url)} is not an index page, or redirects to another one: {advice}")
            page = _parsed(response, url, watch)
        if not page.is_index(unquote(inside)):
            raise _no_index(f"{shown(url)} is a page, but not the index page of a folder: {advice}")
        if response.history:
            self._places[folder] = f"{given.scheme}://{given.netloc}{inside}"
        elif folder:
            self._places.pop(folder, None)
        else:
            self._places[folder] = self._base
        start = _start_of_links(page.base, given)
        if start is None:
            raise _no_index(f"{shown(url)} says by its <base> that its links belong to another folder: {advice}")
        links: list[list[str]] = []
        queried: list[list[str]] = []
        for href in page.hrefs:
            target, question_mark, _ = href.partition("#")[0].partition("?")
            if parts := _parts_below(target, given, start):
                (queried if question_mark else links).append(parts)
        return self._listed(folder, links, queried, url)

    def _path(self, uri: str) -> str:
        """The path of a file or folder below the base, as pages spell it."""
        return self._spelled.get(uri) or quote(uri, safe="/")

    def _below(self, uri: str) -> str:
        """The URL of a file, or of a folder without its last ``/``: below the page that lists it."""
        folder = uri.rpartition("/")[0]
        while folder not in self._places:
            folder = folder.rpartition("/")[0]
        path = self._path(uri)
        return self._places[folder] + (path[len(self._path(folder)) + 1 :] if folder else path)

    def _listed(self, folder: str, links: list[list[str]], queried: list[list[str]], url: str) -> Page:
        """The page of `folder`, from the paths that its links have below it; those of `queried` have a query."""
        spelled: dict[str, str] = {}
        files: list[str] = []
        folders: list[str] = []
        for parts in links:
            is_folder = not parts[-1]
            path = "/".join(parts[:-1] if is_folder else parts)
            name = _decoded(path)
            uri = f"{folder}/{name or path}" if folder else name or path
            full = f"{self._path(folder)}/{path}" if folder else path
            if uri in spelled:
                if unquote_to_bytes(spelled[uri]) != unquote_to_bytes(full):
                    raise _no_index(f"{shown(url)} lists two files whose names are both {uri!r} once they are decoded")
                continue
            spelled[uri] = full
            if name is None or folder in self._spelled:
                self._spelled[uri] = full
            (folders if is_folder else files).append(uri)
        plain = {tuple(parts) for parts in links} if queried else ()
        return Page(files, folders, sum(tuple(parts) not in plain for parts in queried))


class _Parser(HTMLParser):
    """Finds the links of a page, and what tells whether it is an index."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hrefs: list[str] = []
        self.base: str | None = None
        self.titles: list[str] = []
        self.ended = False
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]
        elif tag == "base":
            self.base = self.base or dict(attrs).get("href")
        elif tag in ("title", "h1"):
            self._in_title = True
            self.titles.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("title", "h1"):
            self._in_title = False
        self.ended = self.ended or tag in ("body", "html")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.titles[-1] += data

    def is_index(self, path: str) -> bool:
        """Whether a server made this page to list the folder `path`: its title, its sorting or parent links say so."""
        titles = [title.strip() for title in self.titles]
        return (
            any(_TITLES.match(title) or title == path or title.endswith(f" - {path}") for title in titles)
            or any(_SORTING.match(href) for href in self.hrefs)
            or any(href.removeprefix("./") in ("..", "../") for href in self.hrefs)
        )


def _parsed(response: requests.Response, url: str, watch: Watch) -> _Parser:
    """The page, read piece by piece to its end."""
    parser = _Parser()
    pieces = _pieces(response, url, watch)
    head = b""
    try:
        while len(head) < _HEAD and (piece := next(pieces, b"")):
            head += piece
        decoder = codecs.getincrementaldecoder(_charset(response, head))("replace")
        for piece in chain((head,), pieces):
            parser.feed(decoder.decode(piece))
    except BrokenStream as error:
        raise HttpError(Failure(Trouble.TEMPORARY, f"the index page {shown(url)} broke off: {error}")) from None
    parser.close()
    told = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if not told and not parser.ended:
        raise HttpError(Failure(Trouble.TEMPORARY, f"the index page {shown(url)} broke off"))
    return parser


def _pieces(response: requests.Response, url: str, watch: Watch) -> Iterator[bytes]:
    """The body without its encoding. Neither `requests` nor `urllib3` notices gzip data that are cut off."""

    def sent(n: int) -> bytes:
        return watch.read(lambda most: read(response, most, url), n)

    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in _GZIP:
        return decompressed(sent, _GZIP[encoding])
    if encoding not in ("", "identity"):
        reason = (
            f"the server sends the index page {shown(url)} with the content encoding {encoding}, which nobody asked for"
        )
        raise HttpError(Failure(Trouble.OTHER, reason))
    return iter(lambda: sent(_PIECE), b"")


def _charset(response: requests.Response, start: bytes) -> str:
    told = re.search(r"charset\s*=\s*[\"']?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    meta = _META_CHARSET.search(start)
    name = told[1] if told else meta[1].decode() if meta else "utf-8"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def _start_of_links(base: str | None, page: SplitResult) -> str | None:
    """The path of the folder from which the links of a page lead: its own, or one above that its ``<base>`` names.

    None if the page does not lie in that folder.
    """
    folder = page.path.rpartition("/")[0] + "/"
    if not base:
        return folder
    named = urlsplit(urljoin(page.geturl(), base.strip()))
    above = named.path.rpartition("/")[0] + "/"
    return above if named.netloc == page.netloc and folder.startswith(above) else None


def _parts_below(href: str, page: SplitResult, start: str) -> list[str] | None:
    """The path of a link below the folder of its page, by parts as they are spelled; None if it is not below.

    The last part of a folder is empty. `urllib.parse.urljoin` is of no use here: it would normalise paths.

    Args:
        href: Without query and fragment.
        page: Where the page is.
        start: The path of the folder from which its links lead.
    """
    # as browsers: https://url.spec.whatwg.org/#concept-basic-url-parser
    href = re.sub(r"[\t\r\n]", "", href).strip("\x00 ")
    if not href:
        return None
    if _SCHEME.match(href) or href.startswith("//"):
        link = urlsplit(href, scheme=page.scheme)
        if link.scheme not in ("http", "https") or link.hostname != page.hostname:
            return None
        href = link.path or "/"
    if not href.startswith("/"):
        href = start + re.sub(r"^(\./)+", "", href)
    parts = href.split("/")
    above = page.path.split("/")[:-1]
    if [unquote_to_bytes(part) for part in parts[: len(above)]] != [unquote_to_bytes(part) for part in above]:
        return None
    parts = parts[len(above) :]
    while parts and parts[0] == ".":
        parts = parts[1:]
    names = parts if parts and parts[-1] else parts[:-1]
    if not names or any(unquote_to_bytes(name) in (b"", b".", b"..") for name in names):
        return None
    return parts


def _decoded(path: str) -> str | None:
    """A path without %-escapes, or None if it would not be the same path then, or is not UTF-8."""
    if "%2f" in path.lower():
        return None
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None


def _no_index(reason: str) -> HttpError:
    return HttpError(Failure(Trouble.CONFIG, reason))
